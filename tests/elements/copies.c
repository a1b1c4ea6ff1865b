/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Frames cross without a copy, and where one is made it is counted: for each frame both processes say what
 * it shows and where in which segment it lies. */

#include "side.h"

#include <gst/video/videooverlay.h>
#include <unistd.h>

#define SMALL "video/x-raw,format=I420,width=322,height=240,framerate=30/1"
#define SMALL_BYTES (324 * 240 + 2 * 164 * 120)
/* Odd chroma, and a height that codecs pad. */
#define PADDED "video/x-raw,format=I420,width=566,height=318,framerate=30/1"
#define PADDED_BYTES (568 * 318 + 2 * 284 * 159)
/* Whole macroblocks: only then does gst-libav decode into a pool that is offered to it. It makes a pool of its
 * own for every frame otherwise, and copies by itself. */
#define WHOLE "video/x-raw,format=I420,width=640,height=352,framerate=30/1"
#define TIMEOUT_S 30
#define SCREEN "400x300x24"
#define SCREEN_BYTES (400 * 300 * 4)

typedef struct
{
  const char *hash;
  const char *place; /* INODE OFFSET PERMISSIONS; NULL: in no pool */
} Frame;

static GArray *
frames_of (Child *child)
{
  GArray *frames = g_array_new (FALSE, TRUE, sizeof (Frame));

  for (guint i = 0; i < child->lines->len; i++)
    {
      const char *line = child->lines->pdata[i];

      if (g_str_has_prefix (line, "frame "))
        {
          Frame frame = { .hash = strrchr (line, ' ') + 1 };

          g_array_append_val (frames, frame);
        }
      else if (g_str_has_prefix (line, "at "))
        g_array_index (frames, Frame, frames->len - 1).place = line + strlen ("at ");
    }
  return frames;
}

/* Both saw the same frames, each at the same place unless it was copied; and the copies are counted. */
static void
compare_sides (Child *producer, Child *consumer)
{
  g_autoptr (GArray) sent = frames_of (producer);
  g_autoptr (GArray) seen = frames_of (consumer);
  guint foreign = 0, copied = 0;

  g_assert_cmpuint (seen->len, ==, sent->len);
  for (guint i = 0; i < sent->len; i++)
    {
      const Frame *there = &g_array_index (sent, Frame, i);
      const Frame *here = &g_array_index (seen, Frame, i);

      g_assert_cmpstr (here->hash, ==, there->hash);
      foreign += !there->place;
      copied += !here->place;
      if (there->place)
        g_assert_true (g_str_has_suffix (there->place, " rw-s"));
      if (here->place)
        g_assert_true (g_str_has_suffix (here->place, " r--s"));
      if (here->place && there->place)
        g_assert_cmpmem (here->place, strlen (here->place) - 4, there->place,
                         strlen (there->place) - 4);
    }
  g_assert_cmpuint (stat_of (producer, "copied-frames"), ==, foreign);
  if (count_lines (consumer, "stats") > 0)
    g_assert_cmpuint (stat_of (consumer, "copied-frames"), ==, copied);
}

/* To the end; both succeed, and show what `upstream` alone does. */
static void
transfer (const char *upstream, const char *sink, const char *src, const char *downstream,
          Child **producer, Child **consumer)
{
  g_autofree char *expected = reference (upstream);
  g_autofree char *seen = NULL;

  *consumer = run ("shmframesrc pool=t delivery=lossless %s ! %s", src, downstream);
  *producer = run ("%s ! shmframesink name=check pool=t wait-for-consumer=true sync=false %s",
                   upstream, sink);
  g_assert_cmpint (finish (*producer), ==, 0);
  g_assert_cmpint (finish (*consumer), ==, 0);
  seen = hashes (*consumer);
  g_assert_cmpstr (seen, ==, expected);
  g_assert_cmpuint (stat_of (*producer, "drops"), ==, 0);
  g_assert_cmpuint (stat_of (*consumer, "drops"), ==, 0);
}

#define MAPPED "videoconvert name=check ! video/x-raw,format=RGB ! fakesink sync=false"
#define PLAIN "fakesink name=check sync=false"

static void
transfer_uncopied (const char *upstream)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;

  transfer (upstream, "", "", MAPPED, &producer, &consumer);
  compare_sides (producer, consumer);
  g_assert_cmpuint (stat_of (producer, "frames"), >, 0);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 0);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, 0);
}

static void
test_uncopied (gconstpointer upstream)
{
  alarm (TIMEOUT_S);
  transfer_uncopied (upstream);
  alarm (0);
}

static char *
make_clip (const char *name, const char *caps, const char *encoder)
{
  char *path = g_build_filename (folder, name, NULL);

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_autoptr (Child) child = run (
          "videotestsrc pattern=ball num-buffers=60 ! %s ! %s ! matroskamux ! filesink location=%s",
          caps, encoder, path);

      g_assert_cmpint (finish (child), ==, 0);
    }
  return path;
}

/* It negotiates with the first frame's header, before it takes a buffer: none is left out. It decodes in
 * memory of its own, which it copies into the pool's. */
static void
test_vp8 (void)
{
  g_autofree char *clip = NULL, *upstream = NULL;

  if (!have_elements ("vp8enc", "vp8dec", "matroskamux", NULL))
    return;
  clip = make_clip ("vp8.mkv", PADDED, "vp8enc deadline=1 cpu-used=8");
  upstream = g_strdup_printf ("filesrc location=%s ! matroskademux ! vp8dec", clip);
  transfer_uncopied (upstream);
}

/* It, too, negotiates with the header, and decodes straight into the pool. */
static void
test_jpeg (void)
{
  g_autofree char *clip = NULL, *upstream = NULL;

  if (!have_elements ("jpegenc", "jpegdec", "matroskamux", NULL))
    return;
  clip = make_clip ("jpeg.mkv", PADDED, "jpegenc");
  upstream = g_strdup_printf ("filesrc location=%s ! matroskademux ! jpegdec", clip);
  transfer_uncopied (upstream);
}

/* It pushes the frames that libvpx refers to, which it has from a pool of its own, made before it negotiates:
 * each is copied. */
static void
test_vp9 (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;
  g_autofree char *clip = NULL, *upstream = NULL;

  if (!have_elements ("vp9enc", "vp9dec", "matroskamux", NULL))
    return;
  clip = make_clip ("vp9.mkv", PADDED, "vp9enc deadline=1 cpu-used=8");
  upstream = g_strdup_printf ("filesrc location=%s ! matroskademux ! vp9dec", clip);
  transfer (upstream, "", "", MAPPED, &producer, &consumer);
  compare_sides (producer, consumer);
  g_assert_cmpuint (stat_of (producer, "copied-frames"), ==, 60);
  g_assert_cmpuint (stat_of (producer, "copied-foreign"), ==, 60 * PADDED_BYTES);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 60 * PADDED_BYTES);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, 0);
}

static char *
decode_h264 (const char *caps)
{
  g_autofree char *clip = NULL;

  if (!have_elements ("x264enc", "avdec_h264", "matroskamux", "h264parse", NULL))
    return NULL;
  clip = make_clip (g_str_equal (caps, WHOLE) ? "whole.mkv" : "padded.mkv", caps,
                    "x264enc bframes=3 b-pyramid=true ref=4 key-int-max=20");
  return g_strdup_printf ("filesrc location=%s ! matroskademux ! h264parse ! avdec_h264", clip);
}

/* B-frames, and reference frames that the decoder holds when they are published. What it decodes before it
 * negotiates it copies into the pool by itself. */
static void
test_h264_padded (void)
{
  g_autofree char *upstream = decode_h264 (PADDED);

  if (upstream)
    transfer_uncopied (upstream);
}

static void
test_h264 (void)
{
  g_autofree char *upstream = decode_h264 (WHOLE);

  if (upstream)
    transfer_uncopied (upstream);
}

/* As in the first pipeline of the documentation: a converter with nothing to do, and decodebin. */
static void
test_decodebin (void)
{
  g_autofree char *direct = decode_h264 (WHOLE);
  g_autofree char *upstream = NULL;

  if (!direct)
    return;
  *strstr (direct, " ! matroskademux") = '\0';
  upstream = g_strconcat (direct, " ! decodebin ! queue ! videoconvert ! videoscale", NULL);
  transfer_uncopied (upstream);
}

/* The decoder's strides are kept in the pool, and undone for an element that does not know GstVideoMeta. */
static void
test_strides (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;
  g_autofree char *upstream = decode_h264 (PADDED);

  if (!upstream)
    return;
  transfer (upstream, "", "", PLAIN, &producer, &consumer);
  compare_sides (producer, consumer);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 0);
  g_assert_cmpuint (stat_of (consumer, "copied-strides"), ==, 60 * PADDED_BYTES);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, 60 * PADDED_BYTES);
}

/* A tee drops the proposal: all is copied, once. */
static void
test_tee_before (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;

  transfer ("videotestsrc num-buffers=20 ! " SMALL
            " ! tee name=tee ! queue ! fakesink sync=false tee. ! queue",
            "", "", PLAIN, &producer, &consumer);
  compare_sides (producer, consumer);
  g_assert_cmpuint (stat_of (producer, "copied-foreign"), ==, 20 * SMALL_BYTES);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 20 * SMALL_BYTES);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, 0);
}

/* What a sink says of its consumer's leases. */
static guint64
leases_held (Child *producer)
{
  static const char *key = "held\\=\\(uint\\)";
  const char *at;

  tell (producer, "stats");
  expect_line (producer, "stats");
  at = strstr (producer->lines->pdata[producer->lines->len - 1], "consumer-list=");
  g_assert_nonnull (at);
  at = strstr (at, key);
  g_assert_nonnull (at);
  return g_ascii_strtoull (at + strlen (key), NULL, 10);
}

/* Three branches and the test hold the same three frames: three leases, no copies. */
static void
test_tee_after (void)
{
  g_autoptr (Child) producer = NULL;
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t delivery=lossless leases=16 ! tee name=check"
             " check. ! queue max-size-buffers=1 ! fakesink sync=false"
             " check. ! queue max-size-buffers=1 ! fakesink sync=false"
             " check. ! fakesink sync=false");

  tell (consumer, "hold 3");
  producer
      = run ("videotestsrc ! " SMALL " ! shmframesink name=check pool=t wait-for-consumer=true");
  for (guint i = 0; i < 20; i++)
    expect_line (consumer, "frame");
  tell (producer, "state paused");
  expect_line (producer, "done state");
  while (stat_now (consumer, "lag") != 0)
    ;
  /* And fakesinks hold the newest. */
  while (leases_held (producer) != 4)
    ;
  g_assert_cmpuint (stat_now (consumer, "held"), ==, 4);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, 0);
  tell (consumer, "release");
  while (leases_held (producer) != 1)
    ;
  tell (producer, "quit");
  g_assert_cmpint (finish (producer), ==, 0);
  tell (consumer, "quit");
  g_assert_cmpint (finish (consumer), ==, 0);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 0);
}

/* It holds 45 frames and more, and does not say so: copies until there are leases for them, and none then. */
static void
test_encoder (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;
  guint64 copied;

  if (!have_elements ("x264enc", NULL))
    return;
  consumer
      = run ("shmframesrc pool=t delivery=lossless ! x264enc name=check ! fakesink sync=false");
  producer = run ("videotestsrc ! " SMALL
                  " ! shmframesink name=check pool=t wait-for-consumer=true sync=false");
  do
    {
      copied = stat_now (consumer, "copied-frames");
      for (guint i = 0; i < 100; i++)
        expect_line (consumer, "frame");
    }
  while (stat_now (consumer, "copied-frames") != copied);
  g_test_message ("%u copied frames until there are %u leases", (guint) copied,
                  (guint) stat_of (consumer, "leases"));
  g_assert_cmpuint (stat_of (consumer, "held-max"), >, 40);

  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (consumer), ==, 0);
  compare_sides (producer, consumer);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 0);
  g_assert_cmpuint (stat_of (consumer, "copied-frames"), ==, copied);
  g_assert_cmpuint (stat_of (consumer, "copied-quota"), ==, copied * SMALL_BYTES);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, copied * SMALL_BYTES);
}

/* Slots for no more than a few leases: copies, and no deadlock. */
/* With the leases that it needs from the start, nothing is copied at all. */
static void
test_encoder_enough (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;

  if (!have_elements ("x264enc", NULL))
    return;
  transfer ("videotestsrc num-buffers=100 ! " SMALL, "", "leases=64",
            "x264enc name=check ! fakesink sync=false", &producer, &consumer);
  compare_sides (producer, consumer);
  g_assert_cmpuint (stat_of (consumer, "frames"), ==, 100);
  g_assert_cmpuint (stat_of (consumer, "held-max"), >, 40);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, 0);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 0);
}

static void
test_encoder_few (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;
  guint64 copied;

  if (!have_elements ("x264enc", NULL))
    return;
  transfer ("videotestsrc num-buffers=100 ! " SMALL, "slots=16", "",
            "x264enc name=check ! fakesink sync=false", &producer, &consumer);
  compare_sides (producer, consumer);
  copied = stat_of (consumer, "copied-frames");
  g_test_message ("%u of 100 frames copied, %u leases", (guint) copied,
                  (guint) stat_of (consumer, "leases"));
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 0);
  g_assert_cmpuint (stat_of (producer, "evictions"), ==, 0);
  g_assert_cmpuint (stat_of (consumer, "frames"), ==, 100);
  g_assert_cmpuint (stat_of (consumer, "leases"), <=, 16);
  g_assert_cmpuint (stat_of (consumer, "held-max"), <=, 16);
  /* It holds 40 at once, of which 16 at most can be leased. */
  g_assert_cmpuint (copied, >=, 40 - 16);
  g_assert_cmpuint (copied, <, 100);
  g_assert_cmpuint (stat_of (consumer, "copied-quota"), ==, copied * SMALL_BYTES);
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, copied * SMALL_BYTES);
}

/* The same memory twice: the second time it is copied, since a slot is published once. */
static void
test_repeat (void)
{
  g_autoptr (Child) producer = NULL, consumer = NULL;

  if (!have_elements ("imagefreeze", NULL))
    return;
  transfer ("videotestsrc num-buffers=1 ! " SMALL
            " ! imagefreeze num-buffers=12 ! video/x-raw,framerate=30/1",
            "", "", PLAIN, &producer, &consumer);
  g_assert_cmpuint (stat_of (producer, "copied-frames"), ==, 11);
  g_assert_cmpuint (stat_of (producer, "copied-repeat"), ==, 11 * SMALL_BYTES);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 11 * SMALL_BYTES);
}

/* A consumer that writes in place gets a copy; what the pool holds stays as it was. */
static void
test_read_only (void)
{
  g_autoptr (Child) writer = NULL, reader = NULL, producer = NULL;

  if (!have_elements ("videobalance", NULL))
    return;
  writer = run ("shmframesrc pool=t delivery=lossless ! videobalance saturation=0 brightness=0.5 ! "
                "fakesink name=check sync=false");
  producer = run ("videotestsrc ! " SMALL
                  " ! shmframesink name=check pool=t wait-for-consumer=true sync=false");
  expect_line (writer, "frame");
  reader = run ("shmframesrc pool=t delivery=lossless ! " PLAIN);
  for (guint i = 0; i < 20; i++)
    expect_line (reader, "frame");
  tell (producer, "eos");
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpint (finish (writer), ==, 0);
  g_assert_cmpint (finish (reader), ==, 0);
  {
    g_autofree char *sent = hashes (producer), *seen = hashes (reader);
    g_autofree char *written = hashes (writer);

    /* It came later. */
    g_assert_true (g_str_has_suffix (sent, seen));
    g_assert_null (strstr (written, strrchr (g_strchomp (seen), '\n')));
  }
}

/* The other side in this process, where the test can do what no element does. */
static GstElement *
start (const char *description)
{
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (description, &error);

  g_test_message ("here: %s", description);
  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  return pipeline;
}

static void
wait_eos (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) message
      = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    {
      g_autoptr (GError) error = NULL;

      gst_message_parse_error (message, &error, NULL);
      g_assert_no_error (error);
    }
}

static void
stop (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static guint64
stat_here (GstElement *pipeline, const char *element_name, const char *name)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), element_name);

  return stat_of_element (element, name);
}

/* Frames of ordinary memory, each of one value, `padding` bytes longer than they need to be. */
static void
push_foreign (GstElement *pipeline, guint n, gsize padding)
{
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (pipeline), "in");
  GstFlowReturn flow;

  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GstBuffer) buffer = gst_buffer_new_allocate (NULL, SMALL_BYTES + padding, NULL);

      gst_buffer_memset (buffer, 0, i, -1);
      GST_BUFFER_PTS (buffer) = i * GST_SECOND / 30;
      g_signal_emit_by_name (source, "push-buffer", buffer, &flow);
      g_assert_cmpint (flow, ==, GST_FLOW_OK);
    }
  g_signal_emit_by_name (source, "end-of-stream", &flow);
}

static void
transfer_foreign (gsize padding, GstElement **pipeline)
{
  g_autoptr (Child) consumer = run ("shmframesrc pool=t delivery=lossless ! " PLAIN);
  gsize size = 322 * 240 + 2 * 161 * 120; /* without what pads the rows */
  g_autofree guint8 *pixels = g_malloc (size);
  g_autoptr (GArray) frames = NULL;

  *pipeline = start ("appsrc name=in format=time caps=" SMALL
                     " ! shmframesink name=sink pool=t wait-for-consumer=true sync=false");
  push_foreign (*pipeline, 12, padding);
  wait_eos (*pipeline);
  g_assert_cmpint (finish (consumer), ==, 0);
  frames = frames_of (consumer);
  g_assert_cmpuint (frames->len, ==, 12);
  for (guint i = 0; i < frames->len; i++)
    {
      g_autofree char *expected = NULL;

      memset (pixels, i, size);
      expected = g_compute_checksum_for_data (G_CHECKSUM_MD5, pixels, size);
      g_assert_cmpstr (g_array_index (frames, Frame, i).hash, ==, expected);
      g_assert_nonnull (g_array_index (frames, Frame, i).place);
      g_assert_true (g_str_has_suffix (g_array_index (frames, Frame, i).place, " r--s"));
    }
  g_assert_cmpuint (stat_of (consumer, "copied-bytes"), ==, 0);
  g_assert_cmpuint (stat_here (*pipeline, "sink", "copied-frames"), ==, 12);
}

static void
test_appsrc (void)
{
  GstElement *pipeline;

  transfer_foreign (0, &pipeline);
  g_assert_cmpuint (stat_here (pipeline, "sink", "copied-foreign"), ==, 12 * SMALL_BYTES);
  g_assert_cmpuint (stat_here (pipeline, "sink", "copied-bytes"), ==, 12 * SMALL_BYTES);
  stop (pipeline);
}

/* Only the frame is copied, into slots of its size. */
static void
test_appsrc_padded (void)
{
  GstElement *pipeline;

  transfer_foreign (5000, &pipeline);
  g_assert_cmpuint (stat_here (pipeline, "sink", "copied-bytes"), ==, 12 * SMALL_BYTES);
  g_assert_cmpuint (stat_here (pipeline, "sink", "slot-bytes"), <, 2 * SMALL_BYTES);
  stop (pipeline);
}

typedef struct
{
  GMutex lock;
  GQueue buffers;
} Branch;

/* Another branch, as it were: it keeps what goes into the sink. */
static GstPadProbeReturn
keep (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Branch *branch = data;

  g_mutex_lock (&branch->lock);
  g_queue_push_tail (&branch->buffers, gst_buffer_ref (GST_PAD_PROBE_INFO_BUFFER (info)));
  g_mutex_unlock (&branch->lock);
  return GST_PAD_PROBE_OK;
}

static void
write_in_place (GstBuffer **buffer)
{
  GstMapInfo map;

  g_assert_true (gst_memory_is_type (gst_buffer_peek_memory (*buffer, 0), "ShmFrameMemory"));
  g_assert_false (gst_memory_map (gst_buffer_peek_memory (*buffer, 0), &map, GST_MAP_WRITE));
  *buffer = gst_buffer_make_writable (*buffer);
  g_assert_true (gst_buffer_map (*buffer, &map, GST_MAP_READWRITE));
  memset (map.data, 0xaa, map.size);
  gst_buffer_unmap (*buffer, &map);
  g_assert_false (gst_memory_is_type (gst_buffer_peek_memory (*buffer, 0), "ShmFrameMemory"));
}

/* Published slots that are still referenced upstream, and then written: the published pixels stay. */
static void
test_in_place (void)
{
  g_autoptr (Child) consumer
      = run ("shmframesrc pool=t delivery=lossless on-producer-eos=wait ! " PLAIN);
  Branch branch = { .buffers = G_QUEUE_INIT };
  g_autoptr (GstElement) sink = NULL;
  g_autoptr (GstPad) pad = NULL;
  GstElement *pipeline;

  tell (consumer, "hold 3");
  pipeline = gst_parse_launch ("videotestsrc num-buffers=3 ! " SMALL
                               " ! shmframesink name=sink pool=t wait-for-consumer=true",
                               NULL);
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  pad = gst_element_get_static_pad (sink, "sink");
  g_mutex_init (&branch.lock);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, keep, &branch, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_eos (pipeline);
  for (guint i = 0; i < 3; i++)
    expect_line (consumer, "frame");

  g_assert_cmpuint (branch.buffers.length, ==, 3);
  for (GList *l = branch.buffers.head; l; l = l->next)
    write_in_place ((GstBuffer **) &l->data);
  tell (consumer, "held");
  for (guint i = 0; i < 3; i++)
    expect_line (consumer, "held");
  {
    g_autoptr (GArray) frames = frames_of (consumer);
    guint n_lines = consumer->lines->len;

    for (guint i = 0; i < 3; i++)
      g_assert_cmpstr ((char *) consumer->lines->pdata[n_lines - 3 + i] + strlen ("held "), ==,
                       g_array_index (frames, Frame, i).hash);
  }
  g_assert_cmpuint (stat_of_element (sink, "copied-bytes"), ==, 0);
  tell (consumer, "quit");
  g_assert_cmpint (finish (consumer), ==, 0);
  g_queue_clear_full (&branch.buffers, (GDestroyNotify) gst_buffer_unref);
  stop (pipeline);
  g_mutex_clear (&branch.lock);
}

/* Red pixels on the screen, which the X server keeps in a file. */
static guint
count_red (void)
{
  g_autofree char *path = g_build_filename (folder, "Xvfb_screen0", NULL);
  g_autofree char *screen = NULL;
  guint red = 0;
  gsize size;

  g_assert_true (g_file_get_contents (path, &screen, &size, NULL));
  for (gsize at = size - SCREEN_BYTES; at < size; at += 4)
    red += memcmp (screen + at, "\0\0\xff", 3) == 0;
  return red;
}

static void
show (const char *downstream)
{
  g_autofree char *description
      = g_strconcat ("shmframesrc name=src pool=t delivery=lossless ! ", downstream, NULL);
  GstElement *pipeline = start (description);
  g_autoptr (Child) producer = run (
      "videotestsrc pattern=red num-buffers=30 ! video/x-raw,format=BGRx,width=320,height=240,"
      "framerate=30/1 ! shmframesink pool=t wait-for-consumer=true sync=false");
  g_autoptr (GstElement) window = NULL;

  wait_eos (pipeline);
  window = gst_bin_get_by_interface (GST_BIN (pipeline), GST_TYPE_VIDEO_OVERLAY);
  g_assert_nonnull (window);
  g_assert_cmpuint (stat_of_element (window, "rendered"), ==, 30);
  g_assert_cmpuint (count_red (), ==, 320 * 240);
  g_assert_cmpuint (stat_here (pipeline, "src", "frames"), ==, 30);
  g_assert_cmpuint (stat_here (pipeline, "src", "copied-bytes"), ==, 0);
  g_assert_cmpint (finish (producer), ==, 0);
  g_assert_cmpuint (stat_of (producer, "copied-bytes"), ==, 0);
  stop (pipeline);
}

/* No xvimagesink: a virtual display has no XVideo. */
static void
test_window (void)
{
  g_autofree char *server = g_find_program_in_path ("Xvfb"), *display = NULL;
  g_autoptr (Child) screen = NULL;

  if (!server)
    g_test_skip ("Xvfb is not installed");
  if (!server || !have_elements ("ximagesink", "autovideosink", NULL))
    return;
  screen = child_spawn ((const char *[]){ server, "-displayfd", "1", "-screen", "0", SCREEN,
                                          "-noreset", "-nolisten", "tcp", "-fbdir", folder, NULL });
  expect_line (screen, "");
  display = g_strconcat (":", screen->lines->pdata[0], NULL);
  g_setenv ("DISPLAY", display, TRUE);
  show ("ximagesink sync=false");
  show ("videoconvert ! autovideosink sync=false");
  g_unsetenv ("DISPLAY");
  g_subprocess_send_signal (screen->process, SIGTERM); /* it removes its socket */
  g_assert_cmpint (finish (screen), ==, 0);
}

int
main (int argc, char **argv)
{
  begin_tests (&argc, &argv);
  gst_init (NULL, NULL);

  g_test_add_data_func ("/copies/none/videotestsrc", "videotestsrc num-buffers=60 ! " SMALL,
                        test_uncopied);
  g_test_add_data_func ("/copies/none/capssetter",
                        "videotestsrc num-buffers=30 ! " SMALL
                        " ! capssetter join=true caps=video/x-raw,framerate=60/1",
                        test_uncopied);
  g_test_add_data_func ("/copies/none/videoconvert",
                        "videotestsrc num-buffers=30 ! " SMALL
                        " ! videoconvert ! video/x-raw,format=BGRx",
                        test_uncopied);
  g_test_add_data_func ("/copies/none/videoscale",
                        "videotestsrc num-buffers=30 ! " SMALL
                        " ! videoscale ! video/x-raw,width=640,height=360",
                        test_uncopied);
  g_test_add_data_func ("/copies/none/compositor",
                        "videotestsrc num-buffers=30 ! " SMALL
                        " ! mix.sink_0 videotestsrc pattern=ball num-buffers=30 ! " SMALL
                        " ! mix.sink_1 compositor name=mix sink_1::xpos=100 ! "
                        "video/x-raw,format=BGRA,width=640,height=360",
                        test_uncopied);
  add ("/copies/none/avdec-h264-padded", test_h264_padded);
  add ("/copies/none/decodebin", test_decodebin);
  add ("/copies/none/vp8dec", test_vp8);
  add ("/copies/none/jpegdec", test_jpeg);
  add ("/copies/vp9dec", test_vp9);
  add ("/copies/strides", test_strides);
  add ("/copies/tee-before-sink", test_tee_before);
  add ("/copies/tee-after-source", test_tee_after);
  add ("/copies/x264enc", test_encoder);
  add ("/copies/x264enc/enough-leases", test_encoder_enough);
  add ("/copies/x264enc/few-slots", test_encoder_few);
  add ("/copies/repeat", test_repeat);
  add ("/copies/read-only", test_read_only);
  add ("/copies/in-place", test_in_place);
  add ("/copies/appsrc", test_appsrc);
  add ("/copies/appsrc/padded", test_appsrc_padded);
  add ("/copies/window", test_window);
  add ("/copies/none/avdec-h264", test_h264);
  return run_tests ();
}
