/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "os/wake.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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
      __asm__ volatile("yield");
#endif
    }
}

/* Sleeps on the bell without arming, so that a frame costs the producer nothing; only loss, which
 * rings whatever the ticket, ends it early. The bell is read before ready(), as when armed. */
static gboolean
sleep_unarmed (ShmFrameControl *control, gint64 until_ns, ShmFrameWakeReady ready, gpointer data)
{
  for (;;)
    {
      guint32 bell = shmframe_slot_bell (control);

      if (ready (data))
        return TRUE;
      if (is_past (until_ns))
        return FALSE;
      futex_wait (&control->bell, bell, until_ns);
    }
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

/* Until the window begins, and as exactly as the kernel can: it learns how late that is. */
static gboolean
sleep_until_window (ShmFrameWaiter *waiter, ShmFrameControl *control, const ShmFrameWindow *window,
                    ShmFrameWakeReady ready, gpointer data)
{
  /* The default slack of 50 us is as long as the window may be. Real-time threads have none. */
  int slack = prctl (PR_GET_TIMERSLACK, 0, 0, 0, 0);
  gboolean is_ready;

  if (is_past (window->begin_ns))
    return FALSE;
  if (slack > 1)
    prctl (PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
  is_ready = window->early ? sleep_armed (waiter, control, window->begin_ns, ready, data)
                           : sleep_unarmed (control, window->begin_ns, ready, data);
  if (!is_ready)
    shmframe_predictor_woke (&waiter->predictor, shmframe_wake_now () - window->begin_ns);
  if (slack > 1)
    prctl (PR_SET_TIMERSLACK, (unsigned long) slack, 0, 0, 0);
  return is_ready;
}

static void
observe (ShmFrameWaiter *waiter)
{
  if (waiter->published_ns != 0)
    shmframe_predictor_observe (&waiter->predictor, waiter->published_ns);
  waiter->published_ns = 0;
}

void
shmframe_wake_leased (ShmFrameWaiter *waiter, gint64 publish_ns)
{
  observe (waiter); /* leased without a wait in between */
  waiter->published_ns = publish_ns;
}

/* FALSE: nothing came where it was expected, or nothing can be expected. */
static gboolean
predict (ShmFrameWaiter *waiter, ShmFrameControl *control, gint64 deadline_ns,
         ShmFrameWakeReady ready, gpointer data)
{
  ShmFrameWindow window;

  observe (waiter);
  if (!shmframe_predictor_window (&waiter->predictor, shmframe_wake_now (), &window)
      || (deadline_ns >= 0 && deadline_ns <= window.begin_ns))
    return FALSE;
  if (!is_past (window.begin_ns))
    {
      waiter->again = !sleep_until_window (waiter, control, &window, ready, data);
      return TRUE;
    }
  return spin (deadline_ns >= 0 ? MIN (window.end_ns, deadline_ns) : window.end_ns, ready, data);
}

gboolean
shmframe_wake_wait (ShmFrameWaiter *waiter, ShmFrameControl *control, gint64 deadline_ns,
                    ShmFrameWakeReady ready, gpointer data)
{
  waiter->again = FALSE;
  if (ready (data))
    return TRUE;
  if (is_past (deadline_ns))
    return FALSE;
  if (waiter->mode == SHMFRAME_WAKE_SPIN)
    return spin (deadline_ns, ready, data);
  if (waiter->mode == SHMFRAME_WAKE_PREDICT && predict (waiter, control, deadline_ns, ready, data))
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
