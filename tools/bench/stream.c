/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_BUFFER (1 << 20) /* net.core.wmem_max limits it further */

BenchStream *
bench_stream_new (const BenchCell *cell, BenchMakePipe make, GError **error)
{
  BenchStream *stream = g_new0 (BenchStream, 1);

  stream->pipes = g_new (BenchPipe, cell->n_consumers);
  for (; stream->n < cell->n_consumers; stream->n++)
    {
      BenchPipe *pipe = &stream->pipes[stream->n];

      *pipe = (BenchPipe){ -1, -1 };
      if (!make (pipe, error))
        {
          stream->n++;
          break;
        }
    }
  return stream;
}

void
bench_stream_finish (const BenchCell *cell, gpointer link)
{
  BenchStream *stream = link;

  for (int i = 0; i < stream->n; i++)
    {
      if (stream->pipes[i].read_fd >= 0)
        close (stream->pipes[i].read_fd);
      if (stream->pipes[i].write_fd >= 0)
        close (stream->pipes[i].write_fd);
    }
  g_free (stream->pipes);
  g_free (stream);
}

gboolean
bench_stream_publish (BenchEnd *end, GError **error)
{
  const BenchStream *stream = end->link;

  for (int i = 0; i < stream->n; i++)
    {
      if (!bench_write_all (stream->pipes[i].write_fd, end->data, end->cell->size, error))
        return FALSE;
      end->copied += end->cell->size;
    }
  return TRUE;
}

gconstpointer
bench_stream_receive (BenchEnd *end, GError **error)
{
  const BenchStream *stream = end->link;

  if (!bench_read_all (stream->pipes[end->consumer].read_fd, end->data, end->cell->size, error))
    return NULL;
  end->copied += end->cell->size;
  return end->data;
}

gboolean
bench_stream_make_pipe (BenchPipe *pipe, GError **error)
{
  int fd[2];

  if (pipe2 (fd, O_CLOEXEC) != 0)
    return bench_fail (error, "make a pipe");
  *pipe = (BenchPipe){ fd[0], fd[1] };
  fcntl (pipe->write_fd, F_SETPIPE_SZ, BENCH_PIPE_BYTES);
  return TRUE;
}

gboolean
bench_stream_make_unix (BenchPipe *pipe, GError **error)
{
  const int size = SOCKET_BUFFER;
  int fd[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) != 0)
    return bench_fail (error, "make a unix socket");
  *pipe = (BenchPipe){ fd[0], fd[1] };
  if (setsockopt (pipe->write_fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0)
    return bench_fail (error, "SO_SNDBUF");
  return TRUE;
}

gboolean
bench_buffers_open (BenchEnd *end, gsize capacity, int fd, GError **error)
{
  BenchBuffers *buffers = end->data = g_new0 (BenchBuffers, 1);
  gsize size = end->cell->size;

  buffers->fd = fd;
  buffers->buffer_size = bench_round_up (size, BENCH_PAGE);
  buffers->n = 1 + (guint) ((capacity + size - 1) / size);
  size = buffers->n * buffers->buffer_size;
  if (fd >= 0 && ftruncate (fd, (off_t) size) != 0)
    return bench_fail (error, "enlarge a memfd");
  buffers->memory
      = mmap (NULL, size, PROT_READ | PROT_WRITE,
              MAP_POPULATE | (fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), fd, 0);
  return buffers->memory != MAP_FAILED || bench_fail (error, "map the buffers");
}

gsize
bench_buffers_offset (const BenchBuffers *buffers)
{
  return buffers->next % buffers->n * buffers->buffer_size;
}

gpointer
bench_buffers_acquire (BenchEnd *end, GError **error)
{
  const BenchBuffers *buffers = end->data;

  return buffers->memory + bench_buffers_offset (buffers);
}

gboolean
bench_buffers_publish (BenchEnd *end, BenchSendBuffer send, GError **error)
{
  const BenchStream *stream = end->link;
  BenchBuffers *buffers = end->data;

  for (int i = 0; i < stream->n; i++)
    if (!send (stream->pipes[i].write_fd, buffers, end->cell->size, error))
      return FALSE;
  buffers->next++;
  return TRUE;
}

void
bench_buffers_close (BenchEnd *end)
{
  BenchBuffers *buffers = end->data;

  if (end->consumer >= 0)
    bench_frame_close (end);
  else if (buffers)
    {
      if (buffers->fd >= 0)
        close (buffers->fd);
      munmap (buffers->memory, buffers->n * buffers->buffer_size);
      g_free (buffers);
    }
}
