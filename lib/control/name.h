/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/*
 * Pool names: runtime folders, path rules, and who owns a name.
 *
 * Folders, the first usable one for producers, all readable ones for consumers and the registry:
 * $SHMFRAME_RUNTIME_DIR (when set: it alone); else $XDG_RUNTIME_DIR/shmframe; /run/shmframe (root);
 * /tmp/shmframe-UID (others; 0700, owner checked). Consumers and the registry search every one of
 * the last three that exists, with /tmp/shmframe-* of other users where readable.
 *
 * The socket of pool NAME is FOLDER/NAME.sock; its owner holds an fcntl record lock on
 * FOLDER/NAME.sock.lock, plus an entry in a per-process table (record locks do not exclude within a
 * process). A lock dies with its process, so a dead producer's name is taken over at once and a live
 * one's never. Whoever notices a dead name (producer, consumer, registry) sweeps its two files.
 */

/* A name is 1 to 100 bytes of UTF-8 without '/', control characters or a leading '.'; or an absolute
 * path. The path must fit sun_path (107 bytes) together with the temporary suffix. Errors: NAME. */
gboolean shmframe_name_check (const char *pool, GError **error);

/* The folders to search, existing or not, in order. (transfer full) */
char **shmframe_name_folders (void);
/* Where a producer's socket goes; makes the folder. (transfer full) Errors: NAME, PERMISSION. */
char *shmframe_name_producer_path (const char *pool, GError **error);
/* Every path at which a consumer looks for a pool, in order. (transfer full) Errors: NAME. */
char **shmframe_name_consumer_paths (const char *pool, GError **error);
/* The pool name that a socket path stands for ("cam0" for ".../cam0.sock"). (transfer full) */
char *shmframe_name_from_path (const char *path);

/* An owned name, with its listening socket. */
typedef struct _ShmFrameName ShmFrameName;

/* Takes the name and listens (SOCK_SEQPACKET): lock, bind under a temporary name, chmod, chown,
 * listen, rename into place. Errors: NAME_IN_USE (with the owner's pid), PERMISSION, NAME,
 * NO_DESCRIPTORS. */
ShmFrameName *shmframe_name_own (const char *path, guint mode, const char *group, GError **error);
int shmframe_name_get_socket (const ShmFrameName *self);
const char *shmframe_name_get_path (const ShmFrameName *self);
/* Removes both files, closes the socket, releases the lock. Takes NULL. */
void shmframe_name_free (ShmFrameName *self);

/* Whether a live process owns the path. *pid: its pid, 0 where the kernel does not say (another pid
 * namespace, or no permission to look). */
typedef enum
{
  SHMFRAME_NAME_LIVE,
  SHMFRAME_NAME_DEAD,
  SHMFRAME_NAME_FOREIGN, /* a socket without a lock file: of another program */
  SHMFRAME_NAME_UNKNOWN, /* no permission to look */
} ShmFrameNameState;
ShmFrameNameState shmframe_name_query (const char *path, guint *pid);
/* Removes what a dead producer left, if it is dead and we may. */
void shmframe_name_sweep (const char *path);

/* The socket paths (FOLDER/NAME.sock) in all folders that may be read, live or dead, sorted; a socket
 * that two folders show is listed once. (transfer full) */
char **shmframe_name_list (void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFrameName, shmframe_name_free)
