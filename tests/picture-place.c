/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where frame-viewer puts a picture, and its zooms: known rooms and pictures. */
#include "../tools/viewer/picture-place.h"

static void
check_place (const PictureRoom *room, double zoom, double centre, double x, double y, double pixel)
{
  PicturePlace place;

  g_assert_true (picture_place_find (&place, room, 100, 50, zoom, centre, centre));
  g_assert_cmpfloat (place.x, ==, x);
  g_assert_cmpfloat (place.y, ==, y);
  g_assert_cmpfloat (place.pixel, ==, pixel);
  g_assert_cmpuint (place.width, ==, 100);
  g_assert_cmpuint (place.height, ==, 50);
}

static void
test_fit (void)
{
  check_place (&(PictureRoom){ 400, 400, 1 }, 0, 0, 0, 100, 4);
  check_place (&(PictureRoom){ 401, 100, 1 }, 0, 0, 101, 0, 2); /* 100.5, on a whole pixel */
  check_place (&(PictureRoom){ 401, 100, 2 }, 0, 0, 100.5, 0, 2);
}

/* Larger than the room, it leaves no gap wherever its middle is to be. */
static void
test_zoomed (void)
{
  PictureRoom room = { 200, 60, 1 }, fine = { 200, 60, 2 };

  check_place (&room, 1, 1e9, 50, 5, 1);
  check_place (&room, 4, 0, 0, 0, 4);
  check_place (&room, 4, 25, 0, -70, 4);
  check_place (&room, 4, 1e9, -200, -140, 4);
  check_place (&fine, 4, 25, 0, -20, 2);
}

static void
test_empty (void)
{
  PictureRoom none = { 0, 100, 1 }, some = { 100, 100, 1 };
  PicturePlace place;

  g_assert_false (picture_place_find (&place, &none, 100, 50, 1, 0, 0));
  g_assert_false (picture_place_find (&place, &some, 0, 50, 1, 0, 0));
  g_assert_false (picture_place_find (&place, &some, 100, 0, 0, 0, 0));
}

static void
test_pixels (void)
{
  g_assert_cmpfloat ((int) picture_place_to_pixel (110, 100, 2), ==, 5);
  g_assert_cmpfloat ((int) picture_place_to_pixel (109.99, 100, 2), ==, 5); /* its edge */
  g_assert_cmpfloat ((int) picture_place_to_pixel (109.5, 100, 2), ==, 4);
  g_assert_cmpfloat (picture_place_to_pixel (99, 100, 2), <, 0);
}

static void
test_centre (void)
{
  /* 50 pixels are seen of 100; then all. */
  g_assert_cmpfloat (picture_place_clamp (0, 100, 100, 2), ==, 25);
  g_assert_cmpfloat (picture_place_clamp (40, 100, 100, 2), ==, 40);
  g_assert_cmpfloat (picture_place_clamp (90, 100, 100, 2), ==, 75);
  g_assert_cmpfloat (picture_place_clamp (90, 200, 100, 2), ==, 50);
  g_assert_cmpfloat (picture_place_clamp (90, 300, 100, 2), ==, 50);

  g_assert_cmpfloat (picture_place_reveal (40, 100, 45, 2), ==, 40);
  g_assert_cmpfloat (picture_place_reveal (40, 100, 80, 2), ==, 56);
  g_assert_cmpfloat (picture_place_reveal (40, 100, 2, 2), ==, 26);
  g_assert_cmpfloat (picture_place_reveal (40, 1, 2, 64), ==, 3); /* less than a pixel is seen */
}

static void
test_zooms (void)
{
  static const struct
  {
    double from;
    int by;
    double to;
  } steps[] = {
    { 1, 1, 1.5 }, { 1, -1, 0.75 }, { 1.1, 1, 1.5 },        { 1.1, -1, 1 },      { 0.9999, 1, 1.5 },
    { 64, 1, 64 }, { 100, 1, 64 },  { 0.0625, -1, 0.0625 }, { 0.01, 1, 0.0625 }, { 64, -1, 32 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    g_assert_cmpfloat (picture_zoom_step (steps[i].from, steps[i].by), ==, steps[i].to);
  g_assert_cmpfloat (picture_zoom_clamp (0.001), ==, 0.0625);
  g_assert_cmpfloat (picture_zoom_clamp (1.3), ==, 1.3);
  g_assert_cmpfloat (picture_zoom_clamp (1000), ==, 64);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/picture-place/fit", test_fit);
  g_test_add_func ("/picture-place/zoomed", test_zoomed);
  g_test_add_func ("/picture-place/empty", test_empty);
  g_test_add_func ("/picture-place/pixels", test_pixels);
  g_test_add_func ("/picture-place/centre", test_centre);
  g_test_add_func ("/picture-place/zooms", test_zooms);
  return g_test_run ();
}
