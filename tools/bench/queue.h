/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <mqueue.h>

#include "way.h"

/* POSIX message queues, one for each consumer: within the limits of an ordinary user. */
typedef struct
{
  int n;
  mqd_t *queues;
  gsize message_size; /* bytes: a message's most, and the least that mq_receive() wants */
} BenchQueues;

/* Why there can be none, or NULL. (transfer full) */
char *bench_queues_refuse (const BenchCell *cell);

/* Each holds `messages`, or as many as the limits allow (at least 1), of `size` bytes, or as many as they
 * allow. The queues have no names: only processes that are forked later share them. */
BenchQueues *bench_queues_new (const BenchCell *cell, glong messages, gsize size, GError **error);
void bench_queues_free (BenchQueues *queues);

/* Wait for room, or for a message. */
gboolean bench_queue_send (mqd_t queue, gconstpointer data, gsize size, GError **error);
/* Its size; -1 with an error. */
gssize bench_queue_receive (const BenchQueues *queues, int consumer, gpointer data, GError **error);
