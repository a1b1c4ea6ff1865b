/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture-private.h"

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <string.h>

#define XYZ_PREFIX "xyz"
#define BAYER_PREFIX "bayer_"

/* ---- one pixel of a frame ------------------------------------------------------------------ */

static const char *
component_name (const ShmFrameFormat *format, const AVPixFmtDescriptor *desc, guint component)
{
  static const char *const sets[][4] = {
    { "Y", "Cb", "Cr", "A" },
    { "R", "G", "B", "A" },
    { "G", "B", "R", "A" },
    { "X", "Y", "Z", "A" },
  };
  guint set = 0, matrix;

  shmframe_format_get_colour (format, NULL, NULL, &matrix, NULL);
  if (desc->flags & AV_PIX_FMT_FLAG_PAL)
    return "P";
  if (desc->nb_components == 2 && component == 1)
    return "A";
  if (desc->flags & AV_PIX_FMT_FLAG_RGB)
    set = 1;
  else if (g_str_has_prefix (desc->name, XYZ_PREFIX))
    set = 3;
  else if (matrix == MATRIX_RGB && desc->nb_components >= 3 && desc->log2_chroma_w == 0)
    set = 2;
  return sets[set][component];
}

/* libavutil describes no component of these: one a pixel, which one by its place ("bayer_bggr8"). */
static void
read_bayer (const AVPixFmtDescriptor *desc, const guint8 *row, guint x, guint y,
            PixelValues *values)
{
  static const struct
  {
    char letter;
    const char *name;
  } names[] = { { 'r', "R" }, { 'g', "G" }, { 'b', "B" } };
  const char *pattern = desc->name + strlen (BAYER_PREFIX);
  char letter = pattern[y % 2 * 2 + x % 2];

  values->n = 1;
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (names[i].letter == letter)
      values->component[0].name = names[i].name;
  values->component[0].depth = pattern[4] == '8' ? 8 : 16;
  if (pattern[4] == '8')
    values->component[0].value = row[x];
  else if (desc->flags & AV_PIX_FMT_FLAG_BE)
    values->component[0].value = (guint) (row[x * 2] << 8 | row[x * 2 + 1]);
  else
    values->component[0].value = (guint) (row[x * 2 + 1] << 8 | row[x * 2]);
}

/* Whether the bytes that av_read_image_line2() reads for a component lie within the frame. */
static gboolean
is_inside (ShmFrameFrame *frame, const AVPixFmtDescriptor *desc, guint component, guint x, guint y)
{
  const ShmFrameFormat *format = shmframe_frame_get_format (frame);
  const AVComponentDescriptor *comp = &desc->comp[component];
  guint bits = (guint) (comp->shift + comp->depth);
  guint bytes = bits <= 8 ? ((desc->flags & AV_PIX_FMT_FLAG_BE) ? 2 : 1) : bits <= 16 ? 2 : 4;
  gsize row = (gsize) y * (gsize) shmframe_format_get_stride (format, (guint) comp->plane);
  gsize end = shmframe_format_get_offset (format, (guint) comp->plane) + row;

  if (desc->flags & AV_PIX_FMT_FLAG_BITSTREAM)
    end += ((gsize) x * (gsize) comp->step + (gsize) comp->offset + bits + 7) / 8;
  else
    end += (gsize) x * (gsize) comp->step + (gsize) comp->offset + bytes;
  return end <= shmframe_frame_get_size (frame);
}

static gboolean
read_components (ShmFrameFrame *frame, const AVPixFmtDescriptor *desc, const guint8 **planes,
                 const int *strides, guint x, guint y, PixelValues *values)
{
  const ShmFrameFormat *format = shmframe_frame_get_format (frame);

  for (guint i = 0; i < desc->nb_components; i++)
    {
      gboolean chroma = desc->nb_components > 2 && (i == 1 || i == 2);
      guint at_x = chroma ? x >> desc->log2_chroma_w : x;
      guint at_y = chroma ? y >> desc->log2_chroma_h : y;
      guint32 value = 0;

      if (!is_inside (frame, desc, i, at_x, at_y))
        return FALSE;
      av_read_image_line2 (&value, planes, strides, desc, (int) at_x, (int) at_y, (int) i, 1, 0,
                           sizeof value);
      values->component[i].name = component_name (format, desc, i);
      values->component[i].value = value;
      values->component[i].depth = (guint) desc->comp[i].depth;
    }
  values->n = desc->nb_components;
  return TRUE;
}

static gboolean
read_libav (ShmFrameFrame *frame, guint x, guint y, PixelValues *values, GError **error)
{
  const ShmFrameFormat *format = shmframe_frame_get_format (frame);
  enum AVPixelFormat id = av_get_pix_fmt (shmframe_format_get_pixel_format (format));
  const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get (id);
  const guint8 *planes[4] = { NULL };
  int strides[4] = { 0 };

  /* libavutil's description of the one with 12 bits a pixel in fours is not meant for reading. */
  if (desc == NULL || id == AV_PIX_FMT_UYYVYY411)
    return picture_refuse (error, format, "libavutil cannot read single pixels of it");
  for (guint i = 0; i < shmframe_format_get_n_planes (format); i++)
    {
      planes[i] = shmframe_frame_get_plane (frame, i, &strides[i]);
      if (planes[i] == NULL)
        return picture_refuse (error, format, "the frame is too short: the producer is at fault");
    }
  if (g_str_has_prefix (desc->name, BAYER_PREFIX))
    read_bayer (desc, planes[0] + (gsize) y * (gsize) strides[0], x, y, values);
  else if (!read_components (frame, desc, planes, strides, x, y, values))
    return picture_refuse (error, format, "pixel %u,%u lies outside the frame's bytes", x, y);
  return TRUE;
}

gboolean
picture_read_pixel (ShmFrameFrame *frame, guint x, guint y, PixelValues *values, GError **error)
{
  ShmFrameFormat *format = shmframe_frame_get_format (frame);
  g_autoptr (PictureGst) gst = NULL;

  memset (values, 0, sizeof *values);
  if (!shmframe_format_is_raw (format))
    return picture_refuse (error, format, "compressed frames have no components to read");
  if (x >= shmframe_format_get_width (format) || y >= shmframe_format_get_height (format))
    return picture_refuse (error, format, "there is no pixel at %u,%u", x, y);
  if (shmframe_format_get_pixel_format (format) != NULL)
    return read_libav (frame, x, y, values, error);
  gst = picture_gst_new (format, PICTURE_BGRA, 0, 0, error);
  return gst != NULL && picture_gst_read_pixel (gst, frame, x, y, values, error);
}

/* ---- all pixels of a picture --------------------------------------------------------------- */

static inline guint
luma (guint red, guint green, guint blue)
{
  return (red * 13933 + green * 46871 + blue * 4732 + 0x8000) >> 16; /* BT.709 */
}

void
picture_get_histogram (const Picture *self, PictureHistogram *histogram)
{
  const guint8 *pixel = g_bytes_get_data (self->bytes, NULL);
  guint red = self->order == PICTURE_BGRA ? 2 : 0, blue = 2 - red;
  gsize n = (gsize) self->width * self->height;

  memset (histogram, 0, sizeof *histogram);
  for (gsize i = 0; i < n; i++, pixel += 4)
    {
      histogram->count[0][pixel[red]]++;
      histogram->count[1][pixel[1]]++;
      histogram->count[2][pixel[blue]]++;
      histogram->count[3][luma (pixel[red], pixel[1], pixel[blue])]++;
    }
}

void
picture_get_waveform (const Picture *self, guint columns, guint32 *waveform)
{
  const guint8 *pixel = g_bytes_get_data (self->bytes, NULL);
  guint red = self->order == PICTURE_BGRA ? 2 : 0, blue = 2 - red;

  if (columns == 0)
    return;
  memset (waveform, 0, (gsize) columns * 256 * sizeof *waveform);
  for (guint y = 0; y < self->height; y++)
    for (guint x = 0; x < self->width; x++, pixel += 4)
      {
        guint column = (guint) ((guint64) x * columns / self->width);

        waveform[(gsize) column * 256 + luma (pixel[red], pixel[1], pixel[blue])]++;
      }
}
