/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/* What happened, newest last: time, kind ("freeze", "attached", ...), sequence, text. Keeps 1000 lines,
 * follows the end unless scrolled away; lines can be selected and copied. Main thread. */
#define VIEWER_TYPE_EVENT_LOG (viewer_event_log_get_type ())
G_DECLARE_FINAL_TYPE (ViewerEventLog, viewer_event_log, VIEWER, EVENT_LOG, GtkWidget)

GtkWidget *viewer_event_log_new (void);
/* sequence 0: none. */
void viewer_event_log_add (ViewerEventLog *self, const char *kind, guint64 sequence,
                           const char *text);
void viewer_event_log_clear (ViewerEventLog *self);
/* The lines, or those that are selected: time, kind, sequence and text between tabs. (transfer full) */
char *viewer_event_log_dup_text (ViewerEventLog *self, gboolean selected);
