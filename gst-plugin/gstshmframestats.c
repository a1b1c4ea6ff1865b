/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframestats.h"

#include <shmframe/shmframe.h>

guint64
gst_shm_frame_stats_get (GVariant *stats, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (stats, key, NULL);

  if (!value)
    return 0;
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
      return g_variant_get_boolean (value);
    case G_VARIANT_CLASS_UINT32:
      return g_variant_get_uint32 (value);
    case G_VARIANT_CLASS_INT32:
      return MAX (g_variant_get_int32 (value), 0);
    case G_VARIANT_CLASS_UINT64:
      return g_variant_get_uint64 (value);
    case G_VARIANT_CLASS_INT64:
      return MAX (g_variant_get_int64 (value), 0);
    default:
      return 0;
    }
}

GstStructure *
gst_shm_frame_stats_to_structure (const char *name, GVariant *stats)
{
  GstStructure *structure = gst_structure_new_empty (name);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  if (!stats || !g_variant_is_of_type (stats, G_VARIANT_TYPE_VARDICT))
    return structure;
  g_variant_iter_init (&iter, stats);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    switch (g_variant_classify (value))
      {
      case G_VARIANT_CLASS_STRING:
        gst_structure_set (structure, key, G_TYPE_STRING, g_variant_get_string (value, NULL), NULL);
        break;
      case G_VARIANT_CLASS_BOOLEAN:
        gst_structure_set (structure, key, G_TYPE_BOOLEAN, g_variant_get_boolean (value), NULL);
        break;
      case G_VARIANT_CLASS_UINT32:
        gst_structure_set (structure, key, G_TYPE_UINT, g_variant_get_uint32 (value), NULL);
        break;
      case G_VARIANT_CLASS_UINT64:
        gst_structure_set (structure, key, G_TYPE_UINT64, g_variant_get_uint64 (value), NULL);
        break;
      default:
        break;
      }
  return structure;
}

void
gst_shm_frame_stats_add_consumers (GstStructure *structure, GVariant *stats)
{
  g_autoptr (GVariant) consumers
      = g_variant_lookup_value (stats, "consumers", G_VARIANT_TYPE ("aa{sv}"));
  GValue list = G_VALUE_INIT;
  guint64 lag = 0, longest = 0;
  gsize n = consumers ? g_variant_n_children (consumers) : 0;

  gst_value_list_init (&list, n);
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) consumer = g_variant_get_child_value (consumers, i);
      GValue value = G_VALUE_INIT;

      lag = MAX (lag, gst_shm_frame_stats_get (consumer, "lag"));
      longest = MAX (longest, gst_shm_frame_stats_get (consumer, "longest-hold-ns"));
      g_value_init (&value, GST_TYPE_STRUCTURE);
      g_value_take_boxed (&value, gst_shm_frame_stats_to_structure ("consumer", consumer));
      gst_value_list_append_and_take_value (&list, &value);
    }
  gst_structure_set (structure, "consumers", G_TYPE_UINT, (guint) n, "lag", G_TYPE_UINT64, lag,
                     "longest-hold", G_TYPE_UINT64, longest, NULL);
  gst_structure_take_value (structure, "consumer-list", &list);
}

void
gst_shm_frame_post_error (GstElement *element, const GError *error)
{
  ShmFrameError code
      = error->domain == SHMFRAME_ERROR ? (ShmFrameError) error->code : SHMFRAME_ERROR_FAILED;

#define POST(domain, code) GST_ELEMENT_ERROR (element, domain, code, ("%s", error->message), (NULL))
  switch (code)
    {
    case SHMFRAME_ERROR_NAME:
    case SHMFRAME_ERROR_ARGUMENT:
      POST (RESOURCE, SETTINGS);
      break;
    case SHMFRAME_ERROR_NAME_IN_USE:
    case SHMFRAME_ERROR_REFUSED:
    case SHMFRAME_ERROR_QUOTA:
    case SHMFRAME_ERROR_NO_SLOT:
      POST (RESOURCE, BUSY);
      break;
    case SHMFRAME_ERROR_NOT_FOUND:
    case SHMFRAME_ERROR_TIMED_OUT:
      POST (RESOURCE, NOT_FOUND);
      break;
    case SHMFRAME_ERROR_PERMISSION:
      POST (RESOURCE, NOT_AUTHORIZED);
      break;
    case SHMFRAME_ERROR_NO_MEMORY:
    case SHMFRAME_ERROR_NO_DESCRIPTORS:
      POST (RESOURCE, NO_SPACE_LEFT);
      break;
    case SHMFRAME_ERROR_FORMAT:
    case SHMFRAME_ERROR_TOO_BIG:
      POST (STREAM, FORMAT);
      break;
    default:
      POST (RESOURCE, FAILED);
      break;
    }
#undef POST
}
