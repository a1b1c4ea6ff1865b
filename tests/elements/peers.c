/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a hostile or odd producer may do to shmframesrc: no viewer hangs, freezes or is fooled. The producer
 * is this process, by the library, and the viewer another one, unless a test looks into its element. */

#include "side.h"

#include "api/frame-private.h" /* for what only a hostile one writes */

#include <glib/gstdio.h>
#include <shmframe/shmframe.h>
#include <unistd.h>

#define SECOND ((gint64) 1000000000)
#define FAR_NS (G_GINT64_CONSTANT (1) << 61)
#define NOBODY "65534"
#define VIEWER "shmframesrc pool=t delivery=lossless %s ! fakesink name=check sync=%s"
#define EARLY_TAGS 32 /* that a source keeps until its first frame */

static gint64
now_ns (void)
{
  return g_get_monotonic_time () * 1000;
}

static void
set_format (ShmFrameProducer *producer, ShmFrameFormat *made)
{
  g_autoptr (ShmFrameFormat) format = made;
  g_autoptr (GError) error = NULL;

  g_assert_true (shmframe_producer_set_format (producer, format, &error));
  g_assert_no_error (error);
}

static ShmFrameProducer *
producer_new (void)
{
  g_autoptr (GError) error = NULL;
  ShmFrameProducer *producer = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", "t",
                                               "mode", 0666, "stall-timeout", 60 * SECOND, NULL);

  g_assert_no_error (error);
  set_format (producer, shmframe_format_new ("gray", 64, 64, NULL));
  return producer;
}

static void
await_consumer (ShmFrameProducer *producer)
{
  g_assert_true (shmframe_producer_wait_for_consumer (producer, WATCHDOG_S * SECOND, NULL));
}

static void
push_event (ShmFrameProducer *producer, const char *name, GVariant *value)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (shmframe_producer_push_event (producer, name, value, FALSE, &error));
  g_assert_no_error (error);
}

static void
push_tags (ShmFrameProducer *producer, const char *title)
{
  g_autofree char *text = g_strdup_printf ("taglist, title=(string)%s", title);

  push_event (producer, "tags", g_variant_new_string (text));
}

/* The source posts a message when it comes to this, which is soon. */
static void
push_latency (ShmFrameProducer *producer)
{
  static guint64 latency;

  push_event (producer, "latency", g_variant_new_uint64 (++latency));
}

static ShmFrameFrame *
acquire (ShmFrameProducer *producer)
{
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame = shmframe_producer_acquire (producer, &error);

  g_assert_no_error (error);
  shmframe_frame_set_pts (frame, now_ns ());
  shmframe_frame_set_flags (frame, SHMFRAME_FLAG_KEY);
  return frame;
}

/* Takes the frame; its sequence. */
static guint64
publish (ShmFrameProducer *producer, ShmFrameFrame *acquired)
{
  g_autoptr (ShmFrameFrame) frame = acquired;
  g_autoptr (GError) error = NULL;

  g_assert_true (shmframe_producer_publish (producer, frame, &error));
  g_assert_no_error (error);
  return shmframe_frame_get_sequence (frame);
}

static guint64
publish_at (ShmFrameProducer *producer, gint64 pts)
{
  ShmFrameFrame *frame = acquire (producer);

  shmframe_frame_set_pts (frame, pts);
  return publish (producer, frame);
}

/* "frame PTS OFFSET ...": that one comes, perhaps after others. */
static void
expect_frame (Child *viewer, guint64 sequence)
{
  guint64 seen;

  do
    {
      g_auto (GStrv) words = NULL;

      expect_line (viewer, "frame ");
      words = g_strsplit (viewer->lines->pdata[viewer->lines->len - 1], " ", 4);
      seen = g_ascii_strtoull (words[2], NULL, 10);
    }
  while (seen < sequence);
  g_assert_cmpuint (seen, ==, sequence);
}

/* Until the source has come so far. */
static void
pass_mark (Child *viewer, ShmFrameProducer *producer)
{
  static guint n;
  g_autofree char *title = g_strdup_printf ("mark%u", n++);
  g_autofree char *line = g_strdup_printf ("tag taglist, title=(string)%s;", title);

  push_tags (producer, title);
  expect_line (viewer, line);
}

/* All is well: frames of now come. */
static void
expect_flow (Child *viewer, ShmFrameProducer *producer)
{
  for (guint i = 0; i < 3; i++)
    expect_frame (viewer, publish (producer, acquire (producer)));
}

/* It ends when it is told to. */
static void
end (Child *viewer)
{
  gint64 begin = g_get_monotonic_time ();

  tell (viewer, "quit");
  g_assert_cmpint (finish (viewer), ==, 0);
  note_time (begin);
  g_assert_cmpuint (count_lines (viewer, "error"), ==, 0);
  g_assert_cmpuint (count_lines (viewer, "warning"), ==, 0);
}

/* ---- tags before the first frame ---- */

/* Publishes until one comes. */
static void
await_frame (Side *side, ShmFrameProducer *producer)
{
  g_mutex_lock (&side->lock);
  for (side->frames = 0; side->frames == 0;)
    {
      publish (producer, acquire (producer));
      g_cond_wait_until (&side->changed, &side->lock, g_get_monotonic_time () + 10000);
    }
  g_mutex_unlock (&side->lock);
}

/* A change of state holds that lock while it waits for the streaming thread. */
static void
test_state_lock (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ();
  g_autoptr (Side) side = side_new (SRC END);

  set_state (side->pipeline, GST_STATE_PLAYING);
  await_consumer (producer);
  GST_STATE_LOCK (side->e);
  push_tags (producer, "early");
  await_frame (side, producer);
  GST_STATE_UNLOCK (side->e);
}

static gint stop_flood;

static gpointer
flood (gpointer data)
{
  g_autofree char *title = g_strnfill (30000, 'x');

  for (guint i = 1; !g_atomic_int_get (&stop_flood); i++)
    {
      push_tags (data, title);
      if (i % 8 == 0)
        {
          push_latency (data);
          g_usleep (1000); /* or most are lost on the way */
        }
    }
  return NULL;
}

static void
test_flood (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ();
  GThread *thread;

  g_atomic_int_set (&stop_flood, FALSE);
  thread = g_thread_new ("flood", flood, producer);
  for (guint i = 0; i < 5; i++)
    {
      g_autoptr (Child) viewer = run (VIEWER, "", "true");

      expect_line (viewer, "message shmframe-producer-attached");
      for (guint j = 0; j < i; j++)
        expect_line (viewer, "latency-message");
      end (viewer);
    }
  g_atomic_int_set (&stop_flood, TRUE);
  g_thread_join (thread);
  report_time ("an end among tags");
}

/* However many come, so many are kept: the first ones. */
static void
test_many_tags (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ();
  g_autoptr (Child) viewer = run (VIEWER, "", "true");

  await_consumer (producer);
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *title = g_strdup_printf ("early%u", i);

      push_tags (producer, title);
      if (i % 8 != 7)
        continue;
      push_latency (producer);
      expect_line (viewer, "latency-message");
    }
  expect_frame (viewer, publish (producer, acquire (producer)));
  push_tags (producer, "late");
  expect_line (viewer, "tag taglist, title=(string)late");
  for (guint i = 0; i < EARLY_TAGS; i++)
    {
      g_autofree char *line = g_strdup_printf ("tag taglist, title=(string)early%u;", i);

      g_assert_cmpuint (count_lines (viewer, line), ==, 1);
    }
  g_assert_cmpuint (count_lines (viewer, "tag "), ==, EARLY_TAGS + 1);
  expect_flow (viewer, producer);
  end (viewer);
}

/* After a flush there is no segment either. */
static void
test_flushed_tags (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ();
  g_autoptr (Side) side = side_new (SRC END);
  g_autoptr (GstEvent) event = NULL;
  g_autofree char *title = NULL;
  GstTagList *tags;

  set_state (side->pipeline, GST_STATE_PLAYING);
  await_consumer (producer);
  for (guint i = 0; i < EARLY_TAGS; i++)
    push_tags (producer, "early");
  await_frame (side, producer);
  g_assert_true (gst_element_send_event (side->pipeline, gst_event_new_flush_start ()));
  g_assert_true (gst_element_send_event (side->pipeline, gst_event_new_flush_stop (TRUE)));
  push_tags (producer, "flushed");
  await_frame (side, producer);
  event = gst_pad_get_sticky_event (side->pad, GST_EVENT_TAG, 0);
  g_assert_nonnull (event);
  gst_event_parse_tag (event, &tags);
  g_assert_true (gst_tag_list_get_string (tags, GST_TAG_TITLE, &title));
  g_assert_cmpstr (title, ==, "flushed");
}

/* ---- times ---- */

static void
pause_viewer (Child *viewer)
{
  tell (viewer, "state paused");
  expect_line (viewer, "state PAUSED");
}

static void
play_viewer (Child *viewer)
{
  tell (viewer, "state playing");
  expect_line (viewer, "done state playing"); /* it plays with the first frame */
}

/* Until its only consumer holds a frame. */
static void
await_held (ShmFrameProducer *producer)
{
  guint held = 0;

  for (; held == 0; g_usleep (1000))
    {
      g_autoptr (GVariant) stats = shmframe_producer_get_stats (producer);
      g_autoptr (GVariant) consumers = g_variant_lookup_value (stats, "consumers", NULL);

      if (g_variant_n_children (consumers) > 0)
        {
          g_autoptr (GVariant) consumer = g_variant_get_child_value (consumers, 0);

          g_variant_lookup (consumer, "held", "u", &held);
        }
    }
}

/* Until all its threads sleep, with that frame: only the kernel can tell. */
static void
await_sleep_of (Child *viewer)
{
  const char *pid = g_subprocess_get_identifier (viewer->process);
  g_autofree char *tasks = g_strdup_printf ("/proc/%s/task", pid);

  for (guint calm = 0; calm < 5; g_usleep (1000))
    {
      g_autoptr (GDir) dir = g_dir_open (tasks, 0, NULL);
      const char *name;

      calm++;
      while ((name = g_dir_read_name (dir)))
        {
          g_autofree char *path = g_build_filename (tasks, name, "stat", NULL);
          g_autofree char *stat = NULL;

          if (g_file_get_contents (path, &stat, NULL, NULL) && !strstr (stat, ") S "))
            calm = 0;
        }
    }
}

/* What came in a pause is placed when that is over; placed before, it would be as far ahead as the pause is
 * long, and so long would no frame be new enough. The viewer's clock is the test's, so that it is long. */
static void
test_killed_and_paused (void)
{
  gint64 start = now_ns ();
  g_autofree char *clock = g_strdup_printf ("monotonic %" G_GINT64_FORMAT, start);
  g_autofree char *later = g_strdup_printf ("time %" G_GINT64_FORMAT, start + 1000 * SECOND);
  g_autoptr (Child) viewer = NULL, first = NULL;
  g_autoptr (ShmFrameProducer) second = NULL;

  g_setenv ("ELEMENTS_CLOCK", clock, TRUE);
  viewer = run (VIEWER, "delivery=ordered", "false"); /* a live producer waits for nobody */
  g_unsetenv ("ELEMENTS_CLOCK");
  first = run (LIVE_SRC " ! shmframesink pool=t");
  expect_line (viewer, "frame ");
  g_subprocess_send_signal (first->process, SIGKILL);
  g_assert_cmpint (finish (first), ==, -SIGKILL);
  expect_line (viewer, "message shmframe-producer-lost");
  pause_viewer (viewer);
  tell (viewer, later);
  second = producer_new ();
  await_consumer (second);
  publish_at (second, start + 1000 * SECOND);
  await_held (second);
  await_sleep_of (viewer);
  play_viewer (viewer);
  expect_frame (viewer, publish_at (second, start + 1100 * SECOND));
  end (viewer);
}

typedef struct
{
  const char *what;
  gint64 pts, duration, dts; /* of frames; 0: as it should be */
  guint64 gap, gap_duration; /* of gaps; 0: none, 1: now */
} Odd;

static const Odd odds[] = {
  { "pts", .pts = FAR_NS },
  { "the last pts", .pts = G_MAXINT64 },
  { "a pts before", .pts = -FAR_NS },
  { "the first pts", .pts = G_MININT64 + 1 },
  { "duration", .duration = FAR_NS },
  { "the longest duration", .duration = G_MAXINT64 },
  { "a duration below 0", .duration = G_MININT64 },
  { "dts", .dts = FAR_NS },
  { "the last dts", .dts = G_MAXINT64 },
  { "the first dts", .dts = G_MININT64 + 1 },
  { "gap", .gap = FAR_NS, .gap_duration = SECOND },
  { "the last gap", .gap = G_MAXINT64, .gap_duration = SECOND },
  { "no gap", .gap = G_MAXUINT64, .gap_duration = G_MAXUINT64 },
  { "a long gap", .gap = 1, .gap_duration = FAR_NS + 1 },
  { "a longer gap", .gap = 1, .gap_duration = G_MAXINT64 },
  { "the longest gap", .gap = 1, .gap_duration = G_MAXUINT64 - 1 },
};

static void
produce (ShmFrameProducer *producer, const Odd *odd)
{
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame;

  if (odd->gap)
    {
      push_event (producer, "gap",
                  g_variant_new ("(tt)", odd->gap == 1 ? (guint64) now_ns () : odd->gap,
                                 odd->gap_duration));
      return;
    }
  frame = acquire (producer);
  if (odd->pts)
    shmframe_frame_set_pts (frame, odd->pts);
  if (odd->duration)
    shmframe_frame_set_duration (frame, odd->duration);
  if (odd->dts)
    {
      GVariantDict dict;

      g_variant_dict_init (&dict, NULL);
      g_variant_dict_insert (&dict, "dts", "x", odd->dts);
      shmframe_frame_set_metadata (frame, g_variant_dict_end (&dict), &error);
      g_assert_no_error (error);
    }
  publish (producer, frame);
}

/* A viewer that waits for each frame's time shows those that follow. */
static void
far_times (const char *options)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ();
  g_autoptr (Child) viewer = run (VIEWER, options, "true");

  await_consumer (producer);
  expect_flow (viewer, producer);
  for (guint i = 0; i < G_N_ELEMENTS (odds); i++)
    {
      g_test_message ("%s", odds[i].what);
      produce (producer, &odds[i]);
      expect_flow (viewer, producer);
    }
  end (viewer);
}

static void
test_far (void)
{
  far_times ("");
}

static void
test_far_zero (void)
{
  far_times ("offset-to-zero=true");
}

/* Nor is the end of the stream that of a frame or gap without end. */
static void
test_far_eos (void)
{
  static const Odd lasts[] = {
    { "duration", .duration = FAR_NS },
    { "gap", .gap = 1, .gap_duration = FAR_NS },
  };

  for (guint i = 0; i < G_N_ELEMENTS (lasts); i++)
    {
      g_autoptr (ShmFrameProducer) producer = producer_new ();
      g_autoptr (Child) viewer = run (VIEWER, "", "true");

      await_consumer (producer);
      expect_flow (viewer, producer);
      produce (producer, &lasts[i]);
      shmframe_producer_push_eos (producer);
      g_assert_cmpint (finish (viewer), ==, 0);
      g_assert_cmpuint (count_lines (viewer, "eos"), ==, 1);
    }
}

/* What is just not too far is waited for, but for no end. */
static void
test_far_end (void)
{
  static const Odd waits[] = {
    { "pts", .pts = FAR_NS - 2 },
    { "duration", .duration = FAR_NS - 2 },
    { "gap", .gap = FAR_NS - 2, .gap_duration = FAR_NS - 2 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (waits); i++)
    {
      g_autoptr (ShmFrameProducer) producer = producer_new ();
      g_autoptr (Child) viewer = run (VIEWER, "", "true");

      await_consumer (producer);
      expect_flow (viewer, producer);
      produce (producer, &waits[i]);
      expect_line (viewer, waits[i].gap ? "gap " : "frame ");
      end (viewer);
      report_time (waits[i].what);
    }
}

/* The producer closes, and another one comes. */
static void
restart (Child *viewer, ShmFrameProducer **producer)
{
  shmframe_producer_close (*producer);
  g_clear_object (producer);
  *producer = producer_new ();
  expect_line (viewer, "message shmframe-producer-attached");
}

static void
flush (Child *viewer, ShmFrameProducer **producer)
{
  push_event (*producer, "flush", g_variant_new_uint64 (shmframe_producer_discard (*producer)));
  pass_mark (viewer, *producer);
}

typedef void (*Meanwhile) (Child *viewer, ShmFrameProducer **producer);

/* One frame that is far ahead, and a pause, after which frames do not go back: no reason to wait for so long. */
static void
ahead (Meanwhile before, Meanwhile within, Meanwhile after)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ();
  g_autoptr (Child) viewer = run (VIEWER, "", "false");

  await_consumer (producer);
  expect_flow (viewer, producer);
  expect_frame (viewer, publish_at (producer, now_ns () + 1000 * SECOND));
  pass_mark (viewer, producer);
  if (before)
    before (viewer, &producer);
  pause_viewer (viewer);
  if (within)
    within (viewer, &producer);
  play_viewer (viewer);
  if (after)
    after (viewer, &producer);
  expect_flow (viewer, producer);
  end (viewer);
}

static void
test_ahead_restarted (void)
{
  ahead (restart, NULL, NULL);
  ahead (NULL, NULL, restart);
}

static void
test_ahead_flushed (void)
{
  ahead (flush, NULL, NULL);
  ahead (NULL, NULL, flush);
}

static void
test_ahead_within (void)
{
  ahead (NULL, restart, NULL);
}

/* Frames come again, if not the first ones. */
static void
await_flow (Child *viewer, ShmFrameProducer **producer)
{
  guint n = count_lines (viewer, "frame ");

  while (count_lines (viewer, "frame ") == n)
    {
      publish (*producer, acquire (*producer));
      pass_mark (viewer, *producer);
      g_usleep (10000); /* or all of them would be lines that the test keeps */
    }
}

static void
test_ahead_alone (void)
{
  ahead (NULL, NULL, await_flow);
}

/* ---- another user ---- */

static void
publish_as (ShmFrameProducer *producer, guint32 format, gsize size)
{
  ShmFrameFrame *frame = acquire (producer);

  frame->descriptor.format = format;
  frame->descriptor.payload_size = size;
  publish (producer, frame);
}

/* Which of two formats a frame has, another user says by a number, for which there need be no event: what is
 * parsed is copied or dropped all the same. */
static void
test_formats (void)
{
  const guint32 raw = 1, jpeg = 2;
  g_autoptr (ShmFrameProducer) producer = producer_new ();
  g_autoptr (Child) viewer = NULL;
  gboolean is_jpeg = FALSE;
  guint n[2] = { 0, 0 };

  g_assert_cmpint (g_chmod (folder, 0711), ==, 0);
  g_setenv ("RUNNER_UID", NOBODY, TRUE);
  viewer = run ("shmframesrc pool=%s/t.sock delivery=lossless ! fakesink name=check sync=false",
                folder);
  g_unsetenv ("RUNNER_UID");
  await_consumer (producer);
  publish (producer, acquire (producer));
  set_format (producer, shmframe_format_new_compressed ("image/jpeg", 64, 64, 64 * 64, NULL));
  for (guint i = 0; i < 20; i++)
    {
      publish_as (producer, jpeg, 1000);
      publish_as (producer, raw, 64 * 64);
      publish_as (producer, jpeg, 1000);
    }
  publish_as (producer, raw, 64 * 64);
  expect_frame (viewer, 1 + 20 * 3 + 1);
  end (viewer);
  for (guint i = 0; i < viewer->lines->len; i++)
    {
      const char *line = viewer->lines->pdata[i];

      if (g_str_has_prefix (line, "caps "))
        is_jpeg = g_str_has_prefix (line, "caps image/jpeg");
      else if (g_str_has_prefix (line, "frame "))
        n[is_jpeg]++;
      else if (g_str_has_prefix (line, "at ")) /* in the pool */
        g_assert_false (is_jpeg);
    }
  g_test_message ("%u raw, %u jpeg", n[0], n[1]);
  g_assert_cmpuint (n[0], ==, 1 + 20 + 1);
  g_assert_cmpuint (n[1], >, 0);
  g_assert_cmpuint (n[0] + n[1] + stat_of (viewer, "drops-damaged"), ==, 1 + 20 * 3 + 1);
  g_assert_cmpuint (stat_of (viewer, "copied-frames"), >=, n[1]);
  g_assert_cmpuint (stat_of (viewer, "copied-untrusted"), ==, stat_of (viewer, "copied-bytes"));
}

/* ---- flushes ---- */

static void
announce_flush (ShmFrameProducer *producer, guint64 newest)
{
  push_event (producer, "flush", g_variant_new_uint64 (newest));
}

/* Three sequences are missing now, and so many in all: because the producer took them back, or otherwise. */
static guint64
expect_drops (Child *viewer, ShmFrameProducer *producer, guint64 flush, guint64 lag)
{
  guint64 sequence;

  shmframe_producer_drop (producer, 3);
  sequence = publish (producer, acquire (producer));
  expect_frame (viewer, sequence);
  g_assert_cmpuint (stat_now (viewer, "drops-flush"), ==, flush);
  g_assert_cmpuint (stat_of (viewer, "drops-lag"), ==, lag);
  return sequence;
}

/* What a producer says that it took back counts for the gap that follows, no further, and not for another
 * producer. */
static void
test_flush_bounds (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ();
  g_autoptr (Child) viewer = run (VIEWER, "", "false");
  guint64 last;

  await_consumer (producer);
  expect_flow (viewer, producer);
  announce_flush (producer, 1000000);
  announce_flush (producer, G_MAXUINT64);
  expect_flow (viewer, producer);
  expect_drops (viewer, producer, 0, 3);
  g_assert_cmpuint (count_lines (viewer, "message shmframe-drop, cause=(string)lag"), ==, 1);

  announce_flush (producer, G_MAXUINT64);
  last = expect_drops (viewer, producer, 3, 3);
  announce_flush (producer, last + 1);
  last = expect_drops (viewer, producer, 4, 5);
  announce_flush (producer, last);
  expect_drops (viewer, producer, 4, 8);

  announce_flush (producer, G_MAXUINT64);
  restart (viewer, &producer);
  expect_flow (viewer, producer);
  expect_drops (viewer, producer, 4, 11);
  end (viewer);
}

int
main (int argc, char **argv)
{
  begin_side_tests (&argc, &argv);
  add ("/peers/tags/state-lock", test_state_lock);
  add ("/peers/tags/flood", test_flood);
  add ("/peers/tags/many", test_many_tags);
  add ("/peers/tags/flushed", test_flushed_tags);
  add ("/peers/pause/killed", test_killed_and_paused);
  add ("/peers/pause/ahead", test_ahead_restarted);
  add ("/peers/pause/flushed", test_ahead_flushed);
  add ("/peers/pause/within", test_ahead_within);
  add ("/peers/pause/alone", test_ahead_alone);
  add ("/peers/far/times", test_far);
  add ("/peers/far/offset-to-zero", test_far_zero);
  add ("/peers/far/eos", test_far_eos);
  add ("/peers/far/end", test_far_end);
  if (getuid () == 0)
    add ("/peers/other-user/formats", test_formats);
  add ("/peers/flush/bounds", test_flush_bounds);
  return run_side_tests ();
}
