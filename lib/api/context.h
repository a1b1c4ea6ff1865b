/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Main contexts for the control threads. GLib ends the process when a context finds no descriptor for
 * itself, so the caller must know beforehand that there are some. Between the question and the use
 * another thread may take them; that is as near as one gets.
 */

/* A GFileMonitor's: inotify, and the context of the thread with which GLib reads it. */
#define SHMFRAME_MONITOR_DESCRIPTORS 2

/* Whether `n` more descriptors can be opened now. */
gboolean shmframe_context_can_open (guint n);
/* A context, when it and `n` further descriptors can be opened. `pool`: for the message.
 * Errors: NO_DESCRIPTORS. */
GMainContext *shmframe_context_new (const char *pool, guint n, GError **error);
