/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a pool says of one consumer, read in one pass: 128 of them come ten times a second. Pure. */
typedef struct
{
  guint64 id, pid, leases, held, lag, drops, longest_hold_ns, latency_p50_ns, latency_p99_ns;
  const char *program, *delivery, *wait; /* the variant's; never NULL */
} ConsumerEntry;

/* `consumer` is an a{sv}, of which anything may be missing or of another type: 0, "". */
void consumer_entry_read (ConsumerEntry *self, GVariant *consumer);
/* What to do about a consumer that is at its limit; "": it is at none. `own_rate` are its own drops by
 * second, `window` the pool's (0: it has none), `live` whether the producer waits for nobody.
 * (transfer full) */
char *consumer_entry_dup_hint (const ConsumerEntry *self, gint64 own_rate, guint64 window,
                               gboolean live);

/* Of a consumer's drops, those that are its own: as it passes over sequences it also counts those that
 * the producer dropped, which are excused. */
typedef struct
{
  guint64 drops, dropped; /* counted so far, by the consumer and by the producer */
  guint64 excused;        /* of the producer's, not yet found among the consumer's */
} OwnDrops;

/* What lies before counts for neither. The consumer has `lag` frames still to pass. */
void own_drops_begin (OwnDrops *self, guint64 drops, guint64 dropped, guint64 lag);
/* Since the last call. 0 where a count went back: it begins anew. */
guint64 own_drops_count (OwnDrops *self, guint64 drops, guint64 dropped);
