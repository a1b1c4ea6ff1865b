/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * A histogram of durations in ns, in 8 buckets for each power of two (so quantiles are within 12.5%,
 * as in HdrHistogram with 3 significant bits). Constant memory, no allocation. Not thread-safe.
 */
#define SHMFRAME_HISTOGRAM_BUCKETS (61 * 8)

typedef struct
{
  guint64 count;
  guint64 max;
  guint64 bucket[SHMFRAME_HISTOGRAM_BUCKETS];
} ShmFrameHistogram;

/* Negative durations (clocks of a lying peer) count as 0. Returns the bucket. */
guint shmframe_histogram_add (ShmFrameHistogram *self, gint64 ns);
/* The same with what has been counted elsewhere. */
void shmframe_histogram_add_bucket (ShmFrameHistogram *self, guint bucket, guint64 count);
/* The longest duration that falls into the bucket. */
guint64 shmframe_histogram_bound (guint bucket);
/* The upper bound of the bucket in which the quantile falls, at most max; 0 when empty. */
guint64 shmframe_histogram_quantile (const ShmFrameHistogram *self, double quantile);
