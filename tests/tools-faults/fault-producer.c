/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * fault-producer KIND POOL: a live pipeline whose pool has exactly that fault, until it is ended. Prints
 * "ready" once it runs regularly. KIND is a fault as frame-inspect calls it, `clean`,
 * `timeless` (clean, without pts), `silent` (no frame ever), `dropping` (no frame, and each is counted as dropped), or `ended` (some frames,
 * and end of stream).
 */
#include <gst/gst.h>
#include <string.h>

#define READY_FRAMES 20
#define LATE_EVERY 180
#define LATE_FIRST 60
#define LATE_US (2500 * 1000)
#define CATCH_UP_US (10 * 1000) /* between frames */
#define GAP_EVERY 25
#define BACKWARDS_EVERY 25
#define TEAR_EVERY 25

#define SOURCE "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=64,height=48"
#define SINK "shmframesink name=sink history=4 pool=\"%s\""
#define AT_30 SOURCE ",framerate=30/1 ! " SINK

typedef struct
{
  guint n;
  guint8 *published; /* the frame before */
  gsize size;
} State;

/* Returns GST_PAD_PROBE_DROP to leave the frame out. */
typedef GstPadProbeReturn (*Harm) (State *state, GstPadProbeInfo *info);

static GstPadProbeReturn
drop (State *state, GstPadProbeInfo *info)
{
  return state->n % GAP_EVERY == 0 ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
drop_all (State *state, GstPadProbeInfo *info)
{
  return GST_PAD_PROBE_DROP;
}

static GstPadProbeReturn
turn_back (State *state, GstPadProbeInfo *info)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));

  if (state->n % BACKWARDS_EVERY == 0)
    GST_BUFFER_PTS (buffer) -= 3 * GST_BUFFER_DURATION (buffer);
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
strip_time (State *state, GstPadProbeInfo *info)
{
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));

  GST_BUFFER_PTS (buffer) = GST_CLOCK_TIME_NONE;
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  return GST_PAD_PROBE_OK;
}

/* What was held up comes one by one, so that it is seen. */
static GstPadProbeReturn
hold_up (State *state, GstPadProbeInfo *info)
{
  g_usleep (state->n % LATE_EVERY == LATE_FIRST ? LATE_US : CATCH_UP_US);
  return GST_PAD_PROBE_OK;
}

/* The sink gave its slots to the source: this frame's memory is its slot. */
static GstPadProbeReturn
scribble (State *state, GstPadProbeInfo *info)
{
  GstMapInfo map;

  if (state->n % TEAR_EVERY == 0)
    memset (state->published, (int) (state->n % 256), state->size / 2);
  g_assert_true (gst_buffer_map (GST_PAD_PROBE_INFO_BUFFER (info), &map, GST_MAP_READ));
  state->published = map.data;
  state->size = map.size;
  gst_buffer_unmap (GST_PAD_PROBE_INFO_BUFFER (info), &map);
  return GST_PAD_PROBE_OK;
}

/* imagefreeze is not live here: a live one leaves frames out when the machine is busy, which is a gap. */
static const struct
{
  const char *kind;
  const char *pipeline;
  Harm harm;
} kinds[] = {
  { "clean", AT_30, NULL },
  /* Clean as well, and compressed. */
  { "jpeg", SOURCE ",framerate=30/1 ! jpegenc ! " SINK, NULL },
  { "h264", SOURCE ",framerate=30/1 ! x264enc tune=zerolatency key-int-max=10 ! " SINK, NULL },
  { "freeze",
    "videotestsrc num-buffers=1 pattern=snow ! video/x-raw,format=I420,width=64,height=48 ! "
    "imagefreeze ! video/x-raw,framerate=15/1 ! " SINK,
    NULL },
  { "duplicate",
    SOURCE ",framerate=15/1 ! videorate ! video/x-raw,framerate=30/1 ! " SINK " sync-live=true",
    NULL },
  { "gap", AT_30, drop },
  { "backwards", AT_30, turn_back },
  { "late", AT_30, hold_up },
  { "tear", AT_30, scribble },
  { "timeless", AT_30, strip_time },
  { "silent", AT_30, drop_all },
  { "dropping", AT_30 " wait-for-consumer=true", NULL },
  { "ended",
    "videotestsrc num-buffers=20 is-live=true pattern=snow ! "
    "video/x-raw,format=I420,width=64,height=48,framerate=30/1 ! " SINK,
    NULL },
};

static Harm harm;

static GstPadProbeReturn
see_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  State *state = data;

  if (++state->n == READY_FRAMES)
    g_print ("ready\n");
  return harm != NULL ? harm (state, info) : GST_PAD_PROBE_OK;
}

static int
run (const char *description, const char *pool)
{
  g_autofree char *text = g_strdup_printf (description, pool);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (text, &error);
  g_autoptr (GstElement) sink = NULL;
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstPad) source = NULL;
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;
  State state = { 0 };

  g_assert_no_error (error);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  pad = gst_element_get_static_pad (sink, "sink");
  source = gst_pad_get_peer (pad); /* before what the sink drops by a probe of its own */
  gst_pad_add_probe (source, GST_PAD_PROBE_TYPE_BUFFER, see_frame, &state, NULL);
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ERROR);
  gst_message_parse_error (message, &error, NULL);
  g_printerr ("fault-producer: %s\n", error->message);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return 1;
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  for (gsize i = 0; argc == 3 && i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (argv[1], kinds[i].kind))
      {
        harm = kinds[i].harm;
        return run (kinds[i].pipeline, argv[2]);
      }
  g_printerr ("Usage: fault-producer KIND POOL\n");
  return 2;
}
