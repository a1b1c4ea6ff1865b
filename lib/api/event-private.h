/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <shmframe/event.h>

/* Makes an event. `value` is sunk; `name`, `value` and `format` may be NULL. (transfer full) */
ShmFrameEvent *shmframe_event_new (ShmFrameEventType type, guint64 sequence, const char *name,
                                   GVariant *value, ShmFrameFormat *format, guint64 count);
