/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/segment.h"

#include <shmframe/error.h>
#include <string.h>

static_assert (sizeof (ShmFrameLayout) == 64, "no padding: layouts are compared as bytes");

static ShmFrameSegment *
segment_wrap (ShmFrameMemory *memory, const ShmFrameLayout *layout)
{
  ShmFrameSegment *self = g_atomic_rc_box_new0 (ShmFrameSegment);

  self->memory = memory;
  self->layout = *layout;
  shmframe_view_init (&self->view, shmframe_memory_get_data (memory), layout);
  return self;
}

static void
segment_clear (ShmFrameSegment *self)
{
  shmframe_memory_unref (self->memory);
}

ShmFrameSegment *
shmframe_segment_ref (ShmFrameSegment *self)
{
  return g_atomic_rc_box_acquire (self);
}

void
shmframe_segment_unref (ShmFrameSegment *self)
{
  if (self != NULL)
    g_atomic_rc_box_release_full (self, (GDestroyNotify) segment_clear);
}

gboolean
shmframe_segment_check_layout (const ShmFrameLayout *layout, GError **error)
{
  ShmFrameLayout right;

  if (shmframe_layout_init (&right, layout->epoch, layout->segment, layout->slot_count,
                            layout->payload_size, layout->metadata_size)
      && memcmp (&right, layout, sizeof right) == 0)
    return TRUE;
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
               "segment %u of %u slots of %" G_GUINT64_FORMAT
               " bytes: its layout is not what these "
               "numbers give: use the same version of shmframe on both sides",
               layout->segment, layout->slot_count, layout->payload_size);
  return FALSE;
}

static void
header_init (ShmFrameHeader *header, const ShmFrameLayout *layout)
{
  header->magic = SHMFRAME_SEGMENT_MAGIC;
  header->version = SHMFRAME_ABI_VERSION;
  header->header_size = sizeof *header;
  header->epoch = layout->epoch;
  header->segment = layout->segment;
  header->slot_count = layout->slot_count;
  header->payload_size = layout->payload_size;
  header->metadata_size = layout->metadata_size;
  header->ring_size = layout->ring_size;
  header->slots_offset = layout->slots_offset;
}

gboolean
shmframe_segment_check_header (const ShmFrameHeader *header, const ShmFrameLayout *layout,
                               GError **error)
{
  ShmFrameHeader right = { 0 };

  header_init (&right, layout);
  if (memcmp (header, &right, offsetof (ShmFrameHeader, reserved0)) == 0)
    return TRUE;
  if (header->magic == SHMFRAME_SEGMENT_MAGIC && header->version != SHMFRAME_ABI_VERSION)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                 "segment %u: its version is %u, but this is version %u: use the same version of "
                 "shmframe on both sides",
                 layout->segment, header->version, SHMFRAME_ABI_VERSION);
  else
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                 "segment %u: its header is not what the producer said of it: restart the producer",
                 layout->segment);
  return FALSE;
}

ShmFrameSegment *
shmframe_segment_new (const char *name, const ShmFrameLayout *layout, GError **error)
{
  g_autoptr (ShmFrameMemory) memory = NULL;

  if (!shmframe_segment_check_layout (layout, NULL))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT,
                   "making segment %s: %u slots of %" G_GUINT64_FORMAT
                   " + %u bytes can't be: at most "
                   "%u slots, %" G_GUINT64_FORMAT " bytes of payload and %u of metadata",
                   name, layout->slot_count, layout->payload_size, layout->metadata_size,
                   SHMFRAME_SLOTS_MAX, (guint64) SHMFRAME_PAYLOAD_MAX, SHMFRAME_METADATA_MAX);
      return NULL;
    }
  memory = shmframe_memory_new_segment (name, layout->size, error);
  if (memory == NULL || !shmframe_memory_commit (memory, 0, layout->slots_offset, error))
    return NULL;
  header_init (shmframe_memory_get_data (memory), layout);
  return segment_wrap (g_steal_pointer (&memory), layout);
}

ShmFrameSegment *
shmframe_segment_map (int fd, const ShmFrameLayout *layout, GError **error)
{
  g_autoptr (ShmFrameMemory) memory = NULL;
  ShmFrameHeader header = { 0 };

  if (!shmframe_segment_check_layout (layout, error))
    return NULL;
  memory = shmframe_memory_map_segment (fd, layout->size, error);
  if (memory == NULL)
    return NULL;
  /* The producer can write while we check, so check a copy. */
  memcpy (&header, shmframe_memory_get_data (memory), offsetof (ShmFrameHeader, reserved0));
  if (!shmframe_segment_check_header (&header, layout, error))
    return NULL;
  return segment_wrap (g_steal_pointer (&memory), layout);
}

gsize
shmframe_segment_payload_offset (const ShmFrameSegment *self, guint slot)
{
  return self->layout.slots_offset + slot * self->layout.slot_stride;
}

gsize
shmframe_segment_metadata_offset (const ShmFrameSegment *self, guint slot)
{
  return shmframe_segment_payload_offset (self, slot) + self->layout.payload_size;
}

gboolean
shmframe_segment_commit_slot (ShmFrameSegment *self, guint slot, GError **error)
{
  g_return_val_if_fail (slot < self->layout.slot_count, FALSE);

  return shmframe_memory_commit (self->memory, shmframe_segment_payload_offset (self, slot),
                                 self->layout.slot_stride, error);
}

void
shmframe_segment_prefault_header (ShmFrameSegment *self)
{
  shmframe_memory_prefault (self->memory, 0, self->layout.slots_offset);
}

void
shmframe_segment_prefault_slot (ShmFrameSegment *self, guint slot)
{
  if (slot < self->layout.slot_count)
    shmframe_memory_prefault (self->memory, shmframe_segment_payload_offset (self, slot),
                              self->layout.slot_stride);
}
