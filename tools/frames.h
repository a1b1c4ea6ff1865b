/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <shmframe/shmframe.h>

/* What pool-watch does with frames, whoever gave them. */

/* Two frames of one format: the pixels, without what lies between rows; where that is not known, all
 * bytes. */
gboolean frames_have_same_pixels (ShmFrameFrame *a, ShmFrameFrame *b);

/* Copies of all frames that the pool still has, oldest first; of the newest only where all would be
 * more than max_bytes. (element-type ShmFrameFrame) (transfer full) */
GPtrArray *frames_collect (ShmFrameObserver *observer, guint64 max_bytes);
