/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The smallest consumer: prints each frame's sequence, time, latency and mean luma, until the
 * producer's stream ends. It may be started before the producer.
 *
 *   sample-consumer [POOL]
 */
#include <shmframe/shmframe.h>

static double
mean_luma (ShmFrameFrame *frame)
{
  ShmFrameFormat *format = shmframe_frame_get_format (frame);
  guint rows = shmframe_format_get_rows (format, 0);
  gsize row_bytes = shmframe_format_get_row_bytes (format, 0);
  guint64 sum = 0;
  gint stride;
  const guint8 *luma = shmframe_frame_get_plane (frame, 0, &stride);

  if (luma == NULL || rows == 0 || row_bytes == 0)
    return 0;
  for (guint y = 0; y < rows; y++)
    for (gsize x = 0; x < row_bytes; x++)
      sum += luma[(gssize) y * stride + (gssize) x];
  return (double) sum / ((double) rows * (double) row_bytes);
}

static void
print_frame (ShmFrameConsumer *consumer, ShmFrameFrame *frame)
{
  guint64 sequence = shmframe_frame_get_sequence (frame);
  gint64 pts_ns = shmframe_frame_get_pts (frame);
  gint64 latency_ns = shmframe_frame_get_latency (frame);
  double luma = mean_luma (frame);

  /* What was read counts only once the lease has ended well. */
  if (shmframe_consumer_release (consumer, frame) == SHMFRAME_VERDICT_REVOKED)
    {
      g_printerr ("frame %" G_GUINT64_FORMAT ": revoked while it was read\n", sequence);
      return;
    }
  g_print ("frame %" G_GUINT64_FORMAT ": pts %.3f s, latency %.1f us, mean luma %.1f\n", sequence,
           (double) pts_ns / 1e9, (double) latency_ns / 1e3, luma);
}

/* FALSE: the stream is over. */
static gboolean
print_event (ShmFrameEvent *event)
{
  g_autofree char *format = NULL;

  switch (shmframe_event_get_event_type (event))
    {
    case SHMFRAME_EVENT_FORMAT:
      format = shmframe_format_to_string (shmframe_event_get_format (event));
      g_print ("format: %s\n", format);
      return TRUE;
    case SHMFRAME_EVENT_LOST:
      g_print ("the producer is gone; waiting for the next one\n");
      return TRUE;
    case SHMFRAME_EVENT_EOS:
      return FALSE;
    default:
      return TRUE;
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameConsumer) consumer = NULL;
  const char *pool = argc > 1 ? argv[1] : "sample";
  gboolean more;

  if (pool[0] == '-')
    {
      g_printerr ("Usage: sample-consumer [POOL]\n");
      return 2;
    }
  consumer = shmframe_consumer_new (pool, SHMFRAME_DELIVERY_ORDERED, &error);
  more = consumer != NULL;
  while (more)
    {
      g_autoptr (ShmFrameEvent) event = NULL;
      ShmFrameFrame *frame = shmframe_consumer_lease (consumer, -1, &event, &error);

      if (frame != NULL)
        print_frame (consumer, frame);
      more = frame != NULL || (event != NULL && print_event (event));
    }
  if (error == NULL)
    return 0;
  g_printerr ("sample-consumer: %s\n", error->message);
  return 1;
}
