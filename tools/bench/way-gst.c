/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The GStreamer elements, in the pipelines that an application would build: `appsrc ! SINK` in the
 * producer, `SRC ! appsink` in each consumer, both live. Frames are written into the memory that the
 * sink proposes in the ALLOCATION query. The variant is an index into `kinds`.
 */

#include "ways.h"

enum
{
  SHMFRAME,
  SHMSINK,
  SHMSINK_COPY,
  UNIXFD
};

#ifdef HAVE_GST

#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <gst/app/app.h>
#include <gst/video/video.h>

#define DEFAULT_SLOTS 4
#define SLOT_PADDING 4096 /* of shmsink's area: blocks are aligned */

typedef struct
{
  const char *elements[2]; /* the sink's name and the source's */
  const char *settings[2];
  const char *address; /* their property */
  const char *missing; /* what to do without them */
} Kind;

static const Kind kinds[] = {
  [SHMFRAME] = { { "shmframesink", "shmframesrc" },
                 { "", "" },
                 "pool",
                 "set GST_PLUGIN_PATH to the folder gst-plugin of the build" },
  [SHMSINK] = { { "shmsink", "shmsrc" },
                { "wait-for-connection=false", "is-live=true do-timestamp=true" },
                "socket-path",
                "install gstreamer1.0-plugins-bad" },
  [SHMSINK_COPY] = { { "shmsink", "shmsrc" },
                     { "wait-for-connection=false", "is-live=true do-timestamp=true" },
                     "socket-path",
                     "install gstreamer1.0-plugins-bad" },
  [UNIXFD] = { { "unixfdsink", "unixfdsrc" }, { "", "" }, "socket-path", "1.24 and later have" },
};

typedef struct
{
  GstElement *pipeline;
  GstElement *end;  /* appsrc or appsink */
  GstElement *peer; /* the element that is measured */
  GMutex lock;
  GCond negotiated;
  gboolean is_negotiated;
  GstBufferPool *pool;
  GstAllocator *allocator; /* of memory that need not be copied; NULL: the pool knows */
  GstBuffer *buffer;       /* producer: being written */
  GstSample *sample;       /* consumer: held */
  GstMapInfo map;
} Data;

static const Kind *
kind_of (const BenchCell *cell)
{
  return &kinds[cell->way->variant];
}

static guint
slots (const BenchCell *cell)
{
  return bench_n_slots (cell, DEFAULT_SLOTS);
}

static guint64
shm_size (const BenchCell *cell)
{
  return slots (cell) * (guint64) (cell->size + SLOT_PADDING);
}

/* ---- what is missing ---- */

/* In a process of its own: GStreamer starts threads, and the parent is to fork. */
static gboolean
are_installed (const Kind *kind)
{
  int status = -1;
  pid_t pid = fork ();

  if (pid == 0)
    {
      const char *names[] = { kind->elements[0], kind->elements[1], "appsrc", "appsink" };
      gboolean found = gst_init_check (NULL, NULL, NULL);

      for (guint i = 0; found && i < G_N_ELEMENTS (names); i++)
        {
          g_autoptr (GstElementFactory) factory = gst_element_factory_find (names[i]);

          found = factory != NULL;
        }
      _exit (found ? 0 : 1);
    }
  return pid > 0 && waitpid (pid, &status, 0) == pid && status == 0;
}

static char *
refuse_area (const BenchCell *cell)
{
  guint64 size = shm_size (cell);

  if (size > G_MAXUINT32)
    return g_strdup_printf ("%u frames need %.1f GiB, and shmsink takes at most 4", slots (cell),
                            (double) size / (1 << 30));
  return bench_refuse_room ("/dev/shm", size);
}

static char *
refuse (const BenchCell *cell)
{
  const Kind *kind = kind_of (cell);
  guint major, minor, micro, nano;

  if (!are_installed (kind))
    {
      gst_version (&major, &minor, &micro, &nano);
      return g_strdup_printf ("not measured: GStreamer %u.%u.%u has no %s; %s", major, minor, micro,
                              kind->elements[0], kind->missing);
    }
  return kind == &kinds[SHMSINK] || kind == &kinds[SHMSINK_COPY] ? refuse_area (cell) : NULL;
}

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return (gpointer) cell; /* so that finish() is called */
}

/* What shmsink leaves behind if it was killed. */
static void
finish (const BenchCell *cell, gpointer link)
{
  g_autofree char *path = g_strdup_printf ("/dev/shm/shmpipe.%5d.%5d", *cell->producer_pid, 0);

  if (cell->way->variant == SHMSINK || cell->way->variant == SHMSINK_COPY)
    g_unlink (path);
}

/* ---- pipelines ---- */

/* What the pipeline says, or `what`. Returns FALSE. */
static gboolean
fail (Data *data, GError **error, const char *what)
{
  g_autoptr (GstBus) bus = data->pipeline ? gst_element_get_bus (data->pipeline) : NULL;
  g_autoptr (GstMessage) message = bus ? gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR) : NULL;
  g_autoptr (GError) said = NULL;

  if (message)
    gst_message_parse_error (message, &said, NULL);
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s%s%s", what, said ? ": " : "",
               said ? said->message : "");
  return FALSE;
}

static char *
caps_text (const BenchCell *cell)
{
  return g_strdup_printf ("video/x-raw,format=%s,width=%d,height=%d,framerate=60/1", cell->format,
                          cell->width, cell->height);
}

/* The elements' last-sample would pin a frame. */
static char *
describe (const BenchEnd *end)
{
  const Kind *kind = kind_of (end->cell);
  g_autofree char *path = g_build_filename (end->cell->folder, "bench.sock", NULL);
  g_autofree char *caps = caps_text (end->cell);
  gboolean names_caps = g_str_equal (kind->elements[1], "shmsrc");

  if (end->consumer < 0)
    return g_strdup_printf (
        "appsrc name=end is-live=true do-timestamp=true format=time block=true max-buffers=1 "
        "max-bytes=0 caps=%s ! %s name=peer sync=false enable-last-sample=false %s=%s %s",
        caps, kind->elements[0], kind->address, path, kind->settings[0]);
  return g_strdup_printf ("%s name=peer %s=%s %s %s %s ! appsink name=end sync=false "
                          "enable-last-sample=false max-buffers=1",
                          kind->elements[1], kind->address, path, kind->settings[1],
                          names_caps ? "!" : "", names_caps ? caps : "");
}

static gboolean
build (BenchEnd *end, GError **error)
{
  g_autofree char *text = describe (end);
  Data *data = end->data = g_new0 (Data, 1);

  g_mutex_init (&data->lock);
  g_cond_init (&data->negotiated);
  if (!gst_init_check (NULL, NULL, error))
    return FALSE;
  data->pipeline = gst_parse_launch (text, error);
  if (!data->pipeline || *error)
    return FALSE;
  data->end = gst_bin_get_by_name (GST_BIN (data->pipeline), "end");
  data->peer = gst_bin_get_by_name (GST_BIN (data->pipeline), "peer");
  return TRUE;
}

static gboolean
play (Data *data, GError **error)
{
  if (gst_element_set_state (data->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    return fail (data, error, "play");
  return TRUE;
}

/* ---- the producer ---- */

/* appsrc has told the sink the caps by then. */
static void
on_need_data (GstAppSrc *source, guint length, gpointer user_data)
{
  Data *data = user_data;

  g_mutex_lock (&data->lock);
  data->is_negotiated = TRUE;
  g_cond_signal (&data->negotiated);
  g_mutex_unlock (&data->lock);
}

static gboolean
await_negotiation (Data *data, GError **error)
{
  gint64 give_up = g_get_monotonic_time () + 10 * G_TIME_SPAN_SECOND;
  gboolean done;

  g_mutex_lock (&data->lock);
  while (!data->is_negotiated && g_cond_wait_until (&data->negotiated, &data->lock, give_up))
    ;
  done = data->is_negotiated;
  g_mutex_unlock (&data->lock);
  return done || fail (data, error, "the pipeline agrees on nothing");
}

/* What the sink proposes, as videotestsrc asks for it; appsrc itself asks before it has caps. */
static gboolean
ask_for_allocation (Data *data, GstCaps *caps, GstAllocationParams *params)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (data->end, "src");
  g_autoptr (GstQuery) query = gst_query_new_allocation (caps, TRUE);

  if (!gst_pad_peer_query (pad, query))
    return FALSE;
  if (gst_query_get_n_allocation_params (query))
    gst_query_parse_nth_allocation_param (query, 0, &data->allocator, params);
  if (gst_query_get_n_allocation_pools (query))
    gst_query_parse_nth_allocation_pool (query, 0, &data->pool, NULL, NULL, NULL);
  return data->pool || data->allocator;
}

/* A pool of ours is bounded: memory past shmsink's area would be ordinary. */
static gboolean
take_allocation (BenchEnd *end, GError **error)
{
  Data *data = end->data;
  g_autofree char *text = caps_text (end->cell);
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);
  GstAllocationParams params;
  GstStructure *config;
  guint most;

  gst_allocation_params_init (&params);
  if (end->cell->way->variant != SHMSINK_COPY && !ask_for_allocation (data, caps, &params))
    return fail (data, error, "the sink proposes no memory");
  most = data->pool ? 0 : slots (end->cell);
  if (!data->pool)
    data->pool = gst_video_buffer_pool_new ();
  config = gst_buffer_pool_get_config (data->pool);
  gst_buffer_pool_config_set_params (config, caps, (guint) end->cell->size, 0, most);
  gst_buffer_pool_config_set_allocator (config, data->allocator, &params);
  return (gst_buffer_pool_set_config (data->pool, config)
          && gst_buffer_pool_set_active (data->pool, TRUE))
         || fail (data, error, "make a pool");
}

static void
configure_sink (BenchEnd *end)
{
  const BenchCell *cell = end->cell;
  Data *data = end->data;

  if (cell->way->variant == SHMFRAME)
    g_object_set (data->peer, "slots", (guint) cell->slots, "max-consumers",
                  (guint) MAX (8, cell->n_consumers), NULL);
  else if (cell->way->variant != UNIXFD)
    g_object_set (data->peer, "shm-size", (guint) shm_size (cell), NULL);
}

static gboolean
open_producer (BenchEnd *end, GError **error)
{
  GstAppSrcCallbacks callbacks = { .need_data = on_need_data };
  Data *data;

  if (!build (end, error))
    return FALSE;
  data = end->data;
  configure_sink (end);
  gst_app_src_set_callbacks (GST_APP_SRC (data->end), &callbacks, data, NULL);
  return play (data, error) && await_negotiation (data, error) && take_allocation (end, error);
}

/* Planes one after the other, rows without padding. */
static gboolean
is_packed (const BenchCell *cell, GstBuffer *buffer)
{
  const GstVideoMeta *meta = gst_buffer_get_video_meta (buffer);

  return gst_buffer_n_memory (buffer) == 1 && gst_buffer_get_size (buffer) == cell->size
         && (!meta
             || (meta->stride[0] == cell->width * (meta->n_planes == 1 ? 4 : 1)
                 && meta->offset[0] == 0
                 && (meta->n_planes == 1
                     || (meta->stride[1] == cell->width
                         && meta->offset[1] == (gsize) cell->width * (gsize) cell->height))));
}

static gpointer
acquire (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  if (gst_buffer_pool_acquire_buffer (data->pool, &data->buffer, NULL) != GST_FLOW_OK)
    {
      fail (data, error, "acquire a buffer");
      return NULL;
    }
  if (!is_packed (end->cell, data->buffer))
    {
      fail (data, error, "the frame's rows are padded, or it is in pieces");
      return NULL;
    }
  if (!gst_buffer_map (data->buffer, &data->map, GST_MAP_WRITE))
    {
      fail (data, error, "map a buffer");
      return NULL;
    }
  return data->map.data;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  Data *data = end->data;
  gboolean proposed = gst_buffer_peek_memory (data->buffer, 0)->allocator == data->allocator;

  gst_buffer_unmap (data->buffer, &data->map);
  /* shmframesink counts by itself. */
  if (end->cell->way->variant != SHMFRAME && !proposed)
    end->copied += end->cell->size;
  if (gst_app_src_push_buffer (GST_APP_SRC (data->end), g_steal_pointer (&data->buffer))
      != GST_FLOW_OK)
    return fail (data, error, "push a buffer");
  return TRUE;
}

/* ---- a consumer ---- */

static gboolean
open_consumer (BenchEnd *end, GError **error)
{
  if (!build (end, error))
    return FALSE;
  end->attach_ns = g_get_monotonic_time () * 1000;
  return play (end->data, error);
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  Data *data = end->data;
  GstBuffer *buffer;

  data->sample = gst_app_sink_try_pull_sample (GST_APP_SINK (data->end), 30 * GST_SECOND);
  buffer = data->sample ? gst_sample_get_buffer (data->sample) : NULL;
  if (!buffer)
    {
      fail (data, error, "no frame came");
      return NULL;
    }
  if (!is_packed (end->cell, buffer) || !gst_buffer_map (buffer, &data->map, GST_MAP_READ))
    {
      g_clear_pointer (&data->sample, gst_sample_unref);
      fail (data, error, "what came is no frame, or cannot be mapped");
      return NULL;
    }
  return data->map.data;
}

static gboolean
release (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  gst_buffer_unmap (gst_sample_get_buffer (data->sample), &data->map);
  g_clear_pointer (&data->sample, gst_sample_unref);
  return TRUE;
}

/* ---- both ---- */

static void
tally (BenchEnd *end)
{
  Data *data = end->data;
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (data->peer, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "copied-bytes", &end->copied);
}

static void
close_end (BenchEnd *end)
{
  Data *data = end->data;

  g_clear_pointer (&data->sample, gst_sample_unref);
  gst_clear_buffer (&data->buffer);
  if (data->pipeline)
    gst_element_set_state (data->pipeline, GST_STATE_NULL);
  if (data->pool)
    gst_buffer_pool_set_active (data->pool, FALSE);
  gst_clear_object (&data->pool);
  gst_clear_object (&data->allocator);
  gst_clear_object (&data->peer);
  gst_clear_object (&data->end);
  gst_clear_object (&data->pipeline);
  g_mutex_clear (&data->lock);
  g_cond_clear (&data->negotiated);
  g_free (data);
}

#define WAY_GST(name_, title_, variant_, tally_)                                                   \
  {                                                                                                \
    .name = name_, .title = title_, .variant = variant_, .refuse = refuse, .prepare = prepare,     \
    .finish = finish, .open_producer = open_producer, .open_consumer = open_consumer,              \
    .acquire = acquire, .publish = publish, .receive = receive, .release = release,                \
    .tally = tally_, .close = close_end,                                                           \
  }

#else

static char *
refuse (const BenchCell *cell)
{
  return g_strdup ("not measured: built without GStreamer's libraries (gstreamer-app-1.0)");
}

#define WAY_GST(name_, title_, variant_, tally_)                                                   \
  {                                                                                                \
    .name = name_, .title = title_, .variant = variant_, .refuse = refuse                          \
  }

#endif

const BenchWay bench_way_gst_shmframe
    = WAY_GST ("gst-shmframe", "shmframesink, shmframesrc", SHMFRAME, tally);
const BenchWay bench_way_gst_shmsink
    = WAY_GST ("gst-shmsink", "shmsink with its own allocator, shmsrc", SHMSINK, NULL);
const BenchWay bench_way_gst_shmsink_copy
    = WAY_GST ("gst-shmsink-copy", "shmsink with a copy, shmsrc", SHMSINK_COPY, NULL);
const BenchWay bench_way_gst_unixfd = WAY_GST ("gst-unixfd", "unixfdsink, unixfdsrc", UNIXFD, NULL);
