/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A shmframesink in the test's own process, driven as an element upstream of it would. */

#include <gst/gst.h>

extern GstElement *upstream_sink;
extern GstPad *upstream_pad; /* to push from */

/* Of the pool "t"; its first frame waits for a consumer. */
void upstream_start (GstCaps *caps, GstFormat format);
/* FALSE: refused. */
gboolean upstream_set_caps (GstCaps *caps);
/* After EOS, which is sent first, `finish_consumers` reads what they have to say. */
void upstream_stop (void (*finish_consumers) (void));
