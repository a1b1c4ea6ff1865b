/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The producer of a phase: as many pins, abandoned frames, drops, formats and pauses as chance wants. */

#include <unistd.h>

#include "stress.h"

#define FORMATS 26 /* changes in a phase, every other one to a new segment */

typedef struct
{
  const Phase *phase;
  ShmFrameProducer *producer;
  GRand *rand;
  GPtrArray *acquired, *pinned;
  guint64 sequence; /* of the newest frame, published or dropped */
  guint formats;
  gsize size; /* of a frame in the current format */
} Producer;

/* Every other one is larger than all before. */
static void
change_format (Producer *self)
{
  guint largest = MIN (STRESS_MIN_KIB + 4 * ((self->formats + 1) / 2), STRESS_MAX_KIB);
  guint kib = self->formats % 2 ? largest
                                : 4
                                      * (guint) g_rand_int_range (self->rand, STRESS_MIN_KIB / 4,
                                                                  (gint32) largest / 4 + 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("gray", 256, kib * 4, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (shmframe_format_get_size (format), ==, kib * 1024);
  g_ptr_array_set_size (self->acquired, 0); /* of a segment that may be over */
  shmframe_producer_set_format (self->producer, format, &error);
  g_assert_no_error (error);
  self->size = kib * 1024;
  self->formats++;
}

static void
open_pool (Producer *self)
{
  const Phase *phase = self->phase;
  g_autoptr (GError) error = NULL;

  /* Leases as consumers ask for them (1 to 3, and the reserved one), and no slot more than the rule. */
  self->producer = g_initable_new (
      SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", STRESS_POOL, "slots",
      STRESS_IN_FLIGHT + STRESS_WINDOW + 1 + 4 * phase->consumers, "max-consumers",
      phase->consumers, "in-flight", STRESS_IN_FLIGHT, "window", STRESS_WINDOW, "live", phase->live,
      "stall-timeout", (guint64) STRESS_WATCHDOG_S * G_GUINT64_CONSTANT (1000000000), NULL);
  g_assert_no_error (error);
  change_format (self);
}

static void
drop_one_of (Producer *self, GPtrArray *frames)
{
  g_ptr_array_remove_index_fast (frames,
                                 (guint) g_rand_int_range (self->rand, 0, (gint32) frames->len));
}

static void
acquire (Producer *self)
{
  g_autoptr (GError) error = NULL;

  while (self->acquired->len + self->pinned->len >= STRESS_IN_FLIGHT)
    drop_one_of (self, self->pinned);
  g_ptr_array_add (self->acquired, shmframe_producer_acquire (self->producer, &error));
  g_assert_no_error (error);
}

/* One of one or two acquired frames: not always the older. */
static void
publish (Producer *self)
{
  g_autoptr (GError) error = NULL;
  guint wanted = (guint) g_rand_int_range (self->rand, 1, 3);
  ShmFrameFrame *frame;

  while (self->acquired->len < wanted)
    acquire (self);
  frame = g_ptr_array_steal_index_fast (
      self->acquired, (guint) g_rand_int_range (self->rand, 0, (gint32) self->acquired->len));
  stress_fill (shmframe_frame_get_data (frame), self->size, ++self->sequence);
  shmframe_frame_set_pts (frame, (gint64) self->sequence);
  shmframe_producer_publish (self->producer, frame, &error);
  g_assert_no_error (error);
  g_ptr_array_add (self->pinned, frame);
  wanted = (guint) g_rand_int_range (self->rand, 0, STRESS_IN_FLIGHT - 1);
  while (self->pinned->len > wanted)
    drop_one_of (self, self->pinned);
  if (self->acquired->len && g_rand_int_range (self->rand, 0, 64) == 0)
    drop_one_of (self, self->acquired);
}

static void
publish_all (Producer *self)
{
  guint64 last = self->phase->last;

  while (self->sequence < last)
    {
      if (stress_is_dropped (self->phase->seed, self->sequence + 1))
        {
          shmframe_producer_drop (self->producer, 1);
          self->sequence++;
          continue;
        }
      if (self->formats <= self->sequence * FORMATS / last)
        change_format (self);
      publish (self);
      if (g_rand_int_range (self->rand, 0, 128) == 0)
        {
          alarm (STRESS_WATCHDOG_S);
          g_usleep ((gulong) g_rand_int_range (self->rand, 0, 200));
        }
    }
}

/* Hazards that name a frame: there should be none. */
static guint64
count_held (ShmFrameProducer *producer)
{
  g_autoptr (GVariant) stats = shmframe_producer_get_stats (producer);
  g_autoptr (GVariant) consumers = g_variant_lookup_value (stats, "consumers", NULL);
  guint64 sum = 0;

  for (gsize i = 0; i < g_variant_n_children (consumers); i++)
    {
      g_autoptr (GVariant) consumer = g_variant_get_child_value (consumers, i);
      guint held;

      sum += g_variant_lookup (consumer, "held", "u", &held) ? held : 1;
    }
  return sum;
}

static void
hear_all (const Phase *phase)
{
  char byte;

  for (guint i = 0; i < phase->consumers; i++)
    g_assert_cmpint (read (phase->attached[0], &byte, 1), ==, 1);
}

/* Slots that are neither free nor live, and what is still promised to consumers. */
static guint64
count_leaks (ShmFrameProducer *producer)
{
  g_autoptr (GVariant) stats = shmframe_producer_get_stats (producer);
  g_autoptr (GVariant) states = g_variant_lookup_value (stats, "slot-states", NULL);
  gsize n_slots = g_variant_n_children (states);
  guint64 leaks = 0;
  guint number;

  for (gsize i = 0; i < n_slots; i++)
    {
      guchar state;

      g_variant_get_child (states, i, "y", &state);
      leaks += state != 0 && state != 1 && state != 3;
    }
  leaks += g_variant_lookup (stats, "held", "u", &number) ? number : 1;
  leaks += g_variant_lookup (stats, "promised", "u", &number) ? number : 1;
  return leaks;
}

/* When all consumers are gone: frames that nobody gets, so that a pass over the hazards, which are none,
 * is made. */
static guint64
settle (Producer *self)
{
  guint consumers;

  while (g_object_get (self->producer, "n-consumers", &consumers, NULL), consumers > 0)
    g_thread_yield ();
  for (int i = 0; i < 3; i++)
    publish (self);
  g_ptr_array_set_size (self->acquired, 0);
  g_ptr_array_set_size (self->pinned, 0);
  acquire (self);
  g_ptr_array_set_size (self->acquired, 0);
  return count_leaks (self->producer);
}

int
stress_produce (const Phase *phase, guint64 *leaked)
{
  Producer self = { .phase = phase, .rand = g_rand_new_with_seed (phase->seed) };
  g_autoptr (GError) error = NULL;
  char byte = 0;

  alarm (STRESS_WATCHDOG_S);
  close (phase->finish[1]);
  self.acquired = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  self.pinned = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  open_pool (&self);
  g_assert_cmpint (write (phase->ready[1], &byte, 1), ==, 1);
  hear_all (phase);

  publish_all (&self);
  shmframe_producer_push_event (self.producer, "done", NULL, TRUE, &error);
  g_assert_no_error (error);
  alarm (0); /* the consumers have their own */
  hear_all (phase);
  *leaked = count_held (self.producer);
  close (phase->leave[1]);
  g_assert_cmpint (read (phase->finish[0], &byte, 1), ==, 0);
  alarm (STRESS_WATCHDOG_S);
  *leaked += settle (&self);

  g_object_unref (self.producer);
  g_ptr_array_unref (self.acquired);
  g_ptr_array_unref (self.pinned);
  g_rand_free (self.rand);
  return 0;
}
