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

/* With the lock held. Hazards are the consumer's own words: only those that name a frame count. */
static GVariant *
held_handles (ShmFramePool *pool, ShmFrameReader *reader, guint *n, guint *room)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("at"));

  *n = 0;
  for (guint i = 0; i <= reader->leases; i++)
    {
      guint64 handle = shmframe_slot_hazard (reader->control, i);

      if (handle == SHMFRAME_HANDLE_NONE
          || shmframe_handle_slot (handle) >= pool->slots->segment->layout.slot_count)
        continue;
      (*n)++;
      if (*room == 0)
        continue;
      g_variant_builder_add (&builder, "t", handle);
      (*room)--;
    }
  return g_variant_builder_end (&builder);
}

/* With the lock held. */
static void
report_latency (const ShmFramePool *pool, const ShmFrameReader *reader, GVariantDict *dict)
{
  ShmFrameHistogram latency = { 0 };

  shmframe_pool_add_latency (pool, reader, &latency);
  g_variant_dict_insert (dict, "latency-p50-ns", "t", shmframe_histogram_quantile (&latency, 0.5));
  g_variant_dict_insert (dict, "latency-p99-ns", "t", shmframe_histogram_quantile (&latency, 0.99));
  g_variant_dict_insert (dict, "latency-max-ns", "t", latency.max);
  g_variant_dict_insert (dict, "leased", "t", latency.count); /* each lease counts its latency */
}

/* With the lock held. *room: held handles that may still be listed. */
static GVariant *
report_reader (ShmFramePool *pool, ShmFrameReader *reader, guint *room)
{
  guint64 latest = shmframe_handle_sequence (pool->latest);
  guint64 consumed = CLAMP (shmframe_slot_consumed (reader->control), reader->consumed,
                            MAX (latest, reader->consumed));
  guint64 drops, longest_hold_ns;
  guint held;
  GVariant *handles = held_handles (pool, reader, &held, room);
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
  g_variant_dict_insert (&dict, "leases", "u", reader->leases);
  g_variant_dict_insert (&dict, "held", "u", held);
  g_variant_dict_insert_value (&dict, "held-handles", handles);
  g_variant_dict_insert (&dict, "consumed", "t", consumed);
  g_variant_dict_insert (&dict, "lag", "t", latest - MIN (latest, consumed));
  g_variant_dict_insert (&dict, "drops", "t", drops);
  g_variant_dict_insert (&dict, "longest-hold-ns", "t", longest_hold_ns);
  report_latency (pool, reader, &dict);
  return g_variant_dict_end (&dict);
}

GVariant *
shmframe_report_reader (ShmFramePool *pool, ShmFrameReader *reader)
{
  guint room = HANDLES_MAX;
  GVariant *report;

  g_mutex_lock (&pool->lock);
  report = report_reader (pool, reader, &room);
  g_mutex_unlock (&pool->lock);
  return report;
}

/* With the lock held, and a segment there. */
static void
report_slots (ShmFramePool *pool, GVariantDict *dict)
{
  const ShmFrameSlots *slots = pool->slots;
  const ShmFrameLayout *layout = &slots->segment->layout;
  g_autofree guint8 *states = g_malloc (layout->slot_count);
  g_autoptr (GVariant) format = shmframe_format_to_variant (pool->format);

  for (guint32 i = 0; i < layout->slot_count; i++)
    states[i] = (guint8) shmframe_slots_state (slots, i);
  g_variant_dict_insert (dict, "segment", "u", layout->segment);
  g_variant_dict_insert (dict, "committed-slots", "u", slots->n_committed);
  g_variant_dict_insert (dict, "committed-bytes", "t",
                         layout->slots_offset + slots->n_committed * layout->slot_stride);
  g_variant_dict_insert (dict, "slot-bytes", "t", layout->slot_stride);
  g_variant_dict_insert (dict, "held", "u", slots->n_held);
  g_variant_dict_insert (dict, "passes", "t", slots->pass);
  g_variant_dict_insert_value (
      dict, "slot-states",
      g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, states, layout->slot_count, 1));
  g_variant_dict_insert_value (dict, "format", format);
  g_variant_dict_insert (dict, "format-number", "u", pool->format_number);
}

static void
report_consumers (ShmFramePool *pool, GVariantDict *dict)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_auto (GVariantBuilder) latency = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(tt)"));
  ShmFrameHistogram sum = pool->latency_gone; /* or the counts fell when one leaves */
  guint room = HANDLES_MAX;

  for (guint i = 0; i < pool->consumers->len; i++)
    {
      ShmFrameReader *reader = g_ptr_array_index (pool->consumers, i);

      shmframe_pool_add_latency (pool, reader, &sum);
      if (i < CONSUMERS_MAX)
        g_variant_builder_add_value (&builder, report_reader (pool, reader, &room));
    }
  for (guint i = 0; i < SHMFRAME_LATENCY_BUCKETS; i++)
    if (sum.bucket[i] > 0)
      g_variant_builder_add (&latency, "(tt)", shmframe_histogram_bound (i), sum.bucket[i]);
  g_variant_dict_insert (dict, "n-consumers", "u", pool->consumers->len);
  g_variant_dict_insert_value (dict, "consumers", g_variant_builder_end (&builder));
  g_variant_dict_insert_value (dict, "latency", g_variant_builder_end (&latency));
}

GVariant *
shmframe_report_pool (ShmFramePool *pool, const char *path)
{
  g_autofree char *program = shmframe_report_program ();
  GVariantDict dict;

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
  if (pool->slots)
    report_slots (pool, &dict);
  g_variant_dict_insert (&dict, "latest", "t", shmframe_handle_sequence (pool->latest));
  g_variant_dict_insert (&dict, "frames", "t", pool->n_published);
  g_variant_dict_insert (&dict, "dropped", "t", pool->n_dropped);
  g_variant_dict_insert (&dict, "evictions", "t", pool->n_evictions);
  g_variant_dict_insert (&dict, "waits", "t", pool->n_waits);
  g_variant_dict_insert (&dict, "wait-ns", "t", pool->wait_ns);
  g_variant_dict_insert (&dict, "waiting", "b", pool->n_waiting > 0);
  g_variant_dict_insert (&dict, "rings", "t", pool->n_rung);
  g_variant_dict_insert (&dict, "promised", "u", pool->promised);
  g_variant_dict_insert (&dict, "live", "b", pool->live);
  g_variant_dict_insert (&dict, "ended", "b", pool->log.eos != NULL);
  report_consumers (pool, &dict);
  g_mutex_unlock (&pool->lock);
  return g_variant_dict_end (&dict);
}
