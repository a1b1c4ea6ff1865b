/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common.h"
#include "json.h"
#include "picture.h"

#define POLL_US 2000
#define ASK_US (250 * 1000)                   /* whether the producer still lives */
#define PATIENCE_US (10 * G_TIME_SPAN_SECOND) /* without a frame */
#define NOT_GIVEN (-123456)
#define UNLIMITED 0

typedef struct
{
  const char *pool, *file;
  gboolean json, several;
  double every;    /* seconds; 0: each frame */
  gint count;      /* or UNLIMITED: until interrupted */
  gint64 sequence; /* 0: the newest */
  guint width, height;
  ShmFrameObserver *observer;
  PictureMaker *maker;
} Snapshot;

static volatile sig_atomic_t interrupted;

static void
interrupt (int number)
{
  interrupted = 1;
}

/* "%d" or "%04d" in the name becomes the number; where there is none, "-0001" goes before ".png". */
static char *
name_file (const Snapshot *self, guint number)
{
  g_autoptr (GRegex) regex = g_regex_new ("%(?:0([1-9]))?d", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *digits = NULL;
  int begin, end;

  if (!self->several)
    return g_strdup (self->file);
  if (!g_regex_match (regex, self->file, 0, &match))
    return g_strdup_printf ("%.*s-%04u.png", (int) (strlen (self->file) - strlen (".png")),
                            self->file, number);
  g_match_info_fetch_pos (match, 0, &begin, &end);
  digits = g_match_info_fetch (match, 1);
  return g_strdup_printf ("%.*s%0*u%s", begin, self->file,
                          digits != NULL && *digits != '\0' ? *digits - '0' : 1, number,
                          self->file + end);
}

/* The frame that is asked for, or one newer than `after`: tried again where it was overtaken. NULL
 * without an error: interrupted. */
static ShmFrameFrame *
await_frame (Snapshot *self, guint64 after, GError **error)
{
  gint64 begin_us = g_get_monotonic_time (), asked_us = begin_us;
  g_autoptr (GError) problem = NULL;

  while (!interrupted)
    {
      guint64 latest = shmframe_observer_get_latest (self->observer);
      gint64 now_us = g_get_monotonic_time ();

      if (latest > after && latest >= (guint64) self->sequence)
        {
          ShmFrameFrame *frame;

          g_clear_error (&problem);
          frame = shmframe_observer_copy_frame (self->observer, (guint64) self->sequence, &problem);
          if (frame != NULL)
            return frame;
          if (self->sequence != 0
              || (!g_error_matches (problem, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND)
                  && !g_error_matches (problem, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT)))
            {
              g_propagate_error (error, g_steal_pointer (&problem));
              return NULL;
            }
        }
      if (now_us - asked_us >= ASK_US)
        {
          g_autoptr (GVariant) stats
              = shmframe_observer_query_stats (self->observer, ANSWER_TIMEOUT_NS, error);

          if (stats == NULL)
            return NULL;
          asked_us = now_us;
        }
      if (now_us - begin_us >= PATIENCE_US)
        {
          g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT,
                       "pool %s: no frame for 10 s: %s", self->pool,
                       problem != NULL ? problem->message : "does its producer publish?");
          return NULL;
        }
      g_usleep (POLL_US);
    }
  return NULL;
}

static void
add_time (JsonBuilder *builder, const char *name, gint64 time_ns)
{
  json_builder_set_member_name (builder, name);
  if (time_ns != SHMFRAME_TIME_UNKNOWN)
    json_builder_add_int_value (builder, time_ns);
  else
    json_builder_add_null_value (builder);
}

static void
say_json (const char *file, ShmFrameFrame *frame, const Picture *picture, const char *format)
{
  JsonBuilder *builder = json_builder_new ();
  g_autofree char *name = g_utf8_make_valid (file, -1);
  g_autofree char *line = NULL;

  json_builder_begin_object (builder);
  json_add_string (builder, "file", name);
  json_add_number (builder, "sequence", shmframe_frame_get_sequence (frame));
  add_time (builder, "pts-ns", shmframe_frame_get_pts (frame));
  add_time (builder, "publish-ns", shmframe_frame_get_publish_time (frame));
  json_add_number (builder, "width", picture->width);
  json_add_number (builder, "height", picture->height);
  json_add_string (builder, "format-text", format);
  json_builder_end_object (builder);
  line = json_line (builder);
  g_print ("%s\n", line);
}

static gboolean
write_frame (Snapshot *self, ShmFrameFrame *frame, guint number, GError **error)
{
  g_autofree char *file = name_file (self, number);
  g_autofree char *format = shmframe_format_to_string (shmframe_frame_get_format (frame));
  g_autofree char *line = NULL;
  g_autofree char *text = NULL;
  g_autoptr (Picture) picture
      = picture_maker_convert (self->maker, frame, PICTURE_RGBA, self->width, self->height, error);

  if (picture == NULL || !picture_save (picture, file, error))
    return FALSE;
  if (self->json)
    {
      say_json (file, frame, picture, format);
      return TRUE;
    }
  line = g_strdup_printf ("%s: frame %" G_GUINT64_FORMAT ", %ux%u (%s)", file,
                          shmframe_frame_get_sequence (frame), picture->width, picture->height,
                          format);
  text = printable (line);
  g_print ("%s\n", text);
  return TRUE;
}

/* Until the time comes, or a signal. */
static void
sleep_until (gint64 time_us)
{
  gint64 left_us;

  while (!interrupted && (left_us = time_us - g_get_monotonic_time ()) > 0)
    g_usleep ((gulong) MIN (left_us, 20000));
}

static gboolean
take_all (Snapshot *self, GError **error)
{
  gint64 next_us = g_get_monotonic_time ();
  guint64 after = 0;

  for (guint number = 1; self->count == UNLIMITED || number <= (guint) self->count; number++)
    {
      g_autoptr (ShmFrameFrame) frame = NULL;

      sleep_until (next_us);
      next_us = MAX (next_us, g_get_monotonic_time () - G_TIME_SPAN_SECOND)
                + (gint64) (self->every * G_TIME_SPAN_SECOND);
      frame = await_frame (self, after, error);
      if (frame == NULL)
        return FALSE;
      after = shmframe_frame_get_sequence (frame);
      if (!write_frame (self, frame, number, error))
        return FALSE;
    }
  return TRUE;
}

/* What is wrong with the arguments; NULL: nothing. */
static const char *
find_mistake (Snapshot *self, char **arguments, const char *size)
{
  char rest;

  if (arguments == NULL || g_strv_length (arguments) != 2)
    return "takes two arguments, POOL and FILE.png";
  self->pool = arguments[0];
  self->file = arguments[1];
  if (strlen (self->file) <= strlen (".png") || !g_str_has_suffix (self->file, ".png"))
    return "writes PNG files: give it a name that ends in .png";
  if (size != NULL
      && (sscanf (size, "%5ux%5u%c", &self->width, &self->height, &rest) != 2
          || self->width > SHMFRAME_FORMAT_MAX_SIZE || self->height > SHMFRAME_FORMAT_MAX_SIZE))
    return "--size: give it as WIDTHxHEIGHT, up to 32768x32768; 0 for one of them keeps the shape";
  if (self->every == NOT_GIVEN)
    self->every = 0;
  if (self->count == NOT_GIVEN)
    self->count = self->several ? UNLIMITED : 1;
  else if (self->count < 1)
    return "--count: give it as a number from 1";
  if (!(self->every >= 0 && self->every <= 1e6) || self->sequence < 0)
    return "--every and --sequence: give them as numbers that are not negative";
  if (self->sequence != 0 && self->several)
    return "--sequence is one frame: it does not go with --every or --count";
  return NULL;
}

static int
run (Snapshot *self)
{
  struct sigaction action = { .sa_handler = interrupt };
  g_autoptr (PictureMaker) maker = picture_maker_new ();
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
  observer = shmframe_observer_new (self->pool, ANSWER_TIMEOUT_NS, &error);
  self->observer = observer;
  self->maker = maker;
  if (observer != NULL && take_all (self, &error))
    return EXIT_OK;
  if (error == NULL && self->count == UNLIMITED)
    return EXIT_OK;
  complain ("%s", error != NULL ? error->message : "interrupted");
  return EXIT_FAILED;
}

int
command_snapshot (int argc, char **argv)
{
  Snapshot self = { .every = NOT_GIVEN, .count = NOT_GIVEN };
  g_auto (GStrv) arguments = NULL;
  g_autofree char *size = NULL;
  const char *mistake;
  const GOptionEntry options[] = {
    { "every", 0, 0, G_OPTION_ARG_DOUBLE, &self.every, "One each S seconds, until interrupted",
      "S" },
    { "count", 0, 0, G_OPTION_ARG_INT, &self.count, "So many, each of another frame", "N" },
    { "sequence", 0, 0, G_OPTION_ARG_INT64, &self.sequence, "That frame, not the newest", "N" },
    { "size", 0, 0, G_OPTION_ARG_STRING, &size,
      "Scale to that size; 0 for one of them keeps the shape", "WxH" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self.json, "Print a line of JSON for each file", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &arguments, NULL, "POOL FILE.png" },
    G_OPTION_ENTRY_NULL,
  };

  if (!parse_options (
          &argc, &argv, options, NULL,
          "Writes frames as PNG files. With --every or --count, \"%d\" or \"%04d\" in the name "
          "becomes a number."))
    return EXIT_USAGE;
  self.several = self.every != NOT_GIVEN || self.count != NOT_GIVEN;
  mistake = find_mistake (&self, arguments, size);
  if (mistake == NULL)
    return run (&self);
  complain ("snapshot %s; see frame-inspect snapshot --help", mistake);
  return EXIT_USAGE;
}
