/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Consumers that hold on, or are stopped: who is evicted and who is not, what becomes of their leases,
 * and that neither the producer nor another consumer stalls for it. Time is printed, and not asserted:
 * what a wait costs is known from the producer's statistics, and where none is allowed the stall limit
 * is beyond the watchdog. */

#include <string.h>

#include "two-process.h"

#define HOUR_NS (3600 * G_GUINT64_CONSTANT (1000000000))
#define STALL_NS G_GUINT64_CONSTANT (50000000)
#define ROUND 10   /* frames */
#define HISTORY 20 /* an ordered consumer misses none of a round */
#define IN_FLIGHT 8

static gint64 longest_us; /* from acquire to published, in this test */

static void
publish_timed (ShmFrameProducer *producer, guint count)
{
  guint64 first = producer_stat (producer, "latest") + 1;

  for (guint i = 0; i < count; i++)
    {
      gint64 begin = g_get_monotonic_time ();

      producer_publish_one (producer, first + i);
      longest_us = MAX (longest_us, g_get_monotonic_time () - begin);
    }
}

static void
expect_waits (ShmFrameProducer *producer, guint evictions, guint waits)
{
  g_test_message ("%" G_GUINT64_FORMAT " frames, of which the longest took %.3f ms; %u evictions",
                  producer_stat (producer, "frames"), (double) longest_us / 1000, evictions);
  longest_us = 0;
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, evictions);
  g_assert_cmpuint (producer_stat (producer, "waits"), ==, waits);
  g_assert_true (waits > 0 || producer_stat (producer, "wait-ns") == 0);
}

static void
attach (ShmFrameProducer *producer, Agent *agent, const char *delivery)
{
  guint n;

  g_object_get (producer, "n-consumers", &n, NULL);
  agent_expect (agent, "ok", "consumer e %s leases=2", delivery);
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, n + 1);
}

/* Gets each of them from another process, whatever the others do meanwhile. */
static void
publish_witnessed (ShmFrameProducer *producer, Agent *witness, guint count)
{
  guint64 last = producer_stat (producer, "latest");
  g_autofree char *took = g_strdup_printf ("took %u %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                                           count, last + 1, last + count);

  agent_tell (witness, "take %u", count);
  publish_timed (producer, count);
  agent_expect_answer (witness, took);
}

/* More than history and slots. */
static void
wrap (ShmFrameProducer *producer, Agent *witness)
{
  for (guint i = 0; i < 8; i++)
    publish_witnessed (producer, witness, ROUND);
}

/* The next two frames are held by them: all their leases. Returns the first. */
static guint64
hold_two (ShmFrameProducer *producer, Agent *witness, Agent **holders, guint n_holders)
{
  guint64 first = producer_stat (producer, "latest") + 1;

  publish_witnessed (producer, witness, 2);
  for (guint i = 0; i < 2 * n_holders; i++)
    agent_expect (holders[i / 2], "frame * good", "frame -1");
  return first;
}

static void
check_held (Agent *holder, guint64 first, const char *verdict, const char *released)
{
  for (guint64 i = first; i < first + 2; i++)
    {
      agent_expect (holder, verdict, "check %" G_GUINT64_FORMAT, i);
      agent_expect (holder, released, "release %" G_GUINT64_FORMAT, i);
    }
}

/* Writes at once as many slots as the producer may hold, those that were held last among them. */
static void
write_slots (ShmFrameProducer *producer)
{
  g_autoptr (GPtrArray) frames
      = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  ShmFrameFrame *frame;

  while ((frame = shmframe_producer_acquire (producer, NULL)) != NULL)
    {
      two_process_fill (frame, G_MAXUINT64);
      g_ptr_array_add (frames, frame);
    }
  g_assert_cmpuint (frames->len, ==, IN_FLIGHT);
}

static ShmFrameProducer *
make_producer (guint64 stall_ns, gboolean live)
{
  ShmFrameProducer *producer
      = producer_new ("pool", "e", "history", HISTORY, "in-flight", IN_FLIGHT, "stall-timeout",
                      stall_ns, "live", live, NULL);

  producer_format (producer, 128, 96);
  write_slots (producer); /* commits them */
  return producer;
}

/* It is told, and goes on as ordered: what it did not get is counted. */
static void
expect_told (ShmFrameProducer *producer, Agent *holder, const char *why)
{
  guint64 last = producer_publish (producer, 1);
  g_autofree char *took
      = g_strdup_printf ("took 1 %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, last, last);

  agent_await_stat (holder, "evictions", 1);
  agent_expect (holder, why, "next -1");
  agent_hear_until (holder, "take 1", took);
  agent_expect (holder, "ordered", "stat delivery");
  g_assert_cmpuint (agent_stat (holder, "frames") + agent_stat (holder, "drops"), ==, last);
}

/* A lossless consumer with all its leases in use takes nothing more. */
static void
test_holds (void)
{
  g_autoptr (ShmFrameProducer) producer = make_producer (STALL_NS, FALSE);
  g_autoptr (Agent) witness = agent_new (), holder = agent_new ();
  guint64 first;

  watchdog (20);
  attach (producer, witness, "ordered");
  attach (producer, holder, "lossless");
  first = hold_two (producer, witness, &holder, 1);
  publish_witnessed (producer, witness, 1);
  agent_expect (holder, "error 10 *", "frame 0"); /* QUOTA: it lags from here on */
  wrap (producer, witness);
  write_slots (producer);
  check_held (holder, first, "bad revoked", "revoked");
  expect_told (producer, holder, "evicted *stall-timeout*");
  g_assert_cmpuint (agent_stat (holder, "revoked"), ==, 2);
  g_assert_cmpuint (producer_stat (producer, "wait-ns"), >=, STALL_NS);
  expect_waits (producer, 1, 1);
}

/* Several that are stopped cost one stall, not one each. */
static void
test_stopped (void)
{
  g_autoptr (ShmFrameProducer) producer = make_producer (STALL_NS, FALSE);
  g_autoptr (Agent) witness = agent_new (), one = agent_new (), two = agent_new ();
  Agent *holders[] = { one, two };
  guint64 first;

  watchdog (20);
  attach (producer, witness, "ordered");
  attach (producer, one, "lossless");
  attach (producer, two, "lossless");
  first = hold_two (producer, witness, holders, 2);
  agent_stop (one);
  agent_stop (two);
  wrap (producer, witness);
  write_slots (producer);
  for (guint i = 0; i < G_N_ELEMENTS (holders); i++)
    {
      agent_continue (holders[i]);
      check_held (holders[i], first, "bad revoked", "revoked");
      expect_told (producer, holders[i], "evicted *stall-timeout*");
    }
  expect_waits (producer, 2, 1);
}

/* The others may hold what they have for as long as they like: the slots are promised to them. */
static void
test_others_hold (void)
{
  g_autoptr (ShmFrameProducer) producer = make_producer (HOUR_NS, FALSE);
  g_autoptr (Agent) witness = agent_new (), one = agent_new (), two = agent_new ();
  Agent *holders[] = { one, two };
  guint64 first, last;

  watchdog (20);
  attach (producer, witness, "ordered");
  attach (producer, one, "ordered");
  attach (producer, two, "ordered");
  first = hold_two (producer, witness, holders, 2);
  agent_stop (two);
  wrap (producer, witness);
  write_slots (producer);
  agent_continue (two);
  for (guint i = 0; i < G_N_ELEMENTS (holders); i++)
    {
      g_autofree char *took = NULL;

      check_held (holders[i], first, "good intact", "intact");
      last = producer_publish (producer, 1);
      took = g_strdup_printf ("took 1 %" G_GUINT64_FORMAT " *", last);
      agent_hear_until (holders[i], "take 1", took);
      g_assert_cmpuint (agent_stat (holders[i], "frames") + agent_stat (holders[i], "drops"), ==,
                        last);
      g_assert_cmpuint (agent_stat (holders[i], "attaches"), ==, 1);
    }
  expect_waits (producer, 0, 0);
}

/* Their limit is the second change of segment. What they hold of the first is not written again. */
static void
test_others_stopped (void)
{
  g_autoptr (ShmFrameProducer) producer = make_producer (HOUR_NS, FALSE);
  g_autoptr (Agent) one = agent_new (), two = agent_new ();

  watchdog (20);
  attach (producer, one, "ordered");
  attach (producer, two, "latest");
  producer_publish (producer, 1);
  agent_expect (one, "frame 1 1 good", "frame -1");
  agent_expect (two, "frame 1 1 good", "frame -1");
  agent_stop (one);
  agent_stop (two);
  producer_format (producer, 256, 96);
  publish_timed (producer, ROUND);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 0);
  producer_format (producer, 512, 96);
  publish_timed (producer, ROUND);
  expect_waits (producer, 2, 0);
  agent_continue (one);
  agent_continue (two);
  agent_expect (one, "good intact", "check 1");
  agent_expect (two, "good intact", "check 1");
  agent_await_stat (one, "evictions", 1);
  agent_await_stat (two, "evictions", 1);
  agent_hear_until (one, "next -1", "evicted *two changes of format behind*");
  agent_hear_until (two, "next -1", "evicted *two changes of format behind*");
}

/* However a lossless consumer behaves: holding, stopped while it holds, stopped, killed. With a stall
 * limit of an hour, a wait would not go unseen. */
static void
test_live (void)
{
  g_autoptr (ShmFrameProducer) producer = make_producer (HOUR_NS, TRUE);
  g_autoptr (Agent) witness = agent_new ();

  watchdog (30);
  attach (producer, witness, "ordered");
  for (guint behaviour = 0; behaviour < 4; behaviour++)
    {
      g_autoptr (Agent) agent = agent_new ();

      attach (producer, agent, "lossless");
      if (behaviour < 2)
        hold_two (producer, witness, &agent, 1);
      if (behaviour == 1 || behaviour == 2)
        agent_stop (agent);
      if (behaviour == 3)
        agent_kill (agent);
      wrap (producer, witness);
      producer_await_consumers (producer, 1);
    }
  /* The one that is killed may go by itself. */
  expect_waits (producer, producer_stat (producer, "evictions") == 3 ? 3 : 4, 0);
}

/* Nor does it for one that does not follow it into the next segment. */
static void
test_live_format (void)
{
  g_autoptr (ShmFrameProducer) producer = make_producer (HOUR_NS, TRUE);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (20);
  attach (producer, agent, "lossless");
  agent_stop (agent);
  for (guint i = 2; i < 6; i++)
    {
      producer_format (producer, i * 128, 96);
      publish_timed (producer, 1);
    }
  expect_waits (producer, 1, 0);
}

static gpointer
publish (gpointer producer)
{
  publish_timed (producer, ROUND);
  return NULL;
}

/* Two changes of segment, the second of which waits. */
static gpointer
change_format (gpointer producer)
{
  producer_format (producer, 640, 480);
  producer_format (producer, 1280, 960);
  return NULL;
}

/* A wait under way ends when the producer becomes a live one, or less patient. */
static void
check_changes (const char *property, GThreadFunc wait)
{
  g_autoptr (ShmFrameProducer) producer = make_producer (HOUR_NS, FALSE);
  g_autoptr (Agent) agent = agent_new ();
  GThread *thread;

  watchdog (20);
  attach (producer, agent, "lossless");
  agent_stop (agent);
  thread = g_thread_new ("wait", wait, producer);
  producer_await_stat (producer, "waits", 1);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 0);
  if (g_str_equal (property, "live"))
    g_object_set (producer, "live", TRUE, NULL);
  else
    g_object_set (producer, "stall-timeout", G_GUINT64_CONSTANT (0), NULL);
  g_thread_join (thread);
  expect_waits (producer, 1, 1);
}

static void
test_publish_changes (gconstpointer property)
{
  check_changes (property, publish);
}

static void
test_format_changes (gconstpointer property)
{
  check_changes (property, change_format);
}

int
main (int argc, char **argv)
{
  agent_main (&argc, &argv);
  g_test_add_func ("/eviction/lossless/holds", test_holds);
  g_test_add_func ("/eviction/lossless/stopped", test_stopped);
  g_test_add_func ("/eviction/others/hold", test_others_hold);
  g_test_add_func ("/eviction/others/stopped", test_others_stopped);
  g_test_add_func ("/eviction/live", test_live);
  g_test_add_func ("/eviction/live/format", test_live_format);
  g_test_add_data_func ("/eviction/wait/live", "live", test_publish_changes);
  g_test_add_data_func ("/eviction/wait/stall-timeout", "stall-timeout", test_publish_changes);
  g_test_add_data_func ("/eviction/format/live", "live", test_format_changes);
  g_test_add_data_func ("/eviction/format/stall-timeout", "stall-timeout", test_format_changes);
  return agent_run ();
}
