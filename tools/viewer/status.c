/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "status.h"

enum
{
  STATE,
  FORMAT,
  RATE,
  SEQUENCE,
  PTS,
  AGE,
  UNSEEN,
  SKIPPED,
  N_FIELDS,
};

static const struct
{
  const char *name;
  const char *tooltip;
  int width; /* characters */
} fields[] = {
  [STATE] = { "status-state", "Whether the picture is live", 0 },
  [FORMAT] = { "status-format", "The newest format", 0 },
  [RATE] = { "status-rate", "Frames published in a second", 10 },
  [SEQUENCE] = { "status-sequence", "Sequence of the frame that is shown", 9 },
  [PTS] = { "status-pts", "Its presentation time, of CLOCK_MONOTONIC", 16 },
  [AGE] = { "status-age", "Since it was published", 12 },
  [UNSEEN] = { "status-unseen", "Frames that were gone before this program looked: no drops", 9 },
  [SKIPPED] = { "status-skipped", "Frames that came and were not drawn: no drops of the pool", 9 },
};

struct _ViewerStatus
{
  GtkWidget parent;
  GtkWidget *label[N_FIELDS];
};

G_DEFINE_FINAL_TYPE (ViewerStatus, viewer_status, GTK_TYPE_WIDGET)

static void
set (ViewerStatus *self, guint field, char *text)
{
  g_autofree char *clean = printable (text != NULL ? text : "");

  gtk_label_set_text (GTK_LABEL (self->label[field]), clean);
  g_free (text);
}

static char *
dup_state (ViewerSession *session)
{
  guint n, position = viewer_session_get_position (session, &n);

  if (!viewer_session_get_paused (session))
    return g_strdup (viewer_session_get_state (session));
  return n != 0 ? g_strdup_printf ("paused: frame %u of %u", position + 1, n) : g_strdup ("paused");
}

static void
update_pool (ViewerStatus *self, ViewerSession *session)
{
  const PoolView *view = viewer_session_get_view (session);
  PoolWatchCounters counters;
  MeterRates rates;

  viewer_session_get_counters (session, &counters);
  viewer_session_get_rates (session, &rates);
  set (self, STATE, dup_state (session));
  set (self, FORMAT,
       view != NULL && view->format != NULL ? shmframe_format_to_string (view->format) : NULL);
  set (self, RATE, view != NULL ? g_strdup_printf ("%.1f fps", rates.fps) : NULL);
  set (self, UNSEEN, g_strdup_printf ("%" G_GUINT64_FORMAT " unseen", counters.unseen));
  set (self, SKIPPED,
       g_strdup_printf ("%" G_GUINT64_FORMAT " skipped", viewer_session_get_skipped (session)));
}

static void
update_frame (ViewerStatus *self, ShmFrameFrame *frame)
{
  gint64 pts_ns = shmframe_frame_get_pts (frame);
  gint64 publish_ns = shmframe_frame_get_publish_time (frame);
  g_autofree char *age = human_duration (
      publish_ns >= 0 ? MAX (0, g_get_monotonic_time () * 1000 - publish_ns) : -1);

  set (self, SEQUENCE,
       g_strdup_printf ("#%" G_GUINT64_FORMAT, shmframe_frame_get_sequence (frame)));
  set (self, PTS,
       pts_ns != SHMFRAME_TIME_UNKNOWN ? g_strdup_printf ("pts %.3f s", (double) pts_ns / 1e9)
                                       : g_strdup ("no pts"));
  set (self, AGE, g_strdup_printf ("age %s", age));
}

void
viewer_status_update (ViewerStatus *self, ViewerSession *session)
{
  ShmFrameFrame *frame = session != NULL ? viewer_session_get_frame (session) : NULL;

  if (frame != NULL)
    update_frame (self, frame);
  else
    for (guint i = SEQUENCE; i <= AGE; i++)
      set (self, i, NULL);
  if (session != NULL)
    update_pool (self, session);
  else
    for (guint i = 0; i < N_FIELDS; i++)
      set (self, i, NULL);
}

static void
dispose (GObject *object)
{
  GtkWidget *child;

  while ((child = gtk_widget_get_first_child (GTK_WIDGET (object))) != NULL)
    gtk_widget_unparent (child);
  G_OBJECT_CLASS (viewer_status_parent_class)->dispose (object);
}

static void
viewer_status_class_init (ViewerStatusClass *class)
{
  G_OBJECT_CLASS (class)->dispose = dispose;
  gtk_widget_class_set_layout_manager_type (GTK_WIDGET_CLASS (class), GTK_TYPE_BOX_LAYOUT);
  gtk_widget_class_set_css_name (GTK_WIDGET_CLASS (class), "statusline");
}

static void
viewer_status_init (ViewerStatus *self)
{
  for (guint i = 0; i < N_FIELDS; i++)
    {
      GtkWidget *label = self->label[i] = gtk_label_new ("");

      gtk_widget_set_name (label, fields[i].name);
      gtk_widget_set_tooltip_text (label, fields[i].tooltip);
      gtk_label_set_width_chars (GTK_LABEL (label), fields[i].width);
      gtk_label_set_xalign (GTK_LABEL (label), fields[i].width != 0 ? 1 : 0);
      if (i != STATE)
        gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
      gtk_widget_add_css_class (label, "numeric");
      gtk_widget_set_parent (label, GTK_WIDGET (self));
    }
  gtk_widget_set_hexpand (self->label[FORMAT], TRUE);
}
