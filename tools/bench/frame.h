/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "way.h"

/* Members of a BenchWay for an end that has one frame of its own, as end->data: a producer writes it again
 * and again. */
gboolean bench_frame_open (BenchEnd *end, GError **error);
gpointer bench_frame_acquire (BenchEnd *end, GError **error);
void bench_frame_close (BenchEnd *end);
