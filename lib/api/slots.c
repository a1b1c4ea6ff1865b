/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/slots.h"

ShmFrameSlots *
shmframe_slots_new (ShmFrameSegment *segment)
{
  ShmFrameSlots *self = g_new0 (ShmFrameSlots, 1);

  self->segment = shmframe_segment_ref (segment);
  self->entry = g_new0 (ShmFrameSlotEntry, segment->layout.slot_count);
  self->newest = self->oldest = self->retired = self->freed = SHMFRAME_SLOT_NONE;
  return self;
}

void
shmframe_slots_free (ShmFrameSlots *self)
{
  if (self == NULL)
    return;
  shmframe_segment_unref (self->segment);
  g_free (self->entry);
  g_free (self);
}

static void
push_free (ShmFrameSlots *self, guint32 slot)
{
  self->entry[slot].state = SHMFRAME_SLOT_FREE;
  self->entry[slot].older = self->freed;
  self->freed = slot;
}

/* At the bottom of the free ones: those that were committed before it are used first, since consumers
 * have faulted them in. */
static void
append_free (ShmFrameSlots *self, guint32 slot)
{
  guint32 *end = &self->freed;

  while (*end != SHMFRAME_SLOT_NONE)
    end = &self->entry[*end].older;
  self->entry[slot].state = SHMFRAME_SLOT_FREE;
  self->entry[slot].older = SHMFRAME_SLOT_NONE;
  *end = slot;
}

/* ---- committing ---- */

guint32
shmframe_slots_begin_commit (ShmFrameSlots *self)
{
  for (guint32 i = 0; i < self->segment->layout.slot_count; i++)
    if (self->entry[i].state == SHMFRAME_SLOT_UNCOMMITTED)
      {
        self->entry[i].state = SHMFRAME_SLOT_COMMITTING;
        return i;
      }
  return SHMFRAME_SLOT_NONE;
}

void
shmframe_slots_end_commit (ShmFrameSlots *self, guint32 slot, gboolean committed)
{
  if (committed)
    {
      append_free (self, slot);
      self->n_committed++;
    }
  else
    self->entry[slot].state = SHMFRAME_SLOT_UNCOMMITTED;
}

/* ---- the list of live frames ---- */

static void
link_live (ShmFrameSlots *self, guint32 slot)
{
  ShmFrameSlotEntry *entry = &self->entry[slot];

  entry->older = self->newest;
  entry->newer = SHMFRAME_SLOT_NONE;
  if (self->newest != SHMFRAME_SLOT_NONE)
    self->entry[self->newest].newer = slot;
  else
    self->oldest = slot;
  self->newest = slot;
}

static void
unlink_live (ShmFrameSlots *self, guint32 slot)
{
  ShmFrameSlotEntry *entry = &self->entry[slot];

  if (entry->newer != SHMFRAME_SLOT_NONE)
    self->entry[entry->newer].older = entry->older;
  else
    self->newest = entry->older;
  if (entry->older != SHMFRAME_SLOT_NONE)
    self->entry[entry->older].newer = entry->newer;
  else
    self->oldest = entry->newer;
}

/* ---- retiring ---- */

void
shmframe_slots_mark (ShmFrameSlots *self, guint64 handle)
{
  guint32 slot = shmframe_handle_slot (handle);

  if (slot < self->segment->layout.slot_count
      && self->entry[slot].sequence == shmframe_handle_sequence (handle))
    self->entry[slot].held = self->pass;
}

/* One pass over all hazards; the retired slots that nobody holds become free, `last` on top. */
static void
scan_hazards (ShmFrameSlots *self, guint32 last, ShmFrameSlotsScan scan, gpointer data)
{
  guint32 slot = self->retired;

  self->pass++;
  shmframe_slot_fence ();
  scan (self, data);
  SHMFRAME_STOP (TAKE_SCANNED);

  self->retired = SHMFRAME_SLOT_NONE;
  while (slot != SHMFRAME_SLOT_NONE)
    {
      guint32 next = self->entry[slot].older;

      if (self->entry[slot].held == self->pass || self->entry[slot].pinned)
        {
          self->entry[slot].older = self->retired;
          self->retired = slot;
        }
      else if (slot != last)
        push_free (self, slot);
      slot = next;
    }
  if (last != SHMFRAME_SLOT_NONE && self->entry[last].held != self->pass)
    push_free (self, last); /* never pinned */
}

static void
retire (ShmFrameSlots *self, guint32 slot)
{
  ShmFrameSlotEntry *entry = &self->entry[slot];

  unlink_live (self, slot);
  shmframe_slot_retire (&self->segment->view, slot, entry->sequence);
  entry->state = SHMFRAME_SLOT_RETIRED;
  entry->older = self->retired;
  self->retired = slot;
}

void
shmframe_slots_discard (ShmFrameSlots *self)
{
  while (self->newest != SHMFRAME_SLOT_NONE)
    retire (self, self->newest);
}

/* The newest frame outside the newest `history` that everybody who cares for order has consumed. */
static guint32
warmest (const ShmFrameSlots *self, guint history, guint64 ordered)
{
  guint32 slot = self->newest;

  for (; slot != SHMFRAME_SLOT_NONE && history > 0; history--)
    slot = self->entry[slot].older;
  while (slot != SHMFRAME_SLOT_NONE
         && (self->entry[slot].pinned || self->entry[slot].sequence > ordered))
    slot = self->entry[slot].older;
  return slot;
}

/* The sequence of the oldest of the newest `history` frames: what stays. */
static guint64
history_begin (const ShmFrameSlots *self, guint history)
{
  guint32 slot = self->newest;

  if (history == 0)
    return G_MAXUINT64;
  while (slot != SHMFRAME_SLOT_NONE && --history > 0)
    slot = self->entry[slot].older;
  return slot == SHMFRAME_SLOT_NONE ? 0 : self->entry[slot].sequence;
}

/* The oldest frame before `begin` that every lossless consumer has consumed and that the last pass
 * did not see held: that would cost a pass for nothing. */
static guint32
oldest_unheld (const ShmFrameSlots *self, guint64 begin, guint64 lossless)
{
  guint32 slot = self->oldest;

  for (; slot != SHMFRAME_SLOT_NONE; slot = self->entry[slot].newer)
    {
      const ShmFrameSlotEntry *entry = &self->entry[slot];

      if (entry->sequence >= begin || entry->sequence > lossless)
        return SHMFRAME_SLOT_NONE;
      if (!entry->pinned && (entry->held != self->pass || self->pass == 0))
        return slot;
    }
  return SHMFRAME_SLOT_NONE;
}

/* No slot is free: take the oldest frames, which some ordered consumer has yet to see. */
static void
free_oldest (ShmFrameSlots *self, guint64 begin, guint64 lossless, ShmFrameSlotsScan scan,
             gpointer data)
{
  gboolean fresh = FALSE; /* the marks are of a pass of this call */

  while (self->freed == SHMFRAME_SLOT_NONE)
    {
      guint32 slot = oldest_unheld (self, begin, lossless);

      if (slot == SHMFRAME_SLOT_NONE && fresh)
        return;
      if (slot != SHMFRAME_SLOT_NONE)
        retire (self, slot);
      scan_hazards (self, slot, scan, data);
      fresh = TRUE;
    }
}

guint32
shmframe_slots_take (ShmFrameSlots *self, guint history, guint64 ordered, guint64 lossless,
                     ShmFrameSlotsScan scan, gpointer data)
{
  guint32 slot = warmest (self, history, ordered);

  if (slot != SHMFRAME_SLOT_NONE)
    {
      retire (self, slot);
      scan_hazards (self, slot, scan, data);
    }
  if (self->freed == SHMFRAME_SLOT_NONE)
    free_oldest (self, history_begin (self, history), lossless, scan, data);
  slot = self->freed;
  if (slot == SHMFRAME_SLOT_NONE)
    return slot;

  self->freed = self->entry[slot].older;
  self->entry[slot].state = SHMFRAME_SLOT_WRITING;
  self->n_held++;
  shmframe_slot_write (&self->segment->view, slot, self->entry[slot].sequence);
  return slot;
}

/* ---- writing ---- */

void
shmframe_slots_publish (ShmFrameSlots *self, guint32 slot, guint64 sequence,
                        const ShmFrameDescriptor *descriptor)
{
  ShmFrameSlotEntry *entry = &self->entry[slot];

  /* First: consumers wait for it, and nobody else looks at the book meanwhile. */
  shmframe_slot_publish (&self->segment->view, shmframe_handle (sequence, slot), descriptor);
  entry->sequence = sequence;
  entry->state = SHMFRAME_SLOT_LIVE;
  entry->pinned = TRUE;
  entry->held = 0;
  link_live (self, slot);
}

void
shmframe_slots_abandon (ShmFrameSlots *self, guint32 slot)
{
  self->n_held--;
  push_free (self, slot);
}

void
shmframe_slots_unpin (ShmFrameSlots *self, guint32 slot)
{
  self->n_held--;
  self->entry[slot].pinned = FALSE;
}

ShmFrameSlotState
shmframe_slots_state (const ShmFrameSlots *self, guint32 slot)
{
  const ShmFrameSlotEntry *entry = &self->entry[slot];

  if (entry->state == SHMFRAME_SLOT_LIVE && entry->pinned)
    return SHMFRAME_SLOT_PINNED;
  if (entry->state == SHMFRAME_SLOT_COMMITTING)
    return SHMFRAME_SLOT_UNCOMMITTED;
  return entry->state;
}
