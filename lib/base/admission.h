/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The pool rule, as pure functions:
 *
 *   slots >= in_flight + max (history, window) + sum of all (leases + 1) + 1
 *
 * in_flight: what the producer may hold (being written, being acquired, pinned after publication).
 * leases + 1: each consumer has a reserved lease for copying out. While the rule holds, a slot can
 * always be found for the producer without touching one that is held.
 */
typedef struct
{
  guint slots;
  guint in_flight;
  guint history;
  guint window;
} ShmFramePoolRule;

/* The slots that the pool itself needs, without any consumer. */
guint shmframe_admission_base (const ShmFramePoolRule *rule);
/* The slots needed for `consumers` consumers of `leases` leases each. */
guint shmframe_admission_plan (const ShmFramePoolRule *rule, guint consumers, guint leases);
/* `in-flight` = 0: what a pool of rule->slots slots can let its producer hold. */
guint shmframe_admission_in_flight (const ShmFramePoolRule *rule);
/* Whether `leases` more leases (with the reserved one: `leases + 1` slots for a new consumer) fit
 * beside `promised` slots of admitted consumers. The error says what to change:
 * "pool cam0: 16 slots, 14 promised; asked for 4: start the producer with slots=18, or lease fewer".
 * Errors: SHMFRAME_ERROR_REFUSED. */
gboolean shmframe_admission_check (const ShmFramePoolRule *rule, const char *pool, guint promised,
                                   guint asked, GError **error);
