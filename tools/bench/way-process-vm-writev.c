/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* process_vm_writev: the producer writes each frame into the memory of every consumer. Each has room for
 * one, which is free again once the consumer released it. */

#include <sys/mman.h>

#include "frame.h"
#include "peer-memory.h"
#include "ring.h"
#include "ways.h"

#define ONE_BUFFER 1

/* Shared, one for each consumer. */
typedef struct
{
  guintptr memory; /* its buffer; set before it attaches */
  _Alignas(BenchRing) char ring[sizeof (BenchRing) + sizeof (uint32_t)];
} Inbox;

static BenchRing *
ring (const BenchEnd *end, int consumer)
{
  Inbox *inbox = end->link;

  return (BenchRing *) inbox[consumer].ring;
}

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  Inbox *inbox = bench_map ((gsize) cell->n_consumers * sizeof *inbox, TRUE);

  for (int i = 0; i < cell->n_consumers; i++)
    ((BenchRing *) inbox[i].ring)->consumers = 1;
  return inbox;
}

static void
finish (const BenchCell *cell, gpointer link)
{
  munmap (link, (gsize) cell->n_consumers * sizeof (Inbox));
}

static gboolean
open_consumer (BenchEnd *end, GError **error)
{
  Inbox *inbox = end->link;

  bench_peer_memory_allow ();
  if (!bench_frame_open (end, error))
    return FALSE;
  inbox[end->consumer].memory = (guintptr) end->data;
  bench_ring_attach (ring (end, end->consumer), 0);
  return TRUE;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  const BenchCell *cell = end->cell;
  const Inbox *inbox = end->link;

  for (int i = 0; i < cell->n_consumers; i++)
    {
      if (ring (end, i)->done[0] == 0)
        continue; /* not yet attached */
      bench_ring_acquire (ring (end, i), ONE_BUFFER);
      if (!bench_peer_memory_copy (process_vm_writev, cell->consumer_pids[i], end->data,
                                   inbox[i].memory, cell->size, error))
        return FALSE;
      end->copied += cell->size;
      bench_ring_publish (ring (end, i));
    }
  return TRUE;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  bench_ring_receive (ring (end, end->consumer), 0);
  return end->data;
}

static gboolean
release (BenchEnd *end, GError **error)
{
  bench_ring_release (ring (end, end->consumer), 0);
  return TRUE;
}

const BenchWay bench_way_process_vm_writev = {
  .name = "process-vm-writev",
  .title = "process_vm_writev",
  .copies = TRUE,
  .refuse = bench_peer_memory_refuse,
  .prepare = prepare,
  .finish = finish,
  .open_producer = bench_frame_open,
  .open_consumer = open_consumer,
  .acquire = bench_frame_acquire,
  .publish = publish,
  .receive = receive,
  .release = release,
  .close = bench_frame_close,
};
