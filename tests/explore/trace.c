/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steps of the present execution, printed when it fails. */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define EVENTS 4096

typedef struct
{
  uint8_t thread;
  bool flush;
  unsigned age; /* of a loaded store: 0 is the newest */
  Op op;
  char text[48]; /* a note, where op is OP_NONE */
} Event;

static Event events[EVENTS];

static Event *
new_event (unsigned thread)
{
  if (state.events == EVENTS)
    limit ("steps");
  events[state.events].thread = (uint8_t) thread;
  events[state.events].flush = false;
  return &events[state.events++];
}

void
trace (unsigned thread, const Op *op, unsigned age)
{
  Event *event = new_event (thread);

  event->op = *op;
  event->age = age;
}

void
trace_flush (unsigned thread, unsigned word, uint64_t value)
{
  Event *event = new_event (thread);

  event->flush = true;
  event->op = (Op){ .kind = OP_STORE, .word = (uint8_t) word, .value = value };
}

void
trace_text (unsigned thread, const char *text)
{
  Event *event = new_event (thread);

  event->op.kind = OP_NONE;
  snprintf (event->text, sizeof event->text, "%s", text);
}

static const char *
value_name (const Word *word, uint64_t value)
{
  static const char *const states[] = { "EMPTY", "LIVE", "RETIRED", "WRITING" };
  static char text[48];

  if (word->print == EXPLORE_HANDLE && value != 0)
    snprintf (text, sizeof text, "frame %" PRIu64 " in slot %" PRIu64, value >> 16, value & 0xffff);
  else if (word->print == EXPLORE_GENERATION)
    snprintf (text, sizeof text, "%" PRIu64 " %s", value >> 2, states[value & 3]);
  else
    snprintf (text, sizeof text, "%" PRIu64, value);
  return text;
}

static void
print_event (const Event *event)
{
  static const char *const kinds[]
      = { "--",       "load",  "store",      "add to",       "fence", "choose", "futex wait",
          "sleep on", "woken", "futex wake", "send to bell", "drain", "poll",   "done" };
  static const char *const orders[]
      = { "relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst" };
  const Op *op = &event->op;
  bool has_word = op->kind == OP_LOAD || op->kind == OP_STORE || op->kind == OP_ADD
                  || op->kind == OP_WAIT || op->kind == OP_ASLEEP || op->kind == OP_WAKE;
  const Word *word = &words[op->word];

  printf ("  %-9s ", thread_names[event->thread]);
  if (op->kind == OP_NONE)
    {
      printf ("-- %s\n", event->text);
      return;
    }
  printf ("%s", event->flush ? "  reaches memory:" : kinds[op->kind]);
  if (has_word)
    printf (" %s", word->name);
  if (op->kind == OP_LOAD || op->kind == OP_STORE || op->kind == OP_ADD)
    printf (" = %s", value_name (word, op->value));
  else if (op->kind == OP_CHOOSE)
    printf (" %" PRIu64, op->value);
  if (!event->flush
      && (op->kind == OP_LOAD || op->kind == OP_STORE || op->kind == OP_ADD
          || op->kind == OP_FENCE))
    printf (" (%s%s)", word->frame && has_word ? "frame, " : "", orders[op->order]);
  if (op->kind == OP_LOAD && event->age > 0)
    printf (" %u older than the newest", event->age);
  printf ("\n");
}

void
print_trace (void)
{
  for (unsigned i = 0; i < state.events; i++)
    print_event (&events[i]);
}
