/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Following pools of real producers, which come, go, and change. */
#include "../tools/pool-watch.h"

#include <glib/gstdio.h>

#include "../tools/frames.h"
#include "producer-child.h"

#define PATIENCE_US (10 * G_USEC_PER_SEC)
#define MS_NS G_GINT64_CONSTANT (1000000)

/* What the watch said. */
typedef struct
{
  GMutex lock;
  GCond changed;
  char *reason;
  guint attached, lost, frames, faults[N_FAULTS], views, consumers;
  guint64 sequence, missed;
  guint width;
  guint8 value;
  guint64 fault_sequence;
  gboolean blames_consumer; /* the newest fault */
} Heard;

static void
hear_state (PoolWatch *watch, const char *reason, gpointer data)
{
  Heard *heard = data;

  g_test_message ("state: %s", reason != NULL ? reason : "attached");
  g_mutex_lock (&heard->lock);
  g_free (heard->reason);
  heard->reason = g_strdup (reason);
  if (reason == NULL)
    heard->attached++;
  else
    heard->lost++;
  g_cond_broadcast (&heard->changed);
  g_mutex_unlock (&heard->lock);
}

static void
hear_view (PoolWatch *watch, PoolView *view, gpointer data)
{
  Heard *heard = data;

  g_mutex_lock (&heard->lock);
  heard->views++;
  heard->consumers = view->consumers->len;
  g_cond_broadcast (&heard->changed);
  g_mutex_unlock (&heard->lock);
  pool_view_free (view);
}

static void
hear_frame (PoolWatch *watch, const FrameSample *sample, ShmFrameFrame *frame, gpointer data)
{
  Heard *heard = data;
  const guint8 *bytes = shmframe_frame_get_data (frame);

  g_mutex_lock (&heard->lock);
  heard->frames++;
  heard->sequence = sample->sequence;
  heard->missed += sample->missed;
  heard->width = shmframe_format_get_width (shmframe_frame_get_format (frame));
  heard->value = bytes != NULL ? bytes[shmframe_frame_get_size (frame) - 1] : 0;
  g_cond_broadcast (&heard->changed);
  g_mutex_unlock (&heard->lock);
}

static void
hear_fault (PoolWatch *watch, const Fault *fault, gpointer data)
{
  Heard *heard = data;

  g_test_message ("%s %" G_GUINT64_FORMAT ": %s", fault_kind_name (fault->kind), fault->sequence,
                  fault->text);
  g_mutex_lock (&heard->lock);
  heard->faults[fault->kind]++;
  heard->fault_sequence = fault->sequence;
  heard->blames_consumer = strstr (fault->text, "lossless consumer") != NULL;
  g_cond_broadcast (&heard->changed);
  g_mutex_unlock (&heard->lock);
}

static const PoolWatchCallbacks callbacks = {
  .state = hear_state,
  .view = hear_view,
  .frame = hear_frame,
  .fault = hear_fault,
};

/* Until `condition`, which speaks of `heard`, or the watchdog. */
#define AWAIT(heard, condition)                                                                    \
  G_STMT_START                                                                                     \
  {                                                                                                \
    gint64 end = g_get_monotonic_time () + PATIENCE_US;                                            \
    gboolean in_time = TRUE;                                                                       \
    g_mutex_lock (&(heard)->lock);                                                                 \
    while (!(condition) && in_time)                                                                \
      in_time = g_cond_wait_until (&(heard)->changed, &(heard)->lock, end);                        \
    g_mutex_unlock (&(heard)->lock);                                                               \
    if (!in_time)                                                                                  \
      g_error ("waited in vain for " #condition);                                                  \
  }                                                                                                \
  G_STMT_END

static PoolWatch *
watch_pool (const char *pool, Heard *heard, gboolean pixels, gboolean lease)
{
  PoolWatchOptions options = { .pixels = pixels,
                               .lease = lease,
                               .stats_interval_ns = 20 * MS_NS,
                               .limits.late_ns = 60000 * MS_NS };

  return pool_watch_new (pool, &options, &callbacks, heard);
}

/* Prints how long it took: one poll, or one question. */
static void
end_watch (PoolWatch *watch, Heard *heard)
{
  gint64 begin = g_get_monotonic_time ();

  pool_watch_free (watch);
  g_test_message ("ended in %.1f ms", (double) (g_get_monotonic_time () - begin) / 1e3);
  g_clear_pointer (&heard->reason, g_free);
}

static void
publish (Child *child, Heard *heard, guint8 value)
{
  g_autofree char *line = g_strdup_printf ("publish 1 %u", value);
  guint before = heard->frames;

  child_do (child, line);
  AWAIT (heard, heard->frames > before);
}

static void
start (Child *child, const char *pool, guint history)
{
  child_start (child, pool, history);
  child_do (child, "format 64 32");
}

static void
test_follows (void)
{
  Heard heard = { 0 };
  Child child;
  PoolWatch *watch = watch_pool ("follows", &heard, TRUE, FALSE);

  AWAIT (&heard, heard.reason != NULL);
  g_assert_nonnull (strstr (heard.reason, "no producer has that name"));
  start (&child, "follows", 1);
  AWAIT (&heard, heard.attached == 1);
  for (guint8 i = 1; i <= 10; i++) /* too few to learn their rate */
    {
      publish (&child, &heard, i);
      g_assert_cmpuint (heard.sequence, ==, i);
      g_assert_cmpuint (heard.value, ==, i);
    }
  g_assert_cmpuint (heard.missed, ==, 0);
  AWAIT (&heard, heard.views > 2);
  g_assert_cmpuint (heard.consumers, ==, 0);
  for (FaultKind i = 0; i < N_FAULTS; i++)
    g_assert_cmpuint (heard.faults[i], ==, 0);
  end_watch (watch, &heard);
  child_end (&child, 0);
}

static void
follow_restart (const char *pool, guint lease)
{
  Heard heard = { 0 };
  PoolWatchCounters counters;
  Child child;
  PoolWatch *watch;

  start (&child, pool, 1);
  watch = watch_pool (pool, &heard, TRUE, lease);
  AWAIT (&heard, heard.attached == 1);
  AWAIT (&heard, heard.consumers == lease);
  for (guint8 i = 1; i <= 5; i++)
    publish (&child, &heard, i);
  child_end (&child, SIGKILL);
  AWAIT (&heard, heard.lost >= 1);
  g_assert_nonnull (heard.reason);
  AWAIT (&heard, strstr (heard.reason, "the producer died, or was killed") != NULL);

  start (&child, pool, 1);
  AWAIT (&heard, heard.attached == 2);
  AWAIT (&heard, heard.consumers == lease);
  publish (&child, &heard, 9);
  g_assert_cmpuint (heard.sequence, ==, 1);
  g_assert_cmpuint (heard.value, ==, 9);
  g_assert_cmpuint (heard.missed, ==, 0);
  for (FaultKind i = 0; i < N_FAULTS; i++)
    g_assert_cmpuint (heard.faults[i], ==, 0);
  pool_watch_get_counters (watch, &counters);
  g_assert_cmpuint (counters.seen, ==, 6);
  g_assert_cmpuint (counters.unseen, ==, 0);
  g_assert_cmpuint (counters.attaches, ==, 2);
  end_watch (watch, &heard);
  child_end (&child, 0);
}

static void
test_restart (void)
{
  follow_restart ("restart", FALSE);
}

static void
test_lease (void)
{
  follow_restart ("lease", TRUE);
}

/* The consumer finds the new producer before the observer misses the old one. */
static void
test_lease_restart (void)
{
  const PoolWatchOptions options = { .pixels = TRUE,
                                     .lease = TRUE,
                                     .stats_interval_ns = 3600 * 1000 * MS_NS,
                                     .limits.late_ns = 60000 * MS_NS };
  Heard heard = { 0 };
  Child child;
  PoolWatch *watch;

  start (&child, "lease-restart", 1);
  watch = pool_watch_new ("lease-restart", &options, &callbacks, &heard);
  for (guint8 i = 1; i <= 5; i++)
    publish (&child, &heard, i);
  child_end (&child, SIGKILL);
  start (&child, "lease-restart", 1);
  publish (&child, &heard, 5); /* no duplicate, and not out of order */
  publish (&child, &heard, 6);
  g_assert_cmpuint (heard.sequence, ==, 2);
  g_assert_cmpuint (heard.missed, ==, 0);
  for (FaultKind i = 0; i < N_FAULTS; i++)
    g_assert_cmpuint (heard.faults[i], ==, 0);
  end_watch (watch, &heard);
  child_end (&child, 0);
}

/* The producer closes its pool, and lives. */
static void
test_closed (void)
{
  Heard heard = { 0 };
  Child child;
  PoolWatch *watch;

  start (&child, "closed", 1);
  watch = watch_pool ("closed", &heard, FALSE, FALSE);
  AWAIT (&heard, heard.attached == 1);
  child_do (&child, "close");
  AWAIT (&heard, heard.lost == 1);
  g_assert_nonnull (strstr (heard.reason, "the producer has ended"));
  g_assert_null (strstr (heard.reason, "attach again")); /* it does so itself */
  end_watch (watch, &heard);
  child_end (&child, 0);
}

static void
test_stopped (void)
{
  Heard heard = { 0 };
  Child child;
  PoolWatch *watch;

  start (&child, "stopped", 1);
  watch = watch_pool ("stopped", &heard, TRUE, FALSE);
  AWAIT (&heard, heard.attached == 1);
  g_assert_cmpint (kill (child.pid, SIGSTOP), ==, 0);
  AWAIT (&heard, heard.lost == 1);
  g_assert_nonnull (strstr (heard.reason, "is it stopped?"));
  g_assert_cmpint (kill (child.pid, SIGCONT), ==, 0);
  AWAIT (&heard, heard.attached == 2);
  publish (&child, &heard, 1);
  g_assert_cmpint (kill (child.pid, SIGSTOP), ==, 0);
  end_watch (watch, &heard);
  g_assert_cmpint (kill (child.pid, SIGCONT), ==, 0);
  child_end (&child, 0);
}

/* First one that fits the segment, then one that needs another. */
static void
test_format (void)
{
  static const struct
  {
    const char *command;
    guint width;
  } formats[] = { { "format 32 32", 32 }, { "format 512 512", 512 } };
  Heard heard = { 0 };
  Child child;
  PoolWatch *watch;

  start (&child, "format", 1);
  watch = watch_pool ("format", &heard, TRUE, FALSE);
  AWAIT (&heard, heard.attached == 1);
  publish (&child, &heard, 7);
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      child_do (&child, formats[i].command);
      publish (&child, &heard, 7); /* the same value: no duplicate, it is another format */
      publish (&child, &heard, 8);
      g_assert_cmpuint (heard.width, ==, formats[i].width);
      publish (&child, &heard, 7);
    }
  g_assert_cmpuint (heard.sequence, ==, 7);
  g_assert_cmpuint (heard.attached, ==, 1);
  for (FaultKind i = 0; i < N_FAULTS; i++)
    g_assert_cmpuint (heard.faults[i], ==, 0);
  end_watch (watch, &heard);
  child_end (&child, 0);
}

/* Attached to between a format and its first frame: what is there cannot be read, and is passed over. */
static void
test_format_before_frame (void)
{
  Heard heard = { 0 };
  Child child;
  PoolWatch *watch;

  for (guint i = 0; i < 2; i++)
    {
      heard = (Heard){ 0 };
      start (&child, "between", 1);
      child_do (&child, "publish 1 1");
      child_do (&child, "format 32 32");
      watch = watch_pool ("between", &heard, i == 0, FALSE);
      AWAIT (&heard, heard.attached == 1 && heard.views > 3);
      g_assert_cmpuint (heard.lost, ==, 0);
      if (i == 1) /* it lasts */
        {
          AWAIT (&heard, heard.lost == 1);
          g_assert_nonnull (strstr (heard.reason, "does not tell of"));
        }
      publish (&child, &heard, 2);
      AWAIT (&heard, heard.attached == 1 + i && heard.reason == NULL);
      g_assert_cmpuint (heard.sequence, ==, 2);
      g_assert_cmpuint (heard.lost, ==, i);
      end_watch (watch, &heard);
      child_end (&child, 0);
    }
}

/* Some frames are passed over, and that is all. */
static void
test_format_each_frame (void)
{
  Heard heard = { 0 };
  Child child;
  PoolWatch *watch;

  start (&child, "changing", 1);
  child_do (&child, "publish 1 1");
  watch = watch_pool ("changing", &heard, TRUE, FALSE);
  for (guint i = 2; i <= 500; i++)
    {
      g_autofree char *format = g_strdup_printf ("format %u 32", 32 + i % 20);

      child_do (&child, format);
      child_do (&child, "publish 1 1");
    }
  AWAIT (&heard, heard.sequence == 500);
  g_test_message ("%u seen", heard.frames);
  g_assert_cmpuint (heard.attached, ==, 1);
  g_assert_cmpuint (heard.lost, ==, 0);
  end_watch (watch, &heard);
  child_end (&child, 0);
}

static guint64
sum_counters (PoolWatch *watch)
{
  PoolWatchCounters counters;

  pool_watch_get_counters (watch, &counters);
  return counters.seen + counters.unseen;
}

/* Every frame was seen, or is counted as unseen; those that the producer dropped are neither. */
static void
test_unseen (void)
{
  Heard heard = { 0 };
  PoolWatchCounters counters;
  Child child;
  PoolWatch *watch;

  start (&child, "unseen", 1);
  watch = watch_pool ("unseen", &heard, FALSE, FALSE);
  AWAIT (&heard, heard.attached == 1);
  publish (&child, &heard, 1);
  child_do (&child, "publish 1000 1");
  child_do (&child, "drop 5");
  child_do (&child, "publish 1 2");
  AWAIT (&heard, heard.sequence == 1007);
  AWAIT (&heard, sum_counters (watch) == 1002);
  pool_watch_get_counters (watch, &counters);
  g_test_message ("%" G_GUINT64_FORMAT " unseen", counters.unseen);
  g_assert_cmpuint (counters.unseen, >, 0);
  g_assert_cmpuint (counters.overtaken, ==, 0); /* nothing was copied */
  g_assert_cmpuint (heard.faults[FAULT_GAP], >=, 1);
  for (FaultKind i = 0; i < N_FAULTS; i++)
    g_assert_true (i == FAULT_GAP || heard.faults[i] == 0);
  end_watch (watch, &heard);
  child_end (&child, 0);
}

static void
test_duplicate (void)
{
  static const char *const formats[] = { "format 64 32", "format 50 32" /* rows have padding */ };
  Heard heard = { 0 };
  Child child;
  PoolWatch *watch;

  start (&child, "duplicate", 1);
  watch = watch_pool ("duplicate", &heard, TRUE, FALSE);
  AWAIT (&heard, heard.attached == 1);
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      child_do (&child, formats[i]);
      for (guint8 value = 1; value <= 4; value++)
        publish (&child, &heard, value);
      publish (&child, &heard, 4);
      publish (&child, &heard, 5);
      AWAIT (&heard, heard.faults[FAULT_DUPLICATE] == i + 1);
      g_assert_cmpuint (heard.fault_sequence, ==, i * 6 + 5);
    }
  end_watch (watch, &heard);
  child_end (&child, 0);
}

static void
find_tear (const char *pool, guint lease)
{
  Heard heard = { 0 };
  Child child;
  PoolWatch *watch;

  start (&child, pool, 4);
  watch = watch_pool (pool, &heard, TRUE, lease);
  AWAIT (&heard, heard.attached == 1);
  AWAIT (&heard, heard.consumers == lease);
  publish (&child, &heard, 1);
  publish (&child, &heard, 2);
  /* What happens to it is looked at after this: the copy was made before the callback's end. */
  g_ptr_array_unref (pool_watch_collect (watch));
  child_do (&child, "scribble 3");
  publish (&child, &heard, 4);
  publish (&child, &heard, 5);
  g_assert_cmpuint (heard.faults[FAULT_TEAR], ==, 1);
  g_assert_cmpuint (heard.fault_sequence, ==, 2);
  end_watch (watch, &heard);
  child_end (&child, 0);
}

static void
test_tear (void)
{
  find_tear ("tear", FALSE);
}

static void
test_tear_lease (void)
{
  find_tear ("tear-lease", TRUE);
}

static void
test_collect (void)
{
  for (guint lease = 0; lease < 2; lease++)
    {
      Heard heard = { 0 };
      Child child;
      PoolWatch *watch = watch_pool ("collect", &heard, lease, lease);
      g_autoptr (GPtrArray) none = pool_watch_collect (watch);
      g_autoptr (GPtrArray) frames = NULL;
      guint64 last = 0;

      g_assert_cmpuint (none->len, ==, 0);
      start (&child, "collect", 8);
      AWAIT (&heard, heard.attached == 1);
      for (guint8 i = 1; i <= 20; i++)
        publish (&child, &heard, i);
      frames = pool_watch_collect (watch);
      g_assert_cmpuint (frames->len, >=, 8);
      for (guint i = 0; i < frames->len; i++)
        {
          guint64 sequence = shmframe_frame_get_sequence (frames->pdata[i]);

          g_assert_cmpuint (sequence, >, last);
          g_assert_cmpuint (*(guint8 *) shmframe_frame_get_data (frames->pdata[i]), ==, sequence);
          last = sequence;
        }
      g_assert_cmpuint (last, ==, 20);
      end_watch (watch, &heard);
      child_end (&child, 0);
    }
}

/* ---- with a producer in this process ------------------------------------------------------- */

/* A pool of 30 frames a second; format NULL: of 64x32 raw pixels. */
static ShmFrameProducer *
produce (const char *pool, guint history, ShmFrameFormat *format)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) raw = shmframe_format_new ("gray", 64, 32, &error);
  ShmFrameProducer *producer
      = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", pool, "history", history,
                        "stall-timeout", G_GUINT64_CONSTANT (60000000000), NULL);

  g_assert_no_error (error);
  if (format == NULL)
    format = raw;
  shmframe_format_set_frame_rate (format, 30, 1);
  shmframe_producer_set_format (producer, format, &error);
  g_assert_no_error (error);
  return producer;
}

static void
publish_size (ShmFrameProducer *producer, gsize size, gint64 pts_ns)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFrame) frame = shmframe_producer_acquire (producer, &error);

  g_assert_no_error (error);
  memset (shmframe_frame_get_data (frame), 1, size);
  shmframe_frame_set_payload_size (frame, size, &error);
  g_assert_no_error (error);
  shmframe_frame_set_pts (frame, pts_ns);
  shmframe_producer_publish (producer, frame, &error);
  g_assert_no_error (error);
}

static PoolWatch *
watch_for_freeze (const char *pool, Heard *heard, gint64 freeze_ns)
{
  PoolWatchOptions options = { .stats_interval_ns = 20 * MS_NS,
                               .limits = { .freeze_ns = freeze_ns, .late_ns = 60000 * MS_NS } };

  return pool_watch_new (pool, &options, &callbacks, heard);
}

/* The only slot is written as good as always: frames come, and cannot be looked at. That is no freeze. */
static void
test_no_history (void)
{
  g_autoptr (ShmFrameProducer) producer = produce ("no-history", 0, NULL);
  g_autoptr (ShmFrameFrame) frame = shmframe_producer_acquire (producer, NULL);
  g_autoptr (GError) error = NULL;
  Heard heard = { 0 };
  PoolWatch *watch = watch_for_freeze ("no-history", &heard, 3000 * MS_NS);

  for (guint i = 1; i <= 200; i++) /* 4 s at least */
    {
      AWAIT (&heard, heard.views >= i);
      shmframe_producer_publish (producer, frame, &error);
      g_assert_no_error (error);
      shmframe_frame_unref (frame);
      frame = shmframe_producer_acquire (producer, &error);
      g_assert_no_error (error);
    }
  g_assert_cmpuint (heard.faults[FAULT_FREEZE], ==, 0);
  AWAIT (&heard, heard.faults[FAULT_FREEZE] == 1); /* now it is */
  end_watch (watch, &heard);
}

/* Silence after the end of a stream is right: for who saw it, and for who comes later. */
static void
test_ended (void)
{
  g_autoptr (ShmFrameProducer) producer = produce ("ended", 1, NULL);

  for (guint i = 0; i < 2; i++)
    {
      Heard heard = { 0 };
      PoolWatch *watch = watch_for_freeze ("ended", &heard, 2000 * MS_NS);

      AWAIT (&heard, heard.attached == 1);
      if (i == 0)
        {
          publish_size (producer, 64 * 32, 0);
          shmframe_producer_push_eos (producer);
        }
      AWAIT (&heard, heard.frames == 1);
      AWAIT (&heard, heard.views > 150); /* 3 s at least */
      g_assert_cmpuint (heard.faults[FAULT_FREEZE], ==, 0);
      if (i == 1)
        {
          publish_size (producer, 64 * 32, 0); /* a new stream, which stops */
          AWAIT (&heard, heard.faults[FAULT_FREEZE] == 1);
          g_assert_false (heard.blames_consumer);
        }
      end_watch (watch, &heard);
    }
}

static gpointer
publish_until_flushing (gpointer producer)
{
  for (gboolean ended = FALSE; !ended;)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ShmFrameFrame) frame = shmframe_producer_acquire (producer, &error);

      g_assert_no_error (error);
      ended = !shmframe_producer_publish (producer, frame, &error);
      if (ended)
        g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING);
    }
  return NULL;
}

/* A silence is the fault of the consumer that the producer waits for. */
static void
test_waiting (void)
{
  g_autoptr (ShmFrameProducer) producer = produce ("waiting", 1, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameEvent) event = NULL;
  g_autoptr (ShmFrameConsumer) consumer
      = shmframe_consumer_new ("waiting", SHMFRAME_DELIVERY_LOSSLESS, &error);
  Heard heard = { 0 };
  PoolWatch *watch;
  GThread *thread;

  g_assert_no_error (error);
  shmframe_consumer_lease (consumer, 10000 * MS_NS, &event, &error); /* it is attached */
  g_assert_no_error (error);
  thread = g_thread_new ("publish", publish_until_flushing, producer);
  watch = watch_for_freeze ("waiting", &heard, 2000 * MS_NS);
  AWAIT (&heard, heard.faults[FAULT_FREEZE] == 1);
  g_assert_true (heard.blames_consumer);
  shmframe_producer_set_flushing (producer, TRUE);
  g_thread_join (thread);
  end_watch (watch, &heard);
}

/* JPEG frames are shown in the order in which they come; other coded ones need not be. */
static void
test_coded (void)
{
  static const char *const media_types[] = { "image/jpeg", "video/x-h264" };

  for (guint i = 0; i < G_N_ELEMENTS (media_types); i++)
    {
      g_autoptr (ShmFrameFormat) format
          = shmframe_format_new_compressed (media_types[i], 64, 32, 1000, NULL);
      g_autoptr (ShmFrameProducer) producer = produce ("coded", 1, format);
      Heard heard = { 0 };
      PoolWatch *watch = watch_pool ("coded", &heard, FALSE, FALSE);

      AWAIT (&heard, heard.attached == 1);
      for (guint j = 1; j <= 5; j++)
        {
          publish_size (producer, 100, (j == 4 ? 1 : j) * 33 * MS_NS);
          AWAIT (&heard, heard.frames == j);
        }
      g_ptr_array_unref (pool_watch_collect (watch)); /* it is done with the last one */
      g_assert_cmpuint (heard.faults[FAULT_BACKWARDS], ==, i == 0);
      end_watch (watch, &heard);
    }
}

/* What was copied counts, the newest first. */
static void
test_collect_budget (void)
{
  static const gsize sizes[] = { 10, 900, 30, 20, 10 };
  g_autoptr (ShmFrameFormat) format
      = shmframe_format_new_compressed ("image/jpeg", 64, 32, 1000, NULL);
  g_autoptr (ShmFrameProducer) producer = produce ("budget", 8, format);
  g_autoptr (ShmFrameObserver) observer = shmframe_observer_new ("budget", 10000 * MS_NS, NULL);
  static const struct
  {
    guint64 bytes;
    guint frames;
  } budgets[] = { { 1, 1 }, { 30, 2 }, { 59, 2 }, { 60, 3 }, { 100, 3 }, { 960, 4 }, { 2000, 5 } };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    publish_size (producer, sizes[i], 0);
  for (guint i = 0; i < G_N_ELEMENTS (budgets); i++)
    {
      g_autoptr (GPtrArray) frames = frames_collect (observer, budgets[i].bytes);

      g_assert_cmpuint (frames->len, ==, budgets[i].frames);
      for (guint j = 0; j < frames->len; j++)
        g_assert_cmpuint (shmframe_frame_get_sequence (frames->pdata[j]), ==,
                          G_N_ELEMENTS (sizes) + 1 - frames->len + j);
    }
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = NULL;
  int failed;

  child_main (argc, argv);
  g_test_init (&argc, &argv, NULL);
  alarm (100); /* the watchdog */
  folder = make_runtime_folder ();
  g_test_add_func ("/pool-watch/follows", test_follows);
  g_test_add_func ("/pool-watch/restart", test_restart);
  g_test_add_func ("/pool-watch/lease", test_lease);
  g_test_add_func ("/pool-watch/lease-restart", test_lease_restart);
  g_test_add_func ("/pool-watch/closed", test_closed);
  g_test_add_func ("/pool-watch/stopped", test_stopped);
  g_test_add_func ("/pool-watch/format", test_format);
  g_test_add_func ("/pool-watch/format-before-frame", test_format_before_frame);
  g_test_add_func ("/pool-watch/format-each-frame", test_format_each_frame);
  g_test_add_func ("/pool-watch/unseen", test_unseen);
  g_test_add_func ("/pool-watch/duplicate", test_duplicate);
  g_test_add_func ("/pool-watch/tear", test_tear);
  g_test_add_func ("/pool-watch/tear-lease", test_tear_lease);
  g_test_add_func ("/pool-watch/collect", test_collect);
  g_test_add_func ("/pool-watch/no-history", test_no_history);
  g_test_add_func ("/pool-watch/ended", test_ended);
  g_test_add_func ("/pool-watch/waiting", test_waiting);
  g_test_add_func ("/pool-watch/coded", test_coded);
  g_test_add_func ("/pool-watch/collect-budget", test_collect_budget);
  failed = g_test_run ();
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  return failed;
}
