/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "perf.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "way.h"

#define MOST_MS 1000

static int
open_fifo (const char *folder, const char *name, int flags)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return open (path, flags | O_NONBLOCK | O_CLOEXEC);
}

/* perf answers "ack\n", NUL included. */
static gboolean
ask (int control, int ack, const char *command)
{
  struct pollfd answer = { .fd = ack, .events = POLLIN };
  g_autofree char *line = g_strconcat (command, "\n", NULL);
  char text[8];

  return bench_write_all (control, line, strlen (line), NULL) && poll (&answer, 1, MOST_MS) == 1
         && read (ack, text, sizeof text) > 0;
}

void
bench_tell_perf (const char *command)
{
  const char *folder = g_getenv ("FRAME_BENCH_PERF"); /* with the fifos of perf's --control */
  int control, ack;

  if (!folder)
    return;
  control = open_fifo (folder, "control", O_WRONLY);
  ack = open_fifo (folder, "ack", O_RDONLY);
  if (control < 0 || ack < 0 || !ask (control, ack, command))
    g_printerr ("perf does not %s its events\n", command);
  if (control >= 0)
    close (control);
  if (ack >= 0)
    close (ack);
}
