/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <shmframe/error.h>

#include "api/frame-private.h"
#include "api/publish.h"
#include "os/wake.h"

/* How long a wait for a lossless consumer goes on before flushing, death and the stall limit are
 * looked at again: they change something other than the word that is waited on. */
#define WAIT_SLICE_NS (20 * G_TIME_SPAN_MILLISECOND * 1000)

/* ---- acquire ---- */

static void
scan_consumers (ShmFrameSlots *slots, gpointer data)
{
  ShmFramePool *pool = data;

  for (guint i = 0; i < pool->consumers->len; i++)
    {
      ShmFrameReader *reader = g_ptr_array_index (pool->consumers, i);

      for (guint hazard = 0; hazard <= reader->leases; hazard++)
        {
          guint64 handle = shmframe_slot_hazard (reader->control, hazard);

          if (handle != SHMFRAME_HANDLE_NONE)
            shmframe_slots_mark (slots, handle);
        }
    }
}

/* What the reader says it has consumed, kept between what was known before and the newest frame. */
static guint64
refresh_consumed (ShmFramePool *pool, ShmFrameReader *reader)
{
  guint64 latest = shmframe_handle_sequence (pool->latest);
  guint64 said = shmframe_slot_consumed (reader->control);

  reader->consumed = CLAMP (said, reader->consumed, MAX (latest, reader->consumed));
  return reader->consumed;
}

/* Reads every consumer's page once: who has consumed how much, and whose page is no longer the one
 * that it was given. */
static void
refresh_consumers (ShmFramePool *pool, guint64 *ordered, guint64 *lossless)
{
  *ordered = *lossless = G_MAXUINT64;
  for (guint i = pool->consumers->len; i-- > 0;)
    {
      ShmFrameReader *reader = g_ptr_array_index (pool->consumers, i);
      guint64 consumed = refresh_consumed (pool, reader);

      if (!shmframe_slot_cookie_is (reader->control, reader->cookie))
        shmframe_pool_evict (pool, reader, "it damaged its control page");
      else if (reader->delivery != SHMFRAME_DELIVERY_LATEST)
        {
          *ordered = MIN (*ordered, consumed);
          if (reader->delivery == SHMFRAME_DELIVERY_LOSSLESS)
            *lossless = MIN (*lossless, consumed);
        }
    }
}

/* The last reference of a producer's frame is gone. */
static gboolean
drop_frame (ShmFrameFrame *frame)
{
  ShmFramePool *pool = frame->owner;
  guint slot = shmframe_handle_slot (frame->handle);

  g_mutex_lock (&pool->lock);
  /* A frame of a segment that has been replaced has no slot in the book any more. */
  if (pool->slots->segment == frame->segment)
    {
      if (frame->kind == SHMFRAME_FRAME_ACQUIRED)
        shmframe_slots_abandon (pool->slots, slot);
      else
        shmframe_slots_unpin (pool->slots, slot);
    }
  g_mutex_unlock (&pool->lock);
  shmframe_pool_unref (pool);
  return FALSE;
}

static gboolean
check_acquire (ShmFramePool *pool, GError **error)
{
  if (pool->closed)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED, "pool %s: closed", pool->name);
  else if (pool->slots == NULL)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
                 "pool %s: no format yet: call shmframe_producer_set_format() first", pool->name);
  else if (pool->slots->n_held >= pool->rule.in_flight)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_SLOT,
                 "pool %s: the producer holds %u slots already (in-flight=%u of slots=%u): drop "
                 "frames, or start it with more",
                 pool->name, pool->slots->n_held, pool->rule.in_flight, pool->rule.slots);
  else
    return TRUE;
  return FALSE;
}

/* Commits what one more slot in the producer's hands needs: again where other threads took slots
 * meanwhile. With the lock held on entry and exit. */
static gboolean
grow_for_one (ShmFramePool *pool, GError **error)
{
  gboolean ok = TRUE;

  if (pool->slots->n_committed >= shmframe_pool_need (pool, pool->slots->n_held + 1))
    return TRUE;
  g_mutex_unlock (&pool->lock);
  g_mutex_lock (&pool->growing);
  g_mutex_lock (&pool->lock);
  while (ok && pool->slots->n_committed < shmframe_pool_need (pool, pool->slots->n_held + 1))
    ok = shmframe_pool_grow (pool, pool->slots, shmframe_pool_need (pool, pool->slots->n_held + 1),
                             error);
  g_mutex_unlock (&pool->growing);
  return ok && check_acquire (pool, error);
}

static ShmFrameFrame *
make_frame (ShmFramePool *pool, guint32 slot)
{
  ShmFrameFrame *frame = shmframe_frame_new (SHMFRAME_FRAME_ACQUIRED, pool->slots->segment,
                                             pool->format, shmframe_handle (0, slot));

  frame->owner = shmframe_pool_ref (pool);
  frame->drop = drop_frame;
  frame->descriptor.pts_ns = SHMFRAME_TIME_NONE;
  frame->descriptor.duration_ns = SHMFRAME_TIME_NONE;
  frame->descriptor.capture_ns = SHMFRAME_TIME_NONE;
  frame->descriptor.stream_ns = SHMFRAME_TIME_NONE;
  frame->descriptor.payload_size = shmframe_format_get_size (pool->format);
  frame->descriptor.format = pool->format_number;
  frame->descriptor.flags = SHMFRAME_FLAG_KEY;
  return frame;
}

ShmFrameFrame *
shmframe_publish_acquire (ShmFramePool *pool, GError **error)
{
  ShmFrameFrame *frame = NULL;
  guint64 ordered, lossless;
  guint32 slot;

  g_mutex_lock (&pool->lock);
  if (check_acquire (pool, error) && grow_for_one (pool, error))
    {
      refresh_consumers (pool, &ordered, &lossless);
      slot = shmframe_slots_take (pool->slots, pool->rule.history, ordered, lossless,
                                  scan_consumers, pool);
      if (slot != SHMFRAME_SLOT_NONE)
        frame = make_frame (pool, slot);
      else
        g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_SLOT,
                     "pool %s: all %u slots are held: publish or drop frames before acquiring more",
                     pool->name, pool->slots->n_committed);
    }
  g_mutex_unlock (&pool->lock);
  return frame;
}

/* ---- publish ---- */

/* Whether a frame that the reader has yet to consume would fall out of the history ring, which dropped
 * sequences use up too, with the next frame. */
static gboolean
would_lap (ShmFramePool *pool, const ShmFrameReader *reader)
{
  guint64 next = pool->sequence + 1;

  for (guint i = 0; pool->slots && i < MIN (pool->n_published, pool->rule.window); i++)
    if (pool->recent[i] > reader->consumed
        && pool->recent[i] + pool->slots->segment->view.ring_mask < next)
      return TRUE;
  return FALSE;
}

/* A lossless consumer that is `window` published frames behind, or about to be lapped; or NULL. */
static ShmFrameReader *
find_full (ShmFramePool *pool)
{
  guint64 oldest = 0;

  /* The window-th newest published sequence: who has not consumed it is the window behind. Dropped
   * sequences do not count. */
  if (pool->rule.window > 0 && pool->n_published >= pool->rule.window)
    oldest = pool->recent[pool->n_published % pool->rule.window];
  for (guint i = 0; i < pool->consumers->len; i++)
    {
      ShmFrameReader *reader = g_ptr_array_index (pool->consumers, i);

      if (reader->delivery != SHMFRAME_DELIVERY_LOSSLESS)
        continue;
      if ((reader->consumed < oldest || would_lap (pool, reader))
          && (refresh_consumed (pool, reader) < oldest || would_lap (pool, reader)))
        return reader;
    }
  return NULL;
}

/* Sleeps until the reader has consumed more, at most a slice. With the lock held on entry and exit. */
static void
wait_for_reader (ShmFramePool *pool, ShmFrameReader *reader)
{
  g_autoptr (ShmFrameReader) owned G_GNUC_UNUSED = shmframe_reader_ref (reader);
  g_autoptr (ShmFrameSegment) segment = shmframe_segment_ref (pool->slots->segment);
  guint64 known = reader->consumed;
  guint64 seen;

  pool->n_waiting++;
  shmframe_slot_set_waiting (&segment->view, TRUE);
  seen = shmframe_slot_consumed (reader->control);
  SHMFRAME_STOP (PUBLISH_WAITING);
  g_mutex_unlock (&pool->lock);
  if (seen <= known)
    shmframe_wake_wait_consumed (reader->control, seen, shmframe_wake_now () + WAIT_SLICE_NS);
  g_mutex_lock (&pool->lock);
  if (--pool->n_waiting == 0)
    shmframe_slot_set_waiting (&segment->view, FALSE);
}

/* With the lock held on entry and exit. */
static gboolean
wait_for_lossless (ShmFramePool *pool, GError **error)
{
  guint flushes = pool->flushes;
  gint64 begin = 0;
  gboolean cut;
  ShmFrameReader *reader;

  while (!(cut = shmframe_pool_ends_wait (pool, flushes, error))
         && (reader = find_full (pool)) != NULL)
    {
      gint64 now = shmframe_wake_now ();

      if (pool->live)
        {
          shmframe_pool_evict (pool, reader, "the window of a live producer was full");
          continue;
        }
      if (begin == 0)
        {
          begin = now;
          pool->n_waits++;
        }
      if (now - begin >= pool->stall_timeout_ns)
        shmframe_pool_evict (pool, reader, "it stalled the producer past stall-timeout");
      else
        wait_for_reader (pool, reader);
    }
  if (begin)
    pool->wait_ns += (guint64) (shmframe_wake_now () - begin);
  return !cut;
}

static gboolean
check_frame (ShmFramePool *pool, ShmFrameFrame *frame, GError **error)
{
  const char *problem = NULL;

  if (frame->owner != pool)
    problem = "it belongs to another pool: acquire frames from this producer";
  else if (frame->kind != SHMFRAME_FRAME_ACQUIRED)
    problem = "it was published before: copy it into a newly acquired frame";
  else if (pool->slots->segment != frame->segment)
    problem = "it was acquired before a change of format made a new segment: acquire it anew";
  if (problem)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT, "pool %s: cannot publish: %s",
                 pool->name, problem);
  return problem == NULL;
}

/* With the lock held: the frame goes out. */
static void
send_out (ShmFramePool *pool, ShmFrameFrame *frame)
{
  guint slot = shmframe_handle_slot (frame->handle);
  guint64 sequence = ++pool->sequence;

  frame->handle = pool->latest = shmframe_handle (sequence, slot);
  frame->kind = SHMFRAME_FRAME_PUBLISHED;
  frame->descriptor.events = (guint32) pool->log.number;
  frame->descriptor.publish_ns = shmframe_wake_now ();
  shmframe_slots_publish (pool->slots, slot, sequence, &frame->descriptor);
  shmframe_pool_ring (pool);

  if (pool->rule.window > 0)
    pool->recent[pool->n_published % pool->rule.window] = sequence;
  pool->n_published++;
  shmframe_log_resume (&pool->log);
}

gboolean
shmframe_publish_frame (ShmFramePool *pool, ShmFrameFrame *frame, GError **error)
{
  gboolean ok;

  g_mutex_lock (&pool->lock);
  ok = wait_for_lossless (pool, error) && check_frame (pool, frame, error);
  if (ok)
    send_out (pool, frame);
  g_mutex_unlock (&pool->lock);
  return ok;
}

guint64
shmframe_publish_discard (ShmFramePool *pool)
{
  guint64 latest;

  g_mutex_lock (&pool->lock);
  latest = shmframe_handle_sequence (pool->latest);
  if (pool->slots)
    shmframe_slots_discard (pool->slots);
  /* Nothing is left to wait for: a lossless consumer passes over what is gone when it looks. */
  for (guint i = 0; i < pool->consumers->len; i++)
    {
      ShmFrameReader *reader = g_ptr_array_index (pool->consumers, i);

      reader->consumed = MAX (reader->consumed, latest);
    }
  g_mutex_unlock (&pool->lock);
  return latest;
}

void
shmframe_publish_drop (ShmFramePool *pool, guint count)
{
  g_mutex_lock (&pool->lock);
  pool->sequence += count;
  pool->n_dropped += count;
  g_mutex_unlock (&pool->lock);
}
