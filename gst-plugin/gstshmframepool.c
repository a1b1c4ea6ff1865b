/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframepool.h"

#include <gst/video/gstvideopool.h>

GST_DEBUG_CATEGORY_STATIC (shm_frame_pool_debug);
#define GST_CAT_DEFAULT shm_frame_pool_debug

struct _GstShmFrameBufferPool
{
  GstBufferPool parent;

  GstShmFrameWriter *writer;
  GstShmFrameLayout *layout; /* set while inactive, read while active */
  GstAllocationParams params;
  GstVideoAlignment alignment;
  gboolean add_meta;
  gboolean aligned;
};

G_DEFINE_TYPE_WITH_CODE (GstShmFrameBufferPool, gst_shm_frame_buffer_pool, GST_TYPE_BUFFER_POOL,
                         GST_DEBUG_CATEGORY_INIT (shm_frame_pool_debug, "shmframepool", 0,
                                                  "shmframe buffer pool"))

static const char **
get_options (GstBufferPool *pool)
{
  static const char *options[]
      = { GST_BUFFER_POOL_OPTION_VIDEO_META, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT, NULL };
  return options;
}

static gboolean
set_config (GstBufferPool *pool, GstStructure *config)
{
  GstShmFrameBufferPool *self = GST_SHM_FRAME_BUFFER_POOL (pool);
  g_autoptr (GError) error = NULL;
  GstShmFrameLayout *layout;
  GstVideoInfo info;
  GstCaps *caps;
  guint size, min, max;
  gsize align;

  if (!gst_buffer_pool_config_get_params (config, &caps, &size, &min, &max) || !caps
      || !gst_video_info_from_caps (&info, caps))
    return FALSE;
  if (!gst_buffer_pool_config_get_allocator (config, NULL, &self->params))
    gst_allocation_params_init (&self->params);
  self->add_meta = gst_buffer_pool_config_has_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  self->aligned
      = gst_buffer_pool_config_has_option (config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
  if (self->aligned)
    {
      gst_buffer_pool_config_get_video_alignment (config, &self->alignment);
      /* Slots begin at pages; the planes in them are aligned as asked, and so is other memory. */
      align = self->params.align;
      for (guint i = 0; i < GST_VIDEO_MAX_PLANES; i++)
        align |= self->alignment.stride_align[i];
      for (guint i = 0; i < GST_VIDEO_MAX_PLANES; i++)
        self->alignment.stride_align[i] = align;
      self->params.align = align;
      gst_buffer_pool_config_set_allocator (config, NULL, &self->params);
      if (!gst_video_info_align (&info, &self->alignment))
        return FALSE;
      gst_buffer_pool_config_set_video_alignment (config, &self->alignment);
    }

  layout = gst_shm_frame_layout_new (caps, &info, size, &error);
  if (!layout)
    {
      GST_WARNING_OBJECT (self, "%s", error->message);
      return FALSE;
    }
  g_clear_pointer (&self->layout, gst_shm_frame_layout_unref);
  self->layout = layout;
  gst_buffer_pool_config_set_params (config, caps, layout->size, min, max);
  return GST_BUFFER_POOL_CLASS (gst_shm_frame_buffer_pool_parent_class)->set_config (pool, config);
}

static gboolean
start (GstBufferPool *pool)
{
  GstShmFrameBufferPool *self = GST_SHM_FRAME_BUFFER_POOL (pool);

  /* Nothing is allocated ahead: a slot belongs to one frame. */
  gst_shm_frame_writer_set_pool_layout (self->writer, self->layout);
  return TRUE;
}

static GstMemory *
acquire_slot (GstShmFrameBufferPool *self)
{
  g_autoptr (GstShmFrameLayout) in_use = gst_shm_frame_writer_dup_pool_layout (self->writer);
  g_autoptr (GError) error = NULL;
  GstMemory *memory = NULL;

  if (in_use == self->layout)
    memory = gst_shm_frame_writer_acquire_for_upstream (self->writer, self->layout, &error);
  if (!memory)
    GST_DEBUG_OBJECT (self, "ordinary memory: %s", error ? error->message : "replaced by a pool");
  return memory;
}

static GstFlowReturn
acquire_buffer (GstBufferPool *pool, GstBuffer **buffer, GstBufferPoolAcquireParams *params)
{
  GstShmFrameBufferPool *self = GST_SHM_FRAME_BUFFER_POOL (pool);
  GstMemory *memory;

  if (GST_BUFFER_POOL_IS_FLUSHING (pool))
    return GST_FLOW_FLUSHING; /* inactive, too: there may be no layout yet */
  memory = acquire_slot (self);
  if (!memory)
    memory = gst_allocator_alloc (NULL, self->layout->size, &self->params);
  if (!memory)
    return GST_FLOW_ERROR;
  *buffer = gst_buffer_new ();
  gst_buffer_append_memory (*buffer, memory);
  if (self->add_meta)
    {
      GstVideoMeta *meta = gst_shm_frame_layout_add_meta (self->layout, *buffer);

      if (self->aligned)
        gst_video_meta_set_alignment (meta, self->alignment);
    }
  return GST_FLOW_OK;
}

static void
reset_buffer (GstBufferPool *pool, GstBuffer *buffer)
{
}

static void
release_buffer (GstBufferPool *pool, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);
}

static void
finalize (GObject *object)
{
  GstShmFrameBufferPool *self = GST_SHM_FRAME_BUFFER_POOL (object);

  g_clear_pointer (&self->layout, gst_shm_frame_layout_unref);
  g_clear_pointer (&self->writer, gst_shm_frame_writer_unref);
  G_OBJECT_CLASS (gst_shm_frame_buffer_pool_parent_class)->finalize (object);
}

static void
gst_shm_frame_buffer_pool_class_init (GstShmFrameBufferPoolClass *klass)
{
  GstBufferPoolClass *pool_class = GST_BUFFER_POOL_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = finalize;
  pool_class->get_options = get_options;
  pool_class->set_config = set_config;
  pool_class->start = start;
  pool_class->acquire_buffer = acquire_buffer;
  pool_class->reset_buffer = reset_buffer;
  pool_class->release_buffer = release_buffer;
}

static void
gst_shm_frame_buffer_pool_init (GstShmFrameBufferPool *self)
{
  gst_video_alignment_reset (&self->alignment);
}

GstBufferPool *
gst_shm_frame_buffer_pool_new (GstShmFrameWriter *writer)
{
  GstShmFrameBufferPool *self = g_object_new (GST_TYPE_SHM_FRAME_BUFFER_POOL, NULL);

  g_object_ref_sink (self);
  self->writer = gst_shm_frame_writer_ref (writer);
  return GST_BUFFER_POOL (self);
}
