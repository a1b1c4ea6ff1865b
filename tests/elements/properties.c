/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The elements have every property of their contract, with its default, documented and flagged. */

#include <glib/gstdio.h>
#include <gst/gst.h>

static const struct
{
  const char *element, *property,
      *value; /* as gst-launch-1.0 would write it; NULL: not a default */
} contract[] = {
  { "shmframesink", "pool", "default" },
  { "shmframesink", "stats", NULL },
  { "shmframesink", "slots", "0" },
  { "shmframesink", "max-consumers", "8" },
  { "shmframesink", "consumer-leases", "4" },
  { "shmframesink", "history", "1" },
  { "shmframesink", "window", "4" },
  { "shmframesink", "wait-for-consumer", "false" },
  { "shmframesink", "lossless", "true" },
  { "shmframesink", "stall-timeout", "2000000000" },
  { "shmframesink", "sync-live", "false" },
  { "shmframesink", "num-consumers", NULL },
  { "shmframesink", "mode", "384" }, /* 0600 */
  { "shmframesink", "group", NULL },
  { "shmframesink", "enable-last-sample", NULL },
  { "shmframesrc", "pool", "default" },
  { "shmframesrc", "stats", NULL },
  { "shmframesrc", "delivery", "ordered" },
  { "shmframesrc", "max-lag", "4" },
  { "shmframesrc", "leases", "0" },
  { "shmframesrc", "wait", "sleep" },
  { "shmframesrc", "on-producer-eos", "eos" },
  { "shmframesrc", "on-producer-lost", "wait" },
  { "shmframesrc", "timeout", "-1" },
  { "shmframesrc", "offset-to-zero", "false" },
};

static void
test_properties (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (contract); i++)
    {
      g_autoptr (GstElement) element
          = gst_object_ref_sink (gst_element_factory_make (contract[i].element, NULL));
      GParamSpec *spec
          = g_object_class_find_property (G_OBJECT_GET_CLASS (element), contract[i].property);
      g_autofree char *value = NULL;

      g_test_message ("%s %s", contract[i].element, contract[i].property);
      g_assert_nonnull (spec);
      g_assert_nonnull (g_param_spec_get_blurb (spec));
      if (contract[i].value == NULL)
        continue;
      value = gst_value_serialize (g_param_spec_get_default_value (spec));
      g_assert_cmpstr (value, ==, contract[i].value);
      g_assert_true (
          spec->flags
          & (GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PAUSED | GST_PARAM_MUTABLE_PLAYING));
    }
}

static void
test_last_sample (void)
{
  g_autoptr (GstElement) sink
      = gst_object_ref_sink (gst_element_factory_make ("shmframesink", NULL));
  gboolean enabled;

  g_object_get (sink, "enable-last-sample", &enabled, NULL);
  g_assert_false (enabled);
}

static GstBufferPool *
offered_pool (GstElement *sink)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  g_autoptr (GstCaps) caps
      = gst_caps_from_string ("video/x-raw,format=NV12,width=64,height=48,framerate=30/1");
  GstQuery *query = gst_query_new_allocation (caps, TRUE);
  GstBufferPool *pool = NULL;

  g_assert_true (gst_pad_query (pad, query));
  g_assert_cmpuint (gst_query_get_n_allocation_pools (query), >=, 1);
  gst_query_parse_nth_allocation_pool (query, 0, &pool, NULL, NULL, NULL);
  gst_query_unref (query);
  return pool;
}

/* A buffer pool that is inactive or flushing gives nothing. */
static void
test_pool (void)
{
  g_autofree char *folder = g_dir_make_tmp ("shmframe-test-XXXXXX", NULL);
  g_autoptr (GstElement) sink
      = gst_object_ref_sink (gst_element_factory_make ("shmframesink", NULL));
  g_autoptr (GstBufferPool) pool = NULL;
  g_autoptr (GstBuffer) buffer = NULL;

  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
  g_assert_cmpint (gst_element_set_state (sink, GST_STATE_PAUSED), !=, GST_STATE_CHANGE_FAILURE);
  pool = offered_pool (sink);
  g_assert_cmpint (gst_buffer_pool_acquire_buffer (pool, &buffer, NULL), ==, GST_FLOW_FLUSHING);
  g_assert_true (gst_buffer_pool_set_active (pool, TRUE));
  g_assert_cmpint (gst_buffer_pool_acquire_buffer (pool, &buffer, NULL), ==, GST_FLOW_OK);
  g_clear_pointer (&buffer, gst_buffer_unref);
  gst_buffer_pool_set_flushing (pool, TRUE);
  g_assert_cmpint (gst_buffer_pool_acquire_buffer (pool, &buffer, NULL), ==, GST_FLOW_FLUSHING);
  gst_buffer_pool_set_flushing (pool, FALSE);
  gst_buffer_pool_set_active (pool, FALSE);
  gst_element_set_state (sink, GST_STATE_NULL);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

static void
test_signals (void)
{
  g_autoptr (GstElement) sink
      = gst_object_ref_sink (gst_element_factory_make ("shmframesink", NULL));

  g_assert_cmpuint (g_signal_lookup ("consumer-attached", G_OBJECT_TYPE (sink)), !=, 0);
  g_assert_cmpuint (g_signal_lookup ("consumer-detached", G_OBJECT_TYPE (sink)), !=, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/elements-properties/contract", test_properties);
  g_test_add_func ("/elements-properties/last-sample", test_last_sample);
  g_test_add_func ("/elements-properties/signals", test_signals);
  g_test_add_func ("/elements-properties/pool", test_pool);
  return g_test_run ();
}
