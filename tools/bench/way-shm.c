/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bare shared memory: slots that take turns, and a bell. Nothing is pinned, nothing is told of a frame,
 * no process may die: the limit for what shmframe does. The variant says how the consumers wait.
 */

#include "bell.h"
#include "slots.h"
#include "ways.h"

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return bench_slots_new (cell, BENCH_PAGE, bench_slots_map, error);
}

#define WAY_SHM(name_, title_, variant_, spins_)                                                   \
  {                                                                                                \
    .name = name_, .title = title_, .variant = variant_, .spins = spins_, .prepare = prepare,      \
    BENCH_SLOTS_MEMBERS                                                                            \
  }

const BenchWay bench_way_shm_futex
    = WAY_SHM ("shm-futex", "bare shared memory, futex", BENCH_SLEEP, FALSE);
const BenchWay bench_way_shm_spin
    = WAY_SHM ("shm-spin", "bare shared memory, spinning", BENCH_SPIN, TRUE);
const BenchWay bench_way_shm_predict
    = WAY_SHM ("shm-predict", "bare shared memory, predicting", BENCH_PREDICT, FALSE);
