/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "chart.h"

#include <math.h>

#include "paint.h"

#define SECOND G_GINT64_CONSTANT (1000000000)
#define SPAN_NS (60 * SECOND)
#define GAP_NS (5 * SECOND) /* between two samples: nothing is known of what was there */
#define SAMPLES_MAX 6000
#define VALUE_MAX 1e15

/* The histogram's: 1 us to 1 s; what is outside goes to the first or last. */
#define DECADES 6
#define BINS_PER_DECADE 8
#define BINS (DECADES * BINS_PER_DECADE)

typedef struct
{
  gint64 time_ns;
  double value[VIEWER_CHART_SERIES];
} Sample;

struct _ViewerChart
{
  GtkWidget parent_instance;
  char *title, *unit;
  char **series; /* NULL: a histogram */
  guint n_series;
  GArray *samples; /* of Sample, by time */
  double bins[BINS], total;
  PangoLayout *layout;
  int narrow; /* the greatest width in which the values had no room beside the title */
};

/* Where the values are drawn, and what the upper edge stands for. */
typedef struct
{
  double left, top, width, height;
  double most, step;
} Plot;

G_DEFINE_FINAL_TYPE (ViewerChart, viewer_chart, GTK_TYPE_WIDGET)

/* ---- values -------------------------------------------------------------------------------- */

void
viewer_chart_add (ViewerChart *self, gint64 time_ns, const double *values)
{
  Sample sample = { time_ns, { 0 } };
  guint stale = 0;

  g_return_if_fail (VIEWER_IS_CHART (self) && self->series != NULL);
  if (self->samples->len > 0
      && time_ns < g_array_index (self->samples, Sample, self->samples->len - 1).time_ns)
    viewer_chart_clear (self);
  for (guint i = 0; i < self->n_series; i++)
    sample.value[i] = isfinite (values[i]) ? CLAMP (values[i], 0, VALUE_MAX) : NAN;
  g_array_append_val (self->samples, sample);
  /* One that is older stays: the line comes from there. */
  while (stale + 1 < self->samples->len
         && time_ns - g_array_index (self->samples, Sample, stale + 1).time_ns > SPAN_NS)
    stale++;
  stale = MAX (stale, self->samples->len - MIN (self->samples->len, SAMPLES_MAX));
  if (stale > 0)
    g_array_remove_range (self->samples, 0, stale);
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
viewer_chart_clear (ViewerChart *self)
{
  g_return_if_fail (VIEWER_IS_CHART (self));
  g_array_set_size (self->samples, 0);
  memset (self->bins, 0, sizeof self->bins);
  self->total = 0;
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

void
viewer_chart_set_bars (ViewerChart *self, const guint64 *bounds_ns, const guint64 *counts, guint n)
{
  g_return_if_fail (VIEWER_IS_CHART (self) && self->series == NULL);
  viewer_chart_clear (self);
  for (guint i = 0; i < n; i++)
    {
      /* A bound belongs to what is below it. */
      double at = ceil (log10 ((double) MAX (bounds_ns[i], 1) / 1e3) * BINS_PER_DECADE) - 1;

      self->bins[(guint) CLAMP (at, 0, BINS - 1)] += (double) counts[i];
      self->total += (double) counts[i];
    }
}

/* ---- texts --------------------------------------------------------------------------------- */

static char *
format_value (double value, const char *unit)
{
  char number[32];

  if (isnan (value))
    return g_strdup ("–");
  g_snprintf (number, sizeof number, value < 1000 ? "%.3g" : value < 1e9 ? "%.0f" : "%.3g", value);
  return g_strdup_printf ("%s%s%s", number, *unit != '\0' ? " " : "", unit);
}

/* "p50 0.09 ms  p99 1.2 ms", the names in their lines' colours. */
static char *
describe (ViewerChart *self, PangoAttrList *attributes)
{
  const Sample *newest = NULL;
  GString *text = g_string_new (NULL);

  if (self->series == NULL && self->total > 0)
    g_string_printf (text, "%.0f counted", self->total);
  if (self->samples->len > 0)
    newest = &g_array_index (self->samples, Sample, self->samples->len - 1);
  for (guint i = 0; newest != NULL && i < self->n_series; i++)
    {
      g_autofree char *value = format_value (newest->value[i], self->unit);
      guint start = (guint) text->len;
      PangoAttribute *attribute;
      GdkRGBA colour;

      g_string_append_printf (text, "%s%s%s%s", i > 0 ? "   " : "", self->series[i],
                              *self->series[i] != '\0' ? " " : "", value);
      if (attributes == NULL)
        continue;
      paint_series (GTK_WIDGET (self), i, &colour);
      attribute = pango_attr_foreground_new ((guint16) (colour.red * 65535),
                                             (guint16) (colour.green * 65535),
                                             (guint16) (colour.blue * 65535));
      attribute->start_index = start;
      attribute->end_index = (guint) text->len;
      pango_attr_list_insert (attributes, attribute);
    }
  return g_string_free (text, FALSE);
}

char *
viewer_chart_dup_text (ViewerChart *self)
{
  return describe (self, NULL);
}

/* ---- axes ---------------------------------------------------------------------------------- */

static void
draw_word (ViewerChart *self, GtkSnapshot *snapshot, const char *text, double x, double y,
           double align)
{
  GdkRGBA colour;

  paint_foreground (GTK_WIDGET (self), 0.7, &colour);
  pango_layout_set_text (self->layout, text, -1);
  paint_layout (snapshot, self->layout, &colour, x, y, align);
}

static void
draw_grid_line (ViewerChart *self, GtkSnapshot *snapshot, double x, double y, double width,
                double height)
{
  GdkRGBA colour;

  paint_foreground (GTK_WIDGET (self), 0.15, &colour);
  gtk_snapshot_append_color (
      snapshot, &colour,
      &GRAPHENE_RECT_INIT ((float) floor (x), (float) floor (y), (float) width, (float) height));
}

/* Ticks at 1, 2 or 5 times a power of ten: four at most. */
static void
choose_ticks (Plot *plot, double most)
{
  double raw = most > 1e-9 ? most / 4 : 0.25, power = pow (10, floor (log10 (raw)));

  plot->step = 10 * power;
  if (raw <= 5 * power)
    plot->step = 5 * power;
  if (raw <= 2 * power)
    plot->step = 2 * power;
  if (raw <= power)
    plot->step = power;
  plot->most = MAX (1, ceil (most / plot->step - 1e-9)) * plot->step;
}

/* The values stand beside the title, or below it where they have no room: once for a width, so that the
 * plot does not jump as they change. Returns the height of that second line, or 0. */
static int
draw_title (ViewerChart *self, GtkSnapshot *snapshot)
{
  g_autoptr (PangoLayout) title = gtk_widget_create_pango_layout (GTK_WIDGET (self), self->title);
  g_autoptr (PangoLayout) values = gtk_widget_create_pango_layout (GTK_WIDGET (self), NULL);
  g_autoptr (PangoAttrList) bold = pango_attr_list_new ();
  g_autoptr (PangoAttrList) colours = pango_attr_list_new ();
  g_autofree char *text = describe (self, colours);
  int width = gtk_widget_get_width (GTK_WIDGET (self)), title_width, used, height;
  GdkRGBA colour;

  paint_foreground (GTK_WIDGET (self), 1, &colour);
  pango_attr_list_insert (bold, pango_attr_weight_new (PANGO_WEIGHT_BOLD));
  pango_layout_set_attributes (title, bold);
  pango_layout_get_pixel_size (title, &title_width, &height);
  paint_layout (snapshot, title, &colour, 0, 0, 0);

  pango_attr_list_insert (colours, pango_attr_font_features_new ("tnum=1"));
  pango_layout_set_attributes (values, colours);
  pango_layout_set_text (values, text, -1);
  pango_layout_get_pixel_size (values, &used, NULL);
  if (used > 0 && title_width + 24 + used > width)
    self->narrow = MAX (self->narrow, width);
  if (width > self->narrow)
    height = 0;
  paint_layout (snapshot, values, &colour, width - 8, height, 1);
  return height;
}

/* Title and vertical axis, and so where the plot is. */
static void
draw_axis (ViewerChart *self, GtkSnapshot *snapshot, double most, Plot *plot)
{
  int width = gtk_widget_get_width (GTK_WIDGET (self));
  int height = gtk_widget_get_height (GTK_WIDGET (self)), label = 0, line = 0;

  choose_ticks (plot, most);
  for (double tick = 0; tick < plot->most + plot->step / 2; tick += plot->step)
    {
      g_autofree char *text = format_value (tick, self->unit);
      int w;

      pango_layout_set_text (self->layout, text, -1);
      pango_layout_get_pixel_size (self->layout, &w, &line);
      label = MAX (label, w);
    }
  plot->left = label + 8;
  plot->top = 2.0 * line + draw_title (self, snapshot);
  plot->width = MAX (1, width - plot->left - 8);
  plot->height = MAX (1, height - plot->top - 1.3 * line);
  for (double tick = 0; tick < plot->most + plot->step / 2; tick += plot->step)
    {
      g_autofree char *text = format_value (tick, self->unit);
      double y = plot->top + plot->height * (1 - tick / plot->most);

      draw_word (self, snapshot, text, label, y - line / 2.0, 1);
      draw_grid_line (self, snapshot, plot->left, y, plot->width, 1);
    }
}

static cairo_t *
begin_drawing (GtkSnapshot *snapshot, const Plot *plot)
{
  graphene_rect_t bounds = GRAPHENE_RECT_INIT ((float) plot->left, (float) plot->top - 2,
                                               (float) plot->width + 2, (float) plot->height + 3);
  cairo_t *cr = gtk_snapshot_append_cairo (snapshot, &bounds);

  cairo_rectangle (cr, plot->left, plot->top - 2, plot->width + 2, plot->height + 3);
  cairo_clip (cr);
  return cr;
}

/* ---- lines --------------------------------------------------------------------------------- */

static double
largest_value (ViewerChart *self)
{
  double most = 0;

  for (guint i = 0; i < self->samples->len; i++)
    for (guint j = 0; j < self->n_series; j++)
      most = fmax (most, g_array_index (self->samples, Sample, i).value[j]); /* ignores NAN */
  return most;
}

static void
draw_line (ViewerChart *self, cairo_t *cr, const Plot *plot, guint series)
{
  const Sample *samples = (const Sample *) (gpointer) self->samples->data;
  gint64 newest_ns = samples[self->samples->len - 1].time_ns, before_ns = 0;
  gboolean open = FALSE;

  for (guint i = 0; i < self->samples->len; i++)
    {
      double value = samples[i].value[series];
      double x = plot->left
                 + plot->width * (1 - (double) (newest_ns - samples[i].time_ns) / (double) SPAN_NS);
      double y = plot->top + plot->height * (1 - value / plot->most);

      if (!isnan (value) && (!open || samples[i].time_ns - before_ns > GAP_NS))
        cairo_move_to (cr, x, y);
      if (!isnan (value))
        cairo_line_to (cr, x, y); /* to itself: a dot, where it stands alone */
      open = !isnan (value);
      before_ns = samples[i].time_ns;
    }
}

static void
draw_lines (ViewerChart *self, GtkSnapshot *snapshot, const Plot *plot)
{
  cairo_t *cr;
  GdkRGBA colour;

  for (guint i = 1; i <= 4; i++)
    draw_grid_line (self, snapshot, plot->left + plot->width * i / 4, plot->top, 1, plot->height);
  draw_word (self, snapshot, "60 s ago", plot->left, plot->top + plot->height + 2, 0);
  draw_word (self, snapshot, "now", plot->left + plot->width, plot->top + plot->height + 2, 1);
  if (self->samples->len == 0)
    return;
  cr = begin_drawing (snapshot, plot);
  cairo_set_line_width (cr, 2);
  cairo_set_line_cap (cr, CAIRO_LINE_CAP_ROUND);
  cairo_set_line_join (cr, CAIRO_LINE_JOIN_ROUND);
  for (guint i = self->n_series; i-- > 0;)
    {
      draw_line (self, cr, plot, i);
      paint_series (GTK_WIDGET (self), i, &colour);
      gdk_cairo_set_source_rgba (cr, &colour);
      cairo_stroke (cr);
    }
  cairo_destroy (cr);
}

/* ---- bars ---------------------------------------------------------------------------------- */

static void
draw_bars (ViewerChart *self, GtkSnapshot *snapshot, const Plot *plot)
{
  static const char *const decades[DECADES + 1]
      = { "1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms", "1 s" };
  guint every = plot->width < 320 ? 3 : 1; /* labels do not run into each other */
  GdkRGBA colour;

  for (guint i = 0; i <= DECADES; i++)
    {
      double x = plot->left + plot->width * i / DECADES;

      draw_grid_line (self, snapshot, x, plot->top, 1, plot->height);
      if (i % every == 0)
        draw_word (self, snapshot, decades[i], x, plot->top + plot->height + 2,
                   i == 0         ? 0
                   : i == DECADES ? 1
                                  : 0.5);
    }
  paint_series (GTK_WIDGET (self), 0, &colour);
  for (guint i = 0; i < BINS; i++)
    {
      double left = floor (plot->left + plot->width * i / BINS);
      double right = floor (plot->left + plot->width * (i + 1) / BINS);
      double height = ceil (plot->height * self->bins[i] / plot->most); /* one is seen */

      if (height > 0)
        gtk_snapshot_append_color (
            snapshot, &colour,
            &GRAPHENE_RECT_INIT ((float) left, (float) (plot->top + plot->height - height),
                                 (float) MAX (1, right - left - 1), (float) height));
    }
}

static void
snapshot_widget (GtkWidget *widget, GtkSnapshot *snapshot)
{
  ViewerChart *self = VIEWER_CHART (widget);
  double most = 0;
  Plot plot;

  for (guint i = 0; i < BINS; i++)
    most = MAX (most, self->bins[i]);
  draw_axis (self, snapshot, self->series != NULL ? largest_value (self) : most, &plot);
  if (self->series != NULL)
    draw_lines (self, snapshot, &plot);
  else
    draw_bars (self, snapshot, &plot);
  if (self->samples->len == 0 && self->total <= 0)
    draw_word (self, snapshot, "nothing yet", plot.left + plot.width / 2,
               plot.top + plot.height / 2 - 8, 0.5);
}

/* ---- the class ----------------------------------------------------------------------------- */

static void
measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum, int *natural,
         int *minimum_baseline, int *natural_baseline)
{
  *minimum = orientation == GTK_ORIENTATION_HORIZONTAL ? 130 : 110;
  *natural = orientation == GTK_ORIENTATION_HORIZONTAL ? 320 : 150;
}

static void
finalize (GObject *object)
{
  ViewerChart *self = VIEWER_CHART (object);

  g_free (self->title);
  g_free (self->unit);
  g_strfreev (self->series);
  g_array_unref (self->samples);
  g_object_unref (self->layout);
  G_OBJECT_CLASS (viewer_chart_parent_class)->finalize (object);
}

static void
viewer_chart_class_init (ViewerChartClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = finalize;
  widget_class->measure = measure;
  widget_class->snapshot = snapshot_widget;
  gtk_widget_class_set_css_name (widget_class, "chart");
  gtk_widget_class_set_accessible_role (widget_class, GTK_ACCESSIBLE_ROLE_IMG);
}

static void
viewer_chart_init (ViewerChart *self)
{
  gtk_widget_set_overflow (GTK_WIDGET (self), GTK_OVERFLOW_HIDDEN);
  self->samples = g_array_new (FALSE, FALSE, sizeof (Sample));
  self->layout = paint_create_layout (GTK_WIDGET (self));
}

static ViewerChart *
make_chart (const char *title, const char *unit)
{
  ViewerChart *self = g_object_new (VIEWER_TYPE_CHART, NULL);

  self->title = g_strdup (title);
  self->unit = g_strdup (unit);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, title, -1);
  return self;
}

GtkWidget *
viewer_chart_new (const char *title, const char *unit, const char *const *series)
{
  ViewerChart *self = make_chart (title, unit);

  self->series = g_strdupv ((char **) series);
  self->n_series = MIN (g_strv_length (self->series), VIEWER_CHART_SERIES);
  return GTK_WIDGET (self);
}

GtkWidget *
viewer_chart_new_histogram (const char *title)
{
  return GTK_WIDGET (make_chart (title, ""));
}
