/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "picture.h"

/* Between picture.c and the ways to make a picture. One of them is made for a format, an order and a
 * size that does not change, and used for each frame of it. */

#define MATRIX_RGB 0 /* ITU-T H.273 MatrixCoefficients */
#define MATRIX_BT709 1
#define MATRIX_UNSPECIFIED 2
#define MATRIX_RESERVED 3
#define MATRIX_FCC 4
#define MATRIX_BT470BG 5
#define MATRIX_BT601 6
#define MATRIX_SMPTE240M 7
#define MATRIX_BT2020 9

/* FALSE, with SHMFRAME_ERROR_FORMAT: "picture of FORMAT: ..." */
gboolean picture_refuse (GError **error, const ShmFrameFormat *format, const char *why, ...)
    G_GNUC_PRINTF (3, 4);
/* The matrix of YUV, the default where the format does not say. */
guint picture_get_matrix (const ShmFrameFormat *format);
/* The size to make where one or both of width and height are 0. */
void picture_fit (guint source_width, guint source_height, gint aspect_n, gint aspect_d,
                  guint *width, guint *height);
/* Without pixels yet. Errors: SHMFRAME_ERROR_NO_MEMORY. */
Picture *picture_new (guint width, guint height, PictureOrder order, gboolean opaque,
                      GError **error);
/* Only its maker writes them. */
guint8 *picture_get_pixels (Picture *self);

/* libswscale, for the pixel formats of libavutil. */
typedef struct _PictureScale PictureScale;

PictureScale *picture_scale_new (ShmFrameFormat *format, PictureOrder order, guint width,
                                 guint height, GError **error);
void picture_scale_free (PictureScale *self); /* takes NULL */
Picture *picture_scale_run (PictureScale *self, ShmFrameFrame *frame, GError **error);

/* GStreamer, for those that it alone knows. The size is 0 x 0 where no picture will be made. */
typedef struct _PictureGst PictureGst;

PictureGst *picture_gst_new (ShmFrameFormat *format, PictureOrder order, guint width, guint height,
                             GError **error);
void picture_gst_free (PictureGst *self); /* takes NULL */
Picture *picture_gst_run (PictureGst *self, ShmFrameFrame *frame, GError **error);
gboolean picture_gst_read_pixel (PictureGst *self, ShmFrameFrame *frame, guint x, guint y,
                                 PixelValues *values, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PictureScale, picture_scale_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PictureGst, picture_gst_free)
