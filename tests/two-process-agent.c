/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "two-process-agent.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "two-process.h"

#define HELD_MAX 300

static ShmFrameConsumer *consumer;
static ShmFrameProducer *producer;
static ShmFrameFrame *held[HELD_MAX];
static int lines = -1, passed_fd = -1;

/* ---- answers ------------------------------------------------------------------------------- */

G_GNUC_PRINTF (1, 2)
static void
answer (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_assert_cmpint (vdprintf (lines, format, args), >=, 0);
  va_end (args);
  g_assert_cmpint (write (lines, "\n", 1), ==, 1);
}

static void
answer_error (const GError *error)
{
  answer ("error %d %s", error->code, error->message);
}

static gboolean
is_good (ShmFrameFrame *frame)
{
  return two_process_is_filled (frame, (guint64) shmframe_frame_get_pts (frame));
}

static void
answer_event (ShmFrameEvent *event)
{
  guint64 sequence = shmframe_event_get_sequence (event);
  GVariant *value = shmframe_event_get_value (event);
  ShmFrameFormat *format;

  switch (shmframe_event_get_event_type (event))
    {
    case SHMFRAME_EVENT_ATTACHED:
      answer ("attached");
      break;
    case SHMFRAME_EVENT_FORMAT:
      format = shmframe_event_get_format (event);
      answer ("format %ux%u %" G_GUINT64_FORMAT, shmframe_format_get_width (format),
              shmframe_format_get_height (format), sequence);
      break;
    case SHMFRAME_EVENT_EOS:
      answer ("eos %" G_GUINT64_FORMAT, sequence);
      break;
    case SHMFRAME_EVENT_NAMED:
      answer ("named %s %u %" G_GUINT64_FORMAT, shmframe_event_get_name (event),
              value ? g_variant_get_uint32 (value) : 0, sequence);
      break;
    case SHMFRAME_EVENT_EVENTS_LOST:
      answer ("events-lost %" G_GUINT64_FORMAT, shmframe_event_get_count (event));
      break;
    case SHMFRAME_EVENT_EVICTED:
      answer ("evicted %s", g_variant_get_string (value, NULL));
      break;
    case SHMFRAME_EVENT_LOST:
      answer ("lost %s", g_variant_get_string (value, NULL));
      break;
    }
}

/* ---- frames of the consumer ---------------------------------------------------------------- */

static ShmFrameFrame **
find_held (guint64 sequence)
{
  for (guint i = 0; i < HELD_MAX; i++)
    if (held[i] && shmframe_frame_get_sequence (held[i]) == sequence)
      return &held[i];
  g_error ("agent: frame %" G_GUINT64_FORMAT " is not held", sequence);
}

static void
hold (ShmFrameFrame *frame)
{
  for (guint i = 0; i < HELD_MAX; i++)
    if (held[i] == NULL)
      {
        held[i] = frame;
        return;
      }
  g_error ("agent: holds too much");
}

static void
do_next (gint64 timeout_ms, gboolean events, gboolean copy)
{
  gint64 timeout_ns = timeout_ms < 0 ? -1 : timeout_ms * 1000000;
  g_autoptr (ShmFrameEvent) event = NULL;
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame
      = copy ? shmframe_consumer_copy (consumer, timeout_ns, events ? &event : NULL, &error)
             : shmframe_consumer_lease (consumer, timeout_ns, events ? &event : NULL, &error);

  if (event)
    answer_event (event);
  else if (frame == NULL)
    answer_error (error);
  else
    {
      hold (frame);
      answer ("frame %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %s",
              shmframe_frame_get_sequence (frame), shmframe_frame_get_pts (frame),
              is_good (frame) ? "good" : "bad");
    }
}

typedef struct
{
  guint64 n, first, last;
  gboolean eos;
  char *problem;
} Taken;

/* One frame or event. FALSE: that was all. */
static gboolean
take_one (Taken *taken, gint64 timeout_ns)
{
  g_autoptr (ShmFrameEvent) event = NULL;
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame = shmframe_consumer_lease (consumer, timeout_ns, &event, &error);
  guint64 sequence;
  gboolean good;

  if (event)
    {
      taken->eos = shmframe_event_get_event_type (event) == SHMFRAME_EVENT_EOS;
      return !taken->eos;
    }
  if (frame == NULL)
    {
      if (!g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT) || timeout_ns < 0)
        taken->problem = g_strdup_printf ("error %d %s", error->code, error->message);
      return FALSE;
    }
  sequence = shmframe_frame_get_sequence (frame);
  good = is_good (frame);
  if (shmframe_consumer_release (consumer, frame) != SHMFRAME_VERDICT_INTACT || !good
      || sequence <= taken->last)
    taken->problem = g_strdup_printf ("frame %" G_GUINT64_FORMAT " after %" G_GUINT64_FORMAT " is %s",
                                      sequence, taken->last, good ? "out of order" : "bad");
  taken->first = taken->first ? taken->first : sequence;
  taken->last = sequence;
  taken->n++;
  return taken->problem == NULL;
}

static void
answer_taken (const char *what, Taken *taken)
{
  if (taken->problem)
    answer ("%s", taken->problem);
  else
    answer ("%s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, what, taken->n,
            taken->first, taken->last);
  g_free (taken->problem);
}

static void
do_take (guint64 count)
{
  Taken taken = { 0 };

  while (taken.n < count && take_one (&taken, -1))
    ;
  answer_taken ("took", &taken);
}

static void
do_serve (void)
{
  Taken taken = { 0 };

  while (take_one (&taken, -1))
    ;
  answer_taken ("served", &taken);
}

/* ---- main loops ---------------------------------------------------------------------------- */

static gboolean
on_ready (ShmFrameConsumer *self, gpointer data)
{
  return take_one (data, 0) || (!((Taken *) data)->eos && !((Taken *) data)->problem);
}

static void
do_loop (gboolean with_source)
{
  Taken taken = { 0 };

  if (with_source)
    {
      GSource *source = shmframe_consumer_create_source (consumer);

      g_source_set_callback (source, G_SOURCE_FUNC (on_ready), &taken, NULL);
      g_source_attach (source, NULL);
      while (!g_source_is_destroyed (source))
        g_main_context_iteration (NULL, TRUE);
      g_source_unref (source);
    }
  else
    {
      struct pollfd pfd = { .fd = shmframe_consumer_get_fd (consumer), .events = POLLIN };

      do
        if (!shmframe_consumer_prepare_poll (consumer))
          poll (&pfd, 1, -1);
      while (on_ready (consumer, &taken));
    }
  answer_taken ("served", &taken);
}

static gpointer
flush_later (gpointer data)
{
  g_usleep (GPOINTER_TO_UINT (data) * 1000); /* so that the lease has begun to wait */
  shmframe_consumer_set_flushing (consumer, TRUE);
  return NULL;
}

static void
do_flush_during (guint ms)
{
  GThread *thread = g_thread_new ("flush", flush_later, GUINT_TO_POINTER (ms));

  do_next (-1, FALSE, FALSE);
  g_thread_join (thread);
  shmframe_consumer_set_flushing (consumer, FALSE);
}

/* ---- objects ------------------------------------------------------------------------------- */

/* Of any type that a number has, or a string. */
static void
set_value (GValue *value, GType type, const char *text)
{
  g_auto (GValue) number = G_VALUE_INIT;

  g_value_init (value, type);
  if (type == G_TYPE_STRING)
    {
      g_value_set_string (value, text);
      return;
    }
  g_value_init (&number, G_TYPE_INT64);
  g_value_set_int64 (&number, g_ascii_strtoll (text, NULL, 10));
  g_assert_true (g_value_transform (&number, value));
}

/* words: PROPERTY=VALUE ... */
static gpointer
make (GType type, char **words, GError **error)
{
  GObjectClass *class = g_type_class_ref (type);
  guint n = g_strv_length (words);
  const char *names[20];
  GValue values[20] = { 0 };
  GObject *object;

  g_assert_cmpuint (n, <=, G_N_ELEMENTS (names));
  for (guint i = 0; i < n; i++)
    {
      char *text = strchr (words[i], '=');

      *text = '\0';
      names[i] = words[i];
      set_value (&values[i], g_object_class_find_property (class, names[i])->value_type, text + 1);
    }
  object = g_object_new_with_properties (type, n, names, values);
  for (guint i = 0; i < n; i++)
    g_value_unset (&values[i]);
  g_type_class_unref (class);
  if (g_initable_init (G_INITABLE (object), NULL, error))
    return object;
  g_object_unref (object);
  return NULL;
}

static void
do_consumer (char **words)
{
  static const char *const deliveries[] = { "latest", "ordered", "lossless", NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *pool = g_strdup_printf ("pool=%s", words[1]);
  g_autofree char *delivery = NULL;
  int number = 0;

  while (!g_str_equal (deliveries[number], words[2]))
    number++;
  delivery = g_strdup_printf ("delivery=%d", number);
  g_free (words[1]);
  g_free (words[2]);
  words[1] = g_steal_pointer (&pool);
  words[2] = g_steal_pointer (&delivery);
  g_clear_object (&consumer);
  consumer = make (SHMFRAME_TYPE_CONSUMER, words + 1, &error);
  if (consumer)
    answer ("ok");
  else
    answer_error (error);
}

static void
do_producer (char **words)
{
  g_autoptr (GError) error = NULL;
  char *pool = g_strdup_printf ("pool=%s", words[1]);

  g_free (words[1]);
  words[1] = pool;
  g_clear_object (&producer);
  producer = make (SHMFRAME_TYPE_PRODUCER, words + 1, &error);
  if (producer)
    answer ("ok");
  else
    answer_error (error);
}

static void
do_stat (const char *key)
{
  g_autoptr (GVariant) stats = producer ? shmframe_producer_get_stats (producer)
                                        : shmframe_consumer_get_stats (consumer);
  g_autoptr (GVariant) value = g_variant_lookup_value (stats, key, NULL);

  if (value && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    answer ("%s", g_variant_get_string (value, NULL));
  else
    answer ("%" G_GUINT64_FORMAT, number_of (stats, key));
}

static void
do_describe (ShmFrameFrame *frame)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) metadata = shmframe_frame_dup_metadata (frame, &error);
  g_autofree char *text = metadata ? g_variant_print (metadata, TRUE) : g_strdup ("none");

  g_assert_no_error (error);
  answer ("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %" G_GINT64_FORMAT
          " %d %s",
          shmframe_frame_get_pts (frame), shmframe_frame_get_duration (frame),
          shmframe_frame_get_capture_time (frame), shmframe_frame_get_stream_time (frame),
          (int) shmframe_frame_get_flags (frame), text);
}

/* Answers each frame of its consumer with one of its own. */
static void
do_pong (guint64 count)
{
  Taken taken = { 0 };

  for (guint64 n = 0; n < count; n++)
    {
      while (taken.n <= n && take_one (&taken, -1))
        ;
      if (taken.problem)
        break;
      producer_publish_one (producer, n + 1);
    }
  answer_taken ("pong", &taken);
}

static void
do_fork (void)
{
  if (fork () == 0)
    {
      struct pollfd pfd = { .fd = lines, .events = POLLRDHUP };

      poll (&pfd, 1, -1);
      _exit (0);
    }
  answer ("ok");
}

/* ---- lines --------------------------------------------------------------------------------- */

/* One byte at a time, since a descriptor comes with its byte. */
static int
read_byte (void)
{
  char byte, space[CMSG_SPACE (sizeof (int))];
  struct iovec part = { &byte, 1 };
  struct msghdr header = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space
  };
  ssize_t n = recvmsg (lines, &header, MSG_CMSG_CLOEXEC);

  if (n > 0 && CMSG_FIRSTHDR (&header))
    memcpy (&passed_fd, CMSG_DATA (CMSG_FIRSTHDR (&header)), sizeof passed_fd);
  return n > 0 ? byte : -1;
}

static gboolean
read_line (GString *line)
{
  int byte;

  g_string_truncate (line, 0);
  while ((byte = read_byte ()) >= 0 && byte != '\n')
    g_string_append_c (line, (char) byte);
  return byte >= 0;
}

static gboolean
obey_consumer (char **words)
{
  gint64 number = words[1] ? g_ascii_strtoll (words[1], NULL, 10) : 0;
  ShmFrameFrame **place;

  if (g_str_equal (words[0], "next"))
    do_next (number, TRUE, FALSE);
  else if (g_str_equal (words[0], "frame"))
    do_next (number, FALSE, FALSE);
  else if (g_str_equal (words[0], "copy"))
    do_next (number, FALSE, TRUE);
  else if (g_str_equal (words[0], "take"))
    do_take ((guint64) number);
  else if (g_str_equal (words[0], "serve"))
    do_serve ();
  else if (g_str_equal (words[0], "loop"))
    do_loop (g_str_equal (words[1], "source"));
  else if (g_str_equal (words[0], "pong"))
    do_pong ((guint64) number);
  else if (g_str_equal (words[0], "flush-during"))
    do_flush_during ((guint) number);
  else if (g_str_equal (words[0], "check"))
    {
      place = find_held ((guint64) number);
      answer ("%s %s", is_good (*place) ? "good" : "bad",
              shmframe_frame_get_verdict (*place) ? "revoked" : "intact");
    }
  else if (g_str_equal (words[0], "release"))
    {
      place = find_held ((guint64) number);
      answer (shmframe_consumer_release (consumer, g_steal_pointer (place)) ? "revoked"
                                                                             : "intact");
    }
  else if (g_str_equal (words[0], "describe"))
    do_describe (*find_held ((guint64) number));
  else
    return FALSE;
  return TRUE;
}

static gboolean
obey_simple (char **words)
{
  guint numbers[2] = { 0 };

  for (int i = 0; i < 2 && words[i] && words[i + 1]; i++)
    numbers[i] = (guint) g_ascii_strtoull (words[i + 1], NULL, 10);
  if (g_str_equal (words[0], "start"))
    shmframe_consumer_start (consumer);
  else if (g_str_equal (words[0], "request"))
    shmframe_consumer_request_leases (consumer, numbers[0]);
  else if (g_str_equal (words[0], "format"))
    producer_format (producer, numbers[0], numbers[1]);
  else if (g_str_equal (words[0], "publish"))
    producer_publish (producer, numbers[0]);
  else if (g_str_equal (words[0], "drop"))
    shmframe_producer_drop (producer, numbers[0]);
  else if (g_str_equal (words[0], "event"))
    shmframe_producer_push_event (producer, words[1], g_variant_new_uint32 (numbers[1]),
                                  words[3] && *words[3] == '1', NULL);
  else if (g_str_equal (words[0], "eos"))
    shmframe_producer_push_eos (producer);
  else if (g_str_equal (words[0], "close"))
    {
      if (consumer)
        shmframe_consumer_close (consumer);
      else
        shmframe_producer_close (producer);
    }
  else
    return FALSE;
  answer ("ok");
  return TRUE;
}

static void
do_consumer_fd (const char *delivery)
{
  g_autoptr (GError) error = NULL;

  consumer = shmframe_consumer_new_from_fd (passed_fd,
                                            g_str_equal (delivery, "latest")
                                                ? SHMFRAME_DELIVERY_LATEST
                                                : SHMFRAME_DELIVERY_ORDERED,
                                            &error);
  if (consumer)
    answer ("ok");
  else
    answer_error (error);
}

int
agent_obey (int socket)
{
  g_autoptr (GString) line = g_string_new (NULL);

  lines = socket;
  g_set_prgname ("agent");
  answer ("ready");
  while (read_line (line))
    {
      g_auto (GStrv) words = g_strsplit (line->str, " ", -1);

      if (words[0] == NULL)
        continue; /* a descriptor came */
      if (g_str_equal (words[0], "consumer"))
        do_consumer (words);
      else if (g_str_equal (words[0], "consumer-fd"))
        do_consumer_fd (words[1]);
      else if (g_str_equal (words[0], "producer"))
        do_producer (words);
      else if (g_str_equal (words[0], "stat"))
        do_stat (words[1]);
      else if (g_str_equal (words[0], "fork"))
        do_fork ();
      else if (!obey_consumer (words) && !obey_simple (words))
        g_error ("agent: what is '%s'?", line->str);
    }
  for (guint i = 0; i < HELD_MAX; i++)
    shmframe_frame_unref (held[i]);
  g_clear_object (&consumer);
  g_clear_object (&producer);
  return 0;
}
