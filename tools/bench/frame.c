/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame.h"

#include <sys/mman.h>

gboolean
bench_frame_open (BenchEnd *end, GError **error)
{
  end->data = bench_map (end->cell->size, FALSE);
  return TRUE;
}

gpointer
bench_frame_acquire (BenchEnd *end, GError **error)
{
  return end->data;
}

void
bench_frame_close (BenchEnd *end)
{
  if (end->data)
    munmap (end->data, end->cell->size);
}
