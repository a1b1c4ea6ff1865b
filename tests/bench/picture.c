/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What it costs to make a picture of a frame for the screen, on one core: 1080p60 leaves 16.7 ms. By
 * processor time, so that others on the machine count less; nothing is asserted:
 *
 *   ninja -C build tests/bench/picture && build/tests/bench/picture
 *
 * Two cores of a virtual Xeon with other work on them, 1920x1080, median and worst of 60 in ms:
 *
 *                 median   worst   240 wide:  median   worst
 *   nv12            8.22   13.82                1.13    3.05
 *   yuv420p         7.95   11.28                1.11    1.43
 *   p010le          8.59   10.43                2.00    2.34
 *   uyvy422         8.19   11.57                1.79    2.97
 *   yuyv422         8.42   11.09                2.11    2.51
 *   yuv422p10le     9.41   10.19                1.68    7.18
 *   yuv444p         8.86   12.53                1.95    3.02
 *   rgba            0.51    2.36                8.11   14.82
 *   bgra            0.65    5.43                6.35   12.03
 *   bgr0            1.90    8.93                7.97   10.44
 *   rgb24           2.74   10.96                4.12    4.27
 *   gray            2.29    2.44                1.11    1.36
 *   gbrp10le        9.66   13.18                3.14   10.24
 */

#include "../../tools/picture.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 60

static double
cpu_ms (void)
{
  struct timespec now;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

static int
compare (const void *a, const void *b)
{
  double left = *(const double *) a, right = *(const double *) b;

  return (left > right) - (left < right);
}

static void
measure (PictureMaker *maker, ShmFrameFrame *frame, guint width, double *median, double *worst)
{
  double ms[ROUNDS];
  GError *error = NULL;

  for (guint i = 0; i < ROUNDS; i++)
    {
      double begin = cpu_ms ();
      Picture *picture = picture_maker_convert (maker, frame, PICTURE_BGRA, width, 0, &error);

      ms[i] = cpu_ms () - begin;
      if (picture == NULL)
        g_error ("%s", error->message);
      picture_free (picture);
    }
  qsort (ms, ROUNDS, sizeof ms[0], compare);
  *median = ms[ROUNDS / 2];
  *worst = ms[ROUNDS - 1];
}

int
main (void)
{
  static const char *const names[]
      = { "nv12", "yuv420p", "p010le", "uyvy422", "yuyv422", "yuv422p10le", "yuv444p",
          "rgba", "bgra",    "bgr0",   "rgb24",   "gray",    "gbrp10le",    NULL };
  g_autofree char *folder = g_dir_make_tmp ("shmframe-bench-XXXXXX", NULL);
  g_autofree char *pool = g_build_filename (folder, "picture.sock", NULL);
  GError *error = NULL;
  ShmFrameProducer *producer = shmframe_producer_new (pool, &error);
  g_autoptr (PictureMaker) maker = picture_maker_new ();

  if (producer == NULL)
    g_error ("%s", error->message);
  g_print ("%-12s %7s %7s   240 wide: %7s %7s\n", "", "median", "worst", "median", "worst");
  for (guint i = 0; names[i] != NULL; i++)
    {
      g_autoptr (ShmFrameFormat) format = shmframe_format_new (names[i], 1920, 1080, &error);
      g_autoptr (ShmFrameFrame) frame = NULL;
      guint8 *data;
      double median, worst, small_median, small_worst;

      if (!shmframe_producer_set_format (producer, format, &error))
        g_error ("%s", error->message);
      frame = shmframe_producer_acquire (producer, &error);
      data = shmframe_frame_get_data (frame);
      for (gsize b = 0; b < shmframe_frame_get_size (frame); b++)
        data[b] = (guint8) (b * 7 >> 3);
      measure (maker, frame, 0, &median, &worst);
      measure (maker, frame, 240, &small_median, &small_worst);
      g_print ("%-12s %7.2f %7.2f   %9s %7.2f %7.2f\n", names[i], median, worst, "", small_median,
               small_worst);
    }
  g_object_unref (producer);
  g_rmdir (folder);
  return 0;
}
