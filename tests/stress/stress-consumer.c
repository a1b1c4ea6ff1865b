/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A consumer: it leases and copies, holds, sleeps and comes back as chance wants, and trusts nothing. */

#include <stdlib.h>
#include <unistd.h>

#include "stress.h"

#define COMPLAINTS_MAX 3 /* of one process */

typedef enum
{
  GOOD,
  STALE,
  TORN,
  JUDGED, /* was wrong at the lease, and counted */
} Content;

typedef struct
{
  ShmFrameFrame *frame;
  Content content;
} Held;

typedef struct
{
  const Phase *phase;
  Row row;
  guint number;
  guint leases;
  Counts *counts;
  GRand *rand;
  guint complaints;
  /* of this object */
  ShmFrameConsumer *consumer;
  GArray *held;
  guint evictions;     /* EVICTED came */
  guint64 begin;       /* the sequence that it was admitted with */
  guint64 first, last; /* that it was given */
  guint64 given;
  guint64 revoked;
} Consumer;

static gboolean
one_in (Consumer *self, gint32 n)
{
  return g_rand_int_range (self->rand, 0, n) == 0;
}

static void
fail (const Consumer *self, const char *what)
{
  g_printerr ("consumer %u (%d): after frame %" G_GUINT64_FORMAT ": %s\n", self->number,
              (int) getpid (), self->last, what);
  exit (1);
}

static void
complain (Consumer *self, ShmFrameFrame *frame, const char *what)
{
  if (self->complaints++ >= COMPLAINTS_MAX)
    return;
  g_printerr ("consumer %u (%d): frame %" G_GUINT64_FORMAT " %s: slot %u, pts %" G_GINT64_FORMAT
              ", its first page has %" G_GUINT64_FORMAT "\n",
              self->number, (int) getpid (), shmframe_frame_get_sequence (frame), what,
              shmframe_frame_get_slot (frame), shmframe_frame_get_pts (frame),
              *(const guint64 *) shmframe_frame_get_data (frame));
}

/* ---- looking at frames ---- */

static Content
look (ShmFrameFrame *frame)
{
  guint64 sequence = shmframe_frame_get_sequence (frame);
  guint64 found
      = stress_sequence (shmframe_frame_get_data (frame), shmframe_frame_get_size (frame));

  if (found == 0)
    return TORN;
  return found == sequence && shmframe_frame_get_pts (frame) == (gint64) sequence ? GOOD : STALE;
}

/* The verdict says INTACT. */
static void
blame (Consumer *self, ShmFrameFrame *frame, Content content, const char *when)
{
  g_autofree char *what
      = g_strdup_printf ("is %s %s", content == TORN ? "torn" : "another's", when);

  complain (self, frame, what);
  self->counts->torn += content == TORN;
  self->counts->stale += content == STALE;
}

/* At the lease, or of a copy, which was judged by the library. */
static Content
look_first (Consumer *self, ShmFrameFrame *frame)
{
  Content content = look (frame);

  if (content == GOOD || shmframe_frame_get_verdict (frame) == SHMFRAME_VERDICT_REVOKED)
    return content;
  blame (self, frame, content, "at the lease");
  return JUDGED;
}

static void
release (Consumer *self, guint index)
{
  Held held = g_array_index (self->held, Held, index);
  Content content = MAX (held.content, look (held.frame));

  g_array_remove_index_fast (self->held, index);
  shmframe_frame_ref (held.frame);
  if (shmframe_consumer_release (self->consumer, held.frame) == SHMFRAME_VERDICT_REVOKED)
    {
      self->revoked++;
      self->counts->revoked++;
    }
  else if (content == GOOD)
    self->counts->checked++;
  else if (content != JUDGED)
    blame (self, held.frame, content, "at its release");
  shmframe_frame_unref (held.frame);
}

static void
release_to (Consumer *self, guint n)
{
  while (self->held->len > n)
    release (self, (guint) g_rand_int_range (self->rand, 0, (gint32) self->held->len));
}

/* ---- an object, and what it must account for ---- */

static void
open_object (Consumer *self)
{
  static const ShmFrameDelivery deliveries[]
      = { SHMFRAME_DELIVERY_LATEST, SHMFRAME_DELIVERY_ORDERED, SHMFRAME_DELIVERY_LOSSLESS,
          SHMFRAME_DELIVERY_LOSSLESS };
  /* About one that spins is enough for two cores. */
  gint32 roll = g_rand_int_range (self->rand, 0, (gint32) MAX (self->phase->consumers, 3));
  ShmFrameWait wait = roll == 0       ? SHMFRAME_WAIT_SPIN
                      : roll % 2 == 0 ? SHMFRAME_WAIT_PREDICT
                                      : SHMFRAME_WAIT_SLEEP;
  g_autoptr (GError) error = NULL;

  self->consumer
      = g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, &error, "pool", STRESS_POOL, "delivery",
                        deliveries[self->row], "leases", self->leases, "wait", wait, NULL);
  g_assert_no_error (error);
  self->evictions = 0;
  self->begin = self->first = self->last = self->given = self->revoked = 0;
  self->counts->objects++;
}

static guint64
stat_of (GVariant *stats, const char *key)
{
  guint64 value = 0;

  if (!g_variant_lookup (stats, key, "t", &value))
    g_error ("the statistics have no %s", key);
  return value;
}

/* Every sequence from the admission to `end` was given, or counted as passed over, or was revoked while
 * it was copied. */
static void
account (Consumer *self, guint64 end)
{
  g_autoptr (GVariant) stats = shmframe_consumer_get_stats (self->consumer);
  Counts *counts = self->counts;
  guint64 passed = stat_of (stats, "drops") + stat_of (stats, "skipped");
  guint64 copies_revoked = stat_of (stats, "revoked") - self->revoked;
  guint64 dropped = 0, accounted, span;
  guint held;

  /* Latest and ordered may begin with the frame that was there, and do not miss it. The first object
   * is attached before the first frame. */
  if (counts->objects > 1 && self->row < ROW_LOSSLESS && self->first != self->begin)
    self->begin++;
  span = end + 1 - MIN (self->begin, end + 1);
  for (guint64 sequence = self->begin; sequence <= end; sequence++)
    dropped += stress_is_dropped (self->phase->seed, sequence);

  accounted = self->given + passed;
  if (accounted < span && self->evictions > 0)
    {
      copies_revoked = MIN (copies_revoked, span - accounted);
      accounted += copies_revoked;
      counts->revoked += copies_revoked;
    }
  if (accounted != span || stat_of (stats, "frames") != self->given)
    g_printerr ("consumer %u (%d): %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                ": given %" G_GUINT64_FORMAT " (it counts %" G_GUINT64_FORMAT
                "), passed over %" G_GUINT64_FORMAT "\n",
                self->number, (int) getpid (), self->begin, end, self->given,
                stat_of (stats, "frames"), passed);
  counts->uncounted += accounted > span ? accounted - span : span - accounted;
  counts->uncounted += stat_of (stats, "frames") != self->given;
  counts->published += span - dropped;
  counts->overtaken += passed - MIN (dropped, passed);
  counts->unexplained += self->evictions ? 0 : self->revoked;
  counts->evictions += self->evictions;
  if (g_variant_lookup (stats, "held", "u", &held))
    counts->leaked += held;
}

static void
close_object (Consumer *self, guint64 end)
{
  release_to (self, 0);
  account (self, end);
  shmframe_consumer_close (self->consumer);
  g_clear_object (&self->consumer);
}

/* ---- a step ---- */

static void
on_event (Consumer *self, ShmFrameEvent *event)
{
  switch (shmframe_event_get_event_type (event))
    {
    case SHMFRAME_EVENT_ATTACHED:
      if (self->begin)
        break; /* after an eviction */
      self->begin = shmframe_event_get_sequence (event);
      if (self->counts->objects == 1 && self->begin != 1)
        fail (self, "admitted before the first frame, but not with it");
      if (self->counts->objects == 1)
        g_assert_cmpint (write (self->phase->attached[1], "", 1), ==, 1);
      break;
    case SHMFRAME_EVENT_EVICTED:
      self->evictions++;
      break;
    case SHMFRAME_EVENT_LOST:
      fail (self, g_variant_get_string (shmframe_event_get_value (event), NULL));
      break;
    case SHMFRAME_EVENT_EVENTS_LOST:
      /* To a consumer that was stopped; formats and `done` are sticky. */
    case SHMFRAME_EVENT_NAMED:
    case SHMFRAME_EVENT_FORMAT:
    case SHMFRAME_EVENT_EOS:
      break;
    }
}

static void
on_frame (Consumer *self, ShmFrameFrame *frame)
{
  guint64 sequence = shmframe_frame_get_sequence (frame);
  Held held = { frame, look_first (self, frame) };

  if (sequence <= self->last)
    {
      complain (self, frame, "is not newer than the one before");
      self->counts->stale++;
    }
  if (self->given++ == 0)
    self->first = sequence;
  self->last = sequence;
  if (!shmframe_frame_is_copy (frame))
    {
      g_array_append_val (self->held, held);
      return;
    }
  self->counts->checked += held.content == GOOD;
  shmframe_frame_unref (frame);
}

/* Takes a frame or an event. TRUE: a frame. */
static gboolean
take (Consumer *self, ShmFrameEvent **event)
{
  g_autoptr (GError) error = NULL;
  gint64 limit = STRESS_WATCHDOG_S * G_GINT64_CONSTANT (1000000000);
  ShmFrameFrame *frame;

  *event = NULL;
  if (self->held->len == self->leases || one_in (self, 16))
    frame = shmframe_consumer_copy (self->consumer, limit, event, &error);
  else
    frame = shmframe_consumer_lease (self->consumer, limit, event, &error);
  if (frame)
    on_frame (self, frame);
  else if (*event)
    on_event (self, *event);
  /* The one before is still leaving: it asks again. */
  else if (!g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_REFUSED))
    fail (self, error->message);
  return frame != NULL;
}

static void
dawdle (Consumer *self)
{
  static const gint32 one_of[N_ROWS] = { 64, 64, 512, 16 };
  static const gint32 longest_us[N_ROWS] = { 1000, 1000, 300, 2000 };

  if (one_in (self, one_of[self->row]))
    g_usleep ((gulong) g_rand_int_range (self->rand, 0, longest_us[self->row]));
  else if (one_in (self, 16))
    g_thread_yield ();
}

/* EVICTED is yet to come: behind `done`, or it was not even sent when a frame was revoked. Elsewhere
 * only segments that are over see evictions: none revokes. */
static gboolean
expects_eviction (Consumer *self)
{
  g_autoptr (GVariant) stats = shmframe_consumer_get_stats (self->consumer);

  release_to (self, 0);
  return stat_of (stats, "evictions") > self->evictions
         || (self->phase->live && self->revoked > 0 && self->evictions == 0);
}

/* With the frame that it was just given, all before it is accounted for. */
static void
come_again (Consumer *self)
{
  close_object (self, self->last);
  open_object (self);
}

/* Until `done`, which each object is told, and again after an eviction. */
static void
run (Consumer *self)
{
  gboolean done = FALSE;

  while (!done || expects_eviction (self))
    {
      g_autoptr (ShmFrameEvent) event = NULL;

      if (take (self, &event))
        {
          dawdle (self);
          release_to (self, (guint) g_rand_int_range (self->rand, 0, (gint32) self->leases + 1));
          if ((self->evictions > 0 || one_in (self, 4000)) && !expects_eviction (self))
            come_again (self);
        }
      else if (event && shmframe_event_get_event_type (event) == SHMFRAME_EVENT_NAMED)
        done = TRUE;
      else if (event && shmframe_event_get_event_type (event) == SHMFRAME_EVENT_EVICTED)
        done = FALSE;
    }
}

int
stress_consume (const Phase *phase, Row row, guint number, Counts *counts)
{
  Consumer self = { .phase = phase, .row = row, .number = number, .counts = counts };
  char byte = 0;

  self.rand = g_rand_new_with_seed (phase->seed + 1 + number);
  self.leases = 1 + number % 3;
  self.held = g_array_new (FALSE, FALSE, sizeof (Held));
  open_object (&self);
  run (&self);
  release_to (&self, 0);
  g_assert_cmpint (write (phase->attached[1], &byte, 1), ==, 1);
  g_assert_cmpint (read (phase->leave[0], &byte, 1), ==, 0);
  close_object (&self, phase->last);
  g_array_unref (self.held);
  g_rand_free (self.rand);
  return 0;
}
