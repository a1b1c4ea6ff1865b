/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "../tools/picture.h"

#include <glib/gstdio.h>
#include <libavutil/common.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <string.h>

#define WIDTH 320
#define HEIGHT 48
#define N_BARS 5
#define BAR_CENTRE(bar) ((2 * (bar) + 1) * WIDTH / (2 * N_BARS))

/* Of 255: what 8 bits of YUV and swscale's fixed point leave. */
#define TOLERANCE 2

static const double bars[N_BARS][3] = {
  { 1, 1, 1 }, { 0.75, 0.75, 0 }, { 0, 0.6, 0.25 }, { 0.75, 0, 0.05 }, { 0.05, 0.1, 0.75 },
};

static ShmFrameProducer *producer; /* gives the frames */

static ShmFrameFrame *
acquire (ShmFrameFormat *format)
{
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame;

  g_assert_true (shmframe_producer_set_format (producer, format, &error));
  frame = shmframe_producer_acquire (producer, &error);
  g_assert_no_error (error);
  return frame;
}

static ShmFrameFormat *
new_format (const char *name, guint width, guint height)
{
  g_autoptr (GError) error = NULL;
  ShmFrameFormat *format = shmframe_format_new (name, width, height, &error);

  g_assert_no_error (error);
  return format;
}

static Picture *
convert (ShmFrameFrame *frame, PictureOrder order, guint width, guint height)
{
  g_autoptr (PictureMaker) maker = picture_maker_new ();
  g_autoptr (GError) error = NULL;
  Picture *picture = picture_maker_convert (maker, frame, order, width, height, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (g_bytes_get_size (picture->bytes), ==,
                    (gsize) picture->width * picture->height * 4);
  return picture;
}

static void
assert_refused (ShmFrameFrame *frame, guint width, guint height, int code, const char *words)
{
  g_autoptr (PictureMaker) maker = picture_maker_new ();
  g_autoptr (GError) error = NULL;

  g_assert_null (picture_maker_convert (maker, frame, PICTURE_BGRA, width, height, &error));
  g_assert_error (error, SHMFRAME_ERROR, code);
  if (strstr (error->message, words) == NULL)
    g_error ("'%s' is not in '%s'", words, error->message);
}

/* Red, green, blue, alpha, whatever the order. */
static void
get_pixel (const Picture *picture, guint x, guint y, gint rgba[4])
{
  const guint8 *pixels = g_bytes_get_data (picture->bytes, NULL);
  const guint8 *pixel = pixels + ((gsize) y * picture->width + x) * 4;
  gboolean swapped = picture->order == PICTURE_BGRA;

  for (guint i = 0; i < 4; i++)
    rgba[i] = pixel[swapped && i < 3 ? 2 - i : i];
}

/* ---- ITU-T H.273, in double ---------------------------------------------------------------- */

typedef struct
{
  guint matrix; /* code point */
  double kr, kb;
} Matrix;

static const Matrix matrices[]
    = { { 6, 0.299, 0.114 }, { 1, 0.2126, 0.0722 }, { 9, 0.2627, 0.0593 } };

static guint
quantise (double value, gboolean chroma, gboolean full, guint depth)
{
  double steps = pow (2, depth - 8.0), top = pow (2, depth) - 1;

  if (full)
    return (guint) CLAMP (lround (top * value + (chroma ? (top + 1) / 2 : 0)), 0, (long) top);
  return (guint) lround (chroma ? (224 * value + 128) * steps : (219 * value + 16) * steps);
}

static double
restore (guint value, gboolean chroma, gboolean full, guint depth)
{
  double steps = pow (2, depth - 8.0), top = pow (2, depth) - 1;

  if (full)
    return (value - (chroma ? (top + 1) / 2 : 0)) / top;
  return chroma ? (value / steps - 128) / 224 : (value / steps - 16) / 219;
}

/* The components of a bar, as they stand in a frame: Y Cb Cr, or R G B, or Y alone; and A. */
static void
encode (const AVPixFmtDescriptor *desc, const Matrix *matrix, gboolean full, guint bar,
        guint components[4])
{
  const double *rgb = bars[bar];
  double y = matrix->kr * rgb[0] + (1 - matrix->kr - matrix->kb) * rgb[1] + matrix->kb * rgb[2];
  double yuv[3]
      = { y, (rgb[2] - y) / (2 * (1 - matrix->kb)), (rgb[0] - y) / (2 * (1 - matrix->kr)) };
  gboolean is_rgb = (desc->flags & AV_PIX_FMT_FLAG_RGB) != 0;

  for (guint i = 0; i < 3; i++)
    components[i] = quantise (is_rgb ? rgb[i] : yuv[i], !is_rgb && i > 0, full,
                              (guint) desc->comp[MIN (i, desc->nb_components - 1u)].depth);
  components[desc->nb_components == 2 ? 1 : 3] = 0xffff;
}

static void
decode (const AVPixFmtDescriptor *desc, const Matrix *matrix, gboolean full,
        const guint components[4], gint rgb[3])
{
  gboolean is_rgb = (desc->flags & AV_PIX_FMT_FLAG_RGB) != 0, grey = desc->nb_components < 3;
  double v[3], green = 1 - matrix->kr - matrix->kb, out[3];

  for (guint i = 0; i < 3; i++)
    v[i] = grey && i > 0
               ? 0
               : restore (components[i], !is_rgb && i > 0, full, (guint) desc->comp[i].depth);
  memcpy (out, v, sizeof out);
  if (!is_rgb)
    {
      out[0] = v[0] + 2 * (1 - matrix->kr) * v[2];
      out[2] = v[0] + 2 * (1 - matrix->kb) * v[1];
      out[1] = (v[0] - matrix->kr * out[0] - matrix->kb * out[2]) / green;
    }
  for (guint i = 0; i < 3; i++)
    rgb[i] = (gint) CLAMP (lround (out[i] * 255), 0, 255);
}

/* ---- colours ------------------------------------------------------------------------------- */

static void
draw (ShmFrameFrame *frame, const AVPixFmtDescriptor *desc, guint values[N_BARS][4])
{
  ShmFrameFormat *format = shmframe_frame_get_format (frame);
  guint width = shmframe_format_get_width (format), height = shmframe_format_get_height (format);
  g_autofree guint16 *line = g_new (guint16, width);
  uint8_t *planes[4] = { NULL };
  int strides[4];

  memset (shmframe_frame_get_data (frame), 0x5a, shmframe_frame_get_size (frame)); /* padding, X */
  for (guint i = 0; i < shmframe_format_get_n_planes (format); i++)
    {
      planes[i] = shmframe_frame_get_plane (frame, i, &strides[i]);
      memset (planes[i], 0, (gsize) strides[i] * shmframe_format_get_rows (format, i));
    }
  for (guint i = 0; i < desc->nb_components; i++)
    {
      gboolean chroma = desc->nb_components > 2 && (i == 1 || i == 2);
      guint w = (guint) AV_CEIL_RSHIFT ((gint) width, chroma ? desc->log2_chroma_w : 0);
      guint h = (guint) AV_CEIL_RSHIFT ((gint) height, chroma ? desc->log2_chroma_h : 0);
      guint mask = (1u << desc->comp[i].depth) - 1;

      for (guint x = 0; x < w; x++)
        line[x] = (guint16) (values[MIN (x * N_BARS / w, N_BARS - 1u)][i] & mask);
      for (guint y = 0; y < h; y++)
        av_write_image_line (line, planes, strides, desc, 0, (int) y, (int) i, (int) w);
    }
}

/* Returns the largest difference from what the equations say. */
static gint
check_bars (const char *name, const Matrix *matrix, gboolean full, PictureOrder order)
{
  const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get (av_get_pix_fmt (name));
  g_autoptr (ShmFrameFormat) format = new_format (name, WIDTH, HEIGHT);
  g_autoptr (ShmFrameFrame) frame = NULL;
  g_autoptr (Picture) picture = NULL;
  guint values[N_BARS][4] = { { 0 } };
  gint worst = 0;

  shmframe_format_set_colour (format, 2, 2, desc->flags & AV_PIX_FMT_FLAG_RGB ? 0 : matrix->matrix,
                              full);
  frame = acquire (format);
  for (guint i = 0; i < N_BARS; i++)
    encode (desc, matrix, full, i, values[i]);
  draw (frame, desc, values);
  picture = convert (frame, order, 0, 0);
  g_assert_cmpint (picture->order, ==, order);
  g_assert_cmpint (picture->opaque, ==, !(desc->flags & AV_PIX_FMT_FLAG_ALPHA));
  for (guint i = 0; i < N_BARS; i++)
    {
      gint expected[3], got[4];

      decode (desc, matrix, full, values[i], expected);
      get_pixel (picture, BAR_CENTRE (i), HEIGHT / 2, got);
      g_assert_cmpint (got[3], ==, 255);
      for (guint c = 0; c < 3; c++)
        worst = MAX (worst, ABS (got[c] - expected[c]));
      if (worst > TOLERANCE)
        g_error ("%s, matrix %u, %s range, bar %u: %d %d %d, not %d %d %d", name, matrix->matrix,
                 full ? "full" : "limited", i, got[0], got[1], got[2], expected[0], expected[1],
                 expected[2]);
    }
  return worst;
}

static void
test_colours (void)
{
  static const char *const names[]
      = { "yuv420p",     "nv12",        "nv21",     "yuyv422",   "uyvy422",     "yuv422p",
          "yuv444p",     "yuv411p",     "p010le",   "p016le",    "yuv420p10le", "yuv422p10le",
          "yuv422p10be", "yuv444p12le", "yuva420p", "y210le",    "yuv444p16le", "gbrp",
          "gbrp10le",    "gbrap12le",   "rgba",     "bgra",      "argb",        "bgr0",
          "0rgb",        "rgb24",       "bgr24",    "x2rgb10le", "rgb48le",     "rgba64be",
          "gray",        "gray10le",    "gray12le", "gray16le",  "gray16be",    "ya8",
          "yuvj420p",    "yuvj444p" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      gint worst = 0;

      for (gsize m = 0; m < G_N_ELEMENTS (matrices); m++)
        for (guint full = 0; full < 2; full++)
          for (guint order = 0; order < 2; order++)
            {
              gint difference
                  = check_bars (names[i], &matrices[m], full == 1, (PictureOrder) order);

              worst = MAX (worst, difference);
            }
      g_test_message ("%s: %d of 255 at most", names[i], worst);
    }
}

/* What is not said: BT.601 below 720 lines, BT.709 from there on. */
static void
test_default_matrix (void)
{
  static const struct
  {
    guint height, matrix;
  } cases[] = { { 718, 0 }, { 720, 1 } };
  const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get (AV_PIX_FMT_YUV444P);

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ShmFrameFormat) format = new_format ("yuv444p", 16, cases[i].height);
      g_autoptr (ShmFrameFrame) frame = acquire (format);
      g_autoptr (Picture) picture = NULL;
      guint values[N_BARS][4];
      gint expected[3], got[4];

      for (guint bar = 0; bar < N_BARS; bar++)
        encode (desc, &matrices[cases[i].matrix], FALSE, 2, values[bar]);
      draw (frame, desc, values);
      picture = convert (frame, PICTURE_BGRA, 0, 0);
      decode (desc, &matrices[cases[i].matrix], FALSE, values[2], expected);
      get_pixel (picture, 8, 8, got);
      for (guint c = 0; c < 3; c++)
        g_assert_cmpint (ABS (got[c] - expected[c]), <=, TOLERANCE);
    }
}

/* YUV with the matrix of RGB: the planes are G, B and R. */
static void
test_rgb_matrix (void)
{
  static const guint8 planes[3] = { 200, 30, 90 };
  g_autoptr (ShmFrameFormat) format = new_format ("yuv444p", 16, 16);
  g_autoptr (ShmFrameFrame) frame = NULL;
  g_autoptr (Picture) picture = NULL;
  gint got[4];

  shmframe_format_set_colour (format, 1, 13, 0, TRUE);
  frame = acquire (format);
  for (guint i = 0; i < 3; i++)
    {
      gint stride;
      guint8 *plane = shmframe_frame_get_plane (frame, i, &stride);

      memset (plane, planes[i], (gsize) stride * 16);
    }
  picture = convert (frame, PICTURE_RGBA, 0, 0);
  get_pixel (picture, 5, 5, got);
  g_assert_cmpint (got[0], ==, 90);
  g_assert_cmpint (got[1], ==, 200);
  g_assert_cmpint (got[2], ==, 30);
}

/* The chroma of a pixel between two samples of it depends on where they lie. */
static void
test_chroma_site (void)
{
  static const struct
  {
    const char *caps;
    gint quarters; /* of the way from the left sample to the right one, for the pixel left of it */
  } cases[] = { { NULL, 2 }, { "video/x-raw, chroma-site=(string)jpeg", 1 } };
  gint red[G_N_ELEMENTS (cases)];

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ShmFrameFormat) format = new_format ("yuv420p", 32, 16);
      g_autoptr (ShmFrameFrame) frame = NULL;
      g_autoptr (Picture) picture = NULL;
      gint stride, got[4];
      guint8 *plane;

      shmframe_format_set_colour (format, 1, 1, 1, TRUE);
      g_assert_true (shmframe_format_set_caps (format, cases[i].caps, NULL));
      frame = acquire (format);
      for (guint p = 0; p < 3; p++)
        {
          plane = shmframe_frame_get_plane (frame, p, &stride);
          memset (plane, 128, (gsize) stride * (p == 0 ? 16 : 8));
          for (guint y = 0; p == 2 && y < 8; y++)
            memset (plane + y * (gsize) stride + 8, 168, 8); /* Cr grows by 40 at x = 16 */
        }
      picture = convert (frame, PICTURE_BGRA, 0, 0);
      get_pixel (picture, 15, 8, got);
      red[i] = got[0];
      g_assert_cmpint (ABS (got[0] - (128 + lround (1.5748 * 40 * cases[i].quarters / 4))), <=,
                       TOLERANCE);
    }
  g_assert_cmpint (red[0], >, red[1] + 8);
}

/* ---- sizes --------------------------------------------------------------------------------- */

static void
test_sizes (void)
{
  g_autoptr (ShmFrameFormat) format = new_format ("nv12", 320, 240);
  g_autoptr (ShmFrameFrame) frame = NULL;
  static const guint sizes[][4] = {
    { 0, 0, 320, 240 }, { 160, 0, 160, 60 },    { 0, 120, 320, 120 },
    { 33, 17, 33, 17 }, { 640, 480, 640, 480 }, { 1, 1, 1, 1 },
  };

  shmframe_format_set_pixel_aspect (format, 2, 1);
  frame = acquire (format);
  memset (shmframe_frame_get_data (frame), 128, shmframe_frame_get_size (frame));
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autoptr (Picture) picture = convert (frame, PICTURE_BGRA, sizes[i][0], sizes[i][1]);
      gint got[4];

      g_assert_cmpuint (picture->width, ==, sizes[i][2]);
      g_assert_cmpuint (picture->height, ==, sizes[i][3]);
      get_pixel (picture, picture->width - 1, picture->height - 1, got);
      for (guint c = 0; c < 3; c++)
        g_assert_cmpint (ABS (got[c] - 130), <=, TOLERANCE);
    }
  assert_refused (frame, 32769, 1, SHMFRAME_ERROR_FORMAT, "at most 32768x32768");
  assert_refused (frame, 32768, 32768, SHMFRAME_ERROR_NO_MEMORY, "smaller");
}

/* One maker follows format, order and size. */
static void
test_reuse (void)
{
  static const char *const names[] = { "rgba", "rgba", "bgra", "nv12", "rgba" };
  g_autoptr (PictureMaker) maker = picture_maker_new ();
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (ShmFrameFormat) format = new_format (names[i], 64, 32);
      g_autoptr (ShmFrameFrame) frame = acquire (format);
      static const guint8 pixel[] = { 10, 20, 30, 40 };
      guint8 *data = shmframe_frame_get_data (frame);

      for (gsize b = 0; b < shmframe_frame_get_size (frame); b++)
        data[b] = pixel[b % 4];
      for (guint width = 32; width <= 64; width += 32)
        for (guint order = 0; order < 2; order++)
          {
            g_autoptr (Picture) picture
                = picture_maker_convert (maker, frame, (PictureOrder) order, width, 0, &error);
            gint got[4];

            g_assert_no_error (error);
            g_assert_cmpint (picture->order, ==, order);
            g_assert_cmpuint (picture->width, ==, width);
            g_assert_cmpuint (picture->height, ==, width / 2);
            get_pixel (picture, 9, 9, got);
            if (!g_str_equal (names[i], "nv12"))
              g_assert_cmpint (ABS (got[0] - (g_str_equal (names[i], "rgba") ? 10 : 30)), <=, 1);
            g_assert_cmpint (got[3], ==, picture->opaque ? 255 : 40);
          }
    }
}

static void
assert_uniform (const Picture *picture, gint tolerance)
{
  const guint8 *pixels = g_bytes_get_data (picture->bytes, NULL);

  for (gsize i = 4; i < g_bytes_get_size (picture->bytes); i++)
    g_assert_cmpint (ABS (pixels[i] - pixels[i % 4]), <=, tolerance);
}

/* Layouts that no library would choose: odd offsets, strides and sizes, and not a byte to spare. */
static void
test_odd_layouts (void)
{
  static const char *const names[]
      = { "yuv420p",  "nv12",        "uyvy422", "p010le", "rgb24", "bgra",
          "gray16le", "yuv422p10le", "pal8",    "monob",  "gbrp" };
  static const guint sizes[][2]
      = { { 1, 1 }, { 3, 5 }, { 33, 17 }, { 2047, 2 }, { 32768, 1 }, { 1, 8192 } };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    for (gsize s = 0; s < G_N_ELEMENTS (sizes); s++)
      {
        g_autoptr (ShmFrameFormat) format = new_format (names[i], sizes[s][0], sizes[s][1]);
        g_autoptr (ShmFrameFrame) frame = NULL;
        g_autoptr (Picture) picture = NULL;
        g_autoptr (Picture) small = NULL;
        gsize offsets[4], size = 1;
        gint strides[4];
        guint n = shmframe_format_get_n_planes (format);

        for (guint p = 0; p < n; p++)
          {
            gsize row = shmframe_format_get_row_bytes (format, p);

            offsets[p] = size;
            strides[p] = p > 0 && g_str_equal (names[i], "pal8") ? 4 : (gint) row + 1;
            size += (gsize) strides[p] * shmframe_format_get_rows (format, p);
          }
        g_assert_true (shmframe_format_set_planes (format, n, offsets, strides, size, NULL));
        frame = acquire (format);
        memset (shmframe_frame_get_data (frame), 128, shmframe_frame_get_size (frame));
        picture = convert (frame, PICTURE_BGRA, 0, 0);
        g_assert_cmpuint (picture->width, ==, sizes[s][0]);
        small = convert (frame, PICTURE_BGRA, 7, 7);
        if (!g_str_equal (names[i], "monob"))
          {
            assert_uniform (picture, 0);
            assert_uniform (small, TOLERANCE);
          }
      }
}

/* ---- others than YUV and RGB --------------------------------------------------------------- */

static void
assert_pixel (const Picture *picture, guint x, guint y, gint red, gint green, gint blue,
              gint tolerance)
{
  const gint wanted[3] = { red, green, blue };
  gint got[4];

  get_pixel (picture, x, y, got);
  for (guint c = 0; c < 3; c++)
    g_assert_cmpint (ABS (got[c] - wanted[c]), <=, tolerance);
}

static void
test_palette (void)
{
  g_autoptr (ShmFrameFormat) format = new_format ("pal8", 16, 16);
  g_autoptr (ShmFrameFrame) frame = acquire (format);
  g_autoptr (Picture) picture = NULL;
  guint32 *palette = shmframe_frame_get_plane (frame, 1, NULL);
  gint stride, got[4];
  guint8 *indices = shmframe_frame_get_plane (frame, 0, &stride);

  memset (indices, 7, (gsize) stride * 16);
  for (guint i = 0; i < 256; i++)
    palette[i] = i == 7 ? 0x80102030 : 0xffffffff; /* A R G B */
  picture = convert (frame, PICTURE_RGBA, 0, 0);
  assert_pixel (picture, 3, 3, 0x10, 0x20, 0x30, 0);
  get_pixel (picture, 3, 3, got);
  g_assert_cmpint (got[3], ==, 0x80);
  g_assert_false (picture->opaque);
}

static void
test_special_formats (void)
{
  static const struct
  {
    const char *name;
    guint8 byte;
    gint grey;
  } cases[] = { { "monob", 0xff, 255 },
                { "monob", 0, 0 },
                { "monow", 0xff, 0 },
                { "bayer_bggr8", 100, 100 },
                { "bayer_rggb16le", 0x64, 100 } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ShmFrameFormat) format = new_format (cases[i].name, 32, 16);
      g_autoptr (ShmFrameFrame) frame = acquire (format);
      g_autoptr (Picture) picture = NULL;

      memset (shmframe_frame_get_data (frame), cases[i].byte, shmframe_frame_get_size (frame));
      picture = convert (frame, PICTURE_BGRA, 0, 0);
      assert_pixel (picture, 9, 9, cases[i].grey, cases[i].grey, cases[i].grey, 1);
    }
}

static void
test_float (void)
{
  g_autoptr (ShmFrameFormat) format = new_format ("gbrpf32le", 16, 16);
  g_autoptr (ShmFrameFrame) frame = acquire (format);
  g_autoptr (Picture) picture = NULL;

  for (guint p = 0; p < 3; p++)
    {
      gint stride;
      guint8 *plane = shmframe_frame_get_plane (frame, p, &stride);

      for (guint y = 0; y < 16; y++)
        for (guint x = 0; x < 16; x++)
          ((gfloat *) (gpointer) (plane + y * (gsize) stride))[x] = (gfloat[]){ 0.5f, 0.25f, 1 }[p];
    }
  picture = convert (frame, PICTURE_BGRA, 0, 0);
  assert_pixel (picture, 8, 8, 255, 128, 64, TOLERANCE);
}

static void
test_refused (void)
{
  g_autoptr (ShmFrameFormat) compressed
      = shmframe_format_new_compressed ("video/x-h264", 64, 64, 4096, NULL);
  g_autoptr (ShmFrameFormat) opaque = shmframe_format_new_opaque (64, 64, 4096, NULL);
  g_autoptr (ShmFrameFormat) unknown = new_format ("yuv420p", 64, 64);
  g_autoptr (ShmFrameFrame) frame = acquire (compressed);

  assert_refused (frame, 0, 0, SHMFRAME_ERROR_FORMAT, "decode it");
  g_clear_pointer (&frame, shmframe_frame_unref);
  frame = acquire (opaque);
  assert_refused (frame, 0, 0, SHMFRAME_ERROR_FORMAT, "GStreamer");
  g_clear_pointer (&frame, shmframe_frame_unref);
  shmframe_format_set_colour (unknown, 9, 16, 14, FALSE); /* ICtCp */
  frame = acquire (unknown);
  assert_refused (frame, 0, 0, SHMFRAME_ERROR_FORMAT, "matrix 14");
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("shmframe-picture-XXXXXX", NULL);
  int result;

  g_test_init (&argc, &argv, NULL);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
  producer = shmframe_producer_new ("picture", &error);
  g_assert_no_error (error);
  g_test_add_func ("/picture/colours", test_colours);
  g_test_add_func ("/picture/default-matrix", test_default_matrix);
  g_test_add_func ("/picture/rgb-matrix", test_rgb_matrix);
  g_test_add_func ("/picture/chroma-site", test_chroma_site);
  g_test_add_func ("/picture/sizes", test_sizes);
  g_test_add_func ("/picture/reuse", test_reuse);
  g_test_add_func ("/picture/odd-layouts", test_odd_layouts);
  g_test_add_func ("/picture/palette", test_palette);
  g_test_add_func ("/picture/special-formats", test_special_formats);
  g_test_add_func ("/picture/float", test_float);
  g_test_add_func ("/picture/refused", test_refused);
  result = g_test_run ();
  g_clear_object (&producer);
  g_rmdir (folder);
  return result;
}
