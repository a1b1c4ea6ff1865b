/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A pool for the scenarios: one producer around lib/api/slots.c (compiled unchanged) and consumers.
 * What lib/api/{publish,pool,attachment,delivery}.c and lib/os/wake.c do around abi/slot.h stands
 * here again, without sockets, formats and events.
 */

#include "api/slots.h"
#include "explore.h"

#define PAYLOAD_WORDS 2 /* each holds the frame's sequence */
#define CONSUMERS_MAX 2
#define BOUND(quick, full) (explore_full ? (full) : (quick))

typedef enum
{
  LATEST,
  ORDERED,
  LOSSLESS,
} Delivery;

typedef struct
{
  unsigned slots, history, window;
  unsigned consumers, hazards; /* hazard words of each: its leases, with the reserved one */
  Delivery delivery;
} PoolRule;

/* The producer's private memory. */
typedef struct
{
  ShmFrameSlots slots;
  ShmFrameSlotEntry entry[8];
  uint64_t sequence, published;
  uint64_t recent[4]; /* the newest `window` published sequences */
  uint64_t consumed[CONSUMERS_MAX];
  uint32_t rung[CONSUMERS_MAX];
  bool evicted[CONSUMERS_MAX];
} Producer;

/* A consumer's private memory, on its stack. Without padding: it is hashed. */
typedef struct
{
  uint64_t next, consumed, passed, delivered;
  uint32_t number, ticket;
} Consumer;

extern ShmFrameView pool_view;
extern ShmFrameControl pool_control[CONSUMERS_MAX];
extern Producer producer;

/* Sets everything to the beginning. The producer's thread comes first, consumer i is thread i + 1.
 * */
void pool_set_up (const PoolRule *rule, void (*produce) (void), void (*consume) (void),
                  void (*consume_too) (void));
uint64_t *pool_payload (unsigned slot);
/* When all is over: every slot is in one list of the book, and no hazard is left. */
void pool_finish (void);

/* ---- producer ---- */

/* A slot to write. That there always is one is the pool rule, and is checked. */
uint32_t producer_acquire (void);
void producer_fill (uint32_t slot, uint64_t sequence);
void producer_publish (uint32_t slot);
/* The three above for each of `n` frames, waiting for lossless consumers in between. */
void producer_send_frames (unsigned n);
void producer_evict (unsigned consumer);
/* Takes back all that is published; the same with a frame that it has published and still reads, and
 * sends more meanwhile. */
void producer_discard (void);
void producer_discard_own (void);
/* The segment ends after the newest frame. */
void producer_end (void);
/* The step alone, for scenarios that do without slots.c. */
void producer_publish_at (uint32_t slot, uint64_t sequence);

/* ---- consumer ---- */

/* Leases the next frame with a hazard word of its own: its handle, or none. */
uint64_t consumer_find (Consumer *self, unsigned hazard);
void consumer_consume (Consumer *self);
/* Reads the descriptor and the payload; whether a word is not the frame's. */
bool consumer_sees_foreign (uint64_t handle);
/* Ends a lease and judges it. `evictable`: REVOKED is a verdict that may come. */
void consumer_release (Consumer *self, unsigned hazard, uint64_t handle, bool foreign,
                       bool evictable);
/* Sleeps until there is something at or after self->next, or the segment ends. */
void consumer_sleep (Consumer *self);
void consumer_poll (Consumer *self);
