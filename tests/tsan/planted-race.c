/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What ThreadSanitizer reports with glib-locks.c, and what it does not: each case is a process of its own
 * that must end with a report, or without. Racy cases are as near to the right ones as can be. */

#include <glib-object.h>
#include <glib-unix.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static GMutex lock, other_lock;
static GCond changed;
static guint counter; /* what is raced for */
static atomic_int flag;

/* ThreadSanitizer may miss two accesses at the very same time, and what is right may look wrong only now
 * and then. */
#define ROUNDS 200

/* ---- two threads that do the same, and two that do not ---------------------------------------- */

static void
together (GThreadFunc first, GThreadFunc second, gpointer data)
{
  GThread *threads[]
      = { g_thread_new ("first", first, data), g_thread_new ("second", second, data) };

  g_thread_join (threads[0]);
  g_thread_join (threads[1]);
}

static gpointer
count (gpointer data)
{
  counter++;
  return NULL;
}

static gpointer
count_locked (gpointer data)
{
  g_mutex_lock (&lock);
  counter++;
  g_mutex_unlock (&lock);
  return NULL;
}

static gpointer
count_otherwise_locked (gpointer data)
{
  g_mutex_lock (&other_lock);
  counter++;
  g_mutex_unlock (&other_lock);
  return NULL;
}

/* Reads under the lock what it writes after it. */
static gpointer
count_too_late (gpointer data)
{
  guint value;

  g_mutex_lock (&lock);
  value = counter + 1;
  g_mutex_unlock (&lock);
  counter = value;
  return NULL;
}

static void
plain (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    together (count, count, NULL);
}

static void
half_locked (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    together (count, count_locked, NULL);
}

static void
two_locks (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    together (count_locked, count_otherwise_locked, NULL);
}

static void
too_late (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    together (count_too_late, count_too_late, NULL);
}

static void
locked (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    together (count_locked, count_locked, NULL);
  g_assert_cmpuint (counter, ==, 2 * ROUNDS);
}

static gpointer
lock_in_order (gpointer data)
{
  g_mutex_lock (&lock);
  count_otherwise_locked (NULL);
  g_mutex_unlock (&lock);
  return NULL;
}

static void
lock_order (void)
{
  g_thread_join (g_thread_new ("first", lock_in_order, NULL));
  g_mutex_lock (&other_lock);
  count_locked (NULL);
  g_mutex_unlock (&other_lock);
}

/* ---- conditions ------------------------------------------------------------------------------- */

static gpointer
hand_over (gpointer data)
{
  counter = 1;
  g_mutex_lock (&lock);
  atomic_store_explicit (&flag, 1, memory_order_relaxed);
  g_cond_signal (&changed);
  g_mutex_unlock (&lock);
  if (data) /* once the other has it */
    counter++;
  return NULL;
}

static void
wait_for (gboolean meddle)
{
  GThread *thread = g_thread_new ("giver", hand_over, GINT_TO_POINTER (meddle));

  g_mutex_lock (&lock);
  while (!atomic_load_explicit (&flag, memory_order_relaxed))
    g_cond_wait (&changed, &lock);
  g_mutex_unlock (&lock);
  counter++;
  g_thread_join (thread);
}

static void
handed_over (void)
{
  wait_for (FALSE);
}

static void
handed_over_too_early (void)
{
  wait_for (TRUE);
}

/* ---- main contexts ---------------------------------------------------------------------------- */

static gboolean
on_idle (gpointer data)
{
  counter++;
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

static gboolean
on_fd (gint fd, GIOCondition condition, gpointer data)
{
  return on_idle (data);
}

static gpointer
run_loop (gpointer data)
{
  g_main_loop_run (data);
  return NULL;
}

static void
attach (GSource *source, GSourceFunc func, gboolean meddle)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (context, FALSE);
  GThread *thread = g_thread_new ("loop", run_loop, loop);

  counter = 1;
  g_source_set_callback (source, func, loop, NULL);
  g_source_attach (source, context);
  if (meddle)
    counter++;
  g_thread_join (thread);
  g_source_unref (source);
}

static void
attached (void)
{
  attach (g_idle_source_new (), on_idle, FALSE);
}

static void
attached_fd (void)
{
  attach (g_unix_fd_source_new (STDERR_FILENO, G_IO_OUT), G_SOURCE_FUNC (on_fd), FALSE);
}

static void
attached_too_early (void)
{
  attach (g_idle_source_new (), on_idle, TRUE);
}

/* ---- references ------------------------------------------------------------------------------- */

typedef struct
{
  gatomicrefcount count;
  guint number;
} Counted;

static void
clear_number (gpointer data)
{
  *(guint *) data = 0;
}

static void
free_number (gpointer data)
{
  clear_number (data);
  g_free (data);
}

static void
await_other (void)
{
  atomic_fetch_add (&flag, 1);
  while (atomic_load (&flag) < 2)
    g_thread_yield ();
}

static gpointer
give_up (gpointer data)
{
  Counted *self = data;

  await_other ();
  (void) *(volatile guint *) &self->number;
  if (g_atomic_ref_count_dec (&self->count))
    {
      self->number = 0;
      g_free (self);
    }
  return NULL;
}

static void
referenced (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      Counted *self = g_new0 (Counted, 1);

      flag = 0;
      g_atomic_ref_count_init (&self->count);
      g_atomic_ref_count_inc (&self->count);
      together (give_up, give_up, self);
    }
}

static gpointer
release_box (gpointer data)
{
  await_other ();
  (void) *(volatile guint *) data;
  g_atomic_rc_box_release_full (data, clear_number);
  return NULL;
}

static void
boxed (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      guint *self = g_atomic_rc_box_new0 (guint);

      flag = 0;
      together (release_box, release_box, g_atomic_rc_box_acquire (self));
    }
}

static gpointer
unref_object (gpointer data)
{
  await_other ();
  (void) *(volatile guint *) g_object_get_data (data, "number");
  g_object_unref (data);
  return NULL;
}

static void
objects (void)
{
  for (guint i = 0; i < ROUNDS; i++)
    {
      GObject *self = g_object_new (G_TYPE_OBJECT, NULL);

      flag = 0;
      g_object_set_data_full (self, "number", g_new0 (guint, 1), free_number);
      together (unref_object, unref_object, g_object_ref (self));
    }
}

/* Looks at what the other may free. */
static gpointer
give_up_and_look (gpointer data)
{
  Counted *self = data;

  (void) g_atomic_ref_count_dec (&self->count);
  (void) *(volatile guint *) &self->number;
  return NULL;
}

static gpointer
give_up_and_write (gpointer data)
{
  Counted *self = data;

  (void) g_atomic_ref_count_dec (&self->count);
  self->number = 1;
  return NULL;
}

static void
given_up (void)
{
  static Counted self;

  g_atomic_ref_count_init (&self.count);
  g_atomic_ref_count_inc (&self.count);
  together (give_up_and_look, give_up_and_write, &self);
}

static gpointer
look (gpointer data)
{
  (void) *(volatile guint *) data;
  atomic_store_explicit (&flag, 1, memory_order_relaxed);
  return NULL;
}

static gpointer
free_when_looked (gpointer data)
{
  while (!atomic_load_explicit (&flag, memory_order_relaxed))
    g_thread_yield ();
  g_free (data);
  return NULL;
}

static void
freed (void)
{
  together (look, free_when_looked, g_new0 (guint, 1));
}

/* ---- what it cannot see ----------------------------------------------------------------------- */

static guint *mappings[2];

static gpointer
count_there (gpointer data)
{
  ++*mappings[1];
  return NULL;
}

static gpointer
count_here (gpointer data)
{
  ++*mappings[0];
  return NULL;
}

/* One word, raced for at two addresses: as between processes. */
static void
two_mappings (void)
{
  int fd = memfd_create ("planted", MFD_CLOEXEC);

  g_assert_no_errno (ftruncate (fd, 4096));
  for (int i = 0; i < 2; i++)
    {
      mappings[i] = mmap (NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      g_assert_true (mappings[i] != MAP_FAILED);
    }
  together (count_here, count_there, NULL);
  close (fd);
}

/* ---- the cases -------------------------------------------------------------------------------- */

typedef struct
{
  const char *name;
  void (*run) (void);
  const char *report; /* NULL: none */
} Case;

static const Case cases[] = {
  { "/tsan/race/plain", plain, "data race" },
  { "/tsan/race/half-locked", half_locked, "data race" },
  { "/tsan/race/two-locks", two_locks, "data race" },
  { "/tsan/race/after-unlock", too_late, "data race" },
  { "/tsan/race/lock-order", lock_order, "lock-order-inversion" },
  { "/tsan/race/after-signal", handed_over_too_early, "data race" },
  { "/tsan/race/after-attach", attached_too_early, "data race" },
  { "/tsan/race/after-unref", given_up, "data race" },
  { "/tsan/race/free", freed, "data race" },
  { "/tsan/right/mutex", locked, NULL },
  { "/tsan/right/condition", handed_over, NULL },
  { "/tsan/right/idle-source", attached, NULL },
  { "/tsan/right/fd-source", attached_fd, NULL },
  { "/tsan/right/references", referenced, NULL },
  { "/tsan/right/boxes", boxed, NULL },
  { "/tsan/right/objects", objects, NULL },
  { "/tsan/unseen/two-mappings", two_mappings, NULL },
};

static void
test_case (gconstpointer data)
{
  const Case *self = data;

  if (g_test_subprocess ())
    {
      self->run ();
      return;
    }
  g_test_trap_subprocess (NULL, 60 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_DEFAULT);
  if (self->report)
    {
      g_autofree char *pattern = g_strdup_printf ("*WARNING: ThreadSanitizer: %s*", self->report);

      g_test_trap_assert_failed ();
      g_test_trap_assert_stderr (pattern);
    }
  else
    g_test_trap_assert_passed ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_test_add_data_func (cases[i].name, &cases[i], test_case);
  return g_test_run ();
}
