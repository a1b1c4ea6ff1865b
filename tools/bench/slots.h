/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "way.h"

/* Slots that take turns in memory that all processes share. */
typedef struct
{
  char *memory; /* the slots, one after the other, each page-aligned */
  gsize size;   /* bytes of it all */
  gsize slot_size;
  guint slots;
} BenchSlots;

/* Shared memory, unmapped by munmap(). */
typedef gpointer (*BenchMapSlots) (gsize size, GError **error);

/* Bytes that the cell's slots take: a multiple of `page`. */
gsize bench_slots_size (const BenchCell *cell, gsize page);
/* For prepare(). `page`: bytes of the memory's pages. */
BenchSlots *bench_slots_new (const BenchCell *cell, gsize page, BenchMapSlots map, GError **error);
void bench_slots_finish (const BenchCell *cell, gpointer link);

/* Ordinary pages, as BenchMapSlots. */
gpointer bench_slots_map (gsize size, GError **error);
/* For the ends' open: fork() has copied nothing of it into their page tables, and later no page shall
 * fault. */
gboolean bench_slots_populate (const BenchSlots *slots, const BenchEnd *end, GError **error);
/* Where a frame is. */
gpointer bench_slots_at (const BenchSlots *slots, guint32 frame);

/*
 * Bare slots: with a bell, and nothing else. What the ways of way-shm.c share with those that differ in
 * what the memory is of: the link is a BenchSlots, the way's variant a BenchWait. Nobody waits for a slow
 * consumer: it sees the newest frame, or a torn one.
 */
gboolean bench_slots_open (BenchEnd *end, GError **error);
gpointer bench_slots_acquire (BenchEnd *end, GError **error);
gboolean bench_slots_publish (BenchEnd *end, GError **error);
gconstpointer bench_slots_receive (BenchEnd *end, GError **error);
void bench_slots_close (BenchEnd *end);

/* Of a BenchWay: all but name, title, variant, spins, refuse() and prepare(). */
#define BENCH_SLOTS_MEMBERS                                                                        \
  .finish = bench_slots_finish, .open_producer = bench_slots_open,                                 \
  .open_consumer = bench_slots_open, .acquire = bench_slots_acquire,                               \
  .publish = bench_slots_publish, .receive = bench_slots_receive, .close = bench_slots_close
