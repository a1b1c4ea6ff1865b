/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Scenarios: who sleeps is woken, and sees what it was woken for. */

#include "pool.h"

#define FRAMES_TO_WAKE_FOR BOUND (2u, 4u)
#define FRAMES_LOSSLESS BOUND (3u, 5u)

static void
wake_produce (void)
{
  producer_send_frames (FRAMES_TO_WAKE_FOR);
  producer_acquire (); /* the next one, which never comes: the newest must stay */
}

/* Until the last frame is leased: a sleep that nobody ends is found by the explorer. */
static void
wait_for_last (void (*wait) (Consumer *self))
{
  Consumer self = { .next = 1 };

  while (self.next <= FRAMES_TO_WAKE_FOR)
    {
      uint64_t handle;

      explore_digest (3, &self, sizeof self);
      handle = consumer_find (&self, 0);
      if (handle != SHMFRAME_HANDLE_NONE)
        consumer_release (&self, 0, handle, consumer_sees_foreign (handle), false);
      else if (self.next > FRAMES_TO_WAKE_FOR)
        explore_fail ("the newest frame was there, but was passed over");
      else
        wait (&self);
    }
}

static void
sleep_consume (void)
{
  wait_for_last (consumer_sleep);
}

static void
poll_consume (void)
{
  wait_for_last (consumer_poll);
}

static void
sleep_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 4, .history = 1, .consumers = 1, .hazards = 1 }, wake_produce,
               sleep_consume, NULL);
}

static void
poll_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 4, .history = 1, .consumers = 1, .hazards = 1 }, wake_produce,
               poll_consume, NULL);
}

/* The segment ends, and nothing comes after it in this one. */
static void
end_produce (void)
{
  producer_send_frames (BOUND (1, 3));
  producer_end ();
}

static void
end_consume (void)
{
  Consumer self = { .next = 1 };
  uint64_t end = 0;

  while (end == 0)
    {
      uint64_t handle;

      end = shmframe_slot_end_sequence (&pool_view);
      while ((handle = consumer_find (&self, 0)) != SHMFRAME_HANDLE_NONE)
        consumer_release (&self, 0, handle, consumer_sees_foreign (handle), false);
      if (end == 0)
        consumer_sleep (&self);
    }
  if (self.next != end || self.passed > 0)
    explore_fail ("the segment ends before frame %llu, but only %llu were delivered",
                  (unsigned long long) end, (unsigned long long) self.delivered);
  explore_reached ("all came");
}

static void
end_set_up (void)
{
  pool_set_up (
      &(PoolRule){ .slots = 4, .history = 1, .consumers = 1, .hazards = 1, .delivery = ORDERED },
      end_produce, end_consume, NULL);
}

/* The consumer's own control thread (client.c) says that the producer is lost. The consumer sleeps
 * with or without a ticket (predict). */
static _Atomic uint64_t attention;

static void
loss_control (void)
{
  atomic_store_explicit (&attention, 1, memory_order_relaxed);
  shmframe_slot_ring (&pool_control[0]);
  explore_futex_wake (&pool_control[0].bell);
}

static void
loss_consume (void)
{
  uint32_t ticket = 0;
  bool armed = explore_choose (2) == 1;

  for (;;)
    {
      uint32_t bell = shmframe_slot_bell (&pool_control[0]);

      if (armed)
        shmframe_slot_arm (&pool_control[0], ++ticket);
      if (atomic_load_explicit (&attention, memory_order_relaxed) != 0)
        return;
      explore_futex_wait (&pool_control[0].bell, bell);
      explore_reached ("a consumer slept");
    }
}

static void
loss_set_up (void)
{
  attention = 0;
  pool_set_up (&(PoolRule){ .slots = 1, .consumers = 1, .hazards = 1 }, loss_control, loss_consume,
               NULL);
  explore_word (&attention, EXPLORE_NUMBER, "attention");
}

/* Both sides wait for each other; every frame arrives. */
static void
lossless_consume (void)
{
  Consumer self = { .next = 1 };
  uint64_t last = FRAMES_LOSSLESS;

  while (self.next <= last)
    {
      uint64_t handle;

      explore_digest (3, &self, sizeof self);
      handle = consumer_find (&self, 0);
      if (self.passed > 0)
        explore_fail ("%llu frames were lost", (unsigned long long) self.passed);
      if (handle != SHMFRAME_HANDLE_NONE)
        consumer_release (&self, 0, handle, consumer_sees_foreign (handle), false);
      else
        consumer_sleep (&self);
    }
}

static void
lossless_produce (void)
{
  producer_send_frames (FRAMES_LOSSLESS);
}

static void
lossless_set_up (void)
{
  pool_set_up (&(PoolRule){ .slots = 4,
                            .history = 1,
                            .window = 1,
                            .consumers = 1,
                            .hazards = 1,
                            .delivery = LOSSLESS },
               lossless_produce, lossless_consume, NULL);
}

const ExploreScenario explore_waking[] = {
  { .name = "loss",
    .about = "the control thread wakes its own consumer",
    .set_up = loss_set_up,
    .reaches = { "a consumer slept" } },
  { .name = "end",
    .about = "a sleeping consumer sees the end of the segment, and all before it",
    .set_up = end_set_up,
    .finish = pool_finish,
    .reaches = { "a bell was rung", "a consumer slept", "all came" } },
  { .name = "sleep",
    .about = "no wake-up is lost: futex",
    .set_up = sleep_set_up,
    .finish = pool_finish,
    .reaches = { "a bell was rung", "a consumer slept" } },
  { .name = "poll",
    .about = "no wake-up is lost: doorbell",
    .set_up = poll_set_up,
    .finish = pool_finish,
    .reaches = { "a bell was rung", "a consumer slept" } },
  { .name = "lossless",
    .about = "producer and consumer wait for each other, and no frame is lost",
    .set_up = lossless_set_up,
    .finish = pool_finish,
    .reaches = { "a bell was rung", "a consumer slept", "the producer waited" } },
  { .name = NULL },
};
