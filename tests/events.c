/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Events, and their order among the frames. */

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "two-process.h"

static void
push (ShmFrameProducer *producer, const char *name, guint value, gboolean sticky)
{
  g_autoptr (GError) error = NULL;

  shmframe_producer_push_event (producer, name, g_variant_new_uint32 (value), sticky, &error);
  g_assert_no_error (error);
}

/* Each stands exactly where it was pushed. */
static void
test_order (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "e", "history", 50, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer e ordered");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1");
  for (guint i = 1; i <= 40; i++)
    {
      for (guint k = 0; k < i % 4; k++)
        push (producer, "tick", 10 * i + k, i % 3 == 0);
      producer_publish (producer, 1);
    }
  push (producer, "after", 1, FALSE);
  shmframe_producer_push_eos (producer);
  for (guint i = 1; i <= 40; i++)
    {
      g_autofree char *frame = g_strdup_printf ("took 1 %u %u", i, i);

      for (guint k = 0; k < i % 4; k++)
        {
          g_autofree char *event = g_strdup_printf ("named tick %u %u", 10 * i + k, i);

          agent_expect (agent, event, "next -1");
        }
      agent_expect (agent, frame, "take 1");
    }
  agent_expect (agent, "named after 1 41", "next -1");
  agent_expect (agent, "eos 41", "next -1");
  /* A new stream may follow. */
  producer_publish (producer, 1);
  agent_expect (agent, "took 1 41 41", "take 1");
}

/* The last sticky event of each name is there at attach; others, and the end of the stream, not. */
static void
test_sticky (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "e", NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (10);
  push (producer, "before", 1, TRUE);
  producer_format (producer, 128, 96);
  push (producer, "tag", 1, TRUE);
  push (producer, "passing", 2, FALSE);
  producer_publish (producer, 1);
  push (producer, "tag", 3, TRUE);
  shmframe_producer_push_eos (producer);
  agent_expect (agent, "ok", "consumer e ordered");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "named before 1 1", "next -1");
  agent_expect (agent, "format 128x96 1", "next -1");
  agent_expect (agent, "named tag 3 2", "next -1");
  agent_expect (agent, "error 15 *", "next 0"); /* neither the last frame nor the end of what is over */
  shmframe_producer_push_eos (producer);
  agent_expect (agent, "eos 2", "next -1");
}

/* For a consumer that is stopped, what does not fit its socket is lost, but for the sticky state; it
 * is told how many. */
static void
test_lost (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "e", NULL);
  g_autoptr (Agent) agent = agent_new ();
  guint64 number = 0, lost = 0, came = 0;
  gboolean state = FALSE;

  watchdog (20);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer e ordered");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1");
  producer_publish (producer, 1);
  agent_expect (agent, "took 1 1 1", "take 1");
  agent_stop (agent);
  for (guint i = 1; i <= 5000; i++)
    push (producer, i == 4000 ? "state" : "tick", i, i == 4000);
  producer_publish (producer, 1);
  agent_continue (agent);

  while (TRUE)
    {
      g_autofree char *answer = agent_ask (agent, "next -1");
      guint64 value, count;

      if (sscanf (answer, "events-lost %" G_GUINT64_FORMAT, &count) == 1)
        lost += count;
      else if (sscanf (answer, "named %*s %" G_GUINT64_FORMAT, &value) == 1)
        {
          state |= value == 4000;
          came++;
          g_assert_cmpuint (value, >, number);
          number = value;
        }
      else
        {
          g_assert_cmpstr (answer, ==, "frame 2 2 good"); /* after all of its events */
          break;
        }
    }
  g_assert_true (state);
  g_assert_cmpuint (lost, >, 0);
  g_assert_cmpuint (came + lost, ==, 5000);
  /* From here on all is as before. */
  push (producer, "tick", 1, FALSE);
  producer_publish (producer, 1);
  agent_expect (agent, "named tick 1 3", "next -1");
  agent_expect (agent, "took 1 3 3", "take 1");
}

/* A consumer that does not take its events does not lose its place among the frames for it. */
static void
test_not_taken (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "e", "history", 2, NULL);
  g_autoptr (Agent) agent = agent_new ();

  watchdog (20);
  producer_format (producer, 128, 96);
  agent_expect (agent, "ok", "consumer e ordered");
  agent_expect (agent, "attached", "next -1");
  agent_expect (agent, "format *", "next -1");
  for (guint i = 1; i <= 8000; i++)
    push (producer, "tick", i, FALSE);
  producer_publish (producer, 1);
  agent_expect (agent, "frame 1 1 good", "frame -1");
  g_assert_cmpuint (agent_stat (agent, "attaches"), ==, 1);
}

static void
test_too_big (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "e", NULL);
  g_autofree char *text = g_strnfill (SHMFRAME_EVENT_MAX_SIZE, 'x');
  g_autofree char *name = g_strnfill (SHMFRAME_EVENT_MAX_NAME + 1, 'n');
  GVariant *nested = g_variant_new_boolean (TRUE);
  g_autoptr (GError) error = NULL;

  watchdog (10);
  g_assert_false (shmframe_producer_push_event (producer, "text", g_variant_new_string (text), FALSE,
                                                &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG);
  g_assert_nonnull (strstr (error->message, "at most 32768"));
  g_clear_error (&error);
  for (guint i = 0; i < 200; i++)
    nested = g_variant_new_variant (nested);
  g_assert_false (shmframe_producer_push_event (producer, "nested", nested, FALSE, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG);
  g_clear_error (&error);
  g_assert_false (shmframe_producer_push_event (producer, name, NULL, FALSE, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT);
  g_clear_error (&error);
  g_assert_false (shmframe_producer_push_event (producer, "eos", NULL, FALSE, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_ARGUMENT);
  g_clear_error (&error);
  for (guint i = 0; i < SHMFRAME_EVENT_MAX_STICKY; i++)
    {
      g_autofree char *sticky = g_strdup_printf ("sticky%u", i);

      push (producer, sticky, i, TRUE);
    }
  g_assert_false (shmframe_producer_push_event (producer, "more", NULL, TRUE, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_TOO_BIG);
  push (producer, "sticky0", 1, TRUE);
}

/* The log's limit of 1 MiB is one of memory, too; what is counted is what malloc gave. */
static void
test_memory (void)
{
  g_autoptr (ShmFrameProducer) producer = producer_new ("pool", "e", NULL);
  gsize before;

  producer_format (producer, 64, 64);
  before = mallinfo2 ().uordblks;
  for (guint i = 0; i < 4200; i++)
    producer_format (producer, 64, 64 - i % 2 * 32);
  g_test_message ("%zu bytes", mallinfo2 ().uordblks - before);
  g_assert_cmpuint (mallinfo2 ().uordblks - before, <, 4 << 20);
}

int
main (int argc, char **argv)
{
  agent_main (&argc, &argv);
  g_test_add_func ("/events/order", test_order);
  g_test_add_func ("/events/sticky", test_sticky);
  g_test_add_func ("/events/lost", test_lost);
  g_test_add_func ("/events/not-taken", test_not_taken);
  g_test_add_func ("/events/too-big", test_too_big);
  g_test_add_func ("/events/memory", test_memory);
  return agent_run ();
}
