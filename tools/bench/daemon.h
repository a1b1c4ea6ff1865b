/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "way.h"

/* Daemons that a way needs: one of the cell's own, which ends with the parent. */

/* Starts argv[0], silent, with these variables ("NAME", "VALUE", ..., NULL) besides the parent's, and
 * waits until it listens at the path. Its pid, also if that fails; 0: it did not start. */
pid_t bench_daemon_start (char **argv, const char *const *variables, const char *path,
                          GError **error);
void bench_daemon_end (pid_t pid);
