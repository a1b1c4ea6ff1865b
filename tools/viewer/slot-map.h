/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "../pool-view.h"

/* Every slot of a pool as a tile: state by colour and word, sequence, age and holders; generation and the
 * rest in its tool tip. Uncommitted slots share one tile. Scrolls; up to 1024 slots. Main thread. */
#define VIEWER_TYPE_SLOT_MAP (viewer_slot_map_get_type ())
G_DECLARE_FINAL_TYPE (ViewerSlotMap, viewer_slot_map, VIEWER, SLOT_MAP, GtkWidget)

GtkWidget *viewer_slot_map_new (void);
/* NULL: no pool. Keeps references to the view's arrays, which do not change: it may be freed. */
void viewer_slot_map_set_view (ViewerSlotMap *self, const PoolView *view);
