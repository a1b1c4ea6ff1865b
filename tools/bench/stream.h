/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "way.h"

/*
 * What the ways share that send a frame's bytes through a stream for each consumer: they differ in how
 * its two ends are made, and some in how they write. The functions are members of a BenchWay.
 */

typedef struct
{
  int read_fd, write_fd; /* -1: none yet */
} BenchPipe;

typedef struct
{
  int n;
  BenchPipe *pipes; /* by consumer */
} BenchStream;

/* Both ends, close-on-exec; on failure FALSE with an error, and what was made so far stays in `pipe`. */
typedef gboolean (*BenchMakePipe) (BenchPipe *pipe, GError **error);

/* For prepare(): the link of all processes. */
BenchStream *bench_stream_new (const BenchCell *cell, BenchMakePipe make, GError **error);
void bench_stream_finish (const BenchCell *cell, gpointer link);

/* end->data is the end's only frame: the producer writes it again and again. */
gboolean bench_stream_open (BenchEnd *end, GError **error);
gpointer bench_stream_acquire (BenchEnd *end, GError **error);
gboolean bench_stream_publish (BenchEnd *end, GError **error);
gconstpointer bench_stream_receive (BenchEnd *end, GError **error);
void bench_stream_close (BenchEnd *end);

/* A unix stream socket as BenchMakePipe, with the largest buffer that an ordinary user may have. */
gboolean bench_stream_make_unix (BenchPipe *pipe, GError **error);
