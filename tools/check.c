/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>

#include "json.h"
#include "pool-watch.h"

#define GRACE_MS 1000    /* for a pool that is not there, or too busy to answer */
#define FAULTS_KEPT 1000 /* of which --json tells; all are counted */

/* What the detectors found. The watch's thread writes; the main thread waits, and then reads. */
typedef struct
{
  const char *pool;
  gboolean json;
  GMainLoop *loop;

  GMutex lock;
  gboolean attached, was_attached;
  gboolean ended; /* its stream, as the producer said last */
  char *problem;  /* why it is not attached */
  guint losses;
  guint64 timeless; /* frames without pts */
  gboolean counted;
  guint64 published[2]; /* frames, as the producer said first and last */
  guint counts[N_FAULTS];
  guint n_faults;
  GPtrArray *faults; /* of JsonNode */
  gint64 first_ns, last_ns;
} Check;

/* There is nothing to look at. On the main thread: the loop may not have run yet when this was due. */
static void
give_up (gpointer data)
{
  Check *self = data;

  g_mutex_lock (&self->lock);
  if (!self->was_attached)
    g_main_loop_quit (self->loop);
  g_mutex_unlock (&self->lock);
}

static void
hear_state (PoolWatch *watch, const char *reason, gpointer data)
{
  Check *self = data;

  g_mutex_lock (&self->lock);
  g_free (self->problem);
  self->problem = g_strdup (reason);
  self->attached = reason == NULL;
  self->was_attached |= self->attached;
  if (self->was_attached && reason != NULL)
    {
      g_autofree char *text = printable (reason);

      self->losses++;
      if (!self->json)
        g_print ("lost: %s\n", text);
    }
  else if (self->losses > 0 && !self->json)
    g_print ("back\n");
  if (!self->was_attached)
    g_timeout_add_once (GRACE_MS, give_up, self);
  g_mutex_unlock (&self->lock);
}

static void
hear_view (PoolWatch *watch, PoolView *view, gpointer data)
{
  Check *self = data;

  g_mutex_lock (&self->lock);
  self->ended = pool_view_has_ended (view);
  self->published[1] = lookup_number (view->stats, "frames");
  if (!self->counted || self->published[1] < self->published[0]) /* another producer */
    self->published[0] = self->published[1];
  self->counted = TRUE;
  g_mutex_unlock (&self->lock);
  pool_view_free (view);
}

static void
hear_frame (PoolWatch *watch, const FrameSample *sample, ShmFrameFrame *frame, gpointer data)
{
  Check *self = data;

  g_mutex_lock (&self->lock);
  if (self->first_ns == 0)
    self->first_ns = sample->publish_ns;
  self->last_ns = sample->publish_ns;
  if (sample->pts_ns == SHMFRAME_TIME_UNKNOWN)
    self->timeless++;
  g_mutex_unlock (&self->lock);
}

static JsonNode *
describe_fault (const Fault *fault)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_string (builder, "kind", fault_kind_name (fault->kind));
  json_add_number (builder, "sequence", fault->sequence);
  json_builder_set_member_name (builder, "monotonic-ns");
  json_builder_add_int_value (builder, fault->time_ns);
  json_add_string (builder, "text", fault->text);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}

static void
hear_fault (PoolWatch *watch, const Fault *fault, gpointer data)
{
  Check *self = data;

  g_mutex_lock (&self->lock);
  self->counts[fault->kind]++;
  self->n_faults++;
  if (!self->json)
    g_print ("%s: frame %" G_GUINT64_FORMAT ": %s\n", fault_kind_name (fault->kind),
             fault->sequence, fault->text);
  else if (self->faults->len < FAULTS_KEPT)
    g_ptr_array_add (self->faults, describe_fault (fault));
  g_mutex_unlock (&self->lock);
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

/* ---- the verdict --------------------------------------------------------------------------- */

/* Frames that were published, by second. */
static double
get_fps (const Check *self, const PoolWatchCounters *counters)
{
  guint64 frames = counters->seen + counters->unseen;

  if (frames < 2 || self->last_ns <= self->first_ns)
    return 0;
  return (double) (frames - 1) * 1e9 / (double) (self->last_ns - self->first_ns);
}

/* A verdict on one frame of many would be none. */
static gboolean
saw_too_few (const Check *self, const PoolWatchCounters *counters)
{
  return (self->published[1] - self->published[0]) / 10 > counters->seen;
}

static int
judge (Check *self, const PoolWatchCounters *counters)
{
  if (self->n_faults > 0)
    return EXIT_FAULTS;
  if (self->attached && counters->seen == 0)
    self->problem = g_strdup_printf (
        "pool %s: no frame came that could be looked at: %s", self->pool,
        self->ended ? "its stream has ended" : "is its producer paused, or its history 0?");
  else if (self->attached && saw_too_few (self, counters))
    self->problem
        = g_strdup_printf ("pool %s: of %" G_GUINT64_FORMAT " frames only %" G_GUINT64_FORMAT
                           " could be looked at: is its history 0, or this machine too busy?",
                           self->pool, self->published[1] - self->published[0], counters->seen);
  else if (self->attached && counters->attaches > 1)
    self->problem = g_strdup_printf (
        "pool %s: its producer was lost, and came back, %" G_GUINT64_FORMAT " time(s) meanwhile",
        self->pool, counters->attaches - 1);
  return self->problem == NULL ? EXIT_OK : EXIT_FAILED;
}

static void
print_counts (const Check *self)
{
  const char *separator = " ";

  g_print ("faults:");
  for (FaultKind i = 0; i < N_FAULTS; i++)
    if (self->counts[i] > 0)
      {
        g_print ("%s%s %u", separator, fault_kind_name (i), self->counts[i]);
        separator = ", ";
      }
  g_print ("; ");
}

static void
print_verdict (const Check *self, int code, const PoolWatchCounters *counters, double seconds)
{
  if (code == EXIT_FAILED)
    complain ("%s", self->problem);
  if (code == EXIT_FAILED && counters->seen == 0)
    return;
  if (code == EXIT_FAULTS)
    print_counts (self);
  else
    g_print (code == EXIT_OK ? "clean: " : "failed: ");
  g_print ("%" G_GUINT64_FORMAT " frames in %.1f s, %.1f fps; %" G_GUINT64_FORMAT " unseen",
           counters->seen, seconds, get_fps (self, counters), counters->unseen);
  if (counters->overtaken > 0)
    g_print (", %" G_GUINT64_FORMAT " seen without their pixels", counters->overtaken);
  if (self->timeless > 0)
    g_print ("; %" G_GUINT64_FORMAT " frames without pts: order and lateness not judged",
             self->timeless);
  g_print ("%s\n", self->ended ? "; its stream has ended" : "");
}

static void
add_faults (JsonBuilder *builder, Check *self)
{
  json_builder_set_member_name (builder, "counts");
  json_builder_begin_object (builder);
  for (FaultKind i = 0; i < N_FAULTS; i++)
    json_add_number (builder, fault_kind_name (i), self->counts[i]);
  json_builder_end_object (builder);
  json_builder_set_member_name (builder, "faults");
  json_builder_begin_array (builder);
  for (guint i = 0; i < self->faults->len; i++)
    json_builder_add_value (builder, json_node_copy (self->faults->pdata[i]));
  json_builder_end_array (builder);
}

static void
print_verdict_json (Check *self, int code, const PoolWatchCounters *counters, double seconds)
{
  JsonBuilder *builder = json_builder_new ();

  json_builder_begin_object (builder);
  json_add_string (builder, "pool", self->pool);
  json_add_string (builder, "verdict",
                   code == EXIT_OK       ? "clean"
                   : code == EXIT_FAULTS ? "faults"
                                         : "failed");
  json_add_string (builder, "problem", self->problem);
  json_builder_set_member_name (builder, "seconds");
  json_builder_add_double_value (builder, seconds);
  json_builder_set_member_name (builder, "fps");
  json_builder_add_double_value (builder, get_fps (self, counters));
  json_add_number (builder, "frames", counters->seen);
  json_add_number (builder, "unseen", counters->unseen);
  json_add_number (builder, "overtaken", counters->overtaken);
  json_add_number (builder, "without-pts", self->timeless);
  json_add_number (builder, "losses", self->losses);
  json_builder_set_member_name (builder, "ended");
  json_builder_add_boolean_value (builder, self->ended);
  add_faults (builder, self);
  json_builder_end_object (builder);
  print_json (builder);
}

/* ---- the command --------------------------------------------------------------------------- */

static void
watch_for (Check *self, double seconds, const DetectLimits *limits, PoolWatchCounters *counters)
{
  static const PoolWatchCallbacks callbacks
      = { .state = hear_state, .view = hear_view, .frame = hear_frame, .fault = hear_fault };
  PoolWatchOptions options = { .pixels = TRUE, .limits = *limits };
  guint sources[] = {
    g_timeout_add ((guint) (seconds * 1000), quit, self->loop),
    g_unix_signal_add (SIGINT, quit, self->loop),
    g_unix_signal_add (SIGTERM, quit, self->loop),
  };
  PoolWatch *watch = pool_watch_new (self->pool, &options, &callbacks, self);

  g_main_loop_run (self->loop);
  pool_watch_get_counters (watch, counters);
  pool_watch_free (watch);
  for (gsize i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);
}

static int
check (Check *self, double seconds, const DetectLimits *limits)
{
  PoolWatchCounters counters;
  gint64 begin_us = g_get_monotonic_time ();
  int code;

  g_mutex_init (&self->lock);
  self->loop = g_main_loop_new (NULL, FALSE);
  self->faults = g_ptr_array_new_with_free_func ((GDestroyNotify) json_node_unref);
  watch_for (self, seconds, limits, &counters);
  seconds = (double) (g_get_monotonic_time () - begin_us) / 1e6;
  code = judge (self, &counters);
  if (self->json)
    print_verdict_json (self, code, &counters, seconds);
  else
    print_verdict (self, code, &counters, seconds);
  g_ptr_array_unref (self->faults);
  g_main_loop_unref (self->loop);
  g_mutex_clear (&self->lock);
  g_free (self->problem);
  return code;
}

int
command_check (int argc, char **argv)
{
  Check self = { 0 };
  double seconds = 5, freeze_s = 1, late_ms = 0;
  const GOptionEntry options[] = {
    { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "How long to look (5)", "N" },
    { "freeze", 0, 0, G_OPTION_ARG_DOUBLE, &freeze_s,
      "From when on a picture that stands still is a freeze (1; 0: never)", "S" },
    { "late", 0, 0, G_OPTION_ARG_DOUBLE, &late_ms,
      "How much later than usual is late (0: 1.5 frame durations)", "MS" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.json, "Print JSON, at the end", NULL },
    G_OPTION_ENTRY_NULL,
  };
  DetectLimits limits;

  if (!parse_options (
          &argc, &argv, options, "POOL",
          "Looks for freezes, duplicates, gaps, time that goes backwards, late and torn frames.\n"
          "Exit code: 0 clean, 1 it could not look (all the time), 2 wrong usage, 3 faults."))
    return EXIT_USAGE;
  if (!(seconds > 0 && seconds <= 1e6 && freeze_s >= 0 && freeze_s <= 1e6 && late_ms >= 0
        && late_ms <= 1e9))
    {
      complain ("check: --seconds is above 0 and up to a million, --freeze and --late are not "
                "negative");
      return EXIT_USAGE;
    }
  limits.freeze_ns = (gint64) (freeze_s * 1e9);
  limits.late_ns = (gint64) (late_ms * 1e6);
  self.pool = argv[1];
  return check (&self, seconds, &limits);
}
