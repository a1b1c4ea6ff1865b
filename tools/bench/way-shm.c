/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bare shared memory: slots that take turns, and a bell. Nothing is pinned, nothing is told of a frame,
 * no process may die: the limit for what shmframe does. The variant says how the consumers wait.
 */

#include <sys/mman.h>

#include "bell.h"
#include "ways.h"

#define DEFAULT_SLOTS 3

typedef struct
{
  char *memory; /* the slots, one after the other, each page-aligned */
  gsize slot_size;
  guint slots;
} Link;

typedef struct
{
  BenchWaiter waiter; /* consumer */
  uint32_t next;      /* producer: the frame that is being written, counted from 0 */
} Data;

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  Link *link = g_new0 (Link, 1);

  link->slots = cell->slots ? (guint) cell->slots : DEFAULT_SLOTS;
  link->slot_size = (cell->size + 4095) & ~(gsize) 4095;
  link->memory = bench_map (link->slots * link->slot_size, TRUE);
  return link;
}

static void
finish (const BenchCell *cell, gpointer data)
{
  Link *link = data;

  munmap (link->memory, link->slots * link->slot_size);
  g_free (link);
}

static gboolean
open_end (BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  Data *data = g_new0 (Data, 1);

  data->waiter.wait = (BenchWait) end->cell->way->variant;
  data->waiter.interval_ns = end->cell->interval_ns;
  end->data = data;
  /* Not a word about it in the page tables that fork() copied: no faults later. */
  if (madvise (link->memory, link->slots * link->slot_size,
               end->consumer < 0 ? MADV_POPULATE_WRITE : MADV_POPULATE_READ)
      != 0)
    return bench_fail (error, "map the slots");
  return TRUE;
}

static char *
slot (const Link *link, uint32_t frame)
{
  return link->memory + frame % link->slots * link->slot_size;
}

static gpointer
acquire (BenchEnd *end, GError **error)
{
  const Data *data = end->data;

  return slot (end->link, data->next);
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  data->next++;
  bench_bell_ring (end->cell->area, data->waiter.wait != BENCH_SPIN);
  return TRUE;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  return slot (end->link, bench_bell_wait (end->cell->area, &data->waiter) - 1);
}

static void
close_end (BenchEnd *end)
{
  g_free (end->data);
}

#define WAY_SHM(name_, title_, variant_, spins_)                                                   \
  {                                                                                                \
    .name = name_, .title = title_, .variant = variant_, .spins = spins_, .prepare = prepare,      \
    .finish = finish, .open_producer = open_end, .open_consumer = open_end, .acquire = acquire,    \
    .publish = publish, .receive = receive, .close = close_end,                                    \
  }

const BenchWay bench_way_shm_futex
    = WAY_SHM ("shm-futex", "bare shared memory, futex", BENCH_SLEEP, FALSE);
const BenchWay bench_way_shm_spin
    = WAY_SHM ("shm-spin", "bare shared memory, spinning", BENCH_SPIN, TRUE);
const BenchWay bench_way_shm_predict
    = WAY_SHM ("shm-predict", "bare shared memory, predicting", BENCH_PREDICT, FALSE);
