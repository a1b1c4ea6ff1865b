/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "abi/slot.h"
#include "base/predictor.h"

/*
 * Waking a consumer, and its three ways to wait; waiting for a lossless consumer. The protocol (what
 * is stored and checked in which order) is in abi/slot.h; here are the system calls around it.
 */

/* CLOCK_MONOTONIC, in ns. */
gint64 shmframe_wake_now (void);
/* now + timeout_ns, saturated; -1 (never) for a negative timeout. */
gint64 shmframe_wake_deadline (gint64 timeout_ns);

/* Rings one consumer: changes its bell and wakes who sleeps on it. doorbell: a socket for consumers
 * that poll, which also gets a datagram of one byte; else -1. Never blocks; a full doorbell means
 * that a ring is pending. */
void shmframe_wake_ring (ShmFrameControl *control, int doorbell);
/* The second half of it: wakes a consumer whose bell has been changed (shmframe_slot_ring()). */
void shmframe_wake_sleeper (ShmFrameControl *control, int doorbell);

/* What `ready` answers in the re-check. Called on the waiting thread, often. */
typedef gboolean (*ShmFrameWakeReady) (gpointer data);

/* How a consumer waits; the values are those of the public ShmFrameWait. */
typedef enum
{
  SHMFRAME_WAKE_SLEEP,
  SHMFRAME_WAKE_SPIN,
  SHMFRAME_WAKE_PREDICT,
} ShmFrameWakeMode;

/* A consumer's waiting state: its ticket and, for PREDICT, what is known of the frames' times.
 * Zero-initialised but for the mode, and not again while the control page lives: a ticket that was
 * rung already is not rung twice. Used by one thread at a time. */
typedef struct
{
  ShmFrameWakeMode mode;
  guint32 ticket;
  ShmFramePredictor predictor;
  gboolean again;      /* the last wait ended for another look */
  gint64 published_ns; /* of a frame that the predictor has yet to see; 0: none */
} ShmFrameWaiter;

/* PREDICT: a frame that was published then has been leased. What follows from it is reckoned before the next
 * wait or lease, and not while somebody waits for the frame. */
void shmframe_wake_leased (ShmFrameWaiter *waiter, gint64 publish_ns);

/* Waits until ready() or the deadline (-1: never). TRUE: ready() said so; or, with waiter->again, PREDICT
 * is about to spin: look whether there is a frame, and wait again. That look brings into the cache, while
 * there is time, what the frame will need. */
gboolean shmframe_wake_wait (ShmFrameWaiter *waiter, ShmFrameControl *control, gint64 deadline_ns,
                             ShmFrameWakeReady ready, gpointer data);

/* Arms with a new ticket: for those that poll (drain, arm, re-check, poll). */
void shmframe_wake_arm (ShmFrameWaiter *waiter, ShmFrameControl *control);

/* Producer: sleeps until `control`'s consumed word is no longer `seen`, the deadline, or a
 * shmframe_wake_consumed() by anybody. May return early: the caller looks again. */
void shmframe_wake_wait_consumed (ShmFrameControl *control, guint64 seen, gint64 deadline_ns);
/* Consumer: wakes the producer from that, when shmframe_slot_consume() said so. */
void shmframe_wake_consumed (ShmFrameControl *control);
