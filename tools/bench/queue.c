/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define MESSAGE_COST 128 /* bytes that the kernel counts for a message beyond its data, at most */

/* A number of /proc/sys/fs/mqueue/, or 0. */
static glong
limit (const char *name)
{
  g_autofree char *path = g_build_filename ("/proc/sys/fs/mqueue", name, NULL), *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? atol (text) : 0;
}

/* Bytes that each queue may take. Half of what the user may have is left to others. */
static glong
budget (const BenchCell *cell)
{
  struct rlimit most;

  if (getrlimit (RLIMIT_MSGQUEUE, &most) != 0 || most.rlim_cur > G_MAXINT)
    most.rlim_cur = G_MAXINT;
  return (glong) most.rlim_cur / 2 / cell->n_consumers;
}

char *
bench_queues_refuse (const BenchCell *cell)
{
  glong queues = limit ("queues_max");

  if (!queues)
    return g_strdup ("the kernel has no POSIX message queues (no /proc/sys/fs/mqueue)");
  if (cell->n_consumers > queues)
    return g_strdup_printf ("%d message queues are more than fs.mqueue.queues_max, %ld",
                            cell->n_consumers, queues);
  if (budget (cell) < 2 * MESSAGE_COST)
    return g_strdup_printf ("%d message queues do not fit in RLIMIT_MSGQUEUE (ulimit -q)",
                            cell->n_consumers);
  return NULL;
}

static mqd_t
make_queue (int number, struct mq_attr *attributes, GError **error)
{
  g_autofree char *name = g_strdup_printf ("/frame-bench-%d-%d", (int) getpid (), number);
  mqd_t queue = mq_open (name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, attributes);

  if (queue == (mqd_t) -1)
    bench_fail (error, "mq_open");
  else
    mq_unlink (name);
  return queue;
}

BenchQueues *
bench_queues_new (const BenchCell *cell, glong messages, gsize size, GError **error)
{
  BenchQueues *queues = g_new0 (BenchQueues, 1);
  glong bytes = budget (cell), message = MIN ((glong) size, limit ("msgsize_max"));
  struct mq_attr attributes = { 0 };

  message = MIN (message, bytes - MESSAGE_COST);
  messages = MIN (messages, limit ("msg_max"));
  attributes.mq_msgsize = message;
  attributes.mq_maxmsg = CLAMP (bytes / (message + MESSAGE_COST), 1, messages);
  queues->message_size = (gsize) message;
  queues->queues = g_new (mqd_t, cell->n_consumers);
  for (; queues->n < cell->n_consumers; queues->n++)
    {
      queues->queues[queues->n] = make_queue (queues->n, &attributes, error);
      if (queues->queues[queues->n] == (mqd_t) -1)
        break;
    }
  return queues;
}

void
bench_queues_free (BenchQueues *queues)
{
  for (int i = 0; i < queues->n; i++)
    mq_close (queues->queues[i]);
  g_free (queues->queues);
  g_free (queues);
}

gboolean
bench_queue_send (mqd_t queue, gconstpointer data, gsize size, GError **error)
{
  while (mq_send (queue, data, size, 0) != 0)
    if (errno != EINTR)
      return bench_fail (error, "mq_send");
  return TRUE;
}

gssize
bench_queue_receive (const BenchQueues *queues, int consumer, gpointer data, GError **error)
{
  gssize size;

  while ((size = mq_receive (queues->queues[consumer], data, queues->message_size, NULL)) < 0)
    if (errno != EINTR)
      {
        bench_fail (error, "mq_receive");
        break;
      }
  return size;
}
