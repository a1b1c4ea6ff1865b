/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "upstream.h"

static GstElement *pipeline;
GstElement *upstream_sink;
GstPad *upstream_pad;

void
upstream_start (GstCaps *caps, GstFormat format)
{
  g_autoptr (GstPad) pad = NULL;
  GstSegment segment;

  pipeline = gst_pipeline_new (NULL);
  upstream_sink = gst_element_factory_make ("shmframesink", NULL);
  g_object_set (upstream_sink, "pool", "t", "sync", FALSE, "async", FALSE, "wait-for-consumer",
                TRUE, NULL);
  gst_bin_add (GST_BIN (pipeline), upstream_sink);
  pad = gst_element_get_static_pad (upstream_sink, "sink");
  upstream_pad = gst_pad_new ("src", GST_PAD_SRC);
  /* It is in no bin. */
  g_assert_cmpint (gst_pad_link_full (upstream_pad, pad, GST_PAD_LINK_CHECK_NOTHING), ==,
                   GST_PAD_LINK_OK);
  gst_pad_set_active (upstream_pad, TRUE);
  g_assert_cmpint (gst_element_set_state (pipeline, GST_STATE_PLAYING), ==,
                   GST_STATE_CHANGE_SUCCESS);
  gst_segment_init (&segment, format);
  gst_pad_push_event (upstream_pad, gst_event_new_stream_start ("upstream"));
  g_assert_true (upstream_set_caps (caps));
  gst_pad_push_event (upstream_pad, gst_event_new_segment (&segment));
}

gboolean
upstream_set_caps (GstCaps *caps)
{
  return gst_pad_push_event (upstream_pad, gst_event_new_caps (caps));
}

void
upstream_stop (void (*finish_consumers) (void))
{
  gst_pad_push_event (upstream_pad, gst_event_new_eos ());
  finish_consumers ();
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_clear_object (&pipeline);
  gst_clear_object (&upstream_pad);
  upstream_sink = NULL;
}
