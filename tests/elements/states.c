/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What every element must bear: states in any order, waits that end, properties, queries and events in
 * every state, buffers that are taken apart. All in one process. With GST_TRACERS=leaks, the tracer
 * must have nothing to say at the end. */

#include "child.h"

#include <gio/gunixinputstream.h>
#include <glib/gstdio.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <unistd.h>

#define WATCHDOG_S 10
#define CAPS "video/x-raw,format=I420,width=32,height=32,framerate=500/1"
#define CAPS_BYTES (32 * 32 * 3 / 2)
#define TEST_SRC "videotestsrc name=from ! " CAPS
#define LIVE_SRC "videotestsrc is-live=true name=from ! " CAPS
#define SINK " ! shmframesink name=e pool=t "
#define SRC "shmframesrc name=e pool=t "
#define END " ! fakesink name=end sync=false"
#define SLOT "ShmFrameMemory"

/* A pipeline, and what it has said; the element under test is "e". */
typedef struct
{
  GstElement *pipeline, *e;
  GstPad *pad; /* of e */
  GMutex lock;
  GCond changed;
  pid_t thread; /* that streams */
  guint frames; /* that came through the pad */
  gboolean eos;
  char *error;
} Side;

static gint64 longest_us;

static void
note_time (gint64 begin)
{
  longest_us = MAX (longest_us, g_get_monotonic_time () - begin);
}

static void
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
      if (!side->error)
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

static Side *
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

static void
set_state (GstElement *element, GstState state)
{
  gint64 begin = g_get_monotonic_time ();

  alarm (WATCHDOG_S);
  g_assert_cmpint (gst_element_set_state (element, state), !=, GST_STATE_CHANGE_FAILURE);
  note_time (begin);
}

/* The same, and it gets there. */
static void
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

static void
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

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Side, side_free)

static void
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

/* The end of the stream, or an error (transfer full). */
static char *
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

/* Until the streaming thread sleeps: only the kernel can tell. */
static void
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

#define N_ORDERS (4 * 4 * 4 * 4 * 4)

typedef struct
{
  const char *pipeline, *peer;
  gboolean completes; /* each change, without a peer's help */
} Orders;

/* Every order of five states, as one walk (a de Bruijn sequence), so that each also follows others. */
static void
test_orders (gconstpointer data)
{
  const Orders *orders = data;
  g_autoptr (Side) peer = orders->peer ? side_new (orders->peer) : NULL;
  g_autoptr (Side) side = side_new (orders->pipeline);
  gboolean seen[N_ORDERS] = { TRUE };
  guint order = 0, n = 1;

  if (peer)
    set_state (peer->pipeline, GST_STATE_PLAYING);
  for (gint state = 0; state >= 0;)
    {
      gboolean was_playing = order % 4 == 3;

      for (state = 3; state >= 0 && seen[(order * 4 + state) % N_ORDERS]; state--)
        ;
      if (state < 0)
        break;
      order = (order * 4 + state) % N_ORDERS;
      seen[order] = TRUE;
      n++;
      (orders->completes ? reach : set_state) (side->pipeline, GST_STATE_NULL + state);
      /* GstBaseSrc may miss that it plays again before its thread has seen that it was paused. */
      if (was_playing && state == 2)
        await_sleep (side);
    }
  g_assert_cmpuint (n, ==, N_ORDERS);
  report_time ("a change of state");

  set_state (side->pipeline, GST_STATE_PLAYING);
  if (orders->completes || peer)
    await_frames (side, 10);
  alarm (0);
}

typedef struct
{
  const char *pipeline; /* that waits */
  const char *peer;
  gboolean blocked;   /* the peer takes no frame; else it gives none */
  const char *rescue; /* without a peer: what ends the wait */
} Wait;

static const Wait wait_for_consumer
    = { TEST_SRC SINK "wait-for-consumer=true", NULL, FALSE, SRC END };
static const Wait wait_for_window
    = { TEST_SRC SINK "wait-for-consumer=true sync=false stall-timeout=9223372036854775807",
        SRC "delivery=lossless" END, TRUE, NULL };
static const Wait wait_for_producer = { SRC END, NULL, FALSE, TEST_SRC SINK };
static const Wait wait_for_frame = { SRC END, LIVE_SRC SINK, FALSE, NULL };

static GstPadProbeReturn
block (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  return GST_PAD_PROBE_OK;
}

static void
change_states (Side *side)
{
  static const GstState below[] = { GST_STATE_PAUSED, GST_STATE_READY, GST_STATE_NULL };

  for (guint i = 0; i < G_N_ELEMENTS (below); i++)
    {
      await_sleep (side);
      set_state (side->pipeline, below[i]);
      if (below[i] == GST_STATE_PAUSED)
        await_sleep (side);
      set_state (side->pipeline, GST_STATE_PLAYING);
    }
}

/* From the source, and by a seek, which shmframesrc refuses. */
static void
flush (Side *side)
{
  g_autoptr (GstElement) from = gst_bin_get_by_name (GST_BIN (side->pipeline), "from");
  GstElement *source = from ? from : side->e;
  gint64 begin;

  await_sleep (side);
  alarm (WATCHDOG_S);
  begin = g_get_monotonic_time ();
  g_assert_true (gst_element_send_event (source, gst_event_new_flush_start ()));
  g_assert_true (gst_element_send_event (source, gst_event_new_flush_stop (TRUE)));
  note_time (begin);
  await_sleep (side);
  alarm (WATCHDOG_S);
  begin = g_get_monotonic_time ();
  g_assert_cmpint (
      gst_element_seek_simple (side->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0), ==,
      from != NULL);
  note_time (begin);
}

/* Whatever happens to a pipeline whose thread waits happens at once; afterwards it waits again, and goes
 * on when what it waited for comes. */
static void
test_wait (const Wait *wait, void (*disturb) (Side *))
{
  g_autoptr (Side) peer = wait->peer ? side_new (wait->peer) : NULL;
  g_autoptr (Side) side = side_new (wait->pipeline);
  g_autoptr (Side) rescue = NULL;
  gulong probe = 0;

  if (wait->blocked)
    probe = gst_pad_add_probe (peer->pad, GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER,
                               block, NULL, NULL);
  set_state (side->pipeline, GST_STATE_PLAYING);
  if (peer)
    {
      set_state (peer->pipeline, GST_STATE_PLAYING);
      await_frames (side, 1);
      if (!wait->blocked)
        set_state (peer->pipeline, GST_STATE_PAUSED);
    }
  longest_us = 0;
  for (guint round = 0; round < 10; round++)
    disturb (side);
  await_sleep (side);
  report_time ("the end of a wait");

  if (probe)
    gst_pad_remove_probe (peer->pad, probe);
  else if (peer)
    set_state (peer->pipeline, GST_STATE_PLAYING);
  else
    {
      rescue = side_new (wait->rescue);
      set_state (rescue->pipeline, GST_STATE_PLAYING);
    }
  reach (side->pipeline, GST_STATE_PLAYING);
  await_frames (side, 20);
}

static void
test_wait_states (gconstpointer wait)
{
  test_wait (wait, change_states);
  alarm (0);
}

static void
test_wait_flush (gconstpointer wait)
{
  test_wait (wait, flush);
  alarm (0);
}

/* The least, the default and the most of what it may be; numbers also beside the bounds. */
static GPtrArray *
bounds (GParamSpec *spec)
{
  GPtrArray *values = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *name = g_strnfill (300, 'x');

  if (G_IS_PARAM_SPEC_STRING (spec))
    {
      g_ptr_array_add (values, g_strdup (""));
      g_ptr_array_add (values, g_strdup ("../a b/\303\244\001"));
      g_ptr_array_add (values, g_steal_pointer (&name));
    }
  else if (G_IS_PARAM_SPEC_BOOLEAN (spec))
    {
      g_ptr_array_add (values, g_strdup ("false"));
      g_ptr_array_add (values, g_strdup ("true"));
    }
  else if (G_IS_PARAM_SPEC_ENUM (spec))
    for (guint i = 0; i < G_PARAM_SPEC_ENUM (spec)->enum_class->n_values; i++)
      g_ptr_array_add (values,
                       g_strdup (G_PARAM_SPEC_ENUM (spec)->enum_class->values[i].value_nick));
  else if (G_IS_PARAM_SPEC_INT (spec))
    {
      g_ptr_array_add (values, g_strdup_printf ("%d", G_PARAM_SPEC_INT (spec)->minimum));
      g_ptr_array_add (values, g_strdup_printf ("%d", G_PARAM_SPEC_INT (spec)->maximum));
    }
  else if (G_IS_PARAM_SPEC_UINT (spec))
    {
      g_ptr_array_add (values, g_strdup_printf ("%u", G_PARAM_SPEC_UINT (spec)->minimum));
      g_ptr_array_add (values, g_strdup_printf ("%u", G_PARAM_SPEC_UINT (spec)->maximum));
    }
  else if (G_IS_PARAM_SPEC_INT64 (spec))
    {
      g_ptr_array_add (values,
                       g_strdup_printf ("%" G_GINT64_FORMAT, G_PARAM_SPEC_INT64 (spec)->minimum));
      g_ptr_array_add (values,
                       g_strdup_printf ("%" G_GINT64_FORMAT, G_PARAM_SPEC_INT64 (spec)->maximum));
    }
  else if (G_IS_PARAM_SPEC_UINT64 (spec))
    {
      g_ptr_array_add (values,
                       g_strdup_printf ("%" G_GUINT64_FORMAT, G_PARAM_SPEC_UINT64 (spec)->minimum));
      g_ptr_array_add (values, g_strdup_printf ("%" G_GUINT64_FORMAT,
                                                MIN (G_PARAM_SPEC_UINT64 (spec)->maximum,
                                                     G_MAXUINT64 - 1))); /* that is no time */
    }
  return values;
}

typedef void (*PropertyFunc) (Side *side, GParamSpec *spec, const char *value);

/* For each bound of each property; of the base class's too when all. The old value comes back. */
static void
each_bound (Side *side, gboolean all, PropertyFunc func)
{
  guint n, n_set = 0;
  g_autofree GParamSpec **specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (side->e), &n);

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GPtrArray) values = bounds (specs[i]);
      g_auto (GValue) old = G_VALUE_INIT;

      g_object_get_property (G_OBJECT (side->e), specs[i]->name, &old);
      if (!(specs[i]->flags & G_PARAM_WRITABLE) || specs[i]->owner_type == GST_TYPE_OBJECT
          || (!all && specs[i]->owner_type != G_OBJECT_TYPE (side->e)))
        continue;
      for (guint v = 0; v < values->len; v++, n_set++)
        {
          gst_util_set_object_arg (G_OBJECT (side->e), specs[i]->name, values->pdata[v]);
          func (side, specs[i], values->pdata[v]);
        }
      g_object_set_property (G_OBJECT (side->e), specs[i]->name, &old);
    }
  g_assert_cmpuint (n_set, >, 15);
}

static void
is_set (Side *side, GParamSpec *spec, const char *value)
{
  g_auto (GValue) wanted = G_VALUE_INIT, now = G_VALUE_INIT;

  g_value_init (&wanted, spec->value_type);
  if (G_VALUE_HOLDS_STRING (&wanted))
    g_value_set_string (&wanted, value);
  else
    g_assert_true (gst_value_deserialize (&wanted, value));
  g_object_get_property (G_OBJECT (side->e), spec->name, &now);
  g_assert_cmpint (g_param_values_cmp (spec, &wanted, &now), ==, 0);
}

/* In each state all that is set can be read, and those that act later harm nothing now. */
static void
test_properties (gconstpointer data)
{
  const Orders *pair = data;
  g_autoptr (Side) peer = side_new (pair->peer);
  g_autoptr (Side) side = side_new (pair->pipeline);

  set_state (peer->pipeline, GST_STATE_PLAYING);
  each_bound (side, TRUE, is_set);
  for (GstState state = GST_STATE_READY; state <= GST_STATE_PLAYING; state++)
    {
      reach (side->pipeline, state);
      if (state == GST_STATE_PLAYING)
        await_frames (side, 2);
      each_bound (side, state == GST_STATE_READY, is_set);
    }
  await_frames (side, 20);
  alarm (0);
}

/* It starts, or says why not. */
static void
starts (Side *side, GParamSpec *spec, const char *value)
{
  g_autofree char *error = NULL;

  if (g_str_equal (spec->name, "wait-for-consumer"))
    return;
  alarm (WATCHDOG_S);
  gst_element_set_state (side->pipeline, GST_STATE_PLAYING);
  error = await_end (side);
  g_test_message ("%s=%.40s: %s", spec->name, value, error ? error : "starts");
  g_assert_true (error == NULL || strlen (error) > 20);
  set_state (side->pipeline, GST_STATE_NULL);
}

static void
test_start (void)
{
  g_autoptr (Side) side = side_new ("videotestsrc num-buffers=3 ! " CAPS SINK);

  each_bound (side, FALSE, starts);
}

static GstQuery *
new_query (GstQueryType type)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
  GstContext *context;
  GstQuery *query;

  switch (type)
    {
    case GST_QUERY_POSITION:
      return gst_query_new_position (GST_FORMAT_TIME);
    case GST_QUERY_DURATION:
      return gst_query_new_duration (GST_FORMAT_TIME);
    case GST_QUERY_LATENCY:
      return gst_query_new_latency ();
    case GST_QUERY_SEEKING:
      return gst_query_new_seeking (GST_FORMAT_TIME);
    case GST_QUERY_SEGMENT:
      return gst_query_new_segment (GST_FORMAT_TIME);
    case GST_QUERY_CONVERT:
      return gst_query_new_convert (GST_FORMAT_TIME, 1, GST_FORMAT_BYTES);
    case GST_QUERY_FORMATS:
      return gst_query_new_formats ();
    case GST_QUERY_BUFFERING:
      return gst_query_new_buffering (GST_FORMAT_TIME);
    case GST_QUERY_CUSTOM:
      return gst_query_new_custom (type, gst_structure_new_empty ("custom"));
    case GST_QUERY_URI:
      return gst_query_new_uri ();
    case GST_QUERY_ALLOCATION:
      return gst_query_new_allocation (caps, TRUE);
    case GST_QUERY_SCHEDULING:
      return gst_query_new_scheduling ();
    case GST_QUERY_ACCEPT_CAPS:
      return gst_query_new_accept_caps (caps);
    case GST_QUERY_CAPS:
      return gst_query_new_caps (NULL);
    case GST_QUERY_DRAIN:
      return gst_query_new_drain ();
    case GST_QUERY_CONTEXT:
      query = gst_query_new_context ("context");
      context = gst_context_new ("context", TRUE);
      gst_query_set_context (query, context);
      gst_context_unref (context);
      return query;
    case GST_QUERY_BITRATE:
      return gst_query_new_bitrate ();
    default:
      return NULL; /* of a later version */
    }
}

static GstEvent *
new_event (GstEventType type)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
  g_autoptr (GstStreamCollection) collection = gst_stream_collection_new ("id");
  g_autoptr (GstToc) toc = gst_toc_new (GST_TOC_SCOPE_GLOBAL);
  g_autoptr (GstMessage) message = gst_message_new_latency (NULL);
  g_autoptr (GstBuffer) buffer = gst_buffer_new ();
  GstSegment segment;
  GList streams = { .data = (gpointer) "id" };

  gst_segment_init (&segment, GST_FORMAT_TIME);
  switch (type)
    {
    case GST_EVENT_FLUSH_START:
      return gst_event_new_flush_start ();
    case GST_EVENT_FLUSH_STOP:
      return gst_event_new_flush_stop (TRUE);
    case GST_EVENT_STREAM_START:
      return gst_event_new_stream_start ("id");
    case GST_EVENT_CAPS:
      return gst_event_new_caps (caps);
    case GST_EVENT_SEGMENT:
      return gst_event_new_segment (&segment);
    case GST_EVENT_STREAM_COLLECTION:
      return gst_event_new_stream_collection (collection);
    case GST_EVENT_TAG:
      return gst_event_new_tag (gst_tag_list_new (GST_TAG_TITLE, "title", NULL));
    case GST_EVENT_BUFFERSIZE:
      return gst_event_new_buffer_size (GST_FORMAT_BYTES, 1, 2, FALSE);
    case GST_EVENT_SINK_MESSAGE:
      return gst_event_new_sink_message ("name", message);
    case GST_EVENT_STREAM_GROUP_DONE:
      return gst_event_new_stream_group_done (1);
    case GST_EVENT_EOS:
      return gst_event_new_eos ();
    case GST_EVENT_TOC:
      return gst_event_new_toc (toc, FALSE);
    case GST_EVENT_PROTECTION:
      return gst_event_new_protection ("id", buffer, "origin");
    case GST_EVENT_SEGMENT_DONE:
      return gst_event_new_segment_done (GST_FORMAT_TIME, 0);
    case GST_EVENT_GAP:
      return gst_event_new_gap (0, GST_SECOND);
    case GST_EVENT_INSTANT_RATE_CHANGE:
      return gst_event_new_instant_rate_change (2.0, GST_SEGMENT_FLAG_NONE);
    case GST_EVENT_QOS:
      return gst_event_new_qos (GST_QOS_TYPE_OVERFLOW, 1.0, 1, 1);
    case GST_EVENT_SEEK:
      return gst_event_new_seek (1.0, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0,
                                 GST_SEEK_TYPE_NONE, 0);
    case GST_EVENT_NAVIGATION:
      return gst_event_new_navigation (gst_structure_new_empty ("navigation"));
    case GST_EVENT_LATENCY:
      return gst_event_new_latency (GST_MSECOND);
    case GST_EVENT_STEP:
      return gst_event_new_step (GST_FORMAT_BUFFERS, 1, 1.0, TRUE, FALSE);
    case GST_EVENT_RECONFIGURE:
      return gst_event_new_reconfigure ();
    case GST_EVENT_TOC_SELECT:
      return gst_event_new_toc_select ("uid");
    case GST_EVENT_SELECT_STREAMS:
      return gst_event_new_select_streams (&streams);
    case GST_EVENT_INSTANT_RATE_SYNC_TIME:
      return gst_event_new_instant_rate_sync_time (2.0, 0, 0);
    case GST_EVENT_CUSTOM_UPSTREAM:
    case GST_EVENT_CUSTOM_DOWNSTREAM:
    case GST_EVENT_CUSTOM_DOWNSTREAM_OOB:
    case GST_EVENT_CUSTOM_DOWNSTREAM_STICKY:
    case GST_EVENT_CUSTOM_BOTH:
    case GST_EVENT_CUSTOM_BOTH_OOB:
      return gst_event_new_custom (type, gst_structure_new_empty ("custom"));
    default:
      return NULL; /* of a later version */
    }
}

static void
ask_all (GstHarness *h, GstPad *pad)
{
  g_autoptr (GEnumClass) types = g_type_class_ref (GST_TYPE_QUERY_TYPE);
  GstQueryTypeFlags way = h->srcpad ? GST_QUERY_TYPE_DOWNSTREAM : GST_QUERY_TYPE_UPSTREAM;
  guint n = 0;

  for (guint i = 0; i < types->n_values; i++)
    for (guint to_pad = 0; to_pad < 2; to_pad++)
      {
        GstQueryType type = (GstQueryType) types->values[i].value;
        GstQueryTypeFlags flags = gst_query_type_get_flags (type);
        GstQuery *query;

        if (to_pad ? !(flags & way) : (flags & GST_QUERY_TYPE_BOTH) != GST_QUERY_TYPE_BOTH)
          continue;
        query = new_query (type);
        if (!query)
          continue;
        alarm (WATCHDOG_S);
        if (to_pad)
          gst_pad_query (pad, query);
        else
          gst_element_query (h->element, query);
        gst_query_unref (query);
        n++;
      }
  g_assert_cmpuint (n, >=, 25);
}

typedef struct
{
  GstPad *pad;
  GstEvent *event;
} Push;

static gpointer
push_event (gpointer data)
{
  Push *push = data;

  gst_pad_push_event (push->pad, push->event);
  return NULL;
}

/* From its side. Who must wait then, as EOS does until PLAYING, waits on a thread of its own. */
static GThread *
send (GstHarness *h, Push *push)
{
  if (h->srcpad && GST_EVENT_IS_DOWNSTREAM (push->event))
    return g_thread_new ("push", push_event, push);
  if (h->srcpad || GST_EVENT_IS_DOWNSTREAM (push->event))
    gst_element_send_event (h->element, push->event);
  else
    gst_pad_push_event (h->sinkpad, push->event);
  return NULL;
}

/* What the base classes need to have seen before. */
static gboolean
send_before (GstHarness *h, GstEventType type, GstState state)
{
  if (type == GST_EVENT_FLUSH_STOP)
    {
      Push push = { h->srcpad, new_event (GST_EVENT_FLUSH_START) };
      GThread *thread = send (h, &push);

      if (thread)
        g_thread_join (thread);
    }
  else if (h->srcpad)
    {
      gst_pad_push_event (h->srcpad, new_event (GST_EVENT_STREAM_START));
      gst_pad_push_event (h->srcpad, new_event (GST_EVENT_CAPS));
      gst_pad_push_event (h->srcpad, new_event (GST_EVENT_SEGMENT));
    }
  return type != GST_EVENT_INSTANT_RATE_SYNC_TIME || state >= GST_STATE_PAUSED;
}

static void
send_all (GstHarness *h, GstState state)
{
  g_autoptr (GEnumClass) types = g_type_class_ref (GST_TYPE_EVENT_TYPE);
  guint n = 0;

  for (guint i = 0; i < types->n_values; i++)
    {
      GstEventType type = (GstEventType) types->values[i].value;
      Push push = { h->srcpad, new_event (type) };
      GThread *thread = NULL;

      if (!push.event)
        continue;
      n++;
      set_state (h->element, state);
      if (send_before (h, type, state))
        thread = send (h, &push);
      else
        gst_event_unref (push.event);
      set_state (h->element, GST_STATE_NULL);
      if (thread)
        g_thread_join (thread);
    }
  g_assert_cmpuint (n, >=, 31);
}

static void
test_queries_and_events (gconstpointer element)
{
  GstHarness *h = gst_harness_new (element);
  g_autoptr (GstPad) pad = gst_object_ref (h->element->pads->data);

  for (GstState state = GST_STATE_NULL; state <= GST_STATE_PLAYING; state++)
    {
      set_state (h->element, state);
      ask_all (h, pad);
      send_all (h, state);
    }
  gst_harness_teardown (h);
  alarm (0);
}

/* Frames of a slot's memory, and all that may be done with it, between two harnesses. */
typedef struct
{
  GstHarness *sink, *src;
  GstBufferPool *pool;
} Pair;

static guint64
stat_of_element (GstElement *element, const char *name)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 value;

  g_object_get (element, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, name, &value));
  return value;
}

static void
pair_begin (Pair *pair)
{
  GstQuery *query;
  g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
  guint size, min, max;

  alarm (2 * WATCHDOG_S);
  pair->sink = gst_harness_new ("shmframesink");
  gst_harness_set_live (pair->sink, FALSE);
  g_object_set (pair->sink->element, "sync", FALSE, NULL);
  gst_harness_set_src_caps (pair->sink, gst_caps_ref (caps));
  query = gst_query_new_allocation (caps, TRUE);
  g_assert_true (gst_pad_peer_query (pair->sink->srcpad, query));
  g_assert_cmpuint (gst_query_get_n_allocation_pools (query), ==, 1);
  gst_query_parse_nth_allocation_pool (query, 0, &pair->pool, &size, &min, &max);
  g_assert_cmpuint (size, ==, CAPS_BYTES);
  g_assert_cmpuint (min, ==, 0);
  g_assert_cmpuint (max, ==, 0);
  g_assert_true (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  gst_query_unref (query);
  g_assert_true (gst_buffer_pool_set_active (pair->pool, TRUE));

  pair->src = gst_harness_new ("shmframesrc");
  g_object_set (pair->src->element, "offset-to-zero", TRUE, "delivery", 2 /* lossless */, NULL);
}

static void
pair_end (Pair *pair)
{
  if (pair->src)
    gst_harness_teardown (pair->src);
  gst_buffer_pool_set_active (pair->pool, FALSE);
  gst_object_unref (pair->pool);
  gst_harness_teardown (pair->sink);
  alarm (0);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pair, pair_end)

/* The first frame waits for the consumer. */
static void
attach (Pair *pair)
{
  g_object_set (pair->sink->element, "wait-for-consumer", TRUE, NULL);
  gst_harness_set_sink_caps_str (pair->src, "video/x-raw");
  gst_harness_play (pair->src);
}

static GstBuffer *
acquire (Pair *pair)
{
  GstBuffer *buffer = NULL;
  GstMapInfo map;

  g_assert_cmpint (gst_buffer_pool_acquire_buffer (pair->pool, &buffer, NULL), ==, GST_FLOW_OK);
  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = i % 251;
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = 0;
  return buffer;
}

static gboolean
is_slot (GstBuffer *buffer)
{
  return gst_memory_is_type (gst_buffer_peek_memory (buffer, 0), SLOT);
}

static gboolean
can_write (GstMemory *memory)
{
  GstMapInfo map;

  if (!gst_memory_map (memory, &map, GST_MAP_WRITE))
    return FALSE;
  gst_memory_unmap (memory, &map);
  return TRUE;
}

static void
test_alignment (void)
{
  g_auto (Pair) pair = { 0 };
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
  GstVideoAlignment align;
  GstVideoMeta *meta;
  GstStructure *config;

  pair_begin (&pair);
  gst_buffer_pool_set_active (pair.pool, FALSE);
  g_assert_true (gst_buffer_pool_has_option (pair.pool, GST_BUFFER_POOL_OPTION_VIDEO_META));
  config = gst_buffer_pool_get_config (pair.pool);
  gst_buffer_pool_config_set_params (config, caps, CAPS_BYTES, 0, 0);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
  gst_video_alignment_reset (&align);
  align.padding_right = 8;
  align.padding_bottom = 4;
  align.stride_align[0] = align.stride_align[1] = align.stride_align[2] = 63;
  gst_buffer_pool_config_set_video_alignment (config, &align);
  g_assert_true (gst_buffer_pool_set_config (pair.pool, config));
  g_assert_true (gst_buffer_pool_set_active (pair.pool, TRUE));
  buffer = acquire (&pair);
  g_assert_true (is_slot (buffer));
  meta = gst_buffer_get_video_meta (buffer);
  g_assert_nonnull (meta);
  g_assert_cmpuint (meta->alignment.padding_right, >=, 8);
  g_assert_cmpuint (meta->alignment.padding_bottom, >=, 4);
  for (guint i = 0; i < meta->n_planes; i++)
    g_assert_cmpint (meta->stride[i] % 64, ==, 0);
  g_assert_cmpint (meta->offset[1], >=, (32 + 4) * 64);
}

/* Past the slots there is ordinary memory, at once, and one counted copy. */
static void
test_past_the_slots (void)
{
  g_auto (Pair) pair = { 0 };
  g_autoptr (GPtrArray) buffers
      = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  guint n_slots = 0;

  pair_begin (&pair);
  for (guint i = 0; i < 100; i++)
    {
      g_ptr_array_add (buffers, acquire (&pair));
      n_slots += is_slot (buffers->pdata[i]);
      g_assert_cmpint (is_slot (buffers->pdata[i]), ==, i < n_slots);
    }
  g_test_message ("%u slots", n_slots);
  g_assert_cmpuint (n_slots, >, 4);
  g_assert_cmpuint (n_slots, <, 100);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "held"), ==, n_slots);
  g_ptr_array_remove_range (buffers, 0, 50);
  g_assert_cmpint (gst_harness_push (pair.sink, gst_buffer_ref (buffers->pdata[49])), ==,
                   GST_FLOW_OK);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "copied-no-slot"), ==, CAPS_BYTES);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "copied-bytes"), ==, CAPS_BYTES);
}

static void
test_memory (void)
{
  g_auto (Pair) pair = { 0 };
  GstElement *sink;
  GstBuffer *buffer, *deep;
  GstMemory *memory, *copy, *part;

  pair_begin (&pair);
  sink = pair.sink->element;
  buffer = acquire (&pair);
  memory = gst_buffer_get_memory (buffer, 0);
  g_assert_cmpuint (stat_of_element (sink, "held"), ==, 1);

  /* A copy costs no slot; a part keeps its own. */
  copy = gst_memory_copy (memory, 0, -1);
  g_assert_false (gst_memory_is_type (copy, SLOT));
  g_assert_true (can_write (copy));
  gst_memory_unref (copy);
  deep = gst_buffer_copy_deep (buffer);
  g_assert_false (is_slot (deep));
  gst_buffer_unref (deep);
  g_assert_cmpuint (stat_of_element (sink, "held"), ==, 1);

  /* Published, it is read-only, wherever a reference is left. */
  g_assert_true (can_write (memory));
  g_assert_cmpint (gst_harness_push (pair.sink, buffer), ==, GST_FLOW_OK);
  g_assert_cmpuint (stat_of_element (sink, "copied-bytes"), ==, 0);
  g_assert_false (can_write (memory));
  part = gst_memory_share (memory, 16, 32);
  g_assert_true (gst_memory_is_type (part, SLOT));
  g_assert_false (can_write (part));
  g_assert_cmpuint (stat_of_element (sink, "held"), ==, 1);
  gst_memory_unref (memory);
  g_assert_cmpuint (stat_of_element (sink, "held"), ==, 1);
  gst_memory_unref (part);
  g_assert_cmpuint (stat_of_element (sink, "held"), ==, 0);
}

/* However a buffer was put together, its bytes cross. */
static GstBuffer *
put_together (Pair *pair, guint how)
{
  GstBuffer *whole = acquire (pair), *buffer = NULL;

  switch (how)
    {
    case 0:
      return whole;
    case 1:
      buffer = gst_buffer_copy_deep (whole);
      break;
    case 2:
      buffer = gst_buffer_copy_region (whole, GST_BUFFER_COPY_ALL, 0, -1);
      break;
    case 3: /* two parts of a slot */
      buffer = gst_buffer_append (gst_buffer_copy_region (whole, GST_BUFFER_COPY_MEMORY, 0, 1000),
                                  gst_buffer_copy_region (whole, GST_BUFFER_COPY_MEMORY, 1000, -1));
      break;
    case 4: /* a slot's part, and ordinary memory */
      buffer = gst_buffer_copy_region (whole, GST_BUFFER_COPY_MEMORY, 0, 1000);
      gst_buffer_append_memory (buffer,
                                gst_memory_copy (gst_buffer_peek_memory (whole, 0), 1000, -1));
      break;
    case 5: /* later in its slot */
      gst_buffer_resize (whole, 64, CAPS_BYTES);
      return whole;
    case 6: /* more than the frame */
      return gst_buffer_append (whole, gst_buffer_new_allocate (NULL, 100, NULL));
    default:
      gst_buffer_unref (whole);
      return NULL;
    }
  GST_BUFFER_PTS (buffer) = 0;
  gst_buffer_unref (whole);
  return buffer;
}

static void
assert_same (GstBuffer *a, GstBuffer *b)
{
  GstMapInfo map_a, map_b;

  g_assert_true (gst_buffer_map (a, &map_a, GST_MAP_READ));
  g_assert_true (gst_buffer_map (b, &map_b, GST_MAP_READ));
  g_assert_cmpmem (map_a.data, CAPS_BYTES, map_b.data, CAPS_BYTES);
  gst_buffer_unmap (a, &map_a);
  gst_buffer_unmap (b, &map_b);
}

static void
test_parts (void)
{
  static const gsize copied[] = { 0, 1, 0, 1, 1, 1, 1 };
  g_auto (Pair) pair = { 0 };
  guint64 total = 0;
  GstBuffer *buffer;

  pair_begin (&pair);
  attach (&pair);
  for (guint how = 0; (buffer = put_together (&pair, how)); how++)
    {
      g_autoptr (GstBuffer) sent = gst_buffer_copy_deep (buffer);
      g_autoptr (GstBuffer) received = NULL;

      g_test_message ("%u: %u memories", how, gst_buffer_n_memory (buffer));
      g_assert_cmpint (gst_harness_push (pair.sink, buffer), ==, GST_FLOW_OK);
      received = gst_harness_pull (pair.src);
      assert_same (sent, received);
      total += copied[how] * CAPS_BYTES;
      g_assert_cmpuint (stat_of_element (pair.sink->element, "copied-bytes"), ==, total);
    }
}

/* Without the pool, too, a frame is as large as its format says. */
static void
test_foreign (void)
{
  g_auto (Pair) pair = { 0 };
  g_autoptr (GstBuffer) sent = gst_buffer_new_allocate (NULL, CAPS_BYTES, NULL);
  g_autoptr (GstBuffer) received = NULL;

  pair_begin (&pair);
  gst_buffer_pool_set_active (pair.pool, FALSE);
  attach (&pair);
  gst_buffer_memset (sent, 0, 42, -1);
  GST_BUFFER_PTS (sent) = 0;
  gst_harness_set_src_caps_str (pair.sink, "video/x-raw,format=I420,width=32,height=32,"
                                           "framerate=100/1");
  g_assert_cmpint (gst_harness_push (pair.sink, gst_buffer_ref (sent)), ==, GST_FLOW_OK);
  received = gst_harness_pull (pair.src);
  assert_same (sent, received);
  g_assert_cmpuint (gst_buffer_get_size (received), ==, CAPS_BYTES);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "copied-foreign"), ==, CAPS_BYTES);
}

/* What downstream holds is a lease, read-only, and outlives both elements. */
static void
test_held (void)
{
  g_auto (Pair) pair = { 0 };
  g_autoptr (GPtrArray) received
      = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  g_autoptr (GstBuffer) sent = NULL, copy = NULL;
  GstMapInfo map;

  pair_begin (&pair);
  attach (&pair);
  for (guint i = 0; i < 4; i++)
    {
      GstBuffer *buffer = acquire (&pair);

      gst_buffer_replace (&sent, NULL);
      sent = gst_buffer_copy_deep (buffer);
      g_assert_cmpint (gst_harness_push (pair.sink, buffer), ==, GST_FLOW_OK);
      g_ptr_array_add (received, gst_harness_pull (pair.src));
      g_assert_true (is_slot (received->pdata[i]));
      g_assert_false (can_write (gst_buffer_peek_memory (received->pdata[i], 0)));
    }
  g_assert_cmpuint (stat_of_element (pair.src->element, "held"), ==, 4);
  g_assert_cmpuint (stat_of_element (pair.src->element, "copied-bytes"), ==, 0);

  /* Whoever writes in place writes into a copy. */
  copy = gst_buffer_make_writable (gst_buffer_ref (received->pdata[3]));
  g_assert_true (gst_buffer_map (copy, &map, GST_MAP_WRITE));
  memset (map.data, 0xff, map.size);
  gst_buffer_unmap (copy, &map);
  g_assert_false (is_slot (copy));

  set_state (pair.src->element, GST_STATE_NULL);
  gst_harness_teardown (g_steal_pointer (&pair.src));
  set_state (pair.sink->element, GST_STATE_NULL);
  for (guint i = 0; i < 4; i++)
    assert_same (sent, received->pdata[i]);
}

static void
test_preroll (void)
{
  g_autoptr (Side) peer = side_new (SRC END);
  g_autoptr (Side) side = side_new (TEST_SRC SINK);
  g_autoptr (GstSample) sample = NULL;

  set_state (peer->pipeline, GST_STATE_PLAYING);
  reach (side->pipeline, GST_STATE_PAUSED);
  g_assert_cmpuint (stat_of_element (side->e, "frames"), ==, 0);
  reach (side->pipeline, GST_STATE_PLAYING);
  await_frames (peer, 5);
  reach (side->pipeline, GST_STATE_PAUSED);
  g_object_get (side->e, "last-sample", &sample, NULL);
  g_assert_null (sample);
}

static void
test_one_name (void)
{
  g_autoptr (Side) peer = side_new (SRC END);
  g_autoptr (Side) first = side_new (LIVE_SRC SINK);
  g_autoptr (Side) second = side_new (LIVE_SRC SINK);
  g_autofree char *error = NULL;

  set_state (peer->pipeline, GST_STATE_PLAYING);
  set_state (first->pipeline, GST_STATE_PLAYING);
  await_frames (peer, 2);
  g_assert_cmpint (gst_element_set_state (second->pipeline, GST_STATE_PLAYING), ==,
                   GST_STATE_CHANGE_FAILURE);
  error = await_end (second);
  g_test_message ("%s", error);
  g_assert_true (g_str_has_prefix (error, "pool t: "));
  await_frames (peer, 10);
  set_state (second->pipeline, GST_STATE_NULL);
  set_state (first->pipeline, GST_STATE_NULL);
  reach (second->pipeline, GST_STATE_PLAYING);
  await_frames (peer, 10);
}

/* One end must not wait for the other's preroll: async=false. */
static void
test_one_pipeline (void)
{
  g_autoptr (Side) side
      = side_new ("videotestsrc num-buffers=50 ! " CAPS " ! shmframesink pool=t "
                  "wait-for-consumer=true " SRC "delivery=lossless" END " async=false");

  set_state (side->pipeline, GST_STATE_PLAYING);
  g_assert_null (await_end (side));
  g_assert_cmpuint (side->frames, ==, 50);
}

/* Neither is there before both have a frame. */
static void
test_two_sources (void)
{
  g_autoptr (Side) peer = side_new (LIVE_SRC SINK);
  g_autoptr (Side) side = side_new (SRC END " shmframesrc pool=t ! fakesink sync=false");

  set_state (side->pipeline, GST_STATE_PLAYING);
  set_state (peer->pipeline, GST_STATE_PLAYING);
  reach (side->pipeline, GST_STATE_PLAYING);
  await_frames (side, 10);
}

static guint
count_descriptors (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir))
    n++;
  return n;
}

static void
test_reuse (void)
{
  g_autoptr (Side) peer = side_new (SRC END);
  g_autoptr (Side) side = side_new (LIVE_SRC SINK);
  guint n = 0;

  for (guint i = 0; i < 100; i++)
    {
      set_state (side->pipeline, GST_STATE_PLAYING);
      set_state (peer->pipeline, GST_STATE_PLAYING);
      await_frames (peer, 2);
      set_state ((i % 2 ? side : peer)->pipeline, GST_STATE_NULL);
      set_state ((i % 2 ? peer : side)->pipeline, GST_STATE_NULL);
      if (i == 9)
        n = count_descriptors ();
    }
  while (count_descriptors () > n) /* the last threads are going */
    g_usleep (1000);
  report_time ("a change of state");
}

/* Linked and unlinked while frames flow. */
static void
test_relink_sink (void)
{
  g_autoptr (Side) side = side_new (LIVE_SRC " ! tee allow-not-linked=true" SINK);
  g_autoptr (GstPad) tee = gst_pad_get_peer (side->pad);

  reach (side->pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 50; i++)
    {
      await_frames (side, 1);
      g_assert_true (gst_pad_unlink (tee, side->pad));
      g_assert_cmpint (gst_pad_link (tee, side->pad), ==, GST_PAD_LINK_OK);
    }
  await_frames (side, 5);
}

static GstPadProbeReturn
relink (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstPad **ends = user_data;
  g_autoptr (GstPad) old = gst_pad_get_peer (pad);

  g_assert_true (gst_pad_unlink (pad, old));
  g_assert_cmpint (gst_pad_link (pad, ends[old == ends[0]]), ==, GST_PAD_LINK_OK);
  return GST_PAD_PROBE_REMOVE;
}

static void
test_relink_src (void)
{
  g_autoptr (Side) peer = side_new (LIVE_SRC SINK);
  g_autoptr (Side) side = side_new (SRC END " fakesink name=other sync=false async=false");
  g_autoptr (GstElement) other = gst_bin_get_by_name (GST_BIN (side->pipeline), "other");
  g_autoptr (GstPad) end = gst_pad_get_peer (side->pad);
  g_autoptr (GstPad) other_pad = gst_element_get_static_pad (other, "sink");
  GstPad *ends[] = { end, other_pad };

  set_state (peer->pipeline, GST_STATE_PLAYING);
  reach (side->pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 50; i++)
    {
      gst_pad_add_probe (side->pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, relink, ends, NULL);
      await_frames (side, 3);
    }
}

/* From any state to nothing, alone and out of a running bin. */
static void
test_dispose (gconstpointer name)
{
  for (GstState state = GST_STATE_NULL; state <= GST_STATE_PLAYING; state++)
    for (guint in_bin = 0; in_bin < 2; in_bin++)
      {
        GstElement *element = gst_object_ref_sink (gst_element_factory_make (name, NULL));
        g_autoptr (GstElement) bin = gst_object_ref_sink (gst_bin_new (NULL));
        gpointer weak = element;

        g_object_add_weak_pointer (G_OBJECT (element), &weak);
        if (in_bin)
          gst_bin_add (GST_BIN (bin), element);
        set_state (in_bin ? bin : element, state);
        if (in_bin)
          gst_bin_remove (GST_BIN (bin), element);
        set_state (element, GST_STATE_NULL);
        gst_object_unref (element);
        g_assert_null (weak);
        set_state (bin, GST_STATE_NULL);
      }
  alarm (0);
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

static const Orders orders[] = {
  { TEST_SRC SINK, NULL, TRUE },
  { LIVE_SRC SINK, NULL, TRUE },
  { TEST_SRC SINK "wait-for-consumer=true", NULL, FALSE },
  { TEST_SRC SINK, SRC "delivery=lossless" END, TRUE },
  { SRC END, NULL, FALSE },
  { SRC END, LIVE_SRC SINK, TRUE },
  { SRC "delivery=lossless" END, TEST_SRC SINK, TRUE },
};

int
main (int argc, char **argv)
{
  int log, failed;

  begin_tests (&argc, &argv);
  log = open_leaks_log ();
  gst_init (&argc, &argv);
  g_test_add_data_func ("/states/orders/sink", &orders[0], test_orders);
  g_test_add_data_func ("/states/orders/sink-live", &orders[1], test_orders);
  g_test_add_data_func ("/states/orders/sink-waiting", &orders[2], test_orders);
  g_test_add_data_func ("/states/orders/sink-consumer", &orders[3], test_orders);
  g_test_add_data_func ("/states/orders/src", &orders[4], test_orders);
  g_test_add_data_func ("/states/orders/src-producer", &orders[5], test_orders);
  g_test_add_data_func ("/states/orders/src-lossless", &orders[6], test_orders);
  g_test_add_data_func ("/states/waits/consumer", &wait_for_consumer, test_wait_states);
  g_test_add_data_func ("/states/waits/window", &wait_for_window, test_wait_states);
  g_test_add_data_func ("/states/waits/producer", &wait_for_producer, test_wait_states);
  g_test_add_data_func ("/states/waits/frame", &wait_for_frame, test_wait_states);
  g_test_add_data_func ("/states/flush/consumer", &wait_for_consumer, test_wait_flush);
  g_test_add_data_func ("/states/flush/window", &wait_for_window, test_wait_flush);
  g_test_add_data_func ("/states/flush/producer", &wait_for_producer, test_wait_flush);
  g_test_add_data_func ("/states/flush/frame", &wait_for_frame, test_wait_flush);
  g_test_add_data_func ("/states/properties/sink", &orders[3], test_properties);
  g_test_add_data_func ("/states/properties/src", &orders[5], test_properties);
  add ("/states/properties/start", test_start);
  g_test_add_data_func ("/states/queries-and-events/sink", "shmframesink", test_queries_and_events);
  g_test_add_data_func ("/states/queries-and-events/src", "shmframesrc", test_queries_and_events);
  add ("/states/memory/alignment", test_alignment);
  add ("/states/memory/past-the-slots", test_past_the_slots);
  add ("/states/memory/copies-and-parts", test_memory);
  add ("/states/memory/foreign", test_foreign);
  add ("/states/memory/put-together", test_parts);
  add ("/states/memory/held", test_held);
  add ("/states/preroll", test_preroll);
  add ("/states/one-name", test_one_name);
  add ("/states/one-pipeline", test_one_pipeline);
  add ("/states/two-sources", test_two_sources);
  add ("/states/reuse", test_reuse);
  add ("/states/relink/sink", test_relink_sink);
  add ("/states/relink/src", test_relink_src);
  g_test_add_data_func ("/states/dispose/sink", "shmframesink", test_dispose);
  g_test_add_data_func ("/states/dispose/src", "shmframesrc", test_dispose);
  failed = run_tests ();
  return check_leaks (log) || failed;
}
