/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "metrics.h"

#include "pools.h"

/* A stopped producer must not make a scrape late. */
#define ASK_TIMEOUT_NS (G_GINT64_CONSTANT (1000) * 1000 * 1000)

/* Characters of a label. Who scrapes keeps each value for long, and peers make them up. */
#define LABEL_MAX 64
#define REASON_MAX 256 /* a sentence, and paths */

typedef enum
{
  UP,
  PROBLEM,
  FRAMES,
  DROPPED,
  LATEST,
  ENDED,
  EVICTIONS,
  WAITS,
  WAIT_SECONDS,
  WAKEUPS,
  COMMITTED,
  SLOTS,
  CONSUMERS,
  LATENCY,
  HELD,
  LEASES,
  LAG,
  DROPS,
  LONGEST_HOLD,
  N_FAMILIES
} FamilyId;

static const struct
{
  const char *name, *type, *help;
} families[N_FAMILIES] = {
  [UP] = { "shmframe_pool_up", "gauge", "1 where the producer answers; 0 where not." },
  [PROBLEM] = { "shmframe_pool_problem_info", "gauge", "1, with the reason, where none answers." },
  [FRAMES] = { "shmframe_pool_frames_total", "counter", "Frames published." },
  [DROPPED]
  = { "shmframe_pool_dropped_frames_total", "counter", "Frames that the producer itself dropped." },
  [LATEST] = { "shmframe_pool_latest_sequence", "gauge", "Sequence of the newest frame." },
  [ENDED] = { "shmframe_pool_ended", "gauge", "1 where the stream has ended; 0 where not." },
  [EVICTIONS] = { "shmframe_pool_evictions_total", "counter", "Consumers that were evicted." },
  [WAITS] = { "shmframe_pool_waits_total", "counter",
              "Times that publishing waited for a lossless consumer." },
  [WAIT_SECONDS] = { "shmframe_pool_wait_seconds_total", "counter",
                     "Time that publishing waited for lossless consumers." },
  [WAKEUPS] = { "shmframe_pool_wakeups_total", "counter", "Consumers that were woken." },
  [COMMITTED] = { "shmframe_pool_committed_bytes", "gauge", "Shared memory that is committed." },
  [SLOTS] = { "shmframe_pool_slots", "gauge", "Slots by state." },
  [CONSUMERS] = { "shmframe_pool_consumers", "gauge", "Consumers attached." },
  [LATENCY] = { "shmframe_pool_latency_seconds", "histogram",
                "From publication to lease, of all consumers so far; within 12.5%." },
  [HELD] = { "shmframe_consumer_held_frames", "gauge", "Frames that the consumer holds." },
  [LEASES] = { "shmframe_consumer_leases", "gauge", "Frames that the consumer may hold." },
  [LAG] = { "shmframe_consumer_lag_frames", "gauge",
            "Frames published that the consumer has not reached." },
  [DROPS] = { "shmframe_consumer_drops_total", "counter", "Frames that the consumer missed." },
  [LONGEST_HOLD] = { "shmframe_consumer_longest_hold_seconds", "gauge",
                     "The longest time that the consumer held a frame." },
};

/* Upper bounds in ns. */
static const guint64 bounds[]
    = { 5000,     10000,     20000,     50000,     100000,     200000,
        500000,   1000000,   2000000,   5000000,   10000000,   20000000,
        50000000, 100000000, 200000000, 500000000, 1000000000, 5000000000 };

typedef struct
{
  const char *suffix; /* static: of the family's name */
  char **labels;      /* name, value, name, value... */
  char *value;
} Sample;

typedef GPtrArray *Families[N_FAMILIES]; /* of Sample */

/* ---- samples ------------------------------------------------------------------------------- */

static void
sample_free (gpointer data)
{
  Sample *sample = data;

  g_strfreev (sample->labels);
  g_free (sample->value);
  g_free (sample);
}

/* With one more label where `name` is not NULL. */
static void
add (GPtrArray *family, const char *suffix, char **labels, const char *name, const char *text,
     char *value)
{
  Sample *sample = g_new0 (Sample, 1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  g_strv_builder_addv (builder, (const char **) labels);
  if (name != NULL)
    g_strv_builder_add_many (builder, name, text, NULL);
  sample->suffix = suffix;
  sample->labels = g_strv_builder_end (builder);
  sample->value = value;
  g_ptr_array_add (family, sample);
}

/* A peer's text as a label's value: valid, printable and not for ever. (transfer full) */
static char *
clean (const char *text, glong max)
{
  g_autofree char *valid = printable (text);

  return g_utf8_substring (valid, 0, MIN (g_utf8_strlen (valid, -1), max));
}

static char *
count (guint64 value)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT, value);
}

static char *
seconds (guint64 ns)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  return g_strdup (g_ascii_formatd (buffer, sizeof buffer, "%.9g", (double) ns / 1e9));
}

static void
add_slots (Families all, const PoolView *view, char **labels)
{
  static const char *const states[]
      = { "uncommitted", "free", "writing", "live", "live, pinned", "pinned", "retired" };

  for (gsize i = 0; i < G_N_ELEMENTS (states); i++)
    {
      guint n = 0;

      for (guint j = 0; j < view->slots->len; j++)
        {
          const SlotView *slot = &g_array_index (view->slots, SlotView, j);

          n += g_str_equal (slot_state_name (slot->state, slot->pinned), states[i]) ? 1 : 0;
        }
      add (all[SLOTS], "", labels, "state", states[i], count (n));
    }
}

/* The sum is of the upper bounds of the producer's buckets. */
static void
add_latency (GPtrArray *family, GVariant *stats, char **labels)
{
  g_autoptr (GVariant) latency
      = g_variant_lookup_value (stats, "latency", G_VARIANT_TYPE ("a(tt)"));
  guint64 at_most[G_N_ELEMENTS (bounds)] = { 0 }, total = 0, bound, n;
  double sum = 0;
  GVariantIter iter;

  if (latency == NULL)
    return;
  g_variant_iter_init (&iter, latency);
  while (g_variant_iter_next (&iter, "(tt)", &bound, &n))
    {
      for (gsize i = 0; i < G_N_ELEMENTS (bounds); i++)
        at_most[i] += bound <= bounds[i] ? n : 0;
      total += n;
      sum += (double) bound * (double) n;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (bounds); i++)
    {
      g_autofree char *le = seconds (bounds[i]);

      add (family, "_bucket", labels, "le", le, count (at_most[i]));
    }
  add (family, "_bucket", labels, "le", "+Inf", count (total));
  add (family, "_sum", labels, NULL, NULL, seconds ((guint64) MIN (sum, 1.8e19)));
  add (family, "_count", labels, NULL, NULL, count (total));
}

static void
add_consumer (Families all, GVariant *consumer, const char *pool)
{
  g_autofree char *id = count (lookup_number (consumer, "id"));
  g_autofree char *pid = count (lookup_number (consumer, "pid"));
  g_autofree char *program = clean (lookup_string (consumer, "program"), LABEL_MAX);
  g_autofree char *delivery = clean (lookup_string (consumer, "delivery"), LABEL_MAX);
  const char *labels[] = { "pool", pool, "consumer", id,       "program", program,
                           "pid",  pid,  "delivery", delivery, NULL };
  static const struct
  {
    FamilyId family;
    const char *key;
  } numbers[] = { { HELD, "held" }, { LEASES, "leases" }, { LAG, "lag" }, { DROPS, "drops" } };

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    add (all[numbers[i].family], "", (char **) labels, NULL, NULL,
         count (lookup_number (consumer, numbers[i].key)));
  add (all[LONGEST_HOLD], "", (char **) labels, NULL, NULL,
       seconds (lookup_number (consumer, "longest-hold-ns")));
}

/* Of two with the same number, or none, the first: each sample is there once. */
static void
add_consumers (Families all, const PoolView *view, const char *pool)
{
  g_autoptr (GHashTable) ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < view->consumers->len; i++)
    {
      GVariant *consumer = view->consumers->pdata[i];

      if (g_hash_table_add (ids, count (lookup_number (consumer, "id"))))
        add_consumer (all, consumer, pool);
    }
}

/* The reason is not a label of what others count on: its text varies. */
static void
add_problem (GPtrArray *family, const char *problem, const char *pool)
{
  g_autofree char *reason = clean (problem, REASON_MAX);
  const char *labels[] = { "pool", pool, "reason", reason, NULL };

  add (family, "", (char **) labels, NULL, NULL, count (1));
}

static void
add_pool (Families all, const PoolAnswer *answer, const char *pool)
{
  static const struct
  {
    FamilyId family;
    const char *key;
  } numbers[]
      = { { FRAMES, "frames" },        { DROPPED, "dropped" }, { EVICTIONS, "evictions" },
          { WAITS, "waits" },          { WAKEUPS, "rings" },   { COMMITTED, "committed-bytes" },
          { CONSUMERS, "n-consumers" } };
  g_autofree char *pid = count (shmframe_pool_info_get_pid (answer->info));
  g_autofree char *program = clean (shmframe_pool_info_get_program (answer->info), LABEL_MAX);
  char *labels[]
      = { (char *) "pool", (char *) pool, (char *) "program", program, (char *) "pid", pid, NULL };
  const PoolView *view = answer->view;

  add (all[UP], "", labels, NULL, NULL, count (view != NULL ? 1 : 0));
  if (view == NULL)
    {
      add_problem (all[PROBLEM], answer->problem, pool);
      return;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    add (all[numbers[i].family], "", labels, NULL, NULL,
         count (lookup_number (view->stats, numbers[i].key)));
  add (all[LATEST], "", labels, NULL, NULL, count (view->latest));
  add (all[ENDED], "", labels, NULL, NULL, count (pool_view_has_ended (view) ? 1 : 0));
  add (all[WAIT_SECONDS], "", labels, NULL, NULL, seconds (lookup_number (view->stats, "wait-ns")));
  add_slots (all, view, labels);
  add_latency (all[LATENCY], view->stats, labels);
  add_consumers (all, view, pool);
}

/* A name that an earlier folder has already is told by its path: each sample is there once. Compared as
 * they are printed. (transfer full) */
static char *
name_pool (GHashTable *names, const ShmFramePoolInfo *info)
{
  g_autofree char *path = clean (shmframe_pool_info_get_path (info), REASON_MAX);
  char *name = clean (shmframe_pool_info_get_name (info), REASON_MAX);

  for (guint n = 1; !g_hash_table_add (names, g_strdup (name)); n++)
    {
      g_free (name);
      name = n == 1 ? g_strdup (path) : g_strdup_printf ("%s (%u)", path, n);
    }
  return name;
}

static void
collect (Families all)
{
  g_autoptr (ShmFrameRegistry) registry = shmframe_registry_new ();
  g_autoptr (GPtrArray) pools = shmframe_registry_list (registry);
  g_autoptr (GPtrArray) answers = pools_ask (pools, ASK_TIMEOUT_NS);
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < N_FAMILIES; i++)
    all[i] = g_ptr_array_new_with_free_func (sample_free);
  for (guint i = 0; i < answers->len; i++)
    {
      const PoolAnswer *answer = answers->pdata[i];
      g_autofree char *name = name_pool (names, answer->info);

      add_pool (all, answer, name);
    }
}

/* ---- text ---------------------------------------------------------------------------------- */

/* Their values are clean: no line feeds. */
static void
append_labels (GString *text, char **labels)
{
  for (guint i = 0; labels[i] != NULL; i += 2)
    {
      g_string_append_printf (text, "%s%s=\"", i > 0 ? "," : "{", labels[i]);
      for (const char *c = labels[i + 1]; *c != '\0'; c++)
        {
          if (*c == '"' || *c == '\\')
            g_string_append_c (text, '\\');
          g_string_append_c (text, *c);
        }
      g_string_append_c (text, '"');
    }
  g_string_append_c (text, '}');
}

char *
metrics_collect_text (void)
{
  GString *text = g_string_new (NULL);
  Families all;

  collect (all);
  for (guint i = 0; i < N_FAMILIES; i++)
    {
      if (all[i]->len > 0)
        g_string_append_printf (text, "# HELP %s %s\n# TYPE %s %s\n", families[i].name,
                                families[i].help, families[i].name, families[i].type);
      for (guint j = 0; j < all[i]->len; j++)
        {
          const Sample *sample = all[i]->pdata[j];

          g_string_append_printf (text, "%s%s", families[i].name, sample->suffix);
          append_labels (text, sample->labels);
          g_string_append_printf (text, " %s\n", sample->value);
        }
      g_ptr_array_unref (all[i]);
    }
  return g_string_free (text, FALSE);
}

JsonBuilder *
metrics_collect_json (void)
{
  JsonBuilder *builder = json_builder_new ();
  Families all;

  collect (all);
  json_builder_begin_array (builder);
  for (guint i = 0; i < N_FAMILIES; i++)
    {
      for (guint j = 0; j < all[i]->len; j++)
        {
          const Sample *sample = all[i]->pdata[j];
          g_autofree char *name = g_strconcat (families[i].name, sample->suffix, NULL);

          json_builder_begin_object (builder);
          json_builder_set_member_name (builder, "name");
          json_builder_add_string_value (builder, name);
          json_builder_set_member_name (builder, "labels");
          json_builder_begin_object (builder);
          for (guint l = 0; sample->labels[l] != NULL; l += 2)
            {
              json_builder_set_member_name (builder, sample->labels[l]);
              json_builder_add_string_value (builder, sample->labels[l + 1]);
            }
          json_builder_end_object (builder);
          json_builder_set_member_name (builder, "value");
          json_builder_add_double_value (builder, g_ascii_strtod (sample->value, NULL));
          json_builder_end_object (builder);
        }
      g_ptr_array_unref (all[i]);
    }
  json_builder_end_array (builder);
  return builder;
}
