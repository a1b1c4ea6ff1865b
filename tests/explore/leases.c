/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Scenarios: leases against reuse, readers without protection, and the order of frames. Each is as
 * small as what it is about allows; `--full` takes some frames and leases more. */

#include "pool.h"

/* ---- leases against reuse ---- */

/* One hazard word, lease after lease. */
static void
lease_in_turn (unsigned number, unsigned leases, bool evictable)
{
  Consumer self = { .number = number, .next = 1 };

  for (; leases > 0; leases--)
    {
      uint64_t handle;

      explore_digest (16 + leases, &self, sizeof self);
      handle = consumer_find (&self, 0);
      if (handle != SHMFRAME_HANDLE_NONE)
        consumer_release (&self, 0, handle, consumer_sees_foreign (handle), evictable);
    }
  if (self.delivered > 1)
    explore_reached ("a hazard word was used again");
}

static void
reuse_produce (void)
{
  producer_send_frames (BOUND (4, 6));
}

static void
reuse_consume (void)
{
  lease_in_turn (0, BOUND (3, 4), false);
}

static void
reuse_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 4, .history = 1, .consumers = 1, .hazards = 1 }, reuse_produce,
               reuse_consume, NULL);
}

/* A flush: what is published goes, also while the producer still holds a frame itself. */
static void
discard_produce (void)
{
  for (unsigned i = BOUND (2, 3); i > 0; i--)
    {
      producer_send_frames (1);
      if (explore_choose (2) == 1)
        producer_discard ();
    }
  if (explore_choose (2) == 1)
    producer_discard_own ();
  else
    producer_send_frames (1);
}

static void
discard_consume (void)
{
  lease_in_turn (0, BOUND (1, 2), false);
}

static void
discard_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 5, .history = 1, .consumers = 1, .hazards = 1 },
               discard_produce, discard_consume, NULL);
}

static void
two_produce (void)
{
  producer_send_frames (BOUND (3, 4));
}

static void
two_consume (void)
{
  lease_in_turn (0, 1, false);
}

static void
two_consume_too (void)
{
  lease_in_turn (1, 1, false);
}

static void
two_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 5, .history = 1, .consumers = 2, .hazards = 1 }, two_produce,
               two_consume, two_consume_too);
}

static void
hold_produce (void)
{
  producer_send_frames (BOUND (4, 5));
}

/* Holds one lease while it takes the next, and ends them in either order. */
static void
hold_consume (void)
{
  Consumer self = { .next = 1 };
  uint64_t held[2];
  unsigned order;

  for (unsigned i = 0; i < 2; i++)
    held[i] = consumer_find (&self, i);
  if (held[0] && held[1])
    explore_reached ("two frames were held");
  order = explore_choose (2);
  for (unsigned i = 0; i < 2; i++)
    {
      unsigned hazard = i ^ order;
      uint64_t handle = held[hazard];

      if (handle != SHMFRAME_HANDLE_NONE)
        consumer_release (&self, hazard, handle, consumer_sees_foreign (handle), false);
    }
}

static void
hold_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 5, .history = 1, .consumers = 1, .hazards = 2 }, hold_produce,
               hold_consume, NULL);
}

/* The second lease may be refused, with the word that the first one used; the producer retires both
 * frames with one fence, as slot.h allows, and looks once. */
static void
refused_produce (void)
{
  bool held = false;

  for (uint32_t slot = 0; slot < 2; slot++)
    {
      shmframe_slot_write (&pool_view, slot, 0);
      producer_fill (slot, slot + 1);
      producer_publish_at (slot, slot + 1);
    }
  shmframe_slot_retire (&pool_view, 0, 1);
  shmframe_slot_retire (&pool_view, 1, 2);
  shmframe_slot_fence ();
  held = shmframe_slot_hazard (&pool_control[0], 0) == shmframe_handle (1, 0);
  if (held)
    return;
  shmframe_slot_write (&pool_view, 0, 1);
  producer_fill (0, 3);
  producer_publish_at (0, 3);
}

static void
refused_consume (void)
{
  for (uint32_t slot = 0; slot < 2; slot++)
    {
      uint64_t handle = shmframe_handle (slot + 1, slot);
      Consumer self = { .next = 1 };

      if (shmframe_slot_lease (&pool_view, &pool_control[0].hazard[0], handle))
        consumer_release (&self, 0, handle, consumer_sees_foreign (handle), false);
      else
        explore_reached ("a lease was refused");
    }
}

static void
refused_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 2, .consumers = 1, .hazards = 1 }, refused_produce,
               refused_consume, NULL);
}

/* ---- readers whose hazards do not count ---- */

static void
evict_produce (void)
{
  for (unsigned i = BOUND (3, 5); i > 0; i--)
    {
      uint32_t slot;

      if (!producer.evicted[0] && explore_choose (2) == 1)
        producer_evict (0);
      slot = producer_acquire ();
      producer_fill (slot, producer.sequence + 1);
      if (explore_full && explore_choose (2) == 1)
        {
          shmframe_slots_abandon (&producer.slots, slot);
          explore_note ("abandons it");
        }
      else
        producer_publish (slot);
    }
}

static void
evict_consume (void)
{
  lease_in_turn (0, BOUND (1, 2), true);
}

static void
evict_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 4, .history = 1, .consumers = 1, .hazards = 1 }, evict_produce,
               evict_consume, NULL);
  explore_distrust (1, true);
}

/* observer.c: a copy without a lease. `handle`: of the newest frame, or what the slot says. */
static void
observe (unsigned slot, bool newest)
{
  uint64_t handle = newest ? shmframe_slot_latest (&pool_view) : 0, generation;
  bool foreign;

  if (newest && handle == SHMFRAME_HANDLE_NONE)
    return;
  slot = newest ? shmframe_handle_slot (handle) : slot;
  generation = shmframe_slot_generation (&pool_view, slot);
  if (shmframe_generation_state (generation) != SHMFRAME_STATE_LIVE
      && shmframe_generation_state (generation) != SHMFRAME_STATE_RETIRED)
    return;
  if (newest && shmframe_generation_sequence (generation) != shmframe_handle_sequence (handle))
    return;
  handle = shmframe_handle (shmframe_generation_sequence (generation), slot);
  foreign = consumer_sees_foreign (handle);
  if (!shmframe_slot_intact (&pool_view, handle))
    explore_reached ("a copy was overtaken");
  else if (foreign)
    explore_fail ("a copy of frame %llu was judged whole, but has foreign words",
                  (unsigned long long) shmframe_handle_sequence (handle));
  else
    explore_reached ("a copy was whole");
}

static void
observe_produce (void)
{
  producer_send_frames (BOUND (3, 5));
}

static void
observe_newest (void)
{
  observe (0, true);
}

static void
observe_slot (void)
{
  observe (0, false);
}

static void
observe_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 2 }, observe_produce, observe_newest, NULL);
  explore_distrust (1, false);
}

static void
inspect_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 2 }, observe_produce, observe_slot, NULL);
  explore_distrust (1, false);
}

/* A handle that came by a way without ordering: the lease alone makes the frame visible. */
static void
told_produce (void)
{
  shmframe_slot_write (&pool_view, 0, 0);
  producer_fill (0, 1);
  producer_publish_at (0, 1);
}

static void
told_consume (void)
{
  uint64_t handle = shmframe_handle (1, 0);
  Consumer self = { .next = 1 };

  if (!shmframe_slot_lease (&pool_view, &pool_control[0].hazard[0], handle))
    return;
  explore_reached ("it was leased");
  consumer_release (&self, 0, handle, consumer_sees_foreign (handle), false);
}

static void
told_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 1, .consumers = 1, .hazards = 1 }, told_produce, told_consume,
               NULL);
}

/* ---- order ---- */

#define FRAMES_IN_ORDER BOUND (3u, 5u)

static void
ordered_produce (void)
{
  producer_send_frames (FRAMES_IN_ORDER);
}

/* There are slots enough for all frames, so that none may be passed over. */
static void
ordered_consume (void)
{
  Consumer self = { .next = 1 };

  for (unsigned i = FRAMES_IN_ORDER; i > 0; i--)
    {
      uint64_t expected = self.next, handle;

      explore_digest (16 + i, &self, sizeof self);
      handle = consumer_find (&self, 0);
      if (self.passed > 0)
        explore_fail ("frame %llu was there, but was passed over", (unsigned long long) expected);
      if (handle == SHMFRAME_HANDLE_NONE)
        continue;
      if (shmframe_handle_sequence (handle) != expected)
        explore_fail ("frame %llu came for %llu",
                      (unsigned long long) shmframe_handle_sequence (handle),
                      (unsigned long long) expected);
      consumer_release (&self, 0, handle, consumer_sees_foreign (handle), false);
    }
  if (self.delivered == FRAMES_IN_ORDER)
    explore_reached ("all came");
}

static void
ordered_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = FRAMES_IN_ORDER + 1,
                            .history = 1,
                            .consumers = 1,
                            .hazards = 1,
                            .delivery = ORDERED },
               ordered_produce, ordered_consume, NULL);
}

/* More frames than slots: the oldest go before the consumer has seen them, and are counted. */
static void
behind_produce (void)
{
  producer_send_frames (BOUND (6, 7));
}

static void
behind_consume (void)
{
  Consumer self = { .next = 1 };

  for (unsigned i = BOUND (2, 3); i > 0; i--)
    {
      uint64_t handle;

      explore_digest (16 + i, &self, sizeof self);
      handle = consumer_find (&self, 0);
      if (handle != SHMFRAME_HANDLE_NONE)
        consumer_release (&self, 0, handle, consumer_sees_foreign (handle), false);
    }
  if (self.next - 1 != self.delivered + self.passed)
    explore_fail ("%llu frames came and %llu were passed over, but the next one is %llu",
                  (unsigned long long) self.delivered, (unsigned long long) self.passed,
                  (unsigned long long) self.next);
  if (self.delivered > 0 && self.passed > 0)
    explore_reached ("frames were passed over");
}

static void
behind_set_up (void)
{
  pool_set_up (
      &(PoolRule){ .slots = 4, .history = 1, .consumers = 1, .hazards = 1, .delivery = ORDERED },
      behind_produce, behind_consume, NULL);
}

const ExploreScenario explore_leases[] = {
  { .name = "told",
    .about = "a lease alone makes the frame visible",
    .set_up = told_set_up,
    .reaches = { "it was leased" } },
  { .name = "refused",
    .about = "a hazard word that a refused lease has cleared",
    .set_up = refused_set_up,
    .reaches = { "a lease was refused" } },
  { .name = "inspect",
    .about = "an observer looks at a slot that is rewritten",
    .set_up = inspect_set_up,
    .reaches = { "a copy was overtaken", "a copy was whole" } },
  { .name = "observe",
    .about = "an observer copies the newest frame",
    .set_up = observe_set_up,
    .reaches = { "a copy was overtaken", "a copy was whole" } },
  { .name = "ordered",
    .about = "no frame that is there is passed over",
    .set_up = ordered_set_up,
    .finish = pool_finish,
    .reaches = { "all came" } },
  { .name = "behind",
    .about = "an ordered consumer that is too slow misses frames, and counts them",
    .set_up = behind_set_up,
    .finish = pool_finish,
    .reaches = { "frames were passed over" } },
  { .name = "reuse",
    .about = "leases against reuse, one after another with one hazard word",
    .set_up = reuse_set_up,
    .finish = pool_finish,
    .reaches = { "a lease was refused", "a hazard word was used again" } },
  { .name = "discard",
    .about = "frames that are taken back while they are leased, or held by the producer",
    .set_up = discard_set_up,
    .finish = pool_finish,
    .reaches = { "a lease was refused", "a frame was discarded" } },
  { .name = "hold",
    .about = "two leases at a time",
    .set_up = hold_set_up,
    .finish = pool_finish,
    .reaches = { "two frames were held" } },
  { .name = "evict",
    .about = "a consumer that was evicted finds out",
    .set_up = evict_set_up,
    .finish = pool_finish,
    .reaches = { "a lease was refused", "foreign words were read, and the lease REVOKED",
                 "a lease that may be revoked was INTACT" } },
  { .name = "two",
    .about = "two consumers' leases against reuse",
    .set_up = two_set_up,
    .finish = pool_finish,
    .reaches = { "a lease was refused" } },
  { .name = NULL },
};
