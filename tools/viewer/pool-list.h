/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/*
 * The pools that there are, as they come and go, each with thumbnail, format, rate and producer. One that
 * is gone stays for a minute, grey and with the reason; the selected one for as long as it is selected.
 * Main thread.
 *
 * Signal: selected (const char *path): NULL: none.
 */
#define VIEWER_TYPE_POOL_LIST (viewer_pool_list_get_type ())
G_DECLARE_FINAL_TYPE (ViewerPoolList, viewer_pool_list, VIEWER, POOL_LIST, GtkWidget)

/* By name or path, also one that does not exist yet. */
void viewer_pool_list_select (ViewerPoolList *self, const char *pool);
/* The one after (1) or before (-1) the selected one. */
void viewer_pool_list_step (ViewerPoolList *self, int by);
