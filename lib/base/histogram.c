/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/histogram.h"

/* Below 8 a value is its own bucket; from there on, three bits after the leading one choose among
 * the 8 buckets of its power of two. The largest gint64 falls into the last bucket. */
#define SUB_BITS 3
#define SUB_BUCKETS (1u << SUB_BITS)

static guint
bucket_of (guint64 value)
{
  guint exponent;

  if (value < SUB_BUCKETS)
    return (guint) value;
  exponent = 63 - (guint) __builtin_clzll (value);
  return (exponent - SUB_BITS + 1) * SUB_BUCKETS
         + (guint) (value >> (exponent - SUB_BITS) & (SUB_BUCKETS - 1));
}

guint64
shmframe_histogram_bound (guint bucket)
{
  guint shift;

  if (bucket < SUB_BUCKETS)
    return bucket;
  shift = bucket / SUB_BUCKETS - 1;
  return ((guint64) (SUB_BUCKETS + bucket % SUB_BUCKETS + 1) << shift) - 1;
}

guint
shmframe_histogram_add (ShmFrameHistogram *self, gint64 ns)
{
  guint64 value = (guint64) MAX (ns, 0);
  guint bucket = bucket_of (value);

  self->count++;
  self->max = MAX (self->max, value);
  self->bucket[bucket]++;
  return bucket;
}

void
shmframe_histogram_add_bucket (ShmFrameHistogram *self, guint bucket, guint64 count)
{
  if (count == 0)
    return;
  self->count += count;
  self->max = MAX (self->max, shmframe_histogram_bound (bucket));
  self->bucket[bucket] += count;
}

guint64
shmframe_histogram_quantile (const ShmFrameHistogram *self, double quantile)
{
  double wanted = CLAMP (quantile, 0.0, 1.0) * (double) self->count;
  guint64 rank = MAX ((guint64) wanted, 1), seen = 0;

  if (self->count == 0)
    return 0;
  if ((double) rank < wanted)
    rank++;

  for (guint i = 0; i < SHMFRAME_HISTOGRAM_BUCKETS; i++)
    {
      seen += self->bucket[i];
      if (seen >= rank)
        return MIN (shmframe_histogram_bound (i), self->max);
    }
  return self->max;
}
