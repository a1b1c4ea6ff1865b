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
  &bench_way_unix,
  &bench_way_tcp,
  &bench_way_vmsplice,
  &bench_way_sendfile,
  &bench_way_mq,
  &bench_way_mq_index,
  &bench_way_process_vm_readv,
  &bench_way_process_vm_writev,
  &bench_way_shm_copy,
  &bench_way_file,
  &bench_way_fd,
  &bench_way_shm_huge,
  NULL,
};
