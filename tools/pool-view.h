/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common.h"

/*
 * What an observer sees of a pool at one moment: the producer's statistics, and shared memory. The
 * two are read one after the other, so with frames flowing they differ by what happened in between;
 * where both speak of a slot, shared memory is the newer.
 */
#define POOL_VIEW_CONSUMERS_MAX 128 /* as many as a producer lists; more are left out */

/* A slot's state in shared memory: shmframe_observer_dup_slots(). */
enum
{
  SHARED_EMPTY,
  SHARED_LIVE,
  SHARED_RETIRED,
  SHARED_WRITING,
};

typedef enum
{
  SLOT_STATE_UNCOMMITTED,
  SLOT_STATE_FREE,
  SLOT_STATE_WRITING,
  SLOT_STATE_LIVE,
  SLOT_STATE_RETIRED,
} SlotState;

typedef struct
{
  SlotState state;
  gboolean pinned;    /* the producer holds it too: live or retired ones */
  guint64 generation; /* the whole word: sequence << 2 | state */
  guint64 sequence;   /* 0: none */
  gint64 age_ns;      /* since its publication; -1: has no frame */
  guint64 payload_size;
  guint format;
  GPtrArray *holders; /* (element-type utf8) pids ("#ID" where a pid is not known) */
} SlotView;

typedef struct
{
  GVariant *stats;        /* a{sv} of shmframe_producer_get_stats() */
  GArray *slots;          /* of SlotView */
  GPtrArray *consumers;   /* of GVariant a{sv}: POOL_VIEW_CONSUMERS_MAX at most */
  ShmFrameFormat *format; /* NULL: none yet, or one that this version cannot read */
  guint64 latest;
} PoolView;

/* Observes a pool. NULL with an error: as shmframe_observer_new() and _query_stats(). */
PoolView *pool_view_new (const char *pool, gint64 timeout_ns, GError **error);
/* The same by an observer that stays. */
PoolView *pool_view_look (ShmFrameObserver *observer, gint64 timeout_ns, GError **error);
void pool_view_free (PoolView *self);
/* Whether the producer has said the end of the stream, and nothing since. */
gboolean pool_view_has_ended (const PoolView *self);
/* The age, in ns, of the oldest frame that a consumer holds: it has held it no longer. -1: holds none. */
gint64 pool_view_holding_ns (const PoolView *self, GVariant *consumer);
/* The longest hold, also where it goes on: "36.0 ms", ">1.30 s". (transfer full) */
char *human_hold (guint64 longest_ns, gint64 holding_ns);

/* "uncommitted", "free", "writing", "live", "live, pinned", "retired", or "pinned": no longer live. */
const char *slot_state_name (SlotState state, gboolean pinned);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PoolView, pool_view_free)
