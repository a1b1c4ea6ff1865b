/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bell.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* How long before a frame is due predicting begins to spin, and how long after it it stops: the margin
 * of the trial in design.md. */
#define MARGIN_NS (200 * 1000)

gint64
bench_now_ns (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return (gint64) now.tv_sec * 1000000000 + now.tv_nsec;
}

void
bench_sleep_until (gint64 time_ns)
{
  struct timespec time = { time_ns / 1000000000, time_ns % 1000000000 };

  while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL))
    ;
}

void
bench_bell_ring (BenchBell *bell, gboolean wake)
{
  atomic_fetch_add_explicit (&bell->count, 1, memory_order_release);
  if (wake)
    syscall (SYS_futex, &bell->count, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static uint32_t
load (BenchBell *bell)
{
  return atomic_load_explicit (&bell->count, memory_order_acquire);
}

static void
spin (BenchBell *bell, uint32_t seen, gint64 until_ns)
{
  while (load (bell) == seen)
    {
      __builtin_ia32_pause ();
      if (until_ns && bench_now_ns () > until_ns)
        return;
    }
}

uint32_t
bench_bell_wait (BenchBell *bell, BenchWaiter *waiter)
{
  uint32_t seen = waiter->seen;

  if (waiter->wait == BENCH_SPIN)
    spin (bell, seen, 0);
  else if (waiter->wait == BENCH_PREDICT && waiter->due_ns)
    {
      if (load (bell) == seen)
        bench_sleep_until (waiter->due_ns - MARGIN_NS);
      spin (bell, seen, waiter->due_ns + MARGIN_NS);
    }
  while (load (bell) == seen)
    syscall (SYS_futex, &bell->count, FUTEX_WAIT, seen, NULL, NULL, 0);
  waiter->seen = load (bell);
  if (waiter->wait == BENCH_PREDICT)
    waiter->due_ns = bench_now_ns () + waiter->interval_ns;
  return waiter->seen;
}
