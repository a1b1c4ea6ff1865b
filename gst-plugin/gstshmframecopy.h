/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstshmframewriter.h"
#include <gst/gst.h>

G_BEGIN_DECLS

/* Why a frame had to be copied. */
typedef enum
{
  GST_SHM_FRAME_COPY_FOREIGN,   /* sink: memory that is no slot of the pool */
  GST_SHM_FRAME_COPY_NO_SLOT,   /* sink: the pool gave ordinary memory, the slots were used up */
  GST_SHM_FRAME_COPY_REPEAT,    /* sink: a slot that was published before */
  GST_SHM_FRAME_COPY_LAYOUT,    /* sink: planes elsewhere than the slot's format says */
  GST_SHM_FRAME_COPY_SEGMENT,   /* sink: a slot of a segment that was replaced */
  GST_SHM_FRAME_COPY_STRIDES,   /* source: downstream does not know GstVideoMeta */
  GST_SHM_FRAME_COPY_QUOTA,     /* source: downstream holds all leases */
  GST_SHM_FRAME_COPY_UNTRUSTED, /* source: a compressed frame of another user, who could change it */
  GST_SHM_FRAME_N_COPIES,
} GstShmFrameCopy;

/* Copied frames and bytes by reason. Thread-safe. */
typedef struct
{
  GMutex lock;
  guint64 frames[GST_SHM_FRAME_N_COPIES];
  guint64 bytes[GST_SHM_FRAME_N_COPIES];
} GstShmFrameCopies;

void gst_shm_frame_copies_init (GstShmFrameCopies *self);
void gst_shm_frame_copies_clear (GstShmFrameCopies *self);
void gst_shm_frame_copies_reset (GstShmFrameCopies *self);
/* The first copy for each reason is logged at WARNING. */
void gst_shm_frame_copies_add (GstShmFrameCopies *self, GstElement *element, GstShmFrameCopy why,
                               gsize bytes);
/* Sets copied-bytes, copied-frames, and copied-REASON (bytes) from first to last. */
void gst_shm_frame_copies_to_structure (GstShmFrameCopies *self, GstStructure *structure,
                                        GstShmFrameCopy first, GstShmFrameCopy last);

/* The buffer's own slot, now read-only, where it can be published as it is; else NULL, with the
 * reason. */
GstMemory *gst_shm_frame_take_slot (GstBuffer *buffer, ShmFrameProducer *producer,
                                    GstShmFrameLayout *layout, GstShmFrameCopy *why);
/* A copy of the buffer in a slot. Errors: as gst_shm_frame_writer_acquire(), and FORMAT where the
 * buffer is not what its caps say. */
GstMemory *gst_shm_frame_copy_to_slot (GstBuffer *buffer, GstShmFrameWriter *writer,
                                       GstShmFrameLayout *layout, GError **error);
/* A raw frame in ordinary memory with the strides that GStreamer assumes; keeps flags, times and
 * metas. NULL: no memory, or not mappable. */
GstBuffer *gst_shm_frame_copy_to_default (GstBuffer *buffer, GstShmFrameLayout *layout);

G_END_DECLS
