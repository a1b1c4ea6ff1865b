/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times across the boundary. The processes' clocks are GstTestClocks that are moved together, as views of
 * one monotonic clock, so that all is exact. */

#include "child.h"

#include <shmframe/shmframe.h>
#include <time.h>

#define SECOND ((gint64) 1000000000)
#define MILLISECOND ((gint64) 1000000)
#define FRAME (SECOND / 50)
#define RAW "video/x-raw,format=I420,width=32,height=16,framerate=50/1"
#define LIVE "videotestsrc is-live=true ! " RAW
#define START (1000 * SECOND)
/* What each sink adds to the latency. */
#define PROCESSING (20 * MILLISECOND)

/* The next child's. */
static void
set_clock (const char *type, gint64 ns)
{
  g_autofree char *value
      = ns ? g_strdup_printf ("%s %" G_GINT64_FORMAT, type, ns) : g_strdup (type);

  g_setenv ("ELEMENTS_CLOCK", value, TRUE);
}

static const char *
next_line (Child *child, const char *prefix)
{
  expect_line (child, prefix);
  return child->lines->pdata[child->lines->len - 1];
}

static gint64
number_after (const char *line, const char *text)
{
  const char *at = strstr (line, text);

  g_assert_nonnull (at);
  return g_ascii_strtoll (at + strlen (text), NULL, 10);
}

/* A command that is answered with its own name and a number. */
static gint64
ask (Child *child, const char *command)
{
  g_autofree char *prefix = g_strconcat (command, " ", NULL);

  tell (child, command);
  return number_after (next_line (child, prefix), prefix);
}

static void order (Child *child, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* A command that says when it is done. */
static void
order (Child *child, const char *format, ...)
{
  g_autofree char *command = NULL, *done = NULL;
  va_list args;

  va_start (args, format);
  command = g_strdup_vprintf (format, args);
  va_end (args);
  done = g_strconcat ("done ", command, NULL);
  tell (child, command);
  expect_line (child, done);
}

/* Time goes on to where something waits for it, and so do frames. */
static gint64
crank (Child *child)
{
  return ask (child, "crank");
}

static gint64
next_frame (Child *child)
{
  return number_after (next_line (child, "frame "), "frame ");
}

static gint64
latency_of (Child *child, const char *element, gint64 *max)
{
  g_autofree char *command = g_strdup_printf ("latency %s", element);
  const char *line;
  char *end;
  gint64 min;

  tell (child, command);
  line = next_line (child, "latency 1 "); /* live */
  min = g_ascii_strtoll (line + strlen ("latency 1 "), &end, 10);
  if (max)
    *max = g_ascii_strtoll (end, NULL, 10);
  return min;
}

static guint64
ask_stat (Child *child, const char *element, const char *name)
{
  order (child, "stats %s", element);
  return stat_of (child, name);
}

static Child *
start_viewer (gint64 clock, const char *source, const char *sink)
{
  Child *child;

  set_clock ("monotonic", clock);
  child = run ("shmframesrc pool=t name=src %s ! fakesink name=check async=false %s", source, sink);
  g_assert_cmpint (ask (child, "base"), ==, clock);
  return child;
}

/* Its first frame waits for its time; the format is known. */
static Child *
start_live (gint64 clock)
{
  Child *child;

  set_clock ("monotonic", clock);
  child = run (LIVE " ! shmframesink pool=t name=s");
  g_assert_cmpint (ask (child, "base"), ==, clock);
  g_assert_cmpint (ask (child, "pending"), ==, clock);
  return child;
}

/* A frame is captured, and seen on the other side at that time. */
static gint64
step (Child *producer, Child *consumer, gint64 consumer_base)
{
  gint64 time = crank (producer);

  g_assert_cmpint (next_frame (consumer), ==, time - consumer_base);
  return time;
}

/* Both processes as one clock runs them: whoever waits for less is next. A frame is published when
 * `delay` more have been captured, as some have before, and is shown `latency` after its capture. */
static void
run_in_order (Child *producer, guint delay, Child *consumer, gint64 base, gint64 latency)
{
  gint64 captured[25], until = 0;
  gint64 first = ask (producer, "pending") - delay * FRAME;
  guint n_captured, n_shown = 0;
  gboolean waiting = FALSE;

  for (n_captured = 0; n_captured < delay; n_captured++)
    captured[n_captured] = first + n_captured * FRAME;
  while (n_shown < G_N_ELEMENTS (captured) - delay)
    {
      gint64 next = n_captured < G_N_ELEMENTS (captured) ? ask (producer, "pending") : G_MAXINT64;

      if (waiting && until <= next)
        {
          g_assert_cmpint (crank (consumer), ==, until);
          n_shown++;
          waiting = FALSE;
        }
      else
        {
          order (consumer, "time %" G_GINT64_FORMAT, next);
          captured[n_captured++] = crank (producer);
        }
      if (!waiting && n_captured > n_shown + delay)
        {
          g_assert_cmpint (next_frame (consumer), ==, captured[n_shown] - base);
          until = ask (consumer, "pending");
          g_assert_cmpint (until, ==, captured[n_shown] + latency);
          /* Or it would be too late. */
          g_assert_cmpint (until, >=, captured[n_captured - 1]);
          waiting = TRUE;
        }
    }
  g_assert_cmpuint (ask_stat (consumer, "check", "dropped"), ==, 0);
  g_assert_cmpuint (stat_of (consumer, "rendered"), >=, n_shown - 1);
  g_assert_cmpuint (ask_stat (consumer, "src", "drops-lag"), ==, 0);
}

/* sync=true on both sides. */
static void
test_not_live (void)
{
  g_autoptr (Child) consumer = start_viewer (START, "delivery=lossless", "sync=true");
  g_autoptr (Child) producer = NULL;

  set_clock ("monotonic", START + 5 * SECOND);
  producer = run ("videotestsrc ! " RAW " ! shmframesink pool=t wait-for-consumer=true name=s");
  expect_line (consumer, "caps");
  g_assert_cmpint (latency_of (consumer, "src", NULL), ==, FRAME);
  order (consumer, "recalculate latency");
  g_assert_cmpint (ask (producer, "pending"), ==, START + 5 * SECOND);
  run_in_order (producer, 0, consumer, START, FRAME + PROCESSING);
  g_assert_cmpuint (count_lines (consumer, "segment time 1 0 0 0"), ==, 1);
  g_assert_cmpuint (count_lines (consumer, "warning"), ==, 0);
}

static void
test_live (void)
{
  g_autoptr (Child) producer = start_live (START + SECOND / 3);
  g_autoptr (Child) consumer = start_viewer (START, "", "sync=false");

  expect_line (consumer, "message shmframe-producer-attached");
  for (guint i = 0; i < 10; i++)
    g_assert_cmpint (step (producer, consumer, START), ==, START + SECOND / 3 + i * FRAME);
  g_assert_cmpuint (ask_stat (consumer, "src", "drops"), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "segment time 1 0 0 0"), ==, 1);
}

/* Whatever the producer's segment is, the times are those at which it shows the frames. */
static void
test_seek (void)
{
  g_autoptr (Child) consumer = start_viewer (START, "delivery=lossless", "sync=false");
  g_autoptr (Child) producer = NULL;
  gint64 last, time;

  set_clock ("monotonic", START + SECOND);
  producer = run ("videotestsrc ! " RAW " ! shmframesink pool=t wait-for-consumer=true");
  expect_line (producer, "state PLAYING");
  for (guint i = 0; i < 3; i++)
    step (producer, consumer, START);

  /* Twice as fast, from elsewhere, running time from 0. */
  g_assert_cmpint (ask (producer, "pending"), ==, START + SECOND + 3 * FRAME);
  order (producer, "time %" G_GINT64_FORMAT, START + 7 * SECOND);
  order (producer, "flush-seek 2.0 %" G_GINT64_FORMAT, 5 * SECOND);
  expect_line (producer, "state PLAYING");
  g_assert_cmpint (ask (producer, "base"), ==, START + 7 * SECOND);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpint (step (producer, consumer, START), ==, START + 7 * SECOND + i * FRAME / 2);

  /* Without a flush: the running time goes on, in the segment's base. It happens within some frames. */
  g_assert_cmpint (ask (producer, "pending"), ==, START + 7 * SECOND + 4 * FRAME / 2);
  last = step (producer, consumer, START);
  order (producer, "seek 4.0 %" G_GINT64_FORMAT, 60 * SECOND);
  while ((time = step (producer, consumer, START)) - last == FRAME / 2)
    last = time;
  for (guint i = 0; i < 4; i++)
    {
      g_assert_cmpint (time - last, ==, FRAME / 4);
      last = time;
      time = step (producer, consumer, START);
    }
  g_assert_cmpuint (ask_stat (consumer, "src", "drops"), ==, 0);
}

/* Rate, start and base, exactly; and what is outside is dropped, and nothing else happens. */
static void
test_segments (void)
{
  static const struct
  {
    double rate;
    gint64 start, stop, base; /* of the segment that the next three frames are in */
    gboolean outside;
  } segments[] = {
    { 2, 0, -1, 10 * SECOND, FALSE },           { 1, 3 * FRAME, -1, 20 * SECOND, FALSE },
    { 1, 500 * SECOND, -1, 30 * SECOND, TRUE }, { 0.5, FRAME, 100 * SECOND, 40 * SECOND, FALSE },
    { 1, 0, FRAME, 50 * SECOND, TRUE },         { 1, 0, -1, 60 * SECOND, FALSE },
  };
  g_autoptr (Child) producer = start_live (START);
  g_autoptr (Child) consumer = start_viewer (START - 5 * SECOND, "", "sync=false");

  expect_line (consumer, "message shmframe-producer-attached");
  step (producer, consumer, START - 5 * SECOND);
  for (guint i = 0; i < G_N_ELEMENTS (segments); i++)
    {
      ask (producer, "pending");
      order (producer,
             "segment s %g %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " 0",
             segments[i].rate, segments[i].start, segments[i].stop, segments[i].base);
      for (guint j = 0; j < 3; j++)
        {
          gint64 pts = crank (producer) - START;

          if (segments[i].outside)
            continue;
          g_assert_cmpint (next_frame (consumer), ==,
                           5 * SECOND + segments[i].base
                               + (gint64) ((pts - segments[i].start) / segments[i].rate));
        }
    }
  g_assert_cmpuint (ask_stat (producer, "s", "frames"), ==, 13);
  g_assert_cmpuint (ask_stat (consumer, "src", "drops"), ==, 0);
  g_assert_cmpuint (count_lines (producer, "error"), ==, 0);
}

/* A frame as any consumer reads it. */
static ShmFrameFrame *
read_frame (ShmFrameConsumer *reader, gboolean or_attached)
{
  for (;;)
    {
      g_autoptr (ShmFrameEvent) event = NULL;
      g_autoptr (GError) error = NULL;
      ShmFrameFrame *frame = shmframe_consumer_lease (reader, 10 * SECOND, &event, &error);

      g_assert_no_error (error);
      if (frame
          || (or_attached && shmframe_event_get_event_type (event) == SHMFRAME_EVENT_ATTACHED))
        return frame;
    }
}

static void
test_fields (void)
{
  g_autoptr (Child) producer = start_live (START);
  g_autoptr (ShmFrameConsumer) reader
      = shmframe_consumer_new ("t", SHMFRAME_DELIVERY_LOSSLESS, NULL);

  g_assert_null (read_frame (reader, TRUE));
  for (guint i = 0; i < 4; i++)
    {
      gint64 time = crank (producer);
      g_autoptr (ShmFrameFrame) frame = read_frame (reader, FALSE);
      gint64 running = time - START, stream = running;

      if (i >= 2)
        {
          running = 10 * SECOND + (stream - FRAME) / 2;
          stream = 77 * SECOND + stream - FRAME;
        }
      g_assert_cmpint (shmframe_frame_get_pts (frame), ==, START + running);
      g_assert_cmpint (shmframe_frame_get_capture_time (frame), ==, START + running);
      g_assert_cmpint (shmframe_frame_get_stream_time (frame), ==, stream);
      g_assert_cmpint (shmframe_frame_get_flags (frame) & SHMFRAME_FLAG_LIVE, !=, 0);
      if (i < 2)
        g_assert_cmpint (shmframe_frame_get_duration (frame), ==, FRAME);
      if (i != 1)
        continue;
      ask (producer, "pending");
      order (producer,
             "segment s 2.0 %" G_GINT64_FORMAT " -1 %" G_GINT64_FORMAT " %" G_GINT64_FORMAT, FRAME,
             10 * SECOND, 77 * SECOND);
    }
}

/* A frame from before the attach is skipped and counted; the next one says that it does not follow. */
static void
test_early (void)
{
  g_autoptr (Child) producer = start_live (START);
  g_autoptr (Child) consumer = NULL;
  gint64 base = START + 3 * FRAME + FRAME / 2;
  const char *line;

  for (guint i = 0; i < 4; i++)
    crank (producer);
  g_assert_cmpint (ask (producer, "pending"), ==, START + 4 * FRAME); /* the fourth is published */
  consumer = start_viewer (base, "", "sync=false");
  expect_line (consumer, "caps");
  while (ask_stat (consumer, "src", "drops-early") == 0)
    ;
  crank (producer);
  line = next_line (consumer, "frame ");
  g_assert_cmpint (number_after (line, "frame "), ==, FRAME / 2);
  g_assert_nonnull (strstr (line, " 5 DK ")); /* its number; DISCONT */
  for (guint i = 0; i < 3; i++)
    step (producer, consumer, base);
  g_assert_cmpuint (ask_stat (consumer, "src", "drops-early"), ==, 1);
  g_assert_cmpuint (stat_of (consumer, "drops"), ==, 1);
  g_assert_cmpuint (stat_of (consumer, "frames"), ==, 4);
}

/* From the first frame that comes, which is never too early. */
static void
test_zero (void)
{
  static const gint64 clocks[] = { START - 500 * SECOND, START + 500 * SECOND };

  for (guint i = 0; i < G_N_ELEMENTS (clocks); i++)
    {
      g_autoptr (Child) producer = start_live (START);
      g_autoptr (Child) consumer = start_viewer (clocks[i], "offset-to-zero=true", "sync=false");

      expect_line (consumer, "message shmframe-producer-attached");
      for (guint j = 0; j < 5; j++)
        {
          crank (producer);
          g_assert_cmpint (next_frame (consumer), ==, j * FRAME);
        }
      g_assert_cmpuint (ask_stat (consumer, "src", "drops"), ==, 0);
    }
}

/* The producer pauses for 10 s: so long is the gap in the running time of the other side. */
static void
test_gap (void)
{
  g_autoptr (Child) producer = start_live (START);
  g_autoptr (Child) consumer = start_viewer (START, "", "sync=false");
  gint64 last = 0, time;

  expect_line (consumer, "message shmframe-producer-attached");
  for (guint i = 0; i < 3; i++)
    last = step (producer, consumer, START);
  ask (producer, "pending");
  order (producer, "state paused");
  order (producer, "time %" G_GINT64_FORMAT, last + 10 * SECOND);
  order (producer, "state playing");
  g_assert_cmpint (ask (producer, "base"), ==, START + 10 * SECOND);
  time = step (producer, consumer, START);
  g_assert_cmpint (time - last, >=, 10 * SECOND);
  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (step (producer, consumer, START), ==, time + (i + 1) * FRAME);
}

/* Sound that this process captures and pictures that another one captures: the same running time for the
 * same time on the clock. */
static void
test_audio (void)
{
  g_autoptr (Child) producer = start_live (START + SECOND);
  g_autoptr (Child) consumer = NULL;

  if (!have_elements ("audiotestsrc", "level", NULL))
    return;
  set_clock ("monotonic", START);
  consumer
      = run ("shmframesrc pool=t ! fakesink name=check async=false sync=false "
             "audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,rate=8000,channels=1 ! "
             "level interval=20000000 ! fakesink async=false sync=false");
  g_assert_cmpint (ask (consumer, "base"), ==, START);
  expect_line (consumer, "message shmframe-producer-attached");
  for (gint64 i = 0; i < 60; i++)
    {
      gint64 time = crank (consumer), sound;

      g_assert_cmpint (time, ==, START + i * FRAME);
      sound = number_after (next_line (consumer, "message level"), "running-time=(guint64)");
      g_assert_cmpint (sound, ==, time - START);
      if (time < START + SECOND)
        continue;
      g_assert_cmpint (crank (producer), ==, time);
      g_assert_cmpint (next_frame (consumer), ==, sound);
    }
}

#define DELAY (100 * MILLISECOND)
/* The queue, which keeps frames until it holds 120 ms, says so. */
#define DELAYED LIVE " ! queue name=q min-threshold-time=120000000 ! shmframesink pool=t name=s"
#define DELAYED_LATENCY (120 * MILLISECOND + FRAME)

/* Frames are published 100 ms after their capture. A viewer that keeps the time, and drops what is late,
 * drops none. */
static void
test_delayed (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;
  gint64 base = START + 2 * FRAME + FRAME / 2, max;

  set_clock ("monotonic", START);
  producer = run (DELAYED);
  for (guint i = 0; i < DELAY / FRAME + 3; i++)
    crank (producer);
  while (ask_stat (producer, "s", "frames") < 3)
    ;
  /* The third is too early for it, and so it knows the latency before the first that it shows. */
  consumer
      = start_viewer (base, "", "sync=true processing-deadline=0 max-lateness=5000000 qos=true");
  while (ask_stat (consumer, "src", "drops-early") == 0)
    ;
  g_assert_cmpint (latency_of (consumer, "src", &max), ==, DELAYED_LATENCY + FRAME);
  g_assert_cmpint (max, >=, DELAYED_LATENCY + FRAME);
  order (consumer, "recalculate latency");
  run_in_order (producer, DELAY / FRAME, consumer, base, DELAYED_LATENCY + FRAME);
  g_assert_cmpuint (count_lines (consumer, "warning"), ==, 0);
}

/* A change of the producer's latency reaches the viewer's pipeline, as a message. */
static void
test_latency_change (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;
  guint n_messages;
  gint64 max;

  set_clock ("monotonic", START);
  producer = run (LIVE " ! queue name=q ! shmframesink pool=t name=s async=false");
  ask (producer, "pending");
  consumer = start_viewer (START, "", "sync=false");
  expect_line (consumer, "message shmframe-producer-attached");
  step (producer, consumer, START);
  g_assert_cmpint (latency_of (consumer, "src", &max), ==, FRAME + FRAME);
  g_assert_cmpint (max, >=, FRAME + FRAME);

  for (guint i = 0; i < 10; i++)
    latency_of (consumer, "src", NULL); /* older messages are through */
  n_messages = count_lines (consumer, "latency-message");

  /* The queue does not say that it changed. */
  tell (producer, "set q min-threshold-time 300000000");
  order (producer, "recalculate latency");
  for (guint i = 0; i < 20; i++)
    crank (producer);
  while (latency_of (consumer, "src", &max) != 300 * MILLISECOND + FRAME + FRAME
         || count_lines (consumer, "latency-message") == n_messages)
    ;
  g_assert_cmpint (max, >=, 300 * MILLISECOND + FRAME + FRAME);
}

/* Live frames that wait for their time are published by the producer's whole latency after it. */
static void
test_sync_live (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;

  set_clock ("monotonic", START);
  producer = run (LIVE " ! shmframesink pool=t name=s async=false sync-live=true");
  ask (producer, "pending");
  consumer = start_viewer (START, "", "sync=false");
  expect_line (consumer, "message shmframe-producer-attached");
  while (latency_of (consumer, "src", NULL) != FRAME + PROCESSING + FRAME)
    crank (producer);
  while (ask_stat (consumer, "src", "frames") < 3)
    crank (producer);
  tell (producer, "set s sync-live false");
  while (latency_of (consumer, "src", NULL) != FRAME + FRAME)
    crank (producer);
}

/* The offset of CLOCK_MONOTONIC to CLOCK_REALTIME, and how well it is known. */
static gint64
measure_offset (gint64 *spread)
{
  gint64 best = 0;

  *spread = G_MAXINT64;
  for (guint i = 0; i < 100; i++)
    {
      struct timespec before, real, after;
      gint64 from, took;

      clock_gettime (CLOCK_MONOTONIC, &before);
      clock_gettime (CLOCK_REALTIME, &real);
      clock_gettime (CLOCK_MONOTONIC, &after);
      from = before.tv_sec * SECOND + before.tv_nsec;
      took = after.tv_sec * SECOND + after.tv_nsec - from;
      if (took >= *spread)
        continue;
      *spread = took;
      best = from + took / 2 - (real.tv_sec * SECOND + real.tv_nsec);
    }
  return best;
}

/* Pipelines on a realtime clock: to the monotonic one and back. */
static void
test_realtime (void)
{
  static const struct
  {
    const char *producer, *consumer;
  } clocks[]
      = { { "realtime", "realtime" }, { "realtime", "monotonic" }, { "monotonic", "realtime" } };
  gint64 spread, offset = measure_offset (&spread);

  for (guint i = 0; i < G_N_ELEMENTS (clocks); i++)
    {
      g_autoptr (Child) producer = NULL, consumer = NULL;
      gint64 expected, error = 0;

      set_clock (clocks[i].consumer, 0);
      consumer = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");
      expected = -ask (consumer, "base");
      set_clock (clocks[i].producer, 0);
      producer = run ("videotestsrc num-buffers=10 ! " RAW " ! shmframesink pool=t name=s "
                      "wait-for-consumer=true");
      expect_line (producer, "state PLAYING");
      expected += ask (producer, "base");
      expected += g_str_equal (clocks[i].producer, "realtime") ? offset : 0;
      expected -= g_str_equal (clocks[i].consumer, "realtime") ? offset : 0;
      for (guint j = 0; j < 10; j++)
        {
          gint64 off = next_frame (consumer) - (expected + j * FRAME);

          error = MAX (error, ABS (off));
        }
      g_assert_cmpint (finish (producer), ==, 0);
      g_assert_cmpint (finish (consumer), ==, 0);
      g_test_message ("%s to %s: %" G_GINT64_FORMAT
                      " ns off at most; measured within %" G_GINT64_FORMAT " ns",
                      clocks[i].producer, clocks[i].consumer, error, spread);
      /* Each reading is the best of some; this is where a clock counts as set rather than read badly. */
      g_assert_cmpint (error, <, 20 * MILLISECOND);
    }
}

/* A viewer that paused goes on with what is captured now: its times do not go back. */
static void
resume_after (guint frames)
{
  g_autoptr (Child) producer = start_live (START);
  g_autoptr (Child) consumer = start_viewer (START, "", "sync=false");
  gint64 time = 0, base, last = 0;

  expect_line (consumer, "message shmframe-producer-attached");
  for (guint i = 0; i < 3; i++)
    time = step (producer, consumer, START);
  order (consumer, "time %" G_GINT64_FORMAT, time);
  order (consumer, "state paused");
  for (guint i = 0; i < frames; i++)
    time = crank (producer);
  ask (producer, "pending");
  order (consumer, "time %" G_GINT64_FORMAT, time);
  order (consumer, "state playing");
  base = ask (consumer, "base");
  g_assert_cmpint (base, ==, START + frames * FRAME);
  while (ask_stat (consumer, "src", "lag") > 0)
    ;
  for (guint i = 0; i < 10; i++)
    time = crank (producer);
  while (next_frame (consumer) != time - base)
    ;
  for (guint i = 0; i < consumer->lines->len; i++)
    if (g_str_has_prefix (consumer->lines->pdata[i], "frame "))
      {
        gint64 pts = number_after (consumer->lines->pdata[i], "frame ");

        g_assert_cmpint (pts, >=, last);
        last = pts;
      }
}

static void
test_resume (void)
{
  resume_after (2);
}

/* Longer than it had played: what was captured meanwhile would be before its time 0. */
static void
test_resume_late (void)
{
  resume_after (30);
}

/* A producer whose clock is far behind: its frames come, from the viewer's present on. */
static void
test_late_producer (void)
{
  g_autoptr (Child) producer = start_live (START);
  g_autoptr (Child) consumer = start_viewer (START + 500 * SECOND, "", "sync=false");

  expect_line (consumer, "message shmframe-producer-attached");
  while (ask_stat (consumer, "src", "frames") == 0)
    crank (producer);
  if (count_lines (consumer, "frame ") == 0)
    next_frame (consumer);
  g_assert_cmpuint (count_lines (consumer, "frame 0 "), ==, 1);
}

/* In the consumer's time: half as long at twice the rate. */
static void
test_duration (void)
{
  g_autoptr (Child) producer = start_live (START);
  g_autoptr (ShmFrameConsumer) reader
      = shmframe_consumer_new ("t", SHMFRAME_DELIVERY_LOSSLESS, NULL);
  g_autoptr (ShmFrameFrame) first = NULL, second = NULL;

  g_assert_null (read_frame (reader, TRUE));
  crank (producer);
  first = read_frame (reader, FALSE);
  ask (producer, "pending");
  order (producer, "segment s 2.0 0 -1 0 0");
  crank (producer);
  second = read_frame (reader, FALSE);
  g_assert_cmpint (shmframe_frame_get_duration (second), ==, FRAME / 2);
}

/* Backwards, a frame is shown from its end on. */
static void
test_reverse (void)
{
  g_autoptr (Child) consumer = start_viewer (START, "delivery=lossless", "sync=false");
  g_autoptr (Child) producer = NULL;

  set_clock ("monotonic", START);
  producer = run ("videotestsrc ! " RAW " ! shmframesink pool=t wait-for-consumer=true");
  expect_line (producer, "state PLAYING");
  step (producer, consumer, START);
  ask (producer, "pending");
  order (producer, "flush-seek -1.0 %" G_GINT64_FORMAT, 5 * SECOND);
  expect_line (producer, "state PLAYING");
  for (guint i = 0; i < 4; i++)
    step (producer, consumer, START);
}

/* What the pool holds comes on top of how late the frames are; else pipelines warn that no latency suits
 * them. */
static void
test_latency_max (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;
  gint64 max;

  set_clock ("monotonic", START);
  producer = run (DELAYED);
  ask (producer, "pending");
  consumer = start_viewer (START, "", "sync=true");
  expect_line (consumer, "message shmframe-producer-attached");
  for (guint i = 0; i <= DELAY / FRAME; i++)
    crank (producer);
  next_frame (consumer);
  g_assert_cmpint (latency_of (consumer, "src", &max), ==, DELAYED_LATENCY + FRAME);
  g_assert_cmpint (max, ==, DELAYED_LATENCY + (4 + 1) * FRAME); /* the window, and one in hand */
  order (consumer, "recalculate latency");
  order (consumer, "time 0"); /* a warning would be said before */
  g_assert_cmpuint (count_lines (consumer, "warning"), ==, 0);
}

/* In the stats too. */
static void
test_outside_counted (void)
{
  g_autoptr (Child) producer = start_live (START);

  crank (producer);
  ask (producer, "pending");
  order (producer, "segment s 1 %" G_GINT64_FORMAT " -1 0 0", 500 * SECOND);
  for (guint i = 0; i < 3; i++)
    crank (producer);
  ask (producer, "pending");
  g_assert_cmpuint (ask_stat (producer, "s", "drops-segment"), ==, 3);
  g_assert_cmpuint (stat_of (producer, "drops"), ==, 3);
  g_assert_cmpuint (stat_of (producer, "frames"), ==, 1);
}

int
main (int argc, char **argv)
{
  begin_tests (&argc, &argv);

  add ("/elements-time/not-live", test_not_live);
  add ("/elements-time/live", test_live);
  add ("/elements-time/seek", test_seek);
  add ("/elements-time/segments", test_segments);
  add ("/elements-time/fields", test_fields);
  add ("/elements-time/early", test_early);
  add ("/elements-time/offset-to-zero", test_zero);
  add ("/elements-time/gap", test_gap);
  add ("/elements-time/audio", test_audio);
  add ("/elements-time/delayed", test_delayed);
  add ("/elements-time/latency-change", test_latency_change);
  add ("/elements-time/sync-live", test_sync_live);
  add ("/elements-time/realtime", test_realtime);
  add ("/elements-time/resume", test_resume);
  add ("/elements-time/resume-late", test_resume_late);
  add ("/elements-time/late-producer", test_late_producer);
  add ("/elements-time/duration", test_duration);
  add ("/elements-time/reverse", test_reverse);
  add ("/elements-time/latency-max", test_latency_max);
  add ("/elements-time/outside-counted", test_outside_counted);
  return run_tests ();
}
