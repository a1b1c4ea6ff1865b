/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "way.h"

/* Every way, by the file that defines it. */

/* way-shm.c */
extern const BenchWay bench_way_shm_futex;
extern const BenchWay bench_way_shm_spin;
extern const BenchWay bench_way_shm_predict;

/* way-shmframe.c */
extern const BenchWay bench_way_shmframe;
extern const BenchWay bench_way_shmframe_spin;
extern const BenchWay bench_way_shmframe_predict;

/* way-gst.c */
extern const BenchWay bench_way_gst_shmframe;
extern const BenchWay bench_way_gst_shmsink;
extern const BenchWay bench_way_gst_shmsink_copy;
extern const BenchWay bench_way_gst_unixfd;

/* Files of one way: way-pipe.c and so on. */
extern const BenchWay bench_way_pipe;
extern const BenchWay bench_way_unix;
extern const BenchWay bench_way_tcp;
extern const BenchWay bench_way_vmsplice;
extern const BenchWay bench_way_sendfile;
extern const BenchWay bench_way_mq;
extern const BenchWay bench_way_mq_index;
extern const BenchWay bench_way_process_vm_readv;
extern const BenchWay bench_way_process_vm_writev;
extern const BenchWay bench_way_shm_copy;
extern const BenchWay bench_way_file;
extern const BenchWay bench_way_fd;
extern const BenchWay bench_way_shm_huge;
extern const BenchWay bench_way_iceoryx;
extern const BenchWay bench_way_pipewire;
