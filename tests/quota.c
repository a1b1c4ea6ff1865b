/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Leases, their quota, and who is admitted. */

#include <string.h>

#include "two-process.h"

/* What is held is not written again, however often the pool goes round. */
static void
test_held (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "q", "history", 3, NULL);
  g_autoptr (Agent) ordered = agent_new (), latest = agent_new ();

  watchdog (20);
  producer_format (producer, 128, 96);
  agent_expect (ordered, "ok", "consumer q ordered leases=3");
  agent_expect (latest, "ok", "consumer q latest leases=2");
  agent_expect (ordered, "ok", "start");
  agent_expect (latest, "ok", "start");
  producer_await_consumers (producer, 2);
  producer_publish (producer, 3);
  agent_expect (ordered, "frame 1 1 good", "frame -1");
  agent_expect (ordered, "frame 2 2 good", "frame -1");
  agent_expect (latest, "frame 3 3 good", "frame -1");
  producer_publish (producer, 1000);
  agent_expect (latest, "frame 1003 1003 good", "frame -1");
  producer_publish (producer, 1000);

  agent_expect (ordered, "good intact", "check 1");
  agent_expect (ordered, "good intact", "check 2");
  agent_expect (latest, "good intact", "check 3");
  agent_expect (latest, "good intact", "check 1003");
  g_assert_cmpuint (agent_stat (ordered, "held"), ==, 2);
  agent_expect (ordered, "intact", "release 1");
  agent_expect (ordered, "intact", "release 2");
  agent_expect (latest, "intact", "release 3");
  agent_expect (latest, "intact", "release 1003");
  g_assert_cmpuint (agent_stat (ordered, "held"), ==, 0);
  g_assert_cmpuint (agent_stat (ordered, "held-max"), ==, 2);
  g_assert_cmpuint (agent_stat (latest, "revoked") + agent_stat (ordered, "revoked"), ==, 0);
}

/* With all leases held there is an error, and copy() still works, through the reserved one. */
static void
test_quota (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "q", "history", 10, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer q ordered leases=2");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 6);
  agent_expect (agent, "frame 1 *", "frame -1");
  agent_expect (agent, "frame 2 *", "frame -1");
  agent_expect (agent, "error 10 *all 2 leases are held*drop frames*", "frame -1");
  agent_expect (agent, "frame 3 3 good", "copy -1");
  agent_expect (agent, "frame 4 4 good", "copy -1");
  agent_expect (agent, "error 10 *", "frame 0");
  g_assert_cmpuint (agent_stat (agent, "held"), ==, 2);
  g_assert_cmpuint (agent_stat (agent, "copies"), ==, 2);
  g_assert_cmpuint (agent_stat (agent, "copied-bytes"), ==, 2 * 128 * 96);
  agent_expect (agent, "intact", "release 1");
  agent_expect (agent, "frame 5 5 good", "frame -1");
  producer_publish (producer, 200);
  agent_expect (agent, "good intact", "check 3");
  agent_expect (agent, "good intact", "check 2");
  g_assert_cmpuint (agent_stat (agent, "drops"), ==, 0);
}

/* Granted as far as the pool rule goes; and asked for anew at the next producer, which must not refuse
 * the consumer for it. */
static void
test_request (void)
{
  /* in-flight 2, window 4, one: 7. Two leases and the reserved one: 10. Four are left, and five that
   * are spared for another consumer. */
  ShmFrameProducer *producer
      = producer_new ("pool", "q", "slots", 19, "in-flight", 2, "window", 4, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer q ordered leases=2");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  g_assert_cmpuint (producer_stat (producer, "promised"), ==, 3);
  agent_expect (agent, "ok", "request 4");
  agent_await_stat (agent, "leases", 4);
  g_assert_cmpuint (agent_stat (agent, "leases"), ==, 4);
  agent_expect (agent, "ok", "request 100");
  agent_await_stat (agent, "leases", 6);
  g_assert_cmpuint (agent_stat (agent, "leases"), ==, 6);
  g_assert_cmpuint (producer_stat (producer, "promised"), ==, 7);
  {
    g_autoptr (Agent) spared = agent_new ();

    agent_expect (spared, "ok", "consumer q ordered leases=4");
    agent_expect (spared, "ok", "start");
    producer_await_consumers (producer, 2);
  }
  producer_await_consumers (producer, 1);
  for (guint i = 1; i <= 6; i++)
    {
      producer_publish (producer, 1);
      agent_expect (agent, "frame * good", "frame -1");
    }
  producer_publish (producer, 300);
  agent_expect (agent, "error 10 *all 6*", "frame -1");
  for (guint i = 1; i <= 6; i++)
    agent_expect (agent, "good intact", "check %u", i);

  shmframe_producer_close (producer); /* at once, whoever else has a reference */
  g_object_unref (producer);
  producer = producer_new ("pool", "q", "slots", 17, "in-flight", 2, "window", 4, NULL);
  producer_format (producer, 128, 96);
  for (guint i = 1; i <= 6; i++)
    agent_expect (agent, "intact", "release %u", i);
  producer_publish (producer, 1);
  agent_hear_until (agent, "copy -1", "frame 1 *");
  g_assert_cmpuint (agent_stat (agent, "refused"), ==, 0);
  agent_await_stat (agent, "leases", 4);
  g_assert_cmpuint (agent_stat (agent, "leases"), ==, 4);
  g_object_unref (producer);
}

static void
expect_refusal (const char *pool, const char *consumer, const char *text)
{
  g_autoptr (Agent) agent = agent_new ();

  agent_expect (agent, "ok", "consumer %s %s", pool, consumer);
  agent_expect (agent, text, "frame -1");
}

static void
test_refused (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "q", "slots", 14, "in-flight", 2, "window", 4, NULL);

  watchdog (10);
  producer_format (producer, 128, 96);
  expect_refusal ("q", "ordered leases=8",
                  "error 11 pool q: 14 slots, 7 promised; asked for 9: start the producer with "
                  "slots=16, or lease fewer");
  /* Nothing was taken for it. */
  g_assert_cmpuint (producer_stat (producer, "promised"), ==, 0);
  g_assert_cmpuint (producer_stat (producer, "committed-slots"), <=, 7 + 5); /* ahead */
}

/* It tries again by itself, and is admitted once there is room. */
static void
test_refused_for_now (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "q", "max-consumers", 1, NULL);
  g_autoptr (Agent) one = agent_new (), two = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  producer_publish (producer, 1);
  agent_expect (one, "ok", "consumer q ordered");
  agent_expect (one, "frame 1 *", "frame -1");
  agent_expect (two, "ok", "consumer q ordered");
  agent_expect (two, "error 11 pool q:*max-consumers*", "frame -1");
  agent_expect (one, "ok", "close");
  agent_expect (one, "good intact", "check 1");
  /* A closed consumer that still holds a lease keeps its place: the producer spares its slot. */
  agent_expect (two, "error 11 *", "frame -1");
  agent_expect (one, "intact", "release 1");
  agent_hear_until (two, "frame -1", "frame 1 *");
  g_assert_cmpuint (agent_stat (two, "refused"), >=, 2);
}

static void
test_refused_deliveries (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "q", "history", 0, "lossless", FALSE, NULL);

  watchdog (10);
  producer_format (producer, 128, 96);
  expect_refusal ("q", "latest", "error 11 pool q*history=0*start the producer with history=1*");
  expect_refusal ("q", "lossless", "error 11 pool q*lossless*attach as ordered*");
}

/* Leases that are held when the consumer is closed stay good, and go with the last of them. */
static void
test_closed (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "q", NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer q lossless");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 2);
  agent_expect (agent, "frame 1 *", "frame -1");
  agent_expect (agent, "ok", "close");
  agent_expect (agent, "error 17 *", "frame -1");
  producer_publish (producer, 300); /* nobody waits for it */
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 0);
  agent_expect (agent, "good intact", "check 1");
  g_assert_cmpuint (producer_stat (producer, "promised"), ==, 5);
  agent_expect (agent, "intact", "release 1");
  producer_await_consumers (producer, 0);
  g_assert_cmpuint (producer_stat (producer, "promised"), ==, 0);
}

static void
await_committed (ShmFrameProducer *producer, guint64 slots)
{
  producer_await_committed (producer, slots);
  g_assert_cmpuint (producer_stat (producer, "committed-slots"), ==, slots);
}

/* Slots are committed as consumers are admitted, and ahead for the next one, with consumer-leases=4. */
static void
test_committed (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "q", "in-flight", 3, NULL);
  g_autoptr (Agent) one = agent_new (), two = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  producer_publish (producer, 10);
  await_committed (producer, 1 + 4 + 1 + 5);
  agent_expect (one, "ok", "consumer q ordered leases=4");
  agent_expect (one, "ok", "start");
  producer_await_consumers (producer, 1);
  await_committed (producer, 6 + 5 + 5);
  agent_expect (two, "ok", "consumer q ordered leases=1");
  agent_expect (two, "ok", "start");
  producer_await_consumers (producer, 2);
  await_committed (producer, 6 + 5 + 2 + 5);
  g_assert_cmpuint (producer_stat (producer, "committed-bytes"), >=,
                    producer_stat (producer, "committed-slots")
                        * producer_stat (producer, "slot-bytes"));
}

/* They are used in the order in which they were committed: consumers have faulted in the first ones. */
static void
test_committed_order (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "q", "in-flight", 3, NULL);
  ShmFrameFrame *frames[3];

  watchdog (10);
  producer_format (producer, 128, 96);
  await_committed (producer, 1 + 4 + 1 + 5);
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    {
      frames[i] = producer_frame (producer);
      g_assert_cmpuint (shmframe_frame_get_slot (frames[i]), ==, i);
    }
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++)
    shmframe_producer_abandon (producer, frames[i]);
}

int
main (int argc, char **argv)
{
  agent_main (&argc, &argv);
  g_test_add_func ("/quota/held", test_held);
  g_test_add_func ("/quota/copy", test_quota);
  g_test_add_func ("/quota/request", test_request);
  g_test_add_func ("/quota/refused", test_refused);
  g_test_add_func ("/quota/refused/for-now", test_refused_for_now);
  g_test_add_func ("/quota/refused/deliveries", test_refused_deliveries);
  g_test_add_func ("/quota/closed", test_closed);
  g_test_add_func ("/quota/committed", test_committed);
  g_test_add_func ("/quota/committed/order", test_committed_order);
  return agent_run ();
}
