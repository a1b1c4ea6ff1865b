/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "panels.h"
#include "chart.h"
#include "consumer-list.h"
#include "event-log.h"
#include "journal.h"
#include "scope.h"
#include "slot-map.h"

#include <math.h>

struct _ViewerPanels
{
  GtkWidget parent;
  GtkWidget *box;
  GtkStack *stack;
  GtkWidget *slots, *consumers, *log;
  GtkWidget *rate, *jitter, *latency, *latencies, *drops;
  GtkWidget *histogram, *waveform;
  ViewerSession *session;
  Journal *journal;
  gboolean has_before;
  gint64 before_ns;
  guint64 dropped_before, drops_before;
};

G_DEFINE_FINAL_TYPE (ViewerPanels, viewer_panels, GTK_TYPE_WIDGET)

/* ---- charts -------------------------------------------------------------------------------- */

static double
to_ms (gint64 ns)
{
  return ns >= 0 ? (double) ns / 1e6 : NAN;
}

static void
update_rates (ViewerPanels *self, gint64 now_ns)
{
  MeterRates rates;
  LatencyRates latency;
  gboolean measured;

  viewer_session_get_rates (self->session, &rates);
  viewer_session_get_latency (self->session, &latency);
  measured = rates.interval_p50_ns > 0;
  viewer_chart_add (VIEWER_CHART (self->rate), now_ns, (double[]){ rates.fps });
  viewer_chart_add (VIEWER_CHART (self->jitter), now_ns,
                    (double[]){ measured ? to_ms (rates.jitter_p50_ns) : NAN,
                                measured ? to_ms (rates.jitter_p99_ns) : NAN });
  viewer_chart_add (VIEWER_CHART (self->latency), now_ns,
                    (double[]){ to_ms (latency.p50_ns), to_ms (latency.p99_ns) });
}

/* Drops a second, by the producer and by its consumers; these may leave, and take theirs along. */
static void
update_drops (ViewerPanels *self, const PoolView *view, gint64 now_ns)
{
  guint64 dropped = lookup_number (view->stats, "dropped"), drops = 0;
  double seconds = (double) (now_ns - self->before_ns) / 1e9;

  for (guint i = 0; i < view->consumers->len; i++)
    drops += lookup_number (view->consumers->pdata[i], "drops");
  if (self->has_before && seconds > 0)
    viewer_chart_add (
        VIEWER_CHART (self->drops), now_ns,
        (double[]){
            dropped >= self->dropped_before ? (double) (dropped - self->dropped_before) / seconds
                                            : 0,
            drops >= self->drops_before ? (double) (drops - self->drops_before) / seconds : 0 });
  self->has_before = TRUE;
  self->before_ns = now_ns;
  self->dropped_before = dropped;
  self->drops_before = drops;
}

static void
update_latencies (ViewerPanels *self, const PoolView *view)
{
  g_autoptr (GVariant) buckets
      = g_variant_lookup_value (view->stats, "latency", G_VARIANT_TYPE ("a(tt)"));
  gsize n = buckets != NULL ? g_variant_n_children (buckets) : 0;
  g_autofree guint64 *bounds = g_new0 (guint64, n + 1);
  g_autofree guint64 *counts = g_new0 (guint64, n + 1);

  for (gsize i = 0; i < n; i++)
    g_variant_get_child (buckets, i, "(tt)", &bounds[i], &counts[i]);
  viewer_chart_set_bars (VIEWER_CHART (self->latencies), bounds, counts, (guint) n);
}

/* ---- what comes ---------------------------------------------------------------------------- */

static void
session_changed (ViewerSession *session, ViewerPanels *self)
{
  const PoolView *view = viewer_session_get_view (session);
  gint64 now_ns = g_get_monotonic_time () * 1000;

  viewer_slot_map_set_view (VIEWER_SLOT_MAP (self->slots), view);
  viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (self->consumers), view);
  if (view == NULL)
    {
      self->has_before = FALSE;
      return;
    }
  update_rates (self, now_ns);
  update_drops (self, view, now_ns);
  update_latencies (self, view);
}

static void
forget_session (ViewerPanels *self)
{
  if (self->session == NULL)
    return;
  g_clear_pointer (&self->journal, journal_free);
  g_signal_handlers_disconnect_by_data (self->session, self);
  g_clear_object (&self->session);
}

void
viewer_panels_set_session (ViewerPanels *self, ViewerSession *session)
{
  GtkWidget *const charts[] = { self->rate, self->jitter, self->latency, self->drops };

  forget_session (self);
  self->has_before = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (charts); i++)
    viewer_chart_clear (VIEWER_CHART (charts[i]));
  viewer_chart_set_bars (VIEWER_CHART (self->latencies), NULL, NULL, 0);
  viewer_slot_map_set_view (VIEWER_SLOT_MAP (self->slots), NULL);
  viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (self->consumers), NULL);
  viewer_event_log_clear (VIEWER_EVENT_LOG (self->log));
  if (session != NULL)
    {
      self->session = g_object_ref (session);
      g_signal_connect (session, "changed", G_CALLBACK (session_changed), self);
      self->journal = journal_new (session, VIEWER_EVENT_LOG (self->log));
    }
  viewer_panels_refresh (self);
}

void
viewer_panels_refresh (ViewerPanels *self)
{
  const Picture *picture
      = self->session != NULL ? viewer_session_get_picture (self->session) : NULL;

  viewer_scope_set_picture (VIEWER_SCOPE (self->histogram), picture);
  viewer_scope_set_picture (VIEWER_SCOPE (self->waveform), picture);
}

void
viewer_panels_show (ViewerPanels *self, const char *panel)
{
  GtkWidget *child = gtk_stack_get_child_by_name (self->stack, panel);

  if (child != NULL)
    gtk_stack_set_visible_child (self->stack, child);
}

void
viewer_panels_note (ViewerPanels *self, const char *kind, const char *text)
{
  viewer_event_log_add (VIEWER_EVENT_LOG (self->log), kind, 0, text);
}

/* ---- the widget ---------------------------------------------------------------------------- */

static void
dispose (GObject *object)
{
  ViewerPanels *self = VIEWER_PANELS (object);

  forget_session (self);
  g_clear_pointer (&self->box, gtk_widget_unparent);
  G_OBJECT_CLASS (viewer_panels_parent_class)->dispose (object);
}

static void
viewer_panels_class_init (ViewerPanelsClass *class)
{
  G_OBJECT_CLASS (class)->dispose = dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BIN_LAYOUT);
}

static GtkWidget *
make_grid (GtkWidget *const *children, guint n, guint columns)
{
  GtkWidget *grid = gtk_grid_new ();

  gtk_grid_set_row_homogeneous (GTK_GRID (grid), TRUE);
  gtk_grid_set_column_homogeneous (GTK_GRID (grid), TRUE);
  gtk_grid_set_row_spacing (GTK_GRID (grid), 12);
  gtk_grid_set_column_spacing (GTK_GRID (grid), 18);
  for (guint i = 0; i < n; i++)
    {
      gtk_widget_set_hexpand (children[i], TRUE);
      gtk_widget_set_vexpand (children[i], TRUE);
      gtk_grid_attach (GTK_GRID (grid), children[i], (int) (i % columns), (int) (i / columns), 1,
                       1);
    }
  return grid;
}

static GtkWidget *
make_charts (ViewerPanels *self)
{
  self->rate = viewer_chart_new ("Frame rate", "fps", (const char *[]){ "", NULL });
  self->jitter = viewer_chart_new ("Interval jitter", "ms", (const char *[]){ "p50", "p99", NULL });
  self->latency
      = viewer_chart_new ("Publish to lease", "ms", (const char *[]){ "p50", "p99", NULL });
  self->latencies = viewer_chart_new_histogram ("Publish to lease");
  self->drops = viewer_chart_new ("Drops", "/s", (const char *[]){ "producer", "consumers", NULL });
  return make_grid (
      (GtkWidget *[]){ self->rate, self->jitter, self->drops, self->latency, self->latencies }, 5,
      3);
}

static void
add_panel (ViewerPanels *self, GtkWidget *child, const char *name, const char *title)
{
  gtk_widget_set_name (child, name);
  gtk_widget_add_css_class (child, "panel");
  gtk_stack_add_titled (self->stack, child, name, title);
}

static GtkWidget *
titled (const char *title, GtkWidget *child)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6), *label = gtk_label_new (title);

  gtk_widget_add_css_class (label, "heading");
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_widget_set_vexpand (child, TRUE);
  gtk_box_append (GTK_BOX (box), label);
  gtk_box_append (GTK_BOX (box), child);
  return box;
}

static void
add_panels (ViewerPanels *self)
{
  self->slots = viewer_slot_map_new ();
  self->consumers = viewer_consumer_list_new ();
  self->histogram = viewer_scope_new (VIEWER_SCOPE_HISTOGRAM);
  self->waveform = viewer_scope_new (VIEWER_SCOPE_WAVEFORM);
  self->log = viewer_event_log_new ();
  add_panel (self, self->slots, "slots", "Slots");
  add_panel (self, self->consumers, "consumers", "Consumers");
  add_panel (self, make_charts (self), "charts", "Charts");
  add_panel (
      self,
      make_grid ((GtkWidget *[]){ titled ("Histogram: red, green, blue, luma", self->histogram),
                                  titled ("Waveform: luma by column", self->waveform) },
                 2, 2),
      "scopes", "Scopes");
  add_panel (self, self->log, "log", "Log");
}

static void
viewer_panels_init (ViewerPanels *self)
{
  GtkWidget *switcher = gtk_stack_switcher_new ();
  GtkWidget *stack = gtk_stack_new ();

  self->stack = GTK_STACK (stack);
  add_panels (self);
  gtk_widget_set_vexpand (stack, TRUE);
  gtk_widget_set_name (switcher, "panel-switcher");
  gtk_widget_set_halign (switcher, GTK_ALIGN_CENTER);
  gtk_stack_switcher_set_stack (GTK_STACK_SWITCHER (switcher), self->stack);
  /* A click leaves the keys where they are. */
  for (GtkWidget *tab = gtk_widget_get_first_child (switcher); tab != NULL;
       tab = gtk_widget_get_next_sibling (tab))
    gtk_widget_set_focus_on_click (tab, FALSE);
  self->box = gtk_box_new (GTK_ORIENTATION_VERTICAL, 6);
  gtk_widget_add_css_class (self->box, "panels");
  gtk_box_append (GTK_BOX (self->box), switcher);
  gtk_box_append (GTK_BOX (self->box), stack);
  gtk_widget_set_parent (self->box, GTK_WIDGET (self));
}
