/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Events and messages between shmframesink and shmframesrc, each in a process of its own. */

#include "child.h"

#include <glib/gstdio.h>
#include <stdlib.h>

#define SMALL "video/x-raw,format=I420,width=322,height=240,framerate=30/1"
#define READER "shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false"
#define SINK " ! shmframesink name=s pool=t wait-for-consumer=true stall-timeout=60000000000"
/* Elements that stamp (stamp.h), and show what the sink is given. */
#define STAMP " ! identity name=stamp ! identity name=check"
#define FRAME_NS 33333333

/* The nth word of a line, a number. */
static gint64
number (const char *line, guint n)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);

  g_assert_cmpuint (g_strv_length (words), >, n);
  return g_ascii_strtoll (words[n], NULL, 10);
}

/* The next line that begins so, among those that it has said; -1: none. */
static gint
find_line (Child *child, gint from, const char *prefix)
{
  for (guint i = from; i < child->lines->len; i++)
    if (g_str_has_prefix (child->lines->pdata[i], prefix))
      return i;
  return -1;
}

static gint
last_line (Child *child, const char *prefix)
{
  gint last = -1;

  for (gint i = find_line (child, 0, prefix); i >= 0; i = find_line (child, i + 1, prefix))
    last = i;
  return last;
}

static void
expect_lines (Child *child, const char *prefix, guint n)
{
  for (guint i = 0; i < n; i++)
    expect_line (child, prefix);
}

/* Tells it, and waits until it has done so. */
static void
do_tell (Child *child, const char *command)
{
  g_autofree char *done = g_strdup_printf ("done %.*s", (int) strcspn (command, " "), command);

  tell (child, command);
  expect_line (child, done);
}

static void
end (Child *child)
{
  tell (child, "quit");
  g_assert_cmpint (finish (child), ==, 0);
}

static void
expect_fields (Child *child, const char *prefix, const char *const *fields)
{
  gint line = find_line (child, 0, prefix);

  g_assert_cmpint (line, >=, 0);
  for (guint i = 0; fields[i]; i++)
    if (!strstr (child->lines->pdata[line], fields[i]))
      g_error ("no %s in '%s'", fields[i], (char *) child->lines->pdata[line]);
}

/* ---- a recording ---- */

static goffset
size_of (const char *path)
{
  GStatBuf status;

  return g_stat (path, &status) == 0 ? status.st_size : 0;
}

/* Frames of the recording as it is now. */
static guint
play (const char *path, const char *decoder)
{
  g_autofree char *copy = g_strconcat (path, ".copy", NULL);
  g_autofree char *contents = NULL;
  g_autoptr (Child) player = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (path, &contents, &size, NULL));
  g_assert_true (g_file_set_contents (copy, contents, size, NULL));
  player = run ("filesrc location=%s ! matroskademux ! %s ! fakesink name=check sync=false", copy,
                decoder);
  g_assert_cmpint (finish (player), ==, 0);
  return count_lines (player, "frame");
}

/* Whatever the producer does, the file grows, and can be played at any time. */
static void
record (const char *encoder, const char *decoder)
{
  static const char *const commands[]
      = { "flush", "seek 1 5000000000", "flush-seek 1 2000000000", "seek 1 0", "flush-seek 1 0" };
  g_autofree char *path = g_build_filename (folder, "recording.mkv", NULL);
  g_autoptr (Child) recorder = run ("shmframesrc pool=t delivery=lossless ! %s name=check ! "
                                    "matroskamux ! filesink buffer-mode=unbuffered location=%s",
                                    encoder, path);
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL STAMP SINK);
  goffset size = 0, before;
  gint64 pts = -1;

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      expect_lines (recorder, "frame", 2);
      before = size;
      for (guint j = 0; j < 10 || size == before; j++)
        {
          expect_line (recorder, "frame");
          g_assert_cmpint (size_of (path), >=, size);
          size = size_of (path);
        }
      /* Nobody reads what the recorder prints meanwhile: it would be stuck in a full pipe, and evicted. */
      g_subprocess_send_signal (producer->process, SIGSTOP);
      g_assert_cmpuint (play (path, decoder), >, 0);
      g_subprocess_send_signal (producer->process, SIGCONT);
      expect_line (producer, "segment");
      tell (producer, commands[i]);
    }
  /* EOS sent to a pipeline that has yet to preroll after a flush is a deadlock of GStreamer's. */
  expect_line (producer, "segment");
  expect_lines (producer, "frame", 3);
  expect_lines (recorder, "frame", 10);
  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (recorder), ==, 0);
  g_assert_cmpint (size_of (path), >=, size);
  g_assert_cmpuint (count_lines (recorder, "flush"), ==, 0);
  g_assert_cmpuint (count_lines (recorder, "eos"), ==, 1);
  g_assert_cmpuint (count_lines (recorder, "warning"), ==, 0);
  for (gint i = find_line (recorder, 0, "frame"); i >= 0; i = find_line (recorder, i + 1, "frame"))
    {
      gint64 next = number (recorder->lines->pdata[i], 1);

      g_assert_cmpint (next, >, pts);
      pts = next;
    }
  g_assert_cmpuint (play (path, decoder), ==, count_lines (recorder, "frame"));
}

static void
test_record_jpeg (void)
{
  if (have_elements ("jpegenc", "jpegdec", "matroskamux", NULL))
    record ("jpegenc", "jpegdec");
}

static void
test_record_h264 (void)
{
  if (have_elements ("x264enc", "avdec_h264", "matroskamux", NULL))
    record ("x264enc speed-preset=ultrafast tune=zerolatency", "h264parse ! avdec_h264");
}

/* ---- flushes ---- */

/* What is unread when the producer is flushed is gone, and counted; what comes is new. */
static void
test_flush (void)
{
  g_autoptr (Child) consumer = run (READER);
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL SINK);
  guint64 frames;
  const char *line;
  gint drop;

  expect_lines (consumer, "frame", 3);
  g_subprocess_send_signal (consumer->process, SIGSTOP);
  await_stat (producer, "lag", 4);
  frames = stat_of (producer, "frames");
  tell (producer, "flush");
  await_stat (producer, "frames", frames + 1);
  g_subprocess_send_signal (consumer->process, SIGCONT);
  expect_line (consumer, "message shmframe-drop");
  drop = consumer->lines->len - 1;
  line = wait_line (consumer, "frame");
  g_assert_nonnull (strstr (line, " DK "));
  expect_lines (consumer, "frame", 5);
  end (consumer);
  end (producer);
  expect_fields (consumer, "message shmframe-drop",
                 (const char *[]){ "cause=(string)flush", "pool=(string)t", NULL });
  g_assert_cmpint (stat_of (consumer, "drops"), >, 0);
  g_assert_cmpint (find_line (consumer, drop + 1, "message shmframe-drop"), ==, -1);
  g_assert_cmpuint (count_lines (consumer, "flush"), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "eos"), ==, 0);
}

/* ---- gaps and tags ---- */

/* Where the producer's stream has a gap, at that time. */
static void
test_gap (void)
{
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL STAMP SINK);
  g_autoptr (Child) consumer = run (READER);
  Child *both[] = { producer, consumer };
  gint64 after_frame[2], duration[2];

  expect_lines (consumer, "frame", 3);
  do_tell (producer, "stamp gap");
  expect_line (consumer, "gap");
  expect_line (consumer, "frame");
  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  for (guint i = 0; i < 2; i++)
    {
      gint gap = find_line (both[i], 0, "gap"), frame = gap;

      g_assert_cmpuint (count_lines (both[i], "gap"), ==, 1);
      while (!g_str_has_prefix (both[i]->lines->pdata[frame], "frame"))
        frame--;
      after_frame[i]
          = number (both[i]->lines->pdata[gap], 1) - number (both[i]->lines->pdata[frame], 1);
      duration[i] = number (both[i]->lines->pdata[gap], 2);
    }
  g_assert_cmpint (after_frame[0], >=, FRAME_NS);
  g_assert_cmpint (after_frame[0], <=, FRAME_NS + 1);
  g_assert_cmpint (after_frame[1], ==, after_frame[0]);
  g_assert_cmpint (duration[1], ==, duration[0]);
}

/* The lines of tags and frames, with the frames numbered: what matters is between which they are. */
static char *
tags_among_frames (Child *child)
{
  GString *order = g_string_new (NULL);
  guint n = 0;

  for (guint i = 0; i < child->lines->len; i++)
    {
      const char *line = child->lines->pdata[i];

      if (g_str_has_prefix (line, "frame"))
        n++;
      else if (g_str_has_prefix (line, "tag"))
        g_string_append_printf (order, "%u: %s\n", n, line);
    }
  return g_string_free (order, FALSE);
}

/* In their order among the frames. */
static void
test_tags (void)
{
  static const char *const tags[]
      = { "tag stream taglist,title=(string)one,bitrate=(uint)1000,artist=(string){A,B}",
          "tag stream taglist,title=(string)two,image-orientation=(string)rotate-90",
          "tag stream taglist,beats-per-minute=(double)0.5,date=(date)2026-11-22" };
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL STAMP SINK);
  g_autoptr (Child) consumer = run (READER);
  g_autofree char *sent = NULL, *seen = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (tags); i++)
    {
      expect_lines (consumer, "frame", 3);
      do_tell (producer, tags[i]);
      expect_line (consumer, "tag");
    }
  expect_lines (consumer, "frame", 3);
  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  sent = tags_among_frames (producer);
  seen = tags_among_frames (consumer);
  g_test_message ("%s", sent);
  g_assert_cmpstr (seen, ==, sent);
}

/* Tags are there for a source that attaches later, before its first frame. */
static void
late_tags (gboolean both_scopes)
{
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL STAMP SINK);
  g_autoptr (Child) first = run (READER);
  g_autoptr (Child) late = NULL;

  expect_line (first, "frame");
  do_tell (producer, "tag stream taglist,title=(string)old");
  if (both_scopes)
    do_tell (producer, "tag global taglist,artist=(string)somebody");
  do_tell (producer, "tag stream taglist,title=(string)new");
  expect_line (first, "tag taglist, title=(string)new");
  late = run (READER);
  expect_line (late, "frame");
  end (late);
  end (first);
  end (producer);
  g_assert_cmpint (find_line (late, 0, "tag taglist, title=(string)new; stream"), >=, 0);
  g_assert_cmpint (find_line (late, 0, "tag taglist, title=(string)new; stream"), <,
                   find_line (late, 0, "frame"));
  g_assert_cmpuint (count_lines (late, "tag taglist, title=(string)old"), ==, 0);
  g_assert_cmpuint (count_lines (late, "tag taglist, artist=(string)somebody; global"), ==,
                    both_scopes);
}

static void
test_late_tags (void)
{
  late_tags (FALSE);
}

static void
test_late_scopes (void)
{
  late_tags (TRUE);
}

/* Tags behind the last frame. */
static void
test_last_tags (void)
{
  g_autoptr (Child) producer = run ("videotestsrc num-buffers=1 ! " SMALL STAMP SINK);
  g_autoptr (Child) consumer = NULL;

  expect_line (producer, "frame");
  do_tell (producer, "tag stream taglist,title=(string)last");
  consumer = run (READER);
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (count_lines (producer, "tag taglist, title=(string)last"), ==, 1);
  g_assert_cmpuint (count_lines (consumer, "tag taglist, title=(string)last"), ==, 1);
}

/* ---- the end, and what comes after it ---- */

/* Its next frame after that sequence. */
static const char *
wait_frame_after (Child *child, guint64 sequence)
{
  const char *line;

  do
    {
      line = wait_line (child, "frame");
      g_assert_nonnull (line);
    }
  while ((guint64) number (line, 2) <= sequence);
  return line;
}

/* Ends the stream of a producer that stays; how many frames it had. */
static guint64
end_stream (Child *producer)
{
  do_tell (producer, "stay");
  tell (producer, "eos");
  expect_line (producer, "eos");
  expect_line (producer, "stats");
  return stat_of (producer, "frames");
}

/* The producer's stream ends, and begins again. */
static void
test_restart (void)
{
  g_autoptr (Child) ends = run (READER);
  g_autoptr (Child) stays = run ("shmframesrc pool=t delivery=lossless on-producer-eos=wait ! "
                                 "fakesink name=check sync=false");
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL SINK);
  guint64 n;

  expect_lines (ends, "frame", 3);
  expect_lines (stays, "frame", 3);
  n = end_stream (producer);
  g_assert_cmpint (finish (ends), ==, 0);
  g_assert_cmpuint (count_lines (ends, "eos"), ==, 1);
  g_assert_cmpuint (number (ends->lines->pdata[last_line (ends, "frame")], 2), ==, n);

  tell (producer, "flush-seek 1 0");
  g_assert_nonnull (strstr (wait_frame_after (stays, n), " DK "));
  expect_lines (stays, "frame", 3);
  end (producer);
  end (stays);
  g_assert_cmpuint (count_lines (stays, "eos"), ==, 0);
  g_assert_cmpuint (count_lines (stays, "message shmframe-producer-attached"), ==, 1);
}

/* A source that has ended is not waited for, though its pipeline stays. */
static void
test_ended (void)
{
  g_autoptr (Child) ended
      = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL SINK);

  do_tell (ended, "stay");
  expect_lines (ended, "frame", 3);
  end_stream (producer);
  expect_line (ended, "eos");
  tell (producer, "flush-seek 1 0");
  await_stat (producer, "frames", stat_of (producer, "frames") + 20); /* stall-timeout is a minute */
  g_assert_cmpuint (stat_of (producer, "evictions"), ==, 0);
  end (producer);
  end (ended);
}

/* Attached after the end of a stream, whose producer then goes. */
static Child *
attach_late (const char *reader)
{
  g_autoptr (Child) first = run (READER);
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL SINK);
  Child *late;

  expect_lines (first, "frame", 3);
  end_stream (producer);
  g_assert_cmpint (finish (first), ==, 0);
  late = run ("%s", reader);
  expect_line (late, "message shmframe-producer-attached");
  end (producer);
  expect_line (late, "message shmframe-producer-lost");
  return late;
}

/* Who attaches to a stream that has ended sees neither its end nor its last frame, but what comes next. */
static void
test_late (void)
{
  g_autoptr (Child) late = attach_late (READER);
  g_autoptr (Child) next = NULL;
  gint lost = late->lines->len;

  next = run ("videotestsrc num-buffers=5 ! " SMALL SINK);
  expect_line (late, "frame");
  g_assert_cmpint (finish (next), ==, 0);
  g_assert_cmpint (finish (late), ==, 0);
  g_assert_cmpint (find_line (late, 0, "frame"), >, lost);
  g_assert_cmpuint (count_lines (late, "frame"), ==, 5);
  g_assert_cmpuint (count_lines (late, "eos"), ==, 1);
}

/* The same with the first frame at running time 0, when none is too early. */
static void
test_late_zero (void)
{
  g_autoptr (Child) late
      = attach_late ("shmframesrc pool=t offset-to-zero=true ! fakesink name=check sync=false");

  end (late);
  g_assert_cmpuint (count_lines (late, "frame"), ==, 0);
}

/* A consumer that is stopped, while the producer publishes at least 20 frames more than it has read. */
static void
fall_behind (Child *consumer, Child *producer)
{
  expect_lines (consumer, "frame", 3);
  g_subprocess_send_signal (consumer->process, SIGSTOP);
  await_stat (producer, "lag", 20);
}

/* Frames 1 to the last, with none missing, all before the line that begins so. */
static void
expect_all_before (Child *child, guint64 last, const char *prefix)
{
  gint until = find_line (child, 0, prefix);

  g_assert_cmpint (until, >, last_line (child, "frame"));
  g_assert_cmpuint (count_lines (child, "frame"), ==, last);
  g_assert_cmpuint (number (child->lines->pdata[find_line (child, 0, "frame")], 2), ==, 1);
  g_assert_cmpuint (number (child->lines->pdata[last_line (child, "frame")], 2), ==, last);
}

#define WIDE " window=100 consumer-leases=4 max-consumers=1"

/* What is in the pool at the end of the stream is delivered first. */
static void
test_drain_eos (void)
{
  g_autoptr (Child) consumer = run (READER);
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL SINK WIDE);
  guint64 n;

  fall_behind (consumer, producer);
  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  n = stat_of (producer, "frames");
  g_subprocess_send_signal (consumer->process, SIGCONT);
  g_assert_cmpint (finish (consumer), ==, 0);
  expect_all_before (consumer, n, "eos");
  g_assert_cmpuint (count_lines (consumer, "message shmframe-producer-lost"), ==, 0);
}

/* And at the producer's death. */
static void
test_drain_death (void)
{
  g_autoptr (Child) consumer = run (READER);
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL SINK WIDE);
  guint64 n;

  fall_behind (consumer, producer);
  n = stat_of (producer, "frames");
  g_subprocess_send_signal (producer->process, SIGKILL);
  g_assert_cmpint (finish (producer), ==, -SIGKILL);
  g_subprocess_send_signal (consumer->process, SIGCONT);
  expect_line (consumer, "message shmframe-producer-lost");
  end (consumer);
  g_assert_cmpuint (count_lines (consumer, "frame"), >=, n); /* it went on after it told */
  expect_all_before (consumer, count_lines (consumer, "frame"), "message shmframe-producer-lost");
}

/* Nobody came: the end is the end. */
static void
test_eos_unseen (void)
{
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL STAMP SINK);
  g_autoptr (Child) live
      = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=u wait-for-consumer=true");

  expect_line (producer, "frame");
  tell (producer, "eos");
  expect_line (live, "message shmframe-drop, cause=(string)no-consumer");
  tell (live, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (live), ==, 0);
  g_assert_cmpuint (count_lines (producer, "eos"), ==, 1);
  g_assert_cmpuint (count_lines (live, "eos"), ==, 1);
}

/* ---- caps, preroll, segments ---- */

/* Formats change every few frames; buffers of the old ones that downstream holds stay as they were. */
static void
test_caps (void)
{
  static const char *const caps[] = {
    "video/x-raw,format=RGB,width=640,height=480",   "video/x-raw,format=NV12,width=160,height=120",
    "video/x-raw,format=I420,width=322,height=240",  "video/x-raw,format=GRAY8,width=33,height=17",
    "video/x-raw,format=I420,width=1280,height=720",
  };
  const guint rounds = 20, hold = 2 * rounds;
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t delivery=lossless leases=50 ! fakesink name=check sync=false");
  g_autofree char *command = g_strdup_printf ("hold %u", hold), *all = NULL;
  g_autoptr (GString) held = g_string_new (NULL);
  g_autoptr (Child) producer = NULL;

  tell (consumer, command);
  do_tell (consumer, "stay");
  producer = run ("videotestsrc pattern=snow ! capsfilter name=f caps=" SMALL SINK
                  " max-consumers=1 consumer-leases=50");
  for (guint i = 0; i < rounds; i++)
    {
      const char *next = caps[i % G_N_ELEMENTS (caps)];
      g_autofree char *set = g_strdup_printf ("set f caps %s,framerate=30/1", next);

      expect_lines (consumer, "frame", 2);
      tell (producer, set);
      expect_line (consumer, "caps");
    }
  expect_lines (consumer, "frame",
                80); /* more than there are slots: those that are not held come again */
  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  expect_line (consumer, "eos");
  tell (consumer, "held");
  end (consumer);
  g_assert_cmpuint (count_lines (consumer, "caps"), ==, rounds + 1);
  g_assert_cmpuint (stat_of (consumer, "drops"), ==, 0);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, 0);
  for (gint i = find_line (consumer, 0, "held "); i >= 0; i = find_line (consumer, i + 1, "held "))
    g_string_append_printf (held, "%s\n", (char *) consumer->lines->pdata[i] + strlen ("held "));
  all = hashes (consumer);
  g_assert_cmpuint (count_lines (consumer, "held "), ==, hold);
  g_assert_true (g_str_has_prefix (all, held->str));
}

/* A producer that waits for a consumer while it pauses: it prerolls when one comes, and publishes nothing
 * before it plays. */
static void
test_preroll (void)
{
  g_autoptr (Child) producer = run ("videotestsrc num-buffers=20 ! " SMALL STAMP SINK);
  g_autoptr (Child) consumer = NULL;

  expect_line (producer, "frame");
  do_tell (producer, "state paused");
  g_assert_cmpuint (count_lines (producer, "state PAUSED"), ==, 0);
  consumer = run (READER);
  expect_line (producer, "state PAUSED");
  expect_line (consumer, "message shmframe-producer-attached");
  await_stat (producer, "consumers", 1);
  g_assert_cmpuint (stat_of (producer, "frames"), ==, 0);
  tell (producer, "state playing");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  expect_all_before (consumer, 20, "eos");
  g_assert_cmpuint (stat_of (consumer, "drops-early"), ==, 0);
}

/* Buffers from before the segment are not published, and no harm is done. */
static void
outside (const char *source)
{
  g_autoptr (Child) producer = run ("%s ! " SMALL STAMP SINK, source);
  g_autoptr (Child) consumer = run ("shmframesrc pool=t ! fakesink name=check sync=false");
  guint64 published;

  expect_lines (consumer, "frame", 3);
  do_tell (producer, "flush-seek 1 1000000000");
  expect_line (producer, "segment time 1 1000000000");
  expect_line (producer, "frame");
  do_tell (producer, "stamp outside");
  expect_line (producer, "frame 0 ");
  tell (producer, "stats");
  expect_line (producer, "stats");
  published = stat_of (producer, "frames");
  expect_lines (producer, "frame 0 ", 10);
  tell (producer, "stats");
  expect_line (producer, "stats");
  g_assert_cmpuint (stat_of (producer, "frames"), ==, published);
  g_assert_cmpuint (stat_of (producer, "drops-segment"), >=, 9);
  do_tell (producer, "stamp none");
  wait_frame_after (consumer, published);
  expect_line (consumer, "frame");
  end (consumer);
  end (producer);
  g_assert_cmpuint (count_lines (producer, "warning"), ==, 0);
}

static void
test_outside (void)
{
  outside ("videotestsrc");
}

static void
test_outside_live (void)
{
  outside ("videotestsrc is-live=true");
}

/* ---- messages and signals ---- */

/* A stopped lossless source is evicted; it says so, and goes on as ordered. */
static void
test_evicted (void)
{
  g_autoptr (Child) consumer = run (READER);
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL SINK " stall-timeout=100000000");

  expect_lines (consumer, "frame", 3);
  tell (producer, "stats");
  expect_line (producer, "stats");
  expect_fields (producer, "stats", (const char *[]){ "delivery\\=\\(string\\)lossless", NULL });
  g_subprocess_send_signal (consumer->process, SIGSTOP);
  await_stat (producer, "evictions", 1);
  g_subprocess_send_signal (consumer->process, SIGCONT);
  expect_line (consumer, "message shmframe-evicted");
  expect_line (consumer, "message shmframe-producer-attached");
  g_assert_nonnull (strstr (wait_line (consumer, "frame"), " DK "));
  expect_lines (consumer, "frame", 3);
  await_stat (producer, "consumers", 1);
  g_assert_nonnull (strstr (producer->lines->pdata[last_line (producer, "stats")],
                            "delivery\\=\\(string\\)ordered"));
  end (consumer);
  end (producer);
  expect_fields (consumer, "message shmframe-evicted",
                 (const char *[]){ "reason=(string)", "pool=(string)t", NULL });
  g_assert_cmpuint (count_lines (consumer, "warning The producer dropped this consumer"), ==, 1);
  g_assert_cmpuint (stat_of (consumer, "evictions"), ==, 1);
  g_assert_cmpuint (count_lines (consumer, "eos"), ==, 0);
}

static void
test_messages (void)
{
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t max-lag=1 ! fakesink name=check sync=false");
  g_autoptr (Child) producer = run ("videotestsrc is-live=true ! " SMALL
                                    " ! shmframesink name=s pool=t wait-for-consumer=true");
  g_autofree char *pid
      = g_strdup_printf ("pid=(uint)%s", g_subprocess_get_identifier (producer->process));
  guint64 n;

  expect_lines (consumer, "frame", 3);
  g_subprocess_send_signal (consumer->process, SIGSTOP);
  await_stat (producer, "lag", 5);
  n = stat_of (producer, "frames");
  g_subprocess_send_signal (consumer->process, SIGCONT);
  wait_frame_after (consumer, n);
  g_subprocess_send_signal (producer->process, SIGKILL);
  expect_line (consumer, "message shmframe-producer-lost");
  end (consumer);
  expect_fields (consumer, "message shmframe-producer-attached",
                 (const char *[]){ pid, "program=(string)elements-runner", "uid=(uint)",
                                   "epoch=(guint64)", "pool=(string)t", NULL });
  expect_fields (consumer, "message shmframe-drop",
                 (const char *[]){ "cause=(string)lag", "sequence=(guint64)", "missing=(guint64)",
                                   "count=(guint64)", "pool=(string)t", NULL });
  expect_fields (consumer, "message shmframe-producer-lost",
                 (const char *[]){ "reason=(string)", "pool=(string)t", NULL });
}

/* Both signals and the property tell of a consumer that comes and goes. */
static void
test_signals (void)
{
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL STAMP SINK);
  g_autoptr (Child) consumer = NULL;
  g_autofree char *pid = NULL;

  expect_line (producer, "frame");
  do_tell (producer, "watch s none");
  consumer = run (READER);
  pid = g_strdup_printf ("pid=(uint)%s,", g_subprocess_get_identifier (consumer->process));
  expect_line (producer, "signal consumer-attached");
  expect_line (producer, "notify 1");
  end (consumer);
  expect_line (producer, "signal consumer-detached");
  expect_line (producer, "notify 0");
  end (producer);
  for (guint i = 0; i < 2; i++)
    expect_fields (producer, i ? "signal consumer-attached" : "signal consumer-detached",
                   (const char *[]){ pid, "program=(string)elements-runner", "uid=(uint)", "id=(",
                                     "delivery=(string)lossless", "leases=(uint)", "role=(string)",
                                     NULL });
}

/* Nothing is locked meanwhile: a handler may ask, set, and change the state. */
static void
act (const char *action)
{
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL STAMP SINK);
  g_autofree char *watch = g_strconcat ("watch s ", action, NULL);
  g_autoptr (Child) consumer = NULL;

  expect_line (producer, "frame");
  do_tell (producer, watch);
  consumer = run (READER);
  expect_line (producer, "acted");
  tell (producer, "state playing"); /* wherever the handler left it */
  expect_lines (consumer, "frame", 3);
  end (consumer);
  end (producer);
}

static void
test_act_stats (void)
{
  act ("stats");
}

static void
test_act_set (void)
{
  act ("set");
}

static void
test_act_paused (void)
{
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL STAMP SINK);
  g_autoptr (Child) consumer = NULL;

  expect_line (producer, "frame");
  do_tell (producer, "watch s paused");
  consumer = run (READER);
  expect_line (producer, "acted");
  await_stat (producer, "consumers", 1);
  end (consumer);
  end (producer);
}

static void
test_act_null (void)
{
  g_autoptr (Child) producer = run ("videotestsrc ! " SMALL STAMP SINK);
  g_autoptr (Child) first = NULL, second = NULL;

  expect_line (producer, "frame");
  do_tell (producer, "watch s null");
  first = run (READER);
  expect_line (producer, "acted");
  expect_line (first, "message shmframe-producer-lost");
  end (first);
  /* The name is given back a little later, when a handler stops its own sink. */
  tell (producer, "set s pool u");
  tell (producer, "state playing");
  second = run ("shmframesrc pool=u delivery=lossless ! fakesink name=check sync=false");
  expect_lines (second, "frame", 3);
  end (second);
  end (producer);
}

int
main (int argc, char **argv)
{
  begin_tests (&argc, &argv);
  add ("/elements-events/record/jpeg", test_record_jpeg);
  add ("/elements-events/record/h264", test_record_h264);
  add ("/elements-events/flush", test_flush);
  add ("/elements-events/gap", test_gap);
  add ("/elements-events/tags/order", test_tags);
  add ("/elements-events/tags/late", test_late_tags);
  add ("/elements-events/eos/restart", test_restart);
  add ("/elements-events/eos/ended", test_ended);
  add ("/elements-events/eos/late", test_late);
  add ("/elements-events/eos/drained", test_drain_eos);
  add ("/elements-events/eos/unseen", test_eos_unseen);
  add ("/elements-events/death/drained", test_drain_death);
  add ("/elements-events/caps", test_caps);
  add ("/elements-events/preroll", test_preroll);
  add ("/elements-events/outside", test_outside);
  add ("/elements-events/outside-live", test_outside_live);
  add ("/elements-events/evicted", test_evicted);
  add ("/elements-events/messages", test_messages);
  add ("/elements-events/signals/fields", test_signals);
  add ("/elements-events/signals/stats", test_act_stats);
  add ("/elements-events/signals/set", test_act_set);
  add ("/elements-events/signals/paused", test_act_paused);
  add ("/elements-events/signals/null", test_act_null);
  add ("/elements-events/tags/late-scopes", test_late_scopes);
  add ("/elements-events/tags/last", test_last_tags);
  add ("/elements-events/eos/late-zero", test_late_zero);
  return run_tests ();
}
