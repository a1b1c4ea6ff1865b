/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Pipelines in the test's own process, for the tests that need no other. Every step has a watchdog. */

#include "child.h"

#include <gst/gst.h>

#define WATCHDOG_S 10
#define CAPS "video/x-raw,format=I420,width=32,height=32,framerate=500/1"
#define CAPS_BYTES (32 * 32 * 3 / 2)
#define TEST_SRC "videotestsrc name=from ! " CAPS
#define LIVE_SRC "videotestsrc is-live=true name=from ! " CAPS
#define SINK " ! shmframesink name=e pool=t "
#define SRC "shmframesrc name=e pool=t "
#define END " ! fakesink name=end sync=false"

/* A pipeline, and what it has said; the element under test is "e". */
typedef struct
{
  GstElement *pipeline, *e;
  GstPad *pad; /* of e */
  GMutex lock;
  GCond changed;
  pid_t thread; /* that streams */
  guint frames; /* that came through the pad */
  gboolean eos;
  char *error;
} Side;

Side *side_new (const char *pipeline);
void side_free (Side *side);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Side, side_free)

void set_state (GstElement *element, GstState state);
/* The same, and it gets there. */
void reach (GstElement *element, GstState state);
void await_frames (Side *side, guint n);
/* The end of the stream, or an error (transfer full). */
char *await_end (Side *side);
/* Until the streaming thread sleeps: only the kernel can tell. */
void await_sleep (Side *side);
/* A number of an element's statistics. */
guint64 stat_of_element (GstElement *element, const char *name);

/* Keeps the longest time since `begin`; says it. set_state() notes its own. */
void note_time (gint64 begin);
void report_time (const char *what);

/* As begin_tests() and run_tests(), with gst_init(); with GST_TRACERS=leaks it fails where something is
 * left at the end. */
void begin_side_tests (int *argc, char ***argv);
int run_side_tests (void);
