/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tests of the API between processes. An agent is this same program, started again: it has a consumer
 * or a producer, does what it is told line by line, and answers each line with one line. A test program
 * calls agent_main() first thing in main().
 *
 * Every frame is filled with one 64-bit word, which is also its pts: see two_process_fill(). An agent
 * checks every word of every frame that it gets.
 *
 * Lines of a consumer (numbers are decimal, times in ms, -1 is for ever):
 *   consumer POOL DELIVERY [PROPERTY=VALUE ...]  "ok" or an error
 *   consumer-fd DELIVERY     takes the descriptor that agent_send_fd() passed
 *   start                    "ok"
 *   next TIME                "frame SEQUENCE WORD good|bad", an event, or "error CODE MESSAGE"
 *   frame TIME, copy TIME    likewise, but events are passed over
 *   take COUNT               takes and gives back frames: "took COUNT FIRST LAST", or what went wrong
 *   serve                    takes frames until the end of the stream: "served COUNT FIRST LAST"
 *   loop fd|source           likewise, with a main loop
 *   check SEQUENCE           of a held frame: "good intact", "bad revoked" ...
 *   release SEQUENCE         "intact" or "revoked"
 *   describe SEQUENCE        "PTS DURATION CAPTURE STREAM FLAGS METADATA"
 *   request LEASES           "ok"
 *   stat KEY                 a value of the statistics
 *   flush-during TIME        set_flushing() by another thread during a lease: like `next`
 *   close
 * Lines of a producer:
 *   producer POOL [PROPERTY=VALUE ...]
 *   format WIDTH HEIGHT, publish COUNT, drop COUNT, event NAME VALUE STICKY, eos, stat KEY, close
 *   pong COUNT               publishes one frame for each that its consumer (see above) takes
 * Of both:
 *   fork                     leaves a child behind, with all descriptors, until the agent is freed
 *
 * Events: "attached", "format WIDTHxHEIGHT SEQUENCE", "eos SEQUENCE", "named NAME VALUE SEQUENCE",
 * "events-lost COUNT", "evicted WHY", "lost WHY".
 */

#include <glib.h>
#include <shmframe/shmframe.h>

typedef struct _Agent Agent;

/* Does not return in an agent. Otherwise: g_test_init(), and a runtime folder of our own. */
void agent_main (int *argc, char ***argv);
/* Runs the tests and removes the folder. */
int agent_run (void);

Agent *agent_new (void);
/* Ends it, and its children, in order, or by SIGKILL where it was stopped. */
void agent_free (Agent *self);
GPid agent_get_pid (const Agent *self);

void agent_tell (Agent *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
char *agent_hear (Agent *self);
/* agent_tell() and agent_hear(). */
char *agent_ask (Agent *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* agent_ask(), and the answer must match a pattern with * and ?. */
void agent_expect (Agent *self, const char *pattern, const char *format, ...) G_GNUC_PRINTF (3, 4);
void agent_expect_answer (Agent *self, const char *pattern);
/* Tells it the same again until the answer matches. */
void agent_hear_until (Agent *self, const char *line, const char *pattern);
guint64 agent_stat (Agent *self, const char *key);
/* Asks again until it is at least that. */
void agent_await_stat (Agent *self, const char *key, guint64 least);
void agent_send_fd (Agent *self, int fd);

void agent_stop (Agent *self); /* SIGSTOP, until it has stopped */
void agent_continue (Agent *self);
void agent_kill (Agent *self); /* SIGKILL, until it is dead */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Agent, agent_free)

/* ---- for tests with an object in their own process ---- */

/* The format's bytes, each word of them. */
void two_process_fill (ShmFrameFrame *frame, guint64 word);
gboolean two_process_is_filled (ShmFrameFrame *frame, guint64 word);

ShmFrameProducer *producer_new (const char *first_property, ...) G_GNUC_NULL_TERMINATED;
void producer_format (ShmFrameProducer *producer, guint width, guint height);
/* Acquires and fills a frame: the word is the sequence that is due. */
ShmFrameFrame *producer_frame (ShmFrameProducer *producer);
/* Publishes `count` such frames; returns the last sequence. */
guint64 producer_publish (ShmFrameProducer *producer, guint count);
/* One, whose sequence the caller knows: for tight loops. */
void producer_publish_one (ShmFrameProducer *producer, guint64 sequence);
guint64 producer_stat (ShmFrameProducer *producer, const char *key);
void producer_await_stat (ShmFrameProducer *producer, const char *key, guint64 least);
/* A key of its first consumer's entry in the statistics. */
GVariant *producer_consumer_stat (ShmFrameProducer *producer, const char *key);
/* Waits until so many consumers are attached. */
void producer_await_consumers (ShmFrameProducer *producer, guint n);
/* Until so many slots are committed: ahead of a consumer they are by and by. */
void producer_await_committed (ShmFrameProducer *producer, guint64 slots);

ShmFrameObserver *observer_new (const char *pool);
/* What the producer's control thread had to do before is done once it answers. */
void observer_settle (ShmFrameObserver *observer);

/* A number from an a{sv}; 0 where it is missing. */
guint64 number_of (GVariant *dict, const char *key);
/* Ends this process by SIGALRM when a test takes longer. */
void watchdog (guint seconds);
