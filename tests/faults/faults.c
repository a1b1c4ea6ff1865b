/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A fault at every stop point, in every role that comes to it; and what the others make of it.
 *
 * A pool has a producer and three bystanders: a latest, an ordered and a lossless consumer. The victim
 * is a fourth consumer, or the producer. At its stop point it is
 *   kill   killed;
 *   stop   stopped while the others go on across a wrap of the pool, and continued;
 *   fork   killed, while a child of it lives that has all its descriptors;
 *   close  cut off: its connections are shut down; the others go on as with stop, and then so does it.
 * Afterwards frames arrive everywhere, in order and right; every slot, descriptor, mapping and file has
 * come back; and the victim, or another in its place, works.
 *
 * Each case is a process of its own, so that one that fails is one line of the table. Without --all it
 * is one fault for each row, in turn.
 */

#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/stop.h"
#include "descriptors.h"
#include "peer.h"
#include "roles.h"

#define ROUND ROLE_HISTORY /* frames: the producer need not wait, nor anybody miss one */
#define WRAP_ROUNDS 5      /* more frames than slots and history, fewer than the history ring */
#define N_BYSTANDERS 3
#define NEVER_MS 60000
#define STALL_MS 20
#define PACE_MS 100 /* between frames for who is just about to attach */
#define WIDTH 64

typedef enum
{
  KILL,
  STOP,
  FORK,
  CLOSE,
  N_FAULTS
} Fault;

static const char *const faults[] = { "kill", "stop", "fork", "close" };
static const char *const deliveries[] = { "latest", "ordered", "lossless" };
static const char *const names[] = {
#define NAME(id, name) name,
  SHMFRAME_STOP_POINTS_LIST (NAME)
#undef NAME
};

#define LATEST 0
#define ORDERED 1
#define LOSSLESS 2
#define PRODUCER 3 /* the role, in the place of a delivery */

/* A role that comes to a point, and the how many-eth time of that it is hit. */
typedef struct
{
  int point;
  int role;
  int count;
} Row;

/* clang-format off */
#define CONSUMER(id, count)                                                                        \
  { SHMFRAME_STOP_##id, LATEST, count }, { SHMFRAME_STOP_##id, ORDERED, count },                   \
  { SHMFRAME_STOP_##id, LOSSLESS, count }
#define PRODUCES(id, count) { SHMFRAME_STOP_##id, PRODUCER, count }

static const Row rows[] = {
  CONSUMER (LEASE_LATEST_LOADED, 3),
  CONSUMER (LEASE_HAZARD_STORED, 3),
  CONSUMER (LEASE_VALIDATED, 3),
  CONSUMER (LEASE_REFUSED, 1),
  CONSUMER (LEASE_CONSUMED_STORED, 3),
  CONSUMER (RELEASE_VERDICT, 3),
  CONSUMER (RELEASE_CLEARED, 3),
  CONSUMER (WAIT_BELL_READ, 2),
  CONSUMER (WAIT_ARMED, 2),
  CONSUMER (WAIT_RECHECKED, 2),
  CONSUMER (WAIT_WOKEN, 2),
  CONSUMER (RING_BELL, 1), /* its control thread wakes its reader */
  CONSUMER (RING_WOKEN, 1),
  CONSUMER (ATTACH_CONNECTED, 1),
  CONSUMER (ATTACH_SENT, 1),
  CONSUMER (ATTACH_WELCOMED, 1),
  CONSUMER (ATTACH_MAPPED, 1),
  CONSUMER (SEGMENT_RECEIVED, 1),
  CONSUMER (SEGMENT_ENTERED, 1),
  PRODUCES (TAKE_RETIRED, 3),
  PRODUCES (TAKE_SCANNED, 3),
  PRODUCES (WRITE_BEGUN, 3),
  PRODUCES (PUBLISH_WAITING, 1),
  PRODUCES (PUBLISH_DESCRIBED, 3),
  PRODUCES (PUBLISH_LIVE, 3),
  PRODUCES (PUBLISH_RING, 3),
  PRODUCES (PUBLISH_LATEST, 3),
  PRODUCES (RING_BELL, 3),
  PRODUCES (RING_WOKEN, 3),
  PRODUCES (SEGMENT_CREATED, 2),
  PRODUCES (SEGMENT_SENT, 2),
  PRODUCES (SEGMENT_ENDED, 1),
  PRODUCES (NAME_LOCKED, 1),
  PRODUCES (NAME_BOUND, 1),
  PRODUCES (NAME_RENAMED, 1),
  PRODUCES (ADMIT_COMMITTED, 2),
  PRODUCES (ADMIT_PAGE_MADE, 2),
  PRODUCES (ADMIT_WELCOMED, 2),
  PRODUCES (EVICT_DROPPED, 1),
};
/* clang-format on */

typedef struct
{
  const Row *row;
  Fault fault;
  char name[60];
  char why[400]; /* it failed; written by its process */
  gboolean done, ok;
} Case;

/* In the process of a case. */
typedef struct
{
  guint descriptors, mappings;
} Belongings;

static const Case *this_case;
static Peer *producer, *bystanders[N_BYSTANDERS];
static Belongings before_producer, before[N_BYSTANDERS];
static guint64 newest; /* sequence */
static guint width = WIDTH;

/* ---- the pool ------------------------------------------------------------------------------ */

static Peer *
new_consumer (const char *name, int delivery, const char *stop, gboolean holds)
{
  const char *words[] = { "--consumer", deliveries[delivery], holds ? "1" : "0", NULL };
  Peer *self = peer_new (name, stop, words);

  self->every = delivery != LATEST && stop == NULL;
  return self;
}

static Peer *
new_producer (const char *stop, guint stall_ms)
{
  g_autofree char *number = g_strdup_printf ("%u", stall_ms);
  const char *words[] = { "--producer", number, NULL };

  newest = 0;
  return peer_new ("the producer", stop, words);
}

/* What this producer is told to do. FALSE: it stopped or died before it was done. */
static gboolean
ask (const char *line, guint number)
{
  peer_tell (producer, "%s %u\n", line, number);
  return peer_await_answer (producer);
}

static void
expect_answer (Peer *peer, const char *pattern)
{
  if (!peer_await_answer (peer) || !g_pattern_match_simple (pattern, peer->answer))
    peer_fail ("%s answered '%s', not '%s'", peer->name, peer->answer ? peer->answer : "", pattern);
}

/* FALSE: the producer, as the victim, was hit. */
static gboolean
publish (guint count)
{
  if (!ask ("publish", count))
    return FALSE;
  if (!g_str_has_prefix (producer->answer, "ok "))
    peer_fail ("%s: %s", producer->name, producer->answer);
  newest = g_ascii_strtoull (producer->answer + 3, NULL, 10);
  return TRUE;
}

static gboolean
await_bystanders (void)
{
  for (int i = 0; i < N_BYSTANDERS; i++)
    if (!peer_await_frame (bystanders[i], newest))
      return FALSE;
  return TRUE;
}

static gboolean
round_of (guint count)
{
  return publish (count) && await_bystanders ();
}

static void
wrap (void)
{
  for (int i = 0; i < WRAP_ROUNDS; i++)
    if (!round_of (ROUND))
      peer_fail ("the producer or a bystander stopped");
}

/* A frame of this producer's for everybody, `guest` (or NULL) too: again, until nobody was just about
 * to attach when it went out. */
static void
catch_up (Peer *guest)
{
  gint64 end = peer_deadline ();
  gboolean all = FALSE;

  while (!all)
    {
      if (g_get_monotonic_time () > end)
        peer_fail ("not all attach and get frame %" G_GUINT64_FORMAT, newest);
      all = publish (1);
      for (int i = 0; i < N_BYSTANDERS && all; i++)
        all = peer_await (bystanders[i], peer_has_frame, newest, PACE_MS);
      if (guest && all)
        all = peer_await (guest, peer_has_frame, newest, PACE_MS);
    }
}

static gboolean
await_attached (void)
{
  for (int i = 0; i < N_BYSTANDERS; i++)
    if (!peer_await_attached (bystanders[i], producer->pid))
      return FALSE;
  return TRUE;
}

/* ---- what is left -------------------------------------------------------------------------- */

static Belongings
count_belongings (const Peer *peer)
{
  return (Belongings){ count_descriptors_of (peer->pid), peer_count_mappings (peer->pid) };
}

/* The other side closes and unmaps when it gets round to it. */
static void
await_belongings (const Peer *peer, Belongings wanted)
{
  gint64 end = peer_deadline ();
  Belongings have;

  while (have = count_belongings (peer),
         have.descriptors != wanted.descriptors || have.mappings != wanted.mappings)
    if (g_get_monotonic_time () > end)
      peer_fail ("%s has %u descriptors and %u mappings; it had %u and %u", peer->name,
                 have.descriptors, have.mappings, wanted.descriptors, wanted.mappings);
}

/* Whether the producer's statistics are these: all, or what they begin with. */
static gboolean
has_stat (const char *pattern)
{
  return ask ("stat", 0) && g_pattern_match_simple (pattern, producer->answer);
}

/* The producer has so many consumers and nothing out. Each frame is taken before the next comes, so
 * that nothing is leased when the producer looks, and it looks when it publishes. */
static void
await_idle (guint consumers)
{
  g_autofree char *wanted = role_stat (consumers);
  gint64 end = peer_deadline ();

  while (!has_stat (wanted))
    {
      if (g_get_monotonic_time () > end)
        peer_fail ("the producer has %s; it should have %s", producer->answer, wanted);
      if (!publish (1) || (consumers > 0 && !await_bystanders ()))
        peer_fail ("the producer or a bystander stopped");
    }
}

/* Only the bystanders are there, and nothing is left of anybody else. */
static void
settle (void)
{
  await_idle (N_BYSTANDERS);
  await_belongings (producer, before_producer);
  for (int i = 0; i < N_BYSTANDERS; i++)
    await_belongings (bystanders[i], before[i]);
}

/* A consumer beside the bystanders, attached anew: what it still gets from before does not count. */
static void
await_guest (void)
{
  g_autofree char *wanted = g_strdup_printf ("%d consumers, *", N_BYSTANDERS + 1);
  gint64 end = peer_deadline ();

  while (!has_stat (wanted))
    if (g_get_monotonic_time () > end)
      peer_fail ("the producer has %s; it should have one consumer more", producer->answer);
}

static void
check_bystanders (void)
{
  gboolean evicts = this_case->row->point == SHMFRAME_STOP_EVICT_DROPPED;

  for (int i = 0; i < N_BYSTANDERS; i++)
    if (bystanders[i]->evictions > (evicts && i == LOSSLESS ? 1 : 0))
      peer_fail ("%s was evicted", bystanders[i]->name);
}

/* The children that the fault left behind are now this process's. (transfer full) */
static GArray *
find_left_behind (void)
{
  GArray *pids = g_array_new (FALSE, FALSE, sizeof (pid_t));
  g_autofree char *text = NULL;
  g_auto (GStrv) words = NULL;

  if (!g_file_get_contents ("/proc/thread-self/children", &text, NULL, NULL))
    peer_fail ("this kernel does not list children in /proc");
  words = g_strsplit (g_strchomp (text), " ", -1);
  for (guint i = 0; words[i]; i++)
    {
      pid_t pid = (pid_t) atoi (words[i]);
      gboolean is_peer = pid == producer->pid;

      for (int j = 0; j < N_BYSTANDERS; j++)
        is_peer |= pid == bystanders[j]->pid;
      if (pid > 0 && !is_peer)
        g_array_append_val (pids, pid);
    }
  return pids;
}

/* It has every descriptor of the victim, and none of its memory. */
static void
end_left_behind (void)
{
  g_autoptr (GArray) pids = find_left_behind ();

  if (pids->len != (this_case->fault == FORK ? 1 : 0))
    peer_fail ("%u processes are left behind", pids->len);
  for (guint i = 0; i < pids->len; i++)
    {
      pid_t pid = g_array_index (pids, pid_t, i);

      if (peer_count_mappings (pid) != 0)
        peer_fail ("the child that was left behind has the pool's memory");
      kill (pid, SIGKILL);
      waitpid (pid, NULL, 0);
    }
}

static void
check_no_files (void)
{
  const char *folder = g_getenv ("SHMFRAME_RUNTIME_DIR");
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_autofree char *sockets = NULL;
  const char *file;

  if (dir && (file = g_dir_read_name (dir)) != NULL)
    peer_fail ("the file %s is left", file);
  if (g_file_get_contents ("/proc/net/unix", &sockets, NULL, NULL) && strstr (sockets, folder))
    peer_fail ("a socket is left");
}

/* ---- beginning and ending ------------------------------------------------------------------ */

static void
begin (guint stall_ms)
{
  static const char *const bystander_names[]
      = { "the latest bystander", "the ordered bystander", "the lossless bystander" };

  producer = new_producer (NULL, stall_ms);
  expect_answer (producer, "ready");
  for (int i = 0; i < N_BYSTANDERS; i++)
    bystanders[i] = new_consumer (bystander_names[i], i, NULL, FALSE);
  ask ("format", width);
  await_attached ();
  catch_up (NULL);
  before_producer = count_belongings (producer);
  for (int i = 0; i < N_BYSTANDERS; i++)
    before[i] = count_belongings (bystanders[i]);
  /* A segment, and a control page of each. */
  if (before_producer.mappings != 1 + N_BYSTANDERS || before[0].mappings != 2)
    peer_fail ("the producer has %u mappings, a consumer %u", before_producer.mappings,
               before[0].mappings);
  settle ();
}

static void
end (void)
{
  g_autofree char *acquired = g_strdup_printf ("ok %d", ROLE_IN_FLIGHT);

  check_bystanders ();
  end_left_behind ();
  for (int i = 0; i < N_BYSTANDERS; i++)
    peer_free (bystanders[i]);
  await_idle (0);
  peer_tell (producer, "acquire\n");
  expect_answer (producer, acquired);
  peer_end (producer);
  check_no_files ();
}

/* ---- a consumer ---------------------------------------------------------------------------- */

/* Publishes, and whatever else it takes, until the victim is hit. */
static void
hit_consumer (Peer *victim, int point)
{
  gint64 end = peer_deadline ();

  if (!peer_await_attached (victim, producer->pid))
    return;
  if (point == SHMFRAME_STOP_SEGMENT_RECEIVED || point == SHMFRAME_STOP_SEGMENT_ENTERED)
    ask ("format", width *= 4);
  while (!peer_is_hit (victim) && g_get_monotonic_time () < end)
    if (!round_of (ROUND))
      peer_fail ("the producer or a bystander stopped");
    else
      peer_await_frame (victim, newest);
}

/* The frame that it is about to lease has to go first. */
static void
hit_refused (Peer *victim, int delivery)
{
  hit_consumer (victim, SHMFRAME_STOP_LEASE_HAZARD_STORED);
  wrap ();
  peer_continue (victim);
  peer_await_hit (victim);
}

static void
hit_refused_ordered (Peer *victim)
{
  if (!peer_await_attached (victim, producer->pid) || !round_of (ROUND)
      || !peer_await_frame (victim, newest))
    peer_fail ("%s came to the stop point too early", victim->name);
  peer_stop (victim);
  wrap ();
  peer_continue (victim);
  peer_await_hit (victim);
}

/* It must be there, as the fault has it. */
static void
check_hit (const Peer *victim)
{
  gboolean dies = this_case->fault == KILL || this_case->fault == FORK;

  if (dies ? !victim->dead || !WIFSIGNALED (victim->status) || WTERMSIG (victim->status) != SIGKILL
           : !victim->stopped)
    peer_fail ("%s did not come to the stop point: status 0x%x", victim->name, victim->status);
}

/* Leases of these are never revoked, whatever happens meanwhile. */
static void
check_kept (const Peer *victim, int delivery)
{
  if (this_case->fault == STOP && delivery != LOSSLESS
      && victim->losses + victim->evictions + victim->revoked > 0)
    peer_fail ("%s had %u losses, %u evictions and %u revoked leases", victim->name, victim->losses,
               victim->evictions, victim->revoked);
}

static Peer *
restart_consumer (Peer *victim, int delivery)
{
  settle (); /* with its child, where it left one */
  peer_free (victim);
  victim = new_consumer ("the restarted victim", delivery, NULL, TRUE);
  peer_await_attached (victim, producer->pid);
  return victim;
}

static void
consumer_case (const Row *row, Fault fault, const char *stop)
{
  gboolean refused = row->point == SHMFRAME_STOP_LEASE_REFUSED;
  gboolean stalls = row->role == LOSSLESS && (fault == STOP || refused);
  Peer *victim;

  begin (stalls ? STALL_MS : NEVER_MS);
  victim = new_consumer ("the victim", row->role, stop, TRUE);
  if (refused && row->role == ORDERED)
    hit_refused_ordered (victim);
  else if (refused)
    hit_refused (victim, row->role);
  else
    hit_consumer (victim, row->point);
  check_hit (victim);
  wrap ();
  if (victim->dead)
    victim = restart_consumer (victim, row->role);
  else
    {
      if (fault == CLOSE)
        settle (); /* it is gone, to the producer */
      peer_continue (victim);
      if (fault == CLOSE)
        await_guest ();
    }
  catch_up (victim);
  for (int i = 0; i < WRAP_ROUNDS; i++)
    if (!round_of (ROUND) || !peer_await_frame (victim, newest))
      peer_fail ("%s does not go on", victim->name);
  check_kept (victim, row->role);
  peer_free (victim);
  settle ();
  end ();
}

/* ---- the producer -------------------------------------------------------------------------- */

/* What it takes until the producer is hit. */
static void
hit_producer (int point)
{
  gint64 end = peer_deadline ();

  if (!peer_await_answer (producer) || !ask ("format", width) || !await_attached ())
    return;
  if (point == SHMFRAME_STOP_PUBLISH_WAITING || point == SHMFRAME_STOP_EVICT_DROPPED)
    peer_stop (bystanders[LOSSLESS]);
  if ((point == SHMFRAME_STOP_SEGMENT_CREATED || point == SHMFRAME_STOP_SEGMENT_SENT
       || point == SHMFRAME_STOP_SEGMENT_ENDED)
      && !ask ("format", width *= 4))
    return;
  while (g_get_monotonic_time () < end && publish (ROUND)
         && (bystanders[LOSSLESS]->stopped || await_bystanders ()))
    ;
}

static void
restart_producer (void)
{
  Peer *old = producer;

  producer = new_producer (NULL, NEVER_MS);
  expect_answer (producer, "ready");
  peer_free (old);
}

/* Stopped is not dead: nobody takes its name, and who comes now waits. (transfer full) */
static Peer *
meet_stopped (void)
{
  const char *words[] = { "--producer", "0", NULL };
  Peer *rival = peer_new ("a rival", NULL, words);

  expect_answer (rival, "error 2 *");
  peer_end (rival);
  return new_consumer ("a newcomer", ORDERED, NULL, FALSE);
}

static void
continue_producer (void)
{
  peer_continue (producer);
  if (producer->answer == NULL)
    peer_await_answer (producer);
}

static void
producer_case (const Row *row, Fault fault, const char *stop)
{
  Peer *newcomer = NULL;

  begin (NEVER_MS);
  peer_end (producer);
  for (int i = 0; i < N_BYSTANDERS; i++)
    peer_await_lost (bystanders[i]);
  check_no_files ();

  producer = new_producer (stop, row->point == SHMFRAME_STOP_EVICT_DROPPED ? STALL_MS : NEVER_MS);
  bystanders[LOSSLESS]->may_be_evicted = row->point == SHMFRAME_STOP_EVICT_DROPPED;
  peer_mind (producer);
  hit_producer (row->point);
  peer_mind (NULL);
  check_hit (producer);
  if (fault == STOP)
    newcomer = meet_stopped ();
  if (fault == CLOSE)
    for (int i = 0; i < N_BYSTANDERS; i++)
      peer_await_lost (bystanders[i]);
  peer_continue (bystanders[LOSSLESS]);
  if (producer->dead)
    restart_producer ();
  else
    continue_producer ();

  if (!ask ("format", width) || !await_attached ())
    peer_fail ("the producer does not go on");
  catch_up (newcomer);
  wrap ();
  if (newcomer)
    peer_free (newcomer);
  settle ();
  end ();
}

/* ---- all of them --------------------------------------------------------------------------- */

/* In a process of its own. */
static void
run (Case *self)
{
  g_autofree char *stop = g_strdup_printf ("%s:%s:%d", names[self->row->point], faults[self->fault],
                                           self->row->count);
  gboolean refused = self->row->point == SHMFRAME_STOP_LEASE_REFUSED;
  g_autofree char *after = g_strdup_printf ("lease-hazard-stored:stop:3,%s", stop);

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  prctl (PR_SET_CHILD_SUBREAPER, 1); /* of what a fault leaves behind */
  peer_begin (self->why, sizeof self->why);
  this_case = self;
  if (self->row->role == PRODUCER)
    producer_case (self->row, self->fault, stop);
  else
    consumer_case (self->row, self->fault, refused && self->row->role != ORDERED ? after : stop);
}

/* After a case that failed there may be something in it. */
static void
remove_folder (Case *self, const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      if (self->ok)
        g_snprintf (self->why, sizeof self->why, "%s is left", name);
      self->ok = FALSE;
      g_unlink (path);
    }
  g_rmdir (folder);
}

static void
test_case (gconstpointer data)
{
  Case *self = (Case *) data;
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("shmframe-test-XXXXXX", &error);
  int status;
  pid_t pid;

  g_assert_no_error (error);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
  pid = fork ();
  g_assert_cmpint (pid, >=, 0);
  setpgid (pid, 0);
  if (pid == 0)
    {
      run (self);
      _exit (0);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  kill (-pid, SIGKILL); /* whoever is left of it */
  while (waitpid (-pid, NULL, 0) > 0)
    ;
  self->done = TRUE;
  self->ok = status == 0;
  remove_folder (self, folder);
  if (!self->ok)
    g_test_fail_printf ("%s: %s (0x%x)", self->name, self->why, status);
}

static const char *
role_name (int role)
{
  return role == PRODUCER ? "producer" : deliveries[role];
}

static void
print_table (const Case *cases, guint n_cases, gint64 begun)
{
  guint n = 0, n_ok = 0;

  g_print ("# %-24s %-10s %-8s %-8s %-8s %-8s\n", "stop point", "role", "kill", "stop", "fork",
           "close");
  for (guint i = 0; i < n_cases; i++)
    {
      const Case *self = &cases[i];

      if (self->fault == 0)
        g_print ("# %-24s %-10s", names[self->row->point], role_name (self->row->role));
      g_print (" %-8s", !self->done ? "-" : self->ok ? "ok" : "FAILED");
      if (self->fault == N_FAULTS - 1)
        g_print ("\n");
      n += self->done;
      n_ok += self->ok;
    }
  for (guint i = 0; i < n_cases; i++)
    if (cases[i].done && !cases[i].ok)
      g_print ("# FAILED %s: %s\n", cases[i].name, cases[i].why);
  g_print ("# %d points in %u roles x %d faults = %u: %u ran in %.1f s, %u ok, %u failed\n",
           SHMFRAME_STOP_COUNT, (guint) G_N_ELEMENTS (rows), N_FAULTS, n_cases, n,
           (double) (g_get_monotonic_time () - begun) / G_USEC_PER_SEC, n_ok, n - n_ok);
}

static void
check_rows (void)
{
  for (int point = 0; point < SHMFRAME_STOP_COUNT; point++)
    {
      gboolean found = FALSE;

      for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
        found |= rows[i].point == point;
      if (!found)
        g_error ("no row for stop point %s: add it", names[point]);
    }
}

int
main (int argc, char **argv)
{
  gboolean all = argc > 1 && g_str_equal (argv[1], "--all");
  guint n = G_N_ELEMENTS (rows) * N_FAULTS;
  gint64 begun = g_get_monotonic_time ();
  g_autofree char **args = g_new0 (char *, (gsize) argc + 2);
  int n_args = 0, failed;
  Case *cases;

  role_main (argc, argv);
  for (int i = 0; i < argc; i++)
    if (i != 1 || !all)
      args[n_args++] = argv[i];
  args[n_args++] = (char *) "--keep-going";
  g_test_init (&n_args, &args, NULL);
  check_rows ();
  prctl (PR_SET_CHILD_SUBREAPER, 1);
  cases = mmap (NULL, n * sizeof *cases, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert_true (cases != MAP_FAILED);
  for (guint i = 0; i < n; i++)
    {
      Case *self = &cases[i];
      guint row = i / N_FAULTS;

      self->row = &rows[row];
      self->fault = i % N_FAULTS;
      g_snprintf (self->name, sizeof self->name, "/faults/%s/%s/%s", names[self->row->point],
                  role_name (self->row->role), faults[self->fault]);
      if (all || self->fault == row % N_FAULTS)
        g_test_add_data_func (self->name, self, test_case);
    }
  failed = g_test_run ();
  print_table (cases, n, begun);
  return failed;
}
