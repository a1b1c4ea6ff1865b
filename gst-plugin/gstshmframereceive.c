/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframeallocator.h"
#include "gstshmframemeta.h"
#include "gstshmframesrc-private.h"
#include "gstshmframestats.h"
#include "gstshmframetext.h"

#include <gst/video/video.h>
#include <string.h>
#include <unistd.h>

GST_DEBUG_CATEGORY_EXTERN (shm_frame_src_debug);
#define GST_CAT_DEFAULT shm_frame_src_debug

/* Nothing to push yet: look for the next frame or event. */
#define FLOW_NEXT GST_FLOW_CUSTOM_SUCCESS
#define MAX_EARLY_TAGS 32
#define FIRST_LEASES 4
#define MAX_LEASES 255
#define LEASE_REQUEST_INTERVAL_NS ((gint64) GST_SECOND)
/* Frames that were captured before we attached arrive within this time. */
#define EARLY_NS ((gint64) GST_SECOND)

static void
post_message (GstShmFrameSrc *self, GstStructure *structure)
{
  g_autofree char *pool = NULL;

  g_mutex_lock (&self->lock);
  pool = g_strdup (self->pool);
  g_mutex_unlock (&self->lock);
  gst_structure_set (structure, "pool", G_TYPE_STRING, pool, NULL);
  gst_element_post_message (GST_ELEMENT (self),
                            gst_message_new_element (GST_OBJECT (self), structure));
}

static ShmFrameConsumer *
new_consumer (GstShmFrameSrc *self, GError **error)
{
  g_autofree char *pool = NULL;
  ShmFrameDelivery delivery;
  ShmFrameWait wait;
  gint max_lag;
  guint leases;

  g_mutex_lock (&self->lock);
  pool = g_strdup (self->pool);
  delivery = self->delivery;
  wait = self->wait;
  max_lag = self->max_lag;
  leases = self->leases ? self->leases : FIRST_LEASES;
  g_mutex_unlock (&self->lock);
  self->requested_leases = leases;
  return g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, error, "pool", pool, "delivery", delivery,
                         "wait", wait, "max-lag", max_lag, "leases", leases, NULL);
}

/* Made here, not in start(): a producer that waits for a consumer then starts its running time when
 * ours runs already, and no frame is from before it. */
static ShmFrameConsumer *
ensure_consumer (GstShmFrameSrc *self, GError **error)
{
  ShmFrameConsumer *consumer = gst_shm_frame_src_dup_consumer (self);

  if (consumer)
    return consumer;
  consumer = new_consumer (self, error);
  if (!consumer)
    return NULL;
  self->since_ns = gst_shm_frame_clock_monotonic ();
  g_mutex_lock (&self->lock);
  self->consumer = g_object_ref (consumer);
  shmframe_consumer_set_flushing (consumer, self->flushing);
  g_mutex_unlock (&self->lock);
  return consumer;
}

gboolean
gst_shm_frame_src_negotiate (GstBaseSrc *base)
{
  GstShmFrameSrc *self = GST_SHM_FRAME_SRC (base);

  /* There are no caps before a producer has told its own. */
  return !self->layout || gst_base_src_set_caps (base, self->layout->caps);
}

gboolean
gst_shm_frame_src_decide_allocation (GstBaseSrc *base, GstQuery *query)
{
  GstShmFrameSrc *self = GST_SHM_FRAME_SRC (base);

  self->downstream_has_meta = gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  /* The frames are there already. */
  while (gst_query_get_n_allocation_pools (query) > 0)
    gst_query_remove_nth_allocation_pool (query, 0);
  return TRUE;
}

static void
set_latency (GstShmFrameSrc *self, guint64 producer_ns, guint64 frame_ns)
{
  gboolean changed;

  g_mutex_lock (&self->lock);
  changed = self->producer_latency_ns != producer_ns || self->frame_duration_ns != frame_ns;
  self->producer_latency_ns = producer_ns;
  self->frame_duration_ns = frame_ns;
  g_mutex_unlock (&self->lock);
  if (changed)
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
}

/* The base class would only say not-negotiated, and not what the pool has. */
static gboolean
is_taken (GstShmFrameSrc *self, GstCaps *caps)
{
  g_autoptr (GstCaps) taken = gst_pad_peer_query_caps (GST_BASE_SRC_PAD (self), caps);

  if (!gst_caps_is_empty (taken) || GST_PAD_IS_FLUSHING (GST_BASE_SRC_PAD (self)))
    return TRUE;
  GST_ELEMENT_ERROR (self, CORE, NEGOTIATION,
                     ("What comes after shmframesrc does not take the format of its pool: put a "
                      "videoconvert, videoscale or decoder between them."),
                     ("the pool has %" GST_PTR_FORMAT, caps));
  return FALSE;
}

static GstFlowReturn
apply_format (GstShmFrameSrc *self, ShmFrameFormat *format)
{
  g_autoptr (GError) error = NULL;
  GstShmFrameLayout *layout = gst_shm_frame_layout_new_from_format (format, &error);
  gboolean same_caps;
  gint numerator = 0, denominator = 1;

  if (!layout)
    {
      gst_shm_frame_post_error (GST_ELEMENT (self), error);
      return GST_FLOW_ERROR;
    }
  same_caps = self->layout && gst_caps_is_equal (self->layout->caps, layout->caps);
  GST_INFO_OBJECT (self, "format %" GST_PTR_FORMAT, layout->caps);
  g_clear_pointer (&self->layout, gst_shm_frame_layout_unref);
  self->layout = layout;

  shmframe_format_get_frame_rate (format, &numerator, &denominator);
  set_latency (self, self->producer_latency_ns,
               numerator > 0 && denominator > 0
                   ? gst_util_uint64_scale_int (GST_SECOND, denominator, numerator)
                   : 0);
  if (!same_caps && !is_taken (self, layout->caps))
    return GST_FLOW_ERROR;
  if (!same_caps && !gst_base_src_negotiate (GST_BASE_SRC (self)))
    return GST_PAD_IS_FLUSHING (GST_BASE_SRC_PAD (self)) ? GST_FLOW_FLUSHING
                                                         : GST_FLOW_NOT_NEGOTIATED;
  return FLOW_NEXT;
}

/* The monotonic clock's time as this pipeline's running time; below 0: before it started. */
static gint64
to_running_time (GstShmFrameSrc *self, gint64 time)
{
  return time - gst_shm_frame_clock_get_zero (&self->clock, GST_ELEMENT (self));
}

/* Times that are decades away are none: sums of them would overflow, also in clocks downstream. */
#define FAR_NS (G_MAXINT64 / 4)

static gint64
frame_time (ShmFrameFrame *frame)
{
  gint64 pts = shmframe_frame_get_pts (frame);

  return pts > -FAR_NS && pts < FAR_NS
             ? pts
             : CLAMP (shmframe_frame_get_publish_time (frame), -FAR_NS, FAR_NS);
}

/* After a pause, frames from before its end are as early as those from before the attach. */
static void
note_base_time (GstShmFrameSrc *self)
{
  GstClockTime base = gst_element_get_base_time (GST_ELEMENT (self));
  GstClockTime start = gst_element_get_start_time (GST_ELEMENT (self));

  if (base == self->base_time)
    return;
  self->base_time = base;
  self->floor_ns = GST_CLOCK_TIME_IS_VALID (start) ? MAX (self->last_ns, (gint64) start) : 0;
  self->since_ns = gst_shm_frame_clock_monotonic ();
}

/* Frames that were ahead of us say nothing of those to come. */
static void
forget_future (GstShmFrameSrc *self)
{
  gint64 now = (gint64) gst_element_get_current_running_time (GST_ELEMENT (self));

  self->last_ns = 0;
  self->floor_ns = MIN (self->floor_ns, MAX (now, 0));
}

/* FALSE: the frame is from before we came, and is skipped. */
static gboolean
place_in_time (GstShmFrameSrc *self, ShmFrameFrame *frame, gint64 *running)
{
  gint64 time = frame_time (frame);
  gboolean offset_to_zero;

  g_mutex_lock (&self->lock);
  offset_to_zero = self->offset_to_zero;
  g_mutex_unlock (&self->lock);
  if (offset_to_zero)
    {
      if (!self->have_zero)
        self->zero_ns = time;
      self->have_zero = TRUE;
      *running = MAX (time - self->zero_ns, 0);
      return TRUE;
    }
  note_base_time (self);
  *running = to_running_time (self, time) + self->shift_ns;
  if (*running >= self->floor_ns)
    return TRUE;
  if (shmframe_frame_get_publish_time (frame) - self->since_ns < EARLY_NS)
    return FALSE;
  if (self->floor_ns > (gint64) gst_element_get_current_running_time (GST_ELEMENT (self)))
    {
      forget_future (self); /* one frame was ahead of all others */
      return FALSE;
    }
  /* A producer that runs slower than its own clock: skipping would never end. */
  self->shift_ns += (gint64) gst_element_get_current_running_time (GST_ELEMENT (self)) - *running;
  *running = to_running_time (self, time) + self->shift_ns;
  self->discont = TRUE;
  GST_WARNING_OBJECT (self, "the producer is late: times are shifted by %" GST_STIME_FORMAT,
                      GST_STIME_ARGS (self->shift_ns));
  return *running >= self->floor_ns;
}

/* Frames that went by between the last one and this one. */
static void
note_gap (GstShmFrameSrc *self, guint64 sequence)
{
  guint64 missing = self->sequence && sequence > self->sequence ? sequence - self->sequence - 1 : 0;
  /* The producer may say any number: at most what is missing, and of this gap only. */
  guint64 flushed = MIN (missing, self->flushed - MIN (self->flushed, self->sequence));
  gint64 now;

  self->sequence = sequence;
  self->flushed = 0;
  if (missing == 0)
    return;
  self->discont = TRUE;
  self->drops += missing;
  if (self->delivery == SHMFRAME_DELIVERY_LATEST)
    return;
  g_mutex_lock (&self->lock);
  self->flush_drops += flushed;
  g_mutex_unlock (&self->lock);
  now = gst_shm_frame_clock_monotonic ();
  if (now - self->drop_message_ns < GST_SHM_FRAME_DROP_MESSAGE_INTERVAL_NS)
    return;
  self->drop_message_ns = now;
  post_message (self, gst_structure_new ("shmframe-drop", "cause", G_TYPE_STRING,
                                         flushed ? "flush" : "lag", "sequence", G_TYPE_UINT64,
                                         sequence, "missing", G_TYPE_UINT64, missing, "count",
                                         G_TYPE_UINT64, self->drops, NULL));
}

static void
set_flags (GstShmFrameSrc *self, GstBuffer *buffer, ShmFrameFlags flags)
{
  gst_shm_frame_flags_to_buffer (flags, buffer);
  if (self->discont)
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->discont = FALSE;
}

static gboolean
mark_pooled (GstBuffer *buffer, GstMeta **meta, gpointer user_data)
{
  GST_META_FLAG_SET (*meta, GST_META_FLAG_POOLED);
  return TRUE;
}

static void
add_metadata (GstShmFrameSrc *self, GstBuffer *buffer, ShmFrameFrame *frame)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) metadata = shmframe_frame_dup_metadata (frame, &error);
  gint64 dts = G_MININT64;

  if (error)
    GST_WARNING_OBJECT (self, "a frame comes without its metas: %s", error->message);
  if (metadata)
    dts = gst_shm_frame_meta_from_variant (buffer, metadata);
  if (dts > -FAR_NS && dts < FAR_NS)
    {
      /* By the same amount as the pts. */
      gint64 moved = dts - frame_time (frame) + (gint64) GST_BUFFER_PTS (buffer);

      GST_BUFFER_DTS (buffer) = MAX (moved, 0);
    }
  gst_buffer_foreach_meta (buffer, mark_pooled, NULL);
}

/* Takes the frame. */
static GstBuffer *
wrap_frame (GstShmFrameSrc *self, ShmFrameFrame *frame, gint64 running)
{
  GstBuffer *buffer = gst_buffer_new ();
  gint64 duration = shmframe_frame_get_duration (frame);

  gst_buffer_append_memory (buffer, gst_shm_frame_allocator_wrap_lease (self->allocator, frame));
  GST_BUFFER_PTS (buffer) = running;
  if (duration >= 0 && duration < FAR_NS)
    GST_BUFFER_DURATION (buffer) = duration;
  GST_BUFFER_OFFSET (buffer) = shmframe_frame_get_sequence (frame);
  GST_BUFFER_OFFSET_END (buffer) = GST_BUFFER_OFFSET (buffer) + 1;
  if (gst_shm_frame_layout_is_raw (self->layout))
    gst_shm_frame_layout_add_meta (self->layout, buffer);
  add_metadata (self, buffer, frame);
  set_flags (self, buffer, shmframe_frame_get_flags (frame));
  return buffer;
}

static GstFlowReturn
use_default_strides (GstShmFrameSrc *self, GstBuffer **buffer)
{
  GstBuffer *copy;

  if (self->downstream_has_meta || !gst_shm_frame_layout_is_raw (self->layout)
      || self->layout->is_default)
    return GST_FLOW_OK;
  copy = gst_shm_frame_copy_to_default (*buffer, self->layout);
  gst_buffer_replace (buffer, NULL);
  if (!copy)
    {
      GST_ELEMENT_ERROR (self, RESOURCE, READ, (NULL), ("cannot copy a frame"));
      return GST_FLOW_ERROR;
    }
  gst_shm_frame_copies_add (&self->copies, GST_ELEMENT (self), GST_SHM_FRAME_COPY_STRIDES,
                            gst_buffer_get_size (copy));
  *buffer = copy;
  return GST_FLOW_OK;
}

static void
count (GstShmFrameSrc *self, guint64 *counter)
{
  g_mutex_lock (&self->lock);
  (*counter)++;
  g_mutex_unlock (&self->lock);
}

/* Takes the frame. */
static GstFlowReturn
push_frame (GstShmFrameSrc *self, ShmFrameFrame *leased, GstBuffer **buffer)
{
  g_autoptr (ShmFrameFrame) frame = leased;
  ShmFrameFormat *format = shmframe_frame_get_format (frame);
  /* Where PAUSED came meanwhile: what its time is, is known after that. */
  GstFlowReturn flow = gst_base_src_wait_playing (GST_BASE_SRC (self));
  gint64 running;

  if (flow != GST_FLOW_OK)
    return flow;
  flow = FLOW_NEXT;
  note_gap (self, shmframe_frame_get_sequence (frame));
  if (!self->layout
      || (format != self->layout->format && !shmframe_format_equal (format, self->layout->format)))
    flow = apply_format (self, format);
  if (flow != FLOW_NEXT)
    return flow;
  if (gst_shm_frame_layout_is_raw (self->layout)
      && shmframe_frame_get_size (frame) < self->layout->size)
    {
      GST_WARNING_OBJECT (self, "a frame of %" G_GSIZE_FORMAT " bytes is too small for its format",
                          shmframe_frame_get_size (frame));
      count (self, &self->damaged);
      self->discont = TRUE;
      return FLOW_NEXT;
    }
  /* Its format came by no event: it was not copied, as what is parsed must be. */
  if (!self->trusted && !gst_shm_frame_layout_is_raw (self->layout)
      && !shmframe_frame_is_copy (frame))
    {
      GST_WARNING_OBJECT (self,
                          "a compressed frame of another user came without its format's event");
      count (self, &self->damaged);
      self->discont = TRUE;
      return FLOW_NEXT;
    }
  if (!place_in_time (self, frame, &running))
    {
      GST_DEBUG_OBJECT (self,
                        "frame %" G_GUINT64_FORMAT " is early: running time %" GST_STIME_FORMAT,
                        shmframe_frame_get_sequence (frame), GST_STIME_ARGS (running));
      count (self, &self->early);
      self->discont = TRUE;
      return FLOW_NEXT;
    }
  self->last_ns = MAX (self->last_ns, running);
  self->early_tags = 0;
  count (self, &self->frames);
  *buffer = wrap_frame (self, g_steal_pointer (&frame), running);
  return use_default_strides (self, buffer);
}

static void
handle_attached (GstShmFrameSrc *self, ShmFrameEvent *event)
{
  g_autoptr (GVariant) value
      = shmframe_event_get_value (event) ? g_variant_ref (shmframe_event_get_value (event)) : NULL;

  self->attached = TRUE;
  self->trusted = value && gst_shm_frame_stats_get (value, "uid") == geteuid ();
  self->since_ns = gst_shm_frame_clock_monotonic ();
  self->sequence = 0;
  self->shift_ns = 0;
  forget_future (self);
  self->discont = TRUE;
  set_latency (self, 0, self->frame_duration_ns);
  post_message (self, gst_shm_frame_stats_to_structure ("shmframe-producer-attached", value));
}

static char *
reason_of (ShmFrameEvent *event)
{
  GVariant *value = shmframe_event_get_value (event);

  return g_strdup (value && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
                       ? g_variant_get_string (value, NULL)
                       : "");
}

static GstFlowReturn
handle_lost (GstShmFrameSrc *self, ShmFrameEvent *event)
{
  g_autofree char *reason = reason_of (event);
  GstShmFrameSrcOnLost on_lost;

  g_mutex_lock (&self->lock);
  on_lost = self->on_lost;
  g_mutex_unlock (&self->lock);
  self->attached = FALSE;
  self->since_ns = gst_shm_frame_clock_monotonic ();
  post_message (
      self, gst_structure_new ("shmframe-producer-lost", "reason", G_TYPE_STRING, reason, NULL));
  switch (on_lost)
    {
    case GST_SHM_FRAME_SRC_ON_LOST_EOS:
      return GST_FLOW_EOS;
    case GST_SHM_FRAME_SRC_ON_LOST_ERROR:
      GST_ELEMENT_ERROR (self, RESOURCE, NOT_FOUND, ("The producer is gone."), ("%s", reason));
      return GST_FLOW_ERROR;
    default:
      return FLOW_NEXT;
    }
}

/* Not before the first frame, nor after a flush until the next one. */
static gboolean
has_segment (GstShmFrameSrc *self)
{
  g_autoptr (GstEvent) event
      = gst_pad_get_sticky_event (GST_BASE_SRC_PAD (self), GST_EVENT_SEGMENT, 0);

  return event != NULL;
}

static void
handle_tags (GstShmFrameSrc *self, GVariant *value, GstTagScope scope)
{
  GstTagList *tags;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return;
  tags = gst_shm_frame_tags_from_text (g_variant_get_string (value, NULL));
  if (!tags)
    return;
  gst_tag_list_set_scope (tags, scope);
  /* Before there is a segment, the base class pushes it after that. Later it must not wait for a frame:
   * there may be none. */
  if (has_segment (self))
    gst_pad_push_event (GST_BASE_SRC_PAD (self), gst_event_new_tag (tags));
  else if (self->early_tags++ < MAX_EARLY_TAGS)
    /* Not gst_element_send_event(): it takes the lock of a state change that may wait for us. */
    GST_ELEMENT_GET_CLASS (self)->send_event (GST_ELEMENT (self), gst_event_new_tag (tags));
  else
    gst_tag_list_unref (tags); /* nothing empties that queue before there is a frame */
}

static void
handle_gap (GstShmFrameSrc *self, GVariant *value)
{
  guint64 time, duration;
  gint64 running;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE ("(tt)")) || !has_segment (self))
    return;
  g_variant_get (value, "(tt)", &time, &duration);
  if (time > FAR_NS)
    return;
  if (duration > FAR_NS)
    duration = GST_CLOCK_TIME_NONE;
  running = self->have_zero ? (gint64) time - self->zero_ns
                            : to_running_time (self, time) + self->shift_ns;
  if (running >= 0)
    gst_pad_push_event (GST_BASE_SRC_PAD (self), gst_event_new_gap (running, duration));
}

/* The producer was flushed, and took back what was unread up to that sequence. */
static void
handle_flush (GstShmFrameSrc *self, guint64 newest)
{
  self->discont = TRUE;
  self->flushed = MAX (self->flushed, newest);
  forget_future (self);
}

static void
handle_named (GstShmFrameSrc *self, ShmFrameEvent *event)
{
  const char *name = shmframe_event_get_name (event);
  GVariant *value = shmframe_event_get_value (event);

  if (!name || !value)
    return;
  if (g_str_equal (name, "tags"))
    handle_tags (self, value, GST_TAG_SCOPE_STREAM);
  else if (g_str_equal (name, "global-tags"))
    handle_tags (self, value, GST_TAG_SCOPE_GLOBAL);
  else if (g_str_equal (name, "gap"))
    handle_gap (self, value);
  else if (g_str_equal (name, "flush") && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    handle_flush (self, g_variant_get_uint64 (value));
  else if (g_str_equal (name, "latency") && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    set_latency (self, MIN (g_variant_get_uint64 (value), 3600 * GST_SECOND),
                 self->frame_duration_ns);
  else
    GST_DEBUG_OBJECT (self, "event %s is not for us", name);
}

static GstFlowReturn
handle_eos (GstShmFrameSrc *self)
{
  GstShmFrameSrcOnEos on_eos;

  g_mutex_lock (&self->lock);
  on_eos = self->on_eos;
  g_mutex_unlock (&self->lock);
  self->discont = TRUE;
  return on_eos == GST_SHM_FRAME_SRC_ON_EOS_EOS ? GST_FLOW_EOS : FLOW_NEXT;
}

static void
handle_evicted (GstShmFrameSrc *self, ShmFrameEvent *event)
{
  g_autofree char *reason = reason_of (event);

  self->discont = TRUE;
  GST_ELEMENT_WARNING (
      self, RESOURCE, READ,
      ("The producer dropped this consumer; it attaches again (a lossless one as ordered)."),
      ("%s", reason));
  post_message (self,
                gst_structure_new ("shmframe-evicted", "reason", G_TYPE_STRING, reason, NULL));
}

static GstFlowReturn
handle_event (GstShmFrameSrc *self, ShmFrameEvent *event)
{
  switch (shmframe_event_get_event_type (event))
    {
    case SHMFRAME_EVENT_ATTACHED:
      handle_attached (self, event);
      return FLOW_NEXT;
    case SHMFRAME_EVENT_FORMAT:
      return apply_format (self, shmframe_event_get_format (event));
    case SHMFRAME_EVENT_EOS:
      return handle_eos (self);
    case SHMFRAME_EVENT_NAMED:
      handle_named (self, event);
      return FLOW_NEXT;
    case SHMFRAME_EVENT_EVENTS_LOST:
      GST_WARNING_OBJECT (self, "%" G_GUINT64_FORMAT " events are lost",
                          shmframe_event_get_count (event));
      return FLOW_NEXT;
    case SHMFRAME_EVENT_EVICTED:
      handle_evicted (self, event);
      return FLOW_NEXT;
    case SHMFRAME_EVENT_LOST:
      return handle_lost (self, event);
    default:
      return FLOW_NEXT;
    }
}

/* How long to wait: for ever with a producer, which tells when it goes. */
static gint64
time_left (GstShmFrameSrc *self)
{
  gint64 timeout_ns;

  g_mutex_lock (&self->lock);
  timeout_ns = self->timeout_ns;
  g_mutex_unlock (&self->lock);
  if (self->attached || timeout_ns < 0)
    return -1;
  return MAX (timeout_ns - (gst_shm_frame_clock_monotonic () - self->since_ns), 0);
}

/* Where downstream holds all leases now: ask for twice as many, if we may, so that they are there when the
 * next frame comes; again now and then, since other consumers may have left. */
static void
ask_for_leases (GstShmFrameSrc *self, ShmFrameConsumer *consumer)
{
  guint granted;
  gint64 now;

  if (self->leases != 0)
    return;
  granted = shmframe_consumer_get_granted_leases (consumer);
  if (shmframe_consumer_get_held (consumer) < granted)
    return;
  now = gst_shm_frame_clock_monotonic ();
  if (granted >= self->requested_leases && granted < MAX_LEASES)
    self->requested_leases = MIN (MAX (granted, FIRST_LEASES) * 2, MAX_LEASES);
  else if (now - self->lease_request_ns < LEASE_REQUEST_INTERVAL_NS)
    return;
  self->lease_request_ns = now;
  GST_DEBUG_OBJECT (self, "%u leases are held, asking for %u", granted, self->requested_leases);
  shmframe_consumer_request_leases (consumer, self->requested_leases);
}

static ShmFrameFrame *
copy_frame (GstShmFrameSrc *self, ShmFrameConsumer *consumer, GstShmFrameCopy why,
            ShmFrameEvent **event, GError **error)
{
  ShmFrameFrame *frame = shmframe_consumer_copy (consumer, time_left (self), event, error);

  if (frame)
    gst_shm_frame_copies_add (&self->copies, GST_ELEMENT (self), why,
                              shmframe_frame_get_size (frame));
  return frame;
}

static ShmFrameFrame *
next_frame (GstShmFrameSrc *self, ShmFrameConsumer *consumer, ShmFrameEvent **event, GError **error)
{
  g_autoptr (GError) lease_error = NULL;
  ShmFrameFrame *frame;

  /* A parser must not see bytes change under it. */
  if (!self->trusted && self->layout && !gst_shm_frame_layout_is_raw (self->layout))
    return copy_frame (self, consumer, GST_SHM_FRAME_COPY_UNTRUSTED, event, error);
  frame = shmframe_consumer_lease (consumer, time_left (self), event, &lease_error);
  if (!g_error_matches (lease_error, SHMFRAME_ERROR, SHMFRAME_ERROR_QUOTA))
    {
      if (lease_error)
        g_propagate_error (error, g_steal_pointer (&lease_error));
      if (frame)
        ask_for_leases (self, consumer);
      return frame;
    }
  ask_for_leases (self, consumer);
  return copy_frame (self, consumer, GST_SHM_FRAME_COPY_QUOTA, event, error);
}

static GstFlowReturn
handle_error (GstShmFrameSrc *self, const GError *error)
{
  if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING))
    return GST_FLOW_FLUSHING;
  if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT) && time_left (self) != 0)
    return FLOW_NEXT;
  gst_shm_frame_post_error (GST_ELEMENT (self), error);
  return GST_FLOW_ERROR;
}

/* Nobody reads any more: a producer that goes on must not wait for us. */
static void
detach (GstShmFrameSrc *self)
{
  g_autoptr (ShmFrameConsumer) consumer = NULL;

  g_mutex_lock (&self->lock);
  consumer = g_steal_pointer (&self->consumer);
  g_clear_pointer (&self->last_stats, g_variant_unref);
  self->last_stats = consumer ? shmframe_consumer_get_stats (consumer) : NULL;
  g_mutex_unlock (&self->lock);
  if (consumer)
    shmframe_consumer_close (consumer);
}

GstFlowReturn
gst_shm_frame_src_create (GstPushSrc *push, GstBuffer **buffer)
{
  GstShmFrameSrc *self = GST_SHM_FRAME_SRC (push);
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameConsumer) consumer = ensure_consumer (self, &error);
  GstFlowReturn flow = consumer ? FLOW_NEXT : handle_error (self, error);

  while (flow == FLOW_NEXT)
    {
      g_autoptr (ShmFrameEvent) event = NULL;
      ShmFrameFrame *frame;

      g_clear_error (&error);
      frame = next_frame (self, consumer, &event, &error);
      if (frame)
        flow = push_frame (self, frame, buffer);
      else if (event)
        flow = handle_event (self, event);
      else
        flow = handle_error (self, error);
    }
  if (flow == GST_FLOW_EOS || flow <= GST_FLOW_NOT_NEGOTIATED)
    detach (self);
  return flow;
}
