/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture-place.h"

#include <math.h>

static const double zooms[]
    = { 0.0625, 0.125, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 32, 64 };

/* On whole pixels of the screen; in the middle where there is room, else never leaving a gap. */
static double
begin (double room, double length, double centre, double pixel, int scale)
{
  double x
      = length <= room ? (room - length) / 2 : CLAMP (room / 2 - centre * pixel, room - length, 0);

  return floor (x * scale + 0.5) / scale;
}

gboolean
picture_place_find (PicturePlace *self, const PictureRoom *room, guint width, guint height,
                    double zoom, double centre_x, double centre_y)
{
  if (width == 0 || height == 0 || room->width < 1 || room->height < 1)
    return FALSE;
  self->width = width;
  self->height = height;
  self->pixel = zoom > 0 ? zoom / room->scale : MIN (room->width / width, room->height / height);
  self->x = begin (room->width, width * self->pixel, centre_x, self->pixel, room->scale);
  self->y = begin (room->height, height * self->pixel, centre_y, self->pixel, room->scale);
  return TRUE;
}

/* A pointer on a pixel's edge may be reported a little before it. */
double
picture_place_to_pixel (double at, double origin, double pixel)
{
  return (at - origin) / pixel + 1.0 / 64;
}

double
picture_place_clamp (double centre, double room, double length, double pixel)
{
  double half = room / pixel / 2;

  return 2 * half >= length ? length / 2 : CLAMP (centre, half, length - half);
}

double
picture_place_reveal (double centre, double room, double at, double pixel)
{
  double half = MAX (1, room / pixel / 2 - 1);

  return CLAMP (centre, at - half, at + half);
}

double
picture_zoom_step (double zoom, int by)
{
  guint i = 0;

  while (i < G_N_ELEMENTS (zooms) - 1 && zooms[i] < zoom * 0.999)
    i++;
  /* Now the first that is as large, or the last. */
  if (by > 0 && zooms[i] <= zoom * 1.001 && i < G_N_ELEMENTS (zooms) - 1)
    i++;
  else if (by < 0 && i > 0)
    i--;
  return zooms[i];
}

double
picture_zoom_clamp (double zoom)
{
  return CLAMP (zoom, zooms[0], zooms[G_N_ELEMENTS (zooms) - 1]);
}
