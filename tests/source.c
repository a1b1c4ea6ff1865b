/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Consumers on main loops, and consumers of a descriptor that was passed in. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "two-process.h"

/* All frames come, through a GSource or a foreign main loop. */
static void
loop (gconstpointer kind)
{
  g_autoptr (ShmFrameProducer) producer
      = producer_new ("pool", "s", "stall-timeout", G_GUINT64_CONSTANT (60000000000), NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (20);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer s lossless");
  agent_tell (agent, "loop %s", (const char *) kind);
  producer_await_consumers (producer, 1);
  producer_publish (producer, 2000);
  shmframe_producer_push_eos (producer);
  agent_expect_answer (agent, "served 2000 1 2000");
  g_assert_cmpuint (agent_stat (agent, "drops"), ==, 0);
}

/* One at a time, each of which has to wake the loop. */
static void
loop_sparse (gconstpointer kind)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "s", "window", 1, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (20);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer s lossless");
  agent_tell (agent, "loop %s", (const char *) kind);
  producer_await_consumers (producer, 1);
  producer_publish (producer, 300);
  producer_format (producer, 256, 96);
  producer_publish (producer, 300);
  shmframe_producer_push_eos (producer);
  agent_expect_answer (agent, "served 600 1 600");
}

/* The loop goes on across producers. */
static void
loop_restart (gconstpointer kind)
{
  ShmFrameProducer *producer = producer_new ("pool", "s", NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (20);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer s ordered");
  agent_tell (agent, "loop %s", (const char *) kind);
  producer_await_consumers (producer, 1);
  shmframe_producer_close (producer); /* at once, whoever else has a reference */
  g_object_unref (producer);
  producer = producer_new ("pool", "s", NULL);
  producer_format (producer, 128, 96);
  producer_await_consumers (producer, 1);
  producer_publish (producer, 1);
  shmframe_producer_push_eos (producer);
  agent_expect_answer (agent, "served 1 1 1");
  g_assert_cmpuint (agent_stat (agent, "attaches"), ==, 2);
  g_object_unref (producer);
}

static int
connect_by_hand (ShmFrameProducer *producer)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autofree char *path = NULL;
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

  g_object_get (producer, "path", &path, NULL);
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_no_errno (connect (fd, (struct sockaddr *) &address, sizeof address));
  return fd;
}

/* The process that uses it is the one that counts; and when its connection is over, so is the
 * consumer. */
static void
test_fd (void)
{
  ShmFrameProducer *producer = producer_new ("pool", "s", "history", 4, NULL);
  g_autoptr (Agent) agent = agent_new ();
  g_autoptr (GVariant) pid = NULL;
  int fd = connect_by_hand (producer);

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_send_fd (agent, fd);
  close (fd);
  agent_expect (agent, "ok", "consumer-fd ordered");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1");
  producer_await_consumers (producer, 1);
  pid = producer_consumer_stat (producer, "pid");
  g_assert_cmpuint (g_variant_get_uint32 (pid), ==, (guint) agent_get_pid (agent));
  producer_publish (producer, 3);
  agent_expect (agent, "took 3 1 3", "take 3");
  g_object_unref (producer);
  agent_expect (agent, "lost *", "next -1");
  agent_expect (agent, "error 17 *pass in another*", "next -1");
}

static void
test_fd_dies (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "s", NULL);
  g_autoptr (Agent) agent = agent_new ();
  int fd = connect_by_hand (producer);

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_send_fd (agent, fd); /* and ours stays open */
  agent_expect (agent, "ok", "consumer-fd latest");
  agent_expect (agent, "attached", "next -1");
  agent_kill (agent);
  producer_await_consumers (producer, 0);
  close (fd);
}

static void
test_fd_wrong (void)
{
  g_autoptr (Agent) agent = agent_new ();
  int pair[2];

  watchdog (10);
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
  agent_send_fd (agent, pair[0]);
  agent_expect (agent, "ok", "consumer-fd latest");
  agent_expect (agent, "error 14 *SOCK_SEQPACKET*", "next -1");
  agent_expect (agent, "error 17 *", "next -1");
  close (pair[0]);
  close (pair[1]);
}

int
main (int argc, char **argv)
{
  agent_main (&argc, &argv);
  g_test_add_data_func ("/source/source", "source", loop);
  g_test_add_data_func ("/source/source/sparse", "source", loop_sparse);
  g_test_add_data_func ("/source/source/restart", "source", loop_restart);
  g_test_add_data_func ("/source/fd", "fd", loop);
  g_test_add_data_func ("/source/fd/sparse", "fd", loop_sparse);
  g_test_add_data_func ("/source/fd/restart", "fd", loop_restart);
  g_test_add_func ("/source/passed", test_fd);
  g_test_add_func ("/source/passed/dies", test_fd_dies);
  g_test_add_func ("/source/passed/wrong", test_fd_wrong);
  return agent_run ();
}
