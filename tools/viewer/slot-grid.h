/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "slot-tiles.h"

/* The tiles of a slot map, as large as there is room for. Scrollable: draws what is in sight only.
 * Arrow keys and clicks move its cursor (signal cursor-moved). Main thread. */
#define VIEWER_TYPE_SLOT_GRID (viewer_slot_grid_get_type ())
G_DECLARE_FINAL_TYPE (ViewerSlotGrid, viewer_slot_grid, VIEWER, SLOT_GRID, GtkWidget)

GtkWidget *viewer_slot_grid_new (void);
/* Keeps references; NULL, NULL: no pool. (element-type SlotView) (element-type GVariant) */
void viewer_slot_grid_set_slots (ViewerSlotGrid *self, GArray *slots, GPtrArray *consumers);
const SlotTiles *viewer_slot_grid_get_tiles (ViewerSlotGrid *self);
/* The slot of the cursor, or SLOT_NONE. */
guint viewer_slot_grid_get_cursor (ViewerSlotGrid *self);
/* Where its tile is (the one that uncommitted slots share, for these); FALSE: out of sight. */
gboolean viewer_slot_grid_get_tile (ViewerSlotGrid *self, guint slot, GdkRectangle *tile);
