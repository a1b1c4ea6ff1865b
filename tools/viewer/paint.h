/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/* What the drawn widgets share: colours that the colour-blind can tell apart (Okabe and Ito's), and
 * text. Main thread. */
typedef enum
{
  HUE_GREY,
  HUE_ORANGE,
  HUE_SKY,
  HUE_GREEN,
  HUE_BLUE,
  HUE_VERMILION,
  HUE_PINK,
  N_HUES,
} PaintHue;

void paint_hue (PaintHue hue, GdkRGBA *colour);
/* Black or white, whichever can be read on it. */
void paint_ink (PaintHue hue, GdkRGBA *colour);
/* The theme's text colour. */
void paint_foreground (GtkWidget *widget, double alpha, GdkRGBA *colour);
/* Of the n-th line of a chart: readable on the theme's background. */
void paint_series (GtkWidget *widget, guint n, GdkRGBA *colour);

/* Makes bytes `start` to `end` of a text look like a coloured label. */
void paint_chip (PangoAttrList *attributes, PaintHue hue, guint start, guint end);

/* A layout for small texts in the widget's font, with digits of one width. (transfer full) */
PangoLayout *paint_create_layout (GtkWidget *widget);
/* At x, y, which is the text's left (align 0), centre (0.5) or right (1) top. */
void paint_layout (GtkSnapshot *snapshot, PangoLayout *layout, const GdkRGBA *colour, double x,
                   double y, double align);

/* A peer's text, fit to show: printable, and cut to `most` characters. (transfer full) */
char *paint_clean (const char *text, guint most);

/* Its whole text as a tool tip. Asked for when it is shown: gtk_widget_set_tooltip_text() asks the
 * display where the pointer is, each time. */
void paint_add_tooltip (GtkInscription *inscription);
