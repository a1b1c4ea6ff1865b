/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframetext.h"

#include <gst/video/video.h>

/*
 * GStreamer's parsers take more than its serializers write: structures, caps and samples within values,
 * brackets without a limit (32 KB of them are a stack overflow, 30 without a type are hours), and much that
 * they answer with a critical, or will when it is written again. So what crosses is what serializers write
 * of the types below, and of enums and flags by the names of their values; and lists of them, and of those.
 * People write caps too, and leave types away: of numbers, fractions and words.
 */
#define NAME "(?!(?:video|audio)/x-raw-)[a-zA-Z][\\w/.:+-]*+" /* those are of GStreamer 0.10 */
#define FEATURE "[a-zA-Z]++:[a-zA-Z0-9]++"
#define INT31 "(?:1?\\d{1,9}|2147483647)" /* and for what is between, nobody has a use */
#define HEX32 "[\\da-f]{1,8}"
#define TIME_OF_DAY "\\d\\d:\\d\\d(?::\\d\\d(?:\\.\\d{1,6})?)?(?:Z|[+-]\\d{4})"
#define VALUE_NAME "[a-zA-Z][\\w-]*+"
#define UNTYPED "-?\\d{1,9}(?:/" INT31 ")?|[a-zA-Z][\\w.+-]*+"
#define LIST(item) "[{<]\\s*(?:(?:" item ")\\s*(?:,\\s*|(?=[}>])))*+[}>]"

static const struct
{
  const char *types;
  const char *value;
} grammar[] = {
  { "g?u?int|gu?int64|gu?long|guchar", "-?\\d{1,20}" },
  { "boolean", "true|false" },
  { "double|float", "-?(?:\\d[\\d.]*+(?:e[+-]\\d+)?|inf|nan)" },
  { "fraction", "-?" INT31 "/" INT31 },
  { "string", "(?!NULL\\s*[,}>])(?:[\\w/.:+-]++|\"(?:[^\"\\\\]++|\\\\.)*+\")" },
  { "date", "\\d{4}-\\d\\d-\\d\\d" },
  { "datetime", "\\d{4}(?:-\\d\\d(?:-\\d\\d(?:T" TIME_OF_DAY ")?)?)?" },
  { "bitmask", "0x[\\da-f]{1,16}" },
  { "buffer", "(?:[\\da-f]{2})++" },
  { "flagset|[A-Z]\\w+", HEX32 ":" HEX32 "(?::[\\w/+-]+)?" },
  { "[A-Z]\\w+", "0|" VALUE_NAME "(?:\\+" VALUE_NAME ")*" },
};

/* ", name=(type)value": the type is group 1, if any. A string may be NULL, though not in a list. */
static char *
field_pattern (void)
{
  GString *pattern
      = g_string_new ("\\s*,\\s*[\\w/.:+-]++\\s*=\\s*(?:" UNTYPED "|\\(string\\)NULL|(?");

  for (guint i = 0; i < G_N_ELEMENTS (grammar); i++)
    {
      const char *value = grammar[i].value;

      g_string_append_printf (pattern,
                              "|\\((%s)\\)(?:%s|" LIST ("%s|" LIST ("(?:\\(\\1\\))?(?:%s)")) ")",
                              grammar[i].types, value, value, value);
    }
  g_string_append (pattern, "))(?=\\s*[,;]|$)");
  return g_string_free (pattern, FALSE);
}

static gboolean
is_plain_type (const char *name)
{
  GType type = g_type_from_name (name);
  GType fundamental = G_TYPE_FUNDAMENTAL (type);

  return !g_ascii_isupper (*name)
         || (type != fundamental
             && (fundamental == G_TYPE_ENUM || fundamental == G_TYPE_FLAGS
                 || fundamental == GST_TYPE_FLAG_SET));
}

/* Moves on behind what matches there. */
static gboolean
skip (const GRegex *regex, const char *text, gint *at)
{
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *type = NULL;

  if (!g_regex_match_full (regex, text, -1, *at, G_REGEX_MATCH_ANCHORED, &match, NULL))
    return FALSE;
  type = g_match_info_fetch (match, 1);
  return g_match_info_fetch_pos (match, 0, NULL, at) && (!type || is_plain_type (type));
}

static gboolean
is_written (const char *text)
{
  static GRegex *head, *field;
  gint at = 0;

  if (g_once_init_enter (&field))
    {
      g_autofree char *pattern = field_pattern ();

      g_type_ensure (GST_TYPE_VIDEO_MULTIVIEW_FLAGSET); /* caps of video have it */
      head
          = g_regex_new (NAME "(?:\\(" FEATURE "(?:,\\s*" FEATURE ")*+\\))?", G_REGEX_RAW, 0, NULL);
      g_once_init_leave (&field, g_regex_new (pattern, G_REGEX_RAW, 0, NULL));
    }
  if (!skip (head, text, &at))
    return FALSE;
  while (text[at] && text[at] != ';')
    if (!skip (field, text, &at))
      return FALSE;
  return !text[at] || !text[at + 1];
}

/* Every element that makes a GstVideoInfo of caps would warn of another. */
static gboolean
has_known_views (const GstCaps *caps)
{
  g_autoptr (GEnumClass) modes = g_type_class_ref (GST_TYPE_VIDEO_MULTIVIEW_MODE);
  const char *mode = NULL;
  GEnumValue *known;

  if (gst_caps_get_size (caps) > 0)
    mode = gst_structure_get_string (gst_caps_get_structure (caps, 0), "multiview-mode");
  if (!mode)
    return TRUE;
  known = g_enum_get_value_by_nick (modes, mode);
  return known && known->value != GST_VIDEO_MULTIVIEW_MODE_NONE;
}

GstCaps *
gst_shm_frame_caps_from_text (const char *text)
{
  g_autoptr (GstCaps) caps = is_written (text) ? gst_caps_from_string (text) : NULL;

  return caps && has_known_views (caps) ? g_steal_pointer (&caps) : NULL;
}

GstStructure *
gst_shm_frame_structure_from_text (const char *text)
{
  return is_written (text) ? gst_structure_from_string (text, NULL) : NULL;
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

/* A picture, for one, would not: and no consumer would take it. */
static gboolean
tag_crosses (const GstTagList *tags, const char *name)
{
  g_autoptr (GstTagList) one = gst_tag_list_new_empty (), taken = NULL;
  g_autofree char *text = NULL;

  gst_tag_list_add_value (one, GST_TAG_MERGE_REPLACE, name,
                          gst_tag_list_get_value_index (tags, name, 0));
  text = gst_tag_list_to_string (one);
  taken = gst_shm_frame_tags_from_text (text);
  return taken != NULL;
}

char *
gst_shm_frame_text_from_tags (const GstTagList *tags)
{
  g_autoptr (GstTagList) textual = gst_tag_list_copy (tags);

  for (gint i = gst_tag_list_n_tags (tags); i-- > 0;)
    {
      const char *name = gst_tag_list_nth_tag_name (tags, i);

      if (tag_crosses (tags, name))
        continue;
      gst_tag_list_remove_tag (textual, name);
      GST_WARNING ("the tag %s does not cross to other processes", name);
    }
  return gst_tag_list_is_empty (textual) ? NULL : gst_tag_list_to_string (textual);
}
