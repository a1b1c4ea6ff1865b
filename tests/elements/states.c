/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* States in any order, waits that end, pads and elements that go. With GST_TRACERS=leaks, the tracer must
 * have nothing to say at the end. */

#include "side.h"

#include <glib/gstdio.h>
#include <unistd.h>

#include "descriptors.h"

#define N_ORDERS (4 * 4 * 4 * 4 * 4)

typedef struct
{
  const char *pipeline, *peer;
  gboolean completes; /* each change, without a peer's help */
} Orders;

/* Every order of five states, as one walk (a de Bruijn sequence), so that each also follows others. */
static void
test_orders (gconstpointer data)
{
  const Orders *orders = data;
  g_autoptr (Side) peer = orders->peer ? side_new (orders->peer) : NULL;
  g_autoptr (Side) side = side_new (orders->pipeline);
  gboolean seen[N_ORDERS] = { TRUE };
  guint order = 0, n = 1;

  if (peer)
    set_state (peer->pipeline, GST_STATE_PLAYING);
  for (gint state = 0; state >= 0;)
    {
      gboolean was_playing = order % 4 == 3;

      for (state = 3; state >= 0 && seen[(order * 4 + state) % N_ORDERS]; state--)
        ;
      if (state < 0)
        break;
      order = (order * 4 + state) % N_ORDERS;
      seen[order] = TRUE;
      n++;
      (orders->completes ? reach : set_state) (side->pipeline, GST_STATE_NULL + state);
      /* GstBaseSrc may miss that it plays again before its thread has seen that it was paused. */
      if (was_playing && state == 2)
        await_sleep (side);
    }
  g_assert_cmpuint (n, ==, N_ORDERS);
  report_time ("a change of state");

  set_state (side->pipeline, GST_STATE_PLAYING);
  if (orders->completes || peer)
    await_frames (side, 10);
  alarm (0);
}

typedef struct
{
  const char *pipeline; /* that waits */
  const char *peer;
  gboolean blocked;   /* the peer takes no frame; else it gives none */
  const char *rescue; /* without a peer: what ends the wait */
} Wait;

static const Wait wait_for_consumer
    = { TEST_SRC SINK "wait-for-consumer=true", NULL, FALSE, SRC END };
static const Wait wait_for_window
    = { TEST_SRC SINK "wait-for-consumer=true sync=false stall-timeout=9223372036854775807",
        SRC "delivery=lossless" END, TRUE, NULL };
static const Wait wait_for_producer = { SRC END, NULL, FALSE, TEST_SRC SINK };
static const Wait wait_for_frame = { SRC END, LIVE_SRC SINK, FALSE, NULL };

static GstPadProbeReturn
block (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  return GST_PAD_PROBE_OK;
}

static void
change_states (Side *side)
{
  static const GstState below[] = { GST_STATE_PAUSED, GST_STATE_READY, GST_STATE_NULL };

  for (guint i = 0; i < G_N_ELEMENTS (below); i++)
    {
      await_sleep (side);
      set_state (side->pipeline, below[i]);
      if (below[i] == GST_STATE_PAUSED)
        await_sleep (side);
      set_state (side->pipeline, GST_STATE_PLAYING);
    }
}

/* From the source, and by a seek, which shmframesrc refuses. */
static void
flush (Side *side)
{
  g_autoptr (GstElement) from = gst_bin_get_by_name (GST_BIN (side->pipeline), "from");
  GstElement *source = from ? from : side->e;
  gint64 begin;

  await_sleep (side);
  alarm (WATCHDOG_S);
  begin = g_get_monotonic_time ();
  g_assert_true (gst_element_send_event (source, gst_event_new_flush_start ()));
  g_assert_true (gst_element_send_event (source, gst_event_new_flush_stop (TRUE)));
  note_time (begin);
  await_sleep (side);
  alarm (WATCHDOG_S);
  begin = g_get_monotonic_time ();
  g_assert_cmpint (
      gst_element_seek_simple (side->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 0), ==,
      from != NULL);
  note_time (begin);
}

/* Whatever happens to a pipeline whose thread waits happens at once; afterwards it waits again, and goes
 * on when what it waited for comes. */
static void
test_wait (const Wait *wait, void (*disturb) (Side *))
{
  g_autoptr (Side) peer = wait->peer ? side_new (wait->peer) : NULL;
  g_autoptr (Side) side = side_new (wait->pipeline);
  g_autoptr (Side) rescue = NULL;
  gulong probe = 0;

  if (wait->blocked)
    probe = gst_pad_add_probe (peer->pad, GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_BUFFER,
                               block, NULL, NULL);
  set_state (side->pipeline, GST_STATE_PLAYING);
  if (peer)
    {
      set_state (peer->pipeline, GST_STATE_PLAYING);
      await_frames (side, 1);
      if (!wait->blocked)
        set_state (peer->pipeline, GST_STATE_PAUSED);
    }
  report_time ("its beginning");
  for (guint round = 0; round < 10; round++)
    disturb (side);
  await_sleep (side);
  report_time ("the end of a wait");

  if (probe)
    gst_pad_remove_probe (peer->pad, probe);
  else if (peer)
    set_state (peer->pipeline, GST_STATE_PLAYING);
  else
    {
      rescue = side_new (wait->rescue);
      set_state (rescue->pipeline, GST_STATE_PLAYING);
    }
  reach (side->pipeline, GST_STATE_PLAYING);
  await_frames (side, 20);
}

static void
test_wait_states (gconstpointer wait)
{
  test_wait (wait, change_states);
  alarm (0);
}

static void
test_wait_flush (gconstpointer wait)
{
  test_wait (wait, flush);
  alarm (0);
}

/* A flush that is sent to the pipeline, as applications do: on to the source, and down from there. */
static void
test_flush_pipeline (gconstpointer pipeline)
{
  g_autoptr (Side) peer = side_new (SRC END);
  g_autoptr (Side) side = side_new (pipeline);

  set_state (peer->pipeline, GST_STATE_PLAYING);
  for (GstState state = GST_STATE_PAUSED; state <= GST_STATE_PLAYING; state++)
    {
      reach (side->pipeline, state);
      alarm (WATCHDOG_S);
      g_assert_true (gst_element_send_event (side->pipeline, gst_event_new_flush_start ()));
      g_assert_true (gst_element_send_event (side->pipeline, gst_event_new_flush_stop (TRUE)));
      reach (side->pipeline, state);
    }
  await_frames (side, 5);
  alarm (0);
}

static void
test_preroll (void)
{
  g_autoptr (Side) peer = side_new (SRC END);
  g_autoptr (Side) side = side_new (TEST_SRC SINK);
  g_autoptr (GstSample) sample = NULL;

  set_state (peer->pipeline, GST_STATE_PLAYING);
  reach (side->pipeline, GST_STATE_PAUSED);
  g_assert_cmpuint (stat_of_element (side->e, "frames"), ==, 0);
  reach (side->pipeline, GST_STATE_PLAYING);
  await_frames (peer, 5);
  reach (side->pipeline, GST_STATE_PAUSED);
  g_object_get (side->e, "last-sample", &sample, NULL);
  g_assert_null (sample);
}

static void
test_one_name (void)
{
  g_autoptr (Side) peer = side_new (SRC END);
  g_autoptr (Side) first = side_new (LIVE_SRC SINK);
  g_autoptr (Side) second = side_new (LIVE_SRC SINK);
  g_autofree char *error = NULL;

  set_state (peer->pipeline, GST_STATE_PLAYING);
  set_state (first->pipeline, GST_STATE_PLAYING);
  await_frames (peer, 2);
  g_assert_cmpint (gst_element_set_state (second->pipeline, GST_STATE_PLAYING), ==,
                   GST_STATE_CHANGE_FAILURE);
  error = await_end (second);
  g_test_message ("%s", error);
  g_assert_true (g_str_has_prefix (error, "pool t: "));
  await_frames (peer, 10);
  set_state (second->pipeline, GST_STATE_NULL);
  set_state (first->pipeline, GST_STATE_NULL);
  reach (second->pipeline, GST_STATE_PLAYING);
  await_frames (peer, 10);
}

/* One end must not wait for the other's preroll: async=false. */
static void
test_one_pipeline (void)
{
  g_autoptr (Side) side
      = side_new ("videotestsrc num-buffers=50 ! " CAPS " ! shmframesink pool=t "
                  "wait-for-consumer=true " SRC "delivery=lossless" END " async=false");

  set_state (side->pipeline, GST_STATE_PLAYING);
  g_assert_null (await_end (side));
  g_assert_cmpuint (side->frames, ==, 50);
}

/* Neither is there before both have a frame. */
static void
test_two_sources (void)
{
  g_autoptr (Side) peer = side_new (LIVE_SRC SINK);
  g_autoptr (Side) side = side_new (SRC END " shmframesrc pool=t ! fakesink sync=false");

  set_state (side->pipeline, GST_STATE_PLAYING);
  set_state (peer->pipeline, GST_STATE_PLAYING);
  reach (side->pipeline, GST_STATE_PLAYING);
  await_frames (side, 10);
}

static void
test_reuse (void)
{
  g_autoptr (Side) peer = side_new (SRC END);
  g_autoptr (Side) side = side_new (LIVE_SRC SINK);
  guint n = 0;

  for (guint i = 0; i < 100; i++)
    {
      set_state (side->pipeline, GST_STATE_PLAYING);
      set_state (peer->pipeline, GST_STATE_PLAYING);
      await_frames (peer, 2);
      set_state ((i % 2 ? side : peer)->pipeline, GST_STATE_NULL);
      set_state ((i % 2 ? peer : side)->pipeline, GST_STATE_NULL);
      if (i == 9)
        n = count_descriptors ();
    }
  while (count_descriptors () > n) /* the last threads are going */
    g_usleep (1000);
  report_time ("a change of state");
}

/* Linked and unlinked while frames flow. */
static void
test_relink_sink (void)
{
  g_autoptr (Side) side = side_new (LIVE_SRC " ! tee allow-not-linked=true" SINK);
  g_autoptr (GstPad) tee = gst_pad_get_peer (side->pad);

  reach (side->pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 50; i++)
    {
      await_frames (side, 1);
      g_assert_true (gst_pad_unlink (tee, side->pad));
      g_assert_cmpint (gst_pad_link (tee, side->pad), ==, GST_PAD_LINK_OK);
    }
  await_frames (side, 5);
}

static GstPadProbeReturn
relink (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstPad **ends = user_data;
  g_autoptr (GstPad) old = gst_pad_get_peer (pad);

  g_assert_true (gst_pad_unlink (pad, old));
  g_assert_cmpint (gst_pad_link (pad, ends[old == ends[0]]), ==, GST_PAD_LINK_OK);
  return GST_PAD_PROBE_REMOVE;
}

static void
test_relink_src (void)
{
  g_autoptr (Side) peer = side_new (LIVE_SRC SINK);
  g_autoptr (Side) side = side_new (SRC END " fakesink name=other sync=false async=false");
  g_autoptr (GstElement) other = gst_bin_get_by_name (GST_BIN (side->pipeline), "other");
  g_autoptr (GstPad) end = gst_pad_get_peer (side->pad);
  g_autoptr (GstPad) other_pad = gst_element_get_static_pad (other, "sink");
  GstPad *ends[] = { end, other_pad };

  set_state (peer->pipeline, GST_STATE_PLAYING);
  reach (side->pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < 50; i++)
    {
      gst_pad_add_probe (side->pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, relink, ends, NULL);
      await_frames (side, 3);
    }
}

/* From any state to nothing, alone and out of a running bin. */
static void
test_dispose (gconstpointer name)
{
  for (GstState state = GST_STATE_NULL; state <= GST_STATE_PLAYING; state++)
    for (guint in_bin = 0; in_bin < 2; in_bin++)
      {
        GstElement *element = gst_object_ref_sink (gst_element_factory_make (name, NULL));
        g_autoptr (GstElement) bin = gst_object_ref_sink (gst_bin_new (NULL));
        gpointer weak = element;

        g_object_add_weak_pointer (G_OBJECT (element), &weak);
        if (in_bin)
          gst_bin_add (GST_BIN (bin), element);
        set_state (in_bin ? bin : element, state);
        if (in_bin)
          gst_bin_remove (GST_BIN (bin), element);
        set_state (element, GST_STATE_NULL);
        gst_object_unref (element);
        g_assert_null (weak);
        set_state (bin, GST_STATE_NULL);
      }
  alarm (0);
}

static const Orders orders[] = {
  { TEST_SRC SINK, NULL, TRUE },
  { LIVE_SRC SINK, NULL, TRUE },
  { TEST_SRC SINK "wait-for-consumer=true", NULL, FALSE },
  { TEST_SRC SINK, SRC "delivery=lossless" END, TRUE },
  { SRC END, NULL, FALSE },
  { SRC END, LIVE_SRC SINK, TRUE },
  { SRC "delivery=lossless" END, TEST_SRC SINK, TRUE },
};

int
main (int argc, char **argv)
{
  begin_side_tests (&argc, &argv);
  g_test_add_data_func ("/elements-states/orders/sink", &orders[0], test_orders);
  g_test_add_data_func ("/elements-states/orders/sink-live", &orders[1], test_orders);
  g_test_add_data_func ("/elements-states/orders/sink-waiting", &orders[2], test_orders);
  g_test_add_data_func ("/elements-states/orders/sink-consumer", &orders[3], test_orders);
  g_test_add_data_func ("/elements-states/orders/src", &orders[4], test_orders);
  g_test_add_data_func ("/elements-states/orders/src-producer", &orders[5], test_orders);
  g_test_add_data_func ("/elements-states/orders/src-lossless", &orders[6], test_orders);
  g_test_add_data_func ("/elements-states/waits/consumer", &wait_for_consumer, test_wait_states);
  g_test_add_data_func ("/elements-states/waits/window", &wait_for_window, test_wait_states);
  g_test_add_data_func ("/elements-states/waits/producer", &wait_for_producer, test_wait_states);
  g_test_add_data_func ("/elements-states/waits/frame", &wait_for_frame, test_wait_states);
  g_test_add_data_func ("/elements-states/flush/consumer", &wait_for_consumer, test_wait_flush);
  g_test_add_data_func ("/elements-states/flush/window", &wait_for_window, test_wait_flush);
  g_test_add_data_func ("/elements-states/flush/producer", &wait_for_producer, test_wait_flush);
  g_test_add_data_func ("/elements-states/flush/frame", &wait_for_frame, test_wait_flush);
  g_test_add_data_func ("/elements-states/flush/pipeline", TEST_SRC SINK, test_flush_pipeline);
  g_test_add_data_func ("/elements-states/flush/pipeline-waiting",
                        TEST_SRC SINK "wait-for-consumer=true", test_flush_pipeline);
  add ("/elements-states/preroll", test_preroll);
  add ("/elements-states/one-name", test_one_name);
  add ("/elements-states/one-pipeline", test_one_pipeline);
  add ("/elements-states/two-sources", test_two_sources);
  add ("/elements-states/reuse", test_reuse);
  add ("/elements-states/relink/sink", test_relink_sink);
  add ("/elements-states/relink/src", test_relink_src);
  g_test_add_data_func ("/elements-states/dispose/sink", "shmframesink", test_dispose);
  g_test_add_data_func ("/elements-states/dispose/src", "shmframesrc", test_dispose);
  return run_side_tests ();
}
