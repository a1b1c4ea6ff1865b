/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A pool that lies is a pool that cannot be followed, with the reason; nothing else happens. The test is
 * the producer and speaks the protocol by hand (hostile-raw.h). */
#include <glib/gstdio.h>

#include "../tools/pool-watch.h"
#include "hostile-raw.h"

#define PATIENCE_US (10 * G_USEC_PER_SEC)
#define POOL "liar"

/* What the watch said. */
typedef struct
{
  GMutex lock;
  guint attached, lost, frames, faults;
  guint views, consumers; /* most consumers of a view */
  gboolean repeated;      /* a state was said that was known */
  char *reason;
} Heard;

static void
hear_state (PoolWatch *watch, const char *reason, gpointer data)
{
  Heard *heard = data;

  g_test_message ("state: %s", reason != NULL ? reason : "attached");
  g_mutex_lock (&heard->lock);
  heard->repeated |= heard->attached + heard->lost > 0 && g_strcmp0 (reason, heard->reason) == 0;
  if (reason == NULL)
    heard->attached++;
  else
    heard->lost++;
  g_free (heard->reason);
  heard->reason = g_strdup (reason);
  g_mutex_unlock (&heard->lock);
}

static void
hear_view (PoolWatch *watch, PoolView *view, gpointer data)
{
  Heard *heard = data;

  g_mutex_lock (&heard->lock);
  heard->views++;
  heard->consumers = MAX (heard->consumers, view->consumers->len);
  g_mutex_unlock (&heard->lock);
  pool_view_free (view);
}

static void
hear_frame (PoolWatch *watch, const FrameSample *sample, ShmFrameFrame *frame, gpointer data)
{
  Heard *heard = data;

  g_mutex_lock (&heard->lock);
  heard->frames++;
  g_mutex_unlock (&heard->lock);
}

static void
hear_fault (PoolWatch *watch, const Fault *fault, gpointer data)
{
  Heard *heard = data;

  g_test_message ("%s: %s", fault_kind_name (fault->kind), fault->text);
  g_mutex_lock (&heard->lock);
  heard->faults++;
  g_mutex_unlock (&heard->lock);
}

static PoolWatch *
watch_pool (Heard *heard)
{
  static const PoolWatchCallbacks callbacks
      = { .state = hear_state, .view = hear_view, .frame = hear_frame, .fault = hear_fault };
  const PoolWatchOptions options = { .pixels = TRUE, .stats_interval_ns = 20000000 };

  return pool_watch_new (POOL, &options, &callbacks, heard);
}

/* WELCOME, format and the end of the sticky state, as an observer gets them. */
static void
welcome (RawProducer *raw)
{
  ShmFrameMessage message = raw_welcome_message (raw);

  raw_send (raw->socket, &message, &raw->segment_fd, 1, 0);
  raw_format (raw, 1, 1);
  raw_resync (raw, 1, 0);
}

static void
answer_stats (RawProducer *raw, GVariant *stats)
{
  ShmFrameMessage answer = { .type = SHMFRAME_MESSAGE_STATS, .value = stats };

  raw_send (raw->socket, &answer, NULL, 0, MSG_DONTWAIT);
}

/* Answers questions until *count, which the watch writes, is `wanted`, or the connection ends (FALSE). */
static gboolean
serve_until (RawProducer *raw, Heard *heard, const guint *count, guint wanted, GVariant *stats)
{
  gint64 end = g_get_monotonic_time () + PATIENCE_US;

  while (g_get_monotonic_time () < end)
    {
      g_auto (ShmFrameMessage) message = { 0 };
      int fds[RAW_MAX_FDS];
      struct pollfd pfd = { .fd = raw->socket, .events = POLLIN };
      guint n_fds, now;

      g_mutex_lock (&heard->lock);
      now = *count;
      g_mutex_unlock (&heard->lock);
      if (now >= wanted)
        return TRUE;
      if (poll (&pfd, 1, 10) <= 0)
        continue;
      if (!raw_receive (raw->socket, &message, fds, &n_fds, 0))
        return FALSE;
      if (message.type == SHMFRAME_MESSAGE_STATS)
        answer_stats (raw, stats);
    }
  g_error ("waited in vain");
}

/* Is attached to. A machine that is too busy to answer within the watch's patience tries again. */
static void
serve_attach (RawProducer *raw, Heard *heard, const guint *count, guint wanted, GVariant *stats)
{
  do
    {
      g_assert_true (raw_accept (raw));
      welcome (raw);
    }
  while (!serve_until (raw, heard, count, wanted, stats));
}

static GVariant *
empty_stats (void)
{
  return g_variant_ref_sink (g_variant_new_parsed ("@a{sv} {}"));
}

static void
end (PoolWatch *watch, Heard *heard, RawProducer *raw)
{
  pool_watch_free (watch);
  g_assert_cmpuint (heard->attached + heard->lost, >, 0);
  g_free (heard->reason);
  raw_producer_free (raw);
}

/* A header that is not what WELCOME says: said once, however often it is tried. */
static void
test_header (void)
{
  Heard heard = { 0 };
  RawProducer raw;
  PoolWatch *watch;

  raw_producer_new (&raw, POOL);
  ((ShmFrameHeader *) (void *) raw.segment)->slot_count++;
  watch = watch_pool (&heard);
  for (guint i = 0; i < 4; i++)
    {
      g_assert_true (raw_accept (&raw));
      welcome (&raw);
      g_assert_true (raw_await_end (raw.socket));
    }
  end (watch, &heard, &raw);
  g_assert_cmpuint (heard.attached, ==, 0);
  g_assert_false (heard.repeated);
  g_assert_cmpuint (heard.frames, ==, 0);
  g_assert_cmpuint (heard.faults, ==, 0);
}

/* A frame that claims more than its slot has: before it is attached to, and later. */
static void
test_payload (void)
{
  Heard heard = { 0 };
  RawProducer raw;
  PoolWatch *watch;
  g_autoptr (GVariant) stats = empty_stats ();
  guint lost;
  ShmFrameDescriptor good = raw_descriptor (), bad = raw_descriptor ();

  bad.payload_size = G_GUINT64_CONSTANT (1) << 40;
  raw_producer_new (&raw, POOL);
  raw_publish (&raw, &bad);
  watch = watch_pool (&heard);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_true (raw_accept (&raw));
      welcome (&raw);
      g_assert_false (serve_until (&raw, &heard, &heard.attached, 1, stats));
    }
  g_assert_cmpuint (heard.attached, ==, 0);
  g_assert_cmpuint (heard.frames, ==, 0);

  raw_publish (&raw, &good);
  serve_attach (&raw, &heard, &heard.frames, 1, stats);
  lost = heard.lost;
  raw_publish (&raw, &bad);
  g_assert_false (serve_until (&raw, &heard, &heard.frames, G_MAXUINT, stats));
  end (watch, &heard, &raw);
  g_assert_cmpuint (heard.lost, >, lost);
  g_assert_false (heard.repeated);
  g_assert_cmpuint (heard.frames, ==, 1);
}

/* Times, flags and sequences that cannot be, and statistics of other types: shown as they are. */
static void
test_numbers (void)
{
  static const gint64 times[] = { G_MININT64, G_MININT64 + 1, -1, 0, 1, G_MAXINT64 };
  Heard heard = { 0 };
  RawProducer raw;
  PoolWatch *watch;
  g_autoptr (GVariant) stats = g_variant_ref_sink (g_variant_new_parsed (
      "{'dropped': <'many'>, 'consumers': <[{'id': <'x'>, 'held-handles': <[uint64 "
      "0xffffffffffffffff]>}]>, 'slot-states': <b''>, 'format': <@a{sv} {}>}"));

  raw_producer_new (&raw, POOL);
  watch = watch_pool (&heard);
  serve_attach (&raw, &heard, &heard.attached, 1, stats);
  for (guint i = 0; i < 60; i++)
    {
      ShmFrameDescriptor descriptor = raw_descriptor ();

      descriptor.publish_ns = times[i % 6];
      descriptor.pts_ns = times[i / 6 % 6];
      descriptor.duration_ns = times[i / 2 % 6];
      descriptor.flags = G_MAXUINT32;
      if (i % 10 == 9)
        raw.sequence += G_GUINT64_CONSTANT (1) << 40;
      raw_publish (&raw, &descriptor);
      g_assert_true (serve_until (&raw, &heard, &heard.frames, i + 1, stats));
    }
  /* A handle of a slot that there is not: no frame. */
  shmframe_slot_publish (&raw.view, shmframe_handle (raw.sequence + 1, 1),
                         &(ShmFrameDescriptor){ .payload_size = 1, .format = 99 });
  ((ShmFrameHeader *) (void *) raw.segment)->latest
      = shmframe_handle (raw.sequence + 2, G_MAXUINT16);
  raw_producer_free (&raw);
  pool_watch_free (watch);
  g_free (heard.reason);
}

/* As many consumers as a message can have: no more are looked at than a producer lists. */
static void
test_consumers (void)
{
  Heard heard = { 0 };
  RawProducer raw;
  PoolWatch *watch;
  g_autoptr (GVariant) none = g_variant_ref_sink (g_variant_new_parsed ("@a{sv} {}"));
  g_autoptr (GVariant) stats = NULL;
  GVariantBuilder builder;
  GVariantDict dict;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < 30000; i++)
    g_variant_builder_add_value (&builder, none);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert_value (&dict, "consumers", g_variant_builder_end (&builder));
  stats = g_variant_ref_sink (g_variant_dict_end (&dict));
  raw_producer_new (&raw, POOL);
  watch = watch_pool (&heard);
  serve_attach (&raw, &heard, &heard.views, 1, stats);
  end (watch, &heard, &raw);
  g_assert_cmpuint (heard.consumers, ==, POOL_VIEW_CONSUMERS_MAX);
}

/* Stopping does not wait for the thread, which cannot end here: several can be stopped first. */
static void
test_stop (void)
{
  Heard heard = { 0 };
  RawProducer raw;
  PoolWatch *watch;

  raw_producer_new (&raw, POOL);
  watch = watch_pool (&heard);
  g_assert_true (raw_accept (&raw));
  g_mutex_lock (&heard.lock); /* it will say that nobody answers */
  pool_watch_stop (watch);
  g_mutex_unlock (&heard.lock);
  end (watch, &heard, &raw);
  g_assert_cmpuint (heard.attached, ==, 0);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = NULL;
  int failed;

  g_test_init (&argc, &argv, NULL);
  alarm (60); /* the watchdog */
  folder = g_dir_make_tmp ("shmframe-test-XXXXXX", &error);
  g_assert_no_error (error);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
  g_test_add_func ("/pool-watch-hostile/header", test_header);
  g_test_add_func ("/pool-watch-hostile/payload", test_payload);
  g_test_add_func ("/pool-watch-hostile/numbers", test_numbers);
  g_test_add_func ("/pool-watch-hostile/consumers", test_consumers);
  g_test_add_func ("/pool-watch-hostile/stop", test_stop);
  failed = g_test_run ();
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  return failed;
}
