/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "event-log.h"
#include "session.h"

/*
 * Writes into the event log what happens to a session's pool: attached and lost, formats, consumers that
 * come and go, drops, faults. Main thread.
 */
typedef struct _Journal Journal;

/* The session is not kept alive: end the journal first. */
Journal *journal_new (ViewerSession *session, ViewerEventLog *log);
void journal_free (Journal *self); /* takes NULL */
