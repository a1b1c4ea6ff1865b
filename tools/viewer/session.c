/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "session.h"
#include "feed.h"

struct _ViewerSession
{
  GObject parent;
  char *pool;
  Feed *feed;
  char *reason; /* NULL: attached */
  PoolView *view;
  MeterRates rates;
  LatencyRates latency;
  Shot *shot;
  GdkTexture *texture; /* made when it is first drawn */
  guint64 skipped;
  guint thumbnail;
  gboolean paused;
  GPtrArray *frames; /* while paused: what the pool still had, and the frame that was shown */
  guint position;
  guint pauses;          /* begun and ended */
  ShmFrameFrame *wanted; /* stepped to, no picture of it is being made yet; NULL: none */
  gboolean stepping;     /* a picture is being made */
  PictureMaker *maker;   /* for steps; a step's thread has it while `stepping` */
};

G_DEFINE_FINAL_TYPE (ViewerSession, viewer_session, G_TYPE_OBJECT)

enum
{
  CHANGED,
  PICTURE,
  FAULT,
  N_SIGNALS,
};
static guint signals[N_SIGNALS];

/* ---- what comes ---------------------------------------------------------------------------- */

static void
show_shot (ViewerSession *self, Shot *shot)
{
  shot_free (self->shot);
  self->shot = shot;
  g_clear_object (&self->texture);
  g_signal_emit (self, signals[PICTURE], 0);
}

static void
take_shot (ViewerSession *self, Shot *shot)
{
  if (self->paused)
    {
      shot_free (shot);
      return;
    }
  /* The texture is made when it is drawn: a picture without one was never seen. */
  if (self->shot != NULL && self->shot->picture != NULL && self->texture == NULL)
    self->skipped++;
  show_shot (self, shot);
}

static void
take_state (ViewerSession *self, char *reason)
{
  g_free (self->reason);
  self->reason = reason;
  if (reason == NULL)
    return;
  g_clear_pointer (&self->view, pool_view_free);
  self->rates = (MeterRates){ 0 };
  self->latency = (LatencyRates){ .p50_ns = -1, .p99_ns = -1, .max_ns = -1 };
}

static void
take_view (ViewerSession *self, const Parcel *parcel)
{
  pool_view_free (self->view);
  self->view = parcel->view;
  self->rates = parcel->rates;
  self->latency = parcel->latency;
}

static void
take_parcel (gpointer data)
{
  g_autoptr (ViewerSession) self = g_object_ref (data); /* a handler may drop it */
  Parcel parcel;
  Fault *fault;

  feed_take (self->feed, &parcel);
  if (parcel.state_changed)
    take_state (self, parcel.reason);
  if (parcel.view != NULL)
    take_view (self, &parcel);
  self->skipped += parcel.skipped;
  if (parcel.shot != NULL)
    take_shot (self, parcel.shot);
  if (parcel.state_changed || parcel.view != NULL)
    g_signal_emit (self, signals[CHANGED], 0);
  while ((fault = g_queue_pop_head (&parcel.faults)) != NULL)
    {
      g_signal_emit (self, signals[FAULT], 0, fault);
      feed_free_fault (fault);
    }
}

/* ---- pausing ------------------------------------------------------------------------------- */

/* Where the frame stands that is shown; it is put there where the pool has it no longer. */
static guint
find_shown (GPtrArray *frames, ShmFrameFrame *shown)
{
  guint64 sequence = shmframe_frame_get_sequence (shown);
  guint i;

  for (i = 0; i < frames->len; i++)
    if (shmframe_frame_get_epoch (frames->pdata[i]) == shmframe_frame_get_epoch (shown)
        && shmframe_frame_get_sequence (frames->pdata[i]) >= sequence)
      break;
  if (i == frames->len || shmframe_frame_get_sequence (frames->pdata[i]) != sequence)
    g_ptr_array_insert (frames, (gint) i, shmframe_frame_ref (shown));
  return i;
}

static void
collected (gpointer data, GPtrArray *frames)
{
  ViewerSession *self = data;

  if (!self->paused || frames == NULL)
    {
      g_clear_pointer (&frames, g_ptr_array_unref);
      return;
    }
  self->position = 0;
  if (self->shot != NULL)
    self->position = find_shown (frames, self->shot->frame);
  g_clear_pointer (&self->frames, g_ptr_array_unref);
  self->frames = frames;
  g_signal_emit (self, signals[CHANGED], 0);
}

void
viewer_session_set_paused (ViewerSession *self, gboolean paused)
{
  if (self->paused == !!paused)
    return;
  self->paused = !!paused;
  self->pauses++;
  g_clear_pointer (&self->wanted, shmframe_frame_unref);
  feed_set_paused (self->feed, self->paused);
  g_clear_pointer (&self->frames, g_ptr_array_unref);
  if (self->paused)
    feed_collect (self->feed, collected);
  g_signal_emit (self, signals[CHANGED], 0);
}

typedef struct
{
  ViewerSession
      *session; /* whose reference is step_ended()'s: the last one goes on the main thread */
  ShmFrameFrame *frame;
  guint pauses;
} Step;

static void
step_free (gpointer data)
{
  Step *step = data;

  shmframe_frame_unref (step->frame);
  g_free (step);
}

static void
make_shot (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  const Step *step = data;
  const ViewerSession *self = step->session;

  g_task_return_pointer (task, shot_new (self->maker, step->frame, self->thumbnail),
                         (GDestroyNotify) shot_free);
}

static void begin_step (ViewerSession *self);

/* Only the newest step is shown, of this pause. */
static void
step_ended (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (ViewerSession) self = data;
  const Step *step = g_task_get_task_data (G_TASK (result));
  Shot *shot = g_task_propagate_pointer (G_TASK (result), NULL);

  self->stepping = FALSE;
  if (self->wanted == NULL && step->pauses == self->pauses)
    {
      show_shot (self, shot);
      g_signal_emit (self, signals[CHANGED], 0);
      return;
    }
  shot_free (shot);
  if (self->wanted != NULL)
    begin_step (self);
}

/* On a thread: a picture of many pixels takes its time. */
static void
begin_step (ViewerSession *self)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, step_ended, g_object_ref (self));
  Step *step = g_new0 (Step, 1);

  step->session = self;
  step->frame = g_steal_pointer (&self->wanted);
  step->pauses = self->pauses;
  self->stepping = TRUE;
  g_task_set_task_data (task, step, step_free);
  g_task_run_in_thread (task, make_shot);
}

gboolean
viewer_session_step (ViewerSession *self, int by)
{
  gint64 position = (gint64) self->position + by;

  if (self->frames == NULL || position < 0 || position >= self->frames->len)
    return FALSE;
  self->position = (guint) position;
  g_clear_pointer (&self->wanted, shmframe_frame_unref);
  self->wanted = shmframe_frame_ref (self->frames->pdata[position]);
  if (!self->stepping)
    begin_step (self);
  g_signal_emit (self, signals[CHANGED], 0);
  return TRUE;
}

guint
viewer_session_get_position (ViewerSession *self, guint *n)
{
  *n = self->frames != NULL ? self->frames->len : 0;
  return self->position;
}

/* ---- the object ---------------------------------------------------------------------------- */

static void
dispose (GObject *object)
{
  ViewerSession *self = VIEWER_SESSION (object);

  g_clear_pointer (&self->feed, feed_end);
  g_clear_pointer (&self->shot, shot_free);
  g_clear_pointer (&self->view, pool_view_free);
  g_clear_pointer (&self->frames, g_ptr_array_unref);
  g_clear_pointer (&self->wanted, shmframe_frame_unref);
  g_clear_pointer (&self->maker, picture_maker_free);
  g_clear_object (&self->texture);
  g_clear_pointer (&self->pool, g_free);
  g_clear_pointer (&self->reason, g_free);
  G_OBJECT_CLASS (viewer_session_parent_class)->dispose (object);
}

static void
viewer_session_class_init (ViewerSessionClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = dispose;
  signals[CHANGED]
      = g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[PICTURE]
      = g_signal_new ("picture", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[FAULT] = g_signal_new ("fault", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                 1, G_TYPE_POINTER);
}

static void
viewer_session_init (ViewerSession *self)
{
  take_state (self, g_strdup ("Looking for its producer"));
  self->maker = picture_maker_new ();
}

ViewerSession *
viewer_session_new (const char *pool, gboolean lease, guint thumbnail)
{
  ViewerSession *self = g_object_new (VIEWER_TYPE_SESSION, NULL);

  self->pool = g_strdup (pool);
  self->thumbnail = thumbnail;
  self->feed = feed_new (pool, lease, thumbnail, take_parcel, self);
  return self;
}

const char *
viewer_session_get_pool (ViewerSession *self)
{
  return self->pool;
}

const char *
viewer_session_get_problem (ViewerSession *self)
{
  return self->reason != NULL || self->shot == NULL ? self->reason : self->shot->problem;
}

gboolean
viewer_session_is_attached (ViewerSession *self)
{
  return self->reason == NULL;
}

const char *
viewer_session_get_state (ViewerSession *self)
{
  if (self->reason != NULL)
    return g_str_has_suffix (self->reason, "is it stopped?") ? "producer does not answer"
                                                             : "no producer";
  return self->view != NULL && pool_view_has_ended (self->view) ? "ended" : "live";
}

const PoolView *
viewer_session_get_view (ViewerSession *self)
{
  return self->view;
}

void
viewer_session_get_rates (ViewerSession *self, MeterRates *rates)
{
  *rates = self->rates;
}

void
viewer_session_get_latency (ViewerSession *self, LatencyRates *rates)
{
  *rates = self->latency;
}

const Picture *
viewer_session_get_picture (ViewerSession *self)
{
  return self->shot != NULL ? self->shot->picture : NULL;
}

GdkTexture *
viewer_session_get_texture (ViewerSession *self)
{
  const Picture *picture = viewer_session_get_picture (self);

  /* Opaque pixels are the same premultiplied, which GTK need not convert then. */
  if (self->texture == NULL && picture != NULL)
    self->texture = gdk_memory_texture_new ((int) picture->width, (int) picture->height,
                                            picture->opaque ? GDK_MEMORY_B8G8R8A8_PREMULTIPLIED
                                                            : GDK_MEMORY_B8G8R8A8,
                                            picture->bytes, (gsize) picture->width * 4);
  return self->texture;
}

ShmFrameFrame *
viewer_session_get_frame (ViewerSession *self)
{
  return self->shot != NULL ? self->shot->frame : NULL;
}

guint64
viewer_session_get_skipped (ViewerSession *self)
{
  return self->skipped;
}

void
viewer_session_get_counters (ViewerSession *self, PoolWatchCounters *counters)
{
  feed_get_counters (self->feed, counters);
}

gboolean
viewer_session_get_paused (ViewerSession *self)
{
  return self->paused;
}
