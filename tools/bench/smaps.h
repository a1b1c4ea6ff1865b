/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include <glib.h>

/* Memory of a process, but for the mapping that begins at `without` (the harness's own). */

/* Its pages, shared ones by its share. */
guint64 bench_pss_bytes (pid_t pid, gconstpointer without);
/* Of the caller's shared mappings: what is allocated, or if that is not known, resident. */
guint64 bench_shared_bytes (gconstpointer without);
