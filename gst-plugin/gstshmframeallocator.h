/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstshmframelayout.h"
#include <gst/gst.h>
#include <shmframe/shmframe.h>

G_BEGIN_DECLS

#define GST_TYPE_SHM_FRAME_ALLOCATOR (gst_shm_frame_allocator_get_type ())

/* Wraps frames in GstMemory; it allocates nothing by itself. A memory keeps its frame, and so the
 * slot's pin or the lease, until it is freed; by then the element may be gone. Its copies are
 * ordinary memory. Thread-safe. */
G_DECLARE_FINAL_TYPE (GstShmFrameAllocator, gst_shm_frame_allocator, GST, SHM_FRAME_ALLOCATOR,
                      GstAllocator)

GstAllocator *gst_shm_frame_allocator_new (void);

/* Whether a copy of a whole slot that is mapped for writing may be the slot itself, read-only, as a decoder
 * needs it that keeps its reference frames mapped; for others, who may go on writing, it is a copy. */
void gst_shm_frame_allocator_set_stand_ins (GstShmFrameAllocator *self, gboolean allowed);

/* A producer's slot, writable until gst_shm_frame_memory_publish(). Takes the frame. */
GstMemory *gst_shm_frame_allocator_wrap_slot (GstAllocator *allocator, ShmFrameProducer *producer,
                                              GstShmFrameLayout *layout, ShmFrameFrame *frame);
/* A consumer's frame, read-only. Takes the frame. */
GstMemory *gst_shm_frame_allocator_wrap_lease (GstAllocator *allocator, ShmFrameFrame *frame);

/* Whether the memory is a slot of that producer, or a part of one. */
gboolean gst_shm_frame_memory_is_slot_of (GstMemory *memory, ShmFrameProducer *producer);
/* The slot's frame and layout (transfer none), also for a part of it. */
ShmFrameFrame *gst_shm_frame_memory_get_frame (GstMemory *memory);
GstShmFrameLayout *gst_shm_frame_memory_get_layout (GstMemory *memory);
/* Makes the slot read-only for ever. FALSE: somebody has done it before. */
gboolean gst_shm_frame_memory_publish (GstMemory *memory);

G_END_DECLS
