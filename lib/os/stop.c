/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "abi/stop.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <glib.h>

/* SHMFRAME_STOP=NAME:ACTION[:COUNT][,...] acts on the COUNT-th time (from 1) that the process comes to
 * NAME; SHMFRAME_STOP=list prints the names. Stop points lie in lock-free code: but for the first,
 * which reads the environment, they allocate nothing and take no lock.
 *
 * kill   SIGKILL
 * stop   SIGSTOP
 * fork   leaves a child behind with all descriptors, and then SIGKILL
 * close  shuts down the connections to other processes, and then SIGSTOP */

#define WANTED_MAX 4
#define DESCRIPTORS_MAX 1024 /* that a test's process has */

static const char *const names[] = {
#define NAME(id, name) name,
  SHMFRAME_STOP_POINTS_LIST (NAME)
#undef NAME
};

static const char *const actions[] = { "kill", "stop", "fork", "close" };

typedef struct
{
  int point;
  int action;
  gint hits_left;
} Wanted;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static Wanted wanted[WANTED_MAX];
static guint n_wanted;

static int
find (const char *const *list, guint n, const char *word)
{
  for (guint i = 0; word && i < n; i++)
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
parse_one (const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, ":", 3);
  guint64 count = 1;
  int point = find (names, G_N_ELEMENTS (names), words[0]);
  int action = point < 0 ? -1 : find (actions, G_N_ELEMENTS (actions), words[1]);

  if (action < 0 || n_wanted == WANTED_MAX
      || (words[2] != NULL
          && !g_ascii_string_to_unsigned (words[2], 10, 1, G_MAXINT, &count, NULL)))
    {
      fprintf (stderr,
               "SHMFRAME_STOP: %s: give NAME:ACTION[:COUNT], at most %d with commas between; ACTION "
               "kill, stop, fork or close, COUNT from 1, and NAME one of\n",
               text, WANTED_MAX);
      print_names (stderr);
      abort ();
    }
  wanted[n_wanted++] = (Wanted){ point, action, (gint) count };
}

static void
parse (void)
{
  const char *value = g_getenv ("SHMFRAME_STOP");
  g_auto (GStrv) parts = g_strsplit (value ? value : "", ",", -1);

  if (g_strcmp0 (value, "list") == 0)
    {
      print_names (stdout);
      exit (0);
    }
  for (guint i = 0; parts[i]; i++)
    parse_one (parts[i]);
}

/* A child that inherits every descriptor and stays, as one of an application that forks does. */
static void
leave_child (const char *name)
{
  pid_t child = fork ();

  if (child == 0)
    for (;;)
      pause ();
  dprintf (STDERR_FILENO, "shmframe-stop: %s: child %d\n", name, (int) child);
  raise (SIGKILL);
}

static void
close_connections (void)
{
  for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
    {
      struct sockaddr_storage peer;
      socklen_t peer_size = sizeof peer, type_size = sizeof (int);
      int type = 0;

      if (getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_SEQPACKET
          && getpeername (fd, (struct sockaddr *) &peer, &peer_size) == 0)
        shutdown (fd, SHUT_RDWR);
    }
}

static void
act (const Wanted *self)
{
  const char *action = actions[self->action];

  if (strcmp (action, "kill") == 0)
    raise (SIGKILL);
  else if (strcmp (action, "fork") == 0)
    leave_child (names[self->point]);
  else if (strcmp (action, "close") == 0)
    close_connections ();
  raise (SIGSTOP); /* not kill(): another thread would take it, and this one stop further on */
}

void
shmframe_stop (int point)
{
  pthread_once (&once, parse);
  for (guint i = 0; i < n_wanted; i++)
    if (wanted[i].point == point && g_atomic_int_dec_and_test (&wanted[i].hits_left))
      act (&wanted[i]);
}
