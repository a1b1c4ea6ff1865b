/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/name.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <shmframe/error.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/connection.h"
#include "control/lock.h"

typedef struct
{
  char *folder;
  char *path;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  fixture->folder = g_dir_make_tmp ("shmframe-test-XXXXXX", &error);
  g_assert_no_error (error);
  g_setenv ("SHMFRAME_RUNTIME_DIR", fixture->folder, TRUE);
  fixture->path = shmframe_name_producer_path ("cam0", &error);
  g_assert_no_error (error);
}

/* Nothing may be left over. */
static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_unsetenv ("SHMFRAME_RUNTIME_DIR");
  g_free (fixture->path);
  g_free (fixture->folder);
}

static guint
count_files (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static ShmFrameName *
own (const char *path)
{
  g_autoptr (GError) error = NULL;
  ShmFrameName *name = shmframe_name_own (path, 0600, NULL, &error);

  g_assert_no_error (error);
  return name;
}

static void
assert_own_fails (const char *path, int code, const char *why)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shmframe_name_own (path, 0600, NULL, &error));
  g_assert_error (error, SHMFRAME_ERROR, code);
  g_assert_nonnull (strstr (error->message, why));
}

static void
assert_in_use (const char *path, pid_t pid)
{
  g_autofree char *why = g_strdup_printf ("pool cam0: process %d owns its name", (int) pid);

  assert_own_fails (path, SHMFRAME_ERROR_NAME_IN_USE, why);
}

static void
assert_state (const char *path, ShmFrameNameState state, pid_t pid)
{
  guint found = 4711;

  g_assert_cmpint (shmframe_name_query (path, &found), ==, state);
  g_assert_cmpuint (found, ==, (guint) pid);
}

/* A child that owns the path, with a child of its own (until *life is closed) that has copies of all
 * its descriptors. */
static pid_t
start_owner (const char *path, int *life)
{
  int ready[2], end[2];
  char byte;
  pid_t pid;

  g_assert_cmpint (pipe2 (ready, O_CLOEXEC), ==, 0);
  g_assert_cmpint (pipe2 (end, O_CLOEXEC), ==, 0);
  pid = fork ();
  if (pid == 0)
    {
      prctl (PR_SET_PDEATHSIG, SIGKILL);
      own (path);
      close (end[1]);
      if (fork () == 0)
        {
          close (ready[1]);
          g_assert_cmpint (read (end[0], &byte, 1), ==, 0);
          _exit (0);
        }
      g_assert_cmpint (write (ready[1], "", 1), ==, 1);
      for (;;)
        pause ();
    }
  close (ready[1]);
  close (end[0]);
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  close (ready[0]);
  *life = end[1];
  return pid;
}

static void
kill_child (pid_t pid)
{
  g_assert_cmpint (kill (pid, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
}

/* ---- names and folders --------------------------------------------------------------------- */

static void
assert_bad_name (const char *pool, const char *why)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (shmframe_name_check (pool, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_nonnull (strstr (error->message, why));
}

static void
test_bad_names (void)
{
  g_autofree char *longest = g_strnfill (100, 'x');
  g_autofree char *longer = g_strnfill (101, 'x');
  g_autofree char *long_path = g_strnfill (300, '/');

  long_path[299] = 'x';
  assert_bad_name ("", "empty");
  assert_bad_name ("a/b", "slash");
  assert_bad_name (".x", "dot");
  assert_bad_name ("..", "dot");
  assert_bad_name ("a\nb", "control");
  assert_bad_name ("a\302\205b", "control");
  assert_bad_name ("a\377b", "UTF-8");
  assert_bad_name (longer, "longer than 100 bytes");
  assert_bad_name (long_path, "300 bytes");
  assert_bad_name ("/run/", "folder");
  g_assert_true (shmframe_name_check (longest, NULL));
  g_assert_true (shmframe_name_check ("caf\303\251 0", NULL));
  g_assert_true (shmframe_name_check ("/run/x", NULL));
}

/* The length that counts is the path's, and a producer's bind needs a suffix beside it. */
static void
test_long_path (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  gsize room = 107 - strlen (".tmp") - strlen (fixture->folder) - strlen ("/.sock");
  g_autofree char *fits = g_strnfill (room, 'x');
  g_autofree char *too_long = g_strnfill (room + 1, 'x');
  g_autofree char *path = shmframe_name_producer_path (fits, &error);
  g_auto (GStrv) paths = NULL;

  g_assert_no_error (error);
  shmframe_name_free (own (path));

  g_assert_null (shmframe_name_producer_path (too_long, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME);
  g_assert_nonnull (strstr (error->message, "more than 103"));
  g_clear_error (&error);
  paths = shmframe_name_consumer_paths (too_long, &error);
  g_assert_null (paths);
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME);
}

static void
test_paths (Fixture *fixture, gconstpointer data)
{
  g_autofree char *wanted = g_build_filename (fixture->folder, "cam0.sock", NULL);
  g_autofree char *absolute = shmframe_name_producer_path ("/x/y", NULL);
  g_autofree char *cam0 = shmframe_name_from_path (wanted);
  g_autofree char *plain = shmframe_name_from_path ("/x/y");
  g_auto (GStrv) folders = shmframe_name_folders ();
  g_auto (GStrv) paths = shmframe_name_consumer_paths ("cam0", NULL);
  g_auto (GStrv) one = shmframe_name_consumer_paths ("/x/y", NULL);

  g_assert_cmpstr (fixture->path, ==, wanted);
  g_assert_cmpstr (absolute, ==, "/x/y");
  g_assert_cmpstr (cam0, ==, "cam0");
  g_assert_cmpstr (plain, ==, "y");
  g_assert_cmpuint (g_strv_length (folders), ==, 1);
  g_assert_cmpuint (g_strv_length (paths), ==, 1);
  g_assert_cmpstr (paths[0], ==, wanted);
  g_assert_cmpuint (g_strv_length (one), ==, 1);
  g_assert_cmpstr (one[0], ==, "/x/y");
}

static void
test_folders (Fixture *fixture, gconstpointer data)
{
  g_autofree char *session = g_build_filename (fixture->folder, "shmframe", NULL);
  g_autofree char *before = g_strdup (g_getenv ("XDG_RUNTIME_DIR"));
  g_autofree char *path = NULL;
  g_autofree char *missing = g_build_filename (fixture->folder, "a", "b", NULL);
  g_autofree char *parent = g_build_filename (fixture->folder, "a", NULL);
  g_auto (GStrv) folders = NULL;
  g_autofree char *next = NULL;
  gboolean existed;
  GStatBuf status;

  g_unsetenv ("SHMFRAME_RUNTIME_DIR");
  g_setenv ("XDG_RUNTIME_DIR", fixture->folder, TRUE);
  folders = shmframe_name_folders ();
  g_assert_cmpstr (folders[0], ==, session);
  g_assert_cmpstr (folders[1], ==, "/run/shmframe");
  path = shmframe_name_producer_path ("cam0", NULL);
  g_assert_true (g_str_has_prefix (path, session));
  g_assert_cmpint (g_stat (session, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 0777, ==, 0700);

  /* One that others may write is passed over; the next may have to be made. */
  g_assert_cmpint (g_chmod (session, 0777), ==, 0);
  next = geteuid () == 0 ? g_strdup ("/run/shmframe")
                         : g_strdup_printf ("/tmp/shmframe-%u", (guint) geteuid ());
  existed = g_file_test (next, G_FILE_TEST_EXISTS);
  g_free (path);
  path = shmframe_name_producer_path ("cam0", NULL);
  g_assert_false (path != NULL && g_str_has_prefix (path, session));
  g_assert_cmpint (g_rmdir (session), ==, 0);
  if (!existed)
    g_rmdir (next);

  if (before != NULL)
    g_setenv ("XDG_RUNTIME_DIR", before, TRUE);
  else
    g_unsetenv ("XDG_RUNTIME_DIR");

  /* The one that the user chose is made. */
  g_setenv ("SHMFRAME_RUNTIME_DIR", missing, TRUE);
  g_free (path);
  path = shmframe_name_producer_path ("cam0", NULL);
  g_assert_true (g_str_has_prefix (path, missing));
  g_assert_cmpint (g_rmdir (missing), ==, 0);
  g_assert_cmpint (g_rmdir (parent), ==, 0);
}

static void
test_list (Fixture *fixture, gconstpointer data)
{
  g_autofree char *second_path = shmframe_name_producer_path ("b", NULL);
  g_autofree char *no_socket = g_build_filename (fixture->folder, "no.sock", NULL);
  g_autoptr (ShmFrameName) first = own (fixture->path);
  g_autoptr (ShmFrameName) second = own (second_path);
  g_auto (GStrv) paths = NULL;

  g_assert_nonnull (first);
  g_assert_nonnull (second);
  g_assert_true (g_file_set_contents (no_socket, "x", -1, NULL));
  paths = shmframe_name_list ();
  g_assert_cmpuint (g_strv_length (paths), ==, 2);
  g_assert_cmpstr (paths[0], ==, second_path);
  g_assert_cmpstr (paths[1], ==, fixture->path);
  g_assert_cmpint (g_unlink (no_socket), ==, 0);
}

/* ---- owning -------------------------------------------------------------------------------- */

static void
test_own (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameConnection) connection = NULL;
  g_autoptr (ShmFrameName) name = shmframe_name_own (fixture->path, 0640, NULL, &error);
  g_autofree char *lock_path = g_strconcat (fixture->path, ".lock", NULL);
  GStatBuf status;

  g_assert_no_error (error);
  g_assert_cmpstr (shmframe_name_get_path (name), ==, fixture->path);
  g_assert_cmpint (fcntl (shmframe_name_get_socket (name), F_GETFD), ==, FD_CLOEXEC);
  g_assert_cmpint (g_stat (fixture->path, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 07777, ==, 0640);
  g_assert_cmpint (g_stat (lock_path, &status), ==, 0);
  g_assert_cmpuint (status.st_mode & 07777, ==, 0600);
  g_assert_cmpuint (count_files (fixture->folder), ==, 2);
  connection = shmframe_connection_open (fixture->path, &error);
  g_assert_no_error (error);
  assert_state (fixture->path, SHMFRAME_NAME_LIVE, getpid ());

  shmframe_name_free (g_steal_pointer (&name));
  shmframe_name_free (NULL);
  assert_state (fixture->path, SHMFRAME_NAME_DEAD, 0);
  g_assert_cmpuint (count_files (fixture->folder), ==, 0);
}

static void
test_bad_arguments (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *missing = g_build_filename (fixture->folder, "none", "x.sock", NULL);

  g_assert_null (shmframe_name_own (fixture->path, 0600, "no-such-group-here", &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (shmframe_name_own (fixture->path, 01777, NULL, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT);
  assert_own_fails (missing, SHMFRAME_ERROR_NAME, "make the folder");
}

/* Root may give files to any group, so only the run as an ordinary user shows it. */
static void
test_foreign_group (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameName) name = shmframe_name_own (fixture->path, 0660, "root", &error);

  if (geteuid () == 0)
    {
      g_assert_no_error (error);
      return;
    }
  g_assert_null (name);
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PERMISSION);
  g_assert_nonnull (strstr (error->message, "group root"));
  g_assert_nonnull (strstr (error->message, "no member"));
  g_assert_cmpuint (count_files (fixture->folder), ==, 0);
}

/* The advice fits one who has set SHMFRAME_RUNTIME_DIR already. */
static void
test_impossible_folder (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *file = g_build_filename (fixture->folder, "file", NULL);
  g_autofree char *below = g_build_filename (file, "x", NULL);

  g_assert_true (g_file_set_contents (file, "x", 1, NULL));
  g_setenv ("SHMFRAME_RUNTIME_DIR", below, TRUE);
  g_assert_null (shmframe_name_producer_path ("cam0", &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME);
  g_assert_nonnull (strstr (error->message, "set SHMFRAME_RUNTIME_DIR to a folder"));
  g_assert_cmpint (g_unlink (file), ==, 0);
}

static void
test_same_process (Fixture *fixture, gconstpointer data)
{
  g_autofree char *link = g_strconcat (fixture->folder, "-link", NULL);
  g_autofree char *through_link = g_build_filename (link, "cam0.sock", NULL);
  g_autoptr (ShmFrameName) name = own (fixture->path);
  pid_t child;
  int status;

  g_assert_cmpint (symlink (fixture->folder, link), ==, 0);
  assert_in_use (fixture->path, getpid ());
  assert_in_use (through_link, getpid ());
  assert_state (through_link, SHMFRAME_NAME_LIVE, getpid ());
  shmframe_name_sweep (through_link);
  g_assert_cmpint (g_unlink (link), ==, 0);

  /* None of that dropped the lock: another process still sees it. */
  child = fork ();
  if (child == 0)
    {
      assert_in_use (fixture->path, getppid ());
      assert_state (fixture->path, SHMFRAME_NAME_LIVE, getppid ());
      shmframe_name_sweep (fixture->path);
      /* A copy of the owner's object, which is not the owner. */
      shmframe_name_free (name);
      _exit (0);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpuint (count_files (fixture->folder), ==, 2);
  assert_state (fixture->path, SHMFRAME_NAME_LIVE, getpid ());
}

/* Refused while the owner lives; taken over at once when it was killed, though a child of it still
 * has the listening socket and the lock file open. */
static void
test_take_over (Fixture *fixture, gconstpointer data)
{
  int life;
  pid_t owner = start_owner (fixture->path, &life);
  g_autoptr (ShmFrameName) name = NULL;

  assert_in_use (fixture->path, owner);
  assert_state (fixture->path, SHMFRAME_NAME_LIVE, owner);
  shmframe_name_sweep (fixture->path);
  g_assert_cmpuint (count_files (fixture->folder), ==, 2);

  kill_child (owner);
  assert_state (fixture->path, SHMFRAME_NAME_DEAD, 0);
  g_assert_cmpuint (count_files (fixture->folder), ==, 2);
  name = own (fixture->path);
  assert_state (fixture->path, SHMFRAME_NAME_LIVE, getpid ());
  close (life);
}

static void
test_sweep (Fixture *fixture, gconstpointer data)
{
  int life;
  pid_t owner = start_owner (fixture->path, &life);

  kill_child (owner);
  shmframe_name_sweep (fixture->path);
  g_assert_cmpuint (count_files (fixture->folder), ==, 0);
  assert_state (fixture->path, SHMFRAME_NAME_DEAD, 0);
  shmframe_name_sweep (fixture->path);
  close (life);
}

static int
bind_raw (const char *path, gboolean listens)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  if (listens)
    g_assert_cmpint (listen (fd, 1), ==, 0);
  return fd;
}

/* What a producer leaves that is killed between bind and rename. */
static void
test_temporary_left (Fixture *fixture, gconstpointer data)
{
  g_autofree char *lock_path = g_strconcat (fixture->path, ".lock", NULL);
  g_autofree char *temporary = g_strconcat (fixture->path, ".tmp", NULL);

  g_assert_true (g_file_set_contents (lock_path, "", 0, NULL));
  close (bind_raw (temporary, FALSE));
  shmframe_name_free (own (fixture->path));
  g_assert_cmpuint (count_files (fixture->folder), ==, 0);

  g_assert_true (g_file_set_contents (lock_path, "", 0, NULL));
  close (bind_raw (temporary, FALSE));
  shmframe_name_sweep (fixture->path);
  g_assert_cmpuint (count_files (fixture->folder), ==, 0);
}

/* Files that bear our names but are not ours stay. */
static void
test_foreign_files (Fixture *fixture, gconstpointer data)
{
  g_autofree char *lock_path = g_strconcat (fixture->path, ".lock", NULL);
  int fd;

  g_assert_true (g_file_set_contents (fixture->path, "data", -1, NULL));
  assert_own_fails (fixture->path, SHMFRAME_ERROR_NAME, "not a socket");
  g_assert_cmpint (g_unlink (fixture->path), ==, 0);

  g_assert_true (g_file_set_contents (lock_path, "data", -1, NULL));
  assert_own_fails (fixture->path, SHMFRAME_ERROR_NAME, "not a lock file");
  shmframe_name_sweep (fixture->path);
  g_assert_cmpint (g_unlink (lock_path), ==, 0);
  g_assert_cmpint (symlink ("/dev/null", lock_path), ==, 0);
  assert_own_fails (fixture->path, SHMFRAME_ERROR_NAME, "lock file");
  g_assert_cmpint (g_unlink (lock_path), ==, 0);

  /* A socket without a lock file: another program's while somebody listens, else a dead one. */
  fd = bind_raw (fixture->path, TRUE);
  assert_state (fixture->path, SHMFRAME_NAME_FOREIGN, 0);
  assert_in_use (fixture->path, getpid ());
  shmframe_name_sweep (fixture->path);
  g_assert_cmpuint (count_files (fixture->folder), ==, 1);
  close (fd);
  shmframe_name_free (own (fixture->path));
}

/* A sweeper at work is not an owner: who wants the name waits for it. */
static void
test_sweeper_at_work (Fixture *fixture, gconstpointer data)
{
  g_autofree char *lock_path = g_strconcat (fixture->path, ".lock", NULL);
  int ready[2], end[2], status;
  char byte;
  pid_t child;

  g_assert_true (g_file_set_contents (lock_path, "", 0, NULL));
  g_assert_cmpint (pipe (ready), ==, 0);
  g_assert_cmpint (pipe (end), ==, 0);
  child = fork ();
  if (child == 0)
    {
      int fd;

      g_assert_cmpint (shmframe_lock_sweeper (lock_path, &fd), ==, SHMFRAME_LOCK_TAKEN);
      g_assert_cmpint (write (ready[1], "", 1), ==, 1);
      g_assert_cmpint (read (end[0], &byte, 1), ==, 1);
      g_assert_cmpint (unlink (lock_path), ==, 0);
      _exit (0);
    }
  g_assert_cmpint (read (ready[0], &byte, 1), ==, 1);
  assert_state (fixture->path, SHMFRAME_NAME_DEAD, 0);
  g_assert_cmpint (write (end[1], "", 1), ==, 1);
  shmframe_name_free (own (fixture->path));
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_cmpint (status, ==, 0);
  for (int i = 0; i < 2; i++)
    {
      close (ready[i]);
      close (end[i]);
    }
}

/* Several processes take over and sweep the same dead name at once: never two owners. */
static void
test_race (Fixture *fixture, gconstpointer data)
{
  g_autofree char *token = g_build_filename (fixture->folder, "token", NULL);
  g_autofree char *lock_path = g_strconcat (fixture->path, ".lock", NULL);
  pid_t children[4];
  int status;

  for (gsize i = 0; i < G_N_ELEMENTS (children); i++)
    {
      children[i] = fork ();
      if (children[i] != 0)
        continue;
      for (int round = 0; round < 2000; round++)
        {
          g_autoptr (GError) error = NULL;
          g_autoptr (ShmFrameName) name = shmframe_name_own (fixture->path, 0600, NULL, &error);
          int fd;

          if (name == NULL)
            {
              g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME_IN_USE);
              shmframe_name_sweep (fixture->path);
              continue;
            }
          g_assert_true (g_file_test (lock_path, G_FILE_TEST_EXISTS));
          fd = open (token, O_CREAT | O_EXCL | O_RDWR, 0600);
          g_assert_cmpint (fd, >=, 0);
          g_assert_cmpint (unlink (token), ==, 0);
          close (fd);
        }
      _exit (0);
    }
  for (gsize i = 0; i < G_N_ELEMENTS (children); i++)
    {
      g_assert_cmpint (waitpid (children[i], &status, 0), ==, children[i]);
      g_assert_cmpint (status, ==, 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  alarm (60);
  g_test_add_func ("/name/bad-names", test_bad_names);
#define ADD(path, function) g_test_add ("/name/" path, Fixture, NULL, set_up, function, tear_down)
  ADD ("long-path", test_long_path);
  ADD ("paths", test_paths);
  ADD ("folders", test_folders);
  ADD ("list", test_list);
  ADD ("own", test_own);
  ADD ("bad-arguments", test_bad_arguments);
  ADD ("foreign-group", test_foreign_group);
  ADD ("impossible-folder", test_impossible_folder);
  ADD ("same-process", test_same_process);
  ADD ("take-over", test_take_over);
  ADD ("sweep", test_sweep);
  ADD ("temporary-left", test_temporary_left);
  ADD ("foreign-files", test_foreign_files);
  ADD ("sweeper-at-work", test_sweeper_at_work);
  ADD ("race", test_race);
#undef ADD
  return g_test_run ();
}
