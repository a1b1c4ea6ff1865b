/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What cannot be is refused with an error that says what to do, and leaves nothing behind. */

#include <errno.h>
#include <glib/gstdio.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "descriptors.h"
#include "os/memory.h"
#include "two-process.h"

static void
assert_says (GError *error, int code, const char *text)
{
  g_assert_error (error, SHMFRAME_ERROR, code);
  if (strstr (error->message, text) == NULL)
    g_error ("'%s' does not say '%s'", error->message, text);
  g_error_free (error);
}

static void
expect_no_producer (int code, const char *text, const char *first_property, ...)
{
  guint descriptors = count_descriptors ();
  GError *error = NULL;
  va_list args;

  va_start (args, first_property);
  g_assert_null (
      g_initable_new_valist (SHMFRAME_TYPE_PRODUCER, first_property, args, NULL, &error));
  va_end (args);
  assert_says (error, code, text);
  g_assert_cmpuint (count_descriptors (), ==, descriptors);
}

static void
test_names (void)
{
  g_autofree char *name = g_strnfill (101, 'n');
  g_autofree char *path = g_strdup_printf ("/tmp/%s%s", name, name);
  static const char *const bad[] = { "", "a/b", ".", "..", ".hidden", "a\nb", "\xff" };

  watchdog (10);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      GError *error = NULL;

      expect_no_producer (SHMFRAME_ERROR_NAME, "", "pool", bad[i], NULL);
      g_assert_null (shmframe_consumer_new (bad[i], SHMFRAME_DELIVERY_LATEST, &error));
      assert_says (error, SHMFRAME_ERROR_NAME, "");
    }
  expect_no_producer (SHMFRAME_ERROR_NAME, "longer than 100 bytes: shorten it", "pool", name, NULL);
  expect_no_producer (SHMFRAME_ERROR_NAME, "use a shorter name", "pool", path, NULL);
}

static void
test_slots (void)
{
  watchdog (10);
  expect_no_producer (SHMFRAME_ERROR_ARGUMENT, "start the producer with slots=", "pool", "b",
                      "slots", 3, NULL);
  expect_no_producer (SHMFRAME_ERROR_ARGUMENT, "slots=13", "pool", "b", "slots", 12, "in-flight", 8,
                      NULL);
  expect_no_producer (SHMFRAME_ERROR_ARGUMENT, "at most 16384", "pool", "b", "max-consumers", 4096,
                      "consumer-leases", 255, NULL);
}

static void
test_mode (void)
{
  watchdog (10);
  expect_no_producer (SHMFRAME_ERROR_ARGUMENT, "use 0600 (384)", "pool", "b", "mode", 0, NULL);
  expect_no_producer (SHMFRAME_ERROR_ARGUMENT, "use 0600 (384)", "pool", "b", "mode", 0444, NULL);
}

static void
expect_no_format (const char *pixel_format, guint width, guint height, const char *text)
{
  GError *error = NULL;

  g_assert_null (shmframe_format_new (pixel_format, width, height, &error));
  assert_says (error, SHMFRAME_ERROR_FORMAT, text);
}

static void
test_formats (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "b", NULL);
  g_autoptr (ShmFrameFormat) format = NULL;
  g_autofree char *caps = g_strnfill (SHMFRAME_FORMAT_MAX_CAPS + 1, 'c');
  GError *error = NULL;

  watchdog (10);
  expect_no_format ("gray", 0, 0, "0x0");
  expect_no_format ("gray", 100000, 100000, "32768");
  expect_no_format ("no-such-format", 64, 64, "no-such-format");
  format = shmframe_format_new ("gray", 64, 64, NULL);
  g_assert_false (shmframe_format_set_caps (format, caps, &error));
  assert_says (g_steal_pointer (&error), SHMFRAME_ERROR_FORMAT, "16384");
  g_assert_null (shmframe_producer_acquire (producer, &error));
  assert_says (g_steal_pointer (&error), SHMFRAME_ERROR_ARGUMENT, "set_format");
  /* Nothing of it was left. */
  g_assert_true (shmframe_producer_set_format (producer, format, &error));
  producer_publish (producer, 3);
}

/* In this process, and in another. */
static void
test_second_producer (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "b", NULL);
  g_autofree char *pid = g_strdup_printf ("%d", (int) getpid ());
  g_autoptr (Agent) agent = agent_new (), consumer = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (consumer, "ok", "consumer b ordered");
  agent_expect (consumer, "attached", "next -1");
  expect_no_producer (SHMFRAME_ERROR_NAME_IN_USE, pid, "pool", "b", NULL);
  agent_expect (agent, "error 2 *b*", "producer b");
  producer_publish (producer, 1);
  agent_expect (consumer, "took 1 1 1", "take 1");
}

/* Until there are slots for one more consumer: before, the control thread opens files, to see how
 * much memory there is. */
static void
await_committed_ahead (ShmFrameProducer *producer)
{
  guint kept = 4 + 1, filled = 1, one_more = 4 + 1; /* a pool's defaults */

  producer_await_committed (producer,
                            kept + filled + producer_stat (producer, "promised") + one_more);
}

/* ---- too little memory ---- */

static void
set_available (const char *root, guint64 kilobytes)
{
  g_autofree char *path = g_build_filename (root, "meminfo", NULL);
  g_autofree char *text
      = g_strdup_printf ("MemAvailable:   %" G_GUINT64_FORMAT " kB\n", kilobytes);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

/* At creation, at admission and when the producer takes more slots; those that are there go on. */
static void
test_no_memory (void)
{
  g_autofree char *root = g_dir_make_tmp ("shmframe-proc-XXXXXX", NULL);
  g_autofree char *meminfo = g_build_filename (root, "meminfo", NULL);
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "b", "in-flight", 8, NULL);
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("gray", 1024, 1024, NULL);
  g_autoptr (Agent) one = agent_new (), two = agent_new ();
  g_autoptr (ShmFrameFrame) pinned = NULL;
  GError *error = NULL;

  watchdog (10);
  shmframe_memory_set_roots_for_test (root, root);
  set_available (root, 100);
  g_assert_false (shmframe_producer_set_format (producer, format, &error));
  assert_says (g_steal_pointer (&error), SHMFRAME_ERROR_NO_MEMORY, "use fewer slots or a smaller");
  g_assert_cmpuint (producer_stat (producer, "committed-bytes"), ==, 0);

  set_available (root, 200000); /* too little for slots that are committed ahead */
  g_assert_true (shmframe_producer_set_format (producer, format, &error));
  producer_publish (producer, 1);
  agent_expect (one, "ok", "consumer b ordered");
  agent_expect (one, "frame 1 1 good", "frame -1");
  set_available (root, 100);
  agent_expect (two, "ok", "consumer b ordered");
  agent_expect (two, "error 7 *use fewer slots or a smaller*", "frame -1");
  pinned = producer_frame (producer);
  g_assert_null (shmframe_producer_acquire (producer, &error));
  assert_says (g_steal_pointer (&error), SHMFRAME_ERROR_NO_MEMORY, "use fewer slots or a smaller");
  g_assert_true (shmframe_producer_publish (producer, pinned, &error));
  agent_expect (one, "took 1 2 2", "take 1");

  set_available (root, 1000000);
  agent_hear_until (two, "frame -1", "frame 2 *");
  producer_publish (producer, 3);
  await_committed_ahead (producer); /* an admission tries again */
  shmframe_memory_set_roots_for_test (NULL, NULL);
  g_assert_no_errno (g_unlink (meminfo));
  g_assert_no_errno (g_rmdir (root));
}

/* ---- too few descriptors ---- */

static struct rlimit usual;

static void
leave_descriptors (guint n)
{
  struct rlimit limit = usual;

  limit.rlim_cur = 3 + count_descriptors () + n; /* the folder's own is one of the others */
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, n == G_MAXUINT ? &usual : &limit));
}

/* However few there are: an error, and nothing left, until there are enough. */
static void
test_no_descriptors_producer (void)
{
  guint descriptors;
  gboolean done = FALSE;

  watchdog (20);
  g_main_context_default (); /* GLib keeps it */
  descriptors = count_descriptors ();
  for (guint n = 0; !done; n++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ShmFrameFormat) format = shmframe_format_new ("gray", 64, 64, NULL);
      ShmFrameProducer *producer;

      g_assert_cmpuint (n, <, 40);
      leave_descriptors (n);
      producer = shmframe_producer_new ("b", &error);
      done = producer && shmframe_producer_set_format (producer, format, &error);
      g_clear_object (&producer);
      leave_descriptors (G_MAXUINT);
      if (!done)
        g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS);
      g_assert_cmpuint (count_descriptors (), ==, descriptors);
    }
}

static void
test_no_descriptors_consumer (void)
{
  g_autoptr (Agent) agent = agent_new ();
  guint descriptors = count_descriptors ();
  gboolean done = FALSE;

  watchdog (20);
  agent_expect (agent, "ok", "producer b");
  agent_expect (agent, "ok", "format 64 64");
  agent_expect (agent, "ok", "publish 1");
  for (guint n = 0; !done; n++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ShmFrameFrame) frame = NULL;
      ShmFrameConsumer *consumer;

      g_assert_cmpuint (n, <, 40);
      leave_descriptors (n);
      consumer = shmframe_consumer_new ("b", SHMFRAME_DELIVERY_ORDERED, &error);
      if (consumer)
        frame = shmframe_consumer_lease (consumer, G_GINT64_CONSTANT (9000000000), NULL, &error);
      done = frame != NULL;
      g_clear_object (&consumer);
      g_clear_pointer (&frame, shmframe_frame_unref);
      leave_descriptors (G_MAXUINT);
      if (!done)
        g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS);
      g_assert_cmpuint (count_descriptors (), <=, descriptors + 3); /* what GLib keeps: contexts, inotify */
    }
}

static void
count_refusals (const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
  if (g_pattern_match_simple ("pool b: accepting a connection: *: close some*", message))
    g_atomic_int_inc ((gint *) data);
}

/* A producer that cannot accept says so, and accepts once it can. */
static void
test_no_descriptors_accept (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "b", NULL);
  g_autoptr (Agent) agent = agent_new ();
  struct rlimit none = usual;
  int lowest;
  gint refusals = 0;
  GLogLevelFlags fatal = g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_FLAG_RECURSION);
  guint handler = g_log_set_handler (NULL, G_LOG_LEVEL_WARNING, count_refusals, &refusals);

  watchdog (20);
  producer_format (producer, 64, 64);
  await_committed_ahead (producer);
  agent_expect (agent, "ok", "consumer b ordered");
  lowest = dup (STDIN_FILENO);
  none.rlim_cur = (rlim_t) lowest;
  close (lowest);
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &none));
  agent_expect (agent, "ok", "start");
  while (g_atomic_int_get (&refusals) == 0)
    g_thread_yield ();
  g_assert_no_errno (setrlimit (RLIMIT_NOFILE, &usual));
  producer_await_consumers (producer, 1);
  producer_publish (producer, 1);
  agent_expect (agent, "frame 1 1 good", "frame -1");
  g_log_remove_handler (NULL, handler);
  g_log_set_always_fatal (fatal);
}

int
main (int argc, char **argv)
{
  agent_main (&argc, &argv);
  g_assert_no_errno (getrlimit (RLIMIT_NOFILE, &usual));
  g_test_add_func ("/bad-input/names", test_names);
  g_test_add_func ("/bad-input/slots", test_slots);
  g_test_add_func ("/bad-input/mode", test_mode);
  g_test_add_func ("/bad-input/formats", test_formats);
  g_test_add_func ("/bad-input/second-producer", test_second_producer);
  g_test_add_func ("/bad-input/no-memory", test_no_memory);
  g_test_add_func ("/bad-input/no-descriptors/producer", test_no_descriptors_producer);
  g_test_add_func ("/bad-input/no-descriptors/consumer", test_no_descriptors_consumer);
  g_test_add_func ("/bad-input/no-descriptors/accept", test_no_descriptors_accept);
  return agent_run ();
}
