/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframelayout.h"
#include "gstshmframepixels.h"
#include "gstshmframetext.h"

#include <string.h>

#define PALETTE_COLOURS 256

static void
layout_clear (gpointer data)
{
  GstShmFrameLayout *self = data;

  gst_clear_caps (&self->caps);
  g_clear_pointer (&self->format, shmframe_format_unref);
}

static gboolean
has_default_planes (const GstVideoInfo *info, GstCaps *caps)
{
  GstVideoInfo standard;
  guint n = GST_VIDEO_INFO_N_PLANES (info);

  return gst_video_info_from_caps (&standard, caps)
         && memcmp (info->stride, standard.stride, n * sizeof standard.stride[0]) == 0
         && memcmp (info->offset, standard.offset, n * sizeof standard.offset[0]) == 0;
}

static GstShmFrameLayout *
layout_alloc (GstCaps *caps, const GstVideoInfo *info, gsize size, ShmFrameFormat *format)
{
  GstShmFrameLayout *self = g_atomic_rc_box_new0 (GstShmFrameLayout);

  self->caps = gst_caps_ref (caps);
  if (info)
    self->info = *info;
  else
    gst_video_info_set_format (&self->info, GST_VIDEO_FORMAT_ENCODED, 0, 0);
  self->size = size;
  self->is_default = has_default_planes (&self->info, caps);
  self->format = format;
  return self;
}

static void
set_video_fields (ShmFrameFormat *format, const GstVideoInfo *info)
{
  const GstVideoColorimetry *colour = &info->colorimetry;

  shmframe_format_set_colour (format, gst_video_color_primaries_to_iso (colour->primaries),
                              gst_video_transfer_function_to_iso (colour->transfer),
                              gst_video_color_matrix_to_iso (colour->matrix),
                              colour->range == GST_VIDEO_COLOR_RANGE_0_255);
  if (GST_VIDEO_INFO_FPS_N (info) > 0 && GST_VIDEO_INFO_FPS_D (info) > 0)
    shmframe_format_set_frame_rate (format, GST_VIDEO_INFO_FPS_N (info),
                                    GST_VIDEO_INFO_FPS_D (info));
  if (GST_VIDEO_INFO_PAR_N (info) > 0 && GST_VIDEO_INFO_PAR_D (info) > 0)
    shmframe_format_set_pixel_aspect (format, GST_VIDEO_INFO_PAR_N (info),
                                      GST_VIDEO_INFO_PAR_D (info));
  shmframe_format_set_interlacing (
      format, gst_video_interlace_mode_to_string (GST_VIDEO_INFO_INTERLACE_MODE (info)));
}

static ShmFrameFormat *
raw_format (const GstVideoInfo *info, gsize size, GError **error)
{
  const char *name = gst_shm_frame_pixels_to_name (GST_VIDEO_INFO_FORMAT (info));
  g_autoptr (ShmFrameFormat) format = NULL;
  const gint unknown[GST_VIDEO_MAX_PLANES] = { 0 };

  if (name)
    format = shmframe_format_new (name, GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info),
                                  error);
  else
    format = shmframe_format_new_opaque (GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info),
                                         size, error);
  if (!format)
    return NULL;
  /* The "strides" of tiled formats are numbers of tiles. */
  if (!shmframe_format_set_planes (
          format, GST_VIDEO_INFO_N_PLANES (info), info->offset,
          GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo) ? unknown : info->stride, size, error))
    return NULL;
  set_video_fields (format, info);
  return g_steal_pointer (&format);
}

static ShmFrameFormat *
compressed_format (GstCaps *caps, gsize size, GError **error)
{
  const GstStructure *structure = gst_caps_get_structure (caps, 0);
  gint width = 0, height = 0, numerator, denominator;
  ShmFrameFormat *format;

  gst_structure_get (structure, "width", G_TYPE_INT, &width, "height", G_TYPE_INT, &height, NULL);
  format = shmframe_format_new_compressed (gst_structure_get_name (structure), MAX (width, 0),
                                           MAX (height, 0), size, error);
  if (format && gst_structure_get_fraction (structure, "framerate", &numerator, &denominator)
      && numerator > 0 && denominator > 0)
    shmframe_format_set_frame_rate (format, numerator, denominator);
  return format;
}

/* The rows of all planes, padding included, lie within the size. With padding on the left the last
 * row of the last plane would reach past the size that gst_video_info_align() computes. */
static gsize
padded_size (const GstVideoInfo *info, gsize size)
{
  const GstVideoFormatInfo *finfo = info->finfo;

  if (GST_VIDEO_FORMAT_INFO_IS_TILED (finfo) || GST_VIDEO_FORMAT_INFO_HAS_PALETTE (finfo))
    return size;
  for (guint i = 0; i < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (finfo); i++)
    {
      guint plane = GST_VIDEO_FORMAT_INFO_PLANE (finfo, i);
      gsize rows = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT (finfo, i, GST_VIDEO_INFO_HEIGHT (info));

      size = MAX (size, info->offset[plane] + info->stride[plane] * rows);
    }
  return size;
}

/* Elements read the planes by what GstVideoMeta says, unchecked: so it is checked here. */
static gboolean
planes_fit (const GstVideoInfo *info, const GstVideoInfo *standard, gsize size)
{
  const GstVideoFormatInfo *finfo = info->finfo;
  guint n = GST_VIDEO_INFO_N_PLANES (info);

  /* gst_video_info_align() does not know tiles. */
  if (GST_VIDEO_FORMAT_INFO_IS_TILED (finfo))
    return size >= GST_VIDEO_INFO_SIZE (standard)
           && memcmp (info->stride, standard->stride, n * sizeof info->stride[0]) == 0
           && memcmp (info->offset, standard->offset, n * sizeof info->offset[0]) == 0;

  for (guint i = 0; i < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (finfo); i++)
    {
      guint plane = GST_VIDEO_FORMAT_INFO_PLANE (finfo, i);
      guint64 rows = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT (finfo, i, GST_VIDEO_INFO_HEIGHT (info));
      guint64 row
          = (guint64) GST_VIDEO_FORMAT_INFO_SCALE_WIDTH (finfo, i, GST_VIDEO_INFO_WIDTH (info))
            * GST_VIDEO_FORMAT_INFO_PSTRIDE (finfo, i);

      if (GST_VIDEO_FORMAT_INFO_PSTRIDE (finfo, i) == 0)
        row = standard->stride[plane];
      if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (finfo) && i == GST_VIDEO_COMP_PALETTE)
        {
          row = 4;
          rows = PALETTE_COLOURS;
        }
      if (info->stride[plane] <= 0 || (guint64) info->stride[plane] < row
          || info->offset[plane] > size || rows == 0
          || info->stride[plane] * (rows - 1) + row > size - info->offset[plane])
        return FALSE;
    }
  return TRUE;
}

static gboolean
check_layout (GstCaps *caps, const GstVideoInfo *info, gsize size, GError **error)
{
  GstVideoInfo standard;
  const char *why = NULL;

  if (GST_VIDEO_INFO_INTERLACE_MODE (info) == GST_VIDEO_INTERLACE_MODE_FIELDS
      || GST_VIDEO_INFO_INTERLACE_MODE (info) == GST_VIDEO_INTERLACE_MODE_ALTERNATE)
    why = "fields that are apart do not cross: interleave them";
  else if (!gst_video_info_from_caps (&standard, caps) || !planes_fit (info, &standard, size))
    why = "its planes cannot lie so";
  if (why)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT, "Sharing %s video: %s",
                 GST_VIDEO_INFO_NAME (info), why);
  return why == NULL;
}

GstShmFrameLayout *
gst_shm_frame_layout_new (GstCaps *caps, const GstVideoInfo *info, gsize size, GError **error)
{
  g_autoptr (ShmFrameFormat) format = NULL;
  g_autofree char *string = gst_caps_to_string (caps);

  if (info)
    size = padded_size (info, MAX (size, GST_VIDEO_INFO_SIZE (info)));
  if (info && !check_layout (caps, info, size, error))
    return NULL;
  format = info ? raw_format (info, size, error) : compressed_format (caps, size, error);
  if (!format || !shmframe_format_set_caps (format, string, error))
    return NULL;
  return layout_alloc (caps, info, size, g_steal_pointer (&format));
}

/* A caps string from a peer: only what a template of ours could have passed. */
static GstCaps *
caps_from_peer (ShmFrameFormat *format)
{
  const char *string = shmframe_format_get_caps (format);
  g_autoptr (GstCaps) caps = NULL;
  GstCapsFeatures *features;
  const char *name;

  if (!string || !*string || strlen (string) > SHMFRAME_FORMAT_MAX_CAPS
      || !g_utf8_validate (string, -1, NULL))
    return NULL;
  caps = gst_shm_frame_caps_from_text (string);
  if (!caps || gst_caps_get_size (caps) != 1 || !gst_caps_is_fixed (caps))
    return NULL;
  features = gst_caps_get_features (caps, 0);
  if (!gst_caps_features_is_equal (features, GST_CAPS_FEATURES_MEMORY_SYSTEM_MEMORY))
    return NULL;
  name = gst_structure_get_name (gst_caps_get_structure (caps, 0));
  if (shmframe_format_is_raw (format) ? !g_str_equal (name, "video/x-raw")
                                      : g_strcmp0 (name, shmframe_format_get_media_type (format)))
    return NULL;
  return g_steal_pointer (&caps);
}

static gboolean
info_from_fields (ShmFrameFormat *format, GstVideoInfo *info)
{
  GstVideoFormat video = gst_shm_frame_pixels_from_name (shmframe_format_get_pixel_format (format));
  guint primaries, transfer, matrix;
  gboolean full_range;
  gint numerator = 0, denominator = 1, interlacing;

  if (video == GST_VIDEO_FORMAT_UNKNOWN
      || !gst_video_info_set_format (info, video, shmframe_format_get_width (format),
                                     shmframe_format_get_height (format)))
    return FALSE;
  shmframe_format_get_frame_rate (format, &numerator, &denominator);
  GST_VIDEO_INFO_FPS_N (info) = MAX (numerator, 0);
  GST_VIDEO_INFO_FPS_D (info) = MAX (denominator, 1);
  shmframe_format_get_pixel_aspect (format, &numerator, &denominator);
  if (numerator > 0 && denominator > 0)
    {
      GST_VIDEO_INFO_PAR_N (info) = numerator;
      GST_VIDEO_INFO_PAR_D (info) = denominator;
    }
  interlacing = gst_video_interlace_mode_from_string (shmframe_format_get_interlacing (format)
                                                          ? shmframe_format_get_interlacing (format)
                                                          : "progressive");
  if (interlacing == GST_VIDEO_INTERLACE_MODE_INTERLEAVED
      || interlacing == GST_VIDEO_INTERLACE_MODE_MIXED)
    GST_VIDEO_INFO_INTERLACE_MODE (info) = interlacing;
  shmframe_format_get_colour (format, &primaries, &transfer, &matrix, &full_range);
  if (gst_video_color_matrix_from_iso (matrix) != GST_VIDEO_COLOR_MATRIX_UNKNOWN)
    {
      info->colorimetry.matrix = gst_video_color_matrix_from_iso (matrix);
      info->colorimetry.primaries = gst_video_color_primaries_from_iso (primaries);
      info->colorimetry.transfer = gst_video_transfer_function_from_iso (transfer);
      info->colorimetry.range
          = full_range ? GST_VIDEO_COLOR_RANGE_0_255 : GST_VIDEO_COLOR_RANGE_16_235;
    }
  else if (full_range)
    info->colorimetry.range = GST_VIDEO_COLOR_RANGE_0_255;
  return TRUE;
}

static GstShmFrameLayout *
refuse (ShmFrameFormat *format, const char *why, GError **error)
{
  g_autofree char *string = shmframe_format_to_string (format);

  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT,
               "Using the producer's format %s in GStreamer: %s", string, why);
  return NULL;
}

static GstShmFrameLayout *
raw_layout (ShmFrameFormat *format, GstCaps *caps, GError **error)
{
  g_autoptr (GstCaps) made = NULL;
  GstVideoInfo standard, info;

  gst_video_info_init (&standard);
  if (caps ? !gst_video_info_from_caps (&standard, caps) : !info_from_fields (format, &standard))
    return refuse (format, "it has no usable caps, and the pixel format has no counterpart", error);
  if ((guint) GST_VIDEO_INFO_WIDTH (&standard) != shmframe_format_get_width (format)
      || (guint) GST_VIDEO_INFO_HEIGHT (&standard) != shmframe_format_get_height (format)
      || GST_VIDEO_INFO_N_PLANES (&standard) != shmframe_format_get_n_planes (format))
    return refuse (format, "its caps contradict its size or planes", error);

  info = standard;
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (&info); i++)
    {
      if (!GST_VIDEO_FORMAT_INFO_IS_TILED (info.finfo))
        info.stride[i] = shmframe_format_get_stride (format, i);
      info.offset[i] = shmframe_format_get_offset (format, i);
    }
  info.size = shmframe_format_get_size (format);
  if (!planes_fit (&info, &standard, info.size))
    return refuse (format, "its planes lie outside the frame", error);
  if (!caps)
    caps = made = gst_video_info_to_caps (&standard);
  return layout_alloc (caps, &info, info.size, shmframe_format_ref (format));
}

GstShmFrameLayout *
gst_shm_frame_layout_new_from_format (ShmFrameFormat *format, GError **error)
{
  g_autoptr (GstCaps) caps = caps_from_peer (format);
  const char *media_type = shmframe_format_get_media_type (format);
  gint numerator = 0, denominator = 1;

  if (shmframe_format_is_raw (format))
    return raw_layout (format, caps, error);
  if (!caps && g_strcmp0 (media_type, "image/jpeg") && g_strcmp0 (media_type, "video/x-h264"))
    return refuse (format, "it has no usable caps, and its media type is not known", error);
  if (!caps)
    {
      caps = gst_caps_new_simple (media_type, "width", G_TYPE_INT,
                                  (gint) shmframe_format_get_width (format), "height", G_TYPE_INT,
                                  (gint) shmframe_format_get_height (format), NULL);
      shmframe_format_get_frame_rate (format, &numerator, &denominator);
      if (numerator > 0 && denominator > 0)
        gst_caps_set_simple (caps, "framerate", GST_TYPE_FRACTION, numerator, denominator, NULL);
      if (g_str_equal (media_type, "video/x-h264"))
        gst_caps_set_simple (caps, "stream-format", G_TYPE_STRING, "byte-stream", "alignment",
                             G_TYPE_STRING, "au", NULL);
    }
  return layout_alloc (caps, NULL, shmframe_format_get_size (format), shmframe_format_ref (format));
}

GstShmFrameLayout *
gst_shm_frame_layout_ref (GstShmFrameLayout *self)
{
  return g_atomic_rc_box_acquire (self);
}

void
gst_shm_frame_layout_unref (GstShmFrameLayout *self)
{
  g_atomic_rc_box_release_full (self, layout_clear);
}

gboolean
gst_shm_frame_layout_is_raw (const GstShmFrameLayout *self)
{
  return GST_VIDEO_INFO_FORMAT (&self->info) != GST_VIDEO_FORMAT_ENCODED;
}

gboolean
gst_shm_frame_layout_matches (const GstShmFrameLayout *self, GstBuffer *buffer, gsize skip)
{
  GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);
  const GstVideoInfo *info = &self->info;

  if (!meta)
    return skip == 0 && self->is_default;
  if (meta->format != GST_VIDEO_INFO_FORMAT (info)
      || meta->width != (guint) GST_VIDEO_INFO_WIDTH (info)
      || meta->height != (guint) GST_VIDEO_INFO_HEIGHT (info)
      || meta->n_planes != GST_VIDEO_INFO_N_PLANES (info))
    return FALSE;
  for (guint i = 0; i < meta->n_planes; i++)
    if (meta->offset[i] + skip != info->offset[i] || meta->stride[i] != info->stride[i])
      return FALSE;
  return TRUE;
}

GstVideoMeta *
gst_shm_frame_layout_add_meta (GstShmFrameLayout *self, GstBuffer *buffer)
{
  GstVideoInfo *info = &self->info;
  GstVideoMeta *meta = gst_buffer_add_video_meta_full (
      buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (info), GST_VIDEO_INFO_WIDTH (info),
      GST_VIDEO_INFO_HEIGHT (info), GST_VIDEO_INFO_N_PLANES (info), info->offset, info->stride);

  GST_META_FLAG_SET (meta, GST_META_FLAG_POOLED);
  return meta;
}
