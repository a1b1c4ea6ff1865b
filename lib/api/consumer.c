/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>
#include <unistd.h>

#include <shmframe/error.h>

#include "api/consumer-private.h"
#include "api/report.h"
#include "control/name.h"

enum
{
  PROP_0,
  PROP_POOL,
  PROP_FD,
  PROP_DELIVERY,
  PROP_LEASES,
  PROP_MAX_LAG,
  PROP_WAIT,
  PROP_PROGRAM,
  PROP_ATTACHED,
  PROP_GRANTED_LEASES,
  PROP_HELD,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

struct _ShmFrameConsumer
{
  GObject parent;

  char *name;
  int fd;
  ShmFrameDelivery delivery;
  guint leases;
  gint max_lag;
  ShmFrameWait wait;
  char *program;

  ShmFrameClient *client;
  ShmFrameDeliverer deliverer;
};

static void initable_init (GInitableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (ShmFrameConsumer, shmframe_consumer, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_INITABLE, initable_init))

G_DEFINE_ENUM_TYPE (ShmFrameDelivery, shmframe_delivery,
                    G_DEFINE_ENUM_VALUE (SHMFRAME_DELIVERY_LATEST, "latest"),
                    G_DEFINE_ENUM_VALUE (SHMFRAME_DELIVERY_ORDERED, "ordered"),
                    G_DEFINE_ENUM_VALUE (SHMFRAME_DELIVERY_LOSSLESS, "lossless"))

G_DEFINE_ENUM_TYPE (ShmFrameWait, shmframe_wait,
                    G_DEFINE_ENUM_VALUE (SHMFRAME_WAIT_SLEEP, "sleep"),
                    G_DEFINE_ENUM_VALUE (SHMFRAME_WAIT_SPIN, "spin"),
                    G_DEFINE_ENUM_VALUE (SHMFRAME_WAIT_PREDICT, "predict"))

static gboolean
initable_real_init (GInitable *initable, GCancellable *cancellable, GError **error)
{
  ShmFrameConsumer *self = SHMFRAME_CONSUMER (initable);

  if (self->fd < 0 && !shmframe_name_check (self->name, error))
    return FALSE;
  if (self->fd >= 0)
    {
      g_free (self->name);
      self->name = g_strdup ("(passed-in connection)");
    }
  self->client = shmframe_client_new (self->name, g_steal_fd (&self->fd), error);
  if (self->client == NULL)
    return FALSE;
  self->client->delivery = self->delivery;
  self->client->leases = self->client->leases_wanted = self->leases;
  self->client->max_lag = self->max_lag;
  self->client->wait = self->wait;
  self->client->program
      = self->program ? g_strdup (self->program) : shmframe_report_program ();
  shmframe_delivery_init (&self->deliverer, self->client);
  return TRUE;
}

static void
initable_init (GInitableIface *iface)
{
  iface->init = initable_real_init;
}

static void
shmframe_consumer_init (ShmFrameConsumer *self)
{
  self->fd = -1;
}

static void
shmframe_consumer_finalize (GObject *object)
{
  ShmFrameConsumer *self = SHMFRAME_CONSUMER (object);

  if (self->client)
    {
      shmframe_consumer_close (self);
      shmframe_delivery_finish (&self->deliverer);
    }
  g_clear_pointer (&self->client, shmframe_client_unref);
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->name);
  g_free (self->program);
  G_OBJECT_CLASS (shmframe_consumer_parent_class)->finalize (object);
}

/* ---- properties ---- */

static void
shmframe_consumer_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  ShmFrameConsumer *self = SHMFRAME_CONSUMER (object);

  switch (id)
    {
    case PROP_POOL:
      self->name = g_value_dup_string (value);
      break;
    case PROP_FD:
      self->fd = g_value_get_int (value);
      break;
    case PROP_DELIVERY:
      self->delivery = (ShmFrameDelivery) g_value_get_enum (value);
      break;
    case PROP_LEASES:
      self->leases = g_value_get_uint (value);
      break;
    case PROP_MAX_LAG:
      self->max_lag = g_value_get_int (value);
      break;
    case PROP_WAIT:
      self->wait = (ShmFrameWait) g_value_get_enum (value);
      break;
    case PROP_PROGRAM:
      self->program = g_value_dup_string (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static guint
count_leases (ShmFrameConsumer *self, gboolean held)
{
  const ShmFrameAttachment *attachment;
  guint leases = 0;

  if (self->client == NULL)
    return 0;
  g_mutex_lock (&self->client->lock);
  attachment = self->client->attachment;
  if (attachment)
    leases = held ? attachment->held : attachment->leases;
  g_mutex_unlock (&self->client->lock);
  return leases;
}

guint
shmframe_consumer_get_held (ShmFrameConsumer *self)
{
  g_return_val_if_fail (SHMFRAME_IS_CONSUMER (self), 0);

  return count_leases (self, TRUE);
}

guint
shmframe_consumer_get_granted_leases (ShmFrameConsumer *self)
{
  g_return_val_if_fail (SHMFRAME_IS_CONSUMER (self), 0);

  return count_leases (self, FALSE);
}

static void
shmframe_consumer_get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  ShmFrameConsumer *self = SHMFRAME_CONSUMER (object);

  switch (id)
    {
    case PROP_POOL:
      g_value_set_string (value, self->name);
      break;
    case PROP_FD:
      g_value_set_int (value, -1);
      break;
    case PROP_DELIVERY:
      g_value_set_enum (value, self->delivery);
      break;
    case PROP_LEASES:
      g_value_set_uint (value, self->leases);
      break;
    case PROP_MAX_LAG:
      g_value_set_int (value, self->max_lag);
      break;
    case PROP_WAIT:
      g_value_set_enum (value, self->wait);
      break;
    case PROP_PROGRAM:
      g_value_set_string (value, self->program);
      break;
    case PROP_ATTACHED:
      g_value_set_boolean (value, count_leases (self, FALSE) > 0);
      break;
    case PROP_GRANTED_LEASES:
      g_value_set_uint (value, count_leases (self, FALSE));
      break;
    case PROP_HELD:
      g_value_set_uint (value, count_leases (self, TRUE));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
shmframe_consumer_class_init (ShmFrameConsumerClass *klass)
{
  const GParamFlags once
      = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;
  const GParamFlags read = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = shmframe_consumer_finalize;
  object_class->set_property = shmframe_consumer_set_property;
  object_class->get_property = shmframe_consumer_get_property;

  props[PROP_POOL] = g_param_spec_string ("pool", NULL, "Name or absolute path of the socket",
                                          "default", once);
  props[PROP_FD] = g_param_spec_int (
      "fd", NULL, "A connected descriptor to use instead of a name; -1: none", -1, G_MAXINT, -1,
      once);
  props[PROP_DELIVERY] = g_param_spec_enum ("delivery", NULL, "Which frames are wanted",
                                            SHMFRAME_TYPE_DELIVERY, SHMFRAME_DELIVERY_ORDERED,
                                            once);
  props[PROP_LEASES] = g_param_spec_uint ("leases", NULL, "Frames held at once", 1,
                                          SHMFRAME_LEASES_MAX, 4, once);
  props[PROP_MAX_LAG] = g_param_spec_int (
      "max-lag", NULL, "Frames that ordered delivery may fall behind; -1: all that the pool has", -1,
      G_MAXINT, -1, once);
  props[PROP_WAIT] = g_param_spec_enum ("wait", NULL, "How to wait for a frame",
                                        SHMFRAME_TYPE_WAIT, SHMFRAME_WAIT_SLEEP, once);
  props[PROP_PROGRAM] = g_param_spec_string (
      "program", NULL, "What the producer's statistics call this consumer", NULL, once);
  props[PROP_ATTACHED]
      = g_param_spec_boolean ("attached", NULL, "Whether there is a producer", FALSE, read);
  props[PROP_GRANTED_LEASES] = g_param_spec_uint (
      "granted-leases", NULL, "Frames that may be held at once", 0, SHMFRAME_LEASES_MAX, 0, read);
  props[PROP_HELD] = g_param_spec_uint ("held", NULL, "Frames that are held", 0, SHMFRAME_LEASES_MAX + 1,
                                        0, read);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

/* ---- private, for source.c ---- */

ShmFrameDeliverer *
shmframe_consumer_get_deliverer (ShmFrameConsumer *self)
{
  return &self->deliverer;
}

void
shmframe_consumer_use_poll (ShmFrameConsumer *self)
{
  ShmFrameClient *client = self->client;

  g_mutex_lock (&client->lock);
  if (client->thread == NULL)
    client->poll = TRUE;
  g_mutex_unlock (&client->lock);
  if (!client->poll)
    g_critical ("shmframe: the consumer of %s has leased before: create its source first",
                self->name);
  shmframe_client_start (client);
}

/* ---- the public functions ---- */

/**
 * shmframe_consumer_new:
 * @pool: the name of the pool, or the absolute path of its socket
 * @delivery: which frames are wanted
 * @error: return location for an error
 *
 * A consumer of a pool, whose producer need not exist yet.
 *
 * Returns: (transfer full): a consumer; %NULL with %SHMFRAME_ERROR_NAME or
 *   %SHMFRAME_ERROR_NO_DESCRIPTORS
 * Since: 1.0
 */
ShmFrameConsumer *
shmframe_consumer_new (const char *pool, ShmFrameDelivery delivery, GError **error)
{
  g_return_val_if_fail (pool != NULL, NULL);
  return g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, error, "pool", pool, "delivery", delivery,
                         NULL);
}

/**
 * shmframe_consumer_new_from_fd:
 * @fd: a descriptor that somebody connected to the socket of a pool; taken, also on error
 * @delivery: which frames are wanted
 * @error: return location for an error
 *
 * A consumer without access to the socket's folder, in a sandbox say. When its producer goes, it is
 * closed: there is nowhere to look for another.
 *
 * Returns: (transfer full): a consumer; %NULL with %SHMFRAME_ERROR_NO_DESCRIPTORS
 * Since: 1.0
 */
ShmFrameConsumer *
shmframe_consumer_new_from_fd (int fd, ShmFrameDelivery delivery, GError **error)
{
  g_return_val_if_fail (fd >= 0, NULL);
  return g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, error, "fd", fd, "delivery", delivery,
                         NULL);
}

static ShmFrameFrame *
next (ShmFrameConsumer *self, gint64 timeout_ns, gboolean copy, ShmFrameEvent **event,
      GError **error)
{
  shmframe_client_start (self->client);
  return shmframe_delivery_next (&self->deliverer, timeout_ns, copy, event, error);
}

/**
 * shmframe_consumer_lease:
 * @self: a consumer
 * @timeout_ns: how long to wait, in ns; negative: for ever; 0: not at all
 * @event: (out) (optional) (nullable) (transfer full): an event, when one comes before the next frame;
 *   without this, events are passed over
 * @error: return location for an error
 *
 * The next frame, pinned where it lies: nothing is copied, and the slot is not written again until the
 * frame's last reference goes. One thread at a time.
 *
 * Returns: (transfer full) (nullable): a frame; %NULL with @event set; or %NULL with
 *   %SHMFRAME_ERROR_TIMED_OUT, %SHMFRAME_ERROR_FLUSHING, %SHMFRAME_ERROR_QUOTA (all granted leases
 *   are held), %SHMFRAME_ERROR_REFUSED or %SHMFRAME_ERROR_PERMISSION (it tries again by itself),
 *   %SHMFRAME_ERROR_PROTOCOL or %SHMFRAME_ERROR_CLOSED
 * Since: 1.0
 */
ShmFrameFrame *
shmframe_consumer_lease (ShmFrameConsumer *self, gint64 timeout_ns, ShmFrameEvent **event,
                         GError **error)
{
  g_return_val_if_fail (SHMFRAME_IS_CONSUMER (self), NULL);
  return next (self, timeout_ns, FALSE, event, error);
}

/**
 * shmframe_consumer_copy:
 * @self: a consumer
 * @timeout_ns: how long to wait, in ns; negative: for ever; 0: not at all
 * @event: (out) (optional) (nullable) (transfer full): an event, when one comes before the next frame
 * @error: return location for an error
 *
 * Like shmframe_consumer_lease(), but copies the frame out through the reserved lease. It holds no slot
 * afterwards, and works with the quota used up. The bytes are counted.
 *
 * Returns: (transfer full) (nullable): a frame, as shmframe_consumer_lease()
 * Since: 1.0
 */
ShmFrameFrame *
shmframe_consumer_copy (ShmFrameConsumer *self, gint64 timeout_ns, ShmFrameEvent **event,
                        GError **error)
{
  g_return_val_if_fail (SHMFRAME_IS_CONSUMER (self), NULL);
  return next (self, timeout_ns, TRUE, event, error);
}

/**
 * shmframe_consumer_release:
 * @self: a consumer
 * @frame: (transfer full): a frame that it leased
 *
 * Drops the reference and says whether all that was read until now belonged to the frame.
 *
 * Returns: the verdict
 * Since: 1.0
 */
ShmFrameVerdict
shmframe_consumer_release (ShmFrameConsumer *self, ShmFrameFrame *frame)
{
  ShmFrameVerdict verdict;

  g_return_val_if_fail (SHMFRAME_IS_CONSUMER (self) && frame != NULL, SHMFRAME_VERDICT_REVOKED);
  verdict = shmframe_frame_get_verdict (frame);
  shmframe_frame_unref (frame);
  return verdict;
}

/**
 * shmframe_consumer_start:
 * @self: a consumer
 *
 * Begins to look for the producer. The first lease does it too; this is for those that want to be
 * attached before.
 *
 * Since: 1.0
 */
void
shmframe_consumer_start (ShmFrameConsumer *self)
{
  g_return_if_fail (SHMFRAME_IS_CONSUMER (self));
  shmframe_client_start (self->client);
}

/**
 * shmframe_consumer_request_leases:
 * @self: a consumer
 * @leases: how many it would like to hold at once, 1 to 255
 *
 * Asks the producer for more leases. It grants what the pool rule allows; `granted-leases` says how
 * many, by and by.
 *
 * Since: 1.0
 */
void
shmframe_consumer_request_leases (ShmFrameConsumer *self, guint leases)
{
  g_return_if_fail (SHMFRAME_IS_CONSUMER (self));
  shmframe_client_request_leases (self->client, CLAMP (leases, 1, SHMFRAME_LEASES_MAX));
}

/**
 * shmframe_consumer_set_flushing:
 * @self: a consumer
 * @flushing: whether waits are cut short
 *
 * With %TRUE every wait, under way or to come, ends at once with %SHMFRAME_ERROR_FLUSHING, until it is
 * called with %FALSE. Any thread.
 *
 * Since: 1.0
 */
void
shmframe_consumer_set_flushing (ShmFrameConsumer *self, gboolean flushing)
{
  g_return_if_fail (SHMFRAME_IS_CONSUMER (self));
  g_mutex_lock (&self->client->lock);
  self->client->flushing = flushing;
  self->client->flushes += flushing ? 1 : 0;
  g_mutex_unlock (&self->client->lock);
  shmframe_client_wake (self->client);
}

/* With the lock held. The most frames that the pool keeps for a consumer of this delivery. */
static guint
pool_frames (const ShmFrameAttachment *attachment)
{
  if (attachment->delivery == SHMFRAME_DELIVERY_LATEST)
    return MAX (attachment->history, 1);
  return MAX (attachment->history, attachment->window);
}

/* With the lock held. */
static void
report_attachment (const ShmFrameAttachment *attachment, GVariantDict *dict)
{
  guint64 latest
      = shmframe_handle_sequence (shmframe_slot_latest (&attachment->segment->view));

  g_variant_dict_insert (dict, "epoch", "t", attachment->epoch);
  g_variant_dict_insert (dict, "leases", "u", attachment->leases);
  g_variant_dict_insert (dict, "held", "u", attachment->held);
  g_variant_dict_insert (dict, "latest", "t", latest);
  g_variant_dict_insert (dict, "lag", "t",
                         latest - MIN (latest, attachment->next > 0 ? attachment->next - 1 : 0));
  g_variant_dict_insert (dict, "producer-pid", "u", (guint) attachment->producer.pid);
  g_variant_dict_insert (dict, "producer-uid", "u", (guint) attachment->producer.uid);
  g_variant_dict_insert (dict, "producer-program", "s", attachment->program);
  g_variant_dict_insert (dict, "history", "u", attachment->history);
  g_variant_dict_insert (dict, "window", "u", attachment->window);
  g_variant_dict_insert (dict, "pool-frames", "u", pool_frames (attachment));
}

/* With the lock held. */
static void
report_counters (const ShmFrameClient *client, GVariantDict *dict)
{
  const ShmFrameConsumerCounters *counters = &client->counters;

  g_variant_dict_insert (dict, "frames", "t", counters->frames);
  g_variant_dict_insert (dict, "drops", "t", counters->drops);
  g_variant_dict_insert (dict, "skipped", "t", counters->skipped);
  g_variant_dict_insert (dict, "revoked", "t", counters->revoked);
  g_variant_dict_insert (dict, "refused", "t", counters->refused);
  g_variant_dict_insert (dict, "copies", "t", counters->copies);
  g_variant_dict_insert (dict, "copied-bytes", "t", counters->copied_bytes);
  g_variant_dict_insert (dict, "attaches", "t", counters->attaches);
  g_variant_dict_insert (dict, "losses", "t", counters->losses);
  g_variant_dict_insert (dict, "evictions", "t", counters->evictions);
  g_variant_dict_insert (dict, "held-max", "u", counters->held_max);
  g_variant_dict_insert (dict, "longest-hold-ns", "t", counters->longest_hold_ns);
  g_variant_dict_insert (dict, "latency-p50-ns", "t",
                         shmframe_histogram_quantile (&client->latency, 0.5));
  g_variant_dict_insert (dict, "latency-p99-ns", "t",
                         shmframe_histogram_quantile (&client->latency, 0.99));
  g_variant_dict_insert (dict, "latency-max-ns", "t", client->latency.max);
}

/**
 * shmframe_consumer_get_stats:
 * @self: a consumer
 *
 * Returns: (transfer full): an `a{sv}`; shmframe/consumer.h lists its keys
 * Since: 1.0
 */
GVariant *
shmframe_consumer_get_stats (ShmFrameConsumer *self)
{
  ShmFrameClient *client;
  GVariantDict dict;

  g_return_val_if_fail (SHMFRAME_IS_CONSUMER (self), NULL);
  client = self->client;
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "pool", "s", client->name);
  g_variant_dict_insert (&dict, "wait", "s", shmframe_report_wait (client->wait));
  g_mutex_lock (&client->lock);
  g_variant_dict_insert (&dict, "delivery", "s", shmframe_report_delivery (client->delivery));
  g_variant_dict_insert (&dict, "attached", "b", client->attachment != NULL);
  if (client->attachment)
    report_attachment (client->attachment, &dict);
  report_counters (client, &dict);
  g_mutex_unlock (&client->lock);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/**
 * shmframe_consumer_close:
 * @self: a consumer
 *
 * Detaches. Leases that are still held stay good; nothing new can be leased. Dropping the last
 * reference does it too.
 *
 * Since: 1.0
 */
void
shmframe_consumer_close (ShmFrameConsumer *self)
{
  g_return_if_fail (SHMFRAME_IS_CONSUMER (self));
  shmframe_client_close (self->client);
}
