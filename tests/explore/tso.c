/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Total store order, as x86 has it: a thread's stores wait in a first-in first-out buffer, which it
 * reads itself; they reach memory one by one, at any time. A seq_cst fence and a read-modify-write
 * empty the buffer; all other orders come for free and change nothing.
 */

#include <string.h>

#include "model.h"

static void
init (void)
{
  for (unsigned word = 0; word < n_words; word++)
    state.memory[word] = words[word].initial;
}

static const Waiting *
find_own (const Thread *thread, unsigned word)
{
  for (unsigned i = thread->buffered; i-- > 0;)
    if (thread->buffer[i].word == word)
      return &thread->buffer[i];
  return NULL;
}

static bool
at_once (const Op *op)
{
  if (op->kind == OP_LOAD)
    return !written_elsewhere (op->word, running)
           || find_own (&state.thread[running], op->word) != NULL;
  return op->kind == OP_STORE || (op->kind == OP_FENCE && op->order != SEQ_CST);
}

static unsigned
options (unsigned number)
{
  (void) number;
  return 1;
}

static void
write_first (Thread *thread)
{
  state.memory[thread->buffer[0].word] = thread->buffer[0].value;
  thread->buffered--;
  memmove (thread->buffer, thread->buffer + 1, thread->buffered * sizeof thread->buffer[0]);
}

static void
drain (Thread *thread)
{
  while (thread->buffered > 0)
    write_first (thread);
}

static void
execute (unsigned number, unsigned option)
{
  Thread *thread = &state.thread[number];
  Op *op = &thread->op;
  const Waiting *own = op->kind == OP_LOAD ? find_own (thread, op->word) : NULL;
  uint64_t old;

  if (op->kind == OP_ADD || (op->kind == OP_FENCE && op->order == SEQ_CST))
    drain (thread);
  /* futex(2): totally ordered with other futex operations on the same word, and no more. */
  while (op->kind == OP_WAKE && find_own (thread, op->word))
    write_first (thread);
  switch (op->kind)
    {
    case OP_LOAD:
      op->value = own ? own->value : state.memory[op->word];
      break;
    case OP_STORE:
      if (thread->buffered == BUFFER) /* more than two frames' */
        write_first (thread);
      thread->buffer[thread->buffered++] = (Waiting){ op->value, op->word };
      break;
    case OP_ADD:
      old = state.memory[op->word];
      state.memory[op->word] = (uint32_t) (old + op->value);
      op->value = old;
      break;
    case OP_WAIT:
      if ((uint32_t) state.memory[op->word] == (uint32_t) op->value)
        op->kind = OP_ASLEEP;
      break;
    default:
      break;
    }
  trace (number, op, option);
}

static bool
can_flush (unsigned number)
{
  return state.thread[number].buffered > 0;
}

static void
flush (unsigned number)
{
  Thread *thread = &state.thread[number];

  trace_flush (number, thread->buffer[0].word, thread->buffer[0].value);
  write_first (thread);
}

static uint64_t
newest (unsigned word)
{
  for (unsigned i = 0; i < n_threads; i++)
    {
      const Waiting *own = find_own (&state.thread[i], word);

      if (own)
        return own->value;
    }
  return state.memory[word];
}

static void
report (void)
{
}

static uint64_t
hash_state (uint64_t hash)
{
  for (unsigned i = 0; i < n_threads; i++)
    {
      const Thread *thread = &state.thread[i];

      hash = mix (hash, thread->buffered);
      for (unsigned j = 0; j < thread->buffered; j++)
        hash = mix (mix (hash, thread->buffer[j].value), thread->buffer[j].word);
    }
  for (unsigned word = 0; word < n_words; word++)
    hash = mix (hash, state.memory[word]);
  return hash;
}

const Model model_tso = {
  .name = "tso",
  .init = init,
  .at_once = at_once,
  .options = options,
  .execute = execute,
  .can_flush = can_flush,
  .flush = flush,
  .newest = newest,
  .report = report,
  .hash = hash_state,
};
