/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Raw formats: all that GStreamer has cross bit-exact, and those that libavutil has too cross by name. The
 * producer is this process: it drives shmframesink as an element upstream of it would, or the library. */

#include "child.h"
#include "gstshmframepixels.h"
#include "hash.h"
#include "upstream.h"

#include <libavutil/pixdesc.h>
#include <shmframe/shmframe.h>

/* How many GStreamer 1.22 and libavutil 57 both have. */
#define MATCHED 72
#define N_CONSUMERS 2

static Child *consumers[N_CONSUMERS]; /* without GstVideoMeta, and with it */
static GMutex lock;
static GCond changed;
static guint n_attached;
static guint n_strided; /* frames whose planes do not lie as GStreamer assumes */

/* Of what is pushed. */
static GstCaps *caps;
static GstVideoInfo info;
static GRand *noise;

typedef enum
{
  PLAIN,   /* the sink's pool */
  PADDED,  /* the same, with GstVideoAlignment */
  FOREIGN, /* memory of its own: padded rows, planes in reverse */
} Kind;

static void
fill (gpointer data, gsize size)
{
  guint8 *bytes = data;

  for (gsize i = 0; i < size; i += 4)
    {
      guint32 word = g_rand_int (noise);

      memcpy (bytes + i, &word, MIN (size - i, 4));
    }
}

static void
attached (void)
{
  g_mutex_lock (&lock);
  n_attached++;
  g_cond_signal (&changed);
  g_mutex_unlock (&lock);
}

static void
start_consumers (void)
{
  consumers[0] = run ("shmframesrc pool=t delivery=lossless offset-to-zero=true ! "
                      "fakesink name=check sync=false");
  consumers[1] = run ("shmframesrc pool=t delivery=lossless offset-to-zero=true ! "
                      "videoconvert name=check ! video/x-raw,format=GRAY8 ! fakesink sync=false");
  n_attached = n_strided = 0;
  noise = g_rand_new_with_seed (1);
}

static void
await_consumers (void)
{
  g_mutex_lock (&lock);
  while (n_attached < N_CONSUMERS)
    g_cond_wait (&changed, &lock);
  g_mutex_unlock (&lock);
}

static void
finish_consumers (void)
{
  for (guint i = 0; i < N_CONSUMERS; i++)
    {
      g_assert_cmpint (finish (consumers[i]), ==, 0);
      g_assert_cmpuint (count_lines (consumers[i], "warning"), ==, 0);
      g_assert_cmpuint (count_lines (consumers[i], "eos"), ==, 1);
      g_assert_cmpuint (stat_of (consumers[i], "drops"), ==, 0);
    }
  g_assert_cmpuint (stat_of (consumers[0], "copied-frames"), ==, n_strided);
  /* GRAY8, which videoconvert passes through. */
  g_assert_cmpuint (stat_of (consumers[1], "copied-frames"), <=, 2);
  for (guint i = 0; i < N_CONSUMERS; i++)
    g_clear_pointer (&consumers[i], child_free);
  g_rand_free (noise);
  gst_clear_caps (&caps);
}

static void
make_caps (GstVideoFormat format, guint width, guint height, const char *interlacing)
{
  gst_clear_caps (&caps);
  caps = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING,
                              gst_video_format_to_string (format), "width", G_TYPE_INT, width,
                              "height", G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, 30, 1,
                              "interlace-mode", G_TYPE_STRING, interlacing, NULL);
  g_assert_true (gst_video_info_from_caps (&info, caps));
}

/* NULL: the pool does not lay out this format so. */
static GstBuffer *
acquire (gboolean padded)
{
  g_autoptr (GstQuery) query = gst_query_new_allocation (caps, TRUE);
  g_autoptr (GstBufferPool) pool = NULL;
  GstVideoAlignment alignment = { .padding_left = 8,
                                  .padding_top = 4,
                                  .padding_right = 16,
                                  .padding_bottom = 12,
                                  .stride_align = { 63, 63, 63, 63 } };
  GstBuffer *buffer = NULL;
  GstStructure *config;
  guint size;

  g_assert_true (gst_pad_peer_query (upstream_pad, query));
  gst_query_parse_nth_allocation_pool (query, 0, &pool, &size, NULL, NULL);
  g_assert_true (gst_query_find_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL));
  config = gst_buffer_pool_get_config (pool);
  gst_buffer_pool_config_set_params (config, caps, size, 0, 0);
  gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_META);
  if (padded)
    {
      gst_buffer_pool_config_add_option (config, GST_BUFFER_POOL_OPTION_VIDEO_ALIGNMENT);
      gst_buffer_pool_config_set_video_alignment (config, &alignment);
    }
  if (!gst_buffer_pool_set_config (pool, config))
    return NULL;
  g_assert_true (gst_buffer_pool_set_active (pool, TRUE));
  g_assert_cmpint (gst_buffer_pool_acquire_buffer (pool, &buffer, NULL), ==, GST_FLOW_OK);
  g_assert_true (gst_buffer_pool_set_active (pool, FALSE));
  return buffer;
}

static GstBuffer *
foreign (void)
{
  gsize offset[GST_VIDEO_MAX_PLANES], end = 48;
  gint stride[GST_VIDEO_MAX_PLANES];
  GstBuffer *buffer;

  if (GST_VIDEO_FORMAT_INFO_IS_TILED (info.finfo))
    return NULL;
  for (guint i = GST_VIDEO_INFO_N_PLANES (&info); i-- > 0;)
    {
      gboolean palette = i == 1 && GST_VIDEO_FORMAT_INFO_HAS_PALETTE (info.finfo);

      offset[i] = end;
      stride[i] = info.stride[i] + (palette ? 0 : 16);
      end += stride[i] * (palette ? 256 : info.height + 2);
    }
  buffer = gst_buffer_new_allocate (NULL, end, NULL);
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (&info),
                                  info.width, info.height, GST_VIDEO_INFO_N_PLANES (&info), offset,
                                  stride);
  return buffer;
}

static void
expect_hash (const char *hash)
{
  for (guint i = 0; i < N_CONSUMERS; i++)
    {
      const char *line = wait_line (consumers[i], "frame ");

      if (!line || !g_str_has_suffix (line, hash))
        g_error ("%s, %u: '%s' is not %s", GST_VIDEO_INFO_NAME (&info), i, line, hash);
    }
}

/* Takes the buffer. */
static char *
push (GstBuffer *buffer)
{
  GstMapInfo map;
  char *hash;

  g_assert_true (gst_buffer_map (buffer, &map, GST_MAP_WRITE));
  fill (map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  hash = hash_frame (buffer, caps);
  GST_BUFFER_PTS (buffer) = 0;
  g_assert_cmpint (gst_pad_push (upstream_pad, buffer), ==, GST_FLOW_OK);
  return hash;
}

static guint64
copied_frames (void)
{
  g_autoptr (GstStructure) stats = NULL;
  guint64 copied;

  g_object_get (upstream_sink, "stats", &stats, NULL);
  g_assert_true (gst_structure_get_uint64 (stats, "copied-frames", &copied));
  return copied;
}

/* The first frame is for whoever comes first; the others are for all. */
static void
start (void)
{
  start_consumers ();
  make_caps (GST_VIDEO_FORMAT_RGB, 16, 16, "progressive");
  upstream_start (caps, GST_FORMAT_TIME);
  g_signal_connect (upstream_sink, "consumer-attached", G_CALLBACK (attached), NULL);
  g_assert_cmpint (gst_pad_push (upstream_pad, acquire (FALSE)), ==, GST_FLOW_OK);
  await_consumers ();
}

static void
expect_caps (void)
{
  g_autofree char *string = gst_caps_to_string (caps);
  g_autofree char *line = g_strconcat ("caps ", string, NULL);

  for (guint i = 0; i < N_CONSUMERS; i++)
    {
      const char *said = wait_line (consumers[i], "caps ");

      if (said && strstr (said, "width=(int)16,"))
        said = wait_line (consumers[i], "caps ");
      g_assert_cmpstr (said, ==, line);
    }
}

/* FALSE: the format does not lie so. */
static gboolean
cross_as (Kind kind)
{
  guint64 copied = copied_frames ();
  GstBuffer *buffer = kind == FOREIGN ? foreign () : acquire (kind == PADDED);
  g_autofree char *hash = NULL;

  if (!buffer)
    return FALSE;
  hash = push (buffer);
  if (kind == PLAIN)
    expect_caps ();
  expect_hash (hash);
  g_assert_cmpuint (copied_frames (), ==, copied + (kind == FOREIGN));
  return TRUE;
}

/* As odd as the format allows: in rows of these, GStreamer leaves no room for the last chroma. */
static guint
fit_width (GstVideoFormat format, guint width)
{
  gboolean even = format == GST_VIDEO_FORMAT_NV12_10LE32 || format == GST_VIDEO_FORMAT_NV16_10LE32;

  return even ? GST_ROUND_UP_2 (width) : width;
}

static void
cross (guint width, guint height, Kind last)
{
  g_autoptr (GString) rigid = g_string_new (NULL);
  const GstVideoFormat *formats;
  guint n;

  start ();
  formats = gst_video_formats_raw (&n);
  for (guint i = 0; i < n; i++)
    {
      guint fit = fit_width (formats[i], width);
      gboolean padded;

      make_caps (formats[i], fit, height, "progressive");
      g_assert_true (upstream_set_caps (caps));
      g_assert_true (cross_as (PLAIN));
      if (last == PLAIN)
        continue;
      padded = cross_as (PADDED);
      n_strided += padded;
      if (!padded)
        g_string_append_printf (rigid, " %s", gst_video_format_to_string (formats[i]));
      /* It is copied to where the pool's planes lie. */
      if (last == FOREIGN && cross_as (FOREIGN))
        n_strided += padded;
    }
  upstream_stop (finish_consumers);
  g_test_message ("%u formats of %ux%u; not padded, by GStreamer's own rules:%s", n, width, height,
                  rigid->str);
}

static void
list (const char *what, GString *names, guint n)
{
  g_test_message ("%u %s:%s", n, what, names->str);
  g_string_free (names, TRUE);
}

/* The lists; every name leads back, to a format that the elements take. */
static void
test_known (void)
{
  g_autoptr (GstCaps) template = gst_caps_from_string (GST_VIDEO_CAPS_MAKE (GST_VIDEO_FORMATS_ALL));
  GString *both = g_string_new (NULL), *only_gst = g_string_new (NULL);
  GString *only_av = g_string_new (NULL);
  guint n, n_both = 0, n_av = 0;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);
  const AVPixFmtDescriptor *desc = NULL;

  for (guint i = 0; i < n; i++)
    {
      const char *gst = gst_video_format_to_string (formats[i]);
      const char *av = gst_shm_frame_pixels_to_name (formats[i]);
      g_autoptr (GstCaps) back = NULL;

      if (!av)
        {
          g_string_append_printf (only_gst, " %s", gst);
          continue;
        }
      n_both++;
      g_string_append_printf (both, " %s=%s", gst, av);
      back = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING,
                                  gst_video_format_to_string (gst_shm_frame_pixels_from_name (av)),
                                  NULL);
      g_assert_true (gst_caps_can_intersect (back, template));
      g_assert_cmpstr (gst_shm_frame_pixels_to_name (gst_shm_frame_pixels_from_name (av)), ==, av);
    }
  while ((desc = av_pix_fmt_desc_next (desc)))
    if (!(desc->flags & AV_PIX_FMT_FLAG_HWACCEL)
        && gst_shm_frame_pixels_from_name (desc->name) == GST_VIDEO_FORMAT_UNKNOWN)
      {
        n_av++;
        g_string_append_printf (only_av, " %s", desc->name);
      }
  list ("matched", both, n_both);
  list ("only GStreamer's", only_gst, n - n_both);
  list ("only libavutil's", only_av, n_av);
  g_test_message ("%d matched are expected; more is fine", MATCHED);
  g_assert_cmpuint (n_both, >=, MATCHED);
}

/* Described by hand in both libraries' documentation; GStreamer's own description misleads for most. */
static void
test_names (void)
{
  static const struct
  {
    GstVideoFormat format;
    const char *name;
  } names[] = {
    { GST_VIDEO_FORMAT_I420, "yuv420p" },
    { GST_VIDEO_FORMAT_P010_10LE, "p010le" },
    { GST_VIDEO_FORMAT_BGR16, "bgr565le" },
    { GST_VIDEO_FORMAT_RGB16, "rgb565le" },
    { GST_VIDEO_FORMAT_Y210, "y210le" },
    { GST_VIDEO_FORMAT_r210, "x2rgb10be" },
    { GST_VIDEO_FORMAT_RGB8P, "pal8" },
    { GST_VIDEO_FORMAT_GRAY16_BE, "gray16be" },
    { GST_VIDEO_FORMAT_GBRA, "gbrap" },
    { GST_VIDEO_FORMAT_NV21, "nv21" },
    { GST_VIDEO_FORMAT_Y444_16BE, "yuv444p16be" },
    { GST_VIDEO_FORMAT_YV12, NULL },
    { GST_VIDEO_FORMAT_RGBP, NULL },
    { GST_VIDEO_FORMAT_BGR10A2_LE, NULL },
    { GST_VIDEO_FORMAT_NV12_64Z32, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_cmpstr (gst_shm_frame_pixels_to_name (names[i].format), ==, names[i].name);
}

/* The library takes the planes of GStreamer, whatever the size. */
static void
test_planes (void)
{
  guint n;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  for (guint i = 0; i < n * 40 * 2; i++)
    {
      guint width = i / n % 40 + 1, height = (i / n * 7) % 19 + 1;
      const char *name = gst_shm_frame_pixels_to_name (formats[i % n]);
      g_autoptr (ShmFrameFormat) format = NULL;
      g_autoptr (GError) error = NULL;
      GstVideoInfo planes;

      if (!name)
        continue;
      gst_video_info_set_interlaced_format (&planes, formats[i % n],
                                            i < n * 40 ? GST_VIDEO_INTERLACE_MODE_PROGRESSIVE
                                                       : GST_VIDEO_INTERLACE_MODE_MIXED,
                                            width, height);
      format = shmframe_format_new (name, width, height, &error);
      g_assert_no_error (error);
      shmframe_format_set_planes (format, GST_VIDEO_INFO_N_PLANES (&planes), planes.offset,
                                  planes.stride, planes.size, &error);
      g_assert_no_error (error);
    }
}

/* The frame has no caps; its hash. */
static char *
publish (ShmFrameProducer *producer)
{
  g_autoptr (ShmFrameFrame) frame = shmframe_producer_acquire (producer, NULL);
  gsize size = shmframe_frame_get_size (frame);
  g_autoptr (GstBuffer) buffer = gst_buffer_new_wrapped_full (
      GST_MEMORY_FLAG_READONLY, shmframe_frame_get_data (frame), size, 0, size, NULL, NULL);
  gsize offset[GST_VIDEO_MAX_PLANES] = { 0 };
  gint stride[GST_VIDEO_MAX_PLANES] = { 0 };
  g_autoptr (GError) error = NULL;
  char *hash;

  fill (shmframe_frame_get_data (frame), size);
  for (guint i = 0; i < GST_VIDEO_INFO_N_PLANES (&info); i++)
    {
      offset[i] = shmframe_format_get_offset (shmframe_frame_get_format (frame), i);
      stride[i] = shmframe_format_get_stride (shmframe_frame_get_format (frame), i);
    }
  gst_buffer_add_video_meta_full (buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT (&info),
                                  info.width, info.height, GST_VIDEO_INFO_N_PLANES (&info), offset,
                                  stride);
  hash = hash_frame (buffer, caps);
  g_assert_true (shmframe_producer_publish (producer, frame, &error));
  g_assert_no_error (error);
  return hash;
}

/* "caps video/x-raw, format=(string)FORMAT, width=(int)WIDTH, height=(int)HEIGHT, ..." */
static void
expect_caps_of (GstVideoFormat format, guint width, guint height, const char *more)
{
  g_autofree char *prefix
      = g_strdup_printf ("caps video/x-raw, format=(string)%s, width=(int)%u, height=(int)%u,",
                         gst_video_format_to_string (format), width, height);

  for (guint i = 0; i < N_CONSUMERS; i++)
    {
      const char *said = wait_line (consumers[i], "caps ");

      if (!said || !g_str_has_prefix (said, prefix) || !strstr (said, more))
        g_error ("'%s' is not like '%s' with '%s'", said, prefix, more);
    }
}

/* A frame of that libavutil format crosses as one of GStreamer's. */
static void
cross_by_name (ShmFrameProducer *producer, const char *name, GstVideoFormat expected,
               const char *more, guint width, guint height)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format = shmframe_format_new (name, width, height, &error);
  g_autofree char *hash = NULL;

  g_assert_no_error (error);
  g_assert_true (shmframe_producer_set_format (producer, format, &error));
  g_assert_no_error (error);
  await_consumers ();
  n_strided++; /* multiples of 64 */
  gst_video_info_set_format (&info, expected, width, height);
  gst_clear_caps (&caps);
  caps = gst_video_info_to_caps (&info);
  hash = publish (producer);
  expect_caps_of (expected, width, height, more);
  expect_hash (hash);
}

/* Frames of a program that knows nothing of GStreamer. */
static void
test_library (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameProducer) producer
      = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, &error, "pool", "t", NULL);
  guint n;
  const GstVideoFormat *formats = gst_video_formats_raw (&n);

  g_assert_no_error (error);
  g_signal_connect (producer, "consumer-attached", G_CALLBACK (attached), NULL);
  start_consumers ();
  cross_by_name (producer, "yuvj420p", GST_VIDEO_FORMAT_I420, "colorimetry=(string)1:", 18, 16);
  for (guint i = 0; i < n; i++)
    {
      const char *name = gst_shm_frame_pixels_to_name (formats[i]);
      GstVideoFormat back = gst_shm_frame_pixels_from_name (name);

      if (name)
        cross_by_name (producer, name, back, "", 33, 21);
    }
  shmframe_producer_push_eos (producer);
  finish_consumers ();
}

static void
test_odd (void)
{
  cross (33, 21, FOREIGN);
}

static void
test_one_pixel (void)
{
  cross (1, 1, PADDED);
}

static void
test_even (void)
{
  cross (322, 240, PLAIN);
}

/* Interleaved fields, and what each frame says of them. */
static void
test_interlaced (void)
{
  static const GstVideoFormat formats[]
      = { GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_NV12, GST_VIDEO_FORMAT_UYVY,
          GST_VIDEO_FORMAT_P010_10LE, GST_VIDEO_FORMAT_v210 };
  static const char *const modes[] = { "interleaved", "mixed" };
  static const struct
  {
    guint flags;
    const char *said;
  } frames[] = {
    { GST_VIDEO_BUFFER_FLAG_TFF, "fields T--" },
    { 0, "fields ---" },
    { GST_VIDEO_BUFFER_FLAG_TFF | GST_VIDEO_BUFFER_FLAG_RFF, "fields TR-" },
    { GST_VIDEO_BUFFER_FLAG_ONEFIELD, "fields --1" },
    { GST_VIDEO_BUFFER_FLAG_TFF | GST_VIDEO_BUFFER_FLAG_ONEFIELD, "fields T-1" },
  };

  start ();
  for (guint i = 0; i < G_N_ELEMENTS (formats) * G_N_ELEMENTS (modes); i++)
    {
      make_caps (formats[i / 2], 34, 21, modes[i % 2]);
      g_assert_true (upstream_set_caps (caps));
      for (guint j = 0; j < G_N_ELEMENTS (frames); j++)
        {
          GstBuffer *buffer = acquire (j % 2);
          g_autofree char *hash = NULL;

          n_strided += j % 2;
          GST_BUFFER_FLAG_SET (buffer, GST_VIDEO_BUFFER_FLAG_INTERLACED | frames[j].flags);
          hash = push (buffer);
          if (j == 0)
            expect_caps ();
          expect_hash (hash);
          for (guint k = 0; k < N_CONSUMERS; k++)
            g_assert_cmpstr (wait_line (consumers[k], "fields "), ==, frames[j].said);
        }
    }
  upstream_stop (finish_consumers);
}

/* Fields in buffers or views of their own: refused, clearly, and what comes next crosses. */
static void
test_fields (void)
{
  static const char *const modes[] = { "fields", "alternate" };

  start ();
  for (guint i = 0; i < G_N_ELEMENTS (modes); i++)
    {
      GstBuffer *buffer = gst_buffer_new_allocate (NULL, 640 * 480 * 2, NULL);
      GstCaps *refused = gst_caps_new_simple ("video/x-raw", "format", G_TYPE_STRING, "I420",
                                              "width", G_TYPE_INT, 320, "height", G_TYPE_INT, 240,
                                              "framerate", GST_TYPE_FRACTION, 30, 1,
                                              "interlace-mode", G_TYPE_STRING, modes[i], NULL);

      if (i == 1)
        gst_caps_set_features_simple (refused, gst_caps_features_from_string ("format:Interlaced"));
      upstream_set_caps (refused);
      gst_caps_unref (refused);
      g_assert_cmpint (gst_pad_push (upstream_pad, buffer), ==, GST_FLOW_NOT_NEGOTIATED);
    }
  make_caps (GST_VIDEO_FORMAT_I420, 34, 22, "progressive");
  g_assert_true (upstream_set_caps (caps));
  g_assert_true (cross_as (PLAIN));
  upstream_stop (finish_consumers);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  begin_tests (&argc, &argv);

  add ("/formats/known", test_known);
  add ("/formats/names", test_names);
  add ("/formats/planes", test_planes);
  add ("/formats/odd", test_odd);
  add ("/formats/one-pixel", test_one_pixel);
  add ("/formats/even", test_even);
  add ("/formats/library", test_library);
  add ("/formats/interlaced", test_interlaced);
  add ("/formats/fields", test_fields);
  return run_tests ();
}
