/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "picture-view.h"

/* The line below the picture: what the pixel under inspection is, and the zoom. Main thread. */
#define VIEWER_TYPE_INSPECTOR (viewer_inspector_get_type ())
G_DECLARE_FINAL_TYPE (ViewerInspector, viewer_inspector, VIEWER, INSPECTOR, GtkWidget)

/* Both are only read during the call. */
void viewer_inspector_update (ViewerInspector *self, ViewerPictureView *view,
                              ViewerSession *session);
