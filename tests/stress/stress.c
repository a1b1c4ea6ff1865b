/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One producer and 1 to 100 consumers, each in a process of its own, of mixed deliveries and ways to
 * wait. Each 4 KiB page of each frame carries its sequence and a checksum, and is checked at the lease
 * and at its end; the verdict of the release says what may be wrong. In between, this process stops
 * consumers at random.
 *
 *   stress                    2 million frames, in phases: minutes
 *   stress --frames N --minimum N --most-consumers N --seed N
 *
 * Prints a table, and fails unless each delivery checked --minimum frames, lossless ones all of theirs,
 * nothing was torn, stale or uncounted, only evicted consumers saw REVOKED, and all slots came back.
 */

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define MIXED N_ROWS
#define CONSUMERS_MAX 100

/* What each phase has of 1000 frames. */
static const struct
{
  guint consumers;
  Row row;
  guint share;
} phases[] = {
  { 1, ROW_LATEST, 150 }, { 1, ROW_ORDERED, 150 }, { 1, ROW_LOSSLESS, 230 }, { 2, MIXED, 220 },
  { 8, MIXED, 90 },       { 8, ROW_EVICTED, 145 }, { 32, MIXED, 12 },        { 100, MIXED, 3 },
};

static const char *const row_names[N_ROWS] = { "latest", "ordered", "lossless", "evicted" };

/* Shared with the children of a phase. */
typedef struct
{
  guint64 leaked;
  Counts counts[CONSUMERS_MAX];
} Results;

static gint64 option_frames = 2000000;
static gint64 option_minimum = 100000;
static gint option_most_consumers = CONSUMERS_MAX;
static gint option_seed;

static const GOptionEntry options[] = {
  { "frames", 0, 0, G_OPTION_ARG_INT64, &option_frames, "Frames of all phases (2000000)", "N" },
  { "minimum", 0, 0, G_OPTION_ARG_INT64, &option_minimum,
    "Fail where a delivery checked fewer frames (100000)", "N" },
  { "most-consumers", 0, 0, G_OPTION_ARG_INT, &option_most_consumers,
    "Leave out phases with more (100)", "N" },
  { "seed", 0, 0, G_OPTION_ARG_INT, &option_seed, "Random seed, not 0 (of the clock)", "N" },
  { NULL, 0, 0, 0, NULL, NULL, NULL },
};

/* The processes of a phase; no. 0 produces. Static, or to the children, which have a copy, it is a leak. */
static GArray *pids;
static GRand *rand_of_phase;

static Row
row_of (guint phase, guint consumer)
{
  if (phases[phase].row != MIXED)
    return phases[phase].row;
  return (Row) ((consumer + 1) % ROW_EVICTED); /* of two: ordered and lossless */
}

/* ---- processes ---- */

/* The consumer of that number; -1: the producer. */
static pid_t
start (const Phase *phase, guint index, gint number, Results *results)
{
  pid_t parent = getpid (), pid = fork ();
  sigset_t none;

  g_assert_cmpint (pid, >=, 0);
  if (pid > 0)
    return pid;
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (getppid () != parent)
    _exit (1);
  if (number < 0)
    exit (stress_produce (phase, &results->leaked));
  exit (stress_consume (phase, row_of (index, (guint) number), (guint) number,
                        &results->counts[number]));
}

/* Waits for one child that ended well; FALSE: it did not, and says so. */
static gboolean
ended_well (pid_t pid, int status)
{
  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    return TRUE;
  if (WIFEXITED (status))
    g_printerr ("process %d ended with code %d\n", (int) pid, WEXITSTATUS (status));
  else
    g_printerr ("process %d was killed by signal %d (%s)\n", (int) pid, WTERMSIG (status),
                g_strsignal (WTERMSIG (status)));
  return FALSE;
}

/* Stops one consumer for a moment, wherever it is. */
static void
disturb (void)
{
  guint index = (guint) g_rand_int_range (rand_of_phase, 1, (gint32) pids->len);
  pid_t pid = g_array_index (pids, pid_t, index);

  kill (pid, SIGSTOP);
  g_usleep ((gulong) g_rand_int_range (rand_of_phase, 0, 3000));
  kill (pid, SIGCONT);
}

/* Takes those that ended from the list. FALSE: one failed. */
static gboolean
reap (void)
{
  gboolean ok = TRUE;
  int status;
  pid_t pid;

  while (ok && (pid = waitpid (-1, &status, WNOHANG)) > 0)
    for (guint i = 0; i < pids->len; i++)
      if (g_array_index (pids, pid_t, i) == pid)
        {
          g_array_remove_index (pids, i);
          ok = ended_well (pid, status);
          break;
        }
  return ok;
}

/* Until only the producer is left, or, with `all`, nobody. */
static gboolean
await (gboolean all)
{
  struct timespec between = { .tv_nsec = 8000000 };
  sigset_t child;

  sigemptyset (&child);
  sigaddset (&child, SIGCHLD);
  while (reap ())
    {
      if (pids->len <= (all ? 0 : 1))
        return TRUE;
      if (sigtimedwait (&child, NULL, &between) < 0 && errno == EAGAIN && pids->len > 1)
        disturb ();
    }
  for (guint i = 0; i < pids->len; i++)
    kill (g_array_index (pids, pid_t, i), SIGKILL);
  while (waitpid (-1, NULL, 0) > 0)
    ;
  return FALSE;
}

/* ---- phases ---- */

static void
make_pipe (int ends[2])
{
  g_assert_no_errno (pipe2 (ends, O_CLOEXEC));
}

static gboolean
run_processes (Phase *phase, guint index, Results *results)
{
  gint n = (gint) phase->consumers;
  gboolean ok;
  char byte;

  pids = g_array_new (FALSE, FALSE, sizeof (pid_t));
  rand_of_phase = g_rand_new_with_seed (phase->seed);
  for (gint number = -1; number < n; number++)
    {
      pid_t pid = start (phase, index, number, results);

      g_array_append_val (pids, pid);
      if (number >= 0)
        continue;
      close (phase->ready[1]);
      close (phase->leave[1]);
      if (read (phase->ready[0], &byte, 1) != 1)
        n = 0; /* it ended: await() says how */
    }
  ok = await (FALSE);
  close (phase->finish[1]);
  ok = ok && await (TRUE);
  g_clear_pointer (&pids, g_array_unref);
  g_clear_pointer (&rand_of_phase, g_rand_free);
  return ok;
}

static void
add (Counts *sum, const Counts *counts)
{
  const guint64 *from = (const guint64 *) counts;
  guint64 *to = (guint64 *) sum;

  for (gsize i = 0; i < sizeof *sum / sizeof *to; i++)
    to[i] += from[i];
}

static gboolean
run_phase (guint index, guint32 seed, Results *results, Counts *rows)
{
  Phase phase = { .consumers = phases[index].consumers,
                  .live = phases[index].row == ROW_EVICTED,
                  .seed = seed + index,
                  .last = MAX ((guint64) option_frames * phases[index].share / 1000, 1) };
  gint64 begin = g_get_monotonic_time ();
  gboolean ok;

  memset (results, 0, sizeof *results);
  while (stress_is_dropped (phase.seed, phase.last))
    phase.last++;
  make_pipe (phase.ready);
  make_pipe (phase.attached);
  make_pipe (phase.leave);
  make_pipe (phase.finish);
  ok = run_processes (&phase, index, results);
  close (phase.ready[0]);
  close (phase.attached[0]);
  close (phase.attached[1]);
  close (phase.leave[0]);
  close (phase.finish[0]);

  for (guint i = 0; i < phase.consumers; i++)
    add (&rows[row_of (index, i)], &results->counts[i]);
  g_print ("%3u %s: %" G_GUINT64_FORMAT " frames in %.1f s\n", phase.consumers,
           phases[index].row == MIXED ? "mixed" : row_names[phases[index].row], phase.last,
           (double) (g_get_monotonic_time () - begin) / 1e6);
  if (results->leaked)
    g_print ("FAILED: %" G_GUINT64_FORMAT " slots or leases did not come back\n", results->leaked);
  return ok && results->leaked == 0;
}

/* ---- results ---- */

static void
print_table (const Counts *rows)
{
  g_print ("%-9s %10s %10s %10s %8s %5s %5s %9s %8s %9s\n", "delivery", "published", "checked",
           "overtaken", "revoked", "torn", "stale", "uncounted", "objects", "evictions");
  for (guint i = 0; i < N_ROWS; i++)
    g_print ("%-9s %10" G_GUINT64_FORMAT " %10" G_GUINT64_FORMAT " %10" G_GUINT64_FORMAT
             " %8" G_GUINT64_FORMAT " %5" G_GUINT64_FORMAT " %5" G_GUINT64_FORMAT
             " %9" G_GUINT64_FORMAT " %8" G_GUINT64_FORMAT " %9" G_GUINT64_FORMAT "\n",
             row_names[i], rows[i].published, rows[i].checked, rows[i].overtaken, rows[i].revoked,
             rows[i].torn, rows[i].stale, rows[i].uncounted, rows[i].objects, rows[i].evictions);
}

static gboolean
expect (gboolean truth, Row row, const char *what)
{
  if (!truth)
    g_print ("FAILED: %s: %s\n", row_names[row], what);
  return truth;
}

/* What must hold at every moment. */
static gboolean
is_sound (const Counts *rows)
{
  gboolean ok = TRUE;

  for (Row row = 0; row < N_ROWS; row++)
    {
      ok &= expect (rows[row].torn == 0, row, "torn frames");
      ok &= expect (rows[row].stale == 0, row, "stale frames");
      ok &= expect (rows[row].uncounted == 0, row, "uncounted sequences");
      ok &= expect (rows[row].unexplained == 0, row, "REVOKED without an eviction");
      ok &= expect (rows[row].leaked == 0, row, "leases did not come back");
    }
  ok &= expect (rows[ROW_LOSSLESS].checked == rows[ROW_LOSSLESS].published, ROW_LOSSLESS,
                "not every frame was checked");
  ok &= expect (rows[ROW_LOSSLESS].evictions == 0, ROW_LOSSLESS, "evicted");
  return ok;
}

static gboolean
is_enough (const Counts *rows)
{
  gboolean ok = TRUE;

  for (Row row = 0; row < ROW_EVICTED; row++)
    ok &= expect (rows[row].checked >= (guint64) option_minimum, row, "too few frames checked");
  ok &= expect (rows[ROW_EVICTED].revoked > 0, ROW_EVICTED, "nothing was revoked");
  return ok;
}

/* FALSE: something was left in it. */
static gboolean
remove_folder (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  gboolean ok = TRUE;
  const char *name;

  while ((name = g_dir_read_name (dir)))
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_print ("FAILED: left behind: %s\n", name);
      g_unlink (path);
      ok = FALSE;
    }
  g_dir_close (dir);
  return g_rmdir (folder) == 0 && ok;
}

/* What evictions say is no news here. */
static GLogWriterOutput
write_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  if ((level & G_LOG_LEVEL_MASK) > G_LOG_LEVEL_WARNING)
    return G_LOG_WRITER_HANDLED;
  return g_log_writer_default (level, fields, n_fields, data);
}

static void
parse_options (int *argc, char ***argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- frames under stress");
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, argc, argv, &error) || option_frames < 1)
    {
      g_printerr ("stress: %s\n", error ? error->message : "--frames: at least 1");
      exit (2);
    }
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = NULL;
  Counts rows[N_ROWS] = { 0 };
  gboolean ok = TRUE;
  Results *results;
  sigset_t child;
  guint32 seed;

  parse_options (&argc, &argv);
  folder = g_dir_make_tmp ("shmframe-stress-XXXXXX", NULL);
  g_assert_nonnull (folder);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
  g_log_set_writer_func (write_log, NULL, NULL);
  sigemptyset (&child);
  sigaddset (&child, SIGCHLD);
  sigprocmask (SIG_BLOCK, &child, NULL);
  results = mmap (NULL, sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert (results != MAP_FAILED);

  seed = option_seed ? (guint32) option_seed : (guint32) g_random_int_range (1, G_MAXINT32);
  g_print ("seed %u\n", seed);
  for (guint i = 0; ok && i < G_N_ELEMENTS (phases); i++)
    if (phases[i].consumers <= (guint) option_most_consumers)
      ok = run_phase (i, seed, results, rows) && is_sound (rows);
  print_table (rows);
  ok = ok && is_enough (rows);
  ok = remove_folder (folder) && ok;
  g_print ("%s: %" G_GUINT64_FORMAT " latest, %" G_GUINT64_FORMAT " ordered, %" G_GUINT64_FORMAT
           " lossless frames checked\n",
           ok ? "passed" : "FAILED", rows[ROW_LATEST].checked, rows[ROW_ORDERED].checked,
           rows[ROW_LOSSLESS].checked);
  return ok ? 0 : 1;
}
