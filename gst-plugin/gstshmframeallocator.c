/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframeallocator.h"

#define MEMORY_TYPE "ShmFrameMemory"

typedef struct
{
  GstMemory memory;
  ShmFrameFrame *frame;
  gpointer data;
  ShmFrameProducer *producer; /* NULL: a lease */
  GstShmFrameLayout *layout;  /* NULL: a lease */
  GstMemory *original;        /* what this stands in for; NULL: nothing */
  gint read_only;             /* atomic; only the root's counts */
} ShmFrameMemory;

struct _GstShmFrameAllocator
{
  GstAllocator parent;
  GstMemoryCopyFunction copy;
  gint stand_ins; /* atomic */
};

G_DEFINE_TYPE (GstShmFrameAllocator, gst_shm_frame_allocator, GST_TYPE_ALLOCATOR)

static ShmFrameMemory *
root_of (GstMemory *memory)
{
  ShmFrameMemory *self = (ShmFrameMemory *) (memory->parent ? memory->parent : memory);

  return self->original ? (ShmFrameMemory *) self->original : self;
}

static gpointer
memory_map (GstMemory *memory, gsize maxsize, GstMapFlags flags)
{
  ShmFrameMemory *root = root_of (memory);

  /* The flag of the mini object stops most; this also stops a part shared before publication. */
  if ((flags & GST_MAP_WRITE) && g_atomic_int_get (&root->read_only))
    return NULL;
  return root->data;
}

static void
memory_unmap (GstMemory *memory)
{
}

static GstMemory *
memory_share (GstMemory *memory, gssize offset, gssize size)
{
  GstMemory *parent = memory->parent ? memory->parent : memory;
  ShmFrameMemory *part = g_new0 (ShmFrameMemory, 1);

  if (size == -1)
    size = memory->size - offset;
  /* The parent keeps the frame. */
  gst_memory_init (
      &part->memory, GST_MINI_OBJECT_FLAGS (parent) | GST_MINI_OBJECT_FLAG_LOCK_READONLY,
      memory->allocator, parent, memory->maxsize, memory->align, memory->offset + offset, size);
  return &part->memory;
}

static gboolean
is_being_written (GstMemory *memory)
{
  if (!gst_memory_lock (memory, GST_LOCK_FLAG_EXCLUSIVE))
    return TRUE;
  gst_memory_unlock (memory, GST_LOCK_FLAG_EXCLUSIVE);
  return FALSE;
}

/* Libav keeps its frames mapped for writing as long as it refers to them. GstBuffer lets no second
 * buffer hold such memory, and copies it when a decoder's base class wants to set the time of what
 * it pushes. The frame itself, read-only, will do: who wants to write it has it copied then. */
static GstMemory *
memory_copy (GstMemory *memory, gssize offset, gssize size)
{
  GstShmFrameAllocator *self = GST_SHM_FRAME_ALLOCATOR (memory->allocator);
  gboolean whole = offset == 0 && (size == -1 || (gsize) size == memory->size);
  ShmFrameMemory *stand_in;

  if (!g_atomic_int_get (&self->stand_ins) || !whole
      || root_of (memory) != (ShmFrameMemory *) memory || !is_being_written (memory))
    return self->copy (memory, offset, size);
  stand_in = g_new0 (ShmFrameMemory, 1);
  stand_in->original = gst_memory_ref (memory);
  gst_memory_init (&stand_in->memory, GST_MEMORY_FLAG_READONLY, memory->allocator, NULL,
                   memory->maxsize, memory->align, memory->offset, memory->size);
  return &stand_in->memory;
}

static void
allocator_free (GstAllocator *allocator, GstMemory *memory)
{
  ShmFrameMemory *self = (ShmFrameMemory *) memory;

  g_clear_pointer (&self->frame, shmframe_frame_unref);
  g_clear_pointer (&self->layout, gst_shm_frame_layout_unref);
  g_clear_object (&self->producer);
  g_clear_pointer (&self->original, gst_memory_unref);
  g_free (self);
}

static void
gst_shm_frame_allocator_class_init (GstShmFrameAllocatorClass *klass)
{
  GST_ALLOCATOR_CLASS (klass)->free = allocator_free;
}

static void
gst_shm_frame_allocator_init (GstShmFrameAllocator *self)
{
  GstAllocator *allocator = GST_ALLOCATOR (self);

  allocator->mem_type = MEMORY_TYPE;
  allocator->mem_map = memory_map;
  allocator->mem_unmap = memory_unmap;
  allocator->mem_share = memory_share;
  self->copy = allocator->mem_copy;
  allocator->mem_copy = memory_copy;
  /* With this flag the default mem_copy takes ordinary memory: a copy must never cost a slot. */
  GST_OBJECT_FLAG_SET (self, GST_ALLOCATOR_FLAG_CUSTOM_ALLOC);
#if GST_CHECK_VERSION(1, 24, 0)
  GST_OBJECT_FLAG_SET (self, GST_ALLOCATOR_FLAG_NO_COPY);
#endif
}

GstAllocator *
gst_shm_frame_allocator_new (void)
{
  return g_object_ref_sink (g_object_new (GST_TYPE_SHM_FRAME_ALLOCATOR, NULL));
}

static ShmFrameMemory *
wrap (GstAllocator *allocator, ShmFrameFrame *frame, GstMemoryFlags flags, gsize size)
{
  ShmFrameMemory *self = g_new0 (ShmFrameMemory, 1);

  self->frame = frame;
  self->data = shmframe_frame_get_data (frame);
  gst_memory_init (&self->memory, flags, allocator, NULL, shmframe_frame_get_size (frame), 0, 0,
                   size);
  return self;
}

GstMemory *
gst_shm_frame_allocator_wrap_slot (GstAllocator *allocator, ShmFrameProducer *producer,
                                   GstShmFrameLayout *layout, ShmFrameFrame *frame)
{
  gsize size = MIN (layout->size, shmframe_frame_get_size (frame));
  ShmFrameMemory *self = wrap (allocator, frame, 0, size);

  self->producer = g_object_ref (producer);
  self->layout = gst_shm_frame_layout_ref (layout);
  return &self->memory;
}

GstMemory *
gst_shm_frame_allocator_wrap_lease (GstAllocator *allocator, ShmFrameFrame *frame)
{
  ShmFrameMemory *self
      = wrap (allocator, frame, GST_MEMORY_FLAG_READONLY, shmframe_frame_get_size (frame));

  self->read_only = TRUE;
  return &self->memory;
}

void
gst_shm_frame_allocator_set_stand_ins (GstShmFrameAllocator *self, gboolean allowed)
{
  g_atomic_int_set (&self->stand_ins, allowed);
}

gboolean
gst_shm_frame_memory_is_slot_of (GstMemory *memory, ShmFrameProducer *producer)
{
  return GST_IS_SHM_FRAME_ALLOCATOR (memory->allocator) && root_of (memory)->producer == producer;
}

ShmFrameFrame *
gst_shm_frame_memory_get_frame (GstMemory *memory)
{
  return root_of (memory)->frame;
}

GstShmFrameLayout *
gst_shm_frame_memory_get_layout (GstMemory *memory)
{
  return root_of (memory)->layout;
}

gboolean
gst_shm_frame_memory_publish (GstMemory *memory)
{
  ShmFrameMemory *root = root_of (memory);

  if (!g_atomic_int_compare_and_exchange (&root->read_only, FALSE, TRUE))
    return FALSE;
  GST_MINI_OBJECT_FLAG_SET (root, GST_MEMORY_FLAG_READONLY);
  return TRUE;
}
