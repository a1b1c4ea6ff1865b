/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <shmframe/error.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/name.h"
#include "descriptors.h"

#define WAIT_MS 10000

typedef struct
{
  char *folder;
  char *path;
  ShmFrameName *name;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->folder = g_dir_make_tmp ("shmframe-test-XXXXXX", &error);
  g_assert_no_error (error);
  fixture->path = g_build_filename (fixture->folder, "pool.sock", NULL);
  fixture->name = shmframe_name_own (fixture->path, 0600, NULL, &error);
  g_assert_no_error (error);
  /* Where the kernel lets no descriptors in (Linux 6.16), what follows would not be tested. */
  setsockopt (shmframe_name_get_socket (fixture->name), SOL_SOCKET, 83 /* SO_PASSRIGHTS */,
              &(int){ 1 }, sizeof (int));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  shmframe_name_free (fixture->name);
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->path);
  g_free (fixture->folder);
}

static void
await (int fd, short events)
{
  struct pollfd poll_fd = { .fd = fd, .events = events };

  g_assert_cmpint (poll (&poll_fd, 1, WAIT_MS), ==, 1);
}

/* What a peer sent is closed by a thread of its own; the watchdog ends a wait in vain. */
static void
await_descriptors (guint n)
{
  while (count_descriptors () != n)
    g_thread_yield ();
}

static ShmFrameConnection *
connect_to (const Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  ShmFrameConnection *connection = shmframe_connection_open (fixture->path, &error);

  g_assert_no_error (error);
  return connection;
}

static ShmFrameConnection *
accept_one (const Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  ShmFrameConnection *connection;

  await (shmframe_name_get_socket (fixture->name), POLLIN);
  connection = shmframe_connection_accept (shmframe_name_get_socket (fixture->name), &error);
  g_assert_no_error (error);
  g_assert_nonnull (connection);
  return connection;
}

static void
send_attach (ShmFrameConnection *connection, const int *fds, guint n_fds)
{
  g_autoptr (GError) error = NULL;
  ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_ATTACH };

  g_assert_true (shmframe_connection_send (connection, &message, fds, n_fds, &error));
  g_assert_no_error (error);
}

static guint
receive_type (ShmFrameConnection *connection, int *fds, guint *n_fds)
{
  g_autoptr (GError) error = NULL;
  g_auto (ShmFrameMessage) message = { 0 };

  await (shmframe_connection_get_fd (connection), POLLIN);
  g_assert_cmpint (shmframe_connection_receive (connection, &message, fds, n_fds, &error), ==, 1);
  g_assert_no_error (error);
  return message.type;
}

static void
assert_receive_fails (ShmFrameConnection *connection, int code)
{
  g_autoptr (GError) error = NULL;
  g_auto (ShmFrameMessage) message = { 0 };
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds;

  await (shmframe_connection_get_fd (connection), POLLIN);
  g_assert_cmpint (shmframe_connection_receive (connection, &message, fds, &n_fds, &error), ==, -1);
  g_assert_error (error, SHMFRAME_ERROR, code);
  g_assert_cmpuint (n_fds, ==, 0);
}

/* A child that ends with the test, whatever becomes of it. */
static pid_t
start_child (void)
{
  pid_t pid = fork ();

  if (pid == 0)
    prctl (PR_SET_PDEATHSIG, SIGKILL);
  return pid;
}

static void
end_child (pid_t pid)
{
  int status;

  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

/* ---- messages and descriptors -------------------------------------------------------------- */

static void
test_descriptors (Fixture *fixture, gconstpointer data)
{
  guint before = count_descriptors ();
  ShmFrameConnection *client = connect_to (fixture);
  ShmFrameConnection *server = accept_one (fixture);
  int sent[2], got[SHMFRAME_MESSAGE_MAX_FDS];
  char byte = 0;
  guint n_fds;

  g_assert_cmpint (pipe (sent), ==, 0);
  send_attach (client, sent, 2);
  g_assert_cmpuint (receive_type (server, got, &n_fds), ==, SHMFRAME_MESSAGE_ATTACH);
  g_assert_cmpuint (n_fds, ==, 2);
  g_assert_cmpint (write (got[1], "x", 1), ==, 1);
  g_assert_cmpint (read (sent[0], &byte, 1), ==, 1);
  g_assert_cmpint (byte, ==, 'x');
  for (int i = 0; i < 2; i++)
    {
      g_assert_cmpint (fcntl (got[i], F_GETFD), ==, FD_CLOEXEC);
      close (got[i]);
      close (sent[i]);
    }
  g_assert_cmpint (fcntl (shmframe_connection_get_fd (server), F_GETFD), ==, FD_CLOEXEC);
  g_assert_cmpint (fcntl (shmframe_connection_get_fd (client), F_GETFD), ==, FD_CLOEXEC);

  /* The other way, and the most there can be. */
  got[0] = got[1] = got[2] = STDERR_FILENO;
  send_attach (server, got, 3);
  receive_type (client, got, &n_fds);
  g_assert_cmpuint (n_fds, ==, 3);
  for (guint i = 0; i < n_fds; i++)
    close (got[i]);
  shmframe_connection_free (client);
  shmframe_connection_free (server);
  await_descriptors (before);
}

static void
test_nothing_there (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameConnection) client = NULL;
  g_auto (ShmFrameMessage) message = { 0 };
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds;

  g_assert_null (shmframe_connection_accept (shmframe_name_get_socket (fixture->name), &error));
  g_assert_no_error (error);
  client = connect_to (fixture);
  g_assert_cmpint (shmframe_connection_receive (client, &message, fds, &n_fds, &error), ==, 0);
  g_assert_no_error (error);
}

static void
test_largest (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ShmFrameConnection) client = connect_to (fixture);
  g_autoptr (ShmFrameConnection) server = accept_one (fixture);
  g_autofree char *text = g_strnfill (SHMFRAME_MESSAGE_MAX - 64, 'x');
  g_auto (ShmFrameMessage) sent = { .type = SHMFRAME_MESSAGE_STATS };
  g_auto (ShmFrameMessage) got = { 0 };
  g_autoptr (GError) error = NULL;
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds;

  sent.value = g_variant_ref_sink (g_variant_new_string (text));
  g_assert_true (shmframe_connection_send (server, &sent, NULL, 0, &error));
  g_assert_no_error (error);
  g_assert_cmpint (shmframe_connection_receive (client, &got, fds, &n_fds, &error), ==, 1);
  g_assert_no_error (error);
  g_assert_cmpvariant (sent.value, got.value);
}

static void
test_full (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ShmFrameConnection) client = connect_to (fixture);
  g_autoptr (ShmFrameConnection) server = accept_one (fixture);
  g_autoptr (GError) error = NULL;
  ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_BYE };
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds, n = 0;

  while (shmframe_connection_send (server, &message, NULL, 0, &error))
    g_assert_cmpuint (++n, <, 100000);
  g_assert_no_error (error);
  g_assert_cmpuint (n, >, 1);
  for (; n > 0; n--)
    receive_type (client, fds, &n_fds);
  await (shmframe_connection_get_fd (server), POLLOUT);
  g_assert_true (shmframe_connection_send (server, &message, NULL, 0, &error));
}

static void
test_closed (Fixture *fixture, gconstpointer data)
{
  ShmFrameConnection *client = connect_to (fixture);
  g_autoptr (ShmFrameConnection) server = accept_one (fixture);
  g_autoptr (GError) error = NULL;
  ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_BYE };
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds;

  send_attach (client, NULL, 0);
  shmframe_connection_free (client);
  /* What was sent before the end still comes. */
  g_assert_cmpuint (receive_type (server, fds, &n_fds), ==, SHMFRAME_MESSAGE_ATTACH);
  assert_receive_fails (server, SHMFRAME_ERROR_CLOSED);
  g_assert_false (shmframe_connection_send (server, &message, NULL, 0, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED);
}

static void
send_raw (ShmFrameConnection *connection, const void *data, gsize size, guint n_fds)
{
  union
  {
    struct cmsghdr align;
    char bytes[CMSG_SPACE (64 * sizeof (int))];
  } control = { 0 };
  struct iovec part = { (void *) data, size };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
  int fds[64];

  for (guint i = 0; i < n_fds; i++)
    fds[i] = STDERR_FILENO;
  if (n_fds > 0)
    {
      header.msg_control = &control;
      header.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      control.align.cmsg_level = SOL_SOCKET;
      control.align.cmsg_type = SCM_RIGHTS;
      control.align.cmsg_len = CMSG_LEN (n_fds * sizeof (int));
      memcpy (CMSG_DATA (&control.align), fds, n_fds * sizeof (int));
    }
  g_assert_cmpint (sendmsg (shmframe_connection_get_fd (connection), &header, 0), ==, size);
}

/* A message of the largest size with one byte after it: what is received of it is in order. */
static void
send_one_too_many (ShmFrameConnection *connection)
{
  g_autofree guint8 *data = g_malloc0 (SHMFRAME_MESSAGE_MAX + 1);
  gsize size = 0;

  for (gsize length = SHMFRAME_MESSAGE_MAX - 64; size != SHMFRAME_MESSAGE_MAX; length++)
    {
      g_autofree char *text = g_strnfill (length, 'x');
      g_auto (ShmFrameMessage) message = { .type = SHMFRAME_MESSAGE_STATS };
      g_autoptr (GBytes) bytes = NULL;

      message.value = g_variant_ref_sink (g_variant_new_string (text));
      bytes = shmframe_message_encode (&message, 0, NULL);
      g_assert_nonnull (bytes);
      size = g_bytes_get_size (bytes);
      memcpy (data, g_bytes_get_data (bytes, NULL), size);
    }
  send_raw (connection, data, size + 1, 0);
}

/* Nor is it lost where the other side closed without having read ours: the kernel then reports
 * ECONNRESET, once, ahead of it. */
static void
test_closed_unread (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ShmFrameConnection) client = connect_to (fixture);
  ShmFrameConnection *server = accept_one (fixture);
  g_autoptr (GError) error = NULL;
  ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_BYE };
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds;

  send_attach (client, NULL, 0);
  g_assert_true (shmframe_connection_send (server, &message, NULL, 0, &error));
  g_assert_no_error (error);
  shmframe_connection_free (server);
  g_assert_cmpuint (receive_type (client, fds, &n_fds), ==, SHMFRAME_MESSAGE_BYE);
  assert_receive_fails (client, SHMFRAME_ERROR_CLOSED);
}

/* Each of these ends with PROTOCOL (an empty datagram is the end) and leaves no descriptor behind. */
static void
test_hostile (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ShmFrameConnection) client = connect_to (fixture);
  g_autoptr (ShmFrameConnection) server = accept_one (fixture);
  ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_STATS };
  g_autofree guint8 *big = g_malloc0 (2 * SHMFRAME_MESSAGE_MAX);
  gsize size;
  static const guint counts[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 64 };

  for (int round = 0; round < 2; round++)
    {
      guint before = count_descriptors ();

      for (guint said = 0; said <= SHMFRAME_MESSAGE_MAX_FDS; said++)
        {
          g_autoptr (GBytes) bytes = shmframe_message_encode (&message, said, NULL);
          const void *right = g_bytes_get_data (bytes, &size);

          for (gsize i = 0; i < G_N_ELEMENTS (counts); i++)
            if (counts[i] != said)
              {
                send_raw (client, right, size, counts[i]);
                assert_receive_fails (server, SHMFRAME_ERROR_PROTOCOL);
              }
        }
      send_raw (client, "garbage", 7, 2);
      assert_receive_fails (server, SHMFRAME_ERROR_PROTOCOL);
      send_raw (client, big, SHMFRAME_MESSAGE_MAX, 3);
      assert_receive_fails (server, SHMFRAME_ERROR_PROTOCOL);
      send_raw (client, big, SHMFRAME_MESSAGE_MAX + 1, 3);
      assert_receive_fails (server, SHMFRAME_ERROR_PROTOCOL);
      send_one_too_many (client);
      assert_receive_fails (server, SHMFRAME_ERROR_PROTOCOL);
      send_raw (client, "", 0, 3);
      assert_receive_fails (server, SHMFRAME_ERROR_CLOSED);
      await_descriptors (before);

      /* Once more after a good message, when no credentials come any more. */
      if (round == 0)
        {
          int fds[SHMFRAME_MESSAGE_MAX_FDS];
          guint n_fds;

          send_attach (client, NULL, 0);
          receive_type (server, fds, &n_fds);
        }
    }
}

/* ---- errors of opening --------------------------------------------------------------------- */

static void
assert_open_fails (const char *path, int code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shmframe_connection_open (path, &error));
  g_assert_error (error, SHMFRAME_ERROR, code);
}

static void
assert_not_of_a_pool (const char *path)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shmframe_connection_open (path, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME);
  g_assert_nonnull (strstr (error->message, "not the socket of a pool"));
}

static int
bind_raw (const char *path, int type, int backlog)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, type | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  if (backlog >= 0)
    g_assert_cmpint (listen (fd, backlog), ==, 0);
  return fd;
}

static void
test_open_errors (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->folder, "other", NULL);
  g_autofree char *long_path = g_strnfill (108, 'x');
  g_autoptr (GPtrArray) queue
      = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_connection_free);
  g_autoptr (GError) error = NULL;
  guint before = count_descriptors ();
  int fd;

  assert_open_fails (long_path, SHMFRAME_ERROR_NAME);
  assert_open_fails (path, SHMFRAME_ERROR_NOT_FOUND);
  fd = bind_raw (path, SOCK_SEQPACKET, -1);
  assert_open_fails (path, SHMFRAME_ERROR_NOT_FOUND);
  if (geteuid () != 0)
    {
      g_assert_cmpint (g_chmod (path, 0), ==, 0);
      assert_open_fails (path, SHMFRAME_ERROR_PERMISSION);
    }
  close (fd);
  g_assert_cmpint (g_unlink (path), ==, 0);

  fd = bind_raw (path, SOCK_STREAM, 1);
  assert_not_of_a_pool (path);
  close (fd);
  g_assert_cmpint (g_unlink (path), ==, 0);
  assert_not_of_a_pool (fixture->folder);
  g_assert_true (g_file_set_contents (path, "x", 1, NULL));
  assert_not_of_a_pool (path);
  g_assert_cmpint (g_chmod (path, 0), ==, 0); /* not a matter of permissions, for all that */
  assert_not_of_a_pool (path);
  g_assert_cmpint (g_unlink (path), ==, 0);

  fd = bind_raw (path, SOCK_SEQPACKET, 1);
  while (error == NULL)
    {
      ShmFrameConnection *connection = shmframe_connection_open (path, &error);

      if (connection != NULL)
        g_ptr_array_add (queue, connection);
      g_assert_cmpuint (queue->len, <, 10);
    }
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "try again"));
  g_ptr_array_set_size (queue, 0);
  close (fd);
  g_assert_cmpint (g_unlink (path), ==, 0);
  await_descriptors (before);
}

static void
test_passed_in (void)
{
  guint before = count_descriptors ();
  g_autoptr (ShmFrameConnection) connection = NULL;
  g_autoptr (GError) error = NULL;
  ShmFramePeer peer;
  int pair[2];

  g_assert_cmpint (pipe (pair), ==, 0);
  g_assert_null (shmframe_connection_new (pair[0], &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL);
  g_clear_error (&error);
  close (pair[1]);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
  g_assert_null (shmframe_connection_new (pair[0], &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL);
  g_clear_error (&error);
  close (pair[1]);
  await_descriptors (before);

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET, 0, pair), ==, 0);
  connection = shmframe_connection_new (pair[0], &error);
  g_assert_no_error (error);
  g_assert_cmpint (fcntl (pair[0], F_GETFD), ==, FD_CLOEXEC);
  g_assert_cmpint (fcntl (pair[0], F_GETFL) & O_NONBLOCK, ==, O_NONBLOCK);
  shmframe_connection_get_peer (connection, &peer);
  g_assert_cmpint (peer.pid, ==, getpid ());
  close (pair[1]);
}

static void
test_doorbell (void)
{
  g_autoptr (GError) error = NULL;
  char byte;
  int pair[2];

  g_assert_true (shmframe_connection_doorbell (pair, &error));
  for (int i = 0; i < 2; i++)
    {
      g_assert_cmpint (fcntl (pair[i], F_GETFD), ==, FD_CLOEXEC);
      g_assert_cmpint (recv (pair[i], &byte, 1, 0), ==, -1);
      g_assert_cmpint (errno, ==, EAGAIN);
    }
  g_assert_cmpint (send (pair[1], "", 1, 0), ==, 1);
  g_assert_cmpint (recv (pair[0], &byte, 1, 0), ==, 1);
  close (pair[0]);
  close (pair[1]);
}

/* In a child, whose limit leaves no descriptor. Exits with 0 where all is as it should be. */
static void
run_out_of_descriptors (const Fixture *fixture, ShmFrameConnection *server)
{
  g_autoptr (GError) error = NULL;
  ShmFrameMessage message = { 0 };
  int fds[SHMFRAME_MESSAGE_MAX_FDS], pair[2];
  struct rlimit limit = { 3, 3 };
  guint n_fds;

  if (setrlimit (RLIMIT_NOFILE, &limit) < 0)
    _exit (1);
  if (shmframe_connection_receive (server, &message, fds, &n_fds, &error) != -1
      || !g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS))
    _exit (2);
  g_clear_error (&error);
  if (shmframe_connection_accept (shmframe_name_get_socket (fixture->name), &error) != NULL
      || !g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS))
    _exit (3);
  g_clear_error (&error);
  if (shmframe_connection_open (fixture->path, &error) != NULL
      || !g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS))
    _exit (4);
  g_clear_error (&error);
  if (shmframe_connection_doorbell (pair, &error)
      || !g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS))
    _exit (5);
  _exit (0);
}

static void
test_no_descriptors (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ShmFrameConnection) client = connect_to (fixture);
  g_autoptr (ShmFrameConnection) server = accept_one (fixture);
  g_autoptr (ShmFrameConnection) waiting = connect_to (fixture);
  int fds[2] = { STDERR_FILENO, STDERR_FILENO };
  pid_t child;

  g_assert_nonnull (waiting);
  send_attach (client, fds, 2);
  child = start_child ();
  if (child == 0)
    run_out_of_descriptors (fixture, server);
  end_child (child);
}

/* ---- the peer ------------------------------------------------------------------------------ */

static void
assert_peer (const ShmFrameConnection *connection, pid_t pid)
{
  ShmFramePeer peer;

  shmframe_connection_get_peer (connection, &peer);
  g_assert_cmpint (peer.pid, ==, pid);
  g_assert_cmpuint (peer.uid, ==, getuid ());
  g_assert_cmpuint (peer.gid, ==, getgid ());
}

static void
test_listener (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ShmFrameConnection) client = connect_to (fixture);
  g_autofree char *program = shmframe_connection_dup_program (client);
  g_autofree char *comm = NULL;

  assert_peer (client, getpid ());
  g_assert_cmpint (shmframe_connection_get_pidfd (client), >=, 0);
  g_assert_false (shmframe_connection_peer_is_dead (client));
  g_assert_true (g_file_get_contents ("/proc/self/comm", &comm, NULL, NULL));
  g_assert_cmpstr (program, ==, g_strchomp (comm));
}

/* A child attaches, and leaves the socket open in a child of its own when it is killed. */
static void
test_death (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ShmFrameConnection) server = NULL;
  g_auto (ShmFrameMessage) message = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *program = NULL;
  int fds[SHMFRAME_MESSAGE_MAX_FDS], life[2];
  guint n_fds;
  pid_t child;

  g_assert_cmpint (pipe (life), ==, 0);
  child = start_child ();
  if (child == 0)
    {
      ShmFrameConnection *client = connect_to (fixture);
      char byte;

      close (life[1]);
      if (fork () == 0)
        {
          /* The grandchild ends with the test. */
          g_assert_cmpint (read (life[0], &byte, 1), ==, 0);
          _exit (0);
        }
      send_attach (client, NULL, 0);
      for (;;)
        pause ();
    }
  close (life[0]);

  server = accept_one (fixture);
  assert_peer (server, child);
  g_assert_cmpint (shmframe_connection_get_pidfd (server), ==, -1);
  g_assert_cmpuint (receive_type (server, fds, &n_fds), ==, SHMFRAME_MESSAGE_ATTACH);
  assert_peer (server, child);
  g_assert_cmpint (shmframe_connection_get_pidfd (server), >=, 0);
  g_assert_cmpint (fcntl (shmframe_connection_get_pidfd (server), F_GETFD), ==, FD_CLOEXEC);
  g_assert_false (shmframe_connection_peer_is_dead (server));

  g_assert_cmpint (kill (child, SIGKILL), ==, 0);
  await (shmframe_connection_get_pidfd (server), POLLIN);
  g_assert_true (shmframe_connection_peer_is_dead (server));
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
  g_assert_cmpint (shmframe_connection_receive (server, &message, fds, &n_fds, &error), ==, 0);
  g_assert_no_error (error);
  program = shmframe_connection_dup_program (server);
  g_assert_cmpstr (program, ==, "?");
  close (life[1]);
}

/* One process connects, another uses the connection: the second is the peer. */
static void
test_passed_on (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ShmFrameConnection) client = connect_to (fixture);
  g_autoptr (ShmFrameConnection) server = accept_one (fixture);
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds;
  pid_t child;

  assert_peer (server, getpid ());
  child = start_child ();
  if (child == 0)
    {
      send_attach (client, NULL, 0);
      for (;;)
        pause ();
    }
  receive_type (server, fds, &n_fds);
  assert_peer (server, child);
  g_assert_false (shmframe_connection_peer_is_dead (server));
  g_assert_cmpint (kill (child, SIGKILL), ==, 0);
  await (shmframe_connection_get_pidfd (server), POLLIN);
  g_assert_true (shmframe_connection_peer_is_dead (server));
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
}

/* The peer has sent its message and died before anybody accepts. */
static void
test_dead_before_accept (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ShmFrameConnection) server = NULL;
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds;
  pid_t child = start_child ();

  if (child == 0)
    {
      send_attach (connect_to (fixture), NULL, 0);
      _exit (0);
    }
  end_child (child);
  server = accept_one (fixture);
  g_assert_cmpuint (receive_type (server, fds, &n_fds), ==, SHMFRAME_MESSAGE_ATTACH);
  g_assert_true (shmframe_connection_peer_is_dead (server));
  assert_receive_fails (server, SHMFRAME_ERROR_CLOSED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  alarm (60);
#define ADD(path, function)                                                                        \
  g_test_add ("/connection/" path, Fixture, NULL, set_up, function, tear_down)
  ADD ("descriptors", test_descriptors);
  ADD ("nothing-there", test_nothing_there);
  ADD ("largest", test_largest);
  ADD ("full", test_full);
  ADD ("closed", test_closed);
  ADD ("closed-unread", test_closed_unread);
  ADD ("hostile", test_hostile);
  ADD ("open-errors", test_open_errors);
  ADD ("no-descriptors", test_no_descriptors);
  ADD ("listener", test_listener);
  ADD ("death", test_death);
  ADD ("passed-on", test_passed_on);
  ADD ("dead-before-accept", test_dead_before_accept);
#undef ADD
  g_test_add_func ("/connection/passed-in", test_passed_in);
  g_test_add_func ("/connection/doorbell", test_doorbell);
  return g_test_run ();
}
