/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The smallest producer: a bar that moves through grey NV12 frames, 30 a second, until Ctrl-C. */
#include <glib-unix.h>
#include <shmframe/shmframe.h>
#include <string.h>

#define WIDTH 1280
#define HEIGHT 720
#define FRAME_RATE 30
#define BAR_WIDTH 64

typedef struct
{
  GMainLoop *loop;
  ShmFrameProducer *producer;
  guint64 drawn;
  GError *error;
} Sample;

/* Rows are `stride` bytes apart, which is at least the width. */
static void
draw (ShmFrameFrame *frame, guint64 number)
{
  guint bar = (guint) (number * 8 % (WIDTH - BAR_WIDTH));
  gint stride;
  guint8 *plane = shmframe_frame_get_plane (frame, 0, &stride);

  for (guint y = 0; y < HEIGHT; y++)
    {
      memset (plane + (gsize) y * stride, 64, WIDTH);
      memset (plane + (gsize) y * stride + bar, 220, BAR_WIDTH);
    }
  plane = shmframe_frame_get_plane (frame, 1, &stride);
  for (guint y = 0; y < HEIGHT / 2; y++)
    memset (plane + (gsize) y * stride, 128, WIDTH);
}

static gboolean
publish_frame (gpointer user_data)
{
  Sample *sample = user_data;
  g_autoptr (ShmFrameFrame) frame = shmframe_producer_acquire (sample->producer, &sample->error);

  if (frame != NULL)
    {
      gint64 now_ns = g_get_monotonic_time () * 1000;

      draw (frame, sample->drawn++);
      shmframe_frame_set_pts (frame, now_ns);
      shmframe_frame_set_capture_time (frame, now_ns);
      shmframe_frame_set_duration (frame, 1000000000 / FRAME_RATE);
      shmframe_frame_set_flags (frame, SHMFRAME_FLAG_KEY);
      shmframe_producer_publish (sample->producer, frame, &sample->error);
    }
  if (sample->error != NULL)
    g_main_loop_quit (sample->loop);
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
  g_autoptr (ShmFrameFormat) format = NULL;
  const char *pool = argc > 1 ? argv[1] : "sample";
  Sample sample = { .loop = loop };

  if (pool[0] == '-')
    {
      g_printerr ("Usage: sample-producer [POOL]\n");
      return 2;
    }
  sample.producer = shmframe_producer_new (pool, &sample.error);
  if (sample.producer != NULL)
    format = shmframe_format_new ("nv12", WIDTH, HEIGHT, &sample.error);
  if (format != NULL)
    shmframe_format_set_frame_rate (format, FRAME_RATE, 1);
  if (format != NULL && shmframe_producer_set_format (sample.producer, format, &sample.error))
    {
      g_timeout_add (1000 / FRAME_RATE, publish_frame, &sample);
      g_unix_signal_add (SIGINT, interrupted, loop);
      g_main_loop_run (loop);
      shmframe_producer_push_eos (sample.producer);
    }
  g_clear_object (&sample.producer);
  if (sample.error == NULL)
    return 0;
  g_printerr ("sample-producer: %s\n", sample.error->message);
  g_error_free (sample.error);
  return 1;
}
