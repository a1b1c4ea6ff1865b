/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Where a picture is in the widget that shows it, and the zooms that there are. Pure. */

/* The widget. */
typedef struct
{
  double width, height;
  int scale; /* pixels of the screen for one of these */
} PictureRoom;

/* The picture, in the widget's coordinates. */
typedef struct
{
  double x, y, pixel;  /* pixel: how large one of the picture's is */
  guint width, height; /* of the picture, in its pixels */
} PicturePlace;

/* A picture whose pixel at centre_x, centre_y is in the middle, as far as that leaves no gap. zoom: pixels
 * of the screen for one of the picture's; 0: as large as fits. FALSE: one of the two is empty. */
gboolean picture_place_find (PicturePlace *self, const PictureRoom *room, guint width, guint height,
                             double zoom, double centre_x, double centre_y);

/* On one axis: `origin` and `pixel` of a place, `room` and `length` of the widget and the picture. */

/* Which of the picture's pixels is at a place in the widget; its whole part is the pixel. */
double picture_place_to_pixel (double at, double origin, double pixel);
/* The centre that it comes to: the middle where all of it is seen. */
double picture_place_clamp (double centre, double room, double length, double pixel);
/* The nearest centre with which what is at `at`, in the picture's pixels, is seen. */
double picture_place_reveal (double centre, double room, double at, double pixel);

/* The next larger (by > 0) or smaller zoom, of 1/16 to 64. */
double picture_zoom_step (double zoom, int by);
double picture_zoom_clamp (double zoom);
