/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <stdio.h>

#include "json.h"
#include "pool-watch.h"
#include "screen.h"
#include "top-rows.h"

#define STATS_MAX_NS (G_GINT64_CONSTANT (250) * 1000 * 1000)

/* A pool and its watch, which writes what `lock` guards. */
typedef struct
{
  char *name;
  ShmFramePoolInfo *info;
  PoolWatch *watch;

  GMutex lock;
  char *problem;
  Meter meter;
  PoolView *view; /* what the producer said last; NULL: nothing yet */
  gint64 view_ns;
  GVariant *before; /* and when a table was shown last */
  gint64 before_ns;
} Entry;

typedef struct
{
  GMainLoop *loop;
  Screen *screen;
  GPtrArray *entries; /* of Entry, by name */
  double interval_s;
  gint count; /* tables still to come; 0: without end */
  gboolean json;
} Top;

/* With the lock held. The next table tells what happened since this one. */
static void
remember (Entry *entry)
{
  g_clear_pointer (&entry->before, g_variant_unref);
  if (entry->view == NULL)
    return;
  entry->before = g_variant_ref (entry->view->stats);
  entry->before_ns = entry->view_ns;
}

/* ---- what a pool's watch says, on its thread ----------------------------------------------- */

static void
hear_state (PoolWatch *watch, const char *reason, gpointer data)
{
  Entry *entry = data;

  g_mutex_lock (&entry->lock);
  g_free (entry->problem);
  entry->problem = g_strdup (reason);
  g_clear_pointer (&entry->view, pool_view_free);
  g_clear_pointer (&entry->before, g_variant_unref);
  meter_reset (&entry->meter);
  g_mutex_unlock (&entry->lock);
}

static void
hear_view (PoolWatch *watch, PoolView *view, gpointer data)
{
  Entry *entry = data;

  g_mutex_lock (&entry->lock);
  pool_view_free (entry->view);
  entry->view = view;
  entry->view_ns = g_get_monotonic_time () * 1000;
  if (entry->before == NULL)
    remember (entry);
  g_mutex_unlock (&entry->lock);
}

static void
hear_frame (PoolWatch *watch, const FrameSample *sample, ShmFrameFrame *frame, gpointer data)
{
  Entry *entry = data;

  g_mutex_lock (&entry->lock);
  meter_add (&entry->meter, sample);
  g_mutex_unlock (&entry->lock);
}

/* With the lock held, and a view there. */
static void
describe_pool (const Entry *entry, PoolRow *row)
{
  pool_row_init (row, entry->view, entry->before,
                 (double) (entry->view_ns - entry->before_ns) / 1e9, &entry->meter);
}

/* ---- the table ----------------------------------------------------------------------------- */

static void
add_rate (Table *table, double rate)
{
  table_add (table, rate < 0 ? g_strdup ("-") : g_strdup_printf ("%.1f", rate));
}

static void
add_count (Table *table, guint64 count)
{
  table_add (table, g_strdup_printf ("%" G_GUINT64_FORMAT, count));
}

static void
add_nothing (Table *table, guint cells)
{
  for (guint i = 0; i < cells; i++)
    table_add (table, g_strdup ("-"));
}

static void
add_consumer_row (Table *table, const ConsumerRow *row)
{
  g_autofree char *program = printable (row->program);
  g_autofree char *delivery = printable (row->delivery);
  g_autofree char *hold = human_hold (row->longest_hold_ns, row->holding_ns);

  table_add (table, g_strdup_printf ("  %s", program));
  add_count (table, row->pid);
  add_rate (table, row->fps);
  add_nothing (table, 3);
  add_count (table, row->lag);
  add_rate (table, row->drops_per_s);
  table_add (table, human_duration (row->p50_ns));
  table_add (table, human_duration (row->p99_ns));
  add_nothing (table, 1);
  table_add (table, g_strdup_printf ("%s, holds %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                                     ", longest %s",
                                     delivery, row->held, row->leases, hold));
}

static void
add_pool_row (Table *table, const Entry *entry)
{
  g_autofree char *format = NULL;
  PoolRow row;

  describe_pool (entry, &row);
  if (entry->view->format != NULL)
    format = shmframe_format_to_string (entry->view->format);
  if (row.ended)
    table_add (table, g_strdup ("ended"));
  else
    add_rate (table, row.fps);
  table_add (table,
             human_duration (row.rates.interval_p50_ns > 0 ? row.rates.interval_p50_ns : -1));
  table_add (table, human_duration (row.rates.interval_p50_ns > 0 ? row.rates.jitter_p99_ns : -1));
  add_count (table, row.consumers->len);
  add_count (table, row.worst_lag);
  add_rate (table, row.drops_per_s);
  table_add (table, human_duration (row.latency.p50_ns));
  table_add (table, human_duration (row.latency.p99_ns));
  table_add (table, human_size (row.memory));
  table_add (table, printable (format != NULL ? format : "no format yet"));
  for (guint i = 0; i < row.consumers->len; i++)
    add_consumer_row (table, &g_array_index (row.consumers, ConsumerRow, i));
  pool_row_finish (&row);
}

static void
add_entry (Table *table, Entry *entry)
{
  guint pid = shmframe_pool_info_get_pid (entry->info);

  g_mutex_lock (&entry->lock);
  table_add (table, printable (entry->name));
  table_add (table, pid != 0 ? g_strdup_printf ("%u", pid) : g_strdup ("?"));
  if (entry->view != NULL && entry->problem == NULL)
    add_pool_row (table, entry);
  else
    {
      add_nothing (table, 9);
      table_add (table, printable (entry->problem != NULL ? entry->problem : "asking"));
    }
  remember (entry);
  g_mutex_unlock (&entry->lock);
}

static void
print_table (Top *self)
{
  static const char *const titles[]
      = { "POOL",    "PID", "FPS", "INTERVAL", "JITTER", "CONSUMERS", "LAG",
          "DROPS/S", "P50", "P99", "MEMORY",   "FORMAT", NULL };
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%H:%M:%S");
  Table table;

  screen_begin (self->screen);
  g_print ("%s  %u pool%s%s\n", time, self->entries->len, self->entries->len == 1 ? "" : "s",
           screen_is_terminal (self->screen) ? "  (q ends)" : "");
  table_init (&table, 0x7fe, titles);
  for (guint i = 0; i < self->entries->len; i++)
    add_entry (&table, self->entries->pdata[i]);
  table_print (&table);
  if (!screen_is_terminal (self->screen))
    g_print ("\n");
  screen_end (self->screen);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* Negative: null. */
static void
add_double (JsonBuilder *builder, const char *name, double value)
{
  json_builder_set_member_name (builder, name);
  if (value < 0)
    json_builder_add_null_value (builder);
  else
    json_builder_add_double_value (builder, value);
}

static void
add_int (JsonBuilder *builder, const char *name, gint64 value)
{
  json_builder_set_member_name (builder, name);
  if (value < 0)
    json_builder_add_null_value (builder);
  else
    json_builder_add_int_value (builder, value);
}

static void
add_consumer_object (JsonBuilder *builder, const ConsumerRow *row)
{
  json_builder_begin_object (builder);
  json_add_string (builder, "program", row->program);
  add_int (builder, "pid", (gint64) row->pid);
  json_add_string (builder, "delivery", row->delivery);
  add_int (builder, "leases", (gint64) row->leases);
  add_int (builder, "held", (gint64) row->held);
  add_int (builder, "lag", (gint64) row->lag);
  add_int (builder, "longest-hold-ns", (gint64) row->longest_hold_ns);
  add_int (builder, "holding-ns", row->holding_ns);
  add_double (builder, "fps", row->fps);
  add_double (builder, "drops-per-second", row->drops_per_s);
  add_int (builder, "latency-p50-ns", row->p50_ns);
  add_int (builder, "latency-p99-ns", row->p99_ns);
  json_builder_end_object (builder);
}

static void
add_pool_members (JsonBuilder *builder, const Entry *entry)
{
  PoolRow row;

  describe_pool (entry, &row);
  json_builder_set_member_name (builder, "ended");
  json_builder_add_boolean_value (builder, row.ended);
  add_double (builder, "fps", row.fps);
  add_int (builder, "interval-p50-ns", row.rates.interval_p50_ns);
  add_int (builder, "jitter-p99-ns", row.rates.jitter_p99_ns);
  add_int (builder, "worst-lag", (gint64) row.worst_lag);
  add_double (builder, "drops-per-second", row.drops_per_s);
  add_int (builder, "latency-p50-ns", row.latency.p50_ns);
  add_int (builder, "latency-p99-ns", row.latency.p99_ns);
  add_int (builder, "committed-bytes", (gint64) row.memory);
  json_builder_set_member_name (builder, "consumers");
  json_builder_begin_array (builder);
  for (guint i = 0; i < row.consumers->len; i++)
    add_consumer_object (builder, &g_array_index (row.consumers, ConsumerRow, i));
  json_builder_end_array (builder);
  pool_row_finish (&row);
}

static void
add_pool_object (JsonBuilder *builder, Entry *entry)
{
  g_autofree char *path = g_utf8_make_valid (shmframe_pool_info_get_path (entry->info), -1);

  g_mutex_lock (&entry->lock);
  json_builder_begin_object (builder);
  json_add_string (builder, "pool", entry->name);
  json_add_string (builder, "path", path);
  add_int (builder, "pid", shmframe_pool_info_get_pid (entry->info));
  json_add_string (builder, "program", shmframe_pool_info_get_program (entry->info));
  json_add_string (builder, "problem", entry->problem);
  if (entry->view != NULL && entry->problem == NULL)
    add_pool_members (builder, entry);
  json_builder_end_object (builder);
  remember (entry);
  g_mutex_unlock (&entry->lock);
}

static void
print_json_table (Top *self)
{
  JsonBuilder *builder = json_builder_new ();
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%fZ");
  g_autofree char *line = NULL;

  json_builder_begin_object (builder);
  json_add_string (builder, "time", time);
  json_builder_set_member_name (builder, "pools");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->entries->len; i++)
    add_pool_object (builder, self->entries->pdata[i]);
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  line = json_line (builder);
  g_print ("%s\n", line);
}

/* ---- pools that come and go ---------------------------------------------------------------- */

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  pool_watch_free (entry->watch);
  pool_view_free (entry->view);
  g_clear_pointer (&entry->before, g_variant_unref);
  shmframe_pool_info_unref (entry->info);
  g_mutex_clear (&entry->lock);
  g_free (entry->problem);
  g_free (entry->name);
  g_free (entry);
}

static gboolean
find_entry (Top *self, ShmFramePoolInfo *info, guint *index)
{
  for (guint i = 0; i < self->entries->len; i++)
    {
      Entry *entry = self->entries->pdata[i];

      *index = i;
      if (g_str_equal (shmframe_pool_info_get_path (entry->info),
                       shmframe_pool_info_get_path (info)))
        return TRUE;
    }
  return FALSE;
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  const Entry *left = *(const Entry *const *) a, *right = *(const Entry *const *) b;
  int order = g_strcmp0 (left->name, right->name);

  return order != 0 ? order
                    : g_strcmp0 (shmframe_pool_info_get_path (left->info),
                                 shmframe_pool_info_get_path (right->info));
}

static void
pool_removed (ShmFrameRegistry *registry, ShmFramePoolInfo *info, Top *self)
{
  guint index;

  if (find_entry (self, info, &index))
    g_ptr_array_remove_index (self->entries, index);
}

static void
pool_added (ShmFrameRegistry *registry, ShmFramePoolInfo *info, Top *self)
{
  static const PoolWatchCallbacks callbacks
      = { .state = hear_state, .view = hear_view, .frame = hear_frame };
  PoolWatchOptions options = {
    .stats_interval_ns = (gint64) MIN (self->interval_s * 1e9 / 4, STATS_MAX_NS),
  };
  Entry *entry;
  guint index;

  if (find_entry (self, info, &index))
    return;
  entry = g_new0 (Entry, 1);
  g_mutex_init (&entry->lock);
  entry->name = g_utf8_make_valid (shmframe_pool_info_get_name (info), -1);
  entry->info = shmframe_pool_info_ref (info);
  entry->problem = g_strdup (shmframe_pool_info_get_problem (info));
  entry->watch = pool_watch_new (shmframe_pool_info_get_path (info), &options, &callbacks, entry);
  g_ptr_array_add (self->entries, entry);
  g_ptr_array_sort (self->entries, compare_entries);
}

/* ---- the command --------------------------------------------------------------------------- */

static gboolean
draw (gpointer data)
{
  Top *self = data;

  if (self->json)
    print_json_table (self);
  else
    print_table (self);
  if (ferror (stdout) || (self->count > 0 && --self->count == 0))
    g_main_loop_quit (self->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

static void
run (Top *self)
{
  g_autoptr (ShmFrameRegistry) registry = shmframe_registry_new ();
  g_autoptr (GPtrArray) pools = NULL;

  g_signal_connect (registry, "pool-added", G_CALLBACK (pool_added), self);
  g_signal_connect (registry, "pool-removed", G_CALLBACK (pool_removed), self);
  pools = shmframe_registry_list (registry);
  for (guint i = 0; i < pools->len; i++)
    pool_added (registry, pools->pdata[i], self);
  g_timeout_add ((guint) (self->interval_s * 1000), draw, self);
  g_unix_signal_add (SIGINT, quit, self->loop);
  g_unix_signal_add (SIGTERM, quit, self->loop);
  g_unix_signal_add (SIGHUP, quit, self->loop);
  g_main_loop_run (self->loop);
}

int
command_top (int argc, char **argv)
{
  Top self = { .interval_s = 1 };
  const GOptionEntry options[] = {
    { "interval", 0, 0, G_OPTION_ARG_DOUBLE, &self.interval_s, "Time between tables (1)", "S" },
    { "count", 0, 0, G_OPTION_ARG_INT, &self.count, "How many tables (without end)", "N" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.json, "Print JSON: a line for each table", NULL },
    G_OPTION_ENTRY_NULL,
  };

  if (!parse_options (&argc, &argv, options, NULL,
                      "Shows all pools and their consumers, again and again: of a pool, what its "
                      "producer\ndropped, and its consumers' latency since the table before; of a "
                      "consumer, what it\ntook and missed, and its latency since it attached."))
    return EXIT_USAGE;
  if (!(self.interval_s >= 0.1 && self.interval_s <= 86400) || self.count < 0)
    {
      complain ("top: --interval is between 0.1 and 86400 seconds, --count not negative");
      return EXIT_USAGE;
    }
  self.loop = g_main_loop_new (NULL, FALSE);
  self.screen = screen_new (self.loop, self.json);
  self.entries = g_ptr_array_new_with_free_func (entry_free);
  run (&self);
  for (guint i = 0; i < self.entries->len; i++)
    pool_watch_stop (((Entry *) self.entries->pdata[i])->watch);
  g_ptr_array_unref (self.entries);
  screen_free (self.screen);
  g_main_loop_unref (self.loop);
  return EXIT_OK;
}
