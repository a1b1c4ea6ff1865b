/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "meter.h"
#include "pool-view.h"

/* The rows of frame-inspect's top: what is shown of a pool and its consumers, and how fast it grows. */

typedef struct
{
  const char *program, *delivery;
  guint64 pid, leases, held, lag;
  guint64 longest_hold_ns; /* of those that are over */
  gint64 holding_ns;       /* pool_view_holding_ns() */
  gint64 p50_ns, p99_ns;   /* since it attached */
  double fps, drops_per_s; /* frames that it took; negative: not known */
} ConsumerRow;

typedef struct
{
  double fps, drops_per_s; /* frames published, and dropped by the producer; negative: not known */
  MeterRates rates;
  LatencyRates latency;
  guint64 worst_lag, memory;
  gboolean ended;
  GArray *consumers; /* of ConsumerRow; texts belong to `view` */
} PoolRow;

/* `before`: the statistics of `seconds` before `view`; NULL: none. */
void pool_row_init (PoolRow *row, const PoolView *view, GVariant *before, double seconds,
                    const Meter *meter);
void pool_row_finish (PoolRow *row);
