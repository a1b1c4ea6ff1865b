/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "two-process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "two-process-agent.h"

#define TIMEOUT_NS G_GINT64_CONSTANT (10000000000)

struct _Agent
{
  GPid pid;
  FILE *lines;   /* to it; a socket, so that descriptors can go along */
  FILE *answers; /* from it */
  gboolean stopped;
};

static char *folder;

void
watchdog (guint seconds)
{
  alarm (3 * seconds); /* for machines that are slow, or busy */
}

void
agent_main (int *argc, char ***argv)
{
  g_autoptr (GError) error = NULL;

  if (*argc == 3 && g_str_equal ((*argv)[1], "--agent"))
    exit (agent_obey (atoi ((*argv)[2])));
  g_test_init (argc, argv, NULL);
  folder = g_dir_make_tmp ("shmframe-test-XXXXXX", &error);
  g_assert_no_error (error);
  g_setenv ("SHMFRAME_RUNTIME_DIR", folder, TRUE);
}

int
agent_run (void)
{
  int result = g_test_run ();

  g_assert_cmpint (g_rmdir (folder), ==, 0); /* nothing is left in it */
  g_clear_pointer (&folder, g_free);
  return result;
}

/* ---- agents -------------------------------------------------------------------------------- */

Agent *
agent_new (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  Agent *agent = g_new0 (Agent, 1);
  char number[12];
  int pair[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
  g_snprintf (number, sizeof number, "%d", pair[1]);
  agent->pid = fork ();
  g_assert_cmpint (agent->pid, >=, 0);
  if (agent->pid == 0)
    {
      /* Only calls that are safe in a child of a program with threads. */
      if (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0 && fcntl (pair[1], F_SETFD, 0) == 0)
        execl (self, self, "--agent", number, (char *) NULL);
      _exit (127);
    }
  close (pair[1]);
  agent->lines = fdopen (pair[0], "w");
  agent->answers = fdopen (fcntl (pair[0], F_DUPFD_CLOEXEC, 0), "r");
  g_assert_nonnull (agent->answers);
  agent_expect_answer (agent, "ready");
  return agent;
}

static void
reap (Agent *self)
{
  int status;

  if (self->pid == 0)
    return;
  g_assert_cmpint (waitpid (self->pid, &status, 0), ==, self->pid);
  if (WIFEXITED (status) && WEXITSTATUS (status) != 0)
    g_error ("agent %d ended with code %d", self->pid, WEXITSTATUS (status));
  self->pid = 0;
}

void
agent_free (Agent *self)
{
  char byte;

  if (self->stopped)
    agent_kill (self);
  shutdown (fileno (self->answers), SHUT_WR); /* ends its children, too */
  while (fread (&byte, 1, 1, self->answers) == 1)
    ;
  fclose (self->lines);
  fclose (self->answers);
  reap (self);
  g_free (self);
}

GPid
agent_get_pid (const Agent *self)
{
  return self->pid;
}

static void
tell (Agent *self, const char *format, va_list args)
{
  g_autofree char *line = g_strdup_vprintf (format, args);

  if (g_test_verbose ())
    g_test_message ("%d < %s", self->pid, line);
  g_assert_cmpint (fprintf (self->lines, "%s\n", line), >=, 0);
  g_assert_cmpint (fflush (self->lines), ==, 0);
}

void
agent_tell (Agent *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  tell (self, format, args);
  va_end (args);
}

char *
agent_hear (Agent *self)
{
  char *line = NULL;
  gsize size = 0;

  if (getline (&line, &size, self->answers) < 0)
    g_error ("agent %d ended without an answer", self->pid);
  if (g_test_verbose ())
    g_test_message ("%d > %s", self->pid, g_strchomp (line));
  return g_strchomp (line); /* g_free() is free() */
}

char *
agent_ask (Agent *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  tell (self, format, args);
  va_end (args);
  return agent_hear (self);
}

void
agent_expect_answer (Agent *self, const char *pattern)
{
  g_autofree char *answer = agent_hear (self);

  if (!g_pattern_match_simple (pattern, answer))
    g_error ("agent %d answered '%s', expected '%s'", self->pid, answer, pattern);
}

void
agent_expect (Agent *self, const char *pattern, const char *format, ...)
{
  g_autofree char *line = NULL, *answer = NULL;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  answer = agent_ask (self, "%s", line);
  if (!g_pattern_match_simple (pattern, answer))
    g_error ("agent %d was told '%s', answered '%s', expected '%s'", self->pid, line, answer,
             pattern);
}

void
agent_hear_until (Agent *self, const char *line, const char *pattern)
{
  gboolean done = FALSE;

  while (!done)
    {
      g_autofree char *answer = agent_ask (self, "%s", line);

      done = g_pattern_match_simple (pattern, answer);
    }
}

guint64
agent_stat (Agent *self, const char *key)
{
  g_autofree char *answer = agent_ask (self, "stat %s", key);

  return g_ascii_strtoull (answer, NULL, 10);
}

void
agent_await_stat (Agent *self, const char *key, guint64 least)
{
  while (agent_stat (self, key) < least)
    g_thread_yield ();
}

void
agent_send_fd (Agent *self, int fd)
{
  char byte = '\n', space[CMSG_SPACE (sizeof fd)] = { 0 };
  struct iovec part = { &byte, 1 };
  struct msghdr header = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space
  };
  struct cmsghdr *rights = CMSG_FIRSTHDR (&header);

  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN (sizeof fd);
  memcpy (CMSG_DATA (rights), &fd, sizeof fd);
  g_assert_cmpint (sendmsg (fileno (self->lines), &header, MSG_NOSIGNAL), ==, 1);
}

void
agent_stop (Agent *self)
{
  int status;

  g_assert_no_errno (kill (self->pid, SIGSTOP));
  g_assert_cmpint (waitpid (self->pid, &status, WUNTRACED), ==, self->pid);
  g_assert_true (WIFSTOPPED (status));
  self->stopped = TRUE;
}

void
agent_continue (Agent *self)
{
  g_assert_no_errno (kill (self->pid, SIGCONT));
  self->stopped = FALSE;
}

void
agent_kill (Agent *self)
{
  g_assert_no_errno (kill (self->pid, SIGKILL));
  self->stopped = FALSE;
  reap (self);
}

/* ---- frames -------------------------------------------------------------------------------- */

void
two_process_fill (ShmFrameFrame *frame, guint64 word)
{
  guint64 *words = shmframe_frame_get_data (frame);
  gsize n = shmframe_format_get_size (shmframe_frame_get_format (frame)) / sizeof word;

  for (gsize i = 0; i < n; i++)
    words[i] = word;
  shmframe_frame_set_pts (frame, (gint64) word);
}

gboolean
two_process_is_filled (ShmFrameFrame *frame, guint64 word)
{
  const guint64 *words = shmframe_frame_get_data (frame);
  gsize n = shmframe_frame_get_size (frame) / sizeof word;

  for (gsize i = 0; i < n; i++)
    if (words[i] != word)
      return FALSE;
  return n > 0;
}

/* ---- producers ----------------------------------------------------------------------------- */

ShmFrameProducer *
producer_new (const char *first_property, ...)
{
  g_autoptr (GError) error = NULL;
  GObject *producer;
  va_list args;

  do
    {
      /* The one before may still emit a signal, and then gives its name back a little later. */
      g_clear_error (&error);
      va_start (args, first_property);
      producer
          = g_initable_new_valist (SHMFRAME_TYPE_PRODUCER, first_property, args, NULL, &error);
      va_end (args);
    }
  while (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME_IN_USE));
  g_assert_no_error (error);
  return SHMFRAME_PRODUCER (producer);
}

void
producer_format (ShmFrameProducer *producer, guint width, guint height)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("gray", width, height, &error);

  g_assert_no_error (error);
  shmframe_producer_set_format (producer, format, &error);
  g_assert_no_error (error);
}

guint64
number_of (GVariant *dict, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, key, NULL);

  if (value == NULL)
    return 0;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return g_variant_get_boolean (value);
  return g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32) ? g_variant_get_uint32 (value)
                                                             : g_variant_get_uint64 (value);
}

guint64
producer_stat (ShmFrameProducer *producer, const char *key)
{
  g_autoptr (GVariant) stats = shmframe_producer_get_stats (producer);

  return number_of (stats, key);
}

void
producer_await_stat (ShmFrameProducer *producer, const char *key, guint64 least)
{
  while (producer_stat (producer, key) < least)
    g_thread_yield ();
}

GVariant *
producer_consumer_stat (ShmFrameProducer *producer, const char *key)
{
  g_autoptr (GVariant) stats = shmframe_producer_get_stats (producer);
  g_autoptr (GVariant) consumers = g_variant_lookup_value (stats, "consumers", NULL);
  g_autoptr (GVariant) first = NULL;

  g_assert_cmpuint (g_variant_n_children (consumers), >, 0);
  first = g_variant_get_child_value (consumers, 0);
  return g_variant_lookup_value (first, key, NULL);
}

static ShmFrameFrame *
frame_of (ShmFrameProducer *producer, guint64 word)
{
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame = shmframe_producer_acquire (producer, &error);

  g_assert_no_error (error);
  two_process_fill (frame, word);
  return frame;
}

static guint64
due_sequence (ShmFrameProducer *producer)
{
  g_autoptr (GVariant) stats = shmframe_producer_get_stats (producer);

  return number_of (stats, "frames") + number_of (stats, "dropped") + 1;
}

ShmFrameFrame *
producer_frame (ShmFrameProducer *producer)
{
  return frame_of (producer, due_sequence (producer));
}

void
producer_publish_one (ShmFrameProducer *producer, guint64 sequence)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFrame) frame = frame_of (producer, sequence);

  shmframe_producer_publish (producer, frame, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (shmframe_frame_get_sequence (frame), ==, sequence);
}

guint64
producer_publish (ShmFrameProducer *producer, guint count)
{
  guint64 first = due_sequence (producer);

  for (guint i = 0; i < count; i++)
    producer_publish_one (producer, first + i);
  return first + count - 1;
}

static GMutex await_lock;
static GCond await_changed;

static void
on_notify (void)
{
  g_mutex_lock (&await_lock);
  g_cond_broadcast (&await_changed);
  g_mutex_unlock (&await_lock);
}

void
producer_await_consumers (ShmFrameProducer *producer, guint n)
{
  gulong id = g_signal_connect (producer, "notify::n-consumers", G_CALLBACK (on_notify), NULL);
  guint now;

  g_mutex_lock (&await_lock);
  while (g_object_get (producer, "n-consumers", &now, NULL), now != n)
    g_cond_wait (&await_changed, &await_lock);
  g_mutex_unlock (&await_lock);
  g_signal_handler_disconnect (producer, id);
}

void
producer_await_committed (ShmFrameProducer *producer, guint64 slots)
{
  while (producer_stat (producer, "committed-slots") < slots)
    g_usleep (1000); /* nothing tells */
}

ShmFrameObserver *
observer_new (const char *pool)
{
  g_autoptr (GError) error = NULL;
  ShmFrameObserver *observer = shmframe_observer_new (pool, TIMEOUT_NS, &error);

  g_assert_no_error (error);
  return observer;
}

void
observer_settle (ShmFrameObserver *observer)
{
  g_autoptr (GError) error = NULL;
  GVariant *stats = shmframe_observer_query_stats (observer, TIMEOUT_NS, &error);

  g_assert_no_error (error);
  g_variant_unref (stats);
}
