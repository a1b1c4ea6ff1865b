/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "../pool-view.h"

/* A pool's consumers, a row each, and a hint where one is at its limit (all leases held; window used up;
 * drops grow). Main thread. */
#define VIEWER_TYPE_CONSUMER_LIST (viewer_consumer_list_get_type ())
G_DECLARE_FINAL_TYPE (ViewerConsumerList, viewer_consumer_list, VIEWER, CONSUMER_LIST, GtkWidget)

GtkWidget *viewer_consumer_list_new (void);
/* NULL: no pool. Keeps references to the view's arrays, which do not change: it may be freed. */
void viewer_consumer_list_set_view (ViewerConsumerList *self, const PoolView *view);
/* The same at another moment than now (CLOCK_MONOTONIC): for tests. */
void viewer_consumer_list_set_view_at (ViewerConsumerList *self, const PoolView *view,
                                       gint64 now_ns);

/* From left to right: what is at a limit is in sight in a window of the default width. */
typedef enum
{
  CONSUMER_PROGRAM,
  CONSUMER_PID,
  CONSUMER_DELIVERY,
  CONSUMER_HELD,
  CONSUMER_LEASES,
  CONSUMER_LAG,
  CONSUMER_DROPS,
  CONSUMER_DROP_RATE,
  CONSUMER_LONGEST_HOLD,
  CONSUMER_HINT,
  CONSUMER_LATENCY_P50,
  CONSUMER_LATENCY_P99,
  CONSUMER_WAIT,
  N_CONSUMER_COLUMNS,
} ConsumerColumn;

/* What stands in a cell; NULL: there is no such row. */
const char *viewer_consumer_list_get_cell (ViewerConsumerList *self, guint row,
                                           ConsumerColumn column);
