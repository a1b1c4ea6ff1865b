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
  .copies = TRUE,
  .prepare = prepare,
  .finish = bench_stream_finish,
  .open_producer = bench_stream_open,
  .open_consumer = bench_stream_open,
  .acquire = bench_stream_acquire,
  .publish = bench_stream_publish,
  .receive = bench_stream_receive,
  .close = bench_stream_close,
};
