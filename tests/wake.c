/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "os/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS G_GINT64_CONSTANT (1000000)
#define PERIOD (10 * MS)
#define HOUR (3600 * 1000 * MS)

/* What two processes share in these tests: a control page and a word to be ready by. */
typedef struct
{
  ShmFrameControl control;
  gint flag;
} Shared;

static void *
share (gsize size)
{
  void *data = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  g_assert_true (data != MAP_FAILED);
  return data;
}

static gboolean
flag_is_set (gpointer data)
{
  Shared *shared = data;

  return g_atomic_int_get (&shared->flag) != 0;
}

/* Until the kernel says that the child sleeps. The watchdog ends it. */
static void
await_sleep (pid_t child)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int) child);
  g_autofree char *text = NULL;
  const char *state;

  do
    {
      sched_yield ();
      g_free (text);
      g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
      state = strrchr (text, ')') + 2;
    }
  while (*state != 'S');
}

static pid_t
fork_child (void)
{
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    alarm (10);
  return child;
}

static void
assert_exits (pid_t child)
{
  int status;

  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

/* ---- ringing ------------------------------------------------------------------------------- */

static void
test_ring_wakes_a_process (void)
{
  Shared *shared = share (sizeof *shared);
  pid_t child = fork_child ();

  if (child == 0)
    {
      ShmFrameWaiter waiter = { .mode = SHMFRAME_WAKE_SLEEP };

      g_assert_true (shmframe_wake_wait (&waiter, &shared->control, -1, flag_is_set, shared));
      _exit (0);
    }
  while (shmframe_slot_ticket (&shared->control) == 0)
    sched_yield ();
  await_sleep (child);

  /* A ring for nothing: it looks, arms anew and sleeps on. */
  shmframe_wake_ring (&shared->control, -1);
  while (shmframe_slot_ticket (&shared->control) == 1)
    sched_yield ();
  await_sleep (child);

  g_atomic_int_set (&shared->flag, 1);
  shmframe_wake_ring (&shared->control, -1);
  assert_exits (child);
  g_assert_cmpuint (shmframe_slot_bell (&shared->control), ==, 2);
  munmap (shared, sizeof *shared);
}

typedef struct
{
  Shared *shared;
  ShmFrameWaiter *waiter;
  guint calls;
  guint ready_at;     /* which call says TRUE; 0: none */
  guint ring_at;      /* which call is overtaken by a ring; 0: none */
  guint ready_ticket; /* TRUE from this ticket on; 0: never */
  int slack;          /* of the timer, as seen in the second call */
} Script;

static gboolean
play (gpointer data)
{
  Script *script = data;

  script->calls++;
  if (script->calls == 2)
    script->slack = prctl (PR_GET_TIMERSLACK, 0, 0, 0, 0);
  if (script->calls == script->ring_at)
    shmframe_wake_ring (&script->shared->control, -1);
  return (script->ready_at != 0 && script->calls >= script->ready_at)
         || (script->ready_ticket != 0 && script->waiter->ticket >= script->ready_ticket);
}

/* The bell changes between the last look and the sleep: the sleep must not begin. */
static void
test_ring_before_sleep (void)
{
  Shared *shared = share (sizeof *shared);
  ShmFrameWaiter waiter = { .mode = SHMFRAME_WAKE_SLEEP };
  Script script = { .shared = shared, .waiter = &waiter, .ring_at = 2, .ready_at = 3 };

  g_assert_true (shmframe_wake_wait (&waiter, &shared->control, -1, play, &script));
  g_assert_cmpuint (script.calls, ==, 3);
  g_assert_cmpuint (waiter.ticket, ==, 2);
  munmap (shared, sizeof *shared);
}

static void
test_ready_does_not_arm (void)
{
  Shared *shared = share (sizeof *shared);

  for (ShmFrameWakeMode mode = SHMFRAME_WAKE_SLEEP; mode <= SHMFRAME_WAKE_PREDICT; mode++)
    {
      ShmFrameWaiter waiter = { .mode = mode };
      Script script = { .shared = shared, .waiter = &waiter, .ready_at = 1 };

      /* A deadline that is past does not hide what is there. */
      g_assert_true (shmframe_wake_wait (&waiter, &shared->control, 0, play, &script));
      g_assert_cmpuint (script.calls, ==, 1);
    }
  g_assert_cmpuint (shmframe_slot_ticket (&shared->control), ==, 0);
  munmap (shared, sizeof *shared);
}

static void
test_ticket_never_zero (void)
{
  Shared *shared = share (sizeof *shared);
  ShmFrameWaiter waiter = { .ticket = G_MAXUINT32 };

  shmframe_wake_arm (&waiter, &shared->control);
  g_assert_cmpuint (shmframe_slot_ticket (&shared->control), ==, 1);
  shmframe_wake_arm (&waiter, &shared->control);
  g_assert_cmpuint (shmframe_slot_ticket (&shared->control), ==, 2);
  munmap (shared, sizeof *shared);
}

static void
test_doorbell (void)
{
  Shared *shared = share (sizeof *shared);
  int pair[2];
  char byte[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
  shmframe_wake_ring (&shared->control, pair[0]);
  g_assert_cmpuint (shmframe_slot_bell (&shared->control), ==, 1);
  g_assert_cmpint (recv (pair[1], byte, sizeof byte, MSG_DONTWAIT), ==, 1);

  /* Full, it rings all the same and does not block; closed, there is no SIGPIPE. */
  while (send (pair[0], "", 1, MSG_DONTWAIT) == 1)
    continue;
  g_assert_cmpint (errno, ==, EAGAIN);
  shmframe_wake_ring (&shared->control, pair[0]);
  close (pair[1]);
  shmframe_wake_ring (&shared->control, pair[0]);
  g_assert_cmpuint (shmframe_slot_bell (&shared->control), ==, 3);
  close (pair[0]);
  munmap (shared, sizeof *shared);
}

/* ---- deadlines ----------------------------------------------------------------------------- */

static void
test_deadline_arithmetic (void)
{
  gint64 before = shmframe_wake_now ();

  g_assert_cmpint (shmframe_wake_deadline (-1), ==, -1);
  g_assert_cmpint (shmframe_wake_deadline (G_MININT64), ==, -1);
  g_assert_cmpint (shmframe_wake_deadline (G_MAXINT64), ==, G_MAXINT64);
  g_assert_cmpint (shmframe_wake_deadline (5), >=, before + 5);
  g_assert_cmpint (shmframe_wake_now (), >=, before);
}

/* As after frames that are an hour apart. */
static ShmFrameWaiter
hourly (void)
{
  return (ShmFrameWaiter){
    .mode = SHMFRAME_WAKE_PREDICT,
    .predictor = { .time_ns = { shmframe_wake_now () },
                   .count = 1,
                   .next = 1,
                   .period_ns = HOUR,
                   .begin_ns = -MS,
                   .end_ns = MS },
  };
}

static gboolean
wait_ready (ShmFrameWaiter *waiter, ShmFrameControl *control, gint64 deadline_ns,
            ShmFrameWakeReady ready, gpointer data)
{
  gboolean is_ready;

  do
    is_ready = shmframe_wake_wait (waiter, control, deadline_ns, ready, data);
  while (is_ready && waiter->again);
  return is_ready;
}

static gboolean
is_regular (const ShmFrameWaiter *waiter)
{
  return waiter->predictor.end_ns != 0;
}

static void
regular (ShmFrameWaiter *waiter, gint64 last_ns)
{
  for (gint i = 60; i >= 0; i--)
    shmframe_predictor_observe (&waiter->predictor, last_ns - i * PERIOD);
}

/* Each way to wait ends, not before its deadline, with a last look. */
static void
test_deadlines (void)
{
  Shared *shared = share (sizeof *shared);
  ShmFrameWaiter far;

  for (ShmFrameWakeMode mode = SHMFRAME_WAKE_SLEEP; mode <= SHMFRAME_WAKE_PREDICT; mode++)
    for (gint64 timeout_ns = 0; timeout_ns <= 3 * PERIOD; timeout_ns += 3 * PERIOD / 4)
      {
        ShmFrameWaiter waiter = { .mode = mode };
        gint64 deadline_ns;

        regular (&waiter, shmframe_wake_now ());
        deadline_ns = shmframe_wake_deadline (timeout_ns);
        g_assert_false (wait_ready (&waiter, &shared->control, deadline_ns, flag_is_set, shared));
        g_assert_cmpint (shmframe_wake_now (), >=, deadline_ns);
      }

  /* Also where the next frame is due long after the deadline, and the watchdog. */
  far = hourly ();
  g_assert_false (
      wait_ready (&far, &shared->control, shmframe_wake_deadline (MS), flag_is_set, shared));
  munmap (shared, sizeof *shared);
}

/* ---- prediction ---------------------------------------------------------------------------- */

/* Any publish times: nothing overflows, and the deadline holds. */
static void
test_predict_lying_producer (void)
{
  const gint64 times[] = { G_MININT64, G_MAXINT64, 0, -1, 1, G_MAXINT64 - 1, G_MININT64 + 1 };
  Shared *shared = share (sizeof *shared);
  ShmFrameWaiter waiter = { .mode = SHMFRAME_WAKE_PREDICT };

  for (guint i = 0; i < 2000; i++)
    {
      shmframe_predictor_observe (&waiter.predictor,
                                  g_random_boolean ()
                                      ? times[g_random_int_range (0, G_N_ELEMENTS (times))]
                                      : (gint64) g_random_int () << g_random_int_range (0, 32));
      wait_ready (&waiter, &shared->control, shmframe_wake_now () + 1000, flag_is_set, shared);
    }
  /* A steady series, but in the future, or long ago. */
  for (guint i = 0; i < 4; i++)
    {
      const gint64 last_ns[]
          = { shmframe_wake_now () + HOUR, G_MAXINT64 / 2, PERIOD * 100, PERIOD * 60 };

      regular (&waiter, last_ns[i]);
      g_assert_true (is_regular (&waiter));
      g_assert_false (
          wait_ready (&waiter, &shared->control, shmframe_wake_now () + 1000, flag_is_set, shared));
    }
  /* And of times that no clock has. */
  for (guint i = 0; i < 2; i++)
    {
      regular (&waiter, i == 0 ? G_MAXINT64 : 0);
      g_assert_false (is_regular (&waiter));
      g_assert_false (
          wait_ready (&waiter, &shared->control, shmframe_wake_now () + 1000, flag_is_set, shared));
    }
  munmap (shared, sizeof *shared);
}

/* Frames that were all there already, so that nobody waited, count as well. */
static void
test_predict_without_waits (void)
{
  Shared *shared = share (sizeof *shared);
  ShmFrameWaiter waiter = { .mode = SHMFRAME_WAKE_PREDICT };
  gint64 now_ns = shmframe_wake_now ();

  for (gint i = 60; i >= 0; i--)
    shmframe_wake_leased (&waiter, now_ns - i * PERIOD);
  g_assert_true (is_regular (&waiter));
  g_assert_cmpuint (waiter.predictor.count, ==, 60); /* the last one is left for the wait */
  g_assert_false (
      wait_ready (&waiter, &shared->control, shmframe_wake_now () + MS, flag_is_set, shared));
  g_assert_cmpuint (waiter.predictor.count, ==, 61);
  munmap (shared, sizeof *shared);
}

/* A frame that comes when it is due costs the producer no ring: the consumer was not armed. */
static void
test_predict_sleeps_unarmed (void)
{
  Shared *shared = share (sizeof *shared);
  ShmFrameWaiter waiter = { .mode = SHMFRAME_WAKE_PREDICT };
  Script script = { .shared = shared, .waiter = &waiter, .ready_at = 3 };
  const int slack = 40000;

  g_assert_cmpint (prctl (PR_SET_TIMERSLACK, (unsigned long) slack, 0, 0, 0), ==, 0);
  regular (&waiter, shmframe_wake_now ());
  g_assert_true (is_regular (&waiter));
  g_assert_true (wait_ready (&waiter, &shared->control, -1, play, &script));
  g_assert_cmpuint (waiter.ticket, ==, 0);
  g_assert_cmpint (script.slack, ==, 1);
  g_assert_cmpint (prctl (PR_GET_TIMERSLACK, 0, 0, 0, 0), ==, slack);
  munmap (shared, sizeof *shared);
}

/* Where frames may come before the window, the sleep until it is an armed one. */
static void
test_predict_sleeps_armed (void)
{
  Shared *shared = share (sizeof *shared);
  ShmFrameWaiter waiter = { .mode = SHMFRAME_WAKE_PREDICT };
  Script script = { .shared = shared, .waiter = &waiter, .ready_ticket = 1 };

  regular (&waiter, shmframe_wake_now ());
  waiter.predictor.early = TRUE;
  g_assert_true (wait_ready (&waiter, &shared->control, -1, play, &script));
  g_assert_cmpuint (script.calls, ==, 2); /* before anything else, and once armed */
  munmap (shared, sizeof *shared);
}

/* Nothing came when it was due: it arms, and then a ring reaches it. */
static void
test_predict_arms_in_the_end (void)
{
  Shared *shared = share (sizeof *shared);
  ShmFrameWaiter waiter = { .mode = SHMFRAME_WAKE_PREDICT };
  Script script = { .shared = shared, .waiter = &waiter, .ready_ticket = 1 };

  regular (&waiter, shmframe_wake_now ());
  g_assert_true (wait_ready (&waiter, &shared->control, -1, play, &script));
  g_assert_cmpuint (waiter.ticket, ==, 1);
  munmap (shared, sizeof *shared);
}

/* What cannot be predicted arms at once: one look, arm, one look. */
static void
test_predict_falls_back (void)
{
  Shared *shared = share (sizeof *shared);
  gint64 now_ns = shmframe_wake_now ();
  ShmFrameWaiter unknown = { .mode = SHMFRAME_WAKE_PREDICT };
  ShmFrameWaiter stopped = unknown, uneven = unknown, future = unknown;
  ShmFrameWaiter *waiters[] = { &unknown, &stopped, &uneven, &future };

  regular (&future, now_ns + HOUR);
  g_assert_true (is_regular (&future));
  regular (&stopped, now_ns - 20 * PERIOD);
  g_assert_true (is_regular (&stopped));
  for (gint i = 40; i >= 0; i--)
    shmframe_predictor_observe (&uneven.predictor, now_ns - i * PERIOD + (i % 2) * PERIOD / 3);
  for (guint i = 0; i < G_N_ELEMENTS (waiters); i++)
    {
      Script script = { .shared = shared, .waiter = waiters[i], .ready_ticket = 1 };

      g_assert_true (wait_ready (waiters[i], &shared->control, -1, play, &script));
      g_assert_cmpuint (script.calls, ==, 2);
    }
  munmap (shared, sizeof *shared);
}

/* Loss rings whatever the ticket, and reaches one that sleeps until the next frame is due: here,
 * until long after the watchdog. */
static void
test_loss_reaches_unarmed (void)
{
  Shared *shared = share (sizeof *shared);
  pid_t child = fork_child ();

  if (child == 0)
    {
      ShmFrameWaiter waiter = hourly ();

      g_assert_true (wait_ready (&waiter, &shared->control, -1, flag_is_set, shared));
      g_assert_cmpuint (waiter.ticket, ==, 0);
      _exit (0);
    }
  await_sleep (child);
  g_atomic_int_set (&shared->flag, 1);
  shmframe_wake_ring (&shared->control, -1);
  assert_exits (child);
  munmap (shared, sizeof *shared);
}

/* Frames long overdue: the due time moves on by whole periods, so the wait is a part of one. */
static void
test_predict_after_a_gap (void)
{
  Shared *shared = share (sizeof *shared);
  ShmFrameWaiter waiter = { .mode = SHMFRAME_WAKE_PREDICT };
  Script script = { .shared = shared, .waiter = &waiter, .ready_at = 3 };

  regular (&waiter, shmframe_wake_now () - 3 * PERIOD - PERIOD / 2);
  g_assert_true (wait_ready (&waiter, &shared->control, -1, play, &script));
  g_assert_cmpuint (waiter.ticket, ==, 0);
  g_assert_cmpint (script.slack, <=, 1);
  munmap (shared, sizeof *shared);
}

static void
test_spin (void)
{
  Shared *shared = share (sizeof *shared);
  ShmFrameWaiter waiter = { .mode = SHMFRAME_WAKE_SPIN };
  Script script = { .shared = shared, .waiter = &waiter, .ready_at = 1000 };

  g_assert_true (wait_ready (&waiter, &shared->control, -1, play, &script));
  g_assert_cmpuint (script.calls, ==, 1000);
  g_assert_cmpuint (waiter.ticket, ==, 0);
  munmap (shared, sizeof *shared);
}

/* ---- the lossless consumer ----------------------------------------------------------------- */

static void
test_consumed_wakes_the_producer (void)
{
  const guint64 seen = (G_GUINT64_CONSTANT (7) << 32) + 5;
  ShmFrameControl *control = share (sizeof *control);
  ShmFrameLayout layout;
  ShmFrameView view;
  void *segment;
  pid_t child;

  g_assert_true (shmframe_layout_init (&layout, 1, 1, 1, 4096, 0));
  segment = share (layout.size);
  shmframe_view_init (&view, segment, &layout);
  g_assert_false (shmframe_slot_consume (&view, control, seen));

  /* Not what was seen, also where only the upper half differs: no sleep. */
  shmframe_wake_wait_consumed (control, seen + 1, -1);
  shmframe_wake_wait_consumed (control, 5, -1);
  shmframe_wake_wait_consumed (control, seen, shmframe_wake_now () + MS);

  child = fork_child ();
  if (child == 0)
    {
      shmframe_slot_set_waiting (&view, true);
      while (shmframe_slot_consumed (control) == seen)
        shmframe_wake_wait_consumed (control, seen, -1);
      _exit (0);
    }
  await_sleep (child);
  g_assert_true (shmframe_slot_consume (&view, control, seen + 1));
  shmframe_wake_consumed (control);
  assert_exits (child);
  munmap (segment, layout.size);
  munmap (control, sizeof *control);
}

int
main (int argc, char **argv)
{
  alarm (10);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/wake/ring-wakes-a-process", test_ring_wakes_a_process);
  g_test_add_func ("/wake/ring-before-sleep", test_ring_before_sleep);
  g_test_add_func ("/wake/ready-does-not-arm", test_ready_does_not_arm);
  g_test_add_func ("/wake/ticket-never-zero", test_ticket_never_zero);
  g_test_add_func ("/wake/doorbell", test_doorbell);
  g_test_add_func ("/wake/deadline-arithmetic", test_deadline_arithmetic);
  g_test_add_func ("/wake/deadlines", test_deadlines);
  g_test_add_func ("/wake/predict-lying-producer", test_predict_lying_producer);
  g_test_add_func ("/wake/predict-without-waits", test_predict_without_waits);
  g_test_add_func ("/wake/predict-sleeps-unarmed", test_predict_sleeps_unarmed);
  g_test_add_func ("/wake/predict-sleeps-armed", test_predict_sleeps_armed);
  g_test_add_func ("/wake/predict-arms-in-the-end", test_predict_arms_in_the_end);
  g_test_add_func ("/wake/predict-falls-back", test_predict_falls_back);
  g_test_add_func ("/wake/predict-after-a-gap", test_predict_after_a_gap);
  g_test_add_func ("/wake/loss-reaches-unarmed", test_loss_reaches_unarmed);
  g_test_add_func ("/wake/spin", test_spin);
  g_test_add_func ("/wake/consumed-wakes-the-producer", test_consumed_wakes_the_producer);
  return g_test_run ();
}
