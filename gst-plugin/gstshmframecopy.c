/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframecopy.h"
#include "gstshmframeallocator.h"
#include "gstshmframepool.h"

#include <string.h>

GST_DEBUG_CATEGORY_STATIC (shm_frame_copy_debug);
#define GST_CAT_DEFAULT shm_frame_copy_debug

static const struct
{
  const char *name;
  const char *text;
} reasons[GST_SHM_FRAME_N_COPIES] = {
  [GST_SHM_FRAME_COPY_FOREIGN]
  = { "foreign", "upstream did not write into the pool that was offered to it" },
  [GST_SHM_FRAME_COPY_NO_SLOT]
  = { "no-slot", "upstream held all slots that a producer may hold at once" },
  [GST_SHM_FRAME_COPY_REPEAT] = { "repeat", "the same memory came again" },
  [GST_SHM_FRAME_COPY_LAYOUT]
  = { "layout", "the format is not the pool's, or the planes lie elsewhere than it said" },
  [GST_SHM_FRAME_COPY_SEGMENT] = { "segment", "the slot belongs to a segment that was replaced" },
  [GST_SHM_FRAME_COPY_STRIDES]
  = { "strides", "downstream does not support GstVideoMeta, and needs default strides" },
  [GST_SHM_FRAME_COPY_UNTRUSTED]
  = { "untrusted", "a compressed frame of another user could change while it is parsed" },
  [GST_SHM_FRAME_COPY_QUOTA] = { "quota", "downstream holds as many frames as were granted" },
};

void
gst_shm_frame_copies_init (GstShmFrameCopies *self)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      GST_DEBUG_CATEGORY_INIT (shm_frame_copy_debug, "shmframecopy", 0, "shmframe copies");
      g_once_init_leave (&once, 1);
    }
  g_mutex_init (&self->lock);
}

void
gst_shm_frame_copies_clear (GstShmFrameCopies *self)
{
  g_mutex_clear (&self->lock);
}

void
gst_shm_frame_copies_reset (GstShmFrameCopies *self)
{
  g_mutex_lock (&self->lock);
  memset (self->frames, 0, sizeof self->frames);
  memset (self->bytes, 0, sizeof self->bytes);
  g_mutex_unlock (&self->lock);
}

void
gst_shm_frame_copies_add (GstShmFrameCopies *self, GstElement *element, GstShmFrameCopy why,
                          gsize bytes)
{
  gboolean first;

  g_mutex_lock (&self->lock);
  first = self->frames[why]++ == 0;
  self->bytes[why] += bytes;
  g_mutex_unlock (&self->lock);
  if (first)
    GST_WARNING_OBJECT (element, "copying a frame: %s (counted as copied-%s)", reasons[why].text,
                        reasons[why].name);
}

void
gst_shm_frame_copies_to_structure (GstShmFrameCopies *self, GstStructure *structure,
                                   GstShmFrameCopy first, GstShmFrameCopy last)
{
  guint64 frames = 0, bytes = 0;

  g_mutex_lock (&self->lock);
  for (GstShmFrameCopy i = first; i <= last; i++)
    {
      g_autofree char *name = g_strconcat ("copied-", reasons[i].name, NULL);

      gst_structure_set (structure, name, G_TYPE_UINT64, self->bytes[i], NULL);
      frames += self->frames[i];
      bytes += self->bytes[i];
    }
  g_mutex_unlock (&self->lock);
  gst_structure_set (structure, "copied-bytes", G_TYPE_UINT64, bytes, "copied-frames",
                     G_TYPE_UINT64, frames, NULL);
}

GstMemory *
gst_shm_frame_take_slot (GstBuffer *buffer, ShmFrameProducer *producer, GstShmFrameLayout *layout,
                         GstShmFrameCopy *why)
{
  GstMemory *memory = gst_buffer_n_memory (buffer) == 1 ? gst_buffer_peek_memory (buffer, 0) : NULL;
  GstShmFrameLayout *slot;

  *why = buffer->pool && GST_IS_SHM_FRAME_BUFFER_POOL (buffer->pool) ? GST_SHM_FRAME_COPY_NO_SLOT
                                                                     : GST_SHM_FRAME_COPY_FOREIGN;
  if (!memory || !gst_shm_frame_memory_is_slot_of (memory, producer))
    return NULL;

  *why = GST_SHM_FRAME_COPY_LAYOUT;
  slot = gst_shm_frame_memory_get_layout (memory);
  if (!gst_caps_is_equal (slot->caps, layout->caps)
      || !gst_shm_frame_layout_matches (slot, buffer, memory->offset))
    return NULL;

  *why = GST_SHM_FRAME_COPY_REPEAT;
  if (!gst_shm_frame_memory_publish (memory))
    return NULL;
  return gst_memory_ref (memory);
}

/* gst_video_frame_copy_plane() goes by one component, and so loses the last chroma of packed formats whose
 * width is odd: a row here is as long as its longest component. */
static void
copy_plane (GstVideoFrame *to, const GstVideoFrame *from, guint plane)
{
  const GstVideoFormatInfo *finfo = to->info.finfo;
  gsize row = 0;
  gint rows = 0;

  for (guint i = 0; i < GST_VIDEO_FORMAT_INFO_N_COMPONENTS (finfo); i++)
    if (GST_VIDEO_FORMAT_INFO_PLANE (finfo, i) == plane)
      {
        row = MAX (row, (gsize) GST_VIDEO_FRAME_COMP_WIDTH (to, i)
                            * GST_VIDEO_FRAME_COMP_PSTRIDE (to, i));
        rows = MAX (rows, GST_VIDEO_FRAME_COMP_HEIGHT (to, i));
      }
  if (row == 0 || GST_VIDEO_FORMAT_INFO_IS_TILED (finfo)
      || GST_VIDEO_FORMAT_INFO_HAS_PALETTE (finfo))
    gst_video_frame_copy_plane (to, from, plane);
  else
    for (gint y = 0; y < rows; y++)
      memcpy ((guint8 *) to->data[plane] + (gssize) y * to->info.stride[plane],
              (const guint8 *) from->data[plane] + (gssize) y * from->info.stride[plane], row);
}

static gboolean
copy_planes (GstBuffer *from, const GstVideoInfo *from_info, GstBuffer *to,
             const GstVideoInfo *to_info)
{
  GstVideoFrame source, target;
  gboolean copied = FALSE;

  if (!gst_video_frame_map (&source, from_info, from, GST_MAP_READ))
    return FALSE;
  if (gst_video_frame_map (&target, to_info, to, GST_MAP_WRITE))
    {
      copied = GST_VIDEO_FRAME_FORMAT (&source) == GST_VIDEO_FRAME_FORMAT (&target)
               && GST_VIDEO_FRAME_WIDTH (&source) >= GST_VIDEO_FRAME_WIDTH (&target)
               && GST_VIDEO_FRAME_HEIGHT (&source) >= GST_VIDEO_FRAME_HEIGHT (&target);
      for (guint i = 0; copied && i < GST_VIDEO_FRAME_N_PLANES (&target); i++)
        copy_plane (&target, &source, i);
      gst_video_frame_unmap (&target);
    }
  gst_video_frame_unmap (&source);
  return copied;
}

static gboolean
copy_bytes (GstBuffer *from, GstMemory *to)
{
  gsize size = gst_buffer_get_size (from);
  GstMapInfo map;

  if (size > to->size || !gst_memory_map (to, &map, GST_MAP_WRITE))
    return FALSE;
  gst_buffer_extract (from, 0, map.data, size);
  gst_memory_unmap (to, &map);
  return TRUE;
}

GstMemory *
gst_shm_frame_copy_to_slot (GstBuffer *buffer, GstShmFrameWriter *writer, GstShmFrameLayout *layout,
                            GError **error)
{
  g_autoptr (GstShmFrameLayout) target = gst_shm_frame_writer_choose_layout (writer, layout);
  GstMemory *memory = gst_shm_frame_writer_acquire (writer, target, error);
  gboolean copied;

  if (!memory)
    return NULL;
  if (gst_shm_frame_layout_is_raw (target))
    {
      g_autoptr (GstBuffer) slot = gst_buffer_new ();

      gst_buffer_append_memory (slot, gst_memory_ref (memory));
      gst_shm_frame_layout_add_meta (target, slot);
      copied = copy_planes (buffer, &layout->info, slot, &target->info);
    }
  else
    copied = copy_bytes (buffer, memory);
  if (!copied)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT,
                   "Copying a buffer of %" G_GSIZE_FORMAT " bytes into a slot: it cannot be mapped,"
                   " or is smaller than its caps say",
                   gst_buffer_get_size (buffer));
      gst_memory_unref (memory);
      return NULL;
    }
  gst_shm_frame_memory_publish (memory);
  return memory;
}

GstBuffer *
gst_shm_frame_copy_to_default (GstBuffer *buffer, GstShmFrameLayout *layout)
{
  g_autoptr (GstBuffer) copy = NULL;
  GstVideoMeta *meta;
  GstVideoInfo info;

  if (!gst_video_info_from_caps (&info, layout->caps))
    return NULL;
  copy = gst_buffer_new_allocate (NULL, GST_VIDEO_INFO_SIZE (&info), NULL);
  if (!copy || !copy_planes (buffer, &layout->info, copy, &info))
    return NULL;
  gst_buffer_copy_into (copy, buffer, GST_BUFFER_COPY_METADATA, 0, -1);
  meta = gst_buffer_get_video_meta (copy);
  if (meta)
    gst_buffer_remove_meta (copy, &meta->meta);
  return g_steal_pointer (&copy);
}
