/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "session.h"

/* What stands below the picture: slots, consumers, charts, scopes and log, one seen at a time. Main
 * thread. */
#define VIEWER_TYPE_PANELS (viewer_panels_get_type ())
G_DECLARE_FINAL_TYPE (ViewerPanels, viewer_panels, VIEWER, PANELS, GtkWidget)

/* NULL: none. Takes a reference. */
void viewer_panels_set_session (ViewerPanels *self, ViewerSession *session);
/* The picture is another: call it some times a second. */
void viewer_panels_refresh (ViewerPanels *self);
/* "slots", "consumers", "charts", "scopes", "log". */
void viewer_panels_show (ViewerPanels *self, const char *panel);
/* Into the log. */
void viewer_panels_note (ViewerPanels *self, const char *kind, const char *text);
