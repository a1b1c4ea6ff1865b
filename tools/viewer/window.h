/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "panels.h"
#include "picture-view.h"
#include "pool-list.h"

/* The window: pools, the picture of the one that is selected, panels, status line. Main thread. */
#define VIEWER_TYPE_WINDOW (viewer_window_get_type ())
G_DECLARE_FINAL_TYPE (ViewerWindow, viewer_window, VIEWER, WINDOW, GtkApplicationWindow)

/* `pool` NULL: the first that there is. `lease`: be a normal consumer. */
GtkWidget *viewer_window_new (GtkApplication *application, const char *pool, gboolean lease);

ViewerSession *viewer_window_get_session (ViewerWindow *self); /* NULL: none */
ViewerPictureView *viewer_window_get_picture_view (ViewerWindow *self);
ViewerPoolList *viewer_window_get_pool_list (ViewerWindow *self);
ViewerPanels *viewer_window_get_panels (ViewerWindow *self);
GtkWidget *viewer_window_get_sidebar (ViewerWindow *self);
/* For some seconds, below the picture. */
void viewer_window_say (ViewerWindow *self, const char *text);
