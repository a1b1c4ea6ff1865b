/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What each step of a frame costs on one thread, without waking anybody and without touching a pixel;
 * prints a line of JSON. The consumers are attached and awake, but only the first one leases.
 *
 * A step is timed in batches of BATCH frames; the medians of ROUNDS batches are printed. With one consumer
 * two pools take turns, of 720p and of 2160p, so that a drift of the machine hits both alike; else it is
 * one of 720p.
 */

#include <stdlib.h>

#include <glib/gstdio.h>
#include <shmframe/shmframe.h>

#include "bell.h"

#define BATCH 32
#define ROUNDS 4001
#define CONSUMERS_MAX 1024

enum
{
  ACQUIRE,
  PUBLISH,
  UNPIN,
  LEASE,
  RELEASE,
  N_STEPS
};

static const char *const names[] = { "acquire", "publish", "unref", "lease", "release" };

typedef struct
{
  ShmFrameProducer *producer;
  ShmFrameConsumer *consumers[CONSUMERS_MAX];
  guint n_consumers;
  ShmFrameFrame *frame[BATCH];
  double ns[N_STEPS][ROUNDS];
} Steps;

static int
compare (const void *a, const void *b)
{
  double left = *(const double *) a, right = *(const double *) b;

  return (left > right) - (left < right);
}

static void
do_step (Steps *steps, int step)
{
  GError *error = NULL;

  for (int i = 0; i < BATCH; i++)
    switch (step)
      {
      case ACQUIRE:
        steps->frame[i] = shmframe_producer_acquire (steps->producer, &error);
        break;
      case PUBLISH:
        shmframe_producer_publish (steps->producer, steps->frame[i], &error);
        break;
      case UNPIN:
        shmframe_frame_unref (steps->frame[i]);
        break;
      case LEASE:
        steps->frame[i] = shmframe_consumer_lease (steps->consumers[0], 0, NULL, &error);
        break;
      case RELEASE:
        if (shmframe_consumer_release (steps->consumers[0], steps->frame[i])
            != SHMFRAME_VERDICT_INTACT)
          g_error ("a frame was revoked");
        break;
      default:
        g_assert_not_reached ();
      }
  g_assert_no_error (error);
}

/* A consumer has yet to read its welcome: ATTACHED says that it did. It does not wait afterwards. */
static ShmFrameConsumer *
attach (const char *path, guint leases)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameEvent) event = NULL;
  ShmFrameConsumer *consumer
      = g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, &error, "pool", path, "leases", leases, NULL);

  g_assert_no_error (error);
  g_assert_null (shmframe_consumer_lease (consumer, -1, &event, &error));
  g_assert_no_error (error);
  g_assert_cmpint (shmframe_event_get_event_type (event), ==, SHMFRAME_EVENT_ATTACHED);
  return consumer;
}

static void
settle (Steps *steps)
{
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame = shmframe_producer_acquire (steps->producer, &error);

  shmframe_producer_publish (steps->producer, frame, &error);
  g_assert_no_error (error);
  shmframe_frame_unref (frame);
  while (!(frame = shmframe_consumer_lease (steps->consumers[0], -1, NULL, &error)))
    g_assert_no_error (error);
  shmframe_frame_unref (frame);
}

static Steps *
steps_new (const char *path, guint width, guint height, guint n_consumers)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("nv12", width, height, &error);
  Steps *steps = g_new0 (Steps, 1);

  g_assert_no_error (error);
  steps->producer = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", path, "in-flight",
                                    BATCH + 1, "slots", 3 * BATCH + 2 * n_consumers + 16,
                                    "max-consumers", n_consumers, NULL);
  g_assert_no_error (error);
  shmframe_producer_set_format (steps->producer, format, &error);
  g_assert_no_error (error);
  steps->n_consumers = n_consumers;
  for (guint i = 0; i < n_consumers; i++)
    steps->consumers[i] = attach (path, i ? 1 : BATCH);
  settle (steps);
  return steps;
}

static void
steps_free (Steps *steps)
{
  for (guint i = 0; i < steps->n_consumers; i++)
    g_object_unref (steps->consumers[i]);
  g_object_unref (steps->producer);
  g_free (steps);
}

/* "720p": {"acquire": 100.0, ...}, in ns for each frame. */
static void
print (Steps *steps, const char *size)
{
  g_print ("\"%s\": {", size);
  for (int step = 0; step < N_STEPS; step++)
    {
      qsort (steps->ns[step], ROUNDS, sizeof (double), compare);
      g_print ("%s\"%s\": %.1f", step ? ", " : "", names[step], steps->ns[step][ROUNDS / 2]);
    }
  g_print ("}");
}

static void
measure (const char *folder, guint n_consumers)
{
  g_autofree char *small_path = g_build_filename (folder, "720p.sock", NULL);
  g_autofree char *large_path = g_build_filename (folder, "2160p.sock", NULL);
  Steps *small = steps_new (small_path, 1280, 720, n_consumers);
  /* That costs do not depend on the size is seen with one; many would each map gigabytes. */
  Steps *large = n_consumers == 1 ? steps_new (large_path, 3840, 2160, n_consumers) : NULL;

  for (int round = 0; round < ROUNDS; round++)
    for (int turn = 0; turn < (large ? 2 : 1); turn++)
      for (int step = 0; step < N_STEPS; step++)
        {
          Steps *steps = turn ? large : small;
          gint64 begin = bench_now_ns ();

          do_step (steps, step);
          steps->ns[step][round] = (double) (bench_now_ns () - begin) / BATCH;
        }
  g_print ("{\"consumers\": %u, ", n_consumers);
  print (small, "720p");
  if (large)
    {
      g_print (", ");
      print (large, "2160p");
      steps_free (large);
    }
  g_print ("}\n");
  steps_free (small);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  guint64 n_consumers = 1;
  g_autofree char *folder = NULL;

  if (argc > 2
      || (argc == 2
          && !g_ascii_string_to_unsigned (argv[1], 10, 1, CONSUMERS_MAX, &n_consumers, &error)))
    {
      g_printerr ("usage: frame-bench-steps [CONSUMERS], 1 to %d\n", CONSUMERS_MAX);
      return 2;
    }
  folder = g_dir_make_tmp ("frame-bench-XXXXXX", &error);
  if (!folder)
    {
      g_printerr ("frame-bench-steps: %s\n", error->message);
      return 1;
    }
  measure (folder, (guint) n_consumers);
  g_rmdir (folder);
  return 0;
}
