/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/abi/slot.h, function by function; handle.h's words in a byte each. A handle is sequence <<
 * 2 | slot, a generation sequence << 2 | state. The models define the addresses: GENERATION
 * (view, slot), PAYLOAD, RING, LATEST, END, WAITING of a segment; HAZARD (c, i), CONSUMED,
 * TICKET, BELL of a page.
 *
 * MUTATE_X drops or swaps one step; run.py --mutations shows which property notices.
 */
#define NONE 255

#define HANDLE(sequence, slot) ((sequence) << 2 | (slot))
#define SEQUENCE(handle) ((handle) >> 2)
#define SLOT(handle) ((handle) & 3)

#define EMPTY 0
#define LIVE 1
#define RETIRED 2
#define WRITING 3
#define STATE(generation) ((generation) & 3)
#define GENERATION_WORD(sequence, state) ((sequence) << 2 | (state))

/* ---- consumer ---- */

#ifdef MUTATE_LEASE_STORE_RELAXED
#define HAZARD_ORDER RELAXED
#else
#define HAZARD_ORDER RELEASE
#endif
#ifdef MUTATE_CONSUMED_RELAXED
#define CONSUMED_ORDER RELAXED
#else
#define CONSUMED_ORDER RELEASE
#endif
#ifdef MUTATE_END_RELAXED
#define END_ORDER RELAXED
#else
#define END_ORDER RELEASE
#endif

/* shmframe_slot_lease(). `lease` (a ghost too: what the consumer may rely on) is the handle, or
 * 0. */
inline slot_lease (w, view, hazard, handle, lease)
{
#ifdef MUTATE_LEASE_CHECK_FIRST
  atomic
  {
    lease = (word[GENERATION (view, SLOT (handle))]
             == GENERATION_WORD (SEQUENCE (handle), LIVE) -> handle : 0)
  }
  store (w, hazard, handle, HAZARD_ORDER);
  fence (w);
#else
  store (w, hazard, handle, HAZARD_ORDER);
#ifndef MUTATE_LEASE_FENCE
  fence (w);
#endif
#if defined(MUTATE_LEASE_NO_CHECK)
  lease = handle;
#elif defined(MUTATE_LEASE_TAKES_RETIRED)
  lease = (SEQUENCE (word[GENERATION (view, SLOT (handle))]) == SEQUENCE (handle) -> handle : 0);
#elif defined(MUTATE_LEASE_TAKES_ANY_LIVE)
  lease = (STATE (word[GENERATION (view, SLOT (handle))]) == LIVE -> handle : 0);
#else
  lease = (word[GENERATION (view, SLOT (handle))] == GENERATION_WORD (SEQUENCE (handle), LIVE)
           -> handle : 0);
#endif
#endif
  if
  :: lease == 0 ->
#ifndef MUTATE_LEASE_KEEPS_HAZARD
     store (w, hazard, 0, RELEASE)
#endif
  :: else
  fi
}

/* shmframe_slot_intact(). */
#define WORD_OF_HANDLE(view, handle) word[GENERATION (view, SLOT (handle))]
#if defined(MUTATE_INTACT_NO_STATE)
#define INTACT(view, handle) (SEQUENCE (WORD_OF_HANDLE (view, handle)) == SEQUENCE (handle))
#elif defined(MUTATE_INTACT_NO_SEQUENCE)
#define INTACT(view, handle) (STATE (WORD_OF_HANDLE (view, handle)) != WRITING)
#elif defined(MUTATE_INTACT_ONLY_LIVE)
#define INTACT(view, handle) \
  (WORD_OF_HANDLE (view, handle) == GENERATION_WORD (SEQUENCE (handle), LIVE))
#else
#define INTACT(view, handle) \
  (SEQUENCE (WORD_OF_HANDLE (view, handle)) == SEQUENCE (handle) \
   && STATE (WORD_OF_HANDLE (view, handle)) != WRITING)
#endif

/* shmframe_slot_consume(): `wake` is whether the producer waits. */
inline slot_consume (w, view, page, value, wake)
{
  store (w, CONSUMED (page), value, CONSUMED_ORDER);
#ifndef MUTATE_CONSUME_FENCE
  fence (w);
#endif
#ifdef MUTATE_CONSUME_IGNORES_END
  wake = (word[WAITING (view)] != 0)
#else
  wake = (word[WAITING (view)] != 0);
  wake = wake || (word[END (view)] != 0)
#endif
}

/* shmframe_slot_arm(). */
inline slot_arm (w, page, value)
{
  store (w, TICKET (page), value, RELAXED);
#ifndef MUTATE_ARM_FENCE
  fence (w)
#endif
}

/* ---- producer ---- */

/* shmframe_slot_retire(). */
inline slot_retire (w, view, slot, old)
{
  store (w, GENERATION (view, slot), GENERATION_WORD (old, RETIRED), RELAXED)
}

/* shmframe_slot_write(). */
inline slot_write (w, view, slot, old)
{
#ifndef MUTATE_WRITE_NO_STATE
  store (w, GENERATION (view, slot), GENERATION_WORD (old, WRITING), RELAXED);
#endif
#ifndef MUTATE_WRITE_FENCE
  release_fence (w)
#endif
}

/* shmframe_slot_publish(). The payload stands for the descriptor too: stored before. */
#ifdef MUTATE_PUBLISH_LIVE_RELAXED
#define LIVE_ORDER RELAXED
#else
#define LIVE_ORDER RELEASE
#endif
#ifdef MUTATE_PUBLISH_LATEST_RELAXED
#define LATEST_ORDER RELAXED
#else
#define LATEST_ORDER RELEASE
#endif

inline slot_publish (w, view, slot, number)
{
#ifdef MUTATE_PUBLISH_LATEST_FIRST
  store (w, LATEST (view), HANDLE (number, slot), LATEST_ORDER);
#endif
  store (w, GENERATION (view, slot), GENERATION_WORD (number, LIVE), LIVE_ORDER);
#ifdef RING
  store (w, RING (view, number), HANDLE (number, slot), RELAXED);
#endif
#ifndef MUTATE_PUBLISH_LATEST_FIRST
  store (w, LATEST (view), HANDLE (number, slot), LATEST_ORDER)
#endif
}

/* shmframe_slot_set_waiting(). */
inline slot_set_waiting (w, view, value)
{
  store (w, WAITING (view), value, RELAXED);
#ifndef MUTATE_WAITING_FENCE
  fence (w)
#endif
}
