/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframemeta.h"
#include "gstshmframetext.h"

#include <gst/video/video.h>
#include <string.h>

GST_DEBUG_CATEGORY_STATIC (shm_frame_meta_debug);
#define GST_CAT_DEFAULT shm_frame_meta_debug

/* A peer's names become types, which are never freed. */
#define MAX_REGISTERED 64
#define MAX_NAME 64
#define MIN_TYPE_NAME 3 /* GType's */

static void
init_debug (void)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      GST_DEBUG_CATEGORY_INIT (shm_frame_meta_debug, "shmframemeta", 0, "shmframe metas");
      g_once_init_leave (&once, 1);
    }
}

/* Builders of the arrays, by kind; made when the first of a kind is seen. */
typedef struct
{
  GVariantDict *dict;
  GVariantBuilder *roi, *timestamps, *captions, *afd, *bar, *sei, *custom;
  gboolean any;
} Writer;

static GVariantBuilder *
builder (GVariantBuilder **slot, const char *type)
{
  if (!*slot)
    *slot = g_variant_builder_new (G_VARIANT_TYPE (type));
  return *slot;
}

static void
finish (Writer *writer, GVariantBuilder *slot, const char *key)
{
  if (!slot)
    return;
  g_variant_dict_insert_value (writer->dict, key, g_variant_builder_end (slot));
  g_variant_builder_unref (slot);
  writer->any = TRUE;
}

static void
warn_once (const GstMetaInfo *info, const char *limit)
{
  static GMutex lock;
  static GHashTable *seen;
  gboolean first;

  g_mutex_lock (&lock);
  if (!seen)
    seen = g_hash_table_new (NULL, NULL);
  first = g_hash_table_add (seen, GSIZE_TO_POINTER (info->type));
  g_mutex_unlock (&lock);
  if (first)
    GST_WARNING ("metas of type %s do not cross to other processes%s", g_type_name (info->type),
                 limit);
}

/* NULL: it holds what the other side does not take from a peer. */
static char *
structure_to_text (const GstStructure *structure)
{
  g_autofree char *text = gst_structure_to_string (structure);
  g_autoptr (GstStructure) taken = gst_shm_frame_structure_from_text (text);

  return taken ? g_steal_pointer (&text) : NULL;
}

static void
write_roi (Writer *writer, GstVideoRegionOfInterestMeta *roi)
{
  GVariantBuilder params;

  g_variant_builder_init (&params, G_VARIANT_TYPE ("as"));
  for (GList *l = roi->params; l; l = l->next)
    {
      g_autofree char *text = structure_to_text (l->data);

      if (text)
        g_variant_builder_add (&params, "s", text);
      else
        warn_once (roi->meta.info, " with all parameters");
    }
  g_variant_builder_add (builder (&writer->roi, "a(siiuuuuas)"), "(siiuuuuas)",
                         g_quark_to_string (roi->roi_type), roi->id, roi->parent_id, roi->x, roi->y,
                         roi->w, roi->h, &params);
}

static void
write_timecode (Writer *writer, const GstVideoTimeCode *code)
{
  g_autofree char *jam = NULL;

  if (code->config.latest_daily_jam)
    jam = g_date_time_format_iso8601 (code->config.latest_daily_jam);
  g_variant_dict_insert (writer->dict, "timecode", "(uuuuuuuus)", code->config.fps_n,
                         code->config.fps_d, (guint) code->config.flags, code->hours, code->minutes,
                         code->seconds, code->frames, code->field_count, jam ? jam : "");
  writer->any = TRUE;
}

static void
write_timestamp (Writer *writer, GstReferenceTimestampMeta *meta)
{
  g_autofree char *caps = gst_caps_to_string (meta->reference);

  g_variant_builder_add (builder (&writer->timestamps, "a(stt)"), "(stt)", caps, meta->timestamp,
                         meta->duration);
}

static void
write_caption (Writer *writer, GstVideoCaptionMeta *meta)
{
  g_autoptr (GstCaps) caps = gst_video_caption_type_to_caps (meta->caption_type);
  g_autofree char *string = caps ? gst_caps_to_string (caps) : NULL;

  if (string)
    g_variant_builder_add (
        builder (&writer->captions, "a(say)"), "(s@ay)", string,
        g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, meta->data, meta->size, 1));
}

static void
write_custom (Writer *writer, GstMeta *meta)
{
  static const char *const none[] = { NULL };
  GstStructure *structure = gst_custom_meta_get_structure ((GstCustomMeta *) meta);
  const char *const *tags = gst_meta_api_type_get_tags (meta->info->api);
  g_autofree char *string = structure_to_text (structure);

  if (!string)
    {
      warn_once (meta->info, "");
      return;
    }
  g_variant_builder_add (builder (&writer->custom, "a(sass)"), "(s^ass)",
                         gst_structure_get_name (structure), tags ? tags : none, string);
}

static gboolean
write_meta (GstBuffer *buffer, GstMeta **meta, gpointer user_data)
{
  Writer *writer = user_data;
  const GstMetaInfo *info = (*meta)->info;
  GType api = info->api;

  if (api == GST_VIDEO_CROP_META_API_TYPE)
    {
      GstVideoCropMeta *crop = (GstVideoCropMeta *) *meta;

      g_variant_dict_insert (writer->dict, "crop", "(uuuu)", crop->x, crop->y, crop->width,
                             crop->height);
      writer->any = TRUE;
    }
  else if (api == GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)
    write_roi (writer, (GstVideoRegionOfInterestMeta *) *meta);
  else if (api == GST_VIDEO_TIME_CODE_META_API_TYPE)
    write_timecode (writer, &((GstVideoTimeCodeMeta *) *meta)->tc);
  else if (api == GST_REFERENCE_TIMESTAMP_META_API_TYPE)
    write_timestamp (writer, (GstReferenceTimestampMeta *) *meta);
  else if (api == GST_VIDEO_CAPTION_META_API_TYPE)
    write_caption (writer, (GstVideoCaptionMeta *) *meta);
  else if (api == GST_VIDEO_AFD_META_API_TYPE)
    {
      GstVideoAFDMeta *afd = (GstVideoAFDMeta *) *meta;

      g_variant_builder_add (builder (&writer->afd, "a(yuu)"), "(yuu)", afd->field,
                             (guint) afd->spec, (guint) afd->afd);
    }
  else if (api == GST_VIDEO_BAR_META_API_TYPE)
    {
      GstVideoBarMeta *bar = (GstVideoBarMeta *) *meta;

      g_variant_builder_add (builder (&writer->bar, "a(ybuu)"), "(ybuu)", bar->field,
                             bar->is_letterbox, bar->bar_data1, bar->bar_data2);
    }
  else if (api == GST_VIDEO_SEI_USER_DATA_UNREGISTERED_META_API_TYPE)
    {
      GstVideoSEIUserDataUnregisteredMeta *sei = (GstVideoSEIUserDataUnregisteredMeta *) *meta;

      g_variant_builder_add (
          builder (&writer->sei, "a(ayay)"), "(@ay@ay)",
          g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, sei->uuid, sizeof sei->uuid, 1),
          g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, sei->data, sei->size, 1));
    }
  else if (gst_meta_info_is_custom (info))
    write_custom (writer, *meta);
  /* The planes cross in the format; what belongs to the memory ends here. */
  else if (api != GST_VIDEO_META_API_TYPE && api != GST_PARENT_BUFFER_META_API_TYPE)
    warn_once (info, "");
  return TRUE;
}

static GVariant *
write_metas (GstBuffer *buffer, gint64 dts)
{
  g_autoptr (GVariantDict) dict = g_variant_dict_new (NULL);
  Writer writer = { .dict = dict };

  init_debug ();
  if (dts != G_MININT64)
    {
      g_variant_dict_insert (dict, "dts", "x", dts);
      writer.any = TRUE;
    }
  gst_buffer_foreach_meta (buffer, write_meta, &writer);
  finish (&writer, writer.roi, "roi");
  finish (&writer, writer.timestamps, "reference-timestamps");
  finish (&writer, writer.captions, "captions");
  finish (&writer, writer.afd, "afd");
  finish (&writer, writer.bar, "bar");
  finish (&writer, writer.sei, "sei-unregistered");
  finish (&writer, writer.custom, "custom");
  return writer.any ? g_variant_dict_end (dict) : NULL;
}

/* Most frames have only the planes' meta, which crosses in the format. */
static gboolean
has_other (GstBuffer *buffer)
{
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta (buffer, &state)) != NULL)
    if (meta->info->api != GST_VIDEO_META_API_TYPE)
      return TRUE;
  return FALSE;
}

GVariant *
gst_shm_frame_meta_to_variant (GstBuffer *buffer, gint64 dts)
{
  if (dts == G_MININT64 && !has_other (buffer))
    return NULL;
  return write_metas (buffer, dts);
}

/* The type of a region is a quark, which stays for good: a peer may bring so many. */
static gboolean
ensure_quark (const char *name)
{
  static gint n_added;

  return g_quark_try_string (name) != 0
         || (strlen (name) <= MAX_NAME && g_atomic_int_get (&n_added) < MAX_REGISTERED
             && g_atomic_int_add (&n_added, 1) < MAX_REGISTERED);
}

static void
read_roi (GstBuffer *buffer, GVariantIter *iter)
{
  const char *type;
  gint id, parent;
  guint x, y, w, h;
  GVariantIter *params;

  while (g_variant_iter_loop (iter, "(&siiuuuuas)", &type, &id, &parent, &x, &y, &w, &h, &params))
    {
      GstVideoRegionOfInterestMeta *roi;
      const char *string;

      if (!ensure_quark (type))
        continue;
      roi = gst_buffer_add_video_region_of_interest_meta (buffer, type, x, y, w, h);
      roi->id = id;
      roi->parent_id = parent;
      while (g_variant_iter_loop (params, "&s", &string))
        {
          GstStructure *structure = gst_shm_frame_structure_from_text (string);

          if (structure)
            gst_video_region_of_interest_meta_add_param (roi, structure);
        }
    }
}

static void
read_timecode (GstBuffer *buffer, GVariant *metadata)
{
  guint fps_n, fps_d, flags, hours, minutes, seconds, frames, fields;
  const char *jam_string;
  g_autoptr (GDateTime) jam = NULL;
  GstVideoTimeCode *code;

  if (!g_variant_lookup (metadata, "timecode", "(uuuuuuuu&s)", &fps_n, &fps_d, &flags, &hours,
                         &minutes, &seconds, &frames, &fields, &jam_string))
    return;
  if (*jam_string)
    jam = g_date_time_new_from_iso8601 (jam_string, NULL);
  code
      = gst_video_time_code_new (fps_n, fps_d, jam, flags, hours, minutes, seconds, frames, fields);
  if (code && gst_video_time_code_is_valid (code))
    gst_buffer_add_video_time_code_meta (buffer, code);
  g_clear_pointer (&code, gst_video_time_code_free);
}

static void
read_timestamps (GstBuffer *buffer, GVariantIter *iter)
{
  const char *string;
  guint64 timestamp, duration;

  while (g_variant_iter_loop (iter, "(&stt)", &string, &timestamp, &duration))
    {
      g_autoptr (GstCaps) caps = gst_shm_frame_caps_from_text (string);

      if (caps && timestamp != GST_CLOCK_TIME_NONE)
        gst_buffer_add_reference_timestamp_meta (buffer, caps, timestamp, duration);
    }
}

static void
read_captions (GstBuffer *buffer, GVariantIter *iter)
{
  const char *string;
  GVariant *bytes;

  while (g_variant_iter_loop (iter, "(&s@ay)", &string, &bytes))
    {
      g_autoptr (GstCaps) caps = gst_shm_frame_caps_from_text (string);
      GstVideoCaptionType type = GST_VIDEO_CAPTION_TYPE_UNKNOWN;
      gsize size;
      const guint8 *data = g_variant_get_fixed_array (bytes, &size, 1);

      if (caps && gst_caps_is_fixed (caps))
        type = gst_video_caption_type_from_caps (caps);
      if (type != GST_VIDEO_CAPTION_TYPE_UNKNOWN && size > 0)
        gst_buffer_add_video_caption_meta (buffer, type, data, size);
    }
}

/* What gst_buffer_add_video_afd_meta() demands of its caller. */
static gboolean
usable_afd (guint8 field, guint spec, guint value)
{
  return field <= 1 && spec <= GST_VIDEO_AFD_SPEC_SMPTE_ST2016_1 && value <= 15 && value != 1
         && (value < 5 || value > 7) && value != 12
         && (spec != GST_VIDEO_AFD_SPEC_DVB_ETSI || value != 0);
}

static void
read_afd (GstBuffer *buffer, GVariantIter *iter)
{
  guint8 field;
  guint spec, value;

  while (g_variant_iter_loop (iter, "(yuu)", &field, &spec, &value))
    if (usable_afd (field, spec, value))
      gst_buffer_add_video_afd_meta (buffer, field, spec, value);
}

static void
read_bar (GstBuffer *buffer, GVariantIter *iter)
{
  guint8 field;
  gboolean letterbox;
  guint first, second;

  while (g_variant_iter_loop (iter, "(ybuu)", &field, &letterbox, &first, &second))
    if (field <= 1)
      gst_buffer_add_video_bar_meta (buffer, field, letterbox, first, second);
}

static void
read_sei (GstBuffer *buffer, GVariantIter *iter)
{
  GVariant *uuid, *bytes;

  while (g_variant_iter_loop (iter, "(@ay@ay)", &uuid, &bytes))
    {
      gsize uuid_size, size;
      gconstpointer id = g_variant_get_fixed_array (uuid, &uuid_size, 1);
      gconstpointer data = g_variant_get_fixed_array (bytes, &size, 1);

      /* It copies both. */
      if (uuid_size == 16 && size > 0)
        gst_buffer_add_video_sei_user_data_unregistered_meta (buffer, (guint8 *) id,
                                                              (guint8 *) data, size);
    }
}

static gboolean
usable_name (const char *name)
{
  gsize length = strlen (name);

  return length > 0 && length <= MAX_NAME && g_ascii_isalpha (name[0])
         && strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-") == length;
}

/* Whether a custom meta of that name can be added; unknown ones are registered, up to a limit. */
static gboolean
ensure_custom (const char *name, const char **tags)
{
  static GMutex lock;
  static guint n_registered;
  g_autofree char *api = g_strconcat (name, "-api", NULL);
  const GstMetaInfo *info = gst_meta_get_info (name);
  gboolean known;

  if (info)
    return gst_meta_info_is_custom (info);
  for (guint i = 0; tags[i]; i++)
    if (!usable_name (tags[i]))
      return FALSE;
  g_mutex_lock (&lock);
  info = gst_meta_get_info (name);
  known = info && gst_meta_info_is_custom (info);
  if (!info && n_registered < MAX_REGISTERED && usable_name (name) && strlen (name) >= MIN_TYPE_NAME
      && !g_type_from_name (name) && !g_type_from_name (api))
    {
      n_registered++;
      known = gst_meta_register_custom (name, tags, NULL, NULL, NULL) != NULL;
    }
  g_mutex_unlock (&lock);
  return known;
}

static gboolean
copy_field (GQuark field, const GValue *value, gpointer structure)
{
  gst_structure_id_set_value (structure, field, value);
  return TRUE;
}

static void
read_custom (GstBuffer *buffer, GVariantIter *iter)
{
  const char *name, *string;
  char **tags;

  while (g_variant_iter_loop (iter, "(&s^as&s)", &name, &tags, &string))
    {
      g_autoptr (GstStructure) structure = gst_shm_frame_structure_from_text (string);
      GstCustomMeta *meta = NULL;

      if (structure && gst_structure_has_name (structure, name)
          && ensure_custom (name, (const char **) tags))
        meta = gst_buffer_add_custom_meta (buffer, name);
      if (meta)
        gst_structure_foreach (structure, copy_field, gst_custom_meta_get_structure (meta));
      else
        GST_DEBUG ("not adding the custom meta %s", name);
    }
}

static void
read_crop (GstBuffer *buffer, GVariant *metadata)
{
  guint x, y, width, height;
  GstVideoMeta *video = gst_buffer_get_video_meta (buffer);
  GstVideoCropMeta *crop;

  if (!g_variant_lookup (metadata, "crop", "(uuuu)", &x, &y, &width, &height) || !video
      || x > video->width || width > video->width - x || y > video->height
      || height > video->height - y)
    return;
  crop = gst_buffer_add_video_crop_meta (buffer);
  crop->x = x;
  crop->y = y;
  crop->width = width;
  crop->height = height;
}

gint64
gst_shm_frame_meta_from_variant (GstBuffer *buffer, GVariant *metadata)
{
  static const struct
  {
    const char *key;
    const char *type;
    void (*read) (GstBuffer *, GVariantIter *);
  } arrays[] = {
    { "roi", "a(siiuuuuas)", read_roi },     { "reference-timestamps", "a(stt)", read_timestamps },
    { "captions", "a(say)", read_captions }, { "afd", "a(yuu)", read_afd },
    { "bar", "a(ybuu)", read_bar },          { "sei-unregistered", "a(ayay)", read_sei },
    { "custom", "a(sass)", read_custom },
  };
  gint64 dts = G_MININT64;

  init_debug ();
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    {
      g_autoptr (GVariant) array
          = g_variant_lookup_value (metadata, arrays[i].key, G_VARIANT_TYPE (arrays[i].type));
      GVariantIter iter;

      if (!array)
        continue;
      g_variant_iter_init (&iter, array);
      arrays[i].read (buffer, &iter);
    }
  read_crop (buffer, metadata);
  read_timecode (buffer, metadata);
  g_variant_lookup (metadata, "dts", "x", &dts);
  return dts;
}

/* ---- flags ---- */

static const struct
{
  guint buffer;
  ShmFrameFlags frame;
} flag_map[] = {
  { GST_BUFFER_FLAG_DISCONT, SHMFRAME_FLAG_DISCONT },
  { GST_BUFFER_FLAG_CORRUPTED, SHMFRAME_FLAG_CORRUPTED },
  { GST_BUFFER_FLAG_GAP, SHMFRAME_FLAG_GAP },
  { GST_VIDEO_BUFFER_FLAG_INTERLACED, SHMFRAME_FLAG_INTERLACED },
  { GST_VIDEO_BUFFER_FLAG_TFF, SHMFRAME_FLAG_TFF },
  { GST_VIDEO_BUFFER_FLAG_RFF, SHMFRAME_FLAG_RFF },
  { GST_VIDEO_BUFFER_FLAG_ONEFIELD, SHMFRAME_FLAG_ONEFIELD },
};

ShmFrameFlags
gst_shm_frame_flags_from_buffer (GstBuffer *buffer)
{
  ShmFrameFlags flags
      = GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT) ? 0 : SHMFRAME_FLAG_KEY;

  for (guint i = 0; i < G_N_ELEMENTS (flag_map); i++)
    if (GST_BUFFER_FLAG_IS_SET (buffer, flag_map[i].buffer))
      flags |= flag_map[i].frame;
  return flags;
}

void
gst_shm_frame_flags_to_buffer (ShmFrameFlags flags, GstBuffer *buffer)
{
  for (guint i = 0; i < G_N_ELEMENTS (flag_map); i++)
    if (flags & flag_map[i].frame)
      GST_BUFFER_FLAG_SET (buffer, flag_map[i].buffer);
  if (!(flags & SHMFRAME_FLAG_KEY))
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);
}
