/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "own-drops.h"
#include "pool-watch.h"

/* How long a pool's own watch may take to say why it was lost: it asks its producer four times a second,
 * and waits half a second for an answer. */
#define REASON_WAIT_US (1000 * 1000)

/* Prints what happens in pools, a line of JSON for each event. Each pool is watched by a thread of its
 * own, and the registry by the main thread; whoever has something to say takes `lock`. */
typedef struct
{
  GMutex lock;
  GCond lost; /* `attached` of an entry has become FALSE */
  GMainLoop *loop;
  GHashTable *entries; /* path -> Entry */
} Watch;

typedef struct
{
  Watch *watch;
  char *pool;
  PoolWatch *pool_watch;
  gboolean attached; /* the watch's `lock` */
  PoolView *before;  /* what the producer said last */
  /* Of each consumer there: frames that the producer dropped, and that it has yet to count. */
  OwnDrops drops[POOL_VIEW_CONSUMERS_MAX]; /* of `before`'s consumers */
} Entry;

/* ---- lines --------------------------------------------------------------------------------- */

static JsonBuilder *
begin_event (const Entry *entry, const char *event)
{
  JsonBuilder *builder = json_builder_new ();
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%fZ");

  json_builder_begin_object (builder);
  json_add_string (builder, "time", time);
  json_add_number (builder, "monotonic-ns", (guint64) g_get_monotonic_time () * 1000);
  json_add_string (builder, "pool", entry->pool);
  json_add_string (builder, "event", event);
  return builder;
}

static void
quit_later (gpointer loop)
{
  g_main_loop_quit (loop);
}

/* Prints it. When nobody reads any more, that is the end; any other error is said by main(). */
static void
end_event (const Entry *entry, JsonBuilder *builder)
{
  g_autofree char *line = NULL;

  json_builder_end_object (builder);
  line = json_line (builder);
  g_mutex_lock (&entry->watch->lock);
  if (!ferror (stdout) && (printf ("%s\n", line) < 0 || fflush (stdout) != 0))
    {
      if (errno == EPIPE)
        clearerr (stdout);
      /* The loop may not run yet, and would not know of it. */
      g_idle_add_once (quit_later, entry->watch->loop);
    }
  g_mutex_unlock (&entry->watch->lock);
}

static void
say_reason (const Entry *entry, const char *event, const char *reason)
{
  JsonBuilder *builder = begin_event (entry, event);

  if (reason != NULL)
    json_add_string (builder, "reason", reason);
  end_event (entry, builder);
}

static void
say_dropped (const Entry *entry, guint64 count)
{
  JsonBuilder *builder = begin_event (entry, "dropped");

  json_add_number (builder, "count", count);
  end_event (entry, builder);
}

static void
add_present (JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "present");
  json_builder_add_boolean_value (builder, TRUE);
}

static void
add_consumer (JsonBuilder *builder, GVariant *consumer)
{
  json_add_number (builder, "id", lookup_number (consumer, "id"));
  json_add_number (builder, "pid", lookup_number (consumer, "pid"));
  json_add_string (builder, "program", lookup_string (consumer, "program"));
  json_add_string (builder, "delivery", lookup_string (consumer, "delivery"));
}

/* count: 0 where there is nothing to count. `present`: it was there already. */
static void
say_consumer (const Entry *entry, const char *event, GVariant *consumer, guint64 count,
              gboolean present)
{
  JsonBuilder *builder = begin_event (entry, event);

  add_consumer (builder, consumer);
  if (count > 0)
    json_add_number (builder, "count", count);
  if (present)
    add_present (builder);
  end_event (entry, builder);
}

/* ---- what a pool's watch says, on its thread ----------------------------------------------- */

static void
hear_state (PoolWatch *watch, const char *reason, gpointer data)
{
  Entry *entry = data;

  say_reason (entry, reason == NULL ? "attached" : "lost", reason);
  g_mutex_lock (&entry->watch->lock);
  entry->attached = reason == NULL;
  if (reason != NULL)
    g_cond_broadcast (&entry->watch->lost);
  g_mutex_unlock (&entry->watch->lock);
}

static void
hear_fault (PoolWatch *watch, const Fault *fault, gpointer data)
{
  Entry *entry = data;
  JsonBuilder *builder = begin_event (entry, "fault");

  json_add_string (builder, "kind", fault_kind_name (fault->kind));
  json_add_number (builder, "sequence", fault->sequence);
  json_add_string (builder, "text", fault->text);
  end_event (entry, builder);
}

static gboolean
find_consumer (const PoolView *view, GVariant *consumer, guint *index)
{
  guint64 id = lookup_number (consumer, "id");

  for (guint i = 0; view != NULL && i < view->consumers->len; i++)
    if (lookup_number (view->consumers->pdata[i], "id") == id)
      {
        *index = i;
        return TRUE;
      }
  return FALSE;
}

static guint64
more_than_before (GVariant *before, GVariant *now, const char *key)
{
  guint64 then = before != NULL ? lookup_number (before, key) : 0;
  guint64 value = lookup_number (now, key);

  return value > then ? value - then : 0;
}

static void
say_detached (const Entry *entry, const PoolView *view)
{
  guint index;

  for (guint i = 0; entry->before != NULL && i < entry->before->consumers->len; i++)
    if (!find_consumer (view, entry->before->consumers->pdata[i], &index))
      say_consumer (entry, "consumer-detached", entry->before->consumers->pdata[i], 0, FALSE);
}

/* Who is gone since the view before: with the evicted, those that went by themselves meanwhile. */
static void
say_evicted (const Entry *entry, const PoolView *view, guint64 count)
{
  JsonBuilder *builder = begin_event (entry, "evicted");
  GPtrArray *before = entry->before->consumers;
  guint index;

  json_add_number (builder, "count", count);
  json_builder_set_member_name (builder, "gone");
  json_builder_begin_array (builder);
  for (guint i = 0; i < before->len; i++)
    if (!find_consumer (view, before->pdata[i], &index))
      {
        json_builder_begin_object (builder);
        add_consumer (builder, before->pdata[i]);
        json_builder_end_object (builder);
      }
  json_builder_end_array (builder);
  end_event (entry, builder);
}

/* On the first view it is not known when they came, and when they missed what. */
static void
compare_consumers (Entry *entry, const PoolView *view)
{
  const PoolView *before = entry->before;
  guint64 dropped = lookup_number (view->stats, "dropped");
  guint64 dropped_before = before != NULL ? lookup_number (before->stats, "dropped") : 0;
  OwnDrops all[POOL_VIEW_CONSUMERS_MAX];

  for (guint i = 0; i < view->consumers->len; i++)
    {
      GVariant *consumer = view->consumers->pdata[i];
      /* One that wants the newest frame does not count what the producer dropped. */
      gboolean excused = !g_str_equal (lookup_string (consumer, "delivery"), "latest");
      guint64 drops = lookup_number (consumer, "drops"), own;
      guint index = 0;

      if (find_consumer (before, consumer, &index))
        all[i] = entry->drops[index];
      else
        {
          say_consumer (entry, "consumer-attached", consumer, 0, before == NULL);
          own_drops_begin (&all[i], before == NULL ? drops : 0,
                           !excused         ? 0
                           : before == NULL ? dropped
                                            : dropped_before,
                           0);
        }
      own = own_drops_count (&all[i], drops, excused ? dropped : 0);
      if (own > 0)
        say_consumer (entry, "drops", consumer, own, FALSE);
    }
  memcpy (entry->drops, all, view->consumers->len * sizeof *all);
}

static void
compare_format (const Entry *entry, const PoolView *view)
{
  ShmFrameFormat *before = entry->before != NULL ? entry->before->format : NULL;
  g_autofree char *text = NULL;
  JsonBuilder *builder;

  if (view->format == NULL || (before != NULL && shmframe_format_equal (before, view->format)))
    return;
  text = shmframe_format_to_string (view->format);
  builder = begin_event (entry, "format");
  json_add_string (builder, "format", text);
  end_event (entry, builder);
}

static void
compare_end (const Entry *entry, const PoolView *view)
{
  JsonBuilder *builder;

  if (!pool_view_has_ended (view) || (entry->before != NULL && pool_view_has_ended (entry->before)))
    return;
  builder = begin_event (entry, "ended");
  if (entry->before == NULL)
    add_present (builder);
  end_event (entry, builder);
}

static void
compare_counts (const Entry *entry, const PoolView *view)
{
  guint64 dropped = more_than_before (entry->before->stats, view->stats, "dropped");
  guint64 evicted = more_than_before (entry->before->stats, view->stats, "evictions");

  if (dropped > 0)
    say_dropped (entry, dropped);
  if (evicted > 0)
    say_evicted (entry, view, evicted);
}

static void
hear_view (PoolWatch *watch, PoolView *view, gpointer data)
{
  Entry *entry = data;

  /* Another producer: nothing before it is to be compared with. */
  if (entry->before != NULL
      && lookup_number (entry->before->stats, "epoch") != lookup_number (view->stats, "epoch"))
    g_clear_pointer (&entry->before, pool_view_free);
  compare_format (entry, view);
  if (entry->before != NULL)
    compare_counts (entry, view);
  say_detached (entry, view);
  compare_consumers (entry, view);
  compare_end (entry, view);
  pool_view_free (entry->before);
  entry->before = view;
}

/* ---- pools --------------------------------------------------------------------------------- */

static Entry *
entry_new (Watch *watch, const char *pool)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->watch = watch;
  entry->pool = g_utf8_make_valid (pool, -1);
  return entry;
}

static void
entry_start (Entry *entry, const char *path)
{
  static const PoolWatchCallbacks callbacks
      = { .state = hear_state, .view = hear_view, .fault = hear_fault };
  const PoolWatchOptions options = { .limits.freeze_ns = DETECT_FREEZE_NS };

  entry->pool_watch = pool_watch_new (path, &options, &callbacks, entry);
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  pool_watch_free (entry->pool_watch);
  pool_view_free (entry->before);
  g_free (entry->pool);
  g_free (entry);
}

/* The socket's file is gone at once; its watch learns a moment later why. */
static void
await_reason (Entry *entry)
{
  Watch *watch = entry->watch;
  gint64 end_us = g_get_monotonic_time () + REASON_WAIT_US;

  g_mutex_lock (&watch->lock);
  while (entry->attached && g_cond_wait_until (&watch->lost, &watch->lock, end_us))
    ;
  g_mutex_unlock (&watch->lock);
}

static void
pool_removed (ShmFrameRegistry *registry, ShmFramePoolInfo *info, Watch *watch)
{
  const char *path = shmframe_pool_info_get_path (info);
  Entry *entry = g_hash_table_lookup (watch->entries, path);

  if (entry == NULL)
    return;
  await_reason (entry);
  g_clear_pointer (&entry->pool_watch, pool_watch_free);
  if (entry->attached)
    say_reason (entry, "lost", "the producer has gone");
  say_reason (entry, "pool-removed", NULL);
  g_hash_table_remove (watch->entries, path);
}

static void
pool_added (ShmFrameRegistry *registry, ShmFramePoolInfo *info, Watch *watch)
{
  const char *path = shmframe_pool_info_get_path (info);
  g_autofree char *valid_path = g_utf8_make_valid (path, -1);
  JsonBuilder *builder;
  Entry *entry;

  if (g_hash_table_contains (watch->entries, path))
    return;
  entry = entry_new (watch, shmframe_pool_info_get_name (info));
  g_hash_table_insert (watch->entries, g_strdup (path), entry);
  builder = begin_event (entry, "pool-added");
  json_add_string (builder, "path", valid_path);
  json_add_number (builder, "pid", shmframe_pool_info_get_pid (info));
  json_add_string (builder, "program", shmframe_pool_info_get_program (info));
  json_add_string (builder, "problem", shmframe_pool_info_get_problem (info));
  end_event (entry, builder);
  entry_start (entry, path);
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

/* The reader of a pipe is gone, also when there is nothing to write. */
static gboolean
output_closed (gint fd, GIOCondition condition, gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

/* Before any of them is waited for. */
static void
stop_all (Watch *watch)
{
  GHashTableIter iter;
  gpointer entry;

  g_hash_table_iter_init (&iter, watch->entries);
  while (g_hash_table_iter_next (&iter, NULL, &entry))
    pool_watch_stop (((Entry *) entry)->pool_watch);
}

static void
run (Watch *watch, const char *pool)
{
  g_autoptr (ShmFrameRegistry) registry = NULL;
  g_autoptr (GPtrArray) pools = NULL;

  if (pool != NULL)
    {
      Entry *entry = entry_new (watch, pool);

      g_hash_table_insert (watch->entries, g_strdup (pool), entry);
      entry_start (entry, pool);
    }
  else
    {
      registry = shmframe_registry_new ();
      g_signal_connect (registry, "pool-added", G_CALLBACK (pool_added), watch);
      g_signal_connect (registry, "pool-removed", G_CALLBACK (pool_removed), watch);
      pools = shmframe_registry_list (registry);
      for (guint i = 0; i < pools->len; i++)
        pool_added (registry, pools->pdata[i], watch);
    }
  g_main_loop_run (watch->loop);
}

int
command_watch (int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry options[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &json, "Print JSON, as it always does", NULL },
    G_OPTION_ENTRY_NULL,
  };
  Watch watch = { 0 };

  if (!parse_options (&argc, &argv, options, "[POOL]",
                      "Prints what happens in a pool, or in all: a line of JSON for each event."))
    return EXIT_USAGE;
  signal (SIGPIPE, SIG_IGN);
  g_mutex_init (&watch.lock);
  g_cond_init (&watch.lost);
  watch.loop = g_main_loop_new (NULL, FALSE);
  watch.entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  g_unix_signal_add (SIGINT, quit, watch.loop);
  g_unix_signal_add (SIGTERM, quit, watch.loop);
  g_unix_fd_add (fileno (stdout), G_IO_ERR, output_closed, watch.loop);
  run (&watch, argc == 2 ? argv[1] : NULL);
  stop_all (&watch);
  g_hash_table_unref (watch.entries);
  g_main_loop_unref (watch.loop);
  g_cond_clear (&watch.lost);
  g_mutex_clear (&watch.lock);
  return EXIT_OK;
}
