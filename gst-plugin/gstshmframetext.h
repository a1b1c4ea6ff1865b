/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

/* A peer's text, parsed by GStreamer; NULL where its serializers would not have written it, or where it has
 * values that are structures, caps, tags or samples themselves. Of tags, those that are registered, of their
 * type. */
GstCaps *gst_shm_frame_caps_from_text (const char *text);
GstStructure *gst_shm_frame_structure_from_text (const char *text);
GstTagList *gst_shm_frame_tags_from_text (const char *text);
/* The tags that cross as text; NULL where there are none. */
char *gst_shm_frame_text_from_tags (const GstTagList *tags);

G_END_DECLS
