/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "base/predictor.h"

#define MS G_GINT64_CONSTANT (1000000)
#define HOUR (3600 * 1000 * MS)
#define PERIOD (16 * MS + 2 * MS / 3)
#define LATE_NS 60000 /* of a timed sleep */

/* ---- a series of frames, and what a consumer would see of it ---- */

typedef struct
{
  ShmFramePredictor predictor;
  GRand *random;
  gint64 turn_ns; /* of the newest frame, without its jitter */
  gint64 last_ns; /* with it */
  guint frames;
  guint windows; /* frames before which a window was offered */
  guint caught;  /* frames that came within it */
  gint64 spun_ns;
} Series;

static void
series_init (Series *series)
{
  *series = (Series){ .random = g_rand_new_with_seed (7), .turn_ns = HOUR };
}

static void
series_free (Series *series)
{
  g_rand_free (series->random);
}

/* What a consumer spends on one frame, that it looks for right after the last one. */
static void
spin_for (Series *series, gint64 frame_ns)
{
  ShmFrameWindow window;
  gint64 woken_ns;

  if (!shmframe_predictor_window (&series->predictor, series->last_ns + MS / 10, &window))
    return;
  series->windows++;
  woken_ns = window.begin_ns + LATE_NS + g_rand_int_range (series->random, -10000, 10000);
  if (window.early && frame_ns < window.begin_ns)
    return; /* woken by it */
  shmframe_predictor_woke (&series->predictor, woken_ns - window.begin_ns);
  if (frame_ns < woken_ns)
    return;
  series->caught += frame_ns <= window.end_ns;
  series->spun_ns += MAX (MIN (frame_ns, window.end_ns) - woken_ns, 0);
}

static void
play (Series *series, guint frames, gint64 period_ns, gint64 jitter_ns)
{
  series->frames = series->windows = series->caught = 0;
  series->spun_ns = 0;
  for (guint i = 0; i < frames; i++)
    {
      gint64 jitter = (gint64) (g_rand_double_range (series->random, -1, 1) * (double) jitter_ns);
      gint64 frame_ns = (series->turn_ns += period_ns) + jitter;

      spin_for (series, frame_ns);
      shmframe_predictor_observe (&series->predictor, frame_ns);
      series->last_ns = frame_ns;
      series->frames++;
    }
}

static double
share_caught (const Series *series)
{
  return (double) series->caught / series->frames;
}

/* Of a core. */
static double
share_spun (const Series *series, gint64 period_ns)
{
  return (double) series->spun_ns / ((double) series->frames * (double) period_ns);
}

/* ---- tests ---- */

static void
test_regular (void)
{
  Series series;

  series_init (&series);
  play (&series, 9, PERIOD, 0);
  g_assert_cmpuint (series.windows, <=, 2); /* too few to know */
  play (&series, 60, PERIOD, 0);
  play (&series, 600, PERIOD, 0);
  g_assert_cmpuint (series.caught, ==, 600);
  g_assert_cmpfloat (share_spun (&series, PERIOD), <, 0.01);
  g_assert_cmpint (ABS (series.predictor.period_ns - PERIOD), <=, 1);
  series_free (&series);
}

/* Frames that come up to 1 ms early or late: most are still waited for, within the budget. */
static void
test_jitter (void)
{
  for (gint64 jitter_ns = MS / 10; jitter_ns <= MS; jitter_ns *= 10)
    {
      Series series;

      series_init (&series);
      play (&series, 60, PERIOD, jitter_ns);
      play (&series, 6000, PERIOD, jitter_ns);
      g_test_message ("jitter %.1f ms: %.1f%% caught, %.2f%% of a core", (double) jitter_ns / 1e6,
                      100 * share_caught (&series), 100 * share_spun (&series, PERIOD));
      g_assert_cmpfloat (share_caught (&series), >, jitter_ns == MS ? 0.52 : 0.95);
      g_assert_cmpfloat (share_spun (&series, PERIOD), <, 0.027);
      g_assert_cmpint (series.predictor.early, ==, jitter_ns == MS);
      series_free (&series);
    }
}

/* Where most frames could not be caught within the budget, there is no window. */
static void
test_irregular (void)
{
  Series series;

  series_init (&series);
  play (&series, 60, PERIOD, 8 * MS);
  play (&series, 600, PERIOD, 8 * MS);
  g_assert_cmpfloat ((double) series.windows / series.frames, <, 0.02);
  g_assert_cmpfloat (share_spun (&series, PERIOD), <, 0.01);
  /* And it finds back. */
  play (&series, SHMFRAME_PREDICTOR_TIMES, PERIOD, 0);
  play (&series, 600, PERIOD, 0);
  g_assert_cmpuint (series.caught, ==, 600);
  series_free (&series);
}

/* The producer's schedule moves by a part of a period, as when it starts anew. */
static void
test_phase (void)
{
  Series series;

  series_init (&series);
  play (&series, 200, PERIOD, MS / 20);
  for (guint i = 1; i < 8; i++)
    {
      series.turn_ns += (gint64) i * PERIOD / 8;
      play (&series, SHMFRAME_PREDICTOR_TIMES, PERIOD, MS / 20);
      g_assert_cmpfloat (share_caught (&series), >, 0.6);
      g_assert_cmpfloat (share_spun (&series, PERIOD), <, 0.05);
      play (&series, 100, PERIOD, MS / 20);
      g_assert_cmpfloat (share_caught (&series), >, 0.95);
    }
  series_free (&series);
}

static void
test_other_rate (void)
{
  const gint64 periods_ns[] = { PERIOD * 4 / 3, PERIOD * 2, PERIOD / 2, PERIOD * 3 / 2, PERIOD };
  Series series;

  series_init (&series);
  play (&series, 60, PERIOD, 0);
  for (guint i = 0; i < G_N_ELEMENTS (periods_ns); i++)
    {
      play (&series, SHMFRAME_PREDICTOR_TIMES + 20, periods_ns[i],
            MS / 20); /* it forgets the old one */
      play (&series, 100, periods_ns[i], MS / 20);
      g_assert_cmpfloat (share_caught (&series), >, 0.95);
      g_assert_cmpfloat (fabs ((double) (series.predictor.period_ns - periods_ns[i])), <, 20000);
    }
  series_free (&series);
}

/* What a consumer leases that sleeps until the window: where it is armed, the next frame; else the newest
 * one at the window's begin, or the first after that. TRUE: it was armed. */
static gboolean
lease (Series *series, gint64 period_ns)
{
  ShmFrameWindow window;
  gboolean has_window
      = shmframe_predictor_window (&series->predictor, series->last_ns + MS / 10, &window);
  gboolean armed = !has_window || window.early;

  series->turn_ns += period_ns;
  while (!armed && series->turn_ns + period_ns <= window.begin_ns)
    series->turn_ns += period_ns;
  series->windows += has_window;
  series->caught
      += has_window && series->turn_ns >= window.begin_ns && series->turn_ns <= window.end_ns;
  series->last_ns = series->turn_ns;
  shmframe_predictor_observe (&series->predictor, series->turn_ns);
  return armed;
}

/* A producer that becomes faster does not find its consumer in unarmed sleeps of the old period. */
static void
test_faster (void)
{
  for (guint slow = 12; slow <= 200; slow += 47)
    {
      guint unarmed = 0, learning = 0;
      Series series;

      series_init (&series);
      play (&series, slow, 1000 * MS, 0);
      g_assert_cmpuint (series.windows, >, 0);
      for (series.caught = 0; series.caught == 0 && learning < 100; learning++)
        unarmed += !lease (&series, PERIOD);
      /* The first sleep, which cannot know, and the one whose frame was caught. */
      g_assert_cmpuint (unarmed, ==, 2);
      g_assert_cmpuint (learning, <, 40);
      for (guint i = 0; i < 100; i++)
        lease (&series, PERIOD);
      g_assert_cmpuint (series.caught, ==, 101);
      series_free (&series);
    }
}

/* Dropped frames are whole periods. */
static void
test_dropped (void)
{
  Series series;

  series_init (&series);
  play (&series, 60, PERIOD, 0);
  for (guint i = 0; i < 60; i++)
    {
      series.turn_ns += (i % 4) * PERIOD;
      play (&series, 1, PERIOD, 0);
      g_assert_cmpint (ABS (series.predictor.period_ns - PERIOD), <=, 1);
    }
  series_free (&series);
}

/* The first interval, of a burst, was a sixteenth of the period: it does not pass for the period for
 * ever because every later interval is a multiple of it. */
static void
test_wrong_guess (void)
{
  Series series;

  series_init (&series);
  play (&series, 1, PERIOD, 0);
  play (&series, 1, PERIOD / 16, 0);
  play (&series, 40, PERIOD, 0);
  g_assert_cmpint (ABS (series.predictor.period_ns - PERIOD), <=, 1);
  play (&series, 100, PERIOD, 0);
  g_assert_cmpuint (series.caught, ==, 100);
  series_free (&series);
}

/* Too fast to be worth sleeping; too slow to be a series; silent for long. */
static void
test_no_series (void)
{
  ShmFrameWindow window;
  Series series;

  series_init (&series);
  play (&series, 100, MS / 5, 0);
  g_assert_cmpuint (series.windows, ==, 0);
  play (&series, 100, PERIOD, 0);
  g_assert_true (shmframe_predictor_window (&series.predictor, series.last_ns + MS, &window));
  g_assert_false (
      shmframe_predictor_window (&series.predictor, series.last_ns + 9 * PERIOD, &window));
  g_assert_false (shmframe_predictor_window (&series.predictor, series.last_ns - MS, &window));
  shmframe_predictor_observe (&series.predictor, series.last_ns + 2000 * MS);
  g_assert_false (
      shmframe_predictor_window (&series.predictor, series.last_ns + 2001 * MS, &window));
  series_free (&series);
}

/* Any publish times: nothing overflows, and a window is near. */
static void
test_lying_producer (void)
{
  const gint64 times[] = { G_MININT64, G_MAXINT64, 0, -1, 1, G_MAXINT64 - 1, G_MININT64 + 1 };
  ShmFramePredictor predictor = { 0 };
  guint windows = 0;

  for (guint i = 0; i < 200000; i++)
    {
      /* Mostly steps that pass for intervals. */
      gint64 last_ns = predictor.count
                           ? predictor.time_ns[(predictor.next + SHMFRAME_PREDICTOR_TIMES - 1)
                                               % SHMFRAME_PREDICTOR_TIMES]
                           : 0;
      gint64 time_ns = i % 100 == 0 ? times[g_random_int_range (0, G_N_ELEMENTS (times))] : 0;
      gint64 now_ns;
      ShmFrameWindow window;

      if (i % 100 != 0
          && __builtin_add_overflow (
              last_ns, PERIOD + (g_random_int () >> g_random_int_range (8, 32)), &time_ns))
        time_ns = last_ns;
      shmframe_predictor_observe (&predictor, time_ns);
      if (__builtin_add_overflow (time_ns, g_random_int_range (0, 100000000), &now_ns)
          || !shmframe_predictor_window (&predictor, now_ns, &window))
        continue;
      windows++;
      g_assert_cmpint (window.begin_ns, <, window.end_ns);
      g_assert_cmpint (window.end_ns - now_ns, <=, 2 * predictor.period_ns + MS);
      g_assert_cmpint (now_ns - window.end_ns, <=, 2 * predictor.period_ns + MS);
    }
  g_test_message ("%u windows", windows);
  g_assert_cmpuint (windows, >, 0);
}

/* A steady series of which the next frame would be beyond the largest time; and one far from that. */
static void
test_late_times (void)
{
  const gint64 last_ns[] = { G_MAXINT64 - PERIOD / 2, G_MAXINT64 / 2 };

  for (guint i = 0; i < G_N_ELEMENTS (last_ns); i++)
    {
      ShmFramePredictor predictor = { 0 };
      ShmFrameWindow window;

      for (gint64 k = 60; k >= 0; k--)
        shmframe_predictor_observe (&predictor, last_ns[i] - k * PERIOD);
      g_assert_cmpint (shmframe_predictor_window (&predictor, last_ns[i] + MS, &window), ==,
                       i == 1);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/predictor/regular", test_regular);
  g_test_add_func ("/predictor/jitter", test_jitter);
  g_test_add_func ("/predictor/irregular", test_irregular);
  g_test_add_func ("/predictor/phase", test_phase);
  g_test_add_func ("/predictor/other-rate", test_other_rate);
  g_test_add_func ("/predictor/faster", test_faster);
  g_test_add_func ("/predictor/dropped", test_dropped);
  g_test_add_func ("/predictor/wrong-guess", test_wrong_guess);
  g_test_add_func ("/predictor/no-series", test_no_series);
  g_test_add_func ("/predictor/lying-producer", test_lying_producer);
  g_test_add_func ("/predictor/late-times", test_late_times);
  return g_test_run ();
}
