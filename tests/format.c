/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shmframe/format.h"

#include <libavutil/pixdesc.h>
#include <string.h>

#include "abi/layout.h"
#include "shmframe/error.h"

/* A pointer to the error: the call that sets it may be an argument too. */
static void
assert_refused (ShmFrameFormat *format, GError **error, const char *word)
{
  g_assert_null (format);
  g_assert_error (*error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT);
  if (strstr ((*error)->message, word) == NULL)
    g_error ("'%s' is not in: %s", word, (*error)->message);
}

/* Rows of all planes lie in the frame, in order, aligned. */
static void
check_layout (const ShmFrameFormat *format, gboolean palette)
{
  gsize end = 0;

  for (guint i = 0; i < shmframe_format_get_n_planes (format); i++)
    {
      gsize offset = shmframe_format_get_offset (format, i);
      gsize stride = (gsize) shmframe_format_get_stride (format, i);

      g_assert_cmpuint (offset, >=, end);
      g_assert_cmpuint (offset % 64, ==, 0);
      if (!palette || i == 0)
        g_assert_cmpuint (stride % 64, ==, 0);
      g_assert_cmpuint (shmframe_format_get_row_bytes (format, i), >, 0);
      g_assert_cmpuint (shmframe_format_get_row_bytes (format, i), <=, stride);
      g_assert_cmpuint (shmframe_format_get_rows (format, i), >, 0);
      end = offset + stride * shmframe_format_get_rows (format, i);
    }
  g_assert_cmpuint (end, ==, shmframe_format_get_size (format));
}

/* Every software pixel format of libavutil, at awkward sizes, there and back through a variant. */
static void
test_all_pixel_formats (void)
{
  const guint sizes[][2] = { { 1, 1 }, { 17, 13 }, { 1920, 1080 }, { 3, 32768 } };
  const AVPixFmtDescriptor *desc = NULL;
  guint n = 0;

  while ((desc = av_pix_fmt_desc_next (desc)) != NULL)
    for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
      {
        g_autoptr (ShmFrameFormat) format = NULL, again = NULL;
        g_autoptr (GVariant) variant = NULL;
        g_autoptr (GError) error = NULL;

        format = shmframe_format_new (desc->name, sizes[i][0], sizes[i][1], &error);
        if ((desc->flags & AV_PIX_FMT_FLAG_HWACCEL) != 0)
          {
            assert_refused (format, &error, "download");
            continue;
          }
        g_assert_no_error (error);
        g_assert_cmpstr (shmframe_format_get_pixel_format (format), ==, desc->name);
        g_assert_true (shmframe_format_is_raw (format));
        check_layout (format, (desc->flags & AV_PIX_FMT_FLAG_PAL) != 0);

        variant = shmframe_format_to_variant (format);
        again = shmframe_format_new_from_variant (variant, &error);
        g_assert_no_error (error);
        g_assert_true (shmframe_format_equal (format, again));
        n++;
      }
  g_assert_cmpuint (n, >, 4 * 100);
}

static void
test_planes_of_known_formats (void)
{
  g_autoptr (ShmFrameFormat) yuv = shmframe_format_new ("yuv420p", 1921, 1081, NULL);
  g_autoptr (ShmFrameFormat) pal = shmframe_format_new ("pal8", 10, 10, NULL);

  g_assert_cmpuint (shmframe_format_get_n_planes (yuv), ==, 3);
  g_assert_cmpint (shmframe_format_get_stride (yuv, 0), ==, 1984);
  g_assert_cmpint (shmframe_format_get_stride (yuv, 1), ==, 1024);
  g_assert_cmpuint (shmframe_format_get_row_bytes (yuv, 1), ==, 961);
  g_assert_cmpuint (shmframe_format_get_rows (yuv, 0), ==, 1081);
  g_assert_cmpuint (shmframe_format_get_rows (yuv, 2), ==, 541);
  g_assert_cmpuint (shmframe_format_get_rows (yuv, 3), ==, 0);
  g_assert_cmpint (shmframe_format_get_stride (yuv, 3), ==, 0);
  g_assert_cmpuint (shmframe_format_get_row_bytes (yuv, 99), ==, 0);

  g_assert_cmpuint (shmframe_format_get_n_planes (pal), ==, 2);
  g_assert_cmpuint (shmframe_format_get_offset (pal, 1), ==, 640);
  g_assert_cmpuint (shmframe_format_get_size (pal), ==, 640 + 1024);
  g_assert_cmpuint (shmframe_format_get_rows (pal, 1) * shmframe_format_get_row_bytes (pal, 1), ==,
                    1024);
}

static void
test_bounds (void)
{
  const struct
  {
    const char *name;
    guint width, height;
    const char *word;
  } bad[] = {
    { "yuv420p", 100000, 100000, "at most 32768x32768" },
    { "yuv420p", 0, 10, "at least 1x1" },
    { "yuv420p", 10, 0, "at least 1x1" },
    { "gray", 32769, 1, "32769x1" },
    { "gray", 1, G_MAXUINT, "at most" },
    { "gbrapf32le", 32768, 32768, "bytes" },
    { "no-such", 1, 1, "no-such" },
    { "", 1, 1, "pix_fmts" },
  };
  g_autoptr (ShmFrameFormat) largest = shmframe_format_new ("gray", 32768, 32768, NULL);

  g_assert_nonnull (largest);
  g_assert_cmpuint (shmframe_format_get_size (largest), ==, 1u << 30);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      assert_refused (
          shmframe_format_new (bad[i].name, bad[i].width, bad[i].height, &error), &error,
          bad[i].word);
    }
}

static void
test_opaque (void)
{
  g_autoptr (ShmFrameFormat) format = shmframe_format_new_opaque (64, 32, 5000, NULL);
  const gsize offsets[] = { 0, 4000 };
  const gint strides[] = { 100, 50 };
  const gsize many_offsets[5] = { 0 };
  const gint many_strides[5] = { 0 };
  g_autoptr (GError) zero = NULL, huge = NULL, many = NULL, error = NULL;

  g_assert_true (shmframe_format_is_raw (format));
  g_assert_null (shmframe_format_get_pixel_format (format));
  g_assert_cmpuint (shmframe_format_get_n_planes (format), ==, 1);
  g_assert_cmpuint (shmframe_format_get_rows (format, 0), ==, 0);
  g_assert_true (shmframe_format_set_planes (format, 2, offsets, strides, 5000, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (shmframe_format_get_offset (format, 1), ==, 4000);
  g_assert_false (shmframe_format_set_planes (format, 5, many_offsets, many_strides, 5000, &many));
  assert_refused (NULL, &many, "at most 4");
  assert_refused (shmframe_format_new_opaque (64, 32, 0, &zero), &zero, "bytes");
  assert_refused (shmframe_format_new_opaque (64, 32, SHMFRAME_PAYLOAD_MAX + 1, &huge), &huge,
                  "4294967296");
}

static void
test_compressed (void)
{
  g_autoptr (ShmFrameFormat) format = NULL, again = NULL;
  g_autoptr (GVariant) variant = NULL;
  const char *bad[] = { "jpeg", "/jpeg", "image/", "", "video/x-raw", "image/\xff" };
  const gsize offset = 0;
  const gint stride = 1;

  format = shmframe_format_new_compressed ("image/jpeg", 0, 0, 1000000, NULL);
  g_assert_false (shmframe_format_is_raw (format));
  g_assert_cmpstr (shmframe_format_get_media_type (format), ==, "image/jpeg");
  g_assert_cmpuint (shmframe_format_get_n_planes (format), ==, 0);
  g_assert_cmpuint (shmframe_format_get_size (format), ==, 1000000);
  g_assert_false (shmframe_format_set_planes (format, 1, &offset, &stride, 10, NULL));
  variant = shmframe_format_to_variant (format);
  again = shmframe_format_new_from_variant (variant, NULL);
  g_assert_true (shmframe_format_equal (format, again));

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      assert_refused (shmframe_format_new_compressed (bad[i], 1, 1, 1, &error), &error, "");
    }
}

static void
test_set_planes (void)
{
  const gsize good_offsets[] = { 0, 640, 960 };
  const gint good_strides[] = { 32, 32, 32 };
  const struct
  {
    guint plane;
    gsize offset;
    gint stride;
    gsize size;
    const char *word;
  } bad[] = {
    { 0, 0, -32, 1280, "negative" },    { 0, 0, G_MININT, 1280, "negative" },
    { 1, 640, 9, 1280, "bytes of a row" }, { 2, 961, 32, 1280, "pass the end" },
    { 2, 1280, 32, 1280, "pass the end" }, { 2, G_MAXSIZE, 32, 1280, "pass the end" },
    { 0, 0, G_MAXINT, 1280, "pass the end" }, { 0, 0, 32, 1279, "pass the end" },
    { 0, 0, 32, 0, "bytes" },           { 0, 0, 32, G_MAXSIZE, "bytes" },
  };
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("yuv420p", 20, 20, NULL);
  g_autoptr (ShmFrameFormat) before = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (
      shmframe_format_set_planes (format, 3, good_offsets, good_strides, 1280, &error));
  g_assert_no_error (error);
  g_assert_cmpint (shmframe_format_get_stride (format, 2), ==, 32);
  before = shmframe_format_copy (format);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      gsize offsets[] = { 0, 640, 960 };
      gint strides[] = { 32, 32, 32 };
      g_autoptr (GError) refusal = NULL;

      offsets[bad[i].plane] = bad[i].offset;
      strides[bad[i].plane] = bad[i].stride;
      g_assert_false (
          shmframe_format_set_planes (format, 3, offsets, strides, bad[i].size, &refusal));
      assert_refused (NULL, &refusal, bad[i].word);
    }
  g_assert_false (shmframe_format_set_planes (format, 2, good_offsets, good_strides, 1280, NULL));
  g_assert_false (shmframe_format_set_planes (format, 0, NULL, NULL, 1280, NULL));
  g_assert_true (shmframe_format_equal (format, before));
}

static void
test_caps (void)
{
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("gray", 8, 8, NULL);
  g_autofree char *longest = g_strnfill (SHMFRAME_FORMAT_MAX_CAPS, 'x');
  g_autofree char *too_long = g_strnfill (SHMFRAME_FORMAT_MAX_CAPS + 1, 'x');
  g_autoptr (GError) length = NULL, utf8 = NULL;

  g_assert_true (shmframe_format_set_caps (format, longest, NULL));
  g_assert_false (shmframe_format_set_caps (format, too_long, &length));
  assert_refused (NULL, &length, "16384");
  g_assert_false (shmframe_format_set_caps (format, "caps\xff", &utf8));
  assert_refused (NULL, &utf8, "UTF-8");
  g_assert_cmpstr (shmframe_format_get_caps (format), ==, longest);
  g_assert_true (shmframe_format_set_caps (format, NULL, NULL));
  g_assert_null (shmframe_format_get_caps (format));
}

/* Each setter, alone, makes a copy unequal; the variant carries each. */
static void
test_equal_and_copy (void)
{
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("yuv420p", 64, 64, NULL);
  g_autofree char *text = NULL;

  for (guint i = 0; i < 9; i++)
    {
      g_autoptr (ShmFrameFormat) copy = shmframe_format_copy (format), again = NULL;
      g_autoptr (GVariant) variant = NULL;
      const gsize offsets[] = { 0, 8192, 12288 };
      const gint strides[] = { 64, 64, 64 };

      g_assert_true (shmframe_format_equal (format, copy));
      if (i < 4)
        shmframe_format_set_colour (copy, i == 0 ? 9 : 2, i == 1 ? 9 : 2, i == 2 ? 9 : 2, i == 3);
      else if (i == 4)
        shmframe_format_set_frame_rate (copy, 30000, 1001);
      else if (i == 5)
        shmframe_format_set_pixel_aspect (copy, 4, 3);
      else if (i == 6)
        shmframe_format_set_interlacing (copy, "interleaved");
      else if (i == 7)
        shmframe_format_set_caps (copy, "video/x-raw", NULL);
      else
        shmframe_format_set_planes (copy, 3, offsets, strides, 16384, NULL);
      g_assert_false (shmframe_format_equal (format, copy));

      variant = shmframe_format_to_variant (copy);
      again = shmframe_format_new_from_variant (variant, NULL);
      g_assert_true (shmframe_format_equal (copy, again));
      g_assert_false (shmframe_format_equal (format, again));
    }
  shmframe_format_set_frame_rate (format, 30, 1);
  text = shmframe_format_to_string (format);
  g_assert_cmpstr (text, ==, "yuv420p 64x64 30/1 fps, 8192 bytes");
}

/* One stride, then one offset, all else alike. */
static void
test_equal_planes (void)
{
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("nv12", 64, 64, NULL);
  g_autoptr (ShmFrameFormat) stride = shmframe_format_copy (format);
  g_autoptr (ShmFrameFormat) offset = shmframe_format_copy (format);

  g_assert_true (shmframe_format_set_planes (format, 2, (gsize[]){ 0, 8192 }, (gint[]){ 64, 64 },
                                             16384, NULL));
  g_assert_true (shmframe_format_set_planes (stride, 2, (gsize[]){ 0, 8192 }, (gint[]){ 64, 128 },
                                             16384, NULL));
  g_assert_true (shmframe_format_set_planes (offset, 2, (gsize[]){ 0, 8256 }, (gint[]){ 64, 64 },
                                             16384, NULL));
  g_assert_false (shmframe_format_equal (format, stride));
  g_assert_false (shmframe_format_equal (format, offset));
}

static void
test_colour_defaults (void)
{
  const struct
  {
    const char *name;
    guint matrix;
    gboolean full_range;
  } cases[] = { { "yuv420p", 2, FALSE }, { "yuvj420p", 2, TRUE }, { "rgb24", 0, TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (ShmFrameFormat) format = shmframe_format_new (cases[i].name, 8, 8, NULL);
      guint primaries, transfer, matrix;
      gboolean full_range;

      shmframe_format_get_colour (format, &primaries, &transfer, &matrix, &full_range);
      g_assert_cmpuint (primaries, ==, 2);
      g_assert_cmpuint (transfer, ==, 2);
      g_assert_cmpuint (matrix, ==, cases[i].matrix);
      g_assert_cmpint (full_range, ==, cases[i].full_range);
    }
}

/* One value of a good variant replaced by what a hostile peer could send. */
static void
test_hostile_variants (void)
{
  const struct
  {
    const char *key, *value;
  } bad[] = {
    { "media-type", "@s ''" },          { "media-type", "@u 1" },
    { "pixel-format", "@s 'vaapi'" },   { "pixel-format", "@s 'nope'" },
    { "pixel-format", "@s 'rgba64le'" }, { "width", "@u 4000000000" },
    { "width", "@u 33000" },            { "width", "@u 0" },
    { "width", "@u 2048" },             { "height", "@s 'x'" },
    { "height", "@u 64" },              { "size", "@t 0" },
    { "size", "@t 18446744073709551615" }, { "size", "@t 1535" },
    { "offsets", "@at []" },            { "offsets", "@at [0, 1024]" },
    { "offsets", "@at [0, 1024, 1280, 0, 0]" },
    { "offsets", "@at [0, 1024, 18446744073709551615]" },
    { "offsets", "@at [0, 1024, 18446744073709551360]" },
    { "offsets", "@ai [0, 1024, 1280]" },
    { "strides", "@ai []" },            { "strides", "@ai [-64, 64, 64]" },
    { "strides", "@ai [2147483647, 64, 64]" }, { "strides", "@ai [0, 0, 0]" },
    { "strides", "@ai [-2147483648, 64, 64]" }, { "primaries", "@u 256" },
    { "transfer", "@u 4294967295" },    { "matrix", "@u 256" },
    { "frame-rate", "(-1, 1)" },        { "frame-rate", "(1, 0)" },
    { "pixel-aspect", "(0, 1)" },       { "pixel-aspect", "(1, -1)" },
    { "interlacing", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'" },
  };
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("yuv420p", 32, 16, NULL);
  g_autoptr (GVariant) good = shmframe_format_to_variant (format);
  g_autoptr (GVariant) number = g_variant_ref_sink (g_variant_new_uint32 (1));
  g_autoptr (GError) type = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (good);
      g_autoptr (GVariant) variant = NULL;
      g_autoptr (GError) error = NULL;

      g_variant_dict_insert_value (&dict, bad[i].key, g_variant_new_parsed (bad[i].value));
      variant = g_variant_ref_sink (g_variant_dict_end (&dict));
      if (shmframe_format_new_from_variant (variant, &error) != NULL)
        g_error ("accepted %s = %s", bad[i].key, bad[i].value);
      assert_refused (NULL, &error, "");
    }
  assert_refused (shmframe_format_new_from_variant (number, &type), &type, "a{sv}");
}

/* Cut and flipped bytes: refused or read as something that holds together, never a crash. */
static void
test_mangled_bytes (void)
{
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("nv12", 320, 240, NULL);
  g_autoptr (GVariant) good = shmframe_format_to_variant (format);
  gsize size = g_variant_get_size (good);

  for (guint i = 0; i < 20000; i++)
    {
      guint8 *bytes = g_memdup2 (g_variant_get_data (good), size);
      gsize length = i % 2 == 0 ? size : (gsize) g_test_rand_int_range (0, (gint) size);
      g_autoptr (GVariant) variant = NULL;
      g_autoptr (ShmFrameFormat) read = NULL;

      for (guint j = 0; j < i % 4; j++)
        bytes[g_test_rand_int_range (0, (gint) size)] = (guint8) g_test_rand_int ();
      variant = g_variant_ref_sink (g_variant_new_from_data (G_VARIANT_TYPE_VARDICT, bytes, length,
                                                             FALSE, g_free, bytes));
      read = shmframe_format_new_from_variant (variant, NULL);
      for (guint p = 0; read != NULL && p < shmframe_format_get_n_planes (read); p++)
        g_assert_cmpuint (shmframe_format_get_offset (read, p)
                              + (gsize) shmframe_format_get_stride (read, p)
                                    * shmframe_format_get_rows (read, p),
                          <=, shmframe_format_get_size (read));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/format/all-pixel-formats", test_all_pixel_formats);
  g_test_add_func ("/format/planes-of-known-formats", test_planes_of_known_formats);
  g_test_add_func ("/format/bounds", test_bounds);
  g_test_add_func ("/format/opaque", test_opaque);
  g_test_add_func ("/format/compressed", test_compressed);
  g_test_add_func ("/format/set-planes", test_set_planes);
  g_test_add_func ("/format/caps", test_caps);
  g_test_add_func ("/format/equal-and-copy", test_equal_and_copy);
  g_test_add_func ("/format/equal-planes", test_equal_planes);
  g_test_add_func ("/format/colour-defaults", test_colour_defaults);
  g_test_add_func ("/format/hostile-variants", test_hostile_variants);
  g_test_add_func ("/format/mangled-bytes", test_mangled_bytes);
  return g_test_run ();
}
