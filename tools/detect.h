/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <shmframe/shmframe.h>

/*
 * What is wrong with a pool's frames: which, and whose fault. Pure: it knows no pool and no clock, only
 * what it is told, in order. One thread at a time.
 *
 *   freeze     the same picture, or no frame at all, for `freeze_ns`, and 3 frame durations; where it is
 *              not known how long a frame lasts, ten times as long without one
 *   duplicate  a frame has the pixels of the one before it, and it is no freeze
 *   gap        the producer dropped frames, or pts jumps by more than 1.5 frame durations (the frame's own,
 *              where it says a longer one)
 *   backwards  pts is before that of the frame before, or the same with another picture, without DISCONT
 *   late       a frame came more than `late_ns` later after its pts than frames usually do
 *   tear       a frame's bytes changed after it was published, while its generation says that it is whole
 *
 * Each fault is said once where it begins: a freeze is one, however long; so are its duplicates.
 */
typedef enum
{
  FAULT_FREEZE,
  FAULT_DUPLICATE,
  FAULT_GAP,
  FAULT_BACKWARDS,
  FAULT_LATE,
  FAULT_TEAR,
  N_FAULTS,
} FaultKind;

typedef struct
{
  FaultKind kind;
  guint64 sequence; /* of the frame with which it began; 0: none */
  gint64 time_ns;   /* CLOCK_MONOTONIC */
  char *text;       /* what happened, how much, and on whose side */
} Fault;

typedef struct
{
  gint64 freeze_ns; /* 0: not looked for */
  gint64 late_ns;   /* 0: 1.5 frame durations */
} DetectLimits;

#define DETECT_FREEZE_NS G_GINT64_CONSTANT (1000000000) /* the default */

typedef struct
{
  guint64 sequence;
  gint64 pts_ns, duration_ns, capture_ns, publish_ns; /* or SHMFRAME_TIME_UNKNOWN */
  ShmFrameFlags flags;
  guint64 missed; /* sequences right before it that were not seen: nothing is concluded from them */
  gint same;      /* its pixels are those of the frame before (of the last whose pixels were seen):
                     1 yes, 0 no, -1 not known */
} FrameSample;

typedef void (*DetectFault) (const Fault *fault, gpointer data);

typedef struct _Detector Detector;

Detector *detector_new (const DetectLimits *limits, DetectFault fault, gpointer data);
void detector_free (Detector *self); /* takes NULL */
/* A new producer, or a new format: what was before it says nothing about what comes. */
void detector_reset (Detector *self);
/* What the format says one frame lasts; 0: not known, then it is learned from pts. */
void detector_set_duration (Detector *self, gint64 duration_ns);
/* The next frame that was seen. */
void detector_frame (Detector *self, const FrameSample *sample);
/* The producer says that it has dropped `count` more. */
void detector_dropped (Detector *self, guint64 count, guint64 latest, gint64 now_ns);
/* The bytes of that frame are others than a while ago. */
void detector_changed (Detector *self, guint64 sequence, gint64 now_ns);
/* Frames come, but none could be looked at: that is no silence. */
void detector_unseen (Detector *self, gint64 now_ns);
/* What the producer says, which a reset leaves. Its stream ended with frame `latest`: until the next one
 * silence is right. */
void detector_set_ended (Detector *self, gboolean ended, guint64 latest);
/* It waits for a lossless consumer: whose fault a silence is. */
void detector_set_waiting (Detector *self, gboolean waiting);
/* It does not answer: that is why no frame comes. */
void detector_set_silent (Detector *self, gboolean silent);
/* Time goes by without a frame: call it each poll. */
void detector_tick (Detector *self, gint64 now_ns);

/* "freeze", ... Static. */
const char *fault_kind_name (FaultKind kind);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Detector, detector_free)
