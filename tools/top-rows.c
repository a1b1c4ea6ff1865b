/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "top-rows.h"

/* How much a number has grown by second. -1: not known, also where the producer does not say it. */
static double
grown (GVariant *before, GVariant *now, const char *key, double seconds)
{
  g_autoptr (GVariant) said = g_variant_lookup_value (now, key, NULL);
  guint64 then, value = lookup_number (now, key);

  if (before == NULL || said == NULL || seconds <= 0)
    return -1;
  then = lookup_number (before, key);
  return value > then ? (double) (value - then) / seconds : 0;
}

/* (transfer full) */
static GVariant *
find_consumer (GVariant *stats, guint64 id)
{
  g_autoptr (GVariant) consumers = NULL;
  GVariantIter iter;
  GVariant *consumer;

  if (stats != NULL)
    consumers = g_variant_lookup_value (stats, "consumers", G_VARIANT_TYPE ("aa{sv}"));
  if (consumers == NULL)
    return NULL;
  g_variant_iter_init (&iter, consumers);
  for (guint i = 0; i < POOL_VIEW_CONSUMERS_MAX; i++)
    {
      consumer = g_variant_iter_next_value (&iter);
      if (consumer == NULL)
        return NULL;
      if (lookup_number (consumer, "id") == id)
        return consumer;
      g_variant_unref (consumer);
    }
  return NULL;
}

static void
describe_consumer (const PoolView *view, GVariant *stats_before, GVariant *now, double seconds,
                   ConsumerRow *row)
{
  g_autoptr (GVariant) before = find_consumer (stats_before, lookup_number (now, "id"));

  *row = (ConsumerRow){
    .program = lookup_string (now, "program"),
    .delivery = lookup_string (now, "delivery"),
    .pid = lookup_number (now, "pid"),
    .leases = lookup_number (now, "leases"),
    .held = lookup_number (now, "held"),
    .lag = lookup_number (now, "lag"),
    .longest_hold_ns = lookup_number (now, "longest-hold-ns"),
    .holding_ns = pool_view_holding_ns (view, now),
    .p50_ns = (gint64) MIN (lookup_number (now, "latency-p50-ns"), G_MAXINT64),
    .p99_ns = (gint64) MIN (lookup_number (now, "latency-p99-ns"), G_MAXINT64),
    .fps = grown (before, now, "leased", seconds),
    .drops_per_s = grown (before, now, "drops", seconds),
  };
}

void
pool_row_init (PoolRow *row, const PoolView *view, GVariant *before, double seconds,
               const Meter *meter)
{
  g_autoptr (GVariant) latency = g_variant_lookup_value (view->stats, "latency", NULL);
  g_autoptr (GVariant) latency_before
      = before != NULL ? g_variant_lookup_value (before, "latency", NULL) : NULL;

  *row = (PoolRow){ .fps = grown (before, view->stats, "frames", seconds),
                    .drops_per_s = grown (before, view->stats, "dropped", seconds),
                    .memory = lookup_number (view->stats, "committed-bytes"),
                    .ended = pool_view_has_ended (view) };
  row->consumers = g_array_new (FALSE, FALSE, sizeof (ConsumerRow));
  meter_get_rates (meter, g_get_monotonic_time () * 1000, &row->rates);
  latency_between (latency_before, latency, &row->latency);
  for (guint i = 0; i < view->consumers->len; i++)
    {
      ConsumerRow consumer;

      describe_consumer (view, before, view->consumers->pdata[i], seconds, &consumer);
      row->worst_lag = MAX (row->worst_lag, consumer.lag);
      g_array_append_val (row->consumers, consumer);
    }
}

void
pool_row_finish (PoolRow *row)
{
  g_clear_pointer (&row->consumers, g_array_unref);
}
