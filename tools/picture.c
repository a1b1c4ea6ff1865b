/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture-private.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <string.h>

#define PICTURE_MAX_BYTES (G_GUINT64_CONSTANT (1) << 30)
/* Of a JPEG picture, whose few bytes may claim any size: what is decoded, however little is wanted. */
#define JPEG_MAX_PIXELS (G_GUINT64_CONSTANT (64) << 20)
/* Vector code may write past the end of a row. */
#define SLACK 64

struct _PictureMaker
{
  ShmFrameFormat *format; /* what the rest is made for; NULL: none yet */
  PictureOrder order;
  guint width, height; /* as asked for */
  PictureScale *scale;
  PictureGst *gst;
};

gboolean
picture_refuse (GError **error, const ShmFrameFormat *format, const char *why, ...)
{
  g_autofree char *name = shmframe_format_to_string (format);
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, why);
  text = g_strdup_vprintf (why, args);
  va_end (args);
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT, "picture of %s: %s", name, text);
  return FALSE;
}

guint
picture_get_matrix (const ShmFrameFormat *format)
{
  guint matrix;

  shmframe_format_get_colour (format, NULL, NULL, &matrix, NULL);
  if (matrix == MATRIX_UNSPECIFIED || matrix == MATRIX_RESERVED || matrix == MATRIX_RGB)
    return shmframe_format_get_height (format) < 720 ? MATRIX_BT601 : MATRIX_BT709;
  return matrix;
}

void
picture_fit (guint source_width, guint source_height, gint aspect_n, gint aspect_d, guint *width,
             guint *height)
{
  double ratio = (double) source_width * aspect_n / ((double) source_height * aspect_d);

  if (*width == 0 && *height == 0)
    {
      *width = source_width;
      *height = source_height;
    }
  else if (*width == 0)
    *width = (guint) CLAMP (*height * ratio + 0.5, 1, SHMFRAME_FORMAT_MAX_SIZE);
  else if (*height == 0)
    *height = (guint) CLAMP (*width / ratio + 0.5, 1, SHMFRAME_FORMAT_MAX_SIZE);
}

Picture *
picture_new (guint width, guint height, PictureOrder order, gboolean opaque, GError **error)
{
  guint64 size = (guint64) width * height * 4;
  guint8 *pixels = size <= PICTURE_MAX_BYTES ? g_try_malloc (size + SLACK) : NULL;
  Picture *self;

  if (pixels == NULL)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_MEMORY,
                   "picture of %ux%u pixels: needs too much memory; ask for a smaller one", width,
                   height);
      return NULL;
    }
  self = g_new0 (Picture, 1);
  self->width = width;
  self->height = height;
  self->order = order;
  self->opaque = opaque;
  self->bytes = g_bytes_new_take (pixels, size);
  return self;
}

guint8 *
picture_get_pixels (Picture *self)
{
  return (guint8 *) g_bytes_get_data (self->bytes, NULL);
}

void
picture_free (Picture *self)
{
  if (self == NULL)
    return;
  g_bytes_unref (self->bytes);
  g_free (self);
}

/* ---- JPEG ---------------------------------------------------------------------------------- */

typedef struct
{
  guint width, height; /* as asked for */
  gint aspect[2];
  gboolean too_large; /* what is there, or what would be made of it */
} Wanted;

/* Called before anything is allocated for the picture. A size of 0 makes the loader give up. */
static void
choose_size (GdkPixbufLoader *loader, gint width, gint height, gpointer data)
{
  Wanted *wanted = data;
  guint to_width = wanted->width, to_height = wanted->height;

  if (width > 0 && height > 0)
    picture_fit ((guint) width, (guint) height, wanted->aspect[0], wanted->aspect[1], &to_width,
                 &to_height);
  wanted->too_large = width > SHMFRAME_FORMAT_MAX_SIZE || height > SHMFRAME_FORMAT_MAX_SIZE
                      || (guint64) MAX (width, 0) * (guint64) MAX (height, 0) > JPEG_MAX_PIXELS
                      || (guint64) to_width * to_height * 4 > PICTURE_MAX_BYTES;
  if (wanted->too_large)
    gdk_pixbuf_loader_set_size (loader, 0, 0);
  else
    gdk_pixbuf_loader_set_size (loader, (gint) to_width, (gint) to_height);
}

static void
copy_row (guint8 *to, const guint8 *from, guint width, gint channels, gboolean swap)
{
  for (guint x = 0; x < width; x++, to += 4, from += channels)
    {
      to[0] = from[swap ? 2 : 0];
      to[1] = from[1];
      to[2] = from[swap ? 0 : 2];
      to[3] = channels == 4 ? from[3] : 255;
    }
}

static Picture *
picture_from_pixbuf (GdkPixbuf *pixbuf, PictureOrder order, GError **error)
{
  guint width = (guint) gdk_pixbuf_get_width (pixbuf),
        height = (guint) gdk_pixbuf_get_height (pixbuf);
  gint channels = gdk_pixbuf_get_n_channels (pixbuf);
  gsize stride = (gsize) gdk_pixbuf_get_rowstride (pixbuf);
  const guint8 *pixels = gdk_pixbuf_read_pixels (pixbuf);
  Picture *self = picture_new (width, height, order, channels == 3, error);

  for (guint y = 0; self != NULL && y < height; y++)
    copy_row (picture_get_pixels (self) + (gsize) y * width * 4, pixels + y * stride, width,
              channels, order == PICTURE_BGRA);
  return self;
}

/* From a copy: a producer must not change what is being parsed. */
static Picture *
convert_jpeg (ShmFrameFrame *frame, PictureOrder order, guint width, guint height, GError **error)
{
  const ShmFrameFormat *format = shmframe_frame_get_format (frame);
  g_autoptr (GdkPixbufLoader) loader = gdk_pixbuf_loader_new_with_type ("jpeg", NULL);
  g_autoptr (GBytes) bytes = shmframe_frame_dup_bytes (frame);
  g_autoptr (GError) problem = NULL;
  Wanted wanted = { .width = width, .height = height };
  gboolean loaded;
  GdkPixbuf *pixbuf;

  if (loader == NULL)
    {
      picture_refuse (error, format, "gdk-pixbuf has no JPEG loader here; install one");
      return NULL;
    }
  shmframe_format_get_pixel_aspect (format, &wanted.aspect[0], &wanted.aspect[1]);
  g_signal_connect (loader, "size-prepared", G_CALLBACK (choose_size), &wanted);
  loaded = gdk_pixbuf_loader_write_bytes (loader, bytes, &problem);
  loaded = gdk_pixbuf_loader_close (loader, loaded ? &problem : NULL) && loaded;
  pixbuf = loaded ? gdk_pixbuf_loader_get_pixbuf (loader) : NULL;
  if (pixbuf == NULL)
    {
      picture_refuse (error, format, "frame %" G_GUINT64_FORMAT " is no JPEG picture: %s",
                      shmframe_frame_get_sequence (frame),
                      wanted.too_large  ? "too large"
                      : problem != NULL ? problem->message
                                        : "without pixels");
      return NULL;
    }
  return picture_from_pixbuf (pixbuf, order, error);
}

/* ---- the maker ----------------------------------------------------------------------------- */

PictureMaker *
picture_maker_new (void)
{
  return g_new0 (PictureMaker, 1);
}

static void
forget (PictureMaker *self)
{
  g_clear_pointer (&self->scale, picture_scale_free);
  g_clear_pointer (&self->gst, picture_gst_free);
  g_clear_pointer (&self->format, shmframe_format_unref);
}

void
picture_maker_free (PictureMaker *self)
{
  if (self == NULL)
    return;
  forget (self);
  g_free (self);
}

static gboolean
is_prepared (const PictureMaker *self, const ShmFrameFormat *format, PictureOrder order,
             guint width, guint height)
{
  return self->format != NULL && self->order == order && self->width == width
         && self->height == height
         && (self->format == format || shmframe_format_equal (self->format, format));
}

static gboolean
prepare (PictureMaker *self, ShmFrameFormat *format, PictureOrder order, guint width, guint height,
         GError **error)
{
  guint made_width = width, made_height = height;
  gint aspect_n, aspect_d;

  if (is_prepared (self, format, order, width, height))
    return TRUE;
  forget (self);
  shmframe_format_get_pixel_aspect (format, &aspect_n, &aspect_d);
  picture_fit (shmframe_format_get_width (format), shmframe_format_get_height (format), aspect_n,
               aspect_d, &made_width, &made_height);
  if (shmframe_format_get_pixel_format (format) != NULL)
    self->scale = picture_scale_new (format, order, made_width, made_height, error);
  else
    self->gst = picture_gst_new (format, order, made_width, made_height, error);
  if (self->scale == NULL && self->gst == NULL)
    return FALSE;
  self->format = shmframe_format_ref (format);
  self->order = order;
  self->width = width;
  self->height = height;
  return TRUE;
}

Picture *
picture_maker_convert (PictureMaker *self, ShmFrameFrame *frame, PictureOrder order, guint width,
                       guint height, GError **error)
{
  ShmFrameFormat *format = shmframe_frame_get_format (frame);

  if (width > SHMFRAME_FORMAT_MAX_SIZE || height > SHMFRAME_FORMAT_MAX_SIZE)
    {
      picture_refuse (error, format, "%ux%u pixels are asked for, at most %dx%d can be had", width,
                      height, SHMFRAME_FORMAT_MAX_SIZE, SHMFRAME_FORMAT_MAX_SIZE);
      return NULL;
    }
  if (g_str_equal (shmframe_format_get_media_type (format), "image/jpeg"))
    return convert_jpeg (frame, order, width, height, error);
  if (!shmframe_format_is_raw (format))
    {
      picture_refuse (error, format,
                      "only raw video and image/jpeg can be shown; decode it before shmframesink");
      return NULL;
    }
  if (!prepare (self, format, order, width, height, error))
    return NULL;
  return self->scale != NULL ? picture_scale_run (self->scale, frame, error)
                             : picture_gst_run (self->gst, frame, error);
}

/* ---- files --------------------------------------------------------------------------------- */

gboolean
picture_save (const Picture *self, const char *path, GError **error)
{
  gint channels = self->opaque ? 3 : 4;
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, !self->opaque, 8,
                                                 (gint) self->width, (gint) self->height);
  const guint8 *from = g_bytes_get_data (self->bytes, NULL);
  g_autofree char *png = NULL;
  gsize size;

  if (pixbuf == NULL)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOMEM, "%s: no memory for %ux%u pixels", path,
                   self->width, self->height);
      return FALSE;
    }
  for (guint y = 0; y < self->height; y++)
    {
      guint8 *to = gdk_pixbuf_get_pixels (pixbuf) + (gsize) y * gdk_pixbuf_get_rowstride (pixbuf);

      for (guint x = 0; x < self->width; x++, to += channels, from += 4)
        {
          to[0] = from[self->order == PICTURE_BGRA ? 2 : 0];
          to[1] = from[1];
          to[2] = from[self->order == PICTURE_BGRA ? 0 : 2];
          if (channels == 4)
            to[3] = from[3];
        }
    }
  /* Under another name first: who reads the file never sees half of it. */
  return gdk_pixbuf_save_to_buffer (pixbuf, &png, &size, "png", error, NULL)
         && g_file_set_contents_full (path, png, (gssize) size, G_FILE_SET_CONTENTS_CONSISTENT,
                                      0666, error);
}
