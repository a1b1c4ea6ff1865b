/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCHDOG_S 10

static char *why;
static gsize why_size;
static int children = -1; /* signalfd: some child has stopped or died */
static Peer *minded;

/* ---- failing ------------------------------------------------------------------------------- */

void
peer_begin (char *text, gsize size)
{
  sigset_t set;

  why = text;
  why_size = size;
  signal (SIGPIPE, SIG_IGN); /* telling the victim something that has just died */
  sigemptyset (&set);
  sigaddset (&set, SIGCHLD);
  sigprocmask (SIG_BLOCK, &set, NULL);
  children = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  g_assert_cmpint (children, >=, 0);
}

void
peer_fail (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_vsnprintf (why, why_size, format, args);
  va_end (args);
  _exit (1);
}

/* What is said if the time is up. */
G_GNUC_PRINTF (1, 2)
static void
begin_wait (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_vsnprintf (why, why_size, format, args);
  va_end (args);
  alarm (WATCHDOG_S);
}

gint64
peer_deadline (void)
{
  alarm (0); /* what was awaited before is there: who asks for a deadline says himself what is not */
  return g_get_monotonic_time () + WATCHDOG_S * G_USEC_PER_SEC;
}

/* ---- processes ----------------------------------------------------------------------------- */

static void
run (const int *in, const int *out, const char *stop, const char *const *words)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  const char *argv[6] = { self };
  sigset_t none;

  for (int i = 0; words[i]; i++)
    argv[i + 1] = words[i];
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  signal (SIGPIPE, SIG_DFL);
  if (stop)
    g_setenv ("SHMFRAME_STOP", stop, TRUE);
  if (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2 (in[0], 0) == 0 && dup2 (out[1], 1) == 1)
    execv (self, (char **) argv);
  _exit (127);
}

Peer *
peer_new (const char *name, const char *stop, const char *const *words)
{
  Peer *self = g_new0 (Peer, 1);
  int in[2], out[2];

  self->name = name;
  self->text = g_string_new (NULL);
  g_assert_no_errno (pipe2 (in, O_CLOEXEC));
  g_assert_no_errno (pipe2 (out, O_CLOEXEC));
  self->pid = fork ();
  g_assert_cmpint (self->pid, >=, 0);
  if (self->pid == 0)
    run (in, out, stop, words);
  close (in[0]);
  close (out[1]);
  self->in = in[1];
  self->out = out[0];
  g_assert_no_errno (fcntl (self->out, F_SETFL, O_NONBLOCK));
  self->is_victim = stop != NULL;
  self->is_producer = g_str_equal (words[0], "--producer");
  return self;
}

/* Takes note of its stopping or dying. */
static gboolean
look (Peer *self)
{
  int status;

  if (!self->dead && waitpid (self->pid, &status, WNOHANG | WUNTRACED) == self->pid)
    {
      self->stopped = WIFSTOPPED (status);
      self->dead = !self->stopped;
      self->status = status;
    }
  return self->stopped || self->dead;
}

void
peer_free (Peer *self)
{
  if (!self->dead)
    {
      kill (self->pid, SIGKILL);
      waitpid (self->pid, NULL, 0);
    }
  close (self->in);
  close (self->out);
  g_string_free (self->text, TRUE);
  g_free (self->answer);
  g_free (self);
}

void
peer_end (Peer *self)
{
  close (self->in);
  self->in = -1;
  begin_wait ("%s did not end", self->name);
  self->dead = waitpid (self->pid, &self->status, 0) == self->pid;
  if (self->status != 0)
    peer_fail ("%s ended with status 0x%x", self->name, self->status);
  peer_free (self);
}

void
peer_stop (Peer *self)
{
  int status;

  kill (self->pid, SIGSTOP);
  begin_wait ("%s did not stop", self->name);
  if (waitpid (self->pid, &status, WUNTRACED) != self->pid || !WIFSTOPPED (status))
    peer_fail ("%s died: status 0x%x", self->name, status);
  self->stopped = TRUE;
}

void
peer_continue (Peer *self)
{
  if (self->stopped)
    kill (self->pid, SIGCONT);
  self->stopped = FALSE;
}

/* ---- what they say ------------------------------------------------------------------------- */

static void
hear_attached (Peer *self, pid_t producer)
{
  if (self->producer)
    peer_fail ("%s attached to %d while it was to %d", self->name, producer, self->producer);
  if (producer != self->last_producer)
    self->last = 0;
  self->producer = self->last_producer = producer;
  self->begins = TRUE;
}

static void
hear_frame (Peer *self, guint64 sequence)
{
  if (sequence <= self->last || (self->every && !self->begins && sequence != self->last + 1))
    peer_fail ("%s got frame %" G_GUINT64_FORMAT " after %" G_GUINT64_FORMAT, self->name, sequence,
               self->last);
  self->begins = FALSE;
  self->last = sequence;
}

static void
hear (Peer *self, const char *line)
{
  const char *number = strchr (line, ' ');
  guint64 value = number ? g_ascii_strtoull (number, NULL, 10) : 0;

  if (g_str_has_prefix (line, "frame "))
    hear_frame (self, value);
  else if (g_str_has_prefix (line, "attached "))
    hear_attached (self, (pid_t) value);
  else if (g_str_equal (line, "lost"))
    {
      self->producer = 0;
      self->losses++;
    }
  else if (g_str_equal (line, "evicted") && (self->is_victim || self->may_be_evicted))
    {
      self->producer = 0;
      self->evictions++;
    }
  else if (g_str_has_prefix (line, "revoked ") && self->is_victim)
    self->revoked++;
  else if (self->answer == NULL && self->is_producer)
    self->answer = g_strdup (line);
  else
    peer_fail ("%s: %s", self->name, line);
}

static void
hear_all (Peer *self)
{
  char buffer[4096], *end;
  ssize_t n;

  while ((n = read (self->out, buffer, sizeof buffer)) > 0)
    g_string_append_len (self->text, buffer, n);
  while ((end = strchr (self->text->str, '\n')) != NULL)
    {
      *end = '\0';
      hear (self, self->text->str);
      g_string_erase (self->text, 0, end - self->text->str + 1);
    }
}

void
peer_tell (Peer *self, const char *format, ...)
{
  va_list args;

  g_clear_pointer (&self->answer, g_free);
  va_start (args, format);
  vdprintf (self->in, format, args);
  va_end (args);
}

/* ---- awaiting ------------------------------------------------------------------------------ */

gboolean
peer_is_hit (Peer *self)
{
  return look (self);
}

void
peer_mind (Peer *self)
{
  minded = self;
}

/* Until something may have changed, or `end`, a g_get_monotonic_time(). FALSE: it is past. */
static gboolean
wait_for_news (Peer *self, gint64 end)
{
  struct pollfd pfds[] = { { self->out, POLLIN, 0 }, { children, POLLIN, 0 } };
  struct signalfd_siginfo info;
  gint64 left = end < 0 ? -1 : (end - g_get_monotonic_time ()) / 1000;

  if (end >= 0 && left <= 0)
    return FALSE;
  poll (pfds, G_N_ELEMENTS (pfds), (int) left);
  while (read (children, &info, sizeof info) > 0)
    ;
  return TRUE;
}

gboolean
peer_await (Peer *self, PeerDone done, guint64 value, int timeout_ms)
{
  gint64 end = timeout_ms < 0 ? -1 : g_get_monotonic_time () + timeout_ms * 1000;

  do
    {
      gboolean hit = look (self) || (minded && look (minded));

      hear_all (self);
      if (done (self, value))
        return TRUE;
      if (self->dead && !self->is_victim)
        peer_fail ("%s died: status 0x%x", self->name, self->status);
      if (hit)
        return FALSE;
    }
  while (wait_for_news (self, end));
  return FALSE;
}

static gboolean
has_answered (const Peer *self, guint64 value)
{
  return self->answer != NULL;
}

gboolean
peer_has_frame (const Peer *self, guint64 sequence)
{
  return self->last >= sequence && !self->begins;
}

static gboolean
is_attached (const Peer *self, guint64 producer)
{
  return self->producer == (pid_t) producer;
}

static gboolean
never (const Peer *self, guint64 value)
{
  return FALSE;
}

gboolean
peer_await_answer (Peer *self)
{
  begin_wait ("%s did not answer", self->name);
  return peer_await (self, has_answered, 0, -1);
}

gboolean
peer_await_frame (Peer *self, guint64 sequence)
{
  begin_wait ("%s, at frame %" G_GUINT64_FORMAT ", did not get to frame %" G_GUINT64_FORMAT,
              self->name, self->last, sequence);
  return peer_await (self, peer_has_frame, sequence, -1);
}

gboolean
peer_await_attached (Peer *self, pid_t producer)
{
  begin_wait ("%s, attached to %d, did not attach to producer %d", self->name, self->producer,
              producer);
  return peer_await (self, is_attached, (guint64) producer, -1);
}

void
peer_await_lost (Peer *self)
{
  begin_wait ("%s did not lose its producer", self->name);
  peer_await (self, is_attached, 0, -1);
}

void
peer_await_hit (Peer *self)
{
  begin_wait ("%s did not come to the stop point", self->name);
  peer_await (self, never, 0, -1);
}

/* ---- what they have ------------------------------------------------------------------------ */

guint
peer_count_mappings (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/maps", pid);
  g_autofree char *maps = NULL;
  guint n = 0;

  if (!g_file_get_contents (path, &maps, NULL, NULL))
    return 0;
  for (const char *at = maps; (at = strstr (at, "/memfd:shmframe:")) != NULL; at++)
    n++;
  return n;
}
