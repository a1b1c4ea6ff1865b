/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common.h"

#include <string.h>

gboolean
parse_options (int *argc, char ***argv, const GOptionEntry *entries, const char *arguments,
               const char *summary)
{
  g_autofree char *command = g_strdup_printf ("frame-inspect %s", (*argv)[0]);
  g_autoptr (GOptionContext) context = g_option_context_new (arguments);
  g_autoptr (GError) error = NULL;
  gboolean optional = arguments != NULL && arguments[0] == '[';
  int most = arguments != NULL ? 2 : 1;
  gboolean parsed;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_summary (context, summary);
  g_set_prgname (command); /* the help begins with it */
  parsed = g_option_context_parse (context, argc, argv, &error);
  g_set_prgname ("frame-inspect");
  if (!parsed)
    {
      complain ("%s; see %s --help", error->message, command);
      return FALSE;
    }
  if (*argc > most || (*argc < most && !optional))
    {
      complain ("%s takes %s; see %s --help", (*argv)[0],
                arguments == NULL ? "no arguments"
                : optional        ? "one argument at most"
                                  : "one argument",
                command);
      return FALSE;
    }
  return TRUE;
}

gboolean
is_printable (gunichar c)
{
  GUnicodeType type = g_unichar_type (c);

  return g_unichar_isprint (c) && type != G_UNICODE_LINE_SEPARATOR
         && type != G_UNICODE_PARAGRAPH_SEPARATOR;
}

char *
printable (const char *text)
{
  char *valid = g_utf8_make_valid (text != NULL ? text : "", -1);
  GString *result = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_string_append_unichar (result, is_printable (c) ? c : '?');
    }
  g_free (valid);
  return g_string_free (result, FALSE);
}

guint
columns_of (gunichar c)
{
  return g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
}

void
complain (const char *format, ...)
{
  g_autofree char *message = NULL;
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  text = printable (message);
  g_printerr ("frame-inspect: %s\n", text);
}

char *
human_size (guint64 bytes)
{
  g_autofree char *size = g_format_size (bytes);
  GString *text = g_string_new (size);

  /* GLib's no-break space is not in every terminal's character set. */
  g_string_replace (text, "\302\240", " ", 0);
  return g_string_free (text, FALSE);
}

char *
human_duration (gint64 ns)
{
  if (ns < 0)
    return g_strdup ("-");
  if (ns < 1000000)
    return g_strdup_printf ("%.1f us", (double) ns / 1e3);
  if (ns < G_GINT64_CONSTANT (1000000000))
    return g_strdup_printf ("%.1f ms", (double) ns / 1e6);
  if (ns < G_GINT64_CONSTANT (600000000000))
    return g_strdup_printf ("%.2f s", (double) ns / 1e9);
  return g_strdup_printf ("%.1f min", (double) ns / 60e9);
}

/* ---- tables -------------------------------------------------------------------------------- */

void
table_init (Table *table, guint64 right, const char *const *titles)
{
  table->columns = g_strv_length ((char **) titles);
  table->right = right;
  table->cells = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < table->columns; i++)
    g_ptr_array_add (table->cells, g_strdup (titles[i]));
}

void
table_add (Table *table, char *cell)
{
  g_ptr_array_add (table->cells, cell);
}

static glong
text_columns (const char *text)
{
  glong columns = 0;

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    columns += columns_of (g_utf8_get_char (p));
  return columns;
}

static void
print_cell (const char *cell, glong width, gboolean right, gboolean last)
{
  int padding = (int) (width - text_columns (cell));

  if (right)
    g_print ("%*s%s", padding, "", cell);
  else
    g_print ("%s%*s", cell, last ? 0 : padding, "");
  g_print ("%s", last ? "\n" : "  ");
}

void
table_print (Table *table)
{
  g_autofree glong *widths = g_new0 (glong, table->columns);

  for (guint i = 0; i < table->cells->len; i++)
    {
      glong *width = &widths[i % table->columns];

      *width = MAX (*width, text_columns (table->cells->pdata[i]));
    }
  for (guint i = 0; i < table->cells->len; i++)
    {
      guint column = i % table->columns;

      print_cell (table->cells->pdata[i], widths[column], (table->right >> column) & 1,
                  column == table->columns - 1);
    }
  g_clear_pointer (&table->cells, g_ptr_array_unref);
}

int
compare_times (const void *a, const void *b)
{
  gint64 left = *(const gint64 *) a, right = *(const gint64 *) b;

  return left < right ? -1 : left > right;
}

/* ---- dictionaries -------------------------------------------------------------------------- */

guint64
lookup_number (GVariant *dict, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, key, NULL);

  if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    return g_variant_get_uint32 (value);
  if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    return g_variant_get_uint64 (value);
  return 0;
}

const char *
lookup_string (GVariant *dict, const char *key)
{
  const char *text;

  return g_variant_lookup (dict, key, "&s", &text) ? text : "";
}
