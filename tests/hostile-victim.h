/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The victim of tests/hostile.c: a real producer, consumer or observer in a process of its own, which
 * does what it is told line by line. It is this same program, started again. The test itself is the
 * hostile peer. A victim that does not answer in time is hung: the test says so, and goes on.
 *
 * Lines of all:
 *   fds, maps TEXT           open descriptors; mappings with TEXT in their line
 *   quit                     ends in order
 * Of a producer:
 *   producer POOL [PROPERTY=VALUE ...], format WIDTH HEIGHT, close ("ok MS")
 *   publish COUNT            "ok LATEST SLOWEST-US": every word of a frame is its sequence
 *   background               publishes from a thread until `stop`, which answers "COUNT SLOWEST-US"
 *   event NAME SIZE COUNT, eos, stat KEY
 * Of a consumer:
 *   consumer POOL DELIVERY LEASES [poll], consumer-close ("ok MS")
 *   next MS                  "frame SEQUENCE good|bad", "event NAME" or "error CODE MS MESSAGE"
 *   frame MS, copy MS        likewise, passing over events
 *   hold MS                  as frame; keeps it until the end
 *   serve                    takes frames until the end of the stream: "served COUNT BAD LAST"
 *   start, poll              prepare_poll()
 *   flush                    set_flushing() while another thread leases: "error CODE MS MESSAGE"
 *   consumer-stat KEY
 * Of an observer:
 *   observer POOL MS, query MS, latest, slots, observe SEQUENCE: "ok MS ..." or "error CODE MS MESSAGE"
 */
#include <fcntl.h>
#include <gio/gio.h>
#include <poll.h>
#include <shmframe/shmframe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"

#define VICTIM_OPTION "--victim"
#define VICTIM_PATIENCE_MS 10000
#define VICTIM_HUNG "hung"
#define MS_NS G_GINT64_CONSTANT (1000000)

/* ---- the victim's side --------------------------------------------------------------------- */

typedef struct
{
  FILE *answers;
  ShmFrameProducer *producer;
  ShmFrameConsumer *consumer;
  ShmFrameObserver *observer;
  GPtrArray *held;
  GThread *thread;
  gint stop;
  guint64 published;
  gint64 slowest_us;
} Victim;

G_GNUC_PRINTF (2, 3)
static inline void
answer (Victim *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  vfprintf (self->answers, format, args);
  va_end (args);
  fputc ('\n', self->answers);
  fflush (self->answers);
}

static inline void
answer_error (Victim *self, gint64 begin_us, const GError *error)
{
  g_autofree char *text = g_strescape (error->message, NULL);

  answer (self, "error %d %" G_GINT64_FORMAT " %s", error->code,
          (g_get_monotonic_time () - begin_us) / 1000, text);
}

/* An object whose properties are given as KEY=VALUE words. */
static inline gpointer
make_object (GType type, const char *pool, char **words, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  g_autoptr (GArray) values = g_array_new (FALSE, TRUE, sizeof (GValue));
  g_autoptr (GTypeClass) class = g_type_class_ref (type);
  GObject *object;

  g_array_set_clear_func (values, (GDestroyNotify) g_value_unset);
  for (guint i = 0; words[i] != NULL; i++)
    {
      char *equals = strchr (words[i], '=');
      GParamSpec *spec;
      GValue text = G_VALUE_INIT, *value;

      *equals = '\0';
      spec = g_object_class_find_property (G_OBJECT_CLASS (class), words[i]);
      g_array_set_size (values, values->len + 1);
      value = &g_array_index (values, GValue, values->len - 1);
      g_value_init (value, spec->value_type);
      g_value_init (&text, G_TYPE_INT64);
      g_value_set_int64 (&text, g_ascii_strtoll (equals + 1, NULL, 0));
      if (!g_value_transform (&text, value))
        g_error ("%s", words[i]);
      g_ptr_array_add (names, words[i]);
    }
  {
    GValue value = G_VALUE_INIT;

    g_value_init (&value, G_TYPE_STRING);
    g_value_set_string (&value, pool);
    g_array_append_val (values, value);
    g_ptr_array_add (names, (gpointer) "pool");
  }
  object = g_object_new_with_properties (type, names->len, (const char **) names->pdata,
                                         (const GValue *) (void *) values->data);
  if (g_initable_init (G_INITABLE (object), NULL, error))
    return object;
  g_object_unref (object);
  return NULL;
}

static inline void
publish_one (Victim *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFrame) frame = NULL;
  gint64 begin = g_get_monotonic_time (), took;
  guint64 *words;
  gsize n;

  frame = shmframe_producer_acquire (self->producer, &error);
  g_assert_no_error (error);
  words = shmframe_frame_get_data (frame);
  n = shmframe_format_get_size (shmframe_frame_get_format (frame)) / sizeof *words;
  for (gsize i = 0; i < n; i++)
    words[i] = self->published + 1;
  shmframe_producer_publish (self->producer, frame, &error);
  g_assert_no_error (error);
  self->published++;
  took = g_get_monotonic_time () - begin;
  self->slowest_us = MAX (self->slowest_us, took);
}

static inline gpointer
publish_in_background (gpointer data)
{
  Victim *self = data;

  while (!g_atomic_int_get (&self->stop))
    publish_one (self);
  return NULL;
}

static inline guint64
number_in (GVariant *dict, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, key, NULL);

  if (value == NULL)
    return 0;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    return g_variant_get_uint32 (value);
  return g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64) ? g_variant_get_uint64 (value) : 0;
}

static inline void
producer_obey (Victim *self, char **words)
{
  g_autoptr (GError) error = NULL;
  const char *command = words[0];
  gint64 begin = g_get_monotonic_time ();

  if (g_str_equal (command, "producer"))
    {
      self->producer = make_object (SHMFRAME_TYPE_PRODUCER, words[1], words + 2, &error);
      g_assert_no_error (error);
      answer (self, "ok");
    }
  else if (g_str_equal (command, "format"))
    {
      g_autoptr (ShmFrameFormat) format
          = shmframe_format_new ("gray", (guint) atoi (words[1]), (guint) atoi (words[2]), &error);

      if (format && shmframe_producer_set_format (self->producer, format, &error))
        answer (self, "ok %" G_GINT64_FORMAT, (g_get_monotonic_time () - begin) / 1000);
      else
        answer_error (self, begin, error);
    }
  else if (g_str_equal (command, "publish"))
    {
      self->slowest_us = 0;
      for (int i = atoi (words[1]); i > 0; i--)
        publish_one (self);
      answer (self, "ok %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT, self->published,
              self->slowest_us);
    }
  else if (g_str_equal (command, "background"))
    {
      self->slowest_us = 0;
      self->thread = g_thread_new ("publish", publish_in_background, self);
      answer (self, "ok");
    }
  else if (g_str_equal (command, "stop"))
    {
      g_atomic_int_set (&self->stop, TRUE);
      g_thread_join (self->thread);
      self->stop = FALSE;
      answer (self, "%" G_GUINT64_FORMAT " %" G_GINT64_FORMAT, self->published, self->slowest_us);
    }
  else if (g_str_equal (command, "event"))
    {
      gsize size = (gsize) atoi (words[2]);
      g_autofree guint8 *bytes = g_malloc0 (size + 1);

      for (int i = atoi (words[3]); i > 0; i--)
        {
          shmframe_producer_push_event (
              self->producer, words[1],
              g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bytes, size, 1), i % 2 == 0, &error);
          g_assert_no_error (error);
        }
      answer (self, "ok");
    }
  else if (g_str_equal (command, "eos"))
    {
      shmframe_producer_push_eos (self->producer);
      answer (self, "ok");
    }
  else if (g_str_equal (command, "stat"))
    {
      g_autoptr (GVariant) stats = shmframe_producer_get_stats (self->producer);

      answer (self, "%" G_GUINT64_FORMAT, number_in (stats, words[1]));
    }
  else
    {
      shmframe_producer_close (self->producer);
      g_clear_object (&self->producer);
      answer (self, "ok %" G_GINT64_FORMAT, (g_get_monotonic_time () - begin) / 1000);
    }
}

static inline gboolean
is_good (ShmFrameFrame *frame)
{
  const guint64 *words = shmframe_frame_get_data (frame);
  gsize n = shmframe_frame_get_size (frame) / sizeof *words;

  for (gsize i = 0; i < n; i++)
    if (words[i] != shmframe_frame_get_sequence (frame))
      return FALSE;
  return TRUE;
}

/* What an application looks at: all of it must lie inside the frame. */
static inline guint
touch (ShmFrameFrame *frame)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) metadata = shmframe_frame_dup_metadata (frame, &error);
  gsize size = shmframe_frame_get_size (frame);
  const guint8 *data = shmframe_frame_get_data (frame);
  guint sum = size > 0 ? data[0] + data[size - 1] : 0;

  for (guint plane = 0; plane < 8; plane++)
    {
      gint stride;
      const guint8 *row = shmframe_frame_get_plane (frame, plane, &stride);
      guint rows = row ? shmframe_format_get_rows (shmframe_frame_get_format (frame), plane) : 0;

      if (rows > 0)
        sum += row[(gsize) stride * rows - 1];
    }
  if (metadata)
    {
      g_autofree char *text = g_variant_print (metadata, TRUE);

      sum += (guint) strlen (text);
    }
  return sum;
}

typedef ShmFrameFrame *(*Take) (ShmFrameConsumer *, gint64, ShmFrameEvent **, GError **);

static inline void
take_one (Victim *self, Take take, gint64 timeout_ns, gboolean events, gboolean hold)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameEvent) event = NULL;
  g_autoptr (ShmFrameFrame) frame = NULL;
  gint64 begin = g_get_monotonic_time ();

  frame = take (self->consumer, timeout_ns, events ? &event : NULL, &error);
  if (frame)
    {
      gboolean good = is_good (frame);

      touch (frame);
      answer (self, "frame %" G_GUINT64_FORMAT " %s", shmframe_frame_get_sequence (frame),
              good ? "good" : "bad");
      if (hold)
        g_ptr_array_add (self->held, g_steal_pointer (&frame));
    }
  else if (event)
    {
      g_autofree char *name
          = g_strescape (shmframe_event_get_name (event) ? shmframe_event_get_name (event) : "-",
                         NULL);

      answer (self, "event %s", name);
    }
  else
    answer_error (self, begin, error);
}

static inline void
serve (Victim *self)
{
  guint64 count = 0, bad = 0, last = 0;

  while (TRUE)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (ShmFrameEvent) event = NULL;
      ShmFrameFrame *frame = shmframe_consumer_lease (self->consumer, -1, &event, &error);

      if (frame)
        {
          gboolean good = is_good (frame);

          last = shmframe_frame_get_sequence (frame);
          count++;
          if (shmframe_consumer_release (self->consumer, frame) == SHMFRAME_VERDICT_INTACT)
            bad += !good;
        }
      else if (event == NULL || shmframe_event_get_event_type (event) == SHMFRAME_EVENT_EOS)
        break;
    }
  answer (self, "served %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, count, bad,
          last);
}

/* Leases until flushing ends it: floods and noise must not keep it from that. */
static inline gpointer
lease_until_flushed (gpointer data)
{
  Victim *self = data;
  GError *error = NULL;

  while (!g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FLUSHING))
    {
      ShmFrameEvent *event = NULL;
      ShmFrameFrame *frame;

      g_clear_error (&error);
      if (g_atomic_int_compare_and_exchange (&self->stop, 0, 1))
        continue;
      frame = shmframe_consumer_lease (self->consumer, -1, &event, &error);
      if (frame)
        touch (frame);
      g_clear_pointer (&frame, shmframe_frame_unref);
      g_clear_pointer (&event, shmframe_event_unref);
    }
  return error;
}

static inline void
flush (Victim *self)
{
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("lease", lease_until_flushed, self);
  gint64 begin;

  while (g_atomic_int_get (&self->stop) == 0)
    g_thread_yield ();
  g_usleep (50000); /* most of all it waits, spins or loops by now; no event tells */
  begin = g_get_monotonic_time ();
  shmframe_consumer_set_flushing (self->consumer, TRUE);
  error = g_thread_join (thread);
  self->stop = 0;
  answer_error (self, begin, error);
  shmframe_consumer_set_flushing (self->consumer, FALSE);
}

static inline gboolean
consumer_obey (Victim *self, char **words)
{
  g_autoptr (GError) error = NULL;
  const char *command = words[0];
  gint64 begin = g_get_monotonic_time ();
  gint64 timeout_ns = words[1] ? g_ascii_strtoll (words[1], NULL, 10) * MS_NS : 0;

  if (g_str_equal (command, "consumer"))
    {
      self->consumer = g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, &error, "pool", words[1],
                                       "delivery", atoi (words[2]), "leases", atoi (words[3]), NULL);
      g_assert_no_error (error);
      if (words[4])
        g_assert_cmpint (shmframe_consumer_get_fd (self->consumer), >=, 0);
      shmframe_consumer_start (self->consumer);
      answer (self, "ok");
    }
  else if (g_str_equal (command, "next"))
    take_one (self, shmframe_consumer_lease, timeout_ns, TRUE, FALSE);
  else if (g_str_equal (command, "frame"))
    take_one (self, shmframe_consumer_lease, timeout_ns, FALSE, FALSE);
  else if (g_str_equal (command, "copy"))
    take_one (self, shmframe_consumer_copy, timeout_ns, FALSE, FALSE);
  else if (g_str_equal (command, "hold"))
    take_one (self, shmframe_consumer_lease, timeout_ns, FALSE, TRUE);
  else if (g_str_equal (command, "serve"))
    serve (self);
  else if (g_str_equal (command, "flush"))
    flush (self);
  else if (g_str_equal (command, "poll"))
    answer (self, "ok %d", shmframe_consumer_prepare_poll (self->consumer));
  else if (g_str_equal (command, "consumer-stat"))
    {
      g_autoptr (GVariant) stats = shmframe_consumer_get_stats (self->consumer);

      answer (self, "%" G_GUINT64_FORMAT, number_in (stats, words[1]));
    }
  else if (g_str_equal (command, "consumer-close"))
    {
      shmframe_consumer_close (self->consumer);
      g_ptr_array_set_size (self->held, 0);
      g_clear_object (&self->consumer);
      answer (self, "ok %" G_GINT64_FORMAT, (g_get_monotonic_time () - begin) / 1000);
    }
  else
    return FALSE;
  return TRUE;
}

static inline gboolean
observer_obey (Victim *self, char **words)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = NULL;
  const char *command = words[0];
  gint64 begin = g_get_monotonic_time ();

  if (g_str_equal (command, "observer"))
    self->observer = shmframe_observer_new (words[1], atoi (words[2]) * MS_NS, &error);
  else if (g_str_equal (command, "query"))
    value = shmframe_observer_query_stats (self->observer, atoi (words[1]) * MS_NS, &error);
  else if (g_str_equal (command, "latest"))
    shmframe_observer_get_latest (self->observer);
  else if (g_str_equal (command, "slots"))
    value = shmframe_observer_dup_slots (self->observer);
  else if (g_str_equal (command, "observe"))
    {
      g_autoptr (ShmFrameFrame) frame = shmframe_observer_copy_frame (
          self->observer, g_ascii_strtoull (words[1], NULL, 10), &error);

      if (frame)
        touch (frame);
    }
  else
    return FALSE;
  if (error)
    answer_error (self, begin, error);
  else
    answer (self, "ok %" G_GINT64_FORMAT, (g_get_monotonic_time () - begin) / 1000);
  return TRUE;
}

static inline guint
count_maps (const char *text)
{
  g_autofree char *maps = NULL;
  guint n = 0;

  g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL);
  for (const char *at = maps; (at = strstr (at, text)) != NULL; at++)
    n++;
  return n;
}

static inline void
victim_obey (Victim *self, char *line)
{
  g_auto (GStrv) words = g_strsplit (g_strstrip (line), " ", -1);

  if (g_str_equal (words[0], "fds"))
    answer (self, "%u", count_descriptors ());
  else if (g_str_equal (words[0], "maps"))
    answer (self, "%u", count_maps (words[1]));
  else if (!consumer_obey (self, words) && !observer_obey (self, words))
    producer_obey (self, words);
}

/* Does not return in a victim. */
static inline void
victim_main (int argc, char **argv)
{
  Victim self = { 0 };
  FILE *lines;
  char line[1000];

  if (argc != 4 || !g_str_equal (argv[1], VICTIM_OPTION))
    return;
  if (atoi (argv[3]) != 0)
    {
      g_assert_no_errno (setgid ((gid_t) atoi (argv[3])));
      g_assert_no_errno (setuid ((uid_t) atoi (argv[3])));
      g_assert_no_errno (prctl (PR_SET_DUMPABLE, 1)); /* as of a process that was always its user's */
    }
  lines = fdopen (atoi (argv[2]), "r");
  self.answers = fdopen (dup (atoi (argv[2])), "w");
  fcntl (fileno (lines), F_SETFD, FD_CLOEXEC);
  self.held = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  answer (&self, "ready");
  while (fgets (line, sizeof line, lines))
    {
      alarm (60); /* only for when the test is gone or stopped in a debugger */
      victim_obey (&self, line);
    }
  g_ptr_array_unref (self.held);
  g_clear_object (&self.observer);
  g_clear_object (&self.consumer);
  g_clear_object (&self.producer);
  fclose (lines);
  fclose (self.answers);
  exit (0);
}

/* ---- the test's side ----------------------------------------------------------------------- */

typedef struct
{
  GPid pid;
  FILE *lines, *answers;
  gboolean hung;
} Prey;

/* The answer, "hung", or "dead". */
static inline char *
prey_hear (Prey *self)
{
  struct pollfd pfd = { .fd = fileno (self->answers), .events = POLLIN };
  char *line = NULL;
  gsize size = 0;

  if (self->hung || poll (&pfd, 1, VICTIM_PATIENCE_MS) == 0)
    {
      self->hung = TRUE;
      return g_strdup (VICTIM_HUNG);
    }
  if (getline (&line, &size, self->answers) < 0)
    {
      free (line);
      return g_strdup ("dead");
    }
  if (g_test_verbose ())
    g_test_message ("%d > %s", self->pid, g_strchomp (line));
  return g_strchomp (line);
}

G_GNUC_PRINTF (2, 3)
static inline void
prey_tell (Prey *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  vfprintf (self->lines, format, args);
  va_end (args);
  fputc ('\n', self->lines);
  fflush (self->lines);
}

G_GNUC_PRINTF (2, 3)
static inline char *
prey_ask (Prey *self, const char *format, ...)
{
  g_autofree char *line = NULL;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  if (g_test_verbose ())
    g_test_message ("%d < %s", self->pid, line);
  prey_tell (self, "%s", line);
  return prey_hear (self);
}

/* The answer must match the pattern; the test fails otherwise, and goes on. */
G_GNUC_PRINTF (3, 4)
static inline gboolean
prey_expect (Prey *self, const char *pattern, const char *format, ...)
{
  g_autofree char *line = NULL, *heard = NULL;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  heard = prey_ask (self, "%s", line);
  if (g_pattern_match_simple (pattern, heard))
    return TRUE;
  g_test_fail_printf ("victim was told '%s', answered '%s', expected '%s'", line, heard, pattern);
  return FALSE;
}

static inline guint64
prey_number (Prey *self, const char *line)
{
  g_autofree char *heard = prey_ask (self, "%s", line);

  return g_ascii_strtoull (heard, NULL, 10);
}

/* Milliseconds in "ok MS" and "error CODE MS"; -1 where there is no answer. */
static inline gint64
prey_took (const char *heard)
{
  int code;
  gint64 ms = -1;

  if (sscanf (heard, "ok %" G_GINT64_FORMAT, &ms) != 1)
    sscanf (heard, "error %d %" G_GINT64_FORMAT, &code, &ms);
  return ms;
}

/* As another user; 0: as this one. */
static inline Prey *
prey_new_as (guint uid)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL), *ready = NULL;
  Prey *prey = g_new0 (Prey, 1);
  char number[12], user[12];
  int pair[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
  g_snprintf (number, sizeof number, "%d", pair[1]);
  g_snprintf (user, sizeof user, "%u", uid);
  prey->pid = fork ();
  g_assert_cmpint (prey->pid, >=, 0);
  if (prey->pid == 0)
    {
      if (prctl (PR_SET_PDEATHSIG, SIGKILL) == 0 && fcntl (pair[1], F_SETFD, 0) == 0)
        execl (self, self, VICTIM_OPTION, number, user, (char *) NULL);
      _exit (127);
    }
  close (pair[1]);
  prey->lines = fdopen (pair[0], "w");
  prey->answers = fdopen (fcntl (pair[0], F_DUPFD_CLOEXEC, 0), "r");
  ready = prey_hear (prey);
  g_assert_cmpstr (ready, ==, "ready");
  return prey;
}

static inline Prey *
prey_new (void)
{
  return prey_new_as (0);
}

/* Ends it in order; fails the test where it crashed, or a sanitizer had something to say. */
static inline void
prey_free (Prey *self)
{
  struct pollfd pfd;
  char byte;
  int status;

  shutdown (fileno (self->answers), SHUT_WR);
  pfd = (struct pollfd){ .fd = fileno (self->answers), .events = POLLIN };
  if (!self->hung)
    self->hung = poll (&pfd, 1, VICTIM_PATIENCE_MS) == 0;
  if (self->hung)
    {
      g_test_fail_printf ("victim %d hangs", self->pid);
      kill (self->pid, SIGKILL);
    }
  while (fread (&byte, 1, 1, self->answers) == 1)
    ;
  fclose (self->lines);
  fclose (self->answers);
  g_assert_cmpint (waitpid (self->pid, &status, 0), ==, self->pid);
  if (!self->hung && !(WIFEXITED (status) && WEXITSTATUS (status) == 0))
    g_test_fail_printf ("victim %d ended with status 0x%x", self->pid, status);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Prey, prey_free)
