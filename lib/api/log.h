/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The producer's log of events. It keeps the newest SHMFRAME_LOG_RECENT of them for consumers whose
 * socket is slow, and the sticky state (the last event of each sticky name) for those that attach or
 * have fallen out of the log. Not thread-safe: pool.c holds its lock.
 */
#define SHMFRAME_LOG_RECENT 4096
#define SHMFRAME_LOG_BYTES (1024 * 1024) /* of their values, at most */

typedef struct
{
  guint64 number;   /* from 1, without gaps */
  guint64 sequence; /* of the frame that it precedes */
  char *name;
  GVariant *value; /* nullable */
  gboolean sticky;
} ShmFrameLogEntry;

typedef struct
{
  guint64 number;     /* of the newest event; 0: none yet */
  GQueue recent;      /* ShmFrameLogEntry, oldest first */
  gsize bytes;        /* of their values */
  GHashTable *sticky; /* name -> ShmFrameLogEntry */
  ShmFrameLogEntry *eos; /* in force until the next frame; not for those that attach after it */
} ShmFrameLog;

/* Names that the library itself gives to events. */
#define SHMFRAME_LOG_FORMAT "format"
#define SHMFRAME_LOG_EOS "eos"

void shmframe_log_init (ShmFrameLog *self);
void shmframe_log_finish (ShmFrameLog *self);

/* Adds an event; sinks value, which is in normal form. Errors: ARGUMENT (name), TOO_BIG (value, or too many sticky names). */
gboolean shmframe_log_push (ShmFrameLog *self, const char *name, GVariant *value, gboolean sticky,
                            guint64 sequence, GError **error);
/* Whether a message can carry the value (it may be nested too deeply): before the lock, since it reads
 * all of it. Errors: TOO_BIG. */
gboolean shmframe_log_check_value (GVariant *value, GError **error);
/* A frame was published: the end of the stream is over. */
void shmframe_log_resume (ShmFrameLog *self);

/* The event after number `sent` (transfer full), or NULL where the log no longer has it. */
ShmFrameLogEntry *shmframe_log_get (ShmFrameLog *self, guint64 sent);
/* The sticky events after `sent`, by number; with the end of stream unless `attaching`.
 * (element-type ShmFrameLogEntry) (transfer full) */
GPtrArray *shmframe_log_get_sticky (ShmFrameLog *self, guint64 sent, gboolean attaching);

void shmframe_log_entry_unref (ShmFrameLogEntry *entry); /* thread-safe; takes NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFrameLogEntry, shmframe_log_entry_unref)
