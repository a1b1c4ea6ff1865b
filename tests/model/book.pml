/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/api/slots.c: the producer's private book and how it takes a slot, for history = 1. A model
 * defines SLOTS, HAZARD_WORDS (of all consumers), ADMITTED (i) and HAZARD (i) of each of them.
 */
#define IN_FREE 0
#define IN_WRITING 1
#define IN_LIVE 2
#define IN_RETIRED 3

byte in_book[SLOTS];
byte sequence[SLOTS]; /* of the frame in it, or last in it */
bool pinned[SLOTS];
bool marked[SLOTS]; /* seen held in the last pass */
byte newest;          /* published sequence */

PROPERTY (property_slot_is_found);
PROPERTY (property_lease_not_overwritten);
PROPERTY (property_pin_not_overwritten);

#define IS_FREE(s) (in_book[s] == IN_FREE)
#if SLOTS == 4
#define ANY_FREE (IS_FREE (0) || IS_FREE (1) || IS_FREE (2) || IS_FREE (3))
#elif SLOTS == 3
#define ANY_FREE (IS_FREE (0) || IS_FREE (1) || IS_FREE (2))
#else
#define ANY_FREE (IS_FREE (0) || IS_FREE (1))
#endif

/* What stays: the newest frame. */
#ifdef MUTATE_TAKE_HISTORY
#define IN_HISTORY(s) false
#else
#define IN_HISTORY(s) (sequence[s] == newest)
#endif
#ifdef MUTATE_TAKE_PINNED
#define PINNED(s) false
#else
#define PINNED(s) pinned[s]
#endif
#ifdef MUTATE_TAKE_UNCONSUMED
#define LOSSLESS_LIMIT 255
#else
#define LOSSLESS_LIMIT lossless_limit
#endif

byte ordered_limit = 255;  /* consumed by every ordered and lossless consumer */
byte lossless_limit = 255; /* consumed by every lossless consumer */

/* warmest() */
inline pick_warmest (slot)
{
  d_step
  {
    slot = NONE;
    for (each : 0 .. SLOTS - 1)
    {
      if
      :: in_book[each] == IN_LIVE && !IN_HISTORY (each) && !PINNED (each) &&
         sequence[each] <= LOSSLESS_LIMIT && sequence[each] <= ordered_limit &&
         (slot == NONE || sequence[each] > sequence[slot]) ->
         slot = each
      :: else
      fi
    }
    each = 0
  }
}

/* oldest_unheld() */
inline pick_oldest (slot)
{
  d_step
  {
    slot = NONE;
    for (each : 0 .. SLOTS - 1)
    {
      if
      :: in_book[each] == IN_LIVE && !IN_HISTORY (each) && !PINNED (each) && !marked[each] &&
         sequence[each] <= LOSSLESS_LIMIT && (slot == NONE || sequence[each] < sequence[slot]) ->
         slot = each
      :: else
      fi
    }
    each = 0
  }
}

/* retire() */
inline retire (w, slot)
{
  in_book[slot] = IN_RETIRED;
  slot_retire (w, 0, slot, sequence[slot])
}

/* shmframe_slots_mark() for one hazard word: its whole handle must match. */
inline look_at_hazard (i)
{
  if
  :: ADMITTED (i) && word[HAZARD (i)] != 0 && SLOT (word[HAZARD (i)]) < SLOTS &&
     sequence[SLOT (word[HAZARD (i)])] == SEQUENCE (word[HAZARD (i)]) ->
     marked[SLOT (word[HAZARD (i)])] = true
  :: else
  fi
}

/* scan_hazards(): the retired slots that nobody holds become free. */
inline scan (w)
{
  d_step
  {
    for (each : 0 .. SLOTS - 1)
    {
      marked[each] = false
    }
    each = 0
  }
#ifndef MUTATE_SCAN_FENCE
  fence (w);
#endif
#ifndef MUTATE_SCAN_NOTHING
  do
#ifdef MUTATE_SCAN_FIRST_WORD
  :: each == 1 -> break
  :: each == 0 -> atomic { look_at_hazard (each); each++ }
#else
  :: each < HAZARD_WORDS -> atomic { look_at_hazard (each); each++ }
#endif
  :: each == HAZARD_WORDS -> break
  od;
#endif
  atomic
  {
    for (each : 0 .. SLOTS - 1)
    {
      REACHED (held_retired, in_book[each] == IN_RETIRED && marked[each]);
      REACHED (retired_and_unheld, in_book[each] == IN_RETIRED && !marked[each]);
      if
#ifdef MUTATE_SCAN_FORGETS_RETIRED
      :: in_book[each] == IN_RETIRED && !marked[each] && each == slot -> in_book[each] = IN_FREE
#else
      :: in_book[each] == IN_RETIRED && !marked[each] -> in_book[each] = IN_FREE
#endif
      :: else
      fi
    }
    each = 0
  }
}

/* warmest() and its pass. The planted bug looks at the hazards before it stores RETIRED. */
inline take_warmest (w)
{
  pick_warmest (slot);
  if
  :: slot != NONE ->
#ifdef MUTATE_SCAN_BEFORE_RETIRE
     in_book[slot] = IN_RETIRED;
     scan (w);
     slot_retire (w, 0, slot, sequence[slot]);
     fence (w)
#else
#ifdef MUTATE_HAZARD_ACQUIRE
     /* what the next frame stores may come before the hazards are read */
     store (w, PAYLOAD (0, slot), newest + 1, RELAXED);
#endif
     retire (w, slot);
     scan (w)
#endif
  :: else
  fi
}

/* free_oldest() */
inline free_oldest (w)
{
  do
  :: ANY_FREE -> break
  :: else ->
     pick_oldest (slot);
     CHECK (property_slot_is_found, slot != NONE || !fresh);
     /* only in a pool below the rule; then it is the last resort before NO_SLOT */
     REACHED (pass_without_retiring, slot == NONE);
     REACHED (retired_unconsumed, slot != NONE && sequence[slot] > ordered_limit);
     if
     :: slot != NONE -> retire (w, slot)
     :: else
     fi;
     scan (w);
     fresh = true
  od;
  fresh = false
}

/* shmframe_slots_take(), with the lock held. Which free slot is taken is left open. */
inline take (w)
{
  take_warmest (w);
  free_oldest (w);
  atomic
  {
    if
    :: IS_FREE (0) -> slot = 0
    :: IS_FREE (1) -> slot = 1
#if SLOTS > 2
    :: IS_FREE (2) -> slot = 2
#endif
#if SLOTS > 3
    :: IS_FREE (3) -> slot = 3
#endif
    fi;
    in_book[slot] = IN_WRITING;
    CHECK (property_lease_not_overwritten, !IS_LEASED (slot));
    CHECK (property_pin_not_overwritten, !pinned[slot])
  }
  slot_write (w, 0, slot, sequence[slot])
}

/* shmframe_slots_publish() and send_out(), with the lock held; pool_ring() is in the other
 * models. */
inline publish (w, slot, number)
{
  in_book[slot] = IN_LIVE;
  sequence[slot] = number;
  marked[slot] = false;
  newest = number;
  slot_publish (w, 0, slot, number);
  fence (w)
}
