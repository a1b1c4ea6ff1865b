/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* The library's statistics and errors in GStreamer's words. */

/* An element's shmframe-drop messages come no closer. */
#define GST_SHM_FRAME_DROP_MESSAGE_INTERVAL_NS ((gint64) GST_SECOND)

/* A number (b, u, i, t, x) of an a{sv}; 0 where it is missing. */
guint64 gst_shm_frame_stats_get (GVariant *stats, const char *key);
/* A new structure with all of an a{sv} that is a number or a string. stats: nullable. */
GstStructure *gst_shm_frame_stats_to_structure (const char *name, GVariant *stats);

/* Sets what a producer's stats say of its consumers: their number, the lag of the slowest, the
 * longest lease, and each of them in consumer-list. */
void gst_shm_frame_stats_add_consumers (GstStructure *structure, GVariant *stats);

/* Posts the error as an element error; its message says what was wrong and what to do. */
void gst_shm_frame_post_error (GstElement *element, const GError *error);

G_END_DECLS
