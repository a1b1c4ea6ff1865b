/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <unistd.h>

#include <glib-unix.h>
#include <shmframe/error.h>

#include "api/report.h"
#include "api/server.h"
#include "control/connection.h"
#include "os/memory.h"

#define ATTACH_TIMEOUT_MS 5000  /* a connection that says nothing is ended */
#define ACCEPT_PAUSE_MS 100     /* after running out of descriptors */
#define OBSERVERS_MAX 32
#define UNATTACHED_MAX 32 /* connections that have yet to say what they are */
#define FOREIGN_MAX 16    /* of one user who is not the producer's, of each of these two */
#define MESSAGES_PER_SECOND 500 /* of one peer; a normal one sends a few */

struct _ShmFrameServer
{
  ShmFramePool *pool;
  ShmFrameName *name;
  ShmFrameServerChanged changed;
  gpointer changed_data;
  GDestroyNotify changed_destroy;
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  GSource *wake;   /* the publishing path has something to send */
  GSource *accept; /* NULL while pausing */
  GSource *ahead;  /* commits for the next consumer; NULL: done */
  /* The segment for which that was done, or could not be. */
  guint32 ahead_segment;
  GPtrArray *peers;
  gboolean closing; /* nobody is told any more */
};

/* One connection. Control thread only. */
typedef struct
{
  ShmFrameServer *server;
  ShmFrameConnection *connection;
  GSource *socket;
  GSource *death;
  GSource *writable; /* while the socket is full */
  GSource *timeout;  /* until it attaches */
  gint64 rate_begin_us;
  guint rate_count;

  gboolean attached; /* ATTACH came */
  gboolean detached; /* it only holds leases: it reads nothing more */
  gboolean welcomed; /* WELCOME went */
  ShmFrameMessage request;
  ShmFrameReader *reader; /* of a consumer, once welcomed */
  guint32 segment_sent;
  guint32 segment_seen; /* of an observer: the next is sent only then, or it could keep any number */
  GPtrArray *sticky;     /* ShmFrameLogEntry at the welcome, until they are sent */
  guint64 sticky_number; /* of the newest event then */
  guint64 events_sent;
  guint64 events_lost;   /* to be told */
  gboolean stats_asked; /* an answer is due */
  guint leases_answer;  /* a grant to send; 0: none */
} Peer;

static void flush_peer (Peer *peer);

/* ---- peers ---- */

static void
destroy_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_source_unref (*source);
  *source = NULL;
}

static void
peer_free (Peer *peer)
{
  ShmFrameServer *self = peer->server;

  destroy_source (&peer->socket);
  destroy_source (&peer->death);
  destroy_source (&peer->writable);
  destroy_source (&peer->timeout);
  if (peer->reader)
    {
      g_autoptr (GVariant) info
          = g_variant_ref_sink (shmframe_report_reader (self->pool, peer->reader));

      shmframe_pool_remove (self->pool, peer->reader);
      if (!self->closing)
        self->changed (FALSE, info, self->changed_data);
      shmframe_reader_unref (peer->reader);
    }
  shmframe_connection_free (peer->connection);
  g_clear_pointer (&peer->sticky, g_ptr_array_unref);
  shmframe_message_clear (&peer->request);
  g_free (peer);
}

/* Ends a connection; `why` NULL: it went in order. */
static void
end_peer (Peer *peer, const char *why)
{
  ShmFramePeer who;

  shmframe_connection_get_peer (peer->connection, &who);
  if (why)
    g_info ("pool %s: connection of pid %d ended: %s", peer->server->pool->name, (int) who.pid,
            why);
  g_ptr_array_remove_fast (peer->server->peers, peer);
}

static gboolean
on_death (gint fd, GIOCondition condition, gpointer data)
{
  end_peer (data, "the process died");
  return G_SOURCE_REMOVE;
}

static GSource *
watch (ShmFrameServer *self, int fd, GIOCondition condition, GUnixFDSourceFunc func, gpointer data)
{
  GSource *source = g_unix_fd_source_new (fd, condition);

  g_source_set_callback (source, G_SOURCE_FUNC (func), data, NULL);
  g_source_attach (source, self->context);
  return source;
}

/* ---- sending ---- */

/* Everything below that returns FALSE means: stop. The peer may be gone; do not touch it. */

static gboolean
on_writable (gint fd, GIOCondition condition, gpointer data)
{
  Peer *peer = data;

  destroy_source (&peer->writable);
  flush_peer (peer);
  return G_SOURCE_REMOVE;
}

/* FALSE also when the socket is full: what is due is sent when it is writable. */
static gboolean
send_to (Peer *peer, const ShmFrameMessage *message, const int *fds, guint n_fds)
{
  g_autoptr (GError) error = NULL;

  if (shmframe_connection_send (peer->connection, message, fds, n_fds, &error))
    return TRUE;
  if (error)
    end_peer (peer, error->message);
  else if (peer->writable == NULL)
    peer->writable = watch (peer->server, shmframe_connection_get_fd (peer->connection), G_IO_OUT,
                            on_writable, peer);
  return FALSE;
}

/* A last message, on a best-effort basis: the end of the connection says the same. */
static void
send_end (Peer *peer, ShmFrameMessageType type, guint code, const char *text)
{
  g_autofree char *reason = g_strdup (text);
  ShmFrameMessage message = { .type = type, .code = code, .text = reason };

  shmframe_connection_send (peer->connection, &message, NULL, 0, NULL);
}

static void
refuse (Peer *peer, const GError *error)
{
  send_end (peer, SHMFRAME_MESSAGE_REFUSED, (guint) error->code, error->message);
  end_peer (peer, error->message);
}

/* The first thing that this socket carries. It is only full when too many descriptors of this user
 * are on their way, in whatever sockets. */
static gboolean
send_welcome (Peer *peer, const ShmFrameMessage *welcome, const int *fds, guint n_fds)
{
  g_autoptr (GError) error = NULL;

  if (!shmframe_connection_send (peer->connection, welcome, fds, n_fds, &error))
    {
      end_peer (peer, error ? error->message : "no room for its welcome");
      return FALSE;
    }
  peer->segment_sent = peer->segment_seen = welcome->layout.segment;
  peer->sticky_number = welcome->number;
  peer->welcomed = TRUE;
  return TRUE;
}

static gboolean
welcome_observer (Peer *peer)
{
  ShmFramePool *pool = peer->server->pool;
  g_autoptr (ShmFrameSegment) segment = NULL;
  g_autofree char *program = shmframe_report_program ();
  ShmFrameMessage welcome = { .type = SHMFRAME_MESSAGE_WELCOME, .text = program };
  int fd;

  g_mutex_lock (&pool->lock);
  if (pool->slots)
    {
      segment = shmframe_segment_ref (pool->slots->segment);
      welcome.layout = segment->layout;
      welcome.committed = pool->slots->n_committed;
    }
  welcome.latest = pool->latest;
  welcome.history = pool->rule.history;
  welcome.window = pool->rule.window;
  welcome.in_flight = pool->rule.in_flight;
  welcome.number = pool->log.number;
  peer->sticky = shmframe_log_get_sticky (&pool->log, 0, TRUE);
  g_mutex_unlock (&pool->lock);

  fd = segment ? shmframe_memory_get_fd (segment->memory) : -1;
  return send_welcome (peer, &welcome, &fd, segment ? 1 : 0);
}

static gboolean
is_foreign (const ShmFramePeer *who)
{
  return who->uid != getuid () && who->uid != 0;
}

/* At most so many consumers for one user who is not the producer's: others must get a place too. */
static gboolean
check_user (Peer *peer, const ShmFramePeer *who, GError **error)
{
  ShmFrameServer *self = peer->server;
  guint limit = MAX (self->pool->max_consumers * 3 / 4, 1);
  guint n = 0;

  if (!is_foreign (who))
    return TRUE;
  for (guint i = 0; i < self->peers->len; i++)
    {
      Peer *other = g_ptr_array_index (self->peers, i);

      n += other->reader && other->reader->uid == who->uid;
    }
  if (n < limit)
    return TRUE;
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_REFUSED,
               "pool %s: user %d has %u consumers already: end one, or start the producer with a "
               "larger max-consumers",
               self->pool->name, (int) who->uid, n);
  return FALSE;
}

/* Before the welcome, which may fail: whoever is admitted is announced, and so is its going. */
static void
announce (Peer *peer)
{
  ShmFrameServer *self = peer->server;
  g_autoptr (GVariant) info
      = g_variant_ref_sink (shmframe_report_reader (self->pool, peer->reader));

  self->changed (TRUE, info, self->changed_data);
}

/* Says whose it is, for the statistics. */
static void
name_reader (Peer *peer, const ShmFramePeer *who)
{
  char *program = peer->request.text && *peer->request.text
                      ? g_strdup (peer->request.text)
                      : shmframe_connection_dup_program (peer->connection);

  g_mutex_lock (&peer->server->pool->lock);
  peer->reader->pid = (guint) who->pid;
  peer->reader->uid = who->uid;
  peer->reader->program = program;
  g_mutex_unlock (&peer->server->pool->lock);
}

/* 0: there is none. */
static guint32
current_segment (ShmFrameServer *self)
{
  ShmFramePool *pool = self->pool;
  guint32 segment;

  g_mutex_lock (&pool->lock);
  segment = pool->slots ? pool->slots->segment->layout.segment : 0;
  g_mutex_unlock (&pool->lock);
  return segment;
}

/* What is only likely to be needed must not take the last of the memory. */
static gboolean
on_ahead (gpointer data)
{
  ShmFrameServer *self = data;
  guint32 segment = current_segment (self); /* before: the next one is tried anew */

  if (shmframe_pool_wants_ahead (self->pool)
      && shmframe_memory_available () >= 4 * SHMFRAME_AHEAD_MAX
      && shmframe_pool_grow_ahead (self->pool))
    return G_SOURCE_CONTINUE;
  self->ahead_segment = segment;
  g_clear_pointer (&self->ahead, g_source_unref);
  return G_SOURCE_REMOVE;
}

static void
grow_ahead (ShmFrameServer *self)
{
  if (self->ahead)
    return;
  self->ahead = g_idle_source_new ();
  g_source_set_callback (self->ahead, on_ahead, self, NULL);
  g_source_attach (self->ahead, self->context);
}

/* Admits the consumer, once there is a segment: until then it waits, as for a producer. */
static gboolean
welcome_consumer (Peer *peer)
{
  ShmFramePool *pool = peer->server->pool;
  g_autoptr (GError) error = NULL;
  g_autofree char *program = shmframe_report_program ();
  g_autoptr (ShmFrameSegment) segment = NULL;
  ShmFrameMessage welcome = { 0 };
  ShmFramePeer who;
  gboolean ready, sent;
  int fds[3], doorbell;

  g_mutex_lock (&pool->lock);
  ready = pool->slots != NULL;
  g_mutex_unlock (&pool->lock);
  if (!ready)
    return FALSE;
  shmframe_connection_get_peer (peer->connection, &who);
  if (check_user (peer, &who, &error))
    peer->reader = shmframe_pool_admit (pool, &peer->request, &welcome, &segment, &doorbell,
                                        &peer->sticky, &error);
  if (peer->reader == NULL)
    {
      refuse (peer, error);
      return FALSE;
    }
  name_reader (peer, &who);
  announce (peer);
  welcome.text = program;
  fds[0] = shmframe_memory_get_fd (segment->memory);
  fds[1] = shmframe_memory_get_fd (peer->reader->page);
  fds[2] = doorbell;
  sent = send_welcome (peer, &welcome, fds, doorbell >= 0 ? 3 : 2);
  if (doorbell >= 0)
    close (doorbell);
  if (sent)
    {
      SHMFRAME_STOP (ADMIT_WELCOMED);
      grow_ahead (peer->server);
    }
  return sent; /* if not, there is no peer any more */
}

static gboolean
send_segment (Peer *peer)
{
  ShmFramePool *pool = peer->server->pool;
  g_autoptr (ShmFrameSegment) segment = NULL;
  ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_SEGMENT };
  gboolean evicted;
  int fd;

  g_mutex_lock (&pool->lock);
  /* Just now, perhaps for this very segment, which would be one too many for it: tell it first. */
  evicted = peer->reader && peer->reader->evicted_because;
  if (!evicted && pool->slots && pool->slots->segment->layout.segment != peer->segment_sent
      && (peer->reader || peer->segment_seen == peer->segment_sent))
    {
      segment = shmframe_segment_ref (pool->slots->segment);
      message.layout = segment->layout;
      message.committed = pool->slots->n_committed;
      message.sequence = pool->segment_first;
    }
  g_mutex_unlock (&pool->lock);
  if (segment == NULL)
    return !evicted;
  fd = shmframe_memory_get_fd (segment->memory);
  if (!send_to (peer, &message, &fd, 1))
    return FALSE;
  SHMFRAME_STOP (SEGMENT_SENT);
  peer->segment_sent = message.layout.segment;
  return TRUE;
}

static gboolean
send_event (Peer *peer, const ShmFrameLogEntry *entry)
{
  ShmFrameMessage message = {
    .type = SHMFRAME_MESSAGE_EVENT,
    .sequence = entry->sequence,
    .number = entry->number,
    .name = entry->name,
    .sticky = entry->sticky,
    .value = entry->value,
  };

  if (!send_to (peer, &message, NULL, 0))
    return FALSE;
  if (peer->sticky == NULL)
    peer->events_lost += entry->number - peer->events_sent - 1;
  peer->events_sent = entry->number;
  return TRUE;
}

static gboolean
send_resync (Peer *peer, GPtrArray *sticky, guint64 number)
{
  ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_RESYNC, .number = number };

  for (guint i = 0; i < sticky->len; i++)
    {
      const ShmFrameLogEntry *entry = g_ptr_array_index (sticky, i);

      if (entry->number > peer->events_sent && !send_event (peer, entry))
        return FALSE;
    }
  if (peer->sticky == NULL)
    message.lost = peer->events_lost + number - peer->events_sent;
  if (!send_to (peer, &message, NULL, 0))
    return FALSE;
  peer->events_sent = number;
  peer->events_lost = 0;
  return TRUE;
}

/* For a peer that fell out of the log: the sticky state, then how far it reaches. */
static gboolean
resync (Peer *peer)
{
  ShmFramePool *pool = peer->server->pool;
  g_autoptr (GPtrArray) sticky = NULL;
  guint64 number;

  g_mutex_lock (&pool->lock);
  sticky = shmframe_log_get_sticky (&pool->log, peer->events_sent, FALSE);
  number = pool->log.number;
  g_mutex_unlock (&pool->lock);
  return send_resync (peer, sticky, number);
}

/* First the state that the peer was admitted with: frames since then may need each event since then. A
 * segment goes before the events that were pushed after it was made. */
static gboolean
send_events (Peer *peer)
{
  ShmFramePool *pool = peer->server->pool;

  if (peer->sticky && !send_resync (peer, peer->sticky, peer->sticky_number))
    return FALSE;
  g_clear_pointer (&peer->sticky, g_ptr_array_unref);
  while (TRUE)
    {
      g_autoptr (ShmFrameLogEntry) entry = NULL;
      gboolean done;

      g_mutex_lock (&pool->lock);
      done = peer->events_sent == pool->log.number && peer->events_lost == 0;
      if (peer->events_lost == 0)
        entry = shmframe_log_get (&pool->log, peer->events_sent);
      g_mutex_unlock (&pool->lock);
      if (!send_segment (peer))
        return FALSE;
      if (done)
        return TRUE;
      if (entry ? !send_event (peer, entry) : !resync (peer))
        return FALSE;
    }
}

static gboolean
send_answers (Peer *peer)
{
  ShmFrameServer *self = peer->server;

  if (peer->stats_asked)
    {
      g_autoptr (GVariant) stats = g_variant_ref_sink (
          shmframe_report_pool (self->pool, shmframe_name_get_path (self->name)));
      ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_STATS, .value = stats };

      if (!send_to (peer, &message, NULL, 0))
        return FALSE;
      peer->stats_asked = FALSE;
    }
  if (peer->leases_answer)
    {
      ShmFrameMessage message
          = { .type = SHMFRAME_MESSAGE_LEASES, .leases = peer->leases_answer };

      if (!send_to (peer, &message, NULL, 0))
        return FALSE;
      peer->leases_answer = 0;
    }
  return TRUE;
}

static gboolean
tell_eviction (Peer *peer)
{
  ShmFramePool *pool = peer->server->pool;
  const char *because = NULL;

  g_mutex_lock (&pool->lock);
  if (peer->reader)
    because = peer->reader->evicted_because; /* set once */
  g_mutex_unlock (&pool->lock);
  if (because == NULL)
    return FALSE;
  g_message ("pool %s: evicted pid %u (%s): %s", pool->name, peer->reader->pid,
             peer->reader->program, because);
  send_end (peer, SHMFRAME_MESSAGE_EVICTED, SHMFRAME_ERROR_EVICTED, because);
  end_peer (peer, NULL);
  return TRUE;
}

/* Sends what is due, in the order in which the peer needs it. */
static void
flush_peer (Peer *peer)
{
  if (!peer->attached || peer->detached || peer->writable || tell_eviction (peer))
    return;
  if (!peer->welcomed
      && !(peer->request.role == SHMFRAME_ROLE_OBSERVER ? welcome_observer (peer)
                                                        : welcome_consumer (peer)))
    return;
  if (send_events (peer))
    send_answers (peer);
}

static gboolean
on_wake (gpointer data)
{
  ShmFrameServer *self = data;

  g_source_set_ready_time (self->wake, -1);
  /* Backwards: a peer that ends is replaced by one that has been flushed. */
  for (guint i = self->peers->len; i-- > 0;)
    flush_peer (g_ptr_array_index (self->peers, i));
  /* Most of what it is woken for are events, which change nothing there. */
  if (current_segment (self) != self->ahead_segment)
    grow_ahead (self);
  return G_SOURCE_CONTINUE;
}

static void
notify (gpointer data)
{
  ShmFrameServer *self = data;

  g_source_set_ready_time (self->wake, 0);
}

/* ---- receiving ---- */

typedef enum
{
  CONSUMER, /* limited by admission */
  OBSERVER,
  UNATTACHED,
} Kind;

static Kind
get_kind (const Peer *peer)
{
  if (!peer->attached)
    return UNATTACHED;
  return peer->request.role == SHMFRAME_ROLE_OBSERVER ? OBSERVER : CONSUMER;
}

/* Neither observers nor those that only connect can keep consumers out, and one user cannot take all
 * the places of either. */
static gboolean
check_kind (Peer *peer, Kind kind, GError **error)
{
  ShmFrameServer *self = peer->server;
  guint n = 0, n_foreign = 0;
  ShmFramePeer newcomer;

  shmframe_connection_get_peer (peer->connection, &newcomer);
  for (guint i = 0; i < self->peers->len; i++)
    {
      Peer *other = g_ptr_array_index (self->peers, i);
      ShmFramePeer who;

      if (get_kind (other) != kind)
        continue;
      shmframe_connection_get_peer (other->connection, &who);
      n++;
      n_foreign += is_foreign (&who) && who.uid == newcomer.uid;
    }
  if (n <= (kind == OBSERVER ? OBSERVERS_MAX : UNATTACHED_MAX) && n_foreign <= FOREIGN_MAX)
    return TRUE;
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_REFUSED,
               "pool %s: too many %s (%u): end some, or try again", self->pool->name,
               kind == OBSERVER ? "observers" : "connections that do not attach", n - 1);
  return FALSE;
}

static gboolean
on_attach (Peer *peer, ShmFrameMessage *message)
{
  g_autoptr (GError) error = NULL;

  if (peer->attached)
    {
      end_peer (peer, "attached twice");
      return FALSE;
    }
  peer->attached = TRUE;
  destroy_source (&peer->timeout);
  peer->request = *message;
  *message = (ShmFrameMessage){ 0 };
  if (get_kind (peer) == OBSERVER && !check_kind (peer, OBSERVER, &error))
    {
      refuse (peer, error);
      return FALSE;
    }
  /* The process that attaches is known only now: a descriptor may have been passed on. */
  destroy_source (&peer->death);
  if (shmframe_connection_get_pidfd (peer->connection) >= 0)
    peer->death = watch (peer->server, shmframe_connection_get_pidfd (peer->connection), G_IO_IN,
                         on_death, peer);
  return TRUE;
}

static gboolean
on_message (Peer *peer, ShmFrameMessage *message)
{
  switch (message->type)
    {
    case SHMFRAME_MESSAGE_ATTACH:
      return on_attach (peer, message);
    case SHMFRAME_MESSAGE_SEGMENT_SEEN:
      if (peer->reader)
        shmframe_pool_segment_seen (peer->server->pool, peer->reader, message->segment);
      else
        peer->segment_seen = message->segment;
      return TRUE;
    case SHMFRAME_MESSAGE_LEASES:
      if (peer->reader)
        peer->leases_answer
            = shmframe_pool_change_leases (peer->server->pool, peer->reader, message->leases);
      return TRUE;
    case SHMFRAME_MESSAGE_DETACH:
      peer->detached = TRUE;
      if (peer->reader)
        shmframe_pool_detach (peer->server->pool, peer->reader);
      return TRUE;
    case SHMFRAME_MESSAGE_STATS:
      peer->stats_asked = TRUE;
      return TRUE;
    default: /* unknown ones are ignored, so that they can be added */
      return TRUE;
    }
}

static gboolean
check_rate (Peer *peer)
{
  gint64 now = g_get_monotonic_time ();

  if (now - peer->rate_begin_us > G_TIME_SPAN_SECOND)
    {
      peer->rate_begin_us = now;
      peer->rate_count = 0;
    }
  if (++peer->rate_count <= MESSAGES_PER_SECOND)
    return TRUE;
  end_peer (peer, "too many messages");
  return FALSE;
}

/* One message a dispatch: a flood does not starve the others. */
static gboolean
on_readable (gint fd, GIOCondition condition, gpointer data)
{
  Peer *peer = data;
  g_auto (ShmFrameMessage) message = { 0 };
  g_autoptr (GError) error = NULL;
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds = 0;
  int got = shmframe_connection_receive (peer->connection, &message, fds, &n_fds, &error);

  shmframe_connection_close_fds (fds, n_fds, FALSE);
  if (got < 0 || n_fds > 0)
    {
      end_peer (peer, n_fds > 0 ? "sent descriptors"
                      : g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED)
                          ? NULL
                          : error->message);
      return G_SOURCE_REMOVE;
    }
  if (got > 0 && check_rate (peer) && on_message (peer, &message))
    flush_peer (peer);
  return G_SOURCE_CONTINUE; /* of no effect when the peer, and so the source, is gone */
}

static gboolean
on_attach_timeout (gpointer data)
{
  end_peer (data, "did not attach in time");
  return G_SOURCE_REMOVE;
}

/* ---- accepting ---- */

static void
add_peer (ShmFrameServer *self, ShmFrameConnection *connection)
{
  Peer *peer = g_new0 (Peer, 1);

  peer->server = self;
  peer->connection = connection;
  peer->socket = watch (self, shmframe_connection_get_fd (connection), G_IO_IN, on_readable, peer);
  if (shmframe_connection_get_pidfd (connection) >= 0)
    peer->death
        = watch (self, shmframe_connection_get_pidfd (connection), G_IO_IN, on_death, peer);
  peer->timeout = g_timeout_source_new (ATTACH_TIMEOUT_MS);
  g_source_set_callback (peer->timeout, on_attach_timeout, peer, NULL);
  g_source_attach (peer->timeout, self->context);
  g_ptr_array_add (self->peers, peer);
}

static void listen_again (ShmFrameServer *self);

static gboolean
on_accept_pause (gpointer data)
{
  listen_again (data);
  return G_SOURCE_REMOVE;
}

/* Out of descriptors, say: the backlog stays readable, so do not come back at once. */
static void
pause_accepting (ShmFrameServer *self)
{
  destroy_source (&self->accept);
  self->accept = g_timeout_source_new (ACCEPT_PAUSE_MS);
  g_source_set_callback (self->accept, on_accept_pause, self, NULL);
  g_source_attach (self->accept, self->context);
}

static gboolean
on_connection (gint fd, GIOCondition condition, gpointer data)
{
  ShmFrameServer *self = data;
  g_autoptr (GError) error = NULL;
  ShmFrameConnection *connection = shmframe_connection_accept (fd, &error);

  if (connection == NULL)
    {
      if (error)
        {
          g_warning ("pool %s: %s", self->pool->name, error->message);
          pause_accepting (self);
        }
      return G_SOURCE_CONTINUE;
    }
  add_peer (self, connection);
  if (!check_kind (g_ptr_array_index (self->peers, self->peers->len - 1), UNATTACHED, &error))
    refuse (g_ptr_array_index (self->peers, self->peers->len - 1), error);
  return G_SOURCE_CONTINUE;
}

static void
listen_again (ShmFrameServer *self)
{
  destroy_source (&self->accept);
  self->accept = watch (self, shmframe_name_get_socket (self->name), G_IO_IN, on_connection, self);
}

/* ---- the thread ---- */

static void
server_clear (ShmFrameServer *self)
{
  self->closing = TRUE;
  for (guint i = 0; i < self->peers->len; i++)
    send_end (g_ptr_array_index (self->peers, i), SHMFRAME_MESSAGE_BYE, 0,
              "the producer has closed the pool");
  g_ptr_array_unref (self->peers);
  destroy_source (&self->accept);
  destroy_source (&self->ahead);
  destroy_source (&self->wake);
  shmframe_name_free (self->name);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  shmframe_pool_unref (self->pool);
  self->changed_destroy (self->changed_data);
  g_free (self);
}

static gpointer
run (gpointer data)
{
  ShmFrameServer *self = data;

  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  g_main_context_pop_thread_default (self->context);
  server_clear (self);
  return NULL;
}

static gboolean
wake_dispatch (GSource *source, GSourceFunc callback, gpointer data)
{
  return callback (data);
}

static GSourceFuncs wake_funcs = { .dispatch = wake_dispatch };

ShmFrameServer *
shmframe_server_new (ShmFramePool *pool, ShmFrameName *name, GMainContext *context,
                     ShmFrameServerChanged changed, gpointer data, GDestroyNotify destroy,
                     GError **error)
{
  ShmFrameServer *self = g_new0 (ShmFrameServer, 1);

  self->pool = shmframe_pool_ref (pool);
  self->name = name;
  self->changed = changed;
  self->changed_data = data;
  self->changed_destroy = destroy;
  self->peers = g_ptr_array_new_with_free_func ((GDestroyNotify) peer_free);
  self->context = context;
  self->loop = g_main_loop_new (self->context, FALSE);
  self->wake = g_source_new (&wake_funcs, sizeof (GSource));
  g_source_set_callback (self->wake, on_wake, self, NULL);
  g_source_attach (self->wake, self->context);
  listen_again (self);

  g_mutex_lock (&pool->lock);
  pool->notify = notify;
  pool->notify_data = self;
  g_mutex_unlock (&pool->lock);
  self->thread = g_thread_try_new ("shmframe-server", run, self, error);
  if (self->thread)
    return self;
  shmframe_pool_close (pool);
  server_clear (self);
  g_prefix_error (error, "pool %s: no thread for it: ", pool->name);
  return NULL;
}

static gboolean
quit (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

void
shmframe_server_free (ShmFrameServer *self)
{
  g_autoptr (GSource) source = NULL;
  g_autoptr (GThread) thread = NULL;

  if (self == NULL)
    return;
  shmframe_pool_close (self->pool); /* from here on nothing notifies */
  thread = self->thread;
  /* As an event of the loop: a quit before the loop runs would be lost. */
  source = g_idle_source_new ();
  g_source_set_callback (source, quit, g_main_loop_ref (self->loop),
                         (GDestroyNotify) g_main_loop_unref);
  g_source_attach (source, self->context);
  /* A signal handler may drop the producer on the control thread itself; then nobody joins. */
  if (thread != g_thread_self ())
    g_thread_join (g_steal_pointer (&thread));
}
