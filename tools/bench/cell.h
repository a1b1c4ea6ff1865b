/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "way.h"

/*
 * One cell of the measurement: one way, one size, one pace. cell.c makes the processes and what they
 * share, roles.c is what they do, result.c says it in JSON.
 */

#define BENCH_CONSUMERS_MAX 1024
#define BENCH_WARM_UP 20 /* frames, after every consumer has had one */
#define BENCH_FRAMES_MAX 100000
#define BENCH_WATCHDOG_NS (20 * 1000000000LL) /* for opening, and beyond the time of the frames */

/* What a process says of itself; written by it, read by the parent once it is gone. */
typedef struct
{
  _Alignas(128) _Atomic int open;
  _Atomic guint64 seen;           /* consumer: the newest frame that it is done with */
  _Atomic guint64 warm_up_faults; /* consumer: page faults so far */
  gint64 first_frame_ns;          /* consumer: from before open to holding a frame */
  guint64 frames;                 /* that were measured */
  guint64 torn;                   /* consumer: frames whose words were not those of one frame */
  char error[512];

  /* Of the process, in the time that was measured: */
  gint64 cpu_ns;
  guint64 copied; /* bytes */
  guint64 faults; /* page faults */

  /* At the end: */
  guint64 shared_bytes; /* producer: of shared memory, mapped and touched for the frames */
  guint64 pss_bytes;    /* shared pages by the share of this process */
  guint64 committed_slots, slot_bytes; /* BenchEnd's */
} BenchReport;

typedef struct
{
  _Atomic int go;        /* the producer may begin to send */
  _Atomic guint64 first; /* the last frame before those that are measured; 0: not yet known */
  _Atomic guint64 last;  /* the last frame; 0: not yet known */
  _Atomic int over;      /* every consumer is done with the last frame */
  /* A futex: frames that consumers are done with, all together. */
  _Alignas(128) _Atomic uint32_t acks;
  _Atomic int waits; /* the producer sleeps on it */
  int producer_pid;
  int consumer_pids[BENCH_CONSUMERS_MAX];
  /* From the end of `first` to the last consumer's end with the last. */
  gint64 wall_ns;
  gint64 daemon_cpu_ns;
  BenchReport producer;
  BenchReport consumers[BENCH_CONSUMERS_MAX];
  gint64 sent_ns[BENCH_FRAMES_MAX + 1];     /* by frame: just before publish() */
  guint32 publish_ns[BENCH_FRAMES_MAX + 1]; /* acquire() and publish() together */
  _Alignas(BENCH_PAGE) char area[BENCH_AREA];
  guint32 latency_ns[]; /* by consumer, then by frame; 0: never held */
} BenchShared;

/* Where a consumer notes that of a frame. */
static inline guint32 *
bench_latency (BenchShared *shared, int consumer, guint64 frame)
{
  return &shared->latency_ns[(gsize) consumer * (BENCH_FRAMES_MAX + 1) + frame];
}

/* Those that the caller may use. */
int bench_cores (void);

/* One process's whole life after fork(); returns its exit status. */
int bench_run_producer (const BenchCell *cell, BenchShared *shared, gpointer link);
int bench_run_consumer (const BenchCell *cell, BenchShared *shared, gpointer link, int consumer);

/* Runs a cell. (transfer full) An object of JSON, on one line; never NULL: a cell that cannot be measured
 * has "skipped", one that failed "error". */
char *bench_run_cell (BenchCell *cell);

/* "latency_ns": [...] and so on; see docs/man/frame-bench.1.scd. (transfer full) */
char *bench_result (const BenchCell *cell, BenchShared *shared, const char *skipped,
                    const char *error);
