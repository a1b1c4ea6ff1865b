/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A weak model after C11, without load buffering: each word has its stores in their order, and a
 * load may return any that is not older than what the thread knows to have happened, or has read.
 *
 *   release store, acquire load   the load brings all that happened before the store
 *   release fence                 later relaxed stores bring what happened before the fence
 *   acquire fence                 earlier relaxed loads bring it now
 *   seq_cst fence                 both; and of two of them, loads after the later do not see less
 *                                 than the stores before the earlier (own ones: C11's weak reading)
 *
 * A relaxed store ends a release sequence (as in C++20; C11 lets the same thread continue it), a
 * read-modify-write continues it. Every word has one writer, or is only read and modified.
 *
 * Stores need no interleaving: made early, they take no older value away from any load.
 *
 * Without load buffering: no load returns what its own thread, or what depends on it, stores later.
 * Which loads a machine could let a later store of their thread overtake is listed (report()), so
 * that an argument can cover them.
 */

#include <stdio.h>
#include <string.h>

#include "model.h"

static Message messages[MESSAGES];
static uint64_t overtaken[WORDS]; /* for each stored word: the loads that it may overtake */

static Message *
store_of (unsigned word, unsigned index)
{
  return &messages[words[word].message[index]];
}

static void
join (View *view, const View *other)
{
  for (unsigned i = 0; i < sizeof view->at; i++)
    view->at[i] = view->at[i] > other->at[i] ? view->at[i] : other->at[i];
}

static void
append (unsigned word, uint64_t value, const View *view)
{
  unsigned index = state.count[word]++;
  Message *message = &messages[state.messages];

  if (index >= STORES || state.messages >= MESSAGES)
    limit ("stores");
  words[word].message[index] = state.messages++;
  message->value = value;
  message->trusted = state.trusted;
  message->view = *view;
  message->view.at[word] = (uint8_t) index;
}

static void
init (void)
{
  static const View nothing;

  for (unsigned word = 0; word < n_words; word++)
    append (word, words[word].initial, &nothing);
}

/* The oldest store that the thread may read. */
static unsigned
oldest (const Thread *thread, unsigned word)
{
  uint8_t known = thread->current.at[word], floor = thread->floor.at[word];

  return known > floor ? known : floor;
}

/* Stores of frame words that this thread, while trusted, does not know to be over. */
static void
check_read (unsigned number, unsigned word)
{
  Thread *thread = &state.thread[number];

  for (unsigned i = thread->current.at[word] + 1u; i < state.count[word]; i++)
    if (store_of (word, i)->trusted & (1u << number))
      explore_fail ("%s reads %s under a lease while nothing orders the write of frame %llu before",
                    thread_names[number], words[word].name,
                    (unsigned long long) store_of (word, i)->value);
  if (state.trusted & (1u << number))
    {
      if (thread->current.at[WORDS + number] == UINT8_MAX)
        limit ("reads");
      thread->acquired.at[WORDS + number] = ++thread->current.at[WORDS + number];
      state.read[word][number] = thread->current.at[WORDS + number];
    }
}

static void
check_write (unsigned number, unsigned word, uint64_t value)
{
  const Thread *thread = &state.thread[number];

  for (unsigned i = 0; i < n_threads; i++)
    if (i != number && (state.trusted & (1u << i))
        && state.read[word][i] > thread->current.at[WORDS + i])
      explore_fail ("%s writes frame %llu over %s, which %s has read under a lease: nothing orders "
                    "that read before",
                    thread_names[number], (unsigned long long) value, words[word].name,
                    thread_names[i]);
}

static void
store (unsigned number, Op *op)
{
  Thread *thread = &state.thread[number];
  unsigned word = op->word;

  if (op->order == SEQ_CST)
    limit ("seq_cst accesses are not modelled, only fences:");
  if (oldest (thread, word) + 1u != state.count[word])
    limit ("a word with two writers:");
  if (op->order == RELAXED)
    overtaken[word] |= thread->open & ~(UINT64_C (1) << word);
  if (words[word].frame)
    check_write (number, word, op->value);
  append (word, op->value, op->order == RELEASE ? &thread->current : &thread->released);
  thread->current.at[word] = thread->acquired.at[word] = (uint8_t) (state.count[word] - 1);
}

/* `index` is among those that options() counted, unless a read-modify-write takes the newest. */
static uint64_t
load (Thread *thread, unsigned word, unsigned index, unsigned order)
{
  const Message *message = store_of (word, index);

  join (&thread->acquired, &message->view);
  if (order == ACQUIRE || order == ACQ_REL)
    join (&thread->current, &message->view);
  thread->current.at[word] = thread->acquired.at[word] = (uint8_t) index;
  return message->value;
}

static void
add (Thread *thread, Op *op)
{
  unsigned word = op->word, newest = state.count[word] - 1u;
  bool release = op->order == RELEASE || op->order == ACQ_REL;
  View passed_on = store_of (word, newest)->view;
  uint64_t old = load (thread, word, newest, op->order);

  join (&passed_on, release ? &thread->current : &thread->released);
  append (word, (uint32_t) (old + op->value), &passed_on);
  thread->current.at[word] = thread->acquired.at[word] = (uint8_t) (newest + 1);
  op->value = old;
}

/* What a seq_cst fence adds to the total order: the thread's own stores. */
static void
fence (unsigned number, unsigned order)
{
  Thread *thread = &state.thread[number];

  if (order == RELAXED)
    return;
  thread->open = 0;
  if (order != RELEASE)
    thread->current = thread->acquired;
  if (order == SEQ_CST)
    {
      join (&thread->floor, &state.fences);
      for (unsigned word = 0; word < n_words; word++)
        if ((words[word].writers & (1u << number))
            && thread->current.at[word] > state.fences.at[word])
          state.fences.at[word] = thread->current.at[word];
    }
  if (order != ACQUIRE)
    thread->released = thread->current;
}

static bool
at_once (const Op *op)
{
  const Word *word = &words[op->word];

  switch (op->kind)
    {
    case OP_STORE:
      return true;
    case OP_FENCE:
      return op->order != SEQ_CST;
    case OP_LOAD:
      /* A read of a lease that nobody can revoke is the newest store's, or a race now or later. */
      return !written_elsewhere (op->word, running)
             || (word->frame && (state.trusted & ~evictable & (1u << running)));
    default:
      return false;
    }
}

static unsigned
options (unsigned number)
{
  const Thread *thread = &state.thread[number];
  unsigned word = thread->op.word, first = oldest (thread, word);

  if (thread->op.kind == OP_WAIT && state.kernel.at[word] > first)
    first = state.kernel.at[word];
  return thread->op.kind == OP_LOAD || thread->op.kind == OP_WAIT ? state.count[word] - first : 1;
}

static void
execute (unsigned number, unsigned option)
{
  Thread *thread = &state.thread[number];
  Op *op = &thread->op;
  unsigned index = 0;

  /* futex(2): totally ordered with other futex operations on the same word, and no more. */
  if (op->kind == OP_WAKE && thread->current.at[op->word] > state.kernel.at[op->word])
    state.kernel.at[op->word] = thread->current.at[op->word];
  if (op->kind == OP_LOAD && words[op->word].frame)
    check_read (number, op->word);
  /* The newest first: the usual run comes before the odd ones. */
  if (op->kind == OP_LOAD || op->kind == OP_WAIT)
    index = state.count[op->word] - 1u - option;

  switch (op->kind)
    {
    case OP_LOAD:
      op->value = load (thread, op->word, index, op->order);
      if (op->order == RELAXED)
        thread->open |= UINT64_C (1) << op->word;
      break;
    case OP_STORE:
      store (number, op);
      break;
    case OP_ADD:
      add (thread, op);
      break;
    case OP_FENCE:
      fence (number, op->order);
      break;
    case OP_WAIT:
      if ((uint32_t) load (thread, op->word, index, RELAXED) == (uint32_t) op->value)
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
  (void) number;
  return false;
}

static uint64_t
newest (unsigned word)
{
  return store_of (word, state.count[word] - 1u)->value;
}

static void
report (void)
{
  for (unsigned word = 0; word < n_words; word++)
    for (unsigned read = 0; read < n_words; read++)
      if (overtaken[word] >> read & 1)
        printf ("  a store to %s may overtake an earlier load of %s\n", words[word].name,
                words[read].name);
}

/* ---- the state's hash: without what no load can see any more ---- */

static uint64_t
hash_view (uint64_t hash, const View *view, const View *known)
{
  View rest;

  for (unsigned i = 0; i < sizeof rest.at; i++)
    rest.at[i] = view->at[i] > known->at[i] ? view->at[i] - known->at[i] : 0;
  for (unsigned i = 0; i < sizeof rest.at; i += 8)
    {
      uint64_t part;

      memcpy (&part, rest.at + i, 8);
      hash = mix (hash, part);
    }
  return hash;
}

/* What every thread knows. */
static void
find_known (View *known)
{
  memset (known, 0xff, sizeof *known);
  for (unsigned i = 0; i < n_threads; i++)
    {
      const Thread *thread = &state.thread[i];

      if (thread->op.kind == OP_DONE)
        continue;
      for (unsigned word = 0; word < n_words; word++)
        if (oldest (thread, word) < known->at[word])
          known->at[word] = (uint8_t) oldest (thread, word);
      for (unsigned j = WORDS; j < sizeof known->at; j++)
        if (thread->current.at[j] < known->at[j])
          known->at[j] = thread->current.at[j];
    }
}

static uint64_t
hash_word (uint64_t hash, unsigned word, const View *known)
{
  hash = mix (hash, (uint64_t) (state.count[word] - known->at[word]));
  for (unsigned i = known->at[word]; i < state.count[word]; i++)
    {
      const Message *message = store_of (word, i);

      hash = mix (hash, message->value);
      hash = hash_view (hash, &message->view, known);
      if (words[word].frame)
        hash = mix (hash, message->trusted);
    }
  if (words[word].frame)
    for (unsigned i = 0; i < n_threads; i++)
      {
        uint8_t read = state.read[word][i], all = known->at[WORDS + i];

        hash = mix (hash, read > all ? (uint64_t) (read - all) : 0);
      }
  return hash;
}

static uint64_t
hash_state (uint64_t hash)
{
  View known;

  find_known (&known);
  for (unsigned i = 0; i < n_threads; i++)
    {
      const Thread *thread = &state.thread[i];

      if (thread->op.kind == OP_DONE)
        continue;
      hash = hash_view (hash, &thread->current, &known);
      hash = hash_view (hash, &thread->acquired, &known);
      hash = hash_view (hash, &thread->released, &known);
      hash = hash_view (hash, &thread->floor, &known);
      hash = mix (hash, thread->open);
    }
  hash = hash_view (hash, &state.fences, &known);
  hash = hash_view (hash, &state.kernel, &known);
  for (unsigned word = 0; word < n_words; word++)
    hash = hash_word (hash, word, &known);
  return hash;
}

const Model model_c11 = {
  .name = "c11",
  .init = init,
  .at_once = at_once,
  .options = options,
  .execute = execute,
  .can_flush = can_flush,
  .newest = newest,
  .report = report,
  .hash = hash_state,
};
