/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "api/client.h"

/*
 * What the reading thread does: it puts frames and events in their order, waits, leases and copies.
 * One thread at a time.
 *
 * Order: a frame's descriptor counts the events that precede it. A leased frame whose events have not
 * all come waits (`pending`); events that no frame follows yet are delivered once all frames before
 * them are.
 */
typedef struct
{
  ShmFrameClient *client;
  ShmFrameWaiter waiter;
  gint attention; /* client->attention when it was last looked at */
  guint flushes;  /* client->flushes when the call began */

  /* `found` is leased and not delivered; while it is, its attachment stays in that segment. */
  gboolean pending;
  ShmFrameAttachment *attachment;
  ShmFrameFound found;
  gint64 leased_ns;
} ShmFrameDeliverer;

void shmframe_delivery_init (ShmFrameDeliverer *self, ShmFrameClient *client); /* refs the client */
void shmframe_delivery_finish (ShmFrameDeliverer *self);

/* As shmframe_consumer_lease() and, with `copy`, shmframe_consumer_copy(). */
ShmFrameFrame *shmframe_delivery_next (ShmFrameDeliverer *self, gint64 timeout_ns, gboolean copy,
                                       ShmFrameEvent **event, GError **error);
/* Before a poll of client->epoll_fd: drains, arms, and re-checks. TRUE: something is there. */
gboolean shmframe_delivery_prepare_poll (ShmFrameDeliverer *self);
