/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

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
