/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "slot-grid.h"

#define GAP 4     /* pixels */
#define PADDING 4 /* pixels between a tile's edge and its text */
#define BAR 5     /* pixels: the mark of a leased slot */

/* In characters and lines of text. */
static const struct
{
  guint columns, lines;
} densities[N_TILE_SIZES] = {
  [TILE_FULL] = { 22, 4 },
  [TILE_LARGE] = { 17, 3 },
  [TILE_MEDIUM] = { 13, 2 },
  [TILE_SMALL] = { 2, 1 },
};

enum
{
  PROP_HADJUSTMENT = 1,
  PROP_VADJUSTMENT,
  PROP_HSCROLL_POLICY,
  PROP_VSCROLL_POLICY,
};

struct _ViewerSlotGrid
{
  GtkWidget parent_instance;
  GtkAdjustment *hadjustment, *vadjustment;
  SlotTiles tiles;
  guint cursor; /* slot */
  PangoLayout *layout;
  /* Of the last allocation. */
  TileSize density;
  guint columns;
  int tile_width, tile_height, text_height;
};

static guint cursor_moved;

G_DEFINE_FINAL_TYPE_WITH_CODE (ViewerSlotGrid, viewer_slot_grid, GTK_TYPE_WIDGET,
                               G_IMPLEMENT_INTERFACE (GTK_TYPE_SCROLLABLE, NULL))

void
viewer_slot_grid_set_slots (ViewerSlotGrid *self, GArray *slots, GPtrArray *consumers)
{
  guint n_tiles = self->tiles.tiles->len;

  slot_tiles_set (&self->tiles, slots, consumers);
  /* Not queue_allocate(): the scrolled window must be allocated too, its bar may come or go. */
  if (self->tiles.tiles->len != n_tiles)
    gtk_widget_queue_resize (GTK_WIDGET (self));
  gtk_widget_queue_draw (GTK_WIDGET (self));
}

const SlotTiles *
viewer_slot_grid_get_tiles (ViewerSlotGrid *self)
{
  return &self->tiles;
}

/* ---- where tiles are ----------------------------------------------------------------------- */

static gboolean
tile_rectangle (ViewerSlotGrid *self, guint index, GdkRectangle *rectangle)
{
  int height = gtk_widget_get_height (GTK_WIDGET (self));

  if (self->columns == 0)
    return FALSE;
  rectangle->x = (int) (index % self->columns) * (self->tile_width + GAP);
  rectangle->y = (int) (index / self->columns) * (self->tile_height + GAP)
                 - (int) gtk_adjustment_get_value (self->vadjustment);
  rectangle->width = self->tile_width;
  rectangle->height = self->tile_height;
  return rectangle->y < height && rectangle->y + rectangle->height > 0;
}

gboolean
viewer_slot_grid_get_tile (ViewerSlotGrid *self, guint slot, GdkRectangle *tile)
{
  guint index;

  return slot_tiles_find (&self->tiles, slot, &index) && tile_rectangle (self, index, tile);
}

static const Tile *
tile_at (ViewerSlotGrid *self, double x, double y)
{
  guint column, row;

  if (self->columns == 0 || x < 0 || y < 0)
    return NULL;
  column = (guint) x / (guint) (self->tile_width + GAP);
  row = (guint) (y + gtk_adjustment_get_value (self->vadjustment))
        / (guint) (self->tile_height + GAP);
  if (column >= self->columns || row * self->columns + column >= self->tiles.tiles->len)
    return NULL;
  return &g_array_index (self->tiles.tiles, Tile, row * self->columns + column);
}

/* Tile and text sizes for a density. Returns the height of all tiles. */
static int
lay_out (ViewerSlotGrid *self, guint density, int width)
{
  int digit, line, rows;

  pango_layout_set_text (self->layout, "0", -1);
  pango_layout_get_pixel_size (self->layout, &digit, &line);
  self->density = density;
  self->text_height = line * (int) densities[density].lines;
  self->tile_height = self->text_height + 2 * PADDING;
  self->tile_width = digit * (int) densities[density].columns + 2 * PADDING + BAR;
  self->columns = (guint) MAX (1, (width + GAP) / (self->tile_width + GAP));
  /* They fill the width, but a few do not grow beyond measure. */
  self->tile_width = MIN (self->tile_width * 3 / 2, (width + GAP) / (int) self->columns - GAP);
  self->tile_width = MAX (self->tile_width, 1);
  rows = (int) ((self->tiles.tiles->len + self->columns - 1) / self->columns);
  return rows * (self->tile_height + GAP);
}

static void
size_allocate (GtkWidget *widget, int width, int height, int baseline)
{
  ViewerSlotGrid *self = VIEWER_SLOT_GRID (widget);
  int needed = 0;

  for (guint density = 0; density < N_TILE_SIZES; density++)
    {
      needed = lay_out (self, density, width);
      if (needed <= height)
        break;
    }
  gtk_adjustment_configure (self->vadjustment, gtk_adjustment_get_value (self->vadjustment), 0,
                            MAX (needed, height), self->tile_height + GAP, height * 0.9, height);
  gtk_adjustment_configure (self->hadjustment, 0, 0, width, 1, width, width);
}

static void
measure (GtkWidget *widget, GtkOrientation orientation, int for_size, int *minimum, int *natural,
         int *minimum_baseline, int *natural_baseline)
{
  *minimum = 120;
  *natural = orientation == GTK_ORIENTATION_HORIZONTAL ? 400 : 200;
}

/* ---- drawing ------------------------------------------------------------------------------- */

static void
draw_frame (GtkSnapshot *snapshot, const GdkRectangle *at, float width, const GdkRGBA *colour)
{
  GskRoundedRect outline;

  gsk_rounded_rect_init_from_rect (
      &outline,
      &GRAPHENE_RECT_INIT ((float) at->x, (float) at->y, (float) at->width, (float) at->height), 0);
  gtk_snapshot_append_border (snapshot, &outline, (float[4]){ width, width, width, width },
                              (GdkRGBA[4]){ *colour, *colour, *colour, *colour });
}

static void
draw_fill (ViewerSlotGrid *self, GtkSnapshot *snapshot, const Tile *tile, const GdkRectangle *at)
{
  const SlotView *slot = slot_tiles_get_slot (&self->tiles, tile->slot);
  GdkRGBA colour;

  if (tile->kind == SLOT_FREE || tile->kind == SLOT_UNCOMMITTED)
    {
      paint_foreground (GTK_WIDGET (self), tile->kind == SLOT_FREE ? 0.5 : 0.2, &colour);
      draw_frame (snapshot, at, 1, &colour);
    }
  else
    {
      paint_hue (slot_kind_looks[tile->kind].hue, &colour);
      gtk_snapshot_append_color (snapshot, &colour,
                                 &GRAPHENE_RECT_INIT ((float) at->x, (float) at->y,
                                                      (float) at->width, (float) at->height));
    }
  if (slot != NULL && slot->holders->len > 0 && tile->kind != SLOT_LEASED)
    {
      paint_hue (HUE_BLUE, &colour);
      gtk_snapshot_append_color (
          snapshot, &colour,
          &GRAPHENE_RECT_INIT ((float) at->x, (float) at->y, BAR, (float) at->height));
    }
  if (slot != NULL && tile->slot == self->cursor)
    {
      paint_foreground (GTK_WIDGET (self), 1, &colour);
      draw_frame (snapshot, at, gtk_widget_has_focus (GTK_WIDGET (self)) ? 3 : 2, &colour);
    }
}

static void
draw_text (ViewerSlotGrid *self, GtkSnapshot *snapshot, const Tile *tile, const GdkRectangle *at)
{
  GdkRGBA colour;

  if (tile->kind == SLOT_FREE || tile->kind == SLOT_UNCOMMITTED)
    paint_foreground (GTK_WIDGET (self), 1, &colour);
  else
    paint_ink (slot_kind_looks[tile->kind].hue, &colour);
  paint_layout (snapshot, self->layout, &colour, at->x + BAR + PADDING,
                at->y + (at->height - self->text_height) / 2, 0);
}

/* Kind by kind, so that letters are laid out once for all tiles of a kind. */
static void
snapshot_widget (GtkWidget *widget, GtkSnapshot *snapshot)
{
  ViewerSlotGrid *self = VIEWER_SLOT_GRID (widget);
  GdkRectangle at;

  pango_layout_set_width (self->layout,
                          MAX (1, self->tile_width - BAR - 2 * PADDING + 1) * PANGO_SCALE);
  for (guint kind = 0; kind < N_SLOT_KINDS; kind++)
    {
      gboolean laid_out = FALSE;

      for (guint i = 0; i < self->tiles.tiles->len; i++)
        {
          const Tile *tile = &g_array_index (self->tiles.tiles, Tile, i);

          if (tile->kind != kind || !tile_rectangle (self, i, &at))
            continue;
          draw_fill (self, snapshot, tile, &at);
          if (self->density != TILE_SMALL || !laid_out)
            {
              g_autofree char *text = slot_tiles_dup_label (&self->tiles, tile, self->density);

              pango_layout_set_text (self->layout, text, -1);
              laid_out = TRUE;
            }
          draw_text (self, snapshot, tile, &at);
        }
    }
  pango_layout_set_width (self->layout, -1);
}

/* ---- pointer and keys ---------------------------------------------------------------------- */

static gboolean
query_tooltip (GtkWidget *widget, int x, int y, gboolean keyboard, GtkTooltip *tooltip)
{
  ViewerSlotGrid *self = VIEWER_SLOT_GRID (widget);
  const Tile *tile = tile_at (self, x, y);
  g_autofree char *text = NULL;

  if (keyboard)
    text = slot_tiles_dup_text (&self->tiles, self->cursor);
  else if (tile != NULL)
    text = tile->slot != SLOT_NONE ? slot_tiles_dup_text (&self->tiles, tile->slot)
                                   : slot_tiles_dup_uncommitted_text (&self->tiles);
  gtk_tooltip_set_text (tooltip, text);
  return text != NULL;
}

static void
move_cursor (ViewerSlotGrid *self, guint slot)
{
  double step = self->tile_height + GAP;
  guint index;

  self->cursor = slot;
  if (slot_tiles_find (&self->tiles, slot, &index) && self->columns > 0)
    {
      double top = index / self->columns * step;

      gtk_adjustment_clamp_page (self->vadjustment, top, top + step);
    }
  gtk_widget_queue_draw (GTK_WIDGET (self));
  g_signal_emit (self, cursor_moved, 0);
}

static void
pressed (GtkGestureClick *gesture, int n, double x, double y, ViewerSlotGrid *self)
{
  const Tile *tile = tile_at (self, x, y);

  gtk_widget_grab_focus (GTK_WIDGET (self));
  if (tile != NULL)
    move_cursor (self, tile->slot);
}

static gboolean
move_by_key (GtkWidget *widget, GVariant *arguments, gpointer data)
{
  ViewerSlotGrid *self = VIEWER_SLOT_GRID (widget);
  gint columns, by, last = (gint) self->tiles.tiles->len - 1;
  guint index;

  g_variant_get (arguments, "(ii)", &by, &columns);
  if (last >= 0 && g_array_index (self->tiles.tiles, Tile, last).slot == SLOT_NONE)
    last--;
  if (last < 0)
    return TRUE;
  if (slot_tiles_find (&self->tiles, self->cursor, &index))
    by = CLAMP ((gint) index, 0, last) + CLAMP (by, -last, last) + columns * (gint) self->columns;
  else
    by = 0; /* the first key only shows the cursor */
  move_cursor (self, g_array_index (self->tiles.tiles, Tile, CLAMP (by, 0, last)).slot);
  return TRUE;
}

guint
viewer_slot_grid_get_cursor (ViewerSlotGrid *self)
{
  return self->cursor;
}

/* ---- GtkScrollable ------------------------------------------------------------------------- */

static void
take_adjustment (ViewerSlotGrid *self, GtkAdjustment **place, GtkAdjustment *adjustment)
{
  if (*place != NULL)
    g_signal_handlers_disconnect_by_data (*place, self);
  g_clear_object (place);
  *place
      = g_object_ref_sink (adjustment != NULL ? adjustment : gtk_adjustment_new (0, 0, 0, 0, 0, 0));
  g_signal_connect_swapped (*place, "value-changed", G_CALLBACK (gtk_widget_queue_draw), self);
  gtk_widget_queue_resize (GTK_WIDGET (self));
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
  ViewerSlotGrid *self = VIEWER_SLOT_GRID (object);

  if (id == PROP_HADJUSTMENT)
    take_adjustment (self, &self->hadjustment, g_value_get_object (value));
  else if (id == PROP_VADJUSTMENT)
    take_adjustment (self, &self->vadjustment, g_value_get_object (value));
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  ViewerSlotGrid *self = VIEWER_SLOT_GRID (object);

  if (id == PROP_HADJUSTMENT)
    g_value_set_object (value, self->hadjustment);
  else if (id == PROP_VADJUSTMENT)
    g_value_set_object (value, self->vadjustment);
  else
    g_value_set_enum (value, GTK_SCROLL_MINIMUM);
}

/* ---- the class ----------------------------------------------------------------------------- */

static void
dispose (GObject *object)
{
  ViewerSlotGrid *self = VIEWER_SLOT_GRID (object);

  g_signal_handlers_disconnect_by_data (self->hadjustment, self);
  g_signal_handlers_disconnect_by_data (self->vadjustment, self);
  G_OBJECT_CLASS (viewer_slot_grid_parent_class)->dispose (object);
}

static void
finalize (GObject *object)
{
  ViewerSlotGrid *self = VIEWER_SLOT_GRID (object);

  slot_tiles_finish (&self->tiles);
  g_object_unref (self->hadjustment);
  g_object_unref (self->vadjustment);
  g_object_unref (self->layout);
  G_OBJECT_CLASS (viewer_slot_grid_parent_class)->finalize (object);
}

static void
bind_keys (GtkWidgetClass *class)
{
  static const struct
  {
    guint key;
    gint by, columns;
  } keys[] = {
    { GDK_KEY_Left, -1, 0 },    { GDK_KEY_Right, 1, 0 },        { GDK_KEY_Up, 0, -1 },
    { GDK_KEY_Down, 0, 1 },     { GDK_KEY_Home, -G_MAXINT, 0 }, { GDK_KEY_End, G_MAXINT, 0 },
    { GDK_KEY_Page_Up, 0, -8 }, { GDK_KEY_Page_Down, 0, 8 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    gtk_widget_class_add_binding (class, keys[i].key, 0, move_by_key, "(ii)", keys[i].by,
                                  keys[i].columns);
}

static void
viewer_slot_grid_class_init (ViewerSlotGridClass *class)
{
  GObjectClass *object_class = G_OBJECT_CLASS (class);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->dispose = dispose;
  object_class->finalize = finalize;
  widget_class->measure = measure;
  widget_class->size_allocate = size_allocate;
  widget_class->snapshot = snapshot_widget;
  widget_class->query_tooltip = query_tooltip;
  g_object_class_override_property (object_class, PROP_HADJUSTMENT, "hadjustment");
  g_object_class_override_property (object_class, PROP_VADJUSTMENT, "vadjustment");
  g_object_class_override_property (object_class, PROP_HSCROLL_POLICY, "hscroll-policy");
  g_object_class_override_property (object_class, PROP_VSCROLL_POLICY, "vscroll-policy");
  cursor_moved = g_signal_new ("cursor-moved", VIEWER_TYPE_SLOT_GRID, G_SIGNAL_RUN_LAST, 0, NULL,
                               NULL, NULL, G_TYPE_NONE, 0);
  bind_keys (widget_class);
  gtk_widget_class_set_css_name (widget_class, "slotgrid");
}

static void
viewer_slot_grid_init (ViewerSlotGrid *self)
{
  GtkWidget *widget = GTK_WIDGET (self);
  GtkGesture *click = gtk_gesture_click_new ();

  slot_tiles_init (&self->tiles);
  self->cursor = SLOT_NONE;
  take_adjustment (self, &self->hadjustment, NULL);
  take_adjustment (self, &self->vadjustment, NULL);
  self->layout = paint_create_layout (widget);
  pango_layout_set_ellipsize (self->layout, PANGO_ELLIPSIZE_END);
  gtk_widget_set_overflow (widget, GTK_OVERFLOW_HIDDEN);
  gtk_widget_set_focusable (widget, TRUE);
  gtk_widget_set_has_tooltip (widget, TRUE);
  g_signal_connect (click, "pressed", G_CALLBACK (pressed), self);
  gtk_widget_add_controller (widget, GTK_EVENT_CONTROLLER (click));
}

GtkWidget *
viewer_slot_grid_new (void)
{
  return g_object_new (VIEWER_TYPE_SLOT_GRID, NULL);
}
