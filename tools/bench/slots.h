/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "way.h"

/*
 * Bare slots that take turns in memory that all processes share, and a bell: what the ways of way-shm.c
 * share with those that differ in what the memory is of. The functions are members of a BenchWay, whose
 * variant is a BenchWait. Nobody waits for a slow consumer: it sees the newest frame, or a torn one.
 */
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

gboolean bench_slots_open (BenchEnd *end, GError **error);
gpointer bench_slots_acquire (BenchEnd *end, GError **error);
gboolean bench_slots_publish (BenchEnd *end, GError **error);
gconstpointer bench_slots_receive (BenchEnd *end, GError **error);
void bench_slots_close (BenchEnd *end);
