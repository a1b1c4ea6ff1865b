/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Pixel formats that GStreamer and libavutil both know: those whose components both libraries write to
 * the same bits of the same planes. Any thread. */

/* libavutil's name; NULL: it has none. */
const char *gst_shm_frame_pixels_to_name (GstVideoFormat format);
/* GST_VIDEO_FORMAT_UNKNOWN: GStreamer has none. Full-range "yuvj" formats are the "yuv" ones here. */
GstVideoFormat gst_shm_frame_pixels_from_name (const char *name);

G_END_DECLS
