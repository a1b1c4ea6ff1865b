/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every property at its bounds, every query and every event, in every state. With GST_TRACERS=leaks, the
 * tracer must have nothing to say at the end. */

#include "side.h"

#include <gst/check/gstharness.h>

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
  const char *const *pipelines = data;
  g_autoptr (Side) peer = side_new (pipelines[1]);
  g_autoptr (Side) side = side_new (pipelines[0]);

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

/* The element under test, and its peer. */
static const char *const sink_and_peer[] = { TEST_SRC SINK, SRC "delivery=lossless" END };
static const char *const source_and_peer[] = { SRC END, LIVE_SRC SINK };

int
main (int argc, char **argv)
{
  begin_side_tests (&argc, &argv);
  g_test_add_data_func ("/elements-bounds/properties/sink", sink_and_peer, test_properties);
  g_test_add_data_func ("/elements-bounds/properties/src", source_and_peer, test_properties);
  add ("/elements-bounds/properties/start", test_start);
  g_test_add_data_func ("/elements-bounds/queries-and-events/sink", "shmframesink",
                        test_queries_and_events);
  g_test_add_data_func ("/elements-bounds/queries-and-events/src", "shmframesrc",
                        test_queries_and_events);
  return run_side_tests ();
}
