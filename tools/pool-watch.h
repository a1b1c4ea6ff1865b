/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "detect.h"
#include "pool-view.h"

/*
 * Follows one pool on a thread of its own, as an observer that nobody notices, and attaches again by
 * itself when the producer comes back. It looks at `latest` some times a frame; frames that were gone
 * before it looked are counted as unseen, which is nobody's fault but its own.
 *
 * Every callback runs on that thread, between pool_watch_new() and the end of pool_watch_free(); it must
 * not call pool_watch_free(). Each may be NULL.
 */
typedef struct _PoolWatch PoolWatch;

typedef struct
{
  gboolean pixels; /* copy each frame: for the picture, and for freeze, duplicate and tear */
  gboolean lease;  /* be a normal consumer (latest) instead of an observer, for the frames */
  gint64 frame_interval_ns; /* look at frames no more often than this; 0: at each */
  gint64 stats_interval_ns; /* ask the producer this often; 0: 250 ms */
  DetectLimits limits;      /* {0}: no freeze; late by frame duration */
} PoolWatchOptions;

typedef struct
{
  /* reason NULL: attached. Otherwise why it is not (dead, foreign, closed...), when that changes. */
  void (*state) (PoolWatch *watch, const char *reason, gpointer data);
  /* What the producer says, and the slots. (transfer full) */
  void (*view) (PoolWatch *watch, PoolView *view, gpointer data);
  /* A frame that it saw, in order. `frame` has data only with `pixels`, and only where they could be
   * copied before they were written over; else it describes. Take a reference to keep it. */
  void (*frame) (PoolWatch *watch, const FrameSample *sample, ShmFrameFrame *frame, gpointer data);
  void (*fault) (PoolWatch *watch, const Fault *fault, gpointer data);
} PoolWatchCallbacks;

typedef struct
{
  guint64 seen;      /* frames */
  guint64 unseen;    /* published, but gone before it looked */
  guint64 overtaken; /* described, but the pixels were written over while they were copied */
  guint64 attaches;
} PoolWatchCounters;

/* Begins to follow: never fails, a pool that is not there is waited for. */
PoolWatch *pool_watch_new (const char *pool, const PoolWatchOptions *options,
                           const PoolWatchCallbacks *callbacks, gpointer data);
/* Makes the thread end, and does not wait for it: who has many stops all before freeing one. Any thread
 * but the watch's own. */
void pool_watch_stop (PoolWatch *self);
/* Ends the thread, within three questions' time-outs (1.5 s). Takes NULL. */
void pool_watch_free (PoolWatch *self);
/* Any thread. */
void pool_watch_get_counters (PoolWatch *self, PoolWatchCounters *counters);
/* Any thread, waits for its thread: copies of all frames that the pool still has, oldest first; none
 * where it is not attached. (element-type ShmFrameFrame) (transfer full) */
GPtrArray *pool_watch_collect (PoolWatch *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PoolWatch, pool_watch_free)
