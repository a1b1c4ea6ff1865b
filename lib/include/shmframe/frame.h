/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <shmframe/format.h>
#include <shmframe/macros.h>

G_BEGIN_DECLS

/**
 * ShmFrameFrame:
 *
 * One frame: a slot that a producer has acquired, or that a consumer has leased, or a copy.
 *
 * A reference-counted boxed type; references may be taken and dropped by any thread. The last
 * reference of a producer's frame gives the slot back (unpublished: abandoned; published: unpinned);
 * the last reference of a consumer's frame ends the lease. A frame keeps its mapping alive, also
 * after its producer or consumer object is gone.
 *
 * Since: 1.0
 */
typedef struct _ShmFrameFrame ShmFrameFrame;

#define SHMFRAME_TYPE_FRAME (shmframe_frame_get_type ())

/**
 * SHMFRAME_TIME_UNKNOWN:
 *
 * No time. All times are nanoseconds of CLOCK_MONOTONIC.
 *
 * Since: 1.0
 */
#define SHMFRAME_TIME_UNKNOWN G_MININT64

/**
 * ShmFrameFlags:
 * @SHMFRAME_FLAG_KEY: decodable by itself; set it on every raw frame too
 * @SHMFRAME_FLAG_DISCONT: does not follow the frame before it
 * @SHMFRAME_FLAG_CORRUPTED: the producer knows that pixels are wrong
 * @SHMFRAME_FLAG_GAP: no new picture: a repeat or filler
 * @SHMFRAME_FLAG_INTERLACED: two fields
 * @SHMFRAME_FLAG_TFF: top field first
 * @SHMFRAME_FLAG_RFF: repeat the first field
 * @SHMFRAME_FLAG_ONEFIELD: one field only
 * @SHMFRAME_FLAG_LIVE: from a live source
 *
 * Since: 1.0
 */
typedef enum
{
  SHMFRAME_FLAG_KEY = 1 << 0,
  SHMFRAME_FLAG_DISCONT = 1 << 1,
  SHMFRAME_FLAG_CORRUPTED = 1 << 2,
  SHMFRAME_FLAG_GAP = 1 << 3,
  SHMFRAME_FLAG_INTERLACED = 1 << 4,
  SHMFRAME_FLAG_TFF = 1 << 5,
  SHMFRAME_FLAG_RFF = 1 << 6,
  SHMFRAME_FLAG_ONEFIELD = 1 << 7,
  SHMFRAME_FLAG_LIVE = 1 << 8,
} ShmFrameFlags;

/**
 * ShmFrameVerdict:
 * @SHMFRAME_VERDICT_INTACT: all that was read so far belonged to this frame
 * @SHMFRAME_VERDICT_REVOKED: the consumer had been evicted and the slot was written again; throw
 *   away what was read
 *
 * Since: 1.0
 */
typedef enum
{
  SHMFRAME_VERDICT_INTACT,
  SHMFRAME_VERDICT_REVOKED,
} ShmFrameVerdict;

SHMFRAME_API GType shmframe_frame_get_type (void) G_GNUC_CONST;
SHMFRAME_API ShmFrameFrame *shmframe_frame_ref (ShmFrameFrame *self);
SHMFRAME_API void shmframe_frame_unref (ShmFrameFrame *self);

/* Sequence in its pool, 0 until it is published; slot number; bytes from the start of the segment;
 * all three are 0 for a copy but for the sequence. */
SHMFRAME_API guint64 shmframe_frame_get_sequence (const ShmFrameFrame *self);
SHMFRAME_API guint shmframe_frame_get_slot (const ShmFrameFrame *self);
SHMFRAME_API guint64 shmframe_frame_get_offset (const ShmFrameFrame *self);
SHMFRAME_API guint64 shmframe_frame_get_epoch (const ShmFrameFrame *self);
SHMFRAME_API gboolean shmframe_frame_is_copy (const ShmFrameFrame *self);

/* The payload. Producer: the whole slot, writable until publish. Consumer: payload-size bytes,
 * read-only memory. Valid while a reference is held. */
SHMFRAME_API gpointer shmframe_frame_get_data (ShmFrameFrame *self);
SHMFRAME_API gsize shmframe_frame_get_size (const ShmFrameFrame *self);
/* Copies of the payload, out and in, for languages without pointers. Errors: TOO_BIG. */
SHMFRAME_API GBytes *shmframe_frame_dup_bytes (ShmFrameFrame *self);
SHMFRAME_API gboolean shmframe_frame_fill (ShmFrameFrame *self, GBytes *bytes, GError **error);
SHMFRAME_API gboolean shmframe_frame_is_writable (const ShmFrameFrame *self);
/* Start of a plane; bounds-checked against the payload; NULL where there is no such plane. */
SHMFRAME_API gpointer shmframe_frame_get_plane (ShmFrameFrame *self, guint plane, gint *stride);
SHMFRAME_API ShmFrameFormat *shmframe_frame_get_format (const ShmFrameFrame *self);

SHMFRAME_API gint64 shmframe_frame_get_pts (const ShmFrameFrame *self);
SHMFRAME_API gint64 shmframe_frame_get_duration (const ShmFrameFrame *self);
SHMFRAME_API gint64 shmframe_frame_get_capture_time (const ShmFrameFrame *self);
SHMFRAME_API gint64 shmframe_frame_get_publish_time (const ShmFrameFrame *self);
SHMFRAME_API gint64 shmframe_frame_get_stream_time (const ShmFrameFrame *self);
SHMFRAME_API ShmFrameFlags shmframe_frame_get_flags (const ShmFrameFrame *self);

/* Producer only, before publish. */
SHMFRAME_API void shmframe_frame_set_pts (ShmFrameFrame *self, gint64 pts_ns);
SHMFRAME_API void shmframe_frame_set_duration (ShmFrameFrame *self, gint64 duration_ns);
SHMFRAME_API void shmframe_frame_set_capture_time (ShmFrameFrame *self, gint64 capture_ns);
SHMFRAME_API void shmframe_frame_set_stream_time (ShmFrameFrame *self, gint64 stream_ns);
SHMFRAME_API void shmframe_frame_set_flags (ShmFrameFrame *self, ShmFrameFlags flags);
SHMFRAME_API gboolean shmframe_frame_set_payload_size (ShmFrameFrame *self, gsize size,
                                                       GError **error);
SHMFRAME_API gboolean shmframe_frame_set_metadata (ShmFrameFrame *self, GVariant *metadata,
                                                   GError **error);

/* Consumer: the a{sv} that the producer set, copied out and checked; NULL where there is none. */
SHMFRAME_API GVariant *shmframe_frame_dup_metadata (ShmFrameFrame *self, GError **error);
/* Consumer: the verdict on what was read until now. The lease goes on. */
SHMFRAME_API ShmFrameVerdict shmframe_frame_get_verdict (const ShmFrameFrame *self);
/* Consumer: from publication to the lease, in ns. */
SHMFRAME_API gint64 shmframe_frame_get_latency (const ShmFrameFrame *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFrameFrame, shmframe_frame_unref)

G_END_DECLS
