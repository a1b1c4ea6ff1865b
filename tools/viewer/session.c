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
  PictureMaker *maker; /* for steps */
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
  feed_set_paused (self->feed, self->paused);
  g_clear_pointer (&self->frames, g_ptr_array_unref);
  if (self->paused)
    feed_collect (self->feed, collected);
  g_signal_emit (self, signals[CHANGED], 0);
}

gboolean
viewer_session_step (ViewerSession *self, int by)
{
  gint64 position = (gint64) self->position + by;

  if (self->frames == NULL || position < 0 || position >= self->frames->len)
    return FALSE;
  self->position = (guint) position;
  show_shot (self, shot_new (self->maker, self->frames->pdata[position], self->thumbnail));
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
