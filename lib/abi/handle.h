/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The two 64-bit words that name a frame in shared memory.
 *
 *   handle      sequence << 16 | slot       in the latest word, the history ring and a hazard
 *   generation  sequence << 2  | state      one for each slot
 *
 * A sequence has 48 bits: at 1,000 frames a second they last 8,900 years. Sequence 0 is no frame, so
 * handle 0 and generation 0 are 'none', which is what fresh (zeroed) memory says.
 */

#include <stdbool.h>
#include <stdint.h>

#define SHMFRAME_SLOT_BITS 16
#define SHMFRAME_SEQUENCE_MAX ((UINT64_C (1) << 48) - 1)
#define SHMFRAME_HANDLE_NONE UINT64_C (0)

/* The state in the low bits of a generation. EMPTY: never published. The sequence of a slot in
 * WRITING is still the one of the frame that it held before, so the sequence only ever grows. */
enum
{
  SHMFRAME_STATE_EMPTY = 0,
  SHMFRAME_STATE_LIVE = 1,
  SHMFRAME_STATE_RETIRED = 2,
  SHMFRAME_STATE_WRITING = 3,
};

static inline uint64_t
shmframe_handle (uint64_t sequence, uint32_t slot)
{
  return sequence << SHMFRAME_SLOT_BITS | slot;
}

static inline uint64_t
shmframe_handle_sequence (uint64_t handle)
{
  return handle >> SHMFRAME_SLOT_BITS;
}

static inline uint32_t
shmframe_handle_slot (uint64_t handle)
{
  return (uint32_t) (handle & ((1u << SHMFRAME_SLOT_BITS) - 1));
}

static inline uint64_t
shmframe_generation (uint64_t sequence, unsigned state)
{
  return sequence << 2 | state;
}

static inline uint64_t
shmframe_generation_sequence (uint64_t generation)
{
  return generation >> 2;
}

static inline unsigned
shmframe_generation_state (uint64_t generation)
{
  return (unsigned) (generation & 3);
}
