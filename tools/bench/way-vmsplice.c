/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vmsplice: a pipe for each consumer takes references to the producer's pages; only consumers copy. */

#include <fcntl.h>
#include <sys/uio.h>

#include "stream.h"
#include "ways.h"

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return bench_stream_new (cell, bench_stream_make_pipe, error);
}

static gboolean
open_producer (BenchEnd *end, GError **error)
{
  return bench_buffers_open (end, BENCH_PIPE_BYTES, -1, error);
}

static gboolean
splice_frame (int fd, const BenchBuffers *buffers, gsize size, GError **error)
{
  struct iovec rest = { buffers->memory + bench_buffers_offset (buffers), size };

  while (rest.iov_len)
    {
      ssize_t done = vmsplice (fd, &rest, 1, 0);

      if (done < 0)
        return bench_fail (error, "vmsplice");
      rest.iov_base = (char *) rest.iov_base + done;
      rest.iov_len -= (gsize) done;
    }
  return TRUE;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  return bench_buffers_publish (end, splice_frame, error);
}

const BenchWay bench_way_vmsplice = {
  .name = "vmsplice",
  .title = "vmsplice into a pipe",
  .prepare = prepare,
  .open_producer = open_producer,
  .publish = publish,
  BENCH_BUFFERS_MEMBERS,
};
