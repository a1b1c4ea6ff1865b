/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include <json-glib/json-glib.h>

#include "cell.h"

#define QUANTILES 1000 /* more samples than this are thinned to 0/1000, 1/1000, ... 1000/1000 */

static int
compare (const void *a, const void *b)
{
  guint32 left = *(const guint32 *) a, right = *(const guint32 *) b;

  return (left > right) - (left < right);
}

static void
add_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_int_value (builder, value);
}

static void
add_double (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_double_value (builder, value);
}

static void
add_string (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

/* Sorts the samples. */
static void
add_samples (JsonBuilder *builder, const char *name, GArray *samples)
{
  guint32 *sample = (guint32 *) samples->data;
  guint n = MIN (samples->len, QUANTILES + 1);

  qsort (sample, samples->len, sizeof *sample, compare);
  json_builder_set_member_name (builder, name);
  json_builder_begin_array (builder);
  for (guint i = 0; i < n; i++)
    json_builder_add_int_value (builder,
                                sample[n > 1 ? (guint64) i * (samples->len - 1) / (n - 1) : 0]);
  json_builder_end_array (builder);
}

static void
add_cell (JsonBuilder *builder, const BenchCell *cell)
{
  add_string (builder, "way", cell->way->name);
  add_string (builder, "title", cell->way->title);
  add_string (builder, "format", cell->format);
  add_int (builder, "width", cell->width);
  add_int (builder, "height", cell->height);
  add_int (builder, "size", (gint64) cell->size);
  add_int (builder, "consumers", cell->n_consumers);
  add_int (builder, "slots", cell->slots);
  add_int (builder, "interval_ns", cell->interval_ns);
  add_int (builder, "jitter_ns", cell->jitter_ns);
  json_builder_set_member_name (builder, "touch");
  json_builder_add_boolean_value (builder, cell->touch);
}

static void
add_latency (JsonBuilder *builder, const BenchCell *cell, BenchShared *shared)
{
  g_autoptr (GArray) latency = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (GArray) publish = g_array_new (FALSE, FALSE, sizeof (guint32));
  guint64 missed = 0;

  for (guint64 frame = shared->first + 1; frame <= shared->last; frame++)
    {
      g_array_append_val (publish, shared->publish_ns[frame]);
      for (int i = 0; i < cell->n_consumers; i++)
        {
          guint32 ns = *bench_latency (shared, i, frame);

          if (ns)
            g_array_append_val (latency, ns);
          missed += !ns;
        }
    }
  add_int (builder, "missed", (gint64) missed);
  add_samples (builder, "latency_ns", latency);
  add_samples (builder, "publish_ns", publish);
}

/* The consumers' together, each divided by the frames that it was measured over; the mean of them. */
static double
mean (const BenchCell *cell, const BenchShared *shared, gsize offset)
{
  double sum = 0;

  for (int i = 0; i < cell->n_consumers; i++)
    {
      const BenchReport *report = &shared->consumers[i];

      if (report->frames)
        sum += (double) *(const guint64 *) ((const char *) report + offset)
               / (double) report->frames;
    }
  return sum / cell->n_consumers;
}

static void
add_costs (JsonBuilder *builder, const BenchCell *cell, BenchShared *shared)
{
  const BenchReport *producer = &shared->producer;
  double frames = (double) MAX (producer->frames, 1);
  guint64 torn = 0, pss = producer->pss_bytes;
  gint64 first_frame_ns = 0;

  for (int i = 0; i < cell->n_consumers; i++)
    {
      torn += shared->consumers[i].torn;
      pss += shared->consumers[i].pss_bytes;
      first_frame_ns = MAX (first_frame_ns, shared->consumers[i].first_frame_ns);
    }
  add_int (builder, "frames", (gint64) producer->frames);
  add_double (builder, "fps", frames * 1e9 / (double) MAX (shared->wall_ns, 1));
  add_int (builder, "wall_ns", shared->wall_ns);
  add_int (builder, "torn", (gint64) torn);
  add_double (builder, "cpu_producer_ns", (double) producer->cpu_ns / frames);
  add_double (builder, "cpu_consumer_ns",
              mean (cell, shared, G_STRUCT_OFFSET (BenchReport, cpu_ns)));
  add_double (builder, "cpu_daemon_ns", (double) shared->daemon_cpu_ns / frames);
  add_double (builder, "copied_producer", (double) producer->copied / frames);
  add_double (builder, "copied_consumer",
              mean (cell, shared, G_STRUCT_OFFSET (BenchReport, copied)));
  add_double (builder, "faults_producer", (double) producer->faults / frames);
  add_double (builder, "faults_consumer",
              mean (cell, shared, G_STRUCT_OFFSET (BenchReport, faults)));
  add_int (builder, "pss_bytes", (gint64) pss);
  add_int (builder, "committed_slots", (gint64) producer->committed_slots);
  add_int (builder, "slot_bytes", (gint64) producer->slot_bytes);
  add_int (builder, "shared_bytes", (gint64) producer->shared_bytes);
  add_int (builder, "first_frame_ns", first_frame_ns);
}

char *
bench_result (const BenchCell *cell, BenchShared *shared, const char *skipped, const char *error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;

  json_builder_begin_object (builder);
  add_cell (builder, cell);
  if (skipped)
    add_string (builder, "skipped", skipped);
  else if (error)
    add_string (builder, "error", error);
  else
    {
      add_latency (builder, cell, shared);
      add_costs (builder, cell, shared);
    }
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  return json_generator_to_data (generator, NULL);
}
