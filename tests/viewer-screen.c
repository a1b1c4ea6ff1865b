/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "viewer-screen.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static GSubprocess *server;

static void
die_with_parent (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

void
screen_begin (int *argc, char ***argv)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GDataInputStream) output = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *number = NULL;
  g_autofree char *display = NULL;

  g_subprocess_launcher_set_child_setup (launcher, die_with_parent, NULL, NULL);
  server = g_subprocess_launcher_spawn (launcher, &error, "Xvfb", "-displayfd", "1", "-screen", "0",
                                        "1200x900x24", "-noreset", "-nolisten", "tcp", NULL);
  if (server == NULL)
    g_error ("Xvfb (package xvfb): %s", error->message);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (server));
  number = g_data_input_stream_read_line (output, NULL, NULL, &error);
  if (number == NULL)
    g_error ("Xvfb does not start");
  display = g_strconcat (":", number, NULL);
  g_setenv ("DISPLAY", display, TRUE);
  g_setenv ("GDK_BACKEND", "x11", TRUE);
  g_setenv ("GSK_RENDERER", "cairo", TRUE);
  g_setenv ("GTK_A11Y", "test", TRUE);
  g_setenv ("GSETTINGS_BACKEND", "memory", TRUE);
  g_unsetenv ("GTK_THEME");
  gtk_test_init (argc, argv, NULL);
  alarm (100); /* a main loop that never ends */
}

void
screen_end (void)
{
  gdk_display_close (gdk_display_get_default ());
  g_subprocess_send_signal (server, SIGTERM);
  g_subprocess_wait (server, NULL, NULL);
  g_clear_object (&server);
}

void
screen_set_dark (gboolean dark)
{
  g_object_set (gtk_settings_get_default (), "gtk-application-prefer-dark-theme", dark, NULL);
}

static gboolean
ignore (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

void
screen_iterate (void)
{
  guint wake = g_timeout_add (100, ignore, NULL);

  g_main_context_iteration (NULL, TRUE);
  g_source_remove (wake);
}

static gboolean
count_tick (GtkWidget *widget, GdkFrameClock *clock, gpointer ticks)
{
  ++*(guint *) ticks;
  return G_SOURCE_CONTINUE;
}

/* A tick comes before layout and paint: the third one after two whole frames. */
void
screen_settle (GtkWidget *widget)
{
  guint ticks = 0, id = gtk_widget_add_tick_callback (widget, count_tick, &ticks, NULL);

  screen_await (ticks >= 3);
  gtk_widget_remove_tick_callback (widget, id);
}

GtkWidget *
screen_show (GtkWidget *widget, int width, int height)
{
  GtkWidget *window = gtk_window_new ();

  gtk_window_set_decorated (GTK_WINDOW (window), FALSE);
  gtk_window_set_default_size (GTK_WINDOW (window), width, height);
  gtk_window_set_child (GTK_WINDOW (window), widget);
  gtk_window_present (GTK_WINDOW (window));
  screen_await (gtk_widget_get_mapped (widget) && gtk_widget_get_width (widget) > 0);
  screen_settle (widget);
  return window;
}

void
screen_close (GtkWidget *window)
{
  gtk_window_destroy (GTK_WINDOW (window));
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

GtkWidget *
screen_find (GtkWidget *widget, const char *name)
{
  if (g_str_equal (gtk_widget_get_name (widget), name))
    return widget;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    {
      GtkWidget *found = screen_find (child, name);

      if (found != NULL)
        return found;
    }
  return NULL;
}

gboolean
screen_has_text (GtkWidget *widget, const char *text)
{
  const char *own = NULL;

  if (GTK_IS_LABEL (widget))
    own = gtk_label_get_text (GTK_LABEL (widget));
  else if (GTK_IS_INSCRIPTION (widget))
    own = gtk_inscription_get_text (GTK_INSCRIPTION (widget));
  if (own != NULL && strstr (own, text) != NULL)
    return TRUE;
  for (GtkWidget *child = gtk_widget_get_first_child (widget); child != NULL;
       child = gtk_widget_get_next_sibling (child))
    if (screen_has_text (child, text))
      return TRUE;
  return FALSE;
}

/* ---- what is drawn ------------------------------------------------------------------------- */

Drawing *
screen_draw (GtkWidget *widget)
{
  g_autoptr (GdkPaintable) paintable = NULL;
  GtkSnapshot *snapshot = gtk_snapshot_new ();
  g_autoptr (GskRenderNode) node = NULL;
  g_autoptr (GdkTexture) texture = NULL;
  Drawing *self = g_new0 (Drawing, 1);

  screen_settle (widget);
  paintable = gtk_widget_paintable_new (widget);
  self->width = gtk_widget_get_width (widget);
  self->height = gtk_widget_get_height (widget);
  gdk_paintable_snapshot (paintable, snapshot, self->width, self->height);
  node = gtk_snapshot_free_to_node (snapshot);
  self->pixels = g_new0 (guint32, (gsize) self->width * self->height);
  if (node == NULL)
    return self; /* nothing at all */
  texture = gsk_renderer_render_texture (
      gtk_native_get_renderer (gtk_widget_get_native (widget)), node,
      &GRAPHENE_RECT_INIT (0, 0, (float) self->width, (float) self->height));
  gdk_texture_download (texture, (guchar *) self->pixels, (gsize) self->width * 4);
  return self;
}

void
drawing_free (Drawing *self)
{
  g_free (self->pixels);
  g_free (self);
}

guint32
drawing_get (const Drawing *self, int x, int y)
{
  g_assert_cmpint (x, >=, 0);
  g_assert_cmpint (x, <, self->width);
  g_assert_cmpint (y, >=, 0);
  g_assert_cmpint (y, <, self->height);
  return self->pixels[y * self->width + x];
}

static gboolean
is_colour (guint32 pixel, guint32 rgb)
{
  for (guint shift = 0; shift < 24; shift += 8)
    if (ABS ((int) (pixel >> shift & 255) - (int) (rgb >> shift & 255)) > 3)
      return FALSE;
  return pixel >> 24 == 255;
}

static guint
look (const Drawing *self, const GdkRectangle *in, guint32 rgb, GdkRectangle *bounds)
{
  GdkRectangle all = { 0, 0, self->width, self->height }, part = all;
  guint count = 0;

  if (in != NULL && !gdk_rectangle_intersect (in, &all, &part))
    return 0;
  for (int y = part.y; y < part.y + part.height; y++)
    for (int x = part.x; x < part.x + part.width; x++)
      if (is_colour (drawing_get (self, x, y), rgb))
        {
          GdkRectangle pixel = { x, y, 1, 1 };

          if (count++ == 0)
            *bounds = pixel;
          gdk_rectangle_union (bounds, &pixel, bounds);
        }
  return count;
}

guint
drawing_count (const Drawing *self, const GdkRectangle *in, guint32 rgb)
{
  GdkRectangle bounds;

  return look (self, in, rgb, &bounds);
}

guint
drawing_count_text (const Drawing *self, const GdkRectangle *in, guint32 rgb)
{
  guint count = 0;

  for (int y = in->y; y < in->y + in->height; y++)
    for (int x = in->x; x < in->x + in->width; x++)
      {
        guint32 pixel = drawing_get (self, x, y), alpha = pixel >> 24, whole = 0xff000000;

        for (guint shift = 0; alpha >= 128 && shift < 24; shift += 8)
          whole |= MIN (255, ((pixel >> shift & 255) * 255 + alpha / 2) / alpha) << shift;
        count += alpha >= 128 && is_colour (whole, rgb);
      }
  return count;
}

GdkRectangle
drawing_bounds (const Drawing *self, const GdkRectangle *in, guint32 rgb)
{
  GdkRectangle bounds = { 0, 0, 0, 0 };

  look (self, in, rgb, &bounds);
  return bounds;
}

/* ---- keys and clicks ----------------------------------------------------------------------- */

void
screen_do (const char *word, ...)
{
  g_autoptr (GPtrArray) command = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  va_list words;

  g_ptr_array_add (command, (gpointer) "xdotool");
  va_start (words, word);
  for (; word != NULL; word = va_arg (words, const char *))
    g_ptr_array_add (command, (gpointer) word);
  va_end (words);
  g_ptr_array_add (command, NULL);
  process
      = g_subprocess_newv ((const char *const *) command->pdata, G_SUBPROCESS_FLAGS_NONE, &error);
  if (process == NULL)
    g_error ("xdotool (package xdotool): %s", error->message);
  g_assert_true (g_subprocess_wait_check (process, NULL, &error));
}

void
screen_point (GtkWidget *widget, int x, int y)
{
  double at_x, at_y;
  char text[2][16];

  g_assert_true (gtk_widget_translate_coordinates (
      widget, GTK_WIDGET (gtk_widget_get_root (widget)), x, y, &at_x, &at_y));
  g_snprintf (text[0], sizeof text[0], "%d", (int) at_x);
  g_snprintf (text[1], sizeof text[1], "%d", (int) at_y);
  screen_do ("mousemove", text[0], text[1], NULL);
}
