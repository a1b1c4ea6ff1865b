/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <shmframe/error.h>
#include <shmframe/producer.h>

#include "api/context.h"
#include "api/publish.h"
#include "api/report.h"
#include "api/server.h"

#define DEFAULT_IN_FLIGHT 36 /* a frame-threaded decoder's: 16 references and as many threads */
#define DEFAULT_GROWTH 64    /* for consumers that hold more than planned: plain x264enc holds 45 */

enum
{
  PROP_0,
  PROP_POOL,
  PROP_SLOTS,
  PROP_MAX_CONSUMERS,
  PROP_CONSUMER_LEASES,
  PROP_IN_FLIGHT,
  PROP_HISTORY,
  PROP_WINDOW,
  PROP_LOSSLESS,
  PROP_METADATA_SIZE,
  PROP_MODE,
  PROP_GROUP,
  PROP_LIVE,
  PROP_STALL_TIMEOUT,
  PROP_N_CONSUMERS,
  PROP_HELD,
  PROP_PATH,
  N_PROPS
};

enum
{
  CONSUMER_ATTACHED,
  CONSUMER_DETACHED,
  N_SIGNALS
};

static GParamSpec *props[N_PROPS];
static guint signals[N_SIGNALS];

struct _ShmFrameProducer
{
  GObject parent;

  char *name;
  guint slots, max_consumers, consumer_leases, in_flight, history, window;
  gboolean lossless, live;
  guint metadata_size, mode;
  char *group;
  guint64 stall_timeout_ns;

  ShmFramePool *pool;
  ShmFrameServer *server;
  char *path;
};

static void initable_init (GInitableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (ShmFrameProducer, shmframe_producer, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_INITABLE, initable_init))

/* ---- construction ---- */

static gboolean
make_rule (ShmFrameProducer *self, ShmFramePoolRule *rule, GError **error)
{
  *rule = (ShmFramePoolRule){
    .slots = self->slots,
    .in_flight = self->in_flight ? self->in_flight : DEFAULT_IN_FLIGHT,
    .history = self->history,
    .window = self->lossless ? self->window : 0,
  };
  if (self->slots == 0)
    rule->slots = shmframe_admission_plan (rule, self->max_consumers, self->consumer_leases)
                  + DEFAULT_GROWTH;
  else if (self->in_flight == 0)
    rule->in_flight = shmframe_admission_in_flight (rule);
  if (rule->slots > SHMFRAME_SLOTS_MAX)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
                   "pool %s: %u slots: use at most %u, by a smaller slots, max-consumers, "
                   "consumer-leases, history or window",
                   self->name, rule->slots, SHMFRAME_SLOTS_MAX);
      return FALSE;
    }
  if (rule->in_flight == 0 || shmframe_admission_base (rule) > rule->slots)
    {
      g_set_error (
          error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
          "pool %s: %u slots are too few for in-flight=%u, history=%u and window=%u: start "
          "the producer with slots=%u",
          self->name, rule->slots, MAX (rule->in_flight, 1), rule->history, rule->window,
          MAX (rule->in_flight, 1) + MAX (rule->history, rule->window) + 1);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_mode (ShmFrameProducer *self, GError **error)
{
  if (self->mode & 0222)
    return TRUE;
  g_set_error (
      error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
      "pool %s: with mode=%04o nobody may connect: use 0600 (%u), or 0660 (%u) with a group",
      self->name, self->mode, 0600, 0660);
  return FALSE;
}

typedef struct
{
  GWeakRef producer;
} Emitter;

static void
emit_changed (gboolean attached, GVariant *info, gpointer data)
{
  Emitter *emitter = data;
  g_autoptr (ShmFrameProducer) self = g_weak_ref_get (&emitter->producer);

  if (self == NULL)
    return;
  g_signal_emit (self, signals[attached ? CONSUMER_ATTACHED : CONSUMER_DETACHED], 0, info);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_N_CONSUMERS]);
}

static void
emitter_free (gpointer data)
{
  Emitter *emitter = data;

  g_weak_ref_clear (&emitter->producer);
  g_free (emitter);
}

static gboolean
initable_real_init (GInitable *initable, GCancellable *cancellable, GError **error)
{
  ShmFrameProducer *self = SHMFRAME_PRODUCER (initable);
  g_autoptr (ShmFrameName) name = NULL;
  g_autoptr (GMainContext) context = NULL;
  ShmFramePoolRule rule;
  Emitter *emitter;

  if (!shmframe_name_check (self->name, error) || !check_mode (self, error)
      || !make_rule (self, &rule, error))
    return FALSE;
  self->path = shmframe_name_producer_path (self->name, error);
  if (self->path == NULL)
    return FALSE;
  name = shmframe_name_own (self->path, self->mode, self->group, error);
  if (name == NULL)
    return FALSE;
  context = shmframe_context_new (self->name, 0, error);
  if (context == NULL)
    return FALSE;
  self->pool = shmframe_pool_new (self->name, &rule, self->metadata_size);
  self->pool->max_consumers = self->max_consumers;
  self->pool->consumer_leases = self->consumer_leases;
  self->pool->spared = self->slots == 0 ? self->max_consumers : 1;
  self->pool->lossless = self->lossless;
  self->pool->live = self->live;
  self->pool->stall_timeout_ns = (gint64) self->stall_timeout_ns;

  emitter = g_new0 (Emitter, 1);
  g_weak_ref_init (&emitter->producer, self);
  self->server
      = shmframe_server_new (self->pool, g_steal_pointer (&name), g_steal_pointer (&context),
                             emit_changed, emitter, emitter_free, error);
  return self->server != NULL;
}

static void
initable_init (GInitableIface *iface)
{
  iface->init = initable_real_init;
}

static void
shmframe_producer_init (ShmFrameProducer *self)
{
}

static void
shmframe_producer_dispose (GObject *object)
{
  shmframe_producer_close (SHMFRAME_PRODUCER (object));
  G_OBJECT_CLASS (shmframe_producer_parent_class)->dispose (object);
}

static void
shmframe_producer_finalize (GObject *object)
{
  ShmFrameProducer *self = SHMFRAME_PRODUCER (object);

  g_clear_pointer (&self->pool, shmframe_pool_unref);
  g_free (self->name);
  g_free (self->group);
  g_free (self->path);
  G_OBJECT_CLASS (shmframe_producer_parent_class)->finalize (object);
}

/* ---- properties ---- */

static void
set_tunables (ShmFrameProducer *self)
{
  if (self->pool == NULL)
    return;
  g_mutex_lock (&self->pool->lock);
  self->pool->live = self->live;
  self->pool->stall_timeout_ns = (gint64) self->stall_timeout_ns;
  g_cond_broadcast (&self->pool->changed); /* a wait under way looks again */
  g_mutex_unlock (&self->pool->lock);
}

static void
shmframe_producer_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  ShmFrameProducer *self = SHMFRAME_PRODUCER (object);

  switch (id)
    {
    case PROP_POOL:
      self->name = g_value_dup_string (value);
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
    case PROP_IN_FLIGHT:
      self->in_flight = g_value_get_uint (value);
      break;
    case PROP_HISTORY:
      self->history = g_value_get_uint (value);
      break;
    case PROP_WINDOW:
      self->window = g_value_get_uint (value);
      break;
    case PROP_LOSSLESS:
      self->lossless = g_value_get_boolean (value);
      break;
    case PROP_METADATA_SIZE:
      self->metadata_size = g_value_get_uint (value);
      break;
    case PROP_MODE:
      self->mode = g_value_get_uint (value);
      break;
    case PROP_GROUP:
      self->group = g_value_dup_string (value);
      break;
    case PROP_LIVE:
      self->live = g_value_get_boolean (value);
      set_tunables (self);
      break;
    case PROP_STALL_TIMEOUT:
      self->stall_timeout_ns = g_value_get_uint64 (value);
      set_tunables (self);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static guint
count_consumers (ShmFrameProducer *self)
{
  guint n = 0;

  if (self->pool)
    {
      g_mutex_lock (&self->pool->lock);
      n = self->pool->consumers->len;
      g_mutex_unlock (&self->pool->lock);
    }
  return n;
}

guint
shmframe_producer_get_held (ShmFrameProducer *self)
{
  guint n = 0;

  g_return_val_if_fail (SHMFRAME_IS_PRODUCER (self), 0);

  if (self->pool)
    {
      g_mutex_lock (&self->pool->lock);
      n = self->pool->slots ? self->pool->slots->n_held : 0;
      g_mutex_unlock (&self->pool->lock);
    }
  return n;
}

static void
shmframe_producer_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  ShmFrameProducer *self = SHMFRAME_PRODUCER (object);

  switch (id)
    {
    case PROP_POOL:
      g_value_set_string (value, self->name);
      break;
    case PROP_SLOTS:
      g_value_set_uint (value, self->pool ? self->pool->rule.slots : self->slots);
      break;
    case PROP_MAX_CONSUMERS:
      g_value_set_uint (value, self->max_consumers);
      break;
    case PROP_CONSUMER_LEASES:
      g_value_set_uint (value, self->consumer_leases);
      break;
    case PROP_IN_FLIGHT:
      g_value_set_uint (value, self->pool ? self->pool->rule.in_flight : self->in_flight);
      break;
    case PROP_HISTORY:
      g_value_set_uint (value, self->history);
      break;
    case PROP_WINDOW:
      g_value_set_uint (value, self->window);
      break;
    case PROP_LOSSLESS:
      g_value_set_boolean (value, self->lossless);
      break;
    case PROP_METADATA_SIZE:
      g_value_set_uint (value, self->metadata_size);
      break;
    case PROP_MODE:
      g_value_set_uint (value, self->mode);
      break;
    case PROP_GROUP:
      g_value_set_string (value, self->group);
      break;
    case PROP_LIVE:
      g_value_set_boolean (value, self->live);
      break;
    case PROP_STALL_TIMEOUT:
      g_value_set_uint64 (value, self->stall_timeout_ns);
      break;
    case PROP_N_CONSUMERS:
      g_value_set_uint (value, count_consumers (self));
      break;
    case PROP_HELD:
      g_value_set_uint (value, shmframe_producer_get_held (self));
      break;
    case PROP_PATH:
      g_value_set_string (value, self->path);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static GParamSpec *
uint_prop (const char *name, const char *blurb, guint min, guint max, guint def)
{
  return g_param_spec_uint (name, NULL, blurb, min, max, def,
                            G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
}

static void
install_properties (GObjectClass *object_class)
{
  const GParamFlags once = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;
  const GParamFlags always = G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS;
  const GParamFlags read = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  props[PROP_POOL]
      = g_param_spec_string ("pool", NULL, "Name or absolute path of the socket", "default", once);
  props[PROP_SLOTS] = uint_prop ("slots", "The most slots; 0: what the pool rule needs", 0,
                                 SHMFRAME_SLOTS_MAX, 0);
  props[PROP_MAX_CONSUMERS] = uint_prop ("max-consumers", "The most consumers at once", 1, 4096, 8);
  props[PROP_CONSUMER_LEASES] = uint_prop (
      "consumer-leases", "Leases of each that slots=0 plans for", 1, SHMFRAME_LEASES_MAX, 4);
  props[PROP_IN_FLIGHT] = uint_prop (
      "in-flight", "Slots that the producer may hold at once; 0: automatic", 0, 4096, 0);
  props[PROP_HISTORY]
      = uint_prop ("history", "Newest frames that stay readable", 0, SHMFRAME_SLOTS_MAX / 2, 1);
  props[PROP_WINDOW] = uint_prop (
      "window", "Published frames that a lossless consumer may lag before publishing waits", 1,
      SHMFRAME_SLOTS_MAX / 2, 4);
  props[PROP_LOSSLESS]
      = g_param_spec_boolean ("lossless", NULL, "Admit lossless consumers", TRUE, once);
  props[PROP_METADATA_SIZE] = uint_prop ("metadata-size", "Bytes for each frame's metadata", 0,
                                         SHMFRAME_METADATA_MAX, 4096);
  props[PROP_MODE] = uint_prop ("mode", "Permissions of the socket", 0, 0777, 0600);
  props[PROP_GROUP]
      = g_param_spec_string ("group", NULL, "Group of the socket, or NULL", NULL, once);
  props[PROP_LIVE] = g_param_spec_boolean (
      "live", NULL, "Live input: publishing never waits, it evicts", FALSE, always);
  props[PROP_STALL_TIMEOUT] = g_param_spec_uint64 (
      "stall-timeout", NULL,
      "ns that publishing waits for a lossless consumer before it is evicted", 0, G_MAXINT64,
      2 * G_GUINT64_CONSTANT (1000000000), always);
  props[PROP_N_CONSUMERS] = g_param_spec_uint ("n-consumers", NULL, "Consumers that are attached",
                                               0, G_MAXUINT, 0, read);
  props[PROP_HELD] = g_param_spec_uint ("held", NULL, "Slots that the producer holds", 0, G_MAXUINT,
                                        0, read);
  props[PROP_PATH] = g_param_spec_string ("path", NULL, "Path of the socket", NULL, read);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
shmframe_producer_class_init (ShmFrameProducerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = shmframe_producer_dispose;
  object_class->finalize = shmframe_producer_finalize;
  object_class->set_property = shmframe_producer_set_property;
  object_class->get_property = shmframe_producer_get_property;
  install_properties (object_class);

  /**
   * ShmFrameProducer::consumer-attached:
   * @self: the producer
   * @info: an `a{sv}` about the consumer, as in the statistics
   *
   * A consumer was admitted. Emitted on the producer's control thread, outside every lock.
   *
   * Since: 1.0
   */
  signals[CONSUMER_ATTACHED]
      = g_signal_new ("consumer-attached", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                      NULL, NULL, G_TYPE_NONE, 1, G_TYPE_VARIANT);
  /**
   * ShmFrameProducer::consumer-detached:
   * @self: the producer
   * @info: an `a{sv}` about the consumer, as in the statistics
   *
   * A consumer went, died or was evicted. Emitted on the producer's control thread, outside every
   * lock.
   *
   * Since: 1.0
   */
  signals[CONSUMER_DETACHED]
      = g_signal_new ("consumer-detached", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL,
                      NULL, NULL, G_TYPE_NONE, 1, G_TYPE_VARIANT);
}

/* ---- the public functions ---- */

/**
 * shmframe_producer_new:
 * @pool: the name of the pool, or the absolute path of its socket
 * @error: return location for an error
 *
 * Takes a name, with every property at its default.
 *
 * Returns: (transfer full): a producer; %NULL with %SHMFRAME_ERROR_NAME,
 *   %SHMFRAME_ERROR_NAME_IN_USE, %SHMFRAME_ERROR_PERMISSION or %SHMFRAME_ERROR_NO_DESCRIPTORS
 * Since: 1.0
 */
ShmFrameProducer *
shmframe_producer_new (const char *pool, GError **error)
{
  g_return_val_if_fail (pool != NULL, NULL);
  return g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, error, "pool", pool, NULL);
}

/**
 * shmframe_producer_set_format:
 * @self: a producer
 * @format: what the frames acquired from now on are
 * @error: return location for an error
 *
 * Keeps the segment where the format fits its slots, else makes a new one, in which sequences run on.
 * Frames that were acquired before a new segment was made cannot be published any more. Waits, within
 * `stall-timeout`, for lossless consumers that are a change of segment behind.
 *
 * Returns: whether the format is in force; %SHMFRAME_ERROR_FORMAT, %SHMFRAME_ERROR_NO_MEMORY,
 *   %SHMFRAME_ERROR_NO_DESCRIPTORS, %SHMFRAME_ERROR_FLUSHING or %SHMFRAME_ERROR_CLOSED otherwise,
 *   with the format as it was
 * Since: 1.0
 */
gboolean
shmframe_producer_set_format (ShmFrameProducer *self, ShmFrameFormat *format, GError **error)
{
  g_return_val_if_fail (SHMFRAME_IS_PRODUCER (self) && format != NULL, FALSE);
  return shmframe_pool_set_format (self->pool, format, error);
}

/**
 * shmframe_producer_dup_format:
 * @self: a producer
 *
 * Returns: (transfer full) (nullable): the format in force, or %NULL before the first
 * Since: 1.0
 */
ShmFrameFormat *
shmframe_producer_dup_format (ShmFrameProducer *self)
{
  ShmFrameFormat *format;

  g_return_val_if_fail (SHMFRAME_IS_PRODUCER (self), NULL);
  g_mutex_lock (&self->pool->lock);
  format = self->pool->format ? shmframe_format_ref (self->pool->format) : NULL;
  g_mutex_unlock (&self->pool->lock);
  return format;
}

/**
 * shmframe_producer_acquire:
 * @self: a producer
 * @error: return location for an error
 *
 * A slot to write the next frame into. Never waits. Slots may be acquired and published in any order,
 * by any thread.
 *
 * Returns: (transfer full): a writable frame; %NULL with %SHMFRAME_ERROR_NO_SLOT (the producer holds
 *   `in-flight` slots), %SHMFRAME_ERROR_NO_MEMORY, %SHMFRAME_ERROR_ARGUMENT (no format) or
 *   %SHMFRAME_ERROR_CLOSED
 * Since: 1.0
 */
ShmFrameFrame *
shmframe_producer_acquire (ShmFrameProducer *self, GError **error)
{
  g_return_val_if_fail (SHMFRAME_IS_PRODUCER (self), NULL);
  return shmframe_publish_acquire (self->pool, error);
}

/**
 * shmframe_producer_publish:
 * @self: a producer
 * @frame: a frame that it acquired
 * @error: return location for an error
 *
 * Publishes a frame, once, with the next sequence. The caller must not write to it any more; it may
 * read it, and the slot stays pinned, until the last reference goes. Waits while a lossless consumer
 * is `window` published frames behind, up to `stall-timeout`; never with `live`.
 *
 * Returns: whether it was published; %SHMFRAME_ERROR_ARGUMENT, %SHMFRAME_ERROR_FLUSHING or
 *   %SHMFRAME_ERROR_CLOSED otherwise, with the frame as it was
 * Since: 1.0
 */
gboolean
shmframe_producer_publish (ShmFrameProducer *self, ShmFrameFrame *frame, GError **error)
{
  g_return_val_if_fail (SHMFRAME_IS_PRODUCER (self) && frame != NULL, FALSE);
  return shmframe_publish_frame (self->pool, frame, error);
}

/**
 * shmframe_producer_abandon:
 * @self: a producer
 * @frame: (transfer full): a frame that was not published
 *
 * Gives a slot back unpublished: the same as dropping the frame's last reference.
 *
 * Since: 1.0
 */
void
shmframe_producer_abandon (ShmFrameProducer *self, ShmFrameFrame *frame)
{
  g_return_if_fail (SHMFRAME_IS_PRODUCER (self));
  shmframe_frame_unref (frame);
}

/**
 * shmframe_producer_drop:
 * @self: a producer
 * @count: how many
 *
 * Counts frames that the producer had to drop. Each takes a sequence, so that consumers count it too.
 *
 * Since: 1.0
 */
void
shmframe_producer_drop (ShmFrameProducer *self, guint count)
{
  g_return_if_fail (SHMFRAME_IS_PRODUCER (self));
  shmframe_publish_drop (self->pool, count);
}

/**
 * shmframe_producer_discard:
 * @self: a producer
 *
 * Takes back every published frame that a consumer has not leased yet, as a seek or a flush wants it:
 * consumers that had yet to read them count them as drops, and lossless ones are not waited for. What
 * is leased stays good. Frames of a segment that a change of format has replaced are not taken back.
 *
 * Returns: the sequence of the newest frame, which is gone now, or 0
 *
 * Since: 1.0
 */
guint64
shmframe_producer_discard (ShmFrameProducer *self)
{
  g_return_val_if_fail (SHMFRAME_IS_PRODUCER (self), 0);
  return shmframe_publish_discard (self->pool);
}

/**
 * shmframe_producer_push_event:
 * @self: a producer
 * @name: its name, 1 to 64 bytes; "format" and "eos" are the library's own
 * @value: (nullable): any value; sunk when floating
 * @sticky: whether it is kept, the last of each name, for consumers that attach later
 * @error: return location for an error
 *
 * Sends an event that takes effect between the frame published last and the one published next. Never
 * waits.
 *
 * Returns: whether it was taken; %SHMFRAME_ERROR_TOO_BIG or %SHMFRAME_ERROR_ARGUMENT
 * Since: 1.0
 */
gboolean
shmframe_producer_push_event (ShmFrameProducer *self, const char *name, GVariant *value,
                              gboolean sticky, GError **error)
{
  g_return_val_if_fail (SHMFRAME_IS_PRODUCER (self) && name != NULL, FALSE);
  if (g_str_equal (name, SHMFRAME_LOG_FORMAT) || g_str_equal (name, SHMFRAME_LOG_EOS))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
                   "pool %s: an event named %s: use shmframe_producer_%s()", self->name, name,
                   g_str_equal (name, SHMFRAME_LOG_EOS) ? "push_eos" : "set_format");
      return FALSE;
    }
  return shmframe_pool_push_event (self->pool, name, value, sticky, error);
}

/**
 * shmframe_producer_push_eos:
 * @self: a producer
 *
 * Ends the stream: consumers are told after the last frame. Publishing may go on, as a new stream.
 *
 * Since: 1.0
 */
void
shmframe_producer_push_eos (ShmFrameProducer *self)
{
  g_return_if_fail (SHMFRAME_IS_PRODUCER (self));
  shmframe_pool_push_event (self->pool, SHMFRAME_LOG_EOS, NULL, FALSE, NULL);
}

/**
 * shmframe_producer_wait_for_consumer:
 * @self: a producer
 * @timeout_ns: how long to wait, in ns; negative: for ever
 * @error: return location for an error
 *
 * Waits until a consumer is attached. It needs a format first: before that, nobody is admitted.
 *
 * Returns: whether one is; %SHMFRAME_ERROR_TIMED_OUT, %SHMFRAME_ERROR_FLUSHING or
 *   %SHMFRAME_ERROR_CLOSED otherwise
 * Since: 1.0
 */
gboolean
shmframe_producer_wait_for_consumer (ShmFrameProducer *self, gint64 timeout_ns, GError **error)
{
  gint64 end = g_get_monotonic_time () + timeout_ns / 1000;
  gboolean in_time = TRUE, attached = FALSE, cut = FALSE;
  ShmFramePool *pool;
  guint flushes;

  g_return_val_if_fail (SHMFRAME_IS_PRODUCER (self), FALSE);
  pool = self->pool;
  g_mutex_lock (&pool->lock);
  flushes = pool->flushes;
  while (!(cut = shmframe_pool_ends_wait (pool, flushes, error))
         && !(attached = pool->consumers->len > 0) && in_time)
    if (timeout_ns < 0)
      g_cond_wait (&pool->changed, &pool->lock);
    else
      in_time = g_cond_wait_until (&pool->changed, &pool->lock, end);
  g_mutex_unlock (&pool->lock);
  if (!cut && !attached)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT,
                 "pool %s: no consumer came in time", self->name);
  return !cut && attached;
}

/**
 * shmframe_producer_set_flushing:
 * @self: a producer
 * @flushing: whether waits are cut short
 *
 * With %TRUE every wait, under way or to come, ends at once with %SHMFRAME_ERROR_FLUSHING, until it is
 * called with %FALSE.
 *
 * Since: 1.0
 */
void
shmframe_producer_set_flushing (ShmFrameProducer *self, gboolean flushing)
{
  g_return_if_fail (SHMFRAME_IS_PRODUCER (self));
  shmframe_pool_set_flushing (self->pool, flushing);
}

/**
 * shmframe_producer_get_stats:
 * @self: a producer
 *
 * Returns: (transfer full): an `a{sv}`; shmframe/producer.h lists its keys
 * Since: 1.0
 */
GVariant *
shmframe_producer_get_stats (ShmFrameProducer *self)
{
  g_return_val_if_fail (SHMFRAME_IS_PRODUCER (self), NULL);
  return g_variant_ref_sink (shmframe_report_pool (self->pool, self->path));
}

/**
 * shmframe_producer_close:
 * @self: a producer
 *
 * Gives the name back and tells the consumers; what they hold stays good. Nothing can be acquired or
 * published any more. Dropping the last reference does it too; when that happens in a handler of one
 * of its signals, the name is given back a little later.
 *
 * Since: 1.0
 */
void
shmframe_producer_close (ShmFrameProducer *self)
{
  ShmFrameServer *server;

  g_return_if_fail (SHMFRAME_IS_PRODUCER (self));
  if (self->pool == NULL)
    return;
  g_mutex_lock (&self->pool->lock);
  server = g_steal_pointer (&self->server);
  g_mutex_unlock (&self->pool->lock);
  shmframe_server_free (server);
}
