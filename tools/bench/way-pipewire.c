/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * PipeWire: a pw_stream in the producer, which drives the graph with each frame, and one in each
 * consumer, linked by it. The buffers are memfds that both map. A daemon of the cell's own, without a
 * session manager and without real-time priorities, which no other way has either.
 */

#include "ways.h"

#ifdef HAVE_PIPEWIRE

#include <signal.h>
#include <stdatomic.h>

#include <pipewire/pipewire.h>
#include <spa/param/video/format-utils.h>

#include "bell.h"
#include "daemon.h"

#define DEFAULT_SLOTS 8
#define SLOTS_MAX 64 /* of a pw_stream */
#define PATIENCE_NS (10 * 1000000000LL)

static const char config[]
    = "context.properties = { core.daemon = true core.name = pipewire-0 support.dbus = false\n"
      "  link.max-buffers = 64 log.level = 0 }\n"
      "context.spa-libs = { support.* = support/libspa-support }\n"
      "context.modules = [\n"
      "  { name = libpipewire-module-protocol-native }\n"
      "  { name = libpipewire-module-client-node }\n"
      "  { name = libpipewire-module-access }\n"
      "  { name = libpipewire-module-adapter }\n"
      "  { name = libpipewire-module-link-factory }\n"
      "]\n";

/* In the area that all processes share. */
typedef struct
{
  _Atomic uint32_t producer_node, producer_port;
} Area;

typedef struct
{
  BenchEnd *end;
  struct pw_main_loop *main_loop;
  struct pw_loop *loop;
  struct pw_context *context;
  struct pw_core *core;
  struct spa_hook core_hook;
  struct pw_registry *registry; /* producer */
  struct spa_hook registry_hook;
  struct pw_stream *stream;
  struct spa_hook stream_hook;
  struct pw_proxy *link;    /* consumer: the one to the producer */
  struct pw_buffer *buffer; /* being written, or held */
  gpointer scratch;         /* producer: frames that nobody gets */
  enum pw_stream_state state;
  gboolean cycling; /* producer: the graph is still at work on a frame */
  int synced;
  char *failure;
} Data;

/* ---- the daemon ---- */

static guint
slots (const BenchCell *cell)
{
  return bench_n_slots (cell, DEFAULT_SLOTS);
}

static char *
refuse (const BenchCell *cell)
{
  g_autofree char *program = g_find_program_in_path ("pipewire");

  if (!program)
    return g_strdup ("not measured: the program pipewire is not installed");
  if (slots (cell) < 2 || slots (cell) > SLOTS_MAX)
    return g_strdup_printf ("a pw_stream has 2 to %d buffers", SLOTS_MAX);
  return NULL;
}

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  g_autofree char *path = g_build_filename (cell->folder, "bench.conf", NULL);
  g_autofree char *socket = g_build_filename (cell->folder, "pipewire-0", NULL);
  const char *variables[]
      = { "PIPEWIRE_CONFIG_DIR", cell->folder, "PIPEWIRE_RUNTIME_DIR", cell->folder, NULL };
  char *argv[] = { "pipewire", "-c", "bench.conf", NULL };
  BenchDaemon daemon
      = { .argv = argv, .variables = variables, .socket = socket, .orphan_signal = SIGKILL };

  if (!g_file_set_contents (path, config, -1, error))
    return NULL;
  return bench_daemon_new (cell, &daemon, error);
}

/* ---- events; all in the thread that iterates the loop ---- */

static void
on_core_done (void *user_data, uint32_t id, int sequence)
{
  Data *data = user_data;

  data->synced = sequence;
}

static void
note_failure (Data *data, const char *what)
{
  if (!data->failure)
    data->failure = g_strdup (what ? what : "PipeWire failed without a reason");
}

static void
on_core_error (void *user_data, uint32_t id, int sequence, int result, const char *message)
{
  note_failure (user_data, message);
}

static void
on_state (void *user_data, enum pw_stream_state before, enum pw_stream_state state,
          const char *message)
{
  Data *data = user_data;

  data->state = state;
  if (state == PW_STREAM_STATE_ERROR)
    note_failure (data, message);
}

static void
on_trigger_done (void *user_data)
{
  Data *data = user_data;

  data->cycling = FALSE;
}

/* The format is agreed on: now the buffers. */
static void
on_param (void *user_data, uint32_t id, const struct spa_pod *param)
{
  Data *data = user_data;
  const BenchCell *cell = data->end->cell;
  guint8 memory[1024];
  struct spa_pod_builder builder = SPA_POD_BUILDER_INIT (memory, sizeof memory);
  const struct spa_pod *buffers;

  if (!param || id != SPA_PARAM_Format)
    return;
  buffers = spa_pod_builder_add_object (
      &builder, SPA_TYPE_OBJECT_ParamBuffers, SPA_PARAM_Buffers, SPA_PARAM_BUFFERS_buffers,
      SPA_POD_Int ((int) slots (cell)), SPA_PARAM_BUFFERS_blocks, SPA_POD_Int (1),
      SPA_PARAM_BUFFERS_size, SPA_POD_Int ((int) cell->size), SPA_PARAM_BUFFERS_stride,
      SPA_POD_Int (cell->width), SPA_PARAM_BUFFERS_dataType,
      SPA_POD_CHOICE_FLAGS_Int (1 << SPA_DATA_MemFd));
  pw_stream_update_params (data->stream, &buffers, 1);
}

static void
on_global (void *user_data, uint32_t id, uint32_t permissions, const char *type, uint32_t version,
           const struct spa_dict *properties)
{
  Data *data = user_data;
  Area *area = data->end->cell->area;
  const char *node = properties ? spa_dict_lookup (properties, PW_KEY_NODE_ID) : NULL;

  if (g_str_equal (type, PW_TYPE_INTERFACE_Port) && node
      && strtoul (node, NULL, 10) == area->producer_node)
    atomic_store (&area->producer_port, id);
}

static const struct pw_registry_events registry_events = {
  .version = PW_VERSION_REGISTRY_EVENTS,
  .global = on_global,
};

static const struct pw_core_events core_events = {
  .version = PW_VERSION_CORE_EVENTS,
  .done = on_core_done,
  .error = on_core_error,
};

static const struct pw_stream_events stream_events = {
  .version = PW_VERSION_STREAM_EVENTS,
  .state_changed = on_state,
  .param_changed = on_param,
  .trigger_done = on_trigger_done,
};

/* ---- what both ends do ---- */

static gboolean
fail (Data *data, GError **error, const char *what)
{
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s%s%s", what, data->failure ? ": " : "",
               data->failure ? data->failure : "");
  return FALSE;
}

/* Waits for an event; FALSE: something failed, or it is too late. */
static gboolean
step (Data *data, gint64 give_up_ns)
{
  if (!data->failure && bench_now_ns () > give_up_ns)
    note_failure (data, "it took too long");
  return !data->failure && pw_loop_iterate (data->loop, 1000) >= 0;
}

static gboolean
await_state (Data *data, enum pw_stream_state state, GError **error)
{
  gint64 give_up_ns = bench_now_ns () + PATIENCE_NS;

  while (data->state < state)
    if (!step (data, give_up_ns))
      return fail (data, error, "connect a stream");
  return TRUE;
}

static gboolean
synchronize (Data *data, GError **error)
{
  gint64 give_up_ns = bench_now_ns () + PATIENCE_NS;
  int sequence = pw_core_sync (data->core, PW_ID_CORE, 0);

  while (data->synced != sequence)
    if (!step (data, give_up_ns))
      return fail (data, error, "talk to PipeWire's daemon");
  return TRUE;
}

/* Everything but the stream. */
static gboolean
open_core (BenchEnd *end, GError **error)
{
  Data *data = end->data = g_new0 (Data, 1);

  data->end = end;
  g_setenv ("PIPEWIRE_RUNTIME_DIR", end->cell->folder, TRUE);
  pw_init (NULL, NULL);
  data->main_loop = pw_main_loop_new (NULL);
  data->loop = pw_main_loop_get_loop (data->main_loop);
  pw_loop_enter (data->loop);
  data->context = pw_context_new (data->loop, NULL, 0);
  end->attach_ns = bench_now_ns ();
  data->core = data->context ? pw_context_connect (data->context, NULL, 0) : NULL;
  if (!data->core)
    return bench_fail (error, "connect to PipeWire's daemon");
  pw_core_add_listener (data->core, &data->core_hook, &core_events, data);
  return TRUE;
}

static gboolean
open_stream (Data *data, enum pw_direction direction, enum pw_stream_flags flags, GError **error)
{
  const BenchCell *cell = data->end->cell;
  guint8 memory[1024];
  struct spa_pod_builder builder = SPA_POD_BUILDER_INIT (memory, sizeof memory);
  struct spa_video_info_raw info
      = SPA_VIDEO_INFO_RAW_INIT (.format = g_str_equal (cell->format, "RGBA")
                                               ? SPA_VIDEO_FORMAT_RGBA
                                               : SPA_VIDEO_FORMAT_NV12,
                                 .size
                                 = SPA_RECTANGLE ((uint32_t) cell->width, (uint32_t) cell->height),
                                 .framerate = SPA_FRACTION (60, 1));
  const struct spa_pod *format = spa_format_video_raw_build (&builder, SPA_PARAM_EnumFormat, &info);

  data->stream = pw_stream_new (
      data->core, "frame-bench",
      pw_properties_new (PW_KEY_MEDIA_TYPE, "Video", PW_KEY_MEDIA_CLASS,
                         direction == PW_DIRECTION_OUTPUT ? "Video/Source" : "Stream/Input/Video",
                         NULL));
  if (!data->stream)
    return bench_fail (error, "make a stream");
  pw_stream_add_listener (data->stream, &data->stream_hook, &stream_events, data);
  if (pw_stream_connect (data->stream, direction, PW_ID_ANY, flags | PW_STREAM_FLAG_MAP_BUFFERS,
                         &format, 1)
      < 0)
    return fail (data, error, "connect a stream");
  return await_state (data, PW_STREAM_STATE_PAUSED, error) && synchronize (data, error);
}

static void
close_end (BenchEnd *end)
{
  Data *data = end->data;

  if (data->link)
    pw_proxy_destroy (data->link);
  if (data->stream)
    pw_stream_destroy (data->stream);
  if (data->registry)
    pw_proxy_destroy ((struct pw_proxy *) data->registry);
  if (data->core)
    pw_core_disconnect (data->core);
  if (data->context)
    pw_context_destroy (data->context);
  pw_loop_leave (data->loop);
  pw_main_loop_destroy (data->main_loop);
  g_free (data->failure);
  g_free (data);
}

/* ---- the producer ---- */

/* Links to a port that is taken already have to name it. */
static gboolean
find_own_port (Data *data, GError **error)
{
  Area *area = data->end->cell->area;

  atomic_store (&area->producer_node, pw_stream_get_node_id (data->stream));
  data->registry = pw_core_get_registry (data->core, PW_VERSION_REGISTRY, 0);
  pw_registry_add_listener (data->registry, &data->registry_hook, &registry_events, data);
  if (!synchronize (data, error))
    return FALSE;
  return area->producer_port || fail (data, error, "the stream has no port");
}

static gboolean
open_producer (BenchEnd *end, GError **error)
{
  Data *data;

  if (!open_core (end, error))
    return FALSE;
  data = end->data;
  if (!open_stream (data, PW_DIRECTION_OUTPUT, PW_STREAM_FLAG_DRIVER, error))
    return FALSE;
  data->scratch = bench_map (end->cell->size, FALSE);
  return find_own_port (data, error);
}

/* Until somebody is linked frames go nowhere. */
static gpointer
acquire (BenchEnd *end, GError **error)
{
  Data *data = end->data;
  gint64 give_up_ns = bench_now_ns () + PATIENCE_NS;

  while (pw_loop_iterate (data->loop, 0) > 0)
    ;
  while (data->state == PW_STREAM_STATE_STREAMING
         && (data->cycling || !(data->buffer = pw_stream_dequeue_buffer (data->stream))))
    if (!step (data, give_up_ns))
      {
        fail (data, error, data->cycling ? "await the consumers" : "dequeue a buffer");
        return NULL;
      }
  return data->buffer ? data->buffer->buffer->datas[0].data : data->scratch;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  Data *data = end->data;
  struct pw_buffer *buffer = g_steal_pointer (&data->buffer);
  struct spa_chunk *chunk;

  if (!buffer)
    return TRUE;
  chunk = buffer->buffer->datas[0].chunk;
  chunk->offset = 0;
  chunk->size = (uint32_t) end->cell->size;
  chunk->stride = end->cell->width;
  data->cycling = TRUE;
  if (pw_stream_queue_buffer (data->stream, buffer) < 0
      || pw_stream_trigger_process (data->stream) < 0)
    return fail (data, error, "queue a buffer");
  return TRUE;
}

/* ---- a consumer ---- */

static gboolean
open_consumer (BenchEnd *end, GError **error)
{
  const Area *area = end->cell->area;
  struct pw_properties *properties;
  Data *data;

  if (!open_core (end, error))
    return FALSE;
  data = end->data;
  if (!open_stream (data, PW_DIRECTION_INPUT, PW_STREAM_FLAG_NONE, error))
    return FALSE;
  properties = pw_properties_new (NULL, NULL);
  pw_properties_setf (properties, PW_KEY_LINK_OUTPUT_NODE, "%u",
                      atomic_load (&area->producer_node));
  pw_properties_setf (properties, PW_KEY_LINK_OUTPUT_PORT, "%u",
                      atomic_load (&area->producer_port));
  pw_properties_setf (properties, PW_KEY_LINK_INPUT_NODE, "%u",
                      pw_stream_get_node_id (data->stream));
  data->link = pw_core_create_object (data->core, "link-factory", PW_TYPE_INTERFACE_Link,
                                      PW_VERSION_LINK, &properties->dict, 0);
  pw_properties_free (properties);
  return data->link ? TRUE : bench_fail (error, "link the streams");
}

/* The newest, as PipeWire's users do: it writes into buffers again however slow a consumer is. */
static struct pw_buffer *
dequeue_newest (Data *data)
{
  struct pw_buffer *newest = NULL, *next;

  while ((next = pw_stream_dequeue_buffer (data->stream)))
    {
      if (newest)
        pw_stream_queue_buffer (data->stream, newest);
      newest = next;
    }
  return newest;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  Data *data = end->data;
  const struct spa_data *frame;

  while (!(data->buffer = dequeue_newest (data)))
    if (data->failure || pw_loop_iterate (data->loop, -1) < 0)
      {
        fail (data, error, "await a frame");
        return NULL;
      }
  frame = &data->buffer->buffer->datas[0];
  if (!frame->data || frame->chunk->size != end->cell->size || frame->chunk->offset != 0)
    {
      fail (data, error, "what came is no frame, or is not mapped");
      return NULL;
    }
  return frame->data;
}

static gboolean
release (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  return pw_stream_queue_buffer (data->stream, g_steal_pointer (&data->buffer)) >= 0
         || fail (data, error, "give a buffer back");
}

const BenchWay bench_way_pipewire = {
  .name = "pipewire",
  .title = "PipeWire",
  .refuse = refuse,
  .prepare = prepare,
  .finish = bench_daemon_finish,
  .daemon_pid = bench_daemon_pid,
  .open_producer = open_producer,
  .open_consumer = open_consumer,
  .acquire = acquire,
  .publish = publish,
  .receive = receive,
  .release = release,
  .close = close_end,
};

#else

static char *
refuse (const BenchCell *cell)
{
  return g_strdup ("not measured: built without libpipewire-0.3");
}

const BenchWay bench_way_pipewire = { .name = "pipewire", .title = "PipeWire", .refuse = refuse };

#endif
