/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <shmframe/error.h>

#include "api/delivery.h"
#include "api/event-private.h"
#include "api/frame-private.h"

/* Events and useless frames that a call with timeout 0 passes over: a full queue, and as many again. */
#define PASSED_OVER_MAX (2 * SHMFRAME_EVENTS_FULL)
#define PASSED_OVER_NS G_GINT64_CONSTANT (100000000) /* and how long it may take: copies are slow */

/* What is there for the reader. */
typedef enum
{
  NOTHING,
  FRAME, /* self->pending, with all its events delivered */
  EVENT, /* the head of the queue */
  QUOTA, /* a frame, but no lease for it */
  ERROR, /* *error is set */
} Ready;

void
shmframe_delivery_init (ShmFrameDeliverer *self, ShmFrameClient *client)
{
  *self = (ShmFrameDeliverer){ .client = shmframe_client_ref (client) };
  self->waiter.mode = (ShmFrameWakeMode) client->wait;
}

/* With the lock held. */
static void
forget_pending (ShmFrameDeliverer *self)
{
  g_clear_pointer (&self->attachment, shmframe_attachment_unref);
  self->pending = FALSE;
}

/* With the lock held. */
static void
release_pending (ShmFrameDeliverer *self)
{
  if (!self->pending)
    return;
  shmframe_attachment_release (self->attachment, self->attachment->segment, self->found.handle,
                               self->found.hazard);
  forget_pending (self);
}

void
shmframe_delivery_finish (ShmFrameDeliverer *self)
{
  g_mutex_lock (&self->client->lock);
  release_pending (self);
  g_mutex_unlock (&self->client->lock);
  g_clear_pointer (&self->client, shmframe_client_unref);
}

/* ---- what comes next; with the lock held ---- */

static void
count_passed (ShmFrameClient *client, const ShmFrameAttachment *attachment, guint64 passed)
{
  if (attachment->delivery == SHMFRAME_DELIVERY_LATEST)
    client->counters.skipped += passed;
  else
    client->counters.drops += passed;
}

/* A pending frame that nobody will be given. It is not missed where it was there before us. */
static void
pass_over_pending (ShmFrameDeliverer *self)
{
  if (!self->pending)
    return;
  count_passed (self->client, self->attachment,
                shmframe_handle_sequence (self->found.handle) > self->attachment->first);
  release_pending (self);
}

/* Leases the next frame into `pending`. */
static ShmFrameFind
find (ShmFrameDeliverer *self, gboolean copy)
{
  ShmFrameClient *client = self->client;
  ShmFrameAttachment *attachment = client->attachment;
  ShmFrameFind result = shmframe_attachment_find (attachment, client->max_lag, copy, &self->found);
  guint bucket;

  if (self->found.passed > 0)
    {
      count_passed (client, attachment, self->found.passed);
      shmframe_slot_report (attachment->control, client->counters.drops,
                            client->counters.longest_hold_ns);
    }
  if (result != SHMFRAME_FIND_LEASED)
    return result;
  self->pending = TRUE;
  self->attachment = shmframe_attachment_ref (attachment);
  self->leased_ns = shmframe_wake_now ();
  client->counters.held_max = MAX (client->counters.held_max, attachment->held);
  bucket = shmframe_histogram_add (
      &client->latency, shmframe_frame_latency (self->leased_ns, &self->found.descriptor));
  shmframe_slot_count_latency (attachment->control, bucket);
  if (self->waiter.mode == SHMFRAME_WAKE_PREDICT)
    shmframe_wake_leased (&self->waiter, self->found.descriptor.publish_ns);
  return result;
}

/* For `latest`: a frame that waits here for its events is exchanged for a newer one. */
static void
renew_pending (ShmFrameDeliverer *self)
{
  if (!self->pending || self->attachment->delivery != SHMFRAME_DELIVERY_LATEST
      || self->client->attachment != self->attachment
      || !shmframe_attachment_has_frame (self->attachment->segment, self->attachment->next, TRUE))
    return;
  pass_over_pending (self);
}

/* Low 32 bits of event numbers, compared as a circle. */
static gboolean
is_before (guint32 a, guint32 b)
{
  return (gint32) (a - b) < 0;
}

/* The frame is leased: do events come first, and are they there? */
static Ready
order_pending (ShmFrameDeliverer *self)
{
  const ShmFrameQueued *head = g_queue_peek_head (&self->client->events);
  guint32 due = self->found.descriptor.events;

  if (head && (head->number == 0 || !is_before (due, (guint32) head->number)))
    return EVENT;
  if (!is_before ((guint32) self->attachment->events, due) || self->client->lost)
    return FRAME;
  return NOTHING; /* a producer that is stopped just now sends them later */
}

/* Without a frame: events, then what has become of the producer. */
static Ready
look_beyond_frames (ShmFrameDeliverer *self, GError **error)
{
  ShmFrameClient *client = self->client;

  if (!g_queue_is_empty (&client->events))
    return EVENT;
  if (client->problem)
    {
      g_propagate_error (error, g_steal_pointer (&client->problem));
      return ERROR;
    }
  if (client->finished)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED,
                   "pool %s: the connection that was passed in is over: pass in another",
                   client->name);
      return ERROR;
    }
  return NOTHING;
}

static gboolean
is_evicted (const ShmFrameClient *client)
{
  return g_error_matches (client->lost_because, SHMFRAME_ERROR, SHMFRAME_ERROR_EVICTED);
}

/* All that the lost producer left is delivered: say so, and let the search begin. */
static void
finish_lost (ShmFrameClient *client)
{
  gboolean evicted = is_evicted (client);
  ShmFrameQueued *queued = g_new (ShmFrameQueued, 1);

  queued->number = 0;
  queued->event = shmframe_event_new (
      evicted ? SHMFRAME_EVENT_EVICTED : SHMFRAME_EVENT_LOST, client->attachment->next,
      evicted ? "evicted" : "lost", g_variant_new_string (client->lost_because->message), NULL, 0);
  g_queue_push_tail (&client->events, queued);
  shmframe_client_detach (client);
}

/* The sticky events are on their way: among them are such as frames that are there precede. */
static Ready
look_before_sync (ShmFrameDeliverer *self, GError **error)
{
  ShmFrameClient *client = self->client;
  const ShmFrameQueued *head = g_queue_peek_head (&client->events);

  if (!client->lost)
    return head && head->number == 0 ? EVENT : NOTHING;
  if (head == NULL)
    finish_lost (client);
  return look_beyond_frames (self, error);
}

static Ready
look (ShmFrameDeliverer *self, gboolean copy, GError **error)
{
  ShmFrameClient *client = self->client;
  ShmFrameFind found;

  self->attention = g_atomic_int_get (&client->attention);
  if (client->closed || client->flushing || client->flushes != self->flushes)
    {
      g_set_error (
          error, SHMFRAME_ERROR, client->closed ? SHMFRAME_ERROR_CLOSED : SHMFRAME_ERROR_FLUSHING,
          "pool %s: the consumer is %s", client->name, client->closed ? "closed" : "flushing");
      return ERROR;
    }
  if (is_evicted (client))
    {
      /* The producer goes on without minding our leases: nothing is left to drain. */
      pass_over_pending (self);
      finish_lost (client);
    }
  renew_pending (self);
  if (self->pending)
    {
      Ready ready = order_pending (self);

      /* Leased for copy(), through the reserved lease, and then lease() is called. */
      return ready == FRAME && !copy && self->attachment->held > self->attachment->leases ? QUOTA
                                                                                          : ready;
    }
  if (client->attachment == NULL)
    return look_beyond_frames (self, error);
  if (!client->attachment->synced)
    return look_before_sync (self, error);

  found = find (self, copy);
  if (found == SHMFRAME_FIND_LEASED)
    return order_pending (self);
  if (found == SHMFRAME_FIND_QUOTA)
    return QUOTA;
  if (g_queue_is_empty (&client->events) && client->lost)
    finish_lost (client);
  /* An event whose segment has not come yet precedes frames there: it may go first. */
  return look_beyond_frames (self, error);
}

/* ---- handing over ---- */

/* The last reference of a leased frame is gone: the lease ends. Any thread. */
static gboolean
drop_frame (ShmFrameFrame *frame)
{
  ShmFrameAttachment *attachment = frame->owner;
  ShmFrameClient *client = attachment->client;
  guint64 held_ns = (guint64) MAX (shmframe_wake_now () - frame->leased_ns, 0);
  gboolean was_full, kept;

  g_mutex_lock (&client->lock);
  was_full = attachment->held >= attachment->leases;
  client->counters.revoked
      += shmframe_attachment_release (attachment, frame->segment, frame->handle, frame->hazard)
         == SHMFRAME_VERDICT_REVOKED;
  if (held_ns > client->counters.longest_hold_ns)
    {
      client->counters.longest_hold_ns = held_ns;
      shmframe_slot_report (attachment->control, client->counters.drops, held_ns);
    }
  kept = shmframe_attachment_keep_frame (attachment, frame);
  g_mutex_unlock (&client->lock);
  if (was_full && client->poll)
    shmframe_client_wake (client);        /* a poller does not look while its quota is used up */
  shmframe_attachment_unref (attachment); /* may free a kept frame: the last lease was its life */
  return kept;
}

static gboolean
check_sizes (const ShmFrameDeliverer *self, ShmFrameFormat *format, GError **error)
{
  const ShmFrameDescriptor *descriptor = &self->found.descriptor;
  const ShmFrameLayout *layout = &self->attachment->segment->layout;

  if (descriptor->payload_size <= layout->payload_size
      && descriptor->metadata_size <= layout->metadata_size
      && (!shmframe_format_is_raw (format)
          || descriptor->payload_size >= shmframe_format_get_size (format)))
    return TRUE;
  g_set_error (
      error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
      "pool %s: frame %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes does not fit its "
      "slot or format: the producer is at fault",
      self->client->name, shmframe_handle_sequence (self->found.handle), descriptor->payload_size);
  return FALSE;
}

/* The pending frame, leased: the frame ends the lease. */
static ShmFrameFrame *
wrap_pending (ShmFrameDeliverer *self, ShmFrameFormat *format)
{
  ShmFrameFrame *frame = shmframe_attachment_take_frame (self->attachment, format);

  shmframe_frame_set_handle (frame, self->found.handle);
  frame->owner = g_steal_pointer (&self->attachment);
  frame->drop = drop_frame;
  frame->hazard = self->found.hazard;
  frame->descriptor = self->found.descriptor;
  frame->size = self->found.descriptor.payload_size;
  frame->leased_ns = self->leased_ns;
  forget_pending (self);
  return frame;
}

/* The pending frame, copied out; NULL without an error when it was revoked meanwhile. */
static ShmFrameFrame *
copy_pending (ShmFrameDeliverer *self, ShmFrameFormat *format, GError **error)
{
  const ShmFrameDescriptor *descriptor = &self->found.descriptor;
  ShmFrameSegment *segment = self->attachment->segment;
  guint slot = shmframe_handle_slot (self->found.handle);
  const guint8 *data = shmframe_memory_get_data (segment->memory);
  g_autofree guint8 *payload = g_try_malloc (MAX (descriptor->payload_size, 1));
  g_autoptr (GBytes) metadata = NULL;

  if (payload == NULL)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_MEMORY,
                   "pool %s: no memory for a copy of %" G_GUINT64_FORMAT " bytes: lease, or hold "
                   "fewer copies",
                   self->client->name, descriptor->payload_size);
      return NULL;
    }
  metadata = shmframe_frame_read_metadata (segment, slot, descriptor);
  memcpy (payload, data + shmframe_segment_payload_offset (segment, slot),
          descriptor->payload_size);
  if (!shmframe_slot_intact (&segment->view, self->found.handle))
    return NULL;
  return shmframe_frame_new_copy (
      self->attachment->epoch, shmframe_handle_sequence (self->found.handle), descriptor,
      g_steal_pointer (&payload), descriptor->payload_size, format, metadata);
}

/* With the lock held on entry and exit; released for the copy. NULL: it was revoked; look again. */
static ShmFrameFrame *
copy_out (ShmFrameDeliverer *self, ShmFrameFormat *known, GError **error)
{
  ShmFrameClient *client = self->client;
  g_autoptr (ShmFrameFormat) format = shmframe_format_ref (known);
  ShmFrameFrame *frame;

  g_mutex_unlock (&client->lock);
  frame = copy_pending (self, format, error);
  g_mutex_lock (&client->lock);
  release_pending (self);
  if (frame)
    {
      client->counters.copies++;
      client->counters.copied_bytes += frame->size;
    }
  else if (*error)
    client->counters.drops++;
  else
    client->counters.revoked++;
  return frame;
}

/* With the lock held. NULL without an error: it is gone, or nobody misses it; look again. */
static ShmFrameFrame *
take_pending (ShmFrameDeliverer *self, gboolean copy, GError **error)
{
  ShmFrameClient *client = self->client;
  ShmFrameFormat *format
      = shmframe_attachment_get_format (self->attachment, self->found.descriptor.format);
  guint64 sequence = shmframe_handle_sequence (self->found.handle);
  ShmFrameFrame *frame = NULL;

  if (format && check_sizes (self, format, error))
    {
      frame = copy ? copy_out (self, format, error) : wrap_pending (self, format);
      client->counters.frames += frame != NULL;
      return frame;
    }
  /* A frame may have a format from before us, or of an event that was lost, or that the producer did
   * not live to send. */
  if (format == NULL
      && (client->lost || self->found.descriptor.format < self->attachment->newest_format))
    count_passed (client, self->attachment, sequence > self->attachment->first);
  else if (format == NULL)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                 "pool %s: frame %" G_GUINT64_FORMAT " has format %u, which was never sent: the "
                 "producer is at fault",
                 client->name, sequence, self->found.descriptor.format);
  release_pending (self);
  return NULL;
}

static ShmFrameEvent *
take_event (ShmFrameClient *client)
{
  g_autofree ShmFrameQueued *queued = g_queue_pop_head (&client->events);

  shmframe_client_event_taken (client);
  return queued->event;
}

/* ---- waiting ---- */

typedef struct
{
  const ShmFrameDeliverer *deliverer;
  ShmFrameSegment *segment; /* NULL: only attention counts */
  guint64 next;
  gboolean waits_for_segment;
} Watch;

static gboolean
something_came (gpointer data)
{
  const Watch *watch = data;

  return g_atomic_int_get (&watch->deliverer->client->attention) != watch->deliverer->attention
         || (watch->segment
             && shmframe_attachment_has_frame (watch->segment, watch->next,
                                               watch->waits_for_segment));
}

/* What to look at while waiting, read with the lock held. (transfer full) */
static void
begin_watch (const ShmFrameDeliverer *self, Watch *watch)
{
  const ShmFrameAttachment *attachment = self->client->attachment;

  *watch = (Watch){ .deliverer = self };
  if (attachment == NULL || self->pending || !attachment->synced)
    return;
  watch->segment = shmframe_segment_ref (attachment->segment);
  watch->next = attachment->next;
  watch->waits_for_segment = g_queue_is_empty ((GQueue *) &attachment->segments)
                             && shmframe_slot_end_sequence (&attachment->segment->view) != 0;
}

/* A few are there at most; a producer that sends more only keeps us awake. */
static void
drain_poll (ShmFrameClient *client, int doorbell)
{
  eventfd_t value;
  char byte;

  for (int i = 0; doorbell >= 0 && i < 64 && recv (doorbell, &byte, 1, MSG_DONTWAIT) >= 0; i++)
    ;
  eventfd_read (client->event_fd, &value);
}

static gboolean
prepare_poll (ShmFrameDeliverer *self, gboolean copy)
{
  ShmFrameClient *client = self->client;
  ShmFrameAttachment *attachment;
  g_autoptr (GError) error = NULL;
  Ready ready;

  g_mutex_lock (&client->lock);
  attachment = client->attachment;
  drain_poll (client, attachment ? attachment->doorbell : -1);
  if (attachment)
    shmframe_wake_arm (&self->waiter, attachment->control);
  ready = look (self, copy, &error);
  if (error && !g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED)
      && !g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING))
    client->problem = g_steal_pointer (&error); /* for the call that follows */
  g_mutex_unlock (&client->lock);
  return ready != NOTHING && ready != QUOTA;
}

/* With the lock held: a call begins. */
static void
begin_call (ShmFrameDeliverer *self)
{
  self->flushes = self->client->flushes;
}

gboolean
shmframe_delivery_prepare_poll (ShmFrameDeliverer *self)
{
  g_mutex_lock (&self->client->lock);
  begin_call (self);
  g_mutex_unlock (&self->client->lock);
  return prepare_poll (self, FALSE);
}

/* Without the lock. */
static void
wait_polling (ShmFrameDeliverer *self, gboolean copy, gint64 deadline_ns)
{
  struct pollfd pfd = { .fd = self->client->epoll_fd, .events = POLLIN };
  struct timespec timeout, *limit = NULL;

  if (prepare_poll (self, copy))
    return;
  if (deadline_ns >= 0)
    {
      gint64 left = MAX (deadline_ns - shmframe_wake_now (), 0);

      timeout.tv_sec = left / 1000000000;
      timeout.tv_nsec = left % 1000000000;
      limit = &timeout;
    }
  ppoll (&pfd, 1, limit, NULL);
}

/* Nobody to wait for yet. */
static void
wait_detached (ShmFrameDeliverer *self, gint64 deadline_ns)
{
  ShmFrameClient *client = self->client;

  g_mutex_lock (&client->lock);
  while (client->attachment == NULL && g_atomic_int_get (&client->attention) == self->attention)
    if (deadline_ns < 0)
      g_cond_wait (&client->changed, &client->lock);
    else if (!g_cond_wait_until (&client->changed, &client->lock, deadline_ns / 1000))
      break;
  g_mutex_unlock (&client->lock);
}

static void
wait_for_more (ShmFrameDeliverer *self, gboolean copy, gint64 deadline_ns)
{
  ShmFrameClient *client = self->client;
  g_autoptr (ShmFrameAttachment) attachment = NULL;
  Watch watch;

  g_mutex_lock (&client->lock);
  if (client->attachment)
    attachment = shmframe_attachment_ref (client->attachment);
  begin_watch (self, &watch);
  g_mutex_unlock (&client->lock);

  if (client->poll)
    wait_polling (self, copy, deadline_ns);
  else if (attachment == NULL)
    wait_detached (self, deadline_ns);
  else
    shmframe_wake_wait (&self->waiter, attachment->control, deadline_ns, something_came, &watch);
  shmframe_segment_unref (watch.segment);
}

/* ---- the call ---- */

/* One look, with the lock held. TRUE: the call returns; without `event`, not for an event. */
static gboolean
step (ShmFrameDeliverer *self, gboolean copy, ShmFrameFrame **frame, ShmFrameEvent **event,
      gboolean *again, GError **error)
{
  GError *local = NULL;

  *again = FALSE;
  switch (look (self, copy, &local))
    {
    case FRAME:
      *frame = take_pending (self, copy, &local);
      *again = *frame == NULL && local == NULL;
      break;
    case EVENT:
      if (event)
        *event = take_event (self->client);
      else
        shmframe_event_unref (take_event (self->client));
      *again = event == NULL;
      break;
    case QUOTA:
      g_set_error (&local, SHMFRAME_ERROR, SHMFRAME_ERROR_QUOTA,
                   "pool %s: all %u leases are held: drop frames, copy, or request more leases",
                   self->client->name, self->client->attachment->leases);
      break;
    case ERROR:
      break;
    case NOTHING:
      return FALSE;
    }
  if (local)
    g_propagate_error (error, local);
  return !*again;
}

static void
set_timed_out (ShmFrameClient *client, GError **error)
{
  gboolean attached;

  g_mutex_lock (&client->lock);
  attached = client->attachment != NULL;
  g_mutex_unlock (&client->lock);
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT,
               attached ? "pool %s: no frame came in time"
                        : "pool %s: no producer came in time: start one, or check the name",
               client->name);
}

ShmFrameFrame *
shmframe_delivery_next (ShmFrameDeliverer *self, gint64 timeout_ns, gboolean copy,
                        ShmFrameEvent **event, GError **error)
{
  gint64 deadline_ns = 0; /* not known: the clock is asked only by those that wait */
  ShmFrameFrame *frame = NULL;
  gboolean again, expired;
  guint passed_over = 0;

  if (event)
    *event = NULL;
  g_mutex_lock (&self->client->lock);
  begin_call (self);
  while (!step (self, copy, &frame, event, &again, error))
    {
      /* Also to look again: whoever flushes or closes gets the lock, and the time runs. */
      g_mutex_unlock (&self->client->lock);
      if (deadline_ns == 0)
        deadline_ns = shmframe_wake_deadline (timeout_ns);
      expired = deadline_ns >= 0 && shmframe_wake_now () >= deadline_ns;
      /* A call that does not wait sees what is there, and not what a producer adds without end. */
      if (again && timeout_ns == 0)
        expired = ++passed_over > PASSED_OVER_MAX
                  || shmframe_wake_now () >= deadline_ns + PASSED_OVER_NS;
      if (expired)
        {
          set_timed_out (self->client, error);
          return NULL;
        }
      if (!again)
        wait_for_more (self, copy, deadline_ns);
      g_mutex_lock (&self->client->lock);
    }
  g_mutex_unlock (&self->client->lock);
  return frame;
}
