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
splice_frame (int fd, gpointer frame, gsize size, GError **error)
{
  struct iovec rest = { frame, size };

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
  const BenchStream *stream = end->link;
  BenchBuffers *buffers = end->data;
  gpointer frame = bench_buffers_acquire (end, error);

  for (int i = 0; i < stream->n; i++)
    if (!splice_frame (stream->pipes[i].write_fd, frame, end->cell->size, error))
      return FALSE;
  buffers->next++;
  return TRUE;
}

const BenchWay bench_way_vmsplice = {
  .name = "vmsplice",
  .title = "vmsplice into a pipe",
  .copies = TRUE,
  .prepare = prepare,
  .finish = bench_stream_finish,
  .open_producer = open_producer,
  .open_consumer = bench_stream_open,
  .acquire = bench_buffers_acquire,
  .publish = publish,
  .receive = bench_stream_receive,
  .close = bench_buffers_close,
};
