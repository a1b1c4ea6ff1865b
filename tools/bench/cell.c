/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cell.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "bell.h"

#define RUNNING_FRAMES 3                /* and the producer is running */
#define RUNNING_MOST_NS (100 * 1000000) /* a producer may wait for consumers */

typedef struct
{
  BenchCell *cell;
  BenchShared *shared;
  gsize shared_size;
  gpointer link;
  gint64 give_up_ns;
  pid_t producer;
  pid_t *consumers;
  int left;            /* processes that have not ended */
  sigset_t waited_for; /* signals: that a process has ended, or that all shall */
  sigset_t signals;    /* that were blocked before */
  int ended_by;        /* a signal; 0: none */
} Run;

/* ---- processes ---- */

static pid_t
start (Run *run, int consumer)
{
  pid_t parent = getpid (), pid = fork ();

  if (pid != 0)
    {
      run->left += pid > 0;
      return pid;
    }
  sigprocmask (SIG_SETMASK, &run->signals, NULL);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (1); /* it died before */
  if (consumer < 0)
    _exit (bench_run_producer (run->cell, run->shared, run->link));
  _exit (bench_run_consumer (run->cell, run->shared, run->link, consumer));
}

/* FALSE: it was not one of the cell's processes (a daemon of the way's, say). */
static gboolean
forget (Run *run, pid_t pid)
{
  pid_t *slot = pid == run->producer ? &run->producer : NULL;

  for (int i = 0; i < run->cell->n_consumers && !slot; i++)
    if (pid == run->consumers[i])
      slot = &run->consumers[i];
  if (!slot)
    return FALSE;
  *slot = 0;
  run->left--;
  return TRUE;
}

static void
note_signal (Run *run, int number)
{
  if (number > 0 && number != SIGCHLD)
    run->ended_by = number;
}

/* Takes note of processes that ended. FALSE: one failed, or the time is over. */
static gboolean
look_after (Run *run)
{
  int status;
  pid_t pid;

  while (run->left && (pid = waitpid (-1, &status, WNOHANG)) > 0)
    if (forget (run, pid) && status != 0)
      return FALSE;
  note_signal (run, sigtimedwait (&run->waited_for, NULL, &(struct timespec){ 0 }));
  return run->ended_by == 0 && bench_now_ns () < run->give_up_ns;
}

static gboolean
await_open (Run *run, BenchReport *report)
{
  while (!atomic_load (&report->open))
    {
      if (!look_after (run))
        return FALSE;
      bench_sleep_until (bench_now_ns () + 200000);
    }
  return TRUE;
}

/* Consumers shall attach to a producer that is running; one that waits for them is not waited for. */
static void
await_running (const Run *run)
{
  gint64 give_up_ns = bench_now_ns () + (run->cell->interval_ns ? RUNNING_MOST_NS : 0);

  while (run->shared->sent_ns[RUNNING_FRAMES] == 0 && bench_now_ns () < give_up_ns)
    bench_sleep_until (bench_now_ns () + 1000000);
}

/* Until a process has ended, or for a while: who looks often takes time from those that are measured. */
static void
await_child (Run *run)
{
  const struct timespec most = { 0, 200 * 1000000 };

  note_signal (run, sigtimedwait (&run->waited_for, NULL, &most));
}

static gboolean
run_processes (Run *run)
{
  run->producer = start (run, -1);
  if (!await_open (run, &run->shared->producer))
    return FALSE;
  atomic_store (&run->shared->go, 1);
  await_running (run);
  for (int i = 0; i < run->cell->n_consumers; i++)
    run->consumers[i] = start (run, i);
  while (run->left)
    {
      if (!look_after (run))
        return FALSE;
      await_child (run);
    }
  return TRUE;
}

static void
kill_process (pid_t pid)
{
  if (pid > 0 && kill (pid, SIGKILL) == 0)
    waitpid (pid, NULL, 0);
}

static void
kill_processes (Run *run)
{
  kill_process (run->producer);
  for (int i = 0; i < run->cell->n_consumers; i++)
    kill_process (run->consumers[i]);
}

/* Who failed, and why. (transfer full) */
static char *
why (const Run *run)
{
  if (run->shared->producer.error[0])
    return g_strdup_printf ("producer: %s", run->shared->producer.error);
  for (int i = 0; i < run->cell->n_consumers; i++)
    if (run->shared->consumers[i].error[0])
      return g_strdup_printf ("consumer %d: %s", i, run->shared->consumers[i].error);
  if (run->ended_by)
    return g_strdup_printf ("ended by signal %d", run->ended_by);
  if (bench_now_ns () >= run->give_up_ns)
    return g_strdup ("a process hangs: it was killed");
  return g_strdup ("a process died");
}

/* ---- the cell ---- */

static char *
refuse (const BenchCell *cell)
{
  const BenchWay *way = cell->way;
  int cores = bench_cores ();
  gint64 frames = (cell->slots ? cell->slots : 4) + (way->copies ? cell->n_consumers + 1 : 0);
  gint64 bytes = frames * (gint64) cell->size;

  if (way->spins && cell->n_consumers > cores - 1)
    return g_strdup_printf ("%d spinning consumers need %d cores, here are %d", cell->n_consumers,
                            cell->n_consumers + 1, cores);
  if (bytes > BENCH_MOST_BYTES)
    return g_strdup_printf ("%" G_GINT64_FORMAT " frames of %.1f MB need %.1f GiB, more than 8",
                            frames, (double) cell->size / 1e6, (double) bytes / (1 << 30));
  return way->refuse ? way->refuse (cell) : NULL;
}

static gboolean
measure (Run *run, GError **error)
{
  const BenchWay *way = run->cell->way;

  if (way->prepare)
    run->link = way->prepare (run->cell, error);
  return !*error && run_processes (run);
}

static void
set_up (Run *run, BenchCell *cell)
{
  static const int waited_for[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP };

  sigemptyset (&run->waited_for);
  for (gsize i = 0; i < G_N_ELEMENTS (waited_for); i++)
    sigaddset (&run->waited_for, waited_for[i]);
  sigprocmask (SIG_BLOCK, &run->waited_for, &run->signals);
  run->cell = cell;
  run->shared_size = sizeof (BenchShared)
                     + (gsize) cell->n_consumers * (BENCH_FRAMES_MAX + 1) * sizeof (guint32);
  run->shared = mmap (NULL, run->shared_size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (run->shared == MAP_FAILED)
    g_error ("map the results: %s", g_strerror (errno));
  run->consumers = g_new0 (pid_t, cell->n_consumers);
  run->give_up_ns = bench_now_ns () + BENCH_WATCHDOG_NS + 2 * cell->most_ns;
  cell->area = run->shared->area;
  cell->producer_pid = &run->shared->producer_pid;
  cell->consumer_pids = run->shared->consumer_pids;
}

static void
remove_folder (const char *folder)
{
  const char *argv[] = { "rm", "-rf", "--", folder, NULL };

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                NULL);
}

char *
bench_run_cell (BenchCell *cell)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = NULL, *skipped = refuse (cell), *failed = NULL;
  char *result;
  Run run = { 0 };

  if (skipped)
    return bench_result (cell, NULL, skipped, NULL);
  folder = g_dir_make_tmp ("frame-bench-XXXXXX", &error);
  if (!folder)
    return bench_result (cell, NULL, NULL, error->message);
  cell->folder = folder;
  set_up (&run, cell);
  if (!measure (&run, &error))
    {
      failed = error ? g_strdup (error->message) : why (&run);
      kill_processes (&run);
    }
  if (cell->way->finish && run.link)
    cell->way->finish (cell, run.link);
  result = bench_result (cell, run.shared, NULL, failed);
  munmap (run.shared, run.shared_size);
  g_free (run.consumers);
  remove_folder (folder);
  return result;
}
