/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A unix stream socket for each consumer. */

#include "stream.h"
#include "ways.h"

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return bench_stream_new (cell, bench_stream_make_unix, error);
}

const BenchWay bench_way_unix = {
  .name = "unix",
  .title = "unix socket",
  .prepare = prepare,
  BENCH_STREAM_MEMBERS,
};
