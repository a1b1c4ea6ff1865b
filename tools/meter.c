/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "meter.h"
#include "common.h"

#include <stdlib.h>

#define RATE_NS (G_GINT64_CONSTANT (2) * 1000 * 1000 * 1000)

void
meter_reset (Meter *self)
{
  self->n = 0;
}

void
meter_add (Meter *self, const FrameSample *sample)
{
  if (sample->publish_ns < 0 || sample->publish_ns > G_MAXINT64 / 2)
    return;
  if (sample->missed > 0)
    meter_reset (self);
  self->publish_ns[self->n++ % METER_FRAMES] = sample->publish_ns;
}

/* Sorts; the least value that `percent` of them do not exceed. */
static gint64
quantile (gint64 *values, guint n, guint percent)
{
  qsort (values, n, sizeof *values, compare_times);
  return values[(n * percent + 99) / 100 - 1];
}

/* Of the frames of the last RATE_NS. */
static double
get_fps (const Meter *self, gint64 now_ns)
{
  guint kept = (guint) MIN (self->n, METER_FRAMES);
  gint64 newest_ns = 0, oldest_ns = 0;
  guint n = 0;

  for (guint i = 0; i < kept; i++)
    {
      gint64 publish_ns = self->publish_ns[(self->n - 1 - i) % METER_FRAMES];

      if (publish_ns < now_ns - RATE_NS)
        break;
      oldest_ns = publish_ns;
      if (n++ == 0)
        newest_ns = publish_ns;
    }
  return newest_ns > oldest_ns ? (n - 1) * 1e9 / (double) (newest_ns - oldest_ns) : 0;
}

void
meter_get_rates (const Meter *self, gint64 now_ns, MeterRates *rates)
{
  gint64 values[METER_FRAMES];
  guint n = (guint) MIN (self->n, METER_FRAMES);

  *rates = (MeterRates){ .fps = get_fps (self, now_ns) };
  if (n < 2)
    return;
  n--;
  for (guint i = 0; i < n; i++)
    values[i] = self->publish_ns[(self->n - 1 - i) % METER_FRAMES]
                - self->publish_ns[(self->n - 2 - i) % METER_FRAMES];
  rates->interval_p50_ns = quantile (values, n, 50);
  for (guint i = 0; i < n; i++)
    values[i] = ABS (values[i] - rates->interval_p50_ns);
  rates->jitter_p50_ns = quantile (values, n, 50);
  rates->jitter_p99_ns = quantile (values, n, 99);
}

/* ---- latency ------------------------------------------------------------------------------- */

typedef struct
{
  guint64 bound_ns, count;
} Bucket;

static int
compare_buckets (const void *a, const void *b)
{
  const Bucket *left = a, *right = b;

  return left->bound_ns < right->bound_ns ? -1 : left->bound_ns > right->bound_ns;
}

/* Sorted: a peer may send them in any order. */
static GArray *
read_buckets (GVariant *histogram)
{
  GArray *buckets = g_array_new (FALSE, FALSE, sizeof (Bucket));
  GVariantIter iter;
  Bucket bucket;

  if (histogram == NULL || !g_variant_is_of_type (histogram, G_VARIANT_TYPE ("a(tt)")))
    return buckets;
  g_variant_iter_init (&iter, histogram);
  while (g_variant_iter_next (&iter, "(tt)", &bucket.bound_ns, &bucket.count))
    {
      bucket.bound_ns = MIN (bucket.bound_ns, G_MAXINT64);
      bucket.count = MIN (bucket.count, G_MAXUINT32); /* sums do not overflow */
      g_array_append_val (buckets, bucket);
    }
  g_array_sort (buckets, compare_buckets);
  return buckets;
}

/* Takes away what was counted before. A consumer that has gone took its counts along: no less than 0. */
static void
subtract (GArray *after, const GArray *before)
{
  for (guint i = 0, j = 0; i < after->len; i++)
    {
      Bucket *bucket = &g_array_index (after, Bucket, i);

      while (j < before->len && g_array_index (before, Bucket, j).bound_ns < bucket->bound_ns)
        j++;
      if (j < before->len && g_array_index (before, Bucket, j).bound_ns == bucket->bound_ns)
        bucket->count -= MIN (bucket->count, g_array_index (before, Bucket, j).count);
    }
}

static gint64
bucket_quantile (const GArray *buckets, guint64 total, guint percent)
{
  guint64 wanted = (total * percent + 99) / 100, sum = 0;

  for (guint i = 0; i < buckets->len; i++)
    {
      sum += g_array_index (buckets, Bucket, i).count;
      if (sum >= wanted)
        return (gint64) g_array_index (buckets, Bucket, i).bound_ns;
    }
  return -1;
}

void
latency_between (GVariant *before, GVariant *after, LatencyRates *rates)
{
  g_autoptr (GArray) buckets = read_buckets (after);
  g_autoptr (GArray) old = read_buckets (before);

  *rates = (LatencyRates){ .p50_ns = -1, .p99_ns = -1, .max_ns = -1 };
  subtract (buckets, old);
  for (guint i = 0; i < buckets->len; i++)
    rates->count += g_array_index (buckets, Bucket, i).count;
  if (rates->count == 0)
    return;
  rates->p50_ns = bucket_quantile (buckets, rates->count, 50);
  rates->p99_ns = bucket_quantile (buckets, rates->count, 99);
  rates->max_ns = bucket_quantile (buckets, rates->count, 100);
}
