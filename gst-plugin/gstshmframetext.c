/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframetext.h"

#include <string.h>

/* GStreamer's parsers recurse with every bracket, without a limit: 32 KB of them are a stack
 * overflow. And they try several types at each, so that the time doubles: 30 are hours. */
#define MAX_DEPTH 8
#define MAX_TYPE_NAME 64

/* GStreamer's short names of types whose text holds no other text to be parsed. */
static const char *const plain_names[]
    = { "int",      "i",       "uint",    "u",    "float",    "f",      "double",
        "d",        "boolean", "bool",    "b",    "string",   "str",    "s",
        "fraction", "bitmask", "flagset", "date", "datetime", "buffer", NULL };

/* A structure, caps, tags or a sample within a value is unescaped, or decoded, and parsed in its turn:
 * what it nests cannot be seen from here. */
static gboolean
is_plain_type (const char *name)
{
  GType type = g_type_from_name (name);
  GType fundamental = G_TYPE_FUNDAMENTAL (type);

  if (g_strv_contains (plain_names, name))
    return TRUE;
  return (fundamental >= G_TYPE_CHAR && fundamental <= G_TYPE_STRING)
         || fundamental == GST_TYPE_FRACTION || fundamental == GST_TYPE_BITMASK
         || fundamental == GST_TYPE_FLAG_SET || type == G_TYPE_DATE || type == GST_TYPE_DATE_TIME
         || type == GST_TYPE_BUFFER;
}

/* `text` begins behind a bracket: "type)", or the features of caps, which are no type. */
static gboolean
is_plain_cast (const char *text, char before)
{
  char name[MAX_TYPE_NAME + 1];
  gsize length;

  if (before == '\0' || !strchr ("=,;[{<", before))
    return TRUE;
  while (g_ascii_isspace (*text))
    text++;
  length = strcspn (text, " \t\r\n\v\f)");
  if (length > MAX_TYPE_NAME)
    return FALSE;
  memcpy (name, text, length);
  name[length] = '\0';
  return is_plain_type (name);
}

static gboolean
is_harmless (const char *text)
{
  gboolean quoted = FALSE, escaped = FALSE;
  guint depth = 0;
  char before = '\0'; /* the last that was no space */

  for (const char *c = text; *c; c++)
    {
      if (strchr ("[{<", *c) && ++depth > MAX_DEPTH)
        return FALSE;
      if (strchr ("]}>", *c) && !quoted && depth > 0)
        depth--;
      if (*c == '(' && !quoted && !is_plain_cast (c + 1, before))
        return FALSE;
      if (*c == '"' && !escaped)
        quoted = !quoted;
      escaped = quoted && *c == '\\' && !escaped;
      if (!g_ascii_isspace (*c))
        before = *c;
    }
  return TRUE;
}

GstCaps *
gst_shm_frame_caps_from_text (const char *text)
{
  return is_harmless (text) ? gst_caps_from_string (text) : NULL;
}

GstStructure *
gst_shm_frame_structure_from_text (const char *text)
{
  char *end; /* without it, text that goes on is a warning */

  return is_harmless (text) ? gst_structure_from_string (text, &end) : NULL;
}

/* Some tags, one value or a list of them. */
static gboolean
add_tag (GQuark field, const GValue *value, gpointer list)
{
  const char *tag = g_quark_to_string (field);

  if (!gst_tag_exists (tag))
    return TRUE;
  if (G_VALUE_TYPE (value) == gst_tag_get_type (tag))
    gst_tag_list_add_value (list, GST_TAG_MERGE_APPEND, tag, value);
  else if (GST_VALUE_HOLDS_LIST (value))
    for (guint i = 0; i < gst_value_list_get_size (value); i++)
      if (G_VALUE_TYPE (gst_value_list_get_value (value, i)) == gst_tag_get_type (tag))
        gst_tag_list_add_value (list, GST_TAG_MERGE_APPEND, tag,
                                gst_value_list_get_value (value, i));
  return TRUE;
}

GstTagList *
gst_shm_frame_tags_from_text (const char *text)
{
  g_autoptr (GstStructure) structure = gst_shm_frame_structure_from_text (text);
  GstTagList *list;

  if (!structure || !gst_structure_has_name (structure, "taglist"))
    return NULL;
  list = gst_tag_list_new_empty ();
  gst_structure_foreach (structure, add_tag, list);
  return list;
}

/* A picture would not fit, and no consumer would parse it. */
char *
gst_shm_frame_text_from_tags (const GstTagList *tags)
{
  g_autoptr (GstTagList) textual = gst_tag_list_copy (tags);

  for (gint i = gst_tag_list_n_tags (tags); i-- > 0;)
    {
      const char *name = gst_tag_list_nth_tag_name (tags, i);

      if (gst_tag_get_type (name) != GST_TYPE_SAMPLE)
        continue;
      gst_tag_list_remove_tag (textual, name);
      GST_WARNING ("the tag %s does not cross to other processes", name);
    }
  return gst_tag_list_is_empty (textual) ? NULL : gst_tag_list_to_string (textual);
}
