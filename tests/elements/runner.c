/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a pipeline for the tests of this folder: elements-runner PIPELINE.
 *
 * Out, a line each: state STATE; message STRUCTURE; warning TEXT; error TEXT; eos; stats NAME
 * STRUCTURE (of each shmframe element, at the end and when asked). Of what reaches the element named
 * "check": caps CAPS; tag TAGS SCOPE; gap PTS DURATION; flush; timecode CODE; meta META (each; stamp.h);
 * frame PTS OFFSET FLAGS MD5, and, where it lies in a pool, at INODE OFFSET PERMISSIONS (of the segment,
 * within it, and of its mapping), and, where it is interlaced, fields FLAGS (T, R, 1: top field first, repeat
 * first field, one field).
 * In: stats; state STATE; set ELEMENT PROPERTY VALUE; eos; flush; hold N, held,
 * release (buffers that reach "check"; held says held MD5 for each); quit. Done when "done COMMAND" is said:
 * stamp KIND (stamp.h), tag SCOPE TAGS (before the next buffer or EOS), both at the element named "stamp"; stay
 * (after EOS); watch ELEMENT ACTION (says signal NAME STRUCTURE, notify NUM-CONSUMERS, and within the
 * first does ACTION: none, stats, set, or a state, and says acted).
 * And those of timing.h; latency-message: the pipeline's latency was set anew.
 * With RUNNER_UID in its environment it becomes that user, once the plugin is loaded.
 * It ends by itself after EOS or an error; exit code 1 after an error. */

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixinputstream.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "hash.h"
#include "stamp.h"
#include "timing.h"

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline;
  gboolean failed;
  gboolean stay;
  char *action; /* within signals */
  GMutex lock;
  GQueue held; /* GstSample */
  guint hold;
} Runner;

static void say (const char *format, ...) G_GNUC_PRINTF (1, 2);

static void
say (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  flockfile (stdout);
  vprintf (format, args);
  putchar ('\n');
  fflush (stdout);
  funlockfile (stdout);
  va_end (args);
}

/* Where in which segment a frame lies, by /proc/self/maps. */
static void
say_where (GstBuffer *buffer)
{
  g_autofree char *maps = NULL;
  g_auto (GStrv) lines = NULL;
  guint64 address;
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return;
  address = (guintptr) map.data;
  gst_buffer_unmap (buffer, &map);
  g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL);
  lines = g_strsplit (maps, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    {
      guint64 from, to, offset, inode;
      char permissions[5];

      if (strstr (lines[i], "/memfd:shmframe")
          && sscanf (lines[i],
                     "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %4s %" G_GINT64_MODIFIER
                     "x %*s %" G_GUINT64_FORMAT,
                     &from, &to, permissions, &offset, &inode)
                 == 5
          && address >= from && address < to)
        say ("at %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %s", inode, address - from + offset,
             permissions);
    }
}

static void
say_fields (GstBuffer *buffer)
{
  if (GST_BUFFER_FLAG_IS_SET (buffer, GST_VIDEO_BUFFER_FLAG_INTERLACED))
    say ("fields %s%s%s", GST_BUFFER_FLAG_IS_SET (buffer, GST_VIDEO_BUFFER_FLAG_TFF) ? "T" : "-",
         GST_BUFFER_FLAG_IS_SET (buffer, GST_VIDEO_BUFFER_FLAG_RFF) ? "R" : "-",
         GST_BUFFER_FLAG_IS_SET (buffer, GST_VIDEO_BUFFER_FLAG_ONEFIELD) ? "1" : "-");
}

static void
check_buffer (Runner *runner, GstPad *pad, GstBuffer *buffer)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  g_autofree char *hash = hash_frame (buffer, caps);
  g_auto (GStrv) metas = stamp_describe (buffer);
  GstVideoTimeCodeMeta *code = gst_buffer_get_video_time_code_meta (buffer);

  say ("frame %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %s%s %s", GST_BUFFER_PTS (buffer),
       GST_BUFFER_OFFSET (buffer),
       GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DISCONT) ? "D" : "-",
       GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT) ? "-" : "K", hash);
  say_where (buffer);
  say_fields (buffer);
  if (code && gst_video_time_code_is_valid (&code->tc))
    {
      g_autofree char *string = gst_video_time_code_to_string (&code->tc);

      say ("timecode %s", string);
    }
  for (guint i = 0; metas[i]; i++)
    say ("meta %s", metas[i]);
  g_mutex_lock (&runner->lock);
  if (runner->held.length < runner->hold)
    g_queue_push_tail (&runner->held, gst_sample_new (buffer, caps, NULL, NULL));
  g_mutex_unlock (&runner->lock);
}

static void
check_event (GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS)
    {
      g_autofree char *string = NULL;
      GstCaps *caps;

      gst_event_parse_caps (event, &caps);
      string = gst_caps_to_string (caps);
      say ("caps %s", string);
    }
  else if (GST_EVENT_TYPE (event) == GST_EVENT_TAG)
    {
      g_autofree char *string = NULL;
      GstTagList *tags;

      gst_event_parse_tag (event, &tags);
      string = gst_tag_list_to_string (tags);
      say ("tag %s %s", string,
           gst_tag_list_get_scope (tags) == GST_TAG_SCOPE_GLOBAL ? "global" : "stream");
    }
  else if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT)
    {
      const GstSegment *segment;

      gst_event_parse_segment (event, &segment);
      say ("segment %s %g %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
           gst_format_get_name (segment->format), segment->rate, segment->start, segment->base,
           segment->time);
    }
  else if (GST_EVENT_TYPE (event) == GST_EVENT_GAP)
    {
      GstClockTime pts, duration;

      gst_event_parse_gap (event, &pts, &duration);
      say ("gap %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, pts, duration);
    }
  else if (GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_START)
    say ("flush");
}

static GstPadProbeReturn
probe (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    check_buffer (user_data, pad, GST_PAD_PROBE_INFO_BUFFER (info));
  else
    check_event (GST_PAD_PROBE_INFO_EVENT (info));
  return GST_PAD_PROBE_OK;
}

static void
print_stats (Runner *runner)
{
  GstIterator *elements = gst_bin_iterate_recurse (GST_BIN (runner->pipeline));
  GValue item = G_VALUE_INIT;

  while (gst_iterator_next (elements, &item) == GST_ITERATOR_OK)
    {
      GstElement *element = g_value_get_object (&item);

      if (g_str_has_prefix (G_OBJECT_TYPE_NAME (element), "GstShmFrame"))
        {
          g_autoptr (GstStructure) stats = NULL;
          g_autofree char *string = NULL;

          g_object_get (element, "stats", &stats, NULL);
          string = gst_structure_to_string (stats);
          say ("stats %s %s", GST_OBJECT_NAME (element), string);
        }
      g_value_reset (&item);
    }
  g_value_unset (&item);
  gst_iterator_free (elements);
}

/* On the thread that posts it, so that messages stand in their order with the frames. */
static GstBusSyncReply
bus_message_now (GstBus *bus, GstMessage *message, gpointer user_data)
{
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT)
    {
      g_autofree char *string = gst_structure_to_string (gst_message_get_structure (message));

      say ("message %s", string);
    }
  return GST_BUS_PASS;
}

static gboolean
bus_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Runner *runner = user_data;
  g_autoptr (GError) error = NULL;
  GstState state;

  switch (GST_MESSAGE_TYPE (message))
    {
    case GST_MESSAGE_EOS:
      say ("eos");
      print_stats (runner);
      if (!runner->stay)
        g_main_loop_quit (runner->loop);
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      say ("error %s", error->message);
      runner->failed = TRUE;
      print_stats (runner);
      g_main_loop_quit (runner->loop);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, NULL);
      say ("warning %s", error->message);
      break;
    case GST_MESSAGE_STATE_CHANGED:
      gst_message_parse_state_changed (message, NULL, &state, NULL);
      if (GST_MESSAGE_SRC (message) == GST_OBJECT (runner->pipeline))
        say ("state %s", gst_element_state_get_name (state));
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (runner->pipeline));
      say ("latency-message");
      break;
    default:
      break;
    }
  return G_SOURCE_CONTINUE;
}

static void
set_state (Runner *runner, const char *name)
{
  static const char *names[] = { "VOID", "NULL", "READY", "PAUSED", "PLAYING" };

  for (guint i = 1; i < G_N_ELEMENTS (names); i++)
    if (g_ascii_strcasecmp (name, names[i]) == 0)
      gst_element_set_state (runner->pipeline, (GstState) i);
  say ("done state %s", name);
}

/* On the producer's control thread, and only the first time. */
static void
act (Runner *runner, GstElement *element)
{
  g_autofree char *action = g_steal_pointer (&runner->action);

  if (!action || g_str_equal (action, "none"))
    return;
  if (g_str_equal (action, "stats"))
    print_stats (runner);
  else if (g_str_equal (action, "set"))
    g_object_set (element, "stall-timeout", GST_SECOND, "sync-live", TRUE, NULL);
  else
    set_state (runner, action);
  say ("acted");
}

static void
consumer_attached (GstElement *element, GstStructure *info, gpointer user_data)
{
  g_autofree char *string = gst_structure_to_string (info);

  say ("signal consumer-attached %s", string);
  act (user_data, element);
}

static void
consumer_detached (GstElement *element, GstStructure *info, gpointer user_data)
{
  g_autofree char *string = gst_structure_to_string (info);

  say ("signal consumer-detached %s", string);
  act (user_data, element);
}

static void
num_consumers_changed (GstElement *element, GParamSpec *spec, gpointer user_data)
{
  guint n;

  g_object_get (element, "num-consumers", &n, NULL);
  say ("notify %u", n);
}

static void
watch (Runner *runner, const char *name, const char *action)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (runner->pipeline), name);

  runner->action = g_strdup (action);
  g_signal_connect (element, "consumer-attached", G_CALLBACK (consumer_attached), runner);
  g_signal_connect (element, "consumer-detached", G_CALLBACK (consumer_detached), runner);
  g_signal_connect (element, "notify::num-consumers", G_CALLBACK (num_consumers_changed), runner);
  say ("done watch");
}

static void
inject_tags (const char *scope, const char *text)
{
  GstTagList *tags = gst_tag_list_new_from_string (text);

  if (g_str_equal (scope, "global"))
    gst_tag_list_set_scope (tags, GST_TAG_SCOPE_GLOBAL);
  stamp_inject (gst_event_new_tag (tags));
  say ("done tag");
}

/* Those of events and metas. */
static void
stream_command (Runner *runner, char **words, guint n)
{
  if (n == 2 && g_str_equal (words[0], "stamp"))
    say (stamp_set (words[1]) ? "done stamp" : "no such stamp");
  else if (n == 3 && g_str_equal (words[0], "tag"))
    inject_tags (words[1], words[2]);
  else if (n == 3 && g_str_equal (words[0], "watch"))
    watch (runner, words[1], words[2]);
  else if (n == 1 && g_str_equal (words[0], "stay"))
    {
      runner->stay = TRUE;
      say ("done stay");
    }
}

static void
command (Runner *runner, char **words)
{
  guint n = g_strv_length (words);

  if (n == 1 && g_str_equal (words[0], "stats"))
    print_stats (runner);
  else if (n == 2 && g_str_equal (words[0], "state"))
    set_state (runner, words[1]);
  else if (n == 4 && g_str_equal (words[0], "set"))
    {
      g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (runner->pipeline), words[1]);

      gst_util_set_object_arg (G_OBJECT (element), words[2], words[3]);
    }
  else if (n == 1 && g_str_equal (words[0], "eos"))
    gst_element_send_event (runner->pipeline, gst_event_new_eos ());
  else if (n == 1 && g_str_equal (words[0], "flush"))
    gst_element_seek_simple (runner->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0);
  else if (n == 2 && g_str_equal (words[0], "hold"))
    {
      g_mutex_lock (&runner->lock);
      runner->hold = atoi (words[1]);
      g_mutex_unlock (&runner->lock);
    }
  else if (n == 1 && g_str_equal (words[0], "release"))
    {
      g_mutex_lock (&runner->lock);
      g_queue_clear_full (&runner->held, (GDestroyNotify) gst_sample_unref);
      runner->hold = 0;
      g_mutex_unlock (&runner->lock);
    }
  else if (n == 1 && g_str_equal (words[0], "held"))
    {
      g_mutex_lock (&runner->lock);
      for (GList *l = runner->held.head; l; l = l->next)
        {
          g_autofree char *hash
              = hash_frame (gst_sample_get_buffer (l->data), gst_sample_get_caps (l->data));

          say ("held %s", hash);
        }
      g_mutex_unlock (&runner->lock);
    }
  else if (n == 1 && g_str_equal (words[0], "quit"))
    {
      print_stats (runner);
      g_main_loop_quit (runner->loop);
    }
  else
    stream_command (runner, words, n);
}

static void
read_command (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Runner *runner = user_data;
  GDataInputStream *in = G_DATA_INPUT_STREAM (source);
  g_autofree char *line = g_data_input_stream_read_line_finish (in, result, NULL, NULL);

  if (!line)
    return;
  g_auto (GStrv) words = g_strsplit (line, " ", 4);
  if (!timing_command (runner->pipeline, line, say))
    command (runner, words);
  g_data_input_stream_read_line_async (in, 0, NULL, read_command, runner);
}

int
main (int argc, char **argv)
{
  Runner runner = { .held = G_QUEUE_INIT };
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GDataInputStream) in = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) check = NULL;
  g_autoptr (GstElement) stamp = NULL;
  g_autoptr (GstBus) bus = NULL;

  gst_init (&argc, &argv);
  runner.pipeline = gst_parse_launch (argv[1], &error);
  if (!runner.pipeline || error)
    {
      say ("error %s", error->message);
      return 1;
    }
  timing_use_clock (runner.pipeline);
  if (g_getenv ("RUNNER_UID") && setuid (atoi (g_getenv ("RUNNER_UID"))) != 0)
    g_error ("setuid: %s", g_strerror (errno));
  prctl (PR_SET_PDEATHSIG, SIGKILL); /* setuid() has cleared what child.c set */
  runner.loop = g_main_loop_new (NULL, FALSE);
  check = gst_bin_get_by_name (GST_BIN (runner.pipeline), "check");
  if (check)
    {
      g_autoptr (GstPad) pad = gst_element_get_static_pad (check, "sink");

      gst_pad_add_probe (pad,
                         GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM
                             | GST_PAD_PROBE_TYPE_EVENT_FLUSH,
                         probe, &runner, NULL);
    }
  stamp = gst_bin_get_by_name (GST_BIN (runner.pipeline), "stamp");
  if (stamp)
    stamp_attach (stamp);
  bus = gst_element_get_bus (runner.pipeline);
  gst_bus_set_sync_handler (bus, bus_message_now, NULL, NULL);
  gst_bus_add_watch (bus, bus_message, &runner);
  stream = g_unix_input_stream_new (STDIN_FILENO, FALSE);
  in = g_data_input_stream_new (stream);
  g_data_input_stream_read_line_async (in, 0, NULL, read_command, &runner);

  gst_element_set_state (runner.pipeline, GST_STATE_PLAYING);
  g_main_loop_run (runner.loop);
  gst_element_set_state (runner.pipeline, GST_STATE_NULL);
  g_queue_clear_full (&runner.held, (GDestroyNotify) gst_sample_unref);
  gst_bus_remove_watch (bus);
  gst_object_unref (runner.pipeline);
  g_main_loop_unref (runner.loop);
  g_clear_pointer (&check, gst_object_unref);
  g_clear_pointer (&stamp, gst_object_unref);
  g_free (runner.action);
  g_clear_pointer (&bus, gst_object_unref);
  gst_deinit (); /* now the leaks tracer speaks */
  return runner.failed ? 1 : 0;
}
