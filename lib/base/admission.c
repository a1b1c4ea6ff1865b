/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/admission.h"

#include "abi/layout.h"
#include "shmframe/error.h"

/* What `in-flight` = 0 grants where there is room: a decoder's reference frames (16), the frames of
 * its threads, and a few queued behind it. */
#define IN_FLIGHT_DEFAULT 36

static guint
saturate (guint64 slots)
{
  return (guint) MIN (slots, G_MAXUINT);
}

/* Without in_flight: what readers may keep from being rewritten, and the slot that is found. */
static guint64
kept (const ShmFramePoolRule *rule)
{
  return (guint64) MAX (rule->history, rule->window) + 1;
}

guint
shmframe_admission_base (const ShmFramePoolRule *rule)
{
  return saturate (rule->in_flight + kept (rule));
}

guint
shmframe_admission_plan (const ShmFramePoolRule *rule, guint consumers, guint leases)
{
  /* At most 2^32 - 1 and (2^32 - 1) * 2^32: the sum just fits. */
  return saturate (shmframe_admission_base (rule) + consumers * ((guint64) leases + 1));
}

guint
shmframe_admission_in_flight (const ShmFramePoolRule *rule)
{
  guint64 remaining = rule->slots > kept (rule) ? rule->slots - kept (rule) : 0;

  return (guint) CLAMP (remaining / 2, 1, IN_FLIGHT_DEFAULT);
}

gboolean
shmframe_admission_check (const ShmFramePoolRule *rule, const char *pool, guint promised,
                          guint asked, GError **error)
{
  guint64 taken = rule->in_flight + kept (rule) + promised;
  guint64 needed = taken + asked;

  if (needed <= rule->slots)
    return TRUE;
  if (needed > SHMFRAME_SLOTS_MAX)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_REFUSED,
                 "pool %s: %u slots, %" G_GUINT64_FORMAT " promised; asked for %u: lease fewer; "
                 "a pool has at most %u slots",
                 pool, rule->slots, taken, asked, SHMFRAME_SLOTS_MAX);
  else
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_REFUSED,
                 "pool %s: %u slots, %" G_GUINT64_FORMAT " promised; asked for %u: start the "
                 "producer with slots=%" G_GUINT64_FORMAT ", or lease fewer",
                 pool, rule->slots, taken, asked, needed);
  return FALSE;
}
