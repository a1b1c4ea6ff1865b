/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <shmframe/consumer.h>

#include "api/consumer-private.h"

typedef struct
{
  GSource source;
  ShmFrameConsumer *consumer;
} ConsumerSource;

/* Drains, arms, re-checks; the poll that follows sees what comes after. */
static gboolean
prepare (GSource *source, gint *timeout)
{
  ConsumerSource *self = (ConsumerSource *) source;

  *timeout = -1;
  return shmframe_consumer_prepare_poll (self->consumer);
}

static gboolean
check (GSource *source)
{
  ConsumerSource *self = (ConsumerSource *) source;

  return shmframe_consumer_prepare_poll (self->consumer);
}

static gboolean
dispatch (GSource *source, GSourceFunc callback, gpointer data)
{
  ConsumerSource *self = (ConsumerSource *) source;

  if (callback == NULL)
    return G_SOURCE_REMOVE;
  return ((ShmFrameConsumerSourceFunc) (gpointer) callback) (self->consumer, data);
}

static void
finalize (GSource *source)
{
  g_object_unref (((ConsumerSource *) source)->consumer);
}

static GSourceFuncs source_funcs
    = { .prepare = prepare, .check = check, .dispatch = dispatch, .finalize = finalize };

/**
 * shmframe_consumer_create_source: (skip)
 * @self: a consumer
 *
 * A source that is ready whenever shmframe_consumer_lease() with timeout 0 would return a frame, an
 * event or an error other than %SHMFRAME_ERROR_QUOTA. Its callback is a #ShmFrameConsumerSourceFunc;
 * it holds a reference on the consumer. Create it before the first lease, so that the producer knows
 * that this consumer polls.
 *
 * Returns: (transfer full): a source, to be attached to a main context
 * Since: 1.0
 */
GSource *
shmframe_consumer_create_source (ShmFrameConsumer *self)
{
  GSource *source;
  int fd;

  g_return_val_if_fail (SHMFRAME_IS_CONSUMER (self), NULL);
  fd = shmframe_consumer_get_fd (self);
  source = g_source_new (&source_funcs, sizeof (ConsumerSource));
  ((ConsumerSource *) source)->consumer = g_object_ref (self);
  g_source_set_static_name (source, "shmframe-consumer");
  g_source_add_unix_fd (source, fd, G_IO_IN);
  return source;
}

/**
 * shmframe_consumer_get_fd:
 * @self: a consumer
 *
 * A descriptor for foreign main loops: it polls readable when something came. Call
 * shmframe_consumer_prepare_poll() before each poll. Ask for it before the first lease, so that the
 * producer knows that this consumer polls.
 *
 * Returns: a descriptor, owned by the consumer; only to be polled
 * Since: 1.0
 */
int
shmframe_consumer_get_fd (ShmFrameConsumer *self)
{
  g_return_val_if_fail (SHMFRAME_IS_CONSUMER (self), -1);
  shmframe_consumer_use_poll (self);
  return shmframe_consumer_get_deliverer (self)->client->epoll_fd;
}

/**
 * shmframe_consumer_prepare_poll:
 * @self: a consumer that polls
 *
 * Gets ready to poll shmframe_consumer_get_fd(): drains it and asks the producer for a wake-up. On the
 * thread that leases.
 *
 * Returns: %TRUE when something is there already: do not sleep, lease
 * Since: 1.0
 */
gboolean
shmframe_consumer_prepare_poll (ShmFrameConsumer *self)
{
  g_return_val_if_fail (SHMFRAME_IS_CONSUMER (self), FALSE);
  return shmframe_delivery_prepare_poll (shmframe_consumer_get_deliverer (self));
}
