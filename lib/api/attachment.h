/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <shmframe/consumer.h>

#include "control/connection.h"
#include "control/segment.h"

/*
 * A consumer's attachment to one producer: the connection, its control page, the segments that it was
 * sent, the formats that it was told, and its position. Frames hold a reference: the connection lives
 * until its last lease ends, since the producer forgets the hazards with it.
 *
 * Not thread-safe: everything is called with the lock of the ShmFrameClient that owns it held (client.h)
 * but for ref and unref.
 */
typedef struct
{
  gatomicrefcount ref_count;
  struct _ShmFrameClient *client; /* a reference, so that frames need only one; NULL until attached */
  ShmFrameConnection *connection;
  ShmFramePeer producer;
  char *program; /* the producer's */
  ShmFrameMemory *page;
  ShmFrameControl *control; /* in page */
  guint64 cookie, epoch;
  guint history, window, in_flight;
  int doorbell; /* owned; -1 for a consumer that does not poll */

  ShmFrameSegment *segment; /* the one that is read from */
  GQueue segments;          /* received, not entered yet: ShmFrameSegment */
  GHashTable *formats;      /* number -> ShmFrameFormat */
  guint32 newest_format;    /* the highest number in it */
  guint last_number;        /* the format that was looked up last: nearly always the one needed */
  ShmFrameFormat *last_format; /* owned by `formats` */
  guint64 events;           /* number of the newest event that has come */
  gboolean synced;          /* the sticky state has come: nothing is leased before */

  guint leases;                       /* granted */
  guint held;                         /* hazards in use */
  guint n_free;
  guint8 free[SHMFRAME_HAZARDS_MAX]; /* the others, the one cleared last on top: it is warm */

  ShmFrameFrame *spare; /* frames of `segment` whose leases have ended, for the next ones */

  ShmFrameDelivery delivery;
  guint64 next;       /* the sequence that is due */
  guint64 first;      /* the newest sequence at admission: it may be had, but is not missed */
  guint64 consumed;   /* as it was last stored */
  gboolean need_key;  /* compressed: nothing is decodable until a KEY frame */
} ShmFrameAttachment;

/* From a WELCOME and its descriptors (not taken but for the doorbell's, fds[2]); takes the
 * connection on success. Errors: PROTOCOL, NO_MEMORY, FAILED. */
ShmFrameAttachment *shmframe_attachment_new (ShmFrameConnection *connection,
                                             const ShmFrameMessage *welcome, const int *fds,
                                             guint n_fds, ShmFrameDelivery delivery,
                                             GError **error);
/* The reader was attached to the same producer before, from `first` on, and evicted: it goes on at
 * `next`, and passes over what it missed. A lossless one may not: then it returns how much that is. */
guint64 shmframe_attachment_resume (ShmFrameAttachment *self, guint64 first, guint64 next);
ShmFrameAttachment *shmframe_attachment_ref (ShmFrameAttachment *self);
void shmframe_attachment_unref (ShmFrameAttachment *self); /* takes NULL */

/* A segment that a SEGMENT message brought; takes the reference. */
void shmframe_attachment_add_segment (ShmFrameAttachment *self, ShmFrameSegment *segment);

/* A format that the producer announced; and the one of a frame, or NULL. */
void shmframe_attachment_add_format (ShmFrameAttachment *self, guint number,
                                     ShmFrameFormat *format);
ShmFrameFormat *shmframe_attachment_get_format (ShmFrameAttachment *self, guint number);

typedef enum
{
  SHMFRAME_FIND_LEASED,  /* *handle and *hazard are set */
  SHMFRAME_FIND_NONE,    /* nothing new */
  SHMFRAME_FIND_QUOTA,   /* there is a frame, but no hazard for it */
  SHMFRAME_FIND_SEGMENT, /* the segment has ended and the next has not come yet */
} ShmFrameFind;

typedef struct
{
  guint64 handle;
  guint hazard;
  ShmFrameDescriptor descriptor;
  guint64 passed; /* sequences passed over on the way: drops, or skipped for `latest` */
} ShmFrameFound;

/* Leases the next frame by the rule of its delivery. With `reserved` the reserved lease may be used
 * too. max_lag: -1 for none. found->passed is set in every case. */
ShmFrameFind shmframe_attachment_find (ShmFrameAttachment *self, gint max_lag, gboolean reserved,
                                       ShmFrameFound *found);
/* Ends a lease on a frame of `segment`. */
ShmFrameVerdict shmframe_attachment_release (ShmFrameAttachment *self, ShmFrameSegment *segment,
                                             guint64 handle, guint hazard);
/* A frame for the next lease on `segment` (transfer full): a spare one, or a new one. */
ShmFrameFrame *shmframe_attachment_take_frame (ShmFrameAttachment *self, ShmFrameFormat *format);
/* Keeps a frame whose lease has ended, if it may serve again. TRUE: kept. */
gboolean shmframe_attachment_keep_frame (ShmFrameAttachment *self, ShmFrameFrame *frame);
/* Says that all before `next` is consumed, and wakes a producer that waits for it. */
void shmframe_attachment_consume (ShmFrameAttachment *self);

/* Whether a frame may be there, or the segment has ended: what a waiter looks at. Callable without
 * the lock on a segment and sequence that the caller has read under it. */
gboolean shmframe_attachment_has_frame (const ShmFrameSegment *segment, guint64 next,
                                        gboolean waits_for_segment);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFrameAttachment, shmframe_attachment_unref)
