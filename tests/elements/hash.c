/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hash.h"

#define PALETTE_SIZE (256 * 4) /* bytes */
#define ROOM 1024              /* bytes: some formats are unpacked by whole tiles */

static void
hash_unpacked (GChecksum *checksum, GstVideoFrame *frame)
{
  const GstVideoFormatInfo *info = frame->info.finfo;
  gint width = GST_VIDEO_FRAME_WIDTH (frame);
  gsize size
      = width
        * (GST_VIDEO_FORMAT_INFO_BITS (gst_video_format_get_info (info->unpack_format)) > 8 ? 8
                                                                                            : 4);
  g_autofree guint8 *line = g_malloc0 (size + ROOM);

  for (gint y = 0; y < GST_VIDEO_FRAME_HEIGHT (frame); y++)
    {
      info->unpack_func (info, GST_VIDEO_PACK_FLAG_NONE, line, frame->data, frame->info.stride, 0,
                         y, width);
      g_checksum_update (checksum, line, size);
    }
}

static void
hash_components (GChecksum *checksum, GstVideoFrame *frame)
{
  gboolean palette = GST_VIDEO_FORMAT_INFO_HAS_PALETTE (frame->info.finfo);

  for (guint c = 0; c < (palette ? 1 : GST_VIDEO_FRAME_N_COMPONENTS (frame)); c++)
    for (gint y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT (frame, c); y++)
      g_checksum_update (
          checksum,
          (guint8 *) GST_VIDEO_FRAME_COMP_DATA (frame, c) - GST_VIDEO_FRAME_COMP_POFFSET (frame, c)
              + y * GST_VIDEO_FRAME_COMP_STRIDE (frame, c),
          GST_VIDEO_FRAME_COMP_WIDTH (frame, c) * GST_VIDEO_FRAME_COMP_PSTRIDE (frame, c));
  if (palette)
    g_checksum_update (checksum, frame->data[GST_VIDEO_COMP_PALETTE], PALETTE_SIZE);
}

char *
hash_frame (GstBuffer *buffer, GstCaps *caps)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_MD5);
  GstVideoInfo info;
  GstVideoFrame frame;
  GstMapInfo map;

  if (gst_video_info_from_caps (&info, caps)
      && GST_VIDEO_INFO_FORMAT (&info) != GST_VIDEO_FORMAT_ENCODED
      && gst_video_frame_map (&frame, &info, buffer, GST_MAP_READ))
    {
      /* Formats whose components do not lie at whole bytes are unpacked first. */
      if (GST_VIDEO_FORMAT_INFO_IS_COMPLEX (info.finfo)
          || GST_VIDEO_FORMAT_INFO_IS_TILED (info.finfo)
          || GST_VIDEO_FORMAT_INFO_PSTRIDE (info.finfo, 0) == 0)
        hash_unpacked (checksum, &frame);
      else
        hash_components (checksum, &frame);
      gst_video_frame_unmap (&frame);
    }
  else if (gst_buffer_map (buffer, &map, GST_MAP_READ))
    {
      g_checksum_update (checksum, map.data, map.size);
      gst_buffer_unmap (buffer, &map);
    }
  return g_strdup (g_checksum_get_string (checksum));
}
