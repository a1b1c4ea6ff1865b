/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The slot protocol step by step, on one thread; the interleavings are for the model and the stress
 * test. */

#include <glib.h>

#include "abi/slot.h"

#define SLOTS 3

typedef struct
{
  ShmFrameLayout layout;
  ShmFrameView view;
  ShmFrameControl *control;
  void *memory;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  gsize size;

  g_assert_true (shmframe_layout_init (&fixture->layout, 7, 1, SLOTS, 1, 0));
  size = fixture->layout.slots_offset;
  fixture->memory = g_aligned_alloc0 (size, 1, SHMFRAME_PAGE_SIZE);
  fixture->control = g_aligned_alloc0 (1, SHMFRAME_PAGE_SIZE, SHMFRAME_PAGE_SIZE);
  shmframe_view_init (&fixture->view, fixture->memory, &fixture->layout);
  shmframe_slot_init_control (fixture->control, 42, 0);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_aligned_free (fixture->memory);
  g_aligned_free (fixture->control);
}

static guint64
publish (Fixture *fixture, guint64 sequence, guint slot, guint64 old_sequence)
{
  ShmFrameDescriptor descriptor = { .pts_ns = (gint64) sequence * 10, .payload_size = sequence };
  guint64 handle = shmframe_handle (sequence, slot);

  shmframe_slot_write (&fixture->view, slot, old_sequence);
  shmframe_slot_publish (&fixture->view, handle, &descriptor);
  return handle;
}

static void
test_publish (Fixture *fixture, gconstpointer data)
{
  guint64 handle = publish (fixture, 5, 2, 0);
  ShmFrameDescriptor descriptor;

  g_assert_cmphex (shmframe_slot_latest (&fixture->view), ==, handle);
  g_assert_cmphex (shmframe_slot_find (&fixture->view, 5), ==, handle);
  g_assert_cmphex (shmframe_slot_find (&fixture->view, 4), ==, SHMFRAME_HANDLE_NONE);
  g_assert_cmphex (shmframe_slot_find (&fixture->view, 5 + fixture->layout.ring_size), ==,
                   SHMFRAME_HANDLE_NONE);
  g_assert_cmpuint (shmframe_slot_generation (&fixture->view, 2), ==,
                    shmframe_generation (5, SHMFRAME_STATE_LIVE));
  shmframe_slot_descriptor (&fixture->view, 2, &descriptor);
  g_assert_cmpint (descriptor.pts_ns, ==, 50);
  g_assert_cmpuint (descriptor.payload_size, ==, 5);
}

/* A ring entry that names a slot beyond the segment is a lie. */
static void
test_find_lie (Fixture *fixture, gconstpointer data)
{
  atomic_store (&fixture->view.ring[5 & fixture->view.ring_mask], shmframe_handle (5, SLOTS));
  g_assert_cmphex (shmframe_slot_find (&fixture->view, 5), ==, SHMFRAME_HANDLE_NONE);
}

static void
test_lease (Fixture *fixture, gconstpointer data)
{
  guint64 handle = publish (fixture, 1, 0, 0);

  g_assert_true (shmframe_slot_lease (&fixture->view, &fixture->control->hazard[0], handle));
  g_assert_cmphex (shmframe_slot_hazard (fixture->control, 0), ==, handle);
  g_assert_true (shmframe_slot_release (&fixture->view, &fixture->control->hazard[0], handle));
  g_assert_cmphex (shmframe_slot_hazard (fixture->control, 0), ==, SHMFRAME_HANDLE_NONE);
}

/* Retired: no new lease, and one that is held stays intact. Written again: revoked. */
static void
test_retire (Fixture *fixture, gconstpointer data)
{
  guint64 handle = publish (fixture, 1, 0, 0);

  g_assert_true (shmframe_slot_lease (&fixture->view, &fixture->control->hazard[0], handle));
  shmframe_slot_retire (&fixture->view, 0, 1);
  shmframe_slot_fence ();
  g_assert_false (shmframe_slot_lease (&fixture->view, &fixture->control->hazard[1], handle));
  g_assert_cmphex (shmframe_slot_hazard (fixture->control, 1), ==, SHMFRAME_HANDLE_NONE);
  g_assert_true (shmframe_slot_intact (&fixture->view, handle));
  shmframe_slot_write (&fixture->view, 0, 1);
  g_assert_false (shmframe_slot_intact (&fixture->view, handle));
  publish (fixture, 2, 0, 1);
  g_assert_false (shmframe_slot_release (&fixture->view, &fixture->control->hazard[0], handle));
  g_assert_true (shmframe_slot_intact (&fixture->view, shmframe_handle (2, 0)));
}

/* Another frame in the slot, or nothing ever: neither is leased for this handle. */
static void
test_lease_other (Fixture *fixture, gconstpointer data)
{
  _Atomic guint64 *hazard = &fixture->control->hazard[0];

  publish (fixture, 2, 0, 0);
  g_assert_false (shmframe_slot_lease (&fixture->view, hazard, shmframe_handle (1, 0)));
  g_assert_false (shmframe_slot_lease (&fixture->view, hazard, shmframe_handle (3, 0)));
  g_assert_false (shmframe_slot_lease (&fixture->view, hazard, shmframe_handle (2, 1)));
}

static void
test_consume (Fixture *fixture, gconstpointer data)
{
  g_assert_false (shmframe_slot_consume (&fixture->view, fixture->control, 3));
  g_assert_cmpuint (shmframe_slot_consumed (fixture->control), ==, 3);
  shmframe_slot_set_waiting (&fixture->view, true);
  g_assert_true (shmframe_slot_consume (&fixture->view, fixture->control, 4));
  shmframe_slot_set_waiting (&fixture->view, false);
  g_assert_false (shmframe_slot_consume (&fixture->view, fixture->control, 5));
  /* The flag of a segment that has ended means nothing. */
  shmframe_slot_end (&fixture->view, 6);
  g_assert_true (shmframe_slot_consume (&fixture->view, fixture->control, 6));
  g_assert_cmpuint (shmframe_slot_end_sequence (&fixture->view), ==, 6);
}

static void
test_bell (Fixture *fixture, gconstpointer data)
{
  guint32 before = shmframe_slot_bell (fixture->control);

  g_assert_cmpuint (shmframe_slot_ticket (fixture->control), ==, 0);
  shmframe_slot_arm (fixture->control, 9);
  g_assert_cmpuint (shmframe_slot_ticket (fixture->control), ==, 9);
  shmframe_slot_ring (fixture->control);
  g_assert_cmpuint (shmframe_slot_bell (fixture->control), !=, before);
}

static void
test_cookie (Fixture *fixture, gconstpointer data)
{
  g_assert_true (shmframe_slot_cookie_is (fixture->control, 42));
  atomic_store (&fixture->control->cookie, 0); /* a punched page reads as zeros */
  g_assert_false (shmframe_slot_cookie_is (fixture->control, 42));
}

/* Limits of the layout: in range it is consistent, out of range it is refused. */
static void
test_layout (void)
{
  ShmFrameLayout layout;

  g_assert_false (shmframe_layout_init (&layout, 1, 1, SHMFRAME_SLOTS_MAX, SHMFRAME_PAYLOAD_MAX,
                                        SHMFRAME_METADATA_MAX));
  g_assert_true (shmframe_layout_init (&layout, 1, 1, 512, SHMFRAME_PAYLOAD_MAX, 0));
  g_assert_true (shmframe_layout_init (&layout, 1, 1, SHMFRAME_SLOTS_MAX, 1 << 24,
                                       SHMFRAME_METADATA_MAX));
  g_assert_cmpuint (layout.ring_size, ==, 2 * SHMFRAME_SLOTS_MAX);
  g_assert_cmpuint (layout.slots_offset % SHMFRAME_PAGE_SIZE, ==, 0);
  g_assert_cmpuint (layout.size, ==,
                    layout.slots_offset + layout.slot_count * layout.slot_stride);
  g_assert_false (shmframe_layout_init (&layout, 0, 1, 1, 1, 0));
  g_assert_false (shmframe_layout_init (&layout, 1, 0, 1, 1, 0));
  g_assert_false (shmframe_layout_init (&layout, 1, 1, 0, 1, 0));
  g_assert_false (shmframe_layout_init (&layout, 1, 1, SHMFRAME_SLOTS_MAX + 1, 1, 0));
  g_assert_false (shmframe_layout_init (&layout, 1, 1, 1, 0, 0));
  g_assert_false (shmframe_layout_init (&layout, 1, 1, 1, SHMFRAME_PAYLOAD_MAX + 1, 0));
  g_assert_false (shmframe_layout_init (&layout, 1, 1, 1, 1, SHMFRAME_METADATA_MAX + 1));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/slot/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("publish", test_publish);
  ADD ("find-lie", test_find_lie);
  ADD ("lease", test_lease);
  ADD ("retire", test_retire);
  ADD ("lease-other", test_lease_other);
  ADD ("consume", test_consume);
  ADD ("bell", test_bell);
  ADD ("cookie", test_cookie);
  g_test_add_func ("/slot/layout", test_layout);
  return g_test_run ();
}
