/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * When the next frame comes, from when the last ones came. Pure: no clock, no system call.
 *
 * The last frames' publish times lie about a line over their numbers; its slope is the period, and the
 * distances from it, early and late, are what the next frame's will be. From them it takes the window to
 * spin in: it ends after the latest of them, and begins so early that spinning costs no more than
 * SHMFRAME_PREDICTOR_BUDGET on average. A frame that comes before the window has to wake a sleeper. Where
 * that would be every other frame, frames are irregular: no window.
 *
 * Publish times are a peer's: whatever they are, nothing overflows, and a window is within a period and
 * a half of `now`. Not thread-safe. Zero-initialised.
 */

#define SHMFRAME_PREDICTOR_TIMES 128

/* Share of a period that may be spent spinning, on average. */
#define SHMFRAME_PREDICTOR_BUDGET 0.0235

typedef struct
{
  gint64 time_ns[SHMFRAME_PREDICTOR_TIMES]; /* publish times, a ring */
  gint64 number[SHMFRAME_PREDICTOR_TIMES];  /* periods since the first of them */
  guint count;                              /* so many of them are known */
  guint next;                               /* where the next one goes */
  guint misses;                             /* frames outside the window, in a row */
  guint gaps;                               /* intervals of several periods, in a row */
  gint64 period_ns;                         /* 0: not known */
  gint64 line_number;                       /* a point of the line: this number, */
  gint64 line_ns;                           /* and when its frame should have come */
  gint64 begin_ns;                          /* of the window, from the line; */
  gint64 end_ns;                            /* 0 and 0: irregular */
  gboolean early;                           /* frames may come before the window */
  gint64 lateness_ns;                       /* smoothed: how late a timed sleep ends */
  gint64 deviation_ns;                      /* smoothed: by how much that varies */
} ShmFramePredictor;

typedef struct
{
  gint64 begin_ns; /* CLOCK_MONOTONIC: sleep until then, */
  gint64 end_ns;   /* spin until then */
  gboolean early;  /* arm for that sleep: a frame may come before */
} ShmFrameWindow;

/* A frame's publish time. */
void shmframe_predictor_observe (ShmFramePredictor *self, gint64 publish_ns);
/* A sleep until the window's begin has ended, so much after it. */
void shmframe_predictor_woke (ShmFramePredictor *self, gint64 late_ns);
/* FALSE: nothing can be said; sleep. */
gboolean shmframe_predictor_window (const ShmFramePredictor *self, gint64 now_ns,
                                    ShmFrameWindow *window);
