/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/* Values over the last minute as lines, with title, unit, axis and the newest values in words; or a
 * histogram as bars. Follows the theme's colours, light and dark. Main thread. */
#define VIEWER_TYPE_CHART (viewer_chart_get_type ())
G_DECLARE_FINAL_TYPE (ViewerChart, viewer_chart, VIEWER, CHART, GtkWidget)

#define VIEWER_CHART_SERIES 4

/* `series` ends with NULL; "" for the name of a single one. */
GtkWidget *viewer_chart_new (const char *title, const char *unit, const char *const *series);
/* A value for each series; NAN: none. */
void viewer_chart_add (ViewerChart *self, gint64 time_ns, const double *values);
void viewer_chart_clear (ViewerChart *self);

/* Bars over a logarithmic axis of durations: upper bounds in ns, and how often. */
GtkWidget *viewer_chart_new_histogram (const char *title);
void viewer_chart_set_bars (ViewerChart *self, const guint64 *bounds_ns, const guint64 *counts,
                            guint n);

/* The words in its title line: "59.9 fps". (transfer full) */
char *viewer_chart_dup_text (ViewerChart *self);
