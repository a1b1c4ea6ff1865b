/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sendfile from a memfd: a unix socket for each consumer takes references to its pages; only consumers
 * copy. */

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "stream.h"
#include "ways.h"

#define CHUNK (64 * 1024) /* sendfile may add as much to a socket that has room for a byte */

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return bench_stream_new (cell, bench_stream_make_unix, error);
}

static gboolean
open_producer (BenchEnd *end, GError **error)
{
  const BenchStream *stream = end->link;
  int capacity, fd = memfd_create ("frame-bench", MFD_CLOEXEC);
  socklen_t length = sizeof capacity;

  if (fd < 0)
    return bench_fail (error, "make a memfd");
  if (getsockopt (stream->pipes[0].write_fd, SOL_SOCKET, SO_SNDBUF, &capacity, &length) != 0)
    return bench_fail (error, "SO_SNDBUF");
  return bench_buffers_open (end, (gsize) capacity + CHUNK, fd, error);
}

static gboolean
send_frame (int fd, const BenchBuffers *buffers, gsize size, GError **error)
{
  off_t next = (off_t) bench_buffers_offset (buffers), last = next + (off_t) size;

  while (next < last)
    if (sendfile (fd, buffers->fd, &next, (gsize) (last - next)) <= 0)
      return bench_fail (error, "sendfile");
  return TRUE;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  return bench_buffers_publish (end, send_frame, error);
}

const BenchWay bench_way_sendfile = {
  .name = "sendfile",
  .title = "sendfile to a unix socket",
  .prepare = prepare,
  .open_producer = open_producer,
  .publish = publish,
  BENCH_BUFFERS_MEMBERS,
};
