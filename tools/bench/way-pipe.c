/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A pipe for each consumer, of the largest size an ordinary user may have (1 MiB). */

#include "stream.h"
#include "ways.h"

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return bench_stream_new (cell, bench_stream_make_pipe, error);
}

const BenchWay bench_way_pipe = {
  .name = "pipe",
  .title = "pipe",
  .prepare = prepare,
  BENCH_STREAM_MEMBERS,
};
