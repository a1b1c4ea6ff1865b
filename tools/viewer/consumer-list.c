/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "consumer-list.h"

#include "../own-drops.h"
#include "consumer-entry.h"
#include "paint.h"

#define SECOND G_GINT64_CONSTANT (1000000000)
#define PROGRAM_MAX 64 /* characters */

static const struct
{
  const char *title;
  guint chars; /* wide */
  gboolean number;
} columns[N_CONSUMER_COLUMNS] = {
  [CONSUMER_PROGRAM] = { "Program", 14, FALSE },
  [CONSUMER_PID] = { "Pid", 6, TRUE },
  [CONSUMER_DELIVERY] = { "Delivery", 7, FALSE },
  [CONSUMER_HELD] = { "Held", 4, TRUE },
  [CONSUMER_LEASES] = { "Leases", 4, TRUE },
  [CONSUMER_LAG] = { "Lag", 4, TRUE },
  [CONSUMER_DROPS] = { "Drops", 5, TRUE },
  [CONSUMER_DROP_RATE] = { "Drops/s", 5, TRUE },
  [CONSUMER_LONGEST_HOLD] = { "Longest hold", 8, TRUE },
  [CONSUMER_HINT] = { "Hint", 30, FALSE },
  [CONSUMER_LATENCY_P50] = { "Latency p50", 8, TRUE },
  [CONSUMER_LATENCY_P99] = { "Latency p99", 8, TRUE },
  [CONSUMER_WAIT] = { "Wait", 7, FALSE },
};

/* ---- a row --------------------------------------------------------------------------------- */

#define VIEWER_TYPE_CONSUMER_ROW (viewer_consumer_row_get_type ())
G_DECLARE_FINAL_TYPE (ViewerConsumerRow, viewer_consumer_row, VIEWER, CONSUMER_ROW, GObject)

/* One consumer, for as long as it is attached. A row is in one list only: at most one widget shows a
 * cell. */
struct _ViewerConsumerRow
{
  GObject parent_instance;
  guint64 id;
  char *cells[N_CONSUMER_COLUMNS];
  GtkInscription *shown[N_CONSUMER_COLUMNS]; /* NULL: not at present */
  gint64 mark_ns;                            /* since when drops are counted; 0: not yet */
  OwnDrops mark;                             /* and from what on */
  gint64 drop_rate, own_rate;                /* a second, all and its own; -1: not known yet */
  guint64 pass;                              /* in which it was seen last */
};

G_DEFINE_FINAL_TYPE (ViewerConsumerRow, viewer_consumer_row, G_TYPE_OBJECT)

static void
viewer_consumer_row_finalize (GObject *object)
{
  ViewerConsumerRow *self = VIEWER_CONSUMER_ROW (object);

  for (guint i = 0; i < N_CONSUMER_COLUMNS; i++)
    g_free (self->cells[i]);
  G_OBJECT_CLASS (viewer_consumer_row_parent_class)->finalize (object);
}

static void
viewer_consumer_row_class_init (ViewerConsumerRowClass *class)
{
  G_OBJECT_CLASS (class)->finalize = viewer_consumer_row_finalize;
}

static void
viewer_consumer_row_init (ViewerConsumerRow *self)
{
  self->drop_rate = self->own_rate = -1;
}

static void
show_cell (ViewerConsumerRow *self, ConsumerColumn column)
{
  GtkInscription *shown = self->shown[column];
  const char *text = self->cells[column] != NULL ? self->cells[column] : "";
  g_autoptr (PangoAttrList) attributes = NULL;
  g_autofree char *marked = NULL;

  if (shown == NULL)
    return;
  if (column == CONSUMER_HINT && *text != '\0')
    {
      attributes = pango_attr_list_new ();
      paint_chip (attributes, HUE_ORANGE, 0, strlen ("\u00a0!\u00a0"));
      marked = g_strconcat ("\u00a0!\u00a0 ", text, NULL);
    }
  if (column == CONSUMER_HINT)
    gtk_inscription_set_attributes (shown, attributes);
  gtk_inscription_set_text (shown, marked != NULL ? marked : text);
}

/* Takes the text. */
static void
set_cell (ViewerConsumerRow *self, ConsumerColumn column, char *text)
{
  if (g_strcmp0 (self->cells[column], text) == 0)
    {
      g_free (text);
      return;
    }
  g_free (self->cells[column]);
  self->cells[column] = text;
  show_cell (self, column);
}

/* ---- what a consumer's numbers show ---- */

/* What its pool says. */
typedef struct
{
  guint64 window, dropped;
  gboolean live;
} PoolNumbers;

static gint64
by_second (guint64 count, gint64 passed_ns)
{
  return (gint64) ((double) count * (double) SECOND / (double) passed_ns + 0.99);
}

static void
count_drops (ViewerConsumerRow *self, const ConsumerEntry *entry, guint64 dropped, gint64 now_ns)
{
  gint64 passed_ns = now_ns - self->mark_ns;
  gboolean goes_on = self->mark_ns != 0 && passed_ns >= 0 && passed_ns < 3 * SECOND
                     && entry->drops >= self->mark.drops;

  if (goes_on && passed_ns < SECOND)
    return;
  if (goes_on)
    {
      self->drop_rate = by_second (entry->drops - self->mark.drops, passed_ns);
      self->own_rate = by_second (own_drops_count (&self->mark, entry->drops, dropped), passed_ns);
    }
  else
    {
      self->drop_rate = self->own_rate = -1;
      own_drops_begin (&self->mark, entry->drops, dropped, entry->lag);
    }
  self->mark_ns = now_ns;
}

static char *
dup_number (guint64 number)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT, number);
}

/* 0: nothing was measured yet. */
static char *
dup_duration (guint64 ns)
{
  return human_duration (ns > 0 ? (gint64) MIN (ns, G_MAXINT64) : -1);
}

static void
update_row (ViewerConsumerRow *self, const ConsumerEntry *entry, const PoolNumbers *pool,
            gint64 now_ns)
{
  count_drops (self, entry, pool->dropped, now_ns);
  set_cell (self, CONSUMER_PROGRAM, paint_clean (entry->program, PROGRAM_MAX));
  set_cell (self, CONSUMER_PID, entry->pid != 0 ? dup_number (entry->pid) : g_strdup ("?"));
  set_cell (self, CONSUMER_DELIVERY, paint_clean (entry->delivery, 16));
  set_cell (self, CONSUMER_WAIT, paint_clean (entry->wait, 16));
  set_cell (self, CONSUMER_LEASES, dup_number (entry->leases));
  set_cell (self, CONSUMER_HELD, dup_number (entry->held));
  set_cell (self, CONSUMER_LAG, dup_number (entry->lag));
  set_cell (self, CONSUMER_DROPS, dup_number (entry->drops));
  set_cell (self, CONSUMER_DROP_RATE,
            self->drop_rate >= 0 ? dup_number ((guint64) self->drop_rate) : g_strdup ("-"));
  set_cell (self, CONSUMER_LONGEST_HOLD, dup_duration (entry->longest_hold_ns));
  set_cell (self, CONSUMER_LATENCY_P50, dup_duration (entry->latency_p50_ns));
  set_cell (self, CONSUMER_LATENCY_P99, dup_duration (entry->latency_p99_ns));
  set_cell (self, CONSUMER_HINT,
            consumer_entry_dup_hint (entry, self->own_rate, pool->window, pool->live));
}

/* ---- the list ------------------------------------------------------------------------------ */

struct _ViewerConsumerList
{
  GtkWidget parent_instance;
  GtkWidget *summary;
  GListStore *rows;
  GHashTable *by_id; /* guint64 * -> ViewerConsumerRow, both of the row's */
  guint64 epoch, pass;
  GVariant *stats; /* of the view that was set last; NULL: no pool */
  GPtrArray *consumers;
  gint64 shown_ns; /* 0: it is not shown */
};

G_DEFINE_FINAL_TYPE (ViewerConsumerList, viewer_consumer_list, GTK_TYPE_WIDGET)

static void
show_summary (ViewerConsumerList *self)
{
  guint64 n = self->stats != NULL ? lookup_number (self->stats, "n-consumers") : 0;
  guint listed = g_list_model_get_n_items (G_LIST_MODEL (self->rows));
  g_autofree char *text = NULL;

  if (self->stats == NULL)
    text = g_strdup ("No pool.");
  else if (n > listed)
    text = g_strdup_printf ("%u of %" G_GUINT64_FORMAT " consumers: the producer lists no more.",
                            listed, n);
  else if (listed == 0)
    text = g_strdup ("No consumers.");
  else
    text = g_strdup_printf ("%u consumer%s", listed, listed == 1 ? "" : "s");
  gtk_label_set_text (GTK_LABEL (self->summary), text);
}

/* Consumers of another producer are others, whatever their numbers. */
static void
remove_rows (ViewerConsumerList *self, gboolean all)
{
  for (guint i = g_list_model_get_n_items (G_LIST_MODEL (self->rows)); i-- > 0;)
    {
      g_autoptr (ViewerConsumerRow) row = g_list_model_get_item (G_LIST_MODEL (self->rows), i);

      if (!all && row->pass == self->pass)
        continue;
      g_hash_table_remove (self->by_id, &row->id);
      g_list_store_remove (self->rows, i);
    }
}

static void
show_consumer (ViewerConsumerList *self, GVariant *consumer, const PoolNumbers *pool)
{
  g_autoptr (ViewerConsumerRow) made = NULL;
  ConsumerEntry entry;
  ViewerConsumerRow *row;

  consumer_entry_read (&entry, consumer);
  row = g_hash_table_lookup (self->by_id, &entry.id);
  if (row == NULL)
    {
      row = made = g_object_new (VIEWER_TYPE_CONSUMER_ROW, NULL);
      row->id = entry.id;
      g_hash_table_insert (self->by_id, &row->id, row);
    }
  row->pass = self->pass;
  update_row (row, &entry, pool, self->shown_ns);
  if (made != NULL)
    g_list_store_append (self->rows, row);
}

static void
show (ViewerConsumerList *self, gint64 now_ns)
{
  guint64 epoch = self->stats != NULL ? lookup_number (self->stats, "epoch") : 0;
  PoolNumbers pool = { 0 };

  if (self->stats != NULL)
    {
      pool.window = lookup_number (self->stats, "window");
      pool.dropped = lookup_number (self->stats, "dropped");
      g_variant_lookup (self->stats, "live", "b", &pool.live);
    }
  if (self->stats == NULL || epoch != self->epoch)
    remove_rows (self, TRUE);
  self->epoch = epoch;
  self->shown_ns = now_ns;
  self->pass++;
  for (guint i = 0; self->stats != NULL && i < self->consumers->len; i++)
    show_consumer (self, self->consumers->pdata[i], &pool);
  remove_rows (self, FALSE);
  show_summary (self);
}

void
viewer_consumer_list_set_view_at (ViewerConsumerList *self, const PoolView *view, gint64 now_ns)
{
  g_return_if_fail (VIEWER_IS_CONSUMER_LIST (self));
  g_clear_pointer (&self->stats, g_variant_unref);
  g_clear_pointer (&self->consumers, g_ptr_array_unref);
  if (view != NULL)
    {
      self->stats = g_variant_ref (view->stats);
      self->consumers = g_ptr_array_ref (view->consumers);
    }
  if (gtk_widget_get_mapped (GTK_WIDGET (self)))
    show (self, now_ns);
}

void
viewer_consumer_list_set_view (ViewerConsumerList *self, const PoolView *view)
{
  viewer_consumer_list_set_view_at (self, view, g_get_monotonic_time () * 1000);
}

const char *
viewer_consumer_list_get_cell (ViewerConsumerList *self, guint index, ConsumerColumn column)
{
  g_autoptr (ViewerConsumerRow) row = g_list_model_get_item (G_LIST_MODEL (self->rows), index);

  return row != NULL ? row->cells[column] : NULL; /* the list keeps it */
}

/* ---- cells --------------------------------------------------------------------------------- */

static void
setup_cell (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer data)
{
  ConsumerColumn column = GPOINTER_TO_UINT (data);
  GtkInscription *cell = GTK_INSCRIPTION (gtk_inscription_new (NULL));
  g_autoptr (PangoAttrList) attributes = pango_attr_list_new ();

  gtk_inscription_set_min_chars (cell, columns[column].chars);
  gtk_inscription_set_nat_chars (cell, columns[column].chars);
  gtk_inscription_set_text_overflow (cell, GTK_INSCRIPTION_OVERFLOW_ELLIPSIZE_END);
  if (columns[column].number)
    {
      gtk_inscription_set_xalign (cell, 1);
      pango_attr_list_insert (attributes, pango_attr_font_features_new ("tnum=1"));
      gtk_inscription_set_attributes (cell, attributes);
    }
  if (column == CONSUMER_PROGRAM || column == CONSUMER_HINT)
    paint_add_tooltip (cell);
  gtk_list_item_set_child (item, GTK_WIDGET (cell));
}

static void
bind_cell (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer data)
{
  ViewerConsumerRow *row = gtk_list_item_get_item (item);
  ConsumerColumn column = GPOINTER_TO_UINT (data);

  row->shown[column] = GTK_INSCRIPTION (gtk_list_item_get_child (item));
  show_cell (row, column);
}

static void
unbind_cell (GtkSignalListItemFactory *factory, GtkListItem *item, gpointer data)
{
  ViewerConsumerRow *row = gtk_list_item_get_item (item);

  row->shown[GPOINTER_TO_UINT (data)] = NULL;
}

static void
add_column (GtkColumnView *view, ConsumerColumn column)
{
  GtkListItemFactory *factory = gtk_signal_list_item_factory_new ();
  g_autoptr (GtkColumnViewColumn) made = NULL;

  g_signal_connect (factory, "setup", G_CALLBACK (setup_cell), GUINT_TO_POINTER (column));
  g_signal_connect (factory, "bind", G_CALLBACK (bind_cell), GUINT_TO_POINTER (column));
  g_signal_connect (factory, "unbind", G_CALLBACK (unbind_cell), GUINT_TO_POINTER (column));
  made = gtk_column_view_column_new (columns[column].title, factory);
  gtk_column_view_column_set_resizable (made, TRUE);
  gtk_column_view_column_set_expand (made, column == CONSUMER_HINT);
  gtk_column_view_append_column (view, made);
}

/* ---- the class ----------------------------------------------------------------------------- */

static void
map (GtkWidget *widget)
{
  ViewerConsumerList *self = VIEWER_CONSUMER_LIST (widget);

  GTK_WIDGET_CLASS (viewer_consumer_list_parent_class)->map (widget);
  show (self, g_get_monotonic_time () * 1000);
}

static void
dispose (GObject *object)
{
  ViewerConsumerList *self = VIEWER_CONSUMER_LIST (object);
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    gtk_widget_unparent (child);
  g_clear_pointer (&self->by_id, g_hash_table_unref);
  g_clear_object (&self->rows);
  g_clear_pointer (&self->stats, g_variant_unref);
  g_clear_pointer (&self->consumers, g_ptr_array_unref);
  G_OBJECT_CLASS (viewer_consumer_list_parent_class)->dispose (object);
}

static void
viewer_consumer_list_class_init (ViewerConsumerListClass *class)
{
  G_OBJECT_CLASS (class)->dispose = dispose;
  GTK_WIDGET_CLASS (class)->map = map;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BOX_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (class), "consumerlist");
}

static void
viewer_consumer_list_init (ViewerConsumerList *self)
{
  GtkWidget *widget = GTK_WIDGET (self), *scrolled = gtk_scrolled_window_new (), *view;
  GtkBoxLayout *layout = GTK_BOX_LAYOUT (gtk_widget_get_layout_manager (widget));
  GtkSingleSelection *selection;

  gtk_orientable_set_orientation (GTK_ORIENTABLE (layout), GTK_ORIENTATION_VERTICAL);
  gtk_box_layout_set_spacing (layout, 6);
  self->rows = g_list_store_new (VIEWER_TYPE_CONSUMER_ROW);
  self->by_id = g_hash_table_new (g_int64_hash, g_int64_equal);

  self->summary = gtk_label_new (NULL);
  gtk_widget_set_name (self->summary, "consumer-summary");
  gtk_label_set_xalign (GTK_LABEL (self->summary), 0);
  gtk_widget_set_parent (self->summary, widget);

  selection = gtk_single_selection_new (G_LIST_MODEL (g_object_ref (self->rows)));
  gtk_single_selection_set_autoselect (selection, FALSE);
  gtk_single_selection_set_can_unselect (selection, TRUE);
  view = gtk_column_view_new (GTK_SELECTION_MODEL (selection));
  gtk_widget_set_name (view, "consumers");
  gtk_accessible_update_property (GTK_ACCESSIBLE (view), GTK_ACCESSIBLE_PROPERTY_LABEL, "Consumers",
                                  -1);
  for (guint i = 0; i < N_CONSUMER_COLUMNS; i++)
    add_column (GTK_COLUMN_VIEW (view), i);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scrolled), view);
  gtk_widget_set_vexpand (scrolled, TRUE);
  gtk_widget_set_parent (scrolled, widget);
}

GtkWidget *
viewer_consumer_list_new (void)
{
  return g_object_new (VIEWER_TYPE_CONSUMER_LIST, NULL);
}
