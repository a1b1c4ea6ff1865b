/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <shmframe/error.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/delivery.h"
#include "api/frame-private.h"
#include "fuzz.h"

/*
 * All that a producer can write into a segment: where the newest frame is, the ring, generations,
 * descriptors, and the metadata. A consumer leases and copies what it finds, and reads all of it.
 */
#define SLOTS 2
#define RING 4
#define PAYLOAD 4096
#define CALLS 8
#define COMPRESSED 1 /* of mode */
#define LATEST 2
#define SEGMENT 4 /* another segment follows */
#define HOLD 8    /* frames are held to the end */

/* Without padding: the input begins with it, and the slots' metadata follows. */
typedef struct
{
  guint64 latest, end;
  guint64 ring[RING];
  guint64 generation[SLOTS];
  ShmFrameDescriptor descriptor[SLOTS];
  guint64 mode;
} Claim;

static ShmFrameSegment *ours; /* the producer's */
static ShmFrameMemory *page;
static ShmFrameFormat *raw, *compressed;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_autoptr (GError) error = NULL;
  ShmFrameLayout layout;

  fuzz_init ();
  g_assert_true (shmframe_layout_init (&layout, 1, 1, SLOTS, PAYLOAD, SHMFRAME_PAGE_SIZE));
  g_assert_cmpuint (layout.ring_size, ==, RING);
  ours = shmframe_segment_new ("fuzz", &layout, &error);
  g_assert_no_error (error);
  page = shmframe_memory_new_control ("fuzz", SHMFRAME_PAGE_SIZE, &error);
  g_assert_no_error (error);
  raw = shmframe_format_new ("yuv420p", 48, 32, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (shmframe_format_get_size (raw), <=, PAYLOAD);
  compressed = shmframe_format_new_compressed ("image/jpeg", 0, 0, PAYLOAD, &error);
  g_assert_no_error (error);
  return 0;
}

gsize
LLVMFuzzerCustomMutator (guint8 *data, gsize size, gsize max_size, unsigned seed)
{
  if (size < sizeof (Claim) || seed % 16 == 0)
    return LLVMFuzzerMutate (data, size, max_size);
  if (seed % 2 == 0)
    {
      LLVMFuzzerMutate (data, sizeof (Claim), sizeof (Claim));
      return size;
    }
  return sizeof (Claim)
         + fuzz_mutate_vardict (data + sizeof (Claim), size - sizeof (Claim),
                                max_size - sizeof (Claim), seed / 16);
}

static void
write_claim (const Claim *claim, const guint8 *metadata, gsize size)
{
  guint8 *base = shmframe_memory_get_data (ours->memory);

  atomic_store (&ours->view.header->latest, claim->latest);
  atomic_store (&ours->view.header->end, claim->end);
  for (guint i = 0; i < RING; i++)
    atomic_store (&ours->view.ring[i], claim->ring[i]);
  for (guint slot = 0; slot < SLOTS; slot++)
    {
      ShmFrameRecord *record = &ours->view.records[slot];
      guint8 *area = base + shmframe_segment_metadata_offset (ours, slot);

      atomic_store (&record->generation, claim->generation[slot]);
      memcpy ((void *) record->descriptor, &claim->descriptor[slot], sizeof record->descriptor);
      memset (area, 0, ours->layout.metadata_size);
      if (size > 0)
        memcpy (area, metadata, MIN (size, ours->layout.metadata_size));
    }
}

static ShmFrameSegment *
map_segment (void)
{
  g_autoptr (GError) error = NULL;
  ShmFrameSegment *segment
      = shmframe_segment_map (shmframe_memory_get_fd (ours->memory), &ours->layout, &error);

  g_assert_no_error (error);
  return segment;
}

/* As after WELCOME, formats and RESYNC; `peer` is the producer's end. */
static ShmFrameAttachment *
attach (guint64 mode, int peer[1])
{
  const int fds[] = { shmframe_memory_get_fd (ours->memory), shmframe_memory_get_fd (page) };
  ShmFrameMessage welcome = {
    .type = SHMFRAME_MESSAGE_WELCOME, .leases = 2, .layout = ours->layout, .committed = SLOTS
  };
  ShmFrameControl *control = shmframe_memory_get_data (page);
  g_autoptr (GError) error = NULL;
  ShmFrameAttachment *attachment;
  int pair[2];

  memset (control, 0, sizeof *control);
  shmframe_slot_init_control (control, 1, 0);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
  peer[0] = pair[1];
  attachment = shmframe_attachment_new (
      shmframe_connection_new (pair[0], NULL), &welcome, fds, G_N_ELEMENTS (fds),
      mode & LATEST ? SHMFRAME_DELIVERY_LATEST : SHMFRAME_DELIVERY_ORDERED, &error);
  g_assert_no_error (error);
  shmframe_attachment_add_format (attachment, 1, mode & COMPRESSED ? compressed : raw);
  if (mode & SEGMENT)
    shmframe_attachment_add_segment (attachment, map_segment ());
  attachment->events = 8;
  attachment->synced = TRUE;
  return attachment;
}

static void
read_planes (ShmFrameFrame *frame)
{
  ShmFrameFormat *format = shmframe_frame_get_format (frame);
  guint n = shmframe_format_get_n_planes (format);
  gint stride;

  for (guint i = 0; i < n; i++)
    {
      const void *plane = shmframe_frame_get_plane (frame, i, &stride);

      g_assert_nonnull (plane);
      fuzz_read_bytes (plane, (gsize) stride * shmframe_format_get_rows (format, i));
    }
  g_assert_null (shmframe_frame_get_plane (frame, n, &stride));
}

static void
read_metadata (ShmFrameFrame *frame)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) metadata = shmframe_frame_dup_metadata (frame, &error);

  if (metadata)
    {
      g_assert_no_error (error);
      g_assert_true (g_variant_is_of_type (metadata, G_VARIANT_TYPE_VARDICT));
      g_assert_cmpuint (g_variant_get_size (metadata), <=, ours->layout.metadata_size);
      fuzz_read_variant (metadata);
    }
  else if (error)
    g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL);
}

static void
read_frame (ShmFrameFrame *frame, gboolean copied)
{
  gsize size = shmframe_frame_get_size (frame);
  g_autoptr (GBytes) bytes = shmframe_frame_dup_bytes (frame);

  g_assert_cmpint (shmframe_frame_is_copy (frame), ==, copied);
  g_assert_cmpuint (shmframe_frame_get_slot (frame), <, SLOTS);
  g_assert_cmpuint (size, <=, PAYLOAD);
  g_assert_cmpuint (g_bytes_get_size (bytes), ==, size);
  if (!copied)
    g_assert_cmpuint (shmframe_frame_get_offset (frame) + size, <=, ours->layout.size);
  g_assert_cmpint (shmframe_frame_get_latency (frame), >=, 0);
  g_assert_cmpint (shmframe_frame_get_verdict (frame), ==, SHMFRAME_VERDICT_INTACT);
  g_assert_false (shmframe_frame_is_writable (frame));
  fuzz_read_bytes (shmframe_frame_get_data (frame), size);
  read_planes (frame);
  read_metadata (frame);
}

/* Leases and copies in turn, until there is nothing more. */
static void
read_all (ShmFrameClient *client, gboolean hold)
{
  g_autoptr (GPtrArray) held
      = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  ShmFrameDeliverer deliverer;
  guint64 last = 0;

  shmframe_delivery_init (&deliverer, client);
  for (guint i = 0; i < CALLS; i++)
    {
      g_autoptr (GError) error = NULL;
      ShmFrameFrame *frame = shmframe_delivery_next (&deliverer, 0, i % 2, NULL, &error);

      if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT))
        break;
      if (frame == NULL)
        {
          g_assert_true (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL)
                         || g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_QUOTA));
          continue;
        }
      g_assert_no_error (error);
      g_assert_cmpuint (shmframe_frame_get_sequence (frame), >, last);
      last = shmframe_frame_get_sequence (frame);
      read_frame (frame, i % 2);
      if (hold)
        g_ptr_array_add (held, frame);
      else
        shmframe_frame_unref (frame);
    }
  g_ptr_array_set_size (held, 0);
  shmframe_delivery_finish (&deliverer);
}

/* No lease is left, nor a hazard of one. */
static void
assert_released (const ShmFrameAttachment *attachment)
{
  g_assert_cmpuint (attachment->held, ==, 0);
  g_assert_cmpuint (attachment->n_free, ==, SHMFRAME_HAZARDS_MAX);
  for (guint i = 0; i < SHMFRAME_HAZARDS_MAX; i++)
    g_assert_cmpuint (shmframe_slot_hazard (attachment->control, i), ==, SHMFRAME_HANDLE_NONE);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  ShmFrameClient *client;
  Claim claim;
  int peer;

  if (size < sizeof claim)
    return 0;
  memcpy (&claim, data, sizeof claim);
  write_claim (&claim, data + sizeof claim, size - sizeof claim);
  client = shmframe_client_new ("fuzz", -1, &error);
  g_assert_no_error (error);
  client->max_lag = -1;
  client->attachment = attach (claim.mode, &peer);
  client->attachment->client = shmframe_client_ref (client);
  read_all (client, (claim.mode & HOLD) != 0);
  assert_released (client->attachment);
  shmframe_attachment_unref (client->attachment);
  shmframe_client_unref (client);
  close (peer);
  return 0;
}
