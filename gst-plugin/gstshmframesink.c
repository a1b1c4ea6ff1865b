/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-shmframesink
 * @title: shmframesink
 *
 * Publishes video frames in a pool of shared memory, where any number of #shmframesrc, in other
 * processes, read them without a copy. Elements upstream write straight into the pool.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc ! shmframesink pool=cam0
 * gst-launch-1.0 filesrc location=clip.webm ! decodebin ! videoconvert ! shmframesink pool=cam0 wait-for-consumer=true
 * ]| Each makes the pool cam0; watch it with `gst-launch-1.0 shmframesrc pool=cam0 ! videoconvert ! autovideosink`.
 *
 * Since: 1.0
 */

#include "gstshmframepool.h"
#include "gstshmframesink-private.h"
#include "gstshmframestats.h"
#include "gstshmframetext.h"

#include <gst/video/video.h>
#include <string.h>

GST_DEBUG_CATEGORY (shm_frame_sink_debug);
#define GST_CAT_DEFAULT shm_frame_sink_debug

#define MAX_SLOTS 16384 /* the library's */

enum
{
  PROP_0,
  PROP_POOL,
  PROP_STATS,
  PROP_SLOTS,
  PROP_MAX_CONSUMERS,
  PROP_CONSUMER_LEASES,
  PROP_HISTORY,
  PROP_WINDOW,
  PROP_WAIT_FOR_CONSUMER,
  PROP_LOSSLESS,
  PROP_STALL_TIMEOUT,
  PROP_SYNC_LIVE,
  PROP_NUM_CONSUMERS,
  PROP_MODE,
  PROP_GROUP,
};

enum
{
  SIGNAL_CONSUMER_ATTACHED,
  SIGNAL_CONSUMER_DETACHED,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

const char *const gst_shm_frame_drop_names[GST_SHM_FRAME_N_DROPS]
    = { "drops-no-slot", "drops-no-consumer", "drops-segment" };

/* The format that sources take which can make any comes first. */
#define RAW_CAPS GST_VIDEO_CAPS_MAKE ("I420") "; " GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL)
#define COMPRESSED_SIZE "width = (int) [ 1, max ], height = (int) [ 1, max ]"

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (RAW_CAPS "; image/jpeg, " COMPRESSED_SIZE "; video/x-h264, " COMPRESSED_SIZE
                              ", stream-format = (string) byte-stream, "
                              "alignment = (string) au"));

G_DEFINE_TYPE_WITH_CODE (GstShmFrameSink, gst_shm_frame_sink, GST_TYPE_BASE_SINK,
                         GST_DEBUG_CATEGORY_INIT (shm_frame_sink_debug, "shmframesink", 0,
                                                  "shmframe sink"))
GST_ELEMENT_REGISTER_DEFINE (shmframesink, "shmframesink", GST_RANK_NONE, GST_TYPE_SHM_FRAME_SINK)

ShmFrameProducer *
gst_shm_frame_sink_dup_producer (GstShmFrameSink *self)
{
  ShmFrameProducer *producer;

  g_mutex_lock (&self->lock);
  producer = self->producer ? g_object_ref (self->producer) : NULL;
  g_mutex_unlock (&self->lock);
  return producer;
}

guint
gst_shm_frame_sink_count_consumers (GstShmFrameSink *self)
{
  g_autoptr (ShmFrameProducer) producer = gst_shm_frame_sink_dup_producer (self);
  guint n = 0;

  if (producer)
    g_object_get (producer, "n-consumers", &n, NULL);
  return n;
}

/* From the producer's control thread. */
static void
consumer_changed (GstShmFrameSink *self, GVariant *info, guint signal)
{
  g_autoptr (GstStructure) structure = gst_shm_frame_stats_to_structure ("consumer", info);

  GST_INFO_OBJECT (self, "%s: %" GST_PTR_FORMAT, g_signal_name (signals[signal]), structure);
  g_signal_emit (self, signals[signal], 0, structure);
  g_object_notify (G_OBJECT (self), "num-consumers");
}

static void
consumer_attached (ShmFrameProducer *producer, GVariant *info, GstShmFrameSink *self)
{
  consumer_changed (self, info, SIGNAL_CONSUMER_ATTACHED);
}

static void
consumer_detached (ShmFrameProducer *producer, GVariant *info, GstShmFrameSink *self)
{
  consumer_changed (self, info, SIGNAL_CONSUMER_DETACHED);
}

static ShmFrameProducer *
new_producer (GstShmFrameSink *self, GError **error)
{
  g_autofree char *pool = NULL, *group = NULL;
  guint slots, max_consumers, consumer_leases, history, window, mode;
  guint64 stall_timeout_ns;
  gboolean lossless;

  g_mutex_lock (&self->lock);
  pool = g_strdup (self->pool);
  group = g_strdup (self->group);
  slots = self->slots;
  max_consumers = self->max_consumers;
  consumer_leases = self->consumer_leases;
  history = self->history;
  window = self->window;
  mode = self->mode;
  stall_timeout_ns = self->stall_timeout_ns;
  lossless = self->lossless;
  g_mutex_unlock (&self->lock);
  return g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, error, "pool", pool, "group", group, "slots",
                         slots, "max-consumers", max_consumers, "consumer-leases", consumer_leases,
                         "history", history, "window", window, "mode", mode, "stall-timeout",
                         stall_timeout_ns, "lossless", lossless, NULL);
}

static gboolean
start (GstBaseSink *base)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (base);
  g_autoptr (GError) error = NULL;
  ShmFrameProducer *producer = new_producer (self, &error);

  if (!producer)
    {
      gst_shm_frame_post_error (GST_ELEMENT (self), error);
      return FALSE;
    }
  g_signal_connect_object (producer, "consumer-attached", G_CALLBACK (consumer_attached), self, 0);
  g_signal_connect_object (producer, "consumer-detached", G_CALLBACK (consumer_detached), self, 0);

  self->writer = gst_shm_frame_writer_new (producer);
  gst_shm_frame_clock_clear (&self->clock);
  self->live = self->had_consumer = self->discont = self->metadata_refused = self->need_key = FALSE;
  self->latency_ns = GST_CLOCK_TIME_NONE;
  self->drop_message_ns = 0;
  gst_shm_frame_copies_reset (&self->copies);
  g_atomic_int_set (&self->check_live, TRUE);
  g_mutex_lock (&self->lock);
  self->producer = producer;
  self->unlocked = self->waiting = self->ending = FALSE;
  self->frames = 0;
  memset (self->drops, 0, sizeof self->drops);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static gboolean
stop (GstBaseSink *base)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (base);
  g_autoptr (ShmFrameProducer) producer = NULL;

  g_mutex_lock (&self->lock);
  producer = g_steal_pointer (&self->producer);
  g_mutex_unlock (&self->lock);
  /* Upstream's buffers may keep the producer for a while: the name goes back now. */
  if (producer)
    shmframe_producer_close (producer);
  g_clear_pointer (&self->layout, gst_shm_frame_layout_unref);
  g_clear_pointer (&self->writer, gst_shm_frame_writer_unref);
  return TRUE;
}

static gboolean
unlock (GstBaseSink *base)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (base);

  g_mutex_lock (&self->lock);
  self->unlocked = TRUE;
  if (self->producer)
    shmframe_producer_set_flushing (self->producer, TRUE);
  g_cond_broadcast (&self->changed); /* perhaps the pad is flushing now, too */
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static gboolean
unlock_stop (GstBaseSink *base)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (base);

  g_mutex_lock (&self->lock);
  /* Who waits for a consumer, or is about to, must not miss that it was unlocked. */
  while (self->waiting && GST_PAD_IS_FLUSHING (GST_BASE_SINK_PAD (self)))
    g_cond_wait (&self->changed, &self->lock);
  self->unlocked = FALSE;
  if (self->producer)
    shmframe_producer_set_flushing (self->producer, FALSE);
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static gboolean
set_caps (GstBaseSink *base, GstCaps *caps)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (base);
  g_autoptr (GstShmFrameLayout) pool = gst_shm_frame_writer_dup_pool_layout (self->writer);
  gboolean raw = gst_structure_has_name (gst_caps_get_structure (caps, 0), "video/x-raw");
  g_autoptr (GError) error = NULL;
  GstShmFrameLayout *layout;
  GstVideoInfo info;

  if (raw && !gst_video_info_from_caps (&info, caps))
    return FALSE;
  /* Equal caps shall be the same ones: each frame's are compared. */
  if (pool && gst_caps_is_equal (pool->caps, caps))
    caps = pool->caps;
  layout = gst_shm_frame_layout_new (caps, raw ? &info : NULL,
                                     raw ? 0 : GST_SHM_FRAME_MIN_COMPRESSED_SIZE, &error);
  if (!layout)
    {
      gst_shm_frame_post_error (GST_ELEMENT (self), error);
      return FALSE;
    }
  g_clear_pointer (&self->layout, gst_shm_frame_layout_unref);
  self->layout = layout;
  gst_shm_frame_writer_set_layout (self->writer, layout);
  if (pool && pool->caps != caps)
    gst_shm_frame_writer_set_pool_layout (self->writer, NULL);
  return TRUE;
}

static gboolean
propose_allocation (GstBaseSink *base, GstQuery *query)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (base);

  return self->writer
         && gst_shm_frame_buffer_pool_offer (self->writer, GST_BASE_SINK_PAD (base), query);
}

static void
push_tags (GstShmFrameSink *self, GstEvent *event)
{
  g_autoptr (ShmFrameProducer) producer = gst_shm_frame_sink_dup_producer (self);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  const char *name;
  GstTagList *tags;

  gst_event_parse_tag (event, &tags);
  name = gst_tag_list_get_scope (tags) == GST_TAG_SCOPE_GLOBAL ? "global-tags" : "tags";
  text = gst_shm_frame_text_from_tags (tags);
  if (producer && text
      && !shmframe_producer_push_event (producer, name, g_variant_new_string (text), TRUE, &error))
    GST_WARNING_OBJECT (self, "tags do not cross: %s", error->message);
}

static void
push_gap (GstShmFrameSink *self, GstEvent *event)
{
  g_autoptr (ShmFrameProducer) producer = gst_shm_frame_sink_dup_producer (self);
  GstClockTime timestamp, duration;
  gint64 time;

  gst_event_parse_gap (event, &timestamp, &duration);
  time = gst_shm_frame_sink_to_monotonic (self, timestamp);
  if (producer && time >= 0)
    shmframe_producer_push_event (
        producer, "gap", g_variant_new ("(tt)", (guint64) time, (guint64) duration), FALSE, NULL);
}

/* A recording must not be flushed: consumers lose what they have yet to read, and go on. */
static void
flush (GstShmFrameSink *self)
{
  g_autoptr (ShmFrameProducer) producer = gst_shm_frame_sink_dup_producer (self);

  self->discont = TRUE;
  g_mutex_lock (&self->lock);
  self->ending = FALSE;
  g_mutex_unlock (&self->lock);
  if (producer)
    shmframe_producer_push_event (producer, "flush",
                                  g_variant_new_uint64 (shmframe_producer_discard (producer)),
                                  FALSE, NULL);
}

static gboolean
sink_event (GstBaseSink *base, GstEvent *event)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (base);
  g_autoptr (ShmFrameProducer) producer = gst_shm_frame_sink_dup_producer (self);
  g_autoptr (GstEvent) kept = gst_event_ref (event);
  gboolean handled;

  if (GST_EVENT_TYPE (event) == GST_EVENT_TAG)
    push_tags (self, event);
  handled = GST_BASE_SINK_CLASS (gst_shm_frame_sink_parent_class)->event (base, event);

  switch (GST_EVENT_TYPE (kept))
    {
    case GST_EVENT_GAP:
      push_gap (self, kept);
      break;
    case GST_EVENT_EOS:
      /* The base class has waited until the last frame's end, and been shown it was not flushed. */
      if (handled && producer)
        shmframe_producer_push_eos (producer);
      break;
    case GST_EVENT_FLUSH_STOP:
      flush (self);
      g_atomic_int_set (&self->check_live, TRUE);
      break;
    case GST_EVENT_SEGMENT:
      g_atomic_int_set (&self->check_live, TRUE);
      break;
    default:
      break;
    }
  return handled;
}

/* The sources are told to end, and cannot while their thread waits here for a consumer. */
static void
end_wait_for_consumer (GstShmFrameSink *self)
{
  g_mutex_lock (&self->lock);
  self->ending = TRUE;
  if (self->waiting)
    {
      /* Publishing, which comes after waiting, is not to be cut short. */
      shmframe_producer_set_flushing (self->producer, TRUE);
      g_cond_broadcast (&self->changed);
      while (self->waiting)
        g_cond_wait (&self->changed, &self->lock);
      if (self->producer)
        shmframe_producer_set_flushing (self->producer, self->unlocked);
    }
  g_mutex_unlock (&self->lock);
}

static gboolean
send_event (GstElement *element, GstEvent *event)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (element);

  /* A bin takes us for a source: what it sends to those comes to us by the pad. The base class would push a
   * flush upstream, and the real one would be refused here. */
  if (GST_EVENT_IS_DOWNSTREAM (event))
    {
      if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
        end_wait_for_consumer (self);
      gst_event_unref (event);
      return TRUE;
    }
  if (GST_EVENT_TYPE (event) == GST_EVENT_LATENCY)
    g_atomic_int_set (&self->check_live, TRUE);
  return GST_ELEMENT_CLASS (gst_shm_frame_sink_parent_class)->send_event (element, event);
}

static GstStructure *
get_stats (GstShmFrameSink *self)
{
  static const char *names[]
      = { "committed-bytes", "committed-slots", "slots",  "slot-bytes", "held",
          "evictions",       "waits",           "wait-ns" };
  GstStructure *structure = gst_base_sink_get_stats (GST_BASE_SINK (self));
  g_autoptr (ShmFrameProducer) producer = gst_shm_frame_sink_dup_producer (self);
  g_autoptr (GVariant) stats = NULL;
  guint64 total = 0;

  g_mutex_lock (&self->lock);
  gst_structure_set (structure, "frames", G_TYPE_UINT64, self->frames, NULL);
  for (guint i = 0; i < GST_SHM_FRAME_N_DROPS; i++)
    {
      gst_structure_set (structure, gst_shm_frame_drop_names[i], G_TYPE_UINT64, self->drops[i],
                         NULL);
      total += self->drops[i];
    }
  g_mutex_unlock (&self->lock);
  gst_structure_set (structure, "drops", G_TYPE_UINT64, total, NULL);
  gst_shm_frame_copies_to_structure (&self->copies, structure, GST_SHM_FRAME_COPY_FOREIGN,
                                     GST_SHM_FRAME_COPY_SEGMENT);
  if (!producer)
    return structure;
  stats = shmframe_producer_get_stats (producer);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    gst_structure_set (structure, names[i], G_TYPE_UINT64,
                       gst_shm_frame_stats_get (stats, names[i]), NULL);
  gst_shm_frame_stats_add_consumers (structure, stats);
  return structure;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (object);
  g_autoptr (ShmFrameProducer) producer = gst_shm_frame_sink_dup_producer (self);

  if (id == PROP_STALL_TIMEOUT && producer)
    g_object_set_property (G_OBJECT (producer), "stall-timeout", value);
  g_mutex_lock (&self->lock);
  switch (id)
    {
    case PROP_POOL:
      g_free (self->pool);
      self->pool = g_value_get_string (value) ? g_value_dup_string (value) : g_strdup ("default");
      break;
    case PROP_SLOTS:
      self->slots = g_value_get_uint (value);
      break;
    case PROP_MAX_CONSUMERS:
      self->max_consumers = g_value_get_uint (value);
      break;
    case PROP_CONSUMER_LEASES:
      self->consumer_leases = g_value_get_uint (value);
      break;
    case PROP_HISTORY:
      self->history = g_value_get_uint (value);
      break;
    case PROP_WINDOW:
      self->window = g_value_get_uint (value);
      break;
    case PROP_WAIT_FOR_CONSUMER:
      self->wait_for_consumer = g_value_get_boolean (value);
      break;
    case PROP_LOSSLESS:
      self->lossless = g_value_get_boolean (value);
      break;
    case PROP_STALL_TIMEOUT:
      self->stall_timeout_ns = g_value_get_uint64 (value);
      break;
    case PROP_SYNC_LIVE:
      self->sync_live = g_value_get_boolean (value);
      g_atomic_int_set (&self->check_live, TRUE);
      break;
    case PROP_MODE:
      self->mode = g_value_get_uint (value);
      break;
    case PROP_GROUP:
      g_free (self->group);
      self->group = g_value_dup_string (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
    }
  g_mutex_unlock (&self->lock);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (object);

  if (id == PROP_STATS)
    {
      g_value_take_boxed (value, get_stats (self));
      return;
    }
  if (id == PROP_NUM_CONSUMERS)
    {
      g_value_set_uint (value, gst_shm_frame_sink_count_consumers (self));
      return;
    }
  g_mutex_lock (&self->lock);
  switch (id)
    {
    case PROP_POOL:
      g_value_set_string (value, self->pool);
      break;
    case PROP_SLOTS:
      g_value_set_uint (value, self->slots);
      break;
    case PROP_MAX_CONSUMERS:
      g_value_set_uint (value, self->max_consumers);
      break;
    case PROP_CONSUMER_LEASES:
      g_value_set_uint (value, self->consumer_leases);
      break;
    case PROP_HISTORY:
      g_value_set_uint (value, self->history);
      break;
    case PROP_WINDOW:
      g_value_set_uint (value, self->window);
      break;
    case PROP_WAIT_FOR_CONSUMER:
      g_value_set_boolean (value, self->wait_for_consumer);
      break;
    case PROP_LOSSLESS:
      g_value_set_boolean (value, self->lossless);
      break;
    case PROP_STALL_TIMEOUT:
      g_value_set_uint64 (value, self->stall_timeout_ns);
      break;
    case PROP_SYNC_LIVE:
      g_value_set_boolean (value, self->sync_live);
      break;
    case PROP_MODE:
      g_value_set_uint (value, self->mode);
      break;
    case PROP_GROUP:
      g_value_set_string (value, self->group);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
    }
  g_mutex_unlock (&self->lock);
}

static void
finalize (GObject *object)
{
  GstShmFrameSink *self = GST_SHM_FRAME_SINK (object);

  g_free (self->pool);
  g_free (self->group);
  gst_shm_frame_copies_clear (&self->copies);
  g_cond_clear (&self->changed);
  gst_shm_frame_clock_clear (&self->clock);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_shm_frame_sink_parent_class)->finalize (object);
}

#define READY_FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING_FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)
#define READ_FLAGS (G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)

/* For each property: what gst-inspect and the reference say. */
static void
install_pool_properties (GObjectClass *klass)
{
  /**
   * GstShmFrameSink:pool:
   *
   * Name of the pool, or absolute path of its socket.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_POOL,
      g_param_spec_string ("pool", "Pool", "Name of the pool, or absolute path of its socket",
                           "default", READY_FLAGS));
  /**
   * GstShmFrameSink:slots:
   *
   * The most frame slots; 0: as many as max-consumers and consumer-leases need.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_SLOTS,
      g_param_spec_uint ("slots", "Slots",
                         "The most frame slots (0 = what max-consumers and consumer-leases need)",
                         0, MAX_SLOTS, 0, READY_FLAGS));
  /**
   * GstShmFrameSink:max-consumers:
   *
   * The most consumers at once.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_MAX_CONSUMERS,
      g_param_spec_uint ("max-consumers", "Maximum consumers",
                         "The most consumers at once; memory is committed only as they come", 1,
                         1024, 8, READY_FLAGS));
  /**
   * GstShmFrameSink:consumer-leases:
   *
   * Frames that each consumer is planned to hold at once, with slots=0.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_CONSUMER_LEASES,
      g_param_spec_uint ("consumer-leases", "Consumer leases",
                         "Frames that each consumer is planned to hold at once, with slots=0", 1,
                         255, 4, READY_FLAGS));
  /**
   * GstShmFrameSink:history:
   *
   * The newest frames that are kept readable.
   *
   * Since: 1.0
   */
  g_object_class_install_property (klass, PROP_HISTORY,
                                   g_param_spec_uint ("history", "History",
                                                      "The newest frames that are kept readable", 0,
                                                      MAX_SLOTS / 2, 1, READY_FLAGS));
  /**
   * GstShmFrameSink:window:
   *
   * How many frames a lossless consumer may lag before publishing waits for it.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_WINDOW,
      g_param_spec_uint ("window", "Window",
                         "Frames that a lossless consumer may lag before publishing waits for it",
                         1, MAX_SLOTS / 2, 4, READY_FLAGS));
  /**
   * GstShmFrameSink:mode:
   *
   * Permissions of the socket.
   *
   * Since: 1.0
   */
  g_object_class_install_property (klass, PROP_MODE,
                                   g_param_spec_uint ("mode", "Mode",
                                                      "Permissions of the socket (384 = 0600)", 0,
                                                      0777, 0600, READY_FLAGS));
  /**
   * GstShmFrameSink:group:
   *
   * Group of the socket.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_GROUP,
      g_param_spec_string ("group", "Group", "Group of the socket (none = the user's own)", NULL,
                           READY_FLAGS));
}

static void
install_delivery_properties (GObjectClass *klass)
{
  /**
   * GstShmFrameSink:wait-for-consumer:
   *
   * Preroll does not complete until a consumer attaches; with live upstream, frames are dropped and
   * counted meanwhile.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_WAIT_FOR_CONSUMER,
      g_param_spec_boolean (
          "wait-for-consumer", "Wait for consumer",
          "Do not preroll until a consumer attaches (live: drop and count frames)", FALSE,
          READY_FLAGS));
  /**
   * GstShmFrameSink:lossless:
   *
   * Admit lossless consumers, for which publishing waits.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_LOSSLESS,
      g_param_spec_boolean ("lossless", "Lossless",
                            "Admit lossless consumers, for which publishing waits", TRUE,
                            READY_FLAGS));
  /**
   * GstShmFrameSink:stall-timeout:
   *
   * How long publishing may wait for a lossless consumer before it is evicted, in nanoseconds. With
   * live upstream it never waits.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_STALL_TIMEOUT,
      g_param_spec_uint64 ("stall-timeout", "Stall timeout",
                           "Time that publishing may wait for a lossless consumer, in ns (never "
                           "with live upstream)",
                           0, G_MAXINT64, 2 * GST_SECOND, PLAYING_FLAGS));
  /**
   * GstShmFrameSink:sync-live:
   *
   * Wait for a frame's time also with live upstream; else live frames are published on arrival.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_SYNC_LIVE,
      g_param_spec_boolean ("sync-live", "Sync live",
                            "Wait for the frame's time also with live upstream", FALSE,
                            PLAYING_FLAGS));
  /**
   * GstShmFrameSink:num-consumers:
   *
   * Consumers that are attached now.
   *
   * Since: 1.0
   */
  g_object_class_install_property (klass, PROP_NUM_CONSUMERS,
                                   g_param_spec_uint ("num-consumers", "Number of consumers",
                                                      "Consumers that are attached now", 0,
                                                      G_MAXUINT, 0, READ_FLAGS));
  /**
   * GstShmFrameSink:stats:
   *
   * Those of #GstBaseSink:stats, and: frames, drops and drops-CAUSE, copied-bytes, copied-frames and
   * copied-REASON, committed-bytes, consumers, consumer-list, lag, held, longest-hold (ns).
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_STATS,
      g_param_spec_boxed (
          "stats", "Statistics",
          "Frames, drops by cause, copied bytes and why, committed bytes, consumers",
          GST_TYPE_STRUCTURE, READ_FLAGS));
}

static void
install_signals (GstShmFrameSinkClass *klass)
{
  /**
   * GstShmFrameSink::consumer-attached:
   * @sink: the sink
   * @info: id, pid, uid, program, role, delivery, leases of the consumer
   *
   * A consumer has attached. Emitted by a thread of the producer's own, outside every lock.
   *
   * Since: 1.0
   */
  signals[SIGNAL_CONSUMER_ATTACHED]
      = g_signal_new ("consumer-attached", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                      NULL, NULL, G_TYPE_NONE, 1, GST_TYPE_STRUCTURE);
  /**
   * GstShmFrameSink::consumer-detached:
   * @sink: the sink
   * @info: as in #GstShmFrameSink::consumer-attached
   *
   * A consumer has left, died or been evicted. Emitted as #GstShmFrameSink::consumer-attached.
   *
   * Since: 1.0
   */
  signals[SIGNAL_CONSUMER_DETACHED]
      = g_signal_new ("consumer-detached", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                      NULL, NULL, G_TYPE_NONE, 1, GST_TYPE_STRUCTURE);
}

static void
gst_shm_frame_sink_class_init (GstShmFrameSinkClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSinkClass *sink_class = GST_BASE_SINK_CLASS (klass);

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_pool_properties (object_class);
  install_delivery_properties (object_class);
  install_signals (klass);

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_set_static_metadata (
      element_class, "Shared memory video sink", "Sink/Video",
      "Publishes video frames in shared memory for other processes, without a copy",
      "The shmframe authors");
  element_class->send_event = send_event;

  sink_class->start = start;
  sink_class->stop = stop;
  sink_class->unlock = unlock;
  sink_class->unlock_stop = unlock_stop;
  sink_class->set_caps = set_caps;
  sink_class->propose_allocation = propose_allocation;
  sink_class->event = sink_event;
  sink_class->get_times = gst_shm_frame_sink_get_times;
  sink_class->preroll = gst_shm_frame_sink_preroll;
  sink_class->render = gst_shm_frame_sink_render;
}

/* Each buffer of a list meets the probes. */
static GstFlowReturn
chain_list (GstPad *pad, GstObject *parent, GstBufferList *list)
{
  GstFlowReturn flow = GST_FLOW_OK;
  guint n = gst_buffer_list_length (list);

  for (guint i = 0; i < n && flow == GST_FLOW_OK; i++)
    flow = gst_pad_chain (pad, gst_buffer_ref (gst_buffer_list_get (list, i)));
  gst_buffer_list_unref (list);
  return flow;
}

static void
gst_shm_frame_sink_init (GstShmFrameSink *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  gst_shm_frame_copies_init (&self->copies);
  self->pool = g_strdup ("default");
  self->max_consumers = 8;
  self->consumer_leases = 4;
  self->history = 1;
  self->window = 4;
  self->mode = 0600;
  self->stall_timeout_ns = 2 * GST_SECOND;
  self->lossless = TRUE;
  /* Bins send EOS to sources only, and we want to know: see end_wait_for_consumer(). */
  GST_OBJECT_FLAG_SET (self, GST_ELEMENT_FLAG_SOURCE);
  gst_pad_add_probe (GST_BASE_SINK_PAD (self), GST_PAD_PROBE_TYPE_BUFFER, gst_shm_frame_sink_clip,
                     self, NULL);
  gst_pad_add_probe (GST_BASE_SINK_PAD (self),
                     GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
                     gst_shm_frame_sink_await_consumer, self, NULL);
  gst_pad_set_chain_list_function (GST_BASE_SINK_PAD (self), chain_list);
  /* It would pin a slot. */
  gst_base_sink_set_last_sample_enabled (GST_BASE_SINK (self), FALSE);
}
