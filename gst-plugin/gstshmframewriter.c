/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframewriter.h"
#include "gstshmframeallocator.h"

#include <string.h>

struct _GstShmFrameWriter
{
  ShmFrameProducer *producer;
  GstAllocator *allocator;
  guint in_flight; /* of the producer, which does not change it */
  GMutex lock;
  GstShmFrameLayout *current; /* that the producer's format came from */
  GstShmFrameLayout *pool;
  GstShmFrameLayout *sink; /* of its caps */
};

GstShmFrameWriter *
gst_shm_frame_writer_new (ShmFrameProducer *producer)
{
  GstShmFrameWriter *self = g_atomic_rc_box_new0 (GstShmFrameWriter);

  self->producer = g_object_ref (producer);
  g_object_get (producer, "in-flight", &self->in_flight, NULL);
  self->allocator = gst_shm_frame_allocator_new ();
  g_mutex_init (&self->lock);
  return self;
}

GstShmFrameWriter *
gst_shm_frame_writer_ref (GstShmFrameWriter *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
writer_clear (gpointer data)
{
  GstShmFrameWriter *self = data;

  g_clear_pointer (&self->current, gst_shm_frame_layout_unref);
  g_clear_pointer (&self->pool, gst_shm_frame_layout_unref);
  g_clear_pointer (&self->sink, gst_shm_frame_layout_unref);
  gst_clear_object (&self->allocator);
  g_clear_object (&self->producer);
  g_mutex_clear (&self->lock);
}

void
gst_shm_frame_writer_unref (GstShmFrameWriter *self)
{
  g_atomic_rc_box_release_full (self, writer_clear);
}

static gboolean
follow_layout (GstShmFrameWriter *self, GstShmFrameLayout *layout, GError **error)
{
  if (self->current == layout)
    return TRUE;
  if ((!self->current || !shmframe_format_equal (self->current->format, layout->format))
      && !shmframe_producer_set_format (self->producer, layout->format, error))
    return FALSE;
  g_clear_pointer (&self->current, gst_shm_frame_layout_unref);
  self->current = gst_shm_frame_layout_ref (layout);
  return TRUE;
}

GstMemory *
gst_shm_frame_writer_acquire (GstShmFrameWriter *self, GstShmFrameLayout *layout, GError **error)
{
  ShmFrameFrame *frame = NULL;

  /* One lock around both calls: a frame must have the format of the layout that it is given. */
  g_mutex_lock (&self->lock);
  if (follow_layout (self, layout, error))
    frame = shmframe_producer_acquire (self->producer, error);
  g_mutex_unlock (&self->lock);
  if (!frame)
    return NULL;
  return gst_shm_frame_allocator_wrap_slot (self->allocator, self->producer, layout, frame);
}

GstMemory *
gst_shm_frame_writer_acquire_for_upstream (GstShmFrameWriter *self, GstShmFrameLayout *layout,
                                           GError **error)
{
  guint held = shmframe_producer_get_held (self->producer);

  if (held + 1 < self->in_flight)
    return gst_shm_frame_writer_acquire (self, layout, error);
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_SLOT,
               "upstream holds %u slots, and the last of %u is for copies", held,
               self->in_flight);
  return NULL;
}

void
gst_shm_frame_writer_set_stand_ins (GstShmFrameWriter *self, gboolean allowed)
{
  gst_shm_frame_allocator_set_stand_ins (GST_SHM_FRAME_ALLOCATOR (self->allocator), allowed);
}

gboolean
gst_shm_frame_writer_prepare (GstShmFrameWriter *self, GstShmFrameLayout *layout, GError **error)
{
  gboolean prepared;

  g_mutex_lock (&self->lock);
  prepared = follow_layout (self, layout, error);
  g_mutex_unlock (&self->lock);
  return prepared;
}

GstShmFrameLayout *
gst_shm_frame_writer_choose_layout (GstShmFrameWriter *self, GstShmFrameLayout *layout)
{
  g_autoptr (GstShmFrameLayout) pool = gst_shm_frame_writer_dup_pool_layout (self);

  if (pool && gst_caps_is_equal (pool->caps, layout->caps))
    return g_steal_pointer (&pool);
  return gst_shm_frame_layout_ref (layout);
}

void
gst_shm_frame_writer_set_layout (GstShmFrameWriter *self, GstShmFrameLayout *layout)
{
  g_autoptr (GstShmFrameLayout) old = NULL;

  g_mutex_lock (&self->lock);
  old = g_steal_pointer (&self->sink);
  self->sink = gst_shm_frame_layout_ref (layout);
  g_mutex_unlock (&self->lock);
}

static gboolean
has_same_pixels (const GstVideoInfo *a, const GstVideoInfo *b)
{
  return GST_VIDEO_INFO_FORMAT (a) == GST_VIDEO_INFO_FORMAT (b)
         && GST_VIDEO_INFO_WIDTH (a) == GST_VIDEO_INFO_WIDTH (b)
         && GST_VIDEO_INFO_HEIGHT (a) == GST_VIDEO_INFO_HEIGHT (b)
         && GST_VIDEO_INFO_INTERLACE_MODE (a) == GST_VIDEO_INFO_INTERLACE_MODE (b);
}

GstShmFrameLayout *
gst_shm_frame_writer_adopt_layout (GstShmFrameWriter *self, GstShmFrameLayout *layout)
{
  g_autoptr (GstShmFrameLayout) sink = NULL;
  GstShmFrameLayout *adopted;
  GstVideoInfo info;

  g_mutex_lock (&self->lock);
  sink = self->sink ? gst_shm_frame_layout_ref (self->sink) : NULL;
  g_mutex_unlock (&self->lock);
  if (!sink || sink->caps == layout->caps || !gst_shm_frame_layout_is_raw (sink)
      || !gst_shm_frame_layout_is_raw (layout) || !has_same_pixels (&sink->info, &layout->info))
    return gst_shm_frame_layout_ref (layout);
  info = sink->info;
  memcpy (info.stride, layout->info.stride, sizeof info.stride);
  memcpy (info.offset, layout->info.offset, sizeof info.offset);
  info.size = layout->info.size;
  adopted = gst_shm_frame_layout_new (sink->caps, &info, layout->size, NULL);
  return adopted ? adopted : gst_shm_frame_layout_ref (layout);
}

void
gst_shm_frame_writer_set_pool_layout (GstShmFrameWriter *self, GstShmFrameLayout *layout)
{
  g_autoptr (GstShmFrameLayout) old = NULL;

  g_mutex_lock (&self->lock);
  old = g_steal_pointer (&self->pool);
  self->pool = layout ? gst_shm_frame_layout_ref (layout) : NULL;
  g_mutex_unlock (&self->lock);
}

GstShmFrameLayout *
gst_shm_frame_writer_dup_pool_layout (GstShmFrameWriter *self)
{
  GstShmFrameLayout *layout;

  g_mutex_lock (&self->lock);
  layout = self->pool ? gst_shm_frame_layout_ref (self->pool) : NULL;
  g_mutex_unlock (&self->lock);
  return layout;
}
