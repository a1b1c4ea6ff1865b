/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframepool.h"

#include <gst/base/gstbasetransform.h>
#include <gst/video/gstvideopool.h>
#include <gst/video/video.h>

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
  GstShmFrameLayout *layout = gst_shm_frame_writer_adopt_layout (self->writer, self->layout);

  gst_shm_frame_layout_unref (self->layout);
  self->layout = layout;
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

/* Whether frames come from a decoder, perhaps through queues and the like. */
static gboolean
is_fed_by_decoder (GstPad *sink)
{
  g_autoptr (GstPad) pad = gst_pad_get_peer (sink);

  while (pad)
    {
      g_autoptr (GstElement) element = gst_pad_get_parent_element (pad);
      GstElementFactory *factory = element ? gst_element_get_factory (element) : NULL;
      g_autoptr (GstPad) next = NULL;

      if (GST_IS_GHOST_PAD (pad))
        next = gst_ghost_pad_get_target (GST_GHOST_PAD (pad));
      else if (element && GST_IS_VIDEO_DECODER (element))
        return TRUE;
      else if ((GST_IS_BASE_TRANSFORM (element)
                && gst_base_transform_is_passthrough (GST_BASE_TRANSFORM (element)))
               || (factory
                   && g_str_equal (
                       gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS),
                       "Generic")))
        {
          g_autoptr (GstPad) link = gst_pad_get_single_internal_link (pad);

          next = link ? gst_pad_get_peer (link) : NULL;
        }
      gst_object_replace ((GstObject **) &pad, (GstObject *) next);
    }
  return FALSE;
}

gboolean
gst_shm_frame_buffer_pool_offer (GstShmFrameWriter *writer, GstPad *sink, GstQuery *query)
{
  g_autoptr (GstBufferPool) pool = NULL;
  GstStructure *config;
  gboolean need_pool;
  GstVideoInfo info;
  GstCaps *caps;

  gst_query_parse_allocation (query, &caps, &need_pool);
  if (!caps || !gst_video_info_from_caps (&info, caps)
      || GST_VIDEO_INFO_FORMAT (&info) == GST_VIDEO_FORMAT_ENCODED)
    return FALSE;
  gst_shm_frame_writer_set_stand_ins (writer, is_fed_by_decoder (sink));
  if (need_pool)
    {
      pool = gst_shm_frame_buffer_pool_new (writer);
      config = gst_buffer_pool_get_config (pool);
      gst_buffer_pool_config_set_params (config, caps, GST_VIDEO_INFO_SIZE (&info), 0, 0);
      if (!gst_buffer_pool_set_config (pool, config))
        return FALSE;
    }
  gst_query_add_allocation_pool (query, pool, GST_VIDEO_INFO_SIZE (&info), 0, 0);
  gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return TRUE;
}
