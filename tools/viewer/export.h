/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <shmframe/shmframe.h>

/* Writes a frame as a PNG file, on a thread of its own. Without `replace` a file that is there stays:
 * the name gets a -2, -3... Main thread. */
void viewer_export (ShmFrameFrame *frame, const char *path, gboolean replace,
                    GAsyncReadyCallback ended, gpointer data);
/* The path that was written, or NULL with an error. (transfer full) */
char *viewer_export_finish (GAsyncResult *result, GError **error);

/* "cam0-000123.png". (transfer full) */
char *viewer_export_dup_name (const char *pool, ShmFrameFrame *frame);
/* The folder for pictures, or the current one. (transfer full) */
char *viewer_export_dup_folder (void);
