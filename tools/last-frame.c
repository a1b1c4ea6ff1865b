/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "last-frame.h"

#include <string.h>

#include "frames.h"

/* A lease that was revoked may have shown another frame's pixels. */
static gboolean
is_intact (ShmFrameFrame *frame)
{
  return shmframe_frame_is_copy (frame)
         || shmframe_frame_get_verdict (frame) == SHMFRAME_VERDICT_INTACT;
}

void
last_frame_clear (LastFrame *self)
{
  g_clear_pointer (&self->frame, shmframe_frame_unref);
  g_clear_pointer (&self->bytes, g_bytes_unref);
  *self = (LastFrame){ 0 };
}

void
last_frame_set (LastFrame *self, ShmFrameFrame *frame)
{
  last_frame_clear (self);
  if (!shmframe_frame_is_copy (frame))
    self->bytes = shmframe_frame_dup_bytes (frame);
  if (is_intact (frame))
    self->frame = shmframe_frame_ref (frame);
}

gint
last_frame_compare (const LastFrame *self, ShmFrameFrame *next)
{
  gint same;

  if (self->frame == NULL)
    return -1;
  same = frames_have_same_pixels (self->frame, next);
  return is_intact (next) && is_intact (self->frame) ? same : -1;
}

/* (transfer full) (nullable) */
static ShmFrameFrame *
look_again (const LastFrame *self, ShmFrameObserver *observer)
{
  if (self->bytes != NULL)
    return is_intact (self->frame) ? shmframe_frame_ref (self->frame) : NULL;
  if (observer == NULL)
    return NULL;
  return shmframe_observer_copy_frame (observer, shmframe_frame_get_sequence (self->frame), NULL);
}

LastFrameCheck
last_frame_check (LastFrame *self, ShmFrameObserver *observer)
{
  g_autoptr (ShmFrameFrame) again = NULL;
  gconstpointer before, after;
  gsize size;

  if (self->frame == NULL || self->torn)
    return LAST_FRAME_NONE;
  again = look_again (self, observer);
  if (again == NULL)
    return LAST_FRAME_GONE;
  if (shmframe_frame_get_epoch (again) != shmframe_frame_get_epoch (self->frame))
    return LAST_FRAME_WHOLE;
  size = shmframe_frame_get_size (again);
  after = shmframe_frame_get_data (again);
  before = self->bytes != NULL ? g_bytes_get_data (self->bytes, NULL)
                               : shmframe_frame_get_data (self->frame);
  if (size == shmframe_frame_get_size (self->frame) && memcmp (before, after, size) == 0)
    return LAST_FRAME_WHOLE;
  /* A lease can have been revoked while it was compared. */
  if (!is_intact (again))
    return LAST_FRAME_WHOLE;
  self->torn = TRUE;
  return LAST_FRAME_TORN;
}
