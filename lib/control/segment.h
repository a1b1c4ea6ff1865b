/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "abi/slot.h"
#include "os/memory.h"

/*
 * A segment as a process holds it: memory, private layout, view. The consumer's constructor checks a
 * peer's segment: the layout of the handshake must be the one that shmframe_layout_init() computes,
 * the memory must have its size and seals, and the header must repeat it. Reference-counted.
 */
typedef struct
{
  ShmFrameMemory *memory;
  ShmFrameLayout layout; /* private: never re-read from shared memory */
  ShmFrameView view;
} ShmFrameSegment;

/* Makes a segment and commits header, records and ring. Errors as in memory.h, ARGUMENT. */
ShmFrameSegment *shmframe_segment_new (const char *name, const ShmFrameLayout *layout,
                                       GError **error);
/* Maps a peer's; does not take the descriptor. Errors: PROTOCOL and as in memory.h. */
ShmFrameSegment *shmframe_segment_map (int fd, const ShmFrameLayout *layout, GError **error);
ShmFrameSegment *shmframe_segment_ref (ShmFrameSegment *self);
void shmframe_segment_unref (ShmFrameSegment *self); /* takes NULL */

/* Pure check of a layout that a peer claims. Errors: PROTOCOL. Fuzzed. */
gboolean shmframe_segment_check_layout (const ShmFrameLayout *layout, GError **error);
/* Pure check of a header (a private copy of its first line) against the layout. Fuzzed. */
gboolean shmframe_segment_check_header (const ShmFrameHeader *header, const ShmFrameLayout *layout,
                                        GError **error);

/* Offset of a slot's payload and metadata area in the segment, in bytes. */
gsize shmframe_segment_payload_offset (const ShmFrameSegment *self, guint slot);
gsize shmframe_segment_metadata_offset (const ShmFrameSegment *self, guint slot);

/* Commits one slot (payload and metadata area). Errors: NO_MEMORY. */
gboolean shmframe_segment_commit_slot (ShmFrameSegment *self, guint slot, GError **error);
/* Faults in for reading what precedes the slots; one slot, if there is such a one. */
void shmframe_segment_prefault_header (ShmFrameSegment *self);
void shmframe_segment_prefault_slot (ShmFrameSegment *self, guint slot);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFrameSegment, shmframe_segment_unref)
