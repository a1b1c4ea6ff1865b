/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The producer's own frames: pins, limits, what crosses with a frame, and several threads. */

#include <string.h>

#include "two-process.h"

/* A published frame that the producer still references is not written again. */
static void
test_pinned (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "p", "in-flight", 4, NULL);
  g_autoptr (ShmFrameFrame) pinned = NULL;
  g_autoptr (GError) error = NULL;

  watchdog (10);
  producer_format (producer, 128, 96);
  pinned = producer_frame (producer);
  g_assert_true (shmframe_frame_is_writable (pinned));
  g_assert_cmpuint (shmframe_frame_get_sequence (pinned), ==, 0);
  g_assert_true (shmframe_producer_publish (producer, pinned, &error));
  g_assert_false (shmframe_frame_is_writable (pinned));
  producer_publish (producer, 300);
  g_assert_true (two_process_is_filled (pinned, 1));
  g_assert_cmpuint (producer_stat (producer, "held"), ==, 1);
  g_assert_false (shmframe_producer_publish (producer, pinned, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "copy it into a newly acquired frame"));
  g_clear_pointer (&pinned, shmframe_frame_unref);
  g_assert_cmpuint (producer_stat (producer, "held"), ==, 0);
}

/* Written or pinned, the producer holds so many slots and no more. */
static void
test_in_flight (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "p", "in-flight", 3, NULL);
  g_autoptr (ShmFrameFrame) published = NULL;
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *one, *two;

  watchdog (10);
  producer_format (producer, 128, 96);
  published = producer_frame (producer);
  g_assert_true (shmframe_producer_publish (producer, published, &error));
  one = producer_frame (producer);
  two = producer_frame (producer);
  g_assert_null (shmframe_producer_acquire (producer, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_SLOT);
  g_assert_nonnull (strstr (error->message, "in-flight=3"));
  shmframe_producer_abandon (producer, one);
  one = producer_frame (producer);
  /* Published in another order than acquired. */
  g_clear_error (&error);
  two_process_fill (two, 2);
  g_assert_true (shmframe_producer_publish (producer, two, &error));
  two_process_fill (one, 3);
  g_assert_true (shmframe_producer_publish (producer, one, &error));
  g_assert_cmpuint (shmframe_frame_get_sequence (two), ==, 2);
  g_assert_cmpuint (shmframe_frame_get_sequence (one), ==, 3);
  shmframe_frame_unref (one);
  shmframe_frame_unref (two);
  g_assert_cmpuint (producer_stat (producer, "held"), ==, 1);
  producer_publish (producer, 100);
}

/* A producer that uses all that it may, beside a consumer that holds all that it may. */
static void
test_full (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "p", "slots", 6 + 2 + 4 + 1, "in-flight", 6, "history", 2, "window", 2,
                      NULL);
  g_autoptr (Agent) agent = agent_new ();
  ShmFrameFrame *pinned[5] = { NULL };

  watchdog (20);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer p ordered leases=3");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  for (guint i = 0; i < 300; i++)
    {
      g_autoptr (GError) error = NULL;
      ShmFrameFrame *frame = producer_frame (producer);

      shmframe_producer_publish (producer, frame, &error);
      g_assert_no_error (error);
      if (i < 3)
        agent_expect (agent, "frame * good", "frame -1");
      g_clear_pointer (&pinned[i % 5], shmframe_frame_unref);
      pinned[i % 5] = frame;
    }
  for (guint i = 0; i < 5; i++)
    {
      g_assert_true (two_process_is_filled (pinned[i], 296 + i));
      shmframe_frame_unref (pinned[i]);
    }
  for (guint i = 1; i <= 3; i++)
    agent_expect (agent, "good intact", "check %u", i);
  g_assert_cmpuint (producer_stat (producer, "committed-slots"), ==, 13);
}

/* Times, flags and metadata cross. */
static void
test_description (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "p", NULL);
  g_autoptr (ShmFrameFrame) frame = NULL;
  g_autoptr (Agent) agent = agent_new ();
  g_autoptr (GError) error = NULL;
  GVariantDict dict;

  watchdog (10);
  producer_format (producer, 128, 96);
  frame = producer_frame (producer);
  shmframe_frame_set_duration (frame, 40);
  shmframe_frame_set_capture_time (frame, 50);
  shmframe_frame_set_stream_time (frame, -60);
  shmframe_frame_set_flags (frame, SHMFRAME_FLAG_KEY | SHMFRAME_FLAG_LIVE);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "roi", "(uuuu)", 1, 2, 3, 4);
  g_assert_true (shmframe_frame_set_metadata (frame, g_variant_dict_end (&dict), &error));
  g_assert_true (shmframe_producer_publish (producer, frame, &error));
  agent_expect (agent, "ok", "consumer p ordered");
  agent_expect (agent, "frame 1 1 good", "frame -1");
  agent_expect (agent, "1 40 50 -60 257 {'roi': <(uint32 1, uint32 2, uint32 3, uint32 4)>}",
                "describe 1");
  producer_publish (producer, 1);
  agent_expect (agent, "frame 2 2 good", "copy -1");
  agent_expect (agent, "2 -9223372036854775808 -9223372036854775808 -9223372036854775808 1 none",
                "describe 2");
}

static void
test_metadata_too_big (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "p", "metadata-size", 4096, NULL);
  g_autofree char *text = g_strnfill (5000, 'x');
  g_autoptr (ShmFrameFrame) frame = NULL;
  g_autoptr (GError) error = NULL;
  GVariantDict dict;

  watchdog (10);
  producer_format (producer, 128, 96);
  frame = producer_frame (producer);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "text", "s", text);
  g_assert_false (shmframe_frame_set_metadata (frame, g_variant_dict_end (&dict), &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG);
  g_assert_nonnull (strstr (error->message, "metadata-size="));
  g_clear_error (&error);
  g_assert_false (shmframe_frame_set_metadata (frame, g_variant_new_uint32 (1), &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT);
}

/* ---- threads ---- */

#define THREADS 4
#define FRAMES 500

static gpointer
acquire_and_publish (gpointer data)
{
  ShmFrameProducer *producer = data;
  static gint next_word = 1; /* atomic */

  for (guint i = 0; i < FRAMES; i += 2)
    {
      ShmFrameFrame *frames[2];

      for (guint k = 0; k < 2; k++)
        {
          g_autoptr (GError) error = NULL;

          frames[k] = shmframe_producer_acquire (producer, &error);
          g_assert_no_error (error);
          two_process_fill (frames[k], (guint64) g_atomic_int_add (&next_word, 1));
        }
      if (i % 8 == 0)
        {
          g_autoptr (ShmFrameFrame) abandoned = shmframe_producer_acquire (producer, NULL);

          two_process_fill (abandoned, 0);
        }
      for (guint k = 2; k-- > 0;)
        {
          g_autoptr (GError) error = NULL;

          shmframe_producer_publish (producer, frames[k], &error);
          g_assert_no_error (error);
          shmframe_frame_unref (frames[k]);
        }
      if (i % 50 == 0)
        shmframe_producer_push_event (producer, "tick", NULL, FALSE, NULL);
    }
  return NULL;
}

/* In any order, from any thread, with consumers of every kind. */
static void
test_threads (void)
{
  static const char *const deliveries[] = { "lossless", "ordered", "latest" };
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "p", "stall-timeout", G_GUINT64_CONSTANT (60000000000), NULL);
  Agent *agents[G_N_ELEMENTS (deliveries)];
  GThread *threads[THREADS];

  watchdog (60);
  producer_format (producer, 128, 96);
  for (guint i = 0; i < G_N_ELEMENTS (agents); i++)
    {
      agents[i] = agent_new ();
      agent_expect (agents[i], "ok", "consumer p %s", deliveries[i]);
      agent_expect (agents[i], "attached", "next -1");
      agent_tell (agents[i], "serve");
    }
  for (guint i = 0; i < THREADS; i++)
    threads[i] = g_thread_new ("publish", acquire_and_publish, producer);
  for (guint i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
  shmframe_producer_push_eos (producer);
  agent_expect_answer (agents[0], "served 2000 1 2000");
  agent_expect_answer (agents[1], "served *");
  agent_expect_answer (agents[2], "served * 2000");
  for (guint i = 0; i < G_N_ELEMENTS (agents); i++)
    {
      g_assert_cmpuint (agent_stat (agents[i], "frames") + agent_stat (agents[i], "drops")
                            + agent_stat (agents[i], "skipped"),
                        ==, THREADS * FRAMES);
      agent_free (agents[i]);
    }
  g_assert_cmpuint (producer_stat (producer, "held"), ==, 0);
}

static gpointer
close_producer (gpointer data)
{
  shmframe_producer_close (data);
  return NULL;
}

/* Closing by two threads at once, and after closing. */
static void
test_close (void)
{
  watchdog (20);
  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "p", NULL);
      g_autoptr (GError) error = NULL;
      GThread *threads[2];

      producer_format (producer, 128, 96);
      for (guint k = 0; k < G_N_ELEMENTS (threads); k++)
        threads[k] = g_thread_new ("close", close_producer, producer);
      for (guint k = 0; k < G_N_ELEMENTS (threads); k++)
        g_thread_join (threads[k]);
      shmframe_producer_close (producer);
      g_assert_null (shmframe_producer_acquire (producer, &error));
      g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED);
    }
}

/* What a binding can do wrong. */
static void
test_no_name (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameProducer) producer
      = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", NULL, NULL);

  g_assert_null (producer);
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME);
}

int
main (int argc, char **argv)
{
  agent_main (&argc, &argv);
  g_test_add_func ("/pool/pinned", test_pinned);
  g_test_add_func ("/pool/in-flight", test_in_flight);
  g_test_add_func ("/pool/full", test_full);
  g_test_add_func ("/pool/description", test_description);
  g_test_add_func ("/pool/metadata-too-big", test_metadata_too_big);
  g_test_add_func ("/pool/threads", test_threads);
  g_test_add_func ("/pool/close", test_close);
  g_test_add_func ("/pool/no-name", test_no_name);
  return agent_run ();
}
