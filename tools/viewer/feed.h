/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "../meter.h"
#include "../picture.h"
#include "../pool-watch.h"

/* A frame and its picture, or why there is none. */
typedef struct
{
  ShmFrameFrame *frame;
  Picture *picture;
  char *problem;
} Shot;

/* `box` 0: the frame's own size (reduced where that is too much for a screen), else at most box x box. */
Shot *shot_new (PictureMaker *maker, ShmFrameFrame *frame, guint box);
void shot_free (Shot *self); /* takes NULL */
void feed_free_fault (gpointer fault);

/* What came since it was fetched last. All is the receiver's. */
typedef struct
{
  gboolean state_changed;
  char *reason;   /* with state_changed. NULL: attached */
  PoolView *view; /* NULL: no new one */
  MeterRates rates;
  LatencyRates latency;
  Shot *shot;      /* the newest; NULL: no new one */
  guint64 skipped; /* shots that the newest replaced */
  GQueue faults;   /* of Fault */
} Parcel;

/*
 * What pool-watch and picture do on the watch's thread, for the main thread: `ready` is called there when
 * there is something to fetch, the newest only. All functions: main thread.
 */
typedef struct _Feed Feed;

Feed *feed_new (const char *pool, gboolean lease, guint thumbnail, void (*ready) (gpointer data),
                gpointer data);
/* Nothing is called any more. Does not wait: the watch ends on a thread of its own. */
void feed_end (Feed *self);
void feed_take (Feed *self, Parcel *parcel);
void feed_set_paused (Feed *self, gboolean paused); /* makes no pictures */
void feed_get_counters (Feed *self, PoolWatchCounters *counters);
/* The frames that the pool still has, by and by: `collected` takes them; NULL: none. */
void feed_collect (Feed *self, void (*collected) (gpointer data, GPtrArray *frames));
