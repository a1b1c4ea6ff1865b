/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <shmframe/error.h>

#include "api/event-private.h"
#include "fuzz.h"
#include "gstshmframereceive.c"

/*
 * A format from a peer, with its caps: as the library reads it, and as shmframesrc uses it. And named
 * events of a peer: every entry of the input is also one, under its key (tags, gap, latency).
 */
#define COPY_MAX (1024 * 1024) /* bytes of a frame that is made and read */
#define PAYLOAD_MAX (G_GUINT64_CONSTANT (1) << 32)

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

/* ---- the library --------------------------------------------------------------------------- */

static void
assert_planes (const ShmFrameFormat *format)
{
  gsize size = shmframe_format_get_size (format);
  guint n = shmframe_format_get_n_planes (format);

  g_assert_cmpuint (n, <=, SHMFRAME_FORMAT_MAX_PLANES);
  g_assert_cmpint (n > 0, ==, shmframe_format_is_raw (format));
  for (guint i = 0; i < n; i++)
    {
      gsize offset = shmframe_format_get_offset (format, i);
      gint stride = shmframe_format_get_stride (format, i);

      g_assert_cmpint (stride, >=, 0);
      g_assert_cmpuint ((gsize) stride, >=, shmframe_format_get_row_bytes (format, i));
      g_assert_cmpuint (offset, <, size);
      g_assert_cmpuint ((gsize) stride * shmframe_format_get_rows (format, i), <=, size - offset);
    }
}

static void
assert_format (ShmFrameFormat *format)
{
  g_autofree char *text = shmframe_format_to_string (format);
  const char *caps = shmframe_format_get_caps (format);
  guint least = shmframe_format_is_raw (format), primaries, transfer, matrix;
  gint numerator, denominator;
  gboolean full_range;

  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_true (g_str_is_ascii (shmframe_format_get_media_type (format)));
  g_assert_cmpuint (shmframe_format_get_width (format), >=, least);
  g_assert_cmpuint (shmframe_format_get_width (format), <=, SHMFRAME_FORMAT_MAX_SIZE);
  g_assert_cmpuint (shmframe_format_get_height (format), >=, least);
  g_assert_cmpuint (shmframe_format_get_height (format), <=, SHMFRAME_FORMAT_MAX_SIZE);
  g_assert_cmpuint (shmframe_format_get_size (format), >, 0);
  g_assert_cmpuint (shmframe_format_get_size (format), <=, PAYLOAD_MAX);
  g_assert_true (caps == NULL || strlen (caps) <= SHMFRAME_FORMAT_MAX_CAPS);
  shmframe_format_get_colour (format, &primaries, &transfer, &matrix, &full_range);
  g_assert_cmpuint (MAX (MAX (primaries, transfer), matrix), <=, 255);
  shmframe_format_get_frame_rate (format, &numerator, &denominator);
  g_assert_true (numerator >= 0 && denominator > 0);
  shmframe_format_get_pixel_aspect (format, &numerator, &denominator);
  g_assert_true (numerator > 0 && denominator > 0);
  assert_planes (format);
}

/* What was accepted can be said again, and is the same. */
static void
assert_same_again (ShmFrameFormat *format)
{
  g_autoptr (GVariant) variant = shmframe_format_to_variant (format);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) again = shmframe_format_new_from_variant (variant, &error);

  g_assert_no_error (error);
  g_assert_true (shmframe_format_equal (format, again));
}

/* ---- the element --------------------------------------------------------------------------- */

/* The last byte of every component, as GstVideoMeta leads an element there. */
static void
read_frame (GstBuffer *buffer, GstVideoInfo *info)
{
  GstVideoFrame frame;

  g_assert_true (gst_video_frame_map (&frame, info, buffer, GST_MAP_READ));
  for (guint i = 0; i < GST_VIDEO_FRAME_N_COMPONENTS (&frame); i++)
    {
      const guint8 *data = GST_VIDEO_FRAME_COMP_DATA (&frame, i);
      gsize rows = (gsize) GST_VIDEO_FRAME_COMP_HEIGHT (&frame, i);
      gsize pixel = (gsize) GST_VIDEO_FRAME_COMP_PSTRIDE (&frame, i);
      gsize row = pixel * ((gsize) GST_VIDEO_FRAME_COMP_WIDTH (&frame, i) - 1) + (pixel > 0);

      if (!GST_VIDEO_FORMAT_INFO_IS_TILED (info->finfo))
        fuzz_read_bytes (data, (gsize) GST_VIDEO_FRAME_COMP_STRIDE (&frame, i) * (rows - 1) + row);
    }
  gst_video_frame_unmap (&frame);
}

static void
use_layout (GstShmFrameLayout *layout)
{
  gpointer bytes = g_malloc0 (layout->size);
  g_autoptr (GstBuffer) buffer = gst_buffer_new_wrapped (bytes, layout->size);
  g_autoptr (GstBuffer) copy = NULL;

  gst_shm_frame_layout_add_meta (layout, buffer);
  read_frame (buffer, &layout->info);
  if (layout->is_default)
    return;
  copy = gst_shm_frame_copy_to_default (buffer, layout);
  g_assert_nonnull (copy);
}

static void
assert_layout (GstShmFrameLayout *layout, ShmFrameFormat *format)
{
  g_assert_true (gst_caps_is_fixed (layout->caps));
  g_assert_cmpuint (gst_caps_get_size (layout->caps), ==, 1);
  g_assert_true (layout->format == format);
  g_assert_cmpuint (layout->size, ==, shmframe_format_get_size (format));
  g_assert_cmpint (gst_shm_frame_layout_is_raw (layout), ==, shmframe_format_is_raw (format));
  if (gst_shm_frame_layout_is_raw (layout) && layout->size <= COPY_MAX)
    use_layout (layout);
}

static void
send_events (GstShmFrameSrc *src, GVariant *dict)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, dict);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (ShmFrameEvent) event
          = shmframe_event_new (SHMFRAME_EVENT_NAMED, 1, key, value, NULL, 0);

      g_assert_cmpint (handle_event (src, event), ==, FLOW_NEXT);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GVariant) dict = fuzz_vardict (data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format = shmframe_format_new_from_variant (dict, &error);
  GstShmFrameSrc *src = gst_object_ref_sink (g_object_new (GST_TYPE_SHM_FRAME_SRC, NULL));

  if (format)
    {
      g_assert_no_error (error);
      assert_format (format);
      assert_same_again (format);
      apply_format (src, format);
      if (src->layout)
        assert_layout (src->layout, format);
    }
  else
    g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT);
  src->frames = 1;
  send_events (src, dict);
  g_clear_pointer (&src->layout, gst_shm_frame_layout_unref);
  gst_object_unref (src);
  return 0;
}
