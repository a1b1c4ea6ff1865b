/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The three ways to wait, and how waits end. */

#include <sched.h>
#include <stdlib.h>

#include "two-process.h"

static const char *const ways[] = { "0", "1", "2" }; /* sleep, spin, predict */

/* One frame there, one back, again and again: a wake-up that is lost stops it, and the watchdog tells. */
static void
ping_pong (gconstpointer way)
{
  cpu_set_t cores;
  gboolean alone = sched_getaffinity (0, sizeof cores, &cores) == 0 && CPU_COUNT (&cores) == 1;
  /* Two that spin on one core take a time slice for each hand-over. */
  guint rounds = alone ? 500 : 20000;
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "ping", NULL);
  g_autoptr (Agent) agent = agent_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameConsumer) consumer = NULL;
  g_autofree char *answer = g_strdup_printf ("pong %u 1 %u", rounds, rounds);

  watchdog (60);
  producer_format (producer, 64, 1);
  agent_expect (agent, "ok", "producer pong");
  agent_expect (agent, "ok", "format 64 1");
  agent_expect (agent, "ok", "consumer ping ordered wait=%s", (const char *) way);
  agent_expect (agent, "attached", "next -1");
  consumer = g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, &error, "pool", "pong", "wait",
                             atoi (way), NULL);
  g_assert_no_error (error);
  agent_tell (agent, "pong %u", rounds);
  for (guint i = 1; i <= rounds; i++)
    {
      g_autoptr (ShmFrameFrame) frame = NULL;

      producer_publish_one (producer, i);
      frame = shmframe_consumer_lease (consumer, -1, NULL, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (shmframe_frame_get_sequence (frame), ==, i);
    }
  agent_expect_answer (agent, answer);
}

/* A steady series, as from a camera. */
static void
series (gconstpointer way)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "w", "history", 60, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (20);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer w ordered wait=%s", (const char *) way);
  agent_expect (agent, "attached", "next -1");
  agent_tell (agent, "serve");
  for (guint i = 0; i < 50; i++)
    {
      producer_publish (producer, 1);
      g_usleep (5000); /* the period: it is what predict is about */
    }
  shmframe_producer_push_eos (producer);
  agent_expect_answer (agent, "served 50 1 50");
}

static void
time_out (gconstpointer way)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "w", NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer w ordered wait=%s", (const char *) way);
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "error 15 pool w: no frame came in time", "frame 20");
  agent_expect (agent, "error 15 *", "frame 0");
  producer_publish (producer, 1);
  agent_expect (agent, "frame 1 *", "frame 20");
  agent_expect (agent, "error 15 *", "frame 20");
}

/* By another thread, at once: attached, and without any producer. */
static void
flushing (gconstpointer way)
{
  g_autoptr (ShmFrameProducer) producer = NULL;
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  agent_expect (agent, "ok", "consumer w ordered wait=%s", (const char *) way);
  agent_expect (agent, "error 16 *", "flush-during 10");
  producer = producer_new ("pool", "w", NULL);
  producer_format (producer, 128, 96);
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "error 16 *", "flush-during 10");
  producer_publish (producer, 1);
  agent_expect (agent, "frame 1 *", "frame -1");
}

/* The end of the producer ends every wait. */
static void
lost (gconstpointer way)
{
  ShmFrameProducer *producer = producer_new ("pool", "w", NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer w ordered wait=%s", (const char *) way);
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1");
  agent_tell (agent, "next -1");
  g_object_unref (producer);
  agent_expect_answer (agent, "lost *");
}

static void
test_wait_for_consumer (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "w", NULL);
  g_autoptr (Agent) agent = agent_new ();
  g_autoptr (GError) error = NULL;

  watchdog (10);
  producer_format (producer, 128, 96);
  g_assert_false (shmframe_producer_wait_for_consumer (producer, 1000000, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT);
  g_clear_error (&error);
  agent_expect (agent, "ok", "consumer w ordered");
  agent_expect (agent, "ok", "start");
  g_assert_true (shmframe_producer_wait_for_consumer (producer, -1, &error));
  agent_expect (agent, "ok", "close");
  producer_await_consumers (producer, 0);
  shmframe_producer_set_flushing (producer, TRUE);
  g_assert_false (shmframe_producer_wait_for_consumer (producer, -1, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING);
}

typedef struct
{
  ShmFrameProducer *producer;
  ShmFrameConsumer *consumer;
  gint tid; /* atomic */
} Sleeper;

static gpointer
sleep_in_call (gpointer data)
{
  Sleeper *sleeper = data;
  GError *error = NULL;

  g_atomic_int_set (&sleeper->tid, gettid ());
  if (sleeper->producer)
    shmframe_producer_wait_for_consumer (sleeper->producer, -1, &error);
  else
    shmframe_consumer_lease (sleeper->consumer, -1, NULL, &error);
  return error;
}

/* Until the kernel says that the thread sleeps. */
static void
await_sleeping (Sleeper *sleeper)
{
  char state = 0;

  while (state != 'S')
    {
      g_autofree char *path = NULL, *stat = NULL;

      g_thread_yield ();
      if (g_atomic_int_get (&sleeper->tid) == 0)
        continue;
      path = g_strdup_printf ("/proc/self/task/%d/stat", g_atomic_int_get (&sleeper->tid));
      if (g_file_get_contents (path, &stat, NULL, NULL))
        state = strrchr (stat, ')')[2];
    }
}

/* A wait that is under way when flushing begins ends, even where flushing is over before it looks. */
static void
test_flushed (void)
{
  g_autoptr (GError) error = NULL;
  Sleeper sleepers[] = {
    { .producer = producer_new ("pool", "w", NULL) },
    { .consumer = shmframe_consumer_new ("w", SHMFRAME_DELIVERY_ORDERED, NULL) },
  };

  watchdog (10);
  for (gsize i = 0; i < G_N_ELEMENTS (sleepers); i++)
    {
      GThread *thread = g_thread_new ("sleeper", sleep_in_call, &sleepers[i]);

      await_sleeping (&sleepers[i]);
      for (int flushing = TRUE; flushing >= FALSE; flushing--)
        if (sleepers[i].producer)
          shmframe_producer_set_flushing (sleepers[i].producer, flushing);
        else
          shmframe_consumer_set_flushing (sleepers[i].consumer, flushing);
      error = g_thread_join (thread);
      g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING);
      g_clear_error (&error);
    }
  g_object_unref (sleepers[1].consumer);
  g_object_unref (sleepers[0].producer);
}

/* A stopped consumer costs one ring, not one for each frame. */
static void
test_rings (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "w", NULL);
  g_autoptr (Agent) agent = agent_new ();
  guint64 before;

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer w latest");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1");
  agent_tell (agent, "frame -1");
  agent_stop (agent);
  before = producer_stat (producer, "rings");
  producer_publish (producer, 100);
  g_assert_cmpuint (producer_stat (producer, "rings"), <=, before + 1);
  agent_continue (agent);
  agent_expect_answer (agent, "frame 100 100 good");
}

int
main (int argc, char **argv)
{
  static const char *const names[] = { "sleep", "spin", "predict" };
  static const struct
  {
    const char *name;
    GTestDataFunc func;
  } tests[] = { { "time-out", time_out },
                { "flushing", flushing },
                { "lost", lost },
                { "series", series },
                { "ping-pong", ping_pong } };

  agent_main (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    for (guint k = 0; k < G_N_ELEMENTS (tests); k++)
      {
        g_autofree char *path = g_strdup_printf ("/waiting/%s/%s", names[i], tests[k].name);

        g_test_add_data_func (path, ways[i], tests[k].func);
      }
  g_test_add_func ("/waiting/for-consumer", test_wait_for_consumer);
  g_test_add_func ("/waiting/flushed", test_flushed);
  g_test_add_func ("/waiting/rings", test_rings);
  return agent_run ();
}
