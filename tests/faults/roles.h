/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the processes of the fault tests do: this program, started again as `--consumer` or
 * `--producer`. A consumer takes every frame that it gets, checks each byte of it, and says so on its
 * output, one line each:
 *
 *   attached PID, lost, evicted     what became of its producer
 *   frame SEQUENCE                  it was right, and INTACT; the lease has ended, unless one is held
 *   revoked SEQUENCE                the lease was REVOKED, so that its bytes do not count
 *   torn SEQUENCE                   INTACT, and yet not that frame's bytes: never
 *   error MESSAGE
 *
 * A producer says "ready" or "error CODE MESSAGE", and then obeys its input, with one line each:
 *
 *   format WIDTH     "ok"
 *   publish COUNT    "ok LAST"
 *   acquire          takes all that it may hold, and gives it back: "ok COUNT"
 *   stat             what it has out: see role_stat()
 */

#include <glib.h>

#define ROLE_POOL "f"
#define ROLE_HISTORY 8
#define ROLE_IN_FLIGHT 3
#define ROLE_LEASES 2
#define ROLE_SLOTS 27 /* 3 in flight, 8 of history, 1, and 5 consumers of 2 + 1 leases */

/* Does not return in such a process. */
void role_main (int argc, char **argv);

/* The answer of a producer with so many consumers, all of which are idle. (transfer full) */
char *role_stat (guint consumers);
