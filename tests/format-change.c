/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A change of format, inside a segment and by a new one. */

#include <string.h>

#include "two-process.h"

static void
attach (Agent *agent, const char *delivery)
{
  agent_expect (agent, "ok", "consumer f %s leases=8", delivery);
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format 128x96 1", "next -1");
}

/* Smaller: the segment stays, and the descriptor says which format a frame has. */
static void
test_inside (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "f", "history", 6, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  attach (agent, "ordered");
  producer_publish (producer, 2);
  producer_format (producer, 64, 48);
  producer_format (producer, 64, 48); /* the same: no change */
  producer_publish (producer, 1);
  producer_format (producer, 128, 96);
  producer_publish (producer, 1);
  agent_expect (agent, "frame 1 1 good", "next -1");
  agent_expect (agent, "frame 2 2 good", "next -1");
  agent_expect (agent, "format 64x48 3", "next -1");
  agent_expect (agent, "frame 3 3 good", "next -1");
  agent_expect (agent, "format 128x96 4", "next -1");
  agent_expect (agent, "frame 4 4 good", "next -1");
  g_assert_cmpuint (producer_stat (producer, "segment"), ==, 1);
  g_assert_cmpuint (agent_stat (agent, "attaches"), ==, 1);
}

/* Larger: a new segment. Sequences run on; what is held of the old one stays good. */
static void
test_segment (void)
{
  static const char *const deliveries[] = { "ordered", "lossless", "latest" };
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "f", "history", 4, NULL);
  Agent *agents[G_N_ELEMENTS (deliveries)];

  watchdog (10);
  producer_format (producer, 128, 96);
  for (guint i = 0; i < G_N_ELEMENTS (agents); i++)
    attach (agents[i] = agent_new (), deliveries[i]);
  producer_publish (producer, 1);
  for (guint i = 0; i < G_N_ELEMENTS (agents); i++)
    agent_expect (agents[i], "frame 1 1 good", "next -1");
  producer_publish (producer, 2);
  producer_format (producer, 256, 192);
  producer_publish (producer, 2);
  g_assert_cmpuint (producer_stat (producer, "segment"), ==, 2);

  for (guint i = 0; i < G_N_ELEMENTS (agents); i++)
    {
      if (i != 2)
        agent_expect (agents[i], "frame 2 2 good", "next -1");
      agent_expect (agents[i], "frame 3 3 good", "next -1");
      agent_expect (agents[i], "format 256x192 4", "next -1");
      if (i != 2)
        agent_expect (agents[i], "took 1 4 4", "take 1");
      agent_expect (agents[i], "frame 5 5 good", "next -1");
    }
  agent_tell (agents[1], "take 300");
  producer_publish (producer, 300);
  agent_expect_answer (agents[1], "took 300 6 305");
  for (guint i = 0; i < G_N_ELEMENTS (agents); i++)
    {
      agent_expect (agents[i], "good intact", "check 1");
      agent_expect (agents[i], "good intact", "check 3");
      agent_expect (agents[i], "intact", "release 1");
      agent_expect (agents[i], "intact", "release 3");
      agent_expect (agents[i], "good intact", "check 5");
      g_assert_cmpuint (agent_stat (agents[i], "attaches"), ==, 1);
      agent_free (agents[i]);
    }
}

/* Dropped frames at the end of a segment are counted too. */
static void
test_drops (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "f", "history", 4, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  attach (agent, "ordered");
  producer_publish (producer, 1);
  shmframe_producer_drop (producer, 3);
  producer_format (producer, 256, 192);
  shmframe_producer_drop (producer, 2);
  producer_publish (producer, 1);
  agent_expect (agent, "took 2 1 7", "take 2");
  g_assert_cmpuint (agent_stat (agent, "drops"), ==, 5);
}

/* A frame of the old segment cannot be published any more, and is given back all the same. */
static void
test_old_frames (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "f", NULL);
  g_autoptr (ShmFrameFrame) written = NULL, published = NULL;
  g_autoptr (GError) error = NULL;

  watchdog (10);
  producer_format (producer, 128, 96);
  published = producer_frame (producer);
  g_assert_true (shmframe_producer_publish (producer, published, &error));
  written = producer_frame (producer);
  producer_format (producer, 256, 192);
  g_assert_false (shmframe_producer_publish (producer, written, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "acquire it anew"));
  producer_publish (producer, 1);
  g_clear_pointer (&written, shmframe_frame_unref);
  g_clear_pointer (&published, shmframe_frame_unref);
  producer_publish (producer, 100);
  g_assert_cmpuint (producer_stat (producer, "held"), ==, 0);
}

/* Two changes in a row: a consumer that has not followed the first is evicted. */
static void
test_evicted (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "f", NULL);
  g_autoptr (Agent) ordered = agent_new (), latest = agent_new ();
  g_autoptr (ShmFrameObserver) observer = NULL;

  watchdog (10);
  producer_format (producer, 128, 96);
  attach (ordered, "ordered");
  attach (latest, "latest");
  producer_publish (producer, 1);
  producer_format (producer, 256, 192);
  producer_publish (producer, 1);
  agent_expect (latest, "frame 1 1 good", "next -1");
  agent_expect (latest, "format 256x192 2", "next -1");
  agent_expect (latest, "frame 2 2 good", "next -1");
  observer = observer_new ("f"); /* its ATTACH follows the SEGMENT_SEEN of the other */
  producer_format (producer, 512, 192);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 1);
  producer_publish (producer, 1);
  agent_expect (latest, "format 512x192 3", "next -1");
  agent_expect (latest, "frame 3 3 good", "next -1");
  agent_await_stat (ordered, "evictions", 1);
  agent_hear_until (ordered, "next -1", "evicted *two changes of format behind*");
  agent_expect (ordered, "attached", "next -1");
  agent_expect (ordered, "format 512x192 3", "next -1");
  agent_expect (ordered, "frame 3 3 good", "next -1");
}

static gpointer
change (gpointer producer)
{
  producer_format (producer, 512, 192);
  producer_publish (producer, 1);
  return NULL;
}

/* A lossless one is waited for, and the statistics say so. */
static void
test_lossless (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "f", "stall-timeout", G_GUINT64_CONSTANT (60000000000), NULL);
  g_autoptr (Agent) agent = agent_new ();
  GThread *thread;

  watchdog (10);
  producer_format (producer, 128, 96);
  attach (agent, "lossless");
  producer_publish (producer, 1);
  producer_format (producer, 256, 192);
  producer_publish (producer, 1);
  thread = g_thread_new ("change", change, producer);
  producer_await_stat (producer, "waiting", 1);
  agent_expect (agent, "frame 1 1 good", "next -1");
  agent_expect (agent, "format 256x192 2", "next -1");
  agent_expect (agent, "frame 2 2 good", "next -1");
  agent_expect (agent, "format 512x192 3", "next -1");
  agent_expect (agent, "frame 3 3 good", "next -1");
  g_thread_join (thread);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 0);
}

/* ... but not for ever, and not when flushing. */
static void
test_lossless_stalls (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "f", "stall-timeout", G_GUINT64_CONSTANT (60000000000), NULL);
  g_autoptr (ShmFrameFormat) format = NULL;
  g_autoptr (Agent) agent = agent_new ();
  g_autoptr (GError) error = NULL;

  watchdog (10);
  producer_format (producer, 128, 96);
  attach (agent, "lossless");
  producer_publish (producer, 1);
  producer_format (producer, 256, 192);
  shmframe_producer_set_flushing (producer, TRUE);
  format = shmframe_format_new ("gray", 512, 192, &error);
  g_assert_false (shmframe_producer_set_format (producer, format, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING);
  shmframe_producer_set_flushing (producer, FALSE);
  g_assert_cmpuint (producer_stat (producer, "segment"), ==, 2);
  g_object_set (producer, "stall-timeout", G_GUINT64_CONSTANT (10000000), NULL);
  producer_format (producer, 512, 192);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 1);
}

/* One that detaches meanwhile, and only holds a lease, is waited for no longer. */
static void
test_lossless_detaches (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "f", "stall-timeout", G_GUINT64_CONSTANT (60000000000), NULL);
  g_autoptr (Agent) agent = agent_new ();
  GThread *thread;

  watchdog (10);
  producer_format (producer, 128, 96);
  attach (agent, "lossless");
  producer_publish (producer, 1);
  agent_expect (agent, "frame 1 1 good", "frame -1");
  producer_format (producer, 256, 192);
  thread = g_thread_new ("change", change, producer);
  agent_expect (agent, "ok", "close");
  g_thread_join (thread);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 0);
  agent_expect (agent, "good intact", "check 1");
}

/* One that leaves in the middle of the wait, again and again: nothing of it is touched afterwards. */
static void
test_lossless_leaves (void)
{
  watchdog (30);
  for (guint i = 0; i < 30; i++)
    {
      g_autoptr (ShmFrameProducer) producer
          = producer_new ("pool", "f", "stall-timeout", G_GUINT64_CONSTANT (3000000), NULL);
      g_autoptr (Agent) agent = agent_new ();
      GThread *thread;

      producer_format (producer, 128, 96);
      attach (agent, "lossless");
      producer_publish (producer, 1);
      producer_format (producer, 256, 192);
      thread = g_thread_new ("change", change, producer);
      agent_kill (agent);
      g_thread_join (thread);
      producer_await_consumers (producer, 0);
    }
}

/* Many changes, with frames between, and a consumer that keeps up by being waited for. */
static void
test_many (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "f", "in-flight", 2, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (20);
  producer_format (producer, 128, 96);
  attach (agent, "lossless");
  agent_tell (agent, "serve");
  for (guint i = 0; i < 100; i++)
    {
      producer_format (producer, 128 + 8 * i, 96 + 2 * (i % 7));
      producer_publish (producer, i % 5);
    }
  shmframe_producer_push_eos (producer);
  agent_expect_answer (agent, "served 200 1 200");
  g_assert_cmpuint (agent_stat (agent, "attaches"), ==, 1);
}

int
main (int argc, char **argv)
{
  agent_main (&argc, &argv);
  g_test_add_func ("/format-change/inside", test_inside);
  g_test_add_func ("/format-change/segment", test_segment);
  g_test_add_func ("/format-change/segment/drops", test_drops);
  g_test_add_func ("/format-change/segment/old-frames", test_old_frames);
  g_test_add_func ("/format-change/segment/evicted", test_evicted);
  g_test_add_func ("/format-change/segment/lossless", test_lossless);
  g_test_add_func ("/format-change/segment/lossless/stalls", test_lossless_stalls);
  g_test_add_func ("/format-change/segment/lossless/detaches", test_lossless_detaches);
  g_test_add_func ("/format-change/segment/lossless/leaves", test_lossless_leaves);
  g_test_add_func ("/format-change/segment/many", test_many);
  return agent_run ();
}
