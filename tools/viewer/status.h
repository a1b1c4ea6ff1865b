/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "session.h"

/* The status line: pool, format, rate, and which frame is shown. Main thread. */
#define VIEWER_TYPE_STATUS (viewer_status_get_type ())
G_DECLARE_FINAL_TYPE (ViewerStatus, viewer_status, VIEWER, STATUS, GtkWidget)

/* NULL: no pool. The session is only read during the call. */
void viewer_status_update (ViewerStatus *self, ViewerSession *session);
