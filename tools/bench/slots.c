/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slots.h"

#include <sys/mman.h>

#include "bell.h"

#define DEFAULT_SLOTS 3
#define PAGE 4096 /* each slot begins at one */

typedef struct
{
  BenchWaiter waiter; /* consumer */
  uint32_t next;      /* producer: the frame that is being written, counted from 0 */
} Data;

static gsize
round_up (gsize size, gsize page)
{
  return (size + page - 1) / page * page;
}

static guint
n_slots (const BenchCell *cell)
{
  return cell->slots ? (guint) cell->slots : DEFAULT_SLOTS;
}

gsize
bench_slots_size (const BenchCell *cell, gsize page)
{
  return round_up (n_slots (cell) * round_up (cell->size, PAGE), page);
}

BenchSlots *
bench_slots_new (const BenchCell *cell, gsize page, BenchMapSlots map, GError **error)
{
  BenchSlots *slots = g_new0 (BenchSlots, 1);

  slots->slots = n_slots (cell);
  slots->slot_size = round_up (cell->size, PAGE);
  slots->size = bench_slots_size (cell, page);
  slots->memory = map (slots->size, error);
  return slots;
}

void
bench_slots_finish (const BenchCell *cell, gpointer link)
{
  BenchSlots *slots = link;

  if (slots->memory)
    munmap (slots->memory, slots->size);
  g_free (slots);
}

gboolean
bench_slots_open (BenchEnd *end, GError **error)
{
  const BenchSlots *slots = end->link;
  Data *data = g_new0 (Data, 1);

  data->waiter.wait = (BenchWait) end->cell->way->variant;
  data->waiter.interval_ns = end->cell->interval_ns;
  end->data = data;
  /* Not a word about it in the page tables that fork() copied: no faults later. */
  if (madvise (slots->memory, slots->size,
               end->consumer < 0 ? MADV_POPULATE_WRITE : MADV_POPULATE_READ)
      != 0)
    return bench_fail (error, "map the slots");
  return TRUE;
}

static char *
slot (const BenchSlots *slots, uint32_t frame)
{
  return slots->memory + frame % slots->slots * slots->slot_size;
}

gpointer
bench_slots_acquire (BenchEnd *end, GError **error)
{
  const Data *data = end->data;

  return slot (end->link, data->next);
}

gboolean
bench_slots_publish (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  data->next++;
  bench_bell_ring (end->cell->area, data->waiter.wait != BENCH_SPIN);
  return TRUE;
}

gconstpointer
bench_slots_receive (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  return slot (end->link, bench_bell_wait (end->cell->area, &data->waiter) - 1);
}

void
bench_slots_close (BenchEnd *end)
{
  g_free (end->data);
}
