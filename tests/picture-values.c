/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <glib/gstdio.h>
#include <string.h>

#include "../tools/picture.h"

static ShmFrameProducer *producer; /* gives the frames */

/* A frame of zeros. */
static ShmFrameFrame *
acquire (ShmFrameFormat *format)
{
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame;

  g_assert_true (shmframe_producer_set_format (producer, format, &error));
  frame = shmframe_producer_acquire (producer, &error);
  g_assert_no_error (error);
  memset (shmframe_frame_get_data (frame), 0, shmframe_frame_get_size (frame));
  return frame;
}

static void
assert_refused (ShmFrameFrame *frame, guint x, guint y, const char *words)
{
  g_autoptr (GError) error = NULL;
  PixelValues values;

  g_assert_false (picture_read_pixel (frame, x, y, &values, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT);
  if (strstr (error->message, words) == NULL)
    g_error ("'%s' is not in '%s'", words, error->message);
}

/* ---- pixels -------------------------------------------------------------------------------- */

/* Where the bytes of the pixel at 5,3 of 16x8 lie, written from each format's definition, and what
 * they say; all other bytes are 0. */
static const struct
{
  const char *format;
  struct
  {
    guint plane, column, row; /* bytes, rows */
    guint8 bytes[8];
    guint n;
  } put[3];
  const char *expected; /* "NAME=VALUE/DEPTH ..." */
} placed[] = {
  { "gray", { { 0, 5, 3, { 201 }, 1 } }, "Y=201/8" },
  { "gray10le", { { 0, 10, 3, { 0x01, 0x03 }, 2 } }, "Y=769/10" },
  { "gray12le", { { 0, 10, 3, { 0x23, 0x0f }, 2 } }, "Y=3875/12" },
  { "gray16le", { { 0, 10, 3, { 0x34, 0xf2 }, 2 } }, "Y=62004/16" },
  { "gray16be", { { 0, 10, 3, { 0xf2, 0x34 }, 2 } }, "Y=62004/16" },
  { "nv12", { { 0, 5, 3, { 16 }, 1 }, { 1, 4, 1, { 240, 7 }, 2 } }, "Y=16/8 Cb=240/8 Cr=7/8" },
  { "yuv420p",
    { { 0, 5, 3, { 17 }, 1 }, { 1, 2, 1, { 241 }, 1 }, { 2, 2, 1, { 8 }, 1 } },
    "Y=17/8 Cb=241/8 Cr=8/8" },
  { "p010le",
    { { 0, 10, 3, { 0xc0, 0xff }, 2 }, { 1, 8, 1, { 0x40, 0x00, 0x80, 0x7f }, 4 } },
    "Y=1023/10 Cb=1/10 Cr=510/10" },
  { "yuv422p10le",
    { { 0, 10, 3, { 0xff, 0x03 }, 2 }, { 1, 4, 3, { 0x02, 0x01 }, 2 }, { 2, 4, 3, { 9, 0 }, 2 } },
    "Y=1023/10 Cb=258/10 Cr=9/10" },
  { "uyvy422", { { 0, 8, 3, { 1, 2, 3, 4 }, 4 } }, "Y=4/8 Cb=1/8 Cr=3/8" },
  { "yuyv422", { { 0, 8, 3, { 1, 2, 3, 4 }, 4 } }, "Y=3/8 Cb=2/8 Cr=4/8" },
  { "yuva444p16le",
    { { 0, 10, 3, { 1, 2 }, 2 }, { 2, 10, 3, { 3, 4 }, 2 }, { 3, 10, 3, { 0xff, 0xff }, 2 } },
    "Y=513/16 Cb=0/16 Cr=1027/16 A=65535/16" },
  { "rgba", { { 0, 20, 3, { 1, 2, 3, 4 }, 4 } }, "R=1/8 G=2/8 B=3/8 A=4/8" },
  { "bgra", { { 0, 20, 3, { 1, 2, 3, 4 }, 4 } }, "R=3/8 G=2/8 B=1/8 A=4/8" },
  { "bgr0", { { 0, 20, 3, { 1, 2, 3, 4 }, 4 } }, "R=3/8 G=2/8 B=1/8" },
  { "gbrp",
    { { 0, 5, 3, { 1 }, 1 }, { 1, 5, 3, { 2 }, 1 }, { 2, 5, 3, { 3 }, 1 } },
    "R=3/8 G=1/8 B=2/8" },
  { "rgb565le", { { 0, 10, 3, { 0x41, 0x0f }, 2 } }, "R=1/5 G=58/6 B=1/5" },
  { "x2rgb10le", { { 0, 20, 3, { 0x01, 0x04, 0xf0, 0x3f }, 4 } }, "R=1023/10 G=1/10 B=1/10" },
  { "ya8", { { 0, 10, 3, { 77, 200 }, 2 } }, "Y=77/8 A=200/8" },
  { "pal8", { { 0, 5, 3, { 99 }, 1 } }, "P=99/8" },
  { "monob", { { 0, 0, 3, { 0x04 }, 1 } }, "Y=1/1" },
  { "bayer_bggr8", { { 0, 5, 3, { 33 }, 1 } }, "R=33/8" },
  { "bayer_gbrg16be", { { 0, 10, 3, { 0x12, 0x34 }, 2 } }, "G=4660/16" },
};

static char *
describe (const PixelValues *values)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < values->n; i++)
    g_string_append_printf (text, "%s%s=%u/%u", i > 0 ? " " : "", values->component[i].name,
                            values->component[i].value, values->component[i].depth);
  return g_string_free (text, FALSE);
}

static void
test_pixels (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (placed); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ShmFrameFormat) format = shmframe_format_new (placed[i].format, 16, 8, &error);
      g_autoptr (ShmFrameFrame) frame = acquire (format);
      g_autofree char *got = NULL;
      PixelValues values;

      for (guint p = 0; p < G_N_ELEMENTS (placed[i].put) && placed[i].put[p].n > 0; p++)
        {
          gint stride;
          guint8 *plane = shmframe_frame_get_plane (frame, placed[i].put[p].plane, &stride);

          memcpy (plane + placed[i].put[p].row * (gsize) stride + placed[i].put[p].column,
                  placed[i].put[p].bytes, placed[i].put[p].n);
        }
      g_assert_true (picture_read_pixel (frame, 5, 3, &values, &error));
      got = describe (&values);
      g_test_message ("%s: %s", placed[i].format, got);
      g_assert_cmpstr (got, ==, placed[i].expected);
      g_assert_true (picture_read_pixel (frame, 15, 7, &values, &error)); /* the last one */
      g_assert_no_error (error);
    }
}

static void
test_refused (void)
{
  g_autoptr (ShmFrameFormat) raw = shmframe_format_new ("nv12", 16, 8, NULL);
  g_autoptr (ShmFrameFormat) packed = shmframe_format_new ("uyyvyy411", 16, 8, NULL);
  g_autoptr (ShmFrameFormat) compressed
      = shmframe_format_new_compressed ("image/jpeg", 16, 8, 100, NULL);
  g_autoptr (ShmFrameFrame) frame = acquire (raw);

  assert_refused (frame, 16, 0, "16,0");
  assert_refused (frame, 0, 8, "0,8");
  assert_refused (frame, G_MAXUINT, G_MAXUINT, "no pixel");
  g_clear_pointer (&frame, shmframe_frame_unref);
  frame = acquire (packed);
  assert_refused (frame, 0, 0, "single pixels");
  g_clear_pointer (&frame, shmframe_frame_unref);
  frame = acquire (compressed);
  assert_refused (frame, 0, 0, "compressed");
}

/* A description without bytes, as observers peek at: nothing is read of it. */
static void
test_no_bytes (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("nv12", 16, 8, NULL);
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (PictureMaker) maker = picture_maker_new ();
  g_autoptr (ShmFrameFrame) frame = acquire (format);
  g_autoptr (ShmFrameFrame) peeked = NULL;

  g_assert_true (shmframe_producer_publish (producer, frame, &error));
  observer = shmframe_observer_new ("values", G_GINT64_CONSTANT (10000000000), &error);
  g_assert_no_error (error);
  peeked = shmframe_observer_peek_frame (observer, 0, &error);
  g_assert_no_error (error);
  assert_refused (peeked, 0, 0, "too short");
  g_assert_null (picture_maker_convert (maker, peeked, PICTURE_BGRA, 0, 0, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT);
}

/* ---- formats of GStreamer alone ------------------------------------------------------------ */

#ifdef HAVE_GST_VIDEO
static ShmFrameFormat *
new_opaque (guint width, guint height, gsize size, const char *caps)
{
  g_autoptr (GError) error = NULL;
  ShmFrameFormat *format = shmframe_format_new_opaque (width, height, size, &error);

  g_assert_no_error (error);
  g_assert_true (shmframe_format_set_caps (format, caps, &error));
  shmframe_format_set_colour (format, 1, 1, 1, FALSE);
  return format;
}

static void
put_word (guint8 *at, guint32 a, guint32 b, guint32 c)
{
  guint32 word = GUINT32_TO_LE (a | b << 10 | c << 20);

  memcpy (at, &word, sizeof word);
}

/* v210: six pixels are four words: Cb Y Cr, Y Cb Y, Cr Y Cb, Y Cr Y. */
static void
test_v210 (void)
{
  g_autoptr (ShmFrameFormat) format = new_opaque (
      48, 8, 128 * 8, "video/x-raw, format=(string)v210, width=(int)48, height=(int)8");
  g_autoptr (ShmFrameFrame) frame = acquire (format);
  g_autoptr (PictureMaker) maker = picture_maker_new ();
  g_autoptr (Picture) picture = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  guint8 *data = shmframe_frame_get_data (frame);
  const guint8 *rgb;
  PixelValues values;

  for (guint i = 0; i < 64; i++)
    {
      put_word (data + i * 16, 512, 940, 512);
      put_word (data + i * 16 + 4, 940, 512, 940);
      put_word (data + i * 16 + 8, 512, 940, 512);
      put_word (data + i * 16 + 12, 940, 512, 940);
    }
  put_word (data + 3 * 128 + 4, 65, 513, 66);  /* Y1 Cb2 Y2 */
  put_word (data + 3 * 128 + 8, 700, 67, 512); /* Cr2 Y3 Cb4 */
  g_assert_true (picture_read_pixel (frame, 2, 3, &values, &error));
  text = describe (&values);
  g_assert_cmpstr (text, ==, "Y=66/10 Cb=513/10 Cr=700/10");
  picture = picture_maker_convert (maker, frame, PICTURE_BGRA, 0, 0, &error);
  g_assert_no_error (error);
  g_assert_true (picture->opaque);
  rgb = g_bytes_get_data (picture->bytes, NULL);
  for (guint c = 0; c < 4; c++)
    g_assert_cmpint (rgb[(6 * 48 + 40) * 4 + c], >=, 253); /* white */
}

/* NV12_4L4: tiles of 4x4, whose strides count tiles. */
static void
test_tiles (void)
{
  g_autoptr (ShmFrameFormat) format
      = new_opaque (16, 16, 16 * 16 * 3 / 2, "video/x-raw, format=(string)NV12_4L4, width=(int)16");
  const gsize offsets[] = { 0, 256 };
  const gint strides[] = { 0, 0 };
  g_autoptr (ShmFrameFrame) frame = NULL;
  g_autoptr (PictureMaker) maker = picture_maker_new ();
  g_autoptr (Picture) picture = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  PixelValues values;
  guint8 *data;

  g_assert_true (shmframe_format_set_planes (format, 2, offsets, strides, 384, &error));
  frame = acquire (format);
  data = shmframe_frame_get_data (frame);
  memset (data, 16, 256);
  memset (data + 256, 128, 128);
  data[16 + 4 * 2 + 1] = 100; /* second tile: x 5, y 2 */
  g_assert_true (picture_read_pixel (frame, 5, 2, &values, &error));
  text = describe (&values);
  g_assert_cmpstr (text, ==, "Y=100/8 Cb=128/8 Cr=128/8");
  picture = picture_maker_convert (maker, frame, PICTURE_RGBA, 0, 0, &error);
  g_assert_no_error (error);
  data = (guint8 *) g_bytes_get_data (picture->bytes, NULL);
  g_assert_cmpint (ABS (data[(2 * 16 + 5) * 4] - 98), <=, 2);
  g_assert_cmpint (data[(2 * 16 + 4) * 4], <=, 2);
}

/* Caps that lie about the frame, or are no caps. */
static void
test_lying_caps (void)
{
  static const char *const caps[] = { "video/x-raw, format=(string)v210",
                                      "video/x-raw, format=(string)ARGB64",
                                      "video/x-raw, format=(string)ENCODED",
                                      "video/x-raw, format=(string)NV12_32L32",
                                      "video/x-raw, format=(string)NV12",
                                      "video/x-raw, format=(string)nothing",
                                      "video/x-raw, format=(string)DMA_DRM",
                                      "[[[[{{{{<<<<((((",
                                      "" };

  for (gsize i = 0; i < G_N_ELEMENTS (caps); i++)
    {
      g_autoptr (ShmFrameFormat) format = new_opaque (16, 16, 100, caps[i]);
      g_autoptr (ShmFrameFrame) frame = acquire (format);
      g_autoptr (PictureMaker) maker = picture_maker_new ();
      g_autoptr (GError) error = NULL;

      g_assert_null (picture_maker_convert (maker, frame, PICTURE_BGRA, 0, 0, &error));
      g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT);
      assert_refused (frame, 15, 15, "video/x-raw");
    }
}
#endif

/* ---- files --------------------------------------------------------------------------------- */

static Picture *
new_picture (guint width, guint height, PictureOrder order, const guint8 *pixels)
{
  Picture *picture = g_new0 (Picture, 1);

  picture->width = width;
  picture->height = height;
  picture->order = order;
  picture->opaque = TRUE;
  picture->bytes = g_bytes_new (pixels, (gsize) width * height * 4);
  return picture;
}

static const guint8 two_pixels[] = { 1, 2, 3, 255, 250, 128, 0, 255 };

static void
test_save (void)
{
  g_autofree char *folder = g_dir_make_tmp ("shmframe-save-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "a.png", NULL);
  g_autofree char *missing = g_build_filename (folder, "none", "a.png", NULL);

  for (guint order = 0; order < 2; order++)
    for (guint opaque = 0; opaque < 2; opaque++)
      {
        g_autoptr (Picture) picture = new_picture (2, 1, (PictureOrder) order, two_pixels);
        g_autoptr (GdkPixbuf) back = NULL;
        g_autoptr (GError) error = NULL;
        const guint8 *rgb;

        picture->opaque = opaque == 1;
        g_assert_true (picture_save (picture, path, &error));
        back = gdk_pixbuf_new_from_file (path, &error);
        g_assert_no_error (error);
        g_assert_cmpint (gdk_pixbuf_get_n_channels (back), ==, opaque ? 3 : 4);
        rgb = gdk_pixbuf_read_pixels (back);
        g_assert_cmpint (rgb[0], ==, order == PICTURE_BGRA ? 3 : 1);
        g_assert_cmpint (rgb[1], ==, 2);
        g_assert_cmpint (rgb[2], ==, order == PICTURE_BGRA ? 1 : 3);
        g_assert_false (picture_save (picture, missing, &error));
        g_assert_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
      }
  g_unlink (path);
  g_assert_cmpint (g_rmdir (folder), ==, 0); /* and nothing else is left there */
}

/* In its header: a few bytes that say so many pixels. */
static void
claim_size (guint8 *jpeg, gsize size, guint16 width, guint16 height)
{
  gsize i = 0;

  while (i + 8 < size && (jpeg[i] != 0xff || jpeg[i + 1] != 0xc0)) /* SOF0 */
    i++;
  g_assert_cmpuint (i + 8, <, size);
  jpeg[i + 5] = (guint8) (height >> 8);
  jpeg[i + 6] = (guint8) height;
  jpeg[i + 7] = (guint8) (width >> 8);
  jpeg[i + 8] = (guint8) width;
}

/* A frame that is a JPEG picture; one that is too large; then one that only says so. */
static void
test_jpeg (void)
{
  g_autoptr (ShmFrameFormat) format
      = shmframe_format_new_compressed ("image/jpeg", 64, 32, 1 << 16, NULL);
  g_autoptr (GdkPixbuf) pixbuf = gdk_pixbuf_new (GDK_COLORSPACE_RGB, FALSE, 8, 64, 32);
  g_autoptr (PictureMaker) maker = picture_maker_new ();
  g_autoptr (ShmFrameFrame) frame = acquire (format);
  g_autoptr (Picture) picture = NULL;
  g_autoptr (Picture) small = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *jpeg = NULL;
  const guint8 *pixel;
  gsize size;

  gdk_pixbuf_fill (pixbuf, 0xc8641eff);
  g_assert_true (
      gdk_pixbuf_save_to_buffer (pixbuf, &jpeg, &size, "jpeg", &error, "quality", "95", NULL));
  memcpy (shmframe_frame_get_data (frame), jpeg, size);
  g_assert_true (shmframe_frame_set_payload_size (frame, size, &error));
  picture = picture_maker_convert (maker, frame, PICTURE_BGRA, 0, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (picture->width, ==, 64);
  g_assert_cmpuint (picture->height, ==, 32);
  pixel = g_bytes_get_data (picture->bytes, NULL);
  g_assert_cmpint (ABS (pixel[0] - 0x1e), <=, 3);
  g_assert_cmpint (ABS (pixel[1] - 0x64), <=, 3);
  g_assert_cmpint (ABS (pixel[2] - 0xc8), <=, 3);
  g_assert_cmpint (pixel[3], ==, 255);
  small = picture_maker_convert (maker, frame, PICTURE_RGBA, 16, 0, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (small->height, ==, 8);

  claim_size (shmframe_frame_get_data (frame), size, 8193, 8193);
  g_assert_null (picture_maker_convert (maker, frame, PICTURE_BGRA, 96, 54, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT);
  g_assert_nonnull (strstr (error->message, "too large"));
  g_clear_error (&error);

  memset (shmframe_frame_get_data (frame), 'x', 200);
  g_assert_null (picture_maker_convert (maker, frame, PICTURE_BGRA, 0, 0, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT);
}

/* ---- histogram and waveform ---------------------------------------------------------------- */

static void
test_histogram (void)
{
  for (guint order = 0; order < 2; order++)
    {
      g_autoptr (Picture) picture = new_picture (2, 1, (PictureOrder) order, two_pixels);
      guint red = order == PICTURE_BGRA ? 2 : 0;
      g_autofree PictureHistogram *histogram = g_new (PictureHistogram, 1);
      guint64 sum = 0;

      picture_get_histogram (picture, histogram);
      for (guint i = 0; i < 2; i++)
        {
          const guint8 *pixel = two_pixels + i * 4;
          double luma = 0.2126 * pixel[red] + 0.7152 * pixel[1] + 0.0722 * pixel[2 - red];

          g_assert_cmpuint (histogram->count[0][pixel[red]], ==, 1);
          g_assert_cmpuint (histogram->count[1][pixel[1]], ==, 1);
          g_assert_cmpuint (histogram->count[2][pixel[2 - red]], ==, 1);
          g_assert_cmpuint (histogram->count[3][(guint) (luma + 0.5)], ==, 1);
        }
      for (guint i = 0; i < 4; i++)
        for (guint v = 0; v < 256; v++)
          sum += histogram->count[i][v];
      g_assert_cmpuint (sum, ==, 2 * 4);
    }
}

/* A ramp of grey from left to right: in each column its own values, once for each row. */
static void
test_waveform (void)
{
  guint8 pixels[3][256][4];
  g_autofree guint32 *waveform = g_new (guint32, 300 * 256);
  g_autoptr (Picture) picture = NULL;

  for (guint y = 0; y < 3; y++)
    for (guint x = 0; x < 256; x++)
      memset (pixels[y][x], (int) x, 4);
  picture = new_picture (256, 3, PICTURE_BGRA, pixels[0][0]);
  picture_get_waveform (picture, 64, waveform);
  for (guint column = 0; column < 64; column++)
    for (guint v = 0; v < 256; v++)
      g_assert_cmpuint (waveform[column * 256 + v], ==, v / 4 == column ? 3 : 0);
  picture_get_waveform (picture, 300, waveform); /* more columns than pixels: some are empty */
  g_assert_cmpuint (waveform[255 * 300 / 256 * 256 + 255], ==, 3);
  picture_get_waveform (picture, 0, NULL);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("shmframe-values-XXXXXX", NULL);
  int result;

  g_test_init (&argc, &argv, NULL);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
  producer = shmframe_producer_new ("values", &error);
  g_assert_no_error (error);
  g_test_add_func ("/picture-values/pixels", test_pixels);
  g_test_add_func ("/picture-values/refused", test_refused);
  g_test_add_func ("/picture-values/no-bytes", test_no_bytes);
#ifdef HAVE_GST_VIDEO
  g_test_add_func ("/picture-values/v210", test_v210);
  g_test_add_func ("/picture-values/tiles", test_tiles);
  g_test_add_func ("/picture-values/lying-caps", test_lying_caps);
#endif
  g_test_add_func ("/picture-values/save", test_save);
  g_test_add_func ("/picture-values/jpeg", test_jpeg);
  g_test_add_func ("/picture-values/histogram", test_histogram);
  g_test_add_func ("/picture-values/waveform", test_waveform);
  result = g_test_run ();
  g_clear_object (&producer);
  g_rmdir (folder);
  return result;
}
