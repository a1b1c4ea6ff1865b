/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Bodies as coroutines: each runs up to the next operation whose place among those of the others
 * matters. All of them together can be saved and put back, stacks and all, so that going back in
 * the search runs nothing twice.
 */

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "model.h"

#define STACK (32 * 1024)
#define REGIONS 4

typedef struct
{
  jmp_buf env;
  char *low; /* the stack is in use from here up */
} Coroutine;

State state;
unsigned n_threads, running = NOBODY;
uint8_t evictable;
const char *thread_names[EXPLORE_THREADS];

static Coroutine coroutine[EXPLORE_THREADS];
static alignas (16) char stack[EXPLORE_THREADS][STACK];
static void (*bodies[EXPLORE_THREADS]) (void);
static jmp_buf scheduler;
static struct
{
  char *data;
  size_t size;
} regions[REGIONS];
static unsigned n_regions;

static void
yield (void)
{
  Coroutine *self = &coroutine[running];

  self->low = (char *) __builtin_frame_address (0) - 512;
  if (_setjmp (self->env) == 0)
    _longjmp (scheduler, 1);
}

/* Runs a thread up to its next operation that has to wait for its turn. */
void
resume (unsigned number)
{
  running = number;
  if (_setjmp (scheduler) == 0)
    _longjmp (coroutine[number].env, 1);
  running = NOBODY;
}

static void
run_body (void)
{
  bodies[running]();
  finish_plain_store ();
  state.thread[running].op.kind = OP_DONE;
  yield ();
}

static void
start (unsigned number)
{
  ucontext_t context;

  getcontext (&context);
  context.uc_stack.ss_sp = stack[number];
  context.uc_stack.ss_size = STACK;
  makecontext (&context, run_body, 0);
  running = number;
  if (_setjmp (scheduler) == 0)
    setcontext (&context);
  running = NOBODY;
}

void
start_threads (void)
{
  for (unsigned i = 0; i < n_threads; i++)
    start (i);
}

void
forget_threads (void)
{
  memset (&state, 0, sizeof state);
  n_threads = n_regions = 0;
  evictable = 0;
}

static void
wake_sleepers (unsigned word)
{
  for (unsigned i = 0; i < n_threads; i++)
    if (state.thread[i].op.kind == OP_ASLEEP && state.thread[i].op.word == word)
      state.thread[i].op.kind = OP_WOKEN;
}

/* One operation of a thread, and what the kernel does in it. */
void
perform (unsigned number, unsigned option)
{
  Thread *thread = &state.thread[number];
  Op *op = &thread->op;

  running = number;
  switch (op->kind)
    {
    case OP_CHOOSE:
      op->value = option;
      trace (number, op, 0);
      break;
    case OP_WOKEN:
      trace (number, op, 0);
      break;
    default:
      model->execute (number, option);
    }
  if (op->kind == OP_WAKE)
    wake_sleepers (op->word);
  else if (op->kind == OP_SEND)
    state.doorbell[op->value] = 1;
  else if (op->kind == OP_DRAIN)
    state.doorbell[op->value] = 0;
  thread->history = mix (thread->history, op->value + 1);
}

/* What was taken for a word without another writer was read out of turn: begin again. */
static void
learn_writer (unsigned word)
{
  uint8_t bit = (uint8_t) (1u << running);

  if (words[word].writers & bit)
    return;
  words[word].writers |= bit;
  if (words[word].presumed & ~bit)
    search_again ();
}

/* Of the running thread: returns when it is done, with the result in op->value. */
void
submit (Op *op)
{
  Thread *self = &state.thread[running];

  if (op->kind == OP_STORE || op->kind == OP_ADD)
    learn_writer (op->word);
  else if (op->kind == OP_LOAD && !written_elsewhere (op->word, running))
    words[op->word].presumed |= (uint8_t) (1u << running);
  self->op = *op;
  if (model->at_once (op))
    perform (running, 0);
  else
    yield ();
  *op = self->op;
}

/* ---- saving: the model's state, the coroutines, the scenario's state, the stacks in use ---- */

static size_t
stack_used (unsigned number)
{
  return (size_t) (stack[number] + STACK - coroutine[number].low);
}

size_t
measure_all (void)
{
  size_t size = sizeof state + sizeof coroutine;

  for (unsigned i = 0; i < n_regions; i++)
    size += regions[i].size;
  for (unsigned i = 0; i < n_threads; i++)
    size += stack_used (i);
  return size;
}

static char *
put (char *to, const void *data, size_t size)
{
  memcpy (to, data, size);
  return to + size;
}

static const char *
get (const char *from, void *data, size_t size)
{
  memcpy (data, from, size);
  return from + size;
}

void
save_all (char *to)
{
  to = put (to, &state, sizeof state);
  to = put (to, coroutine, sizeof coroutine);
  for (unsigned i = 0; i < n_regions; i++)
    to = put (to, regions[i].data, regions[i].size);
  for (unsigned i = 0; i < n_threads; i++)
    to = put (to, coroutine[i].low, stack_used (i));
}

void
restore_all (const char *from)
{
  from = get (from, &state, sizeof state);
  from = get (from, coroutine, sizeof coroutine);
  for (unsigned i = 0; i < n_regions; i++)
    from = get (from, regions[i].data, regions[i].size);
  for (unsigned i = 0; i < n_threads; i++)
    from = get (from, coroutine[i].low, stack_used (i));
}

/* ---- what scenarios call ---- */

void
explore_thread (const char *name, void (*body) (void))
{
  if (n_threads == EXPLORE_THREADS)
    limit ("threads");
  thread_names[n_threads] = name;
  state.trusted |= (uint8_t) (1u << n_threads);
  bodies[n_threads++] = body;
}

void
explore_state (void *data, size_t size)
{
  if (n_regions == REGIONS)
    limit ("regions of state");
  regions[n_regions].data = data;
  regions[n_regions++].size = size;
}

static Word *
name_word (const void *address, const char *format, va_list arguments)
{
  Word *word = &words[find_word (address)];

  vsnprintf (word->name, sizeof word->name, format, arguments);
  return word;
}

void
explore_word (const void *address, ExplorePrint print, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  name_word (address, format, arguments)->print = print;
  va_end (arguments);
}

void
explore_frame_word (const void *address, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  name_word (address, format, arguments)->frame = true;
  va_end (arguments);
}

void
explore_distrust (unsigned thread, bool later)
{
  if (later)
    evictable |= (uint8_t) (1u << thread);
  else
    state.trusted &= (uint8_t) ~(1u << thread);
}

uint64_t
explore_newest (const void *word)
{
  return model->newest (find_word (word));
}

unsigned
explore_choose (unsigned n)
{
  Op op = { .kind = OP_CHOOSE, .value = n };

  finish_plain_store ();
  submit (&op);
  return (unsigned) op.value;
}

static void
call_kernel (Kind kind, const void *word, uint64_t value)
{
  Op op = { .kind = (uint8_t) kind, .value = value };

  finish_plain_store ();
  if (word)
    op.word = (uint8_t) find_word (word);
  submit (&op);
}

void
explore_futex_wait (const void *word, uint32_t value)
{
  call_kernel (OP_WAIT, word, value);
}

void
explore_futex_wake (const void *word)
{
  call_kernel (OP_WAKE, word, 0);
}

void
explore_send (unsigned doorbell)
{
  call_kernel (OP_SEND, NULL, doorbell);
}

void
explore_drain (unsigned doorbell)
{
  call_kernel (OP_DRAIN, NULL, doorbell);
}

void
explore_poll (unsigned doorbell)
{
  call_kernel (OP_POLL, NULL, doorbell);
}

void
explore_digest (unsigned site, const void *data, size_t size)
{
  const uint8_t *bytes = data;
  uint64_t hash = mix (site + 1, size);

  finish_plain_store ();
  for (size_t i = 0; i < size; i++)
    hash = mix (hash, bytes[i]);
  state.thread[running].history = hash;
}

void
explore_note (const char *format, ...)
{
  char text[48];
  va_list arguments;

  va_start (arguments, format);
  vsnprintf (text, sizeof text, format, arguments);
  va_end (arguments);
  trace_text (running, text);
}
