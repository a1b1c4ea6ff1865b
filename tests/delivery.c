/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which frames a consumer gets, of each delivery, from another process. */

#include <string.h>

#include "two-process.h"

static guint64
number_of_lag (ShmFrameProducer *producer)
{
  g_autoptr (GVariant) lag = producer_consumer_stat (producer, "lag");

  return g_variant_get_uint64 (lag);
}

typedef struct
{
  ShmFrameProducer *producer;
  guint count;
  GThread *thread;
} Publishing;

static gpointer
publish (gpointer data)
{
  Publishing *self = data;

  producer_publish (self->producer, self->count);
  return NULL;
}

static void
publish_begin (Publishing *self, ShmFrameProducer *producer, guint count)
{
  *self = (Publishing){ producer, count, NULL };
  self->thread = g_thread_new ("publish", publish, self);
}

static void
publish_end (Publishing *self)
{
  g_thread_join (self->thread);
}

/* As long as the pool keeps them, ordered gets them all. */
static void
test_ordered (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", "history", 20, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d ordered");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  for (guint64 round = 0; round < 20; round++)
    {
      g_autofree char *took = g_strdup_printf ("took 20 %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                                               20 * round + 1, 20 * round + 20);

      producer_publish (producer, 20);
      agent_expect (agent, took, "take 20");
    }
  g_assert_cmpuint (agent_stat (agent, "frames"), ==, 400);
  g_assert_cmpuint (agent_stat (agent, "drops"), ==, 0);
  g_assert_cmpuint (agent_stat (agent, "skipped"), ==, 0);
}

/* Past that, what it did not get is counted: published + dropped = delivered + drops. */
static void
test_ordered_counts (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", "history", 2, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d ordered");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  for (guint i = 0; i < 50; i++)
    {
      producer_publish (producer, 7 * i % 31);
      shmframe_producer_drop (producer, i % 3);
      producer_publish (producer, 1);
      agent_expect (agent, "took 1 *", "take 1");
    }
  shmframe_producer_push_eos (producer);
  agent_expect (agent, "served *", "serve");
  g_assert_cmpuint (producer_stat (producer, "dropped"), ==, 49);
  g_assert_cmpuint (agent_stat (agent, "drops"), >=, 49);
  g_assert_cmpuint (agent_stat (agent, "frames") + agent_stat (agent, "drops"), ==,
                    producer_stat (producer, "frames") + producer_stat (producer, "dropped"));
}

/* While the consumer reads at full speed, against a producer that never waits. */
static void
test_ordered_race (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (20);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d ordered");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  agent_tell (agent, "serve");
  producer_publish (producer, 3000);
  shmframe_producer_push_eos (producer);
  agent_expect_answer (agent, "served *");
  g_assert_cmpuint (agent_stat (agent, "frames") + agent_stat (agent, "drops"), ==, 3000);
}

static void
test_max_lag (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", "history", 20, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d ordered max-lag=3");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 20);
  agent_expect (agent, "took 4 17 20", "take 4");
  g_assert_cmpuint (agent_stat (agent, "drops"), ==, 16);
}

static void
test_latest (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d latest");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 1);
  agent_expect (agent, "took 1 1 1", "take 1");
  producer_publish (producer, 10);
  agent_expect (agent, "took 1 11 11", "take 1");
  g_assert_cmpuint (agent_stat (agent, "skipped"), ==, 9);
  agent_expect (agent, "error 15 *", "frame 0");
  shmframe_producer_drop (producer, 4);
  producer_publish (producer, 1);
  agent_expect (agent, "took 1 16 16", "take 1");
  g_assert_cmpuint (agent_stat (agent, "skipped"), ==, 13);
  g_assert_cmpuint (agent_stat (agent, "drops"), ==, 0);
}

/* Latest and ordered begin with what is there; lossless with what follows. It is not missed. */
static void
test_begin (void)
{
  static const char *const deliveries[] = { "latest", "ordered", "lossless" };
  static const char *const first[] = { "frame 5 *", "frame 5 *", "frame 6 *" };

  watchdog (10);
  for (guint i = 0; i < G_N_ELEMENTS (deliveries); i++)
    {
      g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", NULL);
      g_autoptr (Agent) agent = agent_new ();

      producer_format (producer, 128, 96);
      producer_publish (producer, 5);
      agent_expect (agent, "ok", "consumer d %s", deliveries[i]);
      agent_expect (agent, "attached", "next -1");
      agent_expect (agent, "format 128x96 1", "next -1");
      if (i == 2)
        {
          agent_expect (agent, "error 15 *", "next 0");
          producer_publish (producer, 1);
        }
      agent_expect (agent, first[i], "next -1");
      g_assert_cmpuint (agent_stat (agent, "drops") + agent_stat (agent, "skipped"), ==, 0);
    }
}

/* Who comes after the end of a stream is not shown its last frame. */
static void
test_begin_ended (gconstpointer delivery)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  producer_publish (producer, 5);
  shmframe_producer_push_eos (producer);
  agent_expect (agent, "ok", "consumer d %s", (const char *) delivery);
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format 128x96 *", "next -1");
  agent_expect (agent, "error 15 *", "next 0");
  producer_publish (producer, 1); /* a new stream */
  agent_expect (agent, "frame 6 *", "next -1");
  g_assert_cmpuint (agent_stat (agent, "drops") + agent_stat (agent, "skipped"), ==, 0);
}

/* The producer waits for a slow consumer; nothing is lost. */
static void
test_lossless (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", "window", 4, "stall-timeout",
                                                        G_GUINT64_CONSTANT (60000000000), NULL);
  g_autoptr (Agent) agent = agent_new ();
  Publishing publishing;

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d lossless");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  publish_begin (&publishing, producer, 300);
  /* It does not read: exactly the window is published, and then the producer waits. */
  producer_await_stat (producer, "waits", 1);
  g_assert_cmpuint (producer_stat (producer, "latest"), ==, 4);
  agent_expect (agent, "took 1 1 1", "take 1");
  producer_await_stat (producer, "waits", 2);
  g_assert_cmpuint (producer_stat (producer, "latest"), ==, 5);
  agent_expect (agent, "took 299 2 300", "take 299");
  publish_end (&publishing);
  g_assert_cmpuint (agent_stat (agent, "drops"), ==, 0);
  g_assert_cmpuint (producer_stat (producer, "wait-ns"), >, 0);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 0);
}

/* Dropped sequences do not count in the window, and are drops for the consumer all the same. */
static void
test_lossless_drops (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", "window", 4, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d lossless");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 2);
  shmframe_producer_drop (producer, 10);
  producer_publish (producer, 2);
  g_assert_cmpuint (producer_stat (producer, "waits"), ==, 0);
  agent_expect (agent, "took 4 1 14", "take 4");
  g_assert_cmpuint (agent_stat (agent, "drops"), ==, 10);
}

/* As many drops as the history ring has places: the frame before them is waited for, not lapped. */
static void
test_lossless_lap (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", "slots", 16, "stall-timeout",
                                                        G_GUINT64_CONSTANT (60000000000), NULL);
  g_autoptr (Agent) agent = agent_new ();
  Publishing publishing;

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d lossless");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 1);
  shmframe_producer_drop (producer, 31);
  publish_begin (&publishing, producer, 1);
  producer_await_stat (producer, "waits", 1);
  agent_expect (agent, "took 2 1 33", "take 2");
  publish_end (&publishing);
}

static void
test_lossless_flushing (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", "window", 1, "stall-timeout",
                                                        G_GUINT64_CONSTANT (60000000000), NULL);
  g_autoptr (Agent) agent = agent_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFrame) frame = NULL;

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d lossless");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 1);
  frame = producer_frame (producer);
  shmframe_producer_set_flushing (producer, TRUE);
  g_assert_false (shmframe_producer_publish (producer, frame, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING);
  shmframe_producer_set_flushing (producer, FALSE);
  /* The frame is as it was. */
  agent_expect (agent, "took 1 1 1", "take 1");
  g_clear_error (&error);
  g_assert_true (shmframe_producer_publish (producer, frame, &error));
  agent_expect (agent, "took 1 2 2", "take 1");
}

/* What is discarded is counted; what is leased, or still held by the producer, stays as it is. */
static void
test_discard (gconstpointer delivery)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "d", "history", 4, "window", 4, "stall-timeout",
                      G_GUINT64_CONSTANT (60000000000), NULL);
  g_autoptr (Agent) agent = agent_new ();
  g_autoptr (ShmFrameFrame) pinned = NULL;
  g_autoptr (GError) error = NULL;
  gboolean is_latest = g_str_equal (delivery, "latest");

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d %s", (const char *) delivery);
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 1);
  agent_expect (agent, "frame 1 1 good", "frame -1");
  producer_publish (producer, 2);
  pinned = producer_frame (producer);
  shmframe_producer_publish (producer, pinned, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (number_of_lag (producer), ==, 3);

  shmframe_producer_discard (producer);
  shmframe_producer_discard (producer);
  g_assert_cmpuint (number_of_lag (producer), ==, 0);
  agent_expect (agent, "error 15 *", "frame 0");
  g_assert_cmpuint (agent_stat (agent, "drops") + agent_stat (agent, "skipped"), ==, 3);
  for (guint i = 0; i < 100; i++)
    {
      producer_publish (producer, 3);
      shmframe_producer_discard (producer);
      producer_publish (producer, 4);
      agent_expect (agent, is_latest ? "took 1 *" : "took 4 *", "take %u", is_latest ? 1 : 4);
    }
  g_assert_cmpuint (producer_stat (producer, "waits"), ==, 0);
  agent_expect (agent, "good intact", "check 1");
  g_assert_true (two_process_is_filled (pinned, 4));
}

/* Publishes, and keeps the frames pinned, so that older slots are needed. */
static void
publish_pinned (ShmFrameProducer *producer, guint count)
{
  g_autoptr (GPtrArray) frames
      = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  g_autoptr (GError) error = NULL;

  while (frames->len < count)
    {
      g_ptr_array_add (frames, producer_frame (producer));
      shmframe_producer_publish (producer, g_ptr_array_index (frames, frames->len - 1), &error);
      g_assert_no_error (error);
    }
}

/* A consumer that is stopped past the limit is evicted, loses its leases' protection, is told, and
 * attaches again as ordered. */
static void
test_stall (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "d", "window", 2, "in-flight", 4, "slots", 10, "stall-timeout",
                      G_GUINT64_CONSTANT (50000000), NULL);
  g_autoptr (Agent) agent = agent_new ();
  g_autofree char *first = NULL, *second = NULL;

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d lossless leases=2");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 2);
  agent_expect (agent, "frame 1 1 good", "frame -1");
  agent_expect (agent, "frame 2 2 good", "frame -1");
  agent_stop (agent);
  producer_publish (producer, 3);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 1);
  g_assert_cmpuint (producer_stat (producer, "wait-ns"), >=, 50000000);
  publish_pinned (producer, 4);
  agent_continue (agent);
  /* Both slots are free, one has been written again. */
  first = agent_ask (agent, "check 1");
  second = agent_ask (agent, "check 2");
  g_assert_true (g_str_equal (first, "bad revoked") || g_str_equal (first, "good intact"));
  g_assert_true (g_str_equal (second, "bad revoked") || g_str_equal (second, "good intact"));
  g_assert_cmpstr (first, !=, second);
  agent_expect (agent, strchr (first, ' ') + 1, "release 1");
  agent_expect (agent, strchr (second, ' ') + 1, "release 2");
  agent_await_stat (agent, "evictions", 1); /* its control thread has been told */
  agent_expect (agent, "evicted *stall-timeout*", "next -1");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1");
  /* What the pool still has, and the rest is counted: nothing is unaccounted for. Gives each back. */
  agent_hear_until (agent, "take 1", "took 1 9 9");
  g_assert_cmpuint (agent_stat (agent, "frames") + agent_stat (agent, "drops"), ==, 9);
  g_assert_cmpuint (agent_stat (agent, "drops"), >, 0);
  agent_expect (agent, "ordered", "stat delivery");
  g_assert_cmpuint (agent_stat (agent, "evictions"), ==, 1);
  g_assert_cmpuint (agent_stat (agent, "revoked"), ==, 1);
}

/* While the producer goes on, an evicted consumer is told at once: it does not read on without
 * protection. */
static void
test_evicted_at_once (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "d", "window", 2, "live", TRUE, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d lossless");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 2);
  agent_expect (agent, "frame 1 1 good", "frame -1");
  producer_publish (producer, 10);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 1);
  g_assert_cmpuint (producer_stat (producer, "waits"), ==, 0);
  g_assert_cmpuint (producer_stat (producer, "wait-ns"), ==, 0);
  agent_await_stat (agent, "evictions", 1);
  agent_expect (agent, "evicted *live*", "next -1");
  agent_expect (agent, "attached", "next -1");
}

/* A frame that waited behind an event when its consumer was evicted is counted, too. */
static void
test_evicted_pending (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "d", "window", 2, "live", TRUE, NULL);
  g_autoptr (Agent) agent = agent_new ();
  g_autoptr (GError) error = NULL;

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d lossless");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1");
  shmframe_producer_push_event (producer, "tag", NULL, FALSE, &error);
  g_assert_no_error (error);
  producer_publish (producer, 1);
  agent_expect (agent, "named tag *", "next -1"); /* frame 1 is leased, and waits */
  producer_publish (producer, 10);
  agent_await_stat (agent, "evictions", 1);
  agent_hear_until (agent, "take 1", "took 1 11 11");
  g_assert_cmpuint (agent_stat (agent, "frames") + agent_stat (agent, "drops"), ==, 11);
}

static gint held_up;
static GMutex hold;

static void
on_attached (ShmFrameProducer *producer, GVariant *info, gpointer data)
{
  g_atomic_int_set (&held_up, 1);
  g_mutex_lock (&hold);
  g_mutex_unlock (&hold);
}

/* One that was evicted, but had all frames before it was told, is not given the newest again. */
static void
test_evicted_drained (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "d", "window", 2, "live", TRUE, NULL);
  g_autoptr (Agent) agent = agent_new (), other = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer d lossless");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1");
  g_mutex_lock (&hold);
  g_signal_connect (producer, "consumer-attached", G_CALLBACK (on_attached), NULL);
  agent_expect (other, "ok", "consumer d ordered");
  agent_expect (other, "ok", "start");
  while (!g_atomic_int_get (&held_up)) /* the control thread: nobody is told anything */
    g_thread_yield ();
  producer_publish (producer, 10);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 1);
  agent_hear_until (agent, "take 1", "took 1 10 10");
  g_mutex_unlock (&hold);
  agent_expect (agent, "evicted *", "next -1");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1");
  producer_publish (producer, 1);
  agent_expect (agent, "frame 11 *", "frame -1");
  g_assert_cmpuint (agent_stat (agent, "frames") + agent_stat (agent, "drops"), ==, 11);
}

/* Nor does one that was evicted before its first frame miss the one that was there when it came. */
static void
test_evicted_unread (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", "live", TRUE, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 64, 64);
  producer_publish (producer, 5);
  agent_expect (agent, "ok", "consumer d ordered");
  agent_expect (agent, "attached", "next -1");
  for (guint i = 1; i <= 3; i++)
    {
      producer_format (producer, 640 * i, 480);
      producer_publish (producer, 1);
    }
  agent_await_stat (agent, "evictions", 1);
  agent_hear_until (agent, "take 1", "took 1 8 8");
  g_assert_cmpuint (agent_stat (agent, "frames") + agent_stat (agent, "drops"), ==, 3);
}

/* The frame that was there at the attach is not missed, also where a newer one takes its place. */
static void
test_latest_begin (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "d", NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  producer_publish (producer, 5);
  agent_expect (agent, "ok", "consumer d latest");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1"); /* frame 5 is leased, and waits */
  producer_publish (producer, 1);
  agent_expect (agent, "took 1 6 6", "take 1");
  g_assert_cmpuint (agent_stat (agent, "skipped"), ==, 0);
}

int
main (int argc, char **argv)
{
  agent_main (&argc, &argv);
  g_test_add_func ("/delivery/ordered", test_ordered);
  g_test_add_func ("/delivery/ordered/counts", test_ordered_counts);
  g_test_add_func ("/delivery/ordered/race", test_ordered_race);
  g_test_add_func ("/delivery/ordered/max-lag", test_max_lag);
  g_test_add_func ("/delivery/latest", test_latest);
  g_test_add_func ("/delivery/begin", test_begin);
  g_test_add_data_func ("/delivery/begin/ended/latest", "latest", test_begin_ended);
  g_test_add_data_func ("/delivery/begin/ended/ordered", "ordered", test_begin_ended);
  g_test_add_func ("/delivery/lossless", test_lossless);
  g_test_add_func ("/delivery/lossless/drops", test_lossless_drops);
  g_test_add_func ("/delivery/lossless/lap", test_lossless_lap);
  g_test_add_func ("/delivery/lossless/flushing", test_lossless_flushing);
  g_test_add_data_func ("/delivery/discard/latest", "latest", test_discard);
  g_test_add_data_func ("/delivery/discard/ordered", "ordered", test_discard);
  g_test_add_data_func ("/delivery/discard/lossless", "lossless", test_discard);
  g_test_add_func ("/delivery/lossless/stall", test_stall);
  g_test_add_func ("/delivery/lossless/live", test_evicted_at_once);
  g_test_add_func ("/delivery/evicted/pending", test_evicted_pending);
  g_test_add_func ("/delivery/evicted/drained", test_evicted_drained);
  g_test_add_func ("/delivery/evicted/unread", test_evicted_unread);
  g_test_add_func ("/delivery/latest/begin", test_latest_begin);
  return agent_run ();
}
