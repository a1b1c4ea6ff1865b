/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <shmframe/frame.h>

#include "control/segment.h"

/*
 * The one frame type of both sides. What differs is whose it is: `drop`, called once with the last
 * reference, gives a producer's slot back (publish.c) or ends a consumer's lease (delivery.c); a copy owns
 * its bytes. The frame's own fields are written by its maker before it is handed out, and, for a
 * producer's frame, by the setters before it is published.
 */
typedef enum
{
  SHMFRAME_FRAME_ACQUIRED, /* producer: being written */
  SHMFRAME_FRAME_PUBLISHED,
  SHMFRAME_FRAME_LEASED, /* consumer */
  SHMFRAME_FRAME_COPIED,
} ShmFrameFrameKind;

/* TRUE: the struct is kept, with its segment and format, for another lease. */
typedef gboolean (*ShmFrameFrameDrop) (ShmFrameFrame *frame);

struct _ShmFrameFrame
{
  gatomicrefcount ref_count;
  ShmFrameFrameKind kind;
  ShmFrameFrameDrop drop;
  gpointer owner;           /* ShmFramePool or ShmFrameAttachment, a reference; released by drop */
  ShmFrameSegment *segment; /* keeps the mapping; NULL for a copy */
  ShmFrameFormat *format;
  guint64 handle; /* acquired: only the slot part is valid */
  guint64 epoch;
  guint8 *data;
  gsize size; /* producer: the whole slot; else the payload */
  ShmFrameDescriptor descriptor;
  GBytes *metadata;  /* of a copy */
  guint hazard;      /* of a lease */
  gint64 leased_ns;  /* CLOCK_MONOTONIC; of a lease or copy */
  ShmFrameFrame *next_spare;  /* while it is kept */
};

/* A frame without references to anything but `segment` and `format`, both ref'd. */
ShmFrameFrame *shmframe_frame_new (ShmFrameFrameKind kind, ShmFrameSegment *segment,
                                   ShmFrameFormat *format, guint64 handle);
/* From publication to `leased_ns`; 0 where the producer says that it was later, or nonsense. */
gint64 shmframe_frame_latency (gint64 leased_ns, const ShmFrameDescriptor *descriptor);
/* Makes it the frame of another slot of its segment. */
void shmframe_frame_set_handle (ShmFrameFrame *self, guint64 handle);
/* Frees a frame without dropping what it holds in its pool: for spare ones. */
void shmframe_frame_free (ShmFrameFrame *self);
/* A copy: takes payload (g_free), refs format and metadata (nullable). */
ShmFrameFrame *shmframe_frame_new_copy (guint64 epoch, guint64 sequence,
                                        const ShmFrameDescriptor *descriptor, gpointer payload,
                                        gsize size, ShmFrameFormat *format, GBytes *metadata);
/* The metadata bytes of a leased or observed slot, copied out and bounded; NULL where there are
 * none. */
GBytes *shmframe_frame_read_metadata (ShmFrameSegment *segment, guint slot,
                                      const ShmFrameDescriptor *descriptor);
