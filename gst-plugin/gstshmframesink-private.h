/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sink in two parts: gstshmframesink.c is the element, gstshmframerender.c its streaming
 * thread. */

#include "gstshmframeclock.h"
#include "gstshmframecopy.h"
#include "gstshmframesink.h"

G_BEGIN_DECLS

typedef enum
{
  GST_SHM_FRAME_DROP_NO_SLOT,
  GST_SHM_FRAME_DROP_NO_CONSUMER,
  GST_SHM_FRAME_DROP_SEGMENT,
  GST_SHM_FRAME_N_DROPS,
} GstShmFrameDrop;

/* Their names in the stats: drops-CAUSE. */
extern const char *const gst_shm_frame_drop_names[GST_SHM_FRAME_N_DROPS];

struct _GstShmFrameSink
{
  GstBaseSink parent;

  GMutex lock;   /* ours, for all down to the next comment; nothing blocks under it */
  GCond changed; /* unlocked, waiting, ending */
  char *pool;
  char *group;
  guint slots, max_consumers, consumer_leases, history, window, mode;
  guint64 stall_timeout_ns;
  gboolean lossless, wait_for_consumer, sync_live;
  ShmFrameProducer *producer;
  gboolean unlocked; /* between unlock() and unlock_stop() */
  gboolean waiting;  /* for a consumer */
  gboolean ending;   /* EOS is on its way: no consumer is waited for */
  guint64 frames;
  guint64 drops[GST_SHM_FRAME_N_DROPS];

  GstShmFrameCopies copies;
  gint check_live; /* atomic: ask upstream again whether it is live */

  /* of the streaming thread, and of start() and stop() */
  GstShmFrameWriter *writer;
  GstShmFrameLayout *layout; /* of the caps, with the strides that GStreamer assumes */
  GstShmFrameClock clock;
  gboolean live;
  guint64 latency_ns;
  gboolean had_consumer;
  gboolean discont;
  gboolean need_key; /* the last one was outside of the segment */
  gboolean metadata_refused;
  gint64 drop_message_ns;
};

/* The producer, between start() and stop(); (transfer full) (nullable). */
ShmFrameProducer *gst_shm_frame_sink_dup_producer (GstShmFrameSink *self);
guint gst_shm_frame_sink_count_consumers (GstShmFrameSink *self);
/* A time of the segment in ns of CLOCK_MONOTONIC, or SHMFRAME_TIME_UNKNOWN. Streaming thread. */
gint64 gst_shm_frame_sink_to_monotonic (GstShmFrameSink *self, GstClockTime time);

/* Probes of the sink pad: drops and counts buffers that are outside of the segment; wait-for-consumer. */
GstPadProbeReturn gst_shm_frame_sink_clip (GstPad *pad, GstPadProbeInfo *info, gpointer sink);
GstPadProbeReturn gst_shm_frame_sink_await_consumer (GstPad *pad, GstPadProbeInfo *info,
                                                     gpointer sink);

/* Virtual functions of GstBaseSink. */
void gst_shm_frame_sink_get_times (GstBaseSink *base, GstBuffer *buffer, GstClockTime *begin,
                                   GstClockTime *end);
GstFlowReturn gst_shm_frame_sink_preroll (GstBaseSink *base, GstBuffer *buffer);
GstFlowReturn gst_shm_frame_sink_render (GstBaseSink *base, GstBuffer *buffer);

G_END_DECLS
