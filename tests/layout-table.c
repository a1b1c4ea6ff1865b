/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Prints the byte tables of docs/shm-layout.md from the structs as the compiler lays them out.
 * docs/tables.py compares them with the document, or writes them into it. */
#include <stdio.h>

#include "abi/layout.h"

static void
begin (const char *name, size_t size)
{
  printf ("\n### %s: %zu bytes\n\n| offset | bytes | field | type |\n|---:|---:|---|---|\n", name,
          size);
}

static void
row (size_t offset, size_t size, const char *field, const char *type)
{
  printf ("| %zu | %zu | `%s` | `%s` |\n", offset, size, field, type);
}

/* The types are written out, and checked by their sizes: C cannot print them. */
#define FIELD(type, field, c_type)                                                                 \
  static_assert (sizeof (((type *) 0)->field) % sizeof (c_type) == 0, #field " is no " #c_type);   \
  row (offsetof (type, field), sizeof (((type *) 0)->field), #field, #c_type)

static void
print_header (void)
{
  begin ("ShmFrameHeader, at 0 of a segment", sizeof (ShmFrameHeader));
  FIELD (ShmFrameHeader, magic, uint64_t);
  FIELD (ShmFrameHeader, version, uint32_t);
  FIELD (ShmFrameHeader, header_size, uint32_t);
  FIELD (ShmFrameHeader, epoch, uint64_t);
  FIELD (ShmFrameHeader, segment, uint32_t);
  FIELD (ShmFrameHeader, slot_count, uint32_t);
  FIELD (ShmFrameHeader, payload_size, uint64_t);
  FIELD (ShmFrameHeader, metadata_size, uint32_t);
  FIELD (ShmFrameHeader, ring_size, uint32_t);
  FIELD (ShmFrameHeader, slots_offset, uint64_t);
  FIELD (ShmFrameHeader, reserved0, uint64_t);
  FIELD (ShmFrameHeader, latest, _Atomic uint64_t);
  FIELD (ShmFrameHeader, end, _Atomic uint64_t);
  FIELD (ShmFrameHeader, waiting, _Atomic uint32_t);
  FIELD (ShmFrameHeader, reserved1, uint32_t);
}

static void
print_record (void)
{
  begin ("ShmFrameRecord, one for each slot, from 4096", sizeof (ShmFrameRecord));
  FIELD (ShmFrameRecord, generation, _Atomic uint64_t);
  FIELD (ShmFrameRecord, reserved, uint8_t);
  FIELD (ShmFrameRecord, descriptor, _Atomic uint64_t);

  begin ("ShmFrameDescriptor, the eight words of `descriptor`", sizeof (ShmFrameDescriptor));
  FIELD (ShmFrameDescriptor, pts_ns, int64_t);
  FIELD (ShmFrameDescriptor, duration_ns, int64_t);
  FIELD (ShmFrameDescriptor, capture_ns, int64_t);
  FIELD (ShmFrameDescriptor, publish_ns, int64_t);
  FIELD (ShmFrameDescriptor, stream_ns, int64_t);
  FIELD (ShmFrameDescriptor, payload_size, uint64_t);
  FIELD (ShmFrameDescriptor, flags, uint32_t);
  FIELD (ShmFrameDescriptor, format, uint32_t);
  FIELD (ShmFrameDescriptor, events, uint32_t);
  FIELD (ShmFrameDescriptor, metadata_size, uint32_t);
}

static void
print_control (void)
{
  begin ("ShmFrameControl, at 0 of a control page", sizeof (ShmFrameControl));
  FIELD (ShmFrameControl, magic, uint64_t);
  FIELD (ShmFrameControl, version, uint32_t);
  FIELD (ShmFrameControl, hazard_count, uint32_t);
  FIELD (ShmFrameControl, reserved0, uint8_t);
  FIELD (ShmFrameControl, cookie, _Atomic uint64_t);
  FIELD (ShmFrameControl, consumed, _Atomic uint64_t);
  FIELD (ShmFrameControl, drops, _Atomic uint64_t);
  FIELD (ShmFrameControl, longest_hold_ns, _Atomic uint64_t);
  FIELD (ShmFrameControl, ticket, _Atomic uint32_t);
  FIELD (ShmFrameControl, reserved1, uint32_t);
  FIELD (ShmFrameControl, bell, _Atomic uint32_t);
  FIELD (ShmFrameControl, reserved2, uint32_t);
  FIELD (ShmFrameControl, hazard, _Atomic uint64_t);
  FIELD (ShmFrameControl, latency, _Atomic uint32_t);
}

/* A 1080p NV12 pool of 12 slots, as an example of where the areas come to stand. */
static void
print_example (void)
{
  ShmFrameLayout layout;

  shmframe_layout_init (&layout, 1, 1, 12, 1920 * 1088 * 3 / 2, 4096);
  printf ("\n### A segment of %u slots for 1920x1088 NV12 with 4096 bytes of metadata\n\n",
          layout.slot_count);
  printf ("| offset | bytes | area |\n|---:|---:|---|\n");
  printf ("| 0 | %zu | header, and unused up to the page |\n", (size_t) SHMFRAME_RECORDS_OFFSET);
  printf ("| %zu | %zu | %u records |\n", (size_t) SHMFRAME_RECORDS_OFFSET,
          layout.slot_count * sizeof (ShmFrameRecord), layout.slot_count);
  printf ("| %zu | %zu | history ring, %u handles |\n", (size_t) layout.ring_offset,
          (size_t) layout.ring_size * 8, layout.ring_size);
  printf ("| %zu | %zu | slot 0: payload |\n", (size_t) layout.slots_offset,
          (size_t) layout.payload_size);
  printf ("| %zu | %zu | slot 0: metadata area |\n",
          (size_t) (layout.slots_offset + layout.payload_size), (size_t) layout.metadata_size);
  printf ("| %zu | %zu | slot 1, and so on |\n",
          (size_t) (layout.slots_offset + layout.slot_stride), (size_t) layout.slot_stride);
  printf ("| %zu | | the end |\n", (size_t) layout.size);
}

/* Every byte of each struct is in the tables but for what aligns a line. */
static_assert (sizeof (ShmFrameHeader) == 384 && offsetof (ShmFrameHeader, waiting) == 264,
               "a new field needs its row above");
static_assert (offsetof (ShmFrameControl, reserved1) + 7 * 4 == 128, "a new field needs its row");

int
main (void)
{
  print_header ();
  print_record ();
  print_control ();
  print_example ();
  printf ("\n");
  return 0;
}
