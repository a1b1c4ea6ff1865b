/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A producer in a process of its own, which does what it is told, line by line. A test program calls
 * child_main() first thing in main(), and starts itself again as the child with child_start().
 *
 *   format WIDTH HEIGHT       sets a grey8 format of that size
 *   publish COUNT VALUE       publishes frames, every byte VALUE; the first has metadata
 *   flood                     publishes frames, bytes 1, 2, 3 ... 255, 1 ..., until the next line
 *   drop COUNT                counts frames as dropped
 *   scribble VALUE            writes that over the frame that was published last
 *   eos                       ends the stream
 *   fork                      leaves a child with all descriptors, until the end of the input
 *   close
 */
#include <gio/gio.h>
#include <glib-unix.h>
#include <poll.h>
#include <shmframe/shmframe.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_OPTION "--producer-child"

typedef struct
{
  GPid pid;
  GIOChannel *commands; /* to it */
  GIOChannel *answers;  /* from it */
} Child;

/* ---- the child's side ---------------------------------------------------------------------- */

static gpointer child_last_data;
static gsize child_last_size;

static inline void
child_publish (ShmFrameProducer *producer, guint8 value, gboolean metadata)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFrame) frame = shmframe_producer_acquire (producer, &error);

  g_assert_no_error (error);
  child_last_data = shmframe_frame_get_data (frame);
  child_last_size = shmframe_frame_get_size (frame);
  memset (child_last_data, value, child_last_size);
  shmframe_frame_set_pts (frame, g_get_monotonic_time () * 1000);
  shmframe_frame_set_flags (frame, SHMFRAME_FLAG_KEY);
  if (metadata)
    {
      GVariantDict dict;

      g_variant_dict_init (&dict, NULL);
      g_variant_dict_insert (&dict, "value", "u", (guint) value);
      shmframe_frame_set_metadata (frame, g_variant_dict_end (&dict), &error);
      g_assert_no_error (error);
    }
  shmframe_producer_publish (producer, frame, &error);
  g_assert_no_error (error);
}

static inline void
child_obey (ShmFrameProducer *producer, const char *line)
{
  g_autoptr (GError) error = NULL;
  guint a, b;

  if (sscanf (line, "drop %u", &a) == 1)
    shmframe_producer_drop (producer, a);
  else if (sscanf (line, "scribble %u", &a) == 1)
    memset (child_last_data, (int) a, child_last_size);
  else if (sscanf (line, "format %u %u", &a, &b) == 2)
    {
      g_autoptr (ShmFrameFormat) format = shmframe_format_new ("gray", a, b, &error);

      g_assert_no_error (error);
      shmframe_producer_set_format (producer, format, &error);
      g_assert_no_error (error);
    }
  else if (sscanf (line, "publish %u %u", &a, &b) == 2)
    {
      for (guint i = 0; i < a; i++)
        child_publish (producer, (guint8) b, i == 0);
    }
  else if (g_str_has_prefix (line, "flood"))
    {
      struct pollfd input = { .fd = 0, .events = POLLIN };

      for (guint i = 0; poll (&input, 1, 0) == 0; i++)
        child_publish (producer, (guint8) (1 + i % 255), FALSE);
    }
  else if (g_str_has_prefix (line, "eos"))
    shmframe_producer_push_eos (producer);
  else if (g_str_has_prefix (line, "fork"))
    {
      char byte;

      if (fork () == 0)
        {
          while (read (0, &byte, 1) > 0)
            ;
          _exit (0);
        }
    }
  else
    shmframe_producer_close (producer);
}

/* Does not return in a child. argv: PROGRAM CHILD_OPTION POOL HISTORY. */
static inline void
child_main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  ShmFrameProducer *producer;
  char line[100];

  if (argc < 4 || !g_str_equal (argv[1], CHILD_OPTION))
    return;
  producer = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", argv[2], "history",
                             (guint) g_ascii_strtoull (argv[3], NULL, 10), NULL);
  g_assert_no_error (error);
  setvbuf (stdin, NULL, _IONBF, 0); /* `flood` polls for the next line */
  printf ("ready\n");
  fflush (stdout);
  while (fgets (line, sizeof line, stdin) != NULL)
    {
      child_obey (producer, line);
      printf ("done\n");
      fflush (stdout);
    }
  g_object_unref (producer);
  exit (0);
}

/* ---- the test's side ----------------------------------------------------------------------- */

static inline void
child_await (Child *child)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line = NULL;

  g_io_channel_read_line (child->answers, &line, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (line);
}

static inline void
child_start (Child *child, const char *pool, guint history)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *kept = g_strdup_printf ("%u", history);
  char *argv[] = { self, (char *) CHILD_OPTION, (char *) pool, kept, NULL };
  int in, out;

  g_spawn_async_with_pipes (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &child->pid,
                            &in, &out, NULL, &error);
  g_assert_no_error (error);
  child->commands = g_io_channel_unix_new (in);
  child->answers = g_io_channel_unix_new (out);
  g_io_channel_set_close_on_unref (child->commands, TRUE);
  g_io_channel_set_close_on_unref (child->answers, TRUE);
  child_await (child);
}

/* Tells it without waiting until it is done. */
static inline void
child_send (Child *child, const char *command)
{
  g_autofree char *line = g_strdup_printf ("%s\n", command);
  g_autoptr (GError) error = NULL;

  g_io_channel_write_chars (child->commands, line, -1, NULL, &error);
  g_assert_no_error (error);
  g_io_channel_flush (child->commands, &error);
  g_assert_no_error (error);
}

static inline void
child_do (Child *child, const char *command)
{
  child_send (child, command);
  child_await (child);
}

/* Ends it: by the end of its input, or by a signal. */
static inline void
child_end (Child *child, int sig)
{
  g_autofree char *rest = NULL;
  int status;

  if (sig != 0)
    kill (child->pid, sig);
  g_clear_pointer (&child->commands, g_io_channel_unref);
  g_io_channel_read_to_end (child->answers, &rest, NULL, NULL);
  g_clear_pointer (&child->answers, g_io_channel_unref);
  g_assert_cmpint (waitpid (child->pid, &status, 0), ==, child->pid);
  if (sig == 0)
    g_assert_true (WIFEXITED (status) && WEXITSTATUS (status) == 0);
}

/* A runtime folder of the test's own. (transfer full) */
static inline char *
make_runtime_folder (void)
{
  g_autoptr (GError) error = NULL;
  char *folder = g_dir_make_tmp ("shmframe-test-XXXXXX", &error);

  g_assert_no_error (error);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
  return folder;
}
