/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/context.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <shmframe/error.h>

gboolean
shmframe_context_can_open (guint n)
{
  int fd = eventfd (0, EFD_CLOEXEC);
  gboolean can = fd >= 0 && (n <= 1 || shmframe_context_can_open (n - 1));

  if (fd >= 0)
    close (fd);
  return can;
}

GMainContext *
shmframe_context_new (const char *pool, guint n, GError **error)
{
  if (shmframe_context_can_open (n + 2))
    {
      g_main_context_default (); /* a thread that pushes its own context makes this one, too */
      return g_main_context_new ();
    }
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS,
               "pool %s: no descriptors are left: close some, or raise RLIMIT_NOFILE (ulimit -n)",
               pool);
  return NULL;
}
