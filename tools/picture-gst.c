/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture-private.h"

#ifdef HAVE_GST_VIDEO
#include <gst/video/video.h>
#endif
#include <string.h>

/* For formats that libavutil has no name for. Of a peer's caps only the name of the format is read, and
 * not by GStreamer's parser; all the rest stands in the frame's format, checked by the library. */

#ifdef HAVE_GST_VIDEO

struct _PictureGst
{
  GstVideoInfo in, out;
  PictureOrder order;
  GstVideoConverter *converter; /* NULL: only for reading pixels */
};

/* Without looking for plugins: none is needed. */
static gpointer
init_gst (gpointer data)
{
  char *arguments[] = { (char *) "frame-tools", (char *) "--gst-disable-registry-update", NULL };
  char **argv = arguments;
  int argc = 2;

  return GINT_TO_POINTER (gst_init_check (&argc, &argv, NULL));
}

static GstVideoFormat
find_format (const ShmFrameFormat *format)
{
  const char *caps = shmframe_format_get_caps (format);
  g_autoptr (GRegex) regex
      = g_regex_new ("[,;] *format=(?:\\(string\\))? *\"?([A-Za-z0-9_]{1,32})", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *name = NULL;

  if (caps == NULL || !g_regex_match (regex, caps, 0, &match))
    return GST_VIDEO_FORMAT_UNKNOWN;
  name = g_match_info_fetch (match, 1);
  return gst_video_format_from_string (name);
}

static void
set_colour (GstVideoInfo *info, const ShmFrameFormat *format)
{
  gboolean full_range;

  if (!GST_VIDEO_INFO_IS_YUV (info))
    return;
  shmframe_format_get_colour (format, NULL, NULL, NULL, &full_range);
  info->colorimetry.matrix = gst_video_color_matrix_from_iso (picture_get_matrix (format));
  info->colorimetry.range = full_range ? GST_VIDEO_COLOR_RANGE_0_255 : GST_VIDEO_COLOR_RANGE_16_235;
}

/* Where the planes lie: as the peer says, where all rows of GStreamer's own layout fit there. */
static gboolean
set_planes (GstVideoInfo *info, const ShmFrameFormat *format)
{
  const GstVideoFormatInfo *finfo = info->finfo;
  GstVideoInfo standard = *info;
  gsize size = shmframe_format_get_size (format);

  if (GST_VIDEO_INFO_N_PLANES (info) != shmframe_format_get_n_planes (format))
    return FALSE;
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (info); i++)
    {
      gsize end = i + 1 < GST_VIDEO_INFO_N_PLANES (info) ? standard.offset[i + 1] : standard.size;
      gsize offset = shmframe_format_get_offset (format, i);
      gint stride = shmframe_format_get_stride (format, i);

      gsize extent = end > standard.offset[i] ? end - standard.offset[i] : size + 1;

      /* "Strides" of tiles are numbers of tiles; 0 is one that was not given. */
      if (GST_VIDEO_FORMAT_INFO_IS_TILED (finfo) || stride == 0)
        stride = standard.stride[i];
      else if (stride < standard.stride[i])
        return FALSE;
      else
        extent = extent / (gsize) standard.stride[i] * (gsize) stride;
      if (offset > size || extent > size - offset)
        return FALSE;
      info->offset[i] = offset;
      info->stride[i] = stride;
    }
  info->size = size;
  return TRUE;
}

static gboolean
prepare (PictureGst *self, const ShmFrameFormat *format, GError **error)
{
  static GOnce once = G_ONCE_INIT;
  GstVideoFormat video;

  if (!g_once (&once, init_gst, NULL))
    return picture_refuse (error, format, "only GStreamer knows it, which cannot be started here");
  video = find_format (format);
  if (video == GST_VIDEO_FORMAT_UNKNOWN || video == GST_VIDEO_FORMAT_ENCODED)
    return picture_refuse (error, format,
                           "neither libavutil nor GStreamer know this pixel format; convert it "
                           "before it is published");
  if (!gst_video_info_set_format (&self->in, video, shmframe_format_get_width (format),
                                  shmframe_format_get_height (format))
      || !set_planes (&self->in, format))
    return picture_refuse (error, format, "its planes do not fit its GStreamer format %s",
                           gst_video_format_to_string (video));
  set_colour (&self->in, format);
  if (!GST_VIDEO_INFO_IS_YUV (&self->in)
      || self->in.colorimetry.matrix != GST_VIDEO_COLOR_MATRIX_UNKNOWN)
    return TRUE;
  return picture_refuse (
      error, format, "GStreamer does not know matrix %u of H.273; use BT.601, BT.709 or BT.2020",
      picture_get_matrix (format));
}

PictureGst *
picture_gst_new (ShmFrameFormat *format, PictureOrder order, guint width, guint height,
                 GError **error)
{
  g_autoptr (PictureGst) self = g_new0 (PictureGst, 1);

  self->order = order;
  if (!prepare (self, format, error))
    return NULL;
  if (width == 0 || height == 0)
    return g_steal_pointer (&self);
  gst_video_info_set_format (&self->out,
                             order == PICTURE_BGRA ? GST_VIDEO_FORMAT_BGRA : GST_VIDEO_FORMAT_RGBA,
                             width, height);
  self->converter = gst_video_converter_new (&self->in, &self->out, NULL);
  if (self->converter == NULL)
    {
      picture_refuse (error, format, "GStreamer cannot make it %ux%u pixels", width, height);
      return NULL;
    }
  return g_steal_pointer (&self);
}

void
picture_gst_free (PictureGst *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->converter, gst_video_converter_free);
  g_free (self);
}

/* The planes where they are: no buffer and no map are needed. */
static gboolean
point_at (PictureGst *self, ShmFrameFrame *frame, GstVideoFrame *video, GError **error)
{
  if (shmframe_frame_get_size (frame) < GST_VIDEO_INFO_SIZE (&self->in))
    return picture_refuse (error, shmframe_frame_get_format (frame),
                           "the frame is too short: the producer is at fault");
  memset (video, 0, sizeof *video);
  video->info = self->in;
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (&self->in); i++)
    video->data[i] = (guint8 *) shmframe_frame_get_data (frame) + self->in.offset[i];
  return TRUE;
}

Picture *
picture_gst_run (PictureGst *self, ShmFrameFrame *frame, GError **error)
{
  g_autoptr (Picture) picture = NULL;
  GstVideoFrame in, out = { .info = self->out };

  if (!point_at (self, frame, &in, error))
    return NULL;
  picture = picture_new ((guint) GST_VIDEO_INFO_WIDTH (&self->out),
                         (guint) GST_VIDEO_INFO_HEIGHT (&self->out), self->order,
                         !GST_VIDEO_INFO_HAS_ALPHA (&self->in), error);
  if (picture == NULL)
    return NULL;
  out.data[0] = picture_get_pixels (picture);
  gst_video_converter_frame (self->converter, &in, &out);
  return g_steal_pointer (&picture);
}

/* Unpacked rows are A Y U V or A R G B, of 8 bits each, or of 16 where there are more. */
gboolean
picture_gst_read_pixel (PictureGst *self, ShmFrameFrame *frame, guint x, guint y,
                        PixelValues *values, GError **error)
{
  static const char *const names[2][4] = { { "R", "G", "B", "A" }, { "Y", "Cb", "Cr", "A" } };
  const GstVideoFormatInfo *finfo = self->in.finfo;
  const GstVideoFormatInfo *unpacked = gst_video_format_get_info (finfo->unpack_format);
  guint bytes = GST_VIDEO_FORMAT_INFO_DEPTH (unpacked, 0) > 8 ? 2 : 1;
  g_autofree guint8 *row = g_malloc0 (((gsize) GST_VIDEO_INFO_WIDTH (&self->in) + 64) * 4 * bytes);
  GstVideoFrame video;

  if (!point_at (self, frame, &video, error))
    return FALSE;
  finfo->unpack_func (finfo, GST_VIDEO_PACK_FLAG_NONE, row, video.data, self->in.stride, 0,
                      (gint) y, GST_VIDEO_INFO_WIDTH (&self->in));
  values->n = GST_VIDEO_FORMAT_INFO_N_COMPONENTS (finfo);
  for (guint i = 0; i < values->n; i++)
    {
      gsize at = (gsize) x * 4 + (i + 1) % 4;
      guint depth = GST_VIDEO_FORMAT_INFO_DEPTH (finfo, i);
      guint value = bytes == 2 ? ((guint16 *) (gpointer) row)[at] : row[at];

      values->component[i].name = names[GST_VIDEO_FORMAT_INFO_IS_YUV (finfo)][i];
      values->component[i].depth = depth;
      values->component[i].value = value >> (bytes * 8 - depth);
    }
  return TRUE;
}

#else

PictureGst *
picture_gst_new (ShmFrameFormat *format, PictureOrder order, guint width, guint height,
                 GError **error)
{
  picture_refuse (error, format,
                  "only GStreamer knows this pixel format, and this was built without it");
  return NULL;
}

void
picture_gst_free (PictureGst *self)
{
}

Picture *
picture_gst_run (PictureGst *self, ShmFrameFrame *frame, GError **error)
{
  return NULL;
}

gboolean
picture_gst_read_pixel (PictureGst *self, ShmFrameFrame *frame, guint x, guint y,
                        PixelValues *values, GError **error)
{
  return FALSE;
}

#endif
