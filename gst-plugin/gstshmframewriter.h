/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstshmframelayout.h"
#include <gst/gst.h>
#include <shmframe/shmframe.h>

G_BEGIN_DECLS

/* What a sink shares with the buffer pools that it offered: the producer, its format, and which
 * pool is the one in use. Pools may outlive their sink. Reference-counted, thread-safe. */
typedef struct _GstShmFrameWriter GstShmFrameWriter;

GstShmFrameWriter *gst_shm_frame_writer_new (ShmFrameProducer *producer);
GstShmFrameWriter *gst_shm_frame_writer_ref (GstShmFrameWriter *self);
void gst_shm_frame_writer_unref (GstShmFrameWriter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstShmFrameWriter, gst_shm_frame_writer_unref)

/* A slot as writable memory. The producer's format follows the layout, so the segment is made at
 * the first slot, when it is known how the decoder wants its edges. Errors: as
 * shmframe_producer_set_format() and shmframe_producer_acquire(). */
GstMemory *gst_shm_frame_writer_acquire (GstShmFrameWriter *self, GstShmFrameLayout *layout,
                                         GError **error);
/* The same, but leaves one of the slots that a producer may hold at once: upstream may keep all that it
 * is given, and what comes in other memory must be copied into one. */
GstMemory *gst_shm_frame_writer_acquire_for_upstream (GstShmFrameWriter *self,
                                                      GstShmFrameLayout *layout, GError **error);

/* Whether copies of slots that are mapped for writing may be the slots: see
 * gst_shm_frame_allocator_set_stand_ins(). */
void gst_shm_frame_writer_set_stand_ins (GstShmFrameWriter *self, gboolean allowed);

/* Gives the producer a format, without which it admits nobody, before the first slot. */
gboolean gst_shm_frame_writer_prepare (GstShmFrameWriter *self, GstShmFrameLayout *layout,
                                       GError **error);
/* The layout for frames that upstream did not write into the pool: as the pool's where its caps are
 * the same, so that the format does not change from frame to frame. (transfer full) */
GstShmFrameLayout *gst_shm_frame_writer_choose_layout (GstShmFrameWriter *self,
                                                       GstShmFrameLayout *layout);

/* The sink's layout: that of its caps. */
void gst_shm_frame_writer_set_layout (GstShmFrameWriter *self, GstShmFrameLayout *layout);
/* A pool's layout with the caps of the sink, where both say the same of the memory: what only renames
 * frames on their way (capssetter) costs neither a copy nor a change of format. Else `layout` itself.
 * (transfer full) */
GstShmFrameLayout *gst_shm_frame_writer_adopt_layout (GstShmFrameWriter *self,
                                                      GstShmFrameLayout *layout);

/* The layout of the pool that was activated last. Pools with another one give ordinary memory: the
 * format must not go back and forth between them. */
void gst_shm_frame_writer_set_pool_layout (GstShmFrameWriter *self, GstShmFrameLayout *layout);
GstShmFrameLayout *gst_shm_frame_writer_dup_pool_layout (GstShmFrameWriter *self);

G_END_DECLS
