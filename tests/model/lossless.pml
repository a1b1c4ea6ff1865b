/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lossless back-pressure: publish waits while a lossless consumer is WINDOW published frames
 * behind, on that consumer's consumed word; nothing after its consumed is retired. PUBLISHERS are
 * threads of one producer, each with a slot in its hands. The producer drops up to DROPS
 * sequences, BURST at a time.
 *
 *   -DORDERED        an ordered consumer instead: nobody waits for it, what it misses it counts
 *   -DMORTAL         the consumer may be killed, or stopped for good, at any step
 *   -DLIVE_PRODUCER  a live producer, which evicts and never waits
 */
#ifndef PUBLISHERS
#define PUBLISHERS 1
#endif
#ifndef FRAMES
#define FRAMES 3
#endif
#ifndef SLOTS
#define SLOTS 3
#endif
#ifndef WINDOW
#define WINDOW 1
#endif
#ifndef DROPS
#define DROPS 0
#endif
#ifndef BURST
#define BURST 1
#endif
#define RING_SIZE 8 /* at least twice the slots */

#define GENERATION(view, slot) (slot)
#define PAYLOAD(view, slot) (SLOTS + (slot))
#define RING(view, number) (2 * SLOTS + ((number) & (RING_SIZE - 1)))
#define LATEST(view) (2 * SLOTS + RING_SIZE)
#define WAITING(view) (2 * SLOTS + RING_SIZE + 1)
#define CONSUMED(page) (2 * SLOTS + RING_SIZE + 2)
#define HAZARD(i) (2 * SLOTS + RING_SIZE + 3)
#define LOCK (2 * SLOTS + RING_SIZE + 4)
#define END(view) (2 * SLOTS + RING_SIZE + 5) /* stays 0 here */
#define TICKET(page) 0
#define WORDS (2 * SLOTS + RING_SIZE + 6)
#define WRITERS (PUBLISHERS + 1)
#define CONSUMER PUBLISHERS
#define DEPTH 4

#include "memory.pml"
#include "protocol.pml"

#define HAZARD_WORDS 1
bool admitted = true;
byte lease; /* what the consumer may rely on: a handle, or 0 */
#define ADMITTED(i) admitted
#define IS_LEASED(s) (lease != 0 && SLOT (lease) == s && admitted)

#include "book.pml"

PROPERTY (property_no_frame_lost);
PROPERTY (property_in_order);
PROPERTY (property_intact_is_true);
PROPERTY (property_live_lease_is_intact);
PROPERTY (property_live_producer_never_waits);

bool killed, stopped;
byte number;             /* newest sequence that was assigned */
byte known_consumed;     /* ShmFrameReader.consumed */
byte recent[WINDOW];     /* the newest published sequences, a ring */
byte n_published, n_dropped, n_begun, n_waiting;
bool asleep[PUBLISHERS]; /* in FUTEX_WAIT on the consumed word */
int was_published;       /* a bit for each sequence */

#define WAS_PUBLISHED(n) ((was_published >> (n)) & 1)

/* The pool's lock: taken by a read-modify-write, given back by a release store. */
#define UNLOCKED (word[LOCK] == 0)
inline lock () { atomic { UNLOCKED -> word[LOCK] = 1 } }
inline unlock (p) { store (p, LOCK, 0, RELEASE) }

/* refresh_consumers() */
inline refresh_consumed ()
{
  d_step
  {
    if
    :: word[CONSUMED (0)] > known_consumed ->
       known_consumed = (word[CONSUMED (0)] < newest -> word[CONSUMED (0)] : newest)
    :: else
    fi;
    ordered_limit = (admitted -> known_consumed : 255);
#ifdef MUTATE_TAKE_UNCONSUMED
    ordered_limit = 255;
#endif
#ifndef ORDERED
    lossless_limit = (admitted -> known_consumed : 255)
#endif
  }
}

/* find_full(): the WINDOW-th newest published sequence has not been consumed. */
#define WINDOW_FULL (n_published >= WINDOW && known_consumed < recent[n_published % WINDOW])

/* Or the ring entry that the next frame takes is that of a frame which has not been consumed:
 * dropped sequences do not count for the window, but they do for the ring. */
#define LAPS(r) (r > known_consumed && r + RING_SIZE <= number + 1)
#if defined(MUTATE_RING_LAP)
#define RING_FULL false
#elif WINDOW == 1
#define RING_FULL LAPS (recent[0])
#else
#define RING_FULL (LAPS (recent[0]) || LAPS (recent[1]))
#endif

#if defined(MUTATE_NO_WINDOW) || defined(ORDERED)
#define FULL false
#else
#define FULL (admitted && (WINDOW_FULL || RING_FULL))
#endif

#ifdef LIVE_PRODUCER
#define IS_LIVE true
#else
#define IS_LIVE false
#endif
#ifdef MUTATE_LIVE_WAITS
#define EVICTS_AT_ONCE false
#else
#define EVICTS_AT_ONCE IS_LIVE
#endif
#ifdef MUTATE_NO_STALL_LIMIT
#define STALLED false
#else
#define STALLED stopped
#endif
#ifdef MUTATE_NO_SLICE
#define SLICE_OVER false
#else
#define SLICE_OVER (!admitted || STALLED)
#endif

/* shmframe_wake_wait_consumed(): ends by a wake, or with its slice when something else has
 * changed. */
inline wait_consumed (p)
{
#ifdef MUTATE_FUTEX_WORD_UNCHANGED
  asleep[p] = true; /* the planted bug: the kernel compares a word that nobody changes */
#else
  asleep[p] = (word[CONSUMED (0)] == seen);
#endif
  REACHED (producer_asleep, asleep[p]);
  if
  :: !asleep[p]
  :: atomic { asleep[p] && SLICE_OVER -> asleep[p] = false }
     REACHED (slice_over, true)
  fi
}

/* wait_for_reader() */
inline wait_for_reader (p)
{
  CHECK (property_live_producer_never_waits, !IS_LIVE);
  atomic { n_waiting++; wait_known = known_consumed }
#ifndef MUTATE_WAITING_NOT_RAISED
  slot_set_waiting (p, 0, 1);
#endif
  seen = word[CONSUMED (0)];
  REACHED (waiting, true);
  unlock (p);
  if
  :: seen <= wait_known -> wait_consumed (p)
  :: else -> REACHED (recheck_forestalls_sleep, true)
  fi;
  atomic { seen = 0; wait_known = 0 }
  lock ();
  n_waiting--;
  if
#ifdef MUTATE_WAITING_LOWERED_EARLY
  :: true -> slot_set_waiting (p, 0, 0)
#else
  :: n_waiting == 0 -> slot_set_waiting (p, 0, 0)
  :: else
#endif
  fi
}

/* wait_for_lossless() */
inline wait_for_lossless (p)
{
  do
  :: refresh_consumed ();
     if
     :: FULL && (EVICTS_AT_ONCE || STALLED) ->
        REACHED (evicted_while_stopped, stopped);
        REACHED (evicted_at_once, !stopped);
        admitted = false
     :: FULL && !(EVICTS_AT_ONCE || STALLED) ->
        REACHED (ring_full, !WINDOW_FULL);
        wait_for_reader (p)
     :: else -> break
     fi
  od
}

proctype Publisher (byte p)
{
  byte slot, each, seen, wait_known;
  bool fresh;

  do
  :: atomic { n_begun < FRAMES -> n_begun++ }
     /* shmframe_publish_acquire() */
     lock ();
     refresh_consumed ();
     take (p);
     unlock (p);
     /* shmframe_publish_frame() */
     lock ();
     wait_for_lossless (p);
     atomic
     {
       number++;
       was_published = was_published | (1 << number)
     }
     store (p, PAYLOAD (0, slot), number, RELAXED);
     publish (p, slot, number);
     atomic
     {
       recent[n_published % WINDOW] = number;
       n_published++
     }
     unlock (p)
  :: else -> break
  od
}

/* shmframe_publish_drop(), at any time. */
proctype Dropper ()
{
end:
  do
  :: atomic
     {
       UNLOCKED && n_dropped < DROPS && n_begun < FRAMES ->
       n_dropped = n_dropped + BURST;
       number = number + BURST
     }
  od
}

/* shmframe_attachment_consume(), with shmframe_wake_consumed(). */
inline consume ()
{
  if
  :: next - 1 > consumed ->
     consumed = next - 1;
     slot_consume (CONSUMER, 0, 0, consumed, wake);
#ifndef MUTATE_CONSUME_NO_WAKE
     d_step
     {
       if
       :: wake ->
          asleep[0] = false;
#if PUBLISHERS > 1
          asleep[1] = false
#endif
       :: else
       fi
     }
#endif
     wake = false
  :: else
  fi
}

/* pass_to(), by one. */
inline pass_one ()
{
  atomic
  {
#ifdef ORDERED
    REACHED (drop_counted, WAS_PUBLISHED (next));
#else
    CHECK (property_no_frame_lost, !WAS_PUBLISHED (next) || !admitted);
#endif
    REACHED (dropped_frame_passed, !WAS_PUBLISHED (next));
    next++
  }
}

/* shmframe_slot_find() */
#ifdef MUTATE_RING_NO_CHECK
#define FOUND(handle) (handle != 0)
#else
#define FOUND(handle) (SEQUENCE (handle) == next)
#endif

inline end_lease ()
{
  seen = word[PAYLOAD (0, SLOT (lease))];
  atomic
  {
    intact = INTACT (0, lease);
    CHECK (property_live_lease_is_intact, intact || !admitted)
  }
  CHECK (property_intact_is_true, !intact || seen == SEQUENCE (lease));
  atomic { seen = 0; intact = false; lease = 0 }
  store (CONSUMER, HAZARD (0), 0, RELEASE)
}

/* find_ordered() and what follows it, for each frame; the waiting for frames is in waking.pml. */
proctype Consumer ()
{
  byte next = 1, consumed, latest, handle, seen;
  bool wake, intact;

  {
    do
#ifdef MUTATE_LATEST_ACQUIRE
    :: handle == 0 -> handle = word[RING (0, next)] /* loaded before latest */
#endif
    :: atomic
       {
         SEQUENCE (word[LATEST (0)]) >= next ->
         latest = SEQUENCE (word[LATEST (0)])
       }
       /* The ring has no more than its size. */
       do
       :: latest > next + RING_SIZE - 1 -> pass_one ()
       :: else -> break
       od;
       do
       :: next <= latest ->
#ifndef MUTATE_LATEST_ACQUIRE
          handle = word[RING (0, next)];
#endif
#ifdef MUTATE_CONSUME_BEFORE_LEASE
          next++;
          consume ();
          next--;
#endif
          if
          :: FOUND (handle) -> slot_lease (CONSUMER, 0, HAZARD (0), handle, lease)
          :: else
          fi;
          if
          :: lease != 0 ->
             CHECK (property_in_order, SEQUENCE (lease) == next);
             next++;
             consume ();
             end_lease ();
             break
          :: else -> pass_one ()
          fi
       :: else -> consume (); break
       od;
       atomic { latest = 0; handle = 0 }
    :: atomic { n_published == FRAMES && next > newest -> break }
    od
  }
  unless { killed || stopped }
}

/* The control thread, and the world. */
proctype Control ()
{
  if
  :: true -> killed = true; REACHED (killed_while_waited_for, asleep[0]);
     atomic { UNLOCKED -> admitted = false } /* shmframe_pool_remove() */
  :: true -> stopped = true; REACHED (stopped_while_waited_for, asleep[0])
  fi
}

init
{
  atomic
  {
    run_drains ();
    run Publisher (0);
#if PUBLISHERS > 1
    run Publisher (1);
#endif
#if DROPS > 0
    run Dropper ();
#endif
#ifdef MORTAL
    run Control ();
#endif
    run Consumer ()
  }
}
