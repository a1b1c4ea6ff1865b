/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "inspector.h"
#include "pool-name.h"

struct _ViewerInspector
{
  GtkWidget parent;
  GtkWidget *position, *values, *swatch, *shown, *zoom;
  GdkRGBA colour;
};

G_DEFINE_FINAL_TYPE (ViewerInspector, viewer_inspector, GTK_TYPE_WIDGET)

/* ---- texts --------------------------------------------------------------------------------- */

/* "Y 940  Cb 512  Cr 512  (10 bits)", in the format's own components. */
static char *
dup_values (ShmFrameFrame *frame, guint x, guint y)
{
  g_autoptr (GError) error = NULL;
  GString *text;
  PixelValues values;

  if (!picture_read_pixel (frame, x, y, &values, &error))
    return printable (pool_skip_object (error->message));
  text = g_string_new (NULL);
  for (guint i = 0; i < values.n; i++)
    {
      g_string_append_printf (text, "%s %u", values.component[i].name, values.component[i].value);
      if (i + 1 == values.n || values.component[i].depth != values.component[i + 1].depth)
        g_string_append_printf (text, "  (%u bits)", values.component[i].depth);
      if (i + 1 < values.n)
        g_string_append (text, "  ");
    }
  return g_string_free (text, FALSE);
}

/* The pixel of the picture that shows the frame's. */
static const guint8 *
find_shown (ViewerSession *session, ShmFrameFrame *frame, guint x, guint y)
{
  const Picture *picture = viewer_session_get_picture (session);
  ShmFrameFormat *format = shmframe_frame_get_format (frame);
  guint width = shmframe_format_get_width (format), height = shmframe_format_get_height (format);
  gsize at_x, at_y;

  if (picture == NULL || x >= width || y >= height)
    return NULL;
  at_x = (gsize) x * picture->width / width;
  at_y = (gsize) y * picture->height / height;
  return (const guint8 *) g_bytes_get_data (picture->bytes, NULL)
         + (at_y * picture->width + at_x) * 4;
}

static void
update_shown (ViewerInspector *self, const Picture *picture, const guint8 *bgra)
{
  g_autofree char *text = NULL;

  gtk_widget_set_visible (self->swatch, bgra != NULL);
  if (bgra == NULL)
    {
      gtk_label_set_text (GTK_LABEL (self->shown), "");
      return;
    }
  text = g_strdup_printf ("RGB %u %u %u  #%02x%02x%02x%s", bgra[2], bgra[1], bgra[0], bgra[2],
                          bgra[1], bgra[0], picture->opaque ? "" : "  with alpha");
  gtk_label_set_text (GTK_LABEL (self->shown), text);
  self->colour = (GdkRGBA){ bgra[2] / 255.0f, bgra[1] / 255.0f, bgra[0] / 255.0f, 1 };
  gtk_widget_queue_draw (self->swatch);
}

/* A tooltip is set where it is another: GTK asks the display where the pointer is, each time. */
static void
set_values (ViewerInspector *self, const char *text)
{
  if (g_str_equal (gtk_label_get_text (GTK_LABEL (self->values)), text))
    return;
  gtk_label_set_text (GTK_LABEL (self->values), text);
  gtk_widget_set_tooltip_text (self->values, text);
}

static void
update_pixel (ViewerInspector *self, ViewerPictureView *view, ViewerSession *session)
{
  ShmFrameFrame *frame = session != NULL ? viewer_session_get_frame (session) : NULL;
  g_autofree char *position = NULL;
  g_autofree char *values = NULL;
  guint x, y;

  if (frame == NULL || !viewer_picture_view_get_inspected (view, &x, &y))
    {
      gtk_widget_set_visible (self->position, FALSE);
      set_values (self, frame != NULL ? "Point at a pixel, or press Shift and an arrow key" : "");
      gtk_widget_add_css_class (self->values, "dim-label");
      update_shown (self, NULL, NULL);
      return;
    }
  position = g_strdup_printf ("x %u  y %u", x, y);
  values = dup_values (frame, x, y);
  gtk_widget_set_visible (self->position, TRUE);
  gtk_label_set_text (GTK_LABEL (self->position), position);
  set_values (self, values);
  gtk_widget_remove_css_class (self->values, "dim-label");
  update_shown (self, viewer_session_get_picture (session), find_shown (session, frame, x, y));
}

void
viewer_inspector_update (ViewerInspector *self, ViewerPictureView *view, ViewerSession *session)
{
  double zoom = viewer_picture_view_get_zoom (view);
  g_autofree char *text
      = zoom > 0 ? g_strdup_printf (zoom < 0.1 ? "%.1f %%" : "%.0f %%", zoom * 100) : g_strdup ("");

  gtk_label_set_text (GTK_LABEL (self->zoom), text);
  update_pixel (self, view, session);
}

/* ---- the widget ---------------------------------------------------------------------------- */

static void
draw_swatch (GtkDrawingArea *area, cairo_t *cairo, int width, int height, gpointer data)
{
  ViewerInspector *self = data;

  gdk_cairo_set_source_rgba (cairo, &self->colour);
  cairo_paint (cairo);
}

static void
dispose (GObject *object)
{
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (object))) != NULL)
    gtk_widget_unparent (child);
  G_OBJECT_CLASS (viewer_inspector_parent_class)->dispose (object);
}

static void
viewer_inspector_class_init (ViewerInspectorClass *class)
{
  G_OBJECT_CLASS (class)->dispose = dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BOX_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (class), "inspector");
}

static GtkWidget *
add_label (ViewerInspector *self, const char *name, int width)
{
  GtkWidget *label = gtk_label_new ("");

  gtk_widget_set_name (label, name);
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_width_chars (GTK_LABEL (label), width);
  gtk_widget_add_css_class (label, "numeric");
  gtk_widget_set_parent (label, GTK_WIDGET (self));
  return label;
}

static void
add_button (ViewerInspector *self, const char *icon, const char *action, const char *tooltip)
{
  GtkWidget *button = gtk_button_new_from_icon_name (icon);

  gtk_widget_set_name (button, strchr (action, '.') + 1);
  gtk_actionable_set_action_name (GTK_ACTIONABLE (button), action);
  gtk_widget_set_tooltip_text (button, tooltip);
  gtk_accessible_update_property (GTK_ACCESSIBLE (button), GTK_ACCESSIBLE_PROPERTY_LABEL, tooltip,
                                  -1);
  gtk_widget_add_css_class (button, "flat");
  gtk_widget_set_focus_on_click (button, FALSE);
  gtk_widget_set_parent (button, GTK_WIDGET (self));
}

static void
viewer_inspector_init (ViewerInspector *self)
{
  self->position = add_label (self, "pixel-position", 14);
  self->values = add_label (self, "pixel-values", 0);
  gtk_label_set_ellipsize (GTK_LABEL (self->values), PANGO_ELLIPSIZE_END);
  gtk_widget_set_hexpand (self->values, TRUE);
  self->swatch = gtk_drawing_area_new ();
  gtk_widget_set_size_request (self->swatch, 16, 16);
  gtk_widget_set_valign (self->swatch, GTK_ALIGN_CENTER);
  gtk_drawing_area_set_draw_func (GTK_DRAWING_AREA (self->swatch), draw_swatch, self, NULL);
  gtk_widget_set_parent (self->swatch, GTK_WIDGET (self));
  self->shown = add_label (self, "pixel-shown", 24);
  add_button (self, "zoom-out-symbolic", "win.zoom-out", "Zoom out");
  self->zoom = add_label (self, "zoom", 6);
  gtk_label_set_xalign (GTK_LABEL (self->zoom), 0.5);
  add_button (self, "zoom-in-symbolic", "win.zoom-in", "Zoom in");
  add_button (self, "zoom-fit-best-symbolic", "win.zoom-fit", "Fit the picture in");
  add_button (self, "zoom-original-symbolic", "win.zoom-one", "One to one");
}
