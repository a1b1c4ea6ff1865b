/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The descriptors of a process, counted to see what is left open. Those of files in /proc and /sys
 * are not: a producer's control thread looks there at any time how much memory is available. */

#pragma once

#include <glib.h>
#include <sys/types.h>

guint count_descriptors_of (pid_t pid);
/* Of this process. */
guint count_descriptors (void);
