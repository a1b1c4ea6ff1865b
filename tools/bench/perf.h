/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Tells the perf that profile_cell.py has started the cell under, if it has, to "enable" or "disable" its
 * events, and waits until it did: what is not of the frames is not to be in the profile. */
void bench_tell_perf (const char *command);
