/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "side.h"

#include <gio/gunixinputstream.h>
#include <glib/gstdio.h>
#include <unistd.h>

static gint64 longest_us;
static int leaks_log;

void
note_time (gint64 begin)
{
  longest_us = MAX (longest_us, g_get_monotonic_time () - begin);
}

void
report_time (const char *what)
{
  g_test_message ("%s: at most %.1f ms", what, longest_us / 1000.);
  longest_us = 0;
}

static GstBusSyncReply
bus_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Side *side = user_data;
  g_autoptr (GError) error = NULL;
  GstStreamStatusType status;

  g_mutex_lock (&side->lock);
  switch (GST_MESSAGE_TYPE (message))
    {
    case GST_MESSAGE_STREAM_STATUS:
      gst_message_parse_stream_status (message, &status, NULL);
      if (status == GST_STREAM_STATUS_TYPE_ENTER)
        side->thread = gettid ();
      break;
    case GST_MESSAGE_EOS:
      side->eos = TRUE;
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      /* Others are caught out when PAUSED is left at once: capsfilter has lost its caps, and videotestsrc calls
       * that an error. */
      if (!side->error && GST_MESSAGE_SRC (message) == GST_OBJECT (side->e))
        side->error = g_strdup (error->message);
      break;
    default:
      break;
    }
  g_cond_broadcast (&side->changed);
  g_mutex_unlock (&side->lock);
  gst_message_unref (message);
  return GST_BUS_DROP;
}

static GstPadProbeReturn
frame_comes (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  Side *side = user_data;

  g_mutex_lock (&side->lock);
  side->frames++;
  g_cond_broadcast (&side->changed);
  g_mutex_unlock (&side->lock);
  return GST_PAD_PROBE_OK;
}

Side *
side_new (const char *pipeline)
{
  Side *side = g_new0 (Side, 1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;

  g_mutex_init (&side->lock);
  g_cond_init (&side->changed);
  side->pipeline = gst_parse_launch (pipeline, &error);
  g_assert_no_error (error);
  side->e = gst_bin_get_by_name (GST_BIN (side->pipeline), "e");
  side->pad = GST_PAD (gst_object_ref (side->e->pads->data));
  gst_pad_add_probe (side->pad, GST_PAD_PROBE_TYPE_BUFFER, frame_comes, side, NULL);
  bus = gst_element_get_bus (side->pipeline);
  gst_bus_set_sync_handler (bus, bus_message, side, NULL);
  return side;
}

void
set_state (GstElement *element, GstState state)
{
  gint64 begin = g_get_monotonic_time ();

  alarm (WATCHDOG_S);
  g_assert_cmpint (gst_element_set_state (element, state), !=, GST_STATE_CHANGE_FAILURE);
  note_time (begin);
}

void
reach (GstElement *element, GstState state)
{
  GstStateChangeReturn result;

  set_state (element, state);
  alarm (2 * WATCHDOG_S);
  result = gst_element_get_state (element, NULL, NULL, WATCHDOG_S * GST_SECOND);
  g_assert_cmpint (result, !=, GST_STATE_CHANGE_FAILURE);
  g_assert_cmpint (result, !=, GST_STATE_CHANGE_ASYNC);
  g_assert_cmpint (GST_STATE (element), ==, state);
}

void
side_free (Side *side)
{
  set_state (side->pipeline, GST_STATE_NULL);
  g_assert_cmpstr (side->error, ==, NULL);
  gst_object_unref (side->pad);
  gst_object_unref (side->e);
  gst_object_unref (side->pipeline);
  g_mutex_clear (&side->lock);
  g_cond_clear (&side->changed);
  g_free (side->error);
  g_free (side);
}

void
await_frames (Side *side, guint n)
{
  guint until;

  alarm (WATCHDOG_S);
  g_mutex_lock (&side->lock);
  until = side->frames + n;
  while (side->frames < until && !side->error)
    g_cond_wait (&side->changed, &side->lock);
  g_assert_cmpstr (side->error, ==, NULL);
  g_mutex_unlock (&side->lock);
}

char *
await_end (Side *side)
{
  char *error;

  alarm (WATCHDOG_S);
  g_mutex_lock (&side->lock);
  while (!side->eos && !side->error)
    g_cond_wait (&side->changed, &side->lock);
  error = g_steal_pointer (&side->error);
  side->eos = FALSE;
  g_mutex_unlock (&side->lock);
  return error;
}

void
await_sleep (Side *side)
{
  alarm (WATCHDOG_S);
  for (guint calm = 0; calm < 3; g_usleep (1000))
    {
      g_autofree char *path = NULL, *stat = NULL;

      g_mutex_lock (&side->lock);
      path = g_strdup_printf ("/proc/self/task/%d/stat", (int) side->thread);
      g_mutex_unlock (&side->lock);
      if (g_file_get_contents (path, &stat, NULL, NULL) && strstr (stat, ") S "))
        calm++;
      else
        calm = 0;
    }
}

guint64
stat_of_element (GstElement *element, const char *name)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 value;

  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  return value;
}

/* The leaks tracer's log, in a file without a name. */
static int
open_leaks_log (void)
{
  g_autofree char *path = NULL, *by_descriptor = NULL;
  int fd;

  if (g_strcmp0 (g_getenv ("GST_TRACERS"), "leaks") != 0)
    return -1;
  fd = g_file_open_tmp ("shmframe-leaks-XXXXXX", &path, NULL);
  g_assert_cmpint (fd, >=, 0);
  g_unlink (path);
  by_descriptor = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_setenv ("GST_DEBUG", "GST_TRACER:7", TRUE);
  g_setenv ("GST_DEBUG_NO_COLOR", "1", TRUE);
  g_setenv ("GST_DEBUG_FILE", by_descriptor, TRUE);
  return fd;
}

/* TRUE: something is left. */
static gboolean
check_leaks (int fd)
{
  g_autoptr (GInputStream) log = NULL;
  g_autoptr (GDataInputStream) lines = NULL;
  guint n = 0, n_alive = 0;
  char *line;

  if (fd < 0)
    return FALSE;
  /* Now it speaks; its warning comes before its list. */
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  gst_deinit ();
  log = g_unix_input_stream_new (fd, TRUE);
  lines = g_data_input_stream_new (log);
  while ((line = g_data_input_stream_read_line (lines, NULL, NULL, NULL)))
    {
      n++;
      if (strstr (line, "object-alive, type-name=(string)G"))
        {
          n_alive++;
          g_printerr ("%s\n", line);
        }
      g_free (line);
    }
  g_print ("# leaks: %u of %u lines\n", n_alive, n);
  return n == 0 || n_alive > 0;
}

void
begin_side_tests (int *argc, char ***argv)
{
  begin_tests (argc, argv);
  leaks_log = open_leaks_log ();
  gst_init (argc, argv);
}

int
run_side_tests (void)
{
  int failed = run_tests ();

  return check_leaks (leaks_log) || failed;
}
