/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The processes of soak.py. Each obeys lines on stdin and runs on between them; it ends with stdin.
 *
 *   soak producer POOL PROPERTY=NUMBER ...
 *   soak consumer POOL DELIVERY sleep|spin|predict|poll LEASES
 *   soak observer POOL ...          with a registry
 *
 * Every word of a frame, its pts and its metadata are one number, of the epoch and the sequence.
 *
 * All:       stat              counters, "KEY=VALUE ..."
 * Producers: rate FPS          0: no frames of its own
 *            publish           one frame: "EPOCH SEQUENCE"
 *            burst N, drop N, formats N, grow, event N, eos, pin N, reopen
 * Consumers: hold N            keeps the newest N frames it was given
 *            await EPOCH SEQUENCE MS   "yes" when it has had that frame, else "no"
 *            reopen
 * Observers: look 0|1          copy frames and read slots all the time, or not
 *            pool POOL         the producer's statistics, "KEY=VALUE ...", or "none"
 */

#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "two-process.h"

#define WAIT_NS (20 * 1000 * 1000)
#define ANSWER_NS (200 * 1000 * 1000) /* more would be waiting for a producer that is stopped */
#define WIDTH_MAX 256
#define HEIGHT_MAX 128    /* the smallest format that `formats` gives still has a word */
#define HEIGHT_LIMIT 6400 /* 392 segments: what a producer that stays commits has an end */

static struct
{
  guint64 frames, torn, stale, uncounted, revoked, evicted, lost, attached, refused, events,
      formats;
  guint64 segments, reopened, retried, errors;
  guint64 unexplained; /* revoked, and it has not been evicted: not yet, or wrongly */
} counts;

/* ---- words --------------------------------------------------------------------------------- */

static guint64
word_of (guint64 epoch, guint64 sequence)
{
  return (epoch & 0x7fff) << 48 | sequence;
}

static void
unexpected (const char *what, const GError *error)
{
  counts.errors++;
  g_printerr ("soak: %d: %s: %s\n", (int) getpid (), what, error ? error->message : "?");
}

/* Bytes of the heap that are in use. The sanitizer's allocator is asked where there is one. */
size_t __sanitizer_get_current_allocated_bytes (void) __attribute__ ((weak));

static gsize
heap_in_use (void)
{
  struct mallinfo2 info;

  if (__sanitizer_get_current_allocated_bytes)
    return __sanitizer_get_current_allocated_bytes ();
  info = mallinfo2 ();
  return info.uordblks + info.hblkhd;
}

#define COUNT(name)                                                                                \
  {                                                                                                \
#name, &counts.name                                                                            \
  }

static void
answer_counts (void)
{
  static const struct
  {
    const char *name;
    const guint64 *count;
  } all[] = { COUNT (frames),   COUNT (torn),    COUNT (stale),   COUNT (uncounted),
              COUNT (revoked),  COUNT (evicted), COUNT (lost),    COUNT (attached),
              COUNT (refused),  COUNT (events),  COUNT (formats), COUNT (segments),
              COUNT (reopened), COUNT (retried), COUNT (errors),  COUNT (unexplained) };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    printf ("%s=%" G_GUINT64_FORMAT " ", all[i].name, *all[i].count);
  printf ("heap=%" G_GSIZE_FORMAT "\n", heap_in_use ());
}

/* ---- lines --------------------------------------------------------------------------------- */

/* Obeys what is there, waiting up to `ms` for it, or for `fd` (-1: none). FALSE: the end. */
static gboolean
obey_lines (void (*obey) (char **words), int ms, int fd)
{
  static GString *input;
  struct pollfd fds[2]
      = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = fd, .events = POLLIN } };
  char buffer[512], *end;
  ssize_t n;

  if (input == NULL)
    input = g_string_new (NULL);
  poll (fds, 2, ms);
  if (fds[0].revents == 0)
    return TRUE;
  n = read (STDIN_FILENO, buffer, sizeof buffer);
  if (n <= 0)
    return FALSE;
  g_string_append_len (input, buffer, n);
  while ((end = strchr (input->str, '\n')) != NULL)
    {
      g_auto (GStrv) words = NULL;

      *end = '\0';
      words = g_strsplit (input->str, " ", -1);
      g_string_erase (input, 0, end + 1 - input->str);
      if (g_str_equal (words[0], "stat"))
        answer_counts ();
      else
        obey (words);
      fflush (stdout);
    }
  return TRUE;
}

static guint64
number (char **words, guint i)
{
  g_assert_cmpuint (i, <, g_strv_length (words));
  return g_ascii_strtoull (words[i], NULL, 10);
}

/* ---- the producer -------------------------------------------------------------------------- */

static char **producer_properties;
static const char *producer_pool;
static ShmFrameProducer *producer;
static GQueue pinned = G_QUEUE_INIT;
static guint pin, rate;
static guint64 sequence; /* the newest that is taken */
static guint height = HEIGHT_MAX;

static void
pin_down_to (guint n)
{
  while (pinned.length > n)
    shmframe_frame_unref (g_queue_pop_head (&pinned));
}

static void
publish (void)
{
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame = shmframe_producer_acquire (producer, &error);
  guint64 word;
  GVariantDict dict;

  if (frame == NULL)
    {
      unexpected ("acquire", error);
      return;
    }
  word = word_of (shmframe_frame_get_epoch (frame), sequence + 1);
  two_process_fill (frame, word);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "word", "t", word);
  if (!shmframe_frame_set_metadata (frame, g_variant_dict_end (&dict), &error)
      || !shmframe_producer_publish (producer, frame, &error))
    unexpected ("publish", error);
  else
    {
      g_assert_cmpuint (shmframe_frame_get_sequence (frame), ==, ++sequence);
      counts.frames++;
    }
  g_queue_push_tail (&pinned, frame);
  pin_down_to (pin);
}

static void
set_format (guint width, guint rows)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameFormat) format = shmframe_format_new ("gray", width, rows, &error);

  if (format == NULL || !shmframe_producer_set_format (producer, format, &error))
    unexpected ("set_format", error);
  counts.formats++;
}

/* A consumer that is stopped while it sweeps a dead producer's files has the name meanwhile. */
static ShmFrameProducer *
make_producer (guint n, const char **names, const GValue *values)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 1000; i++)
    {
      GObject *made = g_object_new_with_properties (SHMFRAME_TYPE_PRODUCER, n, names, values);

      g_clear_error (&error);
      if (g_initable_init (G_INITABLE (made), NULL, &error))
        return SHMFRAME_PRODUCER (made);
      g_object_unref (made);
      if (!g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NAME_IN_USE))
        break;
      counts.retried++;
      g_usleep (10000);
    }
  g_error ("soak: producer: %s", error->message);
}

static void
open_producer (void)
{
  guint n = g_strv_length (producer_properties) + 1;
  g_autofree const char **names = g_new0 (const char *, n);
  g_autofree GValue *values = g_new0 (GValue, n);

  names[0] = "pool";
  g_value_init (&values[0], G_TYPE_STRING);
  g_value_set_string (&values[0], producer_pool);
  for (guint i = 1; i < n; i++)
    {
      g_auto (GStrv) pair = g_strsplit (producer_properties[i - 1], "=", 2);
      GObjectClass *class = g_type_class_ref (SHMFRAME_TYPE_PRODUCER);
      g_auto (GValue) value = G_VALUE_INIT;

      names[i] = g_intern_string (pair[0]);
      g_value_init (&value, G_TYPE_INT64);
      g_value_set_int64 (&value, g_ascii_strtoll (pair[1], NULL, 10));
      g_value_init (&values[i], g_object_class_find_property (class, names[i])->value_type);
      g_assert_true (g_value_transform (&value, &values[i]));
      g_type_class_unref (class);
    }
  producer = make_producer (n, names, values);
  g_value_unset (&values[0]);
  sequence = 0;
  height = HEIGHT_MAX;
  set_format (WIDTH_MAX, height);
}

static void
reopen_producer (void)
{
  pin_down_to (0);
  shmframe_producer_close (producer);
  g_clear_object (&producer);
  counts.reopened++;
  open_producer ();
}

static void
push_event (guint64 n)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strdup_printf ("event-%u", (guint) (n % 8));
  g_autofree char *text = g_strnfill (n % 200, 'x');

  if (!shmframe_producer_push_event (producer, name, g_variant_new_string (text), n % 2 == 0,
                                     &error))
    unexpected ("push_event", error);
  counts.events++;
}

static void
obey_producer (char **words)
{
  const char *verb = words[0];
  guint64 n = words[1] ? number (words, 1) : 0;

  if (g_str_equal (verb, "rate"))
    rate = (guint) n;
  else if (g_str_equal (verb, "burst"))
    for (guint i = 0; i < n; i++)
      publish ();
  else if (g_str_equal (verb, "drop"))
    {
      shmframe_producer_drop (producer, (guint) n);
      sequence += n;
    }
  else if (g_str_equal (verb, "formats")) /* inside the segment, with frames between */
    for (guint i = 0; i < n; i++)
      {
        set_format (8 + 8 * (guint) (counts.formats % (WIDTH_MAX / 8)), 4 + i % (HEIGHT_MAX - 4));
        if (i % 8 == 0)
          publish ();
      }
  else if (g_str_equal (verb, "grow")) /* a new segment: a page more to a slot */
    {
      height = MIN (height + 4096 / WIDTH_MAX, HEIGHT_LIMIT);
      set_format (WIDTH_MAX, height);
      counts.segments++;
    }
  else if (g_str_equal (verb, "event"))
    push_event (n);
  else if (g_str_equal (verb, "eos"))
    shmframe_producer_push_eos (producer);
  else if (g_str_equal (verb, "pin"))
    pin_down_to (pin = (guint) n);
  else if (g_str_equal (verb, "reopen"))
    reopen_producer ();
  else if (g_str_equal (verb, "publish"))
    {
      publish ();
      printf ("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", producer_stat (producer, "epoch"),
              sequence);
    }
  else
    g_error ("soak: what is '%s'?", verb);
}

static void
run_producer (char **arguments)
{
  gint64 due = g_get_monotonic_time ();

  producer_pool = arguments[0];
  producer_properties = arguments + 1;
  open_producer ();
  while (obey_lines (obey_producer,
                     rate ? (int) (MAX (0, due - g_get_monotonic_time ()) + 999) / 1000 : -1, -1))
    if (rate > 0 && g_get_monotonic_time () >= due)
      {
        publish ();
        due = MAX (due + 1000000 / rate, g_get_monotonic_time () - 1000000 / rate);
      }
  pin_down_to (0);
  g_clear_object (&producer);
}

/* ---- the consumer -------------------------------------------------------------------------- */

static const char *consumer_pool;
static ShmFrameDelivery delivery;
static ShmFrameWait way;
static guint leases, hold;
static gboolean polls;
static ShmFrameConsumer *consumer;
static GQueue held = G_QUEUE_INIT; /* Held */
static guint attachment;           /* its number */
static guint64 last_epoch, last_sequence, last_passed, last_revoked;
static guint64 await_epoch, await_sequence;
static gint64 await_until_us; /* 0: nothing is awaited */

typedef struct
{
  ShmFrameFrame *frame;
  guint attachment;
} Held;

static void
open_consumer (void)
{
  g_autoptr (GError) error = NULL;

  consumer = g_initable_new (SHMFRAME_TYPE_CONSUMER, NULL, &error, "pool", consumer_pool,
                             "delivery", delivery, "wait", way, "leases", leases, NULL);
  if (consumer == NULL)
    g_error ("soak: consumer: %s", error->message);
  if (polls)
    shmframe_consumer_get_fd (consumer); /* says so before the first lease */
  last_epoch = last_sequence = 0;
}

static gboolean
is_good (ShmFrameFrame *frame)
{
  guint64 word = word_of (shmframe_frame_get_epoch (frame), shmframe_frame_get_sequence (frame));

  return (guint64) shmframe_frame_get_pts (frame) == word && two_process_is_filled (frame, word)
         && shmframe_frame_get_size (frame)
                == shmframe_format_get_size (shmframe_frame_get_format (frame));
}

/* Sequences only rise in an epoch, and each that was not delivered is counted. */
static void
account (ShmFrameFrame *frame)
{
  guint64 epoch = shmframe_frame_get_epoch (frame), now = shmframe_frame_get_sequence (frame);
  g_autoptr (GVariant) stats = NULL;
  guint64 passed, revoked;

  if (epoch == last_epoch && now <= last_sequence)
    counts.stale++;
  if (epoch != last_epoch || now != last_sequence + 1)
    {
      stats = shmframe_consumer_get_stats (consumer);
      passed = number_of (stats, "drops") + number_of (stats, "skipped");
      revoked = number_of (stats, "revoked"); /* copies among them, which were not delivered */
      if (epoch == last_epoch
          && (now - last_sequence - 1 < passed - last_passed
              || now - last_sequence - 1 > passed - last_passed + revoked - last_revoked))
        {
          g_printerr ("soak: %d: %" G_GUINT64_FORMAT " after %" G_GUINT64_FORMAT
                      ", %" G_GUINT64_FORMAT " counted\n",
                      (int) getpid (), now, last_sequence, passed - last_passed);
          counts.uncounted++;
        }
      last_passed = passed;
      last_revoked = revoked;
    }
  last_epoch = epoch;
  last_sequence = now;
}

static void
judge (gboolean good, ShmFrameVerdict verdict, guint of_attachment)
{
  if (verdict == SHMFRAME_VERDICT_REVOKED)
    {
      counts.revoked++;
      counts.unexplained += of_attachment == attachment;
    }
  else if (!good)
    counts.torn++;
}

/* It was evicted, or its producer may have been about to say so. */
static void
end_attachment (void)
{
  attachment++;
  counts.unexplained = 0;
}

static void
let_go (guint n)
{
  while (held.length > n)
    {
      g_autofree Held *oldest = g_queue_pop_head (&held);
      gboolean good = is_good (oldest->frame);

      judge (good, shmframe_consumer_release (consumer, oldest->frame), oldest->attachment);
    }
}

static void
take_frame (ShmFrameFrame *frame)
{
  g_autoptr (GError) error = NULL;
  gboolean good = is_good (frame);
  g_autoptr (GVariant) metadata = shmframe_frame_dup_metadata (frame, &error);
  Held *kept;

  good = good && metadata
         && number_of (metadata, "word") == (guint64) shmframe_frame_get_pts (frame);
  judge (good, shmframe_frame_get_verdict (frame), attachment);
  counts.frames++;
  account (frame);
  if (shmframe_frame_is_copy (frame))
    {
      shmframe_frame_unref (frame);
      return;
    }
  kept = g_new (Held, 1);
  *kept = (Held){ frame, attachment };
  g_queue_push_tail (&held, kept);
  let_go (hold);
}

static void
reopen_consumer (void)
{
  let_go (leases / 2); /* frames outlive their consumer */
  shmframe_consumer_close (consumer);
  g_clear_object (&consumer);
  open_consumer ();
  end_attachment ();
  counts.reopened++;
}

static void
take_event (ShmFrameEvent *event)
{
  switch (shmframe_event_get_event_type (event))
    {
    case SHMFRAME_EVENT_ATTACHED:
      counts.attached++;
      break;
    case SHMFRAME_EVENT_FORMAT:
      counts.formats++;
      break;
    case SHMFRAME_EVENT_LOST:
      counts.lost++;
      end_attachment ();
      break;
    case SHMFRAME_EVENT_EVICTED:
      counts.evicted++;
      end_attachment ();
      if (delivery == SHMFRAME_DELIVERY_LOSSLESS)
        reopen_consumer (); /* lossless again, and not ordered from here on */
      break;
    default:
      counts.events++;
    }
}

static void
take_error (const GError *error)
{
  if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_REFUSED))
    {
      counts.refused++;
      g_usleep (WAIT_NS / 1000); /* it asks again with each call */
    }
  else if (!g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT))
    unexpected ("lease", error);
}

static void
take_one (gint64 timeout_ns)
{
  g_autoptr (ShmFrameEvent) event = NULL;
  g_autoptr (GError) error = NULL;
  ShmFrameFrame *frame = shmframe_consumer_lease (consumer, timeout_ns, &event, &error);

  if (g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_QUOTA))
    {
      g_clear_error (&error);
      frame = shmframe_consumer_copy (consumer, timeout_ns, &event, &error);
    }
  if (frame)
    take_frame (frame);
  else if (event)
    take_event (event);
  else
    take_error (error);
}

static void
obey_consumer (char **words)
{
  if (g_str_equal (words[0], "hold"))
    let_go (hold = (guint) number (words, 1));
  else if (g_str_equal (words[0], "reopen"))
    reopen_consumer ();
  else if (g_str_equal (words[0], "await"))
    {
      await_epoch = number (words, 1);
      await_sequence = number (words, 2);
      await_until_us = g_get_monotonic_time () + (gint64) number (words, 3) * 1000;
    }
  else
    g_error ("soak: what is '%s'?", words[0]);
}

static void
answer_await (void)
{
  gboolean had = last_epoch == await_epoch && last_sequence >= await_sequence;

  if (await_until_us == 0 || (!had && g_get_monotonic_time () < await_until_us))
    return;
  await_until_us = 0;
  printf ("%s\n", had ? "yes" : "no");
  fflush (stdout);
}

static void
run_consumer (char **arguments)
{
  static const char *const deliveries[] = { "latest", "ordered", "lossless", NULL };
  static const char *const ways[] = { "sleep", "spin", "predict", "poll", NULL };

  g_assert_cmpuint (g_strv_length (arguments), ==, 4);
  consumer_pool = arguments[0];
  while (!g_str_equal (deliveries[delivery], arguments[1]))
    delivery++;
  while (!g_str_equal (ways[way], arguments[2]))
    way++;
  polls = way == 3;
  way = polls ? SHMFRAME_WAIT_SLEEP : way;
  leases = (guint) number (arguments, 3);
  open_consumer ();
  do
    {
      take_one (polls ? 0 : WAIT_NS);
      answer_await ();
    }
  while (obey_lines (obey_consumer,
                     polls && !shmframe_consumer_prepare_poll (consumer) ? WAIT_NS / 1000000 : 0,
                     polls ? shmframe_consumer_get_fd (consumer) : -1));
  let_go (0);
  g_clear_object (&consumer);
}

/* ---- the observer -------------------------------------------------------------------------- */

static char **pools;
static ShmFrameObserver **observers;
static ShmFrameRegistry *registry;
static gboolean looks = TRUE;

static void
on_pool (ShmFrameRegistry *self, ShmFramePoolInfo *info, gpointer data)
{
  counts.events++;
}

/* The statistics, from a new connection where there is none, or none any more. */
static GVariant *
query (guint i)
{
  g_autoptr (GError) error = NULL;
  GVariant *stats;

  if (observers[i] == NULL)
    observers[i] = shmframe_observer_new (pools[i], ANSWER_NS, &error);
  if (observers[i] == NULL)
    return NULL;
  stats = shmframe_observer_query_stats (observers[i], ANSWER_NS, &error);
  if (stats == NULL && !g_error_matches (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TIMED_OUT))
    {
      counts.lost++;
      g_clear_object (&observers[i]);
    }
  return stats;
}

static void
look (guint i)
{
  g_autoptr (GVariant) stats = query (i);
  g_autoptr (GVariant) slots = NULL;
  g_autoptr (ShmFrameFrame) frame = NULL;

  if (stats == NULL)
    return;
  slots = shmframe_observer_dup_slots (observers[i]);
  frame = shmframe_observer_copy_frame (observers[i], 0, NULL);
  if (frame == NULL)
    return;
  counts.frames++;
  judge (is_good (frame), SHMFRAME_VERDICT_INTACT, 0);
}

/* "consumers-held" and "consumers-leases" are sums; "states-N": slots in that state. */
static void
answer_pool (GVariant *stats)
{
  g_autoptr (GVariant) consumers = g_variant_lookup_value (stats, "consumers", NULL);
  g_autoptr (GVariant) states = g_variant_lookup_value (stats, "slot-states", NULL);
  guint64 sums[2] = { 0 }, in_state[8] = { 0 };
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, stats);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32)
        || g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
      printf ("%s=%" G_GUINT64_FORMAT " ", key, number_of (stats, key));
  g_variant_iter_init (&iter, consumers);
  while (g_variant_iter_loop (&iter, "@a{sv}", &value))
    {
      sums[0] += number_of (value, "held");
      sums[1] += number_of (value, "leases");
    }
  for (gsize i = 0; states && i < g_variant_n_children (states); i++)
    {
      guint8 state;

      g_variant_get_child (states, i, "y", &state);
      in_state[state % 8]++;
    }
  for (guint i = 0; i < G_N_ELEMENTS (in_state); i++)
    printf ("states-%u=%" G_GUINT64_FORMAT " ", i, in_state[i]);
  printf ("consumers-held=%" G_GUINT64_FORMAT " consumers-leases=%" G_GUINT64_FORMAT "\n", sums[0],
          sums[1]);
}

static void
obey_observer (char **words)
{
  g_autoptr (GVariant) stats = NULL;
  guint i = 0;

  if (g_str_equal (words[0], "look"))
    {
      looks = number (words, 1) != 0;
      return;
    }
  g_assert_cmpstr (words[0], ==, "pool");
  while (!g_str_equal (pools[i], words[1]))
    i++;
  look (i); /* so that it enters the newest segment */
  stats = query (i);
  if (stats)
    answer_pool (stats);
  else
    printf ("none\n");
}

static void
run_observer (char **arguments)
{
  pools = arguments;
  observers = g_new0 (ShmFrameObserver *, g_strv_length (pools));
  registry = shmframe_registry_new ();
  g_signal_connect (registry, "pool-added", G_CALLBACK (on_pool), NULL);
  g_signal_connect (registry, "pool-removed", G_CALLBACK (on_pool), NULL);
  do
    {
      while (g_main_context_iteration (NULL, FALSE))
        ;
      for (guint i = 0; looks && pools[i]; i++)
        look (i);
      if (looks)
        g_ptr_array_unref (shmframe_registry_list (registry));
    }
  while (obey_lines (obey_observer, 30, -1));
  for (guint i = 0; pools[i]; i++)
    g_clear_object (&observers[i]);
  g_clear_object (&registry);
  g_free (observers);
}

int
main (int argc, char **argv)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  g_assert_cmpint (argc, >=, 3);
  g_set_prgname ("soak");
  printf ("ready\n");
  fflush (stdout);
  if (g_str_equal (argv[1], "producer"))
    run_producer (argv + 2);
  else if (g_str_equal (argv[1], "consumer"))
    run_consumer (argv + 2);
  else
    run_observer (argv + 2);
  return counts.torn || counts.stale || counts.uncounted || counts.errors ? 1 : 0;
}
