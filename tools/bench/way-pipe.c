/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A pipe for each consumer, of the largest size an ordinary user may have (1 MiB). */

#include <fcntl.h>
#include <unistd.h>

#include "stream.h"
#include "ways.h"

static gboolean
make_pipe (BenchPipe *pipe, GError **error)
{
  int fd[2];

  if (pipe2 (fd, O_CLOEXEC) != 0)
    return bench_fail (error, "make a pipe");
  *pipe = (BenchPipe){ fd[0], fd[1] };
  /* Refused once all pipes of the user together are too large: the others stay small. */
  fcntl (pipe->write_fd, F_SETPIPE_SZ, 1 << 20);
  return TRUE;
}

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return bench_stream_new (cell, make_pipe, error);
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
