/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tells ThreadSanitizer what GLib orders. GLib is not instrumented: its mutexes are futexes and atomics
 * that the sanitizer does not see, so whatever they guard would look like a race. This library is
 * preloaded, so that the calls of the code under test (not those within GLib, which cannot be
 * interposed) come by here. Each does what it did, and says what GLib's documentation promises for it:
 * no more, or real races would be hidden. planted-race.c is the test of both.
 *
 * What is not here, the library and its tests do not use. In processes that are not sanitized (a shell,
 * say) the annotations are missing, and nothing is said.
 */

#include <dlfcn.h>
#include <glib-object.h>
#include <glib-unix.h>
#include <sanitizer/tsan_interface.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#pragma weak __tsan_acquire
#pragma weak __tsan_release
#pragma weak __tsan_mutex_create
#pragma weak __tsan_mutex_destroy
#pragma weak __tsan_mutex_pre_lock
#pragma weak __tsan_mutex_post_lock
#pragma weak __tsan_mutex_pre_unlock
#pragma weak __tsan_mutex_post_unlock

#define SAY(annotation, ...)                                                                       \
  do                                                                                               \
    if (annotation)                                                                                \
      annotation (__VA_ARGS__);                                                                    \
  while (0)

/* GLib's own. */
#define NEXT(function)                                                                             \
  (G_GNUC_EXTENSION ({                                                                             \
    static __typeof__ (&function) next;                                                            \
    if (next == NULL)                                                                              \
      next = (__typeof__ (&function)) (gpointer) dlsym (RTLD_NEXT, #function);                     \
    next;                                                                                          \
  }))

/* ---- mutexes and conditions ----------------------------------------------------------------- */

void
g_mutex_init (GMutex *mutex)
{
  NEXT (g_mutex_init) (mutex);
  SAY (__tsan_mutex_create, mutex, __tsan_mutex_not_static);
}

void
g_mutex_clear (GMutex *mutex)
{
  SAY (__tsan_mutex_destroy, mutex, __tsan_mutex_not_static);
  NEXT (g_mutex_clear) (mutex);
}

void
g_mutex_lock (GMutex *mutex)
{
  SAY (__tsan_mutex_pre_lock, mutex, 0);
  NEXT (g_mutex_lock) (mutex);
  SAY (__tsan_mutex_post_lock, mutex, 0, 0);
}

void
g_mutex_unlock (GMutex *mutex)
{
  SAY (__tsan_mutex_pre_unlock, mutex, 0);
  NEXT (g_mutex_unlock) (mutex);
  SAY (__tsan_mutex_post_unlock, mutex, 0);
}

/* A wait gives the mutex back, and takes it again; a signal alone orders nothing. */
static void
wait_begin (GMutex *mutex)
{
  SAY (__tsan_mutex_pre_unlock, mutex, 0);
  SAY (__tsan_mutex_post_unlock, mutex, 0);
}

static void
wait_end (GMutex *mutex)
{
  SAY (__tsan_mutex_pre_lock, mutex, 0);
  SAY (__tsan_mutex_post_lock, mutex, 0, 0);
}

void
g_cond_wait (GCond *cond, GMutex *mutex)
{
  wait_begin (mutex);
  NEXT (g_cond_wait) (cond, mutex);
  wait_end (mutex);
}

gboolean
g_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end_time)
{
  gboolean signalled;

  wait_begin (mutex);
  signalled = NEXT (g_cond_wait_until) (cond, mutex, end_time);
  wait_end (mutex);
  return signalled;
}

/* ---- references ----------------------------------------------------------------------------- */

/* Counting down releases, and for who comes last it acquires, too: after all the others have released,
 * thus after it has counted, and before anything is freed. Counting up orders nothing. */
gboolean (g_atomic_ref_count_dec) (gatomicrefcount *count)
{
  gboolean last;

  SAY (__tsan_release, count);
  last = NEXT (g_atomic_ref_count_dec) (count);
  if (last)
    SAY (__tsan_acquire, count);
  return last;
}

static _Thread_local GDestroyNotify clear_box; /* of the box that this thread releases */

static void
acquire_and_clear (gpointer mem)
{
  GDestroyNotify clear = clear_box; /* it may release other boxes */

  SAY (__tsan_acquire, mem);
  if (clear != NULL)
    clear (mem);
}

void
g_atomic_rc_box_release_full (gpointer mem, GDestroyNotify clear)
{
  GDestroyNotify outer = clear_box;

  SAY (__tsan_release, mem);
  clear_box = clear;
  NEXT (g_atomic_rc_box_release_full) (mem, acquire_and_clear);
  clear_box = outer;
}

/* An object counts down and disposes in one call. So one thread at a time looks whether it is the last,
 * and counts down where it is not; the sanitizer does not see this lock. (GLib's own g_object_unref() does
 * not come by here: should that make it the last after all, it disposes under the lock, which others
 * therefore do not wait for without end.) */
#define UNREF_TRIES 100000

static atomic_flag unreferencing = ATOMIC_FLAG_INIT;
static _Thread_local gboolean has_unreferencing;

static gboolean
begin_unref (void)
{
  if (has_unreferencing)
    return FALSE;
  for (guint i = 0; i < UNREF_TRIES; i++)
    {
      if (!atomic_flag_test_and_set (&unreferencing))
        return has_unreferencing = TRUE;
      sched_yield ();
    }
  return FALSE;
}

static void
end_unref (gboolean begun)
{
  if (!begun)
    return;
  has_unreferencing = FALSE;
  atomic_flag_clear (&unreferencing);
}

void
g_object_unref (gpointer object)
{
  gboolean begun = begin_unref ();

  SAY (__tsan_release, object);
  if (g_atomic_int_get ((gint *) &((GObject *) object)->ref_count) > 1)
    {
      NEXT (g_object_unref) (object);
      end_unref (begun);
      return;
    }
  end_unref (begun);
  SAY (__tsan_acquire, object);
  NEXT (g_object_unref) (object);
}

/* suppressions.txt passes over what GLib itself frees; this is for what we free. */
void
g_free (gpointer mem)
{
  free (mem);
}

/* ---- types ---------------------------------------------------------------------------------- */

/* The other side is g_once_init_enter(), an inlined atomic load (acquire) of the same word. */
void (g_once_init_leave) (volatile void *location, gsize result)
{
  SAY (__tsan_release, (gpointer) location);
  NEXT (g_once_init_leave) (location, result);
}

/* ---- main contexts -------------------------------------------------------------------------- */

typedef struct
{
  GSourceFunc func;
  gpointer data;
  GDestroyNotify notify;
} Callback;

static void
callback_free (gpointer mem)
{
  Callback *self = mem;

  if (self->notify)
    self->notify (self->data);
  g_free (self);
}

/* What happened before the source was attached has happened when it is dispatched. */
static gboolean
dispatch (gpointer data)
{
  Callback *self = data;

  SAY (__tsan_acquire, g_main_current_source ());
  return self->func (self->data);
}

static gboolean
dispatch_fd (gint fd, GIOCondition condition, gpointer data)
{
  Callback *self = data;

  SAY (__tsan_acquire, g_main_current_source ());
  return ((GUnixFDSourceFunc) (gpointer) self->func) (fd, condition, self->data);
}

void
g_source_set_callback (GSource *source, GSourceFunc func, gpointer data, GDestroyNotify notify)
{
  gboolean is_fd = source->source_funcs == &g_unix_fd_source_funcs;
  GSourceFunc ours = is_fd ? G_SOURCE_FUNC (dispatch_fd) : dispatch;
  Callback *callback;

  if (!is_fd && source->source_funcs != &g_idle_funcs && source->source_funcs != &g_timeout_funcs)
    {
      NEXT (g_source_set_callback) (source, func, data, notify); /* it has a signature of its own */
      return;
    }
  callback = g_new (Callback, 1);
  *callback = (Callback){ func, data, notify };
  NEXT (g_source_set_callback) (source, ours, callback, callback_free);
}

guint
g_source_attach (GSource *source, GMainContext *context)
{
  SAY (__tsan_release, source);
  return NEXT (g_source_attach) (source, context);
}
