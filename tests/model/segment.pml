/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A change of segment: the producer publishes and changes the format as it likes, its control
 * thread sends the new segments, the consumer's control thread queues them and rings, the
 * consumer leases in order, waits, enters and acknowledges; it holds its first lease to the end.
 * The waiting and the window (1) are as in waking.pml and lossless.pml. Slots are reused there
 * and in slot.pml, not within a segment here: so there are no hazards, and what stands behind
 * `latest` is stored and loaded in one step. Counters that are only compared are bits here:
 * whether the bell has changed since it was read, whether the ticket differs from the last one
 * rung, whether attention was called since the last look.
 *
 *   -DORDERED        an ordered consumer: nobody waits for it, evicted when two changes behind
 *   -DSEGMENT_EARLY  SEGMENT may be sent while frames are still published into the old segment
 *   -DMORTAL         the consumer may be stopped for good
 */
#ifndef FRAMES
#define FRAMES 2
#endif
#ifndef SEGMENTS
#define SEGMENTS 3
#endif
#ifndef DROPS
#define DROPS 1
#endif
#define SLOTS 2
#define RING_SIZE 4

#define SEGMENT_WORDS (2 * SLOTS + RING_SIZE + 3)
#define GENERATION(view, slot) ((view) * SEGMENT_WORDS + (slot))
#define PAYLOAD(view, slot) ((view) * SEGMENT_WORDS + SLOTS + (slot))
#define RING(view, number) ((view) * SEGMENT_WORDS + 2 * SLOTS + ((number) & (RING_SIZE - 1)))
#define LATEST(view) ((view) * SEGMENT_WORDS + 2 * SLOTS + RING_SIZE)
#define END(view) ((view) * SEGMENT_WORDS + 2 * SLOTS + RING_SIZE + 1)
#define WAITING(view) ((view) * SEGMENT_WORDS + 2 * SLOTS + RING_SIZE + 2)
#define TICKET(page) (SEGMENTS * SEGMENT_WORDS)
#define BELL (SEGMENTS * SEGMENT_WORDS + 1)
#define CONSUMED(page) (SEGMENTS * SEGMENT_WORDS + 2)
#define WORDS (SEGMENTS * SEGMENT_WORDS + 3)
#define WRITERS 2
#define DEPTH 3
#define PRODUCER 0
#define CONSUMER 1

#include "memory.pml"
#include "protocol.pml"

PROPERTY (property_no_frame_lost);
PROPERTY (property_lease_succeeds);
PROPERTY (property_old_lease_is_intact);
PROPERTY (property_intact_is_true);
PROPERTY (property_one_segment_in_flight);
PROPERTY (property_all_delivered);

#define BYE 100
#define EVICTED 101

chan to_client = [3] of { byte }; /* SEGMENT (its number), BYE, EVICTED */
chan to_server = [2] of { byte }; /* SEGMENT_SEEN */
chan queue = [2] of { byte };     /* segments that the consumer has yet to enter */

/* the producer's, under the pool's lock */
byte newest_segment, segment_seen;
byte newest;                 /* published sequence */
bool admitted = true, closed, judged;
int was_published;
#define WAS_PUBLISHED(n) ((was_published >> (n)) & 1)

/* the consumer's, under its client's lock, which a look holds: a step that reads them is atomic */
bool attention, lost, evicted;
bool looking;
byte view, next = 1; /* the segment that it reads from, the frame that comes next */
bool reader_asleep, producer_asleep, stopped;

/* shmframe_wake_ring() */
inline ring_bell ()
{
  word[BELL] = 1;
  reader_asleep = false
}

/* ---- producer ---- */

/* shmframe_pool_ring() */
inline pool_ring ()
{
  if
  :: atomic { word[TICKET (0)] != 0 && admitted -> word[TICKET (0)] = 0 }
     ring_bell ()
  :: word[TICKET (0)] == 0 || !admitted
  fi
}

#ifdef ORDERED
#define FULL false
#define WAITS_FOR_READER false
#else
#define FULL (admitted && newest > word[CONSUMED (0)])
#define WAITS_FOR_READER true
#endif

/* wait_for_lossless(), with a window of 1; details in lossless.pml */
inline wait_for_lossless ()
{
  do
  :: FULL && stopped -> admitted = false
  :: FULL && !stopped ->
     slot_set_waiting (PRODUCER, segment, 1);
     seen = word[CONSUMED (0)];
     if
     :: seen < newest ->
        producer_asleep = (word[CONSUMED (0)] == seen);
        REACHED (producer_waits_for_old_segment, producer_asleep && segment_seen < segment);
        (!producer_asleep || stopped)
     :: else
     fi;
     seen = 0;
     slot_set_waiting (PRODUCER, segment, 0)
  :: !FULL -> break
  od
}

/* settle_segments(): a lossless consumer is waited for; evict_behind(): another is evicted. */
inline settle_segments ()
{
#ifdef MUTATE_NO_SETTLE
  skip
#else
  if
  :: WAITS_FOR_READER -> (segment_seen == newest_segment || stopped || !admitted)
  :: else
  fi;
  atomic
  {
    if
    :: segment_seen < newest_segment && admitted ->
       admitted = false;
       REACHED (evicted_two_behind, true)
    :: else
    fi
  }
#endif
}

/* shmframe_pool_set_format(), replace_segment() */
inline change_format ()
{
  settle_segments ();
  newest_segment++
}

/* The old segment is never written again after this. */
inline end_segment ()
{
#ifdef MUTATE_OLD_RETIRED
  word[GENERATION (segment, 0)] = (word[GENERATION (segment, 0)] & 252) | RETIRED;
#endif
#ifdef MUTATE_END_UNRUNG
  store (PRODUCER, END (segment), number + 1, END_ORDER);
  fence (PRODUCER);
#else
  store (PRODUCER, END (segment), number + 1, END_ORDER);
#ifndef MUTATE_END_FENCE
  fence (PRODUCER);
#endif
  pool_ring ();
#endif
  atomic { segment++; in_segment = 0 }
}

proctype Publisher ()
{
  byte segment, in_segment, number, seen, n_dropped, n_frames;
  bool acquired;

  do
  :: n_frames < FRAMES && in_segment < SLOTS ->
     n_frames++;
#ifdef MUTATE_PUBLISH_INTO_OLD
     /* acquired before a change of format by another thread, and not refused: check_frame() */
     acquired = (segment > 0 && in_segment == 0);
#endif
     wait_for_lossless ();
#ifdef MUTATE_OLD_WRITTEN
     /* after everybody has left it */
     if
     :: segment > 0 && segment_seen == segment ->
        word[GENERATION (segment - 1, 0)] = word[GENERATION (segment - 1, 0)] | WRITING
     :: else
     fi;
#endif
     atomic
     {
       number++;
       was_published = was_published | (1 << number);
       word[PAYLOAD (segment - acquired, in_segment)] = number;
       word[GENERATION (segment - acquired, in_segment)] = GENERATION_WORD (number, LIVE);
       word[RING (segment - acquired, number)] = HANDLE (number, in_segment)
     }
     store (PRODUCER, LATEST (segment - acquired), HANDLE (number, in_segment), RELEASE);
     fence (PRODUCER);
     newest = number;
     pool_ring ();
     in_segment++
  :: n_dropped < DROPS -> atomic { n_dropped++; number++ }
  :: newest_segment == segment && newest_segment < SEGMENTS - 1 ->
     change_format ();
#ifdef SEGMENT_EARLY
  :: newest_segment > segment ->
#endif
     end_segment ()
  :: n_frames == FRAMES && newest_segment == segment -> break
  od;
  fence (PRODUCER);
  if
  :: true -> judged /* silent for a while */
  :: true
  fi;
  closed = true
}

/* When nothing moves any more, the consumer must have come to the end. */
proctype Judge ()
{
  timeout ->
  CHECK (property_all_delivered, !admitted || stopped || (next > newest && view == newest_segment));
  judged = true
}

/* The producer's control thread: send_segment(), tell_eviction(), BYE after all that is due. */
proctype Server ()
{
  byte sent, got;

end:
  do
  :: atomic { admitted && sent < newest_segment -> sent = newest_segment; to_client ! sent }
  :: to_server ? got ->
     atomic { segment_seen = (got > segment_seen -> got : segment_seen); got = 0 }
  :: atomic { !admitted -> to_client ! EVICTED; break }
#ifdef MUTATE_BYE_FIRST
  :: atomic { closed && admitted -> to_client ! BYE; break }
#else
  :: atomic { closed && admitted && sent == newest_segment -> to_client ! BYE; break }
#endif
  od;
end_draining:
  do
  :: to_server ? got -> got = 0
  od
}

/* ---- consumer ---- */

/* The control thread: on_segment(), end_connection(), shmframe_client_wake(). */
proctype Client ()
{
  byte got;

end:
  do
  :: atomic { !looking && nempty (to_client) ->
       to_client ? got;
       if
       :: got < BYE ->
          queue ! got;
          CHECK (property_one_segment_in_flight, len (queue) <= 1)
       :: else -> lost = true; evicted = (got == EVICTED)
       fi }
     atomic { got = 0; attention = true }
#ifndef MUTATE_ATTENTION_SILENT
     ring_bell ()
#endif
  od
}

/* something_came() */
inline something_came ()
{
  ready = attention;
  if
  :: !ready -> ready = (SEQUENCE (word[LATEST (view)]) >= next);
     if
     :: !ready -> ready = (!waits_for_segment && word[END (view)] != 0)
     :: else
     fi
  :: else
  fi
}

/* shmframe_attachment_consume() */
inline consume ()
{
  if
  :: next - 1 > consumed ->
     consumed = next - 1;
     slot_consume (CONSUMER, view, 0, consumed, wake);
     if
     :: wake -> producer_asleep = false
     :: else
     fi;
     wake = false
  :: else
  fi
}

/* pass_to() */
inline pass_one ()
{
  CHECK (property_no_frame_lost, !WAS_PUBLISHED (next) || !admitted);
  next++
}

/* find_ordered() */
inline find_ordered ()
{
  atomic
  {
    do
    :: next <= latest && SEQUENCE (word[RING (view, next)]) == next ->
       handle = word[RING (view, next)];
       CHECK (property_lease_succeeds,
              word[GENERATION (view, SLOT (handle))] == GENERATION_WORD (next, LIVE));
       next++;
       found = true;
       break
    :: next <= latest && SEQUENCE (word[RING (view, next)]) != next -> pass_one ()
    :: else -> break
    od;
    if
    :: found && held == 0 -> held = handle; held_view = view
    :: else
    fi;
    handle = 0
  }
  if
  :: found -> consume ()
  :: else
  fi
}

/* The verdict on the first lease. */
inline end_lease ()
{
  atomic
  {
    CHECK (property_old_lease_is_intact, INTACT (held_view, held));
    CHECK (property_intact_is_true,
           word[PAYLOAD (held_view, SLOT (held))] == SEQUENCE (held));
    REACHED (old_segment_lease_ended, held_view < view);
    held = 0
  }
}

/* enter_next_segment() */
inline enter_next_segment ()
{
  atomic
  {
    do
    :: next < end_sequence -> pass_one ()
    :: else -> break
    od
  }
  consume ();
  atomic
  {
    queue ? view;
    REACHED (entered, true);
    to_server ! view
  }
}

/* shmframe_attachment_find(), with the client's lock held */
inline find ()
{
  do
  :: true ->
#ifdef MUTATE_END_READ_LAST
     latest = SEQUENCE (word[LATEST (view)]);
     end_sequence = word[END (view)];
#else
     end_sequence = word[END (view)];
     latest = SEQUENCE (word[LATEST (view)]);
#endif
     find_ordered ();
     if
     :: found -> break
     :: !found && end_sequence == 0 -> consume (); break
     :: !found && end_sequence != 0 && empty (queue) ->
        REACHED (ended_without_the_next, true);
        break
     :: !found && end_sequence != 0 && nempty (queue) -> enter_next_segment ()
     fi
  od;
  atomic { latest = 0; end_sequence = 0 }
}

/* sleep_armed() */
inline wait ()
{
  waits_for_segment = (empty (queue) && word[END (view)] != 0);
  do
  :: true ->
     word[BELL] = 0;
     slot_arm (CONSUMER, 0, 1);
     something_came ();
     if
     :: ready -> break
     :: else
     fi;
     reader_asleep = (word[BELL] == 0);
     REACHED (asleep_for_segment, reader_asleep && waits_for_segment);
     !reader_asleep
  od;
  atomic { ready = false; waits_for_segment = false }
}

/* shmframe_delivery_next(), for each frame */
proctype Reader ()
{
  byte consumed, latest, end_sequence, handle, held, held_view;
  bool found, wake, ready, waits_for_segment;

  {
    do
    :: true ->
#ifdef MUTATE_ATTENTION_READ_LATE
       looking = true;
#else
       atomic { looking = true; attention = false }
#endif
       if
       :: evicted -> looking = false; break
       :: else
       fi;
       find ();
       if
       :: !found && lost -> looking = false; break
       :: else
       fi;
       looking = false;
#ifdef MUTATE_ATTENTION_READ_LATE
       attention = false;
#endif
       if
       :: found ->
          found = false
       :: else -> wait ()
       fi
    od;
    if
    :: held != 0 -> end_lease ()
    :: else
    fi;
#ifndef ORDERED
    CHECK (property_all_delivered, evicted || next > newest)
#endif
  }
  unless { stopped }
}

init
{
  atomic
  {
    run_drains ();
    run Publisher ();
    run Server ();
    run Client ();
    run Judge ();
    run Reader ()
  }
#ifdef MORTAL
  if
  :: true -> stopped = true
  :: true
  fi
#endif
}
