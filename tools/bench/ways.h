/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "way.h"

/* Every way, by the file that defines it. */

extern const BenchWay bench_way_shm_futex, bench_way_shm_spin,
    bench_way_shm_predict; /* way-shm.c */
extern const BenchWay bench_way_shmframe, bench_way_shmframe_spin,
    bench_way_shmframe_predict;       /* way-shmframe.c */
extern const BenchWay bench_way_pipe; /* way-pipe.c */
extern const BenchWay bench_way_gst_shmframe, bench_way_gst_shmsink, bench_way_gst_shmsink_copy,
    bench_way_gst_unixfd;                 /* way-gst.c */
extern const BenchWay bench_way_pipewire; /* way-pipewire.c */
