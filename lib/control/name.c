/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/name.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <shmframe/error.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/stop.h"
#include "control/connection.h"
#include "control/lock.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* not in the headers of Debian 12 */
#endif

#define MAX_NAME 100
#define SUFFIX ".sock"
#define LOCK_SUFFIX ".lock"
#define BIND_SUFFIX ".tmp"
#define MAX_PATH (sizeof (((struct sockaddr_un *) NULL)->sun_path) - 1 - strlen (BIND_SUFFIX))
#define BACKLOG 128
/* Where the lock changes hands under us; each further try needs another process to act in between. */
#define TRIES 100

/* Linux 6.5; newer than the libc headers of Debian 12. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

struct _ShmFrameName
{
  char *path;
  char *key;
  pid_t pid;    /* whose: a forked child has a copy of this struct, but not the lock */
  int lock;     /* or -1 */
  int socket;   /* or -1; listens */
  dev_t device; /* of the socket's file; inode 0 before there is one */
  ino_t inode;
};

/*
 * The names that this process owns: key -> ShmFrameName, not owned. Closing any descriptor of a lock
 * file drops the process's record lock on it, so every function below that opens one looks here
 * first, and holds the mutex until it has closed it.
 */
static GMutex mutex;
static GHashTable *owned;

/* Who may connect to the socket. */
typedef struct
{
  guint mode;
  const char *group; /* or NULL: as the kernel sets it */
  gid_t gid;         /* of `group` */
} Access;

static ShmFrameError
system_error_code (int saved_errno, const char **advice)
{
  switch (saved_errno)
    {
    case EACCES:
    case EPERM:
    case EROFS:
      *advice = ": use a folder that this user may write, or set SHMFRAME_RUNTIME_DIR";
      return SHMFRAME_ERROR_PERMISSION;
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
      *advice = ": make the folder, or use another";
      return SHMFRAME_ERROR_NAME;
    case EMFILE:
    case ENFILE:
      *advice = ": close some descriptors, or raise RLIMIT_NOFILE";
      return SHMFRAME_ERROR_NO_DESCRIPTORS;
    default:
      *advice = "";
      return SHMFRAME_ERROR_FAILED;
    }
}

G_GNUC_PRINTF (3, 4)
static gboolean
set_system_error (GError **error, int saved_errno, const char *format, ...)
{
  g_autofree char *what = NULL;
  const char *advice;
  ShmFrameError code = system_error_code (saved_errno, &advice);
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, SHMFRAME_ERROR, code, "%s: %s%s", what, g_strerror (saved_errno), advice);
  return FALSE;
}

/* ---- names and folders --------------------------------------------------------------------- */

static gboolean
refuse_name (const char *pool, const char *why, GError **error)
{
  g_autofree char *shown = g_utf8_make_valid (pool, MIN (strlen (pool), 200));
  g_autofree char *escaped = g_strescape (shown, NULL);

  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME, "pool name \"%s\": %s", escaped, why);
  return FALSE;
}

static gboolean
check_path_length (const char *path, GError **error)
{
  if (strlen (path) <= MAX_PATH)
    return TRUE;
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME,
               "socket path %s: it has %" G_GSIZE_FORMAT " bytes, more than %" G_GSIZE_FORMAT
               ": use a shorter name, or a shorter folder in SHMFRAME_RUNTIME_DIR",
               path, strlen (path), MAX_PATH);
  return FALSE;
}

gboolean
shmframe_name_check (const char *pool, GError **error)
{
  gsize length = pool ? strlen (pool) : 0;

  if (length == 0)
    return refuse_name ("", "it is empty: give 1 to 100 bytes", error);
  if (!g_utf8_validate (pool, (gssize) length, NULL))
    return refuse_name (pool, "it is not UTF-8: use another", error);
  for (const char *c = pool; *c != '\0'; c = g_utf8_next_char (c))
    if (g_unichar_iscntrl (g_utf8_get_char (c)))
      return refuse_name (pool, "it has control characters: leave them out", error);
  if (pool[0] == '/')
    return g_str_has_suffix (pool, "/")
               ? refuse_name (pool, "it is a folder: give the path of a socket", error)
               : check_path_length (pool, error);
  if (length > MAX_NAME)
    return refuse_name (pool, "it is longer than 100 bytes: shorten it", error);
  if (pool[0] == '.')
    return refuse_name (pool, "it begins with a dot: use another first letter", error);
  if (strchr (pool, '/') != NULL)
    return refuse_name (pool, "it has a slash: leave it out, or give an absolute path", error);
  return TRUE;
}

/* For arrays of strings. */
static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* $SHMFRAME_RUNTIME_DIR as an absolute path, or NULL. */
static char *
dup_chosen_folder (void)
{
  const char *folder = g_getenv ("SHMFRAME_RUNTIME_DIR");

  return folder != NULL && folder[0] != '\0' ? g_canonicalize_filename (folder, NULL) : NULL;
}

static char *
dup_session_folder (void)
{
  const char *folder = g_getenv ("XDG_RUNTIME_DIR");

  return folder != NULL && g_path_is_absolute (folder) ? g_build_filename (folder, "shmframe", NULL)
                                                       : NULL;
}

static char *
dup_temporary_folder (void)
{
  return g_strdup_printf ("/tmp/shmframe-%u", (guint) geteuid ());
}

/* Whether nobody but `owner` and root can put files there. A link is never followed. */
static gboolean
folder_is_safe (const char *folder, uid_t owner, GError **error)
{
  struct stat status;

  if (lstat (folder, &status) < 0)
    return set_system_error (error, errno, "runtime folder %s", folder);
  if (S_ISDIR (status.st_mode) && (status.st_uid == owner || status.st_uid == 0)
      && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0)
    return TRUE;
  g_set_error (
      error, SHMFRAME_ERROR, SHMFRAME_ERROR_PERMISSION,
      "runtime folder %s: it is not a folder that only user %u may write: remove it, or set "
      "SHMFRAME_RUNTIME_DIR",
      folder, (guint) owner);
  return FALSE;
}

/* /tmp/shmframe-UID of other users. Anybody can make a folder of that name, so only those count that
 * belong to the UID in it. */
static void
add_folders_of_others (GStrvBuilder *builder)
{
  g_autoptr (GDir) dir = g_dir_open ("/tmp", 0, NULL);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  const char *entry;

  while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *folder = g_build_filename ("/tmp", entry, NULL);
      guint64 owner;

      if (g_str_has_prefix (entry, "shmframe-")
          && g_ascii_string_to_unsigned (entry + strlen ("shmframe-"), 10, 0, G_MAXUINT32 - 1,
                                         &owner, NULL)
          && owner != geteuid () && folder_is_safe (folder, (uid_t) owner, NULL))
        g_ptr_array_add (found, g_steal_pointer (&folder));
    }
  g_ptr_array_sort (found, compare_strings);
  for (guint i = 0; i < found->len; i++)
    g_strv_builder_add (builder, g_ptr_array_index (found, i));
}

char **
shmframe_name_folders (void)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *chosen = dup_chosen_folder ();
  g_autofree char *session = dup_session_folder ();
  g_autofree char *temporary = dup_temporary_folder ();

  if (chosen != NULL)
    {
      g_strv_builder_add (builder, chosen);
      return g_strv_builder_end (builder);
    }
  if (session != NULL)
    g_strv_builder_add (builder, session);
  g_strv_builder_add (builder, "/run/shmframe");
  if (!g_file_test (temporary, G_FILE_TEST_EXISTS) || folder_is_safe (temporary, geteuid (), NULL))
    g_strv_builder_add (builder, temporary);
  add_folders_of_others (builder);
  return g_strv_builder_end (builder);
}

/* Makes a folder of our own, or checks the one that is there. */
static gboolean
make_own_folder (const char *folder, mode_t mode, GError **error)
{
  if (mkdir (folder, mode) < 0 && errno != EEXIST)
    return set_system_error (error, errno, "making runtime folder %s", folder);
  return folder_is_safe (folder, geteuid (), error);
}

/* Makes the folder that the user chose. */
static gboolean
make_chosen_folder (const char *folder, GError **error)
{
  const char *usual_advice;
  int saved_errno;

  if (g_mkdir_with_parents (folder, 0700) == 0 && access (folder, W_OK | X_OK) == 0)
    return TRUE;
  saved_errno = errno;
  g_set_error (error, SHMFRAME_ERROR, system_error_code (saved_errno, &usual_advice),
               "runtime folder %s: it can't be made or written: %s: set SHMFRAME_RUNTIME_DIR to a "
               "folder that this user may write, or unset it",
               folder, g_strerror (saved_errno));
  return FALSE;
}

/* The folder for a new name, made where it was missing. */
static char *
dup_producer_folder (GError **error)
{
  g_autofree char *chosen = dup_chosen_folder ();
  g_autofree char *session = dup_session_folder ();
  g_autofree char *temporary = dup_temporary_folder ();
  struct stat status;

  if (chosen != NULL)
    return make_chosen_folder (chosen, error) ? g_steal_pointer (&chosen) : NULL;
  /* One that sudo left in the environment belongs to somebody else. */
  if (session != NULL && stat (g_getenv ("XDG_RUNTIME_DIR"), &status) == 0
      && status.st_uid == geteuid () && make_own_folder (session, 0700, NULL))
    return g_steal_pointer (&session);
  if (geteuid () == 0)
    return make_own_folder ("/run/shmframe", 0755, error) ? g_strdup ("/run/shmframe") : NULL;
  return make_own_folder (temporary, 0700, error) ? g_steal_pointer (&temporary) : NULL;
}

char *
shmframe_name_producer_path (const char *pool, GError **error)
{
  g_autofree char *folder = NULL;
  g_autofree char *path = NULL;

  if (!shmframe_name_check (pool, error))
    return NULL;
  if (pool[0] == '/')
    return g_strdup (pool);
  folder = dup_producer_folder (error);
  if (folder == NULL)
    return NULL;
  path = g_strconcat (folder, "/", pool, SUFFIX, NULL);
  return check_path_length (path, error) ? g_steal_pointer (&path) : NULL;
}

char **
shmframe_name_consumer_paths (const char *pool, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GError) too_long = NULL;
  g_auto (GStrv) folders = NULL;
  g_auto (GStrv) paths = NULL;

  if (!shmframe_name_check (pool, error))
    return NULL;
  if (pool[0] == '/')
    {
      g_strv_builder_add (builder, pool);
      return g_strv_builder_end (builder);
    }
  folders = shmframe_name_folders ();
  for (char **folder = folders; *folder != NULL; folder++)
    {
      g_autofree char *path = g_strconcat (*folder, "/", pool, SUFFIX, NULL);

      if (check_path_length (path, too_long == NULL ? &too_long : NULL))
        g_strv_builder_add (builder, path);
    }
  paths = g_strv_builder_end (builder);
  if (paths[0] == NULL)
    {
      g_propagate_error (error, g_steal_pointer (&too_long));
      return NULL;
    }
  return g_steal_pointer (&paths);
}

char *
shmframe_name_from_path (const char *path)
{
  char *name = g_path_get_basename (path);

  if (g_str_has_suffix (name, SUFFIX) && strlen (name) > strlen (SUFFIX))
    name[strlen (name) - strlen (SUFFIX)] = '\0';
  return name;
}

/* What two paths of one file share, whatever links and bind mounts lead to its folder. NULL, with
 * errno, where the folder cannot be seen. */
static char *
dup_key (const char *path)
{
  g_autofree char *folder = g_path_get_dirname (path);
  g_autofree char *name = g_path_get_basename (path);
  struct stat status;

  if (stat (folder, &status) < 0)
    return NULL;
  return g_strdup_printf ("%" G_GINT64_MODIFIER "x:%" G_GINT64_MODIFIER "x/%s",
                          (guint64) status.st_dev, (guint64) status.st_ino, name);
}

static gboolean
is_socket (const char *path)
{
  struct stat status;

  return lstat (path, &status) == 0 && S_ISSOCK (status.st_mode);
}

char **
shmframe_name_list (void)
{
  g_auto (GStrv) folders = shmframe_name_folders ();
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GPtrArray) paths = g_ptr_array_new ();

  for (char **folder = folders; *folder != NULL; folder++)
    {
      g_autoptr (GDir) dir = g_dir_open (*folder, 0, NULL);
      const char *entry;

      while (dir != NULL && (entry = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *path = g_build_filename (*folder, entry, NULL);

          if (g_str_has_suffix (entry, SUFFIX) && shmframe_name_check (path, NULL)
              && is_socket (path) && g_hash_table_add (seen, dup_key (path)))
            g_ptr_array_add (paths, g_steal_pointer (&path));
        }
    }
  g_ptr_array_sort (paths, compare_strings);
  g_ptr_array_add (paths, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&paths), FALSE);
}

/* ---- live and dead names ------------------------------------------------------------------ */

/* The entry of this process in the table. Entries that a fork() copied are not ours. */
static ShmFrameName *
lookup_own (const char *key)
{
  ShmFrameName *name = owned != NULL && key != NULL ? g_hash_table_lookup (owned, key) : NULL;

  return name != NULL && name->pid == getpid () ? name : NULL;
}

static void
unlink_socket (const char *path)
{
  if (is_socket (path))
    unlink (path);
}

/* Under the lock. */
static void
unlink_temporary (const char *path)
{
  g_autofree char *temporary = g_strconcat (path, BIND_SUFFIX, NULL);

  unlink_socket (temporary);
}

/* Under the lock. The lock file last: who is killed here leaves what can be swept again. */
static void
unlink_all (const char *path, const char *lock_path)
{
  unlink_temporary (path);
  unlink_socket (path);
  unlink (lock_path);
}

/* Under the mutex. */
static ShmFrameNameState
query (const char *path, guint *pid)
{
  g_autofree char *key = dup_key (path);
  g_autofree char *lock_path = g_strconcat (path, LOCK_SUFFIX, NULL);
  ShmFrameNameState state = SHMFRAME_NAME_UNKNOWN;

  *pid = 0;
  if (lookup_own (key) != NULL)
    {
      *pid = (guint) getpid ();
      return SHMFRAME_NAME_LIVE;
    }
  for (int i = 0; i < TRIES; i++)
    {
      int fd = open (lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
      gboolean current;

      if (fd < 0 && errno == ENOENT)
        return is_socket (path) ? SHMFRAME_NAME_FOREIGN : SHMFRAME_NAME_DEAD;
      if (fd < 0)
        return SHMFRAME_NAME_UNKNOWN;
      state = shmframe_lock_is_owned (fd, pid) ? SHMFRAME_NAME_LIVE : SHMFRAME_NAME_DEAD;
      current = shmframe_lock_is_current (fd, lock_path);
      close (fd);
      if (current)
        break;
    }
  return state;
}

ShmFrameNameState
shmframe_name_query (const char *path, guint *pid)
{
  ShmFrameNameState state;

  g_mutex_lock (&mutex);
  state = query (path, pid);
  g_mutex_unlock (&mutex);
  return state;
}

void
shmframe_name_sweep (const char *path)
{
  g_autofree char *key = dup_key (path);
  g_autofree char *lock_path = g_strconcat (path, LOCK_SUFFIX, NULL);
  int fd;

  g_mutex_lock (&mutex);
  if (lookup_own (key) == NULL && shmframe_lock_sweeper (lock_path, &fd) == SHMFRAME_LOCK_TAKEN)
    {
      unlink_all (path, lock_path);
      close (fd);
    }
  g_mutex_unlock (&mutex);
}

/* ---- owning -------------------------------------------------------------------------------- */

static gboolean
refuse_in_use (const char *path, guint pid, GError **error)
{
  g_autofree char *pool = shmframe_name_from_path (path);
  g_autofree char *who = pid != 0 ? g_strdup_printf ("process %u", pid) : g_strdup ("a process");

  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME_IN_USE,
               "pool %s: %s owns its name (%s): end that producer, or use another name", pool, who,
               path);
  return FALSE;
}

static gboolean
take_lock (ShmFrameName *self, gboolean *fresh, GError **error)
{
  g_autofree char *lock_path = g_strconcat (self->path, LOCK_SUFFIX, NULL);
  guint pid = 0;

  for (int i = 0; i < TRIES; i++)
    switch (shmframe_lock_owner (lock_path, &self->lock, fresh, &pid))
      {
      case SHMFRAME_LOCK_TAKEN:
        return TRUE;
      case SHMFRAME_LOCK_OWNED:
        return refuse_in_use (self->path, pid, error);
      case SHMFRAME_LOCK_MOVED:
        /* A sweeper is at it. It needs microseconds, unless it was stopped. */
        g_usleep (1000);
        break;
      case SHMFRAME_LOCK_FOREIGN:
        g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME,
                     "owning %s: %s exists and is not a lock file: remove it, or use another name",
                     self->path, lock_path);
        return FALSE;
      case SHMFRAME_LOCK_FAILED:
      default:
        return set_system_error (error, errno, "owning %s: lock file %s", self->path, lock_path);
      }
  g_set_error (
      error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME_IN_USE,
      "owning %s: another process is removing what a dead producer left, and does not go on: "
      "continue or kill it (fuser %s), or use another name",
      self->path, lock_path);
  return FALSE;
}

/* Under the lock: what is at the path must be a dead producer's socket, or nothing. One without a
 * lock file may be somebody else's, or that of a live producer whose lock file was removed. */
static gboolean
check_leftovers (const ShmFrameName *self, gboolean fresh, GError **error)
{
  g_autoptr (ShmFrameConnection) probe = NULL;
  g_autoptr (GError) probe_error = NULL;
  ShmFramePeer peer = { 0 };
  struct stat status;

  if (lstat (self->path, &status) < 0)
    return errno == ENOENT || set_system_error (error, errno, "owning %s", self->path);
  if (!S_ISSOCK (status.st_mode))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME,
                   "owning %s: it exists and is not a socket: remove it, or use another name",
                   self->path);
      return FALSE;
    }
  if (!fresh)
    return TRUE;
  probe = shmframe_connection_open (self->path, &probe_error);
  if (g_error_matches (probe_error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND))
    return TRUE;
  if (probe != NULL)
    shmframe_connection_get_peer (probe, &peer);
  return refuse_in_use (self->path, (guint) peer.pid, error);
}

static gboolean
find_group (const char *group, gid_t *gid, GError **error)
{
  g_autofree char *buffer = NULL;
  struct group entry, *found = NULL;
  gsize size = 1024;
  int result;

  do
    {
      size *= 4;
      g_free (buffer);
      buffer = g_malloc (size);
      result = getgrnam_r (group, &entry, buffer, size, &found);
    }
  while (result == ERANGE && size < 16 * 1024 * 1024);
  if (found == NULL)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
                   "socket group \"%s\": %s: give the name of a group that exists", group,
                   result != 0 ? g_strerror (result) : "there is none");
      return FALSE;
    }
  *gid = found->gr_gid;
  return TRUE;
}

static gboolean
set_access (const ShmFrameName *self, const char *temporary, const Access *allowed, GError **error)
{
  if (allowed->group != NULL && lchown (temporary, (uid_t) -1, allowed->gid) < 0)
    {
      if (errno != EPERM)
        return set_system_error (error, errno, "owning %s: giving it to group %s", self->path,
                                 allowed->group);
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PERMISSION,
                   "owning %s: giving it to group %s: user %u is no member of that group: make it "
                   "one (and log in again), or give a group of this user's",
                   self->path, allowed->group, (guint) geteuid ());
      return FALSE;
    }
  return chmod (temporary, allowed->mode) == 0
         || set_system_error (error, errno, "owning %s: mode %o", self->path, allowed->mode);
}

/* Binds under the temporary name, with mode and group before anybody can connect. */
static gboolean
bind_temporary (ShmFrameName *self, const char *temporary, const Access *allowed, GError **error)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  struct stat status;
  int on = 1;

  self->socket = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (self->socket < 0)
    return set_system_error (error, errno, "owning %s: making a socket", self->path);
  /* Credentials come with messages only if their receiver wants them when they are sent, which may be
   * before it is accepted. */
  setsockopt (self->socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  setsockopt (self->socket, SOL_SOCKET, SO_PASSPIDFD, &on, sizeof on);
  strcpy (address.sun_path, temporary);
  if (bind (self->socket, (const struct sockaddr *) &address, sizeof address) < 0)
    return set_system_error (error, errno, "owning %s: binding %s", self->path, temporary);
  SHMFRAME_STOP (NAME_BOUND);
  if (lstat (temporary, &status) < 0)
    return set_system_error (error, errno, "owning %s: binding %s", self->path, temporary);
  self->device = status.st_dev;
  self->inode = status.st_ino;
  if (!set_access (self, temporary, allowed, error))
    return FALSE;
  /* Linux 6.16: no descriptors come in at all. Older kernels: shmframe_connection_close_fds(). */
  setsockopt (self->socket, SOL_SOCKET, SO_PASSRIGHTS, &(int){ 0 }, sizeof (int));
  if (listen (self->socket, BACKLOG) < 0)
    return set_system_error (error, errno, "owning %s: listening", self->path);
  return TRUE;
}

static gboolean
own (ShmFrameName *self, const Access *allowed, GError **error)
{
  g_autofree char *temporary = g_strconcat (self->path, BIND_SUFFIX, NULL);
  gboolean fresh;

  if (!take_lock (self, &fresh, error))
    return FALSE;
  SHMFRAME_STOP (NAME_LOCKED);
  if (!check_leftovers (self, fresh, error))
    return FALSE;
  unlink_temporary (self->path);
  unlink_socket (self->path);
  if (!bind_temporary (self, temporary, allowed, error))
    return FALSE;
  if (rename (temporary, self->path) < 0)
    return set_system_error (error, errno, "owning %s: renaming %s", self->path, temporary);
  SHMFRAME_STOP (NAME_RENAMED);
  return TRUE;
}

/* Gives back what own() took, however far it came. Under the mutex. */
static void
disown (ShmFrameName *self)
{
  g_autofree char *lock_path = g_strconcat (self->path, LOCK_SUFFIX, NULL);
  struct stat status;

  if (self->lock >= 0 && self->pid == getpid () && shmframe_lock_is_current (self->lock, lock_path))
    {
      unlink_temporary (self->path);
      if (lstat (self->path, &status) == 0 && status.st_dev == self->device
          && status.st_ino == self->inode)
        unlink (self->path);
      unlink (lock_path);
    }
  if (self->socket >= 0)
    close (self->socket);
  if (self->lock >= 0)
    close (self->lock);
  if (owned != NULL && g_hash_table_lookup (owned, self->key) == self)
    g_hash_table_remove (owned, self->key);
}

static void
name_destroy (ShmFrameName *self)
{
  g_free (self->path);
  g_free (self->key);
  g_free (self);
}

/* Under the mutex. Takes the key. */
static ShmFrameName *
name_new (const char *path, char *key, const Access *allowed, GError **error)
{
  ShmFrameName *self = g_new0 (ShmFrameName, 1);

  self->path = g_strdup (path);
  self->key = key;
  self->pid = getpid ();
  self->lock = -1;
  self->socket = -1;
  if (lookup_own (key) != NULL)
    refuse_in_use (path, (guint) self->pid, error);
  else if (own (self, allowed, error))
    {
      if (owned == NULL)
        owned = g_hash_table_new (g_str_hash, g_str_equal);
      g_hash_table_replace (owned, self->key, self);
      return self;
    }
  disown (self);
  name_destroy (self);
  return NULL;
}

ShmFrameName *
shmframe_name_own (const char *path, guint mode, const char *group, GError **error)
{
  ShmFrameName *self;
  Access allowed = { .mode = mode, .group = group };
  char *key;

  g_return_val_if_fail (path[0] == '/', NULL);
  if (!shmframe_name_check (path, error)
      || (group != NULL && !find_group (group, &allowed.gid, error)))
    return NULL;
  if (mode > 0777)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
                   "socket mode %o: give one of 0 to 777 (octal)", mode);
      return NULL;
    }
  key = dup_key (path);
  if (key == NULL)
    {
      set_system_error (error, errno, "owning %s: its folder", path);
      return NULL;
    }
  g_mutex_lock (&mutex);
  self = name_new (path, key, &allowed, error);
  g_mutex_unlock (&mutex);
  return self;
}

int
shmframe_name_get_socket (const ShmFrameName *self)
{
  return self->socket;
}

const char *
shmframe_name_get_path (const ShmFrameName *self)
{
  return self->path;
}

void
shmframe_name_free (ShmFrameName *self)
{
  if (self == NULL)
    return;
  g_mutex_lock (&mutex);
  disown (self);
  g_mutex_unlock (&mutex);
  name_destroy (self);
}
