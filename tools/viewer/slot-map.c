/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot-map.h"

#include "slot-grid.h"

struct _ViewerSlotMap
{
  GtkWidget parent_instance;
  GtkWidget *legend, *grid, *detail;
  GArray *slots; /* what was set last */
  GPtrArray *consumers;
};

G_DEFINE_FINAL_TYPE (ViewerSlotMap, viewer_slot_map, GTK_TYPE_WIDGET)

static void
show_legend (ViewerSlotMap *self)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (PangoAttrList) attributes = pango_attr_list_new ();
  const SlotTiles *tiles = viewer_slot_grid_get_tiles (VIEWER_SLOT_GRID (self->grid));

  for (guint kind = 0; self->slots != NULL && kind < N_SLOT_KINDS; kind++)
    {
      const SlotKindLook *look = &slot_kind_looks[kind];
      guint start = (guint) text->len;

      /* No-break spaces: a line ends between two kinds only. */
      g_string_append_printf (text, "\u00a0%s\u00a0", look->letters);
      paint_chip (attributes, look->hue, start, (guint) text->len);
      g_string_append_printf (text, "\u00a0%s\u00a0%u\u2003", look->word, tiles->counts[kind]);
    }
  if (g_str_equal (text->str, gtk_label_get_text (GTK_LABEL (self->legend))))
    return;
  pango_attr_list_insert (attributes, pango_attr_font_features_new ("tnum=1"));
  gtk_label_set_text (GTK_LABEL (self->legend), text->str);
  gtk_label_set_attributes (GTK_LABEL (self->legend), attributes);
}

static void
show_detail (ViewerSlotMap *self)
{
  ViewerSlotGrid *grid = VIEWER_SLOT_GRID (self->grid);
  g_autofree char *text
      = slot_tiles_dup_text (viewer_slot_grid_get_tiles (grid), viewer_slot_grid_get_cursor (grid));

  gtk_inscription_set_text (
      GTK_INSCRIPTION (self->detail),
      text != NULL          ? text
      : self->slots != NULL ? "Click a slot, or move there with the arrow keys, to follow it here."
                            : "No pool.");
}

static void
show (ViewerSlotMap *self)
{
  viewer_slot_grid_set_slots (VIEWER_SLOT_GRID (self->grid), self->slots, self->consumers);
  show_legend (self);
  show_detail (self);
}

void
viewer_slot_map_set_view (ViewerSlotMap *self, const PoolView *view)
{
  g_return_if_fail (VIEWER_IS_SLOT_MAP (self));
  g_clear_pointer (&self->slots, g_array_unref);
  g_clear_pointer (&self->consumers, g_ptr_array_unref);
  if (view != NULL)
    {
      self->slots = g_array_ref (view->slots);
      self->consumers = g_ptr_array_ref (view->consumers);
    }
  if (gtk_widget_get_mapped (GTK_WIDGET (self)))
    show (self);
}

static void
map (GtkWidget *widget)
{
  GTK_WIDGET_CLASS (viewer_slot_map_parent_class)->map (widget);
  show (VIEWER_SLOT_MAP (widget));
}

static void
dispose (GObject *object)
{
  ViewerSlotMap *self = VIEWER_SLOT_MAP (object);
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (self))) != NULL)
    gtk_widget_unparent (child);
  g_clear_pointer (&self->slots, g_array_unref);
  g_clear_pointer (&self->consumers, g_ptr_array_unref);
  G_OBJECT_CLASS (viewer_slot_map_parent_class)->dispose (object);
}

static void
viewer_slot_map_class_init (ViewerSlotMapClass *class)
{
  G_OBJECT_CLASS (class)->dispose = dispose;
  GTK_WIDGET_CLASS (class)->map = map;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BOX_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (class), "slotmap");
}

static GtkWidget *
make_scrolled (GtkWidget *child)
{
  GtkWidget *scrolled = gtk_scrolled_window_new ();

  gtk_scrolled_window_set_child (GTK_SCROLLED_WINDOW (scrolled), child);
  gtk_scrolled_window_set_policy (GTK_SCROLLED_WINDOW (scrolled), GTK_POLICY_NEVER,
                                  GTK_POLICY_AUTOMATIC);
  gtk_widget_set_vexpand (scrolled, TRUE);
  return scrolled;
}

static void
viewer_slot_map_init (ViewerSlotMap *self)
{
  GtkWidget *widget = GTK_WIDGET (self);
  GtkBoxLayout *layout = GTK_BOX_LAYOUT (gtk_widget_get_layout_manager (widget));

  gtk_orientable_set_orientation (GTK_ORIENTABLE (layout), GTK_ORIENTATION_VERTICAL);
  gtk_box_layout_set_spacing (layout, 6);

  self->legend = gtk_label_new (NULL);
  gtk_widget_set_name (self->legend, "slot-legend");
  gtk_label_set_wrap (GTK_LABEL (self->legend), TRUE);
  gtk_label_set_xalign (GTK_LABEL (self->legend), 0);
  gtk_widget_set_parent (self->legend, widget);

  self->grid = viewer_slot_grid_new ();
  gtk_widget_set_name (self->grid, "slot-grid");
  g_signal_connect_swapped (self->grid, "cursor-moved", G_CALLBACK (show_detail), self);
  gtk_widget_set_parent (make_scrolled (self->grid), widget);

  /* Of a fixed size, so that what it says moves nothing. */
  self->detail = gtk_inscription_new (NULL);
  gtk_widget_set_name (self->detail, "slot-detail");
  gtk_inscription_set_min_lines (GTK_INSCRIPTION (self->detail), 4);
  gtk_inscription_set_yalign (GTK_INSCRIPTION (self->detail), 0);
  gtk_inscription_set_text_overflow (GTK_INSCRIPTION (self->detail),
                                     GTK_INSCRIPTION_OVERFLOW_ELLIPSIZE_END);
  gtk_widget_set_parent (self->detail, widget);
}

GtkWidget *
viewer_slot_map_new (void)
{
  return g_object_new (VIEWER_TYPE_SLOT_MAP, NULL);
}
