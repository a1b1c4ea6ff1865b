/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A consumer on a GLib main loop, as in a program with a user interface: nothing here ever blocks.
 * Takes the newest frame whenever there is one, and prints once a second how many came.
 *
 *   sample-mainloop [POOL]
 */
#include <glib-unix.h>
#include <shmframe/shmframe.h>

typedef struct
{
  GMainLoop *loop;
  guint frames;
  guint64 newest;
  GError *error;
} Sample;

/* Called whenever a frame, an event or an error is there. Takes one; what is left calls it again. */
static gboolean
ready (ShmFrameConsumer *consumer, gpointer user_data)
{
  Sample *sample = user_data;
  g_autoptr (ShmFrameEvent) event = NULL;
  ShmFrameFrame *frame = shmframe_consumer_lease (consumer, 0, &event, &sample->error);

  if (frame != NULL)
    {
      sample->newest = shmframe_frame_get_sequence (frame);
      /* A user interface would draw it here, and keep the frame for as long as it is shown. */
      if (shmframe_consumer_release (consumer, frame) == SHMFRAME_VERDICT_INTACT)
        sample->frames++;
    }
  else if (event != NULL && shmframe_event_get_event_type (event) == SHMFRAME_EVENT_FORMAT)
    {
      g_autofree char *format = shmframe_format_to_string (shmframe_event_get_format (event));

      g_print ("format: %s\n", format);
    }
  else if (g_error_matches (sample->error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT))
    g_clear_error (&sample->error); /* woken for nothing */
  if (sample->error == NULL)
    return G_SOURCE_CONTINUE;
  g_main_loop_quit (sample->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
report (gpointer user_data)
{
  Sample *sample = user_data;

  g_print ("%u frames in the last second, the newest is %" G_GUINT64_FORMAT "\n", sample->frames,
           sample->newest);
  sample->frames = 0;
  return G_SOURCE_CONTINUE;
}

static gboolean
interrupted (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (ShmFrameConsumer) consumer = NULL;
  g_autoptr (GSource) source = NULL;
  const char *pool = argc > 1 ? argv[1] : "sample";
  Sample sample = { .loop = loop };

  if (pool[0] == '-')
    {
      g_printerr ("Usage: sample-mainloop [POOL]\n");
      return 2;
    }
  consumer = shmframe_consumer_new (pool, SHMFRAME_DELIVERY_LATEST, &sample.error);
  if (consumer != NULL)
    {
      source = shmframe_consumer_create_source (consumer);
      g_source_set_callback (source, G_SOURCE_FUNC (ready), &sample, NULL);
      g_source_attach (source, NULL);
      g_timeout_add_seconds (1, report, &sample);
      g_unix_signal_add (SIGINT, interrupted, loop);
      g_main_loop_run (loop);
      g_source_destroy (source);
    }
  if (sample.error == NULL)
    return 0;
  g_printerr ("sample-mainloop: %s\n", sample.error->message);
  g_error_free (sample.error);
  return 1;
}
