/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "feed.h"

#define SECOND_NS G_GINT64_CONSTANT (1000000000)
#define MAX_FAULTS 256 /* waiting for the main thread */
/* A larger picture is shown reduced to REDUCED pixels a side. */
#define MAX_PIXELS (64 * 1024 * 1024)
#define REDUCED 4096
#define N_ANSWERS 16
#define RATE_NS (2 * SECOND_NS)

struct _Feed
{
  gatomicrefcount ref_count; /* it outlives feed_end() until the watch has ended */
  guint thumbnail;
  gint paused; /* atomic */

  /* main thread only */
  void (*ready) (gpointer data); /* NULL: ended */
  gpointer data;

  GMutex watch_lock; /* held while the watch is asked or freed */
  PoolWatch *watch;

  /* the watch's thread only */
  PictureMaker *maker;
  Meter meter;
  GVariant *latency; /* of the answer before */
  struct
  {
    gint64 time_ns;
    guint64 frames;
  } answers[N_ANSWERS]; /* at n_answers % N_ANSWERS */
  guint n_answers;

  GMutex lock; /* of what follows */
  gboolean scheduled;
  Parcel parcel;
};

/* ---- shots --------------------------------------------------------------------------------- */

void
shot_free (Shot *self)
{
  if (self == NULL)
    return;
  g_clear_pointer (&self->frame, shmframe_frame_unref);
  picture_free (self->picture);
  g_free (self->problem);
  g_free (self);
}

/* Both sides are said, since a hostile pool's proportions would make a picture of any height. */
static void
fit (guint box, guint *width, guint *height)
{
  double scale = MIN ((double) box / MAX (1, *width), (double) box / MAX (1, *height));

  *width = MAX (1, (guint) (*width * scale));
  *height = MAX (1, (guint) (*height * scale));
}

Shot *
shot_new (PictureMaker *maker, ShmFrameFrame *frame, guint box)
{
  Shot *self = g_new0 (Shot, 1);
  ShmFrameFormat *format = shmframe_frame_get_format (frame);
  guint width = format != NULL ? shmframe_format_get_width (format) : 0;
  guint height = format != NULL ? shmframe_format_get_height (format) : 0;
  g_autoptr (GError) error = NULL;

  if (box == 0 && (guint64) width * height > MAX_PIXELS)
    box = REDUCED;
  if (box != 0)
    fit (box, &width, &height);
  else
    width = height = 0;
  self->frame = shmframe_frame_ref (frame);
  self->picture = picture_maker_convert (maker, frame, PICTURE_BGRA, width, height, &error);
  if (self->picture == NULL)
    self->problem = g_strdup (error->message);
  return self;
}

/* ---- to the main thread -------------------------------------------------------------------- */

static Feed *
feed_ref (Feed *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
clear_parcel (Parcel *parcel)
{
  g_free (parcel->reason);
  pool_view_free (parcel->view);
  shot_free (parcel->shot);
  g_queue_clear_full (&parcel->faults, feed_free_fault);
}

static void
feed_unref (gpointer data)
{
  Feed *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  picture_maker_free (self->maker);
  g_clear_pointer (&self->latency, g_variant_unref);
  clear_parcel (&self->parcel);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->watch_lock);
  g_free (self);
}

static gboolean
deliver (gpointer data)
{
  Feed *self = data;

  if (self->ready != NULL)
    self->ready (self->data);
  return G_SOURCE_REMOVE;
}

/* With the lock held. */
static void
schedule (Feed *self)
{
  if (self->scheduled)
    return;
  self->scheduled = TRUE;
  /* After input, before drawing. */
  g_idle_add_full (G_PRIORITY_HIGH_IDLE + 10, deliver, feed_ref (self), feed_unref);
}

void
feed_take (Feed *self, Parcel *parcel)
{
  g_mutex_lock (&self->lock);
  *parcel = self->parcel;
  self->parcel = (Parcel){ .faults = G_QUEUE_INIT };
  self->scheduled = FALSE;
  g_mutex_unlock (&self->lock);
}

void
feed_free_fault (gpointer data)
{
  Fault *fault = data;

  g_free (fault->text);
  g_free (fault);
}

/* ---- the watch's thread -------------------------------------------------------------------- */

static void
state_changed (PoolWatch *watch, const char *reason, gpointer data)
{
  Feed *self = data;

  meter_reset (&self->meter);
  g_clear_pointer (&self->latency, g_variant_unref);
  self->n_answers = 0;
  g_mutex_lock (&self->lock);
  g_free (self->parcel.reason);
  self->parcel.reason = g_strdup (reason);
  self->parcel.state_changed = TRUE;
  g_clear_pointer (&self->parcel.view, pool_view_free);
  schedule (self);
  g_mutex_unlock (&self->lock);
}

/* The producer's count says the rate also where frames were not seen. */
static double
count_rate (Feed *self, const PoolView *view, gint64 now_ns)
{
  guint64 frames = lookup_number (view->stats, "frames"), before = frames;
  gint64 since_ns = now_ns;

  for (guint i = 1; i <= MIN (self->n_answers, N_ANSWERS); i++)
    {
      guint at = (self->n_answers - i) % N_ANSWERS;

      if (i > 1 && now_ns - self->answers[at].time_ns > RATE_NS)
        break;
      since_ns = self->answers[at].time_ns;
      before = self->answers[at].frames;
    }
  self->answers[self->n_answers % N_ANSWERS].time_ns = now_ns;
  self->answers[self->n_answers % N_ANSWERS].frames = frames;
  self->n_answers++;
  return since_ns < now_ns && before <= frames
             ? (double) (frames - before) * 1e9 / (double) (now_ns - since_ns)
             : 0;
}

static void
measure_latency (Feed *self, const PoolView *view, LatencyRates *rates)
{
  g_autoptr (GVariant) latency
      = g_variant_lookup_value (view->stats, "latency", G_VARIANT_TYPE ("a(tt)"));

  *rates = (LatencyRates){ .p50_ns = -1, .p99_ns = -1, .max_ns = -1 };
  if (latency != NULL && self->latency != NULL)
    latency_between (self->latency, latency, rates);
  g_clear_pointer (&self->latency, g_variant_unref);
  self->latency = g_steal_pointer (&latency);
}

static void
got_view (PoolWatch *watch, PoolView *view, gpointer data)
{
  Feed *self = data;
  gint64 now_ns = g_get_monotonic_time () * 1000;
  MeterRates rates;
  LatencyRates latency;

  meter_get_rates (&self->meter, now_ns, &rates);
  rates.fps = count_rate (self, view, now_ns);
  measure_latency (self, view, &latency);

  g_mutex_lock (&self->lock);
  pool_view_free (self->parcel.view);
  self->parcel.view = view;
  self->parcel.rates = rates;
  self->parcel.latency = latency;
  schedule (self);
  g_mutex_unlock (&self->lock);
}

static void
got_frame (PoolWatch *watch, const FrameSample *sample, ShmFrameFrame *frame, gpointer data)
{
  Feed *self = data;
  Shot *shot;

  meter_add (&self->meter, sample);
  if (g_atomic_int_get (&self->paused) || frame == NULL || shmframe_frame_get_data (frame) == NULL)
    return;
  shot = shot_new (self->maker, frame, self->thumbnail);

  g_mutex_lock (&self->lock);
  if (self->parcel.shot != NULL)
    self->parcel.skipped++;
  shot_free (self->parcel.shot);
  self->parcel.shot = shot;
  schedule (self);
  g_mutex_unlock (&self->lock);
}

static void
got_fault (PoolWatch *watch, const Fault *fault, gpointer data)
{
  Feed *self = data;
  Fault *copy;

  g_mutex_lock (&self->lock);
  if (self->parcel.faults.length < MAX_FAULTS)
    {
      copy = g_memdup2 (fault, sizeof *fault);
      copy->text = g_strdup (fault->text);
      g_queue_push_tail (&self->parcel.faults, copy);
      schedule (self);
    }
  g_mutex_unlock (&self->lock);
}

/* ---- what waits for the watch's thread, on threads of GTask -------------------------------- */

typedef void (*Collected) (gpointer data, GPtrArray *frames);

static void
end_watch (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Feed *self = data;

  g_mutex_lock (&self->watch_lock);
  g_clear_pointer (&self->watch, pool_watch_free);
  g_mutex_unlock (&self->watch_lock);
  g_task_return_boolean (task, TRUE);
}

static void
collect (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Feed *self = data;
  GPtrArray *frames = NULL;

  g_mutex_lock (&self->watch_lock);
  if (self->watch != NULL)
    frames = pool_watch_collect (self->watch);
  g_mutex_unlock (&self->watch_lock);
  g_task_return_pointer (task, frames, (GDestroyNotify) g_ptr_array_unref);
}

static void
collect_ended (GObject *source, GAsyncResult *result, gpointer data)
{
  Collected collected = (Collected) data;
  Feed *self = g_task_get_task_data (G_TASK (result));
  GPtrArray *frames = g_task_propagate_pointer (G_TASK (result), NULL);

  if (self->ready != NULL)
    collected (self->data, frames);
  else if (frames != NULL)
    g_ptr_array_unref (frames);
}

static void
run_task (Feed *self, GTaskThreadFunc run, GAsyncReadyCallback ended, gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, ended, data);

  g_task_set_task_data (task, feed_ref (self), feed_unref);
  g_task_run_in_thread (task, run);
}

void
feed_collect (Feed *self, Collected collected)
{
  run_task (self, collect, collect_ended, (gpointer) collected);
}

/* ---- the main thread ----------------------------------------------------------------------- */

Feed *
feed_new (const char *pool, gboolean lease, guint thumbnail, void (*ready) (gpointer data),
          gpointer data)
{
  const PoolWatchOptions options = {
    .pixels = TRUE,
    .lease = lease,
    .frame_interval_ns = thumbnail != 0 ? SECOND_NS : 0,
    .stats_interval_ns = thumbnail != 0 ? SECOND_NS : 0,
    .limits.freeze_ns = thumbnail != 0 ? 0 : DETECT_FREEZE_NS,
  };
  const PoolWatchCallbacks callbacks = {
    .state = state_changed,
    .view = got_view,
    .frame = got_frame,
    .fault = thumbnail != 0 ? NULL : got_fault,
  };
  Feed *self = g_new0 (Feed, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  g_mutex_init (&self->watch_lock);
  self->ready = ready;
  self->data = data;
  self->thumbnail = thumbnail;
  self->maker = picture_maker_new ();
  self->watch = pool_watch_new (pool, &options, &callbacks, self);
  return self;
}

void
feed_end (Feed *self)
{
  self->ready = NULL;
  feed_set_paused (self, TRUE);
  run_task (self, end_watch, NULL, NULL);
  feed_unref (self);
}

void
feed_set_paused (Feed *self, gboolean paused)
{
  g_atomic_int_set (&self->paused, paused);
}

void
feed_get_counters (Feed *self, PoolWatchCounters *counters)
{
  pool_watch_get_counters (self->watch, counters);
}
