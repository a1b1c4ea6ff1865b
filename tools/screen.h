/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * A terminal on which the same text is printed again and again in place: what g_print() prints between
 * screen_begin() and screen_end(), cut to its width and height, also when these change. Nothing but
 * g_print() where standard output is no terminal. One at a time, main thread.
 */
typedef struct _Screen Screen;

/* Ends `loop` when q is pressed. Plain: as if it were no terminal. */
Screen *screen_new (GMainLoop *loop, gboolean plain);
/* Puts the terminal back as it was. */
void screen_free (Screen *self);
gboolean screen_is_terminal (const Screen *self);
void screen_begin (Screen *self);
void screen_end (Screen *self);
