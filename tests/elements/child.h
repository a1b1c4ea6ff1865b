/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests in tests/elements share: pipelines in processes of their own, run by elements-runner
 * (runner.c says what it prints and understands), and gst-launch-1.0. Needs GST_PLUGIN_PATH. */

#include <gio/gio.h>
#include <signal.h>
#include <string.h>

typedef struct
{
  GSubprocess *process;
  GDataInputStream *out;
  GPtrArray *lines; /* all that it has said */
} Child;

/* A test's own folder, where its pools and files are. */
extern char *folder;

void begin_tests (int *argc, char ***argv);
/* A test that is killed when it takes longer than 120 s. */
void add (const char *path, void (*test) (void));
int run_tests (void);

/* Dies with the test. */
Child *child_spawn (const char *const *argv);
/* elements-runner with that pipeline. */
Child *run (const char *format, ...) G_GNUC_PRINTF (1, 2);
/* Kills it if need be. */
void child_free (Child *child);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Child, child_free)

/* The next line that begins so; NULL at the end. */
const char *wait_line (Child *child, const char *prefix);
/* The same, and it comes. */
void expect_line (Child *child, const char *prefix);
/* A command for elements-runner. */
void tell (Child *child, const char *command);
/* Reads to the end; its exit code, or minus its signal. */
int finish (Child *child);

/* Of what it has said so far: lines that begin so; a number in its last statistics; the hashes of its
 * frames, a line each. */
guint count_lines (Child *child, const char *prefix);
guint64 stat_of (Child *child, const char *name);
char *hashes (Child *child);
/* Asks for its statistics first; until the number is at least that. */
guint64 stat_now (Child *child, const char *name);
void await_stat (Child *child, const char *name, guint64 least);
/* The hashes of a pipeline's frames, without shmframe. */
char *reference (const char *pipeline);

/* FALSE, and the test is skipped: an element is not installed. Ends with NULL. */
gboolean have_elements (const char *first, ...) G_GNUC_NULL_TERMINATED;
