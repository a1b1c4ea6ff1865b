/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * hostile-pool KIND POOL: a pool that lies in that way to whoever attaches, until it is killed. It owns
 * its name as a producer does, so that it is listed. Prints "ready" once it listens.
 */
#include <stdio.h>

#include "control/name.h"
#include "hostile-raw.h"

#define HONEST_ANSWERS 20

typedef struct
{
  const char *kind;
  void (*serve) (RawProducer *raw); /* after ATTACH */
} Lie;

static void
welcome (RawProducer *raw)
{
  ShmFrameMessage message = raw_welcome_message (raw);

  raw_send (raw->socket, &message, &raw->segment_fd, 1, 0);
  raw_format (raw, 1, 1);
  raw_resync (raw, 1, 0);
}

/* The segment's header is not what WELCOME says. */
static void
lie_header (RawProducer *raw)
{
  ((ShmFrameHeader *) (void *) raw->segment)->slot_count = raw->layout.slot_count + 1;
  welcome (raw);
}

/* WELCOME speaks of more memory than there is. */
static void
lie_layout (RawProducer *raw)
{
  ShmFrameMessage message = raw_welcome_message (raw);

  g_assert_true (shmframe_layout_init (&message.layout, 77, 1, 64, 1 << 20, 4096));
  raw_send (raw->socket, &message, &raw->segment_fd, 1, 0);
}

/* A frame that claims more than its slot has. */
static void
publish_lie (RawProducer *raw)
{
  ShmFrameDescriptor descriptor = raw_descriptor ();

  descriptor.payload_size = G_GUINT64_CONSTANT (1) << 40;
  raw_publish (raw, &descriptor);
}

static void
lie_payload (RawProducer *raw)
{
  publish_lie (raw);
  welcome (raw);
}

/* A picture of 2^31 x 2^31 pixels in a slot of a page. */
static void
lie_format (RawProducer *raw)
{
  ShmFrameMessage message = raw_welcome_message (raw);

  raw_send (raw->socket, &message, &raw->segment_fd, 1, 0);
  raw_event (raw, 1, "format",
             g_variant_new_parsed ("{'number': <uint32 1>, 'media-type': <'video/x-raw'>, "
                                   "'pixel-format': <'gray'>, 'width': <uint32 2147483647>, "
                                   "'height': <uint32 2147483647>, 'size': <uint64 4096>, "
                                   "'offsets': <[uint64 0]>, 'strides': <[64]>}"),
             0);
  raw_resync (raw, 1, 0);
}

static void
lie_noise (RawProducer *raw)
{
  guint8 noise[300];

  for (gsize i = 0; i < sizeof noise; i++)
    noise[i] = (guint8) g_random_int ();
  raw_send_bytes (raw->socket, noise, sizeof noise, NULL, 0, 0);
}

static void
lie_silence (RawProducer *raw)
{
}

/* Nothing is wrong yet: see answer(). */
static void
lie_later (RawProducer *raw)
{
  ShmFrameDescriptor descriptor = raw_descriptor ();

  if (raw->sequence == 0)
    raw_publish (raw, &descriptor);
  welcome (raw);
}

static const Lie lies[] = {
  { "header", lie_header }, { "layout", lie_layout }, { "payload", lie_payload },
  { "format", lie_format }, { "noise", lie_noise },   { "silence", lie_silence },
  { "later", lie_later },   { "crowd", welcome },
};

/* A crowd: consumers without a number, with the same one, and of a program with too much to say. */
static GVariant *
stats_of (const Lie *lie)
{
  g_autofree char *program = g_strnfill (20000, 'p');

  if (!g_str_equal (lie->kind, "crowd"))
    return g_variant_new_parsed ("@a{sv} {}");
  return g_variant_new_parsed ("{'consumers': <@aa{sv} [{'pid': <uint32 1>}, {'pid': <uint32 1>}, "
                               "{'id': <uint32 7>, 'program': <%s>, 'delivery': <%s>}, "
                               "{'id': <uint32 7>}, {'id': <uint32 8>, 'lag': <uint32 3>}]>}",
                               program, program);
}

/* FALSE: it went. */
static gboolean
answer (RawProducer *raw, int socket, const Lie *lie)
{
  g_auto (ShmFrameMessage) message = { 0 };
  g_autoptr (GVariant) stats = g_variant_ref_sink (stats_of (lie));
  const ShmFrameMessage said = { .type = SHMFRAME_MESSAGE_STATS, .value = stats };
  static guint asked;
  int fds[RAW_MAX_FDS];
  guint n_fds;

  if (!raw_receive (socket, &message, fds, &n_fds, 0))
    return FALSE;
  if (message.type == SHMFRAME_MESSAGE_STATS)
    raw_send (socket, &said, NULL, 0, MSG_DONTWAIT);
  if (lie->serve == lie_later && ++asked == HONEST_ANSWERS)
    publish_lie (raw);
  return TRUE;
}

static void
serve (RawProducer *raw, const Lie *lie)
{
  g_autoptr (GArray) peers = g_array_new (FALSE, FALSE, sizeof (struct pollfd));
  struct pollfd listener = { .fd = raw->listener, .events = POLLIN };

  g_array_append_val (peers, listener);
  while (poll ((struct pollfd *) (void *) peers->data, peers->len, -1) > 0)
    {
      for (guint i = peers->len - 1; i > 0; i--)
        {
          const struct pollfd *peer = &g_array_index (peers, struct pollfd, i);

          if (peer->revents == 0 || answer (raw, peer->fd, lie))
            continue;
          close (peer->fd);
          g_array_remove_index_fast (peers, i);
        }
      if (g_array_index (peers, struct pollfd, 0).revents != 0 && raw_accept (raw))
        {
          struct pollfd peer = { .fd = raw->socket, .events = POLLIN };

          lie->serve (raw);
          g_array_append_val (peers, peer);
          raw->socket = -1; /* kept: that the connection ends is the peer's doing */
        }
    }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  ShmFrameName *name;
  RawProducer raw;

  for (gsize i = 0; argc == 3 && i < G_N_ELEMENTS (lies); i++)
    if (g_str_equal (argv[1], lies[i].kind))
      {
        g_autofree char *scratch = g_strconcat (argv[2], ".hostile", NULL);
        struct sockaddr_un address = raw_address (argv[2]);

        raw_producer_new (&raw, scratch);
        unlink (raw.address.sun_path);
        close (raw.listener);
        name = shmframe_name_own (address.sun_path, 0600, NULL, &error);
        g_assert_no_error (error);
        raw.listener = shmframe_name_get_socket (name);
        puts ("ready");
        fflush (stdout);
        serve (&raw, &lies[i]);
      }
  fprintf (stderr, "Usage: hostile-pool KIND POOL\n");
  return 2;
}
