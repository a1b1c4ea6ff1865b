/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframetext.h"

#include <string.h>

/* GStreamer's parsers recurse with every bracket, without a limit: 32 KB of them are a stack
 * overflow. And they try several types at each, so that the time doubles: 30 are hours. */
#define MAX_DEPTH 8

/* Quoted text may be parsed in its turn: there, and escaped, a bracket counts, but not its end. */
static gboolean
is_shallow (const char *text)
{
  gboolean quoted = FALSE, escaped = FALSE;
  guint depth = 0;

  for (const char *c = text; *c; c++)
    {
      if (strchr ("[{<", *c) && ++depth > MAX_DEPTH)
        return FALSE;
      if (strchr ("]}>", *c) && !quoted && !escaped && depth > 0)
        depth--;
      if (*c == '"' && !escaped)
        quoted = !quoted;
      escaped = *c == '\\' && !escaped;
    }
  return TRUE;
}

GstCaps *
gst_shm_frame_caps_from_text (const char *text)
{
  return is_shallow (text) ? gst_caps_from_string (text) : NULL;
}

GstStructure *
gst_shm_frame_structure_from_text (const char *text)
{
  char *end; /* without it, text that goes on is a warning */

  return is_shallow (text) ? gst_structure_from_string (text, &end) : NULL;
}

GstTagList *
gst_shm_frame_tags_from_text (const char *text)
{
  if (!g_str_has_prefix (text, "taglist") || !is_shallow (text))
    return NULL;
  return gst_tag_list_new_from_string (text);
}
