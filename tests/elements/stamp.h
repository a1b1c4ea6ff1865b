/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What elements-runner adds to the stream at the element named "stamp", and says of metas. */

#include <gst/gst.h>

/* To the element with that name, of one input and one output. */
void stamp_attach (GstElement *element);
/* FALSE: no such kind. To every buffer from now on: none; all, all metas that cross; many, two of a new
 * name each; opaque, two that cannot cross; outside, a time before the segment. Or once: gap, instead of a
 * buffer. */
gboolean stamp_set (const char *kind);
/* Goes before the next buffer, or EOS; takes the event. */
void stamp_inject (GstEvent *event);
/* A buffer's metas, a string each: NAME, "pooled" where it is, FIELDS; sorted. */
char **stamp_describe (GstBuffer *buffer);
