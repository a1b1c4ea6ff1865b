/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <shmframe/format.h>
#include <shmframe/frame.h>
#include <shmframe/macros.h>

G_BEGIN_DECLS

#define SHMFRAME_TYPE_PRODUCER (shmframe_producer_get_type ())

/**
 * ShmFrameProducer:
 *
 * The one writer of a pool. A #GInitable: creating it takes the name and opens the socket; memory is
 * made by shmframe_producer_set_format().
 *
 * Thread-safe: frames may be acquired and published in any order, from any thread. Signals come from
 * the producer's own control thread, outside every lock. Nothing here ever waits for a peer, but for
 * shmframe_producer_publish() (and set_format()), which waits for lossless consumers within `window`
 * and `stall-timeout`, and wait_for_consumer(); set_flushing() ends these at once.
 *
 * Construct-only properties:
 *   pool             s  name, or absolute path of the socket ("default")
 *   slots            u  the most slots; 0: what the pool rule needs for the next four, and 64 that
 *                       consumers may get on request (0)
 *   max-consumers    u  the most consumers at once (8)
 *   consumer-leases  u  leases of each that `slots` = 0 plans for (4)
 *   in-flight        u  slots that the producer may hold at once, being written or still referenced
 *                       after publication; 0: 36, or with few slots half of what remains (0)
 *   history          u  newest frames that stay readable (1)
 *   window           u  published frames that a lossless consumer may lag before publish waits (4)
 *   lossless         b  admit lossless consumers (TRUE)
 *   metadata-size    u  bytes for each frame's metadata (4096)
 *   mode             u  permissions of the socket (0600)
 *   group            s  group of the socket, or NULL
 * Properties that may change at any time:
 *   live             b  live input: publish never waits, it evicts past the window at once (FALSE)
 *   stall-timeout    t  ns that publish waits for a lossless consumer before it is evicted (2 s)
 * Read-only: n-consumers u, held u (slots that the producer holds), path s (of the socket).
 *
 * Signals: consumer-attached (GVariant *info), consumer-detached (GVariant *info); info is a{sv} as
 * in `consumers` of shmframe_producer_get_stats().
 *
 * Since: 1.0
 */
SHMFRAME_API
G_DECLARE_FINAL_TYPE (ShmFrameProducer, shmframe_producer, SHMFRAME, PRODUCER, GObject)

/* With every property at its default. Errors: NAME, NAME_IN_USE, PERMISSION, NO_DESCRIPTORS. */
SHMFRAME_API ShmFrameProducer *shmframe_producer_new (const char *pool, GError **error);

/* Frames acquired from now on have this format. Keeps the segment where the format fits its slots,
 * else makes a new one; sequences run on. Errors: FORMAT, NO_MEMORY, NO_DESCRIPTORS, FLUSHING. */
SHMFRAME_API gboolean shmframe_producer_set_format (ShmFrameProducer *self, ShmFrameFormat *format,
                                                    GError **error);
SHMFRAME_API ShmFrameFormat *shmframe_producer_dup_format (ShmFrameProducer *self);

/* A slot to write into, (transfer full). Never waits. Errors: NO_SLOT (the producer holds `in-flight`
 * slots), NO_MEMORY, CLOSED. */
SHMFRAME_API ShmFrameFrame *shmframe_producer_acquire (ShmFrameProducer *self, GError **error);

/* Slots that the producer holds: being written, or still referenced after publication. As `held`. */
SHMFRAME_API guint shmframe_producer_get_held (ShmFrameProducer *self);

/* Publishes a frame, once. Its memory is read-only by contract from here on; the slot stays pinned
 * until the caller's last reference goes. Assigns the sequence. A frame acquired before a change of
 * segment cannot be published any more: ARGUMENT. Errors: ARGUMENT, FLUSHING, CLOSED. */
SHMFRAME_API gboolean shmframe_producer_publish (ShmFrameProducer *self, ShmFrameFrame *frame,
                                                 GError **error);
/* Gives an unpublished frame back; same as dropping its last reference. (transfer full) */
SHMFRAME_API void shmframe_producer_abandon (ShmFrameProducer *self, ShmFrameFrame *frame);
/* Counts `count` frames that the producer had to drop: each takes a sequence. */
SHMFRAME_API void shmframe_producer_drop (ShmFrameProducer *self, guint count);
/* Takes back every published frame that a consumer has not leased yet, as a seek or a flush wants it:
 * consumers that had yet to read them count them as drops. What is leased stays good. Frames of a
 * segment that a change of format has replaced are not taken back. Returns the newest sequence, or 0. */
SHMFRAME_API guint64 shmframe_producer_discard (ShmFrameProducer *self);

/* An event that precedes the next published frame. Sticky: kept, the last of each name, and sent to
 * those that attach later. Never waits. Errors: TOO_BIG, ARGUMENT. */
SHMFRAME_API gboolean shmframe_producer_push_event (ShmFrameProducer *self, const char *name,
                                                    GVariant *value, gboolean sticky,
                                                    GError **error);
/* End of stream: consumers are told after the last frame. Publishing may go on: a new stream. */
SHMFRAME_API void shmframe_producer_push_eos (ShmFrameProducer *self);

/* TRUE when a consumer is attached. timeout_ns < 0: for ever. Errors: TIMED_OUT, FLUSHING, CLOSED. */
SHMFRAME_API gboolean shmframe_producer_wait_for_consumer (ShmFrameProducer *self,
                                                           gint64 timeout_ns, GError **error);
/* TRUE: waits end at once with FLUSHING, and later ones too, until FALSE. */
SHMFRAME_API void shmframe_producer_set_flushing (ShmFrameProducer *self, gboolean flushing);

/* a{sv}: pool s, path s, pid u, program s, epoch t, slots u, history u, window u, in-flight u,
 * promised u (slots), live b, ended b (end of stream, and no frame since), latest t, frames t, dropped t,
 * evictions t, waits t, wait-ns t, waiting b (now, for a lossless consumer), rings t, n-consumers u,
 * consumers aa{sv}, the first 128 of them, each: id u, pid u, uid u, program s, role s, delivery s,
 * wait s, leases u, held u, held-handles at, consumed t, lag t, drops t, leased t (frames that it took,
 * copies too), longest-hold-ns t, latency-p50-ns t, latency-p99-ns t, latency-max-ns t (from publication
 * to lease, within 12.5%, since it attached); latency a(tt), of all consumers, listed or not, attached or
 * gone: ns at most, and how often, which only grows.
 * Once there is a format: segment u, committed-slots u, committed-bytes t, slot-bytes t, held u (slots
 * that the producer holds), passes t, format a{sv}, format-number u, slot-states ay (a byte for each
 * slot: 0 uncommitted, 1 free, 2 writing, 3 live, 4 retired, 5 live and pinned by the producer, 6 being
 * committed). */
SHMFRAME_API GVariant *shmframe_producer_get_stats (ShmFrameProducer *self);

/* Gives the name back and tells the consumers; what they hold stays good. Dropping the last reference
 * does it too. */
SHMFRAME_API void shmframe_producer_close (ShmFrameProducer *self);

G_END_DECLS
