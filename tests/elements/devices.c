/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The device provider: as gst-device-monitor-1.0 shows it, with producers in processes of their own, and
 * what an application does with its devices. */

#include "side.h"

#include <gst/gst.h>
#include <shmframe/shmframe.h>
#include <sys/prctl.h>

#include "descriptors.h"

#define LIVE "videotestsrc is-live=true ! capsfilter name=f caps="
#define SMALL "video/x-raw,format=I420,width=322,height=240,framerate=30/1"
#define SMALL_SHOWN "\tcaps  : video/x-raw, format=I420, width=322, height=240, framerate=30/1"
#define TEMPLATE_SHOWN "\tcaps  : video/x-raw, format={"
#define WATCHDOG_US (10 * G_USEC_PER_SEC)

static GstDeviceProvider *
provider_new (void)
{
  GstDeviceProvider *provider = gst_device_provider_factory_get_by_name ("shmframedeviceprovider");

  g_assert_nonnull (provider);
  return provider;
}

/* ---- gst-device-monitor-1.0 ---- */

/* That it came at all is the test's; how long it took is for the reader. */
static void
expect_soon (Child *child, const char *prefix)
{
  gint64 since_us = g_get_monotonic_time ();

  expect_line (child, prefix);
  note_time (since_us);
}

static Child *
monitor_new (void)
{
  Child *monitor
      = child_spawn ((const char *[]){ "gst-device-monitor-1.0", "-f", "Video/Source", NULL });

  expect_line (monitor, "Monitoring devices");
  return monitor;
}

/* With all that it says of a pool but the caps. */
static void
expect_found (Child *monitor, Child *producer)
{
  g_autofree char *path = g_strdup_printf ("\t\tdevice.path = %s/t.sock", folder);
  g_autofree char *pid = g_strdup_printf ("\t\tshmframe.pid = %s (",
                                          g_subprocess_get_identifier (producer->process));
  g_autofree char *launch
      = g_strdup_printf ("\tgst-launch-1.0 shmframesrc pool=%s/t.sock ! ...", folder);

  expect_soon (monitor, "\tname  : t");
  expect_line (monitor, "\tclass : Video/Source");
  expect_line (monitor, "\t\tdevice.api = shmframe");
  expect_line (monitor, path);
  expect_line (monitor, "\t\tshmframe.pool = t");
  expect_line (monitor, pid);
  expect_line (monitor, "\t\tshmframe.program = elements-runner");
  expect_line (monitor, launch);
}

static void
expect_removed (Child *monitor)
{
  expect_soon (monitor, "Device removed:");
  expect_line (monitor, "\tname  : t");
}

static void
test_follow (void)
{
  g_autoptr (Child) monitor = monitor_new ();

  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (Child) producer = run (LIVE SMALL " ! shmframesink pool=t");

      expect_found (monitor, producer);
      if (i % 2)
        g_subprocess_send_signal (producer->process, SIGKILL);
      else
        tell (producer, "quit");
      g_assert_cmpint (finish (producer), ==, i % 2 ? -SIGKILL : 0);
      expect_removed (monitor);
    }
  report_time ("a pool came or went");
  g_assert_cmpuint (count_lines (monitor, "Device found:"), >=, 4);
}

/* When the producer has caps they are the device's, and follow it. */
static void
test_caps (void)
{
  g_autoptr (Child) monitor = monitor_new ();
  g_autoptr (Child) producer = run (LIVE SMALL " ! shmframesink pool=t");

  expect_soon (monitor, SMALL_SHOWN);
  tell (producer, "set f caps video/x-raw,format=RGB,width=640,height=480,framerate=30/1");
  expect_soon (monitor, "Device modified:");
  expect_line (monitor, "\tname  : t");
  expect_soon (monitor, "\tcaps  : video/x-raw, format=RGB, width=640, height=480");
  report_time ("caps");
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
  expect_removed (monitor);
}

/* Without -f: a list, and the end. */
static Child *
list (void)
{
  Child *monitor = child_spawn ((const char *[]){ "gst-device-monitor-1.0", "Video/Source", NULL });

  g_assert_cmpint (finish (monitor), ==, 0);
  return monitor;
}

static void
test_list (void)
{
  g_autoptr (Child) nobody = list ();
  g_autoptr (Child) producer = run (LIVE SMALL " ! shmframesink pool=t");
  g_autoptr (Child) listed = NULL;

  g_assert_cmpuint (count_lines (nobody, "\t\tdevice.api = shmframe"), ==, 0);
  do /* until the producer has caps, or the watchdog bites */
    {
      g_clear_pointer (&listed, child_free);
      listed = list ();
    }
  while (count_lines (listed, SMALL_SHOWN) == 0);
  g_assert_cmpuint (count_lines (listed, "\t\tdevice.api = shmframe"), ==, 1);
  g_assert_cmpuint (count_lines (listed, "\tname  : t"), ==, 1);
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
}

/* Producers that do not answer are listed, and keep neither the list nor their neighbours. */
static void
test_stopped (void)
{
  g_autoptr (GPtrArray) stopped = g_ptr_array_new_with_free_func ((GDestroyNotify) child_free);
  g_autoptr (Child) producer = run (LIVE SMALL " ! shmframesink pool=t");
  g_autoptr (GstDeviceProvider) provider = provider_new ();
  g_autoptr (Child) listed = NULL, monitor = NULL;
  gint64 since_us;

  for (guint i = 0; i < 8; i++)
    {
      Child *child
          = run (LIVE "video/x-raw,width=%u ! shmframesink pool=stopped%u", 200 + 2 * i, i);

      g_ptr_array_add (stopped, child);
      expect_line (child, "state PLAYING");
      g_subprocess_send_signal (child->process, SIGSTOP);
    }
  expect_line (producer, "state PLAYING");

  since_us = g_get_monotonic_time ();
  listed = list ();
  g_test_message ("listed in %" G_GINT64_FORMAT " ms", (g_get_monotonic_time () - since_us) / 1000);
  g_assert_cmpuint (count_lines (listed, "\t\tdevice.api = shmframe"), ==, 9);
  g_assert_cmpuint (count_lines (listed, "\tname  : stopped"), ==, 8);
  g_assert_cmpuint (count_lines (listed, TEMPLATE_SHOWN), >=, 8);

  since_us = g_get_monotonic_time ();
  g_assert_true (gst_device_provider_start (provider));
  gst_device_provider_stop (provider);
  g_test_message ("started and stopped in %" G_GINT64_FORMAT " ms",
                  (g_get_monotonic_time () - since_us) / 1000);

  monitor = monitor_new ();
  expect_soon (monitor, SMALL_SHOWN);
  g_subprocess_send_signal (producer->process, SIGKILL);
  expect_removed (monitor);
  report_time ("past stopped producers");
}

/* ---- as an application ---- */

/* The device of the test's only pool; NULL: there is none. */
static GstDevice *
only_device (GstDeviceProvider *provider)
{
  GList *devices = gst_device_provider_get_devices (provider);
  GstDevice *device = devices ? gst_object_ref (devices->data) : NULL;

  g_assert_cmpuint (g_list_length (devices), <=, 1);
  g_list_free_full (devices, gst_object_unref);
  return device;
}

static ShmFrameProducer *
producer_new (const char *caps, const char *media_type)
{
  g_autoptr (ShmFrameFormat) format = NULL;
  ShmFrameProducer *producer;
  g_autoptr (GError) error = NULL;

  producer = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", "t", NULL);
  g_assert_no_error (error);
  format = media_type ? shmframe_format_new_compressed (media_type, 320, 240, 4096, &error)
                      : shmframe_format_new ("yuv420p", 320, 240, &error);
  g_assert_no_error (error);
  g_assert_true (!caps || shmframe_format_set_caps (format, caps, &error));
  g_assert_true (shmframe_producer_set_format (producer, format, &error));
  g_assert_no_error (error);
  return producer;
}

static void
producer_close (ShmFrameProducer *producer)
{
  shmframe_producer_close (producer);
  g_object_unref (producer);
}

/* What gst-inspect-1.0 does not show of a device provider. */
static void
test_factory (void)
{
  g_autoptr (GstDeviceProviderFactory) factory
      = gst_device_provider_factory_find ("shmframedeviceprovider");

  g_assert_nonnull (factory);
  g_assert_cmpstr (gst_device_provider_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS),
                   ==, "Video/Source");
  g_assert_nonnull (
      gst_device_provider_factory_get_metadata (factory, GST_ELEMENT_METADATA_LONGNAME));
  g_assert_nonnull (
      gst_device_provider_factory_get_metadata (factory, GST_ELEMENT_METADATA_DESCRIPTION));
  g_assert_nonnull (
      gst_device_provider_factory_get_metadata (factory, GST_ELEMENT_METADATA_AUTHOR));
  g_assert_cmpuint (gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (factory)), ==,
                    GST_RANK_PRIMARY);
}

/* Without start(). */
static void
test_probe (void)
{
  g_autoptr (GstDeviceProvider) provider = provider_new ();
  g_autoptr (Child) producer = NULL;
  g_autoptr (GstDevice) device = NULL;
  g_autoptr (GstStructure) properties = NULL;
  g_autofree char *name = NULL;
  guint pid;

  g_assert_null (only_device (provider));
  producer = run (LIVE SMALL " ! shmframesink pool=t");
  expect_line (producer, "state PLAYING");
  device = only_device (provider);
  g_assert_nonnull (device);
  name = gst_device_get_display_name (device);
  g_assert_cmpstr (name, ==, "t");
  g_assert_true (gst_device_has_classes (device, "Video/Source"));
  properties = gst_device_get_properties (device);
  g_assert_true (gst_structure_get_uint (properties, "shmframe.pid", &pid));
  g_assert_cmpuint (pid, ==, atoi (g_subprocess_get_identifier (producer->process)));
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
}

/* The element of a device shows its pool. */
static void
test_element (void)
{
  g_autoptr (GstDeviceProvider) provider = provider_new ();
  g_autoptr (Child) producer = run (LIVE SMALL " ! shmframesink pool=t"), consumer = NULL;
  g_autoptr (GstElement) element = NULL;
  g_autoptr (GstElement) other = gst_object_ref_sink (gst_element_factory_make ("identity", NULL));
  g_autoptr (GstDevice) device = NULL;
  g_autofree char *pool = NULL;

  expect_line (producer, "state PLAYING");
  device = only_device (provider);
  element = gst_object_ref_sink (gst_device_create_element (device, "camera"));
  g_assert_cmpstr (GST_OBJECT_NAME (element), ==, "camera");
  g_object_get (element, "pool", &pool, NULL);
  consumer = run ("shmframesrc pool=%s ! fakesink name=check", pool);
  expect_line (consumer, "frame ");

  g_object_set (element, "pool", "another", NULL);
  g_assert_true (gst_device_reconfigure_element (device, element));
  g_clear_pointer (&pool, g_free);
  g_object_get (element, "pool", &pool, NULL);
  g_assert_true (g_str_has_suffix (pool, "/t.sock"));
  gst_element_set_state (element, GST_STATE_PAUSED);
  g_assert_false (gst_device_reconfigure_element (device, element));
  gst_element_set_state (element, GST_STATE_NULL);
  g_assert_false (gst_device_reconfigure_element (device, other));

  tell (consumer, "quit");
  g_assert_cmpint (finish (consumer), ==, 0);
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
}

/* Formats that no shmframesrc could push, or that are meant to hurt: any caps will do instead. */
static void
test_hostile (void)
{
  g_autofree char *nested = g_strnfill (16000, '[');
  g_autofree char *brackets = g_strconcat ("video/x-raw,format=", nested, NULL);
  const struct
  {
    const char *caps, *media_type;
    gboolean good;
  } formats[] = {
    { NULL, NULL, TRUE },
    { "image/jpeg,width=320,height=240", "image/jpeg", TRUE },
    { "video/x-foo,width=320,height=240", "video/x-foo", FALSE },
    { NULL, "video/x-foo", FALSE },
    { brackets, NULL, TRUE }, /* ignored: the fields say enough */
    { "video/x-raw,format=I420,width=999,height=240", NULL, FALSE },
    { "video/x-raw,format=NV12,width=320,height=240", NULL, FALSE },
    { "video/x-raw,format=\033[31m,width=320,height=240", NULL, TRUE }, /* ignored, too */
  };
  g_autoptr (GstDeviceProvider) provider = provider_new ();

  g_assert_cmpint (prctl (PR_SET_NAME, "\033[31m\n\302\233x"), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      ShmFrameProducer *producer = producer_new (formats[i].caps, formats[i].media_type);
      gboolean fixed;

      g_test_message ("format %u", i);
      do /* a busy machine may not let the answer come in time */
        {
          g_autoptr (GstDevice) device = only_device (provider);
          g_autoptr (GstCaps) caps = gst_device_get_caps (device);
          g_autoptr (GstStructure) properties = gst_device_get_properties (device);
          const char *program = gst_structure_get_string (properties, "shmframe.program");

          g_assert_cmpstr (program, ==, "?[31m??x");
          fixed = gst_caps_is_fixed (caps);
          g_assert_true (formats[i].good || !fixed);
        }
      while (fixed != formats[i].good);
      producer_close (producer);
    }
  prctl (PR_SET_NAME, "test-devices");
}

/* As a mask, the types of devices' messages are all one. */
static void
expect_message (GstBus *bus, GstMessageType type)
{
  GstMessageType got;

  do
    {
      g_autoptr (GstMessage) message
          = gst_bus_timed_pop_filtered (bus, WATCHDOG_US * GST_USECOND, GST_MESSAGE_EXTENDED);

      g_assert_nonnull (message);
      got = GST_MESSAGE_TYPE (message);
    }
  while (got != type);
}

/* Started and stopped over and over, with a pool that comes and goes meanwhile. */
static void
churn (guint n)
{
  g_autoptr (GstDeviceProvider) provider = provider_new ();
  g_autoptr (GstBus) bus = gst_device_provider_get_bus (provider);
  guint fds = 0;

  for (guint i = 0; i < n; i++)
    {
      ShmFrameProducer *producer = i % 3 ? producer_new (NULL, NULL) : NULL;

      g_assert_true (gst_device_provider_start (provider));
      if (i % 3 == 0)
        {
          g_assert_null (only_device (provider));
          producer = producer_new (NULL, NULL);
          expect_message (bus, GST_MESSAGE_DEVICE_ADDED);
        }
      if (i % 3 <= 1)
        {
          g_autoptr (GstDevice) device = only_device (provider);
          g_autoptr (GstElement) element
              = gst_object_ref_sink (gst_device_create_element (device, NULL));

          g_assert_nonnull (element);
          producer_close (producer);
          expect_message (bus, GST_MESSAGE_DEVICE_REMOVED);
          g_assert_null (only_device (provider));
        }
      gst_device_provider_stop (provider);
      if (i % 3 == 2)
        producer_close (producer);
      if (i == 2)
        fds = count_descriptors ();
    }
  g_assert_cmpuint (count_descriptors (), <=, fds);
}

static void
test_start_stop (void)
{
  churn (60);
}

/* The leaks tracer has nothing to say. */
static void
test_leaks (void)
{
  g_autofree char *log = g_build_filename (folder, "leaks.log", NULL);
  g_autofree char *text = NULL;

  if (g_test_subprocess ())
    {
      churn (3);
      gst_deinit ();
      return;
    }
  g_setenv ("GST_TRACERS", "leaks", TRUE);
  g_setenv ("GST_DEBUG", "GST_TRACER:7", TRUE);
  g_setenv ("GST_DEBUG_FILE", log, TRUE);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
  g_unsetenv ("GST_TRACERS");
  g_unsetenv ("GST_DEBUG");
  g_unsetenv ("GST_DEBUG_FILE");
  g_test_trap_assert_passed ();
  g_assert_true (g_file_get_contents (log, &text, NULL, NULL));
  if (strstr (text, "object-alive, type-name=(string)G"))
    g_error ("leaks: %s", strstr (text, "object-alive, type-name=(string)G"));
  g_assert_nonnull (strstr (text, "object-alive")); /* its description: it was there */
}

int
main (int argc, char **argv)
{
  begin_tests (&argc, &argv);
  gst_init (&argc, &argv);

  add ("/devices/list", test_list);
  add ("/devices/follow", test_follow);
  add ("/devices/caps", test_caps);
  add ("/devices/stopped", test_stopped);
  add ("/devices/factory", test_factory);
  add ("/devices/probe", test_probe);
  add ("/devices/element", test_element);
  add ("/devices/hostile", test_hostile);
  add ("/devices/start-stop", test_start_stop);
  add ("/devices/leaks", test_leaks);
  return run_tests ();
}
