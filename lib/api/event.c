/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/event-private.h"

struct _ShmFrameEvent
{
  gatomicrefcount ref_count;
  ShmFrameEventType type;
  guint64 sequence;
  char *name;
  GVariant *value;
  ShmFrameFormat *format;
  guint64 count;
};

G_DEFINE_BOXED_TYPE (ShmFrameEvent, shmframe_event, shmframe_event_ref, shmframe_event_unref)

ShmFrameEvent *
shmframe_event_new (ShmFrameEventType type, guint64 sequence, const char *name, GVariant *value,
                    ShmFrameFormat *format, guint64 count)
{
  ShmFrameEvent *self = g_new0 (ShmFrameEvent, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->type = type;
  self->sequence = sequence;
  self->name = g_strdup (name);
  self->value = value != NULL ? g_variant_ref_sink (value) : NULL;
  self->format = format != NULL ? shmframe_format_ref (format) : NULL;
  self->count = count;
  return self;
}

/**
 * shmframe_event_ref:
 * @self: an event
 *
 * Takes a reference. Any thread.
 *
 * Returns: (transfer full): @self
 *
 * Since: 1.0
 */
ShmFrameEvent *
shmframe_event_ref (ShmFrameEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * shmframe_event_unref:
 * @self: (transfer full): an event
 *
 * Drops a reference. Any thread.
 *
 * Since: 1.0
 */
void
shmframe_event_unref (ShmFrameEvent *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_clear_pointer (&self->format, shmframe_format_unref);
  g_clear_pointer (&self->value, g_variant_unref);
  g_free (self->name);
  g_free (self);
}

/**
 * shmframe_event_get_event_type:
 * @self: an event
 *
 * Says what happened.
 *
 * Returns: the type
 *
 * Since: 1.0
 */
ShmFrameEventType
shmframe_event_get_event_type (const ShmFrameEvent *self)
{
  g_return_val_if_fail (self != NULL, SHMFRAME_EVENT_NAMED);

  return self->type;
}

/**
 * shmframe_event_get_sequence:
 * @self: an event
 *
 * Says where in the stream it happened: all frames before this sequence precede the event.
 *
 * Returns: the sequence of the frame that the event precedes
 *
 * Since: 1.0
 */
guint64
shmframe_event_get_sequence (const ShmFrameEvent *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->sequence;
}

/**
 * shmframe_event_get_name:
 * @self: an event
 *
 * Gets the name under which a producer pushed it, or "attached" for %SHMFRAME_EVENT_ATTACHED.
 *
 * Returns: (nullable) (transfer none): the name, owned by the event
 *
 * Since: 1.0
 */
const char *
shmframe_event_get_name (const ShmFrameEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->name;
}

/**
 * shmframe_event_get_value:
 * @self: an event
 *
 * Gets the value: of %SHMFRAME_EVENT_NAMED what the producer pushed; of %SHMFRAME_EVENT_ATTACHED an
 * a{sv} about the producer (program s, pid u, epoch t); of %SHMFRAME_EVENT_EVICTED and
 * %SHMFRAME_EVENT_LOST a string that says why. A producer's value is whatever it chose: check its
 * type before use.
 *
 * Returns: (nullable) (transfer none): the value, owned by the event
 *
 * Since: 1.0
 */
GVariant *
shmframe_event_get_value (const ShmFrameEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->value;
}

/**
 * shmframe_event_get_format:
 * @self: an event
 *
 * Gets the new format of %SHMFRAME_EVENT_FORMAT.
 *
 * Returns: (nullable) (transfer none): the format, owned by the event; %NULL for other types
 *
 * Since: 1.0
 */
ShmFrameFormat *
shmframe_event_get_format (const ShmFrameEvent *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->format;
}

/**
 * shmframe_event_get_count:
 * @self: an event
 *
 * Gets how many events %SHMFRAME_EVENT_EVENTS_LOST stands for.
 *
 * Returns: the count; 0 for other types
 *
 * Since: 1.0
 */
guint64
shmframe_event_get_count (const ShmFrameEvent *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->count;
}
