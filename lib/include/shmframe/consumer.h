/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <shmframe/event.h>
#include <shmframe/frame.h>
#include <shmframe/macros.h>

G_BEGIN_DECLS

/**
 * ShmFrameDelivery:
 * @SHMFRAME_DELIVERY_LATEST: the newest frame, older ones are skipped (counted as `skipped`)
 * @SHMFRAME_DELIVERY_ORDERED: every frame that can be had, the rest is counted as `drops`
 * @SHMFRAME_DELIVERY_LOSSLESS: the producer waits, within its window and stall limit
 *
 * Since: 1.0
 */
typedef enum
{
  SHMFRAME_DELIVERY_LATEST,
  SHMFRAME_DELIVERY_ORDERED,
  SHMFRAME_DELIVERY_LOSSLESS,
} ShmFrameDelivery;

/**
 * ShmFrameWait:
 * @SHMFRAME_WAIT_SLEEP: sleep until woken
 * @SHMFRAME_WAIT_SPIN: keep a core busy; the shortest latency
 * @SHMFRAME_WAIT_PREDICT: sleep until shortly before the next frame is due, then spin
 *
 * Since: 1.0
 */
typedef enum
{
  SHMFRAME_WAIT_SLEEP,
  SHMFRAME_WAIT_SPIN,
  SHMFRAME_WAIT_PREDICT,
} ShmFrameWait;

SHMFRAME_API GType shmframe_delivery_get_type (void) G_GNUC_CONST;
SHMFRAME_API GType shmframe_wait_get_type (void) G_GNUC_CONST;
#define SHMFRAME_TYPE_DELIVERY (shmframe_delivery_get_type ())
#define SHMFRAME_TYPE_WAIT (shmframe_wait_get_type ())

#define SHMFRAME_TYPE_CONSUMER (shmframe_consumer_get_type ())

/**
 * ShmFrameConsumer:
 *
 * A reader with leases. A #GInitable. Creating it fails only for a bad name or argument: a producer
 * need not exist yet, and may come and go. The consumer attaches, watches and attaches again on its
 * own control thread, and the events ATTACHED, LOST and EVICTED say so in order with the frames.
 *
 * One thread at a time calls lease(), copy(); any thread may drop frames, set_flushing(), read stats.
 *
 * Construct-only properties:
 *   pool      s  name, or absolute path of the socket ("default")
 *   fd        i  a connected descriptor to use instead of a name, owned by the consumer; -1: none
 *   delivery  ShmFrameDelivery  (ORDERED)
 *   leases    u  frames held at once, 1 to 255 (4)
 *   max-lag   i  frames that ordered delivery may fall behind before it skips ahead, counted;
 *                -1: all that the pool has (-1)
 *   wait      ShmFrameWait (SLEEP)
 *   program   s  what the producer's statistics call this consumer (g_get_prgname())
 * Read-only: attached b, granted-leases u, held u (leases).
 *
 * Since: 1.0
 */
SHMFRAME_API
G_DECLARE_FINAL_TYPE (ShmFrameConsumer, shmframe_consumer, SHMFRAME, CONSUMER, GObject)

/* Errors: NAME, ARGUMENT. */
SHMFRAME_API ShmFrameConsumer *shmframe_consumer_new (const char *pool, ShmFrameDelivery delivery,
                                                      GError **error);
/* From a descriptor that somebody connected and passed in. Takes the descriptor, also on error. */
SHMFRAME_API ShmFrameConsumer *
shmframe_consumer_new_from_fd (int fd, ShmFrameDelivery delivery, GError **error);

/* Waits for the next frame or event. Returns the frame (transfer full), or NULL with *event set
 * (transfer full), or NULL with *event NULL and an error: TIMED_OUT, FLUSHING, QUOTA (all granted
 * leases are held; use copy(), or drop some), REFUSED (tried again by itself on the next call),
 * PERMISSION, PROTOCOL, CLOSED. timeout_ns < 0: for ever; 0: do not wait. */
SHMFRAME_API ShmFrameFrame *shmframe_consumer_lease (ShmFrameConsumer *self, gint64 timeout_ns,
                                                     ShmFrameEvent **event, GError **error);
/* Like lease(), but copies the frame out through the reserved lease: it holds no slot afterwards and
 * works with the quota used up. The bytes are counted in `copied-bytes`. */
SHMFRAME_API ShmFrameFrame *shmframe_consumer_copy (ShmFrameConsumer *self, gint64 timeout_ns,
                                                    ShmFrameEvent **event, GError **error);
/* Drops a reference (transfer full) and says whether all that was read until now belonged to the
 * frame. The last reference ends the lease. */
SHMFRAME_API ShmFrameVerdict shmframe_consumer_release (ShmFrameConsumer *self,
                                                        ShmFrameFrame *frame);

/* Frames that are held, and that may be held at once: as the properties; 0 while not attached. */
SHMFRAME_API guint shmframe_consumer_get_held (ShmFrameConsumer *self);
SHMFRAME_API guint shmframe_consumer_get_granted_leases (ShmFrameConsumer *self);

/* Begins to look for the producer; the first use does it too. */
SHMFRAME_API void shmframe_consumer_start (ShmFrameConsumer *self);
/* Asks for more leases; admission answers by and by in `granted-leases`. */
SHMFRAME_API void shmframe_consumer_request_leases (ShmFrameConsumer *self, guint leases);
SHMFRAME_API void shmframe_consumer_set_flushing (ShmFrameConsumer *self, gboolean flushing);

/* A source that is ready whenever lease (timeout 0) would return a frame, event or error (but QUOTA).
 * Callback: gboolean (*) (ShmFrameConsumer *, gpointer). (transfer full) */
SHMFRAME_API GSource *shmframe_consumer_create_source (ShmFrameConsumer *self);
typedef gboolean (*ShmFrameConsumerSourceFunc) (ShmFrameConsumer *self, gpointer user_data);
/* A descriptor that polls readable when something came, for foreign main loops; owned by the
 * consumer. Call shmframe_consumer_prepare_poll() before each poll: TRUE means do not sleep, lease. */
SHMFRAME_API int shmframe_consumer_get_fd (ShmFrameConsumer *self);
SHMFRAME_API gboolean shmframe_consumer_prepare_poll (ShmFrameConsumer *self);

/* a{sv}: pool s, attached b, epoch t, delivery s, wait s, leases u, held u, held-max u,
 * longest-hold-ns t, frames t, drops t, skipped t, revoked t, refused t, copies t, copied-bytes t,
 * lag t, attaches t, losses t, evictions t, latest t, latency-p50-ns t, latency-p99-ns t,
 * latency-max-ns t, producer-pid u, producer-uid u, producer-program s, history u, window u, pool-frames u (the
 * most frames that the pool can keep for this consumer) */
SHMFRAME_API GVariant *shmframe_consumer_get_stats (ShmFrameConsumer *self);

/* Detaches. Leases that are still held stay good. */
SHMFRAME_API void shmframe_consumer_close (ShmFrameConsumer *self);

G_END_DECLS
