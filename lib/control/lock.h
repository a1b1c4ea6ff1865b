/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Lock files: an fcntl record lock that dies with its process. Closing any descriptor of a lock file
 * drops the process's lock on it, so name.c keeps a table of what this process owns, and asks here
 * about other files only.
 *
 * A lock file is for its owner's user only (0600): whoever could read it could hold a read lock on it,
 * and so keep a dead producer's name from its successor. An owner locks the whole file, a sweeper its
 * first byte alone, so that who finds it locked can tell them apart.
 */
typedef enum
{
  SHMFRAME_LOCK_TAKEN,
  SHMFRAME_LOCK_MOVED,   /* gone, or in a sweeper's hands: try again */
  SHMFRAME_LOCK_OWNED,   /* by a live process */
  SHMFRAME_LOCK_FOREIGN, /* not an empty regular file: somebody's data */
  SHMFRAME_LOCK_FAILED,  /* see errno */
} ShmFrameLockResult;

/* Locks the file as its owner, making it where it is missing; *fresh: it was. On success *fd is the
 * caller's and holds the lock until it is closed; otherwise -1. *pid: who owns it, 0 for unknown. */
ShmFrameLockResult shmframe_lock_owner (const char *path, int *fd, gboolean *fresh, guint *pid);
/* Locks a file that is there, to remove it. */
ShmFrameLockResult shmframe_lock_sweeper (const char *path, int *fd);
/* Whether a live process owns the open lock file. */
gboolean shmframe_lock_is_owned (int fd, guint *pid);
/* Whether the descriptor is still the file at the path: a sweeper may have removed it. */
gboolean shmframe_lock_is_current (int fd, const char *path);
