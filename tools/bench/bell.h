/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include <glib.h>

/*
 * The least that one process can do to tell others that something is there: a word in shared memory, and
 * a futex. What shmframe's waking is measured against, and how the ways without a signal of their own
 * wake their peer. Zero is a bell at rest.
 */
typedef struct
{
  _Alignas(128) _Atomic uint32_t count; /* rings so far; the low bits of the frame's sequence */
  char rest[124];
} BenchBell;

typedef enum
{
  BENCH_SLEEP,   /* FUTEX_WAIT */
  BENCH_SPIN,    /* load until it changes */
  BENCH_PREDICT, /* sleep by the clock until shortly before it is due, spin, then FUTEX_WAIT */
} BenchWait;

/* How one consumer waits on a bell; zero but for `wait` and `interval_ns` at first. */
typedef struct
{
  BenchWait wait;
  gint64 interval_ns; /* predict: between frames */
  gint64 due_ns;      /* predict: when the next is due, CLOCK_MONOTONIC */
  uint32_t seen;      /* the count it has returned last */
} BenchWaiter;

/* Release: all that was written before is there for who returns from bench_bell_wait(). Wakes sleepers
 * only if `wake`. */
void bench_bell_ring (BenchBell *bell, gboolean wake);
/* Until the count differs from waiter->seen; returns it (acquire). */
uint32_t bench_bell_wait (BenchBell *bell, BenchWaiter *waiter);

/* CLOCK_MONOTONIC */
gint64 bench_now_ns (void);
void bench_sleep_until (gint64 time_ns);
