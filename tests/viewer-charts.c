/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The charts and scopes of frame-viewer: known values and pixels, what is drawn of them. Where they
 * compute a picture's histogram or waveform is counted (linked with --wrap). */
#include "viewer-screen.h"

#include <math.h>

#include "../tools/viewer/chart.h"
#include "../tools/viewer/scope.h"

#define SECOND G_GINT64_CONSTANT (1000000000)
#define T0 (1000 * SECOND)
/* Of the first and second line, on a light background. */
#define BLUE 0x0072b2
#define VERMILION 0xd55e00

static const char *const one[] = { "", NULL };
static const char *const two[] = { "p50", "p99", NULL };

/* ---- charts -------------------------------------------------------------------------------- */

static void
add (GtkWidget *chart, double seconds, double first, double second)
{
  viewer_chart_add (VIEWER_CHART (chart), T0 + (gint64) (seconds * 1e9),
                    (double[]){ first, second });
}

static void
check_text (GtkWidget *chart, const char *expected)
{
  g_autofree char *text = viewer_chart_dup_text (VIEWER_CHART (chart));

  g_assert_cmpstr (text, ==, expected);
}

/* The middle of the line in a part of the plot: below the title, which has the same colour. */
static double
line_at (const Drawing *drawing, double part, guint32 rgb)
{
  GdkRectangle in = { (int) (drawing->width * part), 20, 3, drawing->height - 20 };
  GdkRectangle found = drawing_bounds (drawing, &in, rgb);

  g_assert_cmpint (found.width, >, 0);
  return found.y + found.height / 2.0;
}

/* Heights are in proportion to the values, and places to the time. */
static void
test_chart_line (void)
{
  GtkWidget *chart = viewer_chart_new ("Frame rate", "fps", one);
  GtkWidget *window = screen_show (chart, 800, 300);
  g_autoptr (Drawing) drawing = NULL;
  GdkRectangle all;
  double y[3];

  for (guint i = 0; i <= 60; i++)
    add (chart, i, i <= 20 ? 0 : i <= 40 ? 30 : 60, 0);
  drawing = screen_draw (chart);
  y[0] = line_at (drawing, 0.2, BLUE);
  y[1] = line_at (drawing, 0.55, BLUE);
  y[2] = line_at (drawing, 0.9, BLUE);
  g_assert_cmpfloat_with_epsilon (y[0] - y[2], 2 * (y[0] - y[1]), 1.5);
  g_assert_cmpfloat (y[0], >, 240);
  g_assert_cmpfloat (y[2], <, 60); /* 60 is a round number: the axis ends there */
  all = drawing_bounds (drawing, &(GdkRectangle){ 0, 20, 800, 280 }, BLUE);
  g_assert_cmpint (all.x, <, 80);
  g_assert_cmpint (all.x + all.width, >, 780);
  screen_close (window);
}

static void
test_chart_gap (void)
{
  GtkWidget *chart = viewer_chart_new ("Latency", "ms", two),
            *window = screen_show (chart, 800, 300);
  g_autoptr (Drawing) drawing = NULL;
  GdkRectangle gap = { 800 * 45 / 100, 20, 800 / 10, 280 };

  for (guint i = 0; i <= 60; i++)
    add (chart, i, i > 20 && i < 40 ? NAN : 1, 2);
  drawing = screen_draw (chart);
  g_assert_cmpuint (drawing_count (drawing, &gap, BLUE), ==, 0);
  g_assert_cmpuint (drawing_count (drawing, &gap, VERMILION), >, 50);
  line_at (drawing, 0.3, BLUE);
  line_at (drawing, 0.8, BLUE);
  screen_close (window);

  /* Nor is anything drawn where nothing was told. */
  chart = viewer_chart_new ("Latency", "ms", one);
  window = screen_show (chart, 800, 300);
  for (guint i = 0; i <= 60; i++)
    if (i <= 20 || i >= 40)
      add (chart, i, 1, 0);
  g_clear_pointer (&drawing, drawing_free);
  drawing = screen_draw (chart);
  g_assert_cmpuint (drawing_count (drawing, &gap, BLUE), ==, 0);
  screen_close (window);
}

static void
test_chart_text (void)
{
  GtkWidget *chart = viewer_chart_new ("Latency", "ms", two),
            *window = screen_show (chart, 800, 300);
  g_autoptr (Drawing) light = NULL;
  g_autoptr (Drawing) dark = NULL;
  GdkRectangle title = { 400, 0, 400, 20 };

  check_text (chart, "");
  add (chart, 0, 0.0874, 1);
  check_text (chart, "p50 0.0874 ms   p99 1 ms");
  add (chart, 1, 59.94, 1234.5);
  check_text (chart, "p50 59.9 ms   p99 1234 ms");
  add (chart, 2, NAN, -3);
  check_text (chart, "p50 –   p99 0 ms");
  add (chart, 3, INFINITY, 1e300);
  check_text (chart, "p50 –   p99 1e+15 ms");
  light = screen_draw (chart);
  g_assert_cmpuint (drawing_count_text (light, &title, BLUE), >, 40);
  g_assert_cmpuint (drawing_count_text (light, &title, VERMILION), >, 40);
  screen_set_dark (TRUE);
  dark = screen_draw (chart);
  screen_set_dark (FALSE);
  g_assert_cmpuint (drawing_count_text (dark, &title, BLUE), ==, 0);
  g_assert_cmpuint (drawing_count_text (dark, &title, 0x56b4e9), >, 40);
  viewer_chart_clear (VIEWER_CHART (chart));
  check_text (chart, "");
  screen_close (window);
}

/* Where the values have no room beside the title they stand below it. */
static void
test_chart_title (void)
{
  GtkWidget *chart = viewer_chart_new ("Publish to lease", "ms", two),
            *window = screen_show (chart, 250, 200);
  GdkRectangle title = { 0, 0, 250, 14 }, below = { 100, 16, 150, 18 };
  g_autoptr (Drawing) alone = screen_draw (chart);
  g_autoptr (Drawing) full = NULL;

  add (chart, 0, 0.0874, 0.123);
  full = screen_draw (chart);
  g_assert_cmpuint (drawing_count_text (full, &below, BLUE), >, 40);
  g_assert_cmpuint (drawing_count_text (full, &below, VERMILION), >, 40);
  for (int y = title.y; y < title.height; y++)
    for (int x = title.x; x < title.width; x++)
      g_assert_cmphex (drawing_get (full, x, y), ==, drawing_get (alone, x, y));
  screen_close (window);
}

/* What is older than a minute does not count: two charts, one with a past, are drawn the same. */
static void
test_chart_window (void)
{
  Drawing *drawings[2];

  for (guint past = 0; past < 2; past++)
    {
      GtkWidget *chart = viewer_chart_new ("Frame rate", "fps", one);
      GtkWidget *window = screen_show (chart, 800, 300);

      for (guint i = 0; past && i <= 10; i++)
        add (chart, i, 100000, 0);
      for (guint i = 100; i <= 170; i++)
        add (chart, i, i % 7, 0);
      drawings[past] = screen_draw (chart);
      screen_close (window);
    }
  g_assert_cmpmem (drawings[0]->pixels, 800 * 300 * 4, drawings[1]->pixels, 800 * 300 * 4);
  drawing_free (drawings[0]);
  drawing_free (drawings[1]);
}

static void
test_chart_hostile (void)
{
  static const double values[] = { INFINITY, -INFINITY, NAN, 1e300, -1, 1e-300, 0, 1e15 };
  GtkWidget *chart = viewer_chart_new ("<b>&amp;", "ms", two),
            *window = screen_show (chart, 800, 300);
  g_autoptr (Drawing) drawing = screen_draw (chart); /* nothing yet */

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    for (guint j = 0; j < 2; j++)
      {
        g_autoptr (Drawing) drawn = NULL;

        add (chart, i, values[i], j ? values[i] : NAN);
        drawn = screen_draw (chart);
      }
  add (chart, -5, 1, 1); /* back in time: another clock */
  check_text (chart, "p50 1 ms   p99 1 ms");
  for (guint i = 0; i < 20000; i++)
    add (chart, i / 1e3, i, i);
  gtk_window_set_default_size (GTK_WINDOW (window), 1, 1);
  screen_settle (chart);
  g_clear_pointer (&drawing, drawing_free);
  drawing = screen_draw (chart);
  screen_close (window);
}

static GdkRectangle
bar (GtkWidget *chart, guint64 bound_ns)
{
  g_autoptr (Drawing) drawing = NULL;
  GdkRectangle plot = { 0, 20, 800, 280 };

  viewer_chart_set_bars (VIEWER_CHART (chart), (guint64[]){ bound_ns }, (guint64[]){ 7 }, 1);
  check_text (chart, "7 counted");
  drawing = screen_draw (chart);
  return drawing_bounds (drawing, &plot, BLUE);
}

static void
test_chart_bars (void)
{
  GtkWidget *chart = viewer_chart_new_histogram ("Latency"),
            *window = screen_show (chart, 800, 300);
  GdkRectangle us10 = bar (chart, 10000), us100 = bar (chart, 100000), ms10 = bar (chart, 10000000);
  GdkRectangle least = bar (chart, 0), most = bar (chart, G_MAXUINT64), tall, small;
  g_autoptr (Drawing) drawing = NULL;

  g_assert_cmpint (us10.width, >, 5);
  g_assert_cmpint (ABS ((ms10.x - us100.x) - 2 * (us100.x - us10.x)), <=, 2);
  g_assert_cmpint (ABS (6 * (us100.x - us10.x) - (most.x + most.width - least.x)), <=, 8);
  g_assert_cmpint (least.x, <, us10.x);
  g_assert_cmpint (most.x, >, ms10.x + 200);
  g_assert_cmpint (most.x + most.width, <, 800);

  viewer_chart_set_bars (VIEWER_CHART (chart), (guint64[]){ 10000000, 10000 },
                         (guint64[]){ 50, 100 }, 2);
  drawing = screen_draw (chart);
  tall = drawing_bounds (drawing, &(GdkRectangle){ 0, 20, us100.x, 280 }, BLUE);
  small = drawing_bounds (drawing, &(GdkRectangle){ us100.x, 20, 800, 280 }, BLUE);
  g_assert_cmpint (ABS (tall.height - 2 * small.height), <=, 2);
  viewer_chart_set_bars (VIEWER_CHART (chart), (guint64[]){ 1, 2 },
                         (guint64[]){ G_MAXUINT64, G_MAXUINT64 }, 2);
  g_clear_pointer (&drawing, drawing_free);
  drawing = screen_draw (chart);
  viewer_chart_set_bars (VIEWER_CHART (chart), NULL, NULL, 0);
  check_text (chart, "");
  screen_close (window);
}

/* ---- scopes -------------------------------------------------------------------------------- */

static guint computed;

void __real_picture_get_histogram (const Picture *, PictureHistogram *);
void __wrap_picture_get_histogram (const Picture *, PictureHistogram *);
void __real_picture_get_waveform (const Picture *, guint, guint32 *);
void __wrap_picture_get_waveform (const Picture *, guint, guint32 *);

void
__wrap_picture_get_histogram (const Picture *picture, PictureHistogram *histogram)
{
  computed++;
  __real_picture_get_histogram (picture, histogram);
}

void
__wrap_picture_get_waveform (const Picture *picture, guint columns, guint32 *waveform)
{
  computed++;
  __real_picture_get_waveform (picture, columns, waveform);
}

/* Left and right half; and it is gone when the call returns, as a session's may be. */
static void
set_halves (GtkWidget *scope, guint width, guint height, guint32 left, guint32 right)
{
  guint32 *pixels = g_new (guint32, width * height);
  g_autoptr (Picture) picture = g_new0 (Picture, 1);

  for (guint i = 0; i < width * height; i++)
    pixels[i] = 0xff000000 | (i % width < width / 2 ? left : right);
  picture->width = width;
  picture->height = height;
  picture->opaque = TRUE;
  picture->bytes = g_bytes_new_take (pixels, (gsize) width * height * 4);
  viewer_scope_set_picture (VIEWER_SCOPE (scope), picture);
}

/* Waits until it has computed what was set last. */
static Drawing *
draw_scope (GtkWidget *scope, guint before)
{
  screen_await (computed > before);
  return screen_draw (scope);
}

/* Where red's curve goes up: from *first on, so many columns. Its edges are between pixels. */
static int
find_red (const Drawing *drawing, int *first)
{
  int n = 0;

  for (int x = 0; x < drawing->width; x++)
    {
      guint32 pixel = drawing_get (drawing, x, 100);

      if ((pixel >> 16 & 255) < (pixel >> 8 & 255) + 30 || (pixel >> 16 & 255) < (pixel & 255) + 30)
        continue;
      if (n++ == 0)
        *first = x;
    }
  return n;
}

static int
red_peak (GtkWidget *scope, guint32 red)
{
  guint before = computed;
  g_autoptr (Drawing) drawing = NULL;
  int first = 0, n;

  set_halves (scope, 64, 64, red << 16, red << 16);
  drawing = draw_scope (scope, before);
  n = find_red (drawing, &first);
  g_assert_cmpint (n, >, 0);
  g_assert_cmpint (n, <, 8);
  return first;
}

static void
test_histogram_peaks (void)
{
  GtkWidget *scope = viewer_scope_new (VIEWER_SCOPE_HISTOGRAM);
  GtkWidget *window = screen_show (scope, 800, 300);
  int at[3] = { red_peak (scope, 64), red_peak (scope, 128), red_peak (scope, 192) };
  guint before = computed;
  g_autoptr (Drawing) drawing = NULL;

  g_assert_cmpint (at[1] - at[0], >, 170);
  g_assert_cmpint (ABS ((at[2] - at[1]) - (at[1] - at[0])), <=, 2);

  viewer_scope_set_picture (VIEWER_SCOPE (scope), NULL);
  drawing = screen_draw (scope);
  g_assert_cmpuint (computed, ==, before);
  g_assert_cmpint (find_red (drawing, &at[0]), ==, 0);
  screen_close (window);
}

/* Is the waveform at this part of the plot's height (from below) in the middle of a half? */
static gboolean
is_lit (const Drawing *drawing, gboolean right, double part)
{
  /* The plot: 0 to 255 between half a line of text from the top and the bottom. */
  GdkRectangle in = { right ? 600 : 250, (int) (8 + (1 - part) * 284) - 4, 30, 8 };
  guint lit = 0;

  for (int y = MAX (0, in.y); y < MIN (300, in.y + in.height); y++)
    for (int x = in.x; x < in.x + in.width; x++)
      lit += drawing_get (drawing, x, y) >> 24 > 90; /* one luma may be between two rows */
  return lit >= 30;
}

static void
test_waveform (void)
{
  GtkWidget *scope = viewer_scope_new (VIEWER_SCOPE_WAVEFORM);
  GtkWidget *window = screen_show (scope, 800, 300);

  for (guint dark = 0; dark < 2; dark++)
    {
      guint before = computed;
      g_autoptr (Drawing) drawing = NULL;

      screen_set_dark (dark);
      set_halves (scope, 640, 360, 0x404040, 0xc0c0c0);
      drawing = draw_scope (scope, before);
      g_assert_true (is_lit (drawing, FALSE, 64 / 255.0));
      g_assert_false (is_lit (drawing, FALSE, 192 / 255.0));
      g_assert_false (is_lit (drawing, FALSE, 128 / 255.0));
      g_assert_false (is_lit (drawing, TRUE, 64 / 255.0));
      g_assert_true (is_lit (drawing, TRUE, 192 / 255.0));
    }
  screen_set_dark (FALSE);
  screen_close (window);
}

/* Pictures in a burst: few are computed, the last one is. */
static void
test_scope_burst (void)
{
  GtkWidget *scope = viewer_scope_new (VIEWER_SCOPE_WAVEFORM);
  GtkWidget *window = screen_show (scope, 800, 300);
  guint before = computed;

  for (guint i = 0; i < 1000; i++)
    set_halves (scope, 64, 64, i < 999 ? 0x404040 : 0xc0c0c0, 0x404040);
  g_assert_cmpuint (computed, ==, before + 1);
  screen_await (computed == before + 2);
  {
    g_autoptr (Drawing) drawing = screen_draw (scope);

    g_assert_true (is_lit (drawing, FALSE, 192 / 255.0));
    g_assert_false (is_lit (drawing, FALSE, 64 / 255.0));
  }
  screen_close (window);
}

static void
test_scope_unmapped (void)
{
  for (ViewerScopeKind kind = VIEWER_SCOPE_HISTOGRAM; kind <= VIEWER_SCOPE_WAVEFORM; kind++)
    {
      GtkWidget *scope = viewer_scope_new (kind), *window = screen_show (scope, 800, 300);
      guint before = computed;

      gtk_widget_set_visible (scope, FALSE);
      set_halves (scope, 64, 64, 0, 0xffffff);
      screen_settle (window);
      g_assert_cmpuint (computed, ==, before);
      gtk_widget_set_visible (scope, TRUE);
      screen_await (computed == before + 1);
      screen_close (window);
    }
}

static void
test_scope_odd (void)
{
  static const guint sizes[][2] = { { 1, 1 }, { 2, 1 }, { 1, 4000 }, { 4097, 3 } };
  g_autoptr (Picture) lying = g_new0 (Picture, 1);

  lying->width = lying->height = G_MAXUINT;
  lying->bytes = g_bytes_new_static ("1234", 4);
  for (ViewerScopeKind kind = VIEWER_SCOPE_HISTOGRAM; kind <= VIEWER_SCOPE_WAVEFORM; kind++)
    {
      GtkWidget *scope = viewer_scope_new (kind), *window = screen_show (scope, 800, 300);
      guint before = computed;

      for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
        {
          g_autoptr (Drawing) drawing = NULL;

          set_halves (scope, sizes[i][0], sizes[i][1], 0x102030, 0xffffff);
          drawing = draw_scope (scope, before);
          before = computed;
        }
      viewer_scope_set_picture (VIEWER_SCOPE (scope), lying);
      screen_settle (scope);
      g_assert_cmpuint (computed, ==, before);
      screen_close (window);
    }
}

int
main (int argc, char **argv)
{
  int failed;

  screen_begin (&argc, &argv);
  g_test_add_func ("/chart/line", test_chart_line);
  g_test_add_func ("/chart/gap", test_chart_gap);
  g_test_add_func ("/chart/text", test_chart_text);
  g_test_add_func ("/chart/title", test_chart_title);
  g_test_add_func ("/chart/window", test_chart_window);
  g_test_add_func ("/chart/hostile", test_chart_hostile);
  g_test_add_func ("/chart/bars", test_chart_bars);
  g_test_add_func ("/scope/histogram", test_histogram_peaks);
  g_test_add_func ("/scope/waveform", test_waveform);
  g_test_add_func ("/scope/burst", test_scope_burst);
  g_test_add_func ("/scope/unmapped", test_scope_unmapped);
  g_test_add_func ("/scope/odd", test_scope_odd);
  failed = g_test_run ();
  screen_end ();
  return failed;
}
