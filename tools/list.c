/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"
#include "pools.h"

/* A stopped producer must not hold the list up for long. */
#define LIST_TIMEOUT_NS (G_GINT64_CONSTANT (500) * 1000 * 1000)

static void
add_row (Table *table, const PoolAnswer *answer)
{
  ShmFramePoolInfo *info = answer->info;
  const PoolView *view = answer->view;
  g_autofree char *format = NULL;
  g_autofree char *shown = NULL;

  if (view != NULL && view->format != NULL)
    format = shmframe_format_to_string (view->format);
  else
    format = g_strdup (answer->problem != NULL ? answer->problem : "none yet");
  shown = printable (format);
  table_add (table, printable (shmframe_pool_info_get_name (info)));
  table_add (table, shmframe_pool_info_get_pid (info) != 0
                        ? g_strdup_printf ("%u", shmframe_pool_info_get_pid (info))
                        : g_strdup ("?"));
  table_add (table, printable (shmframe_pool_info_get_program (info)));
  table_add (table,
             view != NULL ? g_strdup_printf ("%" G_GUINT64_FORMAT, view->latest) : g_strdup ("-"));
  table_add (table, view != NULL ? g_strdup_printf ("%u", view->consumers->len) : g_strdup ("-"));
  table_add (table, view != NULL ? human_size (lookup_number (view->stats, "committed-bytes"))
                                 : g_strdup ("-"));
  if (view != NULL && pool_view_has_ended (view))
    table_add (table, g_strdup_printf ("%s; ended", shown));
  else
    table_add (table, g_steal_pointer (&shown));
}

static void
print_table (GPtrArray *answers)
{
  static const char *const titles[]
      = { "POOL", "PID", "PROGRAM", "LATEST", "CONSUMERS", "MEMORY", "FORMAT", NULL };
  Table table;

  if (answers->len == 0)
    {
      g_print ("no pools\n");
      return;
    }
  table_init (&table, 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5, titles);
  for (guint i = 0; i < answers->len; i++)
    add_row (&table, answers->pdata[i]);
  table_print (&table);
}

static void
add_object (JsonBuilder *builder, const PoolAnswer *answer)
{
  ShmFramePoolInfo *info = answer->info;
  const PoolView *view = answer->view;
  g_autofree char *path = g_utf8_make_valid (shmframe_pool_info_get_path (info), -1);
  g_autofree char *format = NULL;

  if (view != NULL && view->format != NULL)
    format = shmframe_format_to_string (view->format);
  json_builder_begin_object (builder);
  json_add_string (builder, "pool", shmframe_pool_info_get_name (info));
  json_add_string (builder, "path", path);
  json_builder_set_member_name (builder, "live");
  json_builder_add_boolean_value (builder, shmframe_pool_info_is_live (info));
  json_add_number (builder, "pid", shmframe_pool_info_get_pid (info));
  json_add_string (builder, "program", shmframe_pool_info_get_program (info));
  json_add_string (builder, "problem", answer->problem);
  json_add_string (builder, "format-text", format);
  if (view != NULL)
    {
      json_add_number (builder, "latest", view->latest);
      json_add_number (builder, "consumers", view->consumers->len);
      json_add_number (builder, "committed-bytes", lookup_number (view->stats, "committed-bytes"));
      json_builder_set_member_name (builder, "ended");
      json_builder_add_boolean_value (builder, pool_view_has_ended (view));
    }
  json_builder_end_object (builder);
}

static void
print_list_json (GPtrArray *answers)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_array (builder);
  for (guint i = 0; i < answers->len; i++)
    add_object (builder, answers->pdata[i]);
  json_builder_end_array (builder);
  print_json (builder);
}

int
command_list (int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry options[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON", NULL },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (ShmFrameRegistry) registry = NULL;
  g_autoptr (GPtrArray) pools = NULL;
  g_autoptr (GPtrArray) answers = NULL;

  if (!parse_options (&argc, &argv, options, NULL,
                      "Lists the pools in the runtime folders, with what their producers say."))
    return EXIT_USAGE;
  registry = shmframe_registry_new ();
  pools = shmframe_registry_list (registry);
  answers = pools_ask (pools, LIST_TIMEOUT_NS);
  if (json)
    print_list_json (answers);
  else
    print_table (answers);
  return EXIT_OK;
}
