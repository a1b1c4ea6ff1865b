/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Compressed frames: of any size, and no delta frame without those before it. The producer is this
 * process; what it sends only looks like JPEG and H.264 by its caps, which is all that the elements see. */

#include "child.h"
#include "upstream.h"

#include <sys/wait.h>

#define JPEG "image/jpeg,width=64,height=48,framerate=30/1"
#define H264 "video/x-h264,stream-format=byte-stream,alignment=au,width=64,height=48,framerate=30/1"
#define MANY 15 /* frames; more than any consumer keeps */

static Child *consumer;
static GstClockTime next_pts = GST_CLOCK_TIME_NONE;

static void
start (const char *string, GstFormat segment, const char *options)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (string);

  consumer
      = run ("shmframesrc pool=t offset-to-zero=true %s ! fakesink name=check sync=false", options);
  upstream_start (caps, segment);
}

static void
finish_consumer (void)
{
  g_assert_cmpint (finish (consumer), ==, 0);
}

/* The hash of its noise. */
static char *
push (gsize size, gboolean key)
{
  guint8 *bytes = g_malloc (size);
  GstBuffer *buffer;
  char *hash;

  for (gsize i = 0; i < size; i++)
    bytes[i] = (guint8) g_test_rand_int ();
  hash = g_compute_checksum_for_data (G_CHECKSUM_MD5, bytes, size);
  buffer = gst_buffer_new_wrapped (bytes, size);
  GST_BUFFER_PTS (buffer) = next_pts;
  if (!key)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  g_assert_cmpint (gst_pad_push (upstream_pad, buffer), ==, GST_FLOW_OK);
  return hash;
}

/* "frame PTS OFFSET FLAGS MD5": that one comes next; its place in the stream. */
static guint64
expect_frame (const char *flags, const char *hash)
{
  const char *line = wait_line (consumer, "frame ");
  g_auto (GStrv) words = NULL;

  g_assert_nonnull (line);
  words = g_strsplit (line, " ", 5);
  g_assert_cmpstr (words[3], ==, flags);
  g_assert_cmpstr (words[4], ==, hash);
  return g_ascii_strtoull (words[2], NULL, 10);
}

/* Where its frames lay: so many segments. */
static guint
count_segments (void)
{
  g_autoptr (GHashTable) inodes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < consumer->lines->len; i++)
    if (g_str_has_prefix (consumer->lines->pdata[i], "at "))
      {
        g_auto (GStrv) words = g_strsplit (consumer->lines->pdata[i], " ", 3);

        g_hash_table_add (inodes, g_strdup (words[1]));
      }
  return g_hash_table_size (inodes);
}

static void
cross (const char *caps, GstFormat segment)
{
  /* Bytes: the first slots hold a megabyte. */
  static const gsize sizes[]
      = { 1, 5000, 123456, 1024 * 1024, 1024 * 1024 + 1, 10, 3 * 1024 * 1024, 7 };

  start (caps, segment, "delivery=lossless");
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *hash = push (sizes[i], TRUE);

      expect_frame (i == 0 ? "DK" : "-K", hash);
    }
  upstream_stop (finish_consumer);
  g_assert_cmpuint (count_lines (consumer, "frame "), ==, G_N_ELEMENTS (sizes));
  g_assert_cmpuint (count_lines (consumer, "caps "), ==, 1);
  /* Two did not fit. */
  g_assert_cmpuint (count_segments (), ==, 3);
  g_assert_cmpuint (stat_of (consumer, "drops"), ==, 0);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, 0);
  g_clear_pointer (&consumer, child_free);
}

static void
test_jpeg_sizes (void)
{
  cross (JPEG, GST_FORMAT_TIME);
}

static void
test_h264_sizes (void)
{
  cross (H264, GST_FORMAT_TIME);
}

/* As from filesrc: gst_segment_to_running_time() complains. */
static void
test_bytes_segment (void)
{
  cross (JPEG, GST_FORMAT_BYTES);
}

/* The consumer stands still meanwhile, and the producer does not wait for it. */
static void
push_past (guint n, gboolean key)
{
  const char *pid = g_subprocess_get_identifier (consumer->process);
  siginfo_t info;

  g_subprocess_send_signal (consumer->process, SIGSTOP);
  g_assert_cmpint (waitid (P_PID, (id_t) atoi (pid), &info, WSTOPPED), ==, 0);
  for (guint i = 0; i < n; i++)
    g_free (push (1000 + i, key));
}

static void
resume (void)
{
  g_subprocess_send_signal (consumer->process, SIGCONT);
}

/* Frames that depend on each other, all of which come. */
static guint64
push_group (const char *flags, guint n)
{
  g_autofree char *key = push (5000, TRUE);
  guint64 offset;

  resume ();
  offset = expect_frame (flags, key);
  for (guint i = 1; i <= n; i++)
    {
      g_autofree char *delta = push (300 + i, FALSE);

      g_assert_cmpuint (expect_frame ("--", delta), ==, offset + i);
    }
  return offset;
}

/* An ordered consumer falls behind, and goes on at the next key frame: one that is still to come, and
 * one that is there. */
static void
test_gap (void)
{
  guint64 first, second, third;

  start (H264, GST_FORMAT_TIME, "max-lag=3");
  first = push_group ("DK", 5);

  push_past (MANY, FALSE);
  resume ();
  g_free (push (400, FALSE));
  second = push_group ("DK", 5);
  g_assert_cmpuint (second, ==, first + 5 + MANY + 1 + 1);

  push_past (MANY, FALSE);
  third = push_group ("DK", 5);
  g_assert_cmpuint (third, ==, second + 5 + MANY + 1);

  upstream_stop (finish_consumer);
  g_assert_cmpuint (count_lines (consumer, "frame "), ==, 3 * 6);
  g_assert_cmpuint (count_lines (consumer, "message shmframe-drop"), >=, 1);
  g_assert_cmpuint (stat_of (consumer, "drops-lag"), ==, MANY + 1 + MANY);
  g_assert_cmpuint (stat_of (consumer, "drops"), ==, MANY + 1 + MANY);
  g_clear_pointer (&consumer, child_free);
}

/* The newest, at once; what was passed over is counted. */
static void
test_latest_jpeg (void)
{
  g_autofree char *first = NULL, *newest = NULL;

  start (JPEG, GST_FORMAT_TIME, "delivery=latest");
  first = push (5000, TRUE);
  expect_frame ("DK", first);
  push_past (MANY, TRUE);
  newest = push (6000, TRUE);
  resume ();
  expect_frame ("DK", newest);
  upstream_stop (finish_consumer);
  g_assert_cmpuint (count_lines (consumer, "frame "), ==, 2);
  g_assert_cmpuint (stat_of (consumer, "drops-skipped"), ==, MANY);
  g_clear_pointer (&consumer, child_free);
}

/* It would skip what the next frames depend on. */
static void
test_latest_h264 (void)
{
  g_autoptr (Child) latest = NULL;
  g_autofree char *key = NULL;
  const char *line;

  start (H264, GST_FORMAT_TIME, "");
  key = push (5000, TRUE);
  expect_frame ("DK", key);
  latest = run ("shmframesrc pool=t delivery=latest ! fakesink name=check sync=false");
  line = wait_line (latest, "error ");
  g_assert_nonnull (line);
  g_assert_nonnull (strstr (line, "need the ones before them: attach as ordered"));
  g_assert_cmpint (finish (latest), ==, 1);
  g_assert_cmpuint (count_lines (latest, "frame "), ==, 0);
  upstream_stop (finish_consumer);
  g_clear_pointer (&consumer, child_free);
}

/* After an accurate seek the key frame lies before the segment: what needs it does not cross. */
static void
test_accurate_seek (void)
{
  g_autofree char *before = NULL, *key = NULL;
  GstSegment segment;

  start (H264, GST_FORMAT_TIME, "delivery=lossless");
  next_pts = 0;
  before = push (100, TRUE);
  expect_frame ("DK", before);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.position = segment.time = GST_SECOND;
  g_assert_true (gst_pad_push_event (upstream_pad, gst_event_new_segment (&segment)));
  g_free (push (100, TRUE));
  next_pts = GST_SECOND;
  g_free (push (100, FALSE));
  key = push (100, TRUE);
  expect_frame ("DK", key);
  g_free (push (100, FALSE));
  next_pts = GST_CLOCK_TIME_NONE;
  upstream_stop (finish_consumer);
  g_assert_cmpuint (count_lines (consumer, "frame "), ==, 3);
  g_clear_pointer (&consumer, child_free);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  begin_tests (&argc, &argv);

  add ("/compressed/jpeg-sizes", test_jpeg_sizes);
  add ("/compressed/h264-sizes", test_h264_sizes);
  add ("/compressed/gap", test_gap);
  add ("/compressed/latest-jpeg", test_latest_jpeg);
  add ("/compressed/latest-h264", test_latest_h264);
  add ("/compressed/accurate-seek", test_accurate_seek);
  add ("/compressed/bytes-segment", test_bytes_segment);
  return run_tests ();
}
