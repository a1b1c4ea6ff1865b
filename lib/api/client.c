/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib-unix.h>
#include <shmframe/error.h>

#include "api/client.h"
#include "api/context.h"
#include "api/event-private.h"
#include "api/log.h"
#include "api/prefault.h"
#include "control/name.h"

/* Socket, pidfd, segment, page and doorbell. */
#define ATTACH_DESCRIPTORS 5
#define EVENTS_LOW 1024 /* left to take when a socket that was left alone is read again */
#define SEARCH_MS 250 /* between looks for a producer that no file event announced */

/* What only the control thread touches. Lives as long as the thread. */
typedef struct
{
  ShmFrameClient *client;
  ShmFrameConnection *connecting;  /* until WELCOME; then the attachment's */
  ShmFrameAttachment *attached;    /* own reference */
  GSource *socket, *death, *timer;
  GSource *prefault; /* of the newest segment */
  GPtrArray *monitors; /* of the folders, while searching */
} Session;

static void search (Session *self);

void
shmframe_queued_free (ShmFrameQueued *queued)
{
  shmframe_event_unref (queued->event);
  g_free (queued);
}

/* ---- lifetime ---- */

ShmFrameClient *
shmframe_client_new (const char *name, int fd, GError **error)
{
  ShmFrameClient *self = g_new0 (ShmFrameClient, 1);
  struct epoll_event event = { .events = EPOLLIN };

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  g_queue_init (&self->events);
  self->name = g_strdup (name);
  self->fd = fd;
  self->single = fd >= 0;
  self->event_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  self->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (self->event_fd < 0 || self->epoll_fd < 0
      || epoll_ctl (self->epoll_fd, EPOLL_CTL_ADD, self->event_fd, &event) < 0)
    {
      int code = errno;

      g_set_error (error, SHMFRAME_ERROR,
                   code == EMFILE || code == ENFILE ? SHMFRAME_ERROR_NO_DESCRIPTORS
                                                    : SHMFRAME_ERROR_FAILED,
                   "consumer of %s: eventfd or epoll: %s%s", name, g_strerror (code),
                   code == EMFILE ? ": raise RLIMIT_NOFILE (ulimit -n)" : "");
      shmframe_client_unref (self);
      return NULL;
    }
  self->context = shmframe_context_new (name, ATTACH_DESCRIPTORS, error);
  if (self->context == NULL)
    {
      shmframe_client_unref (self);
      return NULL;
    }
  return self;
}

ShmFrameClient *
shmframe_client_ref (ShmFrameClient *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
shmframe_client_unref (ShmFrameClient *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;
  if (self->fd >= 0)
    close (self->fd);
  if (self->event_fd >= 0)
    close (self->event_fd);
  if (self->epoll_fd >= 0)
    close (self->epoll_fd);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_queue_clear_full (&self->events, (GDestroyNotify) shmframe_queued_free);
  g_clear_error (&self->lost_because);
  g_clear_error (&self->problem);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self->program);
  g_free (self->name);
  g_free (self);
}

/* ---- waking the reader ---- */

void
shmframe_client_wake (ShmFrameClient *self)
{
  ShmFrameAttachment *attachment;

  g_mutex_lock (&self->lock);
  g_atomic_int_inc (&self->attention);
  attachment = self->attachment ? shmframe_attachment_ref (self->attachment) : NULL;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
  if (attachment)
    shmframe_wake_ring (attachment->control, -1);
  shmframe_attachment_unref (attachment);
  eventfd_write (self->event_fd, 1);
}

/* ---- sources ---- */

static void
destroy_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_source_unref (*source);
  *source = NULL;
}

static GSource *
watch (Session *self, int fd, GUnixFDSourceFunc func)
{
  GSource *source = g_unix_fd_source_new (fd, G_IO_IN);

  g_source_set_callback (source, G_SOURCE_FUNC (func), self, NULL);
  g_source_attach (source, self->client->context);
  return source;
}

/* ---- losing the producer ---- */

static void
queue_event (ShmFrameClient *client, guint64 number, ShmFrameEvent *event)
{
  ShmFrameQueued *queued = g_new (ShmFrameQueued, 1);

  queued->number = number;
  queued->event = event;
  g_queue_push_tail (&client->events, queued);
}

/* The connection is over. The reader drains what is in the pool, then detaches; without an
 * attachment the search goes on at once. Takes the error. */
static void
end_connection (Session *self, GError *because)
{
  ShmFrameClient *client = self->client;
  gboolean attached = self->attached != NULL;
  gboolean evicted = g_error_matches (because, SHMFRAME_ERROR, SHMFRAME_ERROR_EVICTED);

  destroy_source (&self->socket);
  destroy_source (&self->death);
  destroy_source (&self->prefault);
  g_clear_pointer (&self->connecting, shmframe_connection_free);
  g_clear_pointer (&self->attached, shmframe_attachment_unref);
  g_mutex_lock (&client->lock);
  if (attached)
    {
      client->lost = TRUE;
      client->lost_because = because;
      client->counters.losses += !evicted;
      client->counters.evictions += evicted;
      if (evicted && client->delivery == SHMFRAME_DELIVERY_LOSSLESS)
        client->delivery = SHMFRAME_DELIVERY_ORDERED;
    }
  else if (client->single || !g_error_matches (because, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED))
    {
      client->counters.refused
          += g_error_matches (because, SHMFRAME_ERROR, SHMFRAME_ERROR_REFUSED);
      g_clear_error (&client->problem);
      client->problem = because;
      client->finished = client->single;
    }
  else
    g_error_free (because); /* a producer that was about to leave: there was none */
  g_mutex_unlock (&client->lock);
  shmframe_client_wake (client);
  if (!attached)
    search (self);
}

static gboolean
on_death (gint fd, GIOCondition condition, gpointer data)
{
  Session *self = data;
  GError *error = NULL;

  g_set_error (&error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED, "pool %s: the producer died",
               self->client->name);
  end_connection (self, error);
  return G_SOURCE_REMOVE;
}

/* ---- messages ---- */

/* The pool may grant fewer than are wanted, so what is wanted beyond the first request is asked for
 * apart: it must not make the next producer refuse us. */
static void
ask_for_leases (Session *self)
{
  ShmFrameMessage message = { .type = SHMFRAME_MESSAGE_LEASES };

  g_mutex_lock (&self->client->lock);
  message.leases = self->client->leases_wanted;
  g_mutex_unlock (&self->client->lock);
  shmframe_connection_send (self->attached->connection, &message, NULL, 0, NULL);
}

static void
prefault (Session *self, ShmFrameSegment *segment, guint slots)
{
  destroy_source (&self->prefault);
  self->prefault = shmframe_prefault_new (segment, slots);
  g_source_attach (self->prefault, self->client->context);
}

static gboolean
on_welcome (Session *self, ShmFrameMessage *message, const int *fds, guint n_fds, GError **error)
{
  ShmFrameClient *client = self->client;
  ShmFrameAttachment *attachment;
  struct epoll_event event = { .events = EPOLLIN };
  GVariantDict about;
  gboolean more;

  SHMFRAME_STOP (ATTACH_WELCOMED);
  if (self->attached)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "pool %s: welcomed twice: the producer is at fault", client->name);
      return FALSE;
    }
  attachment = shmframe_attachment_new (self->connecting, message, fds, n_fds, client->delivery,
                                        error);
  if (attachment == NULL)
    return FALSE;
  self->connecting = NULL;
  self->attached = shmframe_attachment_ref (attachment);
  attachment->client = shmframe_client_ref (client);
  if (attachment->doorbell >= 0)
    epoll_ctl (client->epoll_fd, EPOLL_CTL_ADD, attachment->doorbell, &event);

  g_variant_dict_init (&about, NULL);
  g_variant_dict_insert (&about, "program", "s", attachment->program);
  g_variant_dict_insert (&about, "pid", "u", (guint) attachment->producer.pid);
  g_variant_dict_insert (&about, "uid", "u", (guint) attachment->producer.uid);
  g_variant_dict_insert (&about, "epoch", "t", attachment->epoch);
  g_mutex_lock (&client->lock);
  client->attachment = attachment;
  if (client->epoch == attachment->epoch)
    client->counters.drops += shmframe_attachment_resume (attachment, client->first, client->next);
  client->counters.attaches++;
  g_clear_error (&client->problem);
  queue_event (client, 0,
               shmframe_event_new (SHMFRAME_EVENT_ATTACHED, attachment->next, "attached",
                                   g_variant_dict_end (&about), NULL, 0));
  more = client->leases_wanted > message->leases;
  g_mutex_unlock (&client->lock);
  prefault (self, attachment->segment, message->committed);
  if (more)
    ask_for_leases (self);
  return TRUE;
}

/* With the lock held. */
static ShmFrameEvent *
format_event (ShmFrameClient *client, ShmFrameAttachment *attachment,
              const ShmFrameMessage *message, GError **error)
{
  g_autoptr (ShmFrameFormat) format = NULL;
  guint number;

  if (message->value == NULL || !g_variant_is_of_type (message->value, G_VARIANT_TYPE_VARDICT)
      || !g_variant_lookup (message->value, "number", "u", &number))
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "pool %s: a format without its fields: the producer is at fault", client->name);
      return NULL;
    }
  format = shmframe_format_new_from_variant (message->value, error);
  if (format == NULL)
    return NULL;
  shmframe_attachment_add_format (attachment, number, format);
  return shmframe_event_new (SHMFRAME_EVENT_FORMAT, message->sequence, SHMFRAME_LOG_FORMAT, NULL,
                             format, 0);
}

static gboolean
on_event (Session *self, ShmFrameMessage *message, GError **error)
{
  ShmFrameClient *client = self->client;
  ShmFrameEvent *event = NULL;
  gboolean ok = TRUE;

  g_mutex_lock (&client->lock);
  if (message->number <= self->attached->events)
    {
      /* Sent again by a resync, and had already. */
    }
  else if (g_str_equal (message->name, SHMFRAME_LOG_FORMAT))
    ok = (event = format_event (client, self->attached, message, error)) != NULL;
  else if (g_str_equal (message->name, SHMFRAME_LOG_EOS))
    event = shmframe_event_new (SHMFRAME_EVENT_EOS, message->sequence, message->name, NULL, NULL,
                                0);
  else
    event = shmframe_event_new (SHMFRAME_EVENT_NAMED, message->sequence, message->name,
                                message->value, NULL, 0);
  if (event)
    {
      queue_event (client, message->number, event);
      self->attached->events = message->number;
    }
  g_mutex_unlock (&client->lock);
  return ok;
}

static void
on_resync (Session *self, const ShmFrameMessage *message)
{
  ShmFrameClient *client = self->client;

  g_mutex_lock (&client->lock);
  self->attached->synced = TRUE;
  self->attached->events = MAX (self->attached->events, message->number);
  if (message->lost > 0)
    queue_event (client, message->number,
                 shmframe_event_new (SHMFRAME_EVENT_EVENTS_LOST, 0, "events-lost", NULL, NULL,
                                     message->lost));
  g_mutex_unlock (&client->lock);
}

/* A producer sends the next segment when the last has been entered, or evicts. */
static gboolean
may_add_segment (Session *self, GError **error)
{
  gboolean may;

  g_mutex_lock (&self->client->lock);
  may = g_queue_is_empty (&self->attached->segments);
  g_mutex_unlock (&self->client->lock);
  if (!may)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                 "pool %s: a second segment before the first was entered: the producer is at fault",
                 self->client->name);
  return may;
}

static gboolean
on_segment (Session *self, const ShmFrameMessage *message, const int *fds, guint n_fds,
            GError **error)
{
  ShmFrameClient *client = self->client;
  ShmFrameSegment *segment;

  SHMFRAME_STOP (SEGMENT_RECEIVED);
  if (n_fds != 1 || message->layout.epoch != self->attached->epoch)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "pool %s: a segment of another epoch, or without its descriptor: the producer is "
                   "at fault",
                   client->name);
      return FALSE;
    }
  if (!may_add_segment (self, error))
    return FALSE;
  segment = shmframe_segment_map (fds[0], &message->layout, error);
  if (segment == NULL)
    return FALSE;
  shmframe_segment_prefault_header (segment);
  prefault (self, segment, message->committed);
  g_mutex_lock (&client->lock);
  shmframe_attachment_add_segment (self->attached, segment);
  g_mutex_unlock (&client->lock);
  return TRUE;
}

static void
on_leases (Session *self, const ShmFrameMessage *message)
{
  g_mutex_lock (&self->client->lock);
  self->attached->leases = CLAMP (message->leases, 1, SHMFRAME_LEASES_MAX);
  g_mutex_unlock (&self->client->lock);
}

/* The codes that a refusal can have; the others are the application's own. */
static ShmFrameError
refusal_code (guint code)
{
  switch (code)
    {
    case SHMFRAME_ERROR_PERMISSION:
    case SHMFRAME_ERROR_NO_MEMORY:
    case SHMFRAME_ERROR_NO_DESCRIPTORS:
    case SHMFRAME_ERROR_PROTOCOL:
    case SHMFRAME_ERROR_CLOSED:
      return (ShmFrameError) code;
    default:
      return SHMFRAME_ERROR_REFUSED;
    }
}

static gboolean
on_message (Session *self, ShmFrameMessage *message, const int *fds, guint n_fds, GError **error)
{
  const char *text = message->text ? message->text : "no reason given";

  switch (message->type)
    {
    case SHMFRAME_MESSAGE_WELCOME:
      return on_welcome (self, message, fds, n_fds, error);
    case SHMFRAME_MESSAGE_REFUSED:
      g_set_error (error, SHMFRAME_ERROR, refusal_code (message->code), "%s", text);
      return FALSE;
    case SHMFRAME_MESSAGE_EVICTED:
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_EVICTED, "%s", text);
      return FALSE;
    case SHMFRAME_MESSAGE_BYE:
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED, "%s", text);
      return FALSE;
    default:
      break;
    }
  if (self->attached == NULL)
    return TRUE; /* nothing else is due before the welcome */
  switch (message->type)
    {
    case SHMFRAME_MESSAGE_EVENT:
      return on_event (self, message, error);
    case SHMFRAME_MESSAGE_RESYNC:
      on_resync (self, message);
      return TRUE;
    case SHMFRAME_MESSAGE_SEGMENT:
      return on_segment (self, message, fds, n_fds, error);
    case SHMFRAME_MESSAGE_LEASES:
      on_leases (self, message);
      return TRUE;
    default: /* unknown ones are ignored, so that they can be added */
      return TRUE;
    }
}

/* The reader has too many events to take: reads no more of them, until it has caught up. TRUE: paused. */
static gboolean
pause_when_full (Session *self)
{
  gboolean paused;

  g_mutex_lock (&self->client->lock);
  paused = self->client->paused = self->client->events.length >= SHMFRAME_EVENTS_FULL;
  g_mutex_unlock (&self->client->lock);
  if (paused)
    {
      /* A death is noticed afterwards: what was sent before it comes first. */
      destroy_source (&self->socket);
      destroy_source (&self->death);
    }
  return paused;
}

/* Whether the descriptors of a message, once it was taken, are known to be memory. */
static gboolean
is_memory (const ShmFrameMessage *message)
{
  return message->type == SHMFRAME_MESSAGE_WELCOME || message->type == SHMFRAME_MESSAGE_SEGMENT;
}

/* A reader that lags must find all that was sent before the end: death is acted on after the socket
 * is empty, since its watch has the lower priority. */
static gboolean
on_readable (gint fd, GIOCondition condition, gpointer data)
{
  Session *self = data;
  ShmFrameConnection *connection
      = self->attached ? self->attached->connection : self->connecting;
  g_auto (ShmFrameMessage) message = { 0 };
  GError *error = NULL;
  int fds[SHMFRAME_MESSAGE_MAX_FDS];
  guint n_fds = 0, kept;
  gboolean ok;
  int got;

  if (pause_when_full (self))
    return G_SOURCE_REMOVE;
  got = shmframe_connection_receive (connection, &message, fds, &n_fds, &error);
  ok = got >= 0;
  if (got > 0)
    ok = on_message (self, &message, fds, n_fds, &error);
  /* An attachment has taken the doorbell. */
  kept = got > 0 && ok && message.type == SHMFRAME_MESSAGE_WELCOME ? 2 : n_fds;
  shmframe_connection_close_fds (fds, MIN (n_fds, kept), ok && is_memory (&message));
  if (!ok)
    end_connection (self, error);
  else if (got > 0)
    shmframe_client_wake (self->client);
  return ok ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
watch_connection (Session *self, ShmFrameConnection *connection)
{
  self->socket = watch (self, shmframe_connection_get_fd (connection), on_readable);
  if (shmframe_connection_get_pidfd (connection) < 0)
    return;
  self->death = watch (self, shmframe_connection_get_pidfd (connection), on_death);
  g_source_set_priority (self->death, G_PRIORITY_LOW);
}

static gboolean
on_resumed (gpointer data)
{
  Session *self = data;

  if (self->attached && self->socket == NULL)
    watch_connection (self, self->attached->connection);
  return G_SOURCE_REMOVE;
}

/* ---- attaching ---- */

static gboolean
send_attach (Session *self, GError **error)
{
  ShmFrameClient *client = self->client;
  ShmFrameMessage attach = {
    .type = SHMFRAME_MESSAGE_ATTACH,
    .role = SHMFRAME_ROLE_CONSUMER,
    .wait = client->wait,
    .poll = client->poll,
    .text = client->program,
  };

  g_mutex_lock (&client->lock);
  attach.delivery = client->delivery;
  attach.leases = client->leases;
  g_mutex_unlock (&client->lock);
  SHMFRAME_STOP (ATTACH_CONNECTED);
  if (!shmframe_connection_send (self->connecting, &attach, NULL, 0, error))
    {
      if (*error == NULL)
        g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FAILED,
                     "pool %s: the connection is full before the first message", client->name);
      return FALSE;
    }
  SHMFRAME_STOP (ATTACH_SENT);
  return TRUE;
}

/* Connects to the first of the paths at which somebody lives. A path without permission is reported
 * only when there is no other. */
static gboolean
connect_any (Session *self, GError **error)
{
  ShmFrameClient *client = self->client;
  g_auto (GStrv) paths = NULL;

  if (client->fd >= 0)
    {
      self->connecting = shmframe_connection_new (g_steal_fd (&client->fd), error);
      return self->connecting != NULL;
    }
  paths = shmframe_name_consumer_paths (client->name, error);
  for (guint i = 0; paths && paths[i]; i++)
    {
      g_autoptr (GError) local = NULL;

      self->connecting = shmframe_connection_open (paths[i], &local);
      if (self->connecting && !shmframe_connection_peer_is_dead (self->connecting))
        {
          g_clear_error (error);
          return TRUE;
        }
      g_clear_pointer (&self->connecting, shmframe_connection_free);
      /* Nobody there (any more): the producer may have left its files. */
      if (local == NULL || g_error_matches (local, SHMFRAME_ERROR, SHMFRAME_ERROR_NOT_FOUND))
        shmframe_name_sweep (paths[i]);
      else if (*error == NULL && !g_error_matches (local, SHMFRAME_ERROR, SHMFRAME_ERROR_FAILED))
        g_propagate_error (error, g_steal_pointer (&local));
    }
  return FALSE;
}

static void
stop_searching (Session *self)
{
  destroy_source (&self->timer);
  for (guint i = 0; i < self->monitors->len; i++)
    g_file_monitor_cancel (g_ptr_array_index (self->monitors, i));
  g_ptr_array_set_size (self->monitors, 0);
}

static void
try_connect (Session *self)
{
  GError *error = NULL;

  if (connect_any (self, &error))
    {
      stop_searching (self);
      watch_connection (self, self->connecting);
      if (send_attach (self, &error))
        return;
      /* A refusal may be there to be read, which says more than that the connection is closed. */
      if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_CLOSED))
        g_error_free (error);
      else
        end_connection (self, error);
    }
  else if (error)
    end_connection (self, error);
}

static gboolean
on_search (gpointer data)
{
  try_connect (data);
  return G_SOURCE_CONTINUE;
}

static void
on_folder_changed (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event,
                   gpointer data)
{
  Session *self = data;

  if (self->timer
      && (event == G_FILE_MONITOR_EVENT_CREATED || event == G_FILE_MONITOR_EVENT_RENAMED
          || event == G_FILE_MONITOR_EVENT_MOVED_IN))
    try_connect (self);
}

/* Looks for a producer when a file appears in one of the folders, and now and then, for folders that
 * do not exist yet or cannot be watched. */
static void
search (Session *self)
{
  g_auto (GStrv) folders = NULL;

  if (self->timer || self->client->single)
    return;
  self->timer = g_timeout_source_new (SEARCH_MS);
  g_source_set_callback (self->timer, on_search, self, NULL);
  g_source_attach (self->timer, self->client->context);

  folders = g_path_is_absolute (self->client->name)
                ? g_new0 (char *, 2)
                : shmframe_name_folders ();
  if (g_path_is_absolute (self->client->name))
    folders[0] = g_path_get_dirname (self->client->name);
  for (guint i = 0; folders[i] && shmframe_context_can_open (SHMFRAME_MONITOR_DESCRIPTORS); i++)
    {
      g_autoptr (GFile) folder = g_file_new_for_path (folders[i]);
      GFileMonitor *monitor
          = g_file_monitor_directory (folder, G_FILE_MONITOR_WATCH_MOVES, NULL, NULL);

      if (monitor == NULL)
        continue;
      g_signal_connect (monitor, "changed", G_CALLBACK (on_folder_changed), self);
      g_ptr_array_add (self->monitors, monitor);
    }
}

/* ---- the reader's side ---- */

static gboolean
on_detached (gpointer data)
{
  Session *self = data;

  if (self->connecting || self->attached)
    return G_SOURCE_REMOVE;
  search (self);
  try_connect (self);
  return G_SOURCE_REMOVE;
}

/* Runs on the control thread, or not at all when that has ended. With or without the lock. */
static void
invoke (ShmFrameClient *self, GSourceFunc func)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, func, self->session, NULL);
  g_source_attach (source, self->context);
}

/* With the lock held. */
static void
drop_attachment (ShmFrameClient *self)
{
  ShmFrameMessage detach = { .type = SHMFRAME_MESSAGE_DETACH };
  ShmFrameAttachment *attachment = g_steal_pointer (&self->attachment);

  if (attachment == NULL)
    return;
  self->epoch = attachment->epoch;
  self->first = attachment->first;
  self->next = attachment->next;
  if (attachment->doorbell >= 0)
    epoll_ctl (self->epoll_fd, EPOLL_CTL_DEL, attachment->doorbell, NULL);
  /* With leases left the connection stays: the producer must not wait for us, only spare them. */
  if (attachment->held > 0)
    shmframe_connection_send (attachment->connection, &detach, NULL, 0, NULL);
  shmframe_attachment_unref (attachment);
}

void
shmframe_client_detach (ShmFrameClient *self)
{
  drop_attachment (self);
  self->lost = FALSE;
  g_clear_error (&self->lost_because);
  if (self->single)
    self->finished = TRUE;
  else if (self->thread && !self->closed)
    invoke (self, on_detached);
}

void
shmframe_client_event_taken (ShmFrameClient *self)
{
  if (!self->paused || self->events.length > EVENTS_LOW)
    return;
  self->paused = FALSE;
  if (self->thread && !self->closed)
    invoke (self, on_resumed);
}

static gboolean
on_leases_wanted (gpointer data)
{
  Session *self = data;

  if (self->attached)
    ask_for_leases (self);
  return G_SOURCE_REMOVE;
}

void
shmframe_client_request_leases (ShmFrameClient *self, guint leases)
{
  g_mutex_lock (&self->lock);
  if (self->leases_wanted != leases)
    {
      self->leases_wanted = leases;
      if (self->thread && !self->closed)
        invoke (self, on_leases_wanted);
    }
  g_mutex_unlock (&self->lock);
}

/* ---- the thread ---- */

static void
session_free (Session *self)
{
  stop_searching (self);
  destroy_source (&self->socket);
  destroy_source (&self->death);
  destroy_source (&self->prefault);
  g_clear_pointer (&self->connecting, shmframe_connection_free);
  g_clear_pointer (&self->attached, shmframe_attachment_unref);
  g_ptr_array_unref (self->monitors);
  shmframe_client_unref (self->client);
  g_free (self);
}

static gpointer
run (gpointer data)
{
  Session *self = data;
  g_autoptr (GMainContext) context = g_main_context_ref (self->client->context);
  g_autoptr (GMainLoop) loop = g_main_loop_ref (self->client->loop);

  g_main_context_push_thread_default (context);
  search (self);
  try_connect (self);
  g_main_loop_run (loop);
  session_free (self);
  g_main_context_pop_thread_default (context);
  return NULL;
}

void
shmframe_client_start (ShmFrameClient *self)
{
  Session *session;

  if (g_atomic_pointer_get (&self->session)) /* each lease comes by here */
    return;
  g_mutex_lock (&self->lock);
  if (self->session || self->closed)
    {
      g_mutex_unlock (&self->lock);
      return;
    }
  session = g_new0 (Session, 1);
  session->client = shmframe_client_ref (self);
  session->monitors = g_ptr_array_new_with_free_func (g_object_unref);
  self->loop = g_main_loop_new (self->context, FALSE);
  g_atomic_pointer_set (&self->session, session);
  self->thread = g_thread_try_new ("shmframe-client", run, session, &self->problem);
  if (self->thread == NULL)
    {
      g_atomic_pointer_set (&self->session, NULL); /* the next use tries again */
      g_clear_pointer (&self->loop, g_main_loop_unref);
      g_ptr_array_unref (session->monitors);
      g_free (session);
      (void) g_atomic_ref_count_dec (&self->ref_count);
    }
  g_mutex_unlock (&self->lock);
}

static gboolean
on_quit (gpointer data)
{
  g_main_loop_quit (((Session *) data)->client->loop);
  return G_SOURCE_REMOVE;
}

void
shmframe_client_close (ShmFrameClient *self)
{
  GThread *thread;

  g_mutex_lock (&self->lock);
  thread = g_steal_pointer (&self->thread);
  if (thread)
    invoke (self, on_quit);
  self->closed = TRUE;
  g_mutex_unlock (&self->lock);
  if (thread)
    g_thread_join (thread);

  shmframe_client_wake (self);
  g_mutex_lock (&self->lock);
  drop_attachment (self);
  g_mutex_unlock (&self->lock);
}
