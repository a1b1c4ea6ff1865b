/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <shmframe/consumer.h>
#include <shmframe/format.h>
#include <shmframe/frame.h>

#include "api/log.h"
#include "api/ringer.h"
#include "api/slots.h"
#include "base/admission.h"
#include "base/histogram.h"
#include "control/message.h"

/*
 * The publishing core of a producer: slots, sequences, admitted consumers, events. No socket, no
 * thread, no GObject: producer.c owns one, server.c (the control thread) admits and removes
 * consumers, publish.c moves frames.
 *
 * One lock (`lock`) guards everything below it in the struct. It is held for the time of a few
 * hundred instructions, never across a wait, a send or a commit. `growing` serialises what commits
 * memory or replaces the segment; it is taken before `lock`. Frames keep the pool alive.
 */

/* An admitted consumer, as the publishing path sees it. Reference-counted. */
typedef struct _ShmFrameReader
{
  guint id;
  ShmFrameDelivery delivery;    /* LATEST once it reads no more: nobody waits for it */
  ShmFrameDelivery admitted_as; /* for the statistics */
  ShmFrameWait wait;
  guint pid, uid;
  char *program;
  ShmFrameMemory *page;
  ShmFrameControl *control; /* in page */
  guint64 cookie;
  int doorbell; /* owned; -1 for a consumer that does not poll */

  /* guarded by the pool's lock */
  guint leases;          /* granted, without the reserved one */
  guint32 rung;          /* last ticket that was rung */
  guint64 consumed;      /* clamped to [itself, latest] */
  guint64 n_before;      /* frames that were published before it came */
  guint segment_seen;    /* the newest segment that it reads from */
  gboolean admitted;     /* in pool->consumers */
  char *evicted_because; /* set once, when the publishing path drops it */
} ShmFrameReader;

typedef struct
{
  gatomicrefcount ref_count;
  char *name;
  guint64 epoch;
  ShmFramePoolRule rule; /* slots, in_flight, history, window */
  guint max_consumers;
  guint consumer_leases; /* what each of them is planned to get */
  guint spared;          /* consumers yet to come whose share a growing quota leaves alone */
  gboolean lossless;
  guint metadata_size;
  void (*notify) (gpointer data); /* wakes the control thread; any thread, any lock */
  gpointer notify_data;

  ShmFrameRinger *ringer;

  GMutex growing;

  GMutex lock;
  GCond changed; /* consumers, segment_seen, flushing, closed */
  gboolean flushing, closed, live;
  guint flushes; /* how often flushing began: a wait ends even if it is over by then */
  gint64 stall_timeout_ns;

  ShmFrameSlots *slots;  /* NULL until the first format */
  guint64 segment_first; /* first sequence in that segment */
  ShmFrameFormat *format;
  guint format_number;
  guint64 sequence; /* newest that was assigned */
  guint64 latest;   /* newest handle */
  guint64 *recent;  /* the newest `window` published sequences, a ring */
  guint64 n_published;
  ShmFrameLog log;

  GPtrArray *consumers; /* ShmFrameReader, admitted */
  guint promised;       /* their leases, with the reserved ones */
  guint n_waiting;      /* publishers that wait for a lossless consumer */
  guint n_settling;     /* changes of format that do */

  guint64 n_dropped, n_evictions, n_waits, wait_ns, n_rung;
  ShmFrameHistogram latency_gone; /* of the consumers that have left */
} ShmFramePool;

ShmFramePool *shmframe_pool_new (const char *name, const ShmFramePoolRule *rule,
                                 guint metadata_size);
ShmFramePool *shmframe_pool_ref (ShmFramePool *self);
void shmframe_pool_unref (ShmFramePool *self); /* takes NULL */
/* No more frames and admissions; waits end. */
void shmframe_pool_close (ShmFramePool *self);
void shmframe_pool_set_flushing (ShmFramePool *self, gboolean flushing);
/* With the lock held: whether a wait that began when self->flushes was `flushes` must end.
 * Errors: CLOSED, FLUSHING. */
gboolean shmframe_pool_ends_wait (ShmFramePool *self, guint flushes, GError **error);

gboolean shmframe_pool_set_format (ShmFramePool *self, ShmFrameFormat *format, GError **error);
gboolean shmframe_pool_push_event (ShmFramePool *self, const char *name, GVariant *value,
                                   gboolean sticky, GError **error);

/* Admits a consumer (delivery, wait, leases, poll of `request`), commits its slots, makes its page;
 * fills `welcome` (type, layout, committed, cookie, latest, limits; not its text). *segment: a
 * reference; *doorbell: the peer's end, or -1; *sticky: the sticky events of that moment; all are the
 * caller's.
 * Errors: REFUSED, NO_MEMORY, NO_DESCRIPTORS. Control thread only. (transfer full) */
ShmFrameReader *shmframe_pool_admit (ShmFramePool *self, const ShmFrameMessage *request,
                                     ShmFrameMessage *welcome, ShmFrameSegment **segment,
                                     int *doorbell, GPtrArray **sticky, GError **error);
/* Forgets it: its hazards no longer count. Harmless for one that was evicted. */
void shmframe_pool_remove (ShmFramePool *self, ShmFrameReader *reader);
/* It reads no more, and only holds what it has leased: nothing waits for it or is kept for it. */
void shmframe_pool_detach (ShmFramePool *self, ShmFrameReader *reader);
/* Raises its quota towards `leases`, as far as the pool rule lets it and the share of consumers yet to
 * come is not touched. Returns the quota. Control thread only. */
guint shmframe_pool_change_leases (ShmFramePool *self, ShmFrameReader *reader, guint leases);
/* It reads from that segment now. */
void shmframe_pool_segment_seen (ShmFramePool *self, ShmFrameReader *reader, guint segment);

/* With the lock held: drops a consumer from the publishing path; the control thread tells it. */
void shmframe_pool_evict (ShmFramePool *self, ShmFrameReader *reader, const char *because);
/* With the lock held: rings every consumer that is armed. */
void shmframe_pool_ring (ShmFramePool *self);
/* With `growing` and the lock held: commits slots until there are `target`, as far as there are any.
 * The lock is released meanwhile. Errors: NO_MEMORY. */
gboolean shmframe_pool_grow (ShmFramePool *self, ShmFrameSlots *slots, guint target,
                             GError **error);
/* Commits one more of the slots that the next consumer will need, so that its first frame does not wait
 * for the kernel to zero them; within SHMFRAME_AHEAD_MAX bytes. FALSE: there is none to commit, or no
 * memory, which is no error. Control thread only. */
#define SHMFRAME_AHEAD_MAX (64 << 20)
gboolean shmframe_pool_grow_ahead (ShmFramePool *self);
/* Whether there are such slots to commit. */
gboolean shmframe_pool_wants_ahead (ShmFramePool *self);
/* With the lock held: the slots that must be committed with `held` of the producer's. */
guint shmframe_pool_need (const ShmFramePool *self, guint held);

ShmFrameReader *shmframe_reader_ref (ShmFrameReader *self);
void shmframe_reader_unref (ShmFrameReader *self); /* takes NULL */
/* Adds what a consumer says of its leases' latency, `frames` after it came. It writes that itself, so no
 * more is believed than one lease of each frame that it could have. Any thread. */
void shmframe_reader_add_latency (const ShmFrameReader *self, guint64 frames,
                                  ShmFrameHistogram *sum);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFramePool, shmframe_pool_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFrameReader, shmframe_reader_unref)
