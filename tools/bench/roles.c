/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>

#include "bell.h"
#include "cell.h"
#include "perf.h"
#include "smaps.h"

#define WARM_UP_INTERVAL_NS (5 * 1000 * 1000) /* of cells that are measured back to back */
#define WARM_UP_MOST_NS (500 * 1000 * 1000)   /* once all have seen a frame: large ones are slow */
#define FAULTS_MOST 8                         /* for each frame and consumer */
#define SETTLE_LOOK_NS (100 * 1000 * 1000)
#define SETTLE_MOST_NS (5 * G_GINT64_CONSTANT (1000000000)) /* there are ways that always fault */

typedef struct
{
  const BenchCell *cell;
  BenchShared *shared;
  BenchReport *report;
  BenchEnd end;
  gint64 due_ns; /* producer: the newest frame's turn */
  GRand *random; /* producer: for the jitter; NULL: there is none */
} Role;

/* ---- what both do ---- */

int
bench_cores (void)
{
  cpu_set_t usable;

  return sched_getaffinity (0, sizeof usable, &usable) == 0 ? CPU_COUNT (&usable) : 1;
}

/* To the core of that number among those that the process may use. */
static gboolean
pin (int number, GError **error)
{
  cpu_set_t usable, one;
  int core = 0;

  if (sched_getaffinity (0, sizeof usable, &usable) != 0)
    return bench_fail (error, "sched_getaffinity");
  while (core < CPU_SETSIZE - 1 && (!CPU_ISSET (core, &usable) || number-- > 0))
    core++;
  CPU_ZERO (&one);
  CPU_SET (core, &one);
  return sched_setaffinity (0, sizeof one, &one) == 0 || bench_fail (error, "pin to a core");
}

/* The producer has the first. */
static int
consumer_core (int consumer)
{
  int cores = bench_cores ();

  return cores < 2 ? 0 : 1 + consumer % (cores - 1);
}

static gint64
cpu_ns (clockid_t clock)
{
  struct timespec time = { 0 };

  clock_gettime (clock, &time);
  return (gint64) time.tv_sec * 1000000000 + time.tv_nsec;
}

static guint64
faults (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (guint64) usage.ru_minflt + (guint64) usage.ru_majflt;
}

/* What the way says; sign -1: before the frames that are measured, +1: after them. */
static void
tally (Role *role, int sign)
{
  if (role->cell->way->tally)
    role->cell->way->tally (&role->end);
  role->report->copied += (guint64) sign * role->end.copied;
  role->report->committed_slots = role->end.committed_slots;
  role->report->slot_bytes = role->end.slot_bytes;
}

/* What the frames cost; without tally(), which costs something too. */
static void
count (Role *role, int sign)
{
  role->report->cpu_ns += sign * cpu_ns (CLOCK_PROCESS_CPUTIME_ID);
  role->report->faults += (guint64) sign * faults ();
}

static int
fail (Role *role, GError *error)
{
  g_strlcpy (role->report->error, error ? error->message : "failed without a reason",
             sizeof role->report->error);
  if (role->cell->way->close && role->end.data)
    role->cell->way->close (&role->end);
  return 1;
}

static int
end (Role *role)
{
  role->report->pss_bytes += bench_pss_bytes (getpid (), role->shared);
  if (role->cell->way->close)
    role->cell->way->close (&role->end);
  return 0;
}

/* ---- the producer ---- */

static gboolean
all_have_seen_one (const Role *role)
{
  for (int i = 0; i < role->cell->n_consumers; i++)
    if (atomic_load (&role->shared->consumers[i].seen) == 0)
      return FALSE;
  return TRUE;
}

/* Until consumers are done with `target` frames more than they were at first. */
static void
wait_for_acks (Role *role, uint32_t target)
{
  BenchShared *shared = role->shared;

  for (;;)
    {
      uint32_t acks = atomic_load (&shared->acks);

      if ((int32_t) (acks - target) >= 0)
        return;
      if (role->cell->way->spins)
        continue;
      atomic_store (&shared->waits, 1);
      if (atomic_load (&shared->acks) == acks)
        syscall (SYS_futex, &shared->acks, FUTEX_WAIT, acks, NULL, NULL, 0);
      atomic_store (&shared->waits, 0);
    }
}

/* Every word of a frame is its number; without `touch` only the first and the last are. */
static void
fill (guint64 *word, gsize words, guint64 frame, gboolean all)
{
  for (gsize i = 0; all && i < words; i++)
    word[i] = frame;
  word[0] = word[words - 1] = frame;
}

static gboolean
send (Role *role, guint64 frame, GError **error)
{
  const BenchWay *way = role->cell->way;
  gint64 begin = bench_now_ns (), acquired;
  gpointer memory = way->acquire (&role->end, error);

  if (!memory)
    return FALSE;
  acquired = bench_now_ns () - begin;
  fill (memory, role->cell->size / 8, frame, role->cell->touch);
  role->shared->sent_ns[frame] = bench_now_ns ();
  if (!way->publish (&role->end, error))
    return FALSE;
  role->shared->publish_ns[frame]
      = (guint32) MIN (acquired + bench_now_ns () - role->shared->sent_ns[frame], G_MAXUINT32);
  return TRUE;
}

static gint64
jitter (Role *role)
{
  double most_ns = (double) role->cell->jitter_ns;

  return role->random ? (gint64) (g_rand_double_range (role->random, -1, 1) * most_ns) : 0;
}

typedef struct
{
  gint64 all_ns;     /* every consumer has seen a frame; 0: not yet */
  guint64 all_frame; /* the newest frame then */
  gint64 looked_ns;  /* the last look at the page faults, */
  guint64 looked_frame, faults;
  gboolean settled; /* and what it said */
} WarmUp;

/* Who attaches maps its frames, for a while behind the first ones: that is over once there are only as
 * many page faults as some ways always have. */
static void
look_at_faults (const Role *role, WarmUp *self, guint64 frame)
{
  guint64 all = faults ();

  for (int i = 0; i < role->cell->n_consumers; i++)
    all += atomic_load (&role->shared->consumers[i].warm_up_faults);
  self->settled = all - self->faults
                  < FAULTS_MOST * (guint64) role->cell->n_consumers * (frame - self->looked_frame);
  self->faults = all;
  self->looked_frame = frame;
  self->looked_ns = bench_now_ns ();
}

static gboolean
is_warm (const Role *role, WarmUp *self, guint64 frame)
{
  gint64 now_ns = bench_now_ns ();

  if (!self->all_ns)
    {
      if (!all_have_seen_one (role))
        return FALSE;
      self->all_ns = now_ns;
      self->all_frame = frame;
      look_at_faults (role, self, frame);
      self->settled = FALSE;
    }
  if (now_ns >= self->looked_ns + SETTLE_LOOK_NS)
    look_at_faults (role, self, frame);
  if (now_ns >= self->all_ns + SETTLE_MOST_NS)
    return TRUE;
  return self->settled
         && (frame >= self->all_frame + BENCH_WARM_UP || now_ns >= self->all_ns + WARM_UP_MOST_NS);
}

/* Returns the number of the last frame that was sent, or 0. */
static guint64
warm_up (Role *role, GError **error)
{
  gint64 interval_ns = role->cell->interval_ns ? role->cell->interval_ns : WARM_UP_INTERVAL_NS;
  gint64 give_up_ns = bench_now_ns () + BENCH_WATCHDOG_NS;
  WarmUp state = { 0 };
  guint64 frame = 0;

  while (!is_warm (role, &state, frame))
    {
      if (bench_now_ns () > give_up_ns || frame == BENCH_FRAMES_MAX / 2)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "a consumer got no frame");
          return 0;
        }
      role->due_ns += interval_ns;
      bench_sleep_until (role->due_ns + jitter (role));
      if (!send (role, ++frame, error))
        return 0;
    }
  return frame;
}

static void
await_all_seen (Role *role, guint64 frame)
{
  for (int i = 0; i < role->cell->n_consumers; i++)
    while (atomic_load (&role->shared->consumers[i].seen) < frame)
      bench_sleep_until (bench_now_ns () + 20000);
}

/* While every consumer is there, and once the rest is counted, since this costs time and pages: the
 * producer's, and a daemon's. */
static void
measure_memory (Role *role)
{
  const BenchWay *way = role->cell->way;

  role->report->shared_bytes = bench_shared_bytes (role->shared);
  if (way->daemon_pid)
    role->report->pss_bytes = bench_pss_bytes (way->daemon_pid (role->end.link), role->shared);
}

/* The frames that are measured; returns the last one's number, or 0. Counting begins with the first, which
 * is not measured itself: a hundred consumers that begin to count take their time. */
static guint64
send_frames (Role *role, guint64 first, GError **error)
{
  const BenchCell *cell = role->cell;
  gint64 start_ns = bench_now_ns ();
  guint64 most = MIN (first + (guint64) cell->frames, BENCH_FRAMES_MAX);
  uint32_t acks = atomic_load (&role->shared->acks);

  for (guint64 frame = first;; frame++)
    {
      if (cell->interval_ns)
        {
          /* Turns that a slow way has missed are left out: no two frames at once. */
          do
            role->due_ns += cell->interval_ns;
          while (role->due_ns < bench_now_ns ());
          bench_sleep_until (role->due_ns + jitter (role));
        }
      if (frame == most || bench_now_ns () - start_ns >= cell->most_ns)
        atomic_store (&role->shared->last, frame);
      if (!send (role, frame, error))
        return 0;
      acks += (uint32_t) cell->n_consumers;
      if (!cell->interval_ns)
        wait_for_acks (role, acks);
      if (frame == first)
        {
          await_all_seen (role, frame);
          tally (role, -1);
          count (role, -1);
          start_ns = cell->interval_ns ? role->due_ns : bench_now_ns ();
        }
      if (atomic_load (&role->shared->last) == frame)
        {
          await_all_seen (role, frame);
          role->shared->wall_ns = bench_now_ns () - start_ns;
          return frame;
        }
    }
}

static gboolean
produce (Role *role, GError **error)
{
  BenchShared *shared = role->shared;
  gpointer link = role->end.link;
  const BenchWay *way = role->cell->way;
  clockid_t daemon;
  gboolean have_daemon;
  guint64 first, last;

  first = warm_up (role, error) + 1;
  if (first == 1)
    return FALSE;
  await_all_seen (role, first - 1);
  atomic_store (&shared->first, first);
  have_daemon = way->daemon_pid && clock_getcpuclockid (way->daemon_pid (link), &daemon) == 0;
  shared->daemon_cpu_ns = have_daemon ? -cpu_ns (daemon) : 0;
  bench_tell_perf ("enable");
  last = send_frames (role, first, error);
  count (role, +1);
  shared->daemon_cpu_ns += have_daemon ? cpu_ns (daemon) : 0;
  bench_tell_perf ("disable");
  tally (role, +1);
  if (!last)
    return FALSE;
  role->report->frames = last - first;
  measure_memory (role);
  atomic_store (&shared->over, 1);
  return TRUE;
}

/* Of the results, so that noting them faults no page: `item` bytes for each frame. */
static void
populate (const BenchCell *cell, gpointer begin, gsize item)
{
  gsize size = item * MIN ((gsize) cell->frames + 1000, BENCH_FRAMES_MAX + 1);
  guintptr page = (guintptr) begin & ~(guintptr) (BENCH_PAGE - 1);

  madvise ((gpointer) page, (guintptr) begin + size - page, MADV_POPULATE_WRITE);
}

int
bench_run_producer (const BenchCell *cell, BenchShared *shared, gpointer link)
{
  g_autoptr (GError) error = NULL;
  Role role = { .cell = cell,
                .shared = shared,
                .report = &shared->producer,
                .end = { .cell = cell, .link = link, .consumer = -1 } };

  if (!pin (0, &error))
    return fail (&role, error);
  shared->producer_pid = getpid ();
  populate (cell, shared->sent_ns, sizeof *shared->sent_ns);
  populate (cell, shared->publish_ns, sizeof *shared->publish_ns);
  if (!cell->way->open_producer (&role.end, &error))
    return fail (&role, error);
  atomic_store (&role.report->open, 1);
  while (!atomic_load (&shared->go))
    bench_sleep_until (bench_now_ns () + 200000);
  role.due_ns = bench_now_ns ();
  role.random = cell->jitter_ns ? g_rand_new_with_seed (1) : NULL;
  if (!produce (&role, &error))
    return fail (&role, error);
  return end (&role);
}

/* ---- a consumer ---- */

/* The frame's number; 0: its words are not those of one frame. */
static guint64
check (const guint64 *word, gsize words, gboolean all)
{
  guint64 frame = word[0], wrong = word[words - 1] ^ frame;

  for (gsize i = 0; all && i < words; i++)
    wrong |= word[i] ^ frame;
  return wrong || frame > BENCH_FRAMES_MAX ? 0 : frame;
}

static void
acknowledge (Role *role, guint64 frame)
{
  BenchShared *shared = role->shared;

  atomic_store (&role->report->seen, frame);
  atomic_fetch_add (&shared->acks, 1);
  if (atomic_load (&shared->waits))
    syscall (SYS_futex, &shared->acks, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Returns its number; if it was torn, that of the one before it or 1; 0 with an error on failure. */
static guint64
take_frame (Role *role, GError **error)
{
  const BenchWay *way = role->cell->way;
  gconstpointer memory = way->receive (&role->end, error);
  gint64 held_ns = bench_now_ns ();
  guint64 frame;

  if (!memory)
    return 0;
  frame = check (memory, role->cell->size / 8, role->cell->touch);
  if (way->release && !way->release (&role->end, error))
    return 0;
  if (frame)
    *bench_latency (role->shared, role->end.consumer, frame)
        = (guint32) CLAMP (held_ns - role->shared->sent_ns[frame], 1, G_MAXUINT32);
  else if (atomic_load (&role->shared->first)) /* warming up is not one in flight */
    role->report->torn++;
  if (!role->report->first_frame_ns)
    role->report->first_frame_ns = held_ns - role->end.attach_ns;
  return frame ? frame : MAX (1, atomic_load (&role->report->seen)); /* the first may be torn */
}

static gboolean
consume (Role *role, GError **error)
{
  gboolean counting = FALSE;
  guint64 frame, first;

  do
    {
      frame = take_frame (role, error);
      if (!frame)
        return FALSE;
      first = atomic_load (&role->shared->first);
      if (!first)
        atomic_store (&role->report->warm_up_faults, faults ());
      if (counting)
        role->report->frames++;
      else if (first && frame >= first)
        {
          counting = TRUE;
          tally (role, -1);
          count (role, -1);
        }
      acknowledge (role, frame);
    }
  while (frame != atomic_load (&role->shared->last));
  count (role, +1);
  while (!atomic_load (&role->shared->over)) /* leaving would cost those that have yet to get it */
    bench_sleep_until (bench_now_ns () + 5000000);
  tally (role, +1); /* not before: the others' last frame would wait for it */
  return TRUE;
}

int
bench_run_consumer (const BenchCell *cell, BenchShared *shared, gpointer link, int consumer)
{
  g_autoptr (GError) error = NULL;
  Role role = { .cell = cell,
                .shared = shared,
                .report = &shared->consumers[consumer],
                .end = { .cell = cell, .link = link, .consumer = consumer } };

  if (!pin (consumer_core (consumer), &error))
    return fail (&role, error);
  shared->consumer_pids[consumer] = getpid ();
  populate (cell, shared->sent_ns, sizeof *shared->sent_ns);
  populate (cell, bench_latency (shared, consumer, 0), sizeof (guint32));
  role.end.attach_ns = bench_now_ns ();
  if (!cell->way->open_consumer (&role.end, &error))
    return fail (&role, error);
  atomic_store (&role.report->open, 1);
  if (!consume (&role, &error))
    return fail (&role, error);
  return end (&role);
}
