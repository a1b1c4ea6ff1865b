/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ways.h"

const BenchWay *const bench_ways[] = {
  &bench_way_shm_futex,
  &bench_way_shm_spin,
  &bench_way_shm_predict,
  &bench_way_shmframe,
  &bench_way_shmframe_spin,
  &bench_way_shmframe_predict,
  &bench_way_pipe,
  &bench_way_gst_shmframe,
  &bench_way_gst_shmsink,
  &bench_way_gst_shmsink_copy,
  &bench_way_gst_unixfd,
  &bench_way_pipewire,
  NULL,
};
