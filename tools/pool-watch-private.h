/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "last-frame.h"
#include "pool-watch.h"

/* The watch's inside, for pool-watch.c and pool-watch-lease.c alone. All but making the consumer is done
 * on the watch's thread. */
#define MS_NS G_GINT64_CONSTANT (1000000)
#define LEASE_WAIT_NS (100 * MS_NS)

struct _PoolWatch
{
  char *pool;
  PoolWatchOptions options;
  PoolWatchCallbacks callbacks;
  gpointer data;
  GThread *thread;

  GMutex lock;
  GCond changed;
  gboolean ending;           /* lock */
  gboolean collecting;       /* lock */
  GPtrArray *collected;      /* lock */
  PoolWatchCounters counted; /* lock */

  ShmFrameConsumer *consumer; /* with `lease`; the thread's, but for set_flushing() */

  /* The thread's. */
  ShmFrameObserver *observer; /* NULL: not attached */
  char *unobserved;           /* why there is no observer; NULL: there is */
  char *unread;               /* why no frame can be looked at, for some time; NULL: one can */
  char *unleased;             /* why the consumer gets nothing; NULL: nothing is wrong */
  char *said;                 /* the reason that was told last */
  gboolean said_any;
  gboolean died; /* `unobserved` is how the producer ended, which says more than that it is gone */
  Detector *detector;
  gint64 retry_ns, ask_ns, look_ns; /* when each is due */
  gint64 unread_ns;                 /* when the newest frame began to be unreadable; 0: it is not */
  gint64 interval_ns;               /* between frames; 0: not known */
  guint64 epoch, sequence;          /* of the last frame; 0: none */
  guint64 latest;                   /* when it looked last */
  gint64 publish_ns;
  ShmFrameFormat *format;
  LastFrame seen;       /* with pixels */
  gboolean checked;     /* `seen`, a second time, early */
  gboolean check_early; /* frames are gone when the next one comes */
  gboolean asked;       /* `dropped` is known */
  guint64 dropped;      /* by the producer, as it said last */
  gint64 missed;        /* frames not seen, less those dropped; what is left is unseen */
};

static inline gint64
now_ns (void)
{
  return g_get_monotonic_time () * 1000;
}

/* The next frame. */
void pool_watch_take (PoolWatch *self, ShmFrameFrame *frame);
/* The last one once more: what is whole both times and differs was torn. */
void pool_watch_check_again (PoolWatch *self);
/* Why the consumer gets nothing; NULL: nothing is wrong. */
void pool_watch_set_unleased (PoolWatch *self, const char *reason);
/* Or until it is to end, or somebody wants its frames. */
void pool_watch_sleep_until (PoolWatch *self, gint64 time_ns);

/* With `lease`: before the thread begins; then instead of looking. */
void pool_watch_make_consumer (PoolWatch *self);
void pool_watch_take_leased (PoolWatch *self, gint64 timeout_ns);
