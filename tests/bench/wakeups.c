/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What waking sleeping processes costs the one that wakes them, by their number: the source of
 * SHMFRAME_RINGER_INLINE. Timings are for a quiet machine:
 *
 *   ninja -C build tests/bench/wakeups && build/tests/bench/wakeups
 */

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

#include "os/wake.h"

#define MOST 64
#define ROUNDS 200

static gboolean
never (gpointer data)
{
  return FALSE;
}

static pid_t
start_sleeper (ShmFrameControl *control)
{
  pid_t pid = fork ();

  if (pid == 0)
    {
      ShmFrameWaiter waiter = { .mode = SHMFRAME_WAKE_SLEEP };

      shmframe_wake_wait (&waiter, control, -1, never, NULL);
      _exit (0);
    }
  return pid;
}

static int
compare (const void *a, const void *b)
{
  gint64 left = *(const gint64 *) a, right = *(const gint64 *) b;

  return (left > right) - (left < right);
}

static void
measure (ShmFrameControl *const *control, guint n)
{
  gint64 ns[ROUNDS];
  pid_t pid[MOST];

  for (guint i = 0; i < n; i++)
    pid[i] = start_sleeper (control[i]);
  for (guint round = 0; round < ROUNDS; round++)
    {
      gint64 begin;

      g_usleep (5000); /* they go back to sleep */
      begin = shmframe_wake_now ();
      for (guint i = 0; i < n; i++)
        shmframe_wake_ring (control[i], -1);
      ns[round] = shmframe_wake_now () - begin;
    }
  qsort (ns, ROUNDS, sizeof *ns, compare);
  g_print ("%2u sleepers: p50 %.1f us, p99 %.1f us\n", n, (double) ns[ROUNDS / 2] / 1000,
           (double) ns[ROUNDS * 99 / 100] / 1000);
  for (guint i = 0; i < n; i++)
    {
      kill (pid[i], SIGKILL);
      waitpid (pid[i], NULL, 0);
    }
}

int
main (void)
{
  ShmFrameControl *control[MOST];

  for (guint i = 0; i < MOST; i++)
    control[i] = mmap (NULL, SHMFRAME_PAGE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (guint n = 1; n <= MOST; n *= 2)
    measure (control, n);
  return 0;
}
