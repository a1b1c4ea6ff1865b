/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The explorer's own test: small programs whose results under each model are known. */

#include <stdatomic.h>
#include <string.h>

#include "explore.h"

static _Atomic uint64_t x, y;
static uint64_t r[4]; /* results */

#define W(word, v, order) atomic_store_explicit (&word, v, memory_order_##order)
#define R(i, word, order) (r[i] = atomic_load_explicit (&word, memory_order_##order))
#define F(order) atomic_thread_fence (memory_order_##order)
#define BODY(name) static void name (void)

static bool
is (uint64_t a, uint64_t b)
{
  return r[0] == a && r[1] == b;
}

static void
begin (void (*first) (void), void (*second) (void), void (*third) (void), void (*fourth) (void))
{
  void (*const bodies[]) (void) = { first, second, third, fourth };

  x = y = 0;
  memset (r, 0, sizeof r);
  explore_state (r, sizeof r);
  for (unsigned i = 0; i < 4 && bodies[i]; i++)
    explore_thread ((const char *const[]){ "first", "second", "third", "fourth" }[i], bodies[i]);
  explore_word (&x, EXPLORE_NUMBER, "x");
  explore_word (&y, EXPLORE_NUMBER, "y");
}

static void
allow (bool weak, const char *what)
{
  if (weak)
    explore_reached (what);
}

static void
forbid (bool weak, const char *what)
{
  if (weak)
    explore_fail ("%s", what);
}

/* Store buffering: relaxed, with acq_rel fences, with seq_cst fences. */
BODY (sb_1) { W (x, 1, relaxed); R (0, y, relaxed); }
BODY (sb_2) { W (y, 1, relaxed); R (1, x, relaxed); }
BODY (sb_weak_1) { W (x, 1, relaxed); F (acq_rel); R (0, y, relaxed); }
BODY (sb_weak_2) { W (y, 1, relaxed); F (seq_cst); R (1, x, relaxed); }
BODY (sb_fence_1) { W (x, 1, relaxed); F (seq_cst); R (0, y, relaxed); }
BODY (sb_set_up) { begin (sb_1, sb_2, NULL, NULL); }
BODY (sb_weak_set_up) { begin (sb_weak_1, sb_weak_2, NULL, NULL); }
BODY (sb_fence_set_up) { begin (sb_fence_1, sb_weak_2, NULL, NULL); }
BODY (sb_allowed) { allow (is (0, 0), "both old"); }
BODY (sb_forbidden) { forbid (is (0, 0), "both loads saw the old value"); }

/* Message passing: y says that x is there. */
BODY (mp_relaxed) { W (x, 1, relaxed); W (y, 1, relaxed); }
BODY (mp_release) { W (x, 1, relaxed); W (y, 1, release); }
BODY (mp_release_fence) { W (x, 1, relaxed); F (release); W (y, 1, relaxed); }
BODY (mp_overwritten) { W (x, 1, relaxed); W (y, 1, release); W (y, 2, relaxed); }
BODY (mp_read_relaxed) { R (0, y, relaxed); R (1, x, relaxed); }
BODY (mp_read_acquire) { R (0, y, acquire); R (1, x, relaxed); }
BODY (mp_read_fence) { R (0, y, relaxed); F (acquire); R (1, x, relaxed); }
BODY (mp_set_up) { begin (mp_relaxed, mp_read_acquire, NULL, NULL); }
BODY (mp_late_set_up) { begin (mp_release, mp_read_relaxed, NULL, NULL); }
BODY (mp_order_set_up) { begin (mp_release, mp_read_acquire, NULL, NULL); }
BODY (mp_fences_set_up) { begin (mp_release_fence, mp_read_fence, NULL, NULL); }
BODY (mp_over_set_up) { begin (mp_overwritten, mp_read_acquire, NULL, NULL); }
BODY (mp_allowed) { allow (is (1, 0), "c11: the message overtook"); }
BODY (mp_forbidden) { forbid (is (1, 0), "the message overtook what it is about"); }
BODY (mp_over_allowed) { allow (is (2, 0), "c11: the message overtook"); }

/* A read-modify-write passes on what its predecessor released. */
BODY (rmw_2) { atomic_fetch_add_explicit (&y, 1, memory_order_relaxed); }
BODY (rmw_set_up) { begin (mp_release, mp_read_acquire, rmw_2, NULL); }
BODY (rmw_forbidden) { forbid (is (2, 0), "the read-modify-write broke the release sequence"); }

/* Reads of one word do not go back. */
BODY (coherence_1) { W (x, 1, relaxed); W (x, 2, relaxed); }
BODY (coherence_2) { R (0, x, relaxed); R (1, x, relaxed); }
BODY (coherence_set_up) { begin (coherence_1, coherence_2, NULL, NULL); }
BODY (coherence_finish)
{
  forbid (r[0] > r[1], "an older value after a newer one");
  allow (is (0, 2), "the new one after the old");
}

/* What was read and passed on is known to the third. */
BODY (wrc_1) { W (x, 1, relaxed); }
BODY (wrc_2) { if (R (2, x, relaxed)) W (y, 1, release); }
BODY (wrc_set_up) { begin (wrc_1, wrc_2, mp_read_acquire, NULL); }

/* Two readers disagree on the order of independent stores. */
BODY (iriw_1) { W (x, 1, release); }
BODY (iriw_2) { W (y, 1, release); }
BODY (iriw_3) { R (0, x, acquire); R (1, y, acquire); }
BODY (iriw_4) { R (2, y, acquire); R (3, x, acquire); }
BODY (iriw_set_up) { begin (iriw_1, iriw_2, iriw_3, iriw_4); }
BODY (iriw_allowed)
{
  allow (is (1, 0) && r[2] == 1 && r[3] == 0, "c11: the readers disagreed");
}

/* Sleeping: a store before the wake is seen, or ends the sleep; the explorer finds the rest. */
BODY (futex_1) { W (x, 1, relaxed); explore_futex_wake (&x); }
BODY (futex_2)
{
  if (R (0, x, relaxed) == 0)
    explore_futex_wait (&x, 0);
  R (1, x, relaxed);
}
BODY (futex_set_up) { begin (futex_1, futex_2, NULL, NULL); }
BODY (futex_finish) { allow (r[0] == 0, "it came to the wait"); }

#define LITMUS(id, what, program, result, ...)                                                    \
  {                                                                                               \
    .name = id, .about = what, .set_up = program, .finish = result, .reaches = { __VA_ARGS__ }    \
  }

const ExploreScenario explore_litmus[] = {
  LITMUS ("sb", "store buffering", sb_set_up, sb_allowed, "both old"),
  LITMUS ("sb-weak", "with one acq_rel fence", sb_weak_set_up, sb_allowed, "both old"),
  LITMUS ("sb-fence", "with seq_cst fences", sb_fence_set_up, sb_forbidden, NULL),
  LITMUS ("mp", "message passing, relaxed store", mp_set_up, mp_allowed,
          "c11: the message overtook"),
  LITMUS ("mp-late", "relaxed load", mp_late_set_up, mp_allowed, "c11: the message overtook"),
  LITMUS ("mp-order", "release and acquire", mp_order_set_up, mp_forbidden, NULL),
  LITMUS ("mp-fences", "release and acquire fences", mp_fences_set_up, mp_forbidden, NULL),
  LITMUS ("mp-over", "a relaxed store over the release", mp_over_set_up, mp_over_allowed,
          "c11: the message overtook"),
  LITMUS ("rmw", "a read-modify-write over the release", rmw_set_up, rmw_forbidden, NULL),
  LITMUS ("coherence", "two reads of one word", coherence_set_up, coherence_finish,
          "the new one after the old"),
  LITMUS ("wrc", "read, and passed on", wrc_set_up, mp_forbidden, NULL),
  LITMUS ("iriw", "independent stores, two readers", iriw_set_up, iriw_allowed,
          "c11: the readers disagreed"),
  LITMUS ("futex", "sleep and wake", futex_set_up, futex_finish, "it came to the wait"),
  { .name = NULL },
};
