/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <shmframe/frame.h>
#include <shmframe/macros.h>

G_BEGIN_DECLS

#define SHMFRAME_TYPE_OBSERVER (shmframe_observer_get_type ())

/**
 * ShmFrameObserver:
 *
 * A look at a pool that its publishing path never sees: the segment read-only, and statistics from
 * the producer's control thread. It has no page and no lease; frames are copied out optimistically.
 * One thread at a time.
 *
 * Since: 1.0
 */
SHMFRAME_API
G_DECLARE_FINAL_TYPE (ShmFrameObserver, shmframe_observer, SHMFRAME, OBSERVER, GObject)

/* Connects and waits for the producer's answer, up to timeout_ns.
 * Errors: NAME, NOT_FOUND, PERMISSION, REFUSED, PROTOCOL, TIMED_OUT. */
SHMFRAME_API ShmFrameObserver *shmframe_observer_new (const char *pool, gint64 timeout_ns,
                                                      GError **error);
/* Asks the producer for its statistics (shmframe_producer_get_stats()), and waits up to timeout_ns.
 * Errors: TIMED_OUT, CLOSED, PROTOCOL. */
SHMFRAME_API GVariant *shmframe_observer_query_stats (ShmFrameObserver *self, gint64 timeout_ns,
                                                      GError **error);
/* What stands in shared memory now: a(uttxtu), for each slot its state (0 empty, 1 live, 2 retired,
 * 3 writing), generation, sequence, publish time (ns), payload bytes, format number. */
SHMFRAME_API GVariant *shmframe_observer_dup_slots (ShmFrameObserver *self);
/* A copy of a frame: `sequence`, or the newest for 0. Checked by its generation; tried again when
 * overtaken. Errors: NOT_FOUND (gone, dropped or not yet there), FORMAT (an older format). */
SHMFRAME_API ShmFrameFrame *shmframe_observer_copy_frame (ShmFrameObserver *self, guint64 sequence,
                                                          GError **error);
/* The same without its bytes and metadata: size 0, no data; times, flags and format only. */
SHMFRAME_API ShmFrameFrame *shmframe_observer_peek_frame (ShmFrameObserver *self, guint64 sequence,
                                                          GError **error);
/* Sequence of the newest frame; 0: none yet. */
SHMFRAME_API guint64 shmframe_observer_get_latest (ShmFrameObserver *self);

G_END_DECLS
