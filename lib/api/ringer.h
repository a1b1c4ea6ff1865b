/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * A thread that wakes sleeping consumers for the publishing thread. Waking one costs the waker about
 * 6 us (futex, two cores: tests/bench/wakeups.c), and handing the rest over costs one wake-up. So the
 * publishing thread wakes the first SHMFRAME_RINGER_INLINE itself, and its frame time does not grow
 * with the number of sleepers. The thread is made when it is first needed.
 */
#define SHMFRAME_RINGER_INLINE 2

typedef struct _ShmFrameRinger ShmFrameRinger;
struct _ShmFrameReader;

ShmFrameRinger *shmframe_ringer_new (void);
/* Wakes who is due and ends the thread. Takes NULL. */
void shmframe_ringer_free (ShmFrameRinger *self);

/* A consumer whose bell has changed; takes a reference. It is woken after the kick. */
void shmframe_ringer_add (ShmFrameRinger *self, struct _ShmFrameReader *reader);
void shmframe_ringer_kick (ShmFrameRinger *self);
