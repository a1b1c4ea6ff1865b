/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "control/message.h"

/*
 * A SOCK_SEQPACKET connection to a peer: whole messages with descriptors, and who the peer is.
 * Nothing blocks. Descriptors are received with MSG_CMSG_CLOEXEC; truncated control data, surplus
 * descriptors, oversize or malformed messages are PROTOCOL errors, after which the caller closes.
 * Sends may come from any thread; receives from one at a time.
 */
typedef struct _ShmFrameConnection ShmFrameConnection;

typedef struct
{
  pid_t pid; /* 0 where the kernel does not know it (another pid namespace) */
  uid_t uid;
  gid_t gid;
} ShmFramePeer;

/* Takes the descriptor, also on error. Sets it non-blocking and close-on-exec.
 * Errors: PROTOCOL (not a Unix SOCK_SEQPACKET), FAILED. */
ShmFrameConnection *shmframe_connection_new (int fd, GError **error);
/* Connects to a socket path, without waiting. Errors: NOT_FOUND (none, or nobody listens),
 * PERMISSION, NO_DESCRIPTORS, NAME (too long, or not a pool's socket), FAILED (backlog full: try
 * again). */
ShmFrameConnection *shmframe_connection_open (const char *path, GError **error);
/* Accepts one; NULL without an error where none is there. Errors: NO_DESCRIPTORS, FAILED. */
ShmFrameConnection *shmframe_connection_accept (int listener, GError **error);
void shmframe_connection_free (ShmFrameConnection *self); /* closes; takes NULL */

int shmframe_connection_get_fd (const ShmFrameConnection *self);

/* Sends one message with its descriptors (not taken). TRUE: sent. FALSE without error: the socket is
 * full, try again when it is writable. Errors: CLOSED, TOO_BIG, FAILED. */
gboolean shmframe_connection_send (ShmFrameConnection *self, const ShmFrameMessage *message,
                                   const int *fds, guint n_fds, GError **error);
/* Receives one message. 1: got one, with *n_fds descriptors in fds (SHMFRAME_MESSAGE_MAX_FDS places,
 * the caller closes them). 0: none there. -1: error, all descriptors closed: CLOSED (orderly end or
 * reset), PROTOCOL, NO_DESCRIPTORS (no room for those that came), FAILED. */
int shmframe_connection_receive (ShmFrameConnection *self, ShmFrameMessage *message, int *fds,
                                 guint *n_fds, GError **error);

/* The peer. Of a socket that we connected: who listens (SO_PEERCRED). Of one that we accepted: after
 * the first message, who sent that (SCM_CREDENTIALS; so a descriptor that was passed on is counted
 * for who uses it), before that who connected. */
void shmframe_connection_get_peer (const ShmFrameConnection *self, ShmFramePeer *peer);
/* A pidfd of the peer, readable when it has died; owned by the connection, and the same one for its
 * life; -1 where there is none (SO_PEERPIDFD or SCM_PIDFD, else pidfd_open of the pid, re-checked).
 * An accepted connection has it from the first message on. */
int shmframe_connection_get_pidfd (const ShmFrameConnection *self);
/* Whether the peer is dead: the pidfd says so, or it was dead before there could be one. */
gboolean shmframe_connection_peer_is_dead (const ShmFrameConnection *self);
/* The peer's program, from /proc/PID/comm; "?" where it can't be read. (transfer full) */
char *shmframe_connection_dup_program (const ShmFrameConnection *self);

/* Closes descriptors that a peer sent. Those that are not known to be harmless (memory, as was checked)
 * on a thread of their own: closing may block for as long as the peer likes (a lingering TCP socket, a
 * file of a FUSE file system). */
void shmframe_connection_close_fds (const int *fds, guint n_fds, gboolean harmless);

/* Whether a descriptor that a peer sent is an end of a doorbell: nothing else is waited on. */
gboolean shmframe_connection_is_doorbell (int fd);
/* A doorbell: a connected pair of SOCK_DGRAM sockets, both non-blocking and close-on-exec. */
gboolean shmframe_connection_doorbell (int pair[2], GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFrameConnection, shmframe_connection_free)
