/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <math.h>

#include "common.h"

void
json_add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

void
json_add_number (JsonBuilder *builder, const char *name, guint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, (gint64) value);
}

static void clean_member (JsonObject *object, const char *name, JsonNode *node, gpointer data);
static void clean_element (JsonArray *array, guint index, JsonNode *node, gpointer data);

/* Makes null what is no number to JSON. */
static void
clean (JsonNode *node)
{
  if (JSON_NODE_HOLDS_OBJECT (node))
    json_object_foreach_member (json_node_get_object (node), clean_member, NULL);
  else if (JSON_NODE_HOLDS_ARRAY (node))
    json_array_foreach_element (json_node_get_array (node), clean_element, NULL);
  else if (json_node_get_value_type (node) == G_TYPE_DOUBLE
           && !isfinite (json_node_get_double (node)))
    json_node_init_null (node);
}

static void
clean_member (JsonObject *object, const char *name, JsonNode *node, gpointer data)
{
  clean (node);
}

static void
clean_element (JsonArray *array, guint index, JsonNode *node, gpointer data)
{
  clean (node);
}

/* JSON-GLib leaves raw what is not ASCII, and U+001F. Its own line breaks are between strings. */
static char *
escape (const char *json)
{
  GString *text = g_string_new (NULL);

  for (const char *p = json; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c == '\n' || is_printable (c))
        g_string_append_unichar (text, c);
      else if (c < 0x10000)
        g_string_append_printf (text, "\\u%04x", c);
      else
        g_string_append_printf (text, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10),
                                0xdc00 + (c & 0x3ff));
    }
  return g_string_free (text, FALSE);
}

static char *
generate (JsonBuilder *builder, gboolean pretty)
{
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *json = NULL;

  clean (root);
  json_generator_set_root (generator, root);
  json_generator_set_pretty (generator, pretty);
  json = json_generator_to_data (generator, NULL);
  g_object_unref (builder);
  return escape (json);
}

char *
json_line (JsonBuilder *builder)
{
  return generate (builder, FALSE);
}

void
print_json (JsonBuilder *builder)
{
  g_autofree char *text = generate (builder, TRUE);

  g_print ("%s\n", text);
}
