/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "control/segment.h"

/*
 * Faulting in a segment's slots, so that reading a frame does not: thousands of faults for a 4K frame, and
 * some milliseconds. A consumer's control thread does it one slot at a time, when it has nothing else to
 * do, while frames are read already.
 */

/* A source that faults in the first `slots` slots and then goes away. Takes a reference to the segment.
 * (transfer full) */
GSource *shmframe_prefault_new (ShmFrameSegment *segment, guint slots);
