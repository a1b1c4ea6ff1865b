/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gst/video/video.h>

#include "fuzz.h"
#include "gstshmframemeta.h"

/*
 * A frame's metadata as shmframesrc turns it into GstMetas, which elements read and print; and those
 * as shmframesink says them again.
 */
#define WIDTH 64
#define HEIGHT 48

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_init_gst ();
  return 0;
}

gsize
LLVMFuzzerCustomMutator (guint8 *data, gsize size, gsize max_size, unsigned seed)
{
  return fuzz_mutate_vardict (data, size, max_size, seed);
}

static gboolean
check_meta (GstBuffer *buffer, GstMeta **meta, gpointer user_data)
{
  GType api = (*meta)->info->api;

  if (api == GST_VIDEO_CROP_META_API_TYPE)
    {
      GstVideoCropMeta *crop = (GstVideoCropMeta *) *meta;

      g_assert_cmpuint ((guint64) crop->x + crop->width, <=, WIDTH);
      g_assert_cmpuint ((guint64) crop->y + crop->height, <=, HEIGHT);
    }
  else if (api == GST_VIDEO_CAPTION_META_API_TYPE)
    fuzz_read_bytes (((GstVideoCaptionMeta *) *meta)->data, ((GstVideoCaptionMeta *) *meta)->size);
  else if (api == GST_VIDEO_TIME_CODE_META_API_TYPE)
    {
      g_autofree char *text = gst_video_time_code_to_string (&((GstVideoTimeCodeMeta *) *meta)->tc);

      g_assert_nonnull (text);
    }
  return TRUE;
}

static GstBuffer *
make_buffer (GVariant *metadata, gint64 *dts)
{
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT, NULL);

  gst_buffer_add_video_meta (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_GRAY8, WIDTH,
                             HEIGHT);
  *dts = gst_shm_frame_meta_from_variant (buffer, metadata);
  gst_buffer_foreach_meta (buffer, check_meta, NULL);
  return buffer;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GVariant) metadata = fuzz_vardict (data, size);
  gint64 dts;
  g_autoptr (GstBuffer) buffer = make_buffer (metadata, &dts);
  g_autoptr (GstBuffer) copy = gst_buffer_copy (buffer);
  g_autoptr (GVariant) again = gst_shm_frame_meta_to_variant (copy, dts);

  if (again)
    {
      g_variant_ref_sink (again);
      fuzz_read_variant (again);
      g_clear_pointer (&copy, gst_buffer_unref);
      copy = make_buffer (again, &dts);
    }
  return 0;
}
