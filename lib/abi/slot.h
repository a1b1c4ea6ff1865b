/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The lock-free protocol between one producer and its consumers: all of it, and nothing else.
 * It makes no system call and knows no GLib, so that the library, the stress test and the model
 * checker compile this same text. Every atomic access in shmframe is in this header.
 *
 * Who writes what:
 *   producer  generation, descriptor, ring, latest, end, waiting (segment); bell (control page)
 *   consumer  hazard, consumed, ticket (its own control page)
 *
 * The argument in three sentences. A consumer stores a hazard and then loads the generation; a
 * producer stores RETIRED and then loads the hazards; with a sequentially consistent fence between
 * store and load on both sides at least one of them sees the other (Dekker). So either the consumer
 * finds the slot not LIVE and gives up, or the producer finds the hazard and leaves the slot alone.
 * And since the sequence in a generation only grows, a consumer that was evicted (whose hazards no
 * longer count) finds out when it ends the lease.
 */

#include <string.h>

#include "abi/layout.h"
#include "abi/stop.h"

/* A segment as one process sees it: addresses in its own mapping, sizes from its private layout. */
typedef struct
{
  ShmFrameHeader *header;
  ShmFrameRecord *records;
  _Atomic uint64_t *ring;
  uint32_t slot_count;
  uint32_t ring_mask;
} ShmFrameView;

static inline void
shmframe_view_init (ShmFrameView *view, void *segment, const ShmFrameLayout *layout)
{
  uint8_t *base = (uint8_t *) segment;

  view->header = (ShmFrameHeader *) (void *) base;
  view->records = (ShmFrameRecord *) (void *) (base + SHMFRAME_RECORDS_OFFSET);
  view->ring = (_Atomic uint64_t *) (void *) (base + layout->ring_offset);
  view->slot_count = layout->slot_count;
  view->ring_mask = layout->ring_size - 1;
}

/* ---- both sides, and observers ------------------------------------------------------------- */

/* The newest frame. Acquire, with the release in shmframe_slot_publish(): the ring entries and
 * descriptors of that frame and of all before it are visible. */
static inline uint64_t
shmframe_slot_latest (const ShmFrameView *view)
{
  return atomic_load_explicit (&view->header->latest, memory_order_acquire);
}

/* First sequence of the next segment, or 0. Acquire, with the release in shmframe_slot_end(): the
 * last `latest` of this segment is visible. */
static inline uint64_t
shmframe_slot_end_sequence (const ShmFrameView *view)
{
  return atomic_load_explicit (&view->header->end, memory_order_acquire);
}

/* The handle that the history ring has for a sequence, or SHMFRAME_HANDLE_NONE where the frame was
 * dropped or the entry was overwritten by a later frame. Relaxed: what it says is only where to look;
 * the caller has loaded latest (acquire) first, and the lease validates. A slot number beyond the
 * segment comes from a lying producer: it is nobody's frame. */
static inline uint64_t
shmframe_slot_find (const ShmFrameView *view, uint64_t sequence)
{
  uint64_t handle
      = atomic_load_explicit (&view->ring[sequence & view->ring_mask], memory_order_relaxed);

  if (shmframe_handle_sequence (handle) != sequence
      || shmframe_handle_slot (handle) >= view->slot_count)
    return SHMFRAME_HANDLE_NONE;
  return handle;
}

/* A slot's generation, for those that only look. Acquire, with the release in publish. */
static inline uint64_t
shmframe_slot_generation (const ShmFrameView *view, uint32_t slot)
{
  return atomic_load_explicit (&view->records[slot].generation, memory_order_acquire);
}

/* Copies a descriptor out. Relaxed words: an overwritten slot gives a mixture, which the generation,
 * loaded before and after (shmframe_slot_intact()), rules out. */
static inline void
shmframe_slot_descriptor (const ShmFrameView *view, uint32_t slot, ShmFrameDescriptor *descriptor)
{
  uint64_t words[SHMFRAME_DESCRIPTOR_WORDS];

  for (int i = 0; i < SHMFRAME_DESCRIPTOR_WORDS; i++)
    words[i] = atomic_load_explicit (&view->records[slot].descriptor[i], memory_order_relaxed);
  memcpy (descriptor, words, sizeof *descriptor);
}

/* Whether everything read from the slot since its generation said `handle` LIVE belonged to that
 * frame. The acquire fence orders those reads before the load; it pairs with the release fence in
 * shmframe_slot_write(): if one of the reads saw a byte of the next frame, this load sees WRITING or
 * a later sequence. RETIRED is still intact: a retired slot is not rewritten while it is held. */
static inline bool
shmframe_slot_intact (const ShmFrameView *view, uint64_t handle)
{
  uint64_t generation;

  atomic_thread_fence (memory_order_acquire);
  generation = atomic_load_explicit (&view->records[shmframe_handle_slot (handle)].generation,
                                     memory_order_relaxed);
  return shmframe_generation_sequence (generation) == shmframe_handle_sequence (handle)
         && shmframe_generation_state (generation) != SHMFRAME_STATE_WRITING;
}

/* ---- consumer ------------------------------------------------------------------------------ */

/* Tries to lease the frame `handle` with an own hazard word that holds none. True: leased, and the
 * descriptor may be read. False: gone; the hazard is clear again.
 *
 * Hazard store, release: the word may have been cleared a moment ago, and a producer that sees the
 * new value must still see the reads of the lease before it as done (shmframe_slot_hazard()).
 * seq_cst fence: Dekker, with the one in shmframe_slot_fence(). Generation load, acquire, with the
 * release in publish: descriptor and payload are visible. */
static inline bool
shmframe_slot_lease (const ShmFrameView *view, _Atomic uint64_t *hazard, uint64_t handle)
{
  uint64_t generation;

  atomic_store_explicit (hazard, handle, memory_order_release);
  SHMFRAME_STOP (LEASE_HAZARD_STORED);
  atomic_thread_fence (memory_order_seq_cst);
  generation = atomic_load_explicit (&view->records[shmframe_handle_slot (handle)].generation,
                                     memory_order_acquire);
  if (generation
      == shmframe_generation (shmframe_handle_sequence (handle), SHMFRAME_STATE_LIVE))
    {
      SHMFRAME_STOP (LEASE_VALIDATED);
      return true;
    }
  atomic_store_explicit (hazard, SHMFRAME_HANDLE_NONE, memory_order_release);
  SHMFRAME_STOP (LEASE_REFUSED);
  return false;
}

/* Ends a lease. True: INTACT; false: REVOKED. Clearing, release, with the acquire in
 * shmframe_slot_hazard(): all reads of the frame happen before the slot is written again. */
static inline bool
shmframe_slot_release (const ShmFrameView *view, _Atomic uint64_t *hazard, uint64_t handle)
{
  bool intact = shmframe_slot_intact (view, handle);

  SHMFRAME_STOP (RELEASE_VERDICT);
  atomic_store_explicit (hazard, SHMFRAME_HANDLE_NONE, memory_order_release);
  SHMFRAME_STOP (RELEASE_CLEARED);
  return intact;
}

/* Says that all up to `sequence` is leased or passed over. Returns whether the producer waits on
 * this word, so that the caller must wake it. Store, release, with the acquire in
 * shmframe_slot_consumed(): the hazard of a validated lease is visible with it. seq_cst fence:
 * Dekker, with the one after shmframe_slot_set_waiting(): either we see `waiting`, or the producer's
 * re-check sees the new value and does not sleep. A segment that has ended carries no valid flag, so
 * there the answer is always yes. */
static inline bool
shmframe_slot_consume (const ShmFrameView *view, ShmFrameControl *control, uint64_t sequence)
{
  atomic_store_explicit (&control->consumed, sequence, memory_order_release);
  SHMFRAME_STOP (LEASE_CONSUMED_STORED);
  atomic_thread_fence (memory_order_seq_cst);
  return atomic_load_explicit (&view->header->waiting, memory_order_relaxed) != 0
         || atomic_load_explicit (&view->header->end, memory_order_relaxed) != 0;
}

/* The bell's value, to be read before arming. Acquire, with the release in shmframe_slot_ring(): a
 * value read here that a ring produced brings what was stored before that ring. */
static inline uint32_t
shmframe_slot_bell (const ShmFrameControl *control)
{
  uint32_t bell = atomic_load_explicit (&control->bell, memory_order_acquire);

  SHMFRAME_STOP (WAIT_BELL_READ);
  return bell;
}

/* Arms with a new ticket. The caller then re-checks (latest, end, loss) and, if there is nothing,
 * sleeps on the bell with the value that it read before. seq_cst fence: Dekker, with the one in
 * shmframe_slot_publish() and shmframe_slot_end(): either the re-check sees the frame, or the producer sees the ticket and
 * rings, and the bell's change ends or forestalls the sleep. Relaxed store: the fence orders it. */
static inline void
shmframe_slot_arm (ShmFrameControl *control, uint32_t ticket)
{
  atomic_store_explicit (&control->ticket, ticket, memory_order_relaxed);
  SHMFRAME_STOP (WAIT_ARMED);
  atomic_thread_fence (memory_order_seq_cst);
}

/* Reports counters to the producer's statistics. Relaxed: nothing depends on them. */
static inline void
shmframe_slot_report (ShmFrameControl *control, uint64_t drops, uint64_t longest_hold_ns)
{
  atomic_store_explicit (&control->drops, drops, memory_order_relaxed);
  atomic_store_explicit (&control->longest_hold_ns, longest_hold_ns, memory_order_relaxed);
}

/* Counts a lease by how long after its publication it came. Relaxed: only the consumer writes, and
 * nothing depends on it. */
static inline void
shmframe_slot_count_latency (ShmFrameControl *control, uint32_t bucket)
{
  _Atomic uint32_t *count
      = &control->latency[bucket < SHMFRAME_LATENCY_BUCKETS ? bucket : SHMFRAME_LATENCY_BUCKETS - 1];
  uint32_t before = atomic_load_explicit (count, memory_order_relaxed);

  atomic_store_explicit (count, before + 1, memory_order_relaxed);
}

/* ---- producer: reuse ----------------------------------------------------------------------- */

/* Takes a frame out of circulation: no new lease succeeds after the fence that must follow
 * (shmframe_slot_fence(), once for several retirements) and before the hazards are read. Relaxed:
 * that fence orders it. Where another thread of the producer fences (a flush retires, the next frame
 * takes), the pool's mutex puts the store before that fence. */
static inline void
shmframe_slot_retire (ShmFrameView *view, uint32_t slot, uint64_t sequence)
{
  atomic_store_explicit (&view->records[slot].generation,
                         shmframe_generation (sequence, SHMFRAME_STATE_RETIRED),
                         memory_order_relaxed);
  SHMFRAME_STOP (TAKE_RETIRED);
}

/* The producer's side of the Dekker pair with leases: between retiring and reading hazards. */
static inline void
shmframe_slot_fence (void)
{
  atomic_thread_fence (memory_order_seq_cst);
}

/* One hazard of a consumer. Acquire, with the release in shmframe_slot_release() and
 * shmframe_slot_lease(): where it no longer holds a frame's handle, the reads of that lease are done
 * before what the producer writes next. */
static inline uint64_t
shmframe_slot_hazard (const ShmFrameControl *control, uint32_t i)
{
  return atomic_load_explicit (&control->hazard[i], memory_order_acquire);
}

/* Begins to write a slot that is free: EMPTY, or RETIRED and seen unheld. The release fence orders
 * the store before every byte of the new frame; it pairs with the acquire fence in
 * shmframe_slot_intact(). */
static inline void
shmframe_slot_write (ShmFrameView *view, uint32_t slot, uint64_t old_sequence)
{
  atomic_store_explicit (&view->records[slot].generation,
                         shmframe_generation (old_sequence, SHMFRAME_STATE_WRITING),
                         memory_order_relaxed);
  atomic_thread_fence (memory_order_release);
  SHMFRAME_STOP (WRITE_BEGUN);
}

/* ---- producer: publishing ------------------------------------------------------------------ */

/* Publishes a written slot. Descriptor words, relaxed: ordered by the release of LIVE, which pairs
 * with the acquire in shmframe_slot_lease(). Ring, relaxed: ordered by the release of latest, which
 * pairs with the acquire in shmframe_slot_latest(). seq_cst fence: Dekker, with the one in
 * shmframe_slot_arm(), since the caller then reads the tickets. */
static inline void
shmframe_slot_publish (ShmFrameView *view, uint64_t handle, const ShmFrameDescriptor *descriptor)
{
  ShmFrameRecord *record = &view->records[shmframe_handle_slot (handle)];
  uint64_t sequence = shmframe_handle_sequence (handle);
  uint64_t words[SHMFRAME_DESCRIPTOR_WORDS];

  memcpy (words, descriptor, sizeof words);
  for (int i = 0; i < SHMFRAME_DESCRIPTOR_WORDS; i++)
    atomic_store_explicit (&record->descriptor[i], words[i], memory_order_relaxed);
  SHMFRAME_STOP (PUBLISH_DESCRIBED);
  atomic_store_explicit (&record->generation, shmframe_generation (sequence, SHMFRAME_STATE_LIVE),
                         memory_order_release);
  SHMFRAME_STOP (PUBLISH_LIVE);
  atomic_store_explicit (&view->ring[sequence & view->ring_mask], handle, memory_order_relaxed);
  SHMFRAME_STOP (PUBLISH_RING);
  atomic_store_explicit (&view->header->latest, handle, memory_order_release);
  SHMFRAME_STOP (PUBLISH_LATEST);
  atomic_thread_fence (memory_order_seq_cst);
}

/* Ends the segment: sequence `first` and all after it are in the next one. Release, with the acquire
 * in shmframe_slot_end_sequence(). seq_cst fence: as in publishing; a ring follows. */
static inline void
shmframe_slot_end (ShmFrameView *view, uint64_t first)
{
  atomic_store_explicit (&view->header->end, first, memory_order_release);
  SHMFRAME_STOP (SEGMENT_ENDED);
  atomic_thread_fence (memory_order_seq_cst);
}

/* The consumer's arm ticket, after shmframe_slot_publish() or shmframe_slot_end(). The producer rings where it differs from
 * the last one that it rang for this consumer: one ring for each ticket. Relaxed: the fence orders. */
static inline uint32_t
shmframe_slot_ticket (const ShmFrameControl *control)
{
  return atomic_load_explicit (&control->ticket, memory_order_relaxed);
}

/* Changes the bell, so that a sleep on its old value ends or does not begin. Release, with the
 * acquire in shmframe_slot_bell(). Also called by a consumer's own control thread. */
static inline void
shmframe_slot_ring (ShmFrameControl *control)
{
  atomic_fetch_add_explicit (&control->bell, 1, memory_order_release);
  SHMFRAME_STOP (RING_BELL);
}

/* ---- producer: lossless and trust ---------------------------------------------------------- */

/* What the consumer says it has consumed: unchecked; the caller clamps it. Acquire, with the release
 * in shmframe_slot_consume(): hazards of frames up to it are visible. */
static inline uint64_t
shmframe_slot_consumed (const ShmFrameControl *control)
{
  return atomic_load_explicit (&control->consumed, memory_order_acquire);
}

/* Raises or lowers the flag that makes consumers wake the producer. The fence is the producer's side
 * of the Dekker pair in shmframe_slot_consume(); the caller then re-reads `consumed` before it
 * sleeps. */
static inline void
shmframe_slot_set_waiting (ShmFrameView *view, bool waiting)
{
  atomic_store_explicit (&view->header->waiting, waiting ? 1 : 0, memory_order_relaxed);
  atomic_thread_fence (memory_order_seq_cst);
}

/* What the consumer reported of itself: unchecked, for display. */
static inline void
shmframe_slot_read_report (const ShmFrameControl *control, uint64_t *drops,
                           uint64_t *longest_hold_ns)
{
  *drops = atomic_load_explicit (&control->drops, memory_order_relaxed);
  *longest_hold_ns = atomic_load_explicit (&control->longest_hold_ns, memory_order_relaxed);
}

static inline uint32_t
shmframe_slot_read_latency (const ShmFrameControl *control, uint32_t bucket)
{
  return atomic_load_explicit (&control->latency[bucket], memory_order_relaxed);
}

/* Sets up a fresh control page. Relaxed: the descriptor is sent through a socket afterwards, which
 * orders it. */
static inline void
shmframe_slot_init_control (ShmFrameControl *control, uint64_t cookie, uint64_t consumed)
{
  control->magic = SHMFRAME_CONTROL_MAGIC;
  control->version = SHMFRAME_ABI_VERSION;
  control->hazard_count = SHMFRAME_HAZARDS_MAX;
  atomic_store_explicit (&control->cookie, cookie, memory_order_relaxed);
  atomic_store_explicit (&control->consumed, consumed, memory_order_relaxed);
}

/* Whether the page is still the one that was handed out. A consumer that punched a hole into it or
 * wrote over the cookie has lost its leases' protection by its own hand, and is evicted. Relaxed:
 * nothing depends on it. */
static inline bool
shmframe_slot_cookie_is (const ShmFrameControl *control, uint64_t cookie)
{
  return atomic_load_explicit (&control->cookie, memory_order_relaxed) == cookie;
}
