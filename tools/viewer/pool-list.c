/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-list.h"
#include "pool-row.h"

#define MAX_THUMBNAILS 32 /* each is a thread and an observer */
#define KEEP_GONE_NS (G_GINT64_CONSTANT (60) * 1000 * 1000 * 1000)

struct _ViewerPoolList
{
  GtkWidget parent;
  GtkWidget *scroller;
  GtkListBox *rows;
  ShmFrameRegistry *registry;
  guint sweeper;
};

G_DEFINE_FINAL_TYPE (ViewerPoolList, viewer_pool_list, GTK_TYPE_WIDGET)

static guint selected_signal;

/* ---- rows ---------------------------------------------------------------------------------- */

/* A pool is known by its path; one that was asked for by name gets its path when it comes. */
static gboolean
means (const char *pool, const char *path)
{
  g_autofree char *base = NULL;
  g_autofree char *file = NULL;

  if (g_path_is_absolute (pool))
    return g_str_equal (pool, path);
  base = g_path_get_basename (path);
  file = g_strconcat (pool, ".sock", NULL);
  return g_str_equal (base, file) || g_str_equal (pool, path);
}

static ViewerPoolRow *
find (ViewerPoolList *self, const char *pool)
{
  GtkListBoxRow *row;

  for (int i = 0; (row = gtk_list_box_get_row_at_index (self->rows, i)) != NULL; i++)
    if (means (pool, viewer_pool_row_get_pool (VIEWER_POOL_ROW (row)))
        || means (viewer_pool_row_get_pool (VIEWER_POOL_ROW (row)), pool))
      return VIEWER_POOL_ROW (row);
  return NULL;
}

static ViewerPoolRow *
add (ViewerPoolList *self, const char *pool)
{
  GtkWidget *row = viewer_pool_row_new (pool);

  gtk_list_box_append (self->rows, row);
  return VIEWER_POOL_ROW (row);
}

/* Thumbnails go to the first pools that can be looked at. */
static void
share_thumbnails (ViewerPoolList *self)
{
  GtkListBoxRow *row;

  for (int i = 0; (row = gtk_list_box_get_row_at_index (self->rows, i)) != NULL; i++)
    viewer_pool_row_set_thumbnail (VIEWER_POOL_ROW (row), i < MAX_THUMBNAILS);
}

static int
compare (GtkListBoxRow *a, GtkListBoxRow *b, gpointer data)
{
  g_autofree char *left = g_path_get_basename (viewer_pool_row_get_pool (VIEWER_POOL_ROW (a)));
  g_autofree char *right = g_path_get_basename (viewer_pool_row_get_pool (VIEWER_POOL_ROW (b)));

  return strcmp (left, right);
}

static void
row_selected (GtkListBox *rows, GtkListBoxRow *row, ViewerPoolList *self)
{
  g_signal_emit (self, selected_signal, 0,
                 row != NULL ? viewer_pool_row_get_pool (VIEWER_POOL_ROW (row)) : NULL);
}

/* ---- pools come and go --------------------------------------------------------------------- */

static void
pool_added (ShmFrameRegistry *registry, ShmFramePoolInfo *info, ViewerPoolList *self)
{
  ViewerPoolRow *row = find (self, shmframe_pool_info_get_path (info));
  g_autofree char *before = NULL;

  if (row == NULL)
    row = add (self, shmframe_pool_info_get_path (info));
  before = g_strdup (viewer_pool_row_get_pool (row));
  viewer_pool_row_set_info (row, info);
  share_thumbnails (self);
  if (gtk_list_box_row_is_selected (GTK_LIST_BOX_ROW (row))
      && !g_str_equal (before, viewer_pool_row_get_pool (row)))
    row_selected (self->rows, GTK_LIST_BOX_ROW (row), self);
  if (gtk_list_box_get_selected_row (self->rows) == NULL)
    gtk_list_box_select_row (self->rows, GTK_LIST_BOX_ROW (row));
}

static void
pool_removed (ShmFrameRegistry *registry, ShmFramePoolInfo *info, ViewerPoolList *self)
{
  ViewerPoolRow *row = find (self, shmframe_pool_info_get_path (info));

  if (row == NULL)
    return;
  viewer_pool_row_set_info (row, NULL);
  share_thumbnails (self);
}

static gboolean
sweep (gpointer data)
{
  ViewerPoolList *self = data;
  gint64 now_ns = g_get_monotonic_time () * 1000;
  GtkListBoxRow *row;

  for (int i = 0; (row = gtk_list_box_get_row_at_index (self->rows, i)) != NULL; i++)
    {
      gint64 gone_ns = viewer_pool_row_get_gone_ns (VIEWER_POOL_ROW (row));

      if (gone_ns < 0 || now_ns - gone_ns < KEEP_GONE_NS || gtk_list_box_row_is_selected (row))
        continue;
      gtk_list_box_remove (self->rows, GTK_WIDGET (row));
      i--;
    }
  share_thumbnails (self);
  return G_SOURCE_CONTINUE;
}

/* ---- selecting ----------------------------------------------------------------------------- */

void
viewer_pool_list_select (ViewerPoolList *self, const char *pool)
{
  ViewerPoolRow *row = find (self, pool);

  if (row == NULL)
    row = add (self, pool);
  share_thumbnails (self);
  gtk_list_box_select_row (self->rows, GTK_LIST_BOX_ROW (row));
}

void
viewer_pool_list_step (ViewerPoolList *self, int by)
{
  GtkListBoxRow *row = gtk_list_box_get_selected_row (self->rows);
  int index = row != NULL ? gtk_list_box_row_get_index (row) + by : 0;

  row = index >= 0 ? gtk_list_box_get_row_at_index (self->rows, index) : NULL;
  if (row != NULL)
    gtk_list_box_select_row (self->rows, row);
}

/* ---- the widget ---------------------------------------------------------------------------- */

static void
dispose (GObject *object)
{
  ViewerPoolList *self = VIEWER_POOL_LIST (object);

  if (self->registry != NULL)
    g_signal_handlers_disconnect_by_data (self->registry, self);
  if (self->rows != NULL)
    g_signal_handlers_disconnect_by_data (self->rows, self);
  self->rows = NULL;
  g_clear_object (&self->registry);
  g_clear_handle_id (&self->sweeper, g_source_remove);
  g_clear_pointer (&self->scroller, gtk_widget_unparent);
  G_OBJECT_CLASS (viewer_pool_list_parent_class)->dispose (object);
}

static void
viewer_pool_list_class_init (ViewerPoolListClass *class)
{
  G_OBJECT_CLASS (class)->dispose = dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BIN_LAYOUT);
  selected_signal = g_signal_new ("selected", G_TYPE_FROM_CLASS (class), G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
add_widgets (ViewerPoolList *self)
{
  GtkWidget *rows = gtk_list_box_new ();
  GtkWidget *empty
      = gtk_label_new ("No pools yet.\nThey appear here by themselves\nas producers start.");

  gtk_label_set_justify (GTK_LABEL (empty), GTK_JUSTIFY_CENTER);
  gtk_widget_add_css_class (empty, "dim-label");
  gtk_widget_set_margin_top (empty, 24);
  self->rows = GTK_LIST_BOX (rows);
  gtk_widget_set_name (rows, "pools");
  gtk_widget_add_css_class (rows, "navigation-sidebar");
  gtk_list_box_set_selection_mode (self->rows, GTK_SELECTION_BROWSE);
  gtk_list_box_set_sort_func (self->rows, compare, NULL, NULL);
  gtk_list_box_set_placeholder (self->rows, empty);
  gtk_accessible_update_property (GTK_ACCESSIBLE (rows), GTK_ACCESSIBLE_PROPERTY_LABEL, "Pools",
                                  -1);
  g_signal_connect (rows, "row-selected", G_CALLBACK (row_selected), self);
  self->scroller = gtk_scrolled_window_new ();
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (self->scroller), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (self->scroller), rows);
  gtk_widget_set_parent (self->scroller, GTK_WIDGET (self));
}

/* The list is filled before its first selection is reported, to whoever connected meanwhile. */
static gboolean
fill (gpointer data)
{
  ViewerPoolList *self = data;
  g_autoptr (GPtrArray) pools = shmframe_registry_list (self->registry);

  for (guint i = 0; i < pools->len; i++)
    pool_added (self->registry, pools->pdata[i], self);
  self->sweeper = g_timeout_add_seconds (5, sweep, self);
  return G_SOURCE_REMOVE;
}

static void
viewer_pool_list_init (ViewerPoolList *self)
{
  add_widgets (self);
  self->registry = shmframe_registry_new ();
  g_signal_connect (self->registry, "pool-added", G_CALLBACK (pool_added), self);
  g_signal_connect (self->registry, "pool-removed", G_CALLBACK (pool_removed), self);
  /* Not idle: pictures to draw would keep it waiting. */
  self->sweeper = g_timeout_add (0, fill, self);
}
