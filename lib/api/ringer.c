/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/pool.h"
#include "api/ringer.h"
#include "os/wake.h"

struct _ShmFrameRinger
{
  GMutex lock;
  GCond kicked;
  GThread *thread; /* NULL until the first kick */
  GPtrArray *due;  /* ShmFrameReader */
  gboolean quit;
};

ShmFrameRinger *
shmframe_ringer_new (void)
{
  ShmFrameRinger *self = g_new0 (ShmFrameRinger, 1);

  g_mutex_init (&self->lock);
  g_cond_init (&self->kicked);
  self->due = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_reader_unref);
  return self;
}

void
shmframe_ringer_free (ShmFrameRinger *self)
{
  if (self == NULL)
    return;
  if (self->thread)
    {
      g_mutex_lock (&self->lock);
      self->quit = TRUE;
      g_cond_signal (&self->kicked);
      g_mutex_unlock (&self->lock);
      g_thread_join (self->thread);
    }
  g_ptr_array_unref (self->due);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->kicked);
  g_free (self);
}

static void
wake_due (GPtrArray *due)
{
  for (guint i = 0; i < due->len; i++)
    {
      ShmFrameReader *reader = g_ptr_array_index (due, i);

      shmframe_wake_sleeper (reader->control, reader->doorbell);
    }
  g_ptr_array_set_size (due, 0);
}

static gpointer
run (gpointer data)
{
  ShmFrameRinger *self = data;
  GPtrArray *woken = g_ptr_array_new_with_free_func ((GDestroyNotify) shmframe_reader_unref);

  g_mutex_lock (&self->lock);
  while (!self->quit || self->due->len > 0)
    {
      GPtrArray *due = self->due;

      if (due->len == 0)
        {
          g_cond_wait (&self->kicked, &self->lock);
          continue;
        }
      self->due = woken;
      g_mutex_unlock (&self->lock);
      wake_due (due);
      woken = due;
      g_mutex_lock (&self->lock);
    }
  g_mutex_unlock (&self->lock);
  g_ptr_array_unref (woken);
  return NULL;
}

void
shmframe_ringer_add (ShmFrameRinger *self, ShmFrameReader *reader)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->due, shmframe_reader_ref (reader));
  g_mutex_unlock (&self->lock);
}

void
shmframe_ringer_kick (ShmFrameRinger *self)
{
  g_mutex_lock (&self->lock);
  if (self->thread == NULL)
    self->thread = g_thread_try_new ("shmframe-ringer", run, self, NULL);
  if (self->thread)
    g_cond_signal (&self->kicked);
  else
    wake_due (self->due); /* no thread to be had: then here */
  g_mutex_unlock (&self->lock);
}
