/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leases against reuse: one producer, consumers that lease the newest frame, hold up to HAZARDS
 * of them, are admitted, evicted and killed at any step. Sizes: SLOTS, FRAMES, CONSUMERS, HAZARDS
 * (leases of each, the reserved one included), IN_FLIGHT; DEATHS, EVICTIONS: how many; LIAR: the
 * last consumer writes hazards as it likes.
 *
 * Loops are bounded by FRAMES or block, so whatever is stuck shows as an invalid end state.
 */
#ifndef SLOTS
#define SLOTS 3
#endif
#ifndef FRAMES
#define FRAMES 3
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef HAZARDS
#define HAZARDS 1
#endif
#ifndef IN_FLIGHT
#define IN_FLIGHT 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef EVICTIONS
#define EVICTIONS 1
#endif

#define HAZARD_WORDS (CONSUMERS * HAZARDS)
#define GENERATION(view, slot) (slot)
#define PAYLOAD(view, slot) (SLOTS + (slot))
#define LATEST(view) (2 * SLOTS)
#define HAZARD(i) (2 * SLOTS + 1 + (i))
#define CONSUMED(page) 0 /* not used here */
#define WAITING(view) 0
#define END(view) 0
#define TICKET(page) 0
#define WORDS (2 * SLOTS + 1 + HAZARD_WORDS)
#define WRITERS (1 + CONSUMERS)
#ifndef DEPTH
#define DEPTH 4
#endif
#define PRODUCER 0

#include "memory.pml"
#include "protocol.pml"

bool locked;               /* the pool's lock */
bool attached[CONSUMERS];  /* WELCOME is sent */
bool admitted[CONSUMERS];  /* its hazards count */
bool killed[CONSUMERS];
bool finished[CONSUMERS];
byte lease[HAZARD_WORDS];  /* what each consumer may rely on: a handle, or 0 */
bool published;            /* all FRAMES are */

#define ADMITTED(i) admitted[(i) / HAZARDS]
#define LEASES(i, slot) (lease[i] != 0 && SLOT (lease[i]) == slot && ADMITTED (i))
#if HAZARD_WORDS == 1
#define IS_LEASED(slot) LEASES (0, slot)
#elif HAZARD_WORDS == 2
#define IS_LEASED(slot) (LEASES (0, slot) || LEASES (1, slot))
#endif

#include "book.pml"

PROPERTY (property_intact_is_true);
PROPERTY (property_live_lease_is_intact);
PROPERTY (property_newest_can_be_leased);
PROPERTY (property_slots_come_back);

#define GONE(c) (finished[c] || (attached[c] && !admitted[c]))
#if CONSUMERS == 1
#define ALL_GONE GONE (0)
#else
#define ALL_GONE (GONE (0) && GONE (1))
#endif
#if IN_FLIGHT == 1
#define N_PINNED 0
#elif SLOTS == 4
#define N_PINNED (pinned[0] + pinned[1] + pinned[2] + pinned[3])
#else
#define N_PINNED (pinned[0] + pinned[1] + pinned[2])
#endif

proctype Producer ()
{
  byte slot, each, turn, number;
  bool fresh;

  do
  :: turn < FRAMES ->
     turn++;
     /* shmframe_publish_acquire() */
     atomic { !locked && N_PINNED < IN_FLIGHT -> locked = true }
     take (PRODUCER);
     REACHED (pinned, N_PINNED > 0);
     locked = false;
     REACHED (writing, STATE (word[GENERATION (0, slot)]) == WRITING);
     store (PRODUCER, PAYLOAD (0, slot), number + 1, RELAXED);
     if
     :: atomic { !locked -> in_book[slot] = IN_FREE } /* shmframe_slots_abandon() */
        REACHED (abandoned, true)
     :: atomic { !locked -> locked = true; number++ }
        publish (PRODUCER, slot, number);
        REACHED (live, word[GENERATION (0, slot)] == GENERATION_WORD (number, LIVE));
#if IN_FLIGHT > 1
        pinned[slot] = true;
#endif
        locked = false
     fi
  :: else -> break
  od;

  published = true;
  ALL_GONE;
  fence (PRODUCER);
  scan (PRODUCER);
  atomic
  {
    for (each : 0 .. SLOTS - 1)
    {
      CHECK (property_slots_come_back, in_book[each] != IN_RETIRED)
    }
  }
}

/* drop_frame(): the producer's own pipeline lets go of a published frame. */
proctype Pipeline ()
{
  byte s;

end:
  do
  :: for (s : 0 .. SLOTS - 1)
     {
       if
       :: atomic { !locked && pinned[s] -> pinned[s] = false }
       :: true
       fi
     }
  od
}

#define WORD_OF(c, k) ((c) * HAZARDS + (k))

/* shmframe_slot_release(); i: the hazard word. */
inline end_lease (c, i)
{
#if defined(MUTATE_CLEAR_ACQUIRE)
  /* reads may come after the clearing store */
  store (1 + c, HAZARD (i), 0, RELAXED);
#endif
#if defined(MUTATE_INTACT_ACQUIRE)
  /* reads may come after the load of the generation */
  intact = INTACT (0, lease[i]);
  seen = word[PAYLOAD (0, SLOT (lease[i]))];
#else
  seen = word[PAYLOAD (0, SLOT (lease[i]))];
  atomic
  {
    intact = INTACT (0, lease[i]);
#endif
    CHECK (property_live_lease_is_intact, intact || !admitted[c]);
#ifndef MUTATE_INTACT_ACQUIRE
  }
#endif
  CHECK (property_intact_is_true, !intact || seen == SEQUENCE (lease[i]));
  REACHED (revoked, !intact);
  REACHED (revoked_and_overwritten, !intact && seen != SEQUENCE (lease[i]));
  REACHED (intact_though_retired,
           intact && STATE (word[GENERATION (0, SLOT (lease[i]))]) == RETIRED);
  atomic { seen = 0; intact = false; lease[i] = 0 }
#if !defined(MUTATE_CLEAR_ACQUIRE) && !defined(MUTATE_NEVER_CLEARS)
  store (1 + c, HAZARD (i), 0, RELEASE)
#endif
}

/* find_latest() and the frame's release, in any order that the quota allows. */
proctype Consumer (byte c)
{
  byte handle, last, seen, i;
  bool intact;

  {
    attached[c];
    i = WORD_OF (c, 0);
    do
    :: atomic
       {
         SEQUENCE (word[LATEST (0)]) > last && lease[i] == 0 ->
         handle = word[LATEST (0)];
         last = SEQUENCE (handle)
       }
       slot_lease (1 + c, 0, HAZARD (i), handle, lease[i]);
       CHECK (property_newest_can_be_leased, lease[i] != 0 || word[LATEST (0)] != handle);
       REACHED (refused, lease[i] == 0);
       handle = 0
    :: lease[i] != 0 -> end_lease (c, i)
#if HAZARDS > 1
    :: i = WORD_OF (c, (i - WORD_OF (c, 0) == 0 -> 1 : 0)) /* another frame */
#endif
#ifdef MUTATE_LEASE_MOVES
    :: lease[WORD_OF (c, 1)] != 0 && lease[WORD_OF (c, 0)] == 0 ->
       store (1 + c, HAZARD (WORD_OF (c, 0)), lease[WORD_OF (c, 1)], RELEASE);
       fence (1 + c);
       atomic { lease[WORD_OF (c, 0)] = lease[WORD_OF (c, 1)]; lease[WORD_OF (c, 1)] = 0 }
       store (1 + c, HAZARD (WORD_OF (c, 1)), 0, RELEASE)
#endif
#if HAZARDS > 1
    :: lease[WORD_OF (c, 0)] == 0 && lease[WORD_OF (c, 1)] == 0 -> break
#else
    :: lease[i] == 0 -> break
#endif
    od;
    atomic { i = 0; last = 0 }
    fence (1 + c);
    finished[c] = true
  }
  unless { killed[c] }
}

/* A hostile consumer: any handle that could hold up the producer, at any time. */
proctype Liar (byte c)
{
  byte s;

end:
  do
  :: finished[c] -> break
  :: else ->
     if
     :: published -> atomic { word[HAZARD (WORD_OF (c, 0))] = 0; finished[c] = true }
     :: s < SLOTS - 1 -> s++
     :: s > 0 -> s = 0
     :: atomic { word[HAZARD (WORD_OF (c, 0))] = HANDLE (sequence[s], s) }
     :: atomic { word[HAZARD (WORD_OF (c, 0))] = 0 }
     fi
  od
}

byte n_evicted, n_killed;

inline control (c)
{
  if
  :: atomic { !locked && !attached[c] -> attached[c] = true
#ifndef MUTATE_WELCOME_FIRST
       ; admitted[c] = true
#endif
     }
#ifdef MUTATE_WELCOME_FIRST
  :: atomic { !locked && attached[c] && !admitted[c] && !killed[c] -> admitted[c] = true }
#endif
  :: atomic { !locked && admitted[c] && killed[c] ->
       REACHED (dead_and_held_retired,
                lease[WORD_OF (c, 0)] != 0 &&
                in_book[SLOT (lease[WORD_OF (c, 0)])] == IN_RETIRED);
       admitted[c] = false }
  :: atomic { !locked && admitted[c] && !killed[c] && n_evicted < EVICTIONS ->
       REACHED (evicted_holding, lease[WORD_OF (c, 0)] != 0);
       n_evicted++;
       admitted[c] = false }
  :: atomic { attached[c] && !killed[c] && !finished[c] && n_killed < DEATHS ->
       REACHED (killed_holding, lease[WORD_OF (c, 0)] != 0);
       n_killed++;
       killed[c] = true }
  fi
}

/* The control thread, and the world: admission, death, eviction. */
proctype Control ()
{
end:
  do
  :: control (0)
#if CONSUMERS > 1
  :: control (1)
#endif
  od
}

init
{
  atomic
  {
    run_drains ();
    run Producer ();
    run Control ();
    run Consumer (0);
#if CONSUMERS > 1
#ifdef LIAR
    run Liar (1);
#else
    run Consumer (1);
#endif
#endif
#if IN_FLIGHT > 1
    run Pipeline ()
#endif
  }
}
