/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <shmframe/format.h>
#include <shmframe/macros.h>

G_BEGIN_DECLS

/**
 * ShmFrameEvent:
 *
 * Something that happened between two frames. A consumer gets events in order with the frames.
 * An immutable reference-counted boxed type.
 *
 * Since: 1.0
 */
typedef struct _ShmFrameEvent ShmFrameEvent;

#define SHMFRAME_TYPE_EVENT (shmframe_event_get_type ())

/**
 * SHMFRAME_EVENT_MAX_SIZE:
 *
 * The largest value of an event, in bytes when serialised.
 *
 * Since: 1.0
 */
#define SHMFRAME_EVENT_MAX_SIZE 32768
/**
 * SHMFRAME_EVENT_MAX_NAME:
 *
 * The longest name of an event, in bytes.
 *
 * Since: 1.0
 */
#define SHMFRAME_EVENT_MAX_NAME 64
/**
 * SHMFRAME_EVENT_MAX_STICKY:
 *
 * The most names of sticky events in a pool.
 *
 * Since: 1.0
 */
#define SHMFRAME_EVENT_MAX_STICKY 32

/**
 * ShmFrameEventType:
 * @SHMFRAME_EVENT_ATTACHED: attached to a producer; sequences begin anew (a discontinuity)
 * @SHMFRAME_EVENT_FORMAT: the frames that follow have shmframe_event_get_format()
 * @SHMFRAME_EVENT_EOS: the producer's stream has ended; all its frames were delivered before
 * @SHMFRAME_EVENT_NAMED: what the producer pushed under a name of its own
 * @SHMFRAME_EVENT_EVENTS_LOST: the socket was full: shmframe_event_get_count() events are lost, the
 *   sticky ones among them were repaired
 * @SHMFRAME_EVENT_EVICTED: the producer dropped this consumer; the value says why. The consumer
 *   attaches again, a lossless one as ordered
 * @SHMFRAME_EVENT_LOST: the producer is gone; all its frames were delivered before
 *
 * Since: 1.0
 */
typedef enum
{
  SHMFRAME_EVENT_ATTACHED,
  SHMFRAME_EVENT_FORMAT,
  SHMFRAME_EVENT_EOS,
  SHMFRAME_EVENT_NAMED,
  SHMFRAME_EVENT_EVENTS_LOST,
  SHMFRAME_EVENT_EVICTED,
  SHMFRAME_EVENT_LOST,
} ShmFrameEventType;

SHMFRAME_API GType shmframe_event_get_type (void) G_GNUC_CONST;
SHMFRAME_API ShmFrameEvent *shmframe_event_ref (ShmFrameEvent *self);
SHMFRAME_API void shmframe_event_unref (ShmFrameEvent *self);

SHMFRAME_API ShmFrameEventType shmframe_event_get_event_type (const ShmFrameEvent *self);
/* The frame that it precedes. */
SHMFRAME_API guint64 shmframe_event_get_sequence (const ShmFrameEvent *self);
/* NAMED: its name and value. ATTACHED: "attached" and an a{sv} about the producer (program s, pid u, uid u,
 * epoch t). EVICTED, LOST: a string that says why. */
SHMFRAME_API const char *shmframe_event_get_name (const ShmFrameEvent *self);
SHMFRAME_API GVariant *shmframe_event_get_value (const ShmFrameEvent *self);
SHMFRAME_API ShmFrameFormat *shmframe_event_get_format (const ShmFrameEvent *self);
SHMFRAME_API guint64 shmframe_event_get_count (const ShmFrameEvent *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFrameEvent, shmframe_event_unref)

G_END_DECLS
