/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One process of the demonstration: runs a pipeline as `gst-launch-1.0 -e` does, and besides
 *   - writes a line for each frame that passes the pad ELEMENT.PAD to a file: the frame's number on
 *     this pad, the buffer's offset (shmframesrc: the sequence in the pool), the visible bytes and
 *     their MD5, strides and edges left out, as ffmpeg's framemd5 does;
 *   - prints at the end, as a line of JSON, the `stats` of every shmframe element in it. */

#include <errno.h>
#include <glib-unix.h>
#include <gst/video/video.h>
#include <json-glib/json-glib.h>
#include <stdio.h>

typedef struct
{
  FILE *file; /* owned */
  guint64 n_frames;
} FrameLog;

typedef struct
{
  GstElement *pipeline;
  GMainLoop *loop;
  gboolean failed;
} Stage;

static gsize
hash_plane (GChecksum *checksum, const GstVideoFrame *frame, guint plane)
{
  const guint8 *row = GST_VIDEO_FRAME_PLANE_DATA (frame, plane);
  gint components[GST_VIDEO_MAX_COMPONENTS];
  gsize width, height;

  gst_video_format_info_component (frame->info.finfo, plane, components);
  width = (gsize) GST_VIDEO_FRAME_COMP_WIDTH (frame, components[0])
          * GST_VIDEO_FRAME_COMP_PSTRIDE (frame, components[0]);
  height = GST_VIDEO_FRAME_COMP_HEIGHT (frame, components[0]);
  for (gsize y = 0; y < height; y++, row += GST_VIDEO_FRAME_PLANE_STRIDE (frame, plane))
    g_checksum_update (checksum, row, width);
  return width * height;
}

static GstPadProbeReturn
log_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  FrameLog *log = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_MD5);
  GstVideoInfo video;
  GstVideoFrame frame;
  gsize size = 0;

  if (!caps || !gst_video_info_from_caps (&video, caps)
      || !gst_video_frame_map (&frame, &video, buffer, GST_MAP_READ))
    {
      GST_ELEMENT_ERROR (GST_PAD_PARENT (pad), STREAM, FORMAT, (NULL),
                         ("frames at this pad cannot be hashed"));
      return GST_PAD_PROBE_DROP;
    }
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES (&frame); i++)
    size += hash_plane (checksum, &frame, i);
  gst_video_frame_unmap (&frame);
  fprintf (log->file, "%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GSIZE_FORMAT " %s\n",
           ++log->n_frames, (gint64) GST_BUFFER_OFFSET (buffer), size,
           g_checksum_get_string (checksum));
  return GST_PAD_PROBE_OK;
}

static void
close_log (gpointer data)
{
  FrameLog *log = data;

  fclose (log->file);
  g_free (log);
}

/* where: ELEMENT.PAD */
static gboolean
add_log (GstElement *pipeline, const char *where, const char *path)
{
  g_auto (GStrv) names = g_strsplit (where, ".", 2);
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), names[0]);
  g_autoptr (GstPad) pad
      = element && names[1] ? gst_element_get_static_pad (element, names[1]) : NULL;
  FILE *file = pad ? fopen (path, "w") : NULL;
  FrameLog *log;

  if (!file)
    {
      g_printerr ("Writing hashes to %s: %s\n", path, pad ? g_strerror (errno) : "no such pad");
      return FALSE;
    }
  /* By lines, so that they are there even if this process is killed. */
  setvbuf (file, NULL, _IOLBF, 0);
  log = g_new0 (FrameLog, 1);
  log->file = file;
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, log_frame, log, close_log);
  return TRUE;
}

static gboolean
add_member (GQuark field, const GValue *value, gpointer data)
{
  JsonBuilder *builder = data;
  g_auto (GValue) number = G_VALUE_INIT;

  g_value_init (&number, G_TYPE_INT64);
  if (!G_VALUE_HOLDS_STRING (value) && !g_value_transform (value, &number))
    return TRUE;
  json_builder_set_member_name (builder, g_quark_to_string (field));
  if (G_VALUE_HOLDS_STRING (value))
    json_builder_add_string_value (builder, g_value_get_string (value));
  else
    json_builder_add_int_value (builder, g_value_get_int64 (&number));
  return TRUE;
}

static void
add_stats (const GValue *item, gpointer data)
{
  GstElement *element = g_value_get_object (item);
  const char *name = gst_plugin_feature_get_name (gst_element_get_factory (element));
  JsonBuilder *builder = data;
  g_autoptr (GstStructure) stats = NULL;

  if (!g_str_has_prefix (name, "shmframe"))
    return;
  g_object_get (element, "stats", &stats, NULL);
  json_builder_set_member_name (builder, name);
  json_builder_begin_object (builder);
  gst_structure_foreach (stats, add_member, builder);
  json_builder_end_object (builder);
}

static void
print_stats (GstElement *pipeline)
{
  g_autoptr (GstIterator) elements = gst_bin_iterate_recurse (GST_BIN (pipeline));
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (builder);
  gst_iterator_foreach (elements, add_stats, builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  g_print ("%s\n", text);
}

static gboolean
interrupted (gpointer pipeline)
{
  gst_element_send_event (pipeline, gst_event_new_eos ());
  return G_SOURCE_CONTINUE;
}

static gboolean
handle_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Stage *stage = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *details = NULL;

  switch (GST_MESSAGE_TYPE (message))
    {
    case GST_MESSAGE_EOS:
      g_main_loop_quit (stage->loop);
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, &details);
      g_printerr ("%s: %s %s\n", GST_MESSAGE_SRC_NAME (message), error->message,
                  details ? details : "");
      stage->failed = TRUE;
      g_main_loop_quit (stage->loop);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, &details);
      g_printerr ("%s: %s %s\n", GST_MESSAGE_SRC_NAME (message), error->message,
                  details ? details : "");
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (stage->pipeline));
      break;
    default:
      break;
    }
  return G_SOURCE_CONTINUE;
}

/* Until EOS, an error, or an interrupt, which ends the stream. */
static gboolean
run (GstElement *pipeline)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  Stage stage = { .pipeline = pipeline, .loop = loop };

  gst_bus_add_watch (bus, handle_message, &stage);
  g_unix_signal_add (SIGINT, interrupted, pipeline);
  if (gst_element_set_state (pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
    g_main_loop_run (loop);
  else
    {
      stage.failed = TRUE;
      while (g_main_context_iteration (NULL, FALSE)) /* the message that says why */
        ;
    }
  gst_bus_remove_watch (bus);
  if (!stage.failed)
    print_stats (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return !stage.failed;
}

int
main (int argc, char **argv)
{
  g_autofree char *name = NULL, *hash = NULL, *to = NULL, *description = NULL;
  const GOptionEntry options[] = {
    { "name", 0, 0, G_OPTION_ARG_STRING, &name, "What the pool's statistics call it", "NAME" },
    { "hash", 0, 0, G_OPTION_ARG_STRING, &hash, "The pad whose frames are hashed", "ELEMENT.PAD" },
    { "to", 0, 0, G_OPTION_ARG_FILENAME, &to, "The file for the hashes", "FILE" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PIPELINE");
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc < 2 || !hash != !to)
    {
      g_printerr ("%s\n", error ? error->message : "A pipeline is needed, and --hash with --to");
      return 2;
    }
  if (name)
    g_set_prgname (name);
  description = g_strjoinv (" ", argv + 1);
  pipeline = gst_parse_launch_full (description, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (!pipeline)
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }
  if (hash && !add_log (pipeline, hash, to))
    return 1;
  return run (pipeline) ? 0 : 1;
}
