/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Shared memory with a copy in and a copy out: a few slots between frames of each process's own. */

#include <string.h>
#include <sys/mman.h>

#include "frame.h"
#include "ring.h"
#include "slots.h"
#include "ways.h"

typedef struct
{
  BenchSlots *slots;
  BenchRing *ring;
} Link;

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  Link *link = g_new0 (Link, 1);

  link->slots = bench_slots_new (cell, BENCH_PAGE, bench_slots_map, error);
  link->ring = bench_map (bench_ring_size (cell->n_consumers), TRUE);
  link->ring->consumers = cell->n_consumers;
  return link;
}

static void
finish (const BenchCell *cell, gpointer data)
{
  Link *link = data;

  bench_slots_finish (cell, link->slots);
  munmap (link->ring, bench_ring_size (cell->n_consumers));
  g_free (link);
}

static gboolean
open_end (BenchEnd *end, GError **error)
{
  const Link *link = end->link;

  if (!bench_frame_open (end, error) || !bench_slots_populate (link->slots, end, error))
    return FALSE;
  if (end->consumer >= 0)
    bench_ring_attach (link->ring, end->consumer);
  return TRUE;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  uint32_t frame = bench_ring_acquire (link->ring, link->slots->slots);

  memcpy (bench_slots_at (link->slots, frame), end->data, end->cell->size);
  end->copied += end->cell->size;
  bench_ring_publish (link->ring);
  return TRUE;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  uint32_t frame = bench_ring_receive (link->ring, end->consumer);

  memcpy (end->data, bench_slots_at (link->slots, frame), end->cell->size);
  end->copied += end->cell->size;
  bench_ring_release (link->ring, end->consumer);
  return end->data;
}

const BenchWay bench_way_shm_copy = {
  .name = "shm-copy",
  .title = "shared memory, copied in and out",
  .copies = TRUE,
  .prepare = prepare,
  .finish = finish,
  .open_producer = open_end,
  .open_consumer = open_end,
  .acquire = bench_frame_acquire,
  .publish = publish,
  .receive = receive,
  .close = bench_frame_close,
};
