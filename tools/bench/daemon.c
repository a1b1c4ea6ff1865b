/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bell.h"

#define PATIENCE_NS (15 * 1000000000LL)

typedef struct
{
  pid_t pid; /* 0: it did not start */
} Link;

/* The parent has blocked the signals that end it, for itself alone. */
static void
set_up (gpointer data)
{
  const BenchDaemon *daemon = data;
  sigset_t none;

  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  prctl (PR_SET_PDEATHSIG, daemon->orphan_signal);
}

static gboolean
start (Link *link, const BenchDaemon *daemon, const char *log, GError **error)
{
  g_auto (GStrv) environment = g_get_environ ();
  int fd = open (log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  gboolean done;

  if (fd < 0)
    return bench_fail (error, "make a daemon's log");
  for (int i = 0; daemon->variables && daemon->variables[i]; i += 2)
    environment
        = g_environ_setenv (environment, daemon->variables[i], daemon->variables[i + 1], TRUE);
  done = g_spawn_async_with_fds (NULL, daemon->argv, environment,
                                 G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, set_up,
                                 (gpointer) daemon, &link->pid, -1, fd, fd, error);
  close (fd);
  return done;
}

static gboolean
listens (const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gboolean done;

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  done = connect (fd, (struct sockaddr *) &address, sizeof address) == 0;
  close (fd);
  return done;
}

static gboolean
says (const char *log, const char *what)
{
  g_autofree char *text = NULL;

  return g_file_get_contents (log, &text, NULL, NULL) && strstr (text, what);
}

/* It stays for bench_daemon_finish() to reap. */
static gboolean
has_ended (pid_t pid)
{
  siginfo_t info = { 0 };

  return waitid (P_PID, (id_t) pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

static gboolean
await_ready (const Link *link, const BenchDaemon *daemon, const char *log, GError **error)
{
  gint64 give_up_ns = bench_now_ns () + PATIENCE_NS;
  g_autofree char *text = NULL;

  while (bench_now_ns () < give_up_ns && !has_ended (link->pid))
    {
      if (daemon->socket ? listens (daemon->socket) : says (log, daemon->ready))
        return TRUE;
      bench_sleep_until (bench_now_ns () + 1000000);
    }
  g_file_get_contents (log, &text, NULL, NULL);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s did not start: %s", daemon->argv[0],
               text && *text ? g_strstrip (text) : "it says nothing");
  return FALSE;
}

gpointer
bench_daemon_new (const BenchCell *cell, const BenchDaemon *daemon, GError **error)
{
  g_autofree char *log = g_build_filename (cell->folder, "daemon.log", NULL);
  Link *link = g_new0 (Link, 1);

  if (start (link, daemon, log, error))
    await_ready (link, daemon, log, error);
  return link;
}

void
bench_daemon_finish (const BenchCell *cell, gpointer data)
{
  Link *link = data;

  /* It may be gone, and its number another's. */
  if (link->pid && waitpid (link->pid, NULL, WNOHANG) == 0)
    {
      kill (link->pid, SIGKILL);
      waitpid (link->pid, NULL, 0);
    }
  g_free (link);
}

int
bench_daemon_pid (gpointer link)
{
  return ((Link *) link)->pid;
}
