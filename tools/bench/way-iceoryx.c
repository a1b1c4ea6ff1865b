/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * iceoryx 2: chunks that are loaned and taken in place, a wait set to sleep on, and RouDi, its daemon,
 * which is started for each cell. RouDi is one a machine: its names cannot be chosen.
 */

#include "ways.h"

#ifndef HAVE_ICEORYX

static char *
refuse (const BenchCell *cell)
{
  return g_strdup ("not measured: iceoryx is not installed (apt install libiceoryx-binding-c-dev "
                   "iceoryx)");
}

const BenchWay bench_way_iceoryx = { .name = "iceoryx", .title = "iceoryx", .refuse = refuse };

#else

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <iceoryx_binding_c/api.h>
#include <iceoryx_binding_c/config.h>

#include "daemon.h"

#define QUEUE 4      /* frames that wait for a consumer; a newer one discards the oldest */
#define ALIGNMENT 64 /* of frames: what video code asks for */
#define CHUNK_EXTRA (2 * ALIGNMENT)   /* of each chunk: its header, and what aligns the frame */
#define MANAGEMENT_BYTES (80LL << 20) /* RouDi's own: 66 MB in 2.0.3 */
#define READY "RouDi is ready for clients"
#define LOCK "/tmp/iox-unique-roudi.lock"
#define MANAGEMENT "/dev/shm/iceoryx_mgmt"

typedef struct
{
  iox_pub_storage_t publisher_storage;
  iox_sub_storage_t subscriber_storage;
  iox_ws_storage_t wait_set_storage;
  iox_pub_t publisher;
  iox_sub_t subscriber;
  iox_ws_t wait_set;
  void *chunk;       /* producer: the loaned one */
  const void *taken; /* consumer */
} Data;

/* ---- RouDi ---- */

/* Each consumer may hold a frame that no other has; the newest are in their queues; one is written. */
static int
least_chunks (const BenchCell *cell)
{
  return cell->n_consumers + QUEUE + 1;
}

static int
chunks (const BenchCell *cell)
{
  return cell->slots ? cell->slots : least_chunks (cell) + 1;
}

static gboolean
roudi_runs (void)
{
  int fd = open (LOCK, O_RDWR | O_CLOEXEC);
  gboolean runs = fd < 0 ? errno != ENOENT : flock (fd, LOCK_EX | LOCK_NB) != 0;

  if (fd >= 0)
    close (fd);
  return runs;
}

static char *
refuse_memory (const BenchCell *cell)
{
  gint64 bytes = chunks (cell) * (gint64) (cell->size + CHUNK_EXTRA) + MANAGEMENT_BYTES;

  if (bytes > BENCH_MOST_BYTES)
    return g_strdup_printf ("%d chunks of %.1f MB need %.1f GiB, more than 8", chunks (cell),
                            (double) cell->size / 1e6, (double) bytes / (1 << 30));
  return bench_refuse_room ("/dev/shm", (guint64) bytes);
}

static char *
refuse (const BenchCell *cell)
{
  g_autofree char *roudi = g_find_program_in_path ("iox-roudi");
  int most
      = (int) MIN (iox_cfg_max_subscribers_per_publisher (), iox_cfg_max_process_number () - 1);

  if (!roudi)
    return g_strdup ("not measured: iox-roudi is not installed (apt install iceoryx)");
  if (roudi_runs ())
    return g_strdup ("a RouDi runs already, and iceoryx has but one: " LOCK " is locked");
  if (cell->n_consumers > most)
    return g_strdup_printf ("iceoryx is built for at most %d subscribers of a publisher", most);
  if (chunks (cell) < least_chunks (cell))
    return g_strdup_printf ("%d chunks are too few: iceoryx may need %d here", cell->slots,
                            least_chunks (cell));
  return refuse_memory (cell);
}

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  g_autofree char *toml = g_build_filename (cell->folder, "roudi.toml", NULL), *text = NULL;
  char *argv[] = { "iox-roudi", "--config-file", toml, NULL };
  /* Asked to end it removes its shared memory, which else nobody would. */
  BenchDaemon roudi = { .argv = argv, .ready = READY, .orphan_signal = SIGTERM };

  text = g_strdup_printf ("[general]\nversion = 1\n\n[[segment]]\n\n[[segment.mempool]]\n"
                          "size = %" G_GSIZE_FORMAT "\ncount = %d\n",
                          bench_round_up (cell->size + CHUNK_EXTRA, 32), chunks (cell));
  if (!g_file_set_contents (toml, text, -1, error))
    return NULL;
  return bench_daemon_new (cell, &roudi, error);
}

static char *
app_name (pid_t parent, int consumer)
{
  return g_strdup_printf ("frame-bench-%d-%d", (int) parent, consumer);
}

/* Where RouDi puts the chunks: named by its group. */
static char *
segment_path (void)
{
  const struct group *group = getgrgid (getegid ());

  return g_build_filename ("/dev/shm", group ? group->gr_name : "", NULL);
}

/* What a RouDi that was killed leaves, and processes that left without a word to it. */
static void
remove_residue (const BenchCell *cell)
{
  g_autofree char *segment = segment_path ();
  const char *const paths[] = { MANAGEMENT, segment, "/tmp/roudi", "/tmp/roudi.lock" };
  int lock = open (LOCK, O_RDWR | O_CLOEXEC);

  for (int i = -1; i < cell->n_consumers; i++)
    {
      g_autofree char *name = app_name (getpid (), i),
                      *socket = g_build_filename ("/tmp", name, NULL),
                      *file = g_strconcat (socket, ".lock", NULL);

      unlink (socket);
      unlink (file);
    }
  /* Unless another RouDi has begun since. */
  if (lock >= 0 && flock (lock, LOCK_EX | LOCK_NB) == 0)
    {
      for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
        unlink (paths[i]);
      unlink (LOCK);
    }
  if (lock >= 0)
    close (lock);
}

/* Killed, not ended: it would signal the processes that it knows, whose ids may be others' by now. */
static void
finish (const BenchCell *cell, gpointer link)
{
  bench_daemon_finish (cell, link);
  remove_residue (cell);
}

/* ---- the ends ---- */

/* One runtime a process: it cannot be made before fork(). */
static Data *
open_end (BenchEnd *end)
{
  g_autofree char *name = app_name (getppid (), end->consumer);
  Data *data = end->data = g_new0 (Data, 1);

  iox_set_loglevel (Iceoryx_LogLevel_Error);
  iox_runtime_init (name);
  return data;
}

static gboolean
open_producer (BenchEnd *end, GError **error)
{
  Data *data = open_end (end);
  iox_pub_options_t options;

  /* Without a history, its default, the chunk that all are done with is loaned again: it is warm. */
  iox_pub_options_init (&options);
  options.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_DISCARD_OLDEST_DATA;
  data->publisher
      = iox_pub_init (&data->publisher_storage, "frame-bench", "cell", "frame", &options);
  return TRUE;
}

static gboolean
open_consumer (BenchEnd *end, GError **error)
{
  Data *data = open_end (end);
  iox_sub_options_t options;

  iox_sub_options_init (&options);
  options.queueCapacity = QUEUE;
  options.queueFullPolicy = QueueFullPolicy_DISCARD_OLDEST_DATA;
  data->wait_set = iox_ws_init (&data->wait_set_storage);
  data->subscriber
      = iox_sub_init (&data->subscriber_storage, "frame-bench", "cell", "frame", &options);
  if (iox_ws_attach_subscriber_state (data->wait_set, data->subscriber, SubscriberState_HAS_DATA, 0,
                                      NULL)
      == WaitSetResult_SUCCESS)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "attach to a wait set: refused");
  return FALSE;
}

static gpointer
acquire (BenchEnd *end, GError **error)
{
  Data *data = end->data;
  enum iox_AllocationResult result = iox_pub_loan_aligned_chunk (
      data->publisher, &data->chunk, (uint32_t) end->cell->size, ALIGNMENT);

  if (result == AllocationResult_SUCCESS)
    return data->chunk;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "loan a chunk: iox_AllocationResult %d",
               (int) result);
  return NULL;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  iox_pub_publish_chunk (data->publisher, g_steal_pointer (&data->chunk));
  return TRUE;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  Data *data = end->data;
  enum iox_ChunkReceiveResult result;

  while ((result = iox_sub_take_chunk (data->subscriber, &data->taken))
         == ChunkReceiveResult_NO_CHUNK_AVAILABLE)
    {
      iox_notification_info_t info;
      uint64_t missed;

      iox_ws_wait (data->wait_set, &info, 1, &missed);
    }
  if (result == ChunkReceiveResult_SUCCESS)
    return data->taken;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "take a chunk: iox_ChunkReceiveResult %d",
               (int) result);
  return NULL;
}

static gboolean
release (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  iox_sub_release_chunk (data->subscriber, g_steal_pointer (&data->taken));
  return TRUE;
}

static void
close_end (BenchEnd *end)
{
  Data *data = end->data;

  if (data->subscriber)
    {
      iox_ws_detach_subscriber_state (data->wait_set, data->subscriber, SubscriberState_HAS_DATA);
      iox_sub_deinit (data->subscriber);
      iox_ws_deinit (data->wait_set);
    }
  if (data->publisher)
    iox_pub_deinit (data->publisher);
  g_free (data);
}

const BenchWay bench_way_iceoryx = {
  .name = "iceoryx",
  .title = "iceoryx, wait set",
  .refuse = refuse,
  .prepare = prepare,
  .finish = finish,
  .daemon_pid = bench_daemon_pid,
  .open_producer = open_producer,
  .open_consumer = open_consumer,
  .acquire = acquire,
  .publish = publish,
  .receive = receive,
  .release = release,
  .close = close_end,
};

#endif
