/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib-unix.h>
#include <shmframe/registry.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "api/context.h"
#include "control/name.h"

/* How often to look again for deaths that nothing announces (no pidfd: another pid namespace). */
#define RECHECK_SECONDS 1

struct _ShmFramePoolInfo
{
  gatomicrefcount ref_count;
  char *name;
  char *path;
  guint pid;
  char *program;
  gboolean live;
  const char *problem; /* static, or NULL */
};

G_DEFINE_BOXED_TYPE (ShmFramePoolInfo, shmframe_pool_info, shmframe_pool_info_ref,
                     shmframe_pool_info_unref)

/* Where the owner of a pool is followed: its death removes no file. */
typedef struct
{
  ShmFramePoolInfo *info;
  int pidfd;      /* -1 where there is none */
  GSource *death; /* on the pidfd, or NULL */
} Watched;

/*
 * What is watched belongs to the thread of `context`: file monitors and sources run there, and the
 * signals come from there. shmframe_registry_list() looks for itself and touches none of it.
 */
struct _ShmFrameRegistry
{
  GObject parent_instance;

  GMainContext *context;
  GHashTable *monitors; /* folder (or the nearest that exists above one) -> GFileMonitor */
  GHashTable *watched;  /* path -> Watched */
  GSource *refresh;     /* pending, or NULL */
};

G_DEFINE_FINAL_TYPE (ShmFrameRegistry, shmframe_registry, G_TYPE_OBJECT)

enum
{
  POOL_ADDED,
  POOL_REMOVED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

/* ---- pool info ----------------------------------------------------------------------------- */

/**
 * shmframe_pool_info_ref:
 * @self: a pool's info
 *
 * Takes a reference. Any thread.
 *
 * Returns: (transfer full): @self
 *
 * Since: 1.0
 */
ShmFramePoolInfo *
shmframe_pool_info_ref (ShmFramePoolInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/**
 * shmframe_pool_info_unref:
 * @self: (transfer full): a pool's info
 *
 * Drops a reference. Any thread.
 *
 * Since: 1.0
 */
void
shmframe_pool_info_unref (ShmFramePoolInfo *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->name);
  g_free (self->path);
  g_free (self->program);
  g_free (self);
}

/**
 * shmframe_pool_info_get_name:
 * @self: a pool's info
 *
 * Gets the pool's name, without its folder. Several folders can hold pools of one name.
 *
 * Returns: (transfer none): the name, owned by @self
 *
 * Since: 1.0
 */
const char *
shmframe_pool_info_get_name (const ShmFramePoolInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->name;
}

/**
 * shmframe_pool_info_get_path:
 * @self: a pool's info
 *
 * Gets the absolute path of the socket, which serves as a pool name everywhere.
 *
 * Returns: (type filename) (transfer none): the path, owned by @self
 *
 * Since: 1.0
 */
const char *
shmframe_pool_info_get_path (const ShmFramePoolInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->path;
}

/**
 * shmframe_pool_info_get_pid:
 * @self: a pool's info
 *
 * Gets the pid of the producer.
 *
 * Returns: the pid, or 0 where the kernel does not tell (another pid namespace)
 *
 * Since: 1.0
 */
guint
shmframe_pool_info_get_pid (const ShmFramePoolInfo *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->pid;
}

/**
 * shmframe_pool_info_get_program:
 * @self: a pool's info
 *
 * Gets the name of the producer's program, as the kernel knows it.
 *
 * Returns: (transfer none): the program, "?" where it cannot be told; owned by @self
 *
 * Since: 1.0
 */
const char *
shmframe_pool_info_get_program (const ShmFramePoolInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->program;
}

/**
 * shmframe_pool_info_is_live:
 * @self: a pool's info
 *
 * Says whether a live producer owned the name when it was looked at.
 *
 * Returns: whether the producer lives
 *
 * Since: 1.0
 */
gboolean
shmframe_pool_info_is_live (const ShmFramePoolInfo *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->live;
}

/**
 * shmframe_pool_info_get_problem:
 * @self: a pool's info
 *
 * Says why the pool cannot be used, in words for people.
 *
 * Returns: (nullable) (transfer none): the problem, or %NULL where there is none
 *
 * Since: 1.0
 */
const char *
shmframe_pool_info_get_problem (const ShmFramePoolInfo *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->problem;
}

/* The kernel's 15 bytes can be anything that the process set. */
static char *
dup_program (guint pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%u/comm", pid);
  g_autofree char *comm = NULL;

  if (pid == 0 || !g_file_get_contents (path, &comm, NULL, NULL))
    return g_strdup ("?");
  return g_utf8_make_valid (g_strchomp (comm), -1);
}

/* What is at a path now; NULL: no pool, or only what a dead producer left and is now swept. */
static ShmFramePoolInfo *
look_at (const char *path)
{
  g_autofree char *name = shmframe_name_from_path (path);
  ShmFramePoolInfo *info;
  const char *problem = NULL;
  ShmFrameNameState state;
  guint pid = 0;

  /* Anybody may have put files there: what could not be a pool's name is none. */
  if (name == NULL || !shmframe_name_check (name, NULL))
    return NULL;
  state = shmframe_name_query (path, &pid);
  if (state == SHMFRAME_NAME_DEAD)
    shmframe_name_sweep (path);
  if (access (path, F_OK) < 0 && errno == ENOENT)
    return NULL;
  if (state == SHMFRAME_NAME_DEAD)
    problem = "producer is dead";
  else if (state == SHMFRAME_NAME_FOREIGN)
    problem = "not a pool, or its lock file was removed";
  else if (state == SHMFRAME_NAME_UNKNOWN || access (path, W_OK) < 0)
    problem = "permission denied";

  info = g_new0 (ShmFramePoolInfo, 1);
  g_atomic_ref_count_init (&info->ref_count);
  info->name = g_steal_pointer (&name);
  info->path = g_strdup (path);
  info->live = state == SHMFRAME_NAME_LIVE;
  info->pid = info->live ? pid : 0;
  info->program = dup_program (info->pid);
  info->problem = problem;
  return info;
}

static gint
compare_info (gconstpointer a, gconstpointer b)
{
  const ShmFramePoolInfo *left = *(const ShmFramePoolInfo *const *) a;
  const ShmFramePoolInfo *right = *(const ShmFramePoolInfo *const *) b;
  gint order = strcmp (left->name, right->name);

  return order != 0 ? order : strcmp (left->path, right->path);
}

static gboolean
info_equal (const ShmFramePoolInfo *a, const ShmFramePoolInfo *b)
{
  return a->live == b->live && a->pid == b->pid && g_strcmp0 (a->problem, b->problem) == 0;
}

static GPtrArray *
look (void)
{
  GPtrArray *found = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_pool_info_unref);
  g_auto (GStrv) paths = shmframe_name_list ();

  for (guint i = 0; paths[i] != NULL; i++)
    {
      ShmFramePoolInfo *info = look_at (paths[i]);

      if (info != NULL)
        g_ptr_array_add (found, info);
    }
  g_ptr_array_sort (found, compare_info);
  return found;
}

/* ---- following owners ---------------------------------------------------------------------- */

static void schedule_refresh (ShmFrameRegistry *self, guint seconds);

static gboolean
owner_died (gint fd, GIOCondition condition, gpointer user_data)
{
  schedule_refresh (user_data, 0);
  return G_SOURCE_REMOVE;
}

/* A pidfd of the pool's owner, or -1. The pid may have been given to another process before it was
 * opened, so ask again who owns the name. */
static int
open_owner (const ShmFramePoolInfo *info)
{
  guint pid = 0;
  int fd = info->live && info->pid != 0 ? pidfd_open ((pid_t) info->pid, 0) : -1;

  if (fd >= 0 && (shmframe_name_query (info->path, &pid) != SHMFRAME_NAME_LIVE || pid != info->pid))
    {
      close (fd);
      return -1;
    }
  return fd;
}

static Watched *
watched_new (ShmFrameRegistry *self, ShmFramePoolInfo *info)
{
  Watched *watched = g_new0 (Watched, 1);

  watched->info = shmframe_pool_info_ref (info);
  watched->pidfd = open_owner (info);
  if (watched->pidfd < 0)
    return watched;
  watched->death = g_unix_fd_source_new (watched->pidfd, G_IO_IN);
  g_source_set_static_name (watched->death, "shmframe registry: owner");
  g_source_set_callback (watched->death, G_SOURCE_FUNC (owner_died), self, NULL);
  g_source_attach (watched->death, self->context);
  return watched;
}

static void
watched_free (gpointer data)
{
  Watched *watched = data;

  if (watched->death != NULL)
    {
      g_source_destroy (watched->death);
      g_source_unref (watched->death);
      close (watched->pidfd);
    }
  shmframe_pool_info_unref (watched->info);
  g_free (watched);
}

/* ---- following folders --------------------------------------------------------------------- */

static gboolean
concerns_pools (GFile *file, char **folders)
{
  g_autofree char *path = file != NULL ? g_file_get_path (file) : NULL;
  g_autofree char *base = path != NULL ? g_path_get_basename (path) : NULL;

  if (base == NULL)
    return FALSE;
  if (g_str_has_suffix (base, ".sock") || g_str_has_prefix (base, "shmframe"))
    return TRUE;
  for (guint i = 0; folders[i] != NULL; i++)
    if (g_str_has_prefix (folders[i], path))
      return TRUE;
  return FALSE;
}

static void
folder_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event,
                ShmFrameRegistry *self)
{
  g_auto (GStrv) folders = shmframe_name_folders ();

  if (event == G_FILE_MONITOR_EVENT_DELETED || event == G_FILE_MONITOR_EVENT_UNMOUNTED)
    {
      g_autofree char *path = g_file_get_path (file);

      /* A watched folder itself: should it come back, it is another one, and needs another watch. */
      g_hash_table_remove (self->monitors, path);
    }
  if (event != G_FILE_MONITOR_EVENT_CHANGED && event != G_FILE_MONITOR_EVENT_CHANGES_DONE_HINT
      && (concerns_pools (file, folders) || concerns_pools (other, folders)))
    schedule_refresh (self, 0);
}

static void
monitor_free (gpointer data)
{
  g_file_monitor_cancel (data);
  g_object_unref (data);
}

/* The folder itself where it exists, else the nearest above it that does. */
static char *
existing_folder (const char *folder)
{
  char *path = g_strdup (folder);

  while (!g_file_test (path, G_FILE_TEST_IS_DIR) && !g_str_equal (path, "/"))
    {
      char *parent = g_path_get_dirname (path);

      g_free (path);
      path = parent;
    }
  return path;
}

static void
watch_folder (ShmFrameRegistry *self, const char *folder)
{
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  g_autoptr (GError) error = NULL;
  GFileMonitor *monitor;

  /* Without descriptors GLib would end the process; a later look may find some. */
  if (g_hash_table_contains (self->monitors, folder)
      || !shmframe_context_can_open (SHMFRAME_MONITOR_DESCRIPTORS))
    return;
  monitor = g_file_monitor_directory (file, G_FILE_MONITOR_WATCH_MOVES, NULL, &error);
  if (monitor == NULL)
    {
      g_warning ("registry: cannot watch %s: %s; its pools are not followed", folder,
                 error->message);
      return;
    }
  g_signal_connect_object (monitor, "changed", G_CALLBACK (folder_changed), self, 0);
  g_hash_table_insert (self->monitors, g_strdup (folder), monitor);
}

/* Watches what is to be watched now. A folder that appears between the look and the watch is seen by
 * looking again; one that disappears is reported by its monitor. */
static void
watch_folders (ShmFrameRegistry *self)
{
  g_autoptr (GHashTable) wanted = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_auto (GStrv) folders = shmframe_name_folders ();
  GHashTableIter iter;
  gpointer folder;

  for (guint i = 0; folders[i] != NULL; i++)
    {
      g_autofree char *before = NULL;
      g_autofree char *after = existing_folder (folders[i]);

      do
        {
          g_free (before);
          before = g_steal_pointer (&after);
          watch_folder (self, before);
          after = existing_folder (folders[i]);
        }
      while (!g_str_equal (before, after));
      g_hash_table_add (wanted, g_steal_pointer (&before));
    }
  /* Other users' folders, /tmp/shmframe-UID, come and go there. */
  if (g_getenv ("SHMFRAME_RUNTIME_DIR") == NULL)
    {
      watch_folder (self, "/tmp");
      g_hash_table_add (wanted, g_strdup ("/tmp"));
    }
  g_hash_table_iter_init (&iter, self->monitors);
  while (g_hash_table_iter_next (&iter, &folder, NULL))
    if (!g_hash_table_contains (wanted, folder))
      g_hash_table_iter_remove (&iter);
}

/* ---- the registry -------------------------------------------------------------------------- */

static gboolean
all_owners_watched (ShmFrameRegistry *self)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->watched);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Watched *watched = value;

      if (watched->info->live && watched->death == NULL)
        return FALSE;
    }
  return TRUE;
}

/* Replaces what is known by what is found; tells of each difference when `announce`. */
static void
update (ShmFrameRegistry *self, gboolean announce)
{
  g_autoptr (GPtrArray) found = NULL;
  g_autoptr (GPtrArray) added
      = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_pool_info_unref);
  g_autoptr (GPtrArray) removed
      = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_pool_info_unref);
  GHashTable *old = self->watched;
  GHashTableIter iter;
  gpointer value;

  watch_folders (self);
  found = look ();
  self->watched = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, watched_free);
  for (guint i = 0; i < found->len; i++)
    {
      ShmFramePoolInfo *info = found->pdata[i];
      gpointer key = NULL, known = NULL;

      if (g_hash_table_lookup_extended (old, info->path, NULL, &known)
          && info_equal (((Watched *) known)->info, info)
          && g_hash_table_steal_extended (old, info->path, &key, &known))
        {
          g_hash_table_insert (self->watched, key, known);
          continue;
        }
      g_hash_table_insert (self->watched, g_strdup (info->path), watched_new (self, info));
      g_ptr_array_add (added, shmframe_pool_info_ref (info));
    }
  g_hash_table_iter_init (&iter, old);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    g_ptr_array_add (removed, shmframe_pool_info_ref (((Watched *) value)->info));
  g_hash_table_unref (old);
  if (!all_owners_watched (self))
    schedule_refresh (self, RECHECK_SECONDS);

  for (guint i = 0; announce && i < removed->len; i++)
    g_signal_emit (self, signals[POOL_REMOVED], 0, removed->pdata[i]);
  for (guint i = 0; announce && i < added->len; i++)
    g_signal_emit (self, signals[POOL_ADDED], 0, added->pdata[i]);
}

static void
cancel_refresh (ShmFrameRegistry *self)
{
  if (self->refresh == NULL)
    return;
  g_source_destroy (self->refresh);
  g_clear_pointer (&self->refresh, g_source_unref);
}

static gboolean
refresh (gpointer user_data)
{
  g_autoptr (ShmFrameRegistry) self = g_object_ref (user_data);

  cancel_refresh (self);
  update (self, TRUE);
  return G_SOURCE_REMOVE;
}

/* Many changes in a row cost one look. A look now replaces one that is due later. */
static void
schedule_refresh (ShmFrameRegistry *self, guint seconds)
{
  if (self->refresh != NULL && (seconds > 0 || g_source_get_ready_time (self->refresh) == 0))
    return;
  cancel_refresh (self);
  self->refresh = g_timeout_source_new_seconds (seconds);
  if (seconds == 0)
    g_source_set_ready_time (self->refresh, 0);
  g_source_set_static_name (self->refresh, "shmframe registry: look");
  g_source_set_callback (self->refresh, refresh, self, NULL);
  g_source_attach (self->refresh, self->context);
}

static void
shmframe_registry_dispose (GObject *object)
{
  ShmFrameRegistry *self = SHMFRAME_REGISTRY (object);

  cancel_refresh (self);
  g_clear_pointer (&self->monitors, g_hash_table_unref);
  g_clear_pointer (&self->watched, g_hash_table_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
  G_OBJECT_CLASS (shmframe_registry_parent_class)->dispose (object);
}

static void
shmframe_registry_class_init (ShmFrameRegistryClass *class)
{
  G_OBJECT_CLASS (class)->dispose = shmframe_registry_dispose;

  /**
   * ShmFrameRegistry::pool-added:
   * @self: the registry
   * @info: the pool
   *
   * A pool has appeared. One that changed (a new owner under the same name) is removed and added.
   *
   * Since: 1.0
   */
  signals[POOL_ADDED] = g_signal_new ("pool-added", G_TYPE_FROM_CLASS (class), G_SIGNAL_RUN_LAST, 0,
                                      NULL, NULL, NULL, G_TYPE_NONE, 1, SHMFRAME_TYPE_POOL_INFO);
  /**
   * ShmFrameRegistry::pool-removed:
   * @self: the registry
   * @info: the pool, as it was when it was added
   *
   * A pool has gone: its producer closed it, or died.
   *
   * Since: 1.0
   */
  signals[POOL_REMOVED]
      = g_signal_new ("pool-removed", G_TYPE_FROM_CLASS (class), G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                      NULL, G_TYPE_NONE, 1, SHMFRAME_TYPE_POOL_INFO);
}

static void
shmframe_registry_init (ShmFrameRegistry *self)
{
  self->context = g_main_context_ref_thread_default ();
  self->monitors = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, monitor_free);
  self->watched = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, watched_free);
  update (self, FALSE);
}

/**
 * shmframe_registry_new:
 *
 * Makes a registry, which follows the runtime folders from now on. Pools that are there already are
 * not announced: connect to the signals, then call shmframe_registry_list(). A pool that appears in
 * between can come both ways.
 *
 * Drop the last reference in the thread whose main context the signals come from.
 *
 * Returns: (transfer full): a registry
 *
 * Since: 1.0
 */
ShmFrameRegistry *
shmframe_registry_new (void)
{
  return g_object_new (SHMFRAME_TYPE_REGISTRY, NULL);
}

/**
 * shmframe_registry_list:
 * @self: a registry
 *
 * Looks afresh into the folders. Any thread. What dead producers of this user left is swept away and
 * not listed; what cannot be used for another reason is listed with its problem.
 *
 * Returns: (element-type ShmFramePoolInfo) (transfer container): the pools, by name
 *
 * Since: 1.0
 */
GPtrArray *
shmframe_registry_list (ShmFrameRegistry *self)
{
  g_return_val_if_fail (SHMFRAME_IS_REGISTRY (self), NULL);

  return look ();
}
