/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What stands where in shared memory. docs/shm-layout.md is generated from this header.
 *
 * A segment (memfd, read-only for everyone but the producer):
 *
 *   0                  ShmFrameHeader
 *   RECORDS_OFFSET     ShmFrameRecord[slot_count]     generation and descriptor of each slot
 *   ring_offset        uint64_t[ring_size]            history: sequence -> handle
 *   slots_offset       slot_count slots of slot_stride bytes, page-aligned; each is the payload
 *                      (payload_size bytes) followed by the metadata area (metadata_size bytes)
 *
 * A control page (memfd, one for each consumer, writable by that consumer and the producer):
 *
 *   0                  ShmFrameControl
 *
 * All words are in the byte order of the machine. Readers copy the constant fields of the first line
 * into private memory once, check them there, and never look at them again.
 */

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/handle.h"

#define SHMFRAME_SEGMENT_MAGIC UINT64_C (0x314745534d524653) /* "SFRMSEG1" in memory */
#define SHMFRAME_CONTROL_MAGIC UINT64_C (0x314c54434d524653) /* "SFRMCTL1" in memory */
#define SHMFRAME_ABI_VERSION 1u

#define SHMFRAME_PAGE_SIZE 4096u
#define SHMFRAME_RECORDS_OFFSET SHMFRAME_PAGE_SIZE
#define SHMFRAME_SLOTS_MAX 16384u                 /* of the 65536 that a handle can name */
#define SHMFRAME_PAYLOAD_MAX (UINT64_C (1) << 32) /* bytes: 8K RGBA 16 bit is 265 MB */
#define SHMFRAME_SEGMENT_MAX (UINT64_C (1) << 42) /* bytes: a process has room for many of 4 TiB */
#define SHMFRAME_METADATA_MAX (64u * 1024)        /* bytes in a slot's metadata area, at most */
#define SHMFRAME_LEASES_MAX 255u                  /* of one consumer, without the reserved one */
#define SHMFRAME_HAZARDS_MAX (SHMFRAME_LEASES_MAX + 1)
#define SHMFRAME_LATENCY_BUCKETS 304u             /* of base/histogram.h: up to 18 minutes */

/* A frame's description: copied out as eight words (slot.h), then read in private memory. */
typedef struct
{
  int64_t pts_ns;         /* CLOCK_MONOTONIC; INT64_MIN is none, here and in the four below */
  int64_t duration_ns;
  int64_t capture_ns;     /* CLOCK_MONOTONIC when the first byte was captured */
  int64_t publish_ns;     /* CLOCK_MONOTONIC just before the frame became LIVE */
  int64_t stream_ns;      /* stream time in the producer's pipeline */
  uint64_t payload_size;  /* bytes used of the slot's payload */
  uint32_t flags;         /* ShmFrameFlags */
  uint32_t format;        /* number of the format, from 1 */
  uint32_t events;        /* events pushed before this frame, low 32 bits */
  uint32_t metadata_size; /* bytes used of the slot's metadata area */
} ShmFrameDescriptor;

#define SHMFRAME_TIME_NONE INT64_MIN
#define SHMFRAME_DESCRIPTOR_WORDS 8

/* Two lines: consumers that validate a lease must not share a line with the next slot's writer. */
typedef struct
{
  alignas (128) _Atomic uint64_t generation;
  uint8_t reserved[56];
  _Atomic uint64_t descriptor[SHMFRAME_DESCRIPTOR_WORDS];
} ShmFrameRecord;

typedef struct
{
  uint64_t magic;
  uint32_t version;
  uint32_t header_size;   /* bytes; sizeof (ShmFrameHeader) */
  uint64_t epoch;         /* random, one for each instance of a producer */
  uint32_t segment;       /* number of the segment in its epoch, from 1 */
  uint32_t slot_count;
  uint64_t payload_size;  /* bytes, a multiple of the page size */
  uint32_t metadata_size; /* bytes, a multiple of the page size */
  uint32_t ring_size;     /* entries, a power of two, at least twice slot_count */
  uint64_t slots_offset;  /* bytes from the start of the segment, page-aligned */
  uint64_t reserved0;

  /* On a line pair of its own: every consumer reads it, the producer writes it once a frame. */
  alignas (128) _Atomic uint64_t latest; /* handle of the newest frame */

  alignas (128) _Atomic uint64_t end; /* first sequence of the next segment; 0: this is the newest */
  _Atomic uint32_t waiting;           /* the producer waits for a lossless consumer */
  uint32_t reserved1;
} ShmFrameHeader;

typedef struct
{
  uint64_t magic;
  uint32_t version;
  uint32_t hazard_count; /* SHMFRAME_HAZARDS_MAX: room, not quota */
  uint8_t reserved0[48];

  /* Written by the consumer; the producer reads the cookie with consumed, once a frame. */
  alignas (64) _Atomic uint64_t cookie; /* set by the producer; a change evicts */
  _Atomic uint64_t consumed;            /* newest sequence leased or passed over */
  _Atomic uint64_t drops;               /* what it counted, for the statistics only */
  _Atomic uint64_t longest_hold_ns;     /* likewise */
  _Atomic uint32_t ticket;              /* arm ticket; 0 is never armed */
  uint32_t reserved1[7];

  /* The one word that the producer writes, so on a line of its own. */
  alignas (64) _Atomic uint32_t bell;
  uint32_t reserved2[15];

  alignas (64) _Atomic uint64_t hazard[SHMFRAME_HAZARDS_MAX]; /* handles that are leased */

  /* Written by the consumer at each lease, for the statistics only: how often it took so long from
   * publication to lease. The buckets are those of base/histogram.h; the last one has all the rest. */
  alignas (64) _Atomic uint32_t latency[SHMFRAME_LATENCY_BUCKETS];
} ShmFrameControl;

static_assert (ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "a lock inside an atomic would be a lock shared between processes");
static_assert (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the futex on `consumed` is its low 32 bits, at offset 0");
static_assert (sizeof (ShmFrameDescriptor) == SHMFRAME_DESCRIPTOR_WORDS * 8, "copied as whole words");
static_assert (sizeof (ShmFrameRecord) == 128, "a line pair for each slot: no false sharing");
static_assert (offsetof (ShmFrameRecord, descriptor) == 64, "the descriptor is one line");
static_assert (offsetof (ShmFrameHeader, reserved0) == 56, "the constant fields are one line");
static_assert (offsetof (ShmFrameHeader, latest) == 128, "latest has a line pair of its own");
static_assert (offsetof (ShmFrameHeader, end) == 256, "end and waiting stay off latest's lines");
static_assert (sizeof (ShmFrameHeader) <= SHMFRAME_RECORDS_OFFSET, "the header is one page");
static_assert (offsetof (ShmFrameControl, cookie) == 64, "consumer-written line");
static_assert (offsetof (ShmFrameControl, consumed) == 72, "a 4-aligned futex word");
static_assert (offsetof (ShmFrameControl, bell) == 128, "the bell has a line of its own");
static_assert (offsetof (ShmFrameControl, hazard) == 192, "hazards start on a line");
static_assert (offsetof (ShmFrameControl, latency) == 2240, "off the lines that the producer scans");
static_assert (sizeof (ShmFrameControl) <= SHMFRAME_PAGE_SIZE, "one page for each consumer");

/* The shape of a segment, in private memory: what the handshake says, what validation checks. */
typedef struct
{
  uint64_t epoch;
  uint32_t segment;
  uint32_t slot_count;
  uint64_t payload_size;
  uint32_t metadata_size;
  uint32_t ring_size;
  uint64_t ring_offset;
  uint64_t slots_offset;
  uint64_t slot_stride;
  uint64_t size; /* bytes of the whole segment */
} ShmFrameLayout;

static inline uint64_t
shmframe_page_align (uint64_t bytes)
{
  return (bytes + SHMFRAME_PAGE_SIZE - 1) & ~(uint64_t) (SHMFRAME_PAGE_SIZE - 1);
}

/*
 * Computes the whole layout from its four free numbers. Returns false, with *layout untouched, when
 * one is out of range; no sum or product below can overflow then (2^14 slots of 2^32 + 2^16 bytes).
 */
static inline bool
shmframe_layout_init (ShmFrameLayout *layout, uint64_t epoch, uint32_t segment, uint32_t slot_count,
                      uint64_t payload_size, uint32_t metadata_size)
{
  uint32_t ring_size = 2;

  if (epoch == 0 || segment == 0 || slot_count == 0 || slot_count > SHMFRAME_SLOTS_MAX
      || payload_size == 0 || payload_size > SHMFRAME_PAYLOAD_MAX
      || metadata_size > SHMFRAME_METADATA_MAX)
    return false;
  if (slot_count * (shmframe_page_align (payload_size) + shmframe_page_align (metadata_size))
      > SHMFRAME_SEGMENT_MAX)
    return false;
  while (ring_size < 2 * slot_count)
    ring_size *= 2;

  layout->epoch = epoch;
  layout->segment = segment;
  layout->slot_count = slot_count;
  layout->payload_size = shmframe_page_align (payload_size);
  layout->metadata_size = (uint32_t) shmframe_page_align (metadata_size);
  layout->ring_size = ring_size;
  layout->ring_offset = SHMFRAME_RECORDS_OFFSET + (uint64_t) slot_count * sizeof (ShmFrameRecord);
  layout->slots_offset = shmframe_page_align (layout->ring_offset + (uint64_t) ring_size * 8);
  layout->slot_stride = layout->payload_size + layout->metadata_size;
  layout->size = layout->slots_offset + slot_count * layout->slot_stride;
  return true;
}
