/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The search: each possible next step is taken in turn, depth first. A state that comes again is
 * not followed: what a thread knows is the hash of all that it has read, and the models leave out
 * of theirs what nobody can read any more.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model.h"

/* A state with several next steps, to come back to. */
typedef struct
{
  size_t offset; /* in `saved` */
  unsigned next, n;
} Node;

static const ExploreScenario *const all_scenarios[]
    = { explore_litmus, explore_leases, explore_waking };

const Model *model;
bool explore_full;

static const ExploreScenario *scenario;
static unsigned reached; /* bits of scenario->reaches */
static jmp_buf restart;

static char *saved;
static size_t saved_size, saved_room;
static Node *nodes;
static unsigned n_nodes, node_room;

static uint64_t *seen; /* hashes of states; 0 is an empty place */
static size_t n_seen, seen_room;
static unsigned long long n_steps, n_ends;
static struct timespec started;

/* ---- results ---- */

static void
report (const char *result)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  printf ("%-10s %-3s %-4s %9zu states %10llu steps %8llu ends %7.2f s\n", scenario->name,
          model->name, result, n_seen, n_steps, n_ends,
          (double) (now.tv_sec - started.tv_sec) + (double) (now.tv_nsec - started.tv_nsec) / 1e9);
}

_Noreturn void
limit (const char *what)
{
  printf ("%s %s: beyond the explorer: %s\n", scenario->name, model->name, what);
  print_trace ();
  exit (3);
}

void
explore_fail (const char *format, ...)
{
  va_list arguments;

  report ("FAIL");
  va_start (arguments, format);
  vprintf (format, arguments);
  va_end (arguments);
  printf ("\n");
  print_trace ();
  exit (1);
}

/* Whether an entry of `reaches` is for this model. */
static bool
is_due (const char *what)
{
  return strncmp (what, "c11: ", 5) != 0 || model == &model_c11;
}

void
explore_reached (const char *what)
{
  for (unsigned i = 0; scenario->reaches[i]; i++)
    if (strcmp (scenario->reaches[i], what) == 0)
      {
        if (!is_due (what))
          explore_fail ("%s, which this model excludes", what);
        reached |= 1u << i;
      }
}

/* ---- the search ---- */

void
search_again (void)
{
  running = NOBODY;
  _longjmp (restart, 1);
}

static void
save (unsigned n)
{
  size_t size = measure_all ();

  if (saved_size + size > saved_room)
    saved = realloc (saved, saved_room = 2 * (saved_size + size));
  if (n_nodes == node_room)
    nodes = realloc (nodes, (node_room = 2 * node_room + 64) * sizeof *nodes);
  if (saved == NULL || nodes == NULL)
    limit ("memory");
  nodes[n_nodes++] = (Node){ .offset = saved_size, .n = n };
  save_all (saved + saved_size);
  saved_size += size;
}

static unsigned
count_options (unsigned number)
{
  const Op *op = &state.thread[number].op;

  switch (op->kind)
    {
    case OP_DONE:
    case OP_ASLEEP:
      return 0;
    case OP_CHOOSE:
      return (unsigned) op->value;
    case OP_POLL:
      return state.doorbell[op->value];
    default:
      return model->options (number);
    }
}

/* Whether what the others do can neither change nor be changed by this thread's operation. */
static bool
is_alone (unsigned number)
{
  const Op *op = &state.thread[number].op;

  if (op->kind == OP_CHOOSE || op->kind == OP_WOKEN)
    return true;
  if (op->kind != OP_LOAD)
    return false;
  for (unsigned i = 0; i < n_threads; i++)
    if (i != number && (words[op->word].writers & (1u << i))
        && (state.thread[i].op.kind != OP_DONE || model->can_flush (i)))
      return false;
  return true;
}

/* Takes step `step` of those that are possible now; returns how many there are, where `step` is not
 * one of them. */
static unsigned
take (unsigned step)
{
  unsigned first = 0, last = n_threads, n = 0;
  bool done = true;

  for (unsigned i = 0; i < n_threads; i++)
    {
      done = done && state.thread[i].op.kind == OP_DONE;
      if (first == 0 && last == n_threads && is_alone (i))
        {
          first = i;
          last = i + 1;
        }
    }
  if (done)
    return 0;
  for (unsigned i = first; i < last; i++)
    {
      unsigned options = count_options (i);

      if (step < n + options)
        {
          n_steps++;
          perform (i, step - n);
          running = NOBODY;
          if (state.thread[i].op.kind != OP_ASLEEP)
            resume (i);
          return 0;
        }
      n += options;
    }
  for (unsigned i = 0; last - first == n_threads && i < n_threads; i++)
    if (model->can_flush (i) && n++ == step)
      {
        n_steps++;
        model->flush (i);
        return 0;
      }
  return n;
}

static void
insert (uint64_t hash)
{
  size_t i = hash & (seen_room - 1);

  while (seen[i] != 0)
    i = (i + 1) & (seen_room - 1);
  seen[i] = hash;
}

static bool
was_seen (void)
{
  uint64_t hash = mix (0, state.trusted);
  size_t i;

  for (unsigned t = 0; t < n_threads; t++)
    hash = mix (mix (hash, state.thread[t].history), state.thread[t].op.kind);
  for (unsigned d = 0; d < DOORBELLS; d++)
    hash = mix (hash, state.doorbell[d]);
  hash = model->hash (hash);
  hash = mix (hash, hash >> 32) | 1; /* 0 is an empty place */

  for (i = hash & (seen_room - 1); seen[i] != 0; i = (i + 1) & (seen_room - 1))
    if (seen[i] == hash)
      return true;
  seen[i] = hash;
  if (++n_seen * 2 > seen_room)
    {
      uint64_t *old = seen;

      seen = calloc (seen_room *= 2, sizeof *seen);
      if (seen == NULL)
        limit ("memory");
      for (i = 0; i < seen_room / 2; i++)
        if (old[i] != 0)
          insert (old[i]);
      free (old);
    }
  return false;
}

static void
check_end (void)
{
  n_ends++;
  for (unsigned i = 0; i < n_threads; i++)
    if (state.thread[i].op.kind != OP_DONE)
      explore_fail ("lost wake-up: %s sleeps for ever on %s", thread_names[i],
                    state.thread[i].op.kind == OP_POLL ? "its doorbell"
                                                       : words[state.thread[i].op.word].name);
  if (scenario->finish)
    scenario->finish ();
}

/* Everything that can follow from here. */
static void
search (void)
{
  for (;;)
    {
      unsigned n = take (~0u);

      if (n == 1)
        {
          take (0);
          continue;
        }
      if (n == 0)
        check_end ();
      else if (!was_seen ())
        {
          save (n);
          take (nodes[n_nodes - 1].next++);
          continue;
        }

      while (n_nodes > 0 && nodes[n_nodes - 1].next == nodes[n_nodes - 1].n)
        saved_size = nodes[--n_nodes].offset;
      if (n_nodes == 0)
        return;
      restore_all (saved + nodes[n_nodes - 1].offset);
      take (nodes[n_nodes - 1].next++);
    }
}

static void
set_up (void)
{
  uint8_t writers[WORDS];

  for (unsigned i = 0; i < WORDS; i++)
    writers[i] = words[i].writers;
  forget_threads ();
  memset (seen, 0, seen_room * sizeof *seen);
  n_seen = saved_size = 0;
  n_nodes = 0;
  n_steps = n_ends = 0;
  scenario->set_up ();
  for (unsigned i = 0; i < n_words; i++)
    {
      words[i].initial = *(const uint64_t *) words[i].address;
      words[i].writers = writers[i];
      words[i].presumed = 0;
    }
}

static int
judge (void)
{
  int missing = 0;

  for (unsigned i = 0; scenario->reaches[i]; i++)
    missing += !(reached & (1u << i)) && is_due (scenario->reaches[i]);
  report (missing ? "idle" : "ok");
  for (unsigned i = 0; scenario->reaches[i]; i++)
    if (!(reached & (1u << i)) && is_due (scenario->reaches[i]))
      printf ("never reached: %s\n", scenario->reaches[i]);
  model->report ();
  return missing ? 2 : 0;
}

static int
run (void)
{
  seen = calloc (seen_room = 1 << 16, sizeof *seen);
  if (seen == NULL)
    limit ("memory");
  clock_gettime (CLOCK_MONOTONIC, &started);
  _setjmp (restart);
  set_up ();
  model->init ();
  start_threads ();
  search ();
  return judge ();
}

static int
list (void)
{
  for (unsigned i = 0; i < sizeof all_scenarios / sizeof all_scenarios[0]; i++)
    for (const ExploreScenario *each = all_scenarios[i]; each->name; each++)
      printf ("%s\t%s\t%s\n", i == 0 ? "litmus" : "protocol", each->name, each->about);
  return 0;
}

static const ExploreScenario *
find (const char *name)
{
  for (unsigned i = 0; i < sizeof all_scenarios / sizeof all_scenarios[0]; i++)
    for (const ExploreScenario *each = all_scenarios[i]; each->name; each++)
      if (strcmp (each->name, name) == 0)
        return each;
  return NULL;
}

int
main (int argc, char **argv)
{
  if (argc == 2 && strcmp (argv[1], "--list") == 0)
    return list ();
  if (argc > 1 && strcmp (argv[1], "--full") == 0)
    {
      explore_full = true;
      argc--;
      argv++;
    }
  if (argc == 3)
    {
      model = strcmp (argv[1], "tso") == 0 ? &model_tso : &model_c11;
      scenario = strcmp (argv[1], model->name) == 0 ? find (argv[2]) : NULL;
    }
  if (scenario)
    return run ();
  fprintf (stderr, "usage: explore --list | [--full] c11|tso SCENARIO\n");
  return 64;
}
