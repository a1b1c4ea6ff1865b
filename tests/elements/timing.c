/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timing.h"

#include <gst/check/gsttestclock.h>

static GstTestClock *test_clock; /* the pipeline's, which keeps it */

void
timing_use_clock (GstElement *pipeline)
{
  const char *text = g_getenv ("ELEMENTS_CLOCK");
  g_auto (GStrv) words = g_strsplit (text ? text : "", " ", 2);
  g_autoptr (GstClock) clock = NULL;

  if (!words[0])
    return;
  clock = words[1] ? gst_test_clock_new_with_start_time (g_ascii_strtoull (words[1], NULL, 10))
                   : g_object_new (GST_TYPE_SYSTEM_CLOCK, NULL);
  gst_object_ref_sink (clock);
  gst_util_set_object_arg (G_OBJECT (clock), "clock-type", words[0]);
  gst_pipeline_use_clock (GST_PIPELINE (pipeline), clock);
  test_clock = words[1] ? GST_TEST_CLOCK (clock) : NULL;
}

static void
crank (gboolean release, TimingSay *say)
{
  GstClockTime now, due;
  GstClockID id;

  gst_test_clock_wait_for_next_pending_id (test_clock, &id);
  now = gst_clock_get_time (GST_CLOCK (test_clock));
  due = gst_clock_id_get_time (id);
  gst_clock_id_unref (id);
  /* Before what follows from it. */
  say ("%s %" G_GUINT64_FORMAT, release ? "crank" : "pending", due);
  if (!release)
    return;
  gst_test_clock_set_time (test_clock, MAX (now, due));
  gst_clock_id_unref (gst_test_clock_process_next_clock_id (test_clock));
}

static void
say_stats (GstElement *element, TimingSay *say)
{
  g_autoptr (GstStructure) stats = NULL;
  g_autofree char *string = NULL;

  g_object_get (element, "stats", &stats, NULL);
  string = gst_structure_to_string (stats);
  say ("stats %s %s", GST_OBJECT_NAME (element), string);
}

static void
say_latency (GstElement *element, TimingSay *say)
{
  g_autoptr (GstQuery) query = gst_query_new_latency ();
  GstClockTime min, max;
  gboolean live;

  g_assert_true (gst_element_query (element, query));
  gst_query_parse_latency (query, &live, &min, &max);
  say ("latency %d %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT, live, min, max);
}

/* On a thread of its own: without a flush it waits for the streaming thread, which waits for a crank. */
static void
seek (GstElement *pipeline, gpointer user_data)
{
  char **words = user_data;
  gboolean flush = g_str_equal (words[0], "flush-seek");
  double rate = g_ascii_strtod (words[1], NULL);
  gint64 from = g_ascii_strtoll (words[2], NULL, 10);

  gst_element_seek (pipeline, rate, GST_FORMAT_TIME,
                    flush ? GST_SEEK_FLAG_FLUSH : GST_SEEK_FLAG_NONE, GST_SEEK_TYPE_SET,
                    rate > 0 ? from : 0, GST_SEEK_TYPE_SET, rate > 0 ? -1 : from);
}

static void
send_segment (GstElement *element, char **words)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "sink");
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.rate = g_ascii_strtod (words[0], NULL);
  segment.start = segment.position = g_ascii_strtoull (words[1], NULL, 10);
  segment.stop = g_ascii_strtoll (words[2], NULL, 10);
  segment.base = g_ascii_strtoull (words[3], NULL, 10);
  segment.time = g_ascii_strtoull (words[4], NULL, 10);
  gst_pad_send_event (pad, gst_event_new_segment (&segment));
}

gboolean
timing_command (GstElement *pipeline, const char *line, TimingSay *say)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  guint n = g_strv_length (words);
  g_autoptr (GstElement) element
      = n > 1 ? gst_bin_get_by_name (GST_BIN (pipeline), words[1]) : NULL;

  if (n == 1 && (g_str_equal (words[0], "crank") || g_str_equal (words[0], "pending")))
    crank (g_str_equal (words[0], "crank"), say);
  else if (n == 2 && g_str_equal (words[0], "time"))
    gst_test_clock_set_time (test_clock, MAX (g_ascii_strtoull (words[1], NULL, 10),
                                              gst_clock_get_time (GST_CLOCK (test_clock))));
  else if (n == 2 && g_str_equal (words[0], "recalculate"))
    gst_bin_recalculate_latency (GST_BIN (pipeline));
  else if (n == 1 && g_str_equal (words[0], "base"))
    say ("base %" G_GUINT64_FORMAT, gst_element_get_base_time (pipeline));
  else if (n == 2 && g_str_equal (words[0], "stats"))
    say_stats (element, say);
  else if (n == 2 && g_str_equal (words[0], "latency"))
    say_latency (element, say);
  else if (n == 3 && (g_str_equal (words[0], "seek") || g_str_equal (words[0], "flush-seek")))
    gst_element_call_async (pipeline, seek, g_strdupv (words), (GDestroyNotify) g_strfreev);
  else if (n == 7 && g_str_equal (words[0], "segment"))
    send_segment (element, words + 2);
  else
    return FALSE;
  if (n > 1)
    say ("done %s", line);
  return TRUE;
}
