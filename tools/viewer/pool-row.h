/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>
#include <shmframe/shmframe.h>

/* A pool in the list: thumbnail, name, format, rate and producer. Main thread. */
#define VIEWER_TYPE_POOL_ROW (viewer_pool_row_get_type ())
G_DECLARE_FINAL_TYPE (ViewerPoolRow, viewer_pool_row, VIEWER, POOL_ROW, GtkListBoxRow)

/* `pool` is a name or the path of a socket. */
GtkWidget *viewer_pool_row_new (const char *pool);
const char *viewer_pool_row_get_pool (ViewerPoolRow *self);
/* What the registry says; NULL: it is gone. A pool that was asked for by name gets the
 * path of the first live one. */
void viewer_pool_row_set_info (ViewerPoolRow *self, ShmFramePoolInfo *info);
/* CLOCK_MONOTONIC of when it went; -1: it is there. */
gint64 viewer_pool_row_get_gone_ns (ViewerPoolRow *self);
/* With or without a picture, which takes a thread and an observer each. */
void viewer_pool_row_set_thumbnail (ViewerPoolRow *self, gboolean thumbnail);
