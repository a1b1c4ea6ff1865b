/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* shmframe itself, by its library. The variant is a ShmFrameWait and a ShmFrameDelivery. */

#include <string.h>

#include <shmframe/shmframe.h>

#include "ways.h"

#define VARIANT(wait, delivery) ((int) (wait) << 4 | (int) (delivery))

typedef struct
{
  ShmFrameProducer *producer;
  ShmFrameConsumer *consumer;
  ShmFrameFrame *frame;
} Data;

static char *
pool_path (const BenchEnd *end)
{
  return g_build_filename (end->cell->folder, "bench.sock", NULL);
}

/* A pool of a chosen size keeps as many frames as the pool rule leaves it, or it would not use them:
 * one slot is in flight, one is spare, and each consumer has a lease and the reserved one. */
static guint
history_for (const BenchCell *cell)
{
  return cell->slots ? (guint) MAX (cell->slots - 2 - 2 * cell->n_consumers, 0) : 1;
}

static gboolean
open_producer (BenchEnd *end, GError **error)
{
  const BenchCell *cell = end->cell;
  g_autofree char *path = pool_path (end), *name = g_ascii_strdown (cell->format, -1);
  g_autoptr (ShmFrameFormat) format
      = shmframe_format_new (name, (guint) cell->width, (guint) cell->height, error);
  Data *data = end->data = g_new0 (Data, 1);

  if (!format)
    return FALSE;
  /* A consumer holds one frame; the producer the one that it writes. */
  data->producer = g_initable_new (SHMFRAME_TYPE_PRODUCER, NULL, error, "pool", path, "slots",
                                   (guint) cell->slots, "history", history_for (cell), "lossless",
                                   FALSE, "max-consumers", (guint) MAX (8, cell->n_consumers),
                                   "consumer-leases", 1, "in-flight", 1, NULL);
  return data->producer && shmframe_producer_set_format (data->producer, format, error);
}

static gboolean
open_consumer (BenchEnd *end, GError **error)
{
  g_autofree char *path = pool_path (end);
  Data *data = end->data = g_new0 (Data, 1);
  int variant = end->cell->way->variant;

  data->consumer = g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, error, "pool", path, "leases", 1,
                                   "delivery", variant & 15, "wait", variant >> 4, NULL);
  return data->consumer != NULL;
}

static gpointer
acquire (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  data->frame = shmframe_producer_acquire (data->producer, error);
  return data->frame ? shmframe_frame_get_data (data->frame) : NULL;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  Data *data = end->data;
  gboolean done = shmframe_producer_publish (data->producer, data->frame, error);

  g_clear_pointer (&data->frame, shmframe_frame_unref);
  return done;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  do
    {
      g_autoptr (ShmFrameEvent) event = NULL;

      data->frame = shmframe_consumer_lease (data->consumer, -1, &event, error);
      if (!data->frame && !event)
        return NULL;
    }
  while (!data->frame);
  return shmframe_frame_get_data (data->frame);
}

static gboolean
release (BenchEnd *end, GError **error)
{
  Data *data = end->data;

  if (shmframe_consumer_release (data->consumer, g_steal_pointer (&data->frame))
      == SHMFRAME_VERDICT_INTACT)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "a frame was revoked");
  return FALSE;
}

static void
close_end (BenchEnd *end)
{
  Data *data = end->data;

  g_clear_pointer (&data->frame, shmframe_frame_unref);
  g_clear_object (&data->producer);
  g_clear_object (&data->consumer);
  g_free (data);
}

static void
tally (BenchEnd *end)
{
  Data *data = end->data;
  g_autoptr (GVariant) stats = data->producer ? shmframe_producer_get_stats (data->producer)
                                              : shmframe_consumer_get_stats (data->consumer);
  guint committed = 0;

  g_variant_lookup (stats, "copied-bytes", "t", &end->copied);
  g_variant_lookup (stats, "committed-slots", "u", &committed);
  g_variant_lookup (stats, "slot-bytes", "t", &end->slot_bytes);
  end->committed_slots = committed;
}

#define WAY_SHMFRAME(name_, title_, wait, delivery)                                                \
  {                                                                                                \
    .name = name_, .title = title_, .variant = VARIANT (wait, delivery),                           \
    .spins = (wait) == SHMFRAME_WAIT_SPIN, .open_producer = open_producer,                         \
    .open_consumer = open_consumer, .acquire = acquire, .publish = publish, .receive = receive,    \
    .release = release, .tally = tally, .close = close_end,                                        \
  }

const BenchWay bench_way_shmframe = WAY_SHMFRAME ("shmframe", "shmframe, sleeping",
                                                  SHMFRAME_WAIT_SLEEP, SHMFRAME_DELIVERY_ORDERED);
const BenchWay bench_way_shmframe_spin = WAY_SHMFRAME (
    "shmframe-spin", "shmframe, spinning", SHMFRAME_WAIT_SPIN, SHMFRAME_DELIVERY_ORDERED);
const BenchWay bench_way_shmframe_predict = WAY_SHMFRAME (
    "shmframe-predict", "shmframe, predicting", SHMFRAME_WAIT_PREDICT, SHMFRAME_DELIVERY_ORDERED);
