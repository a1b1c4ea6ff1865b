/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Processes of tests/elements.c: pipelines run by elements-runner, and what they say. */

#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *runner_path;
static char *folder;

typedef struct
{
  GSubprocess *process;
  GDataInputStream *out;
  GPtrArray *lines; /* all that it has said */
} Child;

static void
child_setup (gpointer user_data)
{
  /* None outlives a test that the watchdog ended. */
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static Child *
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

static Child *run (const char *format, ...) G_GNUC_PRINTF (1, 2);

static Child *
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

/* The next line that begins so; NULL at the end. */
static const char *
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

static void
expect_line (Child *child, const char *prefix)
{
  const char *line = wait_line (child, prefix);

  if (!line)
    for (guint i = 0; i < child->lines->len; i++)
      g_test_message ("said: %s", (char *) child->lines->pdata[i]);
  g_test_message ("expecting '%s'", prefix);
  g_assert_nonnull (line);
}

static void
tell (Child *child, const char *command)
{
  GOutputStream *in = g_subprocess_get_stdin_pipe (child->process);
  g_autofree char *line = g_strconcat (command, "\n", NULL);

  g_assert_true (g_output_stream_write_all (in, line, strlen (line), NULL, NULL, NULL));
  g_assert_true (g_output_stream_flush (in, NULL, NULL));
}

/* Reads to the end; its exit code, or minus its signal. */
static int
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

static void
child_free (Child *child)
{
  g_subprocess_force_exit (child->process);
  g_subprocess_wait (child->process, NULL, NULL);
  g_object_unref (child->process);
  g_object_unref (child->out);
  g_ptr_array_unref (child->lines);
  g_free (child);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Child, child_free)

static guint
count_lines (Child *child, const char *prefix)
{
  guint n = 0;

  for (guint i = 0; i < child->lines->len; i++)
    n += g_str_has_prefix (child->lines->pdata[i], prefix);
  return n;
}

/* Number of a field in its last statistics. */
static guint64
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

/* Hashes of the frames that a pipeline, or a child, showed. */
static char *
hashes (Child *child)
{
  GString *all = g_string_new (NULL);

  for (guint i = 0; i < child->lines->len; i++)
    if (g_str_has_prefix (child->lines->pdata[i], "frame "))
      g_string_append_printf (all, "%s\n", strrchr (child->lines->pdata[i], ' ') + 1);
  return g_string_free (all, FALSE);
}

static char *
reference (const char *pipeline)
{
  g_autoptr (Child) child = run ("%s ! fakesink name=check", pipeline);

  g_assert_cmpint (finish (child), ==, 0);
  return hashes (child);
}

static gboolean
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
