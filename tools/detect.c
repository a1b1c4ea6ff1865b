/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "detect.h"
#include "common.h"

#include <stdlib.h>
#include <string.h>

#define LATENESS_FRAMES 64
#define LATENESS_ENOUGH 8 /* frames, before "usually" means anything */
#define STEPS 16          /* differences of pts from which a frame's duration is learned */
#define MAX_DURATION_NS (G_GINT64_CONSTANT (3600) * 1000 * 1000 * 1000)
#define RATELESS_FREEZES 10 /* as long a silence, where nothing says how long a frame lasts */

/* The picture that is shown, since the first frame that had it. */
typedef struct
{
  guint64 sequence;
  gint64 since_ns;
  gint64 known_ns; /* the newest frame that is known to have it */
  guint64 first_duplicate;
  guint duplicates;
  gboolean declared; /* each of them, by its flag GAP */
  gboolean frozen;   /* and said */
  gboolean silent;   /* for want of frames */
} Still;

/* Where pts was before it went backwards: a single wrong one is no gap when time is back there. */
typedef struct
{
  gint64 pts_ns;
  guint frames; /* since; 0: it did not go backwards */
} Front;

struct _Detector
{
  DetectLimits limits;
  DetectFault fault;
  gpointer data;
  gboolean waiting, ended, silent;
  guint64 last_of_stream; /* `ended` */

  /* What a reset clears. */
  struct
  {
    gint64 duration_ns;
    gint64 began_ns;  /* the first tick */
    gint64 unseen_ns; /* the last frame that came and could not be looked at */
    gboolean seen;
    gboolean unsure; /* whether the last frame had another picture than the one before */
    FrameSample last;
    Still still;
    Front front;
    gboolean in_gap, is_late;
    gint64 lateness_ns[LATENESS_FRAMES];
    guint n_lateness;
    gint64 step_ns[STEPS];
    guint n_steps;
  } now;
};

const char *
fault_kind_name (FaultKind kind)
{
  static const char *const names[N_FAULTS]
      = { "freeze", "duplicate", "gap", "backwards", "late", "tear" };

  g_return_val_if_fail (kind < N_FAULTS, NULL);
  return names[kind];
}

Detector *
detector_new (const DetectLimits *limits, DetectFault fault, gpointer data)
{
  Detector *self = g_new0 (Detector, 1);

  self->limits = *limits;
  self->fault = fault;
  self->data = data;
  return self;
}

void
detector_free (Detector *self)
{
  g_free (self);
}

void
detector_reset (Detector *self)
{
  memset (&self->now, 0, sizeof self->now);
}

void
detector_set_duration (Detector *self, gint64 duration_ns)
{
  self->now.duration_ns = duration_ns > 0 && duration_ns <= MAX_DURATION_NS ? duration_ns : 0;
}

static void say (Detector *self, FaultKind kind, guint64 sequence, gint64 time_ns,
                 const char *format, ...) G_GNUC_PRINTF (5, 6);

static void
say (Detector *self, FaultKind kind, guint64 sequence, gint64 time_ns, const char *format, ...)
{
  g_autofree char *text = NULL;
  Fault fault = { .kind = kind, .sequence = sequence, .time_ns = time_ns };
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  fault.text = text;
  self->fault (&fault, self->data);
}

/* A peer's time: differences of two such do not overflow. */
static gboolean
is_known (gint64 time_ns)
{
  return time_ns >= 0 && time_ns < G_MAXINT64 / 4;
}

/* What pts says that a frame lasts, where it says the same of all of the last ones; else 0. */
static gint64
learn_duration (const Detector *self)
{
  gint64 sorted[STEPS], median;

  if (self->now.n_steps < STEPS)
    return 0;
  memcpy (sorted, self->now.step_ns, sizeof sorted);
  qsort (sorted, STEPS, sizeof *sorted, compare_times);
  median = sorted[STEPS / 2];
  if (sorted[0] < median - median / 4 || sorted[STEPS - 1] > median + median / 4)
    return 0;
  return MIN (median, MAX_DURATION_NS);
}

/* What the frame says of itself; 0: nothing. */
static gint64
get_own_duration (const FrameSample *sample)
{
  return is_known (sample->duration_ns) ? MIN (sample->duration_ns, MAX_DURATION_NS) : 0;
}

/* 0: not known. */
static gint64
get_duration (const Detector *self)
{
  if (self->now.duration_ns > 0)
    return self->now.duration_ns;
  if (get_own_duration (&self->now.last) > 0)
    return get_own_duration (&self->now.last);
  return learn_duration (self);
}

static double
ms (gint64 ns)
{
  return (double) ns / 1e6;
}

/* ---- freeze and duplicate ------------------------------------------------------------------ */

static void
begin_picture (Detector *self, const FrameSample *sample)
{
  self->now.still = (Still){ .sequence = sample->sequence,
                             .since_ns = sample->publish_ns,
                             .known_ns = sample->publish_ns };
}

/* The picture moves again, and it was not a freeze: nor could it have been one, in what was not seen. */
static void
end_picture (Detector *self, const FrameSample *sample)
{
  const Still *still = &self->now.still;

  if (still->duplicates == 0 || still->frozen)
    return;
  if (sample->missed > 0 && self->limits.freeze_ns > 0
      && sample->publish_ns - still->since_ns >= self->limits.freeze_ns)
    return;
  if (still->duplicates == 1)
    say (self, FAULT_DUPLICATE, still->first_duplicate, sample->publish_ns,
         "what feeds the producer repeats a frame%s: the picture of the frame before once more",
         still->declared ? ", and says so (GAP)" : "");
  else
    say (self, FAULT_DUPLICATE, still->first_duplicate, sample->publish_ns,
         "what feeds the producer repeats frames%s: the same picture %u times more",
         still->declared ? ", and says so (GAP)" : "", still->duplicates);
}

static void
count_duplicate (Still *still, const FrameSample *sample)
{
  gboolean declared = (sample->flags & SHMFRAME_FLAG_GAP) != 0;

  if (still->duplicates++ == 0)
    still->first_duplicate = sample->sequence;
  still->declared = declared && (still->declared || still->duplicates == 1);
}

/* How long one picture may be shown: a slow pool repeats a frame before it freezes. */
static gint64
get_still_limit (const Detector *self, const FrameSample *sample)
{
  gint64 duration_ns = get_duration (self);

  if (duration_ns == 0)
    duration_ns = sample->publish_ns - self->now.last.publish_ns;
  return MAX (self->limits.freeze_ns, 3 * duration_ns);
}

static void
repeat_picture (Detector *self, const FrameSample *sample)
{
  Still *still = &self->now.still;
  gint64 freeze_ns = self->limits.freeze_ns;
  gboolean certain = sample->missed == 0 && !self->now.unsure;

  still->silent = FALSE;
  if (!certain && !still->frozen && freeze_ns > 0
      && sample->publish_ns - still->known_ns >= freeze_ns / 2)
    {
      begin_picture (self, sample);
      return;
    }
  still->known_ns = sample->publish_ns;
  if (certain)
    count_duplicate (still, sample);
  if (still->frozen || freeze_ns == 0
      || still->known_ns - still->since_ns < get_still_limit (self, sample))
    return;
  still->frozen = TRUE;
  say (self, FAULT_FREEZE, still->sequence, sample->publish_ns,
       "what feeds the producer stands still: the same picture for %.2f s, and frames come",
       ms (still->known_ns - still->since_ns) / 1e3);
}

static void
judge_picture (Detector *self, const FrameSample *sample)
{
  if (!self->now.seen)
    begin_picture (self, sample);
  else if (sample->same > 0)
    repeat_picture (self, sample);
  else if (sample->same == 0 || self->now.still.silent)
    {
      end_picture (self, sample);
      begin_picture (self, sample);
    }
}

/* How long no frame may come. Pictures that come when something changes have no rate. */
static gint64
get_silence_limit (const Detector *self)
{
  gint64 freeze_ns = self->limits.freeze_ns, duration_ns = get_duration (self);

  if (self->now.seen && duration_ns == 0)
    return MIN (freeze_ns, G_MAXINT64 / RATELESS_FREEZES) * RATELESS_FREEZES;
  return MAX (freeze_ns, 3 * duration_ns);
}

void
detector_tick (Detector *self, gint64 now_ns)
{
  Still *still = &self->now.still;
  gint64 since_ns;

  if (self->now.began_ns == 0)
    self->now.began_ns = now_ns;
  since_ns = self->now.seen ? self->now.last.publish_ns : self->now.began_ns;
  since_ns = MAX (since_ns, self->now.unseen_ns);
  if (self->limits.freeze_ns == 0 || still->frozen || self->ended
      || now_ns - since_ns < get_silence_limit (self))
    return;
  still->frozen = still->silent = TRUE;
  say (self, FAULT_FREEZE, self->now.last.sequence, now_ns,
       "the producer %s: no frame for %.2f s, while it lives",
       self->silent    ? "does not answer, is stopped or hangs"
       : self->waiting ? "waits for a lossless consumer that does not go on"
                       : "stands still, or gets none from what feeds it",
       ms (now_ns - since_ns) / 1e3);
}

/* ---- order of pts -------------------------------------------------------------------------- */

static void
go_backwards (Detector *self, const FrameSample *sample, gboolean follows)
{
  gint64 before_ns = self->now.last.pts_ns;

  self->now.n_lateness = 0; /* another time line, or one wrong time */
  self->now.in_gap = self->now.is_late = FALSE;
  if (!follows || (sample->flags & SHMFRAME_FLAG_DISCONT) != 0)
    {
      self->now.front.frames = 0;
      return;
    }
  if (self->now.front.frames++ == 0)
    self->now.front.pts_ns = before_ns;
  say (self, FAULT_BACKWARDS, sample->sequence, sample->publish_ns,
       "what feeds the producer stamps frames out of order: pts is %.1f ms before that of the "
       "frame before, without DISCONT",
       ms (before_ns - sample->pts_ns));
}

static void
stand_still (Detector *self, const FrameSample *sample, gboolean follows)
{
  Front *front = &self->now.front;

  self->now.in_gap = FALSE;
  if ((sample->flags & SHMFRAME_FLAG_DISCONT) != 0)
    return;
  if (front->frames == 0 && follows && sample->same == 0)
    {
      self->now.n_lateness = 0;
      self->now.is_late = FALSE;
      *front = (Front){ .pts_ns = sample->pts_ns, .frames = 1 };
      say (self, FAULT_BACKWARDS, sample->sequence, sample->publish_ns,
           "pts is that of the frame before, with another picture: what feeds the producer stamps "
           "frames with a time that stands still");
    }
  else if (front->frames > 0)
    front->frames++;
}

/* Is it where it would be, had pts not been wrong in between? */
static gboolean
is_back (const Front *front, gint64 pts_ns, gint64 duration_ns)
{
  return front->frames > 0 && pts_ns >= front->pts_ns
         && pts_ns - front->pts_ns <= (front->frames + 1) * duration_ns + duration_ns / 2;
}

static void
go_forwards (Detector *self, const FrameSample *sample, gboolean silent)
{
  gint64 step_ns = sample->pts_ns - self->now.last.pts_ns;
  gint64 duration_ns = get_duration (self);
  gint64 lasts_ns = MAX (duration_ns, get_own_duration (&self->now.last));
  gboolean back = is_back (&self->now.front, sample->pts_ns, duration_ns);
  gboolean gap = duration_ns > 0 && step_ns > lasts_ns + duration_ns / 2 && !back && !silent;

  if (gap && !self->now.in_gap)
    say (self, FAULT_GAP, sample->sequence, sample->publish_ns,
         "%.0f missing before they came to the producer, in what feeds it: pts jumps by %.1f ms "
         "where a frame lasts %.1f ms",
         MAX (1, (double) step_ns / (double) lasts_ns - 1), ms (step_ns), ms (lasts_ns));
  self->now.in_gap = gap;
  if (self->now.front.frames == 0 && step_ns > 0)
    self->now.step_ns[self->now.n_steps++ % STEPS] = step_ns;
  if (self->now.n_steps == 2 * STEPS)
    self->now.n_steps = STEPS;
  self->now.front.frames = 0;
}

/* FALSE: pts went backwards, or stood still. */
static gboolean
judge_order (Detector *self, const FrameSample *sample, gboolean silent)
{
  const FrameSample *last = &self->now.last;
  gboolean follows = sample->missed == 0;

  if (!self->now.seen || !is_known (sample->pts_ns) || !is_known (last->pts_ns))
    return TRUE;
  if (sample->pts_ns < last->pts_ns)
    {
      go_backwards (self, sample, follows);
      return FALSE;
    }
  if (sample->pts_ns == last->pts_ns)
    {
      stand_still (self, sample, follows);
      return FALSE;
    }
  if (follows)
    go_forwards (self, sample, silent);
  else
    self->now.in_gap = FALSE;
  return TRUE;
}

/* ---- late ---------------------------------------------------------------------------------- */

static gint64
get_usual_lateness (const Detector *self)
{
  gint64 sorted[LATENESS_FRAMES];
  guint n = MIN (self->now.n_lateness, LATENESS_FRAMES);

  memcpy (sorted, self->now.lateness_ns, sizeof sorted);
  qsort (sorted, n, sizeof *sorted, compare_times);
  return sorted[n / 2];
}

static void
judge_lateness (Detector *self, const FrameSample *sample, gboolean silent)
{
  gint64 lateness_ns, limit_ns = self->limits.late_ns;
  gboolean late = FALSE;

  if (!is_known (sample->pts_ns))
    return;
  lateness_ns = sample->publish_ns - sample->pts_ns;
  if (limit_ns == 0)
    limit_ns = get_duration (self) + get_duration (self) / 2;
  if (limit_ns > 0 && self->now.n_lateness >= LATENESS_ENOUGH)
    {
      gint64 usual_ns = get_usual_lateness (self);

      late = lateness_ns - usual_ns > limit_ns;
      if (late && !self->now.is_late && !silent)
        say (self, FAULT_LATE, sample->sequence, sample->publish_ns,
             "the producer, or what feeds it, was held up, or it waited for a lossless consumer: "
             "%.1f ms later after its pts than frames usually are",
             ms (lateness_ns - usual_ns));
    }
  self->now.is_late = late;
  self->now.lateness_ns[self->now.n_lateness++ % LATENESS_FRAMES] = lateness_ns;
  if (self->now.n_lateness == 2 * LATENESS_FRAMES)
    self->now.n_lateness = LATENESS_FRAMES;
}

/* ---- what it is told ----------------------------------------------------------------------- */

/* Another stream in the same format. */
static void
begin_stream (Detector *self)
{
  gint64 duration_ns = self->now.duration_ns;

  detector_reset (self);
  self->now.duration_ns = duration_ns;
  self->ended = FALSE;
}

void
detector_frame (Detector *self, const FrameSample *sample)
{
  gboolean silent;

  if (!is_known (sample->publish_ns))
    return;
  if (self->ended && sample->sequence > self->last_of_stream)
    begin_stream (self);
  /* The frame that ends a silence is neither a gap nor late besides. */
  silent = self->now.still.silent;
  judge_picture (self, sample);
  if (judge_order (self, sample, silent))
    judge_lateness (self, sample, silent);
  self->now.unsure = self->now.seen && sample->same < 0;
  self->now.last = *sample;
  self->now.seen = TRUE;
}

void
detector_unseen (Detector *self, gint64 now_ns)
{
  self->now.unseen_ns = now_ns;
}

void
detector_set_ended (Detector *self, gboolean ended, guint64 latest)
{
  if (self->ended && !ended)
    begin_stream (self); /* this is heard before its first frame is seen */
  self->ended = ended;
  self->last_of_stream = latest;
}

void
detector_set_waiting (Detector *self, gboolean waiting)
{
  self->waiting = waiting;
}

void
detector_set_silent (Detector *self, gboolean silent)
{
  self->silent = silent;
}

void
detector_dropped (Detector *self, guint64 count, guint64 latest, gint64 now_ns)
{
  say (self, FAULT_GAP, latest, now_ns,
       "the producer dropped %" G_GUINT64_FORMAT " itself: its statistics and messages say why",
       count);
}

void
detector_changed (Detector *self, guint64 sequence, gint64 now_ns)
{
  say (self, FAULT_TEAR, sequence, now_ns,
       "the producer, or who shares its memory, wrote into a published frame: its bytes changed "
       "after it was published");
}
