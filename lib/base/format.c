/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shmframe/format.h"

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <string.h>

#include "abi/layout.h"
#include "shmframe/error.h"

#define RAW_MEDIA_TYPE "video/x-raw"
#define MEDIA_TYPE_MAX 255 /* bytes; RFC 6838 allows 127 on each side of the slash */
#define INTERLACING_MAX 64 /* bytes */
#define ALIGNMENT 64       /* bytes, of strides and planes: a cache line, and AVX-512 */
#define H273_UNSPECIFIED 2
#define H273_MAX 255
#define H273_MATRIX_RGB 0

struct _ShmFrameFormat
{
  char *media_type;
  enum AVPixelFormat pixel_format; /* AV_PIX_FMT_NONE: opaque or compressed */
  guint width;
  guint height;
  guint n_planes;
  gsize offset[SHMFRAME_FORMAT_MAX_PLANES]; /* bytes */
  gint stride[SHMFRAME_FORMAT_MAX_PLANES];  /* bytes */
  gsize size;                               /* bytes; of compressed frames, the most */
  guint primaries;
  guint transfer;
  guint matrix;
  gboolean full_range;
  gint rate[2];   /* numerator, denominator */
  gint aspect[2]; /* numerator, denominator */
  char *interlacing;
  char *caps; /* or NULL */
};

G_DEFINE_BOXED_TYPE (ShmFrameFormat, shmframe_format, shmframe_format_ref, shmframe_format_unref)

G_GNUC_PRINTF (2, 3)
static gboolean
refuse (GError **error, const char *message, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, message);
  text = g_strdup_vprintf (message, args);
  va_end (args);
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT, "format %s", text);
  return FALSE;
}

/* ---- making -------------------------------------------------------------------------------- */

static gboolean
check_dimensions (guint width, guint height, guint least, GError **error)
{
  if (width >= least && width <= SHMFRAME_FORMAT_MAX_SIZE && height >= least
      && height <= SHMFRAME_FORMAT_MAX_SIZE)
    return TRUE;
  return refuse (error, "%ux%u: must be at least %ux%u and at most %dx%d", width, height, least,
                 least, SHMFRAME_FORMAT_MAX_SIZE, SHMFRAME_FORMAT_MAX_SIZE);
}

static gboolean
check_size (gsize size, GError **error)
{
  if (size > 0 && size <= SHMFRAME_PAYLOAD_MAX)
    return TRUE;
  return refuse (error,
                 "of %" G_GSIZE_FORMAT " bytes a frame: must be from 1 to %" G_GUINT64_FORMAT, size,
                 (guint64) SHMFRAME_PAYLOAD_MAX);
}

static gboolean
check_media_type (const char *media_type, GError **error)
{
  const char *slash = strchr (media_type, '/');

  if (slash == NULL || slash == media_type || slash[1] == '\0'
      || strlen (media_type) > MEDIA_TYPE_MAX || !g_str_is_ascii (media_type))
    return refuse (error, "media type: must be like image/jpeg, of at most %d characters",
                   MEDIA_TYPE_MAX);
  if (strcmp (media_type, RAW_MEDIA_TYPE) == 0)
    return refuse (error, RAW_MEDIA_TYPE ": is not compressed; give a pixel format, or caps");
  return TRUE;
}

static ShmFrameFormat *
format_new (const char *media_type, guint width, guint height)
{
  ShmFrameFormat *self = g_atomic_rc_box_new0 (ShmFrameFormat);

  self->media_type = g_strdup (media_type);
  self->pixel_format = AV_PIX_FMT_NONE;
  self->width = width;
  self->height = height;
  self->primaries = H273_UNSPECIFIED;
  self->transfer = H273_UNSPECIFIED;
  self->matrix = H273_UNSPECIFIED;
  self->rate[1] = 1;
  self->aspect[0] = 1;
  self->aspect[1] = 1;
  self->interlacing = g_strdup ("progressive");
  return self;
}

static void
format_clear (gpointer data)
{
  ShmFrameFormat *self = data;

  g_free (self->media_type);
  g_free (self->interlacing);
  g_free (self->caps);
}

static gboolean
has_palette (const ShmFrameFormat *self)
{
  const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get (self->pixel_format);

  return desc != NULL && (desc->flags & AV_PIX_FMT_FLAG_PAL) != 0;
}

/* Planes one after the other, each row and plane aligned. */
static gboolean
fill_planes (ShmFrameFormat *self, GError **error)
{
  int strides[4];
  ptrdiff_t strides_long[4];
  size_t sizes[4];
  gsize end = 0;

  if (av_image_fill_linesizes (strides, self->pixel_format, (int) self->width) < 0)
    goto impossible;
  for (guint i = 0; i < 4; i++)
    strides_long[i] = strides[i] = (int) FFALIGN (strides[i], ALIGNMENT);
  if (av_image_fill_plane_sizes (sizes, self->pixel_format, (int) self->height, strides_long) < 0)
    goto impossible;
  if (has_palette (self))
    strides[1] = 4; /* as GStreamer and libavutil have it: 256 rows of one colour */

  for (self->n_planes = 0; self->n_planes < 4 && sizes[self->n_planes] > 0; self->n_planes++)
    {
      self->offset[self->n_planes] = FFALIGN (end, ALIGNMENT);
      self->stride[self->n_planes] = strides[self->n_planes];
      end = self->offset[self->n_planes] + sizes[self->n_planes];
    }
  self->size = end;
  return check_size (self->size, error);

impossible:
  return refuse (error, "%s %ux%u: libavutil cannot lay it out",
                 av_get_pix_fmt_name (self->pixel_format), self->width, self->height);
}

/**
 * shmframe_format_new:
 * @pixel_format: libavutil's name of the pixel format, such as "yuv420p"
 * @width: pixels in a row, 1 to %SHMFRAME_FORMAT_MAX_SIZE
 * @height: rows, 1 to %SHMFRAME_FORMAT_MAX_SIZE
 * @error: return location for a #GError
 *
 * Makes a format of raw video. Strides and the starts of planes are aligned to 64 bytes; a palette
 * is the second plane, 256 rows of 4 bytes.
 *
 * RGB formats begin as full range with matrix 0, all others as limited range (but for libavutil's
 * "yuvj" formats) with unspecified (2) colour.
 *
 * Returns: (transfer full): the format, or %NULL with %SHMFRAME_ERROR_FORMAT
 *
 * Since: 1.0
 */
ShmFrameFormat *
shmframe_format_new (const char *pixel_format, guint width, guint height, GError **error)
{
  g_autoptr (ShmFrameFormat) self = NULL;
  const AVPixFmtDescriptor *desc;

  g_return_val_if_fail (pixel_format != NULL, NULL);
  desc = av_pix_fmt_desc_get (av_get_pix_fmt (pixel_format));
  if (desc == NULL)
    {
      refuse (error, "%.64s: libavutil knows no such pixel format; `ffmpeg -pix_fmts` lists them",
              pixel_format);
      return NULL;
    }
  if ((desc->flags & AV_PIX_FMT_FLAG_HWACCEL) != 0)
    {
      refuse (error, "%s: frames of hardware have no bytes; download them to memory first",
              desc->name);
      return NULL;
    }
  if (!check_dimensions (width, height, 1, error))
    return NULL;

  self = format_new (RAW_MEDIA_TYPE, width, height);
  self->pixel_format = av_pix_fmt_desc_get_id (desc);
  if ((desc->flags & AV_PIX_FMT_FLAG_RGB) != 0)
    self->matrix = H273_MATRIX_RGB;
  self->full_range
      = (desc->flags & AV_PIX_FMT_FLAG_RGB) != 0 || g_str_has_prefix (desc->name, "yuvj");
  if (!fill_planes (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

/**
 * shmframe_format_new_opaque:
 * @width: pixels in a row, 1 to %SHMFRAME_FORMAT_MAX_SIZE
 * @height: rows, 1 to %SHMFRAME_FORMAT_MAX_SIZE
 * @size: bytes of a frame
 * @error: return location for a #GError
 *
 * Makes a format of raw video whose pixel format libavutil has no name for; say what it is with
 * shmframe_format_set_caps(). It has one plane, until shmframe_format_set_planes().
 *
 * Returns: (transfer full): the format, or %NULL with %SHMFRAME_ERROR_FORMAT
 *
 * Since: 1.0
 */
ShmFrameFormat *
shmframe_format_new_opaque (guint width, guint height, gsize size, GError **error)
{
  ShmFrameFormat *self;

  if (!check_dimensions (width, height, 1, error) || !check_size (size, error))
    return NULL;
  self = format_new (RAW_MEDIA_TYPE, width, height);
  self->n_planes = 1;
  self->size = size;
  return self;
}

/**
 * shmframe_format_new_compressed:
 * @media_type: such as "image/jpeg" or "video/x-h264"
 * @width: pixels in a row, or 0 where it is not known
 * @height: rows, or 0 where it is not known
 * @max_size: the most bytes of a frame
 * @error: return location for a #GError
 *
 * Makes a format of frames of variable size. It has no planes.
 *
 * Returns: (transfer full): the format, or %NULL with %SHMFRAME_ERROR_FORMAT
 *
 * Since: 1.0
 */
ShmFrameFormat *
shmframe_format_new_compressed (const char *media_type, guint width, guint height, gsize max_size,
                                GError **error)
{
  ShmFrameFormat *self;

  g_return_val_if_fail (media_type != NULL, NULL);
  if (!check_media_type (media_type, error) || !check_dimensions (width, height, 0, error)
      || !check_size (max_size, error))
    return NULL;
  self = format_new (media_type, width, height);
  self->size = max_size;
  return self;
}

/**
 * shmframe_format_ref:
 * @self: a format
 *
 * Takes a reference. Any thread.
 *
 * Returns: (transfer full): @self
 *
 * Since: 1.0
 */
ShmFrameFormat *
shmframe_format_ref (ShmFrameFormat *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return g_atomic_rc_box_acquire (self);
}

/**
 * shmframe_format_unref:
 * @self: (transfer full) (nullable): a format
 *
 * Drops a reference. Any thread.
 *
 * Since: 1.0
 */
void
shmframe_format_unref (ShmFrameFormat *self)
{
  if (self != NULL)
    g_atomic_rc_box_release_full (self, format_clear);
}

/**
 * shmframe_format_copy:
 * @self: a format
 *
 * Makes a format of its own with the same values, to be changed with the setters.
 *
 * Returns: (transfer full): the copy
 *
 * Since: 1.0
 */
ShmFrameFormat *
shmframe_format_copy (const ShmFrameFormat *self)
{
  ShmFrameFormat *copy;

  g_return_val_if_fail (self != NULL, NULL);
  copy = (ShmFrameFormat *) g_atomic_rc_box_dup (sizeof *self, self);
  copy->media_type = g_strdup (self->media_type);
  copy->interlacing = g_strdup (self->interlacing);
  copy->caps = g_strdup (self->caps);
  return copy;
}

/**
 * shmframe_format_equal:
 * @a: a format
 * @b: a format
 *
 * Compares every value, the caps string included.
 *
 * Returns: %TRUE if @a and @b say the same
 *
 * Since: 1.0
 */
gboolean
shmframe_format_equal (const ShmFrameFormat *a, const ShmFrameFormat *b)
{
  g_return_val_if_fail (a != NULL && b != NULL, FALSE);
  if (a->pixel_format != b->pixel_format || a->width != b->width || a->height != b->height
      || a->size != b->size || a->n_planes != b->n_planes)
    return FALSE;
  for (guint i = 0; i < a->n_planes; i++)
    if (a->offset[i] != b->offset[i] || a->stride[i] != b->stride[i])
      return FALSE;
  return a->primaries == b->primaries && a->transfer == b->transfer && a->matrix == b->matrix
         && a->full_range == b->full_range && memcmp (a->rate, b->rate, sizeof a->rate) == 0
         && memcmp (a->aspect, b->aspect, sizeof a->aspect) == 0
         && strcmp (a->media_type, b->media_type) == 0
         && strcmp (a->interlacing, b->interlacing) == 0 && g_strcmp0 (a->caps, b->caps) == 0;
}

/* ---- setters ------------------------------------------------------------------------------- */

/* One plane of a frame of `size` bytes, from anybody. No sum can overflow: offset and size are at
 * most SHMFRAME_PAYLOAD_MAX, and stride * rows is at most 2^31 * 2^15. */
static gboolean
check_plane (const ShmFrameFormat *self, guint plane, gsize offset, gint stride, gsize size,
             GError **error)
{
  gsize row_bytes = shmframe_format_get_row_bytes (self, plane);
  guint rows = shmframe_format_get_rows (self, plane);

  if (stride < 0)
    return refuse (error, "plane %u: stride %d: must not be negative", plane, stride);
  if ((gsize) stride < row_bytes)
    return refuse (error,
                   "plane %u: stride %d: must be at least the %" G_GSIZE_FORMAT " bytes of a row",
                   plane, stride, row_bytes);
  if (offset >= size || (guint64) stride * MAX (rows, 1) > size - offset)
    return refuse (error,
                   "plane %u: %u rows of %d bytes at %" G_GSIZE_FORMAT " pass the end of the frame "
                   "at %" G_GSIZE_FORMAT ": give a larger size",
                   plane, rows, stride, offset, size);
  return TRUE;
}

/**
 * shmframe_format_set_planes:
 * @self: a format of raw video
 * @n_planes: how many, as many as the pixel format has; 1 to %SHMFRAME_FORMAT_MAX_PLANES for an
 *   opaque one
 * @offsets: (array length=n_planes): bytes from the start of the frame to each plane
 * @strides: (array length=n_planes): bytes from one row of each plane to the next
 * @size: bytes of the whole frame
 * @error: return location for a #GError
 *
 * Sets a layout other than the default. All rows of all planes must lie within @size.
 *
 * Returns: %TRUE, or %FALSE with %SHMFRAME_ERROR_FORMAT and @self as it was
 *
 * Since: 1.0
 */
gboolean
shmframe_format_set_planes (ShmFrameFormat *self, guint n_planes, const gsize *offsets,
                            const gint *strides, gsize size, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (n_planes == 0 || (offsets != NULL && strides != NULL), FALSE);
  if (!shmframe_format_is_raw (self))
    return refuse (error, "%s: compressed frames have no planes", self->media_type);
  if (n_planes == 0 || n_planes > SHMFRAME_FORMAT_MAX_PLANES)
    return refuse (error, "with %u planes: must have at least 1 and at most %d", n_planes,
                   SHMFRAME_FORMAT_MAX_PLANES);
  if (self->pixel_format != AV_PIX_FMT_NONE && n_planes != self->n_planes)
    return refuse (error, "%s with %u planes: must have %u",
                   av_get_pix_fmt_name (self->pixel_format), n_planes, self->n_planes);
  if (!check_size (size, error))
    return FALSE;

  for (guint i = 0; i < n_planes; i++)
    if (!check_plane (self, i, offsets[i], strides[i], size, error))
      return FALSE;
  memcpy (self->offset, offsets, n_planes * sizeof *offsets);
  memcpy (self->stride, strides, n_planes * sizeof *strides);
  self->n_planes = n_planes;
  self->size = size;
  return TRUE;
}

/**
 * shmframe_format_set_colour:
 * @self: a format
 * @primaries: ITU-T H.273 ColourPrimaries, 0 to 255; 2 is unspecified, also in the next two
 * @transfer: ITU-T H.273 TransferCharacteristics
 * @matrix: ITU-T H.273 MatrixCoefficients
 * @full_range: whether samples use the full range
 *
 * Sets the colour.
 *
 * Since: 1.0
 */
void
shmframe_format_set_colour (ShmFrameFormat *self, guint primaries, guint transfer, guint matrix,
                            gboolean full_range)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (primaries <= H273_MAX && transfer <= H273_MAX && matrix <= H273_MAX);
  self->primaries = primaries;
  self->transfer = transfer;
  self->matrix = matrix;
  self->full_range = full_range != FALSE;
}

/**
 * shmframe_format_set_frame_rate:
 * @self: a format
 * @numerator: frames, 0 for an unknown or variable rate
 * @denominator: in so many seconds, from 1
 *
 * Sets the frame rate. It begins as 0/1.
 *
 * Since: 1.0
 */
void
shmframe_format_set_frame_rate (ShmFrameFormat *self, gint numerator, gint denominator)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (numerator >= 0 && denominator > 0);
  self->rate[0] = numerator;
  self->rate[1] = denominator;
}

/**
 * shmframe_format_set_pixel_aspect:
 * @self: a format
 * @numerator: width of a pixel, from 1
 * @denominator: height of a pixel, from 1
 *
 * Sets the shape of a pixel. It begins as 1/1.
 *
 * Since: 1.0
 */
void
shmframe_format_set_pixel_aspect (ShmFrameFormat *self, gint numerator, gint denominator)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (numerator > 0 && denominator > 0);
  self->aspect[0] = numerator;
  self->aspect[1] = denominator;
}

/**
 * shmframe_format_set_interlacing:
 * @self: a format
 * @mode: "progressive", "interleaved", "mixed", "fields" or "alternate", as in GStreamer's caps
 *
 * Sets the interlacing. It begins as "progressive".
 *
 * Since: 1.0
 */
void
shmframe_format_set_interlacing (ShmFrameFormat *self, const char *mode)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (mode != NULL && strlen (mode) <= INTERLACING_MAX
                    && g_utf8_validate (mode, -1, NULL));
  g_free (self->interlacing);
  self->interlacing = g_strdup (mode);
}

/**
 * shmframe_format_set_caps:
 * @self: a format
 * @caps: (nullable): GStreamer caps as a string, at most %SHMFRAME_FORMAT_MAX_CAPS bytes of UTF-8
 * @error: return location for a #GError
 *
 * Sets the caps that GStreamer consumers use as they are.
 *
 * Returns: %TRUE, or %FALSE with %SHMFRAME_ERROR_FORMAT and @self as it was
 *
 * Since: 1.0
 */
gboolean
shmframe_format_set_caps (ShmFrameFormat *self, const char *caps, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);
  if (caps != NULL && strlen (caps) > SHMFRAME_FORMAT_MAX_CAPS)
    return refuse (error, "caps of %" G_GSIZE_FORMAT " bytes: must be at most %d", strlen (caps),
                   SHMFRAME_FORMAT_MAX_CAPS);
  if (caps != NULL && !g_utf8_validate (caps, -1, NULL))
    return refuse (error, "caps: must be UTF-8");
  g_free (self->caps);
  self->caps = g_strdup (caps);
  return TRUE;
}

/* ---- getters ------------------------------------------------------------------------------- */

/**
 * shmframe_format_get_media_type:
 * @self: a format
 *
 * Returns: "video/x-raw", or the media type of compressed frames
 *
 * Since: 1.0
 */
const char *
shmframe_format_get_media_type (const ShmFrameFormat *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return self->media_type;
}

/**
 * shmframe_format_is_raw:
 * @self: a format
 *
 * Returns: %TRUE if frames are raw video, all of one size; %FALSE if they are compressed
 *
 * Since: 1.0
 */
gboolean
shmframe_format_is_raw (const ShmFrameFormat *self)
{
  g_return_val_if_fail (self != NULL, FALSE);
  return strcmp (self->media_type, RAW_MEDIA_TYPE) == 0;
}

/**
 * shmframe_format_get_pixel_format:
 * @self: a format
 *
 * Returns: (nullable): libavutil's name of the pixel format; %NULL for opaque and compressed ones
 *
 * Since: 1.0
 */
const char *
shmframe_format_get_pixel_format (const ShmFrameFormat *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return av_get_pix_fmt_name (self->pixel_format);
}

/**
 * shmframe_format_get_width:
 * @self: a format
 *
 * Returns: pixels in a row; 0 for a compressed format that does not say
 *
 * Since: 1.0
 */
guint
shmframe_format_get_width (const ShmFrameFormat *self)
{
  g_return_val_if_fail (self != NULL, 0);
  return self->width;
}

/**
 * shmframe_format_get_height:
 * @self: a format
 *
 * Returns: rows; 0 for a compressed format that does not say
 *
 * Since: 1.0
 */
guint
shmframe_format_get_height (const ShmFrameFormat *self)
{
  g_return_val_if_fail (self != NULL, 0);
  return self->height;
}

/**
 * shmframe_format_get_n_planes:
 * @self: a format
 *
 * Returns: number of planes, the palette included; 0 for compressed formats
 *
 * Since: 1.0
 */
guint
shmframe_format_get_n_planes (const ShmFrameFormat *self)
{
  g_return_val_if_fail (self != NULL, 0);
  return self->n_planes;
}

/**
 * shmframe_format_get_stride:
 * @self: a format
 * @plane: number of the plane, from 0
 *
 * Returns: bytes from one row to the next; 0 where it is unknown, or there is no such plane
 *
 * Since: 1.0
 */
gint
shmframe_format_get_stride (const ShmFrameFormat *self, guint plane)
{
  g_return_val_if_fail (self != NULL, 0);
  return plane < self->n_planes ? self->stride[plane] : 0;
}

/**
 * shmframe_format_get_offset:
 * @self: a format
 * @plane: number of the plane, from 0
 *
 * Returns: bytes from the start of the frame to the plane; 0 where there is no such plane
 *
 * Since: 1.0
 */
gsize
shmframe_format_get_offset (const ShmFrameFormat *self, guint plane)
{
  g_return_val_if_fail (self != NULL, 0);
  return plane < self->n_planes ? self->offset[plane] : 0;
}

/**
 * shmframe_format_get_size:
 * @self: a format
 *
 * Returns: bytes of a frame; the most for compressed formats
 *
 * Since: 1.0
 */
gsize
shmframe_format_get_size (const ShmFrameFormat *self)
{
  g_return_val_if_fail (self != NULL, 0);
  return self->size;
}

/**
 * shmframe_format_get_colour:
 * @self: a format
 * @primaries: (out) (optional): ITU-T H.273 ColourPrimaries; 2 is unspecified
 * @transfer: (out) (optional): ITU-T H.273 TransferCharacteristics; 2 is unspecified
 * @matrix: (out) (optional): ITU-T H.273 MatrixCoefficients; 2 is unspecified
 * @full_range: (out) (optional): whether samples use the full range
 *
 * Since: 1.0
 */
void
shmframe_format_get_colour (const ShmFrameFormat *self, guint *primaries, guint *transfer,
                            guint *matrix, gboolean *full_range)
{
  g_return_if_fail (self != NULL);
  if (primaries != NULL)
    *primaries = self->primaries;
  if (transfer != NULL)
    *transfer = self->transfer;
  if (matrix != NULL)
    *matrix = self->matrix;
  if (full_range != NULL)
    *full_range = self->full_range;
}

/**
 * shmframe_format_get_frame_rate:
 * @self: a format
 * @numerator: (out): frames; 0: unknown or variable
 * @denominator: (out): in so many seconds
 *
 * Since: 1.0
 */
void
shmframe_format_get_frame_rate (const ShmFrameFormat *self, gint *numerator, gint *denominator)
{
  g_return_if_fail (self != NULL && numerator != NULL && denominator != NULL);
  *numerator = self->rate[0];
  *denominator = self->rate[1];
}

/**
 * shmframe_format_get_pixel_aspect:
 * @self: a format
 * @numerator: (out): width of a pixel
 * @denominator: (out): height of a pixel
 *
 * Since: 1.0
 */
void
shmframe_format_get_pixel_aspect (const ShmFrameFormat *self, gint *numerator, gint *denominator)
{
  g_return_if_fail (self != NULL && numerator != NULL && denominator != NULL);
  *numerator = self->aspect[0];
  *denominator = self->aspect[1];
}

/**
 * shmframe_format_get_interlacing:
 * @self: a format
 *
 * Returns: the mode, as in shmframe_format_set_interlacing()
 *
 * Since: 1.0
 */
const char *
shmframe_format_get_interlacing (const ShmFrameFormat *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return self->interlacing;
}

/**
 * shmframe_format_get_caps:
 * @self: a format
 *
 * Returns: (nullable): GStreamer caps as a string, if the producer set them
 *
 * Since: 1.0
 */
const char *
shmframe_format_get_caps (const ShmFrameFormat *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  return self->caps;
}

/**
 * shmframe_format_get_rows:
 * @self: a format
 * @plane: number of the plane, from 0
 *
 * Returns: rows of the plane; 0 where it is unknown, or there is no such plane
 *
 * Since: 1.0
 */
guint
shmframe_format_get_rows (const ShmFrameFormat *self, guint plane)
{
  /* With rows of one byte, the size of a plane is its rows. */
  const ptrdiff_t one[4] = { 1, 1, 1, 1 };
  size_t rows[4];

  g_return_val_if_fail (self != NULL, 0);
  if (self->pixel_format == AV_PIX_FMT_NONE || plane >= self->n_planes)
    return 0;
  if (plane == 1 && has_palette (self))
    return AVPALETTE_COUNT;
  if (av_image_fill_plane_sizes (rows, self->pixel_format, (int) self->height, one) < 0)
    return 0;
  return (guint) rows[plane];
}

/**
 * shmframe_format_get_row_bytes:
 * @self: a format
 * @plane: number of the plane, from 0
 *
 * Returns: bytes of a row that hold pixels; 0 where it is unknown, or there is no such plane
 *
 * Since: 1.0
 */
gsize
shmframe_format_get_row_bytes (const ShmFrameFormat *self, guint plane)
{
  int bytes;

  g_return_val_if_fail (self != NULL, 0);
  if (self->pixel_format == AV_PIX_FMT_NONE || plane >= self->n_planes)
    return 0;
  if (plane == 1 && has_palette (self))
    return AVPALETTE_SIZE / AVPALETTE_COUNT;
  bytes = av_image_get_linesize (self->pixel_format, (int) self->width, (int) plane);
  return (gsize) MAX (bytes, 0);
}
