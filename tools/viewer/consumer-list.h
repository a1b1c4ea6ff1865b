/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

#include "../pool-view.h"

/* A pool's consumers: program, pid, delivery, wait, leases, held, lag, drops, longest hold, latency p50 and
 * p99, and a hint where one is at its limit (all leases held; window used up; drops grow). Main thread. */
#define VIEWER_TYPE_CONSUMER_LIST (viewer_consumer_list_get_type ())
G_DECLARE_FINAL_TYPE (ViewerConsumerList, viewer_consumer_list, VIEWER, CONSUMER_LIST, GtkWidget)

GtkWidget *viewer_consumer_list_new (void);
/* NULL: no pool. The view is only read during the call. */
void viewer_consumer_list_set_view (ViewerConsumerList *self, const PoolView *view);
