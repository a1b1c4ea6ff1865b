/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every stop point is on the way of a pool's ordinary life, and does what it is told there: a process
 * that is to be killed at it is. Built with -Dstop-points=true only. */

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmframe/shmframe.h>

#include "abi/stop.h"

static const char *const names[] = {
#define NAME(id, name) name,
  SHMFRAME_STOP_POINTS_LIST (NAME)
#undef NAME
};

static void
set_format (ShmFrameProducer *producer, guint width)
{
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("gray", width, 64, NULL);

  shmframe_producer_set_format (producer, format, NULL);
}

static void
publish (ShmFrameProducer *producer, guint count)
{
  while (count-- > 0)
    {
      g_autoptr (ShmFrameFrame) frame = shmframe_producer_acquire (producer, NULL);

      shmframe_producer_publish (producer, frame, NULL);
    }
}

/* Takes frames until the stream ends. */
static gpointer
take (gpointer data)
{
  while (TRUE)
    {
      g_autoptr (ShmFrameEvent) event = NULL;
      g_autoptr (ShmFrameFrame) frame = shmframe_consumer_lease (data, -1, &event, NULL);

      if (event && shmframe_event_get_event_type (event) == SHMFRAME_EVENT_EOS)
        return NULL;
    }
}

/* One that reads, sleeping, across a change of segment; one that lags, and finds its frame gone; one
 * that stalls the producer, and is evicted. */
static void
live (void)
{
  g_autoptr (ShmFrameProducer) producer
      = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, NULL, "pool", "stop", "window", 2,
                        "stall-timeout", G_GUINT64_CONSTANT (30000000), "slots", 24, NULL);
  g_autoptr (ShmFrameConsumer) reader
      = shmframe_consumer_new ("stop", SHMFRAME_DELIVERY_ORDERED, NULL);
  g_autoptr (ShmFrameConsumer) laggard
      = shmframe_consumer_new ("stop", SHMFRAME_DELIVERY_ORDERED, NULL);
  g_autoptr (ShmFrameConsumer) staller
      = shmframe_consumer_new ("stop", SHMFRAME_DELIVERY_LOSSLESS, NULL);
  GThread *thread;

  set_format (producer, 64);
  shmframe_consumer_start (laggard);
  shmframe_producer_wait_for_consumer (producer, -1, NULL);
  publish (producer, 1);
  shmframe_frame_unref (shmframe_consumer_lease (laggard, -1, NULL, NULL));
  publish (producer, 40);
  shmframe_frame_unref (shmframe_consumer_lease (laggard, -1, NULL, NULL));
  g_clear_object (&laggard);

  thread = g_thread_new ("take", take, reader);
  shmframe_consumer_start (staller);
  while (TRUE)
    {
      guint n;

      g_object_get (producer, "n-consumers", &n, NULL);
      if (n == 2)
        break;
      g_thread_yield ();
    }
  publish (producer, 10);
  set_format (producer, 6400);
  publish (producer, 10);
  shmframe_producer_push_eos (producer);
  g_thread_join (thread);
}

static void
test_stop (gconstpointer data)
{
  const char *name = data;
  int status;
  pid_t pid = fork ();

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      g_autofree char *stop = g_strdup_printf ("%s:kill", name);

      alarm (10);
      g_setenv ("SHMFRAME_STOP", stop, TRUE);
      live ();
      _exit (0);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFSIGNALED (status));
  g_assert_cmpint (WTERMSIG (status), ==, SIGKILL);
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = g_dir_make_tmp ("shmframe-test-XXXXXX", NULL);
  int failed;

  g_test_init (&argc, &argv, NULL);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_strdup_printf ("/stop/%s", names[i]);

      g_test_add_data_func (path, names[i], test_stop);
    }
  failed = g_test_run ();
  {
    /* The last one killed leaves its files to the next; there is none. */
    g_autofree char *socket = g_build_filename (folder, "stop.sock", NULL);
    g_autofree char *lock = g_build_filename (folder, "stop.sock.lock", NULL);

    unlink (socket);
    unlink (lock);
    rmdir (folder);
  }
  return failed;
}
