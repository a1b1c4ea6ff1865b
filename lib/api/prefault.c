/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/prefault.h"

typedef struct
{
  ShmFrameSegment *segment;
  guint next, end; /* slots */
} Prefault;

static gboolean
on_idle (gpointer data)
{
  Prefault *self = data;

  if (self->next == self->end)
    return G_SOURCE_REMOVE;
  shmframe_segment_prefault_slot (self->segment, self->next++);
  return G_SOURCE_CONTINUE;
}

static void
prefault_free (gpointer data)
{
  Prefault *self = data;

  shmframe_segment_unref (self->segment);
  g_free (self);
}

GSource *
shmframe_prefault_new (ShmFrameSegment *segment, guint slots)
{
  GSource *source = g_idle_source_new ();
  Prefault *self = g_new0 (Prefault, 1);

  self->segment = shmframe_segment_ref (segment);
  self->end = MIN (slots, segment->layout.slot_count);
  /* Not before the producer's death, of G_PRIORITY_LOW, is seen. */
  g_source_set_priority (source, G_PRIORITY_LOW + 1);
  g_source_set_callback (source, on_idle, self, prefault_free);
  return source;
}
