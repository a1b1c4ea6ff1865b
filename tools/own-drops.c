/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "own-drops.h"

void
own_drops_begin (OwnDrops *self, guint64 drops, guint64 dropped, guint64 lag)
{
  self->drops = drops;
  self->dropped = dropped;
  self->excused = MIN (lag, dropped); /* how many of these it has yet to pass is not known */
}

guint64
own_drops_count (OwnDrops *self, guint64 drops, guint64 dropped)
{
  guint64 missed, excused;

  if (drops < self->drops || dropped < self->dropped)
    {
      own_drops_begin (self, drops, dropped, 0);
      return 0;
    }
  missed = drops - self->drops;
  self->excused += dropped - self->dropped;
  excused = MIN (missed, self->excused);
  self->excused -= excused;
  self->drops = drops;
  self->dropped = dropped;
  return missed - excused;
}
