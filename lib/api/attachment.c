/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <unistd.h>

#include <shmframe/error.h>

#include "api/attachment.h"
#include "api/client.h"
#include "api/frame-private.h"
#include "os/wake.h"

#define FORMATS_MAX 1024

static gboolean
map (ShmFrameAttachment *self, const ShmFrameMessage *welcome, const int *fds, guint n_fds,
     GError **error)
{
  if (n_fds < 2 || welcome->leases < 1 || welcome->leases > SHMFRAME_LEASES_MAX)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "attach: the producer sent %u descriptors and %u leases: it is at fault", n_fds,
                   welcome->leases);
      return FALSE;
    }
  self->segment = shmframe_segment_map (fds[0], &welcome->layout, error);
  if (self->segment == NULL)
    return FALSE;
  if (n_fds > 2 && !shmframe_connection_is_doorbell (fds[2]))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "attach: the third descriptor is no doorbell: the producer is at fault");
      return FALSE;
    }
  self->page = shmframe_memory_map_control (fds[1], SHMFRAME_PAGE_SIZE, error);
  if (self->page == NULL)
    return FALSE;
  self->control = shmframe_memory_get_data (self->page);
  if (self->control->magic != SHMFRAME_CONTROL_MAGIC
      || self->control->version != SHMFRAME_ABI_VERSION
      || self->control->hazard_count != SHMFRAME_HAZARDS_MAX)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "attach: the control page is not of ABI version %u: use the same shmframe on both "
                   "sides",
                   SHMFRAME_ABI_VERSION);
      return FALSE;
    }
  /* The first frame is not kept waiting for the other slots: prefault.h. */
  shmframe_segment_prefault_header (self->segment);
  if (shmframe_handle_slot (welcome->latest) < welcome->committed)
    shmframe_segment_prefault_slot (self->segment, shmframe_handle_slot (welcome->latest));
  SHMFRAME_STOP (ATTACH_MAPPED);
  return TRUE;
}

ShmFrameAttachment *
shmframe_attachment_new (ShmFrameConnection *connection, const ShmFrameMessage *welcome,
                         const int *fds, guint n_fds, ShmFrameDelivery delivery, GError **error)
{
  g_autoptr (ShmFrameAttachment) self = g_new0 (ShmFrameAttachment, 1);
  guint64 latest = shmframe_handle_sequence (welcome->latest);

  g_atomic_ref_count_init (&self->ref_count);
  g_queue_init (&self->segments);
  self->formats = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) shmframe_format_unref);
  self->doorbell = -1;
  if (!map (self, welcome, fds, n_fds, error))
    return NULL;
  if (n_fds > 2)
    self->doorbell = fds[2];
  self->program = g_strdup (welcome->text ? welcome->text : "?");
  shmframe_connection_get_peer (connection, &self->producer);
  self->epoch = welcome->layout.epoch;
  self->cookie = welcome->cookie;
  self->history = welcome->history;
  self->window = welcome->window;
  self->in_flight = welcome->in_flight;
  self->leases = welcome->leases;
  /* Only the first leases + 1 words are looked at by the producer: they come first off the stack. */
  for (guint i = SHMFRAME_HAZARDS_MAX; i-- > 0;)
    self->free[self->n_free++] = (guint8) i;
  self->delivery = delivery;
  self->first = self->consumed = latest;
  self->next = welcome->begin_latest && latest > 0 ? latest : latest + 1;
  self->need_key = TRUE;
  self->connection = connection;
  return g_steal_pointer (&self);
}

guint64
shmframe_attachment_resume (ShmFrameAttachment *self, guint64 first, guint64 next)
{
  if (next > self->first)
    {
      self->next = self->first + 1; /* it had the newest already */
      return 0;
    }
  if (self->delivery == SHMFRAME_DELIVERY_LOSSLESS)
    return self->first + 1 - next;
  self->next = next;
  self->first = MAX (first, next - 1);
  return 0;
}

ShmFrameAttachment *
shmframe_attachment_ref (ShmFrameAttachment *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
free_spares (ShmFrameAttachment *self)
{
  while (self->spare)
    {
      ShmFrameFrame *frame = self->spare;

      self->spare = frame->next_spare;
      shmframe_frame_free (frame);
    }
}

void
shmframe_attachment_unref (ShmFrameAttachment *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;
  free_spares (self);
  shmframe_connection_free (self->connection);
  shmframe_segment_unref (self->segment);
  g_queue_clear_full (&self->segments, (GDestroyNotify) shmframe_segment_unref);
  shmframe_memory_unref (self->page);
  g_clear_pointer (&self->formats, g_hash_table_unref);
  if (self->doorbell >= 0)
    close (self->doorbell);
  g_clear_pointer (&self->client, shmframe_client_unref);
  g_free (self->program);
  g_free (self);
}

void
shmframe_attachment_add_segment (ShmFrameAttachment *self, ShmFrameSegment *segment)
{
  g_queue_push_tail (&self->segments, segment);
}

void
shmframe_attachment_add_format (ShmFrameAttachment *self, guint number, ShmFrameFormat *format)
{
  /* Frames refer to a few recent formats; a producer that sends millions keeps none of ours. */
  if (g_hash_table_size (self->formats) >= FORMATS_MAX)
    g_hash_table_remove_all (self->formats);
  self->last_number = 0;
  self->last_format = NULL;
  g_hash_table_insert (self->formats, GUINT_TO_POINTER (number), shmframe_format_ref (format));
  self->newest_format = MAX (self->newest_format, number);
}

ShmFrameFormat *
shmframe_attachment_get_format (ShmFrameAttachment *self, guint number)
{
  if (self->last_format == NULL || number != self->last_number)
    {
      self->last_number = number;
      self->last_format = g_hash_table_lookup (self->formats, GUINT_TO_POINTER (number));
    }
  return self->last_format;
}

/* ---- leases ---- */

static gboolean
pick_hazard (ShmFrameAttachment *self, gboolean reserved, guint *hazard)
{
  if (self->held >= self->leases + (reserved ? 1 : 0))
    return FALSE;
  *hazard = self->free[self->n_free - 1];
  return TRUE;
}

static gboolean
try_lease (ShmFrameAttachment *self, guint64 handle, guint hazard, ShmFrameDescriptor *descriptor)
{
  if (handle == SHMFRAME_HANDLE_NONE
      || shmframe_handle_slot (handle) >= self->segment->view.slot_count
      || !shmframe_slot_lease (&self->segment->view, &self->control->hazard[hazard], handle))
    return FALSE;
  self->n_free--; /* pick_hazard() found it on top */
  self->held++;
  shmframe_slot_descriptor (&self->segment->view, shmframe_handle_slot (handle), descriptor);
  return TRUE;
}

ShmFrameVerdict
shmframe_attachment_release (ShmFrameAttachment *self, ShmFrameSegment *segment, guint64 handle,
                             guint hazard)
{
  gboolean intact
      = shmframe_slot_release (&segment->view, &self->control->hazard[hazard], handle);

  self->free[self->n_free++] = (guint8) hazard;
  self->held--;
  return intact ? SHMFRAME_VERDICT_INTACT : SHMFRAME_VERDICT_REVOKED;
}

ShmFrameFrame *
shmframe_attachment_take_frame (ShmFrameAttachment *self, ShmFrameFormat *format)
{
  ShmFrameFrame *frame = self->spare;

  if (frame && frame->format == format)
    {
      self->spare = frame->next_spare;
      g_atomic_ref_count_init (&frame->ref_count);
      return frame;
    }
  free_spares (self); /* of a format that is over */
  return shmframe_frame_new (SHMFRAME_FRAME_LEASED, self->segment, format, SHMFRAME_HANDLE_NONE);
}

gboolean
shmframe_attachment_keep_frame (ShmFrameAttachment *self, ShmFrameFrame *frame)
{
  /* Not one that would keep the memory of an old segment. */
  if (frame->segment != self->segment)
    return FALSE;
  frame->next_spare = self->spare;
  self->spare = frame;
  return TRUE;
}

void
shmframe_attachment_consume (ShmFrameAttachment *self)
{
  if (self->next - 1 <= self->consumed)
    return;
  self->consumed = self->next - 1;
  if (shmframe_slot_consume (&self->segment->view, self->control, self->consumed))
    shmframe_wake_consumed (self->control);
}

/* ---- finding the next frame ---- */

/* Passes over all before `next`: each is a drop (or, for `latest`, skipped), but for what was there
 * before this consumer. */
static void
pass_to (ShmFrameAttachment *self, guint64 next, ShmFrameFound *found)
{
  guint64 from = MAX (self->next, self->first + 1);

  if (next > from)
    {
      found->passed += next - from;
      self->need_key = TRUE;
    }
  self->next = MAX (self->next, next);
}

/* A compressed frame that cannot be decoded, since the ones before it are missing. */
static gboolean
is_useless (ShmFrameAttachment *self, const ShmFrameDescriptor *descriptor)
{
  ShmFrameFormat *format;

  if (!self->need_key || (descriptor->flags & SHMFRAME_FLAG_KEY))
    return FALSE;
  format = shmframe_attachment_get_format (self, descriptor->format);
  return format && !shmframe_format_is_raw (format);
}

static gboolean
lease_next (ShmFrameAttachment *self, guint64 handle, ShmFrameFound *found)
{
  if (!try_lease (self, handle, found->hazard, &found->descriptor))
    return FALSE;
  if (is_useless (self, &found->descriptor))
    {
      shmframe_attachment_release (self, self->segment, handle, found->hazard);
      return FALSE;
    }
  found->handle = handle;
  self->next = shmframe_handle_sequence (handle) + 1;
  self->need_key = FALSE;
  shmframe_attachment_consume (self);
  return TRUE;
}

/* Latest: straight to the newest, which can only be gone because a newer one is there. */
static ShmFrameFind
find_latest (ShmFrameAttachment *self, ShmFrameFound *found)
{
  guint64 newest = 0;

  while (TRUE)
    {
      guint64 handle = shmframe_slot_latest (&self->segment->view);
      guint64 sequence = shmframe_handle_sequence (handle);

      SHMFRAME_STOP (LEASE_LATEST_LOADED);
      if (sequence < self->next || sequence <= newest)
        return SHMFRAME_FIND_NONE;
      newest = sequence; /* each turn needs a newer one: a lying producer cannot keep us here */
      if (self->next < sequence)
        pass_to (self, sequence, found);
      if (lease_next (self, handle, found))
        return SHMFRAME_FIND_LEASED;
      pass_to (self, sequence + 1, found);
    }
}

/* Ordered and lossless: the following one that can be had; each passed over is counted. */
static ShmFrameFind
find_ordered (ShmFrameAttachment *self, gint max_lag, ShmFrameFound *found)
{
  const ShmFrameView *view = &self->segment->view;
  guint64 newest = shmframe_slot_latest (view), latest = shmframe_handle_sequence (newest);

  SHMFRAME_STOP (LEASE_LATEST_LOADED);
  if (max_lag >= 0 && self->delivery == SHMFRAME_DELIVERY_ORDERED
      && latest > self->next + (guint64) max_lag)
    pass_to (self, latest - (guint64) max_lag, found);
  /* The ring has no more than its size: a gap, or a lie, of any size costs one step. */
  if (latest > self->next + view->ring_mask)
    pass_to (self, latest - view->ring_mask, found);
  while (self->next <= latest)
    {
      /* Of the newest one the ring says the same; and its cache line is with the producer. */
      guint64 handle = self->next == latest ? newest : shmframe_slot_find (view, self->next);

      if (lease_next (self, handle, found))
        return SHMFRAME_FIND_LEASED;
      pass_to (self, self->next + 1, found);
    }
  return SHMFRAME_FIND_NONE;
}

static void
enter_next_segment (ShmFrameAttachment *self, guint64 first, ShmFrameFound *found)
{
  ShmFrameMessage seen = { .type = SHMFRAME_MESSAGE_SEGMENT_SEEN };

  pass_to (self, first, found); /* trailing drops of the old segment */
  shmframe_attachment_consume (self);
  free_spares (self);
  shmframe_segment_unref (self->segment);
  self->segment = g_queue_pop_head (&self->segments);
  SHMFRAME_STOP (SEGMENT_ENTERED);
  seen.segment = self->segment->layout.segment;
  /* A full socket means that the producer does not read: then it cannot be helped by more. */
  shmframe_connection_send (self->connection, &seen, NULL, 0, NULL);
}

ShmFrameFind
shmframe_attachment_find (ShmFrameAttachment *self, gint max_lag, gboolean reserved,
                          ShmFrameFound *found)
{
  found->passed = 0;
  while (TRUE)
    {
      /* `end` first: what it brings includes the segment's last `latest`. */
      guint64 end = shmframe_slot_end_sequence (&self->segment->view);
      ShmFrameFind result;

      if (!pick_hazard (self, reserved, &found->hazard))
        result = shmframe_attachment_has_frame (self->segment, self->next, TRUE)
                     ? SHMFRAME_FIND_QUOTA
                     : SHMFRAME_FIND_NONE;
      else if (self->delivery == SHMFRAME_DELIVERY_LATEST)
        result = find_latest (self, found);
      else
        result = find_ordered (self, max_lag, found);
      if (result != SHMFRAME_FIND_NONE || end == 0)
        {
          if (result == SHMFRAME_FIND_NONE)
            shmframe_attachment_consume (self);
          return result;
        }
      if (g_queue_is_empty (&self->segments))
        return SHMFRAME_FIND_SEGMENT;
      enter_next_segment (self, end, found);
    }
}

gboolean
shmframe_attachment_has_frame (const ShmFrameSegment *segment, guint64 next,
                               gboolean waits_for_segment)
{
  if (shmframe_handle_sequence (shmframe_slot_latest (&segment->view)) >= next)
    return TRUE;
  return !waits_for_segment && shmframe_slot_end_sequence (&segment->view) != 0;
}
