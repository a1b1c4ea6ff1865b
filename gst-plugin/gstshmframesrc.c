/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:element-shmframesrc
 * @title: shmframesrc
 *
 * Reads the video frames of a pool that a #shmframesink, or any other producer of the shmframe
 * library, publishes in shared memory. Frames are pushed without a copy, read-only. The source
 * waits for its producer, and follows it through restarts and changes of format.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 shmframesrc pool=cam0 ! videoconvert ! autovideosink
 * gst-launch-1.0 -e shmframesrc pool=cam0 delivery=lossless ! x264enc ! matroskamux ! filesink location=rec.mkv
 * gst-play-1.0 'shmframe://cam0?delivery=latest'
 * ]| The first shows the pool cam0, the second records every frame of it.
 *
 * Since: 1.0
 */

#include "gstshmframeallocator.h"
#include "gstshmframesrc-private.h"
#include "gstshmframestats.h"

#include <gst/video/video.h>
#include <string.h>

GST_DEBUG_CATEGORY (shm_frame_src_debug);
#define GST_CAT_DEFAULT shm_frame_src_debug

#define URI_PROTOCOL "shmframe"

enum
{
  PROP_0,
  PROP_POOL,
  PROP_STATS,
  PROP_DELIVERY,
  PROP_MAX_LAG,
  PROP_LEASES,
  PROP_WAIT,
  PROP_ON_PRODUCER_EOS,
  PROP_ON_PRODUCER_LOST,
  PROP_TIMEOUT,
  PROP_OFFSET_TO_ZERO,
};

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS (GST_VIDEO_CAPS_MAKE (
        GST_VIDEO_FORMATS_ALL) "; image/jpeg; video/x-h264, "
                               "stream-format = (string) byte-stream, alignment = (string) au"));

static void uri_handler_init (gpointer interface, gpointer data);

G_DEFINE_TYPE_WITH_CODE (GstShmFrameSrc, gst_shm_frame_src, GST_TYPE_PUSH_SRC,
                         G_IMPLEMENT_INTERFACE (GST_TYPE_URI_HANDLER, uri_handler_init)
                             GST_DEBUG_CATEGORY_INIT (shm_frame_src_debug, "shmframesrc", 0,
                                                      "shmframe source"))
GST_ELEMENT_REGISTER_DEFINE (shmframesrc, "shmframesrc", GST_RANK_PRIMARY, GST_TYPE_SHM_FRAME_SRC)

#define GST_TYPE_SHM_FRAME_SRC_ON_EOS (on_eos_get_type ())
static GType
on_eos_get_type (void)
{
  static const GEnumValue values[] = {
    { GST_SHM_FRAME_SRC_ON_EOS_EOS, "End the stream too", "eos" },
    { GST_SHM_FRAME_SRC_ON_EOS_WAIT, "Wait for the next stream or producer", "wait" },
    { 0, NULL, NULL },
  };
  static gsize type;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstShmFrameSrcOnEos", values));
  return type;
}

#define GST_TYPE_SHM_FRAME_SRC_ON_LOST (on_lost_get_type ())
static GType
on_lost_get_type (void)
{
  static const GEnumValue values[] = {
    { GST_SHM_FRAME_SRC_ON_LOST_WAIT, "Wait for the next producer", "wait" },
    { GST_SHM_FRAME_SRC_ON_LOST_EOS, "End the stream", "eos" },
    { GST_SHM_FRAME_SRC_ON_LOST_ERROR, "Post an error", "error" },
    { 0, NULL, NULL },
  };
  static gsize type;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstShmFrameSrcOnLost", values));
  return type;
}

/* The library's enums, described for people. */
#define GST_TYPE_SHM_FRAME_SRC_DELIVERY (delivery_get_type ())
static GType
delivery_get_type (void)
{
  static const GEnumValue values[] = {
    { SHMFRAME_DELIVERY_LATEST, "The newest frame, older ones are skipped", "latest" },
    { SHMFRAME_DELIVERY_ORDERED, "Every frame that can be had, in order", "ordered" },
    { SHMFRAME_DELIVERY_LOSSLESS, "Every frame, the producer waits", "lossless" },
    { 0, NULL, NULL },
  };
  static gsize type;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstShmFrameSrcDelivery", values));
  return type;
}

#define GST_TYPE_SHM_FRAME_SRC_WAIT (wait_get_type ())
static GType
wait_get_type (void)
{
  static const GEnumValue values[] = {
    { SHMFRAME_WAIT_SLEEP, "Sleep until the producer wakes this process", "sleep" },
    { SHMFRAME_WAIT_SPIN, "Never sleep: least latency, a whole core", "spin" },
    { SHMFRAME_WAIT_PREDICT, "Sleep until shortly before the next frame is due", "predict" },
    { 0, NULL, NULL },
  };
  static gsize type;

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstShmFrameSrcWait", values));
  return type;
}

ShmFrameConsumer *
gst_shm_frame_src_dup_consumer (GstShmFrameSrc *self)
{
  ShmFrameConsumer *consumer;

  g_mutex_lock (&self->lock);
  consumer = self->consumer ? g_object_ref (self->consumer) : NULL;
  g_mutex_unlock (&self->lock);
  return consumer;
}

static gboolean
start (GstBaseSrc *base)
{
  GstShmFrameSrc *self = GST_SHM_FRAME_SRC (base);

  self->allocator = gst_shm_frame_allocator_new ();
  self->downstream_has_meta = FALSE;
  gst_shm_frame_clock_clear (&self->clock);
  self->attached = self->trusted = self->flushed = self->discont = self->have_zero = FALSE;
  self->sequence = self->drops = 0;
  self->early_tags = 0;
  self->base_time = GST_CLOCK_TIME_NONE;
  self->floor_ns = self->last_ns = 0;
  self->shift_ns = self->lease_request_ns = self->drop_message_ns = 0;
  gst_shm_frame_copies_reset (&self->copies);
  g_mutex_lock (&self->lock);
  self->frames = self->early = self->damaged = self->flush_drops = 0;
  self->producer_latency_ns = self->frame_duration_ns = 0;
  g_clear_pointer (&self->last_stats, g_variant_unref);
  self->flushing = FALSE;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static gboolean
stop (GstBaseSrc *base)
{
  GstShmFrameSrc *self = GST_SHM_FRAME_SRC (base);
  g_autoptr (ShmFrameConsumer) consumer = NULL;

  g_mutex_lock (&self->lock);
  consumer = g_steal_pointer (&self->consumer);
  g_mutex_unlock (&self->lock);
  /* What downstream still holds stays good. */
  if (consumer)
    shmframe_consumer_close (consumer);
  g_clear_pointer (&self->layout, gst_shm_frame_layout_unref);
  gst_clear_object (&self->allocator);
  return TRUE;
}

static gboolean
set_flushing (GstShmFrameSrc *self, gboolean flushing)
{
  g_mutex_lock (&self->lock);
  self->flushing = flushing;
  if (self->consumer)
    shmframe_consumer_set_flushing (self->consumer, flushing);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static void
set_pausing (GstShmFrameSrc *self, gboolean pausing)
{
  g_mutex_lock (&self->lock);
  self->pausing = pausing;
  g_mutex_unlock (&self->lock);
}

/* PAUSED need not end a wait, and later versions of the base class do not ask for it: a create() that returns
 * FLUSHING only after PLAYING has come again would pause the task for good. */
static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstStateChangeReturn result;

  set_pausing (GST_SHM_FRAME_SRC (element), transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED);
  result = GST_ELEMENT_CLASS (gst_shm_frame_src_parent_class)->change_state (element, transition);
  set_pausing (GST_SHM_FRAME_SRC (element), FALSE);
  return result;
}

static gboolean
unlock (GstBaseSrc *base)
{
  GstShmFrameSrc *self = GST_SHM_FRAME_SRC (base);
  gboolean pausing;

  g_mutex_lock (&self->lock);
  pausing = self->pausing;
  g_mutex_unlock (&self->lock);
  return pausing || set_flushing (self, TRUE);
}

static gboolean
unlock_stop (GstBaseSrc *base)
{
  return set_flushing (GST_SHM_FRAME_SRC (base), FALSE);
}

/* A frame can be pushed when the next one would be due; what the pool keeps may wait. */
static void
answer_latency (GstShmFrameSrc *self, GstQuery *query)
{
  g_autoptr (ShmFrameConsumer) consumer = gst_shm_frame_src_dup_consumer (self);
  g_autoptr (GVariant) stats = consumer ? shmframe_consumer_get_stats (consumer) : NULL;
  guint64 frames = stats ? gst_shm_frame_stats_get (stats, "pool-frames") : 0;
  GstClockTime min, max = GST_CLOCK_TIME_NONE;

  g_mutex_lock (&self->lock);
  min = self->producer_latency_ns + self->frame_duration_ns;
  if (frames > 0 && self->frame_duration_ns > 0)
    max = self->producer_latency_ns + (frames + 1) * self->frame_duration_ns; /* one is in hand */
  g_mutex_unlock (&self->lock);
  GST_DEBUG_OBJECT (self, "latency: min %" GST_TIME_FORMAT ", max %" GST_TIME_FORMAT,
                    GST_TIME_ARGS (min), GST_TIME_ARGS (max));
  gst_query_set_latency (query, TRUE, min, max);
}

static gboolean
query_source (GstBaseSrc *base, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) != GST_QUERY_LATENCY)
    return GST_BASE_SRC_CLASS (gst_shm_frame_src_parent_class)->query (base, query);
  answer_latency (GST_SHM_FRAME_SRC (base), query);
  return TRUE;
}

static gboolean
is_seekable (GstBaseSrc *base)
{
  return FALSE;
}

static GVariant *
dup_stats (GstShmFrameSrc *self, ShmFrameConsumer *consumer)
{
  GVariant *stats;

  if (consumer)
    return shmframe_consumer_get_stats (consumer);
  g_mutex_lock (&self->lock);
  stats = self->last_stats ? g_variant_ref (self->last_stats) : NULL;
  g_mutex_unlock (&self->lock);
  return stats;
}

static GstStructure *
get_stats (GstShmFrameSrc *self)
{
  /* The library's name, and ours. */
  static const struct
  {
    const char *from, *to;
  } names[] = {
    { "lag", "lag" },
    { "held", "held" },
    { "held-max", "held-max" },
    { "longest-hold-ns", "longest-hold" },
    { "skipped", "drops-skipped" },
    { "revoked", "revoked" },
    { "refused", "refused" },
    { "leases", "leases" },
    { "attached", "attached" },
    { "attaches", "attaches" },
    { "losses", "losses" },
    { "evictions", "evictions" },
    { "latency-p50-ns", "latency-p50" },
    { "latency-p99-ns", "latency-p99" },
    { "latency-max-ns", "latency-max" },
    { "producer-pid", "producer-pid" },
  };
  GstStructure *structure = gst_structure_new_empty ("application/x-shmframesrc-stats");
  g_autoptr (ShmFrameConsumer) consumer = gst_shm_frame_src_dup_consumer (self);
  g_autoptr (GVariant) stats = dup_stats (self, consumer);
  guint64 drops, missed = stats ? gst_shm_frame_stats_get (stats, "drops") : 0, flushed;

  g_mutex_lock (&self->lock);
  flushed = MIN (self->flush_drops, missed);
  drops = self->early + self->damaged;
  gst_structure_set (structure, "frames", G_TYPE_UINT64, self->frames, "drops-early", G_TYPE_UINT64,
                     self->early, "drops-damaged", G_TYPE_UINT64, self->damaged, "drops-flush",
                     G_TYPE_UINT64, flushed, "drops-lag", G_TYPE_UINT64, missed - flushed, NULL);
  g_mutex_unlock (&self->lock);
  for (guint i = 0; stats && i < G_N_ELEMENTS (names); i++)
    gst_structure_set (structure, names[i].to, G_TYPE_UINT64,
                       gst_shm_frame_stats_get (stats, names[i].from), NULL);
  if (stats)
    {
      const char *program = "";

      drops += missed + gst_shm_frame_stats_get (stats, "skipped");
      g_variant_lookup (stats, "producer-program", "&s", &program);
      gst_structure_set (structure, "producer-program", G_TYPE_STRING, program, NULL);
    }
  gst_structure_set (structure, "drops", G_TYPE_UINT64, drops, NULL);
  gst_shm_frame_copies_to_structure (&self->copies, structure, GST_SHM_FRAME_COPY_STRIDES,
                                     GST_SHM_FRAME_COPY_UNTRUSTED);
  return structure;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstShmFrameSrc *self = GST_SHM_FRAME_SRC (object);

  g_mutex_lock (&self->lock);
  switch (id)
    {
    case PROP_POOL:
      g_free (self->pool);
      self->pool = g_value_get_string (value) ? g_value_dup_string (value) : g_strdup ("default");
      break;
    case PROP_DELIVERY:
      self->delivery = g_value_get_enum (value);
      break;
    case PROP_MAX_LAG:
      self->max_lag = g_value_get_int (value);
      break;
    case PROP_LEASES:
      self->leases = g_value_get_uint (value);
      break;
    case PROP_WAIT:
      self->wait = g_value_get_enum (value);
      break;
    case PROP_ON_PRODUCER_EOS:
      self->on_eos = g_value_get_enum (value);
      break;
    case PROP_ON_PRODUCER_LOST:
      self->on_lost = g_value_get_enum (value);
      break;
    case PROP_TIMEOUT:
      self->timeout_ns = g_value_get_int64 (value);
      break;
    case PROP_OFFSET_TO_ZERO:
      self->offset_to_zero = g_value_get_boolean (value);
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
  GstShmFrameSrc *self = GST_SHM_FRAME_SRC (object);

  if (id == PROP_STATS)
    {
      g_value_take_boxed (value, get_stats (self));
      return;
    }
  g_mutex_lock (&self->lock);
  switch (id)
    {
    case PROP_POOL:
      g_value_set_string (value, self->pool);
      break;
    case PROP_DELIVERY:
      g_value_set_enum (value, self->delivery);
      break;
    case PROP_MAX_LAG:
      g_value_set_int (value, self->max_lag);
      break;
    case PROP_LEASES:
      g_value_set_uint (value, self->leases);
      break;
    case PROP_WAIT:
      g_value_set_enum (value, self->wait);
      break;
    case PROP_ON_PRODUCER_EOS:
      g_value_set_enum (value, self->on_eos);
      break;
    case PROP_ON_PRODUCER_LOST:
      g_value_set_enum (value, self->on_lost);
      break;
    case PROP_TIMEOUT:
      g_value_set_int64 (value, self->timeout_ns);
      break;
    case PROP_OFFSET_TO_ZERO:
      g_value_set_boolean (value, self->offset_to_zero);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
    }
  g_mutex_unlock (&self->lock);
}

static GstURIType
uri_type (GType type)
{
  return GST_URI_SRC;
}

static const char *const *
uri_protocols (GType type)
{
  static const char *const protocols[] = { URI_PROTOCOL, NULL };
  return protocols;
}

/* What a URI may set: shmframe://POOL?delivery=latest */
static const char *const uri_settings[]
    = { "delivery",        "max-lag",          "leases",         "wait", "timeout",
        "on-producer-eos", "on-producer-lost", "offset-to-zero", NULL };

/* shmframe://POOL or shmframe:///path/of/socket, with the settings that are not at their defaults. */
static char *
uri_get (GstURIHandler *handler)
{
  GObject *self = G_OBJECT (handler);
  GString *uri = g_string_new (URI_PROTOCOL "://");
  g_autofree char *pool = NULL;
  const char *join = "?";

  g_object_get (self, "pool", &pool, NULL);
  g_string_append_uri_escaped (uri, pool, *pool == '/' ? "/" : NULL, FALSE);
  for (const char *const *name = uri_settings; *name; name++)
    {
      GParamSpec *pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (self), *name);
      g_auto (GValue) value = G_VALUE_INIT;
      g_autofree char *text = NULL;

      g_object_get_property (self, *name, &value);
      if (g_param_value_defaults (pspec, &value))
        continue;
      text = gst_value_serialize (&value);
      g_string_append_printf (uri, "%s%s=%s", join, *name, text);
      join = "&";
    }
  return g_string_free (uri, FALSE);
}

static gboolean
read_setting (GObject *self, const char *name, const char *text, GValue *value)
{
  GParamSpec *pspec;

  if (!g_strv_contains (uri_settings, name) || !text || !*text)
    return FALSE;
  pspec = g_object_class_find_property (G_OBJECT_GET_CLASS (self), name);
  g_value_init (value, pspec->value_type);
  return gst_value_deserialize (value, text) && !g_param_value_validate (pspec, value);
}

static gboolean
set_from_query (GObject *self, const GstUri *uri, GError **error)
{
  g_autoptr (GHashTable) table = gst_uri_get_query_table (uri);
  GHashTableIter iter;
  gpointer name, text;

  /* All of them or none. */
  for (guint apply = 0; table && apply < 2; apply++)
    {
      g_hash_table_iter_init (&iter, table);
      while (g_hash_table_iter_next (&iter, &name, &text))
        {
          g_auto (GValue) value = G_VALUE_INIT;

          if (!read_setting (self, name, text, &value))
            {
              g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
                           "Setting the URI: '%s=%s' is not understood; use properties of "
                           "shmframesrc and their values",
                           (char *) name, text ? (char *) text : "");
              return FALSE;
            }
          if (apply)
            g_object_set_property (self, name, &value);
        }
    }
  return TRUE;
}

/* The pool that a URI names, or NULL. */
static char *
uri_dup_pool (const GstUri *uri)
{
  const char *host = gst_uri_get_host (uri);
  g_autofree char *path = gst_uri_get_path (uri);

  if (gst_uri_get_userinfo (uri) || gst_uri_get_port (uri) != GST_URI_NO_PORT
      || gst_uri_get_fragment (uri))
    return NULL;
  if (host && *host)
    return !strchr (host, '/') && (!path || !*path || g_str_equal (path, "/")) ? g_strdup (host)
                                                                               : NULL;
  return path && *path == '/' && path[1] ? g_steal_pointer (&path) : NULL;
}

static gboolean
uri_set (GstURIHandler *handler, const char *string, GError **error)
{
  GObject *self = G_OBJECT (handler);
  g_autoptr (GstUri) uri = gst_uri_from_string_escaped (string);
  g_autofree char *pool = uri ? uri_dup_pool (uri) : NULL;

  if (GST_STATE (self) >= GST_STATE_PAUSED)
    {
      g_set_error_literal (error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE,
                           "Setting the URI: stop the element first");
      return FALSE;
    }
  if (!pool)
    {
      g_set_error (error, GST_URI_ERROR, GST_URI_ERROR_BAD_URI,
                   "Setting the URI: '%s' is not like shmframe://POOL or shmframe:///a/socket",
                   string);
      return FALSE;
    }
  if (!set_from_query (self, uri, error))
    return FALSE;
  g_object_set (self, "pool", pool, NULL);
  return TRUE;
}

static void
uri_handler_init (gpointer interface, gpointer data)
{
  GstURIHandlerInterface *handler = interface;

  handler->get_type = uri_type;
  handler->get_protocols = uri_protocols;
  handler->get_uri = uri_get;
  handler->set_uri = uri_set;
}

static void
finalize (GObject *object)
{
  GstShmFrameSrc *self = GST_SHM_FRAME_SRC (object);

  g_free (self->pool);
  g_clear_pointer (&self->last_stats, g_variant_unref);
  gst_shm_frame_copies_clear (&self->copies);
  gst_shm_frame_clock_clear (&self->clock);
  g_mutex_clear (&self->lock);
  G_OBJECT_CLASS (gst_shm_frame_src_parent_class)->finalize (object);
}

#define READY_FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY)
#define PLAYING_FLAGS (G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING)

static void
install_reading_properties (GObjectClass *klass)
{
  /**
   * GstShmFrameSrc:pool:
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
   * GstShmFrameSrc:delivery:
   *
   * Which frames: the newest, all that can be had, or all, with the producer waiting.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_DELIVERY,
      g_param_spec_enum (
          "delivery", "Delivery",
          "The newest frames, all that can be had, or all, with the producer waiting",
          GST_TYPE_SHM_FRAME_SRC_DELIVERY, SHMFRAME_DELIVERY_ORDERED, READY_FLAGS));
  /**
   * GstShmFrameSrc:max-lag:
   *
   * Frames that ordered delivery may fall behind before it skips, counted.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_MAX_LAG,
      g_param_spec_int ("max-lag", "Maximum lag",
                        "Frames that ordered delivery may fall behind before it skips (-1 = all "
                        "that the pool has)",
                        -1, G_MAXINT, 4, READY_FLAGS));
  /**
   * GstShmFrameSrc:leases:
   *
   * Frames that downstream may hold at once. 0 starts at 4, asks for more when downstream holds more,
   * and copies frames meanwhile.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_LEASES,
      g_param_spec_uint ("leases", "Leases",
                         "Frames held downstream at once, beyond which they are copied (0 = ask "
                         "for as many as it takes)",
                         0, 255, 0, READY_FLAGS));
  /**
   * GstShmFrameSrc:wait:
   *
   * How to wait for the next frame.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_WAIT,
      g_param_spec_enum ("wait", "Wait", "How to wait for the next frame",
                         GST_TYPE_SHM_FRAME_SRC_WAIT, SHMFRAME_WAIT_SLEEP, READY_FLAGS));
}

static void
install_producer_properties (GObjectClass *klass)
{
  /**
   * GstShmFrameSrc:on-producer-eos:
   *
   * What to do when the producer's stream has ended.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_ON_PRODUCER_EOS,
      g_param_spec_enum (
          "on-producer-eos", "On producer EOS", "What to do when the producer's stream has ended",
          GST_TYPE_SHM_FRAME_SRC_ON_EOS, GST_SHM_FRAME_SRC_ON_EOS_EOS, PLAYING_FLAGS));
  /**
   * GstShmFrameSrc:on-producer-lost:
   *
   * What to do when the producer is gone without having ended its stream.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_ON_PRODUCER_LOST,
      g_param_spec_enum ("on-producer-lost", "On producer lost",
                         "What to do when the producer is gone without having ended its stream",
                         GST_TYPE_SHM_FRAME_SRC_ON_LOST, GST_SHM_FRAME_SRC_ON_LOST_WAIT,
                         PLAYING_FLAGS));
  /**
   * GstShmFrameSrc:timeout:
   *
   * How long to be without a producer before an error, in nanoseconds; -1: for ever.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_TIMEOUT,
      g_param_spec_int64 ("timeout", "Timeout",
                          "Time without a producer before an error, in ns (-1 = never)", -1,
                          G_MAXINT64, -1, READY_FLAGS));
  /**
   * GstShmFrameSrc:offset-to-zero:
   *
   * The first frame is at running time 0, and none is skipped for being early.
   *
   * Since: 1.0
   */
  g_object_class_install_property (klass, PROP_OFFSET_TO_ZERO,
                                   g_param_spec_boolean ("offset-to-zero", "Offset to zero",
                                                         "The first frame is at running time 0",
                                                         FALSE, READY_FLAGS));
  /**
   * GstShmFrameSrc:stats:
   *
   * frames, drops and drops-CAUSE, copied-bytes, copied-frames and copied-REASON, lag, held,
   * longest-hold, latency-p50, latency-p99 and latency-max from publication to the lease (ns), leases,
   * attaches, losses, evictions, and who the producer is.
   *
   * Since: 1.0
   */
  g_object_class_install_property (
      klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
                          "Frames, drops by cause, copied bytes and why, lag, leases, latency",
                          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_shm_frame_src_class_init (GstShmFrameSrcClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseSrcClass *src_class = GST_BASE_SRC_CLASS (klass);

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_reading_properties (object_class);
  install_producer_properties (object_class);
  gst_type_mark_as_plugin_api (GST_TYPE_SHM_FRAME_SRC_DELIVERY, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_SHM_FRAME_SRC_WAIT, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_SHM_FRAME_SRC_ON_EOS, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_SHM_FRAME_SRC_ON_LOST, 0);

  element_class->change_state = change_state;
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (
      element_class, "Shared memory video source", "Source/Video",
      "Reads video frames that another process publishes in shared memory, without a copy",
      "The shmframe authors");

  src_class->start = start;
  src_class->stop = stop;
  src_class->unlock = unlock;
  src_class->unlock_stop = unlock_stop;
  src_class->query = query_source;
  src_class->is_seekable = is_seekable;
  src_class->negotiate = gst_shm_frame_src_negotiate;
  src_class->decide_allocation = gst_shm_frame_src_decide_allocation;
  GST_PUSH_SRC_CLASS (klass)->create = gst_shm_frame_src_create;
}

/* Without a producer there are no caps yet, and the base class would ask all the same. */
static GstPadProbeReturn
refuse_allocation_without_caps (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);
  GstCaps *caps = NULL;

  if (GST_QUERY_TYPE (query) != GST_QUERY_ALLOCATION)
    return GST_PAD_PROBE_OK;
  gst_query_parse_allocation (query, &caps, NULL);
  return caps ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
}

static void
gst_shm_frame_src_init (GstShmFrameSrc *self)
{
  gst_pad_add_probe (GST_BASE_SRC_PAD (self), GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
                     refuse_allocation_without_caps, NULL, NULL);
  g_mutex_init (&self->lock);
  gst_shm_frame_copies_init (&self->copies);
  self->pool = g_strdup ("default");
  self->delivery = SHMFRAME_DELIVERY_ORDERED;
  self->wait = SHMFRAME_WAIT_SLEEP;
  self->max_lag = 4;
  self->timeout_ns = -1;
  gst_base_src_set_live (GST_BASE_SRC (self), TRUE);
  gst_base_src_set_format (GST_BASE_SRC (self), GST_FORMAT_TIME);
  gst_base_src_set_do_timestamp (GST_BASE_SRC (self), FALSE);
}
