/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <shmframe/shmframe.h>

/*
 * Frames as pictures for a screen or a file: libswscale for what libavutil knows (matrix and range as the
 * format says; where it does not say, BT.601 below 720 lines and BT.709 from there on, limited range for
 * YUV), GStreamer's converter for formats that only GStreamer knows, where it was built with it.
 */
typedef enum
{
  PICTURE_BGRA, /* GDK_MEMORY_B8G8R8A8: what a screen wants */
  PICTURE_RGBA, /* what a file wants */
} PictureOrder;

/* 8 bits each of four components, rows of width * 4 bytes, alpha 255 where the format has none. */
typedef struct
{
  guint width, height; /* pixels */
  PictureOrder order;
  gboolean opaque; /* the format has no alpha */
  GBytes *bytes;
} Picture;

void picture_free (Picture *self); /* takes NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Picture, picture_free)

/* Keeps what conversions of one format need from frame to frame. One thread at a time. */
typedef struct _PictureMaker PictureMaker;

PictureMaker *picture_maker_new (void);
void picture_maker_free (PictureMaker *self); /* takes NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (PictureMaker, picture_maker_free)

/* The frame's picture, in width x height pixels (0 x 0: its own size; one of them 0: in proportion, by
 * the pixel aspect). Errors: SHMFRAME_ERROR_FORMAT (says which format, and what can be done),
 * SHMFRAME_ERROR_NO_MEMORY. */
Picture *picture_maker_convert (PictureMaker *self, ShmFrameFrame *frame, PictureOrder order,
                                guint width, guint height, GError **error);

/* What stands in the frame at a pixel, in the format's own components and bit depth. */
typedef struct
{
  guint n;
  struct
  {
    const char *name; /* static: Y Cb Cr, R G B, A, or P for a palette's index */
    guint value;
    guint depth; /* bits */
  } component[4];
} PixelValues;

/* Errors: SHMFRAME_ERROR_FORMAT. */
gboolean picture_read_pixel (ShmFrameFrame *frame, guint x, guint y, PixelValues *values,
                             GError **error);

/* Writes a PNG file. Errors: G_FILE_ERROR, GDK_PIXBUF_ERROR. */
gboolean picture_save (const Picture *self, const char *path, GError **error);

/* How often each value of R, G, B and luma (BT.709 of the 8-bit picture) occurs. */
typedef struct
{
  guint32 count[4][256]; /* R, G, B, luma */
} PictureHistogram;

void picture_get_histogram (const Picture *self, PictureHistogram *histogram);

/* How often each luma occurs in each of `columns` columns: waveform[column * 256 + luma]. */
void picture_get_waveform (const Picture *self, guint columns, guint32 *waveform);
