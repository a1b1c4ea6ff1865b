/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "abi/stop.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

/* SHMFRAME_STOP=NAME:ACTION[:COUNT] acts on the COUNT-th time (from 1) that the process comes to
 * NAME; SHMFRAME_STOP=list prints the names. Stop points lie in lock-free code: but for the first,
 * which reads the environment, they allocate nothing and take no lock. */

static const char *const names[] = {
#define NAME(id, name) name,
  SHMFRAME_STOP_POINTS_LIST (NAME)
#undef NAME
};

static const char *const actions[] = { "kill", "stop", "fork" };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int wanted_point = -1;
static guint wanted_action;
static gint hits_left;

static int
find (const char *const *list, guint n, const char *word)
{
  for (guint i = 0; i < n; i++)
    if (strcmp (list[i], word) == 0)
      return (int) i;
  return -1;
}

static void
print_names (FILE *stream)
{
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    fprintf (stream, "%s\n", names[i]);
}

static void
parse (void)
{
  const char *value = g_getenv ("SHMFRAME_STOP");
  g_auto (GStrv) words = NULL;
  guint64 count = 1;
  int point, action;

  if (value == NULL || *value == '\0')
    return;
  if (strcmp (value, "list") == 0)
    {
      print_names (stdout);
      exit (0);
    }
  words = g_strsplit (value, ":", 3);
  point = find (names, G_N_ELEMENTS (names), words[0]);
  action = words[1] != NULL ? find (actions, G_N_ELEMENTS (actions), words[1]) : -1;
  if (point < 0 || action < 0
      || (words[2] != NULL
          && !g_ascii_string_to_unsigned (words[2], 10, 1, G_MAXINT, &count, NULL)))
    {
      fprintf (stderr, "SHMFRAME_STOP=%s: give NAME:ACTION[:COUNT] with ACTION kill, stop or fork, "
                       "COUNT from 1, and NAME one of\n", value);
      print_names (stderr);
      abort ();
    }
  wanted_action = (guint) action;
  hits_left = (gint) count;
  wanted_point = point;
}

/* A child that inherits every descriptor and stays, as one of an application that forks does. */
static void
leave_child (void)
{
  pid_t child = fork ();

  if (child == 0)
    for (;;)
      pause ();
  dprintf (STDERR_FILENO, "shmframe-stop: %s: child %d\n", names[wanted_point], (int) child);
  raise (SIGKILL);
}

void
shmframe_stop (int point)
{
  pthread_once (&once, parse);
  if (point != wanted_point || !g_atomic_int_dec_and_test (&hits_left))
    return;
  if (strcmp (actions[wanted_action], "kill") == 0)
    raise (SIGKILL);
  else if (strcmp (actions[wanted_action], "stop") == 0)
    kill (getpid (), SIGSTOP);
  else
    leave_child ();
}
