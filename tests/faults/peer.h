/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The processes of one fault case, as the case sees them. Whatever does not come within 10 s of being
 * awaited, and whatever must not be, ends the case (this process) with a word on why.
 */

#include <glib.h>
#include <sys/types.h>

typedef struct
{
  const char *name;
  pid_t pid;
  int in, out;
  GString *text; /* of `out`, up to the next line */
  char *answer;  /* of a producer; NULL: it is due */
  gboolean is_producer;
  gboolean is_victim; /* it may stop, die, and lose what it holds */
  gboolean stopped, dead;
  int status; /* once dead, as waitpid() has it */

  /* A consumer, by what it has said. */
  gboolean every; /* it gets each frame, one after the other */
  gboolean may_be_evicted;
  pid_t producer; /* 0: none */
  pid_t last_producer;
  gboolean begins; /* its next frame is the first since it attached */
  guint64 last;    /* sequence */
  guint losses, evictions, revoked;
} Peer;

typedef gboolean (*PeerDone) (const Peer *self, guint64 value);

/* Once, in the process of a case: where to write why it failed. */
void peer_begin (char *why, gsize size);
G_GNUC_PRINTF (1, 2) G_NORETURN void peer_fail (const char *format, ...);

/* The g_get_monotonic_time() at which what is looked at again and again has to be so. */
gint64 peer_deadline (void);

/* `words`: a role and its arguments. `stop`: its SHMFRAME_STOP, which makes it the victim, or NULL. */
Peer *peer_new (const char *name, const char *stop, const char *const *words);
/* Kills it, if it lives. */
void peer_free (Peer *self);
/* Closes its input: it must end in order. */
void peer_end (Peer *self);

void peer_tell (Peer *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Every wait ends when this one has stopped or died; NULL: none. */
void peer_mind (Peer *self);
/* Until it is done. FALSE: it has stopped or died before, or one that is minded; or the time was up. */
gboolean peer_await (Peer *self, PeerDone done, guint64 value, int timeout_ms);
gboolean peer_has_frame (const Peer *self, guint64 sequence);
/* peer_await() under the watchdog. */
gboolean peer_await_answer (Peer *self);
gboolean peer_await_frame (Peer *self, guint64 sequence);
gboolean peer_await_attached (Peer *self, pid_t producer);
void peer_await_lost (Peer *self);
/* Until the victim has stopped or died. */
void peer_await_hit (Peer *self);
/* Whether it has. */
gboolean peer_is_hit (Peer *self);

void peer_stop (Peer *self);
void peer_continue (Peer *self);

/* Mappings of segments and control pages. */
guint peer_count_mappings (pid_t pid);
