/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* process_vm_readv: each consumer reads a frame from the producer's own memory, where a few take turns. */

#include <sys/mman.h>

#include "peer-memory.h"
#include "ring.h"
#include "ways.h"

/* Shared. */
typedef struct
{
  guintptr memory; /* the buffers, in the producer */
  guint buffers;
  BenchRing ring;
} Link;

static gsize
link_size (const BenchCell *cell)
{
  return G_STRUCT_OFFSET (Link, ring) + bench_ring_size (cell->n_consumers);
}

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  Link *link = bench_map (link_size (cell), TRUE);

  link->buffers = bench_n_slots (cell, BENCH_SLOTS);
  link->ring.consumers = cell->n_consumers;
  return link;
}

static void
finish (const BenchCell *cell, gpointer link)
{
  munmap (link, link_size (cell));
}

static gboolean
open_producer (BenchEnd *end, GError **error)
{
  Link *link = end->link;

  bench_peer_memory_allow ();
  end->data = bench_map (link->buffers * end->cell->size, FALSE);
  link->memory = (guintptr) end->data;
  return TRUE;
}

static gboolean
open_consumer (BenchEnd *end, GError **error)
{
  Link *link = end->link;

  end->data = bench_map (end->cell->size, FALSE);
  bench_ring_attach (&link->ring, end->consumer);
  return TRUE;
}

static gpointer
acquire (BenchEnd *end, GError **error)
{
  Link *link = end->link;
  uint32_t frame = bench_ring_acquire (&link->ring, link->buffers);

  return (char *) end->data + frame % link->buffers * end->cell->size;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  Link *link = end->link;

  bench_ring_publish (&link->ring);
  return TRUE;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  Link *link = end->link;
  gsize size = end->cell->size;
  uint32_t frame = bench_ring_receive (&link->ring, end->consumer);

  if (!bench_peer_memory_copy (process_vm_readv, *end->cell->producer_pid, end->data,
                               link->memory + frame % link->buffers * size, size, error))
    return NULL;
  end->copied += size;
  bench_ring_release (&link->ring, end->consumer);
  return end->data;
}

static void
close_end (BenchEnd *end)
{
  const Link *link = end->link;

  if (end->data)
    munmap (end->data, end->cell->size * (end->consumer < 0 ? link->buffers : 1));
}

const BenchWay bench_way_process_vm_readv = {
  .name = "process-vm-readv",
  .title = "process_vm_readv",
  .copies = TRUE,
  .refuse = bench_peer_memory_refuse,
  .prepare = prepare,
  .finish = finish,
  .open_producer = open_producer,
  .open_consumer = open_consumer,
  .acquire = acquire,
  .publish = publish,
  .receive = receive,
  .close = close_end,
};
