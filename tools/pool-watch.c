/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-watch-private.h"

#include "frames.h"

#define ANSWER_NS (500 * MS_NS) /* how long one question may take */
#define RETRY_NS (200 * MS_NS)  /* between attempts to attach */
#define STATS_NS (250 * MS_NS)
#define ASK_MIN_NS (20 * MS_NS)
#define UNREAD_NS (2000 * MS_NS) /* without a frame in a known format, before it is said */
#define POLL_MIN_NS (1 * MS_NS)
#define POLL_MAX_NS (10 * MS_NS)
#define POLL_FIRST_NS (2 * MS_NS)
#define CATCH_UP 64              /* frames looked for behind the newest */
#define COLLECT_BYTES (1u << 29) /* of copies at most: the newest ones */

/* ---- frames -------------------------------------------------------------------------------- */

void
pool_watch_check_again (PoolWatch *self)
{
  LastFrameCheck check = last_frame_check (&self->seen, self->observer);

  if (check != LAST_FRAME_NONE)
    self->check_early = check == LAST_FRAME_GONE;
  if (check == LAST_FRAME_TORN)
    detector_changed (self->detector, shmframe_frame_get_sequence (self->seen.frame), now_ns ());
}

static void
set_format (PoolWatch *self, ShmFrameFormat *format)
{
  gint numerator, denominator;

  g_clear_pointer (&self->format, shmframe_format_unref);
  self->format = shmframe_format_ref (format);
  shmframe_format_get_frame_rate (format, &numerator, &denominator);
  last_frame_clear (&self->seen);
  detector_reset (self->detector);
  if (numerator > 0 && denominator > 0)
    detector_set_duration (self->detector,
                           G_GINT64_CONSTANT (1000000000) * denominator / numerator);
}

/* Nothing of what was before says anything about what comes. */
static void
forget_frames (PoolWatch *self)
{
  last_frame_clear (&self->seen);
  g_clear_pointer (&self->format, shmframe_format_unref);
  detector_reset (self->detector);
  self->sequence = self->latest = 0;
  self->interval_ns = 0;
  self->unread_ns = 0;
  g_clear_pointer (&self->unread, g_free);
}

static void
measure_interval (PoolWatch *self, const FrameSample *sample)
{
  gint64 passed_ns = sample->publish_ns - self->publish_ns;

  if (self->sequence != 0 && sample->missed < CATCH_UP && passed_ns > 0)
    self->interval_ns = passed_ns / (gint64) (sample->missed + 1);
}

static gboolean
has_pixels (PoolWatch *self, ShmFrameFrame *frame)
{
  return self->options.pixels && shmframe_frame_get_data (frame) != NULL;
}

static void
describe (PoolWatch *self, ShmFrameFrame *frame, FrameSample *sample)
{
  *sample = (FrameSample){ .sequence = shmframe_frame_get_sequence (frame),
                           .pts_ns = shmframe_frame_get_pts (frame),
                           .duration_ns = shmframe_frame_get_duration (frame),
                           .capture_ns = shmframe_frame_get_capture_time (frame),
                           .publish_ns = CLAMP (shmframe_frame_get_publish_time (frame), 0,
                                                G_MAXINT64 / 2), /* a peer's: differences fit */
                           .flags = shmframe_frame_get_flags (frame),
                           .same = -1 };
  if (self->sequence != 0)
    sample->missed = sample->sequence - self->sequence - 1;
  if (has_pixels (self, frame))
    sample->same = last_frame_compare (&self->seen, frame);
}

/* `counter` is one of `counted`. */
static void
count (PoolWatch *self, guint64 *counter, guint64 more)
{
  g_mutex_lock (&self->lock);
  *counter += more;
  g_mutex_unlock (&self->lock);
}

/* Coded frames come in another order than they are shown in, but for those that stand alone. */
static gboolean
comes_in_order (const ShmFrameFormat *format)
{
  return shmframe_format_is_raw (format)
         || g_strcmp0 (shmframe_format_get_media_type (format), "image/jpeg") == 0;
}

void
pool_watch_take (PoolWatch *self, ShmFrameFrame *frame)
{
  ShmFrameFormat *format = shmframe_frame_get_format (frame);
  FrameSample sample;

  if (self->epoch != shmframe_frame_get_epoch (frame))
    forget_frames (self);
  self->epoch = shmframe_frame_get_epoch (frame);
  if (self->format == NULL
      || (format != self->format && !shmframe_format_equal (format, self->format)))
    set_format (self, format);
  describe (self, frame, &sample);
  measure_interval (self, &sample);
  self->sequence = sample.sequence;
  self->publish_ns = sample.publish_ns;
  if (self->options.frame_interval_ns == 0)
    self->missed += (gint64) MIN (sample.missed, G_MAXINT32);
  count (self, &self->counted.seen, 1);
  if (self->callbacks.frame != NULL)
    self->callbacks.frame (self, &sample, frame, self->data);
  if (!comes_in_order (format))
    sample.pts_ns = SHMFRAME_TIME_UNKNOWN;
  detector_frame (self->detector, &sample);
  if (!has_pixels (self, frame))
    return;
  last_frame_set (&self->seen, frame);
  self->checked = FALSE;
}

/* ---- state --------------------------------------------------------------------------------- */

static void
say_state (PoolWatch *self)
{
  const char *reason = self->unobserved != NULL ? self->unobserved
                       : self->unread != NULL   ? self->unread
                                                : self->unleased;

  if (self->said_any && g_strcmp0 (reason, self->said) == 0)
    return;
  g_free (self->said);
  self->said = g_strdup (reason);
  self->said_any = TRUE;
  if (self->callbacks.state != NULL)
    self->callbacks.state (self, self->said, self->data);
}

void
pool_watch_set_unleased (PoolWatch *self, const char *reason)
{
  g_free (self->unleased);
  self->unleased = g_strdup (reason);
  say_state (self);
}

/* How the producer ended. What an API's user is told to do is for nobody who reads this. */
static char *
describe_end (const GError *error)
{
  static const char advice[] = "; attach again";
  gsize length = strlen (error->message);

  if (g_str_has_suffix (error->message, advice))
    length -= strlen (advice);
  return g_strndup (error->message, length);
}

/* There is no observer, or no more. */
static void
lose (PoolWatch *self, const GError *error)
{
  gboolean gone = g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND);

  if (self->observer != NULL)
    forget_frames (self);
  g_clear_object (&self->observer);
  self->retry_ns = now_ns () + RETRY_NS;
  /* That it died says more than that it is not there. */
  if (gone && self->died)
    return;
  self->died = g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED);
  g_free (self->unobserved);
  self->unobserved = describe_end (error);
  say_state (self);
}

/* There may be none yet, or one from before the format that an observer is told of. */
static gboolean
comes_later (const GError *error)
{
  return g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND)
         || g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT);
}

/* A pool that lies is not attached to, only to be lost again: it must answer, and show a frame. */
static gboolean
try_out (PoolWatch *self, ShmFrameObserver *observer, GError **error)
{
  g_autoptr (PoolView) view = pool_view_look (observer, ANSWER_NS, error);
  g_autoptr (ShmFrameFrame) frame = NULL;

  if (view == NULL)
    return FALSE;
  frame = self->options.pixels ? shmframe_observer_copy_frame (observer, 0, error)
                               : shmframe_observer_peek_frame (observer, 0, error);
  if (frame == NULL && comes_later (*error))
    g_clear_error (error);
  return *error == NULL;
}

static void
attach (PoolWatch *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameObserver) observer = shmframe_observer_new (self->pool, ANSWER_NS, &error);

  if (observer == NULL || !try_out (self, observer, &error))
    {
      lose (self, error);
      return;
    }
  self->observer = g_steal_pointer (&observer);
  self->asked = self->died = FALSE;
  self->missed = 0;
  self->ask_ns = self->look_ns = 0;
  forget_frames (self);
  count (self, &self->counted.attaches, 1);
  g_clear_pointer (&self->unobserved, g_free);
  say_state (self);
}

void
pool_watch_sleep_until (PoolWatch *self, gint64 time_ns)
{
  g_mutex_lock (&self->lock);
  while (!self->ending && !(self->collecting && self->collected == NULL)
         && g_cond_wait_until (&self->changed, &self->lock, (time_ns + 999) / 1000))
    ;
  g_mutex_unlock (&self->lock);
}

/* ---- what the producer says ---------------------------------------------------------------- */

/* What was missed and not dropped was there, and not seen. A drop can be told of before the frame
 * after it is seen, never the other way round. */
static void
settle (PoolWatch *self, const PoolView *view)
{
  guint64 dropped = lookup_number (view->stats, "dropped");
  guint64 more = self->asked && dropped > self->dropped ? dropped - self->dropped : 0;
  gboolean waiting = FALSE;

  g_variant_lookup (view->stats, "waiting", "b", &waiting);
  detector_set_ended (self->detector, pool_view_has_ended (view),
                      lookup_number (view->stats, "latest"));
  detector_set_waiting (self->detector, waiting);
  self->asked = TRUE;
  self->dropped = dropped;
  if (more > 0)
    detector_dropped (self->detector, more, view->latest, now_ns ());
  self->missed -= (gint64) MIN (more, G_MAXINT32);
  if (self->missed > 0)
    {
      count (self, &self->counted.unseen, (guint64) self->missed);
      self->missed = 0;
    }
}

static void
ask (PoolWatch *self)
{
  g_autoptr (GError) error = NULL;
  PoolView *view = pool_view_look (self->observer, ANSWER_NS, &error);
  gint64 interval_ns
      = self->options.stats_interval_ns > 0 ? self->options.stats_interval_ns : STATS_NS;

  /* Whether a silence is right must be known before it is too long. */
  if (self->options.limits.freeze_ns > 0)
    interval_ns = MIN (interval_ns, MAX (self->options.limits.freeze_ns / 4, ASK_MIN_NS));
  self->ask_ns = now_ns () + interval_ns;
  if (view == NULL && !g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT))
    {
      lose (self, error);
      return;
    }
  /* A producer that is stopped keeps its observer, and is asked again. */
  detector_set_silent (self->detector, view == NULL);
  g_free (self->unobserved);
  self->unobserved = view == NULL ? g_strdup (error->message) : NULL;
  say_state (self);
  if (view == NULL)
    return;
  settle (self, view);
  if (self->callbacks.view != NULL)
    self->callbacks.view (self, view, self->data);
  else
    pool_view_free (view);
}

/* ---- looking ------------------------------------------------------------------------------- */

/* Whether the newest frame has a format that the observer was not told of. */
static void
note_unread (PoolWatch *self, gboolean unread)
{
  if (!unread)
    {
      self->unread_ns = 0;
      g_clear_pointer (&self->unread, g_free);
    }
  else if (self->unread_ns == 0)
    self->unread_ns = now_ns ();
  else if (self->unread == NULL && now_ns () - self->unread_ns >= UNREAD_NS)
    self->unread = g_strdup_printf ("pool %s: its newest frame has a format that the producer does "
                                    "not tell of: a newer frame is waited for",
                                    self->pool);
  say_state (self);
}

/* FALSE: the pool lies, and was left. A frame that is gone was missed. */
static gboolean
look_at (PoolWatch *self, guint64 sequence, gboolean newest)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFrame) description
      = shmframe_observer_peek_frame (self->observer, sequence, &error);
  g_autoptr (ShmFrameFrame) copy = NULL;

  if (description != NULL && self->options.pixels)
    copy = shmframe_observer_copy_frame (self->observer, sequence, &error);
  if (error != NULL && !comes_later (error))
    {
      lose (self, error);
      return FALSE;
    }
  if (description != NULL)
    note_unread (self, FALSE);
  else if (newest && g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT))
    note_unread (self, TRUE);
  if (description == NULL)
    return TRUE;
  if (self->options.pixels)
    pool_watch_check_again (self);
  if (self->options.pixels && copy == NULL)
    count (self, &self->counted.overtaken, 1);
  pool_watch_take (self, copy != NULL ? copy : description);
  return TRUE;
}

static void
look (PoolWatch *self)
{
  gint64 before_ns = now_ns ();
  guint64 latest = shmframe_observer_get_latest (self->observer);
  guint64 sequence = self->sequence + 1, seen = self->sequence;

  if (latest > seen && (seen == 0 || self->options.frame_interval_ns > 0))
    sequence = latest;
  else if (latest > seen + CATCH_UP)
    sequence = latest - CATCH_UP;
  for (; sequence <= latest; sequence++)
    if (!look_at (self, sequence, sequence == latest))
      return;
  if (self->sequence == seen && latest != self->latest)
    detector_unseen (self->detector, before_ns);
  self->latest = latest;
  if (self->sequence != seen)
    return;
  detector_tick (self->detector, before_ns);
  if (self->check_early && !self->checked && self->seen.frame != NULL
      && before_ns - self->publish_ns >= self->interval_ns / 2)
    {
      self->checked = TRUE;
      pool_watch_check_again (self);
    }
}

/* ---- collecting ---------------------------------------------------------------------------- */

static GPtrArray *
collect (PoolWatch *self)
{
  if (self->observer == NULL)
    return g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  return frames_collect (self->observer, COLLECT_BYTES);
}

static void
answer_collect (PoolWatch *self)
{
  gboolean wanted;
  GPtrArray *frames;

  g_mutex_lock (&self->lock);
  wanted = self->collecting && self->collected == NULL;
  g_mutex_unlock (&self->lock);
  if (!wanted)
    return;
  frames = collect (self);
  g_mutex_lock (&self->lock);
  self->collected = frames;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

GPtrArray *
pool_watch_collect (PoolWatch *self)
{
  GPtrArray *frames;

  if (g_thread_self () == self->thread)
    return collect (self);
  g_mutex_lock (&self->lock);
  while (self->collecting) /* for somebody else */
    g_cond_wait (&self->changed, &self->lock);
  self->collecting = TRUE;
  g_cond_broadcast (&self->changed);
  if (self->consumer != NULL)
    shmframe_consumer_set_flushing (self->consumer, TRUE);
  while (self->collected == NULL && !self->ending)
    g_cond_wait (&self->changed, &self->lock);
  frames = g_steal_pointer (&self->collected);
  if (frames == NULL)
    frames = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  self->collecting = FALSE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  return frames;
}

/* ---- the thread ---------------------------------------------------------------------------- */

static gboolean
is_ending (PoolWatch *self)
{
  gboolean ending;

  g_mutex_lock (&self->lock);
  ending = self->ending;
  g_mutex_unlock (&self->lock);
  return ending;
}

/* When to look again. */
static gint64
next_look (PoolWatch *self)
{
  if (self->options.frame_interval_ns > 0)
    return now_ns () + self->options.frame_interval_ns;
  if (self->interval_ns == 0)
    return now_ns () + POLL_FIRST_NS;
  return now_ns () + CLAMP (self->interval_ns / 4, POLL_MIN_NS, POLL_MAX_NS);
}

static void
do_what_is_due (PoolWatch *self)
{
  if (self->observer == NULL && now_ns () >= self->retry_ns)
    attach (self);
  if (self->observer != NULL && now_ns () >= self->ask_ns)
    ask (self);
  if (self->consumer == NULL && self->observer != NULL && now_ns () >= self->look_ns)
    {
      look (self);
      self->look_ns = next_look (self);
    }
  answer_collect (self);
}

static gpointer
run (gpointer data)
{
  PoolWatch *self = data;

  /* After pool_watch_new() has let go of the lock: `thread` is set. */
  while (!is_ending (self))
    {
      gint64 due_ns;

      do_what_is_due (self);
      due_ns = self->observer == NULL ? self->retry_ns : self->ask_ns;
      if (self->consumer != NULL)
        pool_watch_take_leased (self, CLAMP (due_ns - now_ns (), 0, LEASE_WAIT_NS));
      else
        pool_watch_sleep_until (self,
                                self->observer != NULL ? MIN (due_ns, self->look_ns) : due_ns);
    }
  return NULL;
}

static void
say_fault (const Fault *fault, gpointer data)
{
  PoolWatch *self = data;

  if (self->callbacks.fault != NULL)
    self->callbacks.fault (self, fault, self->data);
}

PoolWatch *
pool_watch_new (const char *pool, const PoolWatchOptions *options,
                const PoolWatchCallbacks *callbacks, gpointer data)
{
  PoolWatch *self = g_new0 (PoolWatch, 1);

  self->pool = g_strdup (pool);
  self->options = *options;
  self->callbacks = *callbacks;
  self->data = data;
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->detector = detector_new (&options->limits, say_fault, self);
  if (options->lease)
    pool_watch_make_consumer (self);
  g_mutex_lock (&self->lock);
  self->thread = g_thread_new ("pool-watch", run, self);
  g_mutex_unlock (&self->lock);
  return self;
}

void
pool_watch_stop (PoolWatch *self)
{
  g_mutex_lock (&self->lock);
  self->ending = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  if (self->consumer != NULL)
    shmframe_consumer_set_flushing (self->consumer, TRUE);
}

void
pool_watch_free (PoolWatch *self)
{
  if (self == NULL)
    return;
  pool_watch_stop (self);
  g_thread_join (self->thread);
  last_frame_clear (&self->seen);
  g_clear_object (&self->observer);
  g_clear_object (&self->consumer);
  g_clear_pointer (&self->format, shmframe_format_unref);
  detector_free (self->detector);
  g_free (self->unobserved);
  g_free (self->unread);
  g_free (self->unleased);
  g_free (self->said);
  g_free (self->pool);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
  g_free (self);
}

void
pool_watch_get_counters (PoolWatch *self, PoolWatchCounters *counters)
{
  g_mutex_lock (&self->lock);
  *counters = self->counted;
  g_mutex_unlock (&self->lock);
}
