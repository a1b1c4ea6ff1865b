/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "roles.h"

#include <shmframe/shmframe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "two-process.h"

#define STAT "%u consumers, %u promised, %u held, %u leased, %u retired, %u writing"

/* ---- consumer ------------------------------------------------------------------------------ */

static void
say_event (ShmFrameEvent *event)
{
  GVariant *value = shmframe_event_get_value (event);

  switch (shmframe_event_get_event_type (event))
    {
    case SHMFRAME_EVENT_ATTACHED:
      printf ("attached %" G_GUINT64_FORMAT "\n", number_of (value, "pid"));
      break;
    case SHMFRAME_EVENT_LOST:
      printf ("lost\n");
      break;
    case SHMFRAME_EVENT_EVICTED:
      printf ("evicted\n");
      break;
    default:
      break;
    }
}

/* The bytes first, then the verdict on them. */
static const char *
judge (ShmFrameFrame *frame)
{
  guint64 sequence = shmframe_frame_get_sequence (frame);
  gboolean right = two_process_is_filled (frame, sequence)
                   && shmframe_frame_get_pts (frame) == (gint64) sequence;

  if (shmframe_frame_get_verdict (frame) != SHMFRAME_VERDICT_INTACT)
    return "revoked";
  return right ? "frame" : "torn";
}

static void
say_frame (const char *verdict, guint64 sequence)
{
  printf ("%s %" G_GUINT64_FORMAT "\n", verdict, sequence);
}

/* One that holds looks at each frame again when it has the next, and only then ends the lease. */
static void
handle_frame (ShmFrameFrame *frame, gboolean holds, ShmFrameFrame **held)
{
  guint64 sequence = shmframe_frame_get_sequence (frame);
  const char *verdict = judge (frame);

  if (holds && *held && !g_str_equal (judge (*held), "frame"))
    say_frame (judge (*held), shmframe_frame_get_sequence (*held));
  shmframe_frame_unref (*held);
  *held = holds ? frame : NULL;
  if (!holds)
    shmframe_frame_unref (frame);
  say_frame (verdict, sequence);
}

static gpointer
make (GType type, const char *first_property, ...)
{
  g_autoptr (GError) error = NULL;
  GObject *object;
  va_list args;

  va_start (args, first_property);
  object = g_initable_new_valist (type, first_property, args, NULL, &error);
  va_end (args);
  if (object)
    return object;
  printf ("error %d %s\n", error->code, error->message);
  exit (0);
}

static void
consume (const char *delivery, gboolean holds)
{
  static const char *const names[] = { "latest", "ordered", "lossless" };
  ShmFrameFrame *held = NULL;
  ShmFrameConsumer *consumer;
  int number = 0;

  while (!g_str_equal (names[number], delivery))
    number++;
  consumer = make (SHMFRAME_TYPE_CONSUMER, "pool", ROLE_POOL, "delivery", number, "leases",
                   ROLE_LEASES, NULL);
  while (TRUE)
    {
      g_autoptr (ShmFrameEvent) event = NULL;
      g_autoptr (GError) error = NULL;
      ShmFrameFrame *frame = shmframe_consumer_lease (consumer, -1, &event, &error);

      if (event)
        say_event (event);
      else if (frame)
        handle_frame (frame, holds, &held);
      else
        printf ("error %s\n", error->message);
    }
}

/* ---- producer ------------------------------------------------------------------------------ */

static guint
acquire_all (ShmFrameProducer *producer)
{
  g_autoptr (GPtrArray) frames
      = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_frame_unref);
  ShmFrameFrame *frame;

  while ((frame = shmframe_producer_acquire (producer, NULL)) != NULL)
    g_ptr_array_add (frames, frame);
  return frames->len;
}

static guint
count_leased (GVariant *stats)
{
  g_autoptr (GVariant) consumers = g_variant_lookup_value (stats, "consumers", NULL);
  guint leased = 0;

  for (gsize i = 0; i < g_variant_n_children (consumers); i++)
    {
      g_autoptr (GVariant) one = g_variant_get_child_value (consumers, i);

      leased += (guint) number_of (one, "held");
    }
  return leased;
}

static void
say_stat (ShmFrameProducer *producer)
{
  g_autoptr (GVariant) stats = shmframe_producer_get_stats (producer);
  g_autoptr (GVariant) states = g_variant_lookup_value (stats, "slot-states", NULL);
  guint counts[7] = { 0 };
  gsize n;
  const guint8 *state = g_variant_get_fixed_array (states, &n, 1);

  for (gsize i = 0; i < n; i++)
    counts[state[i]]++;
  printf (STAT "\n", (guint) number_of (stats, "n-consumers"),
          (guint) number_of (stats, "promised"), (guint) number_of (stats, "held"),
          count_leased (stats), counts[4], counts[2]);
}

char *
role_stat (guint consumers)
{
  return g_strdup_printf (STAT, consumers, consumers * (ROLE_LEASES + 1), 0, 0, 0, 0);
}

static void
produce (const char *stall_ms)
{
  g_autoptr (ShmFrameProducer) producer
      = make (SHMFRAME_TYPE_PRODUCER, "pool", ROLE_POOL, "slots", ROLE_SLOTS, "history",
              ROLE_HISTORY, "window", ROLE_HISTORY, "in-flight", ROLE_IN_FLIGHT, "stall-timeout",
              g_ascii_strtoull (stall_ms, NULL, 10) * 1000000, NULL);
  char line[64];

  printf ("ready\n");
  while (fgets (line, sizeof line, stdin))
    {
      char *number = strchr (g_strchomp (line), ' ');
      guint value = number ? (guint) atoi (number) : 0;

      if (g_str_has_prefix (line, "format"))
        {
          producer_format (producer, value, 64);
          printf ("ok\n");
        }
      else if (g_str_has_prefix (line, "publish"))
        printf ("ok %" G_GUINT64_FORMAT "\n", producer_publish (producer, value));
      else if (g_str_equal (line, "acquire"))
        printf ("ok %u\n", acquire_all (producer));
      else
        say_stat (producer);
    }
}

void
role_main (int argc, char **argv)
{
  setvbuf (stdout, NULL, _IOLBF, 0);
  if (argc == 4 && g_str_equal (argv[1], "--consumer"))
    consume (argv[2], atoi (argv[3]) != 0);
  else if (argc == 3 && g_str_equal (argv[1], "--producer"))
    produce (argv[2]);
  else
    return;
  exit (0);
}
