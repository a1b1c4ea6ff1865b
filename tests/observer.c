/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <unistd.h>

#include "control/name.h"
#include "hostile-raw.h"
#include "producer-child.h"

#define SECOND_NS G_GINT64_CONSTANT (1000000000)
#define PATIENCE_NS (10 * SECOND_NS)

static ShmFrameObserver *
observe (const char *pool)
{
  g_autoptr (GError) error = NULL;
  ShmFrameObserver *observer = shmframe_observer_new (pool, PATIENCE_NS, &error);

  g_assert_no_error (error);
  return observer;
}

static GVariant *
query (ShmFrameObserver *observer)
{
  g_autoptr (GError) error = NULL;
  GVariant *stats = shmframe_observer_query_stats (observer, PATIENCE_NS, &error);

  g_assert_no_error (error);
  return stats;
}

static void
assert_frame (ShmFrameFrame *frame, guint64 sequence, gsize size, guint8 value)
{
  const guint8 *data = shmframe_frame_get_data (frame);

  g_assert_true (shmframe_frame_is_copy (frame));
  g_assert_cmpuint (shmframe_frame_get_sequence (frame), ==, sequence);
  g_assert_cmpuint (shmframe_frame_get_size (frame), ==, size);
  for (gsize i = 0; i < size; i++)
    g_assert_cmpuint (data[i], ==, value);
}

/* An observer leaves the files of a killed producer alone. */
static void
sweep (const char *pool)
{
  g_autofree char *file = g_strdup_printf ("%s.sock", pool);
  g_autofree char *path = g_build_filename (g_getenv ("SHMFRAME_RUNTIME_DIR"), file, NULL);

  shmframe_name_sweep (path);
}

static void
test_refused (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shmframe_observer_new ("nobody", PATIENCE_NS, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (shmframe_observer_new ("a/b", PATIENCE_NS, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME);
}

static void
test_no_format (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (GVariant) stats = NULL;
  g_autoptr (GVariant) none = NULL;
  g_autoptr (ShmFrameFrame) frame = NULL;
  g_autoptr (GError) error = NULL;

  child_start (&child, "bare", 1);
  observer = observe ("bare");
  stats = query (observer);
  g_assert_false (g_variant_lookup (stats, "format", "a{sv}", NULL));
  none = shmframe_observer_dup_slots (observer);
  g_assert_cmpuint (g_variant_n_children (none), ==, 0);
  g_assert_cmpuint (shmframe_observer_get_latest (observer), ==, 0);
  g_assert_null (shmframe_observer_copy_frame (observer, 0, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND);
  g_clear_error (&error);

  /* The first segment reaches an observer that was there before it. */
  child_do (&child, "format 64 32");
  child_do (&child, "publish 1 7");
  g_variant_unref (query (observer));
  frame = shmframe_observer_copy_frame (observer, 0, &error);
  g_assert_no_error (error);
  assert_frame (frame, 1, 64 * 32, 7);
  child_end (&child, 0);
}

static void
test_stats (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (GVariant) stats = NULL;
  g_autoptr (GVariant) slots = NULL;
  const char *pool;
  guint64 frames, latest;
  guint pid, live = 0;

  child_start (&child, "stats", 3);
  child_do (&child, "format 64 32");
  child_do (&child, "publish 5 1");
  observer = observe ("stats");
  stats = query (observer);
  g_assert_true (g_variant_lookup (stats, "pool", "&s", &pool));
  g_assert_cmpstr (pool, ==, "stats");
  g_assert_true (g_variant_lookup (stats, "pid", "u", &pid));
  g_assert_cmpuint (pid, ==, child.pid);
  g_assert_true (g_variant_lookup (stats, "frames", "t", &frames));
  g_assert_cmpuint (frames, ==, 5);
  g_assert_true (g_variant_lookup (stats, "latest", "t", &latest));
  g_assert_cmpuint (latest, ==, 5);
  g_assert_cmpuint (shmframe_observer_get_latest (observer), ==, 5);

  slots = shmframe_observer_dup_slots (observer);
  for (gsize i = 0; i < g_variant_n_children (slots); i++)
    {
      guint state, format;
      guint64 generation, sequence, size;
      gint64 publish_ns;

      g_variant_get_child (slots, i, "(uttxtu)", &state, &generation, &sequence, &publish_ns, &size,
                           &format);
      g_assert_cmpuint (generation, ==, sequence << 2 | state);
      if (state != 1)
        continue;
      live++;
      g_assert_cmpuint (size, ==, 64 * 32);
      g_assert_cmpint (publish_ns, <=, g_get_monotonic_time () * 1000 + 1000);
      g_assert_cmpuint (format, ==, 1);
    }
  g_assert_cmpuint (live, >=, 3); /* the history, at least */
  child_end (&child, 0);
}

static gboolean
has_ended (ShmFrameObserver *observer)
{
  g_autoptr (GVariant) stats = query (observer);
  gboolean ended;

  g_assert_true (g_variant_lookup (stats, "ended", "b", &ended));
  return ended;
}

/* Until the next frame, which begins a new stream. */
static void
test_ended (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameProducer) producer = shmframe_producer_new ("ended", &error);
  g_autoptr (ShmFrameFormat) format = shmframe_format_new_opaque (16, 16, 64, NULL);
  g_autoptr (ShmFrameObserver) observer = observe ("ended");

  g_assert_no_error (error);
  shmframe_producer_set_format (producer, format, &error);
  g_assert_no_error (error);
  g_assert_false (has_ended (observer));
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (ShmFrameFrame) frame = shmframe_producer_acquire (producer, &error);

      g_assert_no_error (error);
      shmframe_producer_publish (producer, frame, &error);
      g_assert_no_error (error);
      g_assert_false (has_ended (observer));
      shmframe_producer_push_eos (producer);
      g_assert_true (has_ended (observer));
    }
}

static void
test_copy (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (ShmFrameFrame) newest = NULL;
  g_autoptr (ShmFrameFrame) older = NULL;
  g_autoptr (GVariant) metadata = NULL;
  g_autoptr (GError) error = NULL;
  guint value;

  child_start (&child, "copy", 4);
  child_do (&child, "format 64 32");
  child_do (&child, "publish 1 3");
  child_do (&child, "publish 1 4");
  observer = observe ("copy");
  newest = shmframe_observer_copy_frame (observer, 0, &error);
  g_assert_no_error (error);
  assert_frame (newest, 2, 64 * 32, 4);
  older = shmframe_observer_copy_frame (observer, 1, &error);
  g_assert_no_error (error);
  assert_frame (older, 1, 64 * 32, 3);
  g_assert_cmpuint (shmframe_format_get_width (shmframe_frame_get_format (older)), ==, 64);
  metadata = shmframe_frame_dup_metadata (older, &error);
  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (metadata, "value", "u", &value));
  g_assert_cmpuint (value, ==, 3);

  g_assert_null (shmframe_observer_copy_frame (observer, 3, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND);
  child_end (&child, 0);
}

static void
test_peek (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (ShmFrameFrame) copy = NULL;
  g_autoptr (ShmFrameFrame) frame = NULL;
  g_autoptr (GVariant) metadata = NULL;
  g_autoptr (GError) error = NULL;

  child_start (&child, "peek", 4);
  child_do (&child, "format 64 32");
  child_do (&child, "publish 2 3");
  observer = observe ("peek");
  copy = shmframe_observer_copy_frame (observer, 1, &error);
  g_assert_no_error (error);
  frame = shmframe_observer_peek_frame (observer, 1, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (shmframe_frame_get_sequence (frame), ==, 1);
  g_assert_cmpint (shmframe_frame_get_pts (frame), ==, shmframe_frame_get_pts (copy));
  g_assert_cmpint (shmframe_frame_get_publish_time (frame), ==,
                   shmframe_frame_get_publish_time (copy));
  g_assert_cmpuint (shmframe_frame_get_flags (frame), ==, SHMFRAME_FLAG_KEY);
  g_assert_cmpuint (shmframe_format_get_width (shmframe_frame_get_format (frame)), ==, 64);
  g_assert_cmpuint (shmframe_frame_get_size (frame), ==, 0);
  g_assert_null (shmframe_frame_get_data (frame));
  g_assert_null (shmframe_frame_get_plane (frame, 0, NULL));
  metadata = shmframe_frame_dup_metadata (frame, &error);
  g_assert_no_error (error);
  g_assert_null (metadata);
  g_assert_null (shmframe_observer_peek_frame (observer, 3, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND);
  child_end (&child, 0);
}

static guint64
count_latency (GVariant *stats)
{
  g_autoptr (GVariantIter) latency = NULL;
  guint64 bound, count, sum = 0;

  g_assert_true (g_variant_lookup (stats, "latency", "a(tt)", &latency));
  while (g_variant_iter_next (latency, "(tt)", &bound, &count))
    sum += count;
  return sum;
}

/* The event that comes before the first frame: it is attached. */
static ShmFrameEvent *
await_event (ShmFrameConsumer *consumer)
{
  g_autoptr (GError) error = NULL;
  ShmFrameEvent *event = NULL;

  g_assert_null (shmframe_consumer_lease (consumer, PATIENCE_NS, &event, &error));
  g_assert_no_error (error);
  return event;
}

/* The most consumers that a report lists, each with the longest name and all of its leases held, the
 * longest caps and the most slots: the report still is one message. */
static void
test_largest_report (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameProducer) producer
      = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", "largest", "history", 16, "slots",
                        8192, "max-consumers", 130, NULL);
  g_autoptr (ShmFrameFormat) format = shmframe_format_new_opaque (16, 16, 64, NULL);
  g_autoptr (GPtrArray) consumers = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) frames
      = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  g_autofree char *program = g_strnfill (511, 'p');
  g_autofree char *filler = g_strnfill (SHMFRAME_FORMAT_MAX_CAPS - 20, 'c');
  g_autofree char *caps = g_strdup_printf ("video/x-raw,a=%s", filler);
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (GVariant) stats = NULL;
  g_autoptr (GVariant) listed = NULL;

  g_assert_no_error (error);
  g_assert_true (shmframe_format_set_caps (format, caps, &error));
  g_assert_true (shmframe_producer_set_format (producer, format, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < 129; i++)
    {
      ShmFrameConsumer *consumer
          = g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, &error, "pool", "largest", "leases", 16,
                            "program", program, NULL);

      g_assert_no_error (error);
      g_ptr_array_add (consumers, consumer);
      shmframe_event_unref (await_event (consumer));
    }
  for (guint i = 0; i < 16; i++)
    {
      g_autoptr (ShmFrameFrame) frame = shmframe_producer_acquire (producer, &error);

      g_assert_no_error (error);
      g_assert_true (shmframe_producer_publish (producer, frame, &error));
      for (guint j = 0; j < consumers->len; j++)
        {
          g_autoptr (ShmFrameEvent) event = NULL;
          ShmFrameFrame *leased = NULL;

          while (!leased)
            {
              g_clear_pointer (&event, shmframe_event_unref);
              leased = shmframe_consumer_lease (consumers->pdata[j], PATIENCE_NS, &event, &error);
              g_assert_no_error (error);
            }
          g_ptr_array_add (frames, leased);
        }
    }
  observer = observe ("largest");
  stats = query (observer);
  g_test_message ("%" G_GSIZE_FORMAT " bytes", g_variant_get_size (stats));
  listed = g_variant_lookup_value (stats, "consumers", G_VARIANT_TYPE ("aa{sv}"));
  g_assert_cmpuint (g_variant_n_children (listed), ==, 128);
  g_assert_cmpuint (count_latency (stats), ==, 129 * 16); /* of those that are not listed, too */
  g_clear_pointer (&frames, g_ptr_array_unref);
}

/* Consumers count how long after its publication they leased a frame; the producer sums it up. */
static void
test_latency (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (GPtrArray) consumers = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GVariant) stats = NULL;
  g_autoptr (GVariant) listed = NULL;
  g_autoptr (GVariantIter) latency = NULL;
  g_autoptr (GError) error = NULL;
  guint64 bound, count, sum = 0, longest = 0, greatest = 0;

  child_start (&child, "latency", 4);
  child_do (&child, "format 64 32");
  child_do (&child, "publish 3 1");
  for (guint i = 0; i < 2; i++)
    {
      ShmFrameConsumer *consumer
          = shmframe_consumer_new ("latency", SHMFRAME_DELIVERY_LATEST, &error);

      g_assert_no_error (error);
      g_ptr_array_add (consumers, consumer);
      for (gboolean leased = FALSE; !leased;)
        {
          g_autoptr (ShmFrameEvent) event = NULL;
          g_autoptr (ShmFrameFrame) frame
              = shmframe_consumer_lease (consumer, PATIENCE_NS, &event, &error);

          g_assert_no_error (error);
          leased = frame != NULL;
          if (leased)
            longest = MAX (longest, (guint64) shmframe_frame_get_latency (frame));
        }
    }
  observer = observe ("latency");
  stats = query (observer);
  g_assert_true (g_variant_lookup (stats, "latency", "a(tt)", &latency));
  while (g_variant_iter_next (latency, "(tt)", &bound, &count))
    {
      sum += count;
      greatest = bound;
    }
  g_assert_cmpuint (sum, ==, 2);
  g_assert_cmpuint (greatest, >=, longest);
  g_assert_cmpuint (greatest, <=, longest + longest / 8);
  listed = g_variant_lookup_value (stats, "consumers", G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GVariant) consumer = g_variant_get_child_value (listed, i);
      guint64 median, worst, leased;

      g_assert_true (g_variant_lookup (consumer, "latency-p50-ns", "t", &median));
      g_assert_true (g_variant_lookup (consumer, "latency-max-ns", "t", &worst));
      g_assert_true (g_variant_lookup (consumer, "leased", "t", &leased));
      g_assert_cmpuint (leased, ==, 1);
      g_assert_cmpuint (median, ==, worst);
      g_assert_cmpuint (worst, <=, greatest);
    }
  child_end (&child, 0);
}

/* Each answer comes after what the producer's thread did before. */
static GVariant *
await_consumers (ShmFrameObserver *observer, guint wanted)
{
  for (guint n = G_MAXUINT;;)
    {
      g_autoptr (GVariant) stats = query (observer);

      g_assert_true (g_variant_lookup (stats, "n-consumers", "u", &n));
      if (n == wanted)
        return g_steal_pointer (&stats);
      g_thread_yield ();
    }
}

/* What has left still counts; what lied about it counts once for each frame that it could have. */
static void
test_latency_kept (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (ShmFrameConsumer) consumer = NULL;
  g_autoptr (GVariant) before = NULL;
  g_autoptr (GVariant) kept = NULL;
  g_autoptr (GVariant) lied = NULL;
  g_autoptr (GVariant) after = NULL;
  g_autoptr (GError) error = NULL;
  RawConsumer liar;

  child_start (&child, "kept", 4);
  child_do (&child, "format 64 32");
  consumer = shmframe_consumer_new ("kept", SHMFRAME_DELIVERY_ORDERED, &error);
  g_assert_no_error (error);
  shmframe_event_unref (await_event (consumer));
  child_do (&child, "publish 2 1");
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (ShmFrameFrame) frame = NULL;

      while (frame == NULL)
        {
          g_autoptr (ShmFrameEvent) event = NULL;

          frame = shmframe_consumer_lease (consumer, PATIENCE_NS, &event, &error);
          g_assert_no_error (error);
        }
    }
  observer = observe ("kept");
  before = query (observer);
  g_assert_cmpuint (count_latency (before), ==, 2);
  g_clear_object (&consumer);
  kept = await_consumers (observer, 0);
  g_assert_cmpuint (count_latency (kept), ==, 2);

  g_assert_true (raw_attach (&liar, "kept", SHMFRAME_DELIVERY_LATEST, 1));
  child_do (&child, "publish 3 1");
  memset (liar.page->latency, 0xff, sizeof liar.page->latency);
  lied = query (observer);
  g_assert_cmpuint (count_latency (lied), ==, 2 + 1 + 3);
  raw_detach (&liar);
  after = await_consumers (observer, 0);
  g_assert_cmpuint (count_latency (after), ==, 2 + 1 + 3);
  child_end (&child, 0);
}

static void
test_format_change (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  child_start (&child, "formats", 2);
  child_do (&child, "format 256 256");
  child_do (&child, "publish 1 1");
  observer = observe ("formats");
  /* Fits the segment; then does not. Nothing waits in between: the copy finds what it needs. */
  for (guint i = 0; i < 2; i++)
    {
      static const struct
      {
        const char *command;
        gsize size;
      } changes[] = { { "format 64 64", 64 * 64 }, { "format 512 512", 512 * 512 } };
      g_autoptr (ShmFrameFrame) frame = NULL;

      child_do (&child, changes[i].command);
      child_do (&child, "publish 1 9");
      /* An answer comes after the segment and the events that were sent before it. */
      g_variant_unref (query (observer));
      frame = shmframe_observer_copy_frame (observer, 0, &error);
      g_assert_no_error (error);
      assert_frame (frame, 2 + i, changes[i].size, 9);
    }
  child_end (&child, 0);
}

static gboolean
is_uniform (ShmFrameFrame *frame)
{
  const guint8 *data = shmframe_frame_get_data (frame);
  gsize size = shmframe_frame_get_size (frame);

  return memcmp (data, data + 1, size - 1) == 0;
}

/* A producer that never rests, alternating two slots: a copy is one frame, or none. Under valgrind it
 * always overtakes, so one try in ten is at its pleasure, wherever it is stopped. */
static void
test_overtaken (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  guint copied = 0, overtaken = 0;

  child_start (&child, "flood", 1);
  child_do (&child, "format 640 480");
  child_do (&child, "publish 1 1");
  observer = observe ("flood");
  child_send (&child, "flood");
  while (copied + overtaken < 500)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ShmFrameFrame) frame = NULL;
      gboolean rests = (copied + overtaken) % 10 == 9;

      if (rests)
        kill (child.pid, SIGSTOP);
      frame = shmframe_observer_copy_frame (observer, 0, &error);
      if (rests)
        kill (child.pid, SIGCONT);
      if (frame == NULL)
        {
          g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND);
          overtaken++;
          continue;
        }
      g_assert_true (is_uniform (frame));
      copied++;
    }
  g_test_message ("%u copied, %u overtaken", copied, overtaken);
  g_assert_cmpuint (copied, >, 0);
  child_end (&child, 0);
}

static void
test_stopped (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (GVariant) stats = NULL;
  g_autoptr (GError) error = NULL;
  guint64 frames;

  child_start (&child, "stopped", 1);
  child_do (&child, "format 64 32");
  observer = observe ("stopped");
  g_assert_cmpint (kill (child.pid, SIGSTOP), ==, 0);
  g_assert_cmpint (waitpid (child.pid, NULL, WUNTRACED), ==, child.pid);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_null (shmframe_observer_query_stats (observer, SECOND_NS / 10, &error));
      g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT);
      g_clear_error (&error);
    }
  g_assert_null (shmframe_observer_new ("stopped", SECOND_NS / 10, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT);
  g_assert_cmpint (kill (child.pid, SIGCONT), ==, 0);

  /* A late answer is not taken for that to the next question. */
  child_do (&child, "publish 2 1");
  stats = query (observer);
  g_assert_true (g_variant_lookup (stats, "frames", "t", &frames));
  g_assert_cmpuint (frames, ==, 2);
  child_end (&child, 0);
}

/* Another program's socket of the same kind, which never answers. */
static void
test_foreign (void)
{
  g_autofree char *path = g_build_filename (g_getenv ("SHMFRAME_RUNTIME_DIR"), "other.sock", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (path);
  g_autoptr (GSocket) listener
      = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_SEQPACKET, 0, &error);

  g_assert_true (g_socket_bind (listener, address, FALSE, &error));
  g_assert_true (g_socket_listen (listener, &error));
  g_assert_no_error (error);
  g_assert_null (shmframe_observer_new ("other", SECOND_NS / 10, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT);
  g_assert_nonnull (strstr (error->message, "not a pool, but another program's socket"));
  g_assert_cmpint (g_unlink (path), ==, 0);
}

static void
test_death (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (ShmFrameFrame) frame = NULL;
  g_autoptr (GError) error = NULL;

  child_start (&child, "mortal", 1);
  child_do (&child, "format 64 32");
  child_do (&child, "publish 1 5");
  observer = observe ("mortal");
  child_end (&child, SIGKILL);
  for (guint i = 0; i < 2; i++)
    {
      g_assert_null (shmframe_observer_query_stats (observer, PATIENCE_NS, &error));
      g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED);
      g_assert_cmpstr (error->message, ==, "pool mortal: the producer died, or was killed");
      g_clear_error (&error);
    }
  /* What is in memory can still be looked at. */
  frame = shmframe_observer_copy_frame (observer, 0, &error);
  g_assert_no_error (error);
  assert_frame (frame, 1, 64 * 32, 5);
  sweep ("mortal");
}

/* A forked child of the producer keeps the socket open: only the pidfd says that it died. */
static void
test_death_with_heir (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  child_start (&child, "heir", 1);
  observer = observe ("heir");
  child_do (&child, "fork");
  g_assert_cmpint (kill (child.pid, SIGKILL), ==, 0);
  g_assert_null (shmframe_observer_query_stats (observer, PATIENCE_NS, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED);
  child_end (&child, SIGKILL);
  sweep ("heir");
}

static void
test_closed (void)
{
  Child child;
  g_autoptr (ShmFrameObserver) observer = NULL;
  g_autoptr (GError) error = NULL;

  child_start (&child, "closed", 1);
  observer = observe ("closed");
  child_do (&child, "close");
  g_assert_null (shmframe_observer_query_stats (observer, PATIENCE_NS, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED);
  child_end (&child, 0);
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = NULL;
  int failed;

  child_main (argc, argv);
  g_test_init (&argc, &argv, NULL);
  alarm (60); /* the watchdog */
  folder = make_runtime_folder ();
  g_test_add_func ("/observer/refused", test_refused);
  g_test_add_func ("/observer/no-format", test_no_format);
  g_test_add_func ("/observer/stats", test_stats);
  g_test_add_func ("/observer/ended", test_ended);
  g_test_add_func ("/observer/copy", test_copy);
  g_test_add_func ("/observer/peek", test_peek);
  g_test_add_func ("/observer/latency", test_latency);
  g_test_add_func ("/observer/latency-kept", test_latency_kept);
  g_test_add_func ("/observer/largest-report", test_largest_report);
  g_test_add_func ("/observer/format-change", test_format_change);
  g_test_add_func ("/observer/overtaken", test_overtaken);
  g_test_add_func ("/observer/stopped", test_stopped);
  g_test_add_func ("/observer/foreign", test_foreign);
  g_test_add_func ("/observer/death", test_death);
  g_test_add_func ("/observer/death-with-heir", test_death_with_heir);
  g_test_add_func ("/observer/closed", test_closed);
  failed = g_test_run ();
  g_assert_cmpint (g_rmdir (folder), ==, 0);
  return failed;
}
