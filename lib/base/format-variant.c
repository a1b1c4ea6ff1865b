/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shmframe/format.h"

#include <string.h>

#include "shmframe/error.h"

/*
 * A format as an a{sv}, in messages, and as a line of text. Written against the public API of
 * format.c, so that what comes from a peer passes the same checks as what comes from a caller.
 */

/* What the setters demand of their caller, and here of the peer. */
#define H273_MAX 255
#define INTERLACING_MAX 64 /* bytes */

/* What a peer said, before any of it is believed. */
typedef struct
{
  const char *media_type, *pixel_format, *interlacing, *caps;
  guint32 width, height, primaries, transfer, matrix;
  guint64 size;
  gboolean full_range;
  gint32 rate[2], aspect[2];
} Claim;

static gboolean
refuse (GError **error, const char *key, const char *what)
{
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT,
               "format from a variant: '%s' %s; the peer is not a shmframe of this version", key,
               what);
  return FALSE;
}

static void
insert_planes (GVariantDict *dict, const ShmFrameFormat *self)
{
  guint64 offsets[SHMFRAME_FORMAT_MAX_PLANES];
  gint32 strides[SHMFRAME_FORMAT_MAX_PLANES];
  guint n = shmframe_format_get_n_planes (self);

  for (guint i = 0; i < n; i++)
    {
      offsets[i] = shmframe_format_get_offset (self, i);
      strides[i] = shmframe_format_get_stride (self, i);
    }
  g_variant_dict_insert_value (
      dict, "offsets",
      g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, offsets, n, sizeof *offsets));
  g_variant_dict_insert_value (
      dict, "strides",
      g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, strides, n, sizeof *strides));
}

/**
 * shmframe_format_to_variant:
 * @self: a format
 *
 * Says all of the format in an `a{sv}`: media-type s, pixel-format s, width u, height u,
 * offsets at, strides ai, size t, primaries u, transfer u, matrix u, full-range b,
 * frame-rate (ii), pixel-aspect (ii), interlacing s, caps s. An opaque or compressed format has no
 * pixel-format; caps are there if they were set.
 *
 * Returns: (transfer full): the variant; not floating
 *
 * Since: 1.0
 */
GVariant *
shmframe_format_to_variant (const ShmFrameFormat *self)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  guint primaries, transfer, matrix;
  gboolean full_range;
  gint numerator, denominator;

  g_return_val_if_fail (self != NULL, NULL);
  shmframe_format_get_colour (self, &primaries, &transfer, &matrix, &full_range);
  g_variant_dict_insert (&dict, "media-type", "s", shmframe_format_get_media_type (self));
  if (shmframe_format_get_pixel_format (self) != NULL)
    g_variant_dict_insert (&dict, "pixel-format", "s", shmframe_format_get_pixel_format (self));
  g_variant_dict_insert (&dict, "width", "u", shmframe_format_get_width (self));
  g_variant_dict_insert (&dict, "height", "u", shmframe_format_get_height (self));
  insert_planes (&dict, self);
  g_variant_dict_insert (&dict, "size", "t", (guint64) shmframe_format_get_size (self));
  g_variant_dict_insert (&dict, "primaries", "u", primaries);
  g_variant_dict_insert (&dict, "transfer", "u", transfer);
  g_variant_dict_insert (&dict, "matrix", "u", matrix);
  g_variant_dict_insert (&dict, "full-range", "b", full_range);
  shmframe_format_get_frame_rate (self, &numerator, &denominator);
  g_variant_dict_insert (&dict, "frame-rate", "(ii)", numerator, denominator);
  shmframe_format_get_pixel_aspect (self, &numerator, &denominator);
  g_variant_dict_insert (&dict, "pixel-aspect", "(ii)", numerator, denominator);
  g_variant_dict_insert (&dict, "interlacing", "s", shmframe_format_get_interlacing (self));
  if (shmframe_format_get_caps (self) != NULL)
    g_variant_dict_insert (&dict, "caps", "s", shmframe_format_get_caps (self));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

/* The strings point into the variant. A missing or mistyped value stays at its default, which for
 * those that have to be there is one that is refused later. */
static gboolean
read_claim (GVariant *variant, Claim *claim, GError **error)
{
  g_variant_lookup (variant, "media-type", "&s", &claim->media_type);
  g_variant_lookup (variant, "pixel-format", "&s", &claim->pixel_format);
  g_variant_lookup (variant, "width", "u", &claim->width);
  g_variant_lookup (variant, "height", "u", &claim->height);
  g_variant_lookup (variant, "size", "t", &claim->size);
  g_variant_lookup (variant, "primaries", "u", &claim->primaries);
  g_variant_lookup (variant, "transfer", "u", &claim->transfer);
  g_variant_lookup (variant, "matrix", "u", &claim->matrix);
  g_variant_lookup (variant, "full-range", "b", &claim->full_range);
  g_variant_lookup (variant, "frame-rate", "(ii)", &claim->rate[0], &claim->rate[1]);
  g_variant_lookup (variant, "pixel-aspect", "(ii)", &claim->aspect[0], &claim->aspect[1]);
  g_variant_lookup (variant, "interlacing", "&s", &claim->interlacing);
  g_variant_lookup (variant, "caps", "&s", &claim->caps);

  if (claim->media_type == NULL)
    return refuse (error, "media-type", "is missing");
  if (claim->primaries > H273_MAX || claim->transfer > H273_MAX || claim->matrix > H273_MAX)
    return refuse (error, "primaries, transfer, matrix", "are at most 255");
  if (claim->rate[0] < 0 || claim->rate[1] <= 0)
    return refuse (error, "frame-rate", "is no rate");
  if (claim->aspect[0] <= 0 || claim->aspect[1] <= 0)
    return refuse (error, "pixel-aspect", "is no ratio");
  if (strlen (claim->interlacing) > INTERLACING_MAX)
    return refuse (error, "interlacing", "is too long");
  return TRUE;
}

static gboolean
read_planes (ShmFrameFormat *self, GVariant *variant, gsize size, GError **error)
{
  g_autoptr (GVariant) at = g_variant_lookup_value (variant, "offsets", G_VARIANT_TYPE ("at"));
  g_autoptr (GVariant) ai = g_variant_lookup_value (variant, "strides", G_VARIANT_TYPE ("ai"));
  const guint64 *offsets;
  const gint32 *strides;
  gsize n_offsets, n_strides, offset[SHMFRAME_FORMAT_MAX_PLANES];

  if (at == NULL || ai == NULL)
    return refuse (error, "offsets, strides", "are missing");
  offsets = g_variant_get_fixed_array (at, &n_offsets, sizeof *offsets);
  strides = g_variant_get_fixed_array (ai, &n_strides, sizeof *strides);
  if (n_offsets != n_strides || n_offsets > SHMFRAME_FORMAT_MAX_PLANES)
    return refuse (error, "offsets, strides", "do not go together, or are too many");
  for (gsize i = 0; i < n_offsets; i++)
    offset[i] = MIN (offsets[i], G_MAXSIZE);
  return shmframe_format_set_planes (self, (guint) n_offsets, offset, strides, size, error);
}

/**
 * shmframe_format_new_from_variant:
 * @variant: an `a{sv}` as made by shmframe_format_to_variant()
 * @error: return location for a #GError
 *
 * Reads a format. @variant may come from anybody: what it says is checked, every plane against the
 * size of the frame too. Unknown keys are ignored. @variant is not consumed if it is floating.
 *
 * Returns: (transfer full): the format, or %NULL with %SHMFRAME_ERROR_FORMAT
 *
 * Since: 1.0
 */
ShmFrameFormat *
shmframe_format_new_from_variant (GVariant *variant, GError **error)
{
  g_autoptr (ShmFrameFormat) self = NULL;
  Claim claim = {
    .interlacing = "progressive", .primaries = 2, .transfer = 2, .matrix = 2,
    .rate = { 0, 1 }, .aspect = { 1, 1 },
  };
  gsize size;

  g_return_val_if_fail (variant != NULL, NULL);
  if (!g_variant_is_of_type (variant, G_VARIANT_TYPE_VARDICT))
    {
      refuse (error, g_variant_get_type_string (variant), "is no a{sv}");
      return NULL;
    }
  if (!read_claim (variant, &claim, error))
    return NULL;

  size = MIN (claim.size, G_MAXSIZE);
  if (g_strcmp0 (claim.media_type, "video/x-raw") != 0)
    self = shmframe_format_new_compressed (claim.media_type, claim.width, claim.height, size,
                                           error);
  else if (claim.pixel_format != NULL)
    self = shmframe_format_new (claim.pixel_format, claim.width, claim.height, error);
  else
    self = shmframe_format_new_opaque (claim.width, claim.height, size, error);
  if (self == NULL || (shmframe_format_is_raw (self) && !read_planes (self, variant, size, error))
      || !shmframe_format_set_caps (self, claim.caps, error))
    return NULL;

  shmframe_format_set_colour (self, claim.primaries, claim.transfer, claim.matrix,
                              claim.full_range);
  shmframe_format_set_frame_rate (self, claim.rate[0], claim.rate[1]);
  shmframe_format_set_pixel_aspect (self, claim.aspect[0], claim.aspect[1]);
  shmframe_format_set_interlacing (self, claim.interlacing);
  return g_steal_pointer (&self);
}

/**
 * shmframe_format_to_string:
 * @self: a format
 *
 * Says in a line for people what the format is, such as
 * "yuv420p 1920x1080 30/1 fps, 3133440 bytes".
 *
 * Returns: (transfer full): the text; free it with g_free()
 *
 * Since: 1.0
 */
char *
shmframe_format_to_string (const ShmFrameFormat *self)
{
  const char *kind;
  gint numerator, denominator;
  GString *text;

  g_return_val_if_fail (self != NULL, NULL);
  kind = shmframe_format_get_pixel_format (self);
  text = g_string_new (kind != NULL ? kind : shmframe_format_get_media_type (self));
  if (shmframe_format_get_width (self) > 0 && shmframe_format_get_height (self) > 0)
    g_string_append_printf (text, " %ux%u", shmframe_format_get_width (self),
                            shmframe_format_get_height (self));
  shmframe_format_get_frame_rate (self, &numerator, &denominator);
  if (numerator > 0)
    g_string_append_printf (text, " %d/%d fps", numerator, denominator);
  if (g_strcmp0 (shmframe_format_get_interlacing (self), "progressive") != 0)
    g_string_append_printf (text, " %s", shmframe_format_get_interlacing (self));
  g_string_append_printf (text, ", %s%" G_GSIZE_FORMAT " bytes",
                          shmframe_format_is_raw (self) ? "" : "at most ",
                          shmframe_format_get_size (self));
  return g_string_free (text, FALSE);
}
