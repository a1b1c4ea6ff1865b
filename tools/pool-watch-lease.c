/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A watch that is a normal consumer. */
#include "pool-watch-private.h"

#define LEASES 3

void
pool_watch_make_consumer (PoolWatch *self)
{
  g_autoptr (GError) error = NULL;

  self->consumer = g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, &error, "pool", self->pool,
                                   "delivery", SHMFRAME_DELIVERY_LATEST, "leases", LEASES, NULL);
  if (error != NULL)
    self->unleased = g_strdup (error->message); /* the observer finds the same */
}

static gboolean
is_one_of (const GError *error, const ShmFrameError *codes, guint n)
{
  for (guint i = 0; i < n; i++)
    if (g_error_matches (error, SHMFRAME_ERROR, (gint) codes[i]))
      return TRUE;
  return FALSE;
}

/* The consumer has got nothing. */
static void
handle_lease_error (PoolWatch *self, const GError *error, gint64 before_ns)
{
  static const ShmFrameError reasons[]
      = { SHMFRAME_ERROR_REFUSED, SHMFRAME_ERROR_PERMISSION, SHMFRAME_ERROR_PROTOCOL };

  if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT))
    {
      if (self->observer != NULL)
        detector_tick (self->detector, before_ns);
      return;
    }
  if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING))
    {
      shmframe_consumer_set_flushing (self->consumer, FALSE);
      return;
    }
  if (is_one_of (error, reasons, G_N_ELEMENTS (reasons)))
    pool_watch_set_unleased (self, error->message);
  pool_watch_sleep_until (self, now_ns () + LEASE_WAIT_NS);
}

void
pool_watch_take_leased (PoolWatch *self, gint64 timeout_ns)
{
  gint64 before_ns = now_ns ();
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameEvent) event = NULL;
  g_autoptr (ShmFrameFrame) frame
      = shmframe_consumer_lease (self->consumer, timeout_ns, &event, &error);

  /* Whoever was given frames may hold them. */
  if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_QUOTA))
    {
      g_clear_error (&error);
      frame = shmframe_consumer_copy (self->consumer, timeout_ns, &event, &error);
    }
  if (error != NULL)
    {
      handle_lease_error (self, error, before_ns);
      return;
    }
  if (frame != NULL)
    {
      if (self->options.pixels)
        pool_watch_check_again (self);
      pool_watch_take (self, frame);
    }
  else if (shmframe_event_get_event_type (event) != SHMFRAME_EVENT_ATTACHED)
    return;
  pool_watch_set_unleased (self, NULL);
}
