/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The slot map, the list of consumers and the event log of frame-viewer: known views and lines, what is
 * drawn and said of them. */
#include "viewer-screen.h"

#include "../tools/viewer/consumer-list.h"
#include "../tools/viewer/event-log.h"
#include "../tools/viewer/pool-name.h"
#include "../tools/viewer/slot-grid.h"
#include "../tools/viewer/slot-map.h"

#define MARKUP "<b>&amp;</b>\x1b[31m\n\xff\u202e"
#define CLEANED "<b>&amp;</b>?[31m?\ufffd?"

/* ---- views by hand ------------------------------------------------------------------------- */

static void
clear_slot (gpointer data)
{
  g_ptr_array_unref (((SlotView *) data)->holders);
}

static PoolView *
new_view (guint64 epoch, guint window, guint n_consumers)
{
  PoolView *self = g_new0 (PoolView, 1);
  GVariantDict stats;

  self->slots = g_array_new (FALSE, FALSE, sizeof (SlotView));
  g_array_set_clear_func (self->slots, clear_slot);
  self->consumers = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_variant_dict_init (&stats, NULL);
  g_variant_dict_insert (&stats, "epoch", "t", epoch);
  g_variant_dict_insert (&stats, "window", "u", window);
  g_variant_dict_insert (&stats, "n-consumers", "u", n_consumers);
  g_variant_dict_insert (&stats, "live", "b", epoch == 99);
  self->stats = g_variant_ref_sink (g_variant_dict_end (&stats));
  return self;
}

static void
set_dropped (PoolView *view, guint64 dropped)
{
  GVariantDict stats;

  g_variant_dict_init (&stats, view->stats);
  g_variant_dict_insert (&stats, "dropped", "t", dropped);
  g_variant_unref (view->stats);
  view->stats = g_variant_ref_sink (g_variant_dict_end (&stats));
}

/* holders: words between blanks */
static void
add_slot (PoolView *view, SlotState state, gboolean pinned, guint64 sequence, const char *holders)
{
  g_auto (GStrv) names = g_strsplit (holders, " ", -1);
  SlotView slot = { state, pinned, sequence << 2 | 1, sequence, 16700000, 3110400, 1, NULL };

  slot.holders = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; names[i] != NULL; i++)
    g_ptr_array_add (slot.holders, g_strdup (names[i]));
  g_array_append_val (view->slots, slot);
}

static void
add_consumer (PoolView *view, guint id, const char *program, const char *delivery, guint leases,
              guint held, guint64 lag, guint64 drops)
{
  g_autofree char *valid = g_utf8_make_valid (program, -1);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "u", id);
  g_variant_dict_insert (&dict, "pid", "u", 4000 + id);
  g_variant_dict_insert (&dict, "program", "s", valid);
  g_variant_dict_insert (&dict, "delivery", "s", delivery);
  g_variant_dict_insert (&dict, "wait", "s", "sleep");
  g_variant_dict_insert (&dict, "leases", "u", leases);
  g_variant_dict_insert (&dict, "held", "u", held);
  g_variant_dict_insert (&dict, "lag", "t", lag);
  g_variant_dict_insert (&dict, "drops", "t", drops);
  g_variant_dict_insert (&dict, "longest-hold-ns", "t", (guint64) 12345678);
  g_variant_dict_insert (&dict, "latency-p50-ns", "t", (guint64) 87000);
  g_variant_dict_insert (&dict, "latency-p99-ns", "t", (guint64) 0);
  g_ptr_array_add (view->consumers, g_variant_ref_sink (g_variant_dict_end (&dict)));
}

static guint32
hue (PaintHue which)
{
  GdkRGBA c;

  paint_hue (which, &c);
  return (guint32) (c.red * 255 + 0.5f) << 16 | (guint32) (c.green * 255 + 0.5f) << 8
         | (guint32) (c.blue * 255 + 0.5f);
}

/* ---- slot map ------------------------------------------------------------------------------ */

static ViewerSlotGrid *
grid_of (GtkWidget *map)
{
  return VIEWER_SLOT_GRID (screen_find (map, "slot-grid"));
}

static PoolView *
make_states (void)
{
  PoolView *view = new_view (1, 4, 1);

  add_slot (view, SLOT_STATE_FREE, FALSE, 3, "");
  add_slot (view, SLOT_STATE_WRITING, FALSE, 4, "");
  add_slot (view, SLOT_STATE_LIVE, FALSE, 8, "");
  add_slot (view, SLOT_STATE_LIVE, TRUE, 10, "4001 #7");
  add_slot (view, SLOT_STATE_LIVE, FALSE, 9, "4001");
  add_slot (view, SLOT_STATE_LIVE, TRUE, 7, "");
  add_slot (view, SLOT_STATE_RETIRED, TRUE, 6, "");
  add_slot (view, SLOT_STATE_RETIRED, FALSE, 5, "4002");
  add_slot (view, SLOT_STATE_UNCOMMITTED, FALSE, 0, "");
  add_slot (view, SLOT_STATE_UNCOMMITTED, FALSE, 0, "");
  add_consumer (view, 1, "recorder", "ordered", 4, 2, 0, 0);
  return view;
}

/* Fill by state, bar by lease, ink that can be read. */
static void
check_tile (ViewerSlotGrid *grid, const Drawing *drawing, guint slot, int fill, gboolean bar)
{
  GdkRectangle tile, corner, left;
  guint area;

  g_assert_true (viewer_slot_grid_get_tile (grid, slot, &tile));
  corner = (GdkRectangle){ tile.x + tile.width - 4, tile.y + tile.height - 4, 3, 3 };
  if (fill >= 0)
    g_assert_cmpuint (drawing_count (drawing, &corner, hue (fill)), ==, 9);
  else
    g_assert_cmphex (drawing_get (drawing, corner.x, corner.y), ==, 0);
  left = (GdkRectangle){ tile.x, tile.y, 5, tile.height };
  area = 5 * (guint) tile.height;
  if (bar || fill == HUE_BLUE)
    g_assert_cmpuint (drawing_count (drawing, &left, hue (HUE_BLUE)), ==, area);
  else
    g_assert_cmpuint (drawing_count (drawing, &left, hue (HUE_BLUE)), ==, 0);
  if (fill >= 0)
    g_assert_cmpuint (drawing_count (drawing, &tile, fill == HUE_BLUE ? 0xffffff : 0x000000), >,
                      10);
}

static void
test_slot_states (void)
{
  g_autoptr (PoolView) view = make_states ();
  GtkWidget *map = viewer_slot_map_new (), *window = screen_show (map, 900, 500);
  ViewerSlotGrid *grid = grid_of (map);
  static const int fills[]
      = { -1, HUE_ORANGE, HUE_SKY, HUE_GREEN, HUE_BLUE, HUE_PINK, HUE_PINK, HUE_VERMILION, -1, -1 };
  GdkRectangle shared[2];

  viewer_slot_map_set_view (VIEWER_SLOT_MAP (map), view);
  for (guint dark = 0; dark < 2; dark++)
    {
      g_autoptr (Drawing) drawing = NULL;

      screen_set_dark (dark);
      drawing = screen_draw (GTK_WIDGET (grid));
      for (guint i = 0; i < G_N_ELEMENTS (fills); i++)
        check_tile (grid, drawing, i, fills[i], i == 3 || i == 7);
      /* The outline of a free slot is of the theme's text colour. */
      viewer_slot_grid_get_tile (grid, 0, &shared[0]);
      if (dark)
        g_assert_cmpuint (drawing_get (drawing, shared[0].x, shared[0].y) & 255, >, 100);
      else
        g_assert_cmpuint (drawing_get (drawing, shared[0].x, shared[0].y) & 255, <, 60);
    }
  screen_set_dark (FALSE);
  viewer_slot_grid_get_tile (grid, 8, &shared[0]);
  viewer_slot_grid_get_tile (grid, 9, &shared[1]);
  g_assert_true (gdk_rectangle_equal (&shared[0], &shared[1]));
  screen_close (window);
}

static void
check_text (ViewerSlotGrid *grid, guint slot, const char *expected)
{
  g_autofree char *text = slot_tiles_dup_text (viewer_slot_grid_get_tiles (grid), slot);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_slot_texts (void)
{
  g_autoptr (PoolView) view = make_states ();
  GtkWidget *map = viewer_slot_map_new (), *window = screen_show (map, 900, 500);
  ViewerSlotGrid *grid = grid_of (map);
  const SlotTiles *tiles = viewer_slot_grid_get_tiles (grid);
  Tile tile = { 3, SLOT_LATEST };
  g_autofree char *full = NULL;
  g_autofree char *small = NULL;

  viewer_slot_map_set_view (VIEWER_SLOT_MAP (map), view);
  check_text (grid, 3,
              "Slot 3: latest, pinned, leased\nsequence 10, generation 0x29\n"
              "age 16.7 ms, payload 3.1 MB, format 1\nheld by recorder 4001, #7");
  check_text (grid, 7,
              "Slot 7: retired, leased\nsequence 5, generation 0x15\n"
              "age 16.7 ms, payload 3.1 MB, format 1\nheld by 4002");
  check_text (grid, 10, NULL);
  full = slot_tiles_dup_label (tiles, &tile, TILE_FULL);
  g_assert_cmpstr (full, ==, "3 latest, pinned, leased\n#10, 16.7 ms\ngen 0x29\nrecorder 4001, #7");
  small = slot_tiles_dup_label (tiles, &tile, TILE_SMALL);
  g_assert_cmpstr (small, ==, "La");
  g_assert_true (screen_has_text (screen_find (map, "slot-legend"),
                                  "\u00a0Fr\u00a0\u00a0free\u00a01\u2003\u00a0Wr\u00a0"));
  for (guint i = 0; i < N_SLOT_KINDS; i++)
    {
      static const guint counts[] = { 1, 1, 1, 1, 3, 3, 1, 2 };

      g_assert_cmpuint (tiles->counts[i], ==, counts[i]);
    }

  viewer_slot_map_set_view (VIEWER_SLOT_MAP (map), NULL);
  check_text (grid, 3, NULL);
  g_assert_true (screen_has_text (map, "No pool."));
  g_assert_false (screen_has_text (map, "free"));
  screen_close (window);
}

static void
test_slot_many (void)
{
  g_autoptr (PoolView) view = new_view (1, 4, 0);
  GtkWidget *map = viewer_slot_map_new (), *window = screen_show (map, 500, 300);
  ViewerSlotGrid *grid = grid_of (map);
  g_autoptr (Drawing) before = NULL;
  g_autoptr (Drawing) after = NULL;
  GdkRectangle tile;

  for (guint i = 0; i < 1024; i++)
    add_slot (view, i < 1000 ? SLOT_STATE_FREE : SLOT_STATE_LIVE, FALSE, i, "");
  viewer_slot_map_set_view (VIEWER_SLOT_MAP (map), view);
  before = screen_draw (GTK_WIDGET (grid));
  g_assert_cmpuint (drawing_count (before, NULL, hue (HUE_SKY)), ==, 0);
  g_assert_true (viewer_slot_grid_get_tile (grid, 0, &tile));
  g_assert_false (viewer_slot_grid_get_tile (grid, 1023, &tile));

  /* As a person: a click, then the End key. */
  screen_point (GTK_WIDGET (grid), 5, 5);
  screen_do ("click", "1", NULL);
  screen_await (viewer_slot_grid_get_cursor (grid) == 0);
  g_assert_true (screen_has_text (map, "Slot 0: free"));
  screen_do ("key", "End", NULL);
  screen_await (viewer_slot_grid_get_cursor (grid) == 1023);
  g_assert_true (screen_has_text (map, "Slot 1023: latest"));
  screen_do ("key", "Left", NULL);
  screen_await (viewer_slot_grid_get_cursor (grid) == 1022);
  after = screen_draw (GTK_WIDGET (grid));
  g_assert_cmpuint (drawing_count (after, NULL, hue (HUE_SKY)), >, 1000);
  g_assert_false (viewer_slot_grid_get_tile (grid, 0, &tile));
  g_assert_true (viewer_slot_grid_get_tile (grid, 1023, &tile));
  g_assert_cmpuint (drawing_count (after, &tile, hue (HUE_GREEN)), >, 100);

  /* The slot goes: so does what was said of it, and the end is in sight. */
  g_array_set_size (view->slots, 10);
  viewer_slot_map_set_view (VIEWER_SLOT_MAP (map), view);
  g_assert_true (screen_has_text (map, "Click a slot"));
  screen_settle (map);
  g_assert_true (viewer_slot_grid_get_tile (grid, 0, &tile));
  screen_close (window);
}

static void
test_slot_hostile (void)
{
  g_autoptr (PoolView) view = new_view (1, 4, 1);
  g_autoptr (GString) holders = g_string_new (NULL);
  g_autofree char *text = NULL;
  GtkWidget *map = viewer_slot_map_new (), *window = screen_show (map, 900, 500);
  g_autofree char *program
      = g_strconcat (MARKUP, "long, longer, longest, and still not at an end", NULL);
  g_autoptr (Drawing) drawing = NULL;

  for (guint i = 0; i < 500; i++)
    g_string_append_printf (holders, "%s%u", i > 0 ? " " : "", 4001 + i);
  add_slot (view, SLOT_STATE_LIVE, FALSE, G_MAXUINT64, holders->str);
  add_slot (view, SLOT_STATE_LIVE, FALSE, 0, "4001");
  add_consumer (view, 1, program, "ordered", 4, 2, 0, 0);
  viewer_slot_map_set_view (VIEWER_SLOT_MAP (map), view);
  text = slot_tiles_dup_text (viewer_slot_grid_get_tiles (grid_of (map)), 0);
  g_assert_nonnull (strstr (text, "held by " CLEANED "long, longer, longe… 4001, 4002, "));
  g_assert_nonnull (strstr (text, " 4016 and 484 more"));
  drawing = screen_draw (map);
  g_assert_cmpuint (drawing_count (drawing, NULL, hue (HUE_GREEN)), >, 100);
  g_array_set_size (view->slots, 0);
  viewer_slot_map_set_view (VIEWER_SLOT_MAP (map), view);
  screen_settle (map);
  screen_close (window);
}

/* Nothing is computed while it is not seen; what came meanwhile is there once it is. */
static void
test_slot_unmapped (void)
{
  GtkWidget *map = viewer_slot_map_new (), *window = screen_show (map, 900, 500);
  const SlotTiles *tiles = viewer_slot_grid_get_tiles (grid_of (map));
  PoolView *view = make_states ();

  gtk_widget_set_visible (map, FALSE);
  viewer_slot_map_set_view (VIEWER_SLOT_MAP (map), view);
  pool_view_free (view);
  g_assert_cmpuint (tiles->tiles->len, ==, 0);
  gtk_widget_set_visible (map, TRUE);
  screen_await (gtk_widget_get_mapped (map));
  g_assert_cmpuint (tiles->tiles->len, ==, 9);
  screen_close (window);
}

/* ---- consumers ----------------------------------------------------------------------------- */

static void
check_cell (GtkWidget *list, guint row, ConsumerColumn column, const char *expected)
{
  g_assert_cmpstr (viewer_consumer_list_get_cell (VIEWER_CONSUMER_LIST (list), row, column), ==,
                   expected);
}

static void
test_consumer_cells (void)
{
  GtkWidget *list = viewer_consumer_list_new (), *window = screen_show (list, 1100, 300);
  static const char *const cells[] = { "recorder", "4001", "ordered", "2", "4",    "7", "3", "-",
                                       "12.3 ms",  "",     "87.0 us", "-", "sleep" };

  for (guint held = 2; held < 4; held++)
    {
      g_autoptr (PoolView) view = new_view (1, 16, 1);

      add_consumer (view, 1, "recorder", "ordered", 4, held, 7, 3);
      viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (list), view);
      for (guint i = 0; held == 2 && i < N_CONSUMER_COLUMNS; i++)
        check_cell (list, 0, i, cells[i]);
      check_cell (list, 0, CONSUMER_HELD, held == 2 ? "2" : "3");
      screen_await (screen_has_text (list, "recorder") && screen_has_text (list, "12.3 ms"));
    }
  check_cell (list, 1, CONSUMER_PID, NULL);
  g_assert_true (screen_has_text (screen_find (list, "consumer-summary"), "1 consumer"));
  viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (list), NULL);
  check_cell (list, 0, CONSUMER_PID, NULL);
  g_assert_true (screen_has_text (list, "No pool."));
  g_assert_false (screen_has_text (list, "recorder"));
  screen_close (window);
}

static PoolView *
make_crowd (guint without)
{
  PoolView *view = new_view (1, 16, 300);

  for (guint i = 1; i <= 128; i++)
    if (i != without)
      add_consumer (view, i, "reader", "ordered", 4, i % 4, i, 0);
  return view;
}

/* A row is the same consumer's as long as it is attached: selection and scrolling stay. */
static void
test_consumer_rows (void)
{
  g_autoptr (PoolView) all = make_crowd (0), without = make_crowd (2), again = new_view (2, 16, 1);
  GtkWidget *list = viewer_consumer_list_new (), *window = screen_show (list, 1100, 300);
  GtkWidget *table = screen_find (list, "consumers");
  GtkSingleSelection *selection
      = GTK_SINGLE_SELECTION (gtk_column_view_get_model (GTK_COLUMN_VIEW (table)));
  GtkAdjustment *scroll = gtk_scrollable_get_vadjustment (GTK_SCROLLABLE (table));
  gpointer selected;

  viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (list), all);
  g_assert_true (screen_has_text (list, "128 of 300 consumers"));
  g_assert_null (gtk_single_selection_get_selected_item (selection));
  gtk_single_selection_set_selected (selection, 63);
  selected = gtk_single_selection_get_selected_item (selection);
  screen_settle (list);
  gtk_adjustment_set_value (scroll, 1000);
  screen_settle (list);
  viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (list), all);
  screen_settle (list);
  g_assert_cmpfloat (gtk_adjustment_get_value (scroll), ==, 1000);

  viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (list), without);
  g_assert_true (gtk_single_selection_get_selected_item (selection) == selected);
  g_assert_cmpuint (gtk_single_selection_get_selected (selection), ==, 62);
  check_cell (list, 0, CONSUMER_PID, "4001");
  check_cell (list, 1, CONSUMER_PID, "4003");
  check_cell (list, 62, CONSUMER_PID, "4064");

  /* Another producer's consumer of the same number is another. */
  add_consumer (again, 64, "reader", "ordered", 4, 0, 0, 0);
  viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (list), again);
  g_assert_null (gtk_single_selection_get_selected_item (selection));
  check_cell (list, 0, CONSUMER_PID, "4064");
  check_cell (list, 1, CONSUMER_PID, NULL);
  screen_close (window);
}

static void
test_consumer_hints (void)
{
  static const struct
  {
    const char *delivery;
    guint leases, held, window;
    guint64 lag, epoch;
    const char *hint;
  } cases[] = {
    { "ordered", 4, 3, 16, 900, 1, "" },
    { "ordered", 4, 4, 16, 0, 1,
      "holds all of its 4 leases: it cannot get the next frame; release sooner or ask for more "
      "leases" },
    { "latest", 1, 1, 16, 0, 1,
      "holds its only lease: it cannot get the next frame; release sooner or ask for more leases" },
    { "latest", 0, 0, 0, 0, 1, "" },
    { "lossless", 4, 0, 16, 11, 1, "" },
    { "lossless", 4, 0, 16, 12, 1, "the producer will wait: 12 frames behind of a window of 16" },
    { "lossless", 4, 0, 16, 12, 99,
      "the producer will evict it: 12 frames behind of a window of 16" },
    { "lossless", 4, 0, 16, 16, 1,
      "the producer waits for it: 16 frames behind, all of a window of 16" },
    { "lossless", 4, 0, 1, 0, 1, "" },
    { "lossless", 4, 0, 1, 1, 99, "the producer evicts it: 1 frame behind, all of a window of 1" },
  };
  GtkWidget *list = viewer_consumer_list_new (), *window = screen_show (list, 1100, 300);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (PoolView) view = new_view (cases[i].epoch, cases[i].window, 1);

      add_consumer (view, i, "reader", cases[i].delivery, cases[i].leases, cases[i].held,
                    cases[i].lag, 0);
      viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (list), view);
      check_cell (list, 0, CONSUMER_HINT, cases[i].hint);
      screen_settle (list);
      g_assert_true (*cases[i].hint == '\0' || screen_has_text (list, cases[i].hint));
    }
  screen_close (window);
}

#define SLOW "too slow for its delivery, or a flush took them back: "
#define AGO " in the last second"

/* In tenths of a second: the drops and what is said of them. */
static void
test_consumer_drops (void)
{
  static const struct
  {
    guint at;
    guint64 drops;
    const char *rate, *hint;
  } steps[] = {
    { 10, 100, "-", "" },
    { 15, 110, "-", "" },
    { 20, 130, "30", SLOW "missed 30 frames" AGO },
    { 25, 130, "30", SLOW "missed 30 frames" AGO },
    { 30, 131, "1", SLOW "missed 1 frame" AGO },
    { 50, 151, "10", SLOW "missed 10 frames" AGO },
    { 60, 151, "0", "" },
    { 70, 5, "-", "" },    /* counts anew */
    { 120, 500, "-", "" }, /* nothing is known of the last second */
    { 130, 500, "0", "" },
  };
  GtkWidget *list = viewer_consumer_list_new (), *window = screen_show (list, 1100, 300);

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (PoolView) view = new_view (1, 16, 1);

      add_consumer (view, 1, "reader", "ordered", 4, 0, 0, steps[i].drops);
      viewer_consumer_list_set_view_at (VIEWER_CONSUMER_LIST (list), view,
                                        steps[i].at * G_GINT64_CONSTANT (100000000));
      check_cell (list, 0, CONSUMER_DROP_RATE, steps[i].rate);
      check_cell (list, 0, CONSUMER_HINT, steps[i].hint);
    }
  screen_close (window);
}

/* What the producer dropped is not held against a consumer that counts it too, now or later. */
static void
test_consumer_excused (void)
{
  static const struct
  {
    guint64 dropped, drops, lag;
    const char *rate, *hint;
  } steps[] = {
    { 50, 7, 2, "-", "" },
    { 50, 9, 0, "2", "" }, /* were on their way */
    { 80, 39, 0, "30", "" },
    { 90, 39, 10, "0", "" },
    { 90, 52, 0, "13", SLOW "missed 3 frames" AGO },
    { 91, 56, 0, "4", SLOW "missed 3 frames" AGO },
    { 91, 56, 0, "0", "" },
    { 3, 57, 0, "1", "" }, /* counts anew */
    { 3, 58, 0, "1", SLOW "missed 1 frame" AGO },
  };
  GtkWidget *list = viewer_consumer_list_new (), *window = screen_show (list, 1100, 300);

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (PoolView) view = new_view (1, 16, 1);

      set_dropped (view, steps[i].dropped);
      add_consumer (view, 1, "reader", "ordered", 4, 0, steps[i].lag, steps[i].drops);
      viewer_consumer_list_set_view_at (VIEWER_CONSUMER_LIST (list), view,
                                        (1 + i) * G_GINT64_CONSTANT (1000000000));
      check_cell (list, 0, CONSUMER_DROP_RATE, steps[i].rate);
      check_cell (list, 0, CONSUMER_HINT, steps[i].hint);
    }
  screen_close (window);
}

static void
test_consumer_hostile (void)
{
  g_autofree char *program = g_strnfill (5000, 'x');
  g_autoptr (PoolView) view = new_view (1, 16, 3);
  GtkWidget *list = viewer_consumer_list_new (), *window = screen_show (list, 1100, 300);

  add_consumer (view, 1, MARKUP, "<i>late\x1b", 4, 0, G_MAXUINT64, G_MAXUINT64);
  add_consumer (view, 1, MARKUP, "lossless", G_MAXUINT, G_MAXUINT, G_MAXUINT64, 0); /* again */
  add_consumer (view, 2, program, "", 0, G_MAXUINT, 0, 0);
  g_ptr_array_add (view->consumers,
                   g_variant_ref_sink (g_variant_new_parsed ("@a{sv} {'id': <'x'>, 'pid': <-1>}")));
  viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (list), view);
  check_cell (list, 0, CONSUMER_PROGRAM, CLEANED);
  check_cell (list, 0, CONSUMER_LAG, "18446744073709551615");
  g_assert_cmpint (
      g_utf8_strlen (
          viewer_consumer_list_get_cell (VIEWER_CONSUMER_LIST (list), 1, CONSUMER_PROGRAM), -1),
      ==, 64);
  check_cell (list, 2, CONSUMER_PID, "?");
  check_cell (list, 3, CONSUMER_PID, NULL);
  screen_await (screen_has_text (list, CLEANED));
  screen_close (window);
}

static void
test_consumer_unmapped (void)
{
  GtkWidget *list = viewer_consumer_list_new (), *window = screen_show (list, 1100, 300);
  PoolView *view = make_crowd (0);

  gtk_widget_set_visible (list, FALSE);
  viewer_consumer_list_set_view (VIEWER_CONSUMER_LIST (list), view);
  pool_view_free (view);
  check_cell (list, 0, CONSUMER_PID, NULL);
  gtk_widget_set_visible (list, TRUE);
  screen_await (gtk_widget_get_mapped (list));
  check_cell (list, 127, CONSUMER_PID, "4128");
  screen_close (window);
}

/* ---- the log ------------------------------------------------------------------------------- */

static guint
count_lines (GtkWidget *widget)
{
  g_autofree char *text = viewer_event_log_dup_text (VIEWER_EVENT_LOG (widget), FALSE);
  guint n = 0;

  for (const char *p = text; *p != '\0'; p++)
    n += *p == '\n';
  return n;
}

static void
add_lines (GtkWidget *log, guint n)
{
  for (guint i = 0; i < n; i++)
    viewer_event_log_add (VIEWER_EVENT_LOG (log), "gap", 1 + i, "the producer dropped a frame");
}

static void
test_log_lines (void)
{
  GtkWidget *log = viewer_event_log_new (), *window = screen_show (log, 800, 300);
  g_autofree char *long_text = g_strnfill (100000, 'x');
  g_autofree char *text = NULL;
  g_autoptr (Drawing) drawing = NULL;
  g_auto (GStrv) lines = NULL;

  viewer_event_log_add (VIEWER_EVENT_LOG (log), "attached", 0, "to cam0");
  viewer_event_log_add (VIEWER_EVENT_LOG (log), "freeze", 42, MARKUP);
  viewer_event_log_add (VIEWER_EVENT_LOG (log), MARKUP, G_MAXUINT64, long_text);
  viewer_event_log_add (VIEWER_EVENT_LOG (log), "consumer-attached", 43, "recorder");
  text = viewer_event_log_dup_text (VIEWER_EVENT_LOG (log), FALSE);
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 5);
  g_assert_true (g_regex_match_simple ("^\\d\\d:\\d\\d:\\d\\d\\.\\d{3}\tattached\t\tto cam0$",
                                       lines[0], 0, 0));
  g_assert_true (g_str_has_suffix (lines[1], "\tfreeze\t#42\t" CLEANED));
  g_assert_cmpint (g_utf8_strlen (lines[2], -1), <, 1100);
  g_assert_true (g_str_has_suffix (lines[3], "\tconsumer-attached\t#43\trecorder"));
  drawing = screen_draw (log);
  g_assert_cmpuint (drawing_count (drawing, NULL, hue (HUE_GREEN)), >, 100);
  g_assert_cmpuint (drawing_count (drawing, NULL, hue (HUE_VERMILION)), >, 100);
  g_assert_cmpuint (drawing_count (drawing, NULL, hue (HUE_ORANGE)), ==, 0);
  g_assert_true (screen_has_text (log, "<b>&amp;</b>"));

  add_lines (log, 1005);
  g_assert_cmpuint (count_lines (log), ==, 1000);
  viewer_event_log_clear (VIEWER_EVENT_LOG (log));
  g_assert_cmpuint (count_lines (log), ==, 0);
  screen_settle (log);
  screen_close (window);
}

static gboolean
at_end (GtkAdjustment *scroll)
{
  return gtk_adjustment_get_upper (scroll) > gtk_adjustment_get_page_size (scroll)
         && gtk_adjustment_get_value (scroll)
                >= gtk_adjustment_get_upper (scroll) - gtk_adjustment_get_page_size (scroll) - 1;
}

static void
test_log_follows (void)
{
  GtkWidget *log = viewer_event_log_new (), *window = screen_show (log, 800, 300);
  GtkAdjustment *scroll
      = gtk_scrollable_get_vadjustment (GTK_SCROLLABLE (screen_find (log, "event-log")));

  add_lines (log, 100);
  screen_await (at_end (scroll));
  screen_settle (log);
  gtk_adjustment_set_value (scroll, 0);
  screen_settle (log);
  add_lines (log, 10);
  screen_settle (log);
  g_assert_cmpfloat (gtk_adjustment_get_value (scroll), ==, 0);
  gtk_adjustment_set_value (scroll, gtk_adjustment_get_upper (scroll));
  screen_settle (log);
  add_lines (log, 10);
  screen_settle (log);
  screen_await (at_end (scroll));
  /* Past the most lines, where the first ones go. */
  add_lines (log, 1000);
  screen_settle (log);
  screen_await (at_end (scroll));
  /* What comes while it is not seen. */
  gtk_widget_set_visible (log, FALSE);
  add_lines (log, 50);
  screen_settle (window);
  gtk_widget_set_visible (log, TRUE);
  screen_await (gtk_widget_get_mapped (log));
  screen_settle (log);
  screen_await (at_end (scroll));
  screen_close (window);
}

static void
got_text (GObject *object, GAsyncResult *result, gpointer text)
{
  *(char **) text = gdk_clipboard_read_text_finish (GDK_CLIPBOARD (object), result, NULL);
}

static void
test_log_copy (void)
{
  GtkWidget *log = viewer_event_log_new (), *window = screen_show (log, 800, 300);
  GtkWidget *view = screen_find (log, "event-log");
  GtkSelectionModel *selection = gtk_list_view_get_model (GTK_LIST_VIEW (view));
  GdkClipboard *clipboard = gtk_widget_get_clipboard (log);
  g_autofree char *copied = NULL;
  g_autofree char *selected = NULL;

  add_lines (log, 5);
  screen_settle (log);
  screen_point (log, 100, 10);
  screen_do ("click", "1", NULL);
  screen_await (gtk_selection_model_is_selected (selection, 0));
  gtk_selection_model_select_item (selection, 2, FALSE);
  gtk_selection_model_select_item (selection, 4, FALSE);
  screen_do ("key", "ctrl+c", NULL);
  screen_await (gdk_clipboard_is_local (clipboard));
  gdk_clipboard_read_text_async (clipboard, NULL, got_text, &copied);
  screen_await (copied != NULL);
  selected = viewer_event_log_dup_text (VIEWER_EVENT_LOG (log), TRUE);
  g_assert_cmpstr (copied, ==, selected);
  g_assert_nonnull (strstr (copied, "#1\t"));
  g_assert_null (strstr (copied, "#2\t"));
  g_assert_nonnull (strstr (copied, "#5\t"));
  screen_close (window);
}

/* ---- names --------------------------------------------------------------------------------- */

static void
test_pool_name (void)
{
  static const char *const names[][2] = {
    { "cam0", "cam0" },           { "/run/shmframe/cam0.sock", "cam0" },
    { "/run/cam0", "cam0" },      { "/run/.sock", ".sock" },
    { "cam0.sock", "cam0.sock" }, { "/run/shmframe/gpj.\u202ecam\xff.sock", "gpj.?cam\ufffd" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *name = pool_dup_name (names[i][0]);

      g_assert_cmpstr (name, ==, names[i][1]);
    }
}

static void
test_pool_skipped (void)
{
  static const char *const texts[][2] = {
    { "pool /run/a b/cam0.sock: the producer died", "the producer died" },
    { "connecting to /run/cam0.sock: refused: it is full", "refused: it is full" },
    { "picture of gray 64x48: needs: too much", "needs: too much" },
    { "poolside: sunny", "poolside: sunny" },
    { "pool cam0", "pool cam0" },
    { "pool cam0: ", "pool cam0: " },
    { "", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    g_assert_cmpstr (pool_skip_object (texts[i][0]), ==, texts[i][1]);
}

int
main (int argc, char **argv)
{
  int failed;

  screen_begin (&argc, &argv);
  g_test_add_func ("/slot-map/states", test_slot_states);
  g_test_add_func ("/slot-map/texts", test_slot_texts);
  g_test_add_func ("/slot-map/many", test_slot_many);
  g_test_add_func ("/slot-map/hostile", test_slot_hostile);
  g_test_add_func ("/slot-map/unmapped", test_slot_unmapped);
  g_test_add_func ("/consumer-list/cells", test_consumer_cells);
  g_test_add_func ("/consumer-list/rows", test_consumer_rows);
  g_test_add_func ("/consumer-list/hints", test_consumer_hints);
  g_test_add_func ("/consumer-list/drops", test_consumer_drops);
  g_test_add_func ("/consumer-list/excused", test_consumer_excused);
  g_test_add_func ("/consumer-list/hostile", test_consumer_hostile);
  g_test_add_func ("/consumer-list/unmapped", test_consumer_unmapped);
  g_test_add_func ("/event-log/lines", test_log_lines);
  g_test_add_func ("/event-log/follows", test_log_follows);
  g_test_add_func ("/event-log/copy", test_log_copy);
  g_test_add_func ("/pool-name/shown", test_pool_name);
  g_test_add_func ("/pool-name/skipped", test_pool_skipped);
  failed = g_test_run ();
  screen_end ();
  return failed;
}
