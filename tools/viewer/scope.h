/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "../picture.h"

/* Histogram (R, G, B, luma) or waveform (luma over columns) of a picture. Main thread. */
#define VIEWER_TYPE_SCOPE (viewer_scope_get_type ())
G_DECLARE_FINAL_TYPE (ViewerScope, viewer_scope, VIEWER, SCOPE, GtkWidget)

typedef enum
{
  VIEWER_SCOPE_HISTOGRAM,
  VIEWER_SCOPE_WAVEFORM,
} ViewerScopeKind;

GtkWidget *viewer_scope_new (ViewerScopeKind kind);
/* Keeps a reference to the bytes; computes later, in a tenth of the time at most, and nothing while the
 * widget is not mapped. NULL: none. */
void viewer_scope_set_picture (ViewerScope *self, const Picture *picture);
