/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer-memory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#define YAMA "/proc/sys/kernel/yama/ptrace_scope"

char *
bench_peer_memory_refuse (const BenchCell *cell)
{
  g_autofree char *text = NULL;
  int scope = g_file_get_contents (YAMA, &text, NULL, NULL) ? atoi (text) : 0;
  char from = 1, to = 0;
  struct iovec local = { &to, 1 }, remote = { &from, 1 };

  /* 1 is what bench_peer_memory_allow() is for. */
  if (scope > 2 || (scope == 2 && geteuid () != 0))
    return g_strdup_printf (YAMA " is %d: set it to 1 or 0", scope);
  if (process_vm_readv (getpid (), &local, 1, &remote, 1, 0) != 1)
    return g_strdup_printf ("process_vm_readv: %s (a container's seccomp filter?)",
                            g_strerror (errno));
  return NULL;
}

void
bench_peer_memory_allow (void)
{
  prctl (PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* fails where it is not needed */
}

gboolean
bench_peer_memory_copy (BenchPeerCopy copy, int pid, gpointer local, guintptr remote, gsize size,
                        GError **error)
{
  struct iovec here = { local, size }, there = { (gpointer) remote, size };

  while (here.iov_len)
    {
      ssize_t done = copy (pid, &here, 1, &there, 1, 0);

      if (done == 0)
        errno = EFAULT;
      if (done <= 0)
        return bench_fail (error, "copy between processes");
      here.iov_base = (char *) here.iov_base + done;
      there.iov_base = (char *) there.iov_base + done;
      there.iov_len = here.iov_len -= (gsize) done;
    }
  return TRUE;
}
