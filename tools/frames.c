/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frames.h"

#include <string.h>

#include "pool-view.h"

static gboolean
same_plane (ShmFrameFrame *a, ShmFrameFrame *b, guint plane)
{
  const ShmFrameFormat *format = shmframe_frame_get_format (a);
  guint rows = shmframe_format_get_rows (format, plane);
  gsize row_bytes = shmframe_format_get_row_bytes (format, plane);
  gint stride;
  const guint8 *left = shmframe_frame_get_plane (a, plane, &stride);
  const guint8 *right = shmframe_frame_get_plane (b, plane, NULL);

  if (left == NULL || right == NULL)
    return left == right;
  if ((gsize) stride == row_bytes)
    return memcmp (left, right, rows * row_bytes) == 0;
  for (guint y = 0; y < rows; y++)
    if (memcmp (left + (gsize) y * stride, right + (gsize) y * stride, row_bytes) != 0)
      return FALSE;
  return TRUE;
}

gboolean
frames_have_same_pixels (ShmFrameFrame *a, ShmFrameFrame *b)
{
  const ShmFrameFormat *format = shmframe_frame_get_format (a);
  gsize size = shmframe_frame_get_size (a);

  if (shmframe_frame_get_size (b) != size)
    return FALSE;
  if (shmframe_format_get_rows (format, 0) == 0 || shmframe_format_get_row_bytes (format, 0) == 0
      || shmframe_frame_get_plane (a, 0, NULL) == NULL)
    return memcmp (shmframe_frame_get_data (a), shmframe_frame_get_data (b), size) == 0;
  for (guint plane = 0; plane < shmframe_format_get_n_planes (format); plane++)
    if (!same_plane (a, b, plane))
      return FALSE;
  return TRUE;
}

static int
compare_sequences (gconstpointer a, gconstpointer b)
{
  guint64 left = *(const guint64 *) a, right = *(const guint64 *) b;

  return left < right ? 1 : left > right ? -1 : 0;
}

/* The sequences that are in the slots, the newest first. */
static GArray *
find_sequences (ShmFrameObserver *observer)
{
  g_autoptr (GVariant) slots = shmframe_observer_dup_slots (observer);
  GArray *sequences = g_array_new (FALSE, FALSE, sizeof (guint64));
  GVariantIter iter;
  guint64 sequence;
  guint state;

  g_variant_iter_init (&iter, slots);
  while (g_variant_iter_next (&iter, "(uttxtu)", &state, NULL, &sequence, NULL, NULL, NULL))
    if (sequence != 0 && (state == SHARED_LIVE || state == SHARED_RETIRED))
      g_array_append_val (sequences, sequence);
  g_array_sort (sequences, compare_sequences);
  return sequences;
}

GPtrArray *
frames_collect (ShmFrameObserver *observer, guint64 max_bytes)
{
  GPtrArray *frames = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  g_autoptr (GArray) sequences = find_sequences (observer);
  guint64 bytes = 0;

  /* What a slot's description said before the copy is only what its producer said then. */
  for (guint i = 0; i < sequences->len && bytes < max_bytes; i++)
    {
      g_autoptr (ShmFrameFrame) frame
          = shmframe_observer_copy_frame (observer, g_array_index (sequences, guint64, i), NULL);

      if (frame == NULL)
        continue;
      bytes += shmframe_frame_get_size (frame);
      if (bytes <= max_bytes || frames->len == 0)
        g_ptr_array_insert (frames, 0, g_steal_pointer (&frame));
    }
  return frames;
}
