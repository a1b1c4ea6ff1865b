/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What it costs the publishing thread that another one asks for statistics without end, by the number
 * of consumers: an answer is long, and the pool's lock is not held while it is made. Timings are for a
 * quiet machine:
 *
 *   ninja -C build tests/bench/questions && build/tests/bench/questions
 */

#include <glib/gstdio.h>
#include <shmframe/shmframe.h>
#include <stdlib.h>
#include <time.h>

#define FRAMES 20000
#define PAUSE_US 100 /* between frames */

static gint done;

static gpointer
ask (gpointer producer)
{
  while (!g_atomic_int_get (&done))
    {
      g_variant_unref (shmframe_producer_get_stats (producer));
      g_usleep (500);
    }
  return NULL;
}

static gint64
now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * G_GINT64_CONSTANT (1000000000) + now.tv_nsec;
}

static int
compare (const void *a, const void *b)
{
  gint64 left = *(const gint64 *) a, right = *(const gint64 *) b;

  return (left > right) - (left < right);
}

static void
publish (ShmFrameProducer *producer, guint consumers, const char *how)
{
  static gint64 ns[FRAMES];
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < FRAMES; i++)
    {
      gint64 begin = now_ns ();
      ShmFrameFrame *frame = shmframe_producer_acquire (producer, &error);

      g_assert_no_error (error);
      shmframe_producer_publish (producer, frame, &error);
      g_assert_no_error (error);
      shmframe_frame_unref (frame); /* which takes the lock, too */
      ns[i] = now_ns () - begin;
      g_usleep (PAUSE_US);
    }
  qsort (ns, FRAMES, sizeof *ns, compare);
  g_print ("%3u consumers, %s: p50 %.1f us, p99 %.1f us, p99.9 %.1f us\n", consumers, how,
           (double) ns[FRAMES / 2] / 1000, (double) ns[FRAMES * 99 / 100] / 1000,
           (double) ns[FRAMES / 1000 * 999] / 1000);
}

/* Attached, each of them; none reads. */
static GPtrArray *
attach (ShmFrameProducer *producer, guint n)
{
  GPtrArray *consumers = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GError) error = NULL;
  guint attached = 0;

  for (guint i = 0; i < n; i++)
    {
      g_ptr_array_add (consumers,
                       shmframe_consumer_new ("questions", SHMFRAME_DELIVERY_LATEST, &error));
      g_assert_no_error (error);
      shmframe_consumer_start (consumers->pdata[i]);
    }
  while (attached < n)
    {
      g_autoptr (GVariant) stats = shmframe_producer_get_stats (producer);

      g_variant_lookup (stats, "n-consumers", "u", &attached);
      g_usleep (1000);
    }
  return consumers;
}

static void
measure (guint n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("gray", 64, 64, &error);
  g_autoptr (ShmFrameProducer) producer
      = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", "questions", "max-consumers",
                        n + 1, "slots", 1024, NULL);
  g_autoptr (GPtrArray) consumers = NULL;
  GThread *thread;

  g_assert_no_error (error);
  shmframe_producer_set_format (producer, format, &error);
  g_assert_no_error (error);
  consumers = attach (producer, n);
  publish (producer, n, "alone");
  g_atomic_int_set (&done, FALSE);
  thread = g_thread_new ("ask", ask, producer);
  publish (producer, n, "asked");
  g_atomic_int_set (&done, TRUE);
  g_thread_join (thread);
}

int
main (void)
{
  g_autofree char *folder = g_dir_make_tmp ("shmframe-questions-XXXXXX", NULL);

  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
  measure (1);
  measure (100);
  g_rmdir (folder);
  return 0;
}
