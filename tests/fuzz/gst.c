/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/video/video.h>
#include <sanitizer/allocator_interface.h>
#include <sanitizer/lsan_interface.h>
#include <string.h>

#include "fuzz.h"

#define MAX_DEPTH 2 /* of brackets in a text that reaches a parser */

/*
 * GStreamer's parsers leak on some text that they refuse. That is not ours to find: in them leaks are
 * not counted (the linker's --wrap leads here). What they give is copied, so that the plugin's own leaks
 * of it are seen, and written again. What is logged meanwhile is ours: such text must not come here.
 */
GstCaps *__real_gst_caps_from_string (const char *string);
GstCaps *__wrap_gst_caps_from_string (const char *string);
GstStructure *__real_gst_structure_from_string (const char *string, char **end);
GstStructure *__wrap_gst_structure_from_string (const char *string, char **end);

/* GLib leaves a table of quarks behind when it makes a larger one, as names in texts become quarks.
 * Those made in a parser are not counted; this is the first one, made before there is a main(). */
#define QUARKS_BYTES (2048 * sizeof (char *))
static const volatile void *quarks;

void
__sanitizer_malloc_hook (const volatile void *data, size_t size)
{
  if (quarks == NULL && size == QUARKS_BYTES)
    quarks = data;
}

void
fuzz_init_gst (void)
{
  __lsan_ignore_object ((const void *) quarks);
  g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
  g_setenv ("GST_PLUGIN_SYSTEM_PATH_1_0", "", TRUE);
  gst_init (NULL, NULL);
  g_type_ensure (GST_TYPE_SEEK_FLAGS);
  g_type_ensure (GST_TYPE_VIDEO_FORMAT);
  g_type_ensure (GST_TYPE_VIDEO_MULTIVIEW_FLAGSET);
  fuzz_init ();
}

/* The parsers recurse with every bracket, and take twice as long: a peer must not have many. */
static void
check_depth (const char *string)
{
  gboolean quoted = FALSE;
  int depth = 0;

  for (const char *c = string; *c; c++)
    {
      if (*c == '"')
        quoted = !quoted;
      else if (quoted)
        c += *c == '\\' && c[1] != '\0';
      else
        depth += (strchr ("[{<", *c) != NULL) - (strchr ("]}>", *c) != NULL);
      g_assert_cmpint (depth, <=, MAX_DEPTH);
    }
}

GstCaps *
__wrap_gst_caps_from_string (const char *string)
{
  g_autoptr (GstCaps) parsed = NULL;
  g_autofree char *text = NULL;

  check_depth (string);
  __lsan_disable ();
  parsed = __real_gst_caps_from_string (string);
  __lsan_enable ();
  text = parsed ? gst_caps_to_string (parsed) : NULL;
  return parsed ? gst_caps_copy (parsed) : NULL;
}

GstStructure *
__wrap_gst_structure_from_string (const char *string, char **end)
{
  g_autoptr (GstStructure) parsed = NULL;
  g_autofree char *text = NULL;

  check_depth (string);
  __lsan_disable ();
  parsed = __real_gst_structure_from_string (string, end);
  __lsan_enable ();
  text = parsed ? gst_structure_to_string (parsed) : NULL;
  return parsed ? gst_structure_copy (parsed) : NULL;
}

/* Makes a quark of the type. A macro gives the name, which is the longest. */
#define ADD(prefix) prefix##_gst_buffer_add_video_region_of_interest_meta
GstVideoRegionOfInterestMeta *ADD (__real) (GstBuffer *, const char *, guint, guint, guint, guint);
GstVideoRegionOfInterestMeta *ADD (__wrap) (GstBuffer *, const char *, guint, guint, guint, guint);

GstVideoRegionOfInterestMeta *
ADD (__wrap) (GstBuffer *buffer, const char *type, guint x, guint y, guint w, guint h)
{
  GstVideoRegionOfInterestMeta *meta;

  __lsan_disable ();
  meta = ADD (__real) (buffer, type, x, y, w, h);
  __lsan_enable ();
  return meta;
}
