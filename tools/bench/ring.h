/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bell.h"

/*
 * Who may touch which of a few buffers that take turns: every consumer gets every frame in order, and the
 * producer waits for the slowest. Frames are counted from 1; frame f is in buffer f % buffers. In shared
 * memory, zero at first. Sequentially consistent throughout: what counts here is the copying.
 */
typedef struct
{
  BenchBell published;
  BenchBell released;
  _Atomic int waits; /* the producer sleeps on `released` */
  int consumers;     /* entries of `done`: set before processes share it */
  /* By consumer: 1 + the newest frame that it needs no more; 0: not attached. */
  _Atomic uint32_t done[];
} BenchRing;

gsize bench_ring_size (int consumers); /* bytes */

/* Producer: waits until the buffer of the next frame is free; returns the frame. */
uint32_t bench_ring_acquire (BenchRing *ring, uint32_t buffers);
void bench_ring_publish (BenchRing *ring);

/* Consumer: frames published from now on are for it. */
void bench_ring_attach (BenchRing *ring, int consumer);
/* Waits for the next frame; it stays in its buffer until bench_ring_release(). */
uint32_t bench_ring_receive (BenchRing *ring, int consumer);
void bench_ring_release (BenchRing *ring, int consumer);
