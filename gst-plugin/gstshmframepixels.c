/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframepixels.h"

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <string.h>

/* GStreamer describes where components lie by pixel stride, offset and shift, but not always rightly
 * (P010's V, BGR16, Y210). So what decides is where it writes them: small images in which one component
 * has all bits set, or only the highest one, must be the same as libavutil's, byte for byte. */

#define SIDE 8 /* pixels; a multiple of all subsamplings */
#define IMAGE_MAX 4096

typedef struct
{
  GstVideoFormat format;
  const char *name;
} Match;

/* Nothing here has components of bits that stay where they are. */
#define OTHER_AV_FLAGS                                                                             \
  (AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_HWACCEL                       \
   | AV_PIX_FMT_FLAG_BAYER | AV_PIX_FMT_FLAG_FLOAT)
#define OTHER_GST_FLAGS (GST_VIDEO_FORMAT_FLAG_TILED | GST_VIDEO_FORMAT_FLAG_COMPLEX)

static gboolean
same_structure (const GstVideoInfo *info, const AVPixFmtDescriptor *desc)
{
  const GstVideoFormatInfo *finfo = info->finfo;
  enum AVPixelFormat id = av_pix_fmt_desc_get_id (desc);
  int strides[4];

  /* No flag says that XYZ is not YUV, nor that the "yuvj" formats are deprecated. */
  if ((desc->flags & OTHER_AV_FLAGS) || g_str_has_prefix (desc->name, "xyz")
      || g_str_has_prefix (desc->name, "yuvj")
      || desc->nb_components != GST_VIDEO_FORMAT_INFO_N_COMPONENTS (finfo)
      || av_pix_fmt_count_planes (id) != (int) GST_VIDEO_FORMAT_INFO_N_PLANES (finfo)
      || !(desc->flags & AV_PIX_FMT_FLAG_ALPHA) != !GST_VIDEO_FORMAT_INFO_HAS_ALPHA (finfo)
      || !(desc->flags & AV_PIX_FMT_FLAG_RGB) != !GST_VIDEO_FORMAT_INFO_IS_RGB (finfo)
      || av_image_fill_linesizes (strides, id, SIDE) < 0)
    return FALSE;
  for (guint c = 0; c < desc->nb_components; c++)
    {
      gboolean chroma = desc->nb_components > 2 && (c == 1 || c == 2);

      if (desc->comp[c].plane != (int) GST_VIDEO_FORMAT_INFO_PLANE (finfo, c)
          || desc->comp[c].depth != (int) GST_VIDEO_FORMAT_INFO_DEPTH (finfo, c)
          || desc->comp[c].depth > 16
          || GST_VIDEO_FORMAT_INFO_W_SUB (finfo, c) != (chroma ? desc->log2_chroma_w : 0)
          || GST_VIDEO_FORMAT_INFO_H_SUB (finfo, c) != (chroma ? desc->log2_chroma_h : 0)
          || strides[desc->comp[c].plane] > info->stride[desc->comp[c].plane])
        return FALSE;
    }
  return TRUE;
}

static void
write_gst (const GstVideoInfo *info, guint component, gboolean all_bits, guint8 *image)
{
  const GstVideoFormatInfo *finfo = info->finfo;
  const GstVideoFormatInfo *unpacked = gst_video_format_get_info (finfo->unpack_format);
  gboolean wide = GST_VIDEO_FORMAT_INFO_DEPTH (unpacked, component) > 8;
  guint16 value = wide ? (all_bits ? 0xffff : 0x8000) : (all_bits ? 0xff : 0x80);
  guint8 line[SIDE * 8] = { 0 };
  gpointer planes[GST_VIDEO_MAX_PLANES];

  for (guint x = 0; x < SIDE; x++)
    {
      guint8 *at = line + x * GST_VIDEO_FORMAT_INFO_PSTRIDE (unpacked, component)
                   + GST_VIDEO_FORMAT_INFO_POFFSET (unpacked, component);

      if (wide)
        memcpy (at, &value, sizeof value); /* native, as all that is unpacked */
      else
        *at = value;
    }
  for (guint i = 0; i < GST_VIDEO_MAX_PLANES; i++)
    planes[i] = image + info->offset[i];
  for (gint y = 0; y < SIDE; y += finfo->pack_lines)
    finfo->pack_func (finfo, GST_VIDEO_PACK_FLAG_NONE, line, 0, planes, info->stride,
                      GST_VIDEO_CHROMA_SITE_UNKNOWN, y, SIDE);
}

static void
write_av (const GstVideoInfo *info, const AVPixFmtDescriptor *desc, guint component,
          gboolean all_bits, guint8 *image)
{
  gint columns = SIDE >> GST_VIDEO_FORMAT_INFO_W_SUB (info->finfo, component);
  gint rows = SIDE >> GST_VIDEO_FORMAT_INFO_H_SUB (info->finfo, component);
  guint highest = 1u << (desc->comp[component].depth - 1);
  guint16 line[SIDE];
  uint8_t *planes[4];

  for (guint x = 0; x < SIDE; x++)
    line[x] = all_bits ? highest * 2 - 1 : highest;
  for (guint i = 0; i < 4; i++)
    planes[i] = image + info->offset[i];
  for (gint y = 0; y < rows; y++)
    av_write_image_line (line, planes, info->stride, desc, 0, y, (int) component, columns);
}

static gboolean
same_bits (const GstVideoInfo *info, const AVPixFmtDescriptor *desc)
{
  for (guint i = 0; i < 2u * desc->nb_components; i++)
    {
      guint64 gst[IMAGE_MAX / 8] = { 0 }, av[IMAGE_MAX / 8] = { 0 };

      write_gst (info, i / 2, i % 2, (guint8 *) gst);
      write_av (info, desc, i / 2, i % 2, (guint8 *) av);
      if (memcmp (gst, av, sizeof gst))
        return FALSE;
    }
  return TRUE;
}

/* Bytes that stand for 256 colours: libavutil's are native words of ARGB. */
static gboolean
same_palette (const GstVideoInfo *info, const AVPixFmtDescriptor *desc)
{
  const GstVideoFormatInfo *finfo = info->finfo;
  guint8 index = 5, colour[4] = { 0 };
  guint32 palette[AVPALETTE_COUNT] = { [5] = 0x01020304 };
  gpointer planes[GST_VIDEO_MAX_PLANES] = { &index, palette };

  if (!(desc->flags & AV_PIX_FMT_FLAG_PAL) || !GST_VIDEO_FORMAT_INFO_HAS_PALETTE (finfo)
      || GST_VIDEO_FORMAT_INFO_N_PLANES (finfo) != 2
      || GST_VIDEO_FORMAT_INFO_PSTRIDE (finfo, 0) != desc->comp[0].step
      || GST_VIDEO_FORMAT_INFO_DEPTH (finfo, 0) != (guint) desc->comp[0].depth
      || finfo->unpack_format != GST_VIDEO_FORMAT_ARGB)
    return FALSE;
  finfo->unpack_func (finfo, GST_VIDEO_PACK_FLAG_NONE, colour, planes, info->stride, 0, 0, 1);
  return memcmp (colour, (guint8[]){ 1, 2, 3, 4 }, sizeof colour) == 0;
}

static gboolean
same_format (const GstVideoInfo *info, const AVPixFmtDescriptor *desc)
{
  if (GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info->finfo))
    return same_palette (info, desc);
  return same_structure (info, desc) && same_bits (info, desc);
}

static gpointer
find_matches (gpointer data)
{
  GArray *matches = g_array_new (FALSE, FALSE, sizeof (Match));
  guint n;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  for (guint i = 0; i < n; i++)
    {
      const GstVideoFormatInfo *finfo = gst_video_format_get_info (formats[i]);
      const AVPixFmtDescriptor *desc = NULL;
      GstVideoInfo info;

      /* Half of the image is room for what a mismatch writes past the rows. */
      if ((finfo->flags & OTHER_GST_FLAGS) || !finfo->pack_func
          || !gst_video_info_set_format (&info, formats[i], SIDE, SIDE)
          || GST_VIDEO_INFO_SIZE (&info) > IMAGE_MAX / 2)
        continue;
      while ((desc = av_pix_fmt_desc_next (desc)) && !same_format (&info, desc))
        ;
      if (desc)
        g_array_append_val (matches, ((Match){ formats[i], desc->name }));
    }
  return matches;
}

static const GArray *
get_matches (void)
{
  static GOnce once = G_ONCE_INIT;

  return g_once (&once, find_matches, NULL);
}

const char *
gst_shm_frame_pixels_to_name (GstVideoFormat format)
{
  const GArray *matches = get_matches ();

  for (guint i = 0; i < matches->len; i++)
    if (g_array_index (matches, Match, i).format == format)
      return g_array_index (matches, Match, i).name;
  return NULL;
}

GstVideoFormat
gst_shm_frame_pixels_from_name (const char *name)
{
  const GArray *matches = get_matches ();
  g_autofree char *full_range = NULL;

  if (name && g_str_has_prefix (name, "yuvj"))
    name = full_range = g_strconcat ("yuv", name + strlen ("yuvj"), NULL);
  for (guint i = 0; i < matches->len; i++)
    if (g_strcmp0 (g_array_index (matches, Match, i).name, name) == 0)
      return g_array_index (matches, Match, i).format;
  return GST_VIDEO_FORMAT_UNKNOWN;
}
