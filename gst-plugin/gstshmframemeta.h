/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>
#include <shmframe/shmframe.h>

G_BEGIN_DECLS

/* A buffer's metas as a frame's metadata, an a{sv}, and back. Entries, one line a kind:
 *   crop                  (uuuu)               x, y, width, height
 *   roi                   a(siiuuuuas)         type, id, parent, x, y, width, height, parameters
 *   timecode              (uuuuuuuus)          fps numerator and denominator, flags, hours, minutes
 *                                              seconds, frames, fields, daily jam (ISO 8601 or "")
 *   reference-timestamps  a(stt)               caps, timestamp, duration
 *   captions              a(say)               caps, bytes
 *   afd                   a(yuu)               field, specification, value
 *   bar                   a(ybuu)              field, letterbox, both bars
 *   sei-unregistered      a(ayay)              UUID, bytes
 *   custom                a(sass)              name, tags, structure
 *   dts                   x                    of compressed frames, in ns of CLOCK_MONOTONIC
 * Strings of caps and structures are GStreamer's. What it does not know it leaves alone. */

/* NULL where there is nothing to tell (floating otherwise). dts: G_MININT64 for none. What cannot
 * cross is logged by name, once in the process. */
GVariant *gst_shm_frame_meta_to_variant (GstBuffer *buffer, gint64 dts);
/* Adds what the metadata says: a peer's data, so all of it is checked. The buffer must be
 * writable. Returns the dts, or G_MININT64. */
gint64 gst_shm_frame_meta_from_variant (GstBuffer *buffer, GVariant *metadata);

/* A buffer's flags, as far as frames have them too. */
ShmFrameFlags gst_shm_frame_flags_from_buffer (GstBuffer *buffer);
void gst_shm_frame_flags_to_buffer (ShmFrameFlags flags, GstBuffer *buffer);

G_END_DECLS
