/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gstshmframeclock.c on a monotonic clock of ours, so that all of it is exact. */

#include <gst/check/gsttestclock.h>
#include <time.h>

static gint64 now_ns = 5 * GST_SECOND;

static int
mock_gettime (clockid_t id, struct timespec *time)
{
  g_assert_cmpint (id, ==, CLOCK_MONOTONIC);
  GST_TIME_TO_TIMESPEC (now_ns, *time);
  return 0;
}

#define clock_gettime mock_gettime
#include "gstshmframeclock.c"
#undef clock_gettime

#define READING_NS 1000

/* Behind ours, and losing. It is read in the middle of READING_NS. */
typedef struct
{
  GstClock parent;
  gint64 behind_ns, losing_ppm;
  guint stalls; /* so many readings lose the processor before */
} OtherClock;
typedef GstClockClass OtherClockClass;

GType other_clock_get_type (void);
G_DEFINE_TYPE (OtherClock, other_clock, GST_TYPE_CLOCK)

/* How far behind it is now. */
static gint64
truth (OtherClock *self)
{
  return self->behind_ns + now_ns / 1000000 * self->losing_ppm;
}

static GstClockTime
read_other (GstClock *clock)
{
  OtherClock *self = (OtherClock *) clock;
  GstClockTime time;

  now_ns += READING_NS / 2;
  if (self->stalls > 0)
    {
      self->stalls--;
      now_ns += GST_SECOND;
    }
  time = now_ns - truth (self);
  now_ns += READING_NS / 2;
  return time;
}

static void
other_clock_class_init (OtherClockClass *klass)
{
  klass->get_internal_time = read_other;
}

static void
other_clock_init (OtherClock *self)
{
}

static OtherClock *
new_other (gint64 behind_ns)
{
  OtherClock *other = gst_object_ref_sink (g_object_new (other_clock_get_type (), NULL));

  other->behind_ns = behind_ns;
  return other;
}

typedef GstSystemClock DerivedClock;
typedef GstSystemClockClass DerivedClockClass;

GType derived_clock_get_type (void);
G_DEFINE_TYPE (DerivedClock, derived_clock, GST_TYPE_SYSTEM_CLOCK)

static void
derived_clock_class_init (DerivedClockClass *klass)
{
}

static void
derived_clock_init (DerivedClock *self)
{
}

/* Which clocks are the monotonic clock itself. */
static void
test_kinds (void)
{
  const struct
  {
    GType type;
    GstClockType says;
    gboolean monotonic;
  } kinds[] = {
    { GST_TYPE_SYSTEM_CLOCK, GST_CLOCK_TYPE_MONOTONIC, TRUE },
    { GST_TYPE_SYSTEM_CLOCK, GST_CLOCK_TYPE_REALTIME, FALSE },
    { derived_clock_get_type (), GST_CLOCK_TYPE_MONOTONIC, FALSE },
    { GST_TYPE_TEST_CLOCK, GST_CLOCK_TYPE_MONOTONIC, TRUE },
    { GST_TYPE_TEST_CLOCK, GST_CLOCK_TYPE_REALTIME, FALSE },
  };
  g_autoptr (GstClock) silent = GST_CLOCK (new_other (0));

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autoptr (GstClock) clock
          = gst_object_ref_sink (g_object_new (kinds[i].type, "clock-type", kinds[i].says, NULL));

      g_test_message ("%s %d", g_type_name (kinds[i].type), kinds[i].says);
      g_assert_cmpint (is_monotonic (clock), ==, kinds[i].monotonic);
    }
  g_assert_false (is_monotonic (silent));
}

static void
test_monotonic (void)
{
  g_autoptr (GstClock) clock = gst_object_ref_sink (gst_test_clock_new_with_start_time (42));
  GstShmFrameClock self = { 0 };

  g_assert_cmpint (gst_shm_frame_clock_get_offset (&self, NULL), ==, 0);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_cmpint (gst_shm_frame_clock_get_offset (&self, clock), ==, 0);
      now_ns += GST_SECOND;
    }
  gst_shm_frame_clock_clear (&self);
}

/* Readings that were interrupted do not count, at the start or later. */
static void
test_stalled (void)
{
  OtherClock *other = new_other (-7 * GST_SECOND);
  GstShmFrameClock self = { 0 };

  for (guint i = 0; i < 3; i++)
    {
      other->stalls = 4;
      g_assert_cmpint (gst_shm_frame_clock_get_offset (&self, GST_CLOCK (other)), ==,
                       -7 * (gint64) GST_SECOND);
      g_assert_cmpuint (other->stalls, ==, 0);
      now_ns += SAMPLE_INTERVAL;
    }
  gst_shm_frame_clock_clear (&self);
  gst_object_unref (other);
}

/* A clock that drifts is followed by a sixteenth of the way at each sample, and not between. */
static void
test_drift (void)
{
  OtherClock *other = new_other (GST_SECOND);
  GstShmFrameClock self = { 0 };
  gint64 worst = 0;

  other->losing_ppm = 100;
  for (guint i = 0; i < 600; i++)
    {
      gint64 old = gst_shm_frame_clock_get_offset (&self, GST_CLOCK (other));
      gint64 offset, change;

      now_ns += SAMPLE_INTERVAL - 1;
      g_assert_cmpint (gst_shm_frame_clock_get_offset (&self, GST_CLOCK (other)), ==, old);
      now_ns += 1;
      /* The first reading counts, as all take the same time. */
      change = truth (other) - old;
      offset = gst_shm_frame_clock_get_offset (&self, GST_CLOCK (other));
      g_assert_cmpint (ABS (offset - old - change / SMOOTHING), <=, 1);
      worst = MAX (worst, ABS (truth (other) - offset));
    }
  g_test_message ("100 ppm: %" G_GINT64_FORMAT " ns off at most", worst);
  /* In an interval it drifts by 10 us. */
  g_assert_cmpint (worst, <=, SMOOTHING * 10100);
  g_assert_cmpint (worst, >, 100000);
  gst_shm_frame_clock_clear (&self);
  gst_object_unref (other);
}

/* A clock that was set is followed at once. */
static void
test_jump (void)
{
  static const gint64 jumps[] = { JUMP + 1, -(gint64) JUMP - 1, 3600 * GST_SECOND };
  OtherClock *other = new_other (0);
  GstShmFrameClock self = { 0 };
  gint64 offset = gst_shm_frame_clock_get_offset (&self, GST_CLOCK (other));
  gint64 last, first;

  g_assert_cmpint (offset, ==, 0);
  other->behind_ns = -(gint64) JUMP;
  now_ns += SAMPLE_INTERVAL;
  offset = gst_shm_frame_clock_get_offset (&self, GST_CLOCK (other));
  g_assert_cmpint (offset, ==, -(gint64) JUMP / SMOOTHING);

  for (guint i = 0; i < G_N_ELEMENTS (jumps); i++)
    {
      other->behind_ns = offset - jumps[i];
      now_ns += SAMPLE_INTERVAL;
      offset = gst_shm_frame_clock_get_offset (&self, GST_CLOCK (other));
      g_assert_cmpint (offset, ==, other->behind_ns);
    }

  /* A GstClock that was set back by an hour stands still for that hour, and so it is followed. */
  last = gst_clock_get_time (GST_CLOCK (other));
  other->behind_ns += 3600 * GST_SECOND;
  now_ns += SAMPLE_INTERVAL;
  first = now_ns + READING_NS / 2;
  offset = gst_shm_frame_clock_get_offset (&self, GST_CLOCK (other));
  g_assert_cmpint (gst_clock_get_time (GST_CLOCK (other)), ==, last);
  g_assert_cmpint (last + offset, ==, first);
  gst_shm_frame_clock_clear (&self);
  gst_object_unref (other);
}

/* Another clock, though it may lie where the old one lay, begins anew; the old one is let go. */
static void
test_replaced (void)
{
  OtherClock *first = new_other (GST_SECOND), *second = new_other (GST_SECOND + GST_MSECOND);
  g_autoptr (GstClock) third = gst_object_ref_sink (gst_test_clock_new ());
  GstShmFrameClock self = { 0 };
  gpointer gone = first;

  g_object_add_weak_pointer (G_OBJECT (first), &gone);
  g_assert_cmpint (gst_shm_frame_clock_get_offset (&self, GST_CLOCK (first)), ==, GST_SECOND);
  gst_object_unref (first);
  g_assert_nonnull (gone);
  g_assert_cmpint (gst_shm_frame_clock_get_offset (&self, GST_CLOCK (second)), ==,
                   GST_SECOND + GST_MSECOND);
  g_assert_null (gone);
  g_assert_cmpint (gst_shm_frame_clock_get_offset (&self, third), ==, 0);
  g_assert_cmpint (gst_shm_frame_clock_get_offset (&self, GST_CLOCK (second)), ==,
                   GST_SECOND + GST_MSECOND);
  gst_shm_frame_clock_clear (&self);
  g_assert_cmpint (GST_OBJECT_REFCOUNT (second), ==, 1);
  gst_object_unref (second);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/elements-clock/kinds", test_kinds);
  g_test_add_func ("/elements-clock/monotonic", test_monotonic);
  g_test_add_func ("/elements-clock/stalled", test_stalled);
  g_test_add_func ("/elements-clock/drift", test_drift);
  g_test_add_func ("/elements-clock/jump", test_jump);
  g_test_add_func ("/elements-clock/replaced", test_replaced);
  return g_test_run ();
}
