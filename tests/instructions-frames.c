/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The frames whose instructions instructions.py counts:
 *
 *   instructions-frames                                 says what it was built with
 *   instructions-frames WIDTH HEIGHT CONSUMERS FRAMES   publishes frames to consumers on this thread,
 *                                                       which have all of them and never sleep
 */
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>

#include <shmframe/shmframe.h>

typedef struct
{
  ShmFrameProducer *producer;
  GPtrArray *consumers; /* ShmFrameConsumer */
  ShmFrameFrame *frame;
  gboolean published;
  ShmFrameVerdict verdict;
  GError *error;
} Bench;

/* ---- the steps: what happens within these functions is counted ----
 *
 * Each keeps a result or clears what it gave away: a call that is the last thing is made a jump, and a
 * function that has jumped away has no end that a tool can see. */

G_NO_INLINE static void
step_acquire (Bench *bench)
{
  bench->frame = shmframe_producer_acquire (bench->producer, &bench->error);
}

G_NO_INLINE static void
step_publish (Bench *bench)
{
  bench->published = shmframe_producer_publish (bench->producer, bench->frame, &bench->error);
}

G_NO_INLINE static void
step_unref (Bench *bench)
{
  shmframe_frame_unref (bench->frame);
  bench->frame = NULL;
}

G_NO_INLINE static void
step_lease (Bench *bench, ShmFrameConsumer *consumer, gint64 timeout_ns)
{
  bench->frame = shmframe_consumer_lease (consumer, timeout_ns, NULL, &bench->error);
}

G_NO_INLINE static void
step_release (Bench *bench, ShmFrameConsumer *consumer)
{
  bench->verdict = shmframe_consumer_release (consumer, bench->frame);
}

/* Where this begins, what the step cost is written out. */
G_NO_INLINE static void
end_step (const Bench *bench)
{
  g_assert_no_error (bench->error);
}

/* ---- frames ---- */

static void
take_frame (ShmFrameConsumer *consumer, gint64 timeout_ns)
{
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame = shmframe_consumer_lease (consumer, timeout_ns, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpint (shmframe_consumer_release (consumer, frame), ==, SHMFRAME_VERDICT_INTACT);
}

/* Every consumer has the frame before the next one is made. */
static void
hand_over (Bench *bench, gint64 timeout_ns)
{
  ShmFrameConsumer *first = g_ptr_array_index (bench->consumers, 0);

  step_acquire (bench);
  end_step (bench);
  step_publish (bench);
  end_step (bench);
  step_unref (bench);
  end_step (bench);
  step_lease (bench, first, timeout_ns);
  end_step (bench);
  step_release (bench, first);
  end_step (bench);
  g_assert_cmpint (bench->verdict, ==, SHMFRAME_VERDICT_INTACT);
  for (guint i = 1; i < bench->consumers->len; i++)
    take_frame (g_ptr_array_index (bench->consumers, i), timeout_ns);
}

static guint64
count_rings (ShmFrameProducer *producer)
{
  g_autoptr (GVariant) stats = shmframe_producer_get_stats (producer);
  guint64 rings = 0;

  g_assert_true (g_variant_lookup (stats, "rings", "t", &rings));
  return rings;
}

static void
hand_over_many (Bench *bench, int frames)
{
  guint64 rings;

  /* The first waits: the consumers may have yet to read all that comes with their welcome. Who slept
   * then is rung for by the second. */
  hand_over (bench, -1);
  hand_over (bench, 0);
  rings = count_rings (bench->producer);
  for (int i = 2; i < frames; i++)
    hand_over (bench, 0);
  g_assert_cmpuint (count_rings (bench->producer), ==, rings);
}

/* ---- the pool ---- */

static ShmFrameProducer *
start_producer (const char *width, const char *height, guint max_consumers)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format
      = shmframe_format_new ("nv12", (guint) atoi (width), (guint) atoi (height), &error);
  ShmFrameProducer *producer = NULL;

  g_assert_no_error (error);
  producer = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", "instructions",
                             "max-consumers", max_consumers, NULL);
  g_assert_no_error (error);
  shmframe_producer_set_format (producer, format, &error);
  g_assert_no_error (error);
  return producer;
}

static GPtrArray *
start_consumers (guint count)
{
  GPtrArray *consumers = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < count; i++)
    {
      g_autoptr (GError) error = NULL;

      g_ptr_array_add (consumers,
                       shmframe_consumer_new ("instructions", SHMFRAME_DELIVERY_ORDERED, &error));
      g_assert_no_error (error);
      shmframe_consumer_start (g_ptr_array_index (consumers, i));
    }
  return consumers;
}

/* The first frame is for all of them. */
static void
await_attached (GPtrArray *consumers)
{
  for (guint i = 0; i < consumers->len; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ShmFrameEvent) event = NULL;

      shmframe_consumer_lease (g_ptr_array_index (consumers, i), -1, &event, &error);
      g_assert_no_error (error);
      g_assert_cmpint (shmframe_event_get_event_type (event), ==, SHMFRAME_EVENT_ATTACHED);
    }
}

/* What the counts depend on besides the source. */
static void
print_build (void)
{
  printf ("gcc %d, -O%s, GLib %u.%u, glibc %s, %s\n", __GNUC__, OPTIMIZATION, glib_major_version,
          glib_minor_version, gnu_get_libc_version (), MACHINE);
}

int
main (int argc, char **argv)
{
  Bench bench = { 0 };

  if (argc == 1)
    {
      print_build ();
      return 0;
    }
  if (argc != 5)
    return 2;
  bench.producer = start_producer (argv[1], argv[2], (guint) atoi (argv[3]));
  bench.consumers = start_consumers ((guint) atoi (argv[3]));
  await_attached (bench.consumers);
  hand_over_many (&bench, atoi (argv[4]));
  g_ptr_array_unref (bench.consumers);
  g_object_unref (bench.producer);
  return 0;
}
