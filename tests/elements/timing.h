/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* elements-runner's clock, and the commands that step it and ask about time. */

#include <gst/gst.h>

typedef void TimingSay (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* ELEMENTS_CLOCK="TYPE NS": a GstTestClock of that type, at that time. ELEMENTS_CLOCK=TYPE: a system
 * clock. Unset: the pipeline's own choice. */
void timing_use_clock (GstElement *pipeline);

/* FALSE: no such command.
 * crank: says crank NS, the time of the next wait on the test clock, and ends it; pending: only says so
 * base: says base NS, the base time
 * stats ELEMENT: says stats ELEMENT STRUCTURE, of any; latency ELEMENT: says latency LIVE MIN MAX
 * time NS: the test clock's, if it is not later already
 * recalculate latency
 * seek RATE NS (without a flush; ends later), flush-seek RATE NS
 * segment ELEMENT RATE START STOP BASE TIME: at its sink pad, to which nothing may be pushed just then.
 * Those with words after them end with done COMMAND. */
gboolean timing_command (GstElement *pipeline, const char *line, TimingSay *say);
