/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory with store buffers.
 *
 * `word` is what memory holds. A process that stores is a writer with a buffer of its own:
 * store() puts into it, and a process of its own, Drain, moves entries to memory, at any time.
 * Loads are plain reads of `word`, in program order; no writer loads a word that it stores, so
 * nothing is forwarded. A sequentially consistent fence waits until the buffer is empty.
 *
 *   -DSC     no buffer: interleavings only
 *   (none)   TSO, as on x86: the buffer is a queue
 *   -DWEAK   a relaxed store may also overtake earlier ones to other words; a release store
 *            overtakes none, and nothing overtakes a release fence: the store side of C11
 *
 * What loads may do out of order is shown by mutations that swap them by hand; the rest is left
 * to the C11 explorer.
 *
 * A model defines WORDS, WRITERS and DEPTH before it includes this file.
 */
#define RELAXED 0
#define RELEASE 1
#define FENCED 2 /* a release fence stands before this entry */

byte word[WORDS];

#ifdef SC
#define store(w, address, value, memory_order) word[address] = value
#define fence(w) skip
#define release_fence(w) skip
#define DRAINED true
inline run_drains () { skip }
#else

typedef Buffer
{
  byte length;
  bool fenced; /* a release fence stands before the next entry */
  byte where[DEPTH];
  byte what[DEPTH];
  byte order[DEPTH];
};

Buffer buffer[WRITERS];

inline store (w, address, value, memory_order)
{
  atomic
  {
    buffer[w].length < DEPTH;
    buffer[w].where[buffer[w].length] = address;
    buffer[w].what[buffer[w].length] = value;
    buffer[w].order[buffer[w].length] = (buffer[w].fenced -> FENCED : memory_order);
    buffer[w].fenced = false;
    buffer[w].length++
  }
}

#define fence(w) (buffer[w].length == 0)

inline release_fence (w)
{
  buffer[w].fenced = (buffer[w].length > 0)
}

/* Whether entry i may reach memory now. */
#define MAY_0(b) (b.length > 0)
#define MAY_1(b) (b.length > 1 && b.order[1] == RELAXED && b.where[1] != b.where[0])
#define MAY_2(b) (b.length > 2 && b.order[2] == RELAXED && b.order[1] != FENCED \
                  && b.where[2] != b.where[1] && b.where[2] != b.where[0])
#define MAY_3(b) (b.length > 3 && b.order[3] == RELAXED && b.order[2] != FENCED \
                  && b.order[1] != FENCED && b.where[3] != b.where[2] \
                  && b.where[3] != b.where[1] && b.where[3] != b.where[0])

inline leave (w, entry)
{
  word[buffer[w].where[entry]] = buffer[w].what[entry];
  at = entry;
  do
  :: at + 1 < buffer[w].length ->
     buffer[w].where[at] = buffer[w].where[at + 1];
     buffer[w].what[at] = buffer[w].what[at + 1];
     buffer[w].order[at] = buffer[w].order[at + 1];
     at++
  :: else -> break
  od;
  buffer[w].where[at] = 0;
  buffer[w].what[at] = 0;
  buffer[w].order[at] = 0;
  buffer[w].length--;
  at = 0
}

proctype Drain (byte w)
{
  byte at;

end:
  do
  :: d_step { MAY_0 (buffer[w]) -> leave (w, 0) }
#ifdef WEAK
  :: d_step { MAY_1 (buffer[w]) -> leave (w, 1) }
  :: d_step { MAY_2 (buffer[w]) -> leave (w, 2) }
#if DEPTH > 3
  :: d_step { MAY_3 (buffer[w]) -> leave (w, 3) }
#endif
#endif
  od
}

byte drain;

inline run_drains ()
{
  for (drain : 0 .. WRITERS - 1)
  {
    run Drain (drain)
  }
}
#endif

/* ---- what run.py looks for ---- */

/* A property's name is in the text of the assertion that fails. */
#define PROPERTY(name) hidden byte name
#define CHECK(name, condition) assert ((condition) || name)

/* A state that a trace must reach: `REACH=name pan` stops there. */
#ifdef REACHABILITY
c_decl {
  \#include <stdlib.h>
  \#include <string.h>
}
c_code {
  static int wanted (const char *name)
  {
    const char *state = getenv ("REACH");
    return state && strcmp (state, name) == 0;
  }
}
#define REACHED(name, condition) \
  if :: (condition) -> if :: c_expr { wanted (#name) } -> assert (false) :: else fi :: else fi
#else
#define REACHED(name, condition) skip
#endif
