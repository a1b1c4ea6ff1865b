/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <unistd.h>

#include <shmframe/error.h>

#include "api/pool.h"
#include "control/connection.h"
#include "os/wake.h"

/* ---- readers ---- */

ShmFrameReader *
shmframe_reader_ref (ShmFrameReader *self)
{
  return g_atomic_rc_box_acquire (self);
}

static void
reader_clear (ShmFrameReader *self)
{
  shmframe_memory_unref (self->page);
  if (self->doorbell >= 0)
    close (self->doorbell);
  g_free (self->program);
  g_free (self->evicted_because);
}

void
shmframe_reader_unref (ShmFrameReader *self)
{
  if (self)
    g_atomic_rc_box_release_full (self, (GDestroyNotify) reader_clear);
}

/* ---- lifetime ---- */

static guint64
random_word (void)
{
  return ((guint64) g_random_int () << 32 | g_random_int ()) | 1;
}

ShmFramePool *
shmframe_pool_new (const char *name, const ShmFramePoolRule *rule, guint metadata_size)
{
  ShmFramePool *self = g_new0 (ShmFramePool, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->name = g_strdup (name);
  self->epoch = random_word ();
  self->rule = *rule;
  self->metadata_size = metadata_size;
  self->recent = g_new0 (guint64, MAX (rule->window, 1));
  self->consumers = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_reader_unref);
  g_mutex_init (&self->growing);
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  shmframe_log_init (&self->log);
  self->ringer = shmframe_ringer_new ();
  return self;
}

ShmFramePool *
shmframe_pool_ref (ShmFramePool *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
shmframe_pool_unref (ShmFramePool *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;
  shmframe_ringer_free (self->ringer);
  g_ptr_array_unref (self->consumers);
  shmframe_slots_free (self->slots);
  shmframe_log_finish (&self->log);
  g_clear_pointer (&self->format, shmframe_format_unref);
  g_mutex_clear (&self->growing);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self->recent);
  g_free (self->name);
  g_free (self);
}

/* With the lock held: every wait looks at what has changed. */
static void
end_waits (ShmFramePool *self)
{
  g_cond_broadcast (&self->changed);
  for (guint i = 0; self->n_waiting > 0 && i < self->consumers->len; i++)
    shmframe_wake_consumed (((ShmFrameReader *) g_ptr_array_index (self->consumers, i))->control);
}

void
shmframe_pool_close (ShmFramePool *self)
{
  g_mutex_lock (&self->lock);
  self->closed = TRUE;
  self->notify = NULL;
  end_waits (self);
  g_mutex_unlock (&self->lock);
}

void
shmframe_pool_set_flushing (ShmFramePool *self, gboolean flushing)
{
  g_mutex_lock (&self->lock);
  self->flushing = flushing;
  self->flushes += flushing ? 1 : 0;
  end_waits (self);
  g_mutex_unlock (&self->lock);
}

gboolean
shmframe_pool_ends_wait (ShmFramePool *self, guint flushes, GError **error)
{
  if (!self->closed && !self->flushing && self->flushes == flushes)
    return FALSE;
  g_set_error (error, SHMFRAME_ERROR,
               self->closed ? SHMFRAME_ERROR_CLOSED : SHMFRAME_ERROR_FLUSHING,
               "pool %s: the wait was cut short: the producer is %s", self->name,
               self->closed ? "closed" : "flushing");
  return TRUE;
}

/* With the lock held. */
static void
notify (ShmFramePool *self)
{
  if (self->notify)
    self->notify (self->notify_data);
}

/* ---- committing ---- */

guint
shmframe_pool_need (const ShmFramePool *self, guint held)
{
  ShmFramePoolRule rule = self->rule;

  rule.in_flight = held;
  return MIN (shmframe_admission_base (&rule) + self->promised, rule.slots);
}

gboolean
shmframe_pool_grow (ShmFramePool *self, ShmFrameSlots *slots, guint target, GError **error)
{
  while (slots->n_committed < target)
    {
      guint32 slot = shmframe_slots_begin_commit (slots);
      gboolean committed;

      if (slot == SHMFRAME_SLOT_NONE)
        break;
      g_mutex_unlock (&self->lock);
      committed = shmframe_segment_commit_slot (slots->segment, slot, error);
      g_mutex_lock (&self->lock);
      shmframe_slots_end_commit (slots, slot, committed);
      if (!committed)
        return FALSE;
    }
  return TRUE;
}

/* With the lock held. */
static gboolean
wants_ahead (const ShmFramePool *self)
{
  guint need, room;

  if (self->slots == NULL || self->closed || self->consumers->len >= self->max_consumers)
    return FALSE;
  need = shmframe_pool_need (self, MAX (self->slots->n_held, 1));
  room = SHMFRAME_AHEAD_MAX / self->slots->segment->layout.slot_stride;
  return self->slots->n_committed
         < MIN (need + MIN (self->consumer_leases + 1, room), self->rule.slots);
}

gboolean
shmframe_pool_wants_ahead (ShmFramePool *self)
{
  gboolean wants;

  g_mutex_lock (&self->lock);
  wants = wants_ahead (self);
  g_mutex_unlock (&self->lock);
  return wants;
}

gboolean
shmframe_pool_grow_ahead (ShmFramePool *self)
{
  gboolean grown = FALSE;

  g_mutex_lock (&self->growing);
  g_mutex_lock (&self->lock);
  if (wants_ahead (self))
    {
      guint committed = self->slots->n_committed;

      grown = shmframe_pool_grow (self, self->slots, committed + 1, NULL)
              && self->slots->n_committed > committed;
    }
  g_mutex_unlock (&self->lock);
  g_mutex_unlock (&self->growing);
  return grown;
}

/* ---- format ---- */

/* With the lock held. */
static void
announce_format (ShmFramePool *self, ShmFrameFormat *format)
{
  g_autoptr (GVariant) fields = shmframe_format_to_variant (format);
  GVariantDict dict;

  g_clear_pointer (&self->format, shmframe_format_unref);
  self->format = shmframe_format_ref (format);
  self->format_number++;
  g_variant_dict_init (&dict, fields);
  g_variant_dict_insert (&dict, "number", "u", self->format_number);
  /* The format's own limits keep this well below an event's. */
  shmframe_log_push (&self->log, SHMFRAME_LOG_FORMAT, g_variant_dict_end (&dict), TRUE,
                     self->sequence + 1, NULL);
  notify (self);
}

/* A consumer that has not read from the current segment when the next is due. */
static ShmFrameReader *
find_behind (ShmFramePool *self, gboolean lossless)
{
  for (guint i = 0; i < self->consumers->len; i++)
    {
      ShmFrameReader *reader = g_ptr_array_index (self->consumers, i);

      if (reader->segment_seen < self->slots->segment->layout.segment
          && (reader->delivery == SHMFRAME_DELIVERY_LOSSLESS) == lossless)
        return reader;
    }
  return NULL;
}

/* Before the segment is replaced: one that a consumer has yet to enter is the most that may be in
 * flight to it. Lossless consumers are waited for here, as in publish; with the lock held, which the
 * wait releases, and without `growing`, so that the control thread goes on. */
static gboolean
settle_segments (ShmFramePool *self, GError **error)
{
  gint64 begin = g_get_monotonic_time ();
  guint flushes = self->flushes;
  gboolean waited = FALSE, cut = FALSE;
  ShmFrameReader *reader;

  while (self->slots && (reader = find_behind (self, TRUE)) != NULL
         && !(cut = shmframe_pool_ends_wait (self, flushes, error)))
    {
      gint64 end = begin + self->stall_timeout_ns / 1000;

      if (self->live || g_get_monotonic_time () >= end)
        {
          shmframe_pool_evict (self, reader, "two changes of format behind");
          continue;
        }
      self->n_waits += !waited;
      waited = TRUE;
      self->n_settling++;
      g_cond_wait_until (&self->changed, &self->lock, end); /* then look again: it may be gone */
      self->n_settling--;
    }
  if (waited)
    self->wait_ns += (guint64) (g_get_monotonic_time () - begin) * 1000;
  return !cut;
}

static void
evict_behind (ShmFramePool *self)
{
  for (int lossless = 0; lossless <= 1; lossless++)
    {
      ShmFrameReader *reader;

      while ((reader = find_behind (self, lossless)) != NULL)
        shmframe_pool_evict (self, reader, "two changes of format behind");
    }
}

static ShmFrameSlots *
make_slots (ShmFramePool *self, ShmFrameFormat *format, GError **error)
{
  guint32 number = self->slots ? self->slots->segment->layout.segment + 1 : 1;
  g_autofree char *label = g_strdup_printf ("shmframe-%s", self->name);
  g_autoptr (ShmFrameSegment) segment = NULL;
  ShmFrameLayout layout;

  if (!shmframe_layout_init (&layout, self->epoch, number, self->rule.slots,
                             shmframe_format_get_size (format), self->metadata_size))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT,
                   "pool %s: %u slots of %" G_GSIZE_FORMAT " bytes: a slot holds at most "
                   "%" G_GUINT64_FORMAT " bytes, a pool at most %u slots and %" G_GUINT64_FORMAT
                   " bytes",
                   self->name, self->rule.slots, shmframe_format_get_size (format),
                   SHMFRAME_PAYLOAD_MAX, SHMFRAME_SLOTS_MAX, SHMFRAME_SEGMENT_MAX);
      return NULL;
    }
  segment = shmframe_segment_new (label, &layout, error);
  if (segment == NULL)
    return NULL;
  SHMFRAME_STOP (SEGMENT_CREATED);
  return shmframe_slots_new (segment);
}

/* With `growing` and the lock held. The new slots are committed before anything changes. */
static gboolean
replace_segment (ShmFramePool *self, ShmFrameFormat *format, GError **error)
{
  ShmFrameSlots *old = self->slots;
  ShmFrameSlots *slots = make_slots (self, format, error);

  if (slots == NULL)
    return FALSE;
  if (!shmframe_pool_grow (self, slots, shmframe_pool_need (self, 1), error))
    {
      shmframe_slots_free (slots);
      return FALSE;
    }
  if (old)
    evict_behind (self);
  self->slots = slots;
  self->segment_first = self->sequence + 1;
  announce_format (self, format);
  if (old)
    {
      shmframe_slot_end (&old->segment->view, self->segment_first);
      shmframe_pool_ring (self);
      shmframe_slots_free (old);
    }
  return TRUE;
}

/* With the lock held. */
static gboolean
fits (const ShmFramePool *self, const ShmFrameFormat *format)
{
  return self->slots
         && shmframe_format_get_size (format) <= self->slots->segment->layout.payload_size;
}

gboolean
shmframe_pool_set_format (ShmFramePool *self, ShmFrameFormat *format, GError **error)
{
  gboolean ok = TRUE;

  g_mutex_lock (&self->lock);
  if (self->closed)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED, "pool %s: closed", self->name);
      ok = FALSE;
    }
  else if (!fits (self, format))
    ok = settle_segments (self, error);
  g_mutex_unlock (&self->lock);
  if (!ok)
    return FALSE;

  g_mutex_lock (&self->growing);
  g_mutex_lock (&self->lock);
  if (!fits (self, format))
    ok = replace_segment (self, format, error);
  else if (!shmframe_format_equal (self->format, format))
    announce_format (self, format);
  g_mutex_unlock (&self->lock);
  g_mutex_unlock (&self->growing);
  return ok;
}

gboolean
shmframe_pool_push_event (ShmFramePool *self, const char *name, GVariant *value, gboolean sticky,
                          GError **error)
{
  g_autoptr (GVariant) owned = value ? g_variant_ref_sink (value) : NULL;
  g_autoptr (GVariant) normal = owned ? g_variant_get_normal_form (owned) : NULL;
  gboolean ok;

  if (!shmframe_log_check_value (normal, error))
    return FALSE;
  g_mutex_lock (&self->lock);
  ok = shmframe_log_push (&self->log, name, normal, sticky, self->sequence + 1, error);
  if (ok)
    notify (self);
  g_mutex_unlock (&self->lock);
  return ok;
}

/* ---- admission ---- */

static gboolean
check_request (ShmFramePool *self, const ShmFrameMessage *request, GError **error)
{
  const char *problem = NULL;

  if (self->closed) /* for the consumer as if it were gone already */
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED,
                   "pool %s: is closing: attach to the next producer", self->name);
      return FALSE;
    }
  if (self->consumers->len >= self->max_consumers)
    problem = "has as many consumers as it admits: start the producer with a larger max-consumers";
  else if (request->leases < 1 || request->leases > SHMFRAME_LEASES_MAX)
    problem = "leases: ask for 1 to 255";
  else if (request->delivery == SHMFRAME_DELIVERY_LOSSLESS && !self->lossless)
    problem = "admits no lossless consumers: start the producer with lossless=true, or attach as "
              "ordered";
  else if (request->delivery == SHMFRAME_DELIVERY_LATEST && self->rule.history == 0)
    problem = "keeps no newest frame (history=0): start the producer with history=1, or attach as "
              "ordered";
  else if (request->delivery == SHMFRAME_DELIVERY_LATEST && !shmframe_format_is_raw (self->format)
           && g_strcmp0 (shmframe_format_get_media_type (self->format), "image/jpeg") != 0)
    problem = "carries frames that need the ones before them: attach as ordered";
  if (problem)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_REFUSED, "pool %s: %s", self->name,
                   problem);
      return FALSE;
    }
  return shmframe_admission_check (&self->rule, self->name, self->promised, request->leases + 1,
                                   error);
}

static ShmFrameReader *
make_reader (ShmFramePool *self, const ShmFrameMessage *request, int *doorbell, GError **error)
{
  static gint next_id = 0;
  g_autofree char *label = g_strdup_printf ("shmframe-%s-control", self->name);
  g_autoptr (ShmFrameReader) reader = g_atomic_rc_box_new0 (ShmFrameReader);
  int pair[2];

  reader->id = (guint) g_atomic_int_add (&next_id, 1) + 1;
  reader->doorbell = -1;
  reader->delivery = reader->admitted_as = (ShmFrameDelivery) request->delivery;
  reader->wait = (ShmFrameWait) request->wait;
  reader->leases = request->leases;
  reader->cookie = random_word ();
  *doorbell = -1;
  reader->page = shmframe_memory_new_control (label, SHMFRAME_PAGE_SIZE, error);
  if (reader->page == NULL)
    return NULL;
  reader->control = shmframe_memory_get_data (reader->page);
  if (request->poll)
    {
      if (!shmframe_connection_doorbell (pair, error))
        return NULL;
      reader->doorbell = pair[0];
      *doorbell = pair[1];
    }
  SHMFRAME_STOP (ADMIT_PAGE_MADE);
  return g_steal_pointer (&reader);
}

/* With `growing` and the lock held: commits what `more` promised slots need, before they are promised,
 * so that acquire() goes on meanwhile. */
static gboolean
grow_for (ShmFramePool *self, guint more, GError **error)
{
  guint need = shmframe_pool_need (self, MAX (self->slots->n_held, 1)) + more;

  return shmframe_pool_grow (self, self->slots, MIN (need, self->rule.slots), error);
}

/* With the lock held: from here on its hazards count. */
static void
enter (ShmFramePool *self, ShmFrameReader *reader, ShmFrameMessage *welcome)
{
  const ShmFrameLayout *layout = &self->slots->segment->layout;

  reader->consumed = shmframe_handle_sequence (self->latest);
  reader->segment_seen = layout->segment;
  reader->n_before = self->n_published;
  reader->admitted = TRUE;
  shmframe_slot_init_control (reader->control, reader->cookie, reader->consumed);
  g_ptr_array_add (self->consumers, shmframe_reader_ref (reader));

  *welcome = (ShmFrameMessage){
    .type = SHMFRAME_MESSAGE_WELCOME,
    .layout = *layout,
    .committed = self->slots->n_committed,
    .cookie = reader->cookie,
    .latest = self->latest,
    /* What is lossless begins with what follows; and an ended stream is not for who comes later. */
    .begin_latest = reader->delivery != SHMFRAME_DELIVERY_LOSSLESS && self->log.eos == NULL,
    .leases = reader->leases,
    .history = self->rule.history,
    .window = self->rule.window,
    .in_flight = self->rule.in_flight,
    .number = self->log.number,
  };
  g_cond_broadcast (&self->changed);
}

ShmFrameReader *
shmframe_pool_admit (ShmFramePool *self, const ShmFrameMessage *request, ShmFrameMessage *welcome,
                     ShmFrameSegment **segment, int *doorbell, GPtrArray **sticky, GError **error)
{
  g_autoptr (ShmFrameReader) reader = make_reader (self, request, doorbell, error);
  gboolean ok;

  if (reader == NULL)
    return NULL;
  g_mutex_lock (&self->growing);
  g_mutex_lock (&self->lock);
  ok = check_request (self, request, error);
  if (ok)
    {
      ok = grow_for (self, request->leases + 1, error);
      SHMFRAME_STOP (ADMIT_COMMITTED);
    }
  if (ok)
    {
      self->promised += request->leases + 1;
      enter (self, reader, welcome);
    }
  if (ok)
    {
      *segment = shmframe_segment_ref (self->slots->segment);
      *sticky = shmframe_log_get_sticky (&self->log, 0, TRUE);
    }
  g_mutex_unlock (&self->lock);
  g_mutex_unlock (&self->growing);
  if (!ok)
    {
      if (*doorbell >= 0)
        close (*doorbell);
      return NULL;
    }
  return g_steal_pointer (&reader);
}

void
shmframe_reader_add_latency (const ShmFrameReader *self, guint64 frames, ShmFrameHistogram *sum)
{
  guint64 room = frames + 1; /* it may begin with the newest of then */

  for (guint i = 0; i < SHMFRAME_LATENCY_BUCKETS && room > 0; i++)
    {
      guint64 count = MIN (shmframe_slot_read_latency (self->control, i), room);

      shmframe_histogram_add_bucket (sum, i, count);
      room -= count;
    }
}

/* With the lock held. */
static gboolean
leave (ShmFramePool *self, ShmFrameReader *reader)
{
  if (!reader->admitted)
    return FALSE;
  reader->admitted = FALSE;
  self->promised -= reader->leases + 1;
  shmframe_reader_add_latency (reader, self->n_published - reader->n_before, &self->latency_gone);
  g_ptr_array_remove_fast (self->consumers, reader);
  g_cond_broadcast (&self->changed);
  return TRUE;
}

void
shmframe_pool_remove (ShmFramePool *self, ShmFrameReader *reader)
{
  g_mutex_lock (&self->lock);
  leave (self, reader);
  g_mutex_unlock (&self->lock);
}

void
shmframe_pool_detach (ShmFramePool *self, ShmFrameReader *reader)
{
  g_mutex_lock (&self->lock);
  reader->delivery = SHMFRAME_DELIVERY_LATEST;
  reader->segment_seen = G_MAXUINT32;
  end_waits (self);
  g_mutex_unlock (&self->lock);
}

void
shmframe_pool_evict (ShmFramePool *self, ShmFrameReader *reader, const char *because)
{
  g_autoptr (ShmFrameReader) owned G_GNUC_UNUSED = shmframe_reader_ref (reader);

  if (!leave (self, reader))
    return;
  SHMFRAME_STOP (EVICT_DROPPED);
  reader->evicted_because = g_strdup (because);
  self->n_evictions++;
  notify (self);
}

guint
shmframe_pool_change_leases (ShmFramePool *self, ShmFrameReader *reader, guint leases)
{
  guint granted;

  g_mutex_lock (&self->growing);
  g_mutex_lock (&self->lock);
  leases = CLAMP (leases, 1, SHMFRAME_LEASES_MAX);
  granted = reader->leases;
  if (leases > granted && reader->admitted)
    {
      guint more = leases - granted;
      guint to_come = MIN (self->max_consumers - self->consumers->len, self->spared);
      guint promised = self->promised + to_come * (self->consumer_leases + 1);

      /* What can't be had in full is had as far as it goes. */
      while (more > 0 && !shmframe_admission_check (&self->rule, self->name, promised, more, NULL))
        more--;
      if (grow_for (self, more, NULL) && reader->admitted)
        {
          self->promised += more;
          granted = reader->leases = reader->leases + more;
        }
    }
  g_mutex_unlock (&self->lock);
  g_mutex_unlock (&self->growing);
  return granted;
}

void
shmframe_pool_segment_seen (ShmFramePool *self, ShmFrameReader *reader, guint segment)
{
  g_mutex_lock (&self->lock);
  if (segment > reader->segment_seen && segment <= self->slots->segment->layout.segment)
    reader->segment_seen = segment;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

/* ---- bells ---- */

void
shmframe_pool_ring (ShmFramePool *self)
{
  guint n = 0;

  for (guint i = 0; i < self->consumers->len; i++)
    {
      ShmFrameReader *reader = g_ptr_array_index (self->consumers, i);
      guint32 ticket = shmframe_slot_ticket (reader->control);

      if (ticket == reader->rung)
        continue;
      reader->rung = ticket;
      if (n++ < SHMFRAME_RINGER_INLINE)
        {
          shmframe_wake_ring (reader->control, reader->doorbell);
          continue;
        }
      shmframe_slot_ring (reader->control);
      shmframe_ringer_add (self->ringer, reader);
    }
  self->n_rung += n;
  if (n > SHMFRAME_RINGER_INLINE)
    shmframe_ringer_kick (self->ringer);
}
