/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "gstshmframewriter.h"
#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SHM_FRAME_BUFFER_POOL (gst_shm_frame_buffer_pool_get_type ())

/* The pool that shmframesink offers upstream: every buffer is a slot of its own, taken from the
 * producer when it is acquired and given back when its memory is freed; none is used twice. It
 * never waits: where there is no slot it hands out ordinary memory. */
G_DECLARE_FINAL_TYPE (GstShmFrameBufferPool, gst_shm_frame_buffer_pool, GST, SHM_FRAME_BUFFER_POOL,
                      GstBufferPool)

/* Answers an ALLOCATION query of the element that is linked to that pad, with a new pool. FALSE: not for
 * such caps. */
gboolean gst_shm_frame_buffer_pool_offer (GstShmFrameWriter *writer, GstPad *sink, GstQuery *query);
GstBufferPool *gst_shm_frame_buffer_pool_new (GstShmFrameWriter *writer);

G_END_DECLS
