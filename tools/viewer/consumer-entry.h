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
