/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a scenario sees of the explorer. A scenario is a few bodies that run as coroutines and use
 * abi/slot.h; that header, compiled with -fsanitize=thread, calls __tsan_*() for every access, and
 * those calls are the explorer's (hooks.c). It runs every interleaving of them, and for each load
 * every value that the memory model allows, depth first, cutting where a state comes again.
 *
 * Everything that a body knows must be on its stack, in state given to explore_state(), or
 * constant.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLORE_THREADS 4

/* How a word's value is printed in a trace. */
typedef enum
{
  EXPLORE_NUMBER,
  EXPLORE_HANDLE,
  EXPLORE_GENERATION,
} ExplorePrint;

typedef struct
{
  const char *name;
  const char *about;
  void (*set_up) (void);
  void (*finish) (void); /* once at the end of each execution, or NULL */
  /* What explore_reached() must have said in the end; "c11: ...": in that mode only, and never in
   * the other. */
  const char *reaches[6];
} ExploreScenario;

/* Each ends with a NULL name. */
extern const ExploreScenario explore_litmus[], explore_leases[], explore_waking[];
extern bool explore_full; /* larger bounds: minutes, not seconds */

/* ---- while setting up ---- */

/* Threads are numbered from 0 in this order. */
void explore_thread (const char *name, void (*body) (void));
/* Private memory of the bodies that is not on their stacks. */
void explore_state (void *data, size_t size);
/* A shared word. Words that are used without a name are numbered. */
void explore_word (const void *word, ExplorePrint print, const char *format, ...)
    __attribute__ ((format (printf, 3, 4)));
/* A shared word of a frame: its reader's access must happen before the next write, unless the
 * reader is not trusted. 8 bytes; plain accesses are modelled as relaxed ones. */
void explore_frame_word (const void *word, const char *format, ...)
    __attribute__ ((format (printf, 2, 3)));
/* A word that is not modelled: loads see the last store. */
void explore_ignore (const void *word);
/* This thread's reads of frames are not protected, or not any more: evicted, or an observer. In
 * set_up: `later` says that it may come. */
void explore_distrust (unsigned thread, bool later);

/* ---- in finish() ---- */

/* The last store to a word, whoever has seen it. */
uint64_t explore_newest (const void *word);

/* ---- in bodies ---- */

unsigned explore_choose (unsigned n);
/* The kernel's part. No timeouts: a sleep that nobody ends is reported. */
void explore_futex_wait (const void *word, uint32_t value);
void explore_futex_wake (const void *word);
/* A doorbell of the own socket: a datagram at most, no ordering. */
void explore_send (unsigned doorbell);
void explore_drain (unsigned doorbell);
void explore_poll (unsigned doorbell);
/* From here on this thread depends on nothing but these bytes (and `site`). */
void explore_digest (unsigned site, const void *data, size_t size);
/* The scenario is not vacuous: this was reached. */
void explore_reached (const char *what);
void explore_note (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
/* Ends the exploration with this message and the trace that led here. */
void explore_fail (const char *format, ...) __attribute__ ((format (printf, 1, 2), noreturn));
