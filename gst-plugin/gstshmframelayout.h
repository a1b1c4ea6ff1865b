/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>
#include <shmframe/shmframe.h>

G_BEGIN_DECLS

/* The most bytes of a compressed frame to begin with. */
#define GST_SHM_FRAME_MIN_COMPRESSED_SIZE (1024 * 1024)

/* What the bytes of a frame mean, in the words of both sides: caps and GstVideoInfo (with the real
 * strides and offsets) and the library's format. Immutable, reference-counted, for any thread. */
typedef struct
{
  GstCaps *caps;
  GstVideoInfo info; /* with GST_VIDEO_FORMAT_ENCODED for compressed frames */
  gsize size;        /* bytes of a frame; compressed: at most */
  gboolean is_default; /* strides and offsets are those that GStreamer assumes without a GstVideoMeta */
  ShmFrameFormat *format;
} GstShmFrameLayout;

/* For fixed caps, from which `info` came: gst_video_info_from_caps() and perhaps
 * gst_video_info_align(). NULL: compressed, up to `size` bytes. Errors: FORMAT. */
GstShmFrameLayout *gst_shm_frame_layout_new (GstCaps *caps, const GstVideoInfo *info, gsize size,
                                             GError **error);
/* For a producer's format: a peer's data, so everything is checked. Errors: FORMAT. */
GstShmFrameLayout *gst_shm_frame_layout_new_from_format (ShmFrameFormat *format, GError **error);
GstShmFrameLayout *gst_shm_frame_layout_ref (GstShmFrameLayout *self);
void gst_shm_frame_layout_unref (GstShmFrameLayout *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstShmFrameLayout, gst_shm_frame_layout_unref)

gboolean gst_shm_frame_layout_is_raw (const GstShmFrameLayout *self);
/* Whether a buffer's planes lie as here; `skip`: bytes from the slot's start to the buffer's. */
gboolean gst_shm_frame_layout_matches (const GstShmFrameLayout *self, GstBuffer *buffer,
                                       gsize skip);
/* Adds the GstVideoMeta of a raw layout, marked POOLED. */
GstVideoMeta *gst_shm_frame_layout_add_meta (GstShmFrameLayout *self, GstBuffer *buffer);

G_END_DECLS
