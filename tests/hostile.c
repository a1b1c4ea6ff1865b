/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Peers that mean harm. The test is the hostile one and speaks the protocol by hand (hostile-raw.h);
 * what it attacks is a real producer, consumer or observer in a process of its own (hostile-victim.h),
 * which must not crash, hang, leak, or be kept from its other peers. A victim that hangs fails its test
 * after ten seconds, and the others go on.
 */
#include <glib/gstdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "hostile-raw.h"
#include "hostile-victim.h"

#define NOBODY 65534 /* the attacker, where permission is the point */
#define DAEMON 1     /* and the victim */
#define LINGER_S 6
#define SOON_MS 5000 /* what ends at once, on a machine that is busy; less than LINGER_S */

#define CHECK(condition, ...)                                                                      \
  do                                                                                               \
    if (!(condition))                                                                              \
      g_test_fail_printf (#condition ": " __VA_ARGS__);                                            \
  while (0)

/* ================================ a hostile producer ======================================== */

/* What must always work on a consumer, whatever its producer does. */
static void
check_consumer_ends (Prey *prey)
{
  g_autofree char *flushed = prey_ask (prey, "flush"), *closed = NULL;

  CHECK (g_str_has_prefix (flushed, "error 16 ") && prey_took (flushed) < SOON_MS,
         "set_flushing: %s", flushed);
  closed = prey_ask (prey, "consumer-close");
  CHECK (g_str_has_prefix (closed, "ok ") && prey_took (closed) < SOON_MS, "close: %s", closed);
}

static Prey *
consumer_of (const char *pool, guint delivery, const char *more)
{
  Prey *prey = prey_new ();

  prey_expect (prey, "ok", "consumer %s %u 4%s", pool, delivery, more);
  return prey;
}

/* Takes until it answers with that. */
static gboolean
hear_until (Prey *prey, const char *line, const char *pattern)
{
  gint64 end = g_get_monotonic_time () + VICTIM_PATIENCE_MS * 1000;

  while (g_get_monotonic_time () < end)
    {
      g_autofree char *heard = prey_ask (prey, "%s", line);

      if (g_pattern_match_simple (pattern, heard))
        return TRUE;
      if (g_str_equal (heard, "dead") || g_str_equal (heard, VICTIM_HUNG))
        break;
    }
  g_test_fail_printf ("'%s' never gave '%s'", line, pattern);
  return FALSE;
}

/* What a peer sent, or left, is closed by threads of the victim's: soon, but not at once. */
static void
check_descriptors (Prey *prey, guint64 most, const char *what)
{
  gint64 end = g_get_monotonic_time () + VICTIM_PATIENCE_MS * 1000;
  guint64 now;

  while ((now = prey_number (prey, "fds")) > most && !prey->hung && g_get_monotonic_time () < end)
    g_usleep (5000);
  CHECK (now <= most, "%s: %" G_GUINT64_FORMAT " descriptors, where %" G_GUINT64_FORMAT " do", what,
         now, most);
}

/* The raw producer does what an honest one does: or the tests below show nothing. */
static void
test_raw_producer (void)
{
  RawProducer raw;
  ShmFrameDescriptor descriptor;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", 1, "");

    g_assert_true (raw_handshake (&raw));
    hear_until (prey, "next 5000", "event format");
    for (guint64 i = 1; i <= 10; i++)
      {
        g_autofree char *expected = g_strdup_printf ("frame %" G_GUINT64_FORMAT " *", i);

        descriptor = raw_descriptor ();
        raw_publish (&raw, &descriptor);
        prey_expect (prey, expected, "next 5000");
      }
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

/* A WELCOME that lies in one thing. */
typedef enum
{
  LIE_NO_FDS,
  LIE_ONE_FD,
  LIE_PIPE,
  LIE_FILE,
  LIE_FOLDER,
  LIE_UNSEALED_SEGMENT,
  LIE_SHRINKABLE_SEGMENT,
  LIE_SMALL_SEGMENT,
  LIE_LARGE_SEGMENT,
  LIE_UNSEALED_PAGE,
  LIE_SMALL_PAGE,
  LIE_EMPTY_PAGE,
  LIE_NO_PAGE_MAGIC,
  LIE_NO_MAGIC,
  LIE_HEADER_SLOTS,
  LIE_HEADER_OFFSET,
  LIE_NO_SLOTS,
  LIE_NO_LEASES,
  LIE_HUGE_SEGMENT,
  N_LIES
} Lie;

static const int lie_seals[] = {
  [LIE_UNSEALED_SEGMENT] = 0,
  [LIE_SHRINKABLE_SEGMENT] = F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL,
};

/* N_LIES: the truth. */
static void
welcome_with_lie (RawProducer *raw, Lie lie, guint n_fds)
{
  ShmFrameMessage welcome = raw_welcome_message (raw);
  ShmFrameHeader *header = (ShmFrameHeader *) (void *) raw->segment;
  int fds[] = { raw->segment_fd, raw->page_fd }, own = -1, pipe_fds[2] = { -1, -1 };

  switch (lie)
    {
    case LIE_NO_FDS:
      n_fds = 0;
      break;
    case LIE_ONE_FD:
      n_fds = 1;
      break;
    case LIE_PIPE:
      g_assert_no_errno (pipe2 (pipe_fds, O_CLOEXEC));
      fds[0] = pipe_fds[0];
      break;
    case LIE_FILE:
      fds[0] = own = open ("/proc/self/exe", O_RDONLY | O_CLOEXEC);
      break;
    case LIE_FOLDER:
      fds[1] = own = open ("/", O_RDONLY | O_CLOEXEC);
      break;
    case LIE_UNSEALED_SEGMENT:
    case LIE_SHRINKABLE_SEGMENT:
      fds[0] = own = raw_memory (raw->layout.size, lie_seals[lie], NULL);
      break;
    case LIE_SMALL_SEGMENT:
      fds[0] = own = raw_memory (raw->layout.size - 4096, RAW_SEGMENT_SEALS, NULL);
      break;
    case LIE_LARGE_SEGMENT:
      fds[0] = own = raw_memory (raw->layout.size + 4096, RAW_SEGMENT_SEALS, NULL);
      break;
    case LIE_UNSEALED_PAGE:
      fds[1] = own = raw_memory (SHMFRAME_PAGE_SIZE, 0, NULL);
      break;
    case LIE_SMALL_PAGE:
      fds[1] = own = raw_memory (100, RAW_CONTROL_SEALS, NULL);
      break;
    case LIE_EMPTY_PAGE:
      fds[1] = own = raw_memory (0, RAW_CONTROL_SEALS, NULL);
      break;
    case LIE_NO_PAGE_MAGIC:
      fds[1] = own = raw_memory (SHMFRAME_PAGE_SIZE, RAW_CONTROL_SEALS, NULL);
      break;
    case LIE_NO_MAGIC:
      header->magic++;
      break;
    case LIE_HEADER_SLOTS:
      header->slot_count++;
      break;
    case LIE_HEADER_OFFSET:
      header->slots_offset += 4096;
      break;
    case LIE_NO_SLOTS:
      memset (&welcome.layout, 0, sizeof welcome.layout);
      break;
    case LIE_NO_LEASES:
      welcome.leases = 0;
      break;
    case LIE_HUGE_SEGMENT:
      welcome.layout.slot_count = SHMFRAME_SLOTS_MAX;
      welcome.layout.payload_size = SHMFRAME_PAYLOAD_MAX;
      welcome.layout.metadata_size = SHMFRAME_METADATA_MAX;
      break;
    case N_LIES:
      break;
    }
  raw_send (raw->socket, &welcome, fds, n_fds, 0);
  if (own >= 0 && lie == LIE_UNSEALED_PAGE)
    g_assert_no_errno (ftruncate (own, 0)); /* a SIGBUS, had it been mapped */
  for (guint i = 0; i < 2; i++)
    if (pipe_fds[i] >= 0)
      close (pipe_fds[i]);
  if (own >= 0)
    close (own);
}

static void
test_welcome_lies (void)
{
  for (Lie lie = 0; lie < N_LIES; lie++)
    {
      RawProducer raw;
      g_autoptr (Prey) prey = prey_new ();
      g_autofree char *what = g_strdup_printf ("lie %d", lie);
      guint64 fds, maps;

      raw_producer_new (&raw, "p");
      prey_expect (prey, "ok", "consumer p 1 4");
      g_assert_true (raw_accept (&raw));
      hear_until (prey, "next 0", "error 15 *");
      fds = prey_number (prey, "fds");
      maps = prey_number (prey, "maps memfd:");
      welcome_with_lie (&raw, lie, 2);
      hear_until (prey, "next 5000", "error *");
      CHECK (raw_accept (&raw), "lie %d: the consumer does not try again", lie);
      check_descriptors (prey, fds, what);
      CHECK (prey_number (prey, "maps memfd:") <= maps, "lie %d leaks mappings", lie);
      check_consumer_ends (prey);
      raw_producer_free (&raw);
    }
}

static gboolean
observers_notice (Lie lie)
{
  switch (lie)
    {
    case LIE_ONE_FD: /* what an observer gets */
    case LIE_FOLDER: /* a page, leases: not for observers */
    case LIE_UNSEALED_PAGE:
    case LIE_SMALL_PAGE:
    case LIE_EMPTY_PAGE:
    case LIE_NO_PAGE_MAGIC:
    case LIE_NO_LEASES:
    case LIE_NO_SLOTS: /* no format yet */
    case LIE_HUGE_SEGMENT:
      return FALSE;
    default:
      return TRUE;
    }
}

static void
test_observer_lies (void)
{
  for (Lie lie = 0; lie <= N_LIES; lie++)
    {
      RawProducer raw;
      g_autoptr (Prey) prey = prey_new ();
      g_autofree char *heard = NULL, *what = g_strdup_printf ("lie %d", lie);
      guint64 fds;

      if (!observers_notice (lie))
        continue;
      raw_producer_new (&raw, "p");
      fds = prey_number (prey, "fds");
      prey_tell (prey, "observer p 5000");
      g_assert_true (raw_accept (&raw));
      welcome_with_lie (&raw, lie, 1);
      raw_format (&raw, 1, 1);
      raw_resync (&raw, 1, 0);
      heard = prey_hear (prey);
      CHECK (g_str_has_prefix (heard, lie == N_LIES ? "ok" : "error 14 "), "lie %d: %s", lie, heard);
      if (lie < N_LIES)
        check_descriptors (prey, fds, what);
      raw_producer_free (&raw);
    }
}

/* A producer that goes, at each step of the handshake, and then an honest one comes. */
static void
test_producer_dies (gconstpointer data)
{
  guint step = GPOINTER_TO_UINT (data);
  RawProducer raw;
  g_autoptr (Prey) prey = NULL, producer = NULL;

  raw_producer_new (&raw, "p");
  prey = consumer_of ("p", 1, "");
  g_assert_true (raw_accept (&raw));
  if (step > 0)
    raw_welcome (&raw);
  if (step > 1)
    raw_format (&raw, 1, 1);
  if (step > 2)
    raw_resync (&raw, 1, 0);
  if (step > 3)
    {
      ShmFrameDescriptor descriptor = raw_descriptor ();

      raw_publish (&raw, &descriptor);
    }
  if (step > 0)
    hear_until (prey, "next 5000", "event attached");
  raw_producer_free (&raw);

  producer = prey_new ();
  prey_expect (producer, "ok", "producer p");
  prey_expect (producer, "ok *", "format 64 64");
  prey_expect (producer, "ok *", "publish 1");
  hear_until (prey, "next 1000", "event attached");
  hear_until (prey, "next 1000", "event format");
  check_consumer_ends (prey);
}

/* A producer that answers nothing. */
static void
test_silent_producer (void)
{
  RawProducer raw;
  g_autoptr (Prey) prey = NULL;
  g_autofree char *heard = NULL;

  raw_producer_new (&raw, "p");
  prey = consumer_of ("p", 1, "");
  g_assert_true (raw_accept (&raw));
  heard = prey_ask (prey, "next 50");
  CHECK (g_str_has_prefix (heard, "error 15 ") && prey_took (heard) < SOON_MS, "%s", heard);
  check_consumer_ends (prey);
  {
    g_autoptr (Prey) observer = prey_new ();
    g_autofree char *observed = prey_ask (observer, "observer p 50");

    CHECK (g_str_has_prefix (observed, "error 15 ") && prey_took (observed) < SOON_MS, "%s",
           observed);
  }
  raw_producer_free (&raw);
}

static void
test_welcomed_twice (void)
{
  RawProducer raw;
  g_autoptr (Prey) prey = NULL;
  guint64 fds = 0;

  raw_producer_new (&raw, "p");
  prey = consumer_of ("p", 1, "");
  for (guint i = 0; i < 12; i++)
    {
      g_assert_true (raw_handshake (&raw));
      g_assert_true (raw_welcome (&raw));
      hear_until (prey, "next 5000", "event lost");
      if (i == 1)
        fds = prey_number (prey, "fds");
    }
  check_descriptors (prey, fds + 5, "welcomed twice");
  check_consumer_ends (prey);
  raw_producer_free (&raw);
}

/* A doorbell that is not one: its recv() never says that there is no more. */
static void
test_doorbell (gconstpointer data)
{
  const char *kind = data;
  RawProducer raw;
  g_autoptr (Prey) prey = NULL;
  int pair[2] = { -1, -1 };

  raw_producer_new (&raw, "p");
  prey = consumer_of ("p", 1, " poll");
  g_assert_true (raw_accept (&raw));
  if (g_str_equal (kind, "pipe"))
    {
      g_assert_no_errno (pipe2 (pair, O_CLOEXEC));
      g_assert_cmpint (write (pair[1], "x", 1), ==, 1);
    }
  else
    {
      g_assert_no_errno (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
      close (pair[1]); /* the end of the stream: 0 bytes, each time */
      pair[1] = -1;
    }
  {
    ShmFrameMessage welcome = raw_welcome_message (&raw);
    int fds[] = { raw.segment_fd, raw.page_fd, pair[0] };

    raw_send (raw.socket, &welcome, fds, 3, 0);
  }
  raw_format (&raw, 1, 1);
  raw_resync (&raw, 1, 0);
  for (guint i = 0; i < 3; i++)
    prey_expect (prey, "ok ?", "poll");
  check_consumer_ends (prey);
  for (guint i = 0; i < 2; i++)
    if (pair[i] >= 0)
      close (pair[i]);
  raw_producer_free (&raw);
}

static gpointer
ring_for_ever (gpointer data)
{
  const int *pair = data;

  while (g_atomic_int_get (&pair[1]) == 0)
    send (pair[0], "", 0, MSG_NOSIGNAL | MSG_DONTWAIT);
  return NULL;
}

/* A doorbell that rings at full speed. */
static void
test_doorbell_flood (void)
{
  RawProducer raw;
  g_autoptr (Prey) prey = NULL;
  GThread *threads[2];
  int pair[2], shared[2];

  raw_producer_new (&raw, "p");
  prey = consumer_of ("p", 1, " poll");
  g_assert_true (raw_accept (&raw));
  g_assert_no_errno (socketpair (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
  {
    ShmFrameMessage welcome = raw_welcome_message (&raw);
    int fds[] = { raw.segment_fd, raw.page_fd, pair[0] };

    raw_send (raw.socket, &welcome, fds, 3, 0);
  }
  raw_format (&raw, 1, 1);
  raw_resync (&raw, 1, 0);
  shared[0] = pair[1];
  shared[1] = 0;
  for (guint i = 0; i < 2; i++)
    threads[i] = g_thread_new ("ring", ring_for_ever, shared);
  for (guint i = 0; i < 20; i++)
    prey_expect (prey, "ok ?", "poll");
  check_consumer_ends (prey);
  g_atomic_int_set (&shared[1], 1);
  for (guint i = 0; i < 2; i++)
    g_thread_join (threads[i]);
  close (pair[0]);
  close (pair[1]);
  raw_producer_free (&raw);
}

/* Everything that a producer may write, at full speed and at random, while a consumer reads. */
typedef struct
{
  RawProducer *raw;
  gint stop;
  gboolean numbered; /* events */
} Noise;

static guint64
absurd (GRand *rand)
{
  static const guint64 words[]
      = { 0, 1, SHMFRAME_SEQUENCE_MAX, G_MAXUINT64, G_MAXINT64, (guint64) G_MININT64, 1u << 31,
          G_MAXUINT32, 4096, 4097 };

  switch (g_rand_int_range (rand, 0, 3))
    {
    case 0:
      return words[g_rand_int_range (rand, 0, G_N_ELEMENTS (words))];
    case 1:
      return (guint64) g_rand_int (rand) << 32 | g_rand_int (rand);
    default:
      return g_rand_int (rand) % 200;
    }
}

static gpointer
make_noise (gpointer data)
{
  Noise *noise = data;
  RawProducer *raw = noise->raw;
  GRand *rand = g_rand_new_with_seed (7);
  guint64 sequence = 0;

  while (!g_atomic_int_get (&noise->stop))
    {
      guint slot = g_rand_int (rand) % raw->layout.slot_count;
      ShmFrameDescriptor descriptor = raw_descriptor ();
      guint64 *words = (guint64 *) (void *) &descriptor;
      guint64 handle;

      if (g_rand_boolean (rand))
        words[g_rand_int_range (rand, 0, SHMFRAME_DESCRIPTOR_WORDS)] = absurd (rand);
      sequence = g_rand_int_range (rand, 0, 50) == 0 ? absurd (rand) & SHMFRAME_SEQUENCE_MAX
                                                     : sequence + 1;
      handle = shmframe_handle (sequence, slot);
      shmframe_slot_publish (&raw->view, handle & ~(UINT64_C (0xffff)) ? handle : 65536,
                             &descriptor);
      memset (raw->segment + raw->layout.slots_offset + slot * raw->layout.slot_stride
                  + raw->layout.payload_size,
              (int) g_rand_int (rand), 64);
      if (g_rand_int_range (rand, 0, 20) == 0)
        atomic_store (&raw->view.ring[sequence & raw->view.ring_mask], absurd (rand));
      if (g_rand_int_range (rand, 0, 20) == 0)
        atomic_store (&raw->view.header->latest, absurd (rand));
      if (g_rand_int_range (rand, 0, 200) == 0)
        shmframe_slot_end (&raw->view, g_rand_boolean (rand) ? absurd (rand) : 0);
      atomic_store (&raw->page->hazard[g_rand_int_range (rand, 0, SHMFRAME_HAZARDS_MAX)],
                    absurd (rand));
      atomic_store (&raw->page->consumed, absurd (rand));
      shmframe_slot_ring (raw->page);
    }
  g_rand_free (rand);
  return NULL;
}

static void
test_noisy_producer (gconstpointer data)
{
  guint delivery = GPOINTER_TO_UINT (data);
  RawProducer raw;
  Noise noise = { .raw = &raw };
  GThread *thread;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", delivery, "");

    g_assert_true (raw_handshake (&raw));
    hear_until (prey, "next 5000", "event format");
    thread = g_thread_new ("noise", make_noise, &noise);
    for (guint i = 0; i < 300; i++)
      {
        static const char *const lines[] = { "next 5", "copy 5", "frame 0", "next 1" };
        g_autofree char *heard = prey_ask (prey, "%s", lines[i % 4]);

        if (g_str_equal (heard, VICTIM_HUNG) || g_str_equal (heard, "dead"))
          {
            g_test_fail_printf ("after %u: %s", i, heard);
            break;
          }
      }
    check_consumer_ends (prey);
    g_atomic_int_set (&noise.stop, 1);
    g_thread_join (thread);
  }
  raw_producer_free (&raw);
}

static void
test_observer_noise (void)
{
  RawProducer raw;
  Noise noise = { .raw = &raw };
  GThread *thread;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = prey_new ();
    ShmFrameMessage welcome = raw_welcome_message (&raw);

    prey_tell (prey, "observer p 5000");
    g_assert_true (raw_accept (&raw));
    raw_send (raw.socket, &welcome, &raw.segment_fd, 1, 0);
    raw_format (&raw, 1, 1);
    raw_resync (&raw, 1, 0);
    {
      g_autofree char *heard = prey_hear (prey);

      CHECK (g_str_has_prefix (heard, "ok"), "%s", heard);
    }
    thread = g_thread_new ("noise", make_noise, &noise);
    for (guint i = 0; i < 100; i++)
      {
        static const char *const lines[] = { "latest", "slots", "observe 77" };
        g_autofree char *heard = prey_ask (prey, "%s", lines[i % 3]);

        if (g_str_equal (heard, VICTIM_HUNG) || g_str_equal (heard, "dead"))
          {
            g_test_fail_printf ("after %u: %s", i, heard);
            break;
          }
      }
    g_atomic_int_set (&noise.stop, 1);
    g_thread_join (thread);
  }
  raw_producer_free (&raw);
}

/* One absurd field of a descriptor at a time. */
static void
test_absurd_descriptors (void)
{
  static const gint64 times[] = { G_MININT64, G_MININT64 + 1, -1, 0, G_MAXINT64 };
  RawProducer raw;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", 1, "");

    g_assert_true (raw_handshake (&raw));
    hear_until (prey, "next 5000", "event format");
    for (guint i = 0; i < G_N_ELEMENTS (times); i++)
      {
        ShmFrameDescriptor descriptor = raw_descriptor ();

        descriptor.pts_ns = descriptor.capture_ns = descriptor.duration_ns = times[i];
        descriptor.publish_ns = descriptor.stream_ns = times[i];
        raw_publish (&raw, &descriptor);
        prey_expect (prey, "frame *", "next 5000");
      }
    for (guint i = 0; i < 4; i++)
      {
        ShmFrameDescriptor descriptor = raw_descriptor ();

        descriptor.payload_size = ((const guint64[]){ 0, 4095, 4097, G_MAXUINT64 })[i];
        raw_publish (&raw, &descriptor);
        prey_expect (prey, "error 14 *", "next 5000");
      }
    {
      ShmFrameDescriptor descriptor = raw_descriptor ();

      descriptor.metadata_size = G_MAXUINT32;
      raw_publish (&raw, &descriptor);
      prey_expect (prey, "error 14 *", "next 5000");
      descriptor.metadata_size = 0;
      descriptor.format = 99;
      raw_publish (&raw, &descriptor);
      prey_expect (prey, "error 14 *", "next 5000");
      descriptor.format = 1;
      descriptor.events = 50; /* that never come: as from a producer that is stopped just now */
      raw_publish (&raw, &descriptor);
      prey_expect (prey, "error 15 *", "next 100");
    }
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

/* Waits until there is room, as long as a reader that means to read takes at most. */
static gboolean
is_writable (int fd)
{
  struct pollfd pfd = { .fd = fd, .events = POLLOUT };

  return poll (&pfd, 1, 500) > 0 && (pfd.revents & (POLLHUP | POLLERR)) == 0;
}

/* Messages without end must not become memory without end: it stops to read, or ends it. */
static void
test_resync_flood (void)
{
  RawProducer raw;
  guint64 before;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", 1, "");
    guint n = 0;

    g_assert_true (raw_handshake (&raw));
    hear_until (prey, "next 5000", "event format");
    before = prey_number (prey, "fds");
    while (n < 20000 && is_writable (raw.socket) && raw_resync (&raw, 2 + n, 1))
      n++;
    CHECK (n < 20000, "20,000 RESYNCs were all queued as events");
    check_descriptors (prey, before, "RESYNCs");
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

static void
test_event_flood (void)
{
  RawProducer raw;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", 1, "");
    guint n = 0;

    g_assert_true (raw_handshake (&raw));
    hear_until (prey, "next 5000", "event format");
    while (n < 10000 && is_writable (raw.socket) && raw_event (&raw, 2 + n, "x", NULL, 0))
      n++;
    CHECK (n < 10000, "10,000 events were all queued");
    while (n-- > 0)
      prey_expect (prey, "event x", "next 5000"); /* and goes on when they are taken */
    /* Backwards, the same again, and from the far end. */
    raw_event (&raw, G_MAXUINT64, "y", NULL, 0);
    raw_event (&raw, 3, "y", NULL, 0);
    raw_event (&raw, 0, "y", NULL, 0);
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

/* One segment that is not entered yet is all that there can be: another one ends the attachment,
 * whose socket stays open, and is not read, until the consumer takes the news. */
static void
test_segment_flood (void)
{
  RawProducer raw;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", 1, "");
    guint64 maps;

    g_assert_true (raw_handshake (&raw));
    hear_until (prey, "next 5000", "event format");
    for (guint i = 0; i < 500; i++)
      {
        ShmFrameMessage segment
            = { .type = SHMFRAME_MESSAGE_SEGMENT, .layout = raw.layout, .sequence = 1 };

        if (!is_writable (raw.socket) || !raw_send (raw.socket, &segment, &raw.segment_fd, 1, 0))
          break;
      }
    maps = prey_number (prey, "maps memfd:");
    CHECK (maps <= 6, "%" G_GUINT64_FORMAT " segments are mapped", maps);
    prey_expect (prey, "event lost*", "next 5000");
    g_assert_true (raw_handshake (&raw)); /* it searches again */
    hear_until (prey, "next 5000", "event attached");
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

/* `committed` is a claim, too: to fault in what is not there would commit it, at our expense. */
static void
test_committed_lie (void)
{
  RawProducer raw;

  raw_producer_new (&raw, "p");
  raw_segment_new (&raw, 1, 64, 16 << 20, 0); /* 1 GiB, nothing of it committed */
  {
    g_autoptr (Prey) prey = consumer_of ("p", 1, "");
    ShmFrameMessage welcome;
    int fds[2];
    struct stat st;

    g_assert_true (raw_accept (&raw));
    welcome = raw_welcome_message (&raw);
    welcome.committed = 64;
    fds[0] = raw.segment_fd;
    fds[1] = raw.page_fd;
    raw_send (raw.socket, &welcome, fds, 2, 0);
    raw_format (&raw, 1, 1);
    raw_resync (&raw, 1, 0);
    hear_until (prey, "next 5000", "e* *");
    g_assert_no_errno (fstat (raw.segment_fd, &st));
    CHECK (st.st_blocks * 512 < 64 << 20,
           "the consumer committed %" G_GINT64_FORMAT " MiB of the producer's holes",
           (gint64) st.st_blocks * 512 >> 20);
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

static void
test_hostile_formats (void)
{
  static const char *const texts[] = {
    "{'number': <uint32 1>}",
    "{'number': <uint32 0>, 'media-type': <'video/x-raw'>}",
    "{'number': <'1'>}",
    "{'number': <uint32 1>, 'media-type': <'video/x-raw'>, 'width': <uint32 4294967295>, 'height': "
    "<uint32 4294967295>, 'size': <uint64 18446744073709551615>, 'offsets': "
    "<[uint64 18446744073709551615]>, 'strides': <[2147483647]>}",
    "{'number': <uint32 1>, 'media-type': <'video/x-raw'>, 'pixel-format': <'gray'>, 'width': "
    "<uint32 64>, 'height': <uint32 64>, 'size': <uint64 4096>, 'offsets': <[uint64 0]>, 'strides': "
    "<[-64]>}",
    "{'number': <uint32 1>, 'media-type': <'video/x-raw'>, 'pixel-format': <'gray'>, 'width': "
    "<uint32 64>, 'height': <uint32 64>, 'size': <uint64 4096>, 'offsets': <@at []>, 'strides': "
    "<@ai []>}",
    "{'number': <uint32 1>, 'media-type': <'video/x-raw'>, 'pixel-format': <'pal8'>, 'width': "
    "<uint32 0>, 'height': <uint32 0>, 'size': <uint64 0>, 'offsets': <[uint64 0]>, 'strides': <[0]>}",
    "{'number': <uint32 1>, 'media-type': <'image/jpeg'>, 'width': <uint32 0>, 'height': <uint32 0>, "
    "'size': <uint64 18446744073709551615>}",
    "{'number': <uint32 1>, 'media-type': <''>, 'frame-rate': <(-1, 0)>, 'pixel-aspect': <(0, 0)>}",
  };
  RawProducer raw;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", 1, "");

    for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
      {
        g_autoptr (GError) error = NULL;
        g_autoptr (GVariant) value
            = g_variant_parse (G_VARIANT_TYPE_VARDICT, texts[i], NULL, NULL, &error);

        g_assert_no_error (error);
        g_assert_true (raw_handshake (&raw));
        hear_until (prey, "next 5000", "event format");
        raw_event (&raw, 2, "format", value, 0);
        hear_until (prey, "next 5000", "event lost");
      }
    g_assert_true (raw_handshake (&raw));
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

/* Formats that change under frames, by the thousand, with numbers again and again. */
static void
test_format_flood (void)
{
  RawProducer raw;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", 0, "");

    g_assert_true (raw_handshake (&raw));
    hear_until (prey, "next 5000", "event format");
    for (guint i = 0; i < 3000; i++)
      {
        ShmFrameDescriptor descriptor = raw_descriptor ();

        if (!raw_format (&raw, 2 + i, i % 1100))
          break;
        descriptor.events = 2 + i;
        descriptor.format = i % 1100;
        raw_publish (&raw, &descriptor);
        if (i % 10 == 0)
          {
            g_autofree char *heard = prey_ask (prey, "frame 1000");

            if (!g_str_has_prefix (heard, "frame ") && !g_str_has_prefix (heard, "error "))
              {
                g_test_fail_printf ("after %u: %s", i, heard);
                break;
              }
          }
      }
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

/* Words for people: whatever they are, and whatever error they claim to be. */
static void
test_text_abuse (void)
{
  g_autofree char *longest = g_strnfill (SHMFRAME_MESSAGE_MAX_TEXT, 'x');
  const char *const texts[] = { "", "%s%n%s%n", "\033[2J\033]0;pwned\a\n\r", longest };
  static const ShmFrameMessageType types[]
      = { SHMFRAME_MESSAGE_REFUSED, SHMFRAME_MESSAGE_EVICTED, SHMFRAME_MESSAGE_BYE };
  RawProducer raw;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", 2, "");

    for (guint i = 0; i < G_N_ELEMENTS (texts) * G_N_ELEMENTS (types) * 2; i++)
      {
        ShmFrameMessage end = { .type = types[i % 3], .code = i % 18,
                                .text = (char *) texts[i % G_N_ELEMENTS (texts)] };

        if (i % 2 == 0)
          g_assert_true (raw_accept (&raw));
        else
          g_assert_true (raw_handshake (&raw));
        raw_send (raw.socket, &end, NULL, 0, 0);
        hear_until (prey, "next 300",
                    i % 2 == 0   ? "error *"
                    : i % 3 == 1 ? "event evicted"
                                 : "event lost");
      }
    g_assert_true (raw_accept (&raw));
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

static gpointer
send_events_for_ever (gpointer data)
{
  Noise *noise = data;
  ShmFrameMessage event = { .type = SHMFRAME_MESSAGE_EVENT, .number = 2, .name = (char *) "x" };
  g_autoptr (GBytes) bytes = NULL;
  gsize size;
  const void *message;

  if (noise->numbered)
    {
      for (guint64 n = 2; !g_atomic_int_get (&noise->stop); n++)
        if (!raw_event (noise->raw, n, "x", NULL, 0))
          break;
      return NULL;
    }
  bytes = shmframe_message_encode (&event, 0, NULL);
  message = g_bytes_get_data (bytes, &size);
  while (!g_atomic_int_get (&noise->stop)
         && (raw_send_bytes (noise->raw->socket, message, size, NULL, 0, MSG_DONTWAIT) >= 0
             || errno == EAGAIN))
    ;
  return NULL;
}

/* Timeouts hold, whatever comes instead of what is waited for. */
static void
test_timeout_under_events (void)
{
  RawProducer raw;
  Noise noise = { .raw = &raw, .numbered = TRUE };
  GThread *thread;

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", 1, "");
    g_autofree char *heard = NULL;

    g_assert_true (raw_handshake (&raw));
    hear_until (prey, "next 5000", "event format");
    thread = g_thread_new ("events", send_events_for_ever, &noise);
    heard = prey_ask (prey, "frame 200");
    CHECK (g_str_has_prefix (heard, "error 15 ") && prey_took (heard) < SOON_MS, "%s", heard);
    for (guint i = 0; i < 100; i++)
      prey_expect (prey, "error 15 *", "frame 0");
    g_atomic_int_set (&noise.stop, 1);
    g_thread_join (thread);
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

/* As fast as can be, or the reader catches up: descriptors are there already, and `latest` and the bell
 * come once in a while. */
static gpointer
publish_useless_frames (gpointer data)
{
  Noise *noise = data;
  RawProducer *raw = noise->raw;
  guint slots = raw->layout.slot_count;
  ShmFrameDescriptor descriptor = raw_descriptor ();

  descriptor.format = 0; /* from before any format: passed over, without an error */
  for (guint slot = 0; slot < slots; slot++)
    memcpy ((void *) raw->view.records[slot].descriptor, &descriptor, sizeof descriptor);
  while (!g_atomic_int_get (&noise->stop))
    {
      guint64 first = raw->sequence + 1, last = raw->sequence + slots / 4;

      /* Ahead of the reader, but not beyond what the slots hold. */
      if (last > shmframe_slot_consumed (raw->page) + slots - 2)
        continue;
      for (guint64 sequence = first; sequence <= last; sequence++)
        {
          guint slot = (guint) (sequence % slots);

          atomic_store_explicit (&raw->view.records[slot].generation,
                                 shmframe_generation (sequence, SHMFRAME_STATE_LIVE),
                                 memory_order_relaxed);
          atomic_store_explicit (&raw->view.ring[sequence & raw->view.ring_mask],
                                 shmframe_handle (sequence, slot), memory_order_relaxed);
        }
      atomic_store (&raw->view.header->latest, shmframe_handle (last, (guint) (last % slots)));
      raw->sequence = last;
      raw_ring (raw);
    }
  return NULL;
}

static void
test_timeout_under_frames (void)
{
  RawProducer raw;
  Noise noise = { .raw = &raw };
  GThread *thread;

  raw_producer_new (&raw, "p");
  raw_segment_new (&raw, 1, 8192, 4096, 0);
  {
    g_autoptr (Prey) prey = consumer_of ("p", 1, "");
    g_autofree char *heard = NULL;

    g_assert_true (raw_handshake (&raw));
    hear_until (prey, "next 5000", "event format");
    thread = g_thread_new ("frames", publish_useless_frames, &noise);
    heard = prey_ask (prey, "frame 200");
    CHECK (g_str_has_prefix (heard, "error 15 ") && prey_took (heard) < SOON_MS, "%s", heard);
    check_consumer_ends (prey);
    g_atomic_int_set (&noise.stop, 1);
    g_thread_join (thread);
  }
  raw_producer_free (&raw);
}

/* An observer calls, and is spoken to without end. */
static void
test_observer_flood (gconstpointer data)
{
  const char *line = data;
  RawProducer raw;
  Noise noise = { .raw = &raw };
  GThread *threads[2];

  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = prey_new ();
    ShmFrameMessage welcome = raw_welcome_message (&raw);
    g_autofree char *heard = NULL, *after = NULL;

    prey_tell (prey, "observer p 300");
    g_assert_true (raw_accept (&raw));
    raw_send (raw.socket, &welcome, &raw.segment_fd, 1, 0);
    if (!g_str_equal (line, "attach"))
      {
        raw_format (&raw, 1, 1);
        raw_resync (&raw, 1, 0);
        heard = prey_hear (prey);
        CHECK (g_str_has_prefix (heard, "ok"), "%s", heard);
      }
    for (guint i = 0; i < 2; i++)
      threads[i] = g_thread_new ("events", send_events_for_ever, &noise);
    after = g_str_equal (line, "attach") ? prey_hear (prey) : prey_ask (prey, "%s", line);
    CHECK (!g_str_equal (after, VICTIM_HUNG) && prey_took (after) < SOON_MS, "%s", after);
    g_atomic_int_set (&noise.stop, 1);
    shutdown (raw.socket, SHUT_RDWR);
    for (guint i = 0; i < 2; i++)
      g_thread_join (threads[i]);
  }
  raw_producer_free (&raw);
}

/* To close a descriptor can sleep, for as long as its sender likes. */
static void
test_lingering_producer (void)
{
  RawProducer raw;
  int fd = raw_lingering_socket (LINGER_S);

  if (fd < 0)
    {
      g_test_skip ("no loopback network");
      return;
    }
  raw_producer_new (&raw, "p");
  {
    g_autoptr (Prey) prey = consumer_of ("p", 1, "");
    ShmFrameMessage welcome = raw_welcome_message (&raw);

    g_assert_true (raw_accept (&raw));
    raw_send (raw.socket, &welcome, &fd, 1, 0);
    close (fd);
    prey_expect (prey, "error *", "next 100");
    check_consumer_ends (prey);
  }
  raw_producer_free (&raw);
}

/* ================================ a hostile consumer ======================================== */

static Prey *
start_producer (Prey *prey, const char *properties)
{
  prey_expect (prey, "ok", "producer p%s", properties);
  prey_expect (prey, "ok *", "format 64 64");
  prey_expect (prey, "ok *", "publish 1");
  return prey;
}

static Prey *
producer_of (const char *properties)
{
  return start_producer (prey_new (), properties);
}

/* What must always work on a producer: it publishes, and an honest consumer gets it. */
static void
check_producer_serves (Prey *prey)
{
  g_autoptr (Prey) honest = consumer_of ("p", 0, "");
  g_autofree char *slow = NULL;
  gint64 us = 0;

  hear_until (honest, "next 3000", "event attached");
  slow = prey_ask (prey, "publish 100");
  if (sscanf (slow, "ok %*u %" G_GINT64_FORMAT, &us) != 1 || us > SOON_MS * 1000)
    g_test_fail_printf ("publish: %s", slow);
  hear_until (honest, "frame 3000", "frame * good");
  prey_expect (honest, "ok *", "consumer-close");
}

static void
check_producer_closes (Prey *prey)
{
  g_autofree char *closed = prey_ask (prey, "close");

  CHECK (g_str_has_prefix (closed, "ok ") && prey_took (closed) < SOON_MS, "close: %s", closed);
}

static void
attack_memory (const RawConsumer *raw, gboolean same_user)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", raw->segment_fd);
  gsize size = raw->welcome.layout.size;
  int fd;

  g_assert_true (mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, raw->segment_fd, 0)
                 == MAP_FAILED);
  g_assert_cmpint (mprotect (raw->segment, size, PROT_READ | PROT_WRITE), ==, -1);
  g_assert_cmpint (mprotect (raw->segment, size, PROT_WRITE), ==, -1);
  fd = open (path, O_RDWR | O_CLOEXEC);
  g_assert_true (same_user || fd < 0);
  for (guint i = 0; i < 2; i++)
    {
      int target = i == 0 ? raw->segment_fd : fd;

      g_assert_cmpint (ftruncate (target, 0), ==, -1);
      g_assert_cmpint (ftruncate (target, (off_t) size + 4096), ==, -1);
      g_assert_cmpint (pwrite (target, "x", 1, 0), ==, -1);
      g_assert_cmpint (
          fallocate (target, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t) size), ==, -1);
      g_assert_cmpint (fallocate (target, FALLOC_FL_ZERO_RANGE, 0, 4096), ==, -1);
      g_assert_true (mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, target, 0)
                     == MAP_FAILED);
      g_assert_cmpint (fcntl (target, F_ADD_SEALS, F_SEAL_WRITE), ==, -1);
      g_assert_cmpint (madvise (raw->segment, size, MADV_REMOVE), ==, -1);
    }
  if (!same_user)
    g_assert_cmpint (fallocate (raw->segment_fd, 0, 0, (off_t) size), ==, -1);
  g_assert_cmpint (ftruncate (raw->page_fd, 0), ==, -1);
  g_assert_cmpint (ftruncate (raw->page_fd, 8192), ==, -1);
  if (fd >= 0)
    close (fd);
}

static void
test_memory (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  RawConsumer raw;

  g_assert_true (raw_attach (&raw, "p", 0, 2));
  attack_memory (&raw, TRUE);
  raw_detach (&raw);
  check_producer_serves (prey);
  check_producer_closes (prey);
}

/* Runs in a child that is somebody else, which takes root. It writes a byte to `ready` when the attack
 * stands. */
static pid_t
start_as_nobody (void (*func) (int ready), int *ready)
{
  int pipe_fds[2];
  pid_t pid;

  g_assert_no_errno (pipe2 (pipe_fds, O_CLOEXEC));
  pid = fork ();
  if (pid == 0)
    {
      if (prctl (PR_SET_PDEATHSIG, SIGKILL) < 0 || setgid (NOBODY) < 0 || setuid (NOBODY) < 0)
        _exit (77);
      func (pipe_fds[1]);
      _exit (g_test_failed () ? 1 : 0);
    }
  close (pipe_fds[1]);
  *ready = pipe_fds[0];
  return pid;
}

static void
memory_as_nobody (int ready)
{
  RawConsumer raw;

  g_assert_true (raw_attach (&raw, "p", 0, 2));
  attack_memory (&raw, FALSE);
  raw_detach (&raw);
}

static void
connect_as_nobody (int ready)
{
  CHECK (raw_connect ("p") < 0 && errno == EACCES, "connected without permission: %s",
         g_strerror (errno));
}

/* The pool of an ordinary user, whose folder is open to all. */
static Prey *
producer_of_daemon (const char *mode)
{
  const char *folder = g_getenv ("SHMFRAME_RUNTIME_DIR");

  g_assert_no_errno (g_chmod (folder, 0755));
  g_assert_no_errno (chown (folder, DAEMON, DAEMON));
  return start_producer (prey_new_as (DAEMON), mode);
}

static void
check_as_nobody (void (*func) (int), const char *mode)
{
  g_autoptr (Prey) prey = producer_of_daemon (mode);
  int ready, status;
  pid_t pid;

  pid = start_as_nobody (func, &ready);
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  CHECK (status == 0, "0x%x", status);
  close (ready);
  check_producer_serves (prey);
}

static void
test_memory_as_nobody (void)
{
  check_as_nobody (memory_as_nobody, " mode=0666");
}

static void
test_permission (void)
{
  check_as_nobody (connect_as_nobody, "");
}

/* Takes every place that there is, and stays. */
static void
attach_observers (int ready)
{
  ShmFrameMessage attach = raw_attach_message (SHMFRAME_ROLE_OBSERVER, 0, 0);

  for (guint i = 0; i < 60; i++)
    {
      int fd = raw_connect ("p");

      if (fd >= 0)
        raw_send (fd, &attach, NULL, 0, 0);
    }
  {
    g_autoptr (GPtrArray) none G_GNUC_UNUSED = NULL;
    ShmFrameMessage message = { 0 };
    int last = raw_connect ("p"), fds[RAW_MAX_FDS];
    guint n_fds;

    /* Answered: all before it are in. */
    if (last >= 0 && raw_send (last, &attach, NULL, 0, 0))
      raw_receive (last, &message, fds, &n_fds, RAW_PATIENCE_MS);
  }
  g_assert_cmpint (write (ready, "x", 1), ==, 1);
  pause ();
}

/* Asks for all leases that there are. */
static void
take_all_leases (int ready)
{
  ShmFrameMessage ask = { .type = SHMFRAME_MESSAGE_LEASES, .leases = SHMFRAME_LEASES_MAX };
  ShmFrameMessage message = { 0 };
  RawConsumer raw;
  int fds[RAW_MAX_FDS];
  guint n_fds;

  g_assert_true (raw_attach (&raw, "p", 0, 1));
  raw_send (raw.socket, &ask, NULL, 0, 0);
  while (raw_receive (raw.socket, &message, fds, &n_fds, RAW_PATIENCE_MS)
         && message.type != SHMFRAME_MESSAGE_LEASES)
    shmframe_message_clear (&message);
  g_assert_cmpint (write (ready, "x", 1), ==, 1);
  pause ();
}

/* Connects again as soon as there is a place, and never attaches. */
static void
connect_for_ever (int ready)
{
  int fds[60];

  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    fds[i] = raw_connect ("p");
  g_assert_cmpint (write (ready, "x", 1), ==, 1);
  while (TRUE)
    for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
      {
        char byte;

        if (fds[i] >= 0 && recv (fds[i], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN)
          continue;
        if (fds[i] >= 0)
          close (fds[i]);
        fds[i] = raw_connect ("p");
      }
}

/* What another user does must leave a place for the producer's own. */
static void
test_starve (gconstpointer data)
{
  void (*func) (int) = (void (*) (int)) data;
  g_autoptr (Prey) prey = producer_of_daemon (" mode=0666");
  int ready;
  char byte;
  pid_t pid;

  pid = start_as_nobody (func, &ready);
  g_assert_cmpint (read (ready, &byte, 1), ==, 1);
  {
    g_autoptr (Prey) honest = prey_new_as (DAEMON);

    prey_expect (honest, "ok", "consumer p 1 4");
    hear_until (honest, "next 3000", "event attached");
  }
  kill (pid, SIGKILL);
  g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
  close (ready);
  check_producer_closes (prey);
}

/* A consumer that damages its page is evicted, and nobody else notices. */
static void
test_punched_page (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  g_autoptr (Prey) honest = consumer_of ("p", 1, "");
  RawConsumer raw;

  hear_until (honest, "next 3000", "event attached");
  for (guint i = 0; i < 3; i++)
    {
      g_assert_true (raw_attach (&raw, "p", i, 2));
      if (i == 0)
        atomic_store (&raw.page->cookie, 0);
      else
        g_assert_no_errno (fallocate (raw.page_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                                      SHMFRAME_PAGE_SIZE));
      prey_expect (prey, "ok *", "publish 10");
      CHECK (raw_await_end (raw.socket), "not evicted");
      CHECK (prey_number (prey, "stat evictions") == i + 1, "not evicted");
      raw_detach (&raw);
    }
  hear_until (honest, "frame 3000", "frame * good");
  check_producer_serves (prey);
}

typedef struct
{
  RawConsumer *raw;
  gint stop;
  guint kind; /* 0: all but the cookie; 1: tickets; 2: hazards of what is there */
} PageNoise;

static gpointer
write_page (gpointer data)
{
  PageNoise *noise = data;
  ShmFrameControl *page = noise->raw->page;
  GRand *rand = g_rand_new_with_seed (3);
  guint32 ticket = 0;

  while (!g_atomic_int_get (&noise->stop))
    {
      atomic_store (&page->ticket, ++ticket);
      if (noise->kind == 1)
        continue;
      for (guint i = 0; i < SHMFRAME_HAZARDS_MAX; i++)
        {
          guint slot = g_rand_int (rand) % noise->raw->welcome.layout.slot_count;
          guint64 generation = shmframe_slot_generation (&noise->raw->view, slot);

          atomic_store (&page->hazard[i],
                        noise->kind == 2 || g_rand_boolean (rand)
                            ? shmframe_handle (shmframe_generation_sequence (generation), slot)
                            : absurd (rand));
        }
      atomic_store (&page->consumed, absurd (rand));
      atomic_store (&page->drops, absurd (rand));
      atomic_store (&page->longest_hold_ns, absurd (rand));
      atomic_store (&page->bell, g_rand_int (rand));
    }
  g_rand_free (rand);
  return NULL;
}

/* Noise over the page while frames go by, and an honest consumer looks at each of their bytes. Noise as
 * back-pressure, which nobody rings, may cost a lossless producer a slice of its wait for every frame. */
static void
test_page_noise (gconstpointer data)
{
  guint delivery = GPOINTER_TO_UINT (data) % 10;
  PageNoise noise = { .kind = GPOINTER_TO_UINT (data) / 10 };
  g_autoptr (Prey) prey = producer_of ("");
  g_autoptr (Prey) honest = consumer_of ("p", 1, "");
  g_autofree char *published = NULL, *served = NULL;
  guint64 count = 0, bad = 1, last = 0, rings, frames, expected = delivery == 2 ? 300 : 20000;
  RawConsumer raw;
  GThread *thread;

  noise.raw = &raw;
  hear_until (honest, "next 3000", "event attached");
  g_assert_true (raw_attach (&raw, "p", delivery, 3));
  prey_tell (honest, "serve");
  thread = g_thread_new ("noise", write_page, &noise);
  published = prey_ask (prey, "publish %" G_GUINT64_FORMAT, expected);
  CHECK (g_str_has_prefix (published, "ok "), "%s", published);
  g_atomic_int_set (&noise.stop, 1);
  g_thread_join (thread);
  rings = prey_number (prey, "stat rings");
  frames = prey_number (prey, "stat frames");
  CHECK (rings <= 2 * frames + 10, "%" G_GUINT64_FORMAT " rings of two consumers", rings);
  CHECK (prey_number (prey, "stat evictions") == 0, "evicted");
  prey_expect (prey, "ok", "eos");
  served = prey_hear (honest);
  sscanf (served, "served %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &count,
          &bad, &last);
  CHECK (count > 0 && bad == 0 && last == expected + 1, "%s", served);
  raw_detach (&raw);
  check_producer_serves (prey);
  check_producer_closes (prey);
}

/* A lossless consumer that lies about what it has consumed costs its stall-timeout, once. */
static void
test_consumed_lies (void)
{
  static const guint64 lies[] = { 0, 1, G_MAXUINT64, SHMFRAME_SEQUENCE_MAX, G_MAXUINT32 };

  for (guint i = 0; i < G_N_ELEMENTS (lies); i++)
    {
      g_autoptr (Prey) prey = producer_of (" stall-timeout=300000000");
      g_autoptr (Prey) honest = consumer_of ("p", 1, "");
      g_autofree char *published = NULL;
      RawConsumer raw;
      gint64 us = 0;

      hear_until (honest, "next 3000", "event attached");
      g_assert_true (raw_attach (&raw, "p", 2, 2));
      prey_expect (prey, "ok *", "publish 3");
      atomic_store (&raw.page->consumed, lies[i]);
      published = prey_ask (prey, "publish 50");
      sscanf (published, "ok %*u %" G_GINT64_FORMAT, &us);
      CHECK (g_str_has_prefix (published, "ok ") && us < SOON_MS * 1000, "%s", published);
      hear_until (honest, "frame 3000", "frame * good");
      raw_detach (&raw);
      check_producer_serves (prey);
    }
}

/* FUTEX_REQUEUE works from read-only memory, too: who sleeps elsewhere must still be woken. */
static void
test_requeue (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  g_autoptr (Prey) honest = consumer_of ("p", 1, "");
  RawConsumer raw;

  hear_until (honest, "next 3000", "event attached");
  hear_until (honest, "next 1000", "error 15 *");
  g_assert_true (raw_attach (&raw, "p", 0, 2));
  for (guint i = 0; i < 50; i++)
    {
      prey_tell (honest, "frame 5000");
      for (gsize at = 0; at < SHMFRAME_RECORDS_OFFSET; at += 4)
        syscall (SYS_futex, (guint8 *) raw.segment + at, FUTEX_REQUEUE, 0, (void *) G_MAXINT,
                 &raw.page->bell, 0);
      prey_expect (prey, "ok *", "publish 1");
      {
        g_autofree char *heard = prey_hear (honest);

        CHECK (g_pattern_match_simple ("frame * good", heard), "%s", heard);
      }
    }
  raw_detach (&raw);
}

typedef struct
{
  RawConsumer *raw;
  gint stop, asleep;
} Sleepers;

static void *
sleep_on_bell (void *data)
{
  Sleepers *self = data;

  g_atomic_int_inc (&self->asleep);
  while (!g_atomic_int_get (&self->stop))
    syscall (SYS_futex, &self->raw->page->bell, FUTEX_WAIT,
             atomic_load (&self->raw->page->bell), NULL, NULL, 0);
  return NULL;
}

/* To ring one consumer must cost the same, however many threads it has put on its bell. */
static void
test_many_sleepers (void)
{
  enum { N = 2000 };
  g_autoptr (Prey) prey = producer_of ("");
  g_autofree char *published = NULL;
  g_autofree pthread_t *threads = g_new0 (pthread_t, N);
  Sleepers sleepers = { 0 };
  pthread_attr_t attributes;
  RawConsumer raw;
  guint64 n = 0;
  gint64 least = G_MAXINT64;

  g_assert_true (raw_attach (&raw, "p", 0, 2));
  sleepers.raw = &raw;
  pthread_attr_init (&attributes);
  pthread_attr_setstacksize (&attributes, 65536);
  while (n < N && pthread_create (&threads[n], &attributes, sleep_on_bell, &sleepers) == 0)
    n++;
  while (g_atomic_int_get (&sleepers.asleep) < (gint) n)
    g_thread_yield ();
  for (guint i = 0; i < 20; i++)
    {
      gint64 us = 0;

      g_free (published);
      atomic_fetch_add (&raw.page->ticket, 1);
      published = prey_ask (prey, "publish 1");
      sscanf (published, "ok %*u %" G_GINT64_FORMAT, &us);
      least = MIN (least, us);
    }
  g_test_message ("%" G_GUINT64_FORMAT " sleepers: %" G_GINT64_FORMAT " us for a frame", n,
                  least);
  /* The quickest of 20: who wakes them all is never quick. */
  CHECK (least < 1000, "%" G_GINT64_FORMAT " us for a frame", least);
  g_atomic_int_set (&sleepers.stop, 1);
  for (guint i = 0; i < n; i++)
    {
      atomic_fetch_add (&raw.page->bell, 1);
      syscall (SYS_futex, &raw.page->bell, FUTEX_WAKE, G_MAXINT, NULL, NULL, 0);
      pthread_join (threads[i], NULL);
    }
  pthread_attr_destroy (&attributes);
  raw_detach (&raw);
  check_producer_closes (prey);
}

/* Messages that are none, each on a connection of its own, before and after ATTACH. FALSE: the kernel
 * kept it from the producer, which lets no descriptors in (SO_PASSRIGHTS, Linux 6.16). */
static gboolean
send_garbage (int fd, guint kind)
{
  ShmFrameMessage leases = { .type = SHMFRAME_MESSAGE_LEASES, .leases = 3 };
  ShmFrameMessage attach = raw_attach_message (SHMFRAME_ROLE_CONSUMER, 0, 2);
  g_autoptr (GBytes) bytes = NULL;
  g_autofree guint8 *data = g_malloc0 (SHMFRAME_MESSAGE_MAX * 2);
  ShmFrameMessageHeader *header = (ShmFrameMessageHeader *) (void *) data;
  int fds[RAW_MAX_FDS];
  guint n_fds = 0;
  gsize size;

  if (kind >= 9 && kind <= 11)
    {
      attach.role = kind == 9 ? 2 : 0;
      attach.delivery = kind == 10 ? 3 : 0;
      attach.wait = kind == 11 ? 3 : 0;
      bytes = shmframe_message_encode (&attach, 0, NULL);
    }
  else
    {
      leases.leases = kind == 12 ? 4000000000u : 3;
      bytes = shmframe_message_encode (&leases, 0, NULL);
    }
  size = g_bytes_get_size (bytes);
  memcpy (data, g_bytes_get_data (bytes, NULL), size);
  switch (kind)
    {
    case 0:
      header->magic++;
      break;
    case 1:
      header->version++;
      break;
    case 2:
      header->length++;
      break;
    case 3:
      header->length = G_MAXUINT32;
      break;
    case 4:
      size = 3;
      break;
    case 5:
      size -= 1;
      break;
    case 6:
      size = SHMFRAME_MESSAGE_MAX + 1;
      break;
    case 7:
      header->n_fds = 2;
      break;
    case 8:
      memset (data + sizeof *header, 0xff, size - sizeof *header);
      break;
    case 13:
      n_fds = 1;
      header->n_fds = 1;
      break;
    case 14:
      n_fds = 3;
      header->n_fds = 3;
      break;
    case 15:
      n_fds = RAW_MAX_FDS;
      header->n_fds = RAW_MAX_FDS;
      break;
    case 16:
      n_fds = RAW_MAX_FDS;
      break;
    default:
      break;
    }
  for (guint i = 0; i < n_fds; i++)
    fds[i] = fd;
  if (raw_send_bytes (fd, data, size, fds, n_fds, 0) >= 0)
    return TRUE;
  CHECK (n_fds > 0 && errno == EPERM, "garbage %u: %s", kind, g_strerror (errno));
  return FALSE;
}

static void
test_garbage (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  g_autoptr (Prey) honest = consumer_of ("p", 1, "");
  guint64 fds;

  hear_until (honest, "next 3000", "event attached");
  fds = prey_number (prey, "fds");
  for (guint kind = 0; kind < 17; kind++)
    for (guint attached = 0; attached < 2; attached++)
      {
        RawConsumer raw = { 0 };

        if (attached)
          g_assert_true (raw_attach (&raw, "p", 0, 1));
        else
          raw.socket = raw_connect ("p");
        if (send_garbage (raw.socket, kind))
          CHECK (raw_await_end (raw.socket), "garbage %u leaves the connection", kind);
        if (attached)
          raw_detach (&raw);
        else
          close (raw.socket);
      }
  check_producer_serves (prey);
  hear_until (honest, "frame 3000", "frame * good");
  check_descriptors (prey, fds + 2, "garbage");
  prey_expect (honest, "0", "consumer-stat losses");
  check_producer_closes (prey);
}

/* Well-formed messages that nobody should send. */
static void
test_odd_messages (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  static const guint numbers[] = { 0, 1, 2, 255 };
  static const guint segments[] = { 0, 1, 2, G_MAXUINT32 - 1, G_MAXUINT32 };
  ShmFrameMessage attach = raw_attach_message (SHMFRAME_ROLE_CONSUMER, 0, 1);
  RawConsumer raw;
  int fd;

  g_assert_true (raw_attach (&raw, "p", 1, 1));
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_LEASES, .leases = numbers[i] };

      raw_send (raw.socket, &message, NULL, 0, 0);
    }
  for (guint i = 0; i < G_N_ELEMENTS (segments); i++)
    {
      ShmFrameMessage message
          = { .type = SHMFRAME_MESSAGE_SEGMENT_SEEN, .segment = segments[i] };

      raw_send (raw.socket, &message, NULL, 0, 0);
    }
  for (guint type = SHMFRAME_MESSAGE_STATS; type <= SHMFRAME_MESSAGE_DETACH; type++)
    {
      ShmFrameMessage message = { .type = type, .text = (char *) "" };

      raw_send (raw.socket, &message, NULL, 0, 0);
    }
  prey_expect (prey, "ok *", "publish 10");
  prey_expect (prey, "ok *", "format 640 480"); /* new segments, with that one's promises */
  prey_expect (prey, "ok *", "publish 10");
  prey_expect (prey, "ok *", "format 1280 960");
  prey_expect (prey, "ok *", "publish 10");
  raw_send (raw.socket, &attach, NULL, 0, 0);
  CHECK (raw_await_end (raw.socket), "attached twice");
  raw_detach (&raw);

  /* All of it before ATTACH. */
  fd = raw_connect ("p");
  for (guint type = SHMFRAME_MESSAGE_REFUSED; type <= SHMFRAME_MESSAGE_DETACH; type++)
    {
      ShmFrameMessage message = { .type = type, .text = (char *) "", .name = (char *) "x",
                                  .leases = 4, .segment = 77, .layout = raw.welcome.layout };

      if (type != SHMFRAME_MESSAGE_SEGMENT)
        raw_send (fd, &message, NULL, 0, 0);
    }
  close (fd);
  check_producer_serves (prey);
  check_producer_closes (prey);
}

/* Names that go into statistics, logs and onto terminals. */
static void
test_program_names (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  g_autofree char *longest = g_strnfill (SHMFRAME_MESSAGE_MAX_TEXT, 'x');
  const char *const names[] = { "", "%s%n", "\033[2J\n\r\t\a", longest, "\xef\xbf\xbd" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      ShmFrameMessage attach = raw_attach_message (SHMFRAME_ROLE_CONSUMER, 1, 1);
      g_auto (ShmFrameMessage) welcome = { 0 };
      int fd = raw_connect ("p"), fds[RAW_MAX_FDS];
      guint n_fds;

      attach.text = (char *) names[i];
      raw_send (fd, &attach, NULL, 0, 0);
      g_assert_true (raw_receive (fd, &welcome, fds, &n_fds, RAW_PATIENCE_MS));
      g_assert_cmpint (welcome.type, ==, SHMFRAME_MESSAGE_WELCOME);
      prey_expect (prey, "1", "stat n-consumers");
      for (guint j = 0; j < n_fds; j++)
        close (fds[j]);
      close (fd);
      while (prey_number (prey, "stat n-consumers") > 0)
        g_thread_yield ();
    }
  check_producer_serves (prey);
}

static void
test_message_flood (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  ShmFrameMessage leases = { .type = SHMFRAME_MESSAGE_LEASES, .leases = 2 };
  RawConsumer raw;
  guint n = 0;

  g_assert_true (raw_attach (&raw, "p", 0, 1));
  while (n < 100000 && raw_send (raw.socket, &leases, NULL, 0, 0))
    n++;
  CHECK (n < 100000, "the flood was let pass");
  raw_detach (&raw);
  check_producer_serves (prey);
}

/* A thousand that connect and say nothing: those of the same user, too, leave a place by and by. */
static void
test_connect_flood (void)
{
  g_autoptr (Prey) prey = producer_of (""), honest = NULL;
  guint64 fds = prey_number (prey, "fds");
  int sockets[1000];

  for (guint i = 0; i < G_N_ELEMENTS (sockets); i++)
    sockets[i] = raw_connect ("p");
  honest = consumer_of ("p", 1, "");
  hear_until (honest, "next 3000", "event attached"); /* after the 5 s that silence is borne */
  prey_expect (prey, "ok *", "publish 10");
  hear_until (honest, "frame 3000", "frame * good");
  for (guint i = 0; i < G_N_ELEMENTS (sockets); i++)
    close (sockets[i]);
  prey_expect (honest, "ok *", "consumer-close");
  check_producer_serves (prey);
  check_descriptors (prey, fds + 5, "connections");
}

/* Never reads, while there is much to be said. */
static void
test_unread_socket (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  g_autoptr (Prey) honest = consumer_of ("p", 1, "");
  RawConsumer raw;

  hear_until (honest, "next 3000", "event attached");
  prey_tell (honest, "serve");
  g_assert_true (raw_attach (&raw, "p", 1, 1));
  prey_expect (prey, "ok", "event big 3000 3000");
  for (guint i = 1; i < 40; i++)
    {
      g_autofree char *formatted = prey_ask (prey, "format %u 64", 32 + i);

      CHECK (prey_took (formatted) < SOON_MS, "%s", formatted);
      prey_expect (prey, "ok *", "publish 2");
    }
  prey_expect (prey, "ok", "eos");
  {
    g_autofree char *served = prey_hear (honest);

    CHECK (g_pattern_match_simple ("served * 0 *", served), "%s", served);
  }
  raw_detach (&raw);
  check_producer_serves (prey);
  check_producer_closes (prey);
}

/* A consumer that is gone but for its leases has no use for the segments that follow. */
static void
test_detached_gets_no_segments (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  ShmFrameMessage detach = { .type = SHMFRAME_MESSAGE_DETACH };
  RawConsumer raw;
  guint segments = 0;

  g_assert_true (raw_attach (&raw, "p", 1, 1));
  raw_send (raw.socket, &detach, NULL, 0, 0);
  prey_expect (prey, "1", "stat n-consumers");
  for (guint i = 1; i < 6; i++)
    {
      g_autoptr (Prey) observer = prey_new ();

      prey_expect (prey, "ok *", "format %u 480", 640 * i);
      prey_expect (observer, "ok *", "observer p 5000"); /* the control thread has seen to it */
    }
  while (TRUE)
    {
      g_auto (ShmFrameMessage) message = { 0 };
      int fds[RAW_MAX_FDS];
      guint n_fds;

      if (!raw_receive (raw.socket, &message, fds, &n_fds, 0))
        break;
      for (guint i = 0; i < n_fds; i++)
        close (fds[i]);
      segments += message.type == SHMFRAME_MESSAGE_SEGMENT;
    }
  CHECK (segments <= 1, "%u segments are kept alive in its socket", segments);
  raw_detach (&raw);
}

/* Many observers that ask all the time: the publishing path does not notice. */
static gpointer
ask_for_ever (gpointer data)
{
  gint *stop = data;
  ShmFrameMessage attach = raw_attach_message (SHMFRAME_ROLE_OBSERVER, 0, 0);
  ShmFrameMessage question = { .type = SHMFRAME_MESSAGE_STATS };
  int sockets[16];
  guint8 *data_in = g_malloc (SHMFRAME_MESSAGE_MAX);

  for (guint i = 0; i < G_N_ELEMENTS (sockets); i++)
    sockets[i] = -1;
  while (!g_atomic_int_get (stop))
    for (guint i = 0; i < G_N_ELEMENTS (sockets); i++)
      {
        if (sockets[i] < 0)
          {
            sockets[i] = raw_connect ("p");
            if (sockets[i] >= 0)
              raw_send (sockets[i], &attach, NULL, 0, 0);
          }
        else if (!raw_send (sockets[i], &question, NULL, 0, MSG_DONTWAIT) && errno != EAGAIN)
          {
            close (sockets[i]);
            sockets[i] = -1;
          }
        else
          while (recv (sockets[i], data_in, SHMFRAME_MESSAGE_MAX, MSG_DONTWAIT) > 0)
            ;
      }
  for (guint i = 0; i < G_N_ELEMENTS (sockets); i++)
    if (sockets[i] >= 0)
      close (sockets[i]);
  g_free (data_in);
  return NULL;
}

static void
test_stats_flood (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  g_autoptr (Prey) honest = consumer_of ("p", 1, "");
  g_autofree char *published = NULL;
  gint64 us = G_MAXINT64;
  gint stop = 0;
  GThread *thread;

  hear_until (honest, "next 3000", "event attached");
  prey_tell (honest, "serve");
  thread = g_thread_new ("ask", ask_for_ever, &stop);
  published = prey_ask (prey, "publish 20000");
  sscanf (published, "ok %*u %" G_GINT64_FORMAT, &us);
  g_test_message ("slowest frame %" G_GINT64_FORMAT " us", us);
  CHECK (us < SOON_MS * 1000, "%s", published);
  g_atomic_int_set (&stop, 1);
  g_thread_join (thread);
  prey_expect (prey, "ok", "eos");
  {
    g_autofree char *served = prey_hear (honest);

    CHECK (g_pattern_match_simple ("served * 0 20001", served), "%s", served);
  }
  check_producer_serves (prey);
}

/* Dies, or hangs up, at each step. */
static void
test_consumer_dies (void)
{
  g_autoptr (Prey) prey = producer_of ("");
  guint64 fds = 0;

  for (guint round = 0; round < 20; round++)
    for (guint step = 0; step < 5; step++)
      {
        pid_t pid = fork ();

        if (pid == 0)
          {
            ShmFrameMessage attach = raw_attach_message (SHMFRAME_ROLE_CONSUMER, step % 3, 2);
            RawConsumer raw;
            int fd;

            if (step < 2)
              {
                fd = raw_connect ("p");
                if (step > 0)
                  raw_send (fd, &attach, NULL, 0, 0);
              }
            else if (raw_attach (&raw, "p", step % 3, 2))
              {
                if (step > 2)
                  atomic_store (&raw.page->hazard[0],
                                shmframe_slot_latest (&raw.view)); /* and holds */
                if (step > 3)
                  raw_send_bytes (raw.socket, "SFRM", 4, NULL, 0, 0);
              }
            raise (SIGKILL);
          }
        g_assert_cmpint (waitpid (pid, NULL, 0), ==, pid);
        prey_expect (prey, "ok *", "publish 5");
        if (round == 5 && step == 0)
          fds = prey_number (prey, "fds");
      }
  check_producer_serves (prey);
  check_descriptors (prey, fds + 6, "the dead");
  check_producer_closes (prey);
}

/* To close a descriptor can sleep, for as long as its sender likes. */
static void
test_lingering_consumer (gconstpointer data)
{
  gboolean attached = data != NULL;
  g_autoptr (Prey) prey = producer_of ("");
  int fd = raw_lingering_socket (LINGER_S), socket;
  ShmFrameMessage message = attached ? (ShmFrameMessage){ .type = SHMFRAME_MESSAGE_LEASES }
                                     : raw_attach_message (SHMFRAME_ROLE_CONSUMER, 0, 1);

  if (fd < 0)
    {
      g_test_skip ("no loopback network");
      return;
    }
  socket = raw_connect ("p");
  if (raw_send (socket, &message, &fd, 1, 0))
    {
      close (fd);
      {
        g_autoptr (Prey) honest = consumer_of ("p", 1, "");

        prey_expect (honest, "event attached", "next 5000"); /* the closing must not keep others out */
      }
      check_producer_closes (prey);
    }
  else
    raw_close_lingering (fd); /* SO_PASSRIGHTS: the kernel did not let it through */
  close (socket);
}

/* Memory for a consumer is committed while frames go on. */
static void
test_admission_does_not_block (void)
{
  g_autoptr (Prey) prey = prey_new ();
  g_autofree char *stopped = NULL;
  RawConsumer raw;
  gint64 begin, took, slowest = G_MAXINT64;

  prey_expect (prey, "ok", "producer p slots=230 in-flight=4 window=4");
  prey_expect (prey, "ok *", "format 3840 2160"); /* 8 MB */
  prey_expect (prey, "ok *", "publish 1");
  prey_expect (prey, "ok *", "format 64 64"); /* fits: small frames, so that they come quickly */
  prey_expect (prey, "ok *", "publish 100");
  prey_expect (prey, "ok", "background");
  begin = g_get_monotonic_time ();
  if (!raw_attach (&raw, "p", 0, 200))
    {
      g_test_skip ("not enough memory");
      prey_ask (prey, "stop");
      return;
    }
  took = g_get_monotonic_time () - begin;
  stopped = prey_ask (prey, "stop");
  sscanf (stopped, "%*u %" G_GINT64_FORMAT, &slowest);
  g_test_message ("admitted in %" G_GINT64_FORMAT " us; slowest frame %" G_GINT64_FORMAT " us", took,
                  slowest);
  /* One that had to wait for all of it takes as long. */
  CHECK (slowest < MAX (took * 3 / 4, 100000),
         "a frame took %" G_GINT64_FORMAT " us of the %" G_GINT64_FORMAT " us of an admission",
         slowest, took);
  raw_detach (&raw);
  check_producer_closes (prey);
}

/* ---- main ---------------------------------------------------------------------------------- */

int
main (int argc, char **argv)
{
  g_autofree char *folder = NULL;
  int failed;

  victim_main (argc, argv);
  g_setenv ("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1", FALSE);
  signal (SIGPIPE, SIG_IGN);
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions (); /* a victim that hangs is the failure of one test */
  folder = g_dir_make_tmp ("shmframe-test-XXXXXX", NULL);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);

#define ADD(name, func) g_test_add_func ("/hostile/" name, func)
#define ADD_WITH(name, data, func)                                                                 \
  g_test_add_data_func ("/hostile/" name, (gconstpointer) (data), func)
  ADD ("producer/raw", test_raw_producer);
  ADD ("producer/welcome-lies", test_welcome_lies);
  ADD ("producer/welcomed-twice", test_welcomed_twice);
  ADD ("producer/silent", test_silent_producer);
  ADD_WITH ("producer/dies/connected", 0, test_producer_dies);
  ADD_WITH ("producer/dies/welcomed", 1, test_producer_dies);
  ADD_WITH ("producer/dies/format", 2, test_producer_dies);
  ADD_WITH ("producer/dies/synced", 3, test_producer_dies);
  ADD_WITH ("producer/dies/published", 4, test_producer_dies);
  ADD_WITH ("producer/doorbell/closed", "closed", test_doorbell);
  ADD_WITH ("producer/doorbell/pipe", "pipe", test_doorbell);
  ADD ("producer/doorbell/flood", test_doorbell_flood);
  ADD_WITH ("producer/noise/latest", 0, test_noisy_producer);
  ADD_WITH ("producer/noise/ordered", 1, test_noisy_producer);
  ADD_WITH ("producer/noise/lossless", 2, test_noisy_producer);
  ADD ("producer/absurd-descriptors", test_absurd_descriptors);
  ADD ("producer/resync-flood", test_resync_flood);
  ADD ("producer/event-flood", test_event_flood);
  ADD ("producer/segment-flood", test_segment_flood);
  ADD ("producer/committed-lie", test_committed_lie);
  ADD ("producer/formats", test_hostile_formats);
  ADD ("producer/format-flood", test_format_flood);
  ADD ("producer/text", test_text_abuse);
  ADD ("producer/timeout-under-events", test_timeout_under_events);
  ADD ("producer/timeout-under-frames", test_timeout_under_frames);
  ADD ("producer/lingering", test_lingering_producer);
  ADD ("observer/lies", test_observer_lies);
  ADD ("observer/noise", test_observer_noise);
  ADD_WITH ("observer/flood/attach", "attach", test_observer_flood);
  ADD_WITH ("observer/flood/query", "query 300", test_observer_flood);
  ADD_WITH ("observer/flood/latest", "latest", test_observer_flood);
  ADD_WITH ("observer/flood/copy", "observe 0", test_observer_flood);
  ADD ("consumer/memory", test_memory);
  ADD ("consumer/punched-page", test_punched_page);
  ADD_WITH ("consumer/noise/latest", 0, test_page_noise);
  ADD_WITH ("consumer/noise/ordered", 1, test_page_noise);
  ADD_WITH ("consumer/noise/lossless", 2, test_page_noise);
  ADD_WITH ("consumer/noise/tickets", 10, test_page_noise);
  ADD_WITH ("consumer/noise/hazards", 21, test_page_noise);
  ADD ("consumer/consumed", test_consumed_lies);
  ADD ("consumer/requeue", test_requeue);
  ADD ("consumer/many-sleepers", test_many_sleepers);
  ADD ("consumer/garbage", test_garbage);
  ADD ("consumer/odd-messages", test_odd_messages);
  ADD ("consumer/program-names", test_program_names);
  ADD ("consumer/message-flood", test_message_flood);
  ADD ("consumer/connect-flood", test_connect_flood);
  ADD ("consumer/unread", test_unread_socket);
  ADD ("consumer/detached", test_detached_gets_no_segments);
  ADD ("consumer/stats-flood", test_stats_flood);
  ADD ("consumer/dies", test_consumer_dies);
  ADD_WITH ("consumer/lingering/attach", NULL, test_lingering_consumer);
  ADD_WITH ("consumer/lingering/later", "", test_lingering_consumer);
  ADD ("consumer/admission-does-not-block", test_admission_does_not_block);
  if (getuid () == 0) /* these are another user, too */
    {
      ADD ("consumer/memory-as-nobody", test_memory_as_nobody);
      ADD ("consumer/permission", test_permission);
      ADD_WITH ("consumer/starve/observers", attach_observers, test_starve);
      ADD_WITH ("consumer/starve/leases", take_all_leases, test_starve);
      ADD_WITH ("consumer/starve/connections", connect_for_ever, test_starve);
    }
  failed = g_test_run ();
  g_rmdir (folder);
  return failed;
}
