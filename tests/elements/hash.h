/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/video.h>

/* Of what a frame shows, wherever its planes lie; of all bytes where it is compressed. */
char *hash_frame (GstBuffer *buffer, GstCaps *caps);
