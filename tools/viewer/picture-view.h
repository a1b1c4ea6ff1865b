/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "session.h"

/*
 * A session's picture: zoomed about the pointer by the wheel, panned by dragging, with one pixel under
 * inspection, which follows the pointer or is moved by keys. Zoom counts the screen's pixels: at 1 each
 * of the picture's pixels is one of the screen's. Main thread.
 *
 * Signals: zoom-changed (by the user; a fitted one also follows the window), inspected (another pixel is).
 */
#define VIEWER_TYPE_PICTURE_VIEW (viewer_picture_view_get_type ())
G_DECLARE_FINAL_TYPE (ViewerPictureView, viewer_picture_view, VIEWER, PICTURE_VIEW, GtkWidget)

/* NULL: none. Takes a reference. */
void viewer_picture_view_set_session (ViewerPictureView *self, ViewerSession *session);
/* What the zoom is now, fitted or set; 0: no picture. */
double viewer_picture_view_get_zoom (ViewerPictureView *self);
/* 0: as large as fits. */
void viewer_picture_view_set_zoom (ViewerPictureView *self, double zoom);
/* To the next of the usual zooms: 1 in, -1 out. */
void viewer_picture_view_step_zoom (ViewerPictureView *self, int by);
/* By a part of what is seen. */
void viewer_picture_view_pan (ViewerPictureView *self, double x, double y);
/* The pixel under inspection, in the frame's pixels. FALSE: none. */
gboolean viewer_picture_view_get_inspected (ViewerPictureView *self, guint *x, guint *y);
void viewer_picture_view_move_inspected (ViewerPictureView *self, int x, int y);
