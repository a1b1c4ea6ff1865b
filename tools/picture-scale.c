/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture-private.h"

#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <string.h>

#define ALIGNMENT 64         /* bytes: what vector code likes, and may read past the end */
#define CHROMA_CENTRE (-513) /* libswscale's "not given", which is between the samples of luma */
#define FULL_SCALE (1 << 16) /* 1.0 for contrast and saturation */

/* Exact rounding, and chroma interpolated for each pixel: 8 ms for 1080p (tests/bench/picture.c). */
#define FLAGS (SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT)

struct _PictureScale
{
  enum AVPixelFormat
      source; /* as libswscale is told, which may be another name for the same bytes */
  guint width, height;
  PictureOrder order;
  gboolean opaque;
  gboolean expand; /* limited range, where libswscale takes all for full */
  struct SwsContext *sws;
  uint8_t *data[4]; /* a copy of the frame with the alignment and padding of vector code */
  int strides[4];   /* bytes */
};

/* The "yuvj" formats are "yuv" with full range, which the format says apart; and YUV with the matrix
 * of RGB is G, B and R. */
static enum AVPixelFormat
find_source (const ShmFrameFormat *format)
{
  const char *name = shmframe_format_get_pixel_format (format);
  g_autofree char *other = NULL;
  guint matrix;

  shmframe_format_get_colour (format, NULL, NULL, &matrix, NULL);
  if (g_str_has_prefix (name, "yuvj"))
    name = other = g_strconcat ("yuv", name + strlen ("yuvj"), NULL);
  else if (matrix == MATRIX_RGB && g_str_has_prefix (name, "yuv444p"))
    name = other = g_strconcat ("gbrp", name + strlen ("yuv444p"), NULL);
  else if (matrix == MATRIX_RGB && g_str_has_prefix (name, "yuva444p"))
    name = other = g_strconcat ("gbrap", name + strlen ("yuva444p"), NULL);
  return av_get_pix_fmt (name);
}

/* NULL: libswscale does not know the matrix. */
static const int *
find_coefficients (guint matrix)
{
  switch (matrix)
    {
    case MATRIX_BT709:
      return sws_getCoefficients (SWS_CS_ITU709);
    case MATRIX_FCC:
      return sws_getCoefficients (SWS_CS_FCC);
    case MATRIX_BT470BG:
    case MATRIX_BT601:
      return sws_getCoefficients (SWS_CS_ITU601);
    case MATRIX_SMPTE240M:
      return sws_getCoefficients (SWS_CS_SMPTE240M);
    case MATRIX_BT2020:
      return sws_getCoefficients (SWS_CS_BT2020);
    default:
      return NULL;
    }
}

static gboolean
is_yuv (const AVPixFmtDescriptor *desc)
{
  return desc->nb_components >= 3
         && (desc->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) == 0
         && !g_str_has_prefix (desc->name, "xyz");
}

/* libswscale takes RGB and grey for full range. */
static gboolean
must_expand (const AVPixFmtDescriptor *desc, const ShmFrameFormat *format)
{
  const guint64 without_range
      = AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_FLOAT;
  gboolean full_range;

  shmframe_format_get_colour (format, NULL, NULL, NULL, &full_range);
  return !full_range && (desc->flags & without_range) == 0
         && ((desc->flags & AV_PIX_FMT_FLAG_RGB) != 0 || desc->nb_components < 3);
}

/* Where chroma lies: beside the left sample of luma, unless the caps say otherwise (in GStreamer's
 * words). libswscale wants 1/256 of the distance between samples of luma. */
static void
set_chroma_site (struct SwsContext *sws, const AVPixFmtDescriptor *desc, const char *caps)
{
  const char *site = caps != NULL ? strstr (caps, "chroma-site=(string)") : NULL;
  gboolean left = desc->log2_chroma_w > 0, top = FALSE;

  if (site != NULL)
    {
      site += strlen ("chroma-site=(string)");
      if (g_str_has_prefix (site, "jpeg") || g_str_has_prefix (site, "none"))
        left = FALSE;
      else if (g_str_has_prefix (site, "cosited") || g_str_has_prefix (site, "dv"))
        top = TRUE;
      else if (g_str_has_prefix (site, "v-cosited"))
        left = !(top = TRUE);
    }
  av_opt_set_int (sws, "src_h_chr_pos", left ? 0 : CHROMA_CENTRE, 0);
  av_opt_set_int (sws, "src_v_chr_pos", top && desc->log2_chroma_h > 0 ? 0 : CHROMA_CENTRE, 0);
}

static gboolean
prepare_sws (PictureScale *self, const ShmFrameFormat *format, const int *coefficients)
{
  const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get (self->source);
  gboolean full_range;

  self->sws = sws_alloc_context ();
  if (self->sws == NULL)
    return FALSE;
  shmframe_format_get_colour (format, NULL, NULL, NULL, &full_range);
  av_opt_set_int (self->sws, "srcw", shmframe_format_get_width (format), 0);
  av_opt_set_int (self->sws, "srch", shmframe_format_get_height (format), 0);
  av_opt_set_int (self->sws, "src_format", self->source, 0);
  av_opt_set_int (self->sws, "dstw", self->width, 0);
  av_opt_set_int (self->sws, "dsth", self->height, 0);
  av_opt_set_int (self->sws, "dst_format",
                  self->order == PICTURE_BGRA ? AV_PIX_FMT_BGRA : AV_PIX_FMT_RGBA, 0);
  av_opt_set_int (self->sws, "sws_flags", FLAGS, 0);
  set_chroma_site (self->sws, desc, shmframe_format_get_caps (format));
  if (sws_init_context (self->sws, NULL, NULL) < 0)
    return FALSE;
  /* It fails for RGB, which has no matrix. */
  return sws_setColorspaceDetails (self->sws, coefficients, is_yuv (desc) ? full_range : TRUE,
                                   coefficients, TRUE, 0, FULL_SCALE, FULL_SCALE)
             >= 0
         || !is_yuv (desc);
}

static gboolean
prepare (PictureScale *self, const ShmFrameFormat *format, GError **error)
{
  const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get (self->source);
  const int *coefficients = find_coefficients (picture_get_matrix (format));
  int size;

  if (desc == NULL || !sws_isSupportedInput (self->source))
    return picture_refuse (error, format,
                           "libswscale does not know this pixel format; convert it before it is "
                           "published");
  if (coefficients == NULL && is_yuv (desc))
    return picture_refuse (error, format,
                           "libswscale does not know matrix %u of H.273; use BT.601, BT.709 or "
                           "BT.2020 (non-constant luminance)",
                           picture_get_matrix (format));
  if (coefficients == NULL)
    coefficients = sws_getCoefficients (SWS_CS_DEFAULT);
  self->opaque = (desc->flags & AV_PIX_FMT_FLAG_ALPHA) == 0;
  self->expand = must_expand (desc, format);
  if (!prepare_sws (self, format, coefficients))
    return picture_refuse (error, format, "libswscale cannot make it %ux%u pixels", self->width,
                           self->height);
  size = av_image_alloc (self->data, self->strides, (int) shmframe_format_get_width (format),
                         (int) shmframe_format_get_height (format), self->source, ALIGNMENT);
  if (size >= 0)
    {
      memset (self->data[0], 0, (gsize) size); /* the padding too: read, with weight 0 */
      return TRUE;
    }
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_MEMORY,
               "picture: a frame of %ux%u pixels and %" G_GSIZE_FORMAT
               " bytes is too large to convert; scale it down before it is published",
               shmframe_format_get_width (format), shmframe_format_get_height (format),
               shmframe_format_get_size (format));
  return FALSE;
}

PictureScale *
picture_scale_new (ShmFrameFormat *format, PictureOrder order, guint width, guint height,
                   GError **error)
{
  g_autoptr (PictureScale) self = g_new0 (PictureScale, 1);

  av_log_set_level (AV_LOG_QUIET); /* what goes wrong is an error here */
  self->source = find_source (format);
  self->order = order;
  self->width = width;
  self->height = height;
  return prepare (self, format, error) ? g_steal_pointer (&self) : NULL;
}

void
picture_scale_free (PictureScale *self)
{
  if (self == NULL)
    return;
  sws_freeContext (self->sws);
  av_freep (&self->data[0]);
  g_free (self);
}

/* Vector code reads past the end of rows, and expects alignment that a peer need not give: so it gets
 * a copy, which also nobody changes meanwhile. */
static gboolean
copy_frame (PictureScale *self, ShmFrameFrame *frame, GError **error)
{
  const ShmFrameFormat *format = shmframe_frame_get_format (frame);
  const uint8_t *planes[4] = { NULL };
  int strides[4] = { 0 };

  for (guint i = 0; i < shmframe_format_get_n_planes (format); i++)
    {
      planes[i] = shmframe_frame_get_plane (frame, i, &strides[i]);
      if (planes[i] == NULL)
        return picture_refuse (error, format,
                               "frame %" G_GUINT64_FORMAT " has only %" G_GSIZE_FORMAT
                               " bytes: the producer is at fault",
                               shmframe_frame_get_sequence (frame),
                               shmframe_frame_get_size (frame));
    }
  av_image_copy (self->data, self->strides, planes, strides, self->source,
                 (int) shmframe_format_get_width (format),
                 (int) shmframe_format_get_height (format));
  return TRUE;
}

/* 16 to 235 becomes 0 to 255. */
static void
expand_range (guint8 *pixels, gsize n)
{
  guint8 table[256];

  for (gint i = 0; i < 256; i++)
    table[i] = (guint8) CLAMP (((i - 16) * 255 + 109) / 219, 0, 255);
  for (gsize i = 0; i < n; i++, pixels += 4)
    {
      pixels[0] = table[pixels[0]];
      pixels[1] = table[pixels[1]];
      pixels[2] = table[pixels[2]];
    }
}

Picture *
picture_scale_run (PictureScale *self, ShmFrameFrame *frame, GError **error)
{
  const ShmFrameFormat *format = shmframe_frame_get_format (frame);
  g_autoptr (Picture) picture = NULL;
  uint8_t *pixels[4] = { NULL };
  int strides[4] = { (int) self->width * 4 };

  if (!copy_frame (self, frame, error))
    return NULL;
  picture = picture_new (self->width, self->height, self->order, self->opaque, error);
  if (picture == NULL)
    return NULL;
  pixels[0] = picture_get_pixels (picture);
  if (sws_scale (self->sws, (const uint8_t *const *) self->data, self->strides, 0,
                 (int) shmframe_format_get_height (format), pixels, strides)
      != (int) self->height)
    {
      picture_refuse (error, format, "libswscale cannot convert it");
      return NULL;
    }
  if (self->expand)
    expand_range (pixels[0], (gsize) self->width * self->height);
  return g_steal_pointer (&picture);
}
