/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-row.h"
#include "pool-name.h"
#include "session.h"

#define THUMBNAIL_WIDTH 96
#define THUMBNAIL_HEIGHT 54

struct _ViewerPoolRow
{
  GtkListBoxRow parent;
  char *pool;
  gboolean listed;        /* the registry knows it; not so a socket in another folder */
  ShmFramePoolInfo *info; /* NULL: gone */
  gint64 gone_ns;
  ViewerSession *session; /* NULL: no thumbnail */
  char *shown;            /* what the labels say, joined */
  GtkWidget *picture, *name, *format, *rate, *producer;
};

G_DEFINE_FINAL_TYPE (ViewerPoolRow, viewer_pool_row, GTK_TYPE_LIST_BOX_ROW)

/* ---- texts --------------------------------------------------------------------------------- */

static const char *
get_problem (ViewerPoolRow *self)
{
  if (self->listed && self->info == NULL)
    return "No producer: it ended or died. Waiting for it to come back.";
  /* Whoever has tried knows better than the registry, which only looks at files. */
  if (self->session != NULL)
    return viewer_session_get_problem (self->session);
  return self->info != NULL ? shmframe_pool_info_get_problem (self->info) : NULL;
}

static char *
dup_rate (ViewerPoolRow *self)
{
  MeterRates rates;

  if (self->session == NULL || viewer_session_get_view (self->session) == NULL)
    return g_strdup ("");
  viewer_session_get_rates (self->session, &rates);
  return g_strdup_printf ("%.1f fps", rates.fps);
}

static char *
dup_format (ViewerPoolRow *self)
{
  const PoolView *view = self->session != NULL ? viewer_session_get_view (self->session) : NULL;
  g_autofree char *text = NULL;

  if (view == NULL)
    return g_strdup ("");
  if (view->format == NULL)
    return g_strdup ("no format yet");
  text = shmframe_format_to_string (view->format);
  if (g_str_has_suffix (text, " bytes") && strrchr (text, ',') != NULL)
    *strrchr (text, ',') = '\0'; /* what is said of its size is in the status line */
  return printable (text);
}

static char *
dup_producer (ViewerPoolRow *self)
{
  g_autofree char *program = NULL;

  if (self->info == NULL || !shmframe_pool_info_is_live (self->info))
    return g_strdup ("");
  program = printable (shmframe_pool_info_get_program (self->info));
  return shmframe_pool_info_get_pid (self->info) != 0
             ? g_strdup_printf ("%s (%u)", program, shmframe_pool_info_get_pid (self->info))
             : g_strdup (program);
}

static void
update (ViewerPoolRow *self)
{
  const char *problem = get_problem (self);
  g_autofree char *reason = problem != NULL ? printable (pool_skip_object (problem)) : NULL;
  g_autofree char *format = dup_format (self);
  g_autofree char *rate = dup_rate (self);
  g_autofree char *producer = dup_producer (self);
  const char *first = reason != NULL ? reason : format;
  g_autofree char *name = pool_dup_name (self->pool);
  g_autofree char *shown = g_strdup_printf ("%s, %s, %s, %s", name, first, rate, producer);

  if (g_strcmp0 (shown, self->shown) == 0)
    return;
  g_free (self->shown);
  self->shown = g_steal_pointer (&shown);
  gtk_label_set_text (GTK_LABEL (self->name), name);
  gtk_label_set_text (GTK_LABEL (self->format), first);
  gtk_label_set_text (GTK_LABEL (self->rate), rate);
  gtk_label_set_text (GTK_LABEL (self->producer), producer);
  gtk_widget_set_tooltip_text (GTK_WIDGET (self), self->shown);
  gtk_accessible_update_property (GTK_ACCESSIBLE (self), GTK_ACCESSIBLE_PROPERTY_LABEL, self->shown,
                                  -1);
  if (reason != NULL)
    gtk_widget_add_css_class (GTK_WIDGET (self), "gone");
  else
    gtk_widget_remove_css_class (GTK_WIDGET (self), "gone");
}

/* ---- what comes ---------------------------------------------------------------------------- */

static void
picture_changed (ViewerSession *session, ViewerPoolRow *self)
{
  gtk_picture_set_paintable (GTK_PICTURE (self->picture),
                             GDK_PAINTABLE (viewer_session_get_texture (session)));
}

static void
end_session (ViewerPoolRow *self)
{
  if (self->session != NULL)
    g_signal_handlers_disconnect_by_data (self->session, self);
  g_clear_object (&self->session);
}

void
viewer_pool_row_set_thumbnail (ViewerPoolRow *self, gboolean thumbnail)
{
  if (self->listed && self->info == NULL)
    thumbnail = FALSE;
  if (thumbnail == (self->session != NULL))
    return;
  end_session (self);
  if (thumbnail)
    {
      self->session = viewer_session_new (self->pool, FALSE, THUMBNAIL_WIDTH);
      g_signal_connect (self->session, "picture", G_CALLBACK (picture_changed), self);
      g_signal_connect_swapped (self->session, "changed", G_CALLBACK (update), self);
    }
  update (self);
}

/* It was asked for by name: from now on it is this pool, and no other folder's of that name. */
static void
take_path (ViewerPoolRow *self, const char *path)
{
  end_session (self); /* its thumbnail may be the other's */
  g_free (self->pool);
  self->pool = g_strdup (path);
}

void
viewer_pool_row_set_info (ViewerPoolRow *self, ShmFramePoolInfo *info)
{
  g_clear_pointer (&self->info, shmframe_pool_info_unref);
  if (info != NULL)
    {
      if (!g_path_is_absolute (self->pool) && shmframe_pool_info_is_live (info))
        take_path (self, shmframe_pool_info_get_path (info));
      self->info = shmframe_pool_info_ref (info);
      self->listed = TRUE;
      self->gone_ns = -1;
    }
  else if (self->gone_ns < 0)
    self->gone_ns = g_get_monotonic_time () * 1000;
  update (self);
}

gint64
viewer_pool_row_get_gone_ns (ViewerPoolRow *self)
{
  return self->gone_ns;
}

const char *
viewer_pool_row_get_pool (ViewerPoolRow *self)
{
  return self->pool;
}

/* ---- the widget ---------------------------------------------------------------------------- */

static void
dispose (GObject *object)
{
  ViewerPoolRow *self = VIEWER_POOL_ROW (object);

  end_session (self);
  g_clear_pointer (&self->info, shmframe_pool_info_unref);
  g_clear_pointer (&self->shown, g_free);
  g_clear_pointer (&self->pool, g_free);
  G_OBJECT_CLASS (viewer_pool_row_parent_class)->dispose (object);
}

static void
viewer_pool_row_class_init (ViewerPoolRowClass *class)
{
  G_OBJECT_CLASS (class)->dispose = dispose;
}

static GtkWidget *
add_label (GtkWidget *box, const char *css_class)
{
  GtkWidget *label = gtk_label_new ("");

  gtk_label_set_xalign (GTK_LABEL (label), 0);
  gtk_label_set_ellipsize (GTK_LABEL (label), PANGO_ELLIPSIZE_END);
  gtk_widget_add_css_class (label, css_class);
  gtk_box_append (GTK_BOX (box), label);
  return label;
}

/* Of one size, whatever the picture's is: what lies over it asks for no room. */
static GtkWidget *
make_thumbnail (ViewerPoolRow *self)
{
  GtkWidget *overlay = gtk_overlay_new ();
  GtkWidget *room = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 0);

  gtk_widget_set_size_request (room, THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT);
  gtk_widget_add_css_class (room, "thumbnail");
  gtk_overlay_set_child (GTK_OVERLAY (overlay), room);
  self->picture = gtk_picture_new ();
  gtk_overlay_add_overlay (GTK_OVERLAY (overlay), self->picture);
  gtk_widget_set_valign (overlay, GTK_ALIGN_CENTER);
  return overlay;
}

static void
viewer_pool_row_init (ViewerPoolRow *self)
{
  GtkWidget *box = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 10);
  GtkWidget *texts = gtk_box_new (GTK_ORIENTATION_VERTICAL, 1);
  GtkWidget *title = gtk_box_new (GTK_ORIENTATION_HORIZONTAL, 6);

  self->gone_ns = -1;
  gtk_box_append (GTK_BOX (box), make_thumbnail (self));

  gtk_widget_set_hexpand (texts, TRUE);
  gtk_widget_set_valign (texts, GTK_ALIGN_CENTER);
  gtk_box_append (GTK_BOX (box), texts);
  gtk_box_append (GTK_BOX (texts), title);
  self->name = add_label (title, "heading");
  gtk_widget_set_hexpand (self->name, TRUE);
  self->rate = add_label (title, "numeric");
  gtk_label_set_ellipsize (GTK_LABEL (self->rate), PANGO_ELLIPSIZE_NONE);
  self->format = add_label (texts, "caption");
  gtk_label_set_wrap (GTK_LABEL (self->format), TRUE);
  gtk_label_set_wrap_mode (GTK_LABEL (self->format), PANGO_WRAP_WORD_CHAR);
  gtk_label_set_lines (GTK_LABEL (self->format), 2);
  self->producer = add_label (texts, "caption");
  gtk_list_box_row_set_child (GTK_LIST_BOX_ROW (self), box);
}

GtkWidget *
viewer_pool_row_new (const char *pool)
{
  ViewerPoolRow *self = g_object_new (VIEWER_TYPE_POOL_ROW, NULL);

  self->pool = g_strdup (pool);
  update (self);
  return GTK_WIDGET (self);
}
