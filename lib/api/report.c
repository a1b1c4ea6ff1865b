/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h> /* program_invocation_short_name */
#include <unistd.h>

#include "api/report.h"
#include "base/histogram.h"

/* A report is one message to an observer (SHMFRAME_MESSAGE_MAX): with these limits, 16 KiB of caps and
 * the most slots it is below 125 KiB. */
#define CONSUMERS_MAX 128
#define HANDLES_MAX 2048
#define PROGRAM_MAX 64 /* bytes: a consumer gives its name itself */

const char *
shmframe_report_delivery (ShmFrameDelivery delivery)
{
  static const char *const names[] = { "latest", "ordered", "lossless" };

  return (guint) delivery < G_N_ELEMENTS (names) ? names[delivery] : "?";
}

const char *
shmframe_report_wait (ShmFrameWait wait)
{
  static const char *const names[] = { "sleep", "spin", "predict" };

  return (guint) wait < G_N_ELEMENTS (names) ? names[wait] : "?";
}

char *
shmframe_report_program (void)
{
  const char *program = g_get_prgname ();

  return g_path_get_basename (program ? program : program_invocation_short_name);
}

/* ---- a consumer ---------------------------------------------------------------------------- */

/* What is the pool's of a consumer, taken with the lock held; the rest of a report is made without, so
 * that publishing does not wait for it. The consumer's page stays mapped while there is a reference. */
typedef struct
{
  ShmFrameReader *reader; /* a reference */
  guint64 latest, consumed;
  guint64 frames; /* published since it came */
  guint leases;
  guint32 slots; /* of the segment */
} Look;

static void
look_clear (gpointer data)
{
  shmframe_reader_unref (((Look *) data)->reader);
}

/* With the lock held. */
static Look
look_at (const ShmFramePool *pool, ShmFrameReader *reader)
{
  return (Look){ .reader = shmframe_reader_ref (reader),
                 .latest = shmframe_handle_sequence (pool->latest),
                 .consumed = reader->consumed,
                 .frames = pool->n_published - reader->n_before,
                 .leases = reader->leases,
                 .slots = pool->slots ? pool->slots->segment->layout.slot_count : 0 };
}

/* Hazards are the consumer's own words: only those that name a frame count. */
static GVariant *
held_handles (const Look *look, guint *n, guint *room)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("at"));

  *n = 0;
  for (guint i = 0; i <= look->leases; i++)
    {
      guint64 handle = shmframe_slot_hazard (look->reader->control, i);

      if (handle == SHMFRAME_HANDLE_NONE || shmframe_handle_slot (handle) >= look->slots)
        continue;
      (*n)++;
      if (*room == 0)
        continue;
      g_variant_builder_add (&builder, "t", handle);
      (*room)--;
    }
  return g_variant_builder_end (&builder);
}

static void
report_latency (const Look *look, GVariantDict *dict)
{
  ShmFrameHistogram latency = { 0 };

  shmframe_reader_add_latency (look->reader, look->frames, &latency);
  g_variant_dict_insert (dict, "latency-p50-ns", "t", shmframe_histogram_quantile (&latency, 0.5));
  g_variant_dict_insert (dict, "latency-p99-ns", "t", shmframe_histogram_quantile (&latency, 0.99));
  g_variant_dict_insert (dict, "latency-max-ns", "t", latency.max);
  g_variant_dict_insert (dict, "leased", "t", latency.count); /* each lease counts its latency */
}

/* *room: held handles that may still be listed. */
static GVariant *
report_reader (const Look *look, guint *room)
{
  const ShmFrameReader *reader = look->reader;
  guint64 consumed = CLAMP (shmframe_slot_consumed (reader->control), look->consumed,
                            MAX (look->latest, look->consumed));
  guint64 drops, longest_hold_ns;
  guint held;
  GVariant *handles = held_handles (look, &held, room);
  g_autofree char *cut = g_strndup (reader->program ? reader->program : "?", PROGRAM_MAX);
  g_autofree char *program = g_utf8_make_valid (cut, -1);
  GVariantDict dict;

  shmframe_slot_read_report (reader->control, &drops, &longest_hold_ns);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "u", reader->id);
  g_variant_dict_insert (&dict, "pid", "u", reader->pid);
  g_variant_dict_insert (&dict, "uid", "u", reader->uid);
  g_variant_dict_insert (&dict, "program", "s", program);
  g_variant_dict_insert (&dict, "role", "s", "consumer");
  g_variant_dict_insert (&dict, "delivery", "s", shmframe_report_delivery (reader->admitted_as));
  g_variant_dict_insert (&dict, "wait", "s", shmframe_report_wait (reader->wait));
  g_variant_dict_insert (&dict, "leases", "u", look->leases);
  g_variant_dict_insert (&dict, "held", "u", held);
  g_variant_dict_insert_value (&dict, "held-handles", handles);
  g_variant_dict_insert (&dict, "consumed", "t", consumed);
  g_variant_dict_insert (&dict, "lag", "t", look->latest - MIN (look->latest, consumed));
  g_variant_dict_insert (&dict, "drops", "t", drops);
  g_variant_dict_insert (&dict, "longest-hold-ns", "t", longest_hold_ns);
  report_latency (look, &dict);
  return g_variant_dict_end (&dict);
}

GVariant *
shmframe_report_reader (ShmFramePool *pool, ShmFrameReader *reader)
{
  guint room = HANDLES_MAX;
  GVariant *report;
  Look look;

  g_mutex_lock (&pool->lock);
  look = look_at (pool, reader);
  g_mutex_unlock (&pool->lock);
  report = report_reader (&look, &room);
  look_clear (&look);
  return report;
}

/* ---- the pool ------------------------------------------------------------------------------ */

/* What is taken of a pool with the lock held, all of one moment. */
typedef struct
{
  guint64 latest, frames, dropped, evictions, waits, wait_ns, rings;
  guint promised;
  gboolean waiting, live, ended;
  GArray *looks;             /* of Look: one a consumer */
  ShmFrameHistogram latency; /* of those who have left */

  /* Once there is a segment. */
  ShmFrameFormat *format; /* a reference; NULL: there is none */
  ShmFrameLayout layout;
  guint format_number, committed, held;
  guint64 passes;
  guint8 *states; /* one a slot */
} Moment;

static void
moment_clear (Moment *self)
{
  g_array_unref (self->looks);
  g_clear_pointer (&self->format, shmframe_format_unref);
  g_free (self->states);
}

/* With the lock held, and a segment there. */
static void
take_slots (const ShmFramePool *pool, Moment *moment)
{
  const ShmFrameSlots *slots = pool->slots;

  moment->format = shmframe_format_ref (pool->format);
  moment->format_number = pool->format_number;
  moment->layout = slots->segment->layout;
  moment->committed = slots->n_committed;
  moment->held = slots->n_held;
  moment->passes = slots->pass;
  moment->states = g_malloc (moment->layout.slot_count);
  for (guint32 i = 0; i < moment->layout.slot_count; i++)
    moment->states[i] = (guint8) shmframe_slots_state (slots, i);
}

/* With the lock held, for which publishing waits. */
static void
take (const ShmFramePool *pool, Moment *moment)
{
  moment->latest = shmframe_handle_sequence (pool->latest);
  moment->frames = pool->n_published;
  moment->dropped = pool->n_dropped;
  moment->evictions = pool->n_evictions;
  moment->waits = pool->n_waits;
  moment->wait_ns = pool->wait_ns;
  moment->waiting = pool->n_waiting > 0 || pool->n_settling > 0;
  moment->rings = pool->n_rung;
  moment->promised = pool->promised;
  moment->live = pool->live;
  moment->ended = pool->log.eos != NULL;
  moment->latency = pool->latency_gone; /* or the counts fell when one leaves */
  for (guint i = 0; i < pool->consumers->len; i++)
    {
      Look look = look_at (pool, g_ptr_array_index (pool->consumers, i));

      g_array_append_val (moment->looks, look);
    }
  if (pool->slots)
    take_slots (pool, moment);
}

static void
report_slots (const Moment *moment, GVariantDict *dict)
{
  const ShmFrameLayout *layout = &moment->layout;
  g_autoptr (GVariant) format = shmframe_format_to_variant (moment->format);

  g_variant_dict_insert (dict, "segment", "u", layout->segment);
  g_variant_dict_insert (dict, "committed-slots", "u", moment->committed);
  g_variant_dict_insert (dict, "committed-bytes", "t",
                         layout->slots_offset + moment->committed * layout->slot_stride);
  g_variant_dict_insert (dict, "slot-bytes", "t", layout->slot_stride);
  g_variant_dict_insert (dict, "held", "u", moment->held);
  g_variant_dict_insert (dict, "passes", "t", moment->passes);
  g_variant_dict_insert_value (
      dict, "slot-states",
      g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, moment->states, layout->slot_count, 1));
  g_variant_dict_insert_value (dict, "format", format);
  g_variant_dict_insert (dict, "format-number", "u", moment->format_number);
}

static void
report_numbers (const Moment *moment, GVariantDict *dict)
{
  g_variant_dict_insert (dict, "latest", "t", moment->latest);
  g_variant_dict_insert (dict, "frames", "t", moment->frames);
  g_variant_dict_insert (dict, "dropped", "t", moment->dropped);
  g_variant_dict_insert (dict, "evictions", "t", moment->evictions);
  g_variant_dict_insert (dict, "waits", "t", moment->waits);
  g_variant_dict_insert (dict, "wait-ns", "t", moment->wait_ns);
  g_variant_dict_insert (dict, "waiting", "b", moment->waiting);
  g_variant_dict_insert (dict, "rings", "t", moment->rings);
  g_variant_dict_insert (dict, "promised", "u", moment->promised);
  g_variant_dict_insert (dict, "live", "b", moment->live);
  g_variant_dict_insert (dict, "ended", "b", moment->ended);
}

static void
report_consumers (Moment *moment, GVariantDict *dict)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_auto (GVariantBuilder) buckets = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(tt)"));
  guint room = HANDLES_MAX;

  for (guint i = 0; i < moment->looks->len; i++)
    {
      const Look *look = &g_array_index (moment->looks, Look, i);

      shmframe_reader_add_latency (look->reader, look->frames, &moment->latency);
      if (i < CONSUMERS_MAX)
        g_variant_builder_add_value (&builder, report_reader (look, &room));
    }
  for (guint i = 0; i < SHMFRAME_LATENCY_BUCKETS; i++)
    if (moment->latency.bucket[i] > 0)
      g_variant_builder_add (&buckets, "(tt)", shmframe_histogram_bound (i),
                             moment->latency.bucket[i]);
  g_variant_dict_insert (dict, "n-consumers", "u", moment->looks->len);
  g_variant_dict_insert_value (dict, "consumers", g_variant_builder_end (&builder));
  g_variant_dict_insert_value (dict, "latency", g_variant_builder_end (&buckets));
}

GVariant *
shmframe_report_pool (ShmFramePool *pool, const char *path)
{
  g_autofree char *program = shmframe_report_program ();
  Moment moment = { .looks = g_array_new (FALSE, FALSE, sizeof (Look)) };
  GVariantDict dict;

  g_array_set_clear_func (moment.looks, look_clear);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "pool", "s", pool->name);
  g_variant_dict_insert (&dict, "path", "s", path);
  g_variant_dict_insert (&dict, "pid", "u", (guint) getpid ());
  g_variant_dict_insert (&dict, "program", "s", program);
  g_variant_dict_insert (&dict, "epoch", "t", pool->epoch);
  g_variant_dict_insert (&dict, "slots", "u", pool->rule.slots);
  g_variant_dict_insert (&dict, "history", "u", pool->rule.history);
  g_variant_dict_insert (&dict, "window", "u", pool->rule.window);
  g_variant_dict_insert (&dict, "in-flight", "u", pool->rule.in_flight);

  g_mutex_lock (&pool->lock);
  take (pool, &moment);
  g_mutex_unlock (&pool->lock);
  report_numbers (&moment, &dict);
  if (moment.format)
    report_slots (&moment, &dict);
  report_consumers (&moment, &dict);
  moment_clear (&moment);
  return g_variant_dict_end (&dict);
}
