/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Shared memory with a copy in and a copy out: a few slots between frames of each process's own. */

#include <string.h>
#include <sys/mman.h>

#include "ring.h"
#include "ways.h"

#define DEFAULT_SLOTS 3

typedef struct
{
  char *memory;
  gsize slot_size;
  guint slots;
  BenchRing *ring;
} Link;

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  Link *link = g_new0 (Link, 1);

  link->slots = cell->slots ? (guint) cell->slots : DEFAULT_SLOTS;
  link->slot_size = (cell->size + 4095) & ~(gsize) 4095;
  link->memory = bench_map (link->slots * link->slot_size, TRUE);
  link->ring = bench_map (bench_ring_size (cell->n_consumers), TRUE);
  link->ring->consumers = cell->n_consumers;
  return link;
}

static void
finish (const BenchCell *cell, gpointer data)
{
  Link *link = data;

  munmap (link->memory, link->slots * link->slot_size);
  munmap (link->ring, bench_ring_size (cell->n_consumers));
  g_free (link);
}

static gboolean
open_end (BenchEnd *end, GError **error)
{
  const Link *link = end->link;

  end->data = bench_map (end->cell->size, FALSE);
  if (madvise (link->memory, link->slots * link->slot_size,
               end->consumer < 0 ? MADV_POPULATE_WRITE : MADV_POPULATE_READ)
      != 0)
    return bench_fail (error, "map the slots");
  if (end->consumer >= 0)
    bench_ring_attach (link->ring, end->consumer);
  return TRUE;
}

static gpointer
acquire (BenchEnd *end, GError **error)
{
  return end->data;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  uint32_t frame = bench_ring_acquire (link->ring, link->slots);

  memcpy (link->memory + frame % link->slots * link->slot_size, end->data, end->cell->size);
  end->copied += end->cell->size;
  bench_ring_publish (link->ring);
  return TRUE;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  uint32_t frame = bench_ring_receive (link->ring, end->consumer);

  memcpy (end->data, link->memory + frame % link->slots * link->slot_size, end->cell->size);
  end->copied += end->cell->size;
  bench_ring_release (link->ring, end->consumer);
  return end->data;
}

static void
close_end (BenchEnd *end)
{
  if (end->data)
    munmap (end->data, end->cell->size);
}

const BenchWay bench_way_shm_copy = {
  .name = "shm-copy",
  .title = "shared memory, copied in and out",
  .copies = TRUE,
  .prepare = prepare,
  .finish = finish,
  .open_producer = open_end,
  .open_consumer = open_end,
  .acquire = acquire,
  .publish = publish,
  .receive = receive,
  .close = close_end,
};
