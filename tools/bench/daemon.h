/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "way.h"

/* Daemons that a way needs: one of the cell's own, which ends with the parent. */
typedef struct
{
  char **argv;                  /* argv[0] is looked for in PATH */
  const char *const *variables; /* besides the parent's: "NAME", "VALUE", ..., NULL; may be NULL */
  const char *socket;           /* it is ready once it listens there; or, if that is NULL, */
  const char *ready;            /* once it says this */
  int orphan_signal;            /* what ends it if the parent dies */
} BenchDaemon;

/* For prepare(): starts it, and waits until it is ready. Returns the link. What it says is in the cell's
 * folder, and in the error if it does not get ready. */
gpointer bench_daemon_new (const BenchCell *cell, const BenchDaemon *daemon, GError **error);

/* Members of a BenchWay. The daemon is killed. */
void bench_daemon_finish (const BenchCell *cell, gpointer link);
int bench_daemon_pid (gpointer link);
