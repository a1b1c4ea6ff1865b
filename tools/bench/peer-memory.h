/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include "way.h"

/* Memory of a peer by its address: what process_vm_readv() and process_vm_writev() need. */

/* Why a process may not touch its sibling's memory here, or NULL. (transfer full) */
char *bench_peer_memory_refuse (const BenchCell *cell);

/* Every process may touch that of the caller. */
void bench_peer_memory_allow (void);

typedef ssize_t (*BenchPeerCopy) (pid_t pid, const struct iovec *local, unsigned long n_local,
                                  const struct iovec *remote, unsigned long n_remote,
                                  unsigned long flags);

/* All of it, by process_vm_readv() or process_vm_writev(). */
gboolean bench_peer_memory_copy (BenchPeerCopy copy, int pid, gpointer local, guintptr remote,
                                 gsize size, GError **error);
