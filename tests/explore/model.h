/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Inside the explorer: operations, threads, words, and the two memory models. */

#include "explore.h"

#define WORDS 60      /* of shared memory, in one scenario */
#define STORES 96     /* to one word, in one execution */
#define MESSAGES 1024 /* stores in one execution */
#define BUFFER 32     /* stores that wait in one thread's buffer (TSO) */
#define DOORBELLS 2

typedef enum
{
  OP_NONE,
  OP_LOAD,
  OP_STORE,
  OP_ADD,
  OP_FENCE,
  OP_CHOOSE,
  OP_WAIT,
  OP_ASLEEP,
  OP_WOKEN,
  OP_WAKE,
  OP_SEND,
  OP_DRAIN,
  OP_POLL,
  OP_DONE,
} Kind;

/* As __tsan_* number them. */
enum
{
  RELAXED = 0,
  ACQUIRE = 2,
  RELEASE = 3,
  ACQ_REL = 4,
  SEQ_CST = 5,
};

/* What a thread is about to do. */
typedef struct
{
  uint8_t kind, order, word, size;
  uint64_t value; /* stored, added, expected, or the number of choices; then the result */
} Op;

/* For each word the newest store that somebody knows of; then for each thread how many of its reads
 * of frame words. The reads are only carried by synchronisation, never by a fence's total order. */
typedef struct
{
  uint8_t at[WORDS + EXPLORE_THREADS];
} View;

typedef struct
{
  uint64_t value;
  View view;       /* what a load of it brings (C11) */
  uint8_t trusted; /* threads that were trusted when it was made */
} Message;

typedef struct
{
  uint64_t value;
  uint8_t word;
} Waiting;

typedef struct
{
  Op op;
  uint64_t history; /* hash of all results so far: the thread's local state */
  /* C11: what happened before; and what an acquire fence adds, a release fence passes on, and
   * seq_cst fences forbid to read (which says nothing to others). */
  View current, acquired, released, floor;
  uint64_t open;    /* C11: words read since the last fence, with no order of their own */
  uint8_t buffered; /* TSO */
  Waiting buffer[BUFFER];
} Thread;

/* All that changes along an execution, but for stacks, the scenario's state, and the messages,
 * which are only appended. */
typedef struct
{
  Thread thread[EXPLORE_THREADS];
  View fences;          /* C11: what the seq_cst fences so far have made known to later ones */
  View kernel;          /* C11: of each futex word, what the wakers so far had stored */
  uint8_t count[WORDS]; /* C11: stores, with the initial one */
  uint8_t read[WORDS][EXPLORE_THREADS]; /* C11: last read of a frame word */
  uint64_t memory[WORDS];               /* TSO */
  uint8_t trusted, doorbell[DOORBELLS];
  uint16_t messages, events;
} State;

/* What is known of words outlives executions: see learn(). */
typedef struct
{
  uintptr_t address;
  char name[24];
  ExplorePrint print;
  bool frame;
  uint64_t initial;
  uint8_t writers, presumed; /* threads that store; that read it as if no other ever did */
  uint16_t message[STORES];  /* C11: number in `messages` of each store */
} Word;

typedef struct
{
  const char *name;
  void (*init) (void);
  bool (*at_once) (const Op *op);        /* no need to interleave it */
  unsigned (*options) (unsigned thread); /* of a pending load or wait, and 1 otherwise */
  void (*execute) (unsigned thread, unsigned option);
  bool (*can_flush) (unsigned thread);
  void (*flush) (unsigned thread);
  uint64_t (*newest) (unsigned word);
  void (*report) (void);
  uint64_t (*hash) (uint64_t hash);
} Model;

extern const Model model_c11, model_tso;
extern const Model *model;
extern State state;
extern Word words[WORDS];
extern unsigned n_words, n_threads, running; /* `running`: the thread's number, or NOBODY */
extern uint8_t evictable;                    /* threads that may be distrusted later */
extern const char *thread_names[EXPLORE_THREADS];

#define NOBODY 255u

/* threads.c */
void forget_threads (void);
void start_threads (void); /* each up to its first operation that has to wait */
void submit (Op *op);      /* of the running thread; returns when it is done, with its result */
void perform (unsigned thread, unsigned option);
void resume (unsigned thread);
size_t measure_all (void);
void save_all (char *to);
void restore_all (const char *from);
/* search.c */
_Noreturn void search_again (void); /* something was learnt of the words */
_Noreturn void limit (const char *what);
/* hooks.c */
unsigned find_word (const void *address);
void finish_plain_store (void);
/* trace.c */
void trace (unsigned thread, const Op *op, unsigned age);
void trace_text (unsigned thread, const char *text);
void trace_flush (unsigned thread, unsigned word, uint64_t value);
void print_trace (void);

static inline uint64_t
mix (uint64_t hash, uint64_t value)
{
  hash = (hash ^ value) * UINT64_C (0x9e3779b97f4a7c15);
  return hash ^ (hash >> 29);
}

/* Whether another thread than `thread` is known to store to the word. */
static inline bool
written_elsewhere (unsigned word, unsigned thread)
{
  return (words[word].writers & ~(1u << thread)) != 0;
}
