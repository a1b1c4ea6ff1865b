/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control/segment.h"

#include <fcntl.h>
#include <shmframe/error.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 3

static void
make_layout (ShmFrameLayout *layout)
{
  g_assert_true (shmframe_layout_init (layout, 42, 1, SLOTS, 100000, 5000));
}

static ShmFrameSegment *
make_segment (void)
{
  g_autoptr (GError) error = NULL;
  ShmFrameLayout layout;
  ShmFrameSegment *segment;

  make_layout (&layout);
  segment = shmframe_segment_new ("test", &layout, &error);
  g_assert_no_error (error);
  return segment;
}

static void
assert_map_refused (int fd, const ShmFrameLayout *layout)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (shmframe_segment_map (fd, layout, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL);
}

static void
test_share (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameSegment) mine = make_segment ();
  g_autoptr (ShmFrameSegment) theirs = NULL;
  gsize payload = shmframe_segment_payload_offset (mine, 2);
  gsize metadata = shmframe_segment_metadata_offset (mine, 2);
  guint8 *data = shmframe_memory_get_data (mine->memory);
  ShmFrameDescriptor descriptor = { .payload_size = 1 };

  g_assert_cmpuint (payload % SHMFRAME_PAGE_SIZE, ==, 0);
  g_assert_cmpuint (metadata - payload, ==, mine->layout.payload_size);
  g_assert_cmpuint (metadata + mine->layout.metadata_size, ==,
                    shmframe_memory_get_size (mine->memory));
  g_assert_true (shmframe_segment_commit_slot (mine, 2, &error));
  g_assert_no_error (error);
  data[payload] = 17;
  data[metadata + mine->layout.metadata_size - 1] = 18;
  shmframe_slot_publish (&mine->view, shmframe_handle (1, 2), &descriptor);

  theirs = shmframe_segment_map (shmframe_memory_get_fd (mine->memory), &mine->layout, &error);
  g_assert_no_error (error);
  shmframe_segment_prefault_header (theirs);
  for (guint slot = 0; slot <= SLOTS; slot++)
    shmframe_segment_prefault_slot (theirs, slot);
  g_assert_cmpuint (shmframe_slot_latest (&theirs->view), ==, shmframe_handle (1, 2));
  data = shmframe_memory_get_data (theirs->memory);
  g_assert_cmpuint (data[payload], ==, 17);
  g_assert_cmpuint (data[metadata + mine->layout.metadata_size - 1], ==, 18);
}

static void
test_references (void)
{
  g_autoptr (ShmFrameSegment) segment = make_segment ();
  ShmFrameSegment *second = shmframe_segment_ref (segment);

  g_assert_true (second == segment);
  shmframe_segment_unref (second);
  shmframe_segment_unref (NULL);
  g_assert_cmpuint (segment->view.header->magic, ==, SHMFRAME_SEGMENT_MAGIC);
}

static void
test_arguments (void)
{
  g_autoptr (GError) error = NULL;
  ShmFrameLayout layout;

  make_layout (&layout);
  layout.slot_count = 0;
  g_assert_null (shmframe_segment_new ("test", &layout, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT);
}

/* Every byte of a layout counts: any other value is refused, before anything is mapped. */
static void
test_layout_lies (void)
{
  g_autoptr (ShmFrameSegment) mine = make_segment ();
  int fd = shmframe_memory_get_fd (mine->memory);

  for (gsize i = 0; i < sizeof (ShmFrameLayout); i++)
    {
      ShmFrameLayout layout = mine->layout;

      ((guint8 *) &layout)[i] ^= 0x81;
      assert_map_refused (fd, &layout);
    }
}

static void
test_other_size (void)
{
  g_autoptr (ShmFrameSegment) mine = make_segment ();
  ShmFrameLayout layout;

  g_assert_true (shmframe_layout_init (&layout, 42, 1, SLOTS + 1, 100000, 5000));
  assert_map_refused (shmframe_memory_get_fd (mine->memory), &layout);
}

static void
test_header_lies (void)
{
  g_autoptr (ShmFrameSegment) mine = make_segment ();
  int fd = shmframe_memory_get_fd (mine->memory);
  guint8 *header = shmframe_memory_get_data (mine->memory);
  g_autoptr (ShmFrameSegment) theirs = NULL;

  for (gsize i = 0; i < offsetof (ShmFrameHeader, reserved0); i++)
    {
      header[i] ^= 0x81;
      assert_map_refused (fd, &mine->layout);
      header[i] ^= 0x81;
    }
  /* What is not constant may be anything. */
  memset (header + offsetof (ShmFrameHeader, latest), 0xff, sizeof (guint64));
  theirs = shmframe_segment_map (fd, &mine->layout, NULL);
  g_assert_nonnull (theirs);
}

/* A peer's memory that it could shrink or write through another mapping. */
static void
test_seals (void)
{
  g_autoptr (ShmFrameSegment) mine = make_segment ();
  static const int seals[] = {
    0,
    F_SEAL_SHRINK,
    F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL,
  };

  for (gsize i = 0; i < G_N_ELEMENTS (seals); i++)
    {
      int fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

      g_assert_cmpint (fd, >=, 0);
      g_assert_cmpint (ftruncate (fd, (off_t) mine->layout.size), ==, 0);
      g_assert_cmpint (pwrite (fd, shmframe_memory_get_data (mine->memory), 4096, 0), ==, 4096);
      g_assert_cmpint (fcntl (fd, F_ADD_SEALS, seals[i]), ==, 0);
      assert_map_refused (fd, &mine->layout);
      close (fd);
    }
}

static void
test_not_memory (void)
{
  ShmFrameLayout layout;
  int fds[2];

  make_layout (&layout);
  g_assert_cmpint (pipe (fds), ==, 0);
  assert_map_refused (fds[0], &layout);
  close (fds[0]);
  close (fds[1]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/segment/share", test_share);
  g_test_add_func ("/segment/references", test_references);
  g_test_add_func ("/segment/arguments", test_arguments);
  g_test_add_func ("/segment/layout-lies", test_layout_lies);
  g_test_add_func ("/segment/other-size", test_other_size);
  g_test_add_func ("/segment/header-lies", test_header_lies);
  g_test_add_func ("/segment/seals", test_seals);
  g_test_add_func ("/segment/not-memory", test_not_memory);
  return g_test_run ();
}
