/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "child.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TEST_TIMEOUT_S 120 /* a hang; under a sanitizer one test takes 40 */

static char *runner_path;
char *folder;

static void
child_setup (gpointer user_data)
{
  /* None outlives a test that the watchdog ended. */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

Child *
child_spawn (const char *const *argv)
{
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GError) error = NULL;
  Child *child = g_new0 (Child, 1);

  g_subprocess_launcher_set_child_setup (launcher, child_setup, NULL, NULL);
  child->process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  g_assert_no_error (error);
  child->out = g_data_input_stream_new (g_subprocess_get_stdout_pipe (child->process));
  child->lines = g_ptr_array_new_with_free_func (g_free);
  return child;
}

Child *
run (const char *format, ...)
{
  g_autofree char *pipeline = NULL;
  va_list args;

  va_start (args, format);
  pipeline = g_strdup_vprintf (format, args);
  va_end (args);
  g_test_message ("%s", pipeline);
  return child_spawn ((const char *[]){ runner_path, pipeline, NULL });
}

const char *
wait_line (Child *child, const char *prefix)
{
  char *line;

  while ((line = g_data_input_stream_read_line (child->out, NULL, NULL, NULL)))
    {
      g_ptr_array_add (child->lines, line);
      if (g_str_has_prefix (line, prefix))
        return line;
    }
  return NULL;
}

void
expect_line (Child *child, const char *prefix)
{
  const char *line = wait_line (child, prefix);

  if (!line)
    for (guint i = 0; i < child->lines->len; i++)
      g_test_message ("said: %s", (char *) child->lines->pdata[i]);
  g_test_message ("expecting '%s'", prefix);
  g_assert_nonnull (line);
}

void
tell (Child *child, const char *command)
{
  GOutputStream *in = g_subprocess_get_stdin_pipe (child->process);
  g_autofree char *line = g_strconcat (command, "\n", NULL);

  g_assert_true (g_output_stream_write_all (in, line, strlen (line), NULL, NULL, NULL));
  g_assert_true (g_output_stream_flush (in, NULL, NULL));
}

int
finish (Child *child)
{
  while (wait_line (child, "\n"))
    ;
  g_assert_true (g_subprocess_wait (child->process, NULL, NULL));
  for (guint i = 0; i < child->lines->len; i++)
    if (g_str_has_prefix (child->lines->pdata[i], "error "))
      g_test_message ("%s", (char *) child->lines->pdata[i]);
  return g_subprocess_get_if_signaled (child->process)
             ? -g_subprocess_get_term_sig (child->process)
             : g_subprocess_get_exit_status (child->process);
}

void
child_free (Child *child)
{
  g_subprocess_force_exit (child->process);
  g_subprocess_wait (child->process, NULL, NULL);
  g_object_unref (child->process);
  g_object_unref (child->out);
  g_ptr_array_unref (child->lines);
  g_free (child);
}

guint
count_lines (Child *child, const char *prefix)
{
  guint n = 0;

  for (guint i = 0; i < child->lines->len; i++)
    n += g_str_has_prefix (child->lines->pdata[i], prefix);
  return n;
}

guint64
stat_of (Child *child, const char *name)
{
  g_autofree char *key = g_strconcat (" ", name, "=(", NULL);

  for (guint i = child->lines->len; i-- > 0;)
    if (g_str_has_prefix (child->lines->pdata[i], "stats "))
      {
        const char *at = strstr (child->lines->pdata[i], key);

        g_assert_nonnull (at);
        return g_ascii_strtoull (strchr (at, ')') + 1, NULL, 10);
      }
  g_assert_not_reached ();
}

char *
hashes (Child *child)
{
  GString *all = g_string_new (NULL);

  for (guint i = 0; i < child->lines->len; i++)
    if (g_str_has_prefix (child->lines->pdata[i], "frame "))
      g_string_append_printf (all, "%s\n", strrchr (child->lines->pdata[i], ' ') + 1);
  return g_string_free (all, FALSE);
}

char *
reference (const char *pipeline)
{
  g_autoptr (Child) child = run ("%s ! fakesink name=check", pipeline);

  g_assert_cmpint (finish (child), ==, 0);
  return hashes (child);
}

guint64
stat_now (Child *child, const char *name)
{
  tell (child, "stats");
  expect_line (child, "stats");
  return stat_of (child, name);
}

void
await_stat (Child *child, const char *name, guint64 least)
{
  while (stat_now (child, name) < least)
    g_usleep (1000);
}

gboolean
have_elements (const char *first, ...)
{
  gboolean have = TRUE;
  va_list args;

  va_start (args, first);
  for (const char *name = first; name && have; name = va_arg (args, const char *))
    {
      g_autoptr (GSubprocess) process = g_subprocess_new (
          G_SUBPROCESS_FLAGS_NONE, NULL, "gst-inspect-1.0", "--exists", name, NULL);

      have = process && g_subprocess_wait_check (process, NULL, NULL);
      if (!have)
        g_test_skip_printf ("GStreamer element %s is not installed", name);
    }
  va_end (args);
  return have;
}

static void
each_test (gpointer fixture, gconstpointer data)
{
  void (*test) (void) = data;

  alarm (TEST_TIMEOUT_S);
  test ();
  alarm (0);
}

void
add (const char *path, void (*test) (void))
{
  g_test_add (path, char, test, NULL, (void (*) (char *, gconstpointer)) each_test, NULL);
}

static void
remove_folder (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)))
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);

      g_unlink (path);
    }
  g_rmdir (folder);
}

void
begin_tests (int *argc, char ***argv)
{
  g_autofree char *here = g_path_get_dirname ((*argv)[0]);

  g_test_init (argc, argv, NULL);
  runner_path = g_build_filename (here, "elements-runner", NULL);
  folder = g_dir_make_tmp ("shmframe-elements-XXXXXX", NULL);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
  signal (SIGPIPE, SIG_IGN);
}

int
run_tests (void)
{
  int failed = g_test_run ();

  remove_folder ();
  return failed;
}
