/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include <shmframe/error.h>

#include "api/frame-private.h"
#include "os/wake.h"

G_DEFINE_BOXED_TYPE (ShmFrameFrame, shmframe_frame, shmframe_frame_ref, shmframe_frame_unref)

ShmFrameFrame *
shmframe_frame_new (ShmFrameFrameKind kind, ShmFrameSegment *segment, ShmFrameFormat *format,
                    guint64 handle)
{
  ShmFrameFrame *self = g_new0 (ShmFrameFrame, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->kind = kind;
  self->segment = shmframe_segment_ref (segment);
  self->format = shmframe_format_ref (format);
  self->epoch = segment->layout.epoch;
  self->size = segment->layout.payload_size;
  shmframe_frame_set_handle (self, handle);
  return self;
}

void
shmframe_frame_set_handle (ShmFrameFrame *self, guint64 handle)
{
  self->handle = handle;
  self->data = (guint8 *) shmframe_memory_get_data (self->segment->memory)
               + shmframe_segment_payload_offset (self->segment, shmframe_handle_slot (handle));
}

ShmFrameFrame *
shmframe_frame_new_copy (guint64 epoch, guint64 sequence, const ShmFrameDescriptor *descriptor,
                         gpointer payload, gsize size, ShmFrameFormat *format, GBytes *metadata)
{
  ShmFrameFrame *self = g_new0 (ShmFrameFrame, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->kind = SHMFRAME_FRAME_COPIED;
  self->format = shmframe_format_ref (format);
  self->handle = shmframe_handle (sequence, 0);
  self->epoch = epoch;
  self->data = payload;
  self->size = size;
  self->descriptor = *descriptor;
  self->metadata = metadata ? g_bytes_ref (metadata) : NULL;
  self->leased_ns = shmframe_wake_now ();
  return self;
}

/**
 * shmframe_frame_ref:
 * @self: a frame
 *
 * Takes a reference; from any thread.
 *
 * Returns: (transfer full): @self
 * Since: 1.0
 */
ShmFrameFrame *
shmframe_frame_ref (ShmFrameFrame *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * shmframe_frame_unref:
 * @self: (transfer full) (nullable): a frame
 *
 * Drops a reference; from any thread. The last one gives the slot back to the producer's pool
 * (abandoning a frame that was not published), or ends the consumer's lease.
 *
 * Since: 1.0
 */
void
shmframe_frame_unref (ShmFrameFrame *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;
  if (self->drop == NULL || !self->drop (self))
    shmframe_frame_free (self);
}

void
shmframe_frame_free (ShmFrameFrame *self)
{
  if (self->kind == SHMFRAME_FRAME_COPIED)
    g_free (self->data);
  g_clear_pointer (&self->metadata, g_bytes_unref);
  g_clear_pointer (&self->format, shmframe_format_unref);
  g_clear_pointer (&self->segment, shmframe_segment_unref);
  g_free (self);
}

/**
 * shmframe_frame_get_sequence:
 * @self: a frame
 *
 * Returns: the number of the frame in its pool, from 1; 0 for a frame that is not published yet
 * Since: 1.0
 */
guint64
shmframe_frame_get_sequence (const ShmFrameFrame *self)
{
  return self->kind == SHMFRAME_FRAME_ACQUIRED ? 0 : shmframe_handle_sequence (self->handle);
}

/**
 * shmframe_frame_get_slot:
 * @self: a frame
 *
 * Returns: the number of its slot; 0 for a copy
 * Since: 1.0
 */
guint
shmframe_frame_get_slot (const ShmFrameFrame *self)
{
  return shmframe_handle_slot (self->handle);
}

/**
 * shmframe_frame_get_offset:
 * @self: a frame
 *
 * Returns: where its payload begins in the segment, in bytes; 0 for a copy
 * Since: 1.0
 */
guint64
shmframe_frame_get_offset (const ShmFrameFrame *self)
{
  if (self->segment == NULL)
    return 0;
  return shmframe_segment_payload_offset (self->segment, shmframe_handle_slot (self->handle));
}

/**
 * shmframe_frame_get_epoch:
 * @self: a frame
 *
 * Returns: the random number of the producer's instance that made it
 * Since: 1.0
 */
guint64
shmframe_frame_get_epoch (const ShmFrameFrame *self)
{
  return self->epoch;
}

/**
 * shmframe_frame_is_copy:
 * @self: a frame
 *
 * Returns: whether its bytes are a copy, which holds no slot
 * Since: 1.0
 */
gboolean
shmframe_frame_is_copy (const ShmFrameFrame *self)
{
  return self->kind == SHMFRAME_FRAME_COPIED;
}

/**
 * shmframe_frame_get_data: (skip)
 * @self: a frame
 *
 * The payload: a producer's whole slot, writable until it is published; a consumer's payload, in
 * memory that the kernel keeps read-only. Valid while a reference is held.
 *
 * Returns: (transfer none): its first byte
 * Since: 1.0
 */
gpointer
shmframe_frame_get_data (ShmFrameFrame *self)
{
  return self->data;
}

/**
 * shmframe_frame_get_size:
 * @self: a frame
 *
 * Returns: the bytes at shmframe_frame_get_data()
 * Since: 1.0
 */
gsize
shmframe_frame_get_size (const ShmFrameFrame *self)
{
  return self->size;
}

/**
 * shmframe_frame_dup_bytes:
 * @self: a frame
 *
 * Copies the payload out: for languages without pointers. Everyone else reads in place.
 *
 * Returns: (transfer full): a copy of the payload
 * Since: 1.0
 */
GBytes *
shmframe_frame_dup_bytes (ShmFrameFrame *self)
{
  return g_bytes_new (self->data, self->size);
}

/**
 * shmframe_frame_fill:
 * @self: a frame that is not published yet
 * @bytes: the payload
 * @error: return location for an error
 *
 * Copies a payload in and sets the payload size: for languages without pointers.
 *
 * Returns: whether it fits; %SHMFRAME_ERROR_TOO_BIG otherwise
 * Since: 1.0
 */
gboolean
shmframe_frame_fill (ShmFrameFrame *self, GBytes *bytes, GError **error)
{
  gsize size;
  const void *data = g_bytes_get_data (bytes, &size);

  if (!shmframe_frame_set_payload_size (self, size, error))
    return FALSE;
  if (size > 0)
    memcpy (self->data, data, size);
  return TRUE;
}

/**
 * shmframe_frame_is_writable:
 * @self: a frame
 *
 * Returns: whether the payload may be written: acquired, and not published yet
 * Since: 1.0
 */
gboolean
shmframe_frame_is_writable (const ShmFrameFrame *self)
{
  return self->kind == SHMFRAME_FRAME_ACQUIRED;
}

/**
 * shmframe_frame_get_plane: (skip)
 * @self: a frame
 * @plane: number of the plane, from 0
 * @stride: (out) (optional): bytes from one row to the next
 *
 * Returns: (transfer none) (nullable): the first byte of a plane; %NULL where the format has no such
 *   plane or the payload does not contain all of it
 * Since: 1.0
 */
gpointer
shmframe_frame_get_plane (ShmFrameFrame *self, guint plane, gint *stride)
{
  gsize offset, extent;

  if (plane >= shmframe_format_get_n_planes (self->format))
    return NULL;
  offset = shmframe_format_get_offset (self->format, plane);
  extent = (gsize) shmframe_format_get_stride (self->format, plane)
           * shmframe_format_get_rows (self->format, plane);
  if (offset > self->size || extent > self->size - offset)
    return NULL;
  if (stride)
    *stride = shmframe_format_get_stride (self->format, plane);
  return self->data + offset;
}

/**
 * shmframe_frame_get_format:
 * @self: a frame
 *
 * Returns: (transfer none): what its bytes mean
 * Since: 1.0
 */
ShmFrameFormat *
shmframe_frame_get_format (const ShmFrameFrame *self)
{
  return self->format;
}

/**
 * shmframe_frame_get_pts:
 * @self: a frame
 *
 * Returns: when to show it, in ns of CLOCK_MONOTONIC, or %SHMFRAME_TIME_UNKNOWN
 * Since: 1.0
 */
gint64
shmframe_frame_get_pts (const ShmFrameFrame *self)
{
  return self->descriptor.pts_ns;
}

/**
 * shmframe_frame_get_duration:
 * @self: a frame
 *
 * Returns: how long to show it, in ns, or %SHMFRAME_TIME_UNKNOWN
 * Since: 1.0
 */
gint64
shmframe_frame_get_duration (const ShmFrameFrame *self)
{
  return self->descriptor.duration_ns;
}

/**
 * shmframe_frame_get_capture_time:
 * @self: a frame
 *
 * Returns: when it was captured, in ns of CLOCK_MONOTONIC, or %SHMFRAME_TIME_UNKNOWN
 * Since: 1.0
 */
gint64
shmframe_frame_get_capture_time (const ShmFrameFrame *self)
{
  return self->descriptor.capture_ns;
}

/**
 * shmframe_frame_get_publish_time:
 * @self: a frame
 *
 * Returns: when it was published, in ns of CLOCK_MONOTONIC, or %SHMFRAME_TIME_UNKNOWN
 * Since: 1.0
 */
gint64
shmframe_frame_get_publish_time (const ShmFrameFrame *self)
{
  return self->descriptor.publish_ns;
}

/**
 * shmframe_frame_get_stream_time:
 * @self: a frame
 *
 * Returns: its position in the producer's stream, in ns, or %SHMFRAME_TIME_UNKNOWN
 * Since: 1.0
 */
gint64
shmframe_frame_get_stream_time (const ShmFrameFrame *self)
{
  return self->descriptor.stream_ns;
}

/**
 * shmframe_frame_get_flags:
 * @self: a frame
 *
 * Returns: its flags
 * Since: 1.0
 */
ShmFrameFlags
shmframe_frame_get_flags (const ShmFrameFrame *self)
{
  return (ShmFrameFlags) self->descriptor.flags;
}

/**
 * shmframe_frame_set_pts:
 * @self: a frame that is not published yet
 * @pts_ns: when to show it, in ns of CLOCK_MONOTONIC, or %SHMFRAME_TIME_UNKNOWN
 *
 * Since: 1.0
 */
void
shmframe_frame_set_pts (ShmFrameFrame *self, gint64 pts_ns)
{
  g_return_if_fail (shmframe_frame_is_writable (self));
  self->descriptor.pts_ns = pts_ns;
}

/**
 * shmframe_frame_set_duration:
 * @self: a frame that is not published yet
 * @duration_ns: how long to show it, in ns, or %SHMFRAME_TIME_UNKNOWN
 *
 * Since: 1.0
 */
void
shmframe_frame_set_duration (ShmFrameFrame *self, gint64 duration_ns)
{
  g_return_if_fail (shmframe_frame_is_writable (self));
  self->descriptor.duration_ns = duration_ns;
}

/**
 * shmframe_frame_set_capture_time:
 * @self: a frame that is not published yet
 * @capture_ns: when it was captured, in ns of CLOCK_MONOTONIC, or %SHMFRAME_TIME_UNKNOWN
 *
 * Since: 1.0
 */
void
shmframe_frame_set_capture_time (ShmFrameFrame *self, gint64 capture_ns)
{
  g_return_if_fail (shmframe_frame_is_writable (self));
  self->descriptor.capture_ns = capture_ns;
}

/**
 * shmframe_frame_set_stream_time:
 * @self: a frame that is not published yet
 * @stream_ns: its position in the producer's stream, in ns, or %SHMFRAME_TIME_UNKNOWN
 *
 * Since: 1.0
 */
void
shmframe_frame_set_stream_time (ShmFrameFrame *self, gint64 stream_ns)
{
  g_return_if_fail (shmframe_frame_is_writable (self));
  self->descriptor.stream_ns = stream_ns;
}

/**
 * shmframe_frame_set_flags:
 * @self: a frame that is not published yet
 * @flags: its flags
 *
 * Since: 1.0
 */
void
shmframe_frame_set_flags (ShmFrameFrame *self, ShmFrameFlags flags)
{
  g_return_if_fail (shmframe_frame_is_writable (self));
  self->descriptor.flags = (guint32) flags;
}

/**
 * shmframe_frame_set_payload_size:
 * @self: a frame that is not published yet
 * @size: bytes used of the slot
 * @error: return location for an error
 *
 * A raw frame has its format's size without this call, and may not be smaller.
 *
 * Returns: whether the size is possible; %SHMFRAME_ERROR_TOO_BIG or %SHMFRAME_ERROR_ARGUMENT
 * Since: 1.0
 */
gboolean
shmframe_frame_set_payload_size (ShmFrameFrame *self, gsize size, GError **error)
{
  g_return_val_if_fail (shmframe_frame_is_writable (self), FALSE);
  if (size > self->size)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG,
                   "frame: payload of %" G_GSIZE_FORMAT " bytes, a slot has %" G_GSIZE_FORMAT
                   ": set a format with a larger size",
                   size, self->size);
      return FALSE;
    }
  if (shmframe_format_is_raw (self->format) && size < shmframe_format_get_size (self->format))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
                   "frame: payload of %" G_GSIZE_FORMAT " bytes, its raw format needs "
                   "%" G_GSIZE_FORMAT ": fill the whole frame",
                   size, shmframe_format_get_size (self->format));
      return FALSE;
    }
  self->descriptor.payload_size = size;
  return TRUE;
}

/**
 * shmframe_frame_set_metadata:
 * @self: a frame that is not published yet
 * @metadata: (nullable): an `a{sv}`; sunk when floating
 * @error: return location for an error
 *
 * Sets what goes with the frame: regions of interest, timecode, the user's own. It is serialised into
 * the slot's metadata area at once.
 *
 * Returns: whether it fits; %SHMFRAME_ERROR_TOO_BIG or %SHMFRAME_ERROR_ARGUMENT
 * Since: 1.0
 */
gboolean
shmframe_frame_set_metadata (ShmFrameFrame *self, GVariant *metadata, GError **error)
{
  g_autoptr (GVariant) value = metadata ? g_variant_ref_sink (metadata) : NULL;
  g_autoptr (GVariant) normal = NULL;
  gsize size, room;

  g_return_val_if_fail (shmframe_frame_is_writable (self), FALSE);
  self->descriptor.metadata_size = 0;
  if (value == NULL)
    return TRUE;
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
                   "frame: metadata of type '%s': give an a{sv}",
                   g_variant_get_type_string (value));
      return FALSE;
    }
  normal = g_variant_get_normal_form (value);
  size = g_variant_get_size (normal);
  room = self->segment->layout.metadata_size;
  if (size > room)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG,
                   "frame: metadata of %" G_GSIZE_FORMAT " bytes, its area has %" G_GSIZE_FORMAT
                   ": start the producer with metadata-size=%" G_GSIZE_FORMAT " (at most %u)",
                   size, room, size, SHMFRAME_METADATA_MAX);
      return FALSE;
    }
  g_variant_store (normal, self->data + self->segment->layout.payload_size);
  self->descriptor.metadata_size = (guint32) size;
  return TRUE;
}

GBytes *
shmframe_frame_read_metadata (ShmFrameSegment *segment, guint slot,
                              const ShmFrameDescriptor *descriptor)
{
  gsize size = MIN (descriptor->metadata_size, segment->layout.metadata_size);

  if (size == 0)
    return NULL;
  return g_bytes_new ((const guint8 *) shmframe_memory_get_data (segment->memory)
                          + shmframe_segment_metadata_offset (segment, slot),
                      size);
}

/**
 * shmframe_frame_dup_metadata:
 * @self: a consumer's frame
 * @error: return location for an error
 *
 * What the producer sent with the frame: copied out first, then checked.
 *
 * Returns: (transfer full) (nullable): an `a{sv}`; %NULL without an error where there is none, with
 *   %SHMFRAME_ERROR_PROTOCOL where it is malformed
 * Since: 1.0
 */
GVariant *
shmframe_frame_dup_metadata (ShmFrameFrame *self, GError **error)
{
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GVariant) value = NULL;

  if (self->metadata)
    bytes = g_bytes_ref (self->metadata);
  else if (self->segment)
    bytes = shmframe_frame_read_metadata (self->segment, shmframe_handle_slot (self->handle),
                                          &self->descriptor);
  if (bytes == NULL)
    return NULL;
  value = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, bytes, FALSE));
  if (!g_variant_is_normal_form (value))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "frame %" G_GUINT64_FORMAT ": malformed metadata: the producer is at fault",
                   shmframe_handle_sequence (self->handle));
      return NULL;
    }
  return g_steal_pointer (&value);
}

/**
 * shmframe_frame_get_verdict:
 * @self: a consumer's frame
 *
 * Returns: whether all that was read until now belonged to this frame; the lease goes on
 * Since: 1.0
 */
ShmFrameVerdict
shmframe_frame_get_verdict (const ShmFrameFrame *self)
{
  if (self->kind != SHMFRAME_FRAME_LEASED)
    return SHMFRAME_VERDICT_INTACT;
  return shmframe_slot_intact (&self->segment->view, self->handle) ? SHMFRAME_VERDICT_INTACT
                                                                  : SHMFRAME_VERDICT_REVOKED;
}

/**
 * shmframe_frame_get_latency:
 * @self: a consumer's frame
 *
 * Returns: from its publication to this consumer's lease, in ns
 * Since: 1.0
 */
gint64
shmframe_frame_get_latency (const ShmFrameFrame *self)
{
  return shmframe_frame_latency (self->leased_ns, &self->descriptor);
}

gint64
shmframe_frame_latency (gint64 leased_ns, const ShmFrameDescriptor *descriptor)
{
  gint64 publish_ns = descriptor->publish_ns;

  return publish_ns > 0 && publish_ns <= leased_ns ? leased_ns - publish_ns : 0;
}
