/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring.h"

gsize
bench_ring_size (int consumers)
{
  return sizeof (BenchRing) + (gsize) consumers * sizeof (uint32_t);
}

/* All attached consumers are done with this frame. */
static gboolean
all_done (BenchRing *ring, uint32_t frame)
{
  for (int i = 0; i < ring->consumers; i++)
    {
      uint32_t done = ring->done[i];

      if (done && done - 1 < frame)
        return FALSE;
    }
  return TRUE;
}

uint32_t
bench_ring_acquire (BenchRing *ring, uint32_t buffers)
{
  uint32_t frame = ring->published.count + 1;
  BenchWaiter waiter = { .wait = BENCH_SLEEP };

  while (frame > buffers && !all_done (ring, frame - buffers))
    {
      waiter.seen = ring->released.count;
      ring->waits = 1;
      if (!all_done (ring, frame - buffers))
        bench_bell_wait (&ring->released, &waiter);
      ring->waits = 0;
    }
  return frame;
}

void
bench_ring_publish (BenchRing *ring)
{
  bench_bell_ring (&ring->published, TRUE);
}

/* Once the count is the same after `done` was set, the producer looks at `done` before it writes to the
 * buffer of any later frame. */
void
bench_ring_attach (BenchRing *ring, int consumer)
{
  uint32_t count;

  do
    {
      count = ring->published.count;
      ring->done[consumer] = 1 + count;
    }
  while (ring->published.count != count);
}

uint32_t
bench_ring_receive (BenchRing *ring, int consumer)
{
  uint32_t done = ring->done[consumer] - 1;
  BenchWaiter waiter = { .wait = BENCH_SLEEP, .seen = done };

  bench_bell_wait (&ring->published, &waiter);
  return done + 1;
}

void
bench_ring_release (BenchRing *ring, int consumer)
{
  ring->done[consumer]++;
  bench_bell_ring (&ring->released, ring->waits);
}
