/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A pipe for each consumer, of the largest size an ordinary user may have (1 MiB). */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ways.h"

typedef struct
{
  int (*fd)[2]; /* one for each consumer */
} Link;

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  Link *link = g_new0 (Link, 1);

  link->fd = g_malloc0_n ((gsize) cell->n_consumers, sizeof *link->fd);
  for (int i = 0; i < cell->n_consumers; i++)
    {
      if (pipe2 (link->fd[i], O_CLOEXEC) != 0)
        {
          bench_fail (error, "make a pipe");
          return link;
        }
      fcntl (link->fd[i][1], F_SETPIPE_SZ, 1 << 20);
    }
  return link;
}

static gboolean
open_end (BenchEnd *end, GError **error)
{
  end->data = bench_map (end->cell->size, FALSE);
  return TRUE;
}

static gpointer
acquire (BenchEnd *end, GError **error)
{
  return end->data;
}

static gboolean
publish (BenchEnd *end, GError **error)
{
  const Link *link = end->link;

  for (int i = 0; i < end->cell->n_consumers; i++)
    {
      if (!bench_write_all (link->fd[i][1], end->data, end->cell->size, error))
        return FALSE;
      end->copied += end->cell->size;
    }
  return TRUE;
}

static gconstpointer
receive (BenchEnd *end, GError **error)
{
  const Link *link = end->link;

  if (!bench_read_all (link->fd[end->consumer][0], end->data, end->cell->size, error))
    return NULL;
  end->copied += end->cell->size;
  return end->data;
}

const BenchWay bench_way_pipe = {
  .name = "pipe",
  .title = "pipe",
  .copies = TRUE,
  .prepare = prepare,
  .open_producer = open_end,
  .open_consumer = open_end,
  .acquire = acquire,
  .publish = publish,
  .receive = receive,
};
