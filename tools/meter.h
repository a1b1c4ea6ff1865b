/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "detect.h"

/*
 * Frame rate, interval and its jitter over the newest frames, and consumers' latency over time, from the
 * producer's histogram. Plain structs; one thread at a time.
 */
#define METER_FRAMES 256

typedef struct
{
  gint64 publish_ns[METER_FRAMES]; /* at n % METER_FRAMES */
  guint64 n;
} Meter;

typedef struct
{
  double fps;                          /* of the frames of the last 2 s; 0: fewer than two */
  gint64 interval_p50_ns;              /* between publications */
  gint64 jitter_p50_ns, jitter_p99_ns; /* |interval - median interval| */
} MeterRates;

void meter_add (Meter *self, const FrameSample *sample); /* begins anew after missed frames */
void meter_reset (Meter *self);
void meter_get_rates (const Meter *self, gint64 now_ns, MeterRates *rates);

/* From publication to lease, of what was counted between two answers of a producer (`latency` a(tt) of
 * shmframe_producer_get_stats()). `before` may be NULL. -1 where nothing was counted. */
typedef struct
{
  guint64 count;
  gint64 p50_ns, p99_ns, max_ns;
} LatencyRates;

void latency_between (GVariant *before, GVariant *after, LatencyRates *rates);
