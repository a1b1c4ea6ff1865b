/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Texts of a hostile producer, as shmframesrc parses them: refused before GStreamer's parsers see them. */

#include <gst/gst.h>
#include <math.h>

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
assert_refused (const char *text)
{
  g_autofree char *shown = g_strescape (text, NULL);

  g_test_message ("%s", shown);
  g_assert_null (gst_shm_frame_structure_from_text (text));
  g_assert_null (gst_shm_frame_caps_from_text (text));
  g_assert_null (gst_shm_frame_tags_from_text (text));
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
    "x, a=(GstCaps)x",
    "x, a=(nonsense)1",
    "x, a=(Nonsense)1",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    assert_refused (texts[i]);
}

/* GStreamer says a critical or a warning of each, or of what it reads there; and of the like of them. */
static void
test_loud (void)
{
  static const char *const texts[] = {
    "video/x-raw,width=[5,1]",
    "video/x-raw, width=(int)[ 5, 1 ]",
    "video/x-raw, width=(int)[ 1, 5, 0 ]",
    "video/x-raw, width=(int)[ 1, 10, 3 ]",
    "x, a=(int)[ -2147483648, 2147483647, 2147483647 ]",
    "x, a=(gint64)[ 5, 1 ]",
    "x, a=(double)[ 5, 1 ]",
    "x, a=(fraction)[ 5/1, 1/1 ]",
    "x, a=(fraction)-2147483648/1",
    "x, a=(fraction)1/-2147483648",
    "x, a=(fraction)1/2147483648",
    "x, a=(fraction)6442450944/1",
    "x, a=(fraction)99999999999999999999/1",
    "x, a=(fraction){ 1/1, 2147483648/1 }",
    "x, a=-2147483648/3",
    "x, a=(buffer)zz",
    "x, a=(buffer)0",
    "x, a=(buffer)00zz",
    "x, a=(buffer){ 00, zz }",
    "x, a=(GstBuffer)zz",
    "x, a=(GEnum)1",
    "x, a=(GFlags)1",
    "x, a=(GFlags)x",
    "x, a=(GstFlagSet)1:2",
    "x, a=(GstSeekFlags)99999999999999999999",
    "x, a=(GstSeekFlags)1048576",
    "x, a=(GstSeekFlags)flush+1048576",
    "x, a=(GObject)NULL",
    "taglist, title=\"\"",
    "taglist, title=(string){ a, NULL }",
    "taglist, title=(string){ NULL }",
    "taglist, title=(string)< NULL >",
    "taglist, title=(string){ { (string)NULL } }",
    "x, a=(int){ { { 1 } } }",
    "x, a={",
    "x, a=\"b\"",
    "x, a=[ 1, 2 ]",
    "x, a={ 1, 2 }",
    "x, a=1/2147483648",
    "x, a=(",
    "x, a=(int){ 1",
    "x, a=(string)\"\\",
    "x, a=(string)\"\\\"",
    "x, a=(string)\"a\"b",
    "x, a=(int)1; y",
    "x; y",
    "x, =(int)1",
    "x, a=(int",
    "x, a=",
    "x,",
    "1",
    ";",
    "\n",
    "",
    "\xff",
    "video/x-raw()",
    "video/x-raw(  )",
    "video/x-raw(a)",
    "video/x-raw(a:)",
    "video/x-raw(memory:a,)",
    "video/x-raw(memory:a,, memory:b)",
    "video/x-raw(memory:a",
    "video/x-raw(ANY)",
    "video/x-raw-yuv, width=(int)64",
    "audio/x-raw-int",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    assert_refused (texts[i]);
}

static void
test_tags (void)
{
  g_autoptr (GstTagList) tags = gst_shm_frame_tags_from_text (
      "taglist, title=(string)\"An evening, (live) \\\"encore\\\"\", artist=(string){ A, \"B (b)\" "
      "}, "
      "bitrate=(string)many, nobody-registered-this=(int)1;");
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
    "video/x-h264, codec_data=(buffer)0142c01effe1, streamheader=(buffer)< 0142, 68ce >",
    "video/x-raw, channel-mask=(bitmask)0x0000000000000003, views=(guint64)1",
    "video/x-raw, multiview-mode=(string)side-by-side, "
    "multiview-flags=(GstVideoMultiviewFlagsSet)0:ffffffff:/right-view-first/left-flipped/"
    "left-flopped/right-flipped/right-flopped/half-aspect/mixed-mono",
    "timestamp/x-ntp",
  };
  g_autoptr (GstCaps) by_hand = gst_shm_frame_caps_from_text (
      "video/x-raw,format=I420,width=64,framerate=30/1,pixel-aspect-ratio=(fraction)2147483647/1");
  g_autofree char *by_hand_text = gst_caps_to_string (by_hand);

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GstCaps) caps = gst_shm_frame_caps_from_text (texts[i]);
      g_autofree char *again = caps ? gst_caps_to_string (caps) : NULL;

      g_assert_cmpstr (again, ==, texts[i]);
    }
  g_assert_cmpstr (by_hand_text, ==,
                   "video/x-raw, format=(string)I420, width=(int)64, framerate=(fraction)30/1, "
                   "pixel-aspect-ratio=(fraction)2147483647/1");
  /* GStreamer warns when it makes a GstVideoInfo of these. */
  g_assert_null (gst_shm_frame_caps_from_text ("video/x-raw, multiview-mode=(string)stereo"));
  g_assert_null (gst_shm_frame_caps_from_text ("video/x-raw, multiview-mode=(string)none"));
}

/* What GStreamer writes of a structure, and of caps of it, is read as the same. */
static void
assert_crosses (GstStructure *structure)
{
  g_autoptr (GstCaps) caps = gst_caps_new_full (structure, NULL);
  g_autofree char *text = gst_structure_to_string (structure);
  g_autofree char *caps_text = gst_caps_to_string (caps);
  g_autoptr (GstStructure) taken = gst_shm_frame_structure_from_text (text);
  g_autoptr (GstCaps) caps_taken = gst_shm_frame_caps_from_text (caps_text);
  g_autofree char *again = taken ? gst_structure_to_string (taken) : NULL;
  g_autofree char *caps_again = caps_taken ? gst_caps_to_string (caps_taken) : NULL;

  g_assert_cmpstr (again, ==, text);
  g_assert_cmpstr (caps_again, ==, caps_text);
}

static void
test_written (void)
{
  g_autofree char *longest = g_strnfill (30000, ' ');
  g_autofree char *hex = g_strnfill (30000, 'a');

  assert_crosses (gst_structure_new_empty ("a-b/c.d:e+f_g"));
  assert_crosses (gst_structure_new (
      "numbers", "a", G_TYPE_INT, G_MININT, "b", G_TYPE_UINT, G_MAXUINT, "c", G_TYPE_INT64,
      G_MININT64, "d", G_TYPE_UINT64, G_MAXUINT64, "e", G_TYPE_LONG, -1L, "f", G_TYPE_ULONG, 1UL,
      "g", G_TYPE_UCHAR, 255, "h", G_TYPE_BOOLEAN, TRUE, "i", G_TYPE_BOOLEAN, FALSE, NULL));
  assert_crosses (gst_structure_new ("fractions", "a", G_TYPE_DOUBLE, 1e-300, "b", G_TYPE_FLOAT,
                                     -1e20, "c", G_TYPE_DOUBLE, -HUGE_VAL, "d", G_TYPE_DOUBLE, -0.0,
                                     "e", GST_TYPE_FRACTION, -G_MAXINT, 1, "f", GST_TYPE_FRACTION,
                                     1, G_MAXINT, "g", GST_TYPE_FRACTION, 30000, 1001, NULL));
  assert_crosses (
      gst_structure_new ("strings", "a-b/c.d:e+f_g", G_TYPE_STRING, NULL, "b", G_TYPE_STRING, "",
                         "c", G_TYPE_STRING, "NULL", "d", G_TYPE_STRING, "NULL-x", "e",
                         G_TYPE_STRING, "\\377 \n\t\"q\"; {<[(ünï)]>}, =", "f", G_TYPE_STRING,
                         "(int)4", "g", G_TYPE_STRING, longest, "h", G_TYPE_STRING, hex, NULL));
  assert_crosses (gst_structure_new (
      "sets", "a", GST_TYPE_BITMASK, G_MAXUINT64, "b", GST_TYPE_FLAG_SET, 1,
      GST_FLAG_SET_MASK_EXACT, "c", GST_TYPE_SEEK_FLAGS,
      GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT, "d", GST_TYPE_SEEK_FLAGS, GST_SEEK_FLAG_NONE,
      "e", GST_TYPE_FORMAT, GST_FORMAT_TIME, "f", GST_TYPE_PAD_MODE, GST_PAD_MODE_PUSH, NULL));
}

static void
test_written_times (void)
{
  g_autoptr (GDate) date = g_date_new_dmy (29, 2, 2024);
  GstDateTime *times[] = {
    gst_date_time_new_y (2024),
    gst_date_time_new_ym (2024, 3),
    gst_date_time_new_ymd (2024, 3, 4),
    gst_date_time_new (5.5, 2024, 3, 4, 5, 6, -1),
    gst_date_time_new (-3.5, 2024, 3, 4, 5, 6, 7),
    gst_date_time_new (0, 2024, 3, 4, 5, 6, 7.123456),
    gst_date_time_new (12, 2024, 3, 4, 5, 6, 7.5),
  };

  for (guint i = 0; i < G_N_ELEMENTS (times); i++)
    {
      assert_crosses (
          gst_structure_new ("x", "a", G_TYPE_DATE, date, "b", GST_TYPE_DATE_TIME, times[i], NULL));
      gst_date_time_unref (times[i]);
    }
}

static void
test_written_lists (void)
{
  static const char *const texts[] = {
    "x, a=(int){  };",
    "x, a=(string){ \"\", \"NULL\", NULL-x, \"a\\ b\\,\\ \\}\" };",
    "x, a=(buffer)< 6162, 63 >;",
    "x, a=(GstFormat)< time, bytes >;",
    "x, a=(fraction){ 1/2, 30000/1001 };",
    "x, a=(double)< < (double)1, (double)0.5 >, < (double)nan, (double)0.25 > >, b=(int){ 1 };",
    "x, a=(string){ { (string)\"\", (string)\"a\\ b\" }, { (string)c } };",
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (GstStructure) taken = gst_shm_frame_structure_from_text (texts[i]);
      g_autofree char *again = taken ? gst_structure_to_string (taken) : NULL;

      g_assert_cmpstr (again, ==, texts[i]);
    }
}

/* Those that would not be taken stay behind, alone: a picture, and a zone that GStreamer does not read. */
static void
test_written_tags (void)
{
  g_autoptr (GstSample) sample = gst_sample_new (NULL, NULL, NULL, NULL);
  g_autoptr (GDate) date = g_date_new_dmy (1, 1, 2024);
  GDateTime *chatham = g_date_time_new_from_iso8601 ("2024-01-01T00:00:00+13:45", NULL);
  g_autoptr (GstDateTime) time = gst_date_time_new_from_g_date_time (chatham);
  g_autoptr (GstTagList) tags = gst_tag_list_new (
      GST_TAG_TITLE, "ünï, \"x\"; (y)", GST_TAG_ARTIST, "A", GST_TAG_ARTIST, "B b", GST_TAG_BITRATE,
      1000, GST_TAG_DATE, date, GST_TAG_TRACK_GAIN, -3.5, GST_TAG_DURATION, G_MAXUINT64, NULL);
  g_autoptr (GstTagList) none = gst_tag_list_new (GST_TAG_IMAGE, sample, NULL);
  g_autoptr (GstTagList) all = gst_tag_list_merge (tags, none, GST_TAG_MERGE_APPEND);
  g_autoptr (GstTagList) taken = NULL;
  g_autofree char *text = NULL;

  gst_tag_list_add (all, GST_TAG_MERGE_APPEND, GST_TAG_DATE_TIME, time, NULL);
  text = gst_shm_frame_text_from_tags (all);
  taken = gst_shm_frame_tags_from_text (text);
  g_assert_true (gst_tag_list_is_equal (taken, tags));
  g_assert_null (gst_shm_frame_text_from_tags (none));
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/elements-text/nested", test_nested);
  g_test_add_func ("/elements-text/hidden", test_hidden);
  g_test_add_func ("/elements-text/loud", test_loud);
  g_test_add_func ("/elements-text/tags", test_tags);
  g_test_add_func ("/elements-text/caps", test_caps);
  g_test_add_func ("/elements-text/written", test_written);
  g_test_add_func ("/elements-text/written/times", test_written_times);
  g_test_add_func ("/elements-text/written/lists", test_written_lists);
  g_test_add_func ("/elements-text/written/tags", test_written_tags);
  return g_test_run ();
}
