/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/histogram.h"

static void
test_empty (void)
{
  const ShmFrameHistogram histogram = { 0 };

  g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 0.5), ==, 0);
}

static void
test_small_values_exact (void)
{
  for (gint64 value = 0; value < 16; value++)
    {
      ShmFrameHistogram histogram = { 0 };

      shmframe_histogram_add (&histogram, value);
      shmframe_histogram_add (&histogram, 1000);
      g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 0.5), ==, value);
      g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 1.0), ==, 1000);
    }
}

/* Every power of two and its neighbours: the answer is not below the value, and within 12.5%. */
static void
test_precision (void)
{
  for (guint shift = 3; shift < 63; shift++)
    for (gint64 step = -1; step <= 1; step++)
      {
        ShmFrameHistogram histogram = { 0 };
        gint64 value = (G_GINT64_CONSTANT (1) << shift) + step;
        guint64 answer;

        shmframe_histogram_add (&histogram, value);
        shmframe_histogram_add (&histogram, G_MAXINT64);
        answer = shmframe_histogram_quantile (&histogram, 0.5);
        g_assert_cmpuint (answer, >=, value);
        g_assert_cmpuint (answer - (guint64) value, <=, (guint64) value / 8);
      }
}

static void
test_quantiles (void)
{
  ShmFrameHistogram histogram = { 0 };

  for (gint64 value = 1; value <= 1000; value++)
    shmframe_histogram_add (&histogram, value * 1000);
  g_assert_cmpuint (histogram.count, ==, 1000);
  g_assert_cmpuint (histogram.max, ==, 1000000);
  g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 0.5), >=, 500000);
  g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 0.5), <=, 562500);
  g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 0.99), >=, 990000);
  g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 0.99), <=, 1000000);
  g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 1.0), ==, 1000000);
  g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 0.0), <=, 1125);
  /* The rank is rounded up: of two values, 0.51 is the second. */
  histogram = (ShmFrameHistogram){ 0 };
  shmframe_histogram_add (&histogram, 1);
  shmframe_histogram_add (&histogram, 5);
  g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 0.51), ==, 5);
}

static void
test_extremes (void)
{
  ShmFrameHistogram histogram = { 0 };

  shmframe_histogram_add (&histogram, G_MININT64);
  shmframe_histogram_add (&histogram, -1);
  g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 1.0), ==, 0);
  shmframe_histogram_add (&histogram, G_MAXINT64);
  g_assert_cmpuint (shmframe_histogram_quantile (&histogram, 1.0), ==, G_MAXINT64);
  g_assert_cmpuint (histogram.bucket[SHMFRAME_HISTOGRAM_BUCKETS - 1], ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/histogram/empty", test_empty);
  g_test_add_func ("/histogram/small-values-exact", test_small_values_exact);
  g_test_add_func ("/histogram/precision", test_precision);
  g_test_add_func ("/histogram/quantiles", test_quantiles);
  g_test_add_func ("/histogram/extremes", test_extremes);
  return g_test_run ();
}
