/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* How far CLOCK_MONOTONIC is ahead of a pipeline's clock: nothing for the system clock, sampled and
 * smoothed for others. For one thread. */
typedef struct
{
  GstClock *clock; /* a reference, so that another clock is never taken for it */
  gint64 offset_ns;
  gint64 sampled_ns;
} GstShmFrameClock;

/* Monotonic time now, in ns. */
gint64 gst_shm_frame_clock_monotonic (void);
/* Forgets the clock; zeroes it. */
void gst_shm_frame_clock_clear (GstShmFrameClock *self);
/* What to add to a time of that clock to get monotonic time. */
gint64 gst_shm_frame_clock_get_offset (GstShmFrameClock *self, GstClock *clock);
/* The monotonic clock's time when the element's running time was 0. */
gint64 gst_shm_frame_clock_get_zero (GstShmFrameClock *self, GstElement *element);

G_END_DECLS
