/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <shmframe/consumer.h>
#include <shmframe/event.h>

#include "api/attachment.h"
#include "base/histogram.h"
#include "os/wake.h"

/*
 * A consumer's control thread and what it shares with the reading thread (delivery.c): it finds the
 * producer, attaches, receives, notices its death, and attaches again once the reader has drained
 * what was left (shmframe_client_detach()). Reference-counted, since leases outlive the consumer.
 *
 * `lock` guards everything below it, and the attachment. After each change the control thread bumps
 * `attention` and wakes the reader, however it waits.
 */

/* Events that the reader has yet to take before the socket is left alone, so that the producer's log
 * is the place where they pile up. */
#define SHMFRAME_EVENTS_FULL 4096

/* An event that has come, with its place in the order. */
typedef struct
{
  guint64 number; /* 0: of this side's own making */
  ShmFrameEvent *event;
} ShmFrameQueued;

typedef struct
{
  guint64 frames, drops, skipped, revoked, copies, copied_bytes;
  guint64 attaches, losses, evictions, refused;
  guint64 longest_hold_ns;
  guint held_max;
} ShmFrameConsumerCounters;

typedef struct _ShmFrameClient
{
  gatomicrefcount ref_count;
  char *name;
  int fd; /* a passed-in connection, until it is used; -1 */
  gboolean single; /* made from a descriptor: there is no second attachment */
  ShmFrameWait wait;
  gboolean poll;
  gint max_lag;
  char *program;
  GMainContext *context; /* of the control thread */
  GMainLoop *loop;       /* NULL until it starts */
  gpointer session; /* the control thread's own; passed to what runs there */
  int event_fd; /* wakes a poller for what does not come by the doorbell */
  int epoll_fd; /* event_fd and the doorbell: what a poller waits on */
  gint attention; /* atomic */

  GMutex lock;
  GCond changed;
  GThread *thread;
  ShmFrameDelivery delivery; /* an evicted lossless consumer goes on as ordered */
  guint leases;              /* to attach with */
  guint leases_wanted;       /* by shmframe_client_request_leases() */
  ShmFrameAttachment *attachment;
  guint64 epoch, first, next; /* of the last attachment, once it is over: where the reader was */
  gboolean lost;        /* its producer is gone: drain, then detach */
  GError *lost_because; /* with lost */
  GError *problem;      /* why there is no attachment; handed to the reader once */
  GQueue events;        /* ShmFrameQueued, in order */
  gboolean paused;      /* the queue is full: the socket is not read */
  gboolean flushing, closed;
  guint flushes; /* how often flushing began: a wait ends even if it is over by then */
  gboolean finished; /* single, and its connection is over */
  ShmFrameConsumerCounters counters;
  ShmFrameHistogram latency;
} ShmFrameClient;

/* Takes fd (-1: none). Does not start the thread. Errors: FAILED, NO_DESCRIPTORS. */
ShmFrameClient *shmframe_client_new (const char *name, int fd, GError **error);
ShmFrameClient *shmframe_client_ref (ShmFrameClient *self);
void shmframe_client_unref (ShmFrameClient *self); /* takes NULL */
/* Starts the control thread, at first use. Idempotent; any thread. */
void shmframe_client_start (ShmFrameClient *self);
/* Ends the control thread and the attachment (but for leases still held); waits end with CLOSED. */
void shmframe_client_close (ShmFrameClient *self);

/* Any thread, without the lock: makes the reader look again. */
void shmframe_client_wake (ShmFrameClient *self);
/* With the lock held: the reader has drained a lost attachment; look for the next producer. */
void shmframe_client_detach (ShmFrameClient *self);
/* With the lock held: an event left the queue; a paused control thread may go on. */
void shmframe_client_event_taken (ShmFrameClient *self);
/* Any thread: asks the producer for that many leases. */
void shmframe_client_request_leases (ShmFrameClient *self, guint leases);

void shmframe_queued_free (ShmFrameQueued *queued);
