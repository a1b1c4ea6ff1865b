/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "screen.h"

#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common.h"

#define CLEAR "\033[H\033[2J"
#define HOME "\033[H"
#define CLEAR_REST_OF_LINE "\033[K"
#define CLEAR_BELOW "\033[J"
#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h"

struct _Screen
{
  GMainLoop *loop;
  gboolean terminal;
  gboolean keys; /* standard input is one too, and was changed */
  struct termios before;
  guint key_source, size_source;
  char *text; /* what is on it */
};

static GString *captured;

static void
capture (const char *text)
{
  g_string_append (captured, text);
}

static void
put (const char *text)
{
  fputs (text, stdout);
}

static void
put_line (const char *line, guint columns)
{
  g_autofree char *cut = NULL;
  const char *end = line;

  for (guint used = 0; *end != '\0'; end = g_utf8_next_char (end))
    {
      used += columns_of (g_utf8_get_char (end));
      if (used > columns)
        break;
    }
  cut = g_strndup (line, (gsize) (end - line));
  put (cut);
  put (CLEAR_REST_OF_LINE);
}

static gboolean
redraw (gpointer data)
{
  Screen *self = data;
  struct winsize size = { 0 };
  g_auto (GStrv) lines = g_strsplit (self->text != NULL ? self->text : "", "\n", -1);

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
    size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
  put (HOME);
  for (guint i = 0; lines[i] != NULL && i < size.ws_row; i++)
    {
      put (i > 0 ? "\n" : "");
      put_line (lines[i], size.ws_col);
    }
  put (CLEAR_BELOW);
  fflush (stdout);
  return G_SOURCE_CONTINUE;
}

static gboolean
key_pressed (gint fd, GIOCondition condition, gpointer data)
{
  Screen *self = data;
  char keys[64];
  gssize n = read (fd, keys, sizeof keys);

  if (n > 0 && memchr (keys, 'q', (gsize) n) == NULL)
    return G_SOURCE_CONTINUE;
  if (n > 0)
    g_main_loop_quit (self->loop);
  self->key_source = 0;
  return G_SOURCE_REMOVE;
}

/* Keys come at once and are not shown. Ctrl-Z would leave the terminal so: it does nothing. */
static void
take_keys (Screen *self)
{
  struct termios raw;

  if (tcgetattr (STDIN_FILENO, &self->before) < 0)
    return;
  raw = self->before;
  raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  raw.c_cc[VSUSP] = _POSIX_VDISABLE;
  self->keys = tcsetattr (STDIN_FILENO, TCSANOW, &raw) == 0;
  if (self->keys)
    self->key_source = g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP, key_pressed, self);
}

Screen *
screen_new (GMainLoop *loop, gboolean plain)
{
  Screen *self = g_new0 (Screen, 1);

  self->loop = g_main_loop_ref (loop);
  self->terminal = !plain && isatty (STDOUT_FILENO);
  if (!self->terminal)
    return self;
  take_keys (self);
  self->size_source = g_unix_signal_add (SIGWINCH, redraw, self);
  put (HIDE_CURSOR CLEAR);
  fflush (stdout);
  return self;
}

void
screen_free (Screen *self)
{
  if (self->terminal)
    put (SHOW_CURSOR);
  fflush (stdout);
  if (self->size_source != 0)
    g_source_remove (self->size_source);
  if (self->key_source != 0)
    g_source_remove (self->key_source);
  if (self->keys)
    tcsetattr (STDIN_FILENO, TCSANOW, &self->before);
  g_main_loop_unref (self->loop);
  g_free (self->text);
  g_free (self);
}

gboolean
screen_is_terminal (const Screen *self)
{
  return self->terminal;
}

void
screen_begin (Screen *self)
{
  if (!self->terminal)
    return;
  captured = g_string_new (NULL);
  g_set_print_handler (capture);
}

void
screen_end (Screen *self)
{
  if (!self->terminal)
    return;
  g_set_print_handler (NULL);
  g_free (self->text);
  self->text = g_string_free (captured, FALSE);
  captured = NULL;
  g_strchomp (self->text);
  redraw (self);
}
