/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "api/pool.h"
#include "control/name.h"

/*
 * The producer's control thread: it accepts, admits, answers, sends events and segments, and notices
 * deaths. It is the only one that touches the sockets, and no send happens under a lock. The
 * publishing path reaches it through pool->notify alone.
 */
typedef struct _ShmFrameServer ShmFrameServer;

/* A consumer came or went. Called on the control thread without any lock; info as in the
 * statistics. */
typedef void (*ShmFrameServerChanged) (gboolean attached, GVariant *info, gpointer data);

/* Takes the name, the context and `data`, also on error; starts the thread. Errors: FAILED. */
ShmFrameServer *shmframe_server_new (ShmFramePool *pool, ShmFrameName *name, GMainContext *context,
                                     ShmFrameServerChanged changed, gpointer data,
                                     GDestroyNotify destroy, GError **error);
/* Says BYE to everybody, gives the name back, ends the thread. Not from the control thread. Takes
 * NULL. */
void shmframe_server_free (ShmFrameServer *self);
