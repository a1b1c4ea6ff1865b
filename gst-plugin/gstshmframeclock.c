/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframeclock.h"

#include <time.h>

#define SAMPLE_INTERVAL (100 * GST_MSECOND)
#define JUMP (20 * GST_MSECOND) /* beyond this the clock was set, it did not drift */
#define SMOOTHING 16
#define READINGS 5

gint64
gst_shm_frame_clock_monotonic (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return GST_TIMESPEC_TO_TIME (now);
}

static gboolean
is_monotonic (GstClock *clock)
{
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (clock), "clock-type");
  GstClockType type;

  /* Audio and network clocks derive from the system clock: of those only the class itself will do.
   * A clock that does not and yet says that it is monotonic is believed: GstTestClock, which tests
   * give to all processes as views of one mocked monotonic clock. */
  if (GST_IS_SYSTEM_CLOCK (clock) && G_OBJECT_TYPE (clock) != GST_TYPE_SYSTEM_CLOCK)
    return FALSE;
  if (!spec || spec->value_type != GST_TYPE_CLOCK_TYPE)
    return FALSE;
  g_object_get (clock, "clock-type", &type, NULL);
  return type == GST_CLOCK_TYPE_MONOTONIC;
}

/* The best of some readings: in one, we may have lost the processor for longer than a jump. */
static gint64
read_offset (GstClock *clock)
{
  gint64 offset = 0, shortest = G_MAXINT64;

  for (guint i = 0; i < READINGS; i++)
    {
      gint64 before = gst_shm_frame_clock_monotonic ();
      gint64 time = gst_clock_get_time (clock);
      gint64 took = gst_shm_frame_clock_monotonic () - before;

      if (took >= shortest)
        continue;
      shortest = took;
      offset = before + took / 2 - time;
    }
  return offset;
}

static void
sample (GstShmFrameClock *self, GstClock *clock)
{
  gint64 offset = read_offset (clock);
  gint64 change = offset - self->offset_ns;

  if (self->sampled_ns == 0 || ABS (change) > (gint64) JUMP)
    self->offset_ns = offset;
  else
    self->offset_ns += change / SMOOTHING;
  self->sampled_ns = gst_shm_frame_clock_monotonic ();
}

void
gst_shm_frame_clock_clear (GstShmFrameClock *self)
{
  gst_clear_object (&self->clock);
  *self = (GstShmFrameClock){ 0 };
}

gint64
gst_shm_frame_clock_get_offset (GstShmFrameClock *self, GstClock *clock)
{
  if (!clock)
    return 0;
  if (self->clock != clock)
    {
      gst_shm_frame_clock_clear (self);
      self->clock = gst_object_ref (clock);
      if (is_monotonic (clock))
        self->sampled_ns = -1;
    }
  if (self->sampled_ns >= 0
      && gst_shm_frame_clock_monotonic () - self->sampled_ns >= (gint64) SAMPLE_INTERVAL)
    sample (self, clock);
  return self->offset_ns;
}

gint64
gst_shm_frame_clock_get_zero (GstShmFrameClock *self, GstElement *element)
{
  g_autoptr (GstClock) other = NULL; /* than the one that is known */
  GstClock *clock;
  gint64 base;

  GST_OBJECT_LOCK (element);
  clock = GST_ELEMENT_CLOCK (element);
  if (clock && clock != self->clock)
    other = gst_object_ref (clock);
  base = (gint64) element->base_time;
  GST_OBJECT_UNLOCK (element);
  return base + gst_shm_frame_clock_get_offset (self, clock);
}
