/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "control/segment.h"

/*
 * The producer's private book of one segment's slots: which are committed, free, being written,
 * published, retired, pinned. Not thread-safe: pool.c holds its lock around every call.
 *
 *   UNCOMMITTED -> COMMITTING -> FREE -> WRITING -> LIVE -> RETIRED -> FREE ...
 *                                  ^________|  (abandoned)
 *
 * The names of the states are those of shmframe_producer_get_stats().
 */
typedef enum
{
  SHMFRAME_SLOT_UNCOMMITTED,
  SHMFRAME_SLOT_FREE,
  SHMFRAME_SLOT_WRITING,
  SHMFRAME_SLOT_LIVE,
  SHMFRAME_SLOT_RETIRED,
  SHMFRAME_SLOT_PINNED, /* in statistics: LIVE, and the producer still holds the frame */
  SHMFRAME_SLOT_COMMITTING,
} ShmFrameSlotState;

#define SHMFRAME_SLOT_NONE G_MAXUINT32

typedef struct
{
  guint64 sequence; /* of the frame in it, or last in it; 0: never published */
  guint64 held;     /* the newest pass that saw a hazard on it */
  guint32 older;    /* LIVE, RETIRED and FREE: the next of its list, or SHMFRAME_SLOT_NONE */
  guint32 newer;    /* LIVE: the one published after it */
  guint8 state;
  gboolean pinned;
} ShmFrameSlotEntry;

typedef struct
{
  ShmFrameSegment *segment;
  ShmFrameSlotEntry *entry;
  guint32 newest, oldest; /* LIVE, by sequence */
  guint32 retired;        /* RETIRED, in no order */
  guint32 freed;          /* FREE, the one freed last first: its lines are warm; new ones last */
  guint n_committed;      /* without COMMITTING ones */
  guint n_held;           /* WRITING, and pinned ones */
  guint64 pass;           /* number of the last pass over the hazards */
} ShmFrameSlots;

/* Loads every hazard of every consumer and calls shmframe_slots_mark() for each that is set. */
typedef void (*ShmFrameSlotsScan) (ShmFrameSlots *slots, gpointer data);

ShmFrameSlots *shmframe_slots_new (ShmFrameSegment *segment); /* takes a reference */
void shmframe_slots_free (ShmFrameSlots *self);               /* takes NULL */

/* Begins to commit one more slot: its number, or SHMFRAME_SLOT_NONE where all are. The caller commits
 * the memory without the lock, then ends it. */
guint32 shmframe_slots_begin_commit (ShmFrameSlots *self);
void shmframe_slots_end_commit (ShmFrameSlots *self, guint32 slot, gboolean committed);

/* A hazard holds `handle`. Counts only if the whole handle matches the frame in its slot. */
void shmframe_slots_mark (ShmFrameSlots *self, guint64 handle);

/* Finds a slot to write, the warmest first, and begins to write it. `history`: newest frames that
 * stay; `ordered`: consumed by every ordered and lossless consumer; `lossless`: by every lossless
 * one. SHMFRAME_SLOT_NONE: none can be had, which the pool rule excludes. */
guint32 shmframe_slots_take (ShmFrameSlots *self, guint history, guint64 ordered,
                             guint64 lossless, ShmFrameSlotsScan scan, gpointer data);
/* Publishes a slot that is being written; it stays pinned until shmframe_slots_unpin(). */
void shmframe_slots_publish (ShmFrameSlots *self, guint32 slot, guint64 sequence,
                             const ShmFrameDescriptor *descriptor);
/* Retires all published frames. The pass that a later shmframe_slots_take() makes, behind its fence,
 * finds out which are held. */
void shmframe_slots_discard (ShmFrameSlots *self);
void shmframe_slots_abandon (ShmFrameSlots *self, guint32 slot);
void shmframe_slots_unpin (ShmFrameSlots *self, guint32 slot);

/* The state for the statistics. */
ShmFrameSlotState shmframe_slots_state (const ShmFrameSlots *self, guint32 slot);
