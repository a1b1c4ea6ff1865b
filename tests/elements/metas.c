/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Metas cross between two processes, field by field: elements-runner attaches them at "stamp", and says
 * at "check" of the other process which came. */

#include "child.h"

#include <glib/gstdio.h>

#define SMALL "video/x-raw,format=I420,width=322,height=240,framerate=30/1"
#define STAMP                                                                                      \
  " ! identity name=stamp ! identity name=check ! shmframesink pool=t wait-for-consumer=true "     \
  "sync=false stall-timeout=60000000000"
#define LIMIT 64 /* names that a process takes from its peers */

/* All frames but the first are stamped so: it waits for a consumer in the sink meanwhile. */
static Child *
run_stamped (const char *kind, guint n)
{
  g_autofree char *command = g_strconcat ("stamp ", kind, NULL);
  Child *producer = run ("videotestsrc num-buffers=%u ! " SMALL STAMP, n);

  expect_line (producer, "frame");
  tell (producer, command);
  expect_line (producer, "done stamp");
  return producer;
}

/* The metas of the last of its frames, a line each. */
static char *
last_metas (Child *child)
{
  GString *all = g_string_new (NULL);

  for (guint i = 0; i < child->lines->len; i++)
    if (g_str_has_prefix (child->lines->pdata[i], "frame "))
      g_string_truncate (all, 0);
    else if (g_str_has_prefix (child->lines->pdata[i], "meta "))
      g_string_append_printf (all, "%s\n", (char *) child->lines->pdata[i] + strlen ("meta "));
  return g_string_free (all, FALSE);
}

/* What stamp.c attaches, of which this consumer has not registered shmframe-test. */
static const char all_metas[]
    = "afd pooled 1 2 8\n"
      "bar pooled 1 1 20 220\n"
      "caption pooled 2 80942c\n"
      "caption pooled 4 966900ff\n"
      "crop pooled 2,4 300x200\n"
      "custom pooled video+orientation shmframe-test, text=(string)\"\\303\\274n\\303\\257\\,\\ "
      "\\\"q\\\"\\;\\ \\(x\\)\", ratio=(fraction)1/3, list=(int){ 1, 2 };\n"
      "reference pooled timestamp/x-ntp, host=(string)pool.ntp.org, port=(int)123: 42 -1\n"
      "reference pooled timestamp/x-unix: 1234567890123456789 33333333\n"
      "region pooled face 7 in 3: 1,2 30x40 [detection, label=(string)\"a\\ cat\\,\\ "
      "\\(maybe\\)\", confidence=(double)0.5;] [track, age=(int)-3;]\n"
      "region pooled plate 0 in 0: 5,6 7x8\n"
      "sei pooled 30313233343536373839616263646566 00010200\n"
      "timecode pooled 01:02:03;04 30000/1001 flags 1 field 1 jam 2026-11-22T00:00:00Z\n"
      "video pooled I420 322x240 324@0 164@77760 164@97440\n";

static guint
count (const char *text, const char *word)
{
  g_auto (GStrv) parts = g_strsplit (text, word, -1);

  return g_strv_length (parts) - 1;
}

/* A line that it said. */
static void
expect_said (Child *child, const char *line)
{
  if (!g_ptr_array_find_with_equal_func (child->lines, line, g_str_equal, NULL))
    g_error ("it did not say '%s'", line);
}

static void
run_both (const char *kind, guint n, Child **producer, Child **consumer)
{
  *producer = run_stamped (kind, n);
  *consumer = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");
  g_assert_cmpint (finish (*producer), ==, 0);
  g_assert_cmpint (finish (*consumer), ==, 0);
  g_assert_cmpuint (count_lines (*consumer, "frame"), ==, n);
}

static void
test_fields (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;
  g_autofree char *seen = NULL;

  run_both ("all", 10, &producer, &consumer);
  seen = last_metas (consumer);
  g_assert_cmpstr (seen, ==, all_metas);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 0);
}

/* A decoder's own strides. */
static void
test_strides (void)
{
  g_autofree char *clip = g_build_filename (folder, "clip.mkv", NULL);
  g_autofree char *sent = NULL, *seen = NULL;
  g_autoptr (Child) encoder = NULL, producer = NULL, consumer = NULL;

  if (!have_elements ("x264enc", "avdec_h264", "matroskamux", "h264parse", NULL))
    return;
  encoder = run ("videotestsrc num-buffers=20 ! video/x-raw,format=I420,width=566,height=318 ! "
                 "x264enc speed-preset=ultrafast ! matroskamux ! filesink location=%s",
                 clip);
  g_assert_cmpint (finish (encoder), ==, 0);
  consumer = run ("shmframesrc pool=t delivery=lossless ! videoconvert name=check ! "
                  "video/x-raw,format=RGB ! fakesink sync=false");
  producer = run ("filesrc location=%s ! matroskademux ! h264parse ! avdec_h264 ! "
                  "identity name=check ! shmframesink pool=t wait-for-consumer=true",
                  clip);
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  sent = last_metas (producer);
  seen = last_metas (consumer);
  g_test_message ("%s", seen);
  g_assert_null (strstr (seen, "566x318 568@0")); /* the default */
  g_assert_true (g_str_has_prefix (seen, "video pooled I420 566x318 "));
  g_assert_cmpstr (strstr (seen, "I420"), ==, strstr (sent, "I420"));
}

/* Names become types, which stay: a peer brings so many, and nothing else changes. */
static void
test_many (void)
{
  const guint n = 100, names = 80; /* stamp.c's */
  g_autoptr (Child) producer = NULL, consumer = NULL;

  run_both ("many", n, &producer, &consumer);
  /* The first frame came before the stamp. The names that were taken come again in the second round. */
  g_assert_cmpuint (count_lines (consumer, "meta custom"), ==, LIMIT + n - 1 - names);
  g_assert_cmpuint (count_lines (consumer, "meta region"), ==, LIMIT + n - 1 - names);
  expect_said (consumer, "meta custom pooled video+orientation many-63, n=(uint)63;");
  expect_said (consumer, "meta custom pooled video+orientation many-18, n=(uint)98;");
  g_assert_cmpuint (count_lines (consumer, "meta custom pooled video+orientation many-64"), ==, 0);
}

/* What cannot cross is named, once for each kind; the frames cross. */
static void
test_opaque (void)
{
  g_autofree char *log = g_build_filename (folder, "metas.log", NULL);
  g_autofree char *text = NULL;
  g_autoptr (Child) producer = NULL, consumer = NULL;

  g_setenv ("GST_DEBUG", "shmframemeta:2", TRUE);
  g_setenv ("GST_DEBUG_FILE", log, TRUE);
  producer = run_stamped ("opaque", 10);
  g_unsetenv ("GST_DEBUG");
  g_unsetenv ("GST_DEBUG_FILE");
  consumer = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "frame"), ==, 10);
  g_assert_cmpuint (count_lines (consumer, "meta"), ==, count_lines (consumer, "meta video"));
  g_assert_true (g_file_get_contents (log, &text, NULL, NULL));
  g_test_message ("%s", text);
  g_assert_cmpuint (count (text, "GstProtectionMeta"), ==, 1);
  g_assert_cmpuint (count (text, "shmframe-opaque"), ==, 1);
  g_assert_cmpuint (count (text, "do not cross"), ==, 2);
}

/* Metas of compressed frames. */
static void
test_compressed (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;

  if (!have_elements ("jpegenc", NULL))
    return;
  producer = run ("videotestsrc num-buffers=10 ! " SMALL " ! jpegenc" STAMP);
  expect_line (producer, "frame");
  tell (producer, "stamp all");
  expect_line (producer, "done stamp");
  consumer = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "meta timecode pooled 01:02:03;04"), ==, 9);
  g_assert_cmpuint (count_lines (consumer, "meta custom pooled video+orientation shmframe-test"),
                    ==, 9);
  g_assert_cmpuint (count_lines (consumer, "meta caption"), ==, 18);
}

/* An element that converts a frame keeps what does not belong to its memory. */
static void
test_converted (void)
{
  g_autoptr (Child) producer = run_stamped ("all", 10);
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t delivery=lossless ! videoconvert ! video/x-raw,format=RGB ! "
             "fakesink name=check sync=false");

  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "meta timecode"), ==, 9);
  g_assert_cmpuint (count_lines (consumer, "meta caption"), ==, 18);
}

int
main (int argc, char **argv)
{
  begin_tests (&argc, &argv);
  add ("/elements-metas/fields", test_fields);
  add ("/elements-metas/strides", test_strides);
  add ("/elements-metas/many", test_many);
  add ("/elements-metas/opaque", test_opaque);
  add ("/elements-metas/compressed", test_compressed);
  add ("/elements-metas/converted", test_converted);
  return run_tests ();
}
