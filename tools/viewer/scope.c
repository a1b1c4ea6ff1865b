/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scope.h"

#include <math.h>

#include "paint.h"

#define INTERVAL_US (100 * 1000) /* between two computations, at least */
#define SHARE 10                 /* computes in one part of so many of the time */
#define COLUMNS_MAX 512
#define EDGE 8 /* pixels right of the plot */

struct _ViewerScope
{
  GtkWidget parent_instance;
  ViewerScopeKind kind;
  Picture picture; /* the newest; bytes NULL: none */
  gboolean stale;  /* it was not computed yet */
  gint64 next_us;  /* when it may compute again */
  guint timer;
  gboolean computed;
  PictureHistogram histogram;
  guint32 *waveform;
  guint columns;
  double full;         /* pixels in a column */
  GdkTexture *texture; /* of the waveform; NULL: to be made */
  PangoLayout *layout;
};

G_DEFINE_FINAL_TYPE (ViewerScope, viewer_scope, GTK_TYPE_WIDGET)

/* ---- computing ----------------------------------------------------------------------------- */

static void
compute (ViewerScope *self)
{
  gint64 begin_us = g_get_monotonic_time ();

  self->stale = FALSE;
  if (self->kind == VIEWER_SCOPE_HISTOGRAM)
    picture_get_histogram (&self->picture, &self->histogram);
  else
    {
      self->columns = MIN (self->picture.width, COLUMNS_MAX);
      self->full = (double) self->picture.width * self->picture.height / self->columns;
      self->waveform = g_renew (guint32, self->waveform, self->columns * 256);
      picture_get_waveform (&self->picture, self->columns, self->waveform);
      g_clear_object (&self->texture);
    }
  self->computed = TRUE;
  self->next_us = g_get_monotonic_time ();
  self->next_us += MAX (INTERVAL_US, (self->next_us - begin_us) * (SHARE - 1));
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

static void update (ViewerScope *self);

static gboolean
timed_out (gpointer data)
{
  ViewerScope *self = data;

  self->timer = 0;
  update (self);
  return G_SOURCE_REMOVE;
}

static void
update (ViewerScope *self)
{
  gint64 wait_us = self->next_us - g_get_monotonic_time ();

  if (!self->stale || self->timer != 0 || !gtk_widget_get_mapped (GTK_WIDGET (self)))
    return;
  if (wait_us > 0)
    self->timer = g_timeout_add ((guint) (wait_us / 1000 + 1), timed_out, self);
  else
    compute (self);
}

void
viewer_scope_set_picture (ViewerScope *self, const Picture *picture)
{
  g_return_if_fail (VIEWER_IS_SCOPE (self));
  g_clear_pointer (&self->picture.bytes, g_bytes_unref);
  self->stale = picture != NULL && picture->width > 0 && picture->height > 0
                && g_bytes_get_size (picture->bytes) / 4 / picture->width >= picture->height;
  if (self->stale)
    {
      self->picture = *picture;
      g_bytes_ref (self->picture.bytes);
    }
  else
    {
      self->computed = FALSE;
      gtk_widget_queue_draw (GTK_WIDGET (self));
    }
  update (self);
}

/* ---- drawing ------------------------------------------------------------------------------- */

typedef struct
{
  double left, top, width, height;
} Plot;

/* 0 to 255 along one axis, with the ends of limited range; labels where they do not touch. */
static void
draw_scale (ViewerScope *self, GtkSnapshot *snapshot, const Plot *plot)
{
  static const guint values[] = { 16, 235, 128, 0, 255 };
  gboolean upright = self->kind == VIEWER_SCOPE_WAVEFORM;
  double taken[G_N_ELEMENTS (values)];
  guint n_taken = 0;

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    {
      double part = values[i] / 255.0;
      double at = upright ? plot->top + plot->height * (1 - part) : plot->left + plot->width * part;
      g_autofree char *text = g_strdup_printf ("%u", values[i]);
      gboolean touches = FALSE;
      int width, height;
      GdkRGBA colour;

      paint_foreground (GTK_WIDGET (self), values[i] == 16 || values[i] == 235 ? 0.5 : 0.15,
                        &colour);
      gtk_snapshot_append_color (snapshot, &colour,
                                 &GRAPHENE_RECT_INIT ((float) (upright ? plot->left : floor (at)),
                                                      (float) (upright ? floor (at) : plot->top),
                                                      (float) (upright ? plot->width : 1),
                                                      (float) (upright ? 1 : plot->height)));
      pango_layout_set_text (self->layout, text, -1);
      pango_layout_get_pixel_size (self->layout, &width, &height);
      for (guint j = 0; j < n_taken; j++)
        touches |= fabs (at - taken[j]) < (upright ? height : width + 4);
      if (touches)
        continue;
      taken[n_taken++] = at;
      paint_foreground (GTK_WIDGET (self), 0.7, &colour);
      if (upright)
        paint_layout (snapshot, self->layout, &colour, plot->left - 6, at - height / 2.0, 1);
      else
        paint_layout (snapshot, self->layout, &colour, at, plot->top + plot->height + 2, 0.5);
    }
}

static void
draw_curve (ViewerScope *self, GtkSnapshot *snapshot, const Plot *plot, guint component,
            double most)
{
  static const GdkRGBA colours[]
      = { { 0.9f, 0.2f, 0.2f, 1 }, { 0.15f, 0.65f, 0.2f, 1 }, { 0.25f, 0.45f, 1, 1 } };
  graphene_rect_t bounds = GRAPHENE_RECT_INIT ((float) plot->left, (float) plot->top,
                                               (float) plot->width, (float) plot->height);
  cairo_t *cr = gtk_snapshot_append_cairo (snapshot, &bounds);
  double bottom = plot->top + plot->height;
  GdkRGBA colour;

  if (component < 3)
    colour = colours[component];
  else
    paint_foreground (GTK_WIDGET (self), 0.8, &colour);
  cairo_move_to (cr, plot->left, bottom);
  for (guint i = 0; i < 256; i++)
    {
      double height = plot->height * sqrt (self->histogram.count[component][i] / most);

      cairo_line_to (cr, plot->left + plot->width * i / 256, bottom - height);
      cairo_line_to (cr, plot->left + plot->width * (i + 1) / 256, bottom - height);
    }
  cairo_line_to (cr, plot->left + plot->width, bottom);
  cairo_close_path (cr);
  gdk_cairo_set_source_rgba (cr, &colour);
  cairo_set_line_width (cr, 1);
  cairo_stroke_preserve (cr);
  colour.alpha *= 0.25f;
  gdk_cairo_set_source_rgba (cr, &colour);
  cairo_fill (cr);
  cairo_destroy (cr);
}

/* Heights are square roots: a plain area does not press all else to the ground. */
static void
draw_histogram (ViewerScope *self, GtkSnapshot *snapshot, const Plot *plot)
{
  double most = 1;

  for (guint i = 0; i < 4; i++)
    for (guint j = 0; j < 256; j++)
      most = MAX (most, self->histogram.count[i][j]);
  for (guint i = 4; i-- > 0;)
    draw_curve (self, snapshot, plot, i, most);
}

/* In the theme's text colour, the more opaque the more often a luma occurs. */
static GdkTexture *
make_texture (ViewerScope *self)
{
  gsize stride = (gsize) self->columns * 4, size = stride * 256;
  guint8 *pixels = g_malloc (size);
  g_autoptr (GBytes) bytes = g_bytes_new_take (pixels, size);
  GdkRGBA colour;

  paint_foreground (GTK_WIDGET (self), 1, &colour);
  for (guint y = 0; y < 256; y++)
    for (guint x = 0; x < self->columns; x++)
      {
        guint32 count = self->waveform[x * 256 + 255 - y];
        /* A thirtieth of a column on one value is as clear as it gets. */
        float alpha = count > 0 ? (float) MIN (1, 0.15 + sqrt (count * 30 / self->full)) : 0;
        guint8 *pixel = pixels + y * stride + x * 4;

        pixel[0] = (guint8) (colour.red * alpha * 255);
        pixel[1] = (guint8) (colour.green * alpha * 255);
        pixel[2] = (guint8) (colour.blue * alpha * 255);
        pixel[3] = (guint8) (alpha * 255);
      }
  return gdk_memory_texture_new ((int) self->columns, 256, GDK_MEMORY_R8G8B8A8_PREMULTIPLIED, bytes,
                                 stride);
}

static void
draw_waveform (ViewerScope *self, GtkSnapshot *snapshot, const Plot *plot)
{
  if (self->texture == NULL)
    self->texture = make_texture (self);
  gtk_snapshot_append_texture (snapshot, self->texture,
                               &GRAPHENE_RECT_INIT ((float) plot->left, (float) plot->top,
                                                    (float) plot->width, (float) plot->height));
}

static void
snapshot_widget (GtkWidget *widget, GtkSnapshot *snapshot)
{
  ViewerScope *self = VIEWER_SCOPE (widget);
  gboolean upright = self->kind == VIEWER_SCOPE_WAVEFORM;
  int text_width, text_height;
  Plot plot;

  pango_layout_set_text (self->layout, "255", -1);
  pango_layout_get_pixel_size (self->layout, &text_width, &text_height);
  plot.left = upright ? text_width + 8 : text_width / 2.0;
  plot.top = text_height / 2.0;
  plot.width = MAX (1, gtk_widget_get_width (widget) - plot.left - MAX (EDGE, text_width / 2.0));
  plot.height
      = MAX (1, gtk_widget_get_height (widget) - plot.top - text_height * (upright ? 0.5 : 1.2));
  if (self->computed && upright)
    draw_waveform (self, snapshot, &plot);
  else if (self->computed)
    draw_histogram (self, snapshot, &plot);
  draw_scale (self, snapshot, &plot);
  if (!self->computed)
    {
      GdkRGBA colour;

      paint_foreground (widget, 0.7, &colour);
      pango_layout_set_text (self->layout, "no picture", -1);
      paint_layout (snapshot, self->layout, &colour, plot.left + plot.width / 2,
                    plot.top + plot.height / 2 - text_height, 0.5);
    }
}

/* ---- the class ----------------------------------------------------------------------------- */

static void
measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum, int *natural,
         int *minimum_baseline, int *natural_baseline)
{
  *minimum = orientation == GTK_ORIENTATION_HORIZONTAL ? 180 : 110;
  *natural = orientation == GTK_ORIENTATION_HORIZONTAL ? 320 : 200;
}

static void
map (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (viewer_scope_parent_class)->map (widget);
  update (VIEWER_SCOPE (widget));
}

static void
css_changed (GtkWidget *widget, GtkCssStyleChange *change)
{
  GTK_WIDGET_CLASS (viewer_scope_parent_class)->css_changed (widget, change);
  g_clear_object (&VIEWER_SCOPE (widget)->texture); /* the theme's colour may be another */
}

static void
dispose (GObject *object)
{
  ViewerScope *self = VIEWER_SCOPE (object);

  g_clear_handle_id (&self->timer, g_source_remove);
  g_clear_pointer (&self->picture.bytes, g_bytes_unref);
  g_clear_object (&self->texture);
  self->stale = self->computed = FALSE;
  G_OBJECT_CLASS (viewer_scope_parent_class)->dispose (object);
}

static void
finalize (GObject *object)
{
  ViewerScope *self = VIEWER_SCOPE (object);

  g_free (self->waveform);
  g_object_unref (self->layout);
  G_OBJECT_CLASS (viewer_scope_parent_class)->finalize (object);
}

static void
viewer_scope_class_init (ViewerScopeClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = dispose;
  G_OBJECT_CLASS (class)->finalize = finalize;
  widget_class->measure = measure;
  widget_class->map = map;
  widget_class->css_changed = css_changed;
  widget_class->snapshot = snapshot_widget;
  gtk_widget_class_set_css_name (widget_class, "scope");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void
viewer_scope_init (ViewerScope *self)
{
  self->layout = paint_create_layout (GTK_WIDGET (self));
}

GtkWidget *
viewer_scope_new (ViewerScopeKind kind)
{
  ViewerScope *self = g_object_new (VIEWER_TYPE_SCOPE, NULL);

  self->kind = kind;
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL,
                                  kind == VIEWER_SCOPE_HISTOGRAM
                                      ? "Histogram of red, green, blue and luma"
                                      : "Waveform of luma",
                                  -1);
  return GTK_WIDGET (self);
}
