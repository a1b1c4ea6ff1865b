/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <shmframe/error.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Linux 6.5; newer than the libc headers of Debian 12. An older kernel answers ENOPROTOOPT. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

/* What the send buffer should hold at least: the kernel counts its own overhead in it. */
#define SEND_BUFFER (4 * SHMFRAME_MESSAGE_MAX)

struct _ShmFrameConnection
{
  int fd;
  int pidfd;                   /* or -1 */
  gboolean gone;               /* the peer was dead before we could get a pidfd */
  gboolean awaits_credentials; /* accepted, and no message has come */
  ShmFramePeer peer;
};

G_GNUC_PRINTF (4, 5)
static void
set_error (GError **error, int code, int saved_errno, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  if (saved_errno == EMFILE || saved_errno == ENFILE)
    code = SHMFRAME_ERROR_NO_DESCRIPTORS;
  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, SHMFRAME_ERROR, code, "%s: %s%s", what, g_strerror (saved_errno),
               code == SHMFRAME_ERROR_NO_DESCRIPTORS
                   ? ": close some descriptors, or raise RLIMIT_NOFILE"
                   : "");
}

/* ---- the peer ------------------------------------------------------------------------------ */

static gboolean
pidfd_is_dead (int pidfd)
{
  struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

  return poll (&poll_fd, 1, 0) > 0;
}

static gboolean
hung_up (int fd)
{
  struct pollfd poll_fd = { .fd = fd };

  return poll (&poll_fd, 1, 0) > 0;
}

/* Without pidfds from the socket (Linux before 6.5) the pid may have passed to another process. It
 * has not if the peer's end was open after we opened the pidfd. What remains: the peer died, left its
 * end open in a child, and its pid was used again, all before this call. Then we watch a stranger,
 * and notice the peer's death from the end of the socket only. */
static int
open_pidfd_of_pid (ShmFrameConnection *self)
{
  int pidfd;

  if (self->peer.pid <= 0)
    return -1;
  pidfd = (int) syscall (SYS_pidfd_open, self->peer.pid, 0);
  if (pidfd < 0)
    {
      self->gone = errno == ESRCH;
      return -1;
    }
  if (hung_up (self->fd) || pidfd_is_dead (pidfd))
    {
      self->gone = TRUE;
      close (pidfd);
      return -1;
    }
  return pidfd;
}

static int
open_pidfd_of_socket (ShmFrameConnection *self)
{
  int pidfd = -1;
  socklen_t length = sizeof pidfd;

  if (getsockopt (self->fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0)
    return pidfd;
  return open_pidfd_of_pid (self);
}

static void
read_peer (ShmFrameConnection *self)
{
  struct ucred credentials;
  socklen_t length = sizeof credentials;

  self->peer = (ShmFramePeer){ 0, (uid_t) -1, (gid_t) -1 };
  if (getsockopt (self->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0)
    self->peer = (ShmFramePeer){ credentials.pid, credentials.uid, credentials.gid };
}

/* The first message of an accepted connection says who uses it. Takes the pidfd, -1 for none. */
static void
identify (ShmFrameConnection *self, const ShmFramePeer *sender, int pidfd)
{
  int off = 0;
  gboolean same = sender->pid == self->peer.pid;

  self->awaits_credentials = FALSE;
  setsockopt (self->fd, SOL_SOCKET, SO_PASSCRED, &off, sizeof off);
  setsockopt (self->fd, SOL_SOCKET, SO_PASSPIDFD, &off, sizeof off);
  self->peer = *sender;
  if (pidfd < 0)
    pidfd = same ? open_pidfd_of_socket (self) : open_pidfd_of_pid (self);
  self->pidfd = pidfd;
}

void
shmframe_connection_get_peer (const ShmFrameConnection *self, ShmFramePeer *peer)
{
  *peer = self->peer;
}

int
shmframe_connection_get_pidfd (const ShmFrameConnection *self)
{
  return self->pidfd;
}

gboolean
shmframe_connection_peer_is_dead (const ShmFrameConnection *self)
{
  return self->gone || (self->pidfd >= 0 && pidfd_is_dead (self->pidfd));
}

char *
shmframe_connection_dup_program (const ShmFrameConnection *self)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/comm", (int) self->peer.pid);
  g_autofree char *text = NULL;
  char *program;

  /* Checked for death after reading: the pid was the peer's until then. */
  if (self->peer.pid <= 0 || !g_file_get_contents (path, &text, NULL, NULL)
      || shmframe_connection_peer_is_dead (self))
    return g_strdup ("?");
  g_strchomp (text);
  /* The peer chose it, and it goes into logs and onto terminals. */
  for (char *c = text; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      *c = '?';
  program = g_utf8_make_valid (text, -1);
  return program;
}

/* ---- life ---------------------------------------------------------------------------------- */

static int
get_option (int fd, int name)
{
  int value = -1;
  socklen_t length = sizeof value;

  return getsockopt (fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

static gboolean
prepare_socket (int fd, GError **error)
{
  const int size = SEND_BUFFER / 2; /* the kernel doubles it */
  int status;

  if (get_option (fd, SO_DOMAIN) != AF_UNIX || get_option (fd, SO_TYPE) != SOCK_SEQPACKET)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "using descriptor %d as a connection: it is not a Unix socket of type "
                   "SOCK_SEQPACKET: pass one that is connected to a producer",
                   fd);
      return FALSE;
    }
  status = fcntl (fd, F_GETFL);
  if (status < 0 || fcntl (fd, F_SETFL, status | O_NONBLOCK) < 0
      || fcntl (fd, F_SETFD, FD_CLOEXEC) < 0)
    {
      int saved_errno = errno;

      set_error (error, SHMFRAME_ERROR_FAILED, saved_errno, "setting up connection %d", fd);
      return FALSE;
    }
  if (get_option (fd, SO_SNDBUF) < SEND_BUFFER)
    setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return TRUE;
}

/* Takes the descriptor. */
static ShmFrameConnection *
connection_new (int fd, gboolean accepted, GError **error)
{
  g_autoptr (ShmFrameConnection) self = g_new0 (ShmFrameConnection, 1);

  self->fd = fd;
  self->pidfd = -1;
  if (!prepare_socket (fd, error))
    return NULL;
  read_peer (self);
  if (accepted)
    {
      int on = 1;

      /* The listener has these too, for a message that is sent before we accept. */
      setsockopt (fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
      setsockopt (fd, SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on);
      self->awaits_credentials = TRUE;
    }
  else
    self->pidfd = open_pidfd_of_socket (self);
  return g_steal_pointer (&self);
}

ShmFrameConnection *
shmframe_connection_new (int fd, GError **error)
{
  return connection_new (fd, FALSE, error);
}

static ShmFrameError
connect_error_code (int saved_errno)
{
  switch (saved_errno)
    {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
      return SHMFRAME_ERROR_NOT_FOUND;
    case EACCES:
    case EPERM:
      return SHMFRAME_ERROR_PERMISSION;
    case EPROTOTYPE:
      return SHMFRAME_ERROR_NAME;
    default:
      return SHMFRAME_ERROR_FAILED;
    }
}

static const char *
connect_advice (int saved_errno)
{
  switch (saved_errno)
    {
    case ENOENT:
    case ENOTDIR:
      return "no producer has made this socket; start it, or check the name";
    case ECONNREFUSED:
      return "nobody listens there; start the producer";
    case EACCES:
    case EPERM:
      return "this user may not use the socket; give the producer a mode and group that let it";
    case EAGAIN:
      return "the producer's queue of connections is full; try again";
    case EPROTOTYPE:
      return "this is not the socket of a pool; check the path";
    default:
      return g_strerror (saved_errno);
    }
}

/* Of another kind of file the kernel says only that it may not be written, or that nobody listens. */
static gboolean
is_no_socket (const char *path)
{
  struct stat status;

  return stat (path, &status) == 0 && !S_ISSOCK (status.st_mode);
}

ShmFrameConnection *
shmframe_connection_open (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd;

  if (strlen (path) >= sizeof address.sun_path)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME,
                   "connecting to %s: the path has %" G_GSIZE_FORMAT
                   " bytes, more than %" G_GSIZE_FORMAT ": use a shorter name or folder",
                   path, strlen (path), sizeof address.sun_path - 1);
      return NULL;
    }
  strcpy (address.sun_path, path);
  fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    {
      int saved_errno = errno;

      set_error (error, SHMFRAME_ERROR_FAILED, saved_errno, "connecting to %s", path);
      return NULL;
    }
  if (connect (fd, (const struct sockaddr *) &address, sizeof address) < 0)
    {
      int saved_errno = errno;

      close (fd);
      if (is_no_socket (path))
        saved_errno = EPROTOTYPE;
      g_set_error (error, SHMFRAME_ERROR, connect_error_code (saved_errno), "connecting to %s: %s",
                   path, connect_advice (saved_errno));
      return NULL;
    }
  return connection_new (fd, FALSE, error);
}

ShmFrameConnection *
shmframe_connection_accept (int listener, GError **error)
{
  for (;;)
    {
      int fd = accept4 (listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
      int saved_errno = errno;

      if (fd >= 0)
        return connection_new (fd, TRUE, error);
      if (saved_errno == EAGAIN)
        return NULL;
      if (saved_errno != EINTR && saved_errno != ECONNABORTED)
        {
          set_error (error, SHMFRAME_ERROR_FAILED, saved_errno, "accepting a connection");
          return NULL;
        }
    }
}

void
shmframe_connection_free (ShmFrameConnection *self)
{
  if (self == NULL)
    return;
  close (self->fd);
  if (self->pidfd >= 0)
    close (self->pidfd);
  g_free (self);
}

int
shmframe_connection_get_fd (const ShmFrameConnection *self)
{
  return self->fd;
}

/* ---- send ---------------------------------------------------------------------------------- */

static gboolean
send_failed (const ShmFrameConnection *self, const ShmFrameMessage *message, int saved_errno,
             GError **error)
{
  const char *name = shmframe_message_type_name (message->type);

  switch (saved_errno)
    {
    case EAGAIN:
      return FALSE;
    case ETOOMANYREFS: /* no 'full': the socket stays writable, and nothing says when it is over */
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS,
                   "sending %s to process %d: too many descriptors of this user are in sockets, unread: "
                   "raise RLIMIT_NOFILE (ulimit -n)",
                   name, (int) self->peer.pid);
      return FALSE;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED,
                   "sending %s to process %d: it has closed the connection", name,
                   (int) self->peer.pid);
      return FALSE;
    case EMSGSIZE:
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG,
                   "sending %s to process %d: the send buffer is too small for the message: raise "
                   "net.core.wmem_max, or send a smaller value",
                   name, (int) self->peer.pid);
      return FALSE;
    default:
      set_error (error, SHMFRAME_ERROR_FAILED, saved_errno, "sending %s to process %d", name,
                 (int) self->peer.pid);
      return FALSE;
    }
}

gboolean
shmframe_connection_send (ShmFrameConnection *self, const ShmFrameMessage *message, const int *fds,
                          guint n_fds, GError **error)
{
  g_autoptr (GBytes) bytes = shmframe_message_encode (message, n_fds, error);
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (SHMFRAME_MESSAGE_MAX_FDS * sizeof (int))];
  } control;
  struct msghdr header = { 0 };
  struct iovec part;
  ssize_t sent;

  if (bytes == NULL)
    return FALSE;
  part.iov_base = (void *) g_bytes_get_data (bytes, &part.iov_len);
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (n_fds > 0)
    {
      memset (&control, 0, sizeof control);
      header.msg_control = &control;
      header.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      control.align.cmsg_level = SOL_SOCKET;
      control.align.cmsg_type = SCM_RIGHTS;
      control.align.cmsg_len = CMSG_LEN (n_fds * sizeof (int));
      memcpy (CMSG_DATA (&control.align), fds, n_fds * sizeof (int));
    }
  do
    sent = sendmsg (self->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (sent < 0 && errno == EINTR);
  return sent >= 0 || send_failed (self, message, errno, error);
}

/* ---- receive ------------------------------------------------------------------------------- */

/* What came beside a message. All descriptors in it are ours to close. */
typedef struct
{
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds;
  gboolean surplus; /* there were more; those are closed */
  int pidfd;        /* or -1 */
  gboolean has_sender;
  ShmFramePeer sender;
} Ancillary;

static void
ancillary_clear (Ancillary *self)
{
  shmframe_connection_close_fds (self->fds, self->n_fds, FALSE);
  if (self->pidfd >= 0)
    close (self->pidfd);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Ancillary, ancillary_clear)

static void
take_descriptors (Ancillary *self, const struct cmsghdr *part)
{
  gsize n = (part->cmsg_len - CMSG_LEN (0)) / sizeof (int);

  for (gsize i = 0; i < n; i++)
    {
      int fd;

      memcpy (&fd, CMSG_DATA (part) + i * sizeof fd, sizeof fd);
      if (self->n_fds < SHMFRAME_MESSAGE_MAX_FDS)
        self->fds[self->n_fds++] = fd;
      else
        {
          self->surplus = TRUE;
          shmframe_connection_close_fds (&fd, 1, FALSE);
        }
    }
}

static void
take_ancillary (Ancillary *self, struct msghdr *header)
{
  for (struct cmsghdr *part = CMSG_FIRSTHDR (header); part != NULL;
       part = CMSG_NXTHDR (header, part))
    {
      if (part->cmsg_level != SOL_SOCKET)
        continue;
      if (part->cmsg_type == SCM_RIGHTS)
        take_descriptors (self, part);
      else if (part->cmsg_type == SCM_PIDFD && part->cmsg_len >= CMSG_LEN (sizeof (int)))
        memcpy (&self->pidfd, CMSG_DATA (part), sizeof (int)); /* a negative errno on failure */
      else if (part->cmsg_type == SCM_CREDENTIALS
               && part->cmsg_len >= CMSG_LEN (sizeof (struct ucred)))
        {
          struct ucred credentials;

          memcpy (&credentials, CMSG_DATA (part), sizeof credentials);
          self->sender = (ShmFramePeer){ credentials.pid, credentials.uid, credentials.gid };
          self->has_sender = TRUE;
        }
    }
}

/* As recvmsg(), with what came beside. */
static ssize_t
receive_datagram (int fd, void *data, gsize size, int *flags, Ancillary *ancillary)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (SHMFRAME_MESSAGE_MAX_FDS * sizeof (int))
               + CMSG_SPACE (sizeof (struct ucred)) + CMSG_SPACE (sizeof (int))];
  } control;
  struct iovec part = { .iov_base = data, .iov_len = size };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
  ssize_t length;

  do
    {
      header.msg_control = &control;
      header.msg_controllen = sizeof control;
      length = recvmsg (fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    }
  while (length < 0 && errno == EINTR);
  if (length >= 0)
    take_ancillary (ancillary, &header);
  *flags = header.msg_flags;
  return length;
}

static gboolean
check_datagram (const ShmFrameConnection *self, int flags, const Ancillary *ancillary,
                GError **error)
{
  if ((flags & MSG_TRUNC) != 0)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                 "message from process %d: longer than %d bytes: look into that process",
                 (int) self->peer.pid, SHMFRAME_MESSAGE_MAX);
  else if ((flags & MSG_CTRUNC) != 0 && ancillary->n_fds < SHMFRAME_MESSAGE_MAX_FDS)
    g_set_error (
        error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS,
        "message from process %d: no descriptor is left for those that came with it: close "
        "some, or raise RLIMIT_NOFILE",
        (int) self->peer.pid);
  else if ((flags & MSG_CTRUNC) != 0 || ancillary->surplus)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                 "message from process %d: more than %d descriptors: look into that process",
                 (int) self->peer.pid, SHMFRAME_MESSAGE_MAX_FDS);
  else
    return TRUE;
  return FALSE;
}

static int
receive_failed (const ShmFrameConnection *self, int saved_errno, GError **error)
{
  if (saved_errno == EAGAIN)
    return 0;
  if (saved_errno == ECONNRESET || saved_errno == ENOTCONN)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED,
                 "receiving from process %d: it broke off the connection", (int) self->peer.pid);
  else
    set_error (error, SHMFRAME_ERROR_FAILED, saved_errno, "receiving from process %d",
               (int) self->peer.pid);
  return -1;
}

int
shmframe_connection_receive (ShmFrameConnection *self, ShmFrameMessage *message, int *fds,
                             guint *n_fds, GError **error)
{
  guint8 data[SHMFRAME_MESSAGE_MAX];
  g_auto (Ancillary) ancillary = { .pidfd = -1 };
  guint said;
  int flags;
  ssize_t length;

  memset (message, 0, sizeof *message);
  *n_fds = 0;
  length = receive_datagram (self->fd, data, sizeof data, &flags, &ancillary);
  /* A peer that closed with ours unread: the kernel says so once, ahead of what the peer sent last. */
  if (length < 0 && errno == ECONNRESET)
    length = receive_datagram (self->fd, data, sizeof data, &flags, &ancillary);
  if (length < 0)
    return receive_failed (self, errno, error);
  if (length == 0)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED,
                   "receiving from process %d: it has closed the connection", (int) self->peer.pid);
      return -1;
    }
  if (!check_datagram (self, flags, &ancillary, error)
      || !shmframe_message_decode (message, data, (gsize) length, &said, error))
    return -1;
  if (said != ancillary.n_fds)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "%s from process %d: says %u descriptors, came with %u: look into that process",
                   shmframe_message_type_name (message->type), (int) self->peer.pid, said,
                   ancillary.n_fds);
      shmframe_message_clear (message);
      return -1;
    }
  if (self->awaits_credentials && ancillary.has_sender)
    {
      identify (self, &ancillary.sender, ancillary.pidfd);
      ancillary.pidfd = -1;
    }
  memcpy (fds, ancillary.fds, ancillary.n_fds * sizeof (int));
  *n_fds = ancillary.n_fds;
  ancillary.n_fds = 0;
  return 1;
}

gboolean
shmframe_connection_is_doorbell (int fd)
{
  return get_option (fd, SO_DOMAIN) == AF_UNIX && get_option (fd, SO_TYPE) == SOCK_DGRAM;
}

typedef struct
{
  guint n_fds;
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
} Discarded;

static gpointer
close_discarded (gpointer data)
{
  g_autofree Discarded *discarded = data;

  for (guint i = 0; i < discarded->n_fds; i++)
    close (discarded->fds[i]);
  return NULL;
}

void
shmframe_connection_close_fds (const int *fds, guint n_fds, gboolean harmless)
{
  Discarded *discarded;
  GThread *thread;

  for (guint i = 0; harmless && i < n_fds; i++)
    close (fds[i]);
  if (harmless || n_fds == 0)
    return;
  g_return_if_fail (n_fds <= SHMFRAME_MESSAGE_MAX_FDS);
  discarded = g_new (Discarded, 1);
  discarded->n_fds = n_fds;
  memcpy (discarded->fds, fds, n_fds * sizeof *fds);
  thread = g_thread_try_new ("shmframe-discard", close_discarded, discarded, NULL);
  if (thread == NULL)
    close_discarded (discarded);
  else
    g_thread_unref (thread);
}

gboolean
shmframe_connection_doorbell (int pair[2], GError **error)
{
  if (socketpair (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
    {
      int saved_errno = errno;

      set_error (error, SHMFRAME_ERROR_FAILED, saved_errno, "making a doorbell");
      return FALSE;
    }
  return TRUE;
}
