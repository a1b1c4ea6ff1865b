/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What code compiled with -fsanitize=thread calls, in place of the sanitizer's runtime: every
 * atomic access and fence, with its order, and every plain access, which it makes itself just after
 * the call. Outside bodies (while a scenario is set up) accesses go to memory as they are.
 */

#include <stdio.h>
#include <string.h>

#include "model.h"

static struct
{
  const volatile uint64_t *address;
  unsigned word;
} plain; /* a plain store that the code is about to make; its value is there at the next call */

Word words[WORDS];
unsigned n_words;

static uintptr_t ignored[64];
static unsigned n_ignored;

static bool
is_ignored (const volatile void *address)
{
  for (unsigned i = 0; i < n_ignored; i++)
    if (ignored[i] == (uintptr_t) address)
      return true;
  return false;
}

void
explore_ignore (const void *word)
{
  if (is_ignored (word))
    return;
  if (n_ignored == sizeof ignored / sizeof ignored[0])
    limit ("ignored words");
  ignored[n_ignored++] = (uintptr_t) word;
}

static unsigned
add_word (const void *address)
{
  Word *word = &words[n_words];

  if (n_words == WORDS)
    limit ("words");
  *word = (Word){ .address = (uintptr_t) address };
  snprintf (word->name, sizeof word->name, "word%u", n_words++);
  if (running != NOBODY)
    search_again ();
  return n_words - 1;
}

static bool
look_up (const void *address, unsigned *number)
{
  for (*number = 0; *number < n_words; ++*number)
    if (words[*number].address == (uintptr_t) address)
      return true;
  return false;
}

unsigned
find_word (const void *address)
{
  unsigned number;

  return look_up (address, &number) ? number : add_word (address);
}

void
finish_plain_store (void)
{
  Op op = { .kind = OP_STORE, .size = 8, .word = (uint8_t) plain.word };

  if (plain.address == NULL)
    return;
  op.value = *plain.address;
  plain.address = NULL;
  submit (&op);
}

static uint64_t
access_word (Kind kind, const volatile void *address, unsigned size, uint64_t value, int order)
{
  volatile uint64_t *memory = (volatile uint64_t *) (uintptr_t) address;
  Op op = { .kind = kind, .size = (uint8_t) size, .order = (uint8_t) order, .value = value };

  finish_plain_store ();
  if (running != NOBODY && !is_ignored (address))
    {
      op.word = (uint8_t) find_word ((const void *) (uintptr_t) address);
      submit (&op);
      return op.value;
    }
  /* Little-endian, and zeroed behind a 4-byte word: 8 bytes do for both sizes. */
  value = kind == OP_ADD ? (uint32_t) *memory + value : value;
  op.value = size == 4 ? (uint32_t) *memory : *memory;
  if (kind != OP_LOAD && size == 4)
    *(volatile uint32_t *) memory = (uint32_t) value;
  else if (kind != OP_LOAD)
    *memory = value;
  return op.value;
}

#define ATOMIC(bits)                                                                              \
  uint##bits##_t __tsan_atomic##bits##_load (const volatile void *a, int order);                  \
  void __tsan_atomic##bits##_store (volatile void *a, uint##bits##_t v, int order);               \
  uint##bits##_t __tsan_atomic##bits##_fetch_add (volatile void *a, uint##bits##_t v,             \
                                                  int order);                                     \
                                                                                                  \
  uint##bits##_t __tsan_atomic##bits##_load (const volatile void *a, int order)                   \
  {                                                                                               \
    return (uint##bits##_t) access_word (OP_LOAD, a, bits / 8, 0, order);                         \
  }                                                                                               \
                                                                                                  \
  void __tsan_atomic##bits##_store (volatile void *a, uint##bits##_t v, int order)                \
  {                                                                                               \
    access_word (OP_STORE, a, bits / 8, v, order);                                                \
  }                                                                                               \
                                                                                                  \
  uint##bits##_t __tsan_atomic##bits##_fetch_add (volatile void *a, uint##bits##_t v,             \
                                                  int order)                                      \
  {                                                                                               \
    return (uint##bits##_t) access_word (OP_ADD, a, bits / 8, v, order);                          \
  }

ATOMIC (32)
ATOMIC (64)

void __tsan_atomic_thread_fence (int order);

void
__tsan_atomic_thread_fence (int order)
{
  Op op = { .kind = OP_FENCE, .order = (uint8_t) order };

  finish_plain_store ();
  if (running != NOBODY)
    submit (&op);
}

/* Plain accesses count where they are frame words; all else that is plain is private. */
static void
plain_access (const void *address, unsigned size, bool store)
{
  Op op = { .kind = OP_LOAD, .size = 8 };
  unsigned number;

  finish_plain_store ();
  if (running == NOBODY || !look_up (address, &number))
    return;
  if (!words[number].frame || size != 8)
    limit ("a plain access to a shared word that is no frame word:");
  if (store)
    {
      plain.address = (const volatile uint64_t *) address;
      plain.word = number;
      return;
    }
  op.word = (uint8_t) number;
  submit (&op);
  *(volatile uint64_t *) (uintptr_t) address = op.value; /* for the load that follows */
}

#define PLAIN(bytes)                                                                              \
  void __tsan_read##bytes (void *address);                                                        \
  void __tsan_write##bytes (void *address);                                                       \
  void __tsan_unaligned_read##bytes (void *address);                                              \
  void __tsan_unaligned_write##bytes (void *address);                                             \
                                                                                                  \
  void __tsan_read##bytes (void *address) { plain_access (address, bytes, false); }               \
  void __tsan_write##bytes (void *address) { plain_access (address, bytes, true); }               \
  void __tsan_unaligned_read##bytes (void *address) { plain_access (address, bytes, false); }     \
  void __tsan_unaligned_write##bytes (void *address) { plain_access (address, bytes, true); }

PLAIN (1)
PLAIN (2)
PLAIN (4)
PLAIN (8)
PLAIN (16)

void __tsan_init (void);
void __tsan_func_entry (void *caller);
void __tsan_func_exit (void *nothing); /* gcc's idea of it; no argument is passed */
void __tsan_read_range (void *address, unsigned long size);
void __tsan_write_range (void *address, unsigned long size);

void
__tsan_init (void)
{
}
void
__tsan_func_entry (void *caller)
{
  (void) caller;
}
void
__tsan_func_exit (void *nothing)
{
  (void) nothing;
}

/* Structs that are copied as a whole are private. */
void
__tsan_read_range (void *address, unsigned long size)
{
  (void) size;
  plain_access (address, 0, false);
}

void
__tsan_write_range (void *address, unsigned long size)
{
  (void) size;
  plain_access (address, 0, true);
}
