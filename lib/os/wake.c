/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "os/wake.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * The margin covers what is not known of the next frame's arrival: the lateness of our own wake-up
 * from a timed sleep (MARGIN_MIN: about what an idle core takes to come back) and the producer's
 * jitter (four mean deviations, as in TCP's timer). It also bounds what prediction costs, twice the
 * margin in each period: a margin beyond MARGIN_MAX (6% of a core at 60 fps) or an eighth of the
 * period (a quarter of a core) buys nothing over a plain sleep, so then it is none: irregular.
 */
#define MARGIN_MIN_NS 50000
#define MARGIN_MAX_NS 1000000
#define MARGIN_PERIODS 8
#define DEVIATIONS 4

/* Beyond this, frames are single pictures, not a series. */
#define PERIOD_MAX_NS G_GINT64_CONSTANT (1000000000)
/* So many periods without a frame, and the producer has stopped or lost its rhythm. */
#define SILENCE_PERIODS 8

/* So many intervals of several periods in a row, and the period was a wrong guess (two frames of a
 * burst) or this consumer has become slower than the producer. */
#define GAPS_MAX 8

/* Turns of a spin between looks at the clock. */
#define SPIN_TURNS 64

/* ---- the clock and the futex --------------------------------------------------------------- */

gint64
shmframe_wake_now (void)
{
  struct timespec ts;

  clock_gettime (CLOCK_MONOTONIC, &ts);
  return (gint64) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

gint64
shmframe_wake_deadline (gint64 timeout_ns)
{
  gint64 deadline_ns;

  if (timeout_ns < 0)
    return -1;
  if (__builtin_add_overflow (shmframe_wake_now (), timeout_ns, &deadline_ns))
    return G_MAXINT64;
  return deadline_ns;
}

static gboolean
is_past (gint64 deadline_ns)
{
  return deadline_ns >= 0 && shmframe_wake_now () >= deadline_ns;
}

/* Not FUTEX_PRIVATE: the word is shared between processes. */
static void
futex_wake (void *word, int sleepers)
{
  syscall (SYS_futex, word, FUTEX_WAKE, sleepers, NULL, NULL, 0);
}

/* FUTEX_WAIT_BITSET, for its absolute timeout on CLOCK_MONOTONIC. Why it returned does not matter:
 * every caller looks again. */
static void
futex_wait (void *word, guint32 value, gint64 deadline_ns)
{
  struct timespec ts = { .tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000 };

  syscall (SYS_futex, word, FUTEX_WAIT_BITSET, value, deadline_ns >= 0 ? &ts : NULL, NULL,
           FUTEX_BITSET_MATCH_ANY);
}

/* ---- ringing ------------------------------------------------------------------------------- */

void
shmframe_wake_ring (ShmFrameControl *control, int doorbell)
{
  shmframe_slot_ring (control);
  shmframe_wake_sleeper (control, doorbell);
}

void
shmframe_wake_sleeper (ShmFrameControl *control, int doorbell)
{
  /* A consumer has one reading thread; one that parks more there must not cost the waker more. */
  futex_wake (&control->bell, 1);
  SHMFRAME_STOP (RING_WOKEN);
  /* A full socket (EAGAIN) holds an unread ring already; a closed one is the control thread's. */
  if (doorbell >= 0)
    send (doorbell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
shmframe_wake_arm (ShmFrameWaiter *waiter, ShmFrameControl *control)
{
  if (++waiter->ticket == 0)
    waiter->ticket = 1;
  shmframe_slot_arm (control, waiter->ticket);
}

/* ---- the predictor ------------------------------------------------------------------------- */

/* Begins anew from one interval, or none (0). Nothing is known of the jitter then: regular frames
 * have to bring it down. */
static void
learn_anew (ShmFrameWaiter *waiter, gint64 interval_ns)
{
  waiter->period_ns = interval_ns;
  waiter->jitter_ns = interval_ns / 4;
  waiter->gaps = 0;
  waiter->margin_ns = 0;
}

static gint64
margin_for (const ShmFrameWaiter *waiter)
{
  gint64 margin_ns = MARGIN_MIN_NS + DEVIATIONS * waiter->jitter_ns;

  return margin_ns <= MIN (MARGIN_MAX_NS, waiter->period_ns / MARGIN_PERIODS) ? margin_ns : 0;
}

void
shmframe_wake_observe (ShmFrameWaiter *waiter, gint64 publish_ns)
{
  gint64 interval_ns, deviation_ns, periods;
  gboolean first = waiter->last_ns == 0;

  if (__builtin_sub_overflow (publish_ns, waiter->last_ns, &interval_ns))
    interval_ns = -1;
  waiter->last_ns = publish_ns;
  if (first || interval_ns <= 0 || interval_ns > PERIOD_MAX_NS)
    {
      learn_anew (waiter, 0);
      return;
    }
  if (waiter->period_ns == 0 || waiter->gaps == GAPS_MAX)
    {
      learn_anew (waiter, interval_ns);
      return;
    }

  /* Frames that were dropped or skipped make an interval of several periods. */
  periods = MAX ((interval_ns + waiter->period_ns / 2) / waiter->period_ns, 1);
  waiter->gaps = periods > 1 ? waiter->gaps + 1 : 0;
  deviation_ns = interval_ns - periods * waiter->period_ns;
  waiter->period_ns = MAX (waiter->period_ns + deviation_ns / periods / 8, 1);
  waiter->jitter_ns += (ABS (deviation_ns) - waiter->jitter_ns) / 4;
  waiter->margin_ns = margin_for (waiter);
}

/* When the next frame is due, or -1 where that cannot be said. Publish times are a peer's: whatever
 * they are, the answer is within a period and two margins from now. */
static gint64
due_time (const ShmFrameWaiter *waiter, gint64 now_ns)
{
  gint64 age_ns, late_ns;

  if (waiter->margin_ns == 0 || __builtin_sub_overflow (now_ns, waiter->last_ns, &age_ns)
      || age_ns < 0 || age_ns > SILENCE_PERIODS * waiter->period_ns)
    return -1;
  late_ns = age_ns - waiter->margin_ns - waiter->period_ns;
  if (late_ns > 0)
    return waiter->last_ns + (2 + (late_ns - 1) / waiter->period_ns) * waiter->period_ns;
  return waiter->last_ns + waiter->period_ns;
}

/* ---- waiting ------------------------------------------------------------------------------- */

static gboolean
spin (gint64 deadline_ns, ShmFrameWakeReady ready, gpointer data)
{
  for (guint turn = 1;; turn++)
    {
      if (ready (data))
        return TRUE;
      if (turn % SPIN_TURNS == 0 && is_past (deadline_ns))
        return FALSE;
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause ();
#elif defined(__aarch64__)
      __asm__ volatile ("yield");
#endif
    }
}

/* Sleeps on the bell without arming, so that a frame costs the producer nothing; only loss, which
 * rings whatever the ticket, ends it early. The bell is read before ready(), as when armed. */
static gboolean
sleep_unarmed (ShmFrameControl *control, gint64 until_ns, ShmFrameWakeReady ready, gpointer data)
{
  /* The default slack of 50 us is as long as the margin. Real-time threads have none. */
  int slack = prctl (PR_GET_TIMERSLACK, 0, 0, 0, 0);
  gboolean is_ready;

  if (slack > 1)
    prctl (PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
  for (;;)
    {
      guint32 bell = shmframe_slot_bell (control);

      is_ready = ready (data);
      if (is_ready || is_past (until_ns))
        break;
      futex_wait (&control->bell, bell, until_ns);
    }
  if (slack > 1)
    prctl (PR_SET_TIMERSLACK, (unsigned long) slack, 0, 0, 0);
  return is_ready;
}

/* FALSE: nothing came where it was expected, or nothing can be expected. */
static gboolean
predict (const ShmFrameWaiter *waiter, ShmFrameControl *control, gint64 deadline_ns,
         ShmFrameWakeReady ready, gpointer data)
{
  gint64 due_ns = due_time (waiter, shmframe_wake_now ());
  gint64 until_ns;

  if (due_ns < 0 || (deadline_ns >= 0 && deadline_ns <= due_ns - waiter->margin_ns))
    return FALSE;
  if (sleep_unarmed (control, due_ns - waiter->margin_ns, ready, data))
    return TRUE;
  until_ns = due_ns + waiter->margin_ns;
  if (deadline_ns >= 0)
    until_ns = MIN (until_ns, deadline_ns);
  return spin (until_ns, ready, data);
}

/* The order is the protocol's (abi/slot.h): read the bell, arm with a fresh ticket, look again,
 * sleep on the value that was read. A ring after the arming changes the bell, so the sleep ends or
 * does not begin. */
static gboolean
sleep_armed (ShmFrameWaiter *waiter, ShmFrameControl *control, gint64 deadline_ns,
             ShmFrameWakeReady ready, gpointer data)
{
  for (;;)
    {
      guint32 bell = shmframe_slot_bell (control);

      shmframe_wake_arm (waiter, control);
      if (ready (data))
        return TRUE;
      SHMFRAME_STOP (WAIT_RECHECKED);
      if (is_past (deadline_ns))
        return FALSE;
      futex_wait (&control->bell, bell, deadline_ns);
      SHMFRAME_STOP (WAIT_WOKEN);
    }
}

gboolean
shmframe_wake_wait (ShmFrameWaiter *waiter, ShmFrameControl *control, gint64 deadline_ns,
                    ShmFrameWakeReady ready, gpointer data)
{
  if (ready (data))
    return TRUE;
  if (is_past (deadline_ns))
    return FALSE;
  if (waiter->mode == SHMFRAME_WAKE_SPIN)
    return spin (deadline_ns, ready, data);
  if (waiter->mode == SHMFRAME_WAKE_PREDICT
      && predict (waiter, control, deadline_ns, ready, data))
    return TRUE;
  return sleep_armed (waiter, control, deadline_ns, ready, data);
}

/* ---- the lossless consumer ----------------------------------------------------------------- */

void
shmframe_wake_wait_consumed (ShmFrameControl *control, guint64 seen, gint64 deadline_ns)
{
  if (shmframe_slot_consumed (control) == seen)
    futex_wait (&control->consumed, (guint32) seen, deadline_ns);
}

void
shmframe_wake_consumed (ShmFrameControl *control)
{
  futex_wake (&control->consumed, INT_MAX);
}
