/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a frame costs without waking and without touching pixels, on one thread, by size: it must not
 * depend on it. Timings are for a quiet machine, so nothing is asserted but the verdicts:
 *
 *   ninja -C build tests/bench/handover && build/tests/bench/handover
 *
 * Each step is timed in batches of BATCH frames, and the median of ROUNDS batches is printed.
 */

#include <stdlib.h>
#include <time.h>

#include <shmframe/shmframe.h>

#define BATCH 32
#define ROUNDS 4001

enum
{
  ACQUIRE,
  PUBLISH,
  UNPIN,
  LEASE,
  RELEASE,
  N_STEPS
};

typedef struct
{
  ShmFrameProducer *producer;
  ShmFrameConsumer *consumer;
  ShmFrameFrame *frame[BATCH];
  double ns[N_STEPS][ROUNDS];
} Bench;

static double
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

static int
compare (const void *a, const void *b)
{
  double left = *(const double *) a, right = *(const double *) b;

  return (left > right) - (left < right);
}

static void
do_step (Bench *bench, int step)
{
  GError *error = NULL;

  for (int i = 0; i < BATCH; i++)
    switch (step)
      {
      case ACQUIRE:
        bench->frame[i] = shmframe_producer_acquire (bench->producer, &error);
        break;
      case PUBLISH:
        shmframe_producer_publish (bench->producer, bench->frame[i], &error);
        break;
      case UNPIN:
        shmframe_frame_unref (bench->frame[i]);
        break;
      case LEASE:
        bench->frame[i] = shmframe_consumer_lease (bench->consumer, 0, NULL, &error);
        break;
      case RELEASE:
        if (shmframe_consumer_release (bench->consumer, bench->frame[i])
            != SHMFRAME_VERDICT_INTACT)
          g_error ("a frame was revoked");
        break;
      default:
        g_assert_not_reached ();
      }
  g_assert_no_error (error);
}

/* The consumer has yet to read its welcome: one frame waits for it. */
static void
settle (Bench *bench)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFrame) frame = NULL;

  shmframe_consumer_start (bench->consumer);
  shmframe_producer_wait_for_consumer (bench->producer, -1, &error);
  g_assert_no_error (error);
  frame = shmframe_producer_acquire (bench->producer, &error);
  shmframe_producer_publish (bench->producer, frame, &error);
  g_assert_no_error (error);
  shmframe_frame_unref (shmframe_consumer_lease (bench->consumer, -1, NULL, &error));
  g_assert_no_error (error);
}

static Bench *
bench_new (const char *pool, guint width, guint height)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("nv12", width, height, &error);
  Bench *bench = g_new0 (Bench, 1);

  g_assert_no_error (error);
  bench->producer
      = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", pool, "in-flight", BATCH + 1,
                        "consumer-leases", BATCH, "max-consumers", 1, NULL);
  g_assert_no_error (error);
  bench->consumer
      = g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, &error, "pool", pool, "leases", BATCH, NULL);
  g_assert_no_error (error);
  shmframe_producer_set_format (bench->producer, format, &error);
  g_assert_no_error (error);
  settle (bench);
  return bench;
}

static void
bench_free (Bench *bench)
{
  g_object_unref (bench->producer);
  g_object_unref (bench->consumer);
  g_free (bench);
}

/* publish + lease + release, in ns for each frame. */
static double
report (Bench *bench, const char *size)
{
  static const char *const names[] = { "acquire", "publish", "unpin", "lease", "release" };
  double median[N_STEPS];

  g_print ("%s:", size);
  for (int step = 0; step < N_STEPS; step++)
    {
      qsort (bench->ns[step], ROUNDS, sizeof (double), compare);
      median[step] = bench->ns[step][ROUNDS / 2];
      g_print (" %s %.0f", names[step], median[step]);
    }
  g_print (" ns; publish + lease + release %.0f ns\n",
           median[PUBLISH] + median[LEASE] + median[RELEASE]);
  return median[PUBLISH] + median[LEASE] + median[RELEASE];
}

int
main (void)
{
  Bench *small = bench_new ("bench-720p", 1280, 720);
  Bench *large = bench_new ("bench-2160p", 3840, 2160);
  double small_ns, large_ns;

  /* In turns, so that a drift of the machine hits both alike. */
  for (int round = 0; round < ROUNDS; round++)
    for (int turn = 0; turn < 2; turn++)
      for (int step = 0; step < N_STEPS; step++)
        {
          Bench *bench = turn ? large : small;
          double begin = now_ns ();

          do_step (bench, step);
          bench->ns[step][round] = (now_ns () - begin) / BATCH;
        }
  small_ns = report (small, " 720p");
  large_ns = report (large, "2160p");
  g_print ("2160p / 720p: %.2f\n", large_ns / small_ns);
  bench_free (small);
  bench_free (large);
  return 0;
}
