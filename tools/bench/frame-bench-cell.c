/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures one cell and prints it as a line of JSON: what frame-bench runs, again and again. */

#include <string.h>

#include <glib.h>

#include "cell.h"

static char *way, *format;
static int frames = 300, jitter_us, fps, ms = 2000;
static gboolean list;
static BenchCell cell = { .width = 1920, .height = 1080, .n_consumers = 1 };

static const GOptionEntry entries[] = {
  { "list", 0, 0, G_OPTION_ARG_NONE, &list, "Print the ways and exit", NULL },
  { "way", 0, 0, G_OPTION_ARG_STRING, &way, "How frames are handed over", "WAY" },
  { "format", 0, 0, G_OPTION_ARG_STRING, &format, "NV12 or RGBA (NV12)", "FORMAT" },
  { "width", 0, 0, G_OPTION_ARG_INT, &cell.width, "In pixels (1920)", "N" },
  { "height", 0, 0, G_OPTION_ARG_INT, &cell.height, "In pixels (1080)", "N" },
  { "consumers", 0, 0, G_OPTION_ARG_INT, &cell.n_consumers, "Consumers at once (1)", "N" },
  { "slots", 0, 0, G_OPTION_ARG_INT, &cell.slots, "Slots of the pool; 0: the way's default", "N" },
  { "fps", 0, 0, G_OPTION_ARG_INT, &fps, "Frames a second; 0: back to back (0)", "N" },
  { "jitter", 0, 0, G_OPTION_ARG_INT, &jitter_us, "Frames are early or late by up to this", "US" },
  { "frames", 0, 0, G_OPTION_ARG_INT, &frames, "Frames to measure, at most (300)", "N" },
  { "time", 0, 0, G_OPTION_ARG_INT, &ms, "Time to measure, at most (2000)", "MS" },
  { "touch", 0, 0, G_OPTION_ARG_NONE, &cell.touch, "Write and read whole frames", NULL },
  G_OPTION_ENTRY_NULL
};

static const BenchWay *
find_way (const char *name)
{
  for (const BenchWay *const *found = bench_ways; *found; found++)
    if (g_strcmp0 ((*found)->name, name) == 0)
      return *found;
  return NULL;
}

static gboolean
complete (GError **error)
{
  gsize pixels = (gsize) cell.width * (gsize) cell.height;

  cell.way = find_way (way);
  cell.format = format ? format : "NV12";
  cell.size = strcmp (cell.format, "RGBA") == 0 ? pixels * 4 : pixels / 2 * 3;
  cell.interval_ns = fps ? 1000000000 / fps : 0;
  cell.jitter_ns = (gint64) jitter_us * 1000;
  cell.frames = frames;
  cell.most_ns = (gint64) ms * 1000000;
  if (!cell.way)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "no way '%s'; --list prints them",
                 way ? way : "");
  else if (strcmp (cell.format, "RGBA") != 0 && strcmp (cell.format, "NV12") != 0)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "format '%s': NV12 or RGBA",
                 cell.format);
  else if (cell.width < 16 || cell.height < 16 || cell.width > 16384 || cell.height > 16384
           || cell.width % 16 || cell.height % 2)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "%dx%d: give a width of 16, 32, ... 16384 and an even height", cell.width,
                 cell.height);
  else if (cell.jitter_ns > cell.interval_ns / 2)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "jitter of %d us: at most half of what --fps leaves between frames", jitter_us);
  else if (cell.n_consumers < 1 || cell.n_consumers > BENCH_CONSUMERS_MAX || cell.slots < 0
           || fps < 0 || jitter_us < 0 || frames < 1 || ms < 1)
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "numbers are positive, and consumers at most %d", BENCH_CONSUMERS_MAX);
  else
    return TRUE;
  return FALSE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- measure one cell");
  g_autoptr (GError) error = NULL;
  g_autofree char *result = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (g_option_context_parse (context, &argc, &argv, &error) && argc > 1)
    g_set_error (&error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "'%s' is no option", argv[1]);
  if (error || (!list && !complete (&error)))
    {
      g_printerr ("frame-bench-cell: %s\n", error->message);
      return 2;
    }
  if (list)
    {
      for (const BenchWay *const *found = bench_ways; *found; found++)
        g_print ("%s\t%s\n", (*found)->name, (*found)->title);
      return 0;
    }
  result = bench_run_cell (&cell);
  g_print ("%s\n", result);
  return strstr (result, "\"error\":") ? 1 : 0;
}
