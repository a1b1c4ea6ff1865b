/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pool.h"

#define SEGMENT_SIZE (16 * SHMFRAME_PAGE_SIZE)

ShmFrameView pool_view;
ShmFrameControl pool_control[CONSUMERS_MAX];
Producer producer;

static alignas (SHMFRAME_PAGE_SIZE) uint8_t memory[SEGMENT_SIZE];
static ShmFrameSegment segment;
static PoolRule rule;

/* slots.c makes and frees books with these; the scenarios have one that lasts. */
ShmFrameSegment *
shmframe_segment_ref (ShmFrameSegment *self)
{
  return self;
}

void
shmframe_segment_unref (ShmFrameSegment *self)
{
  (void) self;
}

/* ---- beginning ---- */

static void
name_slot (unsigned slot)
{
  ShmFrameRecord *record = &pool_view.records[slot];

  explore_word (&record->generation, EXPLORE_GENERATION, "generation[%u]", slot);
  /* The words in between have the same neighbours: first and last stand for them. */
  explore_frame_word (&record->descriptor[0], "descriptor[%u][0]", slot);
  for (unsigned i = 1; i + 1 < SHMFRAME_DESCRIPTOR_WORDS; i++)
    explore_ignore (&record->descriptor[i]);
  explore_frame_word (&record->descriptor[SHMFRAME_DESCRIPTOR_WORDS - 1], "descriptor[%u][7]",
                      slot);
  for (unsigned i = 0; i < PAYLOAD_WORDS; i++)
    explore_frame_word (&pool_payload (slot)[i], "payload[%u][%u]", slot, i);
}

static void
name_control (unsigned consumer)
{
  ShmFrameControl *control = &pool_control[consumer];

  explore_word (&control->consumed, EXPLORE_NUMBER, "consumed[%u]", consumer);
  explore_word (&control->ticket, EXPLORE_NUMBER, "ticket[%u]", consumer);
  explore_word (&control->bell, EXPLORE_NUMBER, "bell[%u]", consumer);
  for (unsigned i = 0; i < rule.hazards; i++)
    explore_word (&control->hazard[i], EXPLORE_HANDLE, "hazard[%u][%u]", consumer, i);
}

static void
name_header (void)
{
  explore_word (&pool_view.header->latest, EXPLORE_HANDLE, "latest");
  explore_word (&pool_view.header->end, EXPLORE_NUMBER, "end");
  explore_word (&pool_view.header->waiting, EXPLORE_NUMBER, "waiting");
  for (unsigned i = 0; i <= MIN (pool_view.ring_mask, 7); i++)
    explore_word (&pool_view.ring[i], EXPLORE_HANDLE, "ring[%u]", i);
}

void
pool_set_up (const PoolRule *wanted, void (*produce) (void), void (*consume) (void),
             void (*consume_too) (void))
{
  rule = *wanted;
  memset (memory, 0, sizeof memory);
  memset (pool_control, 0, sizeof pool_control);
  memset (&producer, 0, sizeof producer);
  g_assert (shmframe_layout_init (&segment.layout, 1, 1, rule.slots, 1, 0));
  g_assert (segment.layout.size <= sizeof memory);
  shmframe_view_init (&segment.view, memory, &segment.layout);
  pool_view = segment.view;

  producer.slots.segment = &segment;
  producer.slots.entry = producer.entry;
  producer.slots.newest = producer.slots.oldest = SHMFRAME_SLOT_NONE;
  producer.slots.retired = producer.slots.freed = SHMFRAME_SLOT_NONE;
  for (unsigned i = 0; i < rule.slots; i++)
    shmframe_slots_end_commit (&producer.slots, i, TRUE);
  explore_state (&producer, sizeof producer);

  explore_thread ("producer", produce);
  explore_thread ("consumer", consume);
  if (consume_too)
    explore_thread ("second", consume_too);
  name_header ();
  for (unsigned i = 0; i < rule.slots; i++)
    name_slot (i);
  for (unsigned i = 0; i < rule.consumers; i++)
    {
      shmframe_slot_init_control (&pool_control[i], 1, 0);
      name_control (i);
    }
}

uint64_t *
pool_payload (unsigned slot)
{
  return (uint64_t *) (void *) (memory + segment.layout.slots_offset
                                + slot * segment.layout.slot_stride);
}

static void
count_list (unsigned *found, uint32_t first)
{
  for (uint32_t slot = first; slot != SHMFRAME_SLOT_NONE; slot = producer.entry[slot].older)
    if (found[slot]++ > 0)
      explore_fail ("slot %u is in two lists", slot);
}

void
pool_finish (void)
{
  unsigned found[G_N_ELEMENTS (producer.entry)] = { 0 };

  count_list (found, producer.slots.newest);
  count_list (found, producer.slots.retired);
  count_list (found, producer.slots.freed);
  for (uint32_t slot = 0; slot < rule.slots; slot++)
    if (found[slot] == 0 && producer.entry[slot].state != SHMFRAME_SLOT_WRITING)
      explore_fail ("slot %u is lost", slot);
  for (unsigned i = 0; i < rule.consumers; i++)
    for (unsigned hazard = 0; hazard < rule.hazards; hazard++)
      if (explore_newest (&pool_control[i].hazard[hazard]) != SHMFRAME_HANDLE_NONE)
        explore_fail ("consumer %u is done, but its hazard is not clear", i);
}

/* ---- producer: publish.c, pool.c ---- */

static void
scan (ShmFrameSlots *slots, gpointer data)
{
  (void) data;
  for (unsigned i = 0; i < rule.consumers; i++)
    for (unsigned hazard = 0; !producer.evicted[i] && hazard < rule.hazards; hazard++)
      {
        uint64_t handle = shmframe_slot_hazard (&pool_control[i], hazard);

        if (handle != SHMFRAME_HANDLE_NONE)
          shmframe_slots_mark (slots, handle);
      }
}

static uint64_t
refresh_consumed (unsigned consumer)
{
  uint64_t said = shmframe_slot_consumed (&pool_control[consumer]);
  uint64_t *kept = &producer.consumed[consumer];

  *kept = CLAMP (said, *kept, MAX (producer.sequence, *kept));
  return *kept;
}

uint32_t
producer_acquire (void)
{
  uint64_t ordered = UINT64_MAX, lossless = UINT64_MAX;
  uint32_t slot;

  for (unsigned i = 0; i < rule.consumers && rule.delivery != LATEST; i++)
    if (!producer.evicted[i])
      {
        ordered = MIN (ordered, refresh_consumed (i));
        if (rule.delivery == LOSSLESS)
          lossless = ordered;
      }
  slot = shmframe_slots_take (&producer.slots, rule.history, ordered, lossless, scan, NULL);
  if (slot == SHMFRAME_SLOT_NONE)
    explore_fail ("no slot is left for frame %llu", (unsigned long long) producer.sequence + 1);
  return slot;
}

void
producer_fill (uint32_t slot, uint64_t sequence)
{
  for (unsigned i = 0; i < PAYLOAD_WORDS; i++)
    pool_payload (slot)[i] = sequence;
}

static void
ring (void)
{
  for (unsigned i = 0; i < rule.consumers; i++)
    {
      uint32_t ticket = shmframe_slot_ticket (&pool_control[i]);

      if (producer.evicted[i] || ticket == producer.rung[i])
        continue;
      producer.rung[i] = ticket;
      shmframe_slot_ring (&pool_control[i]);
      explore_futex_wake (&pool_control[i].bell);
      explore_send (i);
      explore_reached ("a bell was rung");
    }
}

static ShmFrameDescriptor
describe (uint64_t sequence)
{
  return (ShmFrameDescriptor){ .pts_ns = (int64_t) sequence,
                               .events = (uint32_t) sequence,
                               .metadata_size = (uint32_t) sequence };
}

void
producer_publish_at (uint32_t slot, uint64_t sequence)
{
  ShmFrameDescriptor descriptor = describe (sequence);

  shmframe_slot_publish (&pool_view, shmframe_handle (sequence, slot), &descriptor);
  ring ();
}

/* Published, and still pinned. */
static void
publish_pinned (uint32_t slot)
{
  uint64_t sequence = ++producer.sequence;
  ShmFrameDescriptor descriptor = describe (sequence);

  shmframe_slots_publish (&producer.slots, slot, sequence, &descriptor);
  ring ();
  if (rule.window > 0)
    producer.recent[producer.published % rule.window] = sequence;
  producer.published++;
}

void
producer_publish (uint32_t slot)
{
  publish_pinned (slot);
  shmframe_slots_unpin (&producer.slots, slot);
}

/* Number of a consumer that is `window` published frames behind, or none. */
static unsigned
find_full (void)
{
  uint64_t oldest;

  if (rule.window == 0 || producer.published < rule.window)
    return CONSUMERS_MAX;
  oldest = producer.recent[producer.published % rule.window];
  for (unsigned i = 0; i < rule.consumers; i++)
    if (producer.consumed[i] < oldest && refresh_consumed (i) < oldest)
      return i;
  return CONSUMERS_MAX;
}

static void
wait_for_reader (unsigned consumer)
{
  ShmFrameControl *control = &pool_control[consumer];
  uint64_t known = producer.consumed[consumer], seen;

  shmframe_slot_set_waiting (&pool_view, true);
  seen = shmframe_slot_consumed (control);
  if (seen <= known)
    {
      if (shmframe_slot_consumed (control) == seen)
        explore_futex_wait (&control->consumed, (uint32_t) seen);
      explore_reached ("the producer waited");
    }
  shmframe_slot_set_waiting (&pool_view, false);
}

static void
send_frame (void)
{
  uint32_t slot;
  unsigned full;

  explore_digest (1, &producer, sizeof producer);
  slot = producer_acquire ();
  producer_fill (slot, producer.sequence + 1);
  while ((full = find_full ()) < CONSUMERS_MAX)
    wait_for_reader (full);
  producer_publish (slot);
}

void
producer_send_frames (unsigned n)
{
  while (n-- > 0)
    send_frame ();
}

void
producer_evict (unsigned consumer)
{
  producer.evicted[consumer] = true;
  explore_distrust (consumer + 1, false);
  explore_note ("evicts consumer %u", consumer);
}

void
producer_discard (void)
{
  shmframe_slots_discard (&producer.slots);
  explore_reached ("a frame was discarded");
}

void
producer_discard_own (void)
{
  uint32_t own = producer_acquire ();
  uint64_t sequence = producer.sequence + 1;

  producer_fill (own, sequence);
  publish_pinned (own);
  producer_discard ();
  producer_send_frames (3); /* the third takes the first one's slot, with a pass */
  if (producer.entry[own].state != SHMFRAME_SLOT_RETIRED)
    explore_fail ("the producer's own frame %llu was let go", (unsigned long long) sequence);
  shmframe_slots_unpin (&producer.slots, own);
}

void
producer_end (void)
{
  shmframe_slot_end (&pool_view, producer.sequence + 1);
  ring ();
}

/* ---- consumer: attachment.c, delivery.c ---- */

static bool
lease_next (Consumer *self, unsigned hazard, uint64_t handle)
{
  ShmFrameControl *control = &pool_control[self->number];

  if (handle == SHMFRAME_HANDLE_NONE
      || !shmframe_slot_lease (&pool_view, &control->hazard[hazard], handle))
    return false;
  self->next = shmframe_handle_sequence (handle) + 1;
  self->delivered++;
  consumer_consume (self);
  return true;
}

void
consumer_consume (Consumer *self)
{
  ShmFrameControl *control = &pool_control[self->number];

  if (self->next - 1 <= self->consumed)
    return;
  self->consumed = self->next - 1;
  if (shmframe_slot_consume (&pool_view, control, self->consumed))
    explore_futex_wake (&control->consumed);
}

static void
pass_to (Consumer *self, uint64_t next)
{
  if (next > self->next)
    {
      self->passed += next - self->next;
      self->next = next;
    }
}

static uint64_t
find_latest (Consumer *self, unsigned hazard)
{
  uint64_t newest = 0;

  for (;;)
    {
      uint64_t handle = shmframe_slot_latest (&pool_view);
      uint64_t sequence = shmframe_handle_sequence (handle);

      if (sequence < self->next || sequence <= newest)
        return SHMFRAME_HANDLE_NONE;
      newest = sequence;
      pass_to (self, sequence);
      if (lease_next (self, hazard, handle))
        return handle;
      explore_reached ("a lease was refused");
      pass_to (self, sequence + 1);
    }
}

static uint64_t
find_ordered (Consumer *self, unsigned hazard)
{
  uint64_t latest = shmframe_handle_sequence (shmframe_slot_latest (&pool_view));

  while (self->next <= latest)
    {
      uint64_t handle = shmframe_slot_find (&pool_view, self->next);

      if (lease_next (self, hazard, handle))
        return handle;
      pass_to (self, self->next + 1);
    }
  return SHMFRAME_HANDLE_NONE;
}

uint64_t
consumer_find (Consumer *self, unsigned hazard)
{
  uint64_t handle
      = rule.delivery == LATEST ? find_latest (self, hazard) : find_ordered (self, hazard);

  if (handle == SHMFRAME_HANDLE_NONE)
    consumer_consume (self);
  return handle;
}

bool
consumer_sees_foreign (uint64_t handle)
{
  uint64_t sequence = shmframe_handle_sequence (handle);
  unsigned slot = shmframe_handle_slot (handle);
  ShmFrameDescriptor descriptor;
  bool foreign;

  shmframe_slot_descriptor (&pool_view, slot, &descriptor);
  foreign = descriptor.pts_ns != (int64_t) sequence || descriptor.events != sequence;
  for (unsigned i = 0; i < PAYLOAD_WORDS; i++)
    foreign |= pool_payload (slot)[i] != sequence;
  return foreign;
}

void
consumer_release (Consumer *self, unsigned hazard, uint64_t handle, bool foreign, bool evictable)
{
  ShmFrameControl *control = &pool_control[self->number];
  bool intact = shmframe_slot_release (&pool_view, &control->hazard[hazard], handle);
  unsigned long long sequence = shmframe_handle_sequence (handle);

  if (intact && foreign)
    explore_fail ("frame %llu was judged INTACT, but foreign words were read", sequence);
  if (!intact && !evictable)
    explore_fail ("frame %llu was judged REVOKED, but nobody was evicted", sequence);
  if (evictable && foreign)
    explore_reached ("foreign words were read, and the lease REVOKED");
  if (evictable && intact)
    explore_reached ("a lease that may be revoked was INTACT");
}

/* ---- waiting: wake.c ---- */

static bool
something_came (const Consumer *self)
{
  return shmframe_handle_sequence (shmframe_slot_latest (&pool_view)) >= self->next
         || shmframe_slot_end_sequence (&pool_view) != 0;
}

void
consumer_sleep (Consumer *self)
{
  ShmFrameControl *control = &pool_control[self->number];

  for (;;)
    {
      uint32_t bell;

      explore_digest (2, self, sizeof *self);
      bell = shmframe_slot_bell (control);
      shmframe_slot_arm (control, ++self->ticket);
      if (something_came (self))
        return;
      explore_futex_wait (&control->bell, bell);
      explore_reached ("a consumer slept");
    }
}

void
consumer_poll (Consumer *self)
{
  for (;;)
    {
      explore_digest (2, self, sizeof *self);
      explore_drain (self->number);
      shmframe_slot_arm (&pool_control[self->number], ++self->ticket);
      if (something_came (self))
        return;
      explore_poll (self->number);
      explore_reached ("a consumer slept");
    }
}
