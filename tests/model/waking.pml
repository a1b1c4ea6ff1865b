/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bell and ticket: one producer that publishes up to FRAMES frames and then falls silent, ends
 * the segment or dies, one consumer that waits for each. (Each consumer has a bell of its own, so
 * one is all.)
 *
 *   (none)     sleeps armed on the bell
 *   -DUNARMED  as PREDICT: first a timed sleep on the bell, unarmed
 *   -DPOLL     polls the doorbell and the event descriptor
 *   -DRINGER   the second half of a ring comes from another thread, some time later
 */
#ifndef FRAMES
#define FRAMES 3
#endif

#define LATEST(view) 0
#define END(view) 1
#define TICKET(page) 2
#define BELL 3
#define GENERATION(view, slot) 0 /* not used here */
#define CONSUMED(page) 0
#define WAITING(view) 0
#define WORDS 4
#define WRITERS 2
#define DEPTH 3
#define PRODUCER 0
#define CONSUMER 1

#include "memory.pml"
#include "protocol.pml"

PROPERTY (property_every_frame_wakes);
PROPERTY (property_end_comes_last);
PROPERTY (property_one_ring_a_ticket);
PROPERTY (property_loss_ends_unarmed_sleep);

byte published;     /* ghost: frames, each stored and rung */
byte next = 1;      /* the consumer's */
bool ended;         /* ghost: `end` is stored and rung */
bool died;          /* the producer, at any step */
bool noticed;       /* by the consumer's control thread, which has rung */
bool attention;     /* under the consumer's own lock: not in shared memory */
bool asleep;        /* in FUTEX_WAIT on the bell */
bool sleeping;      /* ghost: armed, in FUTEX_WAIT or poll */
bool datagram;      /* in the doorbell: it holds one, a second is EAGAIN */
bool event;         /* the event descriptor of a polling consumer */
bool due;           /* the ringer's list */
byte last_rung;     /* ghost: the ticket of the last ring */

/* The bell and the tickets count in a circle of 16: coarser than 2^32, so that a sleep is only
 * more likely and a ring less. */
#define NEXT_BELL word[BELL] = (word[BELL] + 1) & 15

/* shmframe_slot_ring(): a read-modify-write, after all that was stored before. */
inline slot_ring (w)
{
#ifdef MUTATE_BELL_UNCHANGED
  skip
#else
#ifdef MUTATE_BELL_RELAXED
  NEXT_BELL
#else
  atomic { fence (w) -> NEXT_BELL }
#endif
#endif
}

/* shmframe_wake_sleeper() */
inline wake_sleeper ()
{
#ifndef MUTATE_WAKE_SLEEPER
  asleep = false;
#endif
#ifdef POLL
  atomic
  {
    REACHED (doorbell_full, datagram);
    datagram = true
  }
#else
  skip
#endif
}

/* shmframe_pool_ring() */
inline pool_ring ()
{
  ticket = word[TICKET (0)];
  if
  :: ticket != rung ->
     slot_ring (PRODUCER);
     atomic
     {
       CHECK (property_one_ring_a_ticket, ticket != last_rung);
       last_rung = ticket;
#ifndef MUTATE_RING_FORGETS
       rung = ticket
#endif
     }
#ifdef RINGER
     due = true
#else
     wake_sleeper ()
#endif
  :: else
  fi;
  ticket = 0
}

proctype Producer ()
{
  byte number, ticket, rung;

  {
    do
    :: number < FRAMES ->
       number++;
#ifdef MUTATE_RING_BEFORE_LATEST
       pool_ring ();
#endif
       store (PRODUCER, LATEST (0), HANDLE (number, 0), RELEASE);
#ifndef MUTATE_RING_FENCE
       fence (PRODUCER);
#endif
#ifndef MUTATE_RING_BEFORE_LATEST
       pool_ring ();
#endif
       published = number
    :: true -> break
    od;
    if
    :: true -> /* shmframe_slot_end() */
       store (PRODUCER, END (0), number + 1, END_ORDER);
#ifndef MUTATE_END_FENCE
       fence (PRODUCER);
#endif
       pool_ring ();
       ended = true
    :: true
    fi
  }
  unless { died }
}

/* When nothing moves any more, the consumer must have seen all; then it is let go. */
proctype Judge ()
{
  timeout ->
  CHECK (property_every_frame_wakes, !sleeping || (next > published && !ended && !died));
  atomic { attention = true; asleep = false; event = true }
}

/* The ringer's thread, ringer.c. It wakes whoever is due, once for all that was asked meanwhile. */
proctype Ringer ()
{
end:
  do
  :: atomic { due -> due = false }
     wake_sleeper ()
  od
}

/* The consumer's control thread: the producer's end, shmframe_client_wake(). Rings whatever the
 * ticket. */
proctype Client ()
{
  byte old;

end:
  died;
  attention = true;
#ifndef MUTATE_LOSS_SILENT
#ifdef MUTATE_LOSS_NEEDS_TICKET
  if
  :: word[TICKET (0)] != old -> NEXT_BELL; asleep = false; event = true
  :: else
  fi;
#else
  NEXT_BELL;
  asleep = false;
  event = true;
#endif
#endif
  noticed = true
}

/* something_came() */
inline look_again (ready)
{
  ready = attention;
  if
  :: !ready -> ready = (SEQUENCE (word[LATEST (0)]) >= next);
     if
     :: !ready -> ready = (word[END (0)] != 0)
     :: else
     fi
  :: else
  fi
}

/* futex_wait() */
inline futex_wait (bell)
{
  atomic
  {
    REACHED (bell_forestalls_sleep, word[BELL] != bell);
    asleep = (word[BELL] == bell)
  }
}

/* shmframe_wake_arm() */
inline arm ()
{
#ifdef MUTATE_TICKET_REUSED
  ticket = 1;
#else
  ticket = (ticket & 15) + 1;
#endif
  slot_arm (CONSUMER, 0, ticket)
}

/* sleep_unarmed(): the time may be over at any moment. */
inline sleep_unarmed ()
{
  do
  :: bell = word[BELL];
     look_again (ready);
     if
     :: ready -> break
     :: else -> futex_wait (bell)
     fi;
     if
     :: !asleep
     :: atomic
        {
          asleep ->
          CHECK (property_loss_ends_unarmed_sleep, !noticed);
          REACHED (unarmed_sleep_times_out, true);
          asleep = false;
          break
        }
     fi
  od
}

/* sleep_armed() */
inline sleep_armed ()
{
  do
  :: true ->
#ifndef MUTATE_BELL_READ_LATE
     bell = word[BELL];
#endif
     arm ();
#ifndef MUTATE_NO_RECHECK
     look_again (ready);
     if
     :: ready -> break
     :: else
     fi;
#endif
#ifdef MUTATE_BELL_READ_LATE
     bell = word[BELL];
#endif
     futex_wait (bell);
     REACHED (armed_and_asleep, asleep);
     sleeping = true;
     !asleep;
     sleeping = false;
     REACHED (woken, true)
  od
}

/* wait_polling(): drain, arm, re-check, poll. */
inline poll ()
{
#ifndef MUTATE_POLL_DRAINS_LATE
  datagram = false;
  event = false;
#endif
  arm ();
  look_again (ready);
#ifdef MUTATE_POLL_DRAINS_LATE
  datagram = false;
  event = false;
#endif
  if
  :: ready
  :: else ->
     REACHED (polling, !datagram && !event);
     sleeping = true;
     (datagram || event);
     sleeping = false
  fi
}

/* shmframe_delivery_next(), for every frame. */
proctype Consumer ()
{
  byte bell, ticket;
  bool ready, lost, is_end;

  do
  :: true ->
     lost = attention;
#ifndef MUTATE_END_READ_LAST
     is_end = (word[END (0)] != 0);
#endif
     next = (SEQUENCE (word[LATEST (0)]) >= next -> SEQUENCE (word[LATEST (0)]) + 1 : next);
#ifdef MUTATE_END_READ_LAST
     is_end = (word[END (0)] != 0);
#endif
     if
     :: lost || is_end -> break
     :: else
     fi;
     look_again (ready);
     if
     :: ready -> skip
     :: else ->
#ifdef POLL
        poll ()
#else
#ifdef UNARMED
        sleep_unarmed ();
        if
        :: ready
        :: else -> sleep_armed ()
        fi
#else
        sleep_armed ()
#endif
#endif
     fi;
     atomic { bell = 0; ready = false }
  od;
  REACHED (lost, died && lost);
  REACHED (ended, is_end);
  CHECK (property_end_comes_last, lost || next > published)
}

init
{
  atomic
  {
    run_drains ();
    run Producer ();
    run Consumer ();
    run Client ();
    run Judge ();
#ifdef RINGER
    run Ringer ()
#endif
  }
  /* SIGKILL, at any moment or never */
  if
  :: true -> died = true
  :: true
  fi
}
