/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The protocol spoken by hand, on either side, with sockets and memfds of the test's own: what a
 * hostile peer can do that the library would not. Only the encoding of well-formed messages is the
 * library's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/slot.h"
#include "control/message.h"

#define RAW_MAX_FDS 20
#define RAW_PATIENCE_MS 10000
#define RAW_CONTROL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define RAW_SEGMENT_SEALS (RAW_CONTROL_SEALS | F_SEAL_FUTURE_WRITE)

/* ---- sockets ------------------------------------------------------------------------------- */

static inline struct sockaddr_un
raw_address (const char *pool)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  g_snprintf (address.sun_path, sizeof address.sun_path, "%s/%s.sock",
              g_getenv ("SHMFRAME_RUNTIME_DIR"), pool);
  return address;
}

/* A peer that does not read must not hold up the test for ever. */
static inline void
raw_be_patient (int fd)
{
  struct timeval patience = { .tv_sec = RAW_PATIENCE_MS / 1000 };

  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience));
}

/* -1 where nobody takes it. */
static inline int
raw_connect (const char *pool)
{
  struct sockaddr_un address = raw_address (pool);
  int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

  g_assert_no_errno (fd);
  raw_be_patient (fd);
  if (connect (fd, (struct sockaddr *) &address, sizeof address) == 0)
    return fd;
  close (fd);
  return -1;
}

static inline ssize_t
raw_send_bytes (int fd, const void *data, gsize size, const int *fds, guint n_fds, int flags)
{
  char control[CMSG_SPACE (RAW_MAX_FDS * sizeof (int))] __attribute__ ((aligned (8))) = { 0 };
  struct iovec part = { (void *) data, size };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

  if (n_fds > 0)
    {
      struct cmsghdr *rights = (struct cmsghdr *) (void *) control;

      header.msg_control = control;
      header.msg_controllen = CMSG_SPACE (n_fds * sizeof (int));
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN (n_fds * sizeof (int));
      memcpy (CMSG_DATA (rights), fds, n_fds * sizeof (int));
    }
  return sendmsg (fd, &header, MSG_NOSIGNAL | flags);
}

/* FALSE when the peer has closed, or there is no room: in time, or at once with MSG_DONTWAIT. */
static inline gboolean
raw_send (int fd, const ShmFrameMessage *message, const int *fds, guint n_fds, int flags)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = shmframe_message_encode (message, n_fds, &error);
  gsize size;
  const void *data;

  g_assert_no_error (error);
  data = g_bytes_get_data (bytes, &size);
  return raw_send_bytes (fd, data, size, fds, n_fds, flags) >= 0;
}

/* TRUE: a message; its descriptors (*n_fds of them) are the caller's. FALSE: closed, or nothing in
 * time. */
static inline gboolean
raw_receive (int fd, ShmFrameMessage *message, int *fds, guint *n_fds, int timeout_ms)
{
  char control[CMSG_SPACE (RAW_MAX_FDS * sizeof (int))] __attribute__ ((aligned (8)));
  g_autofree guint8 *data = g_malloc (SHMFRAME_MESSAGE_MAX);
  struct iovec part = { data, SHMFRAME_MESSAGE_MAX };
  struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                           .msg_controllen = sizeof control };
  struct pollfd pfd = { .fd = fd, .events = POLLIN };
  g_autoptr (GError) error = NULL;
  ssize_t size;
  guint said;

  *n_fds = 0;
  if (poll (&pfd, 1, timeout_ms) <= 0)
    return FALSE;
  size = recvmsg (fd, &header, MSG_CMSG_CLOEXEC);
  if (size <= 0)
    return FALSE;
  for (struct cmsghdr *c = CMSG_FIRSTHDR (&header); c != NULL; c = CMSG_NXTHDR (&header, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
      {
        *n_fds = (guint) ((c->cmsg_len - CMSG_LEN (0)) / sizeof (int));
        memcpy (fds, CMSG_DATA (c), *n_fds * sizeof (int));
      }
  g_assert_true (shmframe_message_decode (message, data, (gsize) size, &said, &error));
  g_assert_cmpuint (said, ==, *n_fds);
  return TRUE;
}

/* Until the peer ends the connection; what it says meanwhile does not matter. */
static inline gboolean
raw_await_end (int fd)
{
  gint64 end = g_get_monotonic_time () + RAW_PATIENCE_MS * 1000;
  char byte;

  while (g_get_monotonic_time () < end)
    {
      struct pollfd pfd = { .fd = fd, .events = POLLIN };

      if (poll (&pfd, 1, RAW_PATIENCE_MS) > 0 && recv (fd, &byte, 1, MSG_DONTWAIT) <= 0)
        return TRUE;
    }
  return FALSE;
}

/* A socket whose last close() sleeps for that long: it has unsent data, and lingers. */
static inline int
raw_lingering_socket (int seconds)
{
  struct sockaddr_in address = { .sin_family = AF_INET };
  struct linger linger = { 1, seconds };
  static char zeros[65536];
  socklen_t length = sizeof address;
  int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  if (bind (listener, (struct sockaddr *) &address, sizeof address) < 0
      || listen (listener, 1) < 0
      || getsockname (listener, (struct sockaddr *) &address, &length) < 0
      || connect (fd, (struct sockaddr *) &address, sizeof address) < 0)
    return -1;
  while (send (fd, zeros, sizeof zeros, MSG_DONTWAIT) > 0)
    ;
  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
  return fd; /* the listener stays open, so that nothing is reset */
}

/* At once, where this is the last of it. */
static inline void
raw_close_lingering (int fd)
{
  struct linger none = { 1, 0 };

  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_LINGER, &none, sizeof none));
  close (fd);
}

/* ---- a consumer ---------------------------------------------------------------------------- */

typedef struct
{
  int socket, segment_fd, page_fd, doorbell;
  ShmFrameMessage welcome;
  void *segment;
  ShmFrameView view;
  ShmFrameControl *page;
} RawConsumer;

static inline ShmFrameMessage
raw_attach_message (guint role, guint delivery, guint leases)
{
  return (ShmFrameMessage){ .type = SHMFRAME_MESSAGE_ATTACH, .role = role, .delivery = delivery,
                            .leases = leases, .text = (char *) "hostile" };
}

/* FALSE: refused. */
static inline gboolean
raw_attach (RawConsumer *self, const char *pool, guint delivery, guint leases)
{
  ShmFrameMessage attach = raw_attach_message (SHMFRAME_ROLE_CONSUMER, delivery, leases);
  int fds[RAW_MAX_FDS];
  guint n_fds;

  *self = (RawConsumer){ .doorbell = -1 };
  self->socket = raw_connect (pool);
  if (self->socket < 0 || !raw_send (self->socket, &attach, NULL, 0, 0)
      || !raw_receive (self->socket, &self->welcome, fds, &n_fds, RAW_PATIENCE_MS)
      || self->welcome.type != SHMFRAME_MESSAGE_WELCOME)
    return FALSE;
  g_assert_cmpuint (n_fds, >=, 2);
  self->segment_fd = fds[0];
  self->page_fd = fds[1];
  self->segment = mmap (NULL, self->welcome.layout.size, PROT_READ, MAP_SHARED, fds[0], 0);
  self->page = mmap (NULL, SHMFRAME_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[1], 0);
  g_assert_true (self->segment != MAP_FAILED && self->page != MAP_FAILED);
  shmframe_view_init (&self->view, self->segment, &self->welcome.layout);
  return TRUE;
}

static inline void
raw_detach (RawConsumer *self)
{
  munmap (self->segment, self->welcome.layout.size);
  munmap (self->page, SHMFRAME_PAGE_SIZE);
  close (self->segment_fd);
  close (self->page_fd);
  close (self->socket);
  shmframe_message_clear (&self->welcome);
}

/* ---- a producer ---------------------------------------------------------------------------- */

typedef struct
{
  struct sockaddr_un address;
  int listener, socket;
  ShmFrameLayout layout;
  int segment_fd, page_fd;
  guint8 *segment; /* writable */
  ShmFrameView view;
  ShmFrameControl *page;
  guint64 sequence;
} RawProducer;

static inline int
raw_memory (gsize size, int seals, void **data)
{
  int fd = memfd_create ("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

  g_assert_no_errno (fd);
  g_assert_no_errno (ftruncate (fd, (off_t) size));
  if (data)
    {
      *data = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      g_assert_true (*data != MAP_FAILED);
    }
  if (seals)
    g_assert_no_errno (fcntl (fd, F_ADD_SEALS, seals));
  return fd;
}

static inline void
raw_segment_new (RawProducer *self, guint number, guint slots, guint64 payload, guint metadata)
{
  ShmFrameHeader *header;
  void *data;

  if (self->segment)
    {
      munmap (self->segment, self->layout.size);
      close (self->segment_fd);
    }
  g_assert_true (shmframe_layout_init (&self->layout, 77, number, slots, payload, metadata));
  self->segment_fd = raw_memory (self->layout.size, RAW_SEGMENT_SEALS, &data);
  self->segment = data;
  header = data;
  header->magic = SHMFRAME_SEGMENT_MAGIC;
  header->version = SHMFRAME_ABI_VERSION;
  header->header_size = sizeof *header;
  header->epoch = self->layout.epoch;
  header->segment = self->layout.segment;
  header->slot_count = self->layout.slot_count;
  header->payload_size = self->layout.payload_size;
  header->metadata_size = self->layout.metadata_size;
  header->ring_size = self->layout.ring_size;
  header->slots_offset = self->layout.slots_offset;
  shmframe_view_init (&self->view, data, &self->layout);
}

static inline void
raw_producer_new (RawProducer *self, const char *pool)
{
  void *page;

  *self = (RawProducer){ .socket = -1 };
  self->address = raw_address (pool);
  self->listener = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  g_assert_no_errno (bind (self->listener, (struct sockaddr *) &self->address,
                           sizeof self->address));
  g_assert_no_errno (listen (self->listener, 100));
  self->page_fd = raw_memory (SHMFRAME_PAGE_SIZE, RAW_CONTROL_SEALS, &page);
  self->page = page;
  shmframe_slot_init_control (self->page, 5, 0);
  raw_segment_new (self, 1, 4, 4096, 4096);
}

/* Takes the next connection and its ATTACH. */
static inline gboolean
raw_accept (RawProducer *self)
{
  g_auto (ShmFrameMessage) attach = { 0 };
  struct pollfd pfd = { .fd = self->listener, .events = POLLIN };
  int fds[RAW_MAX_FDS];
  guint n_fds;

  if (self->socket >= 0)
    close (self->socket);
  self->socket = -1;
  if (poll (&pfd, 1, RAW_PATIENCE_MS) <= 0)
    return FALSE;
  self->socket = accept4 (self->listener, NULL, NULL, SOCK_CLOEXEC);
  if (self->socket >= 0)
    raw_be_patient (self->socket);
  return self->socket >= 0 && raw_receive (self->socket, &attach, fds, &n_fds, RAW_PATIENCE_MS)
         && attach.type == SHMFRAME_MESSAGE_ATTACH;
}

static inline ShmFrameMessage
raw_welcome_message (const RawProducer *self)
{
  return (ShmFrameMessage){
    .type = SHMFRAME_MESSAGE_WELCOME, .text = (char *) "hostile", .layout = self->layout,
    .cookie = 5, .latest = shmframe_handle (self->sequence, 0), .leases = 4, .history = 1,
    .window = 4, .in_flight = 1,
  };
}

static inline gboolean
raw_welcome (RawProducer *self)
{
  ShmFrameMessage welcome = raw_welcome_message (self);
  int fds[] = { self->segment_fd, self->page_fd };

  return raw_send (self->socket, &welcome, fds, 2, 0);
}

/* An EVENT; takes a floating value. */
static inline gboolean
raw_event (RawProducer *self, guint64 number, const char *name, GVariant *value, int flags)
{
  g_autoptr (GVariant) owned = value ? g_variant_ref_sink (value) : NULL;
  ShmFrameMessage event = { .type = SHMFRAME_MESSAGE_EVENT, .number = number, .sticky = TRUE,
                            .name = (char *) name, .value = owned };

  return raw_send (self->socket, &event, NULL, 0, flags);
}

/* Format `number`: gray, 64 x 64. */
static inline gboolean
raw_format (RawProducer *self, guint64 event, guint number)
{
  static const guint64 offsets[] = { 0 };
  static const gint32 strides[] = { 64 };
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "number", "u", number);
  g_variant_dict_insert (&dict, "media-type", "s", "video/x-raw");
  g_variant_dict_insert (&dict, "pixel-format", "s", "gray");
  g_variant_dict_insert (&dict, "width", "u", 64);
  g_variant_dict_insert (&dict, "height", "u", 64);
  g_variant_dict_insert (&dict, "size", "t", (guint64) 4096);
  g_variant_dict_insert_value (&dict, "offsets",
                               g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, offsets, 1, 8));
  g_variant_dict_insert_value (&dict, "strides",
                               g_variant_new_fixed_array (G_VARIANT_TYPE_INT32, strides, 1, 4));
  return raw_event (self, event, "format", g_variant_dict_end (&dict), 0);
}

static inline gboolean
raw_resync (RawProducer *self, guint64 number, guint64 lost)
{
  ShmFrameMessage resync
      = { .type = SHMFRAME_MESSAGE_RESYNC, .number = number, .lost = lost };

  return raw_send (self->socket, &resync, NULL, 0, 0);
}

/* The whole handshake, up to a consumer that is ready for frames of format 1. */
static inline gboolean
raw_handshake (RawProducer *self)
{
  return raw_accept (self) && raw_welcome (self) && raw_format (self, 1, 1)
         && raw_resync (self, 1, 0);
}

static inline ShmFrameDescriptor
raw_descriptor (void)
{
  return (ShmFrameDescriptor){ .payload_size = 4096, .flags = 1, .format = 1, .events = 1,
                               .publish_ns = g_get_monotonic_time () * 1000 };
}

static inline void
raw_ring (RawProducer *self)
{
  shmframe_slot_fence ();
  shmframe_slot_ring (self->page);
  syscall (SYS_futex, &self->page->bell, FUTEX_WAKE, G_MAXINT, NULL, NULL, 0);
}

static inline void
raw_publish (RawProducer *self, const ShmFrameDescriptor *descriptor)
{
  guint64 sequence = ++self->sequence;

  shmframe_slot_publish (
      &self->view, shmframe_handle (sequence, (guint) (sequence % self->layout.slot_count)),
      descriptor);
  raw_ring (self);
}

static inline void
raw_producer_free (RawProducer *self)
{
  if (self->socket >= 0)
    close (self->socket);
  close (self->listener);
  unlink (self->address.sun_path);
  munmap (self->segment, self->layout.size);
  munmap (self->page, SHMFRAME_PAGE_SIZE);
  close (self->segment_fd);
  close (self->page_fd);
}
