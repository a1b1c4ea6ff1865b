/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <shmframe/error.h>
#include <shmframe/observer.h>
#include <string.h>
#include <unistd.h>

#include "api/frame-private.h"
#include "control/connection.h"
#include "control/message.h"
#include "control/name.h"
#include "control/segment.h"
#include "os/wake.h"

#define COPY_ATTEMPTS 8
#define DRAIN_MAX 256 /* messages taken in at once */
#define FORMATS_KEPT 8
/* The control thread sends a format as soon as it is set, but its first frame can be quicker. */
#define FORMAT_TIMEOUT_NS (G_GINT64_CONSTANT (1000) * 1000 * 1000)

typedef struct
{
  guint32 number;
  ShmFrameFormat *format;
} KnownFormat;

/*
 * An observer has no thread: whoever calls reads what came on the socket, waits on it where an answer
 * is needed, and looks into the mapping. After SEGMENT the old segment is kept until the new one has
 * its first frame, so that there is always a newest frame to look at.
 */
struct _ShmFrameObserver
{
  GObject parent_instance;

  char *pool;
  ShmFrameConnection *connection;
  GError *ended;                     /* why nothing comes any more; what is mapped stays readable */
  ShmFrameSegment *segment;          /* NULL until the producer has a format */
  ShmFrameSegment *previous;         /* NULL, or the one before, while `segment` is still empty */
  KnownFormat formats[FORMATS_KEPT]; /* at number % FORMATS_KEPT */
  guint32 newest_format;
  gboolean attached; /* the producer has said all that it says at first */
  gboolean asked;    /* a STATS question is unanswered: this one, or one that timed out */
};

G_DEFINE_FINAL_TYPE (ShmFrameObserver, shmframe_observer, G_TYPE_OBJECT)

static void
shmframe_observer_finalize (GObject *object)
{
  ShmFrameObserver *self = SHMFRAME_OBSERVER (object);

  for (guint i = 0; i < FORMATS_KEPT; i++)
    g_clear_pointer (&self->formats[i].format, shmframe_format_unref);
  g_clear_pointer (&self->segment, shmframe_segment_unref);
  g_clear_pointer (&self->previous, shmframe_segment_unref);
  g_clear_pointer (&self->connection, shmframe_connection_free);
  g_clear_error (&self->ended);
  g_free (self->pool);
  G_OBJECT_CLASS (shmframe_observer_parent_class)->finalize (object);
}

static void
shmframe_observer_class_init (ShmFrameObserverClass *class)
{
  G_OBJECT_CLASS (class)->finalize = shmframe_observer_finalize;
}

static void
shmframe_observer_init (ShmFrameObserver *self)
{
}

/* ---- what comes on the socket -------------------------------------------------------------- */

static gboolean
take_segment (ShmFrameObserver *self, const ShmFrameMessage *message, const int *fds, guint n_fds,
              GError **error)
{
  ShmFrameSegment *segment;

  if (n_fds != 1)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "pool %s: the producer sent an observer %u descriptors, not one", self->pool,
                   n_fds);
      return FALSE;
    }
  segment = shmframe_segment_map (fds[0], &message->layout, error);
  if (segment == NULL)
    return FALSE;
  g_clear_pointer (&self->previous, shmframe_segment_unref);
  self->previous = g_steal_pointer (&self->segment);
  self->segment = segment;
  if (message->type == SHMFRAME_MESSAGE_SEGMENT)
    {
      ShmFrameMessage seen
          = { .type = SHMFRAME_MESSAGE_SEGMENT_SEEN, .segment = message->layout.segment };

      /* A full socket (FALSE without an error) only delays the producer's next segment for us. */
      return shmframe_connection_send (self->connection, &seen, NULL, 0, error) || *error == NULL;
    }
  return TRUE;
}

static gboolean
take_format (ShmFrameObserver *self, GVariant *value, GError **error)
{
  g_autoptr (ShmFrameFormat) format = NULL;
  KnownFormat *known;
  guint32 number;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT)
      || !g_variant_lookup (value, "number", "u", &number) || number == 0)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "pool %s: the producer sent a format without a number", self->pool);
      return FALSE;
    }
  format = shmframe_format_new_from_variant (value, error);
  if (format == NULL)
    return FALSE;
  known = &self->formats[number % FORMATS_KEPT];
  g_clear_pointer (&known->format, shmframe_format_unref);
  known->number = number;
  known->format = g_steal_pointer (&format);
  self->newest_format = number;
  return TRUE;
}

static gboolean
take_message (ShmFrameObserver *self, const ShmFrameMessage *message, const int *fds, guint n_fds,
              GError **error)
{
  switch (message->type)
    {
    case SHMFRAME_MESSAGE_WELCOME:
    case SHMFRAME_MESSAGE_SEGMENT:
      return message->layout.slot_count == 0 || take_segment (self, message, fds, n_fds, error);
    case SHMFRAME_MESSAGE_EVENT:
      return g_strcmp0 (message->name, "format") != 0 || message->value == NULL
             || take_format (self, message->value, error);
    case SHMFRAME_MESSAGE_REFUSED:
      g_set_error (error, SHMFRAME_ERROR,
                   message->code <= SHMFRAME_ERROR_CLOSED ? (gint) message->code
                                                          : SHMFRAME_ERROR_REFUSED,
                   "%s", message->text != NULL ? message->text : "the producer gave no reason");
      return FALSE;
    case SHMFRAME_MESSAGE_EVICTED:
    case SHMFRAME_MESSAGE_BYE:
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED,
                   "pool %s: the producer %s: %s; attach again", self->pool,
                   message->type == SHMFRAME_MESSAGE_BYE ? "has ended" : "ended the connection",
                   message->text != NULL ? message->text : "no reason given");
      return FALSE;
    default:
      return TRUE;
    }
}

/* No BYE came before, or nothing would be received any more. */
static void
set_died (ShmFrameObserver *self)
{
  g_clear_error (&self->ended);
  g_set_error (&self->ended, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED,
               "pool %s: the producer died, or was killed", self->pool);
}

/* Receives and takes in one message. 1: one came; 0: none there; -1: the connection has ended. */
static int
receive (ShmFrameObserver *self, ShmFrameMessage *message)
{
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds = 0;
  int received;

  if (self->ended != NULL)
    return -1;
  received = shmframe_connection_receive (self->connection, message, fds, &n_fds, &self->ended);
  if (received < 0 && self->attached
      && g_error_matches (self->ended, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED))
    set_died (self);
  if (received == 1 && !take_message (self, message, fds, n_fds, &self->ended))
    received = -1;
  shmframe_connection_close_fds (fds, n_fds,
                                 received == 1
                                     && (message->type == SHMFRAME_MESSAGE_WELCOME
                                         || message->type == SHMFRAME_MESSAGE_SEGMENT));
  if (received < 0)
    g_clear_pointer (&self->connection, shmframe_connection_free);
  return received;
}

/* Bounded: a producer that sends without end does not keep us here. */
static void
drain (ShmFrameObserver *self)
{
  guint n = 0;
  int received;

  do
    {
      g_auto (ShmFrameMessage) message = { 0 };

      received = receive (self, &message);
      if (received == 1 && message.type == SHMFRAME_MESSAGE_STATS)
        self->asked = FALSE;
    }
  while (received == 1 && ++n < DRAIN_MAX);
}

static gboolean
is_past (gint64 deadline_ns)
{
  return deadline_ns >= 0 && shmframe_wake_now () >= deadline_ns;
}

/* Sleeps until the socket has something, or the producer is dead, or the deadline (-1: never). */
static gboolean
wait_readable (ShmFrameObserver *self, gint64 deadline_ns, const char *what, GError **error)
{
  GPollFD fds[] = {
    { .fd = shmframe_connection_get_fd (self->connection), .events = G_IO_IN },
    { .fd = shmframe_connection_get_pidfd (self->connection), .events = G_IO_IN },
  };
  gint64 left_ns = deadline_ns < 0 ? 0 : MAX (0, deadline_ns - shmframe_wake_now ());
  gint timeout_ms = deadline_ns < 0 ? -1 : (gint) MIN (G_MAXINT, (left_ns + 999999) / 1000000);
  guint n_fds = fds[1].fd >= 0 ? 2 : 1;
  int ready = g_poll (fds, n_fds, timeout_ms);

  if (ready == 0 || is_past (deadline_ns))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT,
                   "pool %s: the producer did not answer %s in time; is it stopped?", self->pool,
                   what);
      return FALSE;
    }
  if (ready > 0 && fds[0].revents == 0)
    set_died (self); /* all that it had sent is read: the socket can stay open in a forked child */
  return TRUE;
}

/* Waits for a message of one type, taking in whatever else comes before it. */
static gboolean
await (ShmFrameObserver *self, ShmFrameMessageType type, ShmFrameMessage *message,
       gint64 deadline_ns, const char *what, GError **error)
{
  for (;;)
    {
      int received = receive (self, message);

      if (received == 1 && message->type == SHMFRAME_MESSAGE_STATS)
        self->asked = FALSE;
      if (received == 1 && message->type == type)
        return TRUE;
      shmframe_message_clear (message);
      if (received < 0)
        {
          g_propagate_error (error, g_error_copy (self->ended));
          return FALSE;
        }
      /* Other messages without end do not make it wait longer. */
      if ((received == 0 || is_past (deadline_ns))
          && !wait_readable (self, deadline_ns, what, error))
        return FALSE;
    }
}

/* ---- attaching ----------------------------------------------------------------------------- */

static gboolean
open_connection (ShmFrameObserver *self, char **path, GError **error)
{
  g_autoptr (GError) last = NULL;
  g_auto (GStrv) paths = shmframe_name_consumer_paths (self->pool, error);
  g_autofree char *places = NULL;

  if (paths == NULL)
    return FALSE;
  for (guint i = 0; paths[i] != NULL && self->connection == NULL; i++)
    {
      g_autoptr (GError) local = NULL;

      self->connection = shmframe_connection_open (paths[i], &local);
      if (self->connection != NULL)
        *path = g_strdup (paths[i]);
      /* What hinders says more than what is merely not there. */
      if (local != NULL
          && (last == NULL || !g_error_matches (local, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND)))
        {
          g_clear_error (&last);
          last = g_steal_pointer (&local);
        }
    }
  if (self->connection != NULL)
    return TRUE;
  if (last != NULL && !g_error_matches (last, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&last));
      return FALSE;
    }
  places = g_strjoinv (", ", paths);
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND,
               "pool %s: no producer has that name (looked for %s); start one, or name the pool by "
               "its socket's path",
               self->pool, places);
  return FALSE;
}

static gboolean
await_attach (ShmFrameObserver *self, const char *path, gint64 deadline_ns, GError **error)
{
  g_auto (ShmFrameMessage) welcome = { 0 };
  g_auto (ShmFrameMessage) resync = { 0 };
  g_autoptr (GError) local = NULL;
  guint pid;

  /* RESYNC ends the sticky state, which has the format. */
  self->attached
      = await (self, SHMFRAME_MESSAGE_WELCOME, &welcome, deadline_ns, "the attach", &local)
        && await (self, SHMFRAME_MESSAGE_RESYNC, &resync, deadline_ns, "the attach", &local);
  if (g_error_matches (local, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT)
      && shmframe_name_query (path, &pid) == SHMFRAME_NAME_FOREIGN)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT,
                 "pool %s: no answer from %s: not a pool, but another program's socket", self->pool,
                 path);
  else if (local != NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  return self->attached;
}

static gboolean
attach (ShmFrameObserver *self, gint64 deadline_ns, GError **error)
{
  ShmFrameMessage request = { .type = SHMFRAME_MESSAGE_ATTACH,
                              .role = SHMFRAME_ROLE_OBSERVER,
                              .text = (char *) g_get_prgname () };
  g_autofree char *path = NULL;
  g_autoptr (GError) local = NULL;

  if (!open_connection (self, &path, error))
    return FALSE;
  if (!shmframe_connection_send (self->connection, &request, NULL, 0, &local))
    {
      if (local == NULL)
        g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FAILED,
                     "pool %s: no room in a fresh socket to attach; try again", self->pool);
      /* Closed: a refusal may be there to be read, which says more. */
      if (!g_error_matches (local, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED))
        {
          if (local != NULL)
            g_propagate_error (error, g_steal_pointer (&local));
          return FALSE;
        }
    }
  return await_attach (self, path, deadline_ns, error);
}

/**
 * shmframe_observer_new:
 * @pool: name of a pool, or the absolute path of its socket
 * @timeout_ns: how long to wait for the producer's answer, in ns; negative: for ever
 * @error: return location for an error
 *
 * Connects to a live pool as an observer. A pool that has no format yet is observed too: it has no
 * slots until then.
 *
 * Errors: %SHMFRAME_ERROR_NAME, %SHMFRAME_ERROR_NOT_FOUND, %SHMFRAME_ERROR_PERMISSION,
 * %SHMFRAME_ERROR_REFUSED, %SHMFRAME_ERROR_PROTOCOL, %SHMFRAME_ERROR_CLOSED,
 * %SHMFRAME_ERROR_TIMED_OUT.
 *
 * Returns: (transfer full): an observer, or %NULL with an error
 *
 * Since: 1.0
 */
ShmFrameObserver *
shmframe_observer_new (const char *pool, gint64 timeout_ns, GError **error)
{
  g_autoptr (ShmFrameObserver) self = NULL;

  g_return_val_if_fail (pool != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  self = g_object_new (SHMFRAME_TYPE_OBSERVER, NULL);
  self->pool = g_strdup (pool);
  if (!attach (self, shmframe_wake_deadline (timeout_ns), error))
    return NULL;
  return g_steal_pointer (&self);
}

/* ---- statistics ---------------------------------------------------------------------------- */

static gboolean
ask (ShmFrameObserver *self, gint64 deadline_ns, GError **error)
{
  ShmFrameMessage question = { .type = SHMFRAME_MESSAGE_STATS };
  g_auto (ShmFrameMessage) late = { 0 };
  g_autoptr (GError) local = NULL;

  drain (self);
  /* The late answer to a question that timed out must not be taken for the one to this. */
  if (self->asked && !await (self, SHMFRAME_MESSAGE_STATS, &late, deadline_ns, "a question", error))
    return FALSE;
  if (self->ended == NULL
      && shmframe_connection_send (self->connection, &question, NULL, 0, &local))
    {
      self->asked = TRUE;
      return TRUE;
    }
  /* Closed: why may be there to be read. */
  if (g_error_matches (local, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED))
    drain (self);
  if (self->ended == NULL)
    self->ended = g_steal_pointer (&local);
  if (self->ended != NULL)
    g_propagate_error (error, g_error_copy (self->ended));
  else
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT,
                 "pool %s: the producer reads no questions; is it stopped?", self->pool);
  return FALSE;
}

/**
 * shmframe_observer_query_stats:
 * @self: an observer
 * @timeout_ns: how long to wait for the answer, in ns; negative: for ever
 * @error: return location for an error
 *
 * Asks the producer for its statistics. Its control thread answers: the publishing path does not
 * notice. The dictionary is the one of shmframe_producer_get_stats(), as the producer says: look its
 * keys up with their types.
 *
 * Errors: %SHMFRAME_ERROR_TIMED_OUT, %SHMFRAME_ERROR_CLOSED, %SHMFRAME_ERROR_PROTOCOL.
 *
 * Returns: (transfer full): an a{sv}, or %NULL with an error
 *
 * Since: 1.0
 */
GVariant *
shmframe_observer_query_stats (ShmFrameObserver *self, gint64 timeout_ns, GError **error)
{
  g_auto (ShmFrameMessage) answer = { 0 };
  gint64 deadline_ns = shmframe_wake_deadline (timeout_ns);

  g_return_val_if_fail (SHMFRAME_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!ask (self, deadline_ns, error)
      || !await (self, SHMFRAME_MESSAGE_STATS, &answer, deadline_ns, "a question", error))
    return NULL;
  if (answer.value == NULL || !g_variant_is_of_type (answer.value, G_VARIANT_TYPE_VARDICT))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "pool %s: the producer's statistics are no dictionary", self->pool);
      return NULL;
    }
  return g_variant_ref (answer.value);
}

/* ---- looking into the segment -------------------------------------------------------------- */

/* The segment with the newest frame, or NULL; *latest is that frame's handle, or none. */
static ShmFrameSegment *
newest_segment (ShmFrameObserver *self, guint64 *latest)
{
  *latest = SHMFRAME_HANDLE_NONE;
  drain (self);
  if (self->segment == NULL)
    return NULL;
  *latest = shmframe_slot_latest (&self->segment->view);
  if (*latest != SHMFRAME_HANDLE_NONE)
    {
      g_clear_pointer (&self->previous, shmframe_segment_unref);
      return self->segment;
    }
  if (self->previous == NULL)
    return self->segment;
  *latest = shmframe_slot_latest (&self->previous->view);
  return self->previous;
}

/**
 * shmframe_observer_get_latest:
 * @self: an observer
 *
 * Gets the sequence of the newest frame.
 *
 * Returns: the sequence, or 0 where there is none yet
 *
 * Since: 1.0
 */
guint64
shmframe_observer_get_latest (ShmFrameObserver *self)
{
  guint64 latest;

  g_return_val_if_fail (SHMFRAME_IS_OBSERVER (self), 0);

  newest_segment (self, &latest);
  return shmframe_handle_sequence (latest);
}

static GVariant *
describe_slot (const ShmFrameView *view, guint slot)
{
  guint64 generation = shmframe_slot_generation (view, slot);
  guint64 sequence = shmframe_generation_sequence (generation);
  guint state = shmframe_generation_state (generation);
  ShmFrameDescriptor descriptor = { .publish_ns = SHMFRAME_TIME_NONE };

  if (state == SHMFRAME_STATE_LIVE || state == SHMFRAME_STATE_RETIRED)
    {
      shmframe_slot_descriptor (view, slot, &descriptor);
      if (!shmframe_slot_intact (view, shmframe_handle (sequence, slot)))
        descriptor = (ShmFrameDescriptor){ .publish_ns = SHMFRAME_TIME_NONE };
    }
  return g_variant_new ("(uttxtu)", state, generation, sequence, descriptor.publish_ns,
                        descriptor.payload_size, descriptor.format);
}

/**
 * shmframe_observer_dup_slots:
 * @self: an observer
 *
 * Describes each slot of the segment as shared memory has it now: a(uttxtu) of state (0 empty, 1
 * live, 2 retired, 3 writing), generation, sequence, publish time in ns of CLOCK_MONOTONIC
 * (%SHMFRAME_TIME_UNKNOWN where the slot has no frame), payload bytes and format number.
 *
 * Returns: (transfer full): the slots; none while the pool has no format yet
 *
 * Since: 1.0
 */
GVariant *
shmframe_observer_dup_slots (ShmFrameObserver *self)
{
  GVariantBuilder builder;
  ShmFrameSegment *segment;
  guint64 latest;

  g_return_val_if_fail (SHMFRAME_IS_OBSERVER (self), NULL);

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(uttxtu)"));
  segment = newest_segment (self, &latest);
  for (guint slot = 0; segment != NULL && slot < segment->layout.slot_count; slot++)
    g_variant_builder_add_value (&builder, describe_slot (&segment->view, slot));
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* ---- copying a frame out ------------------------------------------------------------------- */

typedef struct
{
  ShmFrameDescriptor descriptor;
  gpointer payload; /* kept from one attempt to the next: its first touch is what takes long */
  gsize capacity;
  GBytes *metadata;     /* or NULL */
  gboolean description; /* no payload, no metadata */
} Copy;

typedef enum
{
  COPY_DONE,
  COPY_GONE,      /* not there, or overtaken while it was copied */
  COPY_IMPOSSIBLE /* *error says why */
} CopyResult;

static gboolean
make_room (Copy *copy, const ShmFrameLayout *layout, GError **error)
{
  gsize size = copy->descriptor.payload_size;

  if (size > layout->payload_size)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "the frame's descriptor claims %" G_GSIZE_FORMAT
                   " bytes, its slot has %" G_GUINT64_FORMAT,
                   size, layout->payload_size);
      return FALSE;
    }
  if (copy->payload != NULL && size <= copy->capacity)
    return TRUE;
  g_free (copy->payload);
  copy->capacity = size;
  copy->payload = g_try_malloc (MAX (1, size));
  if (copy->payload == NULL)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_MEMORY,
                 "no memory to copy a frame of %" G_GSIZE_FORMAT " bytes", size);
  return copy->payload != NULL;
}

/* One optimistic copy: the generation before and after says whether all of it is that frame. */
static CopyResult
copy_handle (ShmFrameSegment *segment, guint64 handle, Copy *copy, GError **error)
{
  const guint8 *base = shmframe_memory_get_data (segment->memory);
  guint slot = shmframe_handle_slot (handle);
  guint64 generation;
  guint state;

  if (handle == SHMFRAME_HANDLE_NONE || slot >= segment->layout.slot_count)
    return COPY_GONE;
  generation = shmframe_slot_generation (&segment->view, slot);
  state = shmframe_generation_state (generation);
  if (shmframe_generation_sequence (generation) != shmframe_handle_sequence (handle)
      || (state != SHMFRAME_STATE_LIVE && state != SHMFRAME_STATE_RETIRED))
    return COPY_GONE;
  shmframe_slot_descriptor (&segment->view, slot, &copy->descriptor);
  /* Judge the descriptor only once it is known to be one and not a mixture of two. */
  if (!shmframe_slot_intact (&segment->view, handle))
    return COPY_GONE;
  if (copy->description)
    return COPY_DONE;
  if (!make_room (copy, &segment->layout, error))
    return COPY_IMPOSSIBLE;
  memcpy (copy->payload, base + shmframe_segment_payload_offset (segment, slot),
          copy->descriptor.payload_size);
  g_clear_pointer (&copy->metadata, g_bytes_unref);
  copy->metadata = shmframe_frame_read_metadata (segment, slot, &copy->descriptor);
  return shmframe_slot_intact (&segment->view, handle) ? COPY_DONE : COPY_GONE;
}

/* The format of that number, or NULL with an error. */
static ShmFrameFormat *
find_format (ShmFrameObserver *self, guint32 number, GError **error)
{
  const KnownFormat *known = &self->formats[number % FORMATS_KEPT];
  gint64 deadline_ns = shmframe_wake_deadline (FORMAT_TIMEOUT_NS);

  drain (self);
  while (self->newest_format < number && self->ended == NULL)
    {
      if (!wait_readable (self, deadline_ns, "with the frame's format", error))
        return NULL;
      drain (self);
    }
  if (number != 0 && known->number == number)
    return known->format;
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FORMAT,
               "pool %s: the frame has format %u, which this observer was not told of; ask for a "
               "newer frame",
               self->pool, number);
  return NULL;
}

static ShmFrameFrame *
finish_copy (ShmFrameObserver *self, ShmFrameSegment *segment, guint64 sequence, Copy *copy,
             GError **error)
{
  ShmFrameFormat *format = find_format (self, copy->descriptor.format, error);

  if (format == NULL)
    return NULL;
  return shmframe_frame_new_copy (
      segment->layout.epoch, sequence, &copy->descriptor, g_steal_pointer (&copy->payload),
      copy->description ? 0 : copy->descriptor.payload_size, format, copy->metadata);
}

static ShmFrameFrame *
look_at_frame (ShmFrameObserver *self, guint64 sequence, gboolean description, GError **error)
{
  Copy copy = { .description = description };
  ShmFrameFrame *frame = NULL;
  CopyResult result = COPY_GONE;

  for (guint i = 0; i < (sequence == 0 ? COPY_ATTEMPTS : 1) && result == COPY_GONE; i++)
    {
      guint64 handle;
      g_autoptr (ShmFrameSegment) segment = NULL;
      ShmFrameSegment *newest = newest_segment (self, &handle);

      if (newest == NULL || handle == SHMFRAME_HANDLE_NONE)
        break;
      segment = shmframe_segment_ref (newest);
      if (sequence != 0)
        handle = shmframe_slot_find (&segment->view, sequence);
      result = copy_handle (segment, handle, &copy, error);
      if (result == COPY_DONE)
        frame = finish_copy (self, segment, shmframe_handle_sequence (handle), &copy, error);
    }
  if (result == COPY_GONE && sequence != 0)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND,
                 "pool %s: frame %" G_GUINT64_FORMAT
                 " is not in the pool (the newest is %" G_GUINT64_FORMAT
                 "); a producer with a larger history keeps frames longer",
                 self->pool, sequence, shmframe_observer_get_latest (self));
  else if (result == COPY_GONE)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND,
                 "pool %s: no frame could be copied: none is published yet, or each was written "
                 "over meanwhile; try again, or start the producer with a larger history",
                 self->pool);
  g_free (copy.payload);
  g_clear_pointer (&copy.metadata, g_bytes_unref);
  return frame;
}

/**
 * shmframe_observer_copy_frame:
 * @self: an observer
 * @sequence: the frame's sequence, or 0 for the newest
 * @error: return location for an error
 *
 * Copies a frame out. The producer does not notice and may write the slot meanwhile: the copy is
 * checked by the slot's generation and, for the newest frame, tried again with the one that is newest
 * then. A producer keeps `history` frames readable; with more, an observer is overtaken less.
 *
 * Errors: %SHMFRAME_ERROR_NOT_FOUND (gone, dropped, not yet there, or overtaken each time),
 * %SHMFRAME_ERROR_FORMAT (a frame from before the format that the observer knows),
 * %SHMFRAME_ERROR_PROTOCOL, %SHMFRAME_ERROR_NO_MEMORY.
 *
 * Returns: (transfer full): a frame that holds no slot, or %NULL with an error
 *
 * Since: 1.0
 */
ShmFrameFrame *
shmframe_observer_copy_frame (ShmFrameObserver *self, guint64 sequence, GError **error)
{
  g_return_val_if_fail (SHMFRAME_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return look_at_frame (self, sequence, FALSE, error);
}

/**
 * shmframe_observer_peek_frame:
 * @self: an observer
 * @sequence: the frame's sequence, or 0 for the newest
 * @error: return location for an error
 *
 * Describes a frame without copying it: its times, flags and format. It has no data and no metadata,
 * and its size is 0.
 *
 * Errors: %SHMFRAME_ERROR_NOT_FOUND (gone, dropped, or not yet there), %SHMFRAME_ERROR_FORMAT (a frame
 * from before the format that the observer knows).
 *
 * Returns: (transfer full): a frame that holds no slot, or %NULL with an error
 *
 * Since: 1.0
 */
ShmFrameFrame *
shmframe_observer_peek_frame (ShmFrameObserver *self, guint64 sequence, GError **error)
{
  g_return_val_if_fail (SHMFRAME_IS_OBSERVER (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return look_at_frame (self, sequence, TRUE, error);
}
