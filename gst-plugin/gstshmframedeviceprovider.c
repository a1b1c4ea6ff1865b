/* SPDX-License-Identifier: LGPL-2.1-or-later */

/**
 * SECTION:provider-shmframedeviceprovider
 * @title: shmframedeviceprovider
 *
 * Lists the pools that live producers publish, such as #shmframesink, and follows them as they come
 * and go. A device's caps are those of the pool, once its producer has told them. Its properties are
 * device.api ("shmframe"), device.path (of the socket), shmframe.pool (the name) and, unless the producer
 * is in another pid namespace, shmframe.pid and shmframe.program.
 *
 * ## Example
 * |[
 * gst-device-monitor-1.0 -f Video/Source
 * ]|
 *
 * Since: 1.0
 */

#include "gstshmframedeviceprovider.h"
#include "gstshmframelayout.h"
#include "gstshmframesrc.h"

GST_DEBUG_CATEGORY_STATIC (device_provider_debug);
#define GST_CAT_DEFAULT device_provider_debug

/* The registry tells of producers, not of formats, and a producer has none before its first caps. */
#define LOOK_INTERVAL_S 1
/* What stopped or hostile producers can take of our time: each, and all of them in a row. */
#define LOOK_TIMEOUT_US (100 * G_TIME_SPAN_MILLISECOND)
#define LOOK_BUDGET_US (500 * G_TIME_SPAN_MILLISECOND)

#define PATH_FIELD "device.path"

/* ---- a pool ---- */

#define GST_TYPE_SHM_FRAME_DEVICE (gst_shm_frame_device_get_type ())
G_DECLARE_FINAL_TYPE (GstShmFrameDevice, gst_shm_frame_device, GST, SHM_FRAME_DEVICE, GstDevice)

struct _GstShmFrameDevice
{
  GstDevice parent;
};

G_DEFINE_FINAL_TYPE (GstShmFrameDevice, gst_shm_frame_device, GST_TYPE_DEVICE)

static char *
dup_path (GstDevice *device)
{
  g_autoptr (GstStructure) properties = gst_device_get_properties (device);

  return g_strdup (gst_structure_get_string (properties, PATH_FIELD));
}

static gboolean
reconfigure_element (GstDevice *device, GstElement *element)
{
  g_autofree char *path = dup_path (device);

  if (!GST_IS_SHM_FRAME_SRC (element) || GST_STATE (element) > GST_STATE_READY)
    return FALSE;
  g_object_set (element, "pool", path, NULL);
  return TRUE;
}

static GstElement *
create_element (GstDevice *device, const char *name)
{
  GstElement *element = gst_element_factory_make ("shmframesrc", name);

  if (element)
    reconfigure_element (device, element);
  return element;
}

static void
gst_shm_frame_device_class_init (GstShmFrameDeviceClass *klass)
{
  GST_DEVICE_CLASS (klass)->create_element = create_element;
  GST_DEVICE_CLASS (klass)->reconfigure_element = reconfigure_element;
}

static void
gst_shm_frame_device_init (GstShmFrameDevice *self)
{
}

static GstDevice *
device_new (const char *name, GstCaps *caps, GstStructure *properties)
{
  return gst_object_ref_sink (g_object_new (GST_TYPE_SHM_FRAME_DEVICE, "display-name", name, "caps",
                                            caps, "device-class", "Video/Source", "properties",
                                            properties, NULL));
}

/* A process can give itself any name: terminals act on some. */
static char *
printable (const char *text)
{
  GString *result = g_string_new (NULL);

  for (const char *c = text; *c; c = g_utf8_next_char (c))
    g_string_append_unichar (result,
                             g_unichar_isprint (g_utf8_get_char (c)) ? g_utf8_get_char (c) : '?');
  return g_string_free (result, FALSE);
}

static GstCaps *
template_caps (void)
{
  g_autoptr (GTypeClass) klass = g_type_class_ref (GST_TYPE_SHM_FRAME_SRC);
  GstPadTemplate *template = gst_element_class_get_pad_template (GST_ELEMENT_CLASS (klass), "src");

  return gst_pad_template_get_caps (template);
}

/* The caps of what the pool has now, asked by a short visit that publishing does not notice. NULL: it
 * has no format yet, or one that shmframesrc could not push, or there was no answer by `until_us`. */
static GstCaps *
look_at_caps (const char *path, gint64 until_us)
{
  gint64 now_us = g_get_monotonic_time ();
  gint64 timeout_ns = CLAMP (until_us - now_us, 0, LOOK_TIMEOUT_US) * 1000;
  g_autoptr (ShmFrameObserver) observer = shmframe_observer_new (path, timeout_ns, NULL);
  g_autoptr (GVariant) stats
      = observer ? shmframe_observer_query_stats (observer, timeout_ns, NULL) : NULL;
  g_autoptr (GVariant) described
      = stats ? g_variant_lookup_value (stats, "format", G_VARIANT_TYPE_VARDICT) : NULL;
  g_autoptr (ShmFrameFormat) format
      = described ? shmframe_format_new_from_variant (described, NULL) : NULL;
  g_autoptr (GstShmFrameLayout) layout
      = format ? gst_shm_frame_layout_new_from_format (format, NULL) : NULL;
  g_autoptr (GstCaps) possible = template_caps ();

  return layout && gst_caps_is_subset (layout->caps, possible) ? gst_caps_ref (layout->caps) : NULL;
}

/* NULL: nobody can read it. */
static GstDevice *
device_from_info (const ShmFramePoolInfo *info, gint64 until_us)
{
  const char *path = shmframe_pool_info_get_path (info);
  const char *name = shmframe_pool_info_get_name (info);
  guint pid = shmframe_pool_info_get_pid (info);
  g_autofree char *program = printable (shmframe_pool_info_get_program (info));
  g_autoptr (GstStructure) properties = NULL;
  g_autoptr (GstCaps) caps = NULL;

  if (!shmframe_pool_info_is_live (info) || shmframe_pool_info_get_problem (info))
    return NULL;
  caps = look_at_caps (path, until_us);
  if (!caps)
    caps = template_caps ();
  properties
      = gst_structure_new ("shmframe-device", "device.api", G_TYPE_STRING, "shmframe", PATH_FIELD,
                           G_TYPE_STRING, path, "shmframe.pool", G_TYPE_STRING, name, NULL);
  if (pid != 0)
    gst_structure_set (properties, "shmframe.pid", G_TYPE_UINT, pid, "shmframe.program",
                       G_TYPE_STRING, program, NULL);
  return device_new (name, caps, properties);
}

/* ---- all pools ---- */

struct _GstShmFrameDeviceProvider
{
  GstDeviceProvider parent;

  /* Between start() and stop(), of the thread that iterates the context. The registry is made, and
   * dropped, with that context as the default. */
  GThread *thread;
  gint stopping; /* atomic */
  GMainContext *context;
  ShmFrameRegistry *registry;
  GQueue devices; /* those that were looked at longest ago come first; a reference each */
};

G_DEFINE_FINAL_TYPE_WITH_CODE (GstShmFrameDeviceProvider, gst_shm_frame_device_provider,
                               GST_TYPE_DEVICE_PROVIDER,
                               GST_DEBUG_CATEGORY_INIT (device_provider_debug,
                                                        "shmframedeviceprovider", 0,
                                                        "shmframe device provider"))
GST_DEVICE_PROVIDER_REGISTER_DEFINE (shmframedeviceprovider, "shmframedeviceprovider",
                                     GST_RANK_PRIMARY, GST_TYPE_SHM_FRAME_DEVICE_PROVIDER)

static void
pool_removed (ShmFrameRegistry *registry, const ShmFramePoolInfo *info,
              GstShmFrameDeviceProvider *self)
{
  for (GList *link = self->devices.head; link; link = link->next)
    {
      g_autofree char *path = dup_path (link->data);

      if (g_str_equal (path, shmframe_pool_info_get_path (info)))
        {
          g_autoptr (GstDevice) device = link->data;

          GST_INFO_OBJECT (self, "%s is gone", path);
          g_queue_delete_link (&self->devices, link);
          gst_device_provider_device_remove (GST_DEVICE_PROVIDER (self), device);
          return;
        }
    }
}

static void
add_pool (GstShmFrameDeviceProvider *self, const ShmFramePoolInfo *info, gint64 until_us)
{
  GstDevice *device = device_from_info (info, until_us);

  GST_INFO_OBJECT (self, "%s %s",
                   device ? "found" : "cannot be used:", shmframe_pool_info_get_path (info));
  if (!device)
    return;
  g_queue_push_tail (&self->devices, device);
  gst_device_provider_device_add (GST_DEVICE_PROVIDER (self), device);
}

static void
pool_added (ShmFrameRegistry *registry, const ShmFramePoolInfo *info,
            GstShmFrameDeviceProvider *self)
{
  pool_removed (registry, info, self); /* one that came while start() listed them */
  add_pool (self, info, g_get_monotonic_time () + LOOK_TIMEOUT_US);
}

/* The device again where its caps are others now, or NULL. */
static GstDevice *
device_look_again (GstDevice *device, gint64 until_us)
{
  g_autofree char *path = dup_path (device);
  g_autofree char *name = gst_device_get_display_name (device);
  g_autoptr (GstStructure) properties = gst_device_get_properties (device);
  g_autoptr (GstCaps) old = gst_device_get_caps (device);
  g_autoptr (GstCaps) caps = look_at_caps (path, until_us);

  return caps && !gst_caps_is_equal (caps, old) ? device_new (name, caps, properties) : NULL;
}

static gboolean
look_again (gpointer data)
{
  GstShmFrameDeviceProvider *self = data;
  gint64 until_us = g_get_monotonic_time () + LOOK_BUDGET_US;

  for (guint n = self->devices.length;
       n > 0 && !g_atomic_int_get (&self->stopping) && g_get_monotonic_time () < until_us; n--)
    {
      g_autoptr (GstDevice) device = g_queue_pop_head (&self->devices);
      GstDevice *changed = device_look_again (device, until_us);

      g_queue_push_tail (&self->devices, changed ? changed : gst_object_ref (device));
      if (changed)
        gst_device_provider_device_changed (GST_DEVICE_PROVIDER (self), changed, device);
    }
  return G_SOURCE_CONTINUE;
}

static gpointer
follow (gpointer data)
{
  GstShmFrameDeviceProvider *self = data;

  g_main_context_push_thread_default (self->context);
  while (!g_atomic_int_get (&self->stopping))
    g_main_context_iteration (self->context, TRUE);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

static gboolean
start (GstDeviceProvider *provider)
{
  GstShmFrameDeviceProvider *self = GST_SHM_FRAME_DEVICE_PROVIDER (provider);
  gint64 until_us = g_get_monotonic_time () + LOOK_BUDGET_US;
  g_autoptr (GSource) timer = g_timeout_source_new_seconds (LOOK_INTERVAL_S);
  g_autoptr (GPtrArray) pools = NULL;

  self->stopping = FALSE;
  self->context = g_main_context_new ();
  g_main_context_push_thread_default (self->context);
  self->registry = shmframe_registry_new ();
  g_signal_connect (self->registry, "pool-added", G_CALLBACK (pool_added), self);
  g_signal_connect (self->registry, "pool-removed", G_CALLBACK (pool_removed), self);
  pools = shmframe_registry_list (self->registry);
  for (guint i = 0; i < pools->len; i++)
    add_pool (self, pools->pdata[i], until_us);
  g_main_context_pop_thread_default (self->context);

  g_source_set_callback (timer, look_again, self, NULL);
  g_source_attach (timer, self->context);
  self->thread = g_thread_new ("shmframe-device", follow, self);
  return TRUE;
}

static void
stop (GstDeviceProvider *provider)
{
  GstShmFrameDeviceProvider *self = GST_SHM_FRAME_DEVICE_PROVIDER (provider);

  g_atomic_int_set (&self->stopping, TRUE);
  g_main_context_wakeup (self->context);
  g_clear_pointer (&self->thread, g_thread_join);

  g_main_context_push_thread_default (self->context);
  g_clear_object (&self->registry);
  g_main_context_pop_thread_default (self->context);
  g_clear_pointer (&self->context, g_main_context_unref); /* the timer goes with it */
  g_queue_clear_full (&self->devices, gst_object_unref);
}

static GList *
probe (GstDeviceProvider *provider)
{
  gint64 until_us = g_get_monotonic_time () + LOOK_BUDGET_US;
  g_autoptr (GMainContext) context = g_main_context_new ();
  ShmFrameRegistry *registry;
  g_autoptr (GPtrArray) pools = NULL;
  GList *devices = NULL;

  /* Of our own, so that no other thread runs what the registry attaches to it. */
  g_main_context_push_thread_default (context);
  registry = shmframe_registry_new ();
  pools = shmframe_registry_list (registry);
  g_object_unref (registry);
  g_main_context_pop_thread_default (context);
  for (guint i = 0; i < pools->len; i++)
    {
      GstDevice *device = device_from_info (pools->pdata[i], until_us);

      if (device)
        devices = g_list_append (devices, device);
    }
  return devices;
}

static void
gst_shm_frame_device_provider_class_init (GstShmFrameDeviceProviderClass *klass)
{
  GstDeviceProviderClass *provider_class = GST_DEVICE_PROVIDER_CLASS (klass);

  provider_class->probe = probe;
  provider_class->start = start;
  provider_class->stop = stop;
  gst_device_provider_class_set_static_metadata (
      provider_class, "Shared memory video device provider", "Video/Source",
      "Lists the pools of video frames that other processes publish in shared memory",
      "The shmframe authors");
}

static void
gst_shm_frame_device_provider_init (GstShmFrameDeviceProvider *self)
{
  g_queue_init (&self->devices);
}
