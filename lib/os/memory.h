/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Memory objects that processes share: memfd, seals and mappings. The only place that knows what kind
 * of memory it is.
 *
 * A segment: the maker's mapping is the only writable one there can ever be. It is sealed SHRINK,
 * GROW, FUTURE_WRITE, SEAL before its (read-only) descriptor can leave the process.
 * A control page: sealed SHRINK, GROW, SEAL; maker and peer both map it writable.
 *
 * All mappings are MADV_DONTFORK. Reference-counted; thread-safe.
 */
typedef struct _ShmFrameMemory ShmFrameMemory;

/* Makes a segment of `size` bytes, nothing of it committed. `name` shows in /proc/PID/maps.
 * Errors: NO_DESCRIPTORS, NO_MEMORY, FAILED. */
ShmFrameMemory *shmframe_memory_new_segment (const char *name, gsize size, GError **error);
/* Makes a control page of `size` bytes, committed and zeroed. */
ShmFrameMemory *shmframe_memory_new_control (const char *name, gsize size, GError **error);

/* Maps a segment or control page that a peer sent; does not take the descriptor. Refuses one that
 * lacks the seals or whose size is not `size`. Errors: PROTOCOL, NO_MEMORY, FAILED. */
ShmFrameMemory *shmframe_memory_map_segment (int fd, gsize size, GError **error);
ShmFrameMemory *shmframe_memory_map_control (int fd, gsize size, GError **error);

ShmFrameMemory *shmframe_memory_ref (ShmFrameMemory *self);
void shmframe_memory_unref (ShmFrameMemory *self); /* takes NULL */

void *shmframe_memory_get_data (const ShmFrameMemory *self);
gsize shmframe_memory_get_size (const ShmFrameMemory *self);
/* The descriptor to send: read-only for a segment; owned by the memory; -1 for a mapped one. */
int shmframe_memory_get_fd (const ShmFrameMemory *self);

/* Commits a range of a segment of one's own, so that writing there cannot fail later. Refuses when
 * it would pass MemAvailable or a memory.max above this process. Errors: NO_MEMORY. */
gboolean shmframe_memory_commit (ShmFrameMemory *self, gsize offset, gsize length, GError **error);
/* Faults a range in for reading, ahead of the first frame. A hint: it cannot fail. */
void shmframe_memory_prefault (ShmFrameMemory *self, gsize offset, gsize length);

/* Bytes that may still be committed: the least of MemAvailable and what each control group above
 * this process leaves. */
guint64 shmframe_memory_available (void);
/* Reads PROC/meminfo, PROC/self/cgroup and the groups below CGROUP instead of /proc and
 * /sys/fs/cgroup, so that tests can set limits without being root in a container. NULL: the real
 * one. Neither is copied. Before other threads exist. */
void shmframe_memory_set_roots_for_test (const char *proc, const char *cgroup);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFrameMemory, shmframe_memory_unref)
