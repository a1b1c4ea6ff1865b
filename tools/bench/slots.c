/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slots.h"

#include <sys/mman.h>

#include "bell.h"

typedef struct
{
  BenchWaiter waiter; /* consumer */
  uint32_t next;      /* producer: the frame that is being written, counted from 0 */
} Data;

static gsize
slot_size (const BenchCell *cell)
{
  return bench_round_up (cell->size, BENCH_PAGE);
}

gsize
bench_slots_size (const BenchCell *cell, gsize page)
{
  return bench_round_up (bench_n_slots (cell, BENCH_SLOTS) * slot_size (cell), page);
}

BenchSlots *
bench_slots_new (const BenchCell *cell, gsize page, BenchMapSlots map, GError **error)
{
  BenchSlots *slots = g_new0 (BenchSlots, 1);

  slots->slots = bench_n_slots (cell, BENCH_SLOTS);
  slots->slot_size = slot_size (cell);
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

gpointer
bench_slots_map (gsize size, GError **error)
{
  return bench_map (size, TRUE);
}

gboolean
bench_slots_populate (const BenchSlots *slots, const BenchEnd *end, GError **error)
{
  int advice = end->consumer < 0 ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;

  return madvise (slots->memory, slots->size, advice) == 0 || bench_fail (error, "map the slots");
}

gboolean
bench_slots_open (BenchEnd *end, GError **error)
{
  Data *data = g_new0 (Data, 1);

  data->waiter.wait = (BenchWait) end->cell->way->variant;
  data->waiter.interval_ns = end->cell->interval_ns;
  end->data = data;
  return bench_slots_populate (end->link, end, error);
}

gpointer
bench_slots_at (const BenchSlots *slots, uint32_t frame)
{
  return slots->memory + frame % slots->slots * slots->slot_size;
}

gpointer
bench_slots_acquire (BenchEnd *end, GError **error)
{
  const Data *data = end->data;

  return bench_slots_at (end->link, data->next);
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

  return bench_slots_at (end->link, bench_bell_wait (end->cell->area, &data->waiter) - 1);
}

void
bench_slots_close (BenchEnd *end)
{
  g_free (end->data);
}
