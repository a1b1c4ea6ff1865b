/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/segment.h"

#include <fcntl.h>
#include <shmframe/error.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

/*
 * A segment from a peer: what it said of it, its descriptor, and the header that is in it. What is
 * accepted is all that it was said to be, and every slot lies inside.
 */
#define HEADER_BYTES offsetof (ShmFrameHeader, reserved0) /* that readers check */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | F_SEAL_FUTURE_WRITE)

/* Without padding: the input. */
typedef struct
{
  ShmFrameLayout layout;
  guint8 header[HEADER_BYTES];
  guint32 committed;
  guint16 seals; /* those that the descriptor does not get */
  guint8 kind;   /* of descriptor: 0 is memory */
  gint8 surplus; /* bytes that the memory is larger than the layout */
} Claim;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  fuzz_init ();
  return 0;
}

/* Makes the claim agree with itself, which chance does not. */
static void
repair (Claim *claim, gboolean layout_too)
{
  ShmFrameLayout *layout = &claim->layout;
  ShmFrameHeader header = { 0 };

  if (layout_too
      && !shmframe_layout_init (layout, layout->epoch, layout->segment, layout->slot_count,
                                layout->payload_size, layout->metadata_size))
    return;
  header.magic = SHMFRAME_SEGMENT_MAGIC;
  header.version = SHMFRAME_ABI_VERSION;
  header.header_size = sizeof header;
  header.epoch = layout->epoch;
  header.segment = layout->segment;
  header.slot_count = layout->slot_count;
  header.payload_size = layout->payload_size;
  header.metadata_size = layout->metadata_size;
  header.ring_size = layout->ring_size;
  header.slots_offset = layout->slots_offset;
  memcpy (claim->header, &header, HEADER_BYTES);
}

gsize
LLVMFuzzerCustomMutator (guint8 *data, gsize size, gsize max_size, unsigned seed)
{
  Claim claim = { 0 };

  if (max_size < sizeof claim)
    return LLVMFuzzerMutate (data, size, max_size);
  memcpy (&claim, data, MIN (size, sizeof claim));
  if (seed % 4 == 0)
    repair (&claim, seed % 8 == 0);
  LLVMFuzzerMutate ((guint8 *) &claim, sizeof claim, sizeof claim);
  if (seed % 4 == 1)
    repair (&claim, seed % 8 == 1);
  memcpy (data, &claim, sizeof claim);
  return sizeof claim;
}

/* The descriptor that the peer sends, or -1 where there can be none. */
static int
make_descriptor (const Claim *claim)
{
  off_t size = (off_t) (claim->layout.size + (guint64) claim->surplus); /* it may wrap */
  int fd;

  if (claim->kind % 4 == 1)
    return open ("/dev/zero", O_RDWR | O_CLOEXEC);
  if (claim->kind % 4 == 2)
    return eventfd (0, EFD_CLOEXEC);
  fd = memfd_create ("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  g_assert_cmpint (fd, >=, 0);
  if (size < 0 || ftruncate (fd, size) < 0 || pwrite (fd, claim->header, HEADER_BYTES, 0) < 0
      || ftruncate (fd, size) < 0 || fcntl (fd, F_ADD_SEALS, SEALS & ~claim->seals) < 0)
    {
      close (fd);
      return -1;
    }
  return fd;
}

static void
assert_inside (ShmFrameSegment *segment)
{
  const ShmFrameLayout *layout = &segment->layout;
  const ShmFrameView *view = &segment->view;
  const guint8 *base = shmframe_memory_get_data (segment->memory);
  gsize size = shmframe_memory_get_size (segment->memory);
  const guint8 *records_end = (const guint8 *) (view->records + view->slot_count);
  const guint8 *ring_end = (const guint8 *) view->ring + (view->ring_mask + 1) * sizeof *view->ring;

  g_assert_cmpuint (size, ==, layout->size);
  g_assert_cmpuint (view->slot_count, >, 0);
  g_assert_cmpuint (view->slot_count, <=, SHMFRAME_SLOTS_MAX);
  g_assert_cmpuint (view->ring_mask & (view->ring_mask + 1), ==, 0);
  g_assert_cmpuint (view->ring_mask + 1, >=, 2 * view->slot_count);
  g_assert_true (records_end <= (const guint8 *) view->ring);
  g_assert_true (ring_end <= base + layout->slots_offset);
  for (guint slot = 0; slot < view->slot_count; slot++)
    {
      gsize payload = shmframe_segment_payload_offset (segment, slot);
      gsize metadata = shmframe_segment_metadata_offset (segment, slot);

      g_assert_cmpuint (payload, >=, layout->slots_offset + slot * layout->payload_size);
      g_assert_cmpuint (payload % SHMFRAME_PAGE_SIZE, ==, 0);
      g_assert_cmpuint (metadata, ==, payload + layout->payload_size);
      g_assert_cmpuint (metadata + layout->metadata_size, <=, size);
    }
  fuzz_read_bytes (base, size);
  fuzz_read_bytes (view->ring, (gsize) (ring_end - (const guint8 *) view->ring));
}

/* What was accepted is what the peer had to send. */
static void
assert_as_claimed (const Claim *claim, const ShmFrameSegment *segment)
{
  Claim right = *claim;

  repair (&right, TRUE);
  g_assert_cmpint (claim->kind % 4 == 1 || claim->kind % 4 == 2, ==, FALSE);
  g_assert_cmpint (SEALS & claim->seals, ==, 0);
  g_assert_cmpint (claim->surplus, ==, 0);
  g_assert_cmpmem (&segment->layout, sizeof segment->layout, &right.layout, sizeof right.layout);
  g_assert_cmpmem (claim->header, HEADER_BYTES, right.header, HEADER_BYTES);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (ShmFrameSegment) segment = NULL;
  g_autoptr (GError) error = NULL;
  Claim claim;
  int fd;

  if (size < sizeof claim)
    return 0;
  memcpy (&claim, data, sizeof claim);
  fd = make_descriptor (&claim);
  segment = shmframe_segment_map (fd, &claim.layout, &error);
  if (segment == NULL)
    {
      g_assert_nonnull (error);
      g_assert_true (error->domain == SHMFRAME_ERROR);
    }
  else
    {
      g_assert_no_error (error);
      assert_as_claimed (&claim, segment);
      assert_inside (segment);
      shmframe_segment_prefault_header (segment);
      for (guint slot = 0; slot < MIN (claim.committed, 64); slot++)
        shmframe_segment_prefault_slot (segment, slot);
    }
  if (fd >= 0)
    close (fd);
  return 0;
}
