/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/* For tests of widgets: a screen of their own, a window on it, what is drawn, keys and clicks. */

/* Starts Xvfb and GTK. Ends the test with a message where that cannot be had. */
void screen_begin (int *argc, char ***argv);
void screen_end (void);

/* A window with the widget, drawn; destroy it with screen_close(). */
GtkWidget *screen_show (GtkWidget *widget, int width, int height);
void screen_close (GtkWidget *window);
void screen_set_dark (gboolean dark);

/* Runs the main loop until the condition holds; fails after 10 s. */
#define screen_await(condition)                                                                    \
  G_STMT_START                                                                                     \
  {                                                                                                \
    g_autoptr (GTimer) watch = g_timer_new ();                                                     \
    while (!(condition))                                                                           \
      {                                                                                            \
        if (g_timer_elapsed (watch, NULL) > 10)                                                    \
          g_error ("%s: not within 10 s: %s", G_STRLOC, #condition);                               \
        screen_iterate ();                                                                         \
      }                                                                                            \
  }                                                                                                \
  G_STMT_END
/* One turn of the main loop; returns after 100 ms at the latest. */
void screen_iterate (void);
/* Until what was changed before is drawn. */
void screen_settle (GtkWidget *widget);

/* The named widget below another. */
GtkWidget *screen_find (GtkWidget *widget, const char *name);
/* Is the text shown in a label or inscription below it? */
gboolean screen_has_text (GtkWidget *widget, const char *text);

/* What a widget draws. */
typedef struct
{
  int width, height;
  guint32 *pixels; /* 0xAARRGGBB, premultiplied */
} Drawing;

Drawing *screen_draw (GtkWidget *widget);
void drawing_free (Drawing *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Drawing, drawing_free)
guint32 drawing_get (const Drawing *self, int x, int y);
/* How many pixels of the rectangle (NULL: all) have that colour, within 3 in each component. */
guint drawing_count (const Drawing *self, const GdkRectangle *in, guint32 rgb);
/* The box around them; width 0: there are none. */
GdkRectangle drawing_bounds (const Drawing *self, const GdkRectangle *in, guint32 rgb);
/* Text, whose edges are soft: of the pixels that are at least half covered, how many are drawn in that
 * colour. */
guint drawing_count_text (const Drawing *self, const GdkRectangle *in, guint32 rgb);

/* xdotool, on this screen: "key", "Down"... NULL-terminated. */
void screen_do (const char *word, ...) G_GNUC_NULL_TERMINATED;
/* Moves the pointer to a place in a widget, in the window at the screen's origin. */
void screen_point (GtkWidget *widget, int x, int y);
