/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A TCP connection on loopback for each consumer, without Nagle's delay. Its buffers are the kernel's to
 * choose: it lets them grow to several MiB, SO_SNDBUF would end that at a few hundred KiB. */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"
#include "ways.h"

/* Listens on a port of the kernel's choice, which goes to `address`. */
static int
listen_on_loopback (struct sockaddr_in *address, GError **error)
{
  socklen_t length = sizeof *address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  *address
      = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  if (fd < 0 || bind (fd, (struct sockaddr *) address, length) != 0 || listen (fd, 1) != 0
      || getsockname (fd, (struct sockaddr *) address, &length) != 0)
    bench_fail (error, "listen on loopback");
  return fd;
}

/* A stranger may connect as well: only the connection from our own port is ours. */
static int
accept_from (int listener, int peer, GError **error)
{
  struct sockaddr_in ours = { 0 }, theirs = { 0 };
  socklen_t ours_length = sizeof ours, theirs_length = sizeof theirs;
  int fd;

  getsockname (peer, (struct sockaddr *) &ours, &ours_length);
  while ((fd = accept4 (listener, (struct sockaddr *) &theirs, &theirs_length, SOCK_CLOEXEC)) >= 0)
    {
      if (theirs.sin_port == ours.sin_port)
        return fd;
      close (fd);
      theirs_length = sizeof theirs;
    }
  bench_fail (error, "accept");
  return -1;
}

static gboolean
connect_pipe (BenchPipe *pipe, int listener, const struct sockaddr_in *address, GError **error)
{
  const int on = 1;

  pipe->write_fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (pipe->write_fd < 0
      || connect (pipe->write_fd, (const struct sockaddr *) address, sizeof *address) != 0
      || setsockopt (pipe->write_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
    return bench_fail (error, "connect to loopback");
  pipe->read_fd = accept_from (listener, pipe->write_fd, error);
  return pipe->read_fd >= 0;
}

static gboolean
make_tcp (BenchPipe *pipe, GError **error)
{
  g_autoptr (GError) failure = NULL;
  struct sockaddr_in address;
  int listener = listen_on_loopback (&address, &failure);
  gboolean made = !failure && connect_pipe (pipe, listener, &address, &failure);

  if (listener >= 0)
    close (listener);
  if (failure)
    g_propagate_error (error, g_steal_pointer (&failure));
  return made;
}

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return bench_stream_new (cell, make_tcp, error);
}

const BenchWay bench_way_tcp = {
  .name = "tcp",
  .title = "TCP on loopback",
  .prepare = prepare,
  BENCH_STREAM_MEMBERS,
};
