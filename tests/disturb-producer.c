/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The producer that disturb.py measures, and its consumer:
 *
 *   disturb-producer produce POOL FD   says its pid; for each line N on standard input, publishes N
 *                                      frames at 100 fps and says "done"; after each frame it reads a
 *                                      byte from FD
 *   disturb-producer consume POOL FD   leases them (latest); writes a byte to FD each time that it has
 *                                      had one and has asked to be woken for the next
 *
 * So each frame wakes this consumer once, however busy the machine is.
 */
#include <poll.h>
#include <shmframe/shmframe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONSUMERS 16
#define INTERVAL_NS 10000000
#define SECOND_NS 1000000000

/* ---- the producer -------------------------------------------------------------------------- */

/* Instructions are counted in here. */
G_NO_INLINE static void
publish_frame (ShmFrameProducer *producer, guint8 value)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFrame) frame = shmframe_producer_acquire (producer, &error);

  g_assert_no_error (error);
  *(guint8 *) shmframe_frame_get_data (frame) = value;
  shmframe_producer_publish (producer, frame, &error);
  g_assert_no_error (error);
}

/* Where this begins, what the frame cost is written out. */
G_NO_INLINE static void
await_armed (int armed)
{
  char byte;

  if (read (armed, &byte, 1) != 1)
    g_error ("the consumer is gone");
}

static void
publish (ShmFrameProducer *producer, guint count, int armed)
{
  struct timespec next;

  clock_gettime (CLOCK_MONOTONIC, &next);
  for (guint i = 0; i < count; i++)
    {
      publish_frame (producer, (guint8) i);
      await_armed (armed);
      next.tv_nsec += INTERVAL_NS;
      if (next.tv_nsec >= SECOND_NS)
        {
          next.tv_sec++;
          next.tv_nsec -= SECOND_NS;
        }
      clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}

static void
produce (const char *pool, int armed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("gray", 64, 64, &error);
  g_autoptr (ShmFrameProducer) producer = g_initable_new (
      SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", pool, "max-consumers", MAX_CONSUMERS, NULL);
  char line[100];

  g_assert_no_error (error);
  shmframe_producer_set_format (producer, format, &error);
  g_assert_no_error (error);
  printf ("%d\n", getpid ());
  fflush (stdout);
  while (fgets (line, sizeof line, stdin) != NULL)
    {
      publish (producer, (guint) atoi (line), armed);
      printf ("done\n");
      fflush (stdout);
    }
}

/* ---- its consumer -------------------------------------------------------------------------- */

static void
consume (const char *pool, int armed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameConsumer) consumer
      = shmframe_consumer_new (pool, SHMFRAME_DELIVERY_LATEST, &error);
  struct pollfd frames = { .fd = shmframe_consumer_get_fd (consumer), .events = POLLIN };
  gboolean had_one = FALSE;

  shmframe_consumer_start (consumer);
  for (;;)
    {
      g_autoptr (ShmFrameEvent) event = NULL;
      g_autoptr (ShmFrameFrame) frame = NULL;

      if (!shmframe_consumer_prepare_poll (consumer))
        {
          if (had_one && write (armed, "", 1) != 1)
            return;
          had_one = FALSE;
          poll (&frames, 1, -1);
        }
      frame = shmframe_consumer_lease (consumer, 0, &event, NULL);
      if (frame != NULL)
        had_one = TRUE;
    }
}

int
main (int argc, char **argv)
{
  if (argc != 4)
    return 2;
  if (g_str_equal (argv[1], "produce"))
    produce (argv[2], atoi (argv[3]));
  else
    consume (argv[2], atoi (argv[3]));
  return 0;
}
