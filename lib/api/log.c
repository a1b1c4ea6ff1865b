/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include <shmframe/error.h>
#include <shmframe/event.h>

#include "api/log.h"
#include "control/message.h"

static void
entry_clear (ShmFrameLogEntry *entry)
{
  g_free (entry->name);
  g_clear_pointer (&entry->value, g_variant_unref);
}

void
shmframe_log_entry_unref (ShmFrameLogEntry *entry)
{
  if (entry)
    g_atomic_rc_box_release_full (entry, (GDestroyNotify) entry_clear);
}

void
shmframe_log_init (ShmFrameLog *self)
{
  self->number = 0;
  self->bytes = 0;
  self->eos = NULL;
  g_queue_init (&self->recent);
  self->sticky = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                        (GDestroyNotify) shmframe_log_entry_unref);
}

void
shmframe_log_finish (ShmFrameLog *self)
{
  g_queue_clear_full (&self->recent, (GDestroyNotify) shmframe_log_entry_unref);
  g_clear_pointer (&self->sticky, g_hash_table_unref);
  g_clear_pointer (&self->eos, shmframe_log_entry_unref);
}

gboolean
shmframe_log_check_value (GVariant *value, GError **error)
{
  ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_EVENT, .name = (char *) "", .value = value };
  g_autoptr (GBytes) bytes = NULL;

  if (value && g_variant_get_size (value) > SHMFRAME_EVENT_MAX_SIZE)
    return TRUE; /* for shmframe_log_push() to say */
  bytes = shmframe_message_encode (&message, 0, error);
  return bytes != NULL;
}

static gboolean
check (ShmFrameLog *self, const char *name, GVariant *value, gboolean sticky, GError **error)
{
  gsize length = strlen (name);

  if (length == 0 || length > SHMFRAME_EVENT_MAX_NAME || !g_utf8_validate (name, -1, NULL))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
                   "event: a name of %" G_GSIZE_FORMAT " bytes: use 1 to %d bytes of UTF-8", length,
                   SHMFRAME_EVENT_MAX_NAME);
      return FALSE;
    }
  if (value && g_variant_get_size (value) > SHMFRAME_EVENT_MAX_SIZE)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG,
                   "event %s: value of %" G_GSIZE_FORMAT " bytes: send at most %d", name,
                   g_variant_get_size (value), SHMFRAME_EVENT_MAX_SIZE);
      return FALSE;
    }
  if (sticky && !g_hash_table_contains (self->sticky, name)
      && g_hash_table_size (self->sticky) >= SHMFRAME_EVENT_MAX_STICKY)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG,
                   "event %s: the pool has %d sticky names already: reuse one of them", name,
                   SHMFRAME_EVENT_MAX_STICKY);
      return FALSE;
    }
  return TRUE;
}

static gsize
entry_bytes (const ShmFrameLogEntry *entry)
{
  return entry->value ? g_variant_get_size (entry->value) : 0;
}

static void
trim (ShmFrameLog *self)
{
  while (self->recent.length > SHMFRAME_LOG_RECENT || self->bytes > SHMFRAME_LOG_BYTES)
    {
      ShmFrameLogEntry *entry = g_queue_pop_head (&self->recent);

      self->bytes -= entry_bytes (entry);
      shmframe_log_entry_unref (entry);
    }
}

gboolean
shmframe_log_push (ShmFrameLog *self, const char *name, GVariant *value, gboolean sticky,
                   guint64 sequence, GError **error)
{
  g_autoptr (GVariant) owned = value ? g_variant_ref_sink (value) : NULL;
  ShmFrameLogEntry *entry;

  if (!check (self, name, owned, sticky, error))
    return FALSE;
  if (owned)
    g_variant_get_data (owned); /* flat, as its size is counted: a tree of values is many times that */
  entry = g_atomic_rc_box_new0 (ShmFrameLogEntry);
  entry->number = ++self->number;
  entry->sequence = sequence;
  entry->name = g_strdup (name);
  entry->value = g_steal_pointer (&owned);
  entry->sticky = sticky;
  g_queue_push_tail (&self->recent, entry);
  self->bytes += entry_bytes (entry);
  if (sticky)
    g_hash_table_replace (self->sticky, entry->name, g_atomic_rc_box_acquire (entry));
  if (g_str_equal (name, SHMFRAME_LOG_EOS))
    {
      shmframe_log_resume (self);
      self->eos = g_atomic_rc_box_acquire (entry);
    }
  trim (self);
  return TRUE;
}

void
shmframe_log_resume (ShmFrameLog *self)
{
  g_clear_pointer (&self->eos, shmframe_log_entry_unref);
}

ShmFrameLogEntry *
shmframe_log_get (ShmFrameLog *self, guint64 sent)
{
  guint64 back = self->number - sent; /* 1: the newest */

  if (back == 0 || back > self->recent.length)
    return NULL;
  return g_atomic_rc_box_acquire (
      g_queue_peek_nth (&self->recent, self->recent.length - (guint) back));
}

static gint
by_number (gconstpointer a, gconstpointer b)
{
  const ShmFrameLogEntry *left = *(ShmFrameLogEntry *const *) a;
  const ShmFrameLogEntry *right = *(ShmFrameLogEntry *const *) b;

  return (left->number > right->number) - (left->number < right->number);
}

GPtrArray *
shmframe_log_get_sticky (ShmFrameLog *self, guint64 sent, gboolean attaching)
{
  GPtrArray *entries = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_log_entry_unref);
  GHashTableIter iter;
  ShmFrameLogEntry *entry;

  g_hash_table_iter_init (&iter, self->sticky);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    if (entry->number > sent)
      g_ptr_array_add (entries, g_atomic_rc_box_acquire (entry));
  if (self->eos && !attaching && self->eos->number > sent)
    g_ptr_array_add (entries, g_atomic_rc_box_acquire (self->eos));
  g_ptr_array_sort (entries, by_number);
  return entries;
}
