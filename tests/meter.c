/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../tools/meter.h"

#define MS G_GINT64_CONSTANT (1000000)
#define START_NS (1000 * 1000 * MS)

static gint64
add (Meter *meter, gint64 publish_ns, guint64 missed)
{
  const FrameSample sample = { .publish_ns = publish_ns, .missed = missed };

  meter_add (meter, &sample);
  return publish_ns;
}

static void
test_rates (void)
{
  Meter meter = { 0 };
  MeterRates rates;
  gint64 now_ns = START_NS;

  meter_get_rates (&meter, now_ns, &rates);
  g_assert_cmpfloat (rates.fps, ==, 0);
  add (&meter, now_ns, 0);
  meter_get_rates (&meter, now_ns, &rates);
  g_assert_cmpfloat (rates.fps, ==, 0);
  for (guint i = 1; i <= 1000; i++) /* round the ring; one in 50 is 10 ms late */
    now_ns = add (&meter, START_NS + i * 20 * MS + (i % 50 == 0) * 10 * MS, 0);
  meter_get_rates (&meter, now_ns, &rates);
  g_assert_cmpfloat_with_epsilon (rates.fps, 50, 0.5);
  g_assert_cmpint (rates.interval_p50_ns, ==, 20 * MS);
  g_assert_cmpint (rates.jitter_p50_ns, ==, 0);
  g_assert_cmpint (rates.jitter_p99_ns, ==, 10 * MS);

  /* Standing still. */
  meter_get_rates (&meter, now_ns + 1900 * MS, &rates);
  g_assert_cmpfloat (rates.fps, >, 0);
  meter_get_rates (&meter, now_ns + 2100 * MS, &rates);
  g_assert_cmpfloat (rates.fps, ==, 0);
  g_assert_cmpint (rates.interval_p50_ns, ==, 20 * MS);
}

static void
test_missed (void)
{
  Meter meter = { 0 };
  MeterRates rates;
  gint64 now_ns = START_NS;

  for (guint i = 0; i < 10; i++)
    now_ns = add (&meter, now_ns + 20 * MS, 0);
  now_ns = add (&meter, now_ns + 500 * MS, 24);
  meter_get_rates (&meter, now_ns, &rates);
  g_assert_cmpfloat (rates.fps, ==, 0);
  g_assert_cmpint (rates.interval_p50_ns, ==, 0);
  for (guint i = 0; i < 3; i++)
    now_ns = add (&meter, now_ns + 10 * MS, 0);
  meter_get_rates (&meter, now_ns, &rates);
  g_assert_cmpfloat_with_epsilon (rates.fps, 100, 0.01);
  g_assert_cmpint (rates.jitter_p99_ns, ==, 0);
  /* Intervals of 10, 20, 30 and 40 ms. */
  meter_reset (&meter);
  for (guint i = 0; i < 5; i++)
    now_ns = add (&meter, now_ns + i * 10 * MS, 0);
  meter_get_rates (&meter, now_ns, &rates);
  g_assert_cmpint (rates.interval_p50_ns, ==, 20 * MS);
  g_assert_cmpint (rates.jitter_p50_ns, ==, 10 * MS);
  g_assert_cmpint (rates.jitter_p99_ns, ==, 20 * MS);
  add (&meter, SHMFRAME_TIME_UNKNOWN, 0);
  add (&meter, G_MAXINT64, 0);
  meter_reset (&meter);
  meter_get_rates (&meter, now_ns, &rates);
  g_assert_cmpfloat (rates.fps, ==, 0);
}

static void
between (const char *before, const char *after, LatencyRates *rates)
{
  g_autoptr (GVariant) old = before != NULL ? g_variant_new_parsed (before) : NULL;
  g_autoptr (GVariant) new = after != NULL ? g_variant_new_parsed (after) : NULL;

  latency_between (old, new, rates);
}

static void
assert_rates (const LatencyRates *rates, guint64 count, gint64 p50_ns, gint64 p99_ns, gint64 max_ns)
{
  g_assert_cmpuint (rates->count, ==, count);
  g_assert_cmpint (rates->p50_ns, ==, p50_ns);
  g_assert_cmpint (rates->p99_ns, ==, p99_ns);
  g_assert_cmpint (rates->max_ns, ==, max_ns);
}

static void
test_latency (void)
{
  LatencyRates rates;

  between (NULL, NULL, &rates);
  assert_rates (&rates, 0, -1, -1, -1);
  between (NULL, "@a(tt) []", &rates);
  assert_rates (&rates, 0, -1, -1, -1);
  between (NULL, "[(uint64 10, uint64 98), (20, 1), (30, 1)]", &rates);
  assert_rates (&rates, 100, 10, 20, 30);
  between ("[(uint64 10, uint64 98), (20, 1)]", "[(uint64 10, uint64 98), (20, 3), (40, 1)]",
           &rates);
  assert_rates (&rates, 3, 20, 40, 40);
  between ("[(uint64 10, uint64 5)]", "[(uint64 10, uint64 5)]", &rates);
  assert_rates (&rates, 0, -1, -1, -1);
  /* A consumer went away, with its counts. */
  between ("[(uint64 10, uint64 90), (20, 5)]", "[(uint64 10, uint64 10), (20, 6)]", &rates);
  assert_rates (&rates, 1, 20, 20, 20);
}

static void
test_latency_hostile (void)
{
  LatencyRates rates;

  between ("'text'", "[uint32 1]", &rates);
  assert_rates (&rates, 0, -1, -1, -1);
  between (NULL, "[(uint64 30, uint64 1), (10, 8), (10, 1)]", &rates); /* in no order */
  assert_rates (&rates, 10, 10, 30, 30);
  between (NULL, "@a(tt) [(0xffffffffffffffff, 0xffffffffffffffff), (1, 0xffffffffffffffff)]",
           &rates);
  g_assert_cmpint (rates.p50_ns, ==, 1);
  g_assert_cmpint (rates.max_ns, ==, G_MAXINT64);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/meter/rates", test_rates);
  g_test_add_func ("/meter/missed", test_missed);
  g_test_add_func ("/meter/latency", test_latency);
  g_test_add_func ("/meter/latency-hostile", test_latency_hostile);
  return g_test_run ();
}
