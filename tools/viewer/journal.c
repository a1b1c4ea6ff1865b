/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"
#include "../own-drops.h"

#define DROPS_NS                                                                                   \
  (G_GINT64_CONSTANT (10) * 1000 * 1000 * 1000) /* between two lines for one consumer */

struct _Journal
{
  ViewerSession *session;
  ViewerEventLog *log;
  char *problem;         /* "": attached; NULL: nothing is known yet */
  char *format;          /* as text; NULL: none yet */
  GHashTable *consumers; /* id -> Consumer; NULL until the first view */
  guint64 dropped, evictions;
  guint64 evicted; /* since the last view */
  gboolean ended;
};

typedef struct
{
  char *name, *text;
  gboolean lossless;
  OwnDrops drops;  /* those that the log has */
  gint64 noted_ns; /* when it last got some; 0: never */
  gboolean seen;
} Consumer;

static void
consumer_free (gpointer data)
{
  Consumer *self = data;

  g_free (self->name);
  g_free (self->text);
  g_free (self);
}

static void
note (Journal *self, const char *kind, guint64 sequence, const char *text)
{
  viewer_event_log_add (self->log, kind, sequence, text);
}

/* ---- what a view says ---------------------------------------------------------------------- */

static void
note_format (Journal *self, const PoolView *view)
{
  g_autofree char *format = view->format != NULL ? shmframe_format_to_string (view->format) : NULL;

  if (format == NULL || g_strcmp0 (format, self->format) == 0)
    return;
  note (self, "format", view->latest, format);
  g_free (self->format);
  self->format = g_steal_pointer (&format);
}

static void
note_ended (Journal *self, const PoolView *view)
{
  gboolean ended = pool_view_has_ended (view);

  if (ended && !self->ended)
    note (self, "ended", view->latest, "the producer's stream ended, it lives on");
  self->ended = ended;
}

static Consumer *
consumer_new (GVariant *entry)
{
  Consumer *self = g_new0 (Consumer, 1);
  const char *delivery = lookup_string (entry, "delivery");

  self->name = g_strdup_printf ("%s (pid %" G_GUINT64_FORMAT ")", lookup_string (entry, "program"),
                                lookup_number (entry, "pid"));
  self->text = g_strdup_printf ("%s, %s, %" G_GUINT64_FORMAT " leases", self->name, delivery,
                                lookup_number (entry, "leases"));
  self->lossless = g_str_equal (delivery, "lossless");
  return self;
}

/* The first at once, then what came together: one that is too slow drops all the time. */
static void
note_drops (Journal *self, Consumer *consumer, guint64 drops, guint64 latest)
{
  gint64 now_ns = g_get_monotonic_time () * 1000;
  g_autofree char *text = NULL;
  guint64 own;

  if (consumer->noted_ns != 0 && now_ns - consumer->noted_ns < DROPS_NS)
    return;
  own = own_drops_count (&consumer->drops, drops, self->dropped);
  if (own == 0)
    return;
  text = g_strdup_printf ("%s: missed %" G_GUINT64_FORMAT " frames, it is too slow for its "
                          "delivery, or a flush took them back",
                          consumer->text, own);
  note (self, "drops", latest, text);
  consumer->noted_ns = now_ns;
}

/* `fresh`: nothing was known before, so who is there did not come just now. */
static void
note_consumer (Journal *self, GVariant *entry, guint64 latest, gboolean fresh)
{
  guint64 id = lookup_number (entry, "id");
  Consumer *consumer = g_hash_table_lookup (self->consumers, &id);

  if (consumer == NULL)
    {
      consumer = consumer_new (entry);
      own_drops_begin (&consumer->drops, lookup_number (entry, "drops"), self->dropped,
                       lookup_number (entry, "lag"));
      g_hash_table_insert (self->consumers, g_memdup2 (&id, sizeof id), consumer);
      if (!fresh)
        note (self, "consumer-attached", latest, consumer->text);
    }
  note_drops (self, consumer, lookup_number (entry, "drops"), latest);
  consumer->seen = TRUE;
}

static const char *
eviction_reason (const Consumer *consumer, gboolean live)
{
  if (!consumer->lossless)
    return "it was two changes of format behind, or damaged its control page";
  return live ? "its window was full, and a live producer does not wait"
              : "it held the producer up for too long";
}

/* Who was evicted is gone in the same view; where more are gone, it is not known who of them. */
static void
note_gone (Journal *self, const PoolView *view, guint64 n_gone)
{
  gboolean live = FALSE, all = n_gone <= self->evicted;
  guint64 unknown = all ? self->evicted - n_gone : self->evicted;
  GHashTableIter iter;
  gpointer value;

  g_variant_lookup (view->stats, "live", "b", &live);
  g_hash_table_iter_init (&iter, self->consumers);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      const Consumer *consumer = value;

      if (consumer->seen)
        continue;
      if (all)
        {
          g_autofree char *text = g_strdup_printf ("%s was evicted: %s", consumer->name,
                                                   eviction_reason (consumer, live));

          note (self, "evicted", view->latest, text);
        }
      note (self, "consumer-detached", view->latest, consumer->text);
      g_hash_table_iter_remove (&iter);
    }
  if (unknown > 0)
    {
      g_autofree char *text = g_strdup_printf (
          "the producer evicted %" G_GUINT64_FORMAT " of its consumers", unknown);

      note (self, "evicted", view->latest, text);
    }
}

static void
note_consumers (Journal *self, const PoolView *view)
{
  gboolean fresh = self->consumers == NULL;
  guint64 n_gone = 0;
  GHashTableIter iter;
  gpointer value;

  if (fresh)
    self->consumers = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, consumer_free);
  g_hash_table_iter_init (&iter, self->consumers);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    ((Consumer *) value)->seen = FALSE;
  for (guint i = 0; i < view->consumers->len; i++)
    note_consumer (self, view->consumers->pdata[i], view->latest, fresh);
  g_hash_table_iter_init (&iter, self->consumers);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    n_gone += !((Consumer *) value)->seen;
  note_gone (self, view, n_gone);
}

static void
note_counts (Journal *self, const PoolView *view)
{
  guint64 dropped = lookup_number (view->stats, "dropped");
  guint64 evictions = lookup_number (view->stats, "evictions");

  if (dropped > self->dropped && self->consumers != NULL)
    {
      g_autofree char *text = g_strdup_printf ("the producer dropped %" G_GUINT64_FORMAT " frames",
                                               dropped - self->dropped);

      note (self, "dropped", view->latest, text);
    }
  self->evicted
      = evictions > self->evictions && self->consumers != NULL ? evictions - self->evictions : 0;
  self->dropped = dropped;
  self->evictions = evictions;
}

/* ---- what the session says ----------------------------------------------------------------- */

static void
note_state (Journal *self)
{
  const char *problem = viewer_session_get_problem (self->session);

  if (g_strcmp0 (problem != NULL ? problem : "", self->problem) == 0)
    return;
  if (problem == NULL)
    note (self, "attached", 0, "the pool can be looked at");
  else
    note (self, viewer_session_is_attached (self->session) ? "picture" : "lost", 0, problem);
  g_free (self->problem);
  self->problem = g_strdup (problem != NULL ? problem : "");
}

static void
changed (ViewerSession *session, Journal *self)
{
  const PoolView *view = viewer_session_get_view (session);

  note_state (self);
  if (!viewer_session_is_attached (session))
    {
      g_clear_pointer (&self->consumers, g_hash_table_unref);
      self->ended = FALSE;
    }
  if (view == NULL)
    return;
  note_format (self, view);
  note_ended (self, view);
  note_counts (self, view);
  note_consumers (self, view);
}

static void
fault (ViewerSession *session, const Fault *fault, Journal *self)
{
  note (self, fault_kind_name (fault->kind), fault->sequence, fault->text);
}

Journal *
journal_new (ViewerSession *session, ViewerEventLog *log)
{
  Journal *self = g_new0 (Journal, 1);

  self->session = session;
  self->log = log;
  g_signal_connect (session, "changed", G_CALLBACK (changed), self);
  g_signal_connect (session, "fault", G_CALLBACK (fault), self);
  return self;
}

void
journal_free (Journal *self)
{
  if (self == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->session, self);
  g_clear_pointer (&self->consumers, g_hash_table_unref);
  g_free (self->problem);
  g_free (self->format);
  g_free (self);
}
