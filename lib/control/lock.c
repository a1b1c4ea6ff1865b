/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes that are locked from the start; 0 is all, however long the file gets. */
#define OWNER_LENGTH 0
#define SWEEPER_LENGTH 1
#define OPEN_FLAGS (O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)

gboolean
shmframe_lock_is_current (int fd, const char *path)
{
  struct stat open_status, path_status;

  return fstat (fd, &open_status) == 0 && lstat (path, &path_status) == 0
         && open_status.st_dev == path_status.st_dev && open_status.st_ino == path_status.st_ino;
}

gboolean
shmframe_lock_is_owned (int fd, guint *pid)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

  *pid = 0;
  if (fcntl (fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK || lock.l_len != OWNER_LENGTH)
    return FALSE;
  /* 0 or -1: a process of another pid namespace, or no process's lock. */
  *pid = lock.l_pid > 0 ? (guint) lock.l_pid : 0;
  return TRUE;
}

static gboolean
is_lock_file (int fd)
{
  struct stat status;

  return fstat (fd, &status) == 0 && S_ISREG (status.st_mode) && status.st_size == 0;
}

static ShmFrameLockResult
lock_open_file (int fd, const char *path, off_t length, guint *pid)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = length };

  if (!is_lock_file (fd))
    return SHMFRAME_LOCK_FOREIGN;
  if (fcntl (fd, F_SETLK, &lock) == 0)
    return shmframe_lock_is_current (fd, path) ? SHMFRAME_LOCK_TAKEN : SHMFRAME_LOCK_MOVED;
  if (errno != EACCES && errno != EAGAIN)
    return SHMFRAME_LOCK_FAILED;
  return shmframe_lock_is_owned (fd, pid) ? SHMFRAME_LOCK_OWNED : SHMFRAME_LOCK_MOVED;
}

/* Takes the descriptor of an opened file. */
static ShmFrameLockResult
lock_or_close (int fd, const char *path, off_t length, int *locked, guint *pid)
{
  ShmFrameLockResult result = lock_open_file (fd, path, length, pid);
  int saved_errno = errno;

  if (result == SHMFRAME_LOCK_TAKEN)
    *locked = fd;
  else
    close (fd);
  errno = saved_errno;
  return result;
}

ShmFrameLockResult
shmframe_lock_owner (const char *path, int *fd, gboolean *fresh, guint *pid)
{
  int opened = open (path, OPEN_FLAGS);

  *fd = -1;
  *fresh = FALSE;
  *pid = 0;
  if (opened < 0 && errno == ENOENT)
    {
      opened = open (path, OPEN_FLAGS | O_CREAT | O_EXCL, 0600);
      if (opened < 0 && errno == EEXIST)
        return SHMFRAME_LOCK_MOVED;
      *fresh = TRUE;
    }
  if (opened < 0)
    return errno == EISDIR ? SHMFRAME_LOCK_FOREIGN : SHMFRAME_LOCK_FAILED;
  return lock_or_close (opened, path, OWNER_LENGTH, fd, pid);
}

ShmFrameLockResult
shmframe_lock_sweeper (const char *path, int *fd)
{
  int opened = open (path, OPEN_FLAGS);
  guint pid = 0;

  *fd = -1;
  if (opened < 0)
    return errno == ENOENT ? SHMFRAME_LOCK_MOVED : SHMFRAME_LOCK_FAILED;
  return lock_or_close (opened, path, SWEEPER_LENGTH, fd, &pid);
}
