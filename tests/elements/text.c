/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Texts of a hostile producer, as shmframesrc parses them: refused before GStreamer's parsers see them. */

#include <gst/gst.h>

#include "gstshmframetext.h"

/* `inner`, as the caps of a sample within a structure. */
static char *
sample_of (const char *type, const char *inner)
{
  g_autofree char *encoded = g_base64_encode ((const guchar *) inner, strlen (inner) + 1);

  return g_strdup_printf ("taglist, image=%s00:%s:None:None", type, encoded);
}

static void
test_nested (void)
{
  static const char *const types[] = { "(sample)", "( GstSample )", "{(sample)", "<(sample)" };
  g_autoptr (GString) twice = g_string_new ("x, a="), deep = g_string_new ("x, a=");

  for (guint i = 0; i < 30; i++)
    g_string_append (twice, "[b,c="); /* hours */
  for (guint i = 0; i < 36000; i++)
    g_string_append_c (deep, '['); /* a stack overflow */
  g_assert_null (gst_shm_frame_caps_from_text (twice->str));
  g_assert_null (gst_shm_frame_structure_from_text (deep->str));
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autofree char *hours = sample_of (types[i], twice->str);
      g_autofree char *overflow = sample_of (types[i], deep->str);

      g_assert_null (gst_shm_frame_tags_from_text (hours));
      g_assert_null (gst_shm_frame_structure_from_text (overflow));
      g_assert_null (gst_shm_frame_caps_from_text (hours));
    }
}

static void
test_hidden (void)
{
  static const char *const texts[] = {
    "x, a=(structure)\"y, b=\\133\\133\\133c\"",
    "x, a=(GstStructure)\"y;\"",
    "x, a=(caps)\"video/x-raw\"",
    "x, a=(GstCaps)\"video/x-raw\"",
    "x, a=(taglist)\"taglist\"",
    "x, a=(list)\"\\173\\173\"",
    "x, a=(nonsense)1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_assert_null (gst_shm_frame_structure_from_text (texts[i]));
      g_assert_null (gst_shm_frame_caps_from_text (texts[i]));
    }
}

static void
test_tags (void)
{
  g_autoptr (GstTagList) tags = gst_shm_frame_tags_from_text (
      "taglist, title=(string)\"An evening, (live) \\\"encore\\\"\", artist=(string){ A, \"B (b)\" "
      "}, "
      "bitrate=(string)many, nobody-registered-this=(int)1; what follows");
  g_autofree char *title = NULL, *first = NULL, *second = NULL;

  g_assert_true (gst_tag_list_get_string (tags, GST_TAG_TITLE, &title));
  g_assert_cmpstr (title, ==, "An evening, (live) \"encore\"");
  g_assert_true (gst_tag_list_get_string_index (tags, GST_TAG_ARTIST, 0, &first));
  g_assert_true (gst_tag_list_get_string_index (tags, GST_TAG_ARTIST, 1, &second));
  g_assert_cmpstr (first, ==, "A");
  g_assert_cmpstr (second, ==, "B (b)");
  g_assert_cmpint (gst_tag_list_n_tags (tags), ==, 2);
  g_assert_null (gst_shm_frame_tags_from_text ("taglistfoo, title=(string)x"));
  g_assert_null (gst_shm_frame_tags_from_text ("nothing"));
}

static void
test_caps (void)
{
  static const char *const texts[] = {
    "video/x-raw(memory:SystemMemory, meta:GstVideoMeta), format=(string)NV12, width=(int)64",
    "video/x-raw, format=(string)I420, width=(int)64, height=(int)64, framerate=(fraction)30/1",
    "video/x-h264, codec_data=(buffer)0142c01effe1, streamheader=< (buffer)0142, (buffer)68ce >",
    "video/x-raw, channel-mask=(bitmask)0x3, pixel-aspect-ratio=(fraction)1/1, views=(guint)1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GstCaps) caps = gst_shm_frame_caps_from_text (texts[i]);

      g_assert_nonnull (caps);
    }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/elements-text/nested", test_nested);
  g_test_add_func ("/elements-text/hidden", test_hidden);
  g_test_add_func ("/elements-text/tags", test_tags);
  g_test_add_func ("/elements-text/caps", test_caps);
  return g_test_run ();
}
