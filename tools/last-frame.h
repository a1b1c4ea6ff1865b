/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <shmframe/shmframe.h>

/* The last frame whose pixels were seen: to compare the next with it, and to look at it once more. One
 * thread at a time; {0} has none. */
typedef struct
{
  ShmFrameFrame *frame; /* NULL: none */
  GBytes *bytes;        /* as they were when it was leased; NULL: `frame` is a copy itself */
  gboolean torn;        /* and said */
} LastFrame;

typedef enum
{
  LAST_FRAME_NONE,  /* there is none, or it is torn and was said to be */
  LAST_FRAME_GONE,  /* it cannot be looked at any more */
  LAST_FRAME_WHOLE, /* it has not changed, as far as can be said */
  LAST_FRAME_TORN,  /* it has */
} LastFrameCheck;

void last_frame_clear (LastFrame *self);
/* Keeps another one, which has pixels: a lease in place, and its bytes as they are now. */
void last_frame_set (LastFrame *self, ShmFrameFrame *frame);
/* Whether `next` has its pixels: 1 yes, 0 no, -1 not known. */
gint last_frame_compare (const LastFrame *self, ShmFrameFrame *next);
/* Looks at it once more: what is whole both times and differs was torn. `observer` is of its pool, or
 * NULL: then only a lease can be looked at. */
LastFrameCheck last_frame_check (LastFrame *self, ShmFrameObserver *observer);
