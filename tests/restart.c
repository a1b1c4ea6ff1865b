/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The death of either side, and what the other makes of it. */

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptors.h"
#include "two-process.h"

/* A consumer that is killed while it holds frames: all of its slots come back, and nothing of it is
 * left, even where a child of it has its socket and pages. */
static void
consumer_dies (gboolean with_child)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "r", "history", 4, "in-flight", 2, "slots", 16, NULL);
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (Agent) agent = agent_new ();
  g_autoptr (GVariant) held = NULL;
  guint descriptors;

  watchdog (10);
  producer_format (producer, 128, 96);
  observer = observer_new ("r");
  observer_settle (observer);
  descriptors = count_descriptors ();

  agent_expect (agent, "ok", "consumer r ordered leases=3");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 3);
  for (guint i = 1; i <= 3; i++)
    agent_expect (agent, "frame * good", "frame -1");
  held = producer_consumer_stat (producer, "held");
  g_assert_cmpuint (g_variant_get_uint32 (held), ==, 3);
  if (with_child)
    agent_expect (agent, "ok", "fork");
  agent_kill (agent);

  producer_await_consumers (producer, 0);
  observer_settle (observer);
  g_assert_cmpuint (count_descriptors (), ==, descriptors);
  g_assert_cmpuint (producer_stat (producer, "promised"), ==, 0);
  g_assert_cmpuint (producer_stat (producer, "held"), ==, 0);
  producer_publish (producer, 500);
}

static void
test_consumer (void)
{
  consumer_dies (FALSE);
}

static void
test_consumer_child (void)
{
  consumer_dies (TRUE);
}

/* The one that the producer waits for. */
static void
test_lossless (void)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "r", "window", 1, "stall-timeout", G_GUINT64_CONSTANT (60000000000), NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer r lossless");
  agent_expect (agent, "ok", "start");
  producer_await_consumers (producer, 1);
  producer_publish (producer, 1);
  g_assert_no_errno (kill (agent_get_pid (agent), SIGKILL));
  producer_publish (producer, 3);
  g_assert_cmpuint (producer_stat (producer, "evictions"), ==, 0);
  agent_kill (agent);
}

/* The consumer drains what is left, is told, and attaches to the next producer, which is not kept from
 * the name; what it holds stays readable through all of it. */
static void
producer_dies (const char *delivery, gboolean killed, gboolean with_child)
{
  g_autoptr (Agent) first = agent_new (), second = agent_new (), agent = agent_new ();
  g_autofree char *epoch = NULL, *next_epoch = NULL;

  watchdog (10);
  agent_expect (first, "ok", "producer r history=5");
  agent_expect (first, "ok", "format 128 96");
  agent_expect (agent, "ok", "consumer r %s", delivery);
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format 128x96 1", "next -1");
  epoch = agent_ask (agent, "stat epoch");
  agent_expect (first, "ok", "publish 4");
  agent_expect (agent, "frame 1 1 good", "next -1");
  if (with_child)
    agent_expect (first, "ok", "fork");
  if (killed)
    agent_kill (first);
  else
    agent_expect (first, "ok", "close");

  agent_expect (agent, "frame 2 2 good", "next -1");
  agent_expect (agent, "frame 3 3 good", "next -1");
  agent_expect (agent, "took 1 4 4", "take 1");
  agent_expect (agent, "lost *", "next -1");
  agent_expect (agent, "error 15 *", "next 0");
  agent_expect (agent, "0", "stat attached");

  agent_expect (second, "ok", "producer r history=5");
  agent_expect (second, "ok", "format 256 96");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format 256x96 1", "next -1");
  agent_expect (second, "ok", "publish 2");
  agent_expect (agent, "took 2 1 2", "take 2");
  next_epoch = agent_ask (agent, "stat epoch");
  g_assert_cmpstr (epoch, !=, next_epoch);
  for (guint i = 1; i <= 3; i++)
    {
      agent_expect (agent, "good intact", "check %u", i);
      agent_expect (agent, "intact", "release %u", i);
    }
  g_assert_cmpuint (agent_stat (agent, "losses"), ==, 1);
  g_assert_cmpuint (agent_stat (agent, "attaches"), ==, 2);
  g_assert_cmpuint (agent_stat (agent, "drops"), ==, 0);
  g_assert_cmpuint (agent_stat (agent, "revoked"), ==, 0);
}

static void
test_producer_killed (void)
{
  producer_dies ("ordered", TRUE, FALSE);
}

static void
test_producer_killed_lossless (void)
{
  producer_dies ("lossless", TRUE, FALSE);
}

static void
test_producer_child (void)
{
  producer_dies ("ordered", TRUE, TRUE);
}

static void
test_producer_closed (void)
{
  producer_dies ("ordered", FALSE, FALSE);
}

/* A consumer may be there first, before any producer, and before a format. */
static void
test_waits (void)
{
  g_autoptr (ShmFrameProducer) producer = NULL;
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  agent_expect (agent, "ok", "consumer r ordered");
  agent_expect (agent, "error 15 *", "next 1");
  agent_tell (agent, "next -1");
  producer = producer_new ("pool", "r", NULL);
  producer_format (producer, 128, 96);
  agent_expect_answer (agent, "attached");
}

/* Frames outlive the objects on both sides. */
static void
test_objects (void)
{
  ShmFrameProducer *producer = producer_new ("pool", "r", NULL);
  g_autoptr (GError) error = NULL;
  ShmFrameConsumer *consumer = shmframe_consumer_new ("r", SHMFRAME_DELIVERY_ORDERED, &error);
  g_autoptr (ShmFrameFrame) written = NULL, published = NULL, leased = NULL;
  guint descriptors = count_descriptors ();

  watchdog (10);
  g_assert_no_error (error);
  producer_format (producer, 128, 96);
  shmframe_consumer_start (consumer);
  producer_await_consumers (producer, 1);
  published = producer_frame (producer);
  g_assert_true (shmframe_producer_publish (producer, published, &error));
  written = producer_frame (producer);
  leased = shmframe_consumer_lease (consumer, -1, NULL, &error);
  g_assert_no_error (error);
  g_object_unref (producer);
  g_object_unref (consumer);

  g_assert_true (two_process_is_filled (leased, 1));
  g_assert_cmpint (shmframe_frame_get_verdict (leased), ==, SHMFRAME_VERDICT_INTACT);
  two_process_fill (written, 9);
  g_clear_pointer (&leased, shmframe_frame_unref);
  g_clear_pointer (&written, shmframe_frame_unref);
  g_clear_pointer (&published, shmframe_frame_unref);
  g_assert_cmpuint (count_descriptors (), <, descriptors);
}

/* A producer that closes while a consumer is on its way in: to the consumer it was never there. */
static void
test_producer_leaves (void)
{
  g_autofree char *path
      = g_build_filename (g_getenv ("SHMFRAME_RUNTIME_DIR"), "leaves.sock", NULL);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autoptr (ShmFrameProducer) producer = NULL;
  g_autoptr (Agent) agent = agent_new ();
  int listener = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  int accepted;

  watchdog (10);
  g_assert_cmpuint (g_strlcpy (address.sun_path, path, sizeof address.sun_path), <,
                    sizeof address.sun_path);
  g_assert_cmpint (bind (listener, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (listen (listener, 1), ==, 0);
  agent_expect (agent, "ok", "consumer leaves ordered");
  agent_tell (agent, "next -1");
  accepted = accept (listener, NULL, NULL);
  g_assert_cmpint (accepted, >=, 0);
  close (accepted);
  close (listener);
  g_assert_cmpint (unlink (path), ==, 0);

  producer = producer_new ("pool", "leaves", NULL);
  producer_format (producer, 128, 96);
  agent_expect_answer (agent, "attached");
}

int
main (int argc, char **argv)
{
  agent_main (&argc, &argv);
  g_test_add_func ("/restart/consumer/killed", test_consumer);
  g_test_add_func ("/restart/consumer/killed/child", test_consumer_child);
  g_test_add_func ("/restart/consumer/killed/lossless", test_lossless);
  g_test_add_func ("/restart/producer/killed", test_producer_killed);
  g_test_add_func ("/restart/producer/killed/lossless", test_producer_killed_lossless);
  g_test_add_func ("/restart/producer/killed/child", test_producer_child);
  g_test_add_func ("/restart/producer/closed", test_producer_closed);
  g_test_add_func ("/restart/producer/leaves", test_producer_leaves);
  g_test_add_func ("/restart/consumer/first", test_waits);
  g_test_add_func ("/restart/objects", test_objects);
  return agent_run ();
}
