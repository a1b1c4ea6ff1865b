/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "window.h"

/* What can be done in the window, by menu, buttons and keys. Main thread. */
void viewer_actions_add (ViewerWindow *window);
/* Which of them can be done now. */
void viewer_actions_update (ViewerWindow *window);
void viewer_actions_set_keys (GtkApplication *application);
/* Those keys that the focused widget may want for itself: they are tried after it, in `widget`. */
void viewer_actions_add_local_keys (GtkWidget *widget);
/* The space bar pauses, though `widget` would do something else with it. */
void viewer_actions_add_pause_key (GtkWidget *widget);
