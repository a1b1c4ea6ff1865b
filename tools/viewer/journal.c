/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"
#include "consumer-entry.h"

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
};

typedef struct
{
  char *text;
  OwnDrops drops;  /* those that the log has */
  gint64 noted_ns; /* when it last got some; 0: never */
  gboolean seen;
} Consumer;

static void
consumer_free (gpointer data)
{
  g_free (((Consumer *) data)->text);
  g_free (data);
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

static char *
describe (GVariant *consumer)
{
  return g_strdup_printf ("%s (pid %" G_GUINT64_FORMAT "), %s, %" G_GUINT64_FORMAT " leases",
                          lookup_string (consumer, "program"), lookup_number (consumer, "pid"),
                          lookup_string (consumer, "delivery"), lookup_number (consumer, "leases"));
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
      consumer = g_new0 (Consumer, 1);
      consumer->text = describe (entry);
      own_drops_begin (&consumer->drops, lookup_number (entry, "drops"), self->dropped,
                       lookup_number (entry, "lag"));
      g_hash_table_insert (self->consumers, g_memdup2 (&id, sizeof id), consumer);
      if (!fresh)
        note (self, "consumer-attached", latest, consumer->text);
    }
  note_drops (self, consumer, lookup_number (entry, "drops"), latest);
  consumer->seen = TRUE;
}

static void
note_consumers (Journal *self, const PoolView *view)
{
  gboolean fresh = self->consumers == NULL;
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
    {
      if (((Consumer *) value)->seen)
        continue;
      note (self, "consumer-detached", view->latest, ((Consumer *) value)->text);
      g_hash_table_iter_remove (&iter);
    }
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
  if (evictions > self->evictions && self->consumers != NULL)
    note (self, "evicted", view->latest,
          "the producer evicted a consumer that held it up for too long");
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
    g_clear_pointer (&self->consumers, g_hash_table_unref);
  if (view == NULL)
    return;
  note_format (self, view);
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
