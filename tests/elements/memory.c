/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Buffers of the pool, and all that may be done with them, between two harnesses. With GST_TRACERS=leaks,
 * the tracer must have nothing to say at the end. */

#include "side.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#define SLOT "ShmFrameMemory"

typedef struct
{
  GstHarness *sink, *src;
  GstBufferPool *pool;
} Pair;

static void
pair_begin (Pair *pair)
{
  GstQuery *query;
  g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
  guint size, min, max;

  alarm (2 * WATCHDOG_S);
  pair->sink = gst_harness_new ("shmframesink");
  gst_harness_set_live (pair->sink, FALSE);
  g_object_set (pair->sink->element, "sync", FALSE, NULL);
  gst_harness_set_src_caps (pair->sink, gst_caps_ref (caps));
  query = gst_query_new_allocation (caps, TRUE);
  g_assert_true (gst_pad_peer_query (pair->sink->srcpad, query));
  g_assert_cmpuint (gst_query_get_n_allocation_pools (query), ==, 1);
  gst_query_parse_nth_allocation_pool (query, 0, &pair->pool, &size, &min, &max);
  g_assert_cmpuint (size, ==, CAPS_BYTES);
  g_assert_cmpuint (min, ==, 0);
  g_assert_cmpuint (max, ==, 0);
  g_assert_true (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  gst_query_unref (query);
  g_assert_true (gst_buffer_pool_set_active (pair->pool, TRUE));

  pair->src = gst_harness_new ("shmframesrc");
  g_object_set (pair->src->element, "offset-to-zero", TRUE, "delivery", 2 /* lossless */, NULL);
}

static void
pair_end (Pair *pair)
{
  if (pair->src)
    gst_harness_teardown (pair->src);
  gst_buffer_pool_set_active (pair->pool, FALSE);
  gst_object_unref (pair->pool);
  gst_harness_teardown (pair->sink);
  alarm (0);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Pair, pair_end)

/* The first frame waits for the consumer. */
static void
attach (Pair *pair)
{
  g_object_set (pair->sink->element, "wait-for-consumer", TRUE, NULL);
  gst_harness_set_sink_caps_str (pair->src, "video/x-raw");
  gst_harness_play (pair->src);
}

static GstBuffer *
acquire (Pair *pair)
{
  GstBuffer *buffer = NULL;
  GstMapInfo map;

  g_assert_cmpint (gst_buffer_pool_acquire_buffer (pair->pool, &buffer, NULL), ==, GST_FLOW_OK);
  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  for (gsize i = 0; i < map.size; i++)
    map.data[i] = i % 251;
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = 0;
  return buffer;
}

static gboolean
is_slot (GstBuffer *buffer)
{
  return gst_memory_is_type (gst_buffer_peek_memory (buffer, 0), SLOT);
}

static gboolean
can_write (GstMemory *memory)
{
  GstMapInfo map;

  if (!gst_memory_map (memory, &map, GST_MAP_WRITE))
    return FALSE;
  gst_memory_unmap (memory, &map);
  return TRUE;
}

static void
test_alignment (void)
{
  g_auto (Pair) pair = { 0 };
  g_autoptr (GstBuffer) buffer = NULL;
  g_autoptr (GPtrArray) held = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
  GstVideoAlignment align;
  GstVideoMeta *meta;
  GstStructure *config;

  pair_begin (&pair);
  gst_buffer_pool_set_active (pair.pool, FALSE);
  g_assert_true (gst_buffer_pool_has_option (pair.pool, GST_BUFFER_POOL_OPTION_VIDEO_META));
  config = gst_buffer_pool_get_config (pair.pool);
  gst_buffer_pool_config_set_params (config, caps, CAPS_BYTES, 0, 0);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
  gst_video_alignment_reset (&align);
  align.padding_right = 8;
  align.padding_bottom = 4;
  align.stride_align[0] = align.stride_align[1] = align.stride_align[2] = 63;
  gst_buffer_pool_config_set_video_alignment (config, &align);
  g_assert_true (gst_buffer_pool_set_config (pair.pool, config));
  g_assert_true (gst_buffer_pool_set_active (pair.pool, TRUE));
  buffer = acquire (&pair);
  g_assert_true (is_slot (buffer));
  meta = gst_buffer_get_video_meta (buffer);
  g_assert_nonnull (meta);
  g_assert_cmpuint (meta->alignment.padding_right, >=, 8);
  g_assert_cmpuint (meta->alignment.padding_bottom, >=, 4);
  for (guint i = 0; i < meta->n_planes; i++)
    g_assert_cmpint (meta->stride[i] % 64, ==, 0);
  g_assert_cmpint (meta->offset[1], >=, (32 + 4) * 64);

  /* Also past the slots. */
  for (gboolean slot = TRUE; slot;)
    {
      GstMapInfo map;

      g_ptr_array_add (held, acquire (&pair));
      slot = is_slot (held->pdata[held->len - 1]);
      g_assert_true (gst_buffer_map (held->pdata[held->len - 1], &map, GST_MAP_READ));
      g_assert_cmpuint ((guintptr) map.data % 64, ==, 0);
      gst_buffer_unmap (held->pdata[held->len - 1], &map);
    }
}

/* Past the slots there is ordinary memory, at once, and one counted copy. */
static void
test_past_the_slots (void)
{
  g_auto (Pair) pair = { 0 };
  g_autoptr (GPtrArray) buffers
      = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  guint n_slots = 0;

  pair_begin (&pair);
  for (guint i = 0; i < 100; i++)
    {
      g_ptr_array_add (buffers, acquire (&pair));
      n_slots += is_slot (buffers->pdata[i]);
      g_assert_cmpint (is_slot (buffers->pdata[i]), ==, i < n_slots);
    }
  g_test_message ("%u slots", n_slots);
  g_assert_cmpuint (n_slots, >, 4);
  g_assert_cmpuint (n_slots, <, 100);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "held"), ==, n_slots);
  /* All are still held, as by a decoder: what lies elsewhere is copied, not lost. */
  for (guint i = 0; i < 100; i++)
    g_assert_cmpint (gst_harness_push (pair.sink, gst_buffer_ref (buffers->pdata[i])), ==,
                     GST_FLOW_OK);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "frames"), ==, 100);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "drops"), ==, 0);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "copied-frames"), ==, 100 - n_slots);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "copied-no-slot"), ==,
                    (100 - n_slots) * CAPS_BYTES);
}

static void
test_memory (void)
{
  g_auto (Pair) pair = { 0 };
  GstElement *sink;
  GstBuffer *buffer, *deep;
  GstMemory *memory, *copy, *part;
  GstMapInfo map;

  pair_begin (&pair);
  sink = pair.sink->element;
  buffer = acquire (&pair);
  memory = gst_buffer_get_memory (buffer, 0);
  g_assert_cmpuint (stat_of_element (sink, "held"), ==, 1);

  /* A copy costs no slot; a part keeps its own. */
  copy = gst_memory_copy (memory, 0, -1);
  g_assert_false (gst_memory_is_type (copy, SLOT));
  g_assert_true (can_write (copy));
  gst_memory_unref (copy);
  deep = gst_buffer_copy_deep (buffer);
  g_assert_false (is_slot (deep));
  gst_buffer_unref (deep);
  g_assert_cmpuint (stat_of_element (sink, "held"), ==, 1);
  /* Also while it is being written: whoever does that may go on. */
  g_assert_true (gst_memory_map (memory, &map, GST_MAP_READWRITE));
  deep = gst_buffer_copy_deep (buffer);
  g_assert_false (is_slot (deep));
  gst_buffer_unref (deep);
  gst_memory_unmap (memory, &map);

  /* Published, it is read-only, wherever a reference is left. */
  g_assert_true (can_write (memory));
  g_assert_cmpint (gst_harness_push (pair.sink, buffer), ==, GST_FLOW_OK);
  g_assert_cmpuint (stat_of_element (sink, "copied-bytes"), ==, 0);
  g_assert_false (can_write (memory));
  part = gst_memory_share (memory, 16, 32);
  g_assert_true (gst_memory_is_type (part, SLOT));
  g_assert_false (can_write (part));
  g_assert_cmpuint (stat_of_element (sink, "held"), ==, 1);
  gst_memory_unref (memory);
  g_assert_cmpuint (stat_of_element (sink, "held"), ==, 1);
  gst_memory_unref (part);
  g_assert_cmpuint (stat_of_element (sink, "held"), ==, 0);
}

/* However a buffer was put together, its bytes cross. */
static GstBuffer *
put_together (Pair *pair, guint how)
{
  GstBuffer *whole = acquire (pair), *buffer = NULL;

  switch (how)
    {
    case 0:
      return whole;
    case 1:
      buffer = gst_buffer_copy_deep (whole);
      break;
    case 2:
      buffer = gst_buffer_copy_region (whole, GST_BUFFER_COPY_ALL, 0, -1);
      break;
    case 3: /* two parts of a slot */
      buffer = gst_buffer_append (gst_buffer_copy_region (whole, GST_BUFFER_COPY_MEMORY, 0, 1000),
                                  gst_buffer_copy_region (whole, GST_BUFFER_COPY_MEMORY, 1000, -1));
      break;
    case 4: /* a slot's part, and ordinary memory */
      buffer = gst_buffer_copy_region (whole, GST_BUFFER_COPY_MEMORY, 0, 1000);
      gst_buffer_append_memory (buffer,
                                gst_memory_copy (gst_buffer_peek_memory (whole, 0), 1000, -1));
      break;
    case 5: /* later in its slot */
      gst_buffer_resize (whole, 64, CAPS_BYTES);
      return whole;
    case 6: /* more than the frame */
      return gst_buffer_append (whole, gst_buffer_new_allocate (NULL, 100, NULL));
    default:
      gst_buffer_unref (whole);
      return NULL;
    }
  GST_BUFFER_PTS (buffer) = 0;
  gst_buffer_unref (whole);
  return buffer;
}

static void
assert_same (GstBuffer *a, GstBuffer *b)
{
  GstMapInfo map_a, map_b;

  g_assert_true (gst_buffer_map (a, &map_a, GST_MAP_READ));
  g_assert_true (gst_buffer_map (b, &map_b, GST_MAP_READ));
  g_assert_cmpmem (map_a.data, CAPS_BYTES, map_b.data, CAPS_BYTES);
  gst_buffer_unmap (a, &map_a);
  gst_buffer_unmap (b, &map_b);
}

static void
test_parts (void)
{
  static const gsize copied[] = { 0, 1, 0, 1, 1, 1, 1 };
  g_auto (Pair) pair = { 0 };
  guint64 total = 0;
  GstBuffer *buffer;

  pair_begin (&pair);
  attach (&pair);
  for (guint how = 0; (buffer = put_together (&pair, how)); how++)
    {
      g_autoptr (GstBuffer) sent = gst_buffer_copy_deep (buffer);
      g_autoptr (GstBuffer) received = NULL;

      g_test_message ("%u: %u memories", how, gst_buffer_n_memory (buffer));
      g_assert_cmpint (gst_harness_push (pair.sink, buffer), ==, GST_FLOW_OK);
      received = gst_harness_pull (pair.src);
      assert_same (sent, received);
      total += copied[how] * CAPS_BYTES;
      g_assert_cmpuint (stat_of_element (pair.sink->element, "copied-bytes"), ==, total);
    }
}

/* Without the pool, too, a frame is as large as its format says. */
static gpointer
push_list (gpointer data)
{
  Pair *pair = data;
  GstBufferList *list = gst_buffer_list_new ();

  for (guint i = 0; i < 3; i++)
    gst_buffer_list_add (list, acquire (pair));
  g_assert_cmpint (gst_pad_push_list (pair->sink->srcpad, list), ==, GST_FLOW_OK);
  return NULL;
}

/* Frames in a list wait for the consumer as others do. */
static void
test_list (void)
{
  g_auto (Pair) pair = { 0 };
  GThread *thread;

  pair_begin (&pair);
  g_object_set (pair.sink->element, "wait-for-consumer", TRUE, NULL);
  thread = g_thread_new ("push", push_list, &pair);
  attach (&pair);
  for (guint i = 0; i < 3; i++)
    gst_buffer_unref (gst_harness_pull (pair.src));
  g_thread_join (thread);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "frames"), ==, 3);
}

static void
test_foreign (void)
{
  g_auto (Pair) pair = { 0 };
  g_autoptr (GstBuffer) sent = gst_buffer_new_allocate (NULL, CAPS_BYTES, NULL);
  g_autoptr (GstBuffer) received = NULL;

  pair_begin (&pair);
  gst_buffer_pool_set_active (pair.pool, FALSE);
  attach (&pair);
  gst_buffer_memset (sent, 0, 42, -1);
  GST_BUFFER_PTS (sent) = 0;
  gst_harness_set_src_caps_str (pair.sink, "video/x-raw,format=I420,width=32,height=32,"
                                           "framerate=100/1");
  g_assert_cmpint (gst_harness_push (pair.sink, gst_buffer_ref (sent)), ==, GST_FLOW_OK);
  received = gst_harness_pull (pair.src);
  assert_same (sent, received);
  g_assert_cmpuint (gst_buffer_get_size (received), ==, CAPS_BYTES);
  g_assert_cmpuint (stat_of_element (pair.sink->element, "copied-foreign"), ==, CAPS_BYTES);
}

/* What downstream holds is a lease, read-only, and outlives both elements. */
static void
test_held (void)
{
  g_auto (Pair) pair = { 0 };
  g_autoptr (GPtrArray) received
      = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  g_autoptr (GstBuffer) sent = NULL, copy = NULL;
  GstMapInfo map;

  pair_begin (&pair);
  attach (&pair);
  for (guint i = 0; i < 4; i++)
    {
      GstBuffer *buffer = acquire (&pair);

      gst_buffer_replace (&sent, NULL);
      sent = gst_buffer_copy_deep (buffer);
      g_assert_cmpint (gst_harness_push (pair.sink, buffer), ==, GST_FLOW_OK);
      g_ptr_array_add (received, gst_harness_pull (pair.src));
      g_assert_true (is_slot (received->pdata[i]));
      g_assert_false (can_write (gst_buffer_peek_memory (received->pdata[i], 0)));
    }
  g_assert_cmpuint (stat_of_element (pair.src->element, "held"), ==, 4);
  g_assert_cmpuint (stat_of_element (pair.src->element, "copied-bytes"), ==, 0);

  /* Whoever writes in place writes into a copy. */
  copy = gst_buffer_make_writable (gst_buffer_ref (received->pdata[3]));
  g_assert_true (gst_buffer_map (copy, &map, GST_MAP_WRITE));
  memset (map.data, 0xff, map.size);
  gst_buffer_unmap (copy, &map);
  g_assert_false (is_slot (copy));

  set_state (pair.src->element, GST_STATE_NULL);
  gst_harness_teardown (g_steal_pointer (&pair.src));
  set_state (pair.sink->element, GST_STATE_NULL);
  for (guint i = 0; i < 4; i++)
    assert_same (sent, received->pdata[i]);
}

int
main (int argc, char **argv)
{
  begin_side_tests (&argc, &argv);
  add ("/elements-memory/alignment", test_alignment);
  add ("/elements-memory/past-the-slots", test_past_the_slots);
  add ("/elements-memory/copies-and-parts", test_memory);
  add ("/elements-memory/list", test_list);
  add ("/elements-memory/foreign", test_foreign);
  add ("/elements-memory/put-together", test_parts);
  add ("/elements-memory/held", test_held);
  return run_side_tests ();
}
