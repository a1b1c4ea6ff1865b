/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A descriptor for each frame over a unix socket, as unixfdsink and unixfdsrc of GStreamer do it: a few
 * memfds take turns, as its pools have them, and the producer keeps them mapped. A consumer maps what it
 * receives, and unmaps and closes it when it is done, which it says in a byte: that frees the memfd.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ways.h"

#define DEFAULT_MEMFDS 4

typedef struct
{
  int sockets[2]; /* of the producer and of the consumer */
} Link;           /* by consumer */

typedef struct
{
  int n;    /* memfds; consumer: those that it holds, 1 or 0 */
  int next; /* producer: the frame that is being written, counted from 0 */
  int *fds;
  gpointer *memory; /* by memfd; NULL: not mapped */
} Data;

static void
finish (const BenchCell *cell, gpointer data)
{
  Link *link = data;

  for (int i = 0; i < 2 * cell->n_consumers; i++)
    if (link[i / 2].sockets[i % 2] > 0)
      close (link[i / 2].sockets[i % 2]);
  g_free (link);
}

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  Link *link = g_new0 (Link, cell->n_consumers);

  for (int i = 0; i < cell->n_consumers; i++)
    if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link[i].sockets) != 0)
      {
        bench_fail (error, "make a unix socket");
        break;
      }
  return link;
}

static gpointer
map_fd (int fd, gsize size, int flags, GError **error)
{
  gpointer memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);

  if (memory != MAP_FAILED)
    return memory;
  bench_fail (error, "map a memfd");
  return NULL;
}

static gboolean
open_end (BenchEnd *end, GError **error)
{
  Data *data = end->data = g_new0 (Data, 1);
  gsize size = end->cell->size;
  int n = (int) bench_n_slots (end->cell, DEFAULT_MEMFDS);

  data->fds = g_new (int, n);
  data->memory = g_new0 (gpointer, n);
  for (; end->consumer < 0 && data->n < n; data->n++)
    {
      int fd = memfd_create ("frame-bench", MFD_CLOEXEC);

      if (fd < 0 || ftruncate (fd, (off_t) size) != 0)
        return bench_fail (error, "make a memfd");
      data->fds[data->n] = fd;
      data->memory[data->n] = map_fd (fd, size, MAP_POPULATE, error);
      if (!data->memory[data->n])
        return FALSE;
    }
  return TRUE;
}

/* Each consumer is done with the oldest frame: they release in order. */
static gboolean
await_releases (const BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  char byte;

  for (int i = 0; i < end->cell->n_consumers; i++)
    if (!bench_read_all (link[i].sockets[0], &byte, 1, error))
      return FALSE;
  return TRUE;
}

static gpointer
acquire (BenchEnd *end, GError **error)
{
  const Data *data = end->data;

  if (data->next >= data->n && !await_releases (end, error))
    return NULL;
  return data->memory[data->next % data->n];
}

/* sendmsg() or recvmsg() of a byte and a descriptor. */
static gboolean
transfer (int socket, int *fd, gboolean receives, GError **error)
{
  char byte = 0;
  union
  {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof *fd)];
  } control = { .header = { CMSG_LEN (sizeof *fd), SOL_SOCKET, SCM_RIGHTS } };
  struct iovec part = { &byte, 1 };
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };

  if (!receives)
    {
      memcpy (CMSG_DATA (&control.header), fd, sizeof *fd);
      return sendmsg (socket, &message, 0) == 1 || bench_fail (error, "sendmsg");
    }
  errno = EPIPE;
  if (recvmsg (socket, &message, MSG_CMSG_CLOEXEC) != 1)
    return bench_fail (error, "recvmsg");
  errno = EMFILE;
  if (message.msg_controllen < CMSG_LEN (sizeof *fd))
    return bench_fail (error, "receive a descriptor");
  memcpy (fd, CMSG_DATA (&control.header), sizeof *fd);
  return TRUE;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  Data *data = end->data;
  int *fd = &data->fds[data->next++ % data->n];

  for (int i = 0; i < end->cell->n_consumers; i++)
    if (!transfer (link[i].sockets[0], fd, FALSE, error))
      return FALSE;
  return TRUE;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  const Link *link = end->link;
  Data *data = end->data;

  if (!transfer (link[end->consumer].sockets[1], &data->fds[0], TRUE, error))
    return NULL;
  data->n = 1;
  return data->memory[0] = map_fd (data->fds[0], end->cell->size, 0, error);
}

static void
drop_memfds (const BenchEnd *end)
{
  Data *data = end->data;

  while (data->n)
    {
      data->n--;
      if (data->memory[data->n])
        munmap (data->memory[data->n], end->cell->size);
      close (data->fds[data->n]);
    }
}

static gboolean
release (BenchEnd *end, GError **error)
{
  const Link *link = end->link;

  drop_memfds (end);
  return bench_write_all (link[end->consumer].sockets[1], "", 1, error);
}

static void
close_end (BenchEnd *end)
{
  Data *data = end->data;

  drop_memfds (end);
  g_free (data->fds);
  g_free (data->memory);
  g_free (data);
}

const BenchWay bench_way_fd = {
  .name = "fd",
  .title = "a descriptor per frame over a unix socket",
  .prepare = prepare,
  .finish = finish,
  .open_producer = open_end,
  .open_consumer = open_end,
  .acquire = acquire,
  .publish = publish,
  .receive = receive,
  .release = release,
  .close = close_end,
};
