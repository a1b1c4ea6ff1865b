/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each property that says what a pool allows, or how a source reads, does it. */

#include "child.h"

#include <glib/gstdio.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL "video/x-raw,format=I420,width=322,height=240,framerate=30/1"
#define LIVE "videotestsrc is-live=true ! " SMALL " ! shmframesink pool=t "
#define FAST "videotestsrc ! " SMALL " ! shmframesink pool=t wait-for-consumer=true sync=false "
#define PATIENT "stall-timeout=60000000000 "

static void
quit (Child *child)
{
  tell (child, "quit");
  g_assert_cmpint (finish (child), ==, 0);
}

/* shmframe_admission_plan() (design.md, the pool rule), and what consumers may get on request. */
static void
test_slots (void)
{
  const guint in_flight = 36, on_request = 64;
  g_autoptr (Child) given = run (LIVE "slots=20");
  g_autoptr (Child) planned
      = run ("videotestsrc is-live=true ! " SMALL " ! shmframesink pool=u max-consumers=2 "
             "consumer-leases=3 history=6 window=5");

  await_stat (given, "frames", 1);
  await_stat (planned, "frames", 1);
  g_assert_cmpuint (stat_of (given, "slots"), ==, 20);
  g_assert_cmpuint (stat_of (planned, "slots"), ==, in_flight + 6 + 2 * (3 + 1) + 1 + on_request);
  g_assert_cmpuint (stat_of (planned, "committed-slots"), <, stat_of (planned, "slots"));
  quit (given);
  quit (planned);
}

static void
expect_refused (const char *source, const char *text)
{
  g_autoptr (Child) refused = run ("%s ! fakesink", source);
  const char *line = wait_line (refused, "error");

  g_assert_nonnull (line);
  if (!strstr (line, text))
    g_error ("'%s' does not mention '%s'", line, text);
  g_assert_cmpint (finish (refused), ==, 1);
}

static void
test_max_consumers (void)
{
  g_autoptr (Child) producer = run (LIVE "max-consumers=1");
  g_autoptr (Child) first = run ("shmframesrc pool=t ! fakesink name=check sync=false");

  expect_line (first, "frame");
  expect_refused ("shmframesrc pool=t", "max-consumers");
  expect_line (first, "frame");
  quit (first);
  quit (producer);
}

static void
test_lossless (void)
{
  g_autoptr (Child) producer = run (LIVE "lossless=false");

  await_stat (producer, "frames", 1);
  expect_refused ("shmframesrc pool=t delivery=lossless", "lossless");
  quit (producer);
}

static void
test_window (void)
{
  g_autoptr (Child) producer = run (FAST PATIENT "window=7");
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t delivery=lossless ! fakesink name=check sync=false");

  expect_line (consumer, "frame");
  g_subprocess_send_signal (consumer->process, SIGSTOP);
  await_stat (producer, "lag", 7);
  await_stat (producer, "waits", 1);
  g_assert_cmpuint (stat_now (producer, "lag"), ==, 7);
  g_subprocess_send_signal (consumer->process, SIGCONT);
  quit (producer);
  quit (consumer);
  g_assert_cmpuint (stat_of (consumer, "drops"), ==, 0);
}

/* A hundred frames go by while the consumer is stopped, more than there are slots without history: how
 * many it does not get. */
static guint64
drops_of_hundred (const char *sink, const char *source)
{
  g_autoptr (Child) producer = run (
      "videotestsrc is-live=true ! video/x-raw,format=I420,width=64,height=64,framerate=240/1 ! "
      "shmframesink pool=t %s",
      sink);
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t %s ! fakesink name=check sync=false", source);
  guint64 frames;

  expect_line (consumer, "frame");
  g_subprocess_send_signal (consumer->process, SIGSTOP);
  frames = stat_now (producer, "frames");
  await_stat (producer, "frames", frames + 100);
  g_subprocess_send_signal (consumer->process, SIGCONT);
  frames = stat_now (consumer, "frames");
  await_stat (consumer, "frames", frames + 2);
  quit (producer);
  tell (consumer, "quit");
  g_assert_cmpint (finish (consumer), ==, 0);
  return stat_of (consumer, "drops-lag");
}

static void
test_history (void)
{
  /* Plenty: the machine may be slow. */
  g_assert_cmpuint (drops_of_hundred ("history=2000", "max-lag=-1"), ==, 0);
  g_assert_cmpuint (drops_of_hundred ("history=1", "max-lag=-1"), >=, 20);
}

static void
test_max_lag (void)
{
  g_assert_cmpuint (drops_of_hundred ("history=2000", "max-lag=3"), >=, 50);
}

static void
test_wait (gconstpointer how)
{
  g_autoptr (Child) producer = run ("videotestsrc num-buffers=30 ! " SMALL
                                    " ! shmframesink pool=t wait-for-consumer=true");
  g_autoptr (Child) consumer = run ("shmframesrc pool=t delivery=lossless wait=%s ! "
                                    "fakesink name=check sync=false",
                                    (const char *) how);

  expect_line (consumer, "frame");
  tell (producer, "stats");
  expect_line (producer, "stats");
  g_assert_nonnull (strstr (producer->lines->pdata[producer->lines->len - 1], how));
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "frame"), ==, 30);
}

static void
test_mode (void)
{
  g_autofree char *path = g_build_filename (folder, "t.sock", NULL);
  g_autoptr (Child) producer = run (LIVE "mode=432 group=%s", getgrgid (getgid ())->gr_name);
  GStatBuf info;

  await_stat (producer, "frames", 1);
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 07777, ==, 0660);
  g_assert_cmpuint (info.st_gid, ==, getgid ());
  quit (producer);
  g_assert_cmpint (g_stat (path, &info), ==, -1);
}

/* By its socket's path, too. */
static void
test_pool (void)
{
  g_autoptr (Child) producer = run ("videotestsrc num-buffers=5 ! " SMALL
                                    " ! shmframesink pool=%s/p.sock wait-for-consumer=true",
                                    folder);
  g_autoptr (Child) consumer = run (
      "shmframesrc pool=%s/p.sock delivery=lossless ! fakesink name=check sync=false", folder);

  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (count_lines (consumer, "frame"), ==, 5);
}

int
main (int argc, char **argv)
{
  begin_tests (&argc, &argv);
  add ("/options/pool", test_pool);
  add ("/options/slots", test_slots);
  add ("/options/max-consumers", test_max_consumers);
  add ("/options/lossless", test_lossless);
  add ("/options/window", test_window);
  add ("/options/history", test_history);
  add ("/options/max-lag", test_max_lag);
  g_test_add_data_func ("/options/wait/sleep", "sleep", test_wait);
  g_test_add_data_func ("/options/wait/predict", "predict", test_wait);
  g_test_add_data_func ("/options/wait/spin", "spin", test_wait);
  add ("/options/mode", test_mode);
  return run_tests ();
}
