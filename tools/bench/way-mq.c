/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A POSIX message queue for each consumer, with the frame in it: in messages as large as they may be. */

#include <limits.h>
#include <sys/mman.h>

#include "frame.h"
#include "queue.h"
#include "ways.h"

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return bench_queues_new (cell, LONG_MAX, cell->size, error);
}

static void
finish (const BenchCell *cell, gpointer link)
{
  bench_queues_free (link);
}

/* A frame, and room to receive its last message: mq_receive() wants space for the largest. */
static gsize
memory_size (const BenchEnd *end)
{
  const BenchQueues *queues = end->link;

  return end->cell->size + queues->message_size;
}

static gboolean
open_end (BenchEnd *end, GError **error)
{
  end->data = bench_map (memory_size (end), FALSE);
  return TRUE;
}

static gboolean
send_frame (BenchEnd *end, mqd_t queue, GError **error)
{
  const BenchQueues *queues = end->link;
  gsize sent = 0, size = end->cell->size;

  while (sent < size)
    {
      gsize part = MIN (size - sent, queues->message_size);

      if (!bench_queue_send (queue, (char *) end->data + sent, part, error))
        return FALSE;
      sent += part;
    }
  end->copied += size;
  return TRUE;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  const BenchQueues *queues = end->link;

  for (int i = 0; i < queues->n; i++)
    if (!send_frame (end, queues->queues[i], error))
      return FALSE;
  return TRUE;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  gsize received = 0;

  while (received < end->cell->size)
    {
      gssize part
          = bench_queue_receive (end->link, end->consumer, (char *) end->data + received, error);

      if (part < 0)
        return NULL;
      received += (gsize) part;
    }
  end->copied += received;
  return end->data;
}

static void
close_end (BenchEnd *end)
{
  if (end->data)
    munmap (end->data, memory_size (end));
}

const BenchWay bench_way_mq = {
  .name = "mq",
  .title = "POSIX message queue with the data",
  .copies = TRUE,
  .refuse = bench_queues_refuse,
  .prepare = prepare,
  .finish = finish,
  .open_producer = open_end,
  .open_consumer = open_end,
  .acquire = bench_frame_acquire,
  .publish = publish,
  .receive = receive,
  .close = close_end,
};
