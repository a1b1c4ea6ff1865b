/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* shmframesink and shmframesrc, each in a process of its own. */

#include "child.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define SMALL "video/x-raw,format=I420,width=322,height=240,framerate=30/1"

/* A source and a sink to the end; both succeed, and show the same frames. */
static void
transfer (const char *upstream, const char *downstream, Child **producer, Child **consumer)
{
  g_autofree char *expected = reference (upstream);
  g_autofree char *seen = NULL;

  *consumer = run ("shmframesrc pool=t delivery=lossless ! %s", downstream);
  *producer = run ("%s ! shmframesink pool=t wait-for-consumer=true", upstream);
  g_assert_cmpint (finish (*producer), ==, 0);
  g_assert_cmpint (finish (*consumer), ==, 0);
  g_assert_cmpuint (count_lines (*consumer, "eos"), ==, 1);
  g_assert_cmpuint (count_lines (*consumer, "warning"), ==, 0);
  seen = hashes (*consumer);
  g_assert_cmpstr (seen, ==, expected);
}

static void
test_no_copy (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;

  transfer ("videotestsrc num-buffers=60 ! " SMALL,
            "videoconvert name=check ! video/x-raw,format=RGB ! fakesink", &producer, &consumer);
  g_assert_cmpuint (stat_of (producer, "frames"), ==, 60);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 0);
  g_assert_cmpuint (stat_of (producer, "drops"), ==, 0);
  g_assert_cmpuint (stat_of (producer, "committed-bytes"), >, 0);
  g_assert_cmpuint (stat_of (consumer, "frames"), ==, 60);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, 0);
  g_assert_cmpuint (stat_of (consumer, "drops"), ==, 0);
  g_assert_cmpuint (stat_of (consumer, "latency-p50"), >, 0);
}

static void
test_compressed (gconstpointer data)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;

  if (!have_elements ("jpegenc", "x264enc", "h264parse", NULL))
    return;
  transfer (data, "fakesink name=check sync=false", &producer, &consumer);
  g_assert_cmpuint (stat_of (consumer, "frames"), ==, 20);
}

/* What another user could change while a decoder parses it is copied first; pixels are not parsed. */
static void
test_other_user (gconstpointer data)
{
  gboolean compressed = data != NULL;
  g_autofree char *expected
      = reference (compressed ? "videotestsrc num-buffers=20 ! " SMALL " ! jpegenc"
                              : "videotestsrc num-buffers=20 ! " SMALL);
  g_autofree char *seen = NULL;
  g_autoptr (Child) producer = NULL, consumer = NULL;

  g_assert_cmpint (g_chmod (folder, 0711), ==, 0);
  g_setenv ("RUNNER_UID", "65534", TRUE);
  consumer
      = run ("shmframesrc pool=%s/t delivery=lossless ! fakesink name=check sync=false", folder);
  g_unsetenv ("RUNNER_UID");
  producer = run ("videotestsrc num-buffers=20 ! " SMALL " %s ! shmframesink pool=%s/t mode=438 "
                  "wait-for-consumer=true",
                  compressed ? "! jpegenc" : "", folder);
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  seen = hashes (consumer);
  g_assert_cmpstr (seen, ==, expected);
  g_assert_cmpuint (stat_of (consumer, "copied-frames"), ==, compressed ? 20 : 0);
  g_assert_cmpuint (stat_of (consumer, "copied-untrusted"), ==, stat_of (consumer, "copied-bytes"));
}

static void
test_caps_change (void)
{
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");
  g_autoptr (Child) producer = run ("videotestsrc ! capsfilter name=f caps=" SMALL
                                    " ! shmframesink pool=t wait-for-consumer=true");

  expect_line (consumer, "caps video/x-raw, format=(string)I420, width=(int)322");
  expect_line (consumer, "frame");
  tell (producer, "set f caps video/x-raw,format=RGB,width=640,height=480,framerate=30/1");
  expect_line (consumer, "caps video/x-raw, format=(string)RGB, width=(int)640");
  expect_line (consumer, "frame");
  tell (producer, "set f caps video/x-raw,format=NV12,width=160,height=120,framerate=30/1");
  expect_line (consumer, "caps video/x-raw, format=(string)NV12, width=(int)160");
  expect_line (consumer, "frame");
  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 0);
  g_assert_cmpuint (stat_of (consumer, "drops"), ==, 0);
}

static void
test_producer_killed (void)
{
  g_autoptr (Child) consumer = run ("shmframesrc pool=t ! fakesink name=check sync=false");
  g_autoptr (Child) first = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=t");
  g_autoptr (Child) second = NULL;

  expect_line (consumer, "message shmframe-producer-attached");
  expect_line (consumer, "frame");
  g_subprocess_send_signal (first->process, SIGKILL);
  g_assert_cmpint (finish (first), ==, -SIGKILL);
  expect_line (consumer, "message shmframe-producer-lost");

  second = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=t");
  expect_line (consumer, "message shmframe-producer-attached");
  expect_line (consumer, "frame");
  g_assert_nonnull (strstr (consumer->lines->pdata[consumer->lines->len - 1], " DK "));
  tell (second, "eos");
  g_assert_cmpint (finish (second), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
}

static void
test_consumer_killed (void)
{
  g_autoptr (Child) producer
      = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=t name=s");
  g_autoptr (Child) victim = run ("shmframesrc pool=t ! fakesink name=check sync=false");
  g_autoptr (Child) other = NULL;

  tell (victim, "hold 3");
  for (guint i = 0; i < 6; i++)
    expect_line (victim, "frame");
  tell (producer, "stats");
  expect_line (producer, "stats");
  g_assert_cmpuint (stat_of (producer, "consumers"), ==, 1);
  g_subprocess_send_signal (victim->process, SIGKILL);
  g_assert_cmpint (finish (victim), ==, -SIGKILL);

  other = run ("shmframesrc pool=t ! fakesink name=check sync=false");
  for (guint i = 0; i < 6; i++)
    expect_line (other, "frame");
  tell (producer, "stats");
  expect_line (producer, "stats");
  g_assert_cmpuint (stat_of (producer, "consumers"), ==, 1);
  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (other), ==, 0);
  g_assert_cmpuint (stat_of (producer, "drops"), ==, 0);
}

/* A stopped lossless consumer holds the producer up for the stall limit, and no longer. */
static void
test_stall (void)
{
  g_autoptr (Child) producer = run ("videotestsrc num-buffers=90 ! " SMALL " ! shmframesink pool=t "
                                    "wait-for-consumer=true stall-timeout=200000000 sync=false");
  g_autoptr (Child) stopped
      = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");

  expect_line (stopped, "frame");
  g_subprocess_send_signal (stopped->process, SIGSTOP);
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpuint (stat_of (producer, "frames"), ==, 90);
  g_subprocess_send_signal (stopped->process, SIGCONT);
  tell (stopped, "quit");
  g_assert_cmpint (finish (stopped), ==, 0);
}

/* Buffers that downstream holds stay good when the element has stopped and the producer is gone. */
static void
test_late_release (void)
{
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL " ! shmframesink pool=t "
                                    "wait-for-consumer=true");
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");

  tell (consumer, "hold 4");
  for (guint i = 0; i < 8; i++)
    expect_line (consumer, "frame");
  tell (consumer, "state null");
  expect_line (consumer, "done state null");
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
  tell (consumer, "held");
  for (guint i = 0; i < 4; i++)
    {
      const char *line = wait_line (consumer, "held ");
      gboolean seen = FALSE;

      g_assert_nonnull (line);
      for (guint j = 0; j < consumer->lines->len; j++)
        seen |= g_str_has_prefix (consumer->lines->pdata[j], "frame ")
                && g_str_has_suffix (consumer->lines->pdata[j], line + strlen ("held "));
      g_assert_true (seen);
    }
  tell (consumer, "release");
  tell (consumer, "quit");
  g_assert_cmpint (finish (consumer), ==, 0);
}

/* Preroll waits for the consumer, and yet the sink stops at once. */
static void
test_wait_for_consumer (void)
{
  g_autoptr (Child) producer = run ("videotestsrc num-buffers=10 ! " SMALL
                                    " ! shmframesink pool=t wait-for-consumer=true");
  g_autoptr (Child) consumer = NULL;

  expect_line (producer, "state READY");
  for (guint i = 0; i < 20; i++)
    {
      tell (producer, "state null");
      expect_line (producer, "done state null");
      tell (producer, "state playing");
      expect_line (producer, "done state playing");
      g_usleep (i * 500); /* into another moment of its start each time */
    }
  g_assert_cmpuint (count_lines (producer, "state PAUSED"), ==, 0);
  consumer = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "frame"), ==, 10);
}

/* Live frames are dropped and counted until somebody comes. */
static void
test_wait_live (void)
{
  g_autoptr (Child) producer
      = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=t wait-for-consumer=true");
  g_autoptr (Child) consumer = NULL;

  expect_line (producer, "message shmframe-drop, cause=(string)no-consumer");
  consumer = run ("shmframesrc pool=t ! fakesink name=check sync=false");
  expect_line (consumer, "frame");
  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (stat_of (producer, "drops-no-consumer"), >, 0);
}

static void
test_pause (void)
{
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");
  g_autoptr (Child) producer
      = run ("videotestsrc ! " SMALL " ! shmframesink pool=t wait-for-consumer=true");

  expect_line (consumer, "frame");
  tell (producer, "state paused");
  expect_line (producer, "state PAUSED");
  tell (producer, "state playing");
  expect_line (producer, "state PLAYING");
  expect_line (consumer, "frame");
  for (guint i = 0; i < 50; i++)
    {
      tell (consumer, "state paused");
      tell (consumer, "state playing");
      expect_line (consumer, "done state playing");
      expect_line (consumer, "frame");
    }
  tell (consumer, "quit");
  g_assert_cmpint (finish (consumer), ==, 0);
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
}

/* Frames that are unread when the producer seeks are gone, and counted; a discontinuity is marked, but
 * nothing is flushed downstream. */
static void
test_flush (void)
{
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");
  g_autoptr (Child) producer = run ("videotestsrc num-buffers=100000 ! " SMALL
                                    " ! shmframesink pool=t wait-for-consumer=true "
                                    "stall-timeout=60000000000");
  const char *line;
  guint64 frames;

  for (guint i = 0; i < 5; i++)
    expect_line (consumer, "frame");
  g_subprocess_send_signal (consumer->process, SIGSTOP);
  do
    {
      tell (producer, "stats");
      expect_line (producer, "stats");
    }
  while (stat_of (producer, "lag") < 4); /* the window: no more is published */
  frames = stat_of (producer, "frames");
  tell (producer, "flush");
  do
    {
      tell (producer, "stats");
      expect_line (producer, "stats");
    }
  while (stat_of (producer, "frames") == frames);
  g_subprocess_send_signal (consumer->process, SIGCONT);
  do
    {
      line = wait_line (consumer, "frame");
      g_assert_nonnull (line);
    }
  while (!strstr (line, " DK "));
  tell (producer, "quit");
  tell (consumer, "quit");
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "flush"), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "message shmframe-drop, cause=(string)flush"), ==, 1);
  g_assert_cmpuint (stat_of (consumer, "drops-flush"), >=, 3);
  g_assert_cmpuint (stat_of (consumer, "drops-lag"), ==, 0);
}

static void
test_tags (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;

  if (!have_elements ("taginject", NULL))
    return;
  transfer ("videotestsrc num-buffers=20 ! " SMALL " ! taginject tags=title=shmframe-test",
            "fakesink name=check sync=false", &producer, &consumer);
  g_assert_cmpuint (count_lines (consumer, "tag taglist, title=(string)shmframe-test"), ==, 1);
}

static void
test_metas (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;

  if (!have_elements ("timecodestamper", NULL))
    return;
  transfer ("videotestsrc num-buffers=10 ! " SMALL " ! timecodestamper set=always source=zero",
            "fakesink name=check sync=false", &producer, &consumer);
  g_assert_cmpuint (count_lines (consumer, "timecode 00:00:00:0"), ==, 10);
}

static void
test_lost (void)
{
  g_autoptr (Child) to_eos
      = run ("shmframesrc pool=t on-producer-lost=eos ! fakesink name=check sync=false");
  g_autoptr (Child) to_error
      = run ("shmframesrc pool=t on-producer-lost=error ! fakesink name=check sync=false");
  g_autoptr (Child) producer = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=t");

  expect_line (to_eos, "frame");
  expect_line (to_error, "frame");
  g_subprocess_send_signal (producer->process, SIGKILL);
  g_assert_cmpint (finish (to_eos), ==, 0);
  g_assert_cmpuint (count_lines (to_eos, "eos"), ==, 1);
  g_assert_cmpint (finish (to_error), ==, 1);
  g_assert_cmpuint (count_lines (to_error, "error The producer is gone"), ==, 1);
}

static void
test_eos_wait (void)
{
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t on-producer-eos=wait ! fakesink name=check sync=false");

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (Child) producer
          = run ("videotestsrc num-buffers=5 ! " SMALL " ! shmframesink pool=t "
                 "wait-for-consumer=true");

      expect_line (consumer, "message shmframe-producer-attached");
      expect_line (consumer, "frame");
      g_assert_cmpint (finish (producer), ==, 0);
      expect_line (consumer, "message shmframe-producer-lost");
    }
  tell (consumer, "quit");
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "eos"), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "frame"), ==, 10);
}

static void
test_zero (void)
{
  g_autoptr (Child) producer = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=t");
  g_autoptr (Child) consumer = NULL;

  expect_line (producer, "state PLAYING");
  consumer = run ("shmframesrc pool=t offset-to-zero=true ! fakesink name=check sync=false");
  expect_line (consumer, "frame 0 ");
  tell (consumer, "quit");
  g_assert_cmpint (finish (consumer), ==, 0);
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
}

static void
test_uri (void)
{
  g_autoptr (Child) consumer
      = run ("urisourcebin uri=\"shmframe://t?delivery=lossless&leases=7\" ! fakesink name=check "
             "sync=false");
  g_autoptr (Child) producer = run ("videotestsrc num-buffers=10 ! " SMALL
                                    " ! shmframesink pool=t wait-for-consumer=true");

  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "frame"), ==, 10);
  g_assert_cmpuint (stat_of (consumer, "leases"), ==, 7);
}

static void
expect_error (const char *pipeline, const char *text)
{
  g_autoptr (Child) child = run ("%s", pipeline);
  g_autofree char *pattern = g_strdup_printf ("error *%s*", text);
  const char *line = wait_line (child, "error");

  g_assert_nonnull (line);
  if (!g_pattern_match_simple (pattern, line))
    g_error ("'%s' does not mention '%s'", line, text);
  g_assert_cmpint (finish (child), ==, 1);
}

static void
test_bad_input (void)
{
  g_autoptr (Child) producer
      = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=t name=s");

  expect_line (producer, "state PLAYING");
  expect_error ("videotestsrc ! shmframesink pool=a/b", "a/b");
  expect_error ("shmframesrc pool=a/b ! fakesink", "a/b");
  expect_error ("videotestsrc ! shmframesink pool=t", "t");
  expect_error ("videotestsrc ! shmframesink pool=few slots=1", "few");
  expect_error ("videotestsrc ! video/x-raw,width=100000,height=16 ! shmframesink pool=big",
                "100000");
  expect_error ("shmframesrc pool=none timeout=1000000 ! fakesink", "none");
  tell (producer, "stats");
  expect_line (producer, "stats");
  g_assert_cmpuint (stat_of (producer, "frames"), >, 0);
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
}

/* Downstream that cannot take the pool's format hears which it is, and what to do. */
static void
test_not_taken (void)
{
  g_autoptr (Child) producer = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=t");
  g_autoptr (Child) compressed
      = run ("videotestsrc is-live=true ! " SMALL " ! x264enc key-int-max=1000 ! "
             "video/x-h264,stream-format=byte-stream,alignment=au ! shmframesink pool=u");

  if (!have_elements ("x264enc", NULL))
    return;
  expect_error ("shmframesrc pool=t ! video/x-raw,format=RGB ! fakesink", "put a videoconvert");
  expect_error ("shmframesrc pool=u ! videoconvert ! fakesink", "decoder between them");
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
  tell (compressed, "quit");
  g_assert_cmpint (finish (compressed), ==, 0);
}

/* Before there is a producer nothing is asked downstream: an ALLOCATION query without caps is a CRITICAL in
 * video sinks. */
static void
test_no_caps_yet (void)
{
  g_autoptr (Child) consumer = run ("shmframesrc pool=t ! fakevideosink name=check sync=false");
  g_autoptr (Child) producer = NULL;

  if (!have_elements ("fakevideosink", NULL))
    return;
  expect_line (consumer, "state READY");
  producer
      = run ("videotestsrc num-buffers=5 ! " SMALL " ! shmframesink pool=t wait-for-consumer=true");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
}

/* gst-launch-1.0 itself: an interrupt is a clean end, on both sides. */
static void
test_interrupt (gconstpointer data)
{
  const char *eos = data;
  g_autoptr (Child) producer
      = child_spawn ((const char *[]){ "stdbuf", "-oL", "gst-launch-1.0", eos, "videotestsrc",
                                       "is-live=true", "!", "shmframesink", "pool=t", NULL });
  g_autoptr (Child) consumer
      = child_spawn ((const char *[]){ "stdbuf", "-oL", "gst-launch-1.0", eos, "-v", "shmframesrc",
                                       "pool=t", "!", "fakesink", "silent=false", NULL });
  g_autoptr (Child) waiting
      = child_spawn ((const char *[]){ "stdbuf", "-oL", "gst-launch-1.0", eos, "shmframesrc",
                                       "pool=nobody", "!", "fakesink", NULL });

  expect_line (consumer, "/GstPipeline:pipeline0/GstFakeSink:fakesink0: last-message = chain");
  expect_line (waiting, "Setting pipeline to PLAYING");
  g_subprocess_send_signal (consumer->process, SIGINT);
  g_subprocess_send_signal (waiting->process, SIGINT);
  g_subprocess_send_signal (producer->process, SIGINT);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpint (finish (waiting), ==, 0);
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "ERROR"), ==, 0);
}

/* Also while the sink waits for a consumer, and the sources' thread with it. */
static void
test_interrupt_waiting (gconstpointer data)
{
  static const char *const between[] = { "identity", "queue", "decodebin" };
  const char *eos = data;

  for (guint i = 0; i < G_N_ELEMENTS (between); i++)
    {
      g_autoptr (Child) producer = child_spawn ((const char *[]){
          "stdbuf", "-oL", "gst-launch-1.0", eos, "-v", "videotestsrc", "!", between[i], "!",
          "shmframesink", "pool=t", "wait-for-consumer=true", NULL });

      expect_line (producer,
                   "/GstPipeline:pipeline0/GstShmFrameSink:shmframesink0.GstPad:sink: caps");
      g_subprocess_send_signal (producer->process, SIGINT);
      g_assert_cmpint (finish (producer), ==, 0);
      g_assert_cmpuint (count_lines (producer, "ERROR"), ==, 0);
    }
}

/* A source that can make any format takes one that others can use. */
static void
test_preferred_format (void)
{
  g_autoptr (Child) child = run ("videotestsrc num-buffers=1 ! shmframesink name=check pool=t");
  g_autoptr (Child) converted = run ("videotestsrc num-buffers=1 ! video/x-raw,format=AYUV64 ! "
                                     "videoconvert ! shmframesink name=check pool=u");

  expect_line (child, "caps video/x-raw, format=(string)I420");
  expect_line (converted, "caps video/x-raw, format=(string)AYUV64");
  g_assert_cmpint (finish (child), ==, 0);
  g_assert_cmpint (finish (converted), ==, 0);
}

/* The leaks tracer has nothing to say. */
static void
test_leaks (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;
  g_autofree char *log = g_build_filename (folder, "leaks-%p.log", NULL);
  g_autoptr (GDir) dir = NULL;
  const char *name;
  guint n_logs = 0;

  g_setenv ("GST_TRACERS", "leaks", TRUE);
  g_setenv ("GST_DEBUG", "GST_TRACER:7", TRUE);
  g_setenv ("GST_DEBUG_FILE", log, TRUE);
  consumer = run ("shmframesrc pool=t delivery=lossless ! queue ! fakesink name=check sync=false");
  producer = run ("videotestsrc num-buffers=30 ! " SMALL
                  " ! queue ! shmframesink pool=t wait-for-consumer=true");
  g_unsetenv ("GST_TRACERS");
  g_unsetenv ("GST_DEBUG");
  g_unsetenv ("GST_DEBUG_FILE");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);

  dir = g_dir_open (folder, 0, NULL);
  while ((name = g_dir_read_name (dir)))
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autofree char *text = NULL;

      if (!g_str_has_prefix (name, "leaks-"))
        continue;
      n_logs++;
      g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
      if (strstr (text, "object-alive, type-name=(string)G"))
        g_error ("leaks: %s", strstr (text, "object-alive, type-name=(string)G"));
      g_unlink (path);
    }
  g_assert_cmpuint (n_logs, >, 0);
}

int
main (int argc, char **argv)
{
  begin_tests (&argc, &argv);

  add ("/elements/no-copy", test_no_copy);
  g_test_add_data_func ("/elements/jpeg", "videotestsrc num-buffers=20 ! " SMALL " ! jpegenc",
                        test_compressed);
  g_test_add_data_func ("/elements/h264",
                        "videotestsrc num-buffers=20 ! " SMALL
                        " ! x264enc ! h264parse ! video/x-h264,stream-format=byte-stream,"
                        "alignment=au",
                        test_compressed);
  if (getuid () == 0)
    {
      g_test_add_data_func ("/elements/other-user", NULL, test_other_user);
      g_test_add_data_func ("/elements/other-user/compressed", "jpeg", test_other_user);
    }
  add ("/elements/caps-change", test_caps_change);
  add ("/elements/producer-killed", test_producer_killed);
  add ("/elements/consumer-killed", test_consumer_killed);
  add ("/elements/stall", test_stall);
  add ("/elements/late-release", test_late_release);
  add ("/elements/wait-for-consumer", test_wait_for_consumer);
  add ("/elements/wait-for-consumer-live", test_wait_live);
  add ("/elements/pause", test_pause);
  add ("/elements/flush", test_flush);
  add ("/elements/tags", test_tags);
  add ("/elements/metas", test_metas);
  add ("/elements/lost", test_lost);
  add ("/elements/eos-wait", test_eos_wait);
  add ("/elements/offset-to-zero", test_zero);
  add ("/elements/uri", test_uri);
  add ("/elements/bad-input", test_bad_input);
  add ("/elements/not-taken", test_not_taken);
  add ("/elements/no-caps-yet", test_no_caps_yet);
  g_test_add_data_func ("/elements/interrupt", "-f", test_interrupt);
  g_test_add_data_func ("/elements/interrupt-eos", "-e", test_interrupt);
  g_test_add_data_func ("/elements/interrupt-waiting", "-f", test_interrupt_waiting);
  g_test_add_data_func ("/elements/interrupt-waiting-eos", "-e", test_interrupt_waiting);
  add ("/elements/preferred-format", test_preferred_format);
  add ("/elements/leaks", test_leaks);
  return run_tests ();
}
