/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframeallocator.h"
#include "gstshmframemeta.h"
#include "gstshmframesink-private.h"
#include "gstshmframestats.h"

#include <string.h>

GST_DEBUG_CATEGORY_EXTERN (shm_frame_sink_debug);
#define GST_CAT_DEFAULT shm_frame_sink_debug

#define FLOW_DROPPED GST_FLOW_CUSTOM_SUCCESS

static gboolean
publishes_on_arrival (GstShmFrameSink *self)
{
  gboolean sync_live;

  g_mutex_lock (&self->lock);
  sync_live = self->sync_live;
  g_mutex_unlock (&self->lock);
  return self->live && !sync_live;
}

/* Live input changes how to publish; and consumers are told how late the frames come. */
static void
check_live (GstShmFrameSink *self)
{
  GstBaseSink *base = GST_BASE_SINK (self);
  g_autoptr (ShmFrameProducer) producer = NULL;
  GstClockTime latency = 0, min = 0;
  GstQuery *query;

  if (!g_atomic_int_compare_and_exchange (&self->check_live, TRUE, FALSE))
    return;
  query = gst_query_new_latency ();
  if (gst_pad_peer_query (GST_BASE_SINK_PAD (base), query))
    gst_query_parse_latency (query, &self->live, &min, NULL);
  gst_query_unref (query);

  if (self->live)
    latency = publishes_on_arrival (self) ? min : MAX (min, gst_base_sink_get_latency (base));
  producer = gst_shm_frame_sink_dup_producer (self);
  g_object_set (producer, "live", self->live, NULL);
  if (latency != self->latency_ns)
    shmframe_producer_push_event (producer, "latency", g_variant_new_uint64 (latency), TRUE, NULL);
  self->latency_ns = latency;
}

void
gst_shm_frame_sink_get_times (GstBaseSink *base, GstBuffer *buffer, GstClockTime *begin,
                              GstClockTime *end)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (base);
  const GstSegment *segment = &base->segment;

  check_live (self);
  *begin = *end = GST_CLOCK_TIME_NONE;
  if (publishes_on_arrival (self))
    return;
  GST_BASE_SINK_CLASS (g_type_class_peek (GST_TYPE_BASE_SINK))
      ->get_times (base, buffer, begin, end);
  /* It goes by the dts. Before the segment, the base class would neither wait nor preroll. */
  if (segment->format == GST_FORMAT_TIME && segment->rate > 0 && GST_CLOCK_TIME_IS_VALID (*begin)
      && *begin < segment->start && GST_BUFFER_PTS_IS_VALID (buffer)
      && GST_BUFFER_PTS (buffer) >= segment->start)
    {
      *begin = segment->start;
      *end = MAX (*end, *begin);
    }
}

static gboolean
must_wait_for_consumer (GstShmFrameSink *self)
{
  gboolean wait;

  g_mutex_lock (&self->lock);
  wait = self->wait_for_consumer;
  g_mutex_unlock (&self->lock);
  return wait && !self->had_consumer;
}

static GstFlowReturn
drop (GstShmFrameSink *self, GstShmFrameDrop why)
{
  g_autoptr (ShmFrameProducer) producer = gst_shm_frame_sink_dup_producer (self);
  gint64 now = gst_shm_frame_clock_monotonic ();
  guint64 total;

  g_mutex_lock (&self->lock);
  total = ++self->drops[why];
  g_mutex_unlock (&self->lock);
  GST_DEBUG_OBJECT (self, "%s: %" G_GUINT64_FORMAT, gst_shm_frame_drop_names[why], total);
  if (why == GST_SHM_FRAME_DROP_SEGMENT)
    return FLOW_DROPPED;
  shmframe_producer_drop (producer, 1);
  if (now - self->drop_message_ns >= GST_SHM_FRAME_DROP_MESSAGE_INTERVAL_NS)
    {
      self->drop_message_ns = now;
      gst_element_post_message (
          GST_ELEMENT (self),
          gst_message_new_element (
              GST_OBJECT (self),
              gst_structure_new ("shmframe-drop", "cause", G_TYPE_STRING,
                                 gst_shm_frame_drop_names[why] + strlen ("drops-"), "count",
                                 G_TYPE_UINT64, total, NULL)));
    }
  return FLOW_DROPPED;
}

/* ---- waiting for a consumer ---- */

/* Whoever waits for consumers must be able to admit one. */
static gboolean
prepare (GstShmFrameSink *self, GError **error)
{
  g_autoptr (GstShmFrameLayout) layout
      = gst_shm_frame_writer_choose_layout (self->writer, self->layout);

  return gst_shm_frame_writer_prepare (self->writer, layout, error);
}

/* FALSE without an error: it was unlocked, which is over now, or will not be. */
static gboolean
wait_once (GstShmFrameSink *self, ShmFrameProducer *producer, GError **error)
{
  GstPad *pad = GST_BASE_SINK_PAD (self);
  gboolean attached
      = prepare (self, error) && shmframe_producer_wait_for_consumer (producer, -1, error);

  if (attached || !g_error_matches (*error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING))
    return attached;
  g_clear_error (error);
  g_mutex_lock (&self->lock);
  while (self->unlocked && !self->ending && !GST_PAD_IS_FLUSHING (pad))
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
  return FALSE;
}

/* Until there is a consumer, the pad is flushed, or EOS was asked for and waits behind us. */
static gboolean
goes_on_waiting (GstShmFrameSink *self, const GError *error)
{
  gboolean waiting;

  g_mutex_lock (&self->lock);
  waiting = !error && !self->had_consumer && !self->ending
            && !GST_PAD_IS_FLUSHING (GST_BASE_SINK_PAD (self));
  self->waiting = waiting;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  return waiting;
}

static GstFlowReturn
wait_for_consumer (GstShmFrameSink *self)
{
  g_autoptr (ShmFrameProducer) producer = gst_shm_frame_sink_dup_producer (self);
  g_autoptr (GError) error = NULL;

  GST_INFO_OBJECT (self, "waiting for a consumer");
  while (goes_on_waiting (self, error))
    self->had_consumer = wait_once (self, producer, &error);
  if (error)
    {
      gst_shm_frame_post_error (GST_ELEMENT (self), error);
      return GST_FLOW_ERROR;
    }
  if (self->had_consumer)
    return GST_FLOW_OK;
  return GST_PAD_IS_FLUSHING (GST_BASE_SINK_PAD (self))
             ? GST_FLOW_FLUSHING
             : drop (self, GST_SHM_FRAME_DROP_NO_CONSUMER);
}

static GstFlowReturn
look_for_consumer (GstShmFrameSink *self)
{
  g_autoptr (GError) error = NULL;

  if (!prepare (self, &error) && !g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING))
    {
      gst_shm_frame_post_error (GST_ELEMENT (self), error);
      return GST_FLOW_ERROR;
    }
  self->had_consumer = gst_shm_frame_sink_count_consumers (self) > 0;
  return self->had_consumer ? GST_FLOW_OK : drop (self, GST_SHM_FRAME_DROP_NO_CONSUMER);
}

/* Before the base class: what waits here has not begun to preroll, and holds no lock but the pad's
 * stream lock. */
GstPadProbeReturn
gst_shm_frame_sink_await_consumer (GstPad *pad, GstPadProbeInfo *info, gpointer sink)
{
  GstShmFrameSink *self = sink;
  gboolean event = (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) != 0;
  GstFlowReturn flow = GST_FLOW_OK;

  if (!self->layout || !must_wait_for_consumer (self)
      || (event && GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_GAP))
    return GST_PAD_PROBE_OK;
  check_live (self);
  if (!self->live)
    flow = wait_for_consumer (self);
  else if (!event)
    flow = look_for_consumer (self);
  if (flow == GST_FLOW_OK)
    return GST_PAD_PROBE_OK;
  gst_mini_object_unref (GST_PAD_PROBE_INFO_DATA (info));
  GST_PAD_PROBE_INFO_DATA (info) = NULL;
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) = flow == FLOW_DROPPED ? GST_FLOW_OK : flow;
  return GST_PAD_PROBE_HANDLED;
}

/* Nothing is published here: the frame comes again to render(). */
GstFlowReturn
gst_shm_frame_sink_preroll (GstBaseSink *base, GstBuffer *buffer)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (base);

  if (!self->layout)
    return GST_FLOW_NOT_NEGOTIATED;
  check_live (self);
  return GST_FLOW_OK;
}

/* ---- publishing ---- */

/* The part of a frame that lies in the segment, in its times; FALSE: none. */
static gboolean
clip (const GstSegment *segment, GstBuffer *buffer, GstClockTime *begin, GstClockTime *end)
{
  *begin = GST_BUFFER_PTS (buffer);
  *end = GST_CLOCK_TIME_NONE;
  if (segment->format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID (*begin))
    return TRUE;
  if (!GST_BUFFER_DURATION_IS_VALID (buffer))
    return gst_segment_clip (segment, GST_FORMAT_TIME, *begin, *begin, begin, NULL);
  *end = *begin + GST_BUFFER_DURATION (buffer);
  return gst_segment_clip (segment, GST_FORMAT_TIME, *begin, *end, begin, end);
}

/* The base class would drop them too, and not count them. */
GstPadProbeReturn
gst_shm_frame_sink_clip (GstPad *pad, GstPadProbeInfo *info, gpointer sink)
{
  GstShmFrameSink *self = sink;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstClockTime begin, end;
  gboolean inside = clip (&GST_BASE_SINK (self)->segment, buffer, &begin, &end);

  /* What needs a key frame from before the segment could not be decoded. */
  if (!GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT))
    self->need_key = !inside;
  if (inside && !self->need_key)
    return GST_PAD_PROBE_OK;
  self->discont = TRUE;
  drop (self, GST_SHM_FRAME_DROP_SEGMENT);
  return GST_PAD_PROBE_DROP;
}

gint64
gst_shm_frame_sink_to_monotonic (GstShmFrameSink *self, GstClockTime time)
{
  const GstSegment *segment = &GST_BASE_SINK (self)->segment;
  GstClockTime running = segment->format == GST_FORMAT_TIME
                             ? gst_segment_to_running_time (segment, GST_FORMAT_TIME, time)
                             : GST_CLOCK_TIME_NONE;

  if (!GST_CLOCK_TIME_IS_VALID (running))
    return SHMFRAME_TIME_UNKNOWN;
  return (gint64) running + gst_shm_frame_clock_get_zero (&self->clock, GST_ELEMENT (self));
}

static ShmFrameFlags
frame_flags (GstShmFrameSink *self, GstBuffer *buffer)
{
  ShmFrameFlags flags = gst_shm_frame_flags_from_buffer (buffer);

  if (self->discont)
    flags |= SHMFRAME_FLAG_DISCONT;
  if (self->live)
    flags |= SHMFRAME_FLAG_LIVE;
  return flags;
}

/* When and for how long a frame is shown; played backwards, it begins with its end. */
static void
describe_time (GstShmFrameSink *self, ShmFrameFrame *frame, GstBuffer *buffer)
{
  const GstSegment *segment = &GST_BASE_SINK (self)->segment;
  GstClockTime begin, end, stream = GST_CLOCK_TIME_NONE;
  gint64 pts;

  clip (segment, buffer, &begin, &end);
  pts = gst_shm_frame_sink_to_monotonic (
      self, segment->rate > 0 || !GST_CLOCK_TIME_IS_VALID (end) ? begin : end);
  if (segment->format == GST_FORMAT_TIME)
    stream = gst_segment_to_stream_time (segment, GST_FORMAT_TIME, begin);
  shmframe_frame_set_pts (frame, pts);
  shmframe_frame_set_capture_time (frame, self->live ? pts : SHMFRAME_TIME_UNKNOWN);
  shmframe_frame_set_duration (frame, GST_CLOCK_TIME_IS_VALID (end)
                                          ? (gint64) ((end - begin) / ABS (segment->rate))
                                          : SHMFRAME_TIME_UNKNOWN);
  shmframe_frame_set_stream_time (frame, GST_CLOCK_TIME_IS_VALID (stream) ? (gint64) stream
                                                                          : SHMFRAME_TIME_UNKNOWN);
}

/* Fills in what a frame says besides its pixels. */
static gboolean
describe (GstShmFrameSink *self, ShmFrameFrame *frame, GstBuffer *buffer, GError **error)
{
  gboolean raw = gst_shm_frame_layout_is_raw (self->layout);
  gint64 dts = raw ? G_MININT64 : gst_shm_frame_sink_to_monotonic (self, GST_BUFFER_DTS (buffer));
  g_autoptr (GVariant) metadata = gst_shm_frame_meta_to_variant (buffer, dts);
  g_autoptr (GError) refused = NULL;

  describe_time (self, frame, buffer);
  shmframe_frame_set_flags (frame, frame_flags (self, buffer));
  if (metadata)
    g_variant_ref_sink (metadata);
  if (metadata && !shmframe_frame_set_metadata (frame, metadata, &refused)
      && !self->metadata_refused)
    {
      self->metadata_refused = TRUE;
      GST_WARNING_OBJECT (self, "frames go without their metas: %s", refused->message);
    }
  return raw || shmframe_frame_set_payload_size (frame, gst_buffer_get_size (buffer), error);
}

static GstMemory *
copy_buffer (GstShmFrameSink *self, GstBuffer *buffer, GstShmFrameCopy why, GError **error)
{
  gsize size = gst_buffer_get_size (buffer);
  GstMemory *memory;

  if (!gst_shm_frame_layout_is_raw (self->layout) && size > self->layout->size)
    {
      GstShmFrameLayout *larger
          = gst_shm_frame_layout_new (self->layout->caps, NULL, size * 2, error);

      if (!larger)
        return NULL;
      gst_shm_frame_layout_unref (self->layout);
      self->layout = larger;
    }
  memory = gst_shm_frame_copy_to_slot (buffer, self->writer, self->layout, error);
  if (memory)
    gst_shm_frame_copies_add (&self->copies, GST_ELEMENT (self), why,
                              MIN (size, self->layout->size));
  return memory;
}

static GstFlowReturn
publish (GstShmFrameSink *self, GstBuffer *buffer)
{
  g_autoptr (ShmFrameProducer) producer = gst_shm_frame_sink_dup_producer (self);
  g_autoptr (GError) error = NULL;
  GstFlowReturn flow = GST_FLOW_OK;
  GstShmFrameCopy why;
  GstMemory *memory = gst_shm_frame_take_slot (buffer, producer, self->layout, &why);
  gboolean published = FALSE;

  while (!published && flow == GST_FLOW_OK)
    {
      g_clear_error (&error);
      if (!memory)
        memory = copy_buffer (self, buffer, why, &error);
      if (memory)
        {
          ShmFrameFrame *frame = gst_shm_frame_memory_get_frame (memory);

          published = describe (self, frame, buffer, &error)
                      && shmframe_producer_publish (producer, frame, &error);
        }
      if (published)
        break;
      if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING))
        flow = gst_base_sink_wait_preroll (GST_BASE_SINK (self));
      else if (memory && why != GST_SHM_FRAME_COPY_SEGMENT
               && g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT))
        {
          g_clear_pointer (&memory, gst_memory_unref);
          why = GST_SHM_FRAME_COPY_SEGMENT;
        }
      else if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_SLOT))
        return drop (self, GST_SHM_FRAME_DROP_NO_SLOT);
      else
        {
          gst_shm_frame_post_error (GST_ELEMENT (self), error);
          flow = GST_FLOW_ERROR;
        }
    }
  g_clear_pointer (&memory, gst_memory_unref);
  return flow;
}

GstFlowReturn
gst_shm_frame_sink_render (GstBaseSink *base, GstBuffer *buffer)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (base);
  GstFlowReturn flow;

  if (!self->layout)
    return GST_FLOW_NOT_NEGOTIATED;
  check_live (self);
  flow = publish (self, buffer);
  if (flow == FLOW_DROPPED)
    return GST_FLOW_OK;
  if (flow == GST_FLOW_OK)
    {
      self->discont = FALSE;
      g_mutex_lock (&self->lock);
      self->frames++;
      g_mutex_unlock (&self->lock);
    }
  return flow;
}
