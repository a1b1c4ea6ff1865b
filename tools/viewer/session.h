/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "../meter.h"
#include "../picture.h"
#include "../pool-watch.h"

/*
 * One pool that is looked at: brings what pool-watch and picture do on the watch's thread to the main
 * thread. The newest picture only: one that was not drawn before the next came is counted as skipped,
 * which is no drop of the pool. Main thread.
 *
 * Signals: changed (state, view, rates), picture (the picture is another), fault (const Fault *).
 */
#define VIEWER_TYPE_SESSION (viewer_session_get_type ())
G_DECLARE_FINAL_TYPE (ViewerSession, viewer_session, VIEWER, SESSION, GObject)

/* thumbnail: a picture of that width once a second, and no detectors. 0: full size, every frame. */
ViewerSession *viewer_session_new (const char *pool, gboolean lease, guint thumbnail);

const char *viewer_session_get_pool (ViewerSession *self);
/* Why there is nothing to see (dead, foreign, lying...); NULL: attached. */
const char *viewer_session_get_problem (ViewerSession *self);
/* Attached, though what it publishes may not be shown. */
gboolean viewer_session_is_attached (ViewerSession *self);
/* What is short for the state: "live", "ended" (the stream; the producer lives), "no producer" or
 * "producer does not answer". */
const char *viewer_session_get_state (ViewerSession *self);
const PoolView *viewer_session_get_view (ViewerSession *self); /* NULL: none yet */
void viewer_session_get_rates (ViewerSession *self, MeterRates *rates);
void viewer_session_get_latency (ViewerSession *self,
                                 LatencyRates *rates); /* since the last answer */
/* What is shown: the newest frame, or while paused the one that was stepped to. NULL: none. */
const Picture *viewer_session_get_picture (ViewerSession *self);
GdkTexture *viewer_session_get_texture (ViewerSession *self);
ShmFrameFrame *viewer_session_get_frame (ViewerSession *self);
/* Frames that came but were not drawn. */
guint64 viewer_session_get_skipped (ViewerSession *self);
void viewer_session_get_counters (ViewerSession *self, PoolWatchCounters *counters);

/* Pausing collects the frames that the pool still has; steps go among them. */
void viewer_session_set_paused (ViewerSession *self, gboolean paused);
gboolean viewer_session_get_paused (ViewerSession *self);
/* -1: the frame before, 1: the one after. FALSE: there is none. */
gboolean viewer_session_step (ViewerSession *self, int by);
/* Which of the `n` frames is shown, from 0, while paused; n is 0 until they are collected. */
guint viewer_session_get_position (ViewerSession *self, guint *n);
