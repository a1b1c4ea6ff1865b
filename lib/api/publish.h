/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "api/pool.h"

/*
 * The producer's frames: acquire, publish, drop. See pool.h for the lock and slots.h for which slot
 * is taken. Any thread.
 */

/* A slot to write, or NULL: NO_SLOT, NO_MEMORY, CLOSED, ARGUMENT (no format yet). Never waits. */
ShmFrameFrame *shmframe_publish_acquire (ShmFramePool *pool, GError **error);
/* Publishes it; waits for lossless consumers within window and stall limit.
 * Errors: ARGUMENT, FLUSHING, CLOSED. */
gboolean shmframe_publish_frame (ShmFramePool *pool, ShmFrameFrame *frame, GError **error);
/* Takes back all that is published and not leased yet; the newest sequence, or 0. */
guint64 shmframe_publish_discard (ShmFramePool *pool);
/* Counts frames that never were. */
void shmframe_publish_drop (ShmFramePool *pool, guint count);
