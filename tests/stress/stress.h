/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the processes of the stress test share: what a frame looks like, which sequences the producer
 * drops, and where each consumer counts.
 */

#include <glib.h>
#include <shmframe/shmframe.h>
#include <string.h>

#define STRESS_POOL "stress"
#define STRESS_PAGE 4096
#define STRESS_WORDS (STRESS_PAGE / sizeof (guint64))
#define STRESS_MIN_KIB 16
#define STRESS_MAX_KIB 64
#define STRESS_IN_FLIGHT 4
#define STRESS_WINDOW 3
/* Longer without a frame is stuck. */
#define STRESS_WATCHDOG_S 60

/* The deliveries, and lossless consumers of a live producer, which evicts them. */
typedef enum
{
  ROW_LATEST,
  ROW_ORDERED,
  ROW_LOSSLESS,
  ROW_EVICTED,
  N_ROWS
} Row;

typedef struct
{
  guint64 published; /* frames that went out while it was attached */
  guint64 checked;   /* intact, each page right at the lease and at its end */
  guint64 overtaken; /* passed over, and counted by the library */
  guint64 revoked;   /* verdict REVOKED */
  guint64 torn;      /* INTACT, but pages of several frames, or with a wrong checksum */
  guint64 stale; /* INTACT, but another frame's pages or pts; or not newer than the one before */
  guint64 uncounted;   /* sequences that nobody accounts for, or twice */
  guint64 unexplained; /* revoked, but not evicted */
  guint64 leaked;      /* leases of a consumer that holds no frame */
  guint64 evictions;
  guint64 objects;
} Counts;

typedef struct
{
  guint consumers;
  gboolean live; /* lossless consumers are evicted */
  guint32 seed;
  guint64 last; /* the sequence of the last frame */
  /* Pipes. */
  int ready[2]; /* a byte: the producer can be attached to */
  int attached
      [2];       /* a byte of each consumer that is attached the first time, and when it is done */
  int leave[2];  /* its end: consumers may go */
  int finish[2]; /* its end: the consumers are gone */
} Phase;

/* Both run in a process of their own, and return its exit code. */
int stress_produce (const Phase *phase, guint64 *leaked);
int stress_consume (const Phase *phase, Row row, guint number, Counts *counts);

/* Whether the producer drops this sequence: single ones, and 40 in a row, which is more than the
 * history ring of a small pool has. */
static inline gboolean
stress_is_dropped (guint32 seed, guint64 sequence)
{
  guint64 one = (sequence + seed) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  guint64 block = (sequence / 40 + seed) * G_GUINT64_CONSTANT (0xd1342543de82ef95);

  return sequence > 1 && (one >> 58 == 0 || block >> 56 == 0);
}

/* ---- pages: sequence, place, words that differ from frame to frame, and their sum --------------- */

static inline guint64
stress_place (gsize size, gsize page)
{
  return (guint64) size << 32 | page;
}

static inline guint64
stress_sum (const guint64 *words)
{
  guint64 sum = 0;

  for (gsize i = 0; i < STRESS_WORDS - 1; i++)
    sum += words[i];
  return sum;
}

static inline void
stress_fill (gpointer data, gsize size, guint64 sequence)
{
  for (gsize page = 0; page < size / STRESS_PAGE; page++)
    {
      guint64 *words = (guint64 *) data + page * STRESS_WORDS;

      words[0] = sequence;
      words[1] = stress_place (size, page);
      for (gsize i = 2; i < STRESS_WORDS - 1; i++)
        words[i] = sequence * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15) + i;
      words[STRESS_WORDS - 1] = stress_sum (words);
    }
}

/* The sequence that all pages carry; 0 where they differ or are damaged. */
static inline guint64
stress_sequence (gconstpointer data, gsize size)
{
  guint64 sequence = *(const guint64 *) data;

  for (gsize page = 0; page < size / STRESS_PAGE; page++)
    {
      const guint64 *words = (const guint64 *) data + page * STRESS_WORDS;

      if (words[0] != sequence || words[1] != stress_place (size, page)
          || words[STRESS_WORDS - 1] != stress_sum (words))
        return 0;
    }
  return sequence;
}
