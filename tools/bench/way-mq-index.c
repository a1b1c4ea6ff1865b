/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A POSIX message queue for each consumer tells which slot of bare shared memory has the frame. Two slots
 * more than messages fit in the queue: one that is written, one that the consumer reads, so that a slow
 * consumer makes the producer wait instead of reading what is being written.
 */

#include "queue.h"
#include "slots.h"
#include "ways.h"

#define LEAST_SLOTS 3

typedef struct
{
  BenchQueues *queues;
  BenchSlots *slots;
} Link;

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  Link *link = g_new0 (Link, 1);
  BenchCell enough = *cell;

  enough.slots = MAX (LEAST_SLOTS, cell->slots);
  link->slots = bench_slots_new (&enough, BENCH_PAGE, bench_slots_map, error);
  link->queues = bench_queues_new (cell, enough.slots - 2, sizeof (guint), error);
  return link;
}

static void
finish (const BenchCell *cell, gpointer data)
{
  Link *link = data;

  bench_queues_free (link->queues);
  bench_slots_finish (cell, link->slots);
  g_free (link);
}

static gboolean
open_end (BenchEnd *end, GError **error)
{
  const Link *link = end->link;

  end->data = g_new0 (guint, 1); /* producer: frames so far; consumer: what was received */
  return bench_slots_populate (link->slots, end, error);
}

static gpointer
acquire (BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  const guint *frames = end->data;

  return bench_slots_at (link->slots, *frames);
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  guint *frames = end->data, slot = (*frames)++ % link->slots->slots;

  for (int i = 0; i < link->queues->n; i++)
    if (!bench_queue_send (link->queues->queues[i], &slot, sizeof slot, error))
      return FALSE;
  return TRUE;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  guint *slot = end->data;

  if (bench_queue_receive (link->queues, end->consumer, slot, error) < 0)
    return NULL;
  return bench_slots_at (link->slots, *slot);
}

static void
close_end (BenchEnd *end)
{
  g_free (end->data);
}

const BenchWay bench_way_mq_index = {
  .name = "mq-index",
  .title = "POSIX message queue with an index",
  .refuse = bench_queues_refuse,
  .prepare = prepare,
  .finish = finish,
  .open_producer = open_end,
  .open_consumer = open_end,
  .acquire = acquire,
  .publish = publish,
  .receive = receive,
  .close = close_end,
};
