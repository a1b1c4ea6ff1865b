/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "producer-child.h"

static char *folder;

/* What the signals said: names, in order, "+name" or "-name". */
typedef struct
{
  ShmFrameRegistry *registry;
  GString *heard;
} Listener;

static void
pool_added (ShmFrameRegistry *registry, ShmFramePoolInfo *info, GString *heard)
{
  g_string_append_printf (heard, "+%s", shmframe_pool_info_get_name (info));
}

static void
pool_removed (ShmFrameRegistry *registry, ShmFramePoolInfo *info, GString *heard)
{
  g_string_append_printf (heard, "-%s", shmframe_pool_info_get_name (info));
}

static void
listener_init (Listener *listener)
{
  listener->registry = shmframe_registry_new ();
  listener->heard = g_string_new (NULL);
  g_signal_connect (listener->registry, "pool-added", G_CALLBACK (pool_added), listener->heard);
  g_signal_connect (listener->registry, "pool-removed", G_CALLBACK (pool_removed), listener->heard);
}

static void
listener_finish (Listener *listener)
{
  g_object_unref (listener->registry);
  g_string_free (listener->heard, TRUE);
}

static void
await_heard (Listener *listener, const char *wanted)
{
  while (!g_str_equal (listener->heard->str, wanted))
    g_main_context_iteration (NULL, TRUE); /* the watchdog ends a wait in vain */
  g_string_truncate (listener->heard, 0);
}

static void
test_list (void)
{
  Child one, two;
  g_autoptr (ShmFrameRegistry) registry = shmframe_registry_new ();
  g_autoptr (GPtrArray) none = shmframe_registry_list (registry);
  g_autoptr (GPtrArray) both = NULL;
  g_autofree char *path = g_build_filename (folder, "alpha.sock", NULL);

  g_assert_cmpuint (none->len, ==, 0);
  child_start (&two, "beta", 1);
  child_start (&one, "alpha", 1);
  both = shmframe_registry_list (registry);
  g_assert_cmpuint (both->len, ==, 2);
  g_assert_cmpstr (shmframe_pool_info_get_name (both->pdata[0]), ==, "alpha");
  g_assert_cmpstr (shmframe_pool_info_get_path (both->pdata[0]), ==, path);
  g_assert_cmpuint (shmframe_pool_info_get_pid (both->pdata[0]), ==, one.pid);
  g_assert_true (shmframe_pool_info_is_live (both->pdata[0]));
  g_assert_null (shmframe_pool_info_get_problem (both->pdata[0]));
  g_assert_cmpstr (shmframe_pool_info_get_program (both->pdata[0]), !=, "?");
  g_assert_cmpstr (shmframe_pool_info_get_name (both->pdata[1]), ==, "beta");
  child_end (&one, 0);
  child_end (&two, 0);
}

static void
test_follow (void)
{
  Child child;
  Listener listener;

  listener_init (&listener);
  child_start (&child, "comes", 1);
  await_heard (&listener, "+comes");
  child_end (&child, 0);
  await_heard (&listener, "-comes");
  listener_finish (&listener);
}

/* SIGKILL leaves the files: the death is noticed all the same, and swept. */
static void
test_killed (void)
{
  Child child;
  Listener listener;
  g_autoptr (GPtrArray) pools = NULL;
  g_autofree char *path = g_build_filename (folder, "killed.sock", NULL);

  child_start (&child, "killed", 1);
  listener_init (&listener); /* it is there already: not announced */
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));
  child_end (&child, SIGKILL);
  await_heard (&listener, "-killed");
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  pools = shmframe_registry_list (listener.registry);
  g_assert_cmpuint (pools->len, ==, 0);
  listener_finish (&listener);
}

/* A new producer under the name of a killed one is another pool. */
static void
test_restart (void)
{
  Child child;
  Listener listener;

  child_start (&child, "again", 1);
  listener_init (&listener);
  child_end (&child, SIGKILL);
  child_start (&child, "again", 1);
  await_heard (&listener, "-again+again");
  child_end (&child, 0);
  await_heard (&listener, "-again");
  listener_finish (&listener);
}

/* The runtime folder, and one above it, need not exist yet, and may go and come back. */
static void
test_late_folder (void)
{
  g_autofree char *above = g_build_filename (folder, "above", NULL);
  g_autofree char *late = g_build_filename (above, "late", NULL);
  Child child, other;
  Listener listener;

  g_setenv ("SHMFRAME_RUNTIME_DIR", late, TRUE);
  listener_init (&listener);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpint (g_mkdir (above, 0700), ==, 0);
      child_start (&child, "pool", 1);
      await_heard (&listener, "+pool");
      child_start (&other, "other", 1); /* in a folder that is there by now */
      await_heard (&listener, "+other");
      child_end (&other, 0);
      await_heard (&listener, "-other");
      child_end (&child, 0);
      await_heard (&listener, "-pool");
      g_assert_cmpint (g_rmdir (late), ==, 0);
      g_assert_cmpint (g_rmdir (above), ==, 0);
    }
  listener_finish (&listener);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
}

static void
make_socket (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocket) socket
      = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_SEQPACKET, 0, &error);

  g_assert_no_error (error);
  g_socket_bind (socket, address, FALSE, &error);
  g_assert_no_error (error);
}

/* Whatever lies in the folder: names that can be no pool's, files that are no sockets. */
static void
test_strange_files (void)
{
  static const char *const names[]
      = { "\xff\xfe.sock", ".hidden.sock", "new\nline.sock", "plain.sock", "dir.sock" };
  g_autoptr (ShmFrameRegistry) registry = shmframe_registry_new ();
  g_autoptr (GPtrArray) pools = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (folder, names[i], NULL);

      if (g_str_equal (names[i], "dir.sock"))
        g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
      else if (g_str_equal (names[i], "plain.sock"))
        g_assert_true (g_file_set_contents (path, "x", 1, NULL));
      else
        make_socket (path);
    }
  pools = shmframe_registry_list (registry);
  g_assert_cmpuint (pools->len, ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_build_filename (folder, names[i], NULL);

      g_assert_cmpint (g_remove (path), ==, 0); /* not ours to sweep */
    }
}

/* A socket of another program is shown, and said to be no pool. */
static void
test_foreign (void)
{
  g_autoptr (ShmFrameRegistry) registry = shmframe_registry_new ();
  g_autofree char *path = g_build_filename (folder, "other.sock", NULL);
  g_autoptr (GPtrArray) pools = NULL;

  make_socket (path);
  pools = shmframe_registry_list (registry);
  g_assert_cmpuint (pools->len, ==, 1);
  g_assert_false (shmframe_pool_info_is_live (pools->pdata[0]));
  g_assert_cmpstr (shmframe_pool_info_get_problem (pools->pdata[0]), ==,
                   "not a pool, or its lock file was removed");
  g_assert_cmpint (g_remove (path), ==, 0); /* not ours to sweep */
}

int
main (int argc, char **argv)
{
  int failed;

  child_main (argc, argv);
  g_test_init (&argc, &argv, NULL);
  alarm (60); /* the watchdog */
  folder = make_runtime_folder ();
  g_test_add_func ("/registry/list", test_list);
  g_test_add_func ("/registry/follow", test_follow);
  g_test_add_func ("/registry/killed", test_killed);
  g_test_add_func ("/registry/restart", test_restart);
  g_test_add_func ("/registry/late-folder", test_late_folder);
  g_test_add_func ("/registry/strange-files", test_strange_files);
  g_test_add_func ("/registry/foreign", test_foreign);
  failed = g_test_run ();
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  g_free (folder);
  return failed;
}
