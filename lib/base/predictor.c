/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/predictor.h"

#include <string.h>

/* The line is drawn anew after so many frames; fewer are no series. */
#define STRIDE 8

/* Beyond this, frames are single pictures. Also keeps every sum here far from 2^63. */
#define PERIOD_MAX_NS G_GINT64_CONSTANT (1000000000)
/* Faster than this, the window would be the whole period. */
#define PERIOD_MIN_NS 500000
/* Later than this, a time is a lie; and no sum of two here overflows. */
#define TIME_MAX_NS (G_MAXINT64 / 2)
/* So many periods without a frame, and the producer has stopped or lost its rhythm. */
#define SILENCE_PERIODS 8

/* So many intervals of several periods in a row, and the period was a wrong guess (two frames of a
 * burst) or this consumer has become slower than the producer. */
#define GAPS_MAX 8

/* So many frames outside the window in a row, and the producer keeps another time than it did. Of jitter
 * that leaves every other frame outside it would be one in 4000. */
#define MISSES_MAX 12

/* The window's ends are moved out by this: publish times end before the frame can be seen. And by what n
 * samples leave open: the next one is beyond their extremes in 2 of n + 1 cases. */
#define SLACK_NS 20000
/* How much earlier than the window a sleep has to end: the mean lateness and four deviations, as TCP's
 * timer; it is not known at first. */
#define DEVIATIONS 4
#define LATENESS_FIRST_NS 100000
#define LATENESS_MAX_NS 500000

/* ---- what is known ---- */

static void
forget (ShmFramePredictor *self, gint64 publish_ns)
{
  self->time_ns[0] = publish_ns;
  self->number[0] = 0;
  self->count = self->next = 1;
  self->gaps = self->misses = 0;
  self->period_ns = self->begin_ns = self->end_ns = 0;
}

/* Of the k-th frame before the newest. */
static guint
place (const ShmFramePredictor *self, guint k)
{
  return (self->next + 2 * SHMFRAME_PREDICTOR_TIMES - 1 - k) % SHMFRAME_PREDICTOR_TIMES;
}

static void
remember (ShmFramePredictor *self, gint64 publish_ns, gint64 periods)
{
  gint64 number = self->number[place (self, 0)] + periods;

  self->time_ns[self->next] = publish_ns;
  self->number[self->next] = number;
  self->next = (self->next + 1) % SHMFRAME_PREDICTOR_TIMES;
  self->count = MIN (self->count + 1, SHMFRAME_PREDICTOR_TIMES);
}

/* ---- the line ---- */

/* Least squares through the times, both counted from the newest one; fills in the distances from it,
 * sorted, and returns FALSE where the line does not rise. */
static gboolean
fit (ShmFramePredictor *self, gint64 distance_ns[])
{
  guint last = place (self, 0);
  double sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0, n = self->count, slope, at_last;

  for (guint k = 0; k < self->count; k++)
    {
      double x = (double) (self->number[place (self, k)] - self->number[last]);
      double y = (double) (self->time_ns[place (self, k)] - self->time_ns[last]);

      sum_x += x, sum_y += y, sum_xx += x * x, sum_xy += x * y;
    }
  slope = (n * sum_xy - sum_x * sum_y) / (n * sum_xx - sum_x * sum_x);
  at_last = (sum_y - slope * sum_x) / n;
  if (!(slope >= PERIOD_MIN_NS && slope <= (double) PERIOD_MAX_NS))
    return FALSE;
  self->period_ns = (gint64) slope;
  self->line_number = self->number[last];
  self->line_ns = self->time_ns[last] + (gint64) at_last;
  for (guint k = 0; k < self->count; k++)
    {
      guint i = place (self, k), to = k;
      double x = (double) (self->number[i] - self->number[last]);
      gint64 distance = self->time_ns[i] - self->time_ns[last] - (gint64) (at_last + slope * x);

      for (; to > 0 && distance_ns[to - 1] > distance; to--)
        distance_ns[to] = distance_ns[to - 1];
      distance_ns[to] = distance;
    }
  return TRUE;
}

/* ---- the window ---- */

static gint64
lead (const ShmFramePredictor *self)
{
  gint64 lead_ns = self->lateness_ns + DEVIATIONS * self->deviation_ns;

  return self->lateness_ns ? MIN (lead_ns, LATENESS_MAX_NS) : LATENESS_FIRST_NS;
}

/* What spinning from `begin_ns` costs, the mean of the frames, had they been the next. */
static double
cost (const gint64 distance_ns[], guint count, gint64 begin_ns)
{
  double sum = 0;

  for (guint i = 0; i < count; i++)
    sum += (double) MAX (distance_ns[i] - begin_ns, 0);
  return sum / count;
}

/* The earliest begin that is within the budget, if most frames come after it. If not, the older half is
 * forgotten: perhaps only that was irregular. */
static void
choose (ShmFramePredictor *self, const gint64 distance_ns[])
{
  double budget_ns = SHMFRAME_PREDICTOR_BUDGET * (double) self->period_ns;
  gint64 range_ns = distance_ns[self->count - 1] - distance_ns[0];
  gint64 slack_ns = SLACK_NS + 2 * range_ns / self->count;

  self->begin_ns = self->end_ns = 0;
  for (guint i = 0; i < self->count / 2; i++)
    {
      gint64 begin_ns = distance_ns[i] - slack_ns;

      if (cost (distance_ns, self->count, begin_ns) <= budget_ns)
        {
          self->begin_ns = begin_ns;
          self->end_ns = distance_ns[self->count - 1] + slack_ns;
          self->early = i > 0;
          return;
        }
    }
  self->count = MAX (self->count / 2, STRIDE);
}

/* When the frame of that number should come, or have come. */
static gint64
due_time (const ShmFramePredictor *self, gint64 number)
{
  return self->line_ns + (number - self->line_number) * self->period_ns;
}

static gboolean
has_window (const ShmFramePredictor *self)
{
  return self->begin_ns != 0 || self->end_ns != 0;
}

static void
note_miss (ShmFramePredictor *self, gint64 publish_ns, gint64 number)
{
  gint64 distance_ns = publish_ns - due_time (self, number);

  if (has_window (self) && (distance_ns < self->begin_ns || distance_ns > self->end_ns))
    self->misses++;
  else
    self->misses = 0;
}

/* The line and the window, anew. */
static void
learn (ShmFramePredictor *self, gint64 publish_ns)
{
  gint64 distance_ns[SHMFRAME_PREDICTOR_TIMES] = { 0 };

  if (fit (self, distance_ns))
    choose (self, distance_ns);
  else
    forget (self, publish_ns);
}

/* ---- public ---- */

void
shmframe_predictor_observe (ShmFramePredictor *self, gint64 publish_ns)
{
  gint64 interval_ns, periods;

  if (self->count == 0 || publish_ns < 0 || publish_ns > TIME_MAX_NS
      || __builtin_sub_overflow (publish_ns, self->time_ns[place (self, 0)], &interval_ns)
      || interval_ns <= 0 || interval_ns > PERIOD_MAX_NS)
    {
      forget (self, publish_ns);
      return;
    }
  if (self->period_ns == 0)
    self->period_ns = interval_ns;
  /* Frames that were dropped or skipped make an interval of several periods. */
  periods = MAX ((interval_ns + self->period_ns / 2) / self->period_ns, 1);
  self->gaps = periods > 1 ? self->gaps + 1 : 0;
  note_miss (self, publish_ns, self->number[place (self, 0)] + periods);
  if (self->gaps > GAPS_MAX || self->misses > MISSES_MAX)
    {
      forget (self, publish_ns);
      return;
    }
  remember (self, publish_ns, periods);
  if (self->next % STRIDE == 0)
    learn (self, publish_ns);
}

void
shmframe_predictor_woke (ShmFramePredictor *self, gint64 late_ns)
{
  gint64 deviation_ns;

  late_ns = CLAMP (late_ns, 1, LATENESS_MAX_NS);
  if (self->lateness_ns == 0)
    {
      self->lateness_ns = late_ns;
      self->deviation_ns = late_ns / 2;
      return;
    }
  deviation_ns = late_ns - self->lateness_ns;
  self->lateness_ns = MAX (self->lateness_ns + deviation_ns / 8, 1);
  self->deviation_ns += (ABS (deviation_ns) - self->deviation_ns) / 4;
}

gboolean
shmframe_predictor_window (const ShmFramePredictor *self, gint64 now_ns, ShmFrameWindow *window)
{
  gint64 age_ns, due_ns, late_ns, number = self->number[place (self, 0)];

  if (!has_window (self))
    return FALSE;
  if (__builtin_sub_overflow (now_ns, self->time_ns[place (self, 0)], &age_ns) || age_ns < 0
      || age_ns > SILENCE_PERIODS * self->period_ns)
    return FALSE;
  due_ns = due_time (self, number + 1);
  /* A window that is over is passed on to the next period. */
  late_ns = now_ns - due_ns - self->end_ns;
  if (late_ns > 0)
    due_ns += (1 + late_ns / self->period_ns) * self->period_ns;
  window->begin_ns = due_ns + self->begin_ns - lead (self);
  window->end_ns = due_ns + self->end_ns;
  window->early = self->early || self->misses > 0; /* it may be faster than it was */
  return TRUE;
}
