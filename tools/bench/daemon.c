/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bell.h"

#define PATIENCE_NS (10 * 1000000000LL)

static void
die_with_parent (gpointer nothing)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static void
await_listener (const char *path, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  gint64 give_up_ns = bench_now_ns () + PATIENCE_NS;
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), done;

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  while ((done = connect (fd, (struct sockaddr *) &address, sizeof address)) != 0
         && bench_now_ns () < give_up_ns)
    bench_sleep_until (bench_now_ns () + 1000000);
  if (done != 0)
    bench_fail (error, "reach a daemon");
  close (fd);
}

pid_t
bench_daemon_start (char **argv, const char *const *variables, const char *path, GError **error)
{
  g_auto (GStrv) environment = g_get_environ ();
  pid_t pid = 0;

  for (int i = 0; variables[i]; i += 2)
    environment = g_environ_setenv (environment, variables[i], variables[i + 1], TRUE);
  if (g_spawn_async (NULL, argv, environment,
                     G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
                     die_with_parent, NULL, &pid, error))
    await_listener (path, error);
  return pid;
}

void
bench_daemon_end (pid_t pid)
{
  /* It may be gone, and its number another's. */
  if (pid && waitpid (pid, NULL, WNOHANG) == 0)
    {
      kill (pid, SIGKILL);
      waitpid (pid, NULL, 0);
    }
}
