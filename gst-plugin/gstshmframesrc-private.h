/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The source in two parts: gstshmframesrc.c is the element, gstshmframereceive.c its streaming
 * thread. */

#include "gstshmframeclock.h"
#include "gstshmframecopy.h"
#include "gstshmframesrc.h"

G_BEGIN_DECLS

/**
 * GstShmFrameSrcOnEos:
 * @GST_SHM_FRAME_SRC_ON_EOS_EOS: end the stream too
 * @GST_SHM_FRAME_SRC_ON_EOS_WAIT: wait for the producer's next stream, or the next producer
 *
 * Since: 1.0
 */
typedef enum
{
  GST_SHM_FRAME_SRC_ON_EOS_EOS,
  GST_SHM_FRAME_SRC_ON_EOS_WAIT,
} GstShmFrameSrcOnEos;

/**
 * GstShmFrameSrcOnLost:
 * @GST_SHM_FRAME_SRC_ON_LOST_WAIT: wait for the next producer
 * @GST_SHM_FRAME_SRC_ON_LOST_EOS: end the stream
 * @GST_SHM_FRAME_SRC_ON_LOST_ERROR: post an error
 *
 * Since: 1.0
 */
typedef enum
{
  GST_SHM_FRAME_SRC_ON_LOST_WAIT,
  GST_SHM_FRAME_SRC_ON_LOST_EOS,
  GST_SHM_FRAME_SRC_ON_LOST_ERROR,
} GstShmFrameSrcOnLost;

struct _GstShmFrameSrc
{
  GstPushSrc parent;

  GMutex lock; /* ours, for all down to the next comment; nothing blocks under it */
  char *pool;
  ShmFrameDelivery delivery;
  ShmFrameWait wait;
  gint max_lag;
  guint leases;
  GstShmFrameSrcOnEos on_eos;
  GstShmFrameSrcOnLost on_lost;
  gint64 timeout_ns;
  gboolean offset_to_zero;
  ShmFrameConsumer *consumer;
  GVariant *last_stats; /* of the consumer that was, NULL while there is one */
  gboolean flushing;
  gboolean pausing; /* PLAYING to PAUSED is under way */
  guint64 frames, early, damaged, flush_drops;
  guint64 producer_latency_ns; /* to publication, as it says */
  guint64 frame_duration_ns;   /* 0: not known */

  GstShmFrameCopies copies;

  /* of the streaming thread, and of start() and stop() */
  GstAllocator *allocator;
  GstShmFrameLayout *layout;
  gboolean downstream_has_meta;
  GstShmFrameClock clock;
  gboolean attached;
  gboolean trusted; /* the producer is of the same user */
  guint64 flushed;  /* up to here the producer took frames back, since the last one */
  gint64 since_ns;  /* attached, or waiting for a producer, since */
  guint64 sequence;
  guint early_tags; /* events that wait for the first frame */
  gboolean discont;
  gboolean have_zero;
  gint64 zero_ns;
  gint64 shift_ns;
  GstClockTime base_time;
  gint64 floor_ns, last_ns; /* of running time: no frame before it; the latest frame so far */
  gint64 lease_request_ns;
  guint requested_leases;
  guint64 drops;
  gint64 drop_message_ns;
};

/* The consumer, from the first create() to stop(); (transfer full) (nullable). */
ShmFrameConsumer *gst_shm_frame_src_dup_consumer (GstShmFrameSrc *self);

/* Virtual functions of GstPushSrc and GstBaseSrc. */
GstFlowReturn gst_shm_frame_src_create (GstPushSrc *push, GstBuffer **buffer);
gboolean gst_shm_frame_src_negotiate (GstBaseSrc *base);
gboolean gst_shm_frame_src_decide_allocation (GstBaseSrc *base, GstQuery *query);

G_END_DECLS
