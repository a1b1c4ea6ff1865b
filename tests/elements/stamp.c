/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stamp.h"

#include <gst/video/video.h>
#include <string.h>

#define MANY 80 /* names, more than a process takes from its peers */

static GMutex lock; /* for all of these */
static guint stamped;
static GQueue injected = G_QUEUE_INIT;

static void
add_regions (GstBuffer *buffer)
{
  GstVideoRegionOfInterestMeta *roi;

  roi = gst_buffer_add_video_region_of_interest_meta (buffer, "face", 1, 2, 30, 40);
  roi->id = 7;
  roi->parent_id = 3;
  gst_video_region_of_interest_meta_add_param (
      roi, gst_structure_new ("detection", "label", G_TYPE_STRING, "a cat, (maybe)", "confidence",
                              G_TYPE_DOUBLE, 0.5, NULL));
  gst_video_region_of_interest_meta_add_param (
      roi, gst_structure_new ("track", "age", G_TYPE_INT, -3, NULL));
  gst_buffer_add_video_region_of_interest_meta (buffer, "plate", 5, 6, 7, 8);
}

static void
add_times (GstBuffer *buffer)
{
  g_autoptr (GstCaps) unix_time = gst_caps_new_empty_simple ("timestamp/x-unix");
  g_autoptr (GstCaps) ntp
      = gst_caps_from_string ("timestamp/x-ntp, host=(string)pool.ntp.org, port=(int)123");
  g_autoptr (GDateTime) jam = g_date_time_new_from_iso8601 ("2026-11-22T00:00:00Z", NULL);

  gst_buffer_add_reference_timestamp_meta (buffer, unix_time, 1234567890123456789, 33333333);
  gst_buffer_add_reference_timestamp_meta (buffer, ntp, 42, GST_CLOCK_TIME_NONE);
  gst_buffer_add_video_time_code_meta_full (buffer, 30000, 1001, jam,
                                            GST_VIDEO_TIME_CODE_FLAGS_DROP_FRAME, 1, 2, 3, 4, 1);
}

static void
add_data (GstBuffer *buffer)
{
  static const guint8 cea608[] = { 0x80, 0x94, 0x2c }, cea708[] = { 0x96, 0x69, 0x00, 0xff };
  static guint8 uuid[16] = "0123456789abcdef", sei[] = { 0, 1, 2, 0 };

  gst_buffer_add_video_caption_meta (buffer, GST_VIDEO_CAPTION_TYPE_CEA608_S334_1A, cea608,
                                     sizeof cea608);
  gst_buffer_add_video_caption_meta (buffer, GST_VIDEO_CAPTION_TYPE_CEA708_CDP, cea708,
                                     sizeof cea708);
  gst_buffer_add_video_afd_meta (buffer, 1, GST_VIDEO_AFD_SPEC_SMPTE_ST2016_1,
                                 GST_VIDEO_AFD_4_3_FULL_16_9_FULL);
  gst_buffer_add_video_bar_meta (buffer, 1, TRUE, 20, 220);
  gst_buffer_add_video_sei_user_data_unregistered_meta (buffer, uuid, sei, sizeof sei);
}

/* Registers the name, in this process. */
static GstStructure *
add_custom (GstBuffer *buffer, const char *name)
{
  static const char *tags[] = { "video", "orientation", NULL };

  if (!gst_meta_get_info (name))
    gst_meta_register_custom (name, tags, NULL, NULL, NULL);
  return gst_custom_meta_get_structure (gst_buffer_add_custom_meta (buffer, name));
}

static GstPadProbeReturn
stamp_all (GstPad *pad, GstBuffer *buffer)
{
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta (buffer);
  GValue list = G_VALUE_INIT, value = G_VALUE_INIT;
  GstStructure *structure = add_custom (buffer, "shmframe-test");

  crop->x = 2;
  crop->y = 4;
  crop->width = 300;
  crop->height = 200;
  add_regions (buffer);
  add_times (buffer);
  add_data (buffer);
  gst_value_list_init (&list, 2);
  g_value_init (&value, G_TYPE_INT);
  for (gint i = 1; i <= 2; i++)
    {
      g_value_set_int (&value, i);
      gst_value_list_append_value (&list, &value);
    }
  gst_structure_set (structure, "text", G_TYPE_STRING, "ünï, \"q\"; (x)", "ratio",
                     GST_TYPE_FRACTION, 1, 3, NULL);
  gst_structure_take_value (structure, "list", &list);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
stamp_many (GstPad *pad, GstBuffer *buffer)
{
  g_autofree char *name = g_strdup_printf ("many-%u", stamped % MANY);

  gst_structure_set (add_custom (buffer, name), "n", G_TYPE_UINT, stamped, NULL);
  gst_buffer_add_video_region_of_interest_meta (buffer, name, 0, 0, 1, 1);
  return GST_PAD_PROBE_OK;
}

/* Of a kind that nobody outside the process knows; and with a value that is an object. */
static GstPadProbeReturn
stamp_opaque (GstPad *pad, GstBuffer *buffer)
{
  gst_buffer_add_protection_meta (buffer, gst_structure_new_empty ("secret"));
  gst_structure_set (add_custom (buffer, "shmframe-opaque"), "pad", GST_TYPE_PAD, pad, NULL);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
stamp_outside (GstPad *pad, GstBuffer *buffer)
{
  GST_BUFFER_PTS (buffer) = 0;
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
stamp_gap (GstPad *pad, GstBuffer *buffer)
{
  stamp_set ("none");
  gst_pad_push_event (pad,
                      gst_event_new_gap (GST_BUFFER_PTS (buffer), GST_BUFFER_DURATION (buffer)));
  return GST_PAD_PROBE_DROP;
}

typedef struct
{
  const char *name;
  GstPadProbeReturn (*stamp) (GstPad *, GstBuffer *);
} Kind;

static const Kind kinds[] = {
  { "none", NULL },           { "all", stamp_all },         { "many", stamp_many },
  { "opaque", stamp_opaque }, { "outside", stamp_outside }, { "gap", stamp_gap },
};
static const Kind *current = kinds;

gboolean
stamp_set (const char *name)
{
  const Kind *found = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_equal (name, kinds[i].name))
      found = &kinds[i];
  if (!found)
    return FALSE;
  g_mutex_lock (&lock);
  current = found;
  stamped = 0;
  g_mutex_unlock (&lock);
  return TRUE;
}

void
stamp_inject (GstEvent *event)
{
  g_mutex_lock (&lock);
  g_queue_push_tail (&injected, event);
  g_mutex_unlock (&lock);
}

static void
push_injected (GstPad *pad)
{
  GQueue events;
  GstEvent *event;

  g_mutex_lock (&lock);
  events = injected;
  g_queue_init (&injected);
  g_mutex_unlock (&lock);
  while ((event = g_queue_pop_head (&events)))
    gst_pad_push_event (pad, event);
}

static GstPadProbeReturn
stamp_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstPadProbeReturn (*stamp) (GstPad *, GstBuffer *), result;

  push_injected (pad);
  g_mutex_lock (&lock);
  stamp = current->stamp;
  g_mutex_unlock (&lock);
  if (!stamp)
    return GST_PAD_PROBE_OK;
  info->data = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  result = stamp (pad, info->data);
  stamped++;
  return result;
}

static GstPadProbeReturn
before_eos (GstPad *sink, GstPadProbeInfo *info, gpointer source)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_EOS)
    push_injected (source);
  return GST_PAD_PROBE_OK;
}

void
stamp_attach (GstElement *element)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  GstPad *source = gst_element_get_static_pad (element, "src");

  gst_pad_add_probe (source, GST_PAD_PROBE_TYPE_BUFFER, stamp_buffer, NULL, NULL);
  gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, before_eos, source,
                     gst_object_unref);
}

/* ---- saying what there is ---- */

static char *
hex (const guint8 *data, gsize size)
{
  GString *string = g_string_new (NULL);

  for (gsize i = 0; i < size; i++)
    g_string_append_printf (string, "%02x", data[i]);
  return g_string_free (string, FALSE);
}

static char *
describe_video (GstVideoMeta *video)
{
  GString *string = g_string_new (gst_video_format_to_string (video->format));

  g_string_append_printf (string, " %ux%u", video->width, video->height);
  for (guint i = 0; i < video->n_planes; i++)
    g_string_append_printf (string, " %d@%" G_GSIZE_FORMAT, video->stride[i], video->offset[i]);
  return g_string_free (string, FALSE);
}

static char *
describe_region (GstVideoRegionOfInterestMeta *roi)
{
  GString *string = g_string_new (NULL);

  g_string_printf (string, "%s %d in %d: %u,%u %ux%u", g_quark_to_string (roi->roi_type), roi->id,
                   roi->parent_id, roi->x, roi->y, roi->w, roi->h);
  for (GList *l = roi->params; l; l = l->next)
    {
      g_autofree char *param = gst_structure_to_string (l->data);

      g_string_append_printf (string, " [%s]", param);
    }
  return g_string_free (string, FALSE);
}

static char *
describe_code (GstVideoTimeCode *code)
{
  g_autofree char *jam = code->config.latest_daily_jam
                             ? g_date_time_format_iso8601 (code->config.latest_daily_jam)
                             : g_strdup ("-");
  g_autofree char *string = gst_video_time_code_to_string (code);

  return g_strdup_printf ("%s %u/%u flags %u field %u jam %s", string, code->config.fps_n,
                          code->config.fps_d, (guint) code->config.flags, code->field_count, jam);
}

static char *
describe_time (GstReferenceTimestampMeta *time)
{
  g_autofree char *caps = gst_caps_to_string (time->reference);

  return g_strdup_printf ("%s: %" G_GINT64_FORMAT " %" G_GINT64_FORMAT, caps,
                          (gint64) time->timestamp, (gint64) time->duration);
}

static char *
describe_custom (GstMeta *meta)
{
  g_autofree char *string
      = gst_structure_to_string (gst_custom_meta_get_structure ((GstCustomMeta *) meta));
  const char *const *tags = gst_meta_api_type_get_tags (meta->info->api);
  g_autofree char *joined = tags ? g_strjoinv ("+", (char **) tags) : NULL;

  return g_strdup_printf ("%s %s", joined ? joined : "-", string);
}

/* Its name and its fields. */
static char *
describe_meta (GstMeta *meta, const char **name)
{
  GType api = meta->info->api;
  g_autofree char *bytes = NULL, *uuid = NULL;

  *name = "custom";
  if (gst_meta_info_is_custom (meta->info))
    return describe_custom (meta);
  if (api == GST_VIDEO_META_API_TYPE)
    return *name = "video", describe_video ((GstVideoMeta *) meta);
  if (api == GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)
    return *name = "region", describe_region ((GstVideoRegionOfInterestMeta *) meta);
  if (api == GST_VIDEO_TIME_CODE_META_API_TYPE)
    return *name = "timecode", describe_code (&((GstVideoTimeCodeMeta *) meta)->tc);
  if (api == GST_REFERENCE_TIMESTAMP_META_API_TYPE)
    return *name = "reference", describe_time ((GstReferenceTimestampMeta *) meta);
  if (api == GST_VIDEO_CROP_META_API_TYPE)
    {
      GstVideoCropMeta *crop = (GstVideoCropMeta *) meta;

      *name = "crop";
      return g_strdup_printf ("%u,%u %ux%u", crop->x, crop->y, crop->width, crop->height);
    }
  if (api == GST_VIDEO_CAPTION_META_API_TYPE)
    {
      GstVideoCaptionMeta *caption = (GstVideoCaptionMeta *) meta;

      *name = "caption";
      bytes = hex (caption->data, caption->size);
      return g_strdup_printf ("%d %s", caption->caption_type, bytes);
    }
  if (api == GST_VIDEO_AFD_META_API_TYPE)
    {
      GstVideoAFDMeta *afd = (GstVideoAFDMeta *) meta;

      *name = "afd";
      return g_strdup_printf ("%u %d %d", afd->field, afd->spec, afd->afd);
    }
  if (api == GST_VIDEO_BAR_META_API_TYPE)
    {
      GstVideoBarMeta *bar = (GstVideoBarMeta *) meta;

      *name = "bar";
      return g_strdup_printf ("%u %d %u %u", bar->field, bar->is_letterbox, bar->bar_data1,
                              bar->bar_data2);
    }
  if (api == GST_VIDEO_SEI_USER_DATA_UNREGISTERED_META_API_TYPE)
    {
      GstVideoSEIUserDataUnregisteredMeta *sei = (GstVideoSEIUserDataUnregisteredMeta *) meta;

      *name = "sei";
      uuid = hex (sei->uuid, sizeof sei->uuid);
      bytes = hex (sei->data, sei->size);
      return g_strdup_printf ("%s %s", uuid, bytes);
    }
  *name = g_type_name (meta->info->type);
  return g_strdup ("");
}

static gboolean
add_description (GstBuffer *buffer, GstMeta **meta, gpointer lines)
{
  const char *name;
  g_autofree char *fields = describe_meta (*meta, &name);

  g_ptr_array_add (
      lines, g_strdup_printf ("%s%s %s", name,
                              GST_META_FLAG_IS_SET (*meta, GST_META_FLAG_POOLED) ? " pooled" : "",
                              fields));
  return TRUE;
}

static gint
compare (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

char **
stamp_describe (GstBuffer *buffer)
{
  GPtrArray *lines = g_ptr_array_new ();

  gst_buffer_foreach_meta (buffer, add_description, lines);
  g_ptr_array_sort (lines, compare);
  g_ptr_array_add (lines, NULL);
  return (char **) g_ptr_array_free (lines, FALSE);
}
