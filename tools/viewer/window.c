/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "window.h"
#include "actions.h"
#include "inspector.h"
#include "pool-name.h"
#include "status.h"

#define REFRESH_MS 100 /* what is written in numbers, and the scopes */
#define SAY_SECONDS 4

struct _ViewerWindow
{
  GtkApplicationWindow parent;
  GtkWidget *title, *subtitle, *menu_button;
  GtkWidget *body;
  ViewerPoolList *pools;
  ViewerPictureView *picture;
  GtkWidget *problem, *problem_title, *problem_text, *problem_hope;
  GtkRevealer *toast;
  GtkLabel *toast_text;
  ViewerInspector *inspector;
  ViewerPanels *panels;
  ViewerStatus *status;

  gboolean lease;
  ViewerSession *session;
  gboolean picture_changed; /* since the last refresh */
  guint refresh, silence;
};

G_DEFINE_FINAL_TYPE (ViewerWindow, viewer_window, GTK_TYPE_APPLICATION_WINDOW)

/* ---- what is shown ------------------------------------------------------------------------- */

static void
update_title (ViewerWindow *self)
{
  const PoolView *view = self->session != NULL ? viewer_session_get_view (self->session) : NULL;
  const char *absence = "no producer";
  g_autofree char *pool = NULL;
  g_autofree char *producer = NULL;
  g_autofree char *title = NULL;

  if (self->session != NULL)
    pool = pool_dup_name (viewer_session_get_pool (self->session));
  if (self->session != NULL && !viewer_session_is_attached (self->session))
    absence = viewer_session_get_state (self->session);
  if (view != NULL)
    {
      g_autofree char *program = printable (lookup_string (view->stats, "program"));

      producer = g_strdup_printf ("%s (pid %" G_GUINT64_FORMAT ")", program,
                                  lookup_number (view->stats, "pid"));
    }
  title = pool != NULL ? g_strdup_printf ("%s - Frame Viewer", pool) : g_strdup ("Frame Viewer");
  gtk_label_set_text (GTK_LABEL (self->title), pool != NULL ? pool : "Frame Viewer");
  gtk_label_set_text (GTK_LABEL (self->subtitle), producer != NULL ? producer : absence);
  gtk_window_set_title (GTK_WINDOW (self), title);
}

static void
update_problem (ViewerWindow *self)
{
  const char *problem = self->session != NULL
                            ? viewer_session_get_problem (self->session)
                            : "A pool appears on the left as soon as a producer starts.";
  g_autofree char *text = problem != NULL ? printable (problem) : NULL;

  gtk_widget_set_visible (self->problem, text != NULL);
  if (text == NULL)
    return;
  gtk_label_set_text (GTK_LABEL (self->problem_title), self->session == NULL ? "No pool"
                                                       : viewer_session_is_attached (self->session)
                                                           ? "This pool cannot be shown"
                                                           : "Not attached");
  gtk_label_set_text (GTK_LABEL (self->problem_text), text);
  gtk_widget_set_visible (self->problem_hope,
                          self->session != NULL && !viewer_session_is_attached (self->session));
}

static void
session_changed (ViewerSession *session, ViewerWindow *self)
{
  update_title (self);
  update_problem (self);
  viewer_actions_update (self);
}

/* Gains or loses a picture: what can be done with it changes. */
static void
picture_changed (ViewerSession *session, ViewerWindow *self)
{
  gboolean shown = viewer_session_get_problem (session) == NULL;

  self->picture_changed = TRUE;
  if (shown == gtk_widget_get_visible (self->problem))
    session_changed (session, self);
}

static gboolean
refresh (gpointer data)
{
  ViewerWindow *self = data;

  viewer_status_update (self->status, self->session);
  viewer_inspector_update (self->inspector, self->picture, self->session);
  if (self->picture_changed)
    {
      viewer_panels_refresh (self->panels);
      viewer_actions_update (self);
    }
  self->picture_changed = FALSE;
  return G_SOURCE_CONTINUE;
}

static void
update_inspector (ViewerWindow *self)
{
  viewer_inspector_update (self->inspector, self->picture, self->session);
}

/* Once the menu is closed keys go to the picture again. */
static void
menu_closed (ViewerWindow *self)
{
  gtk_widget_grab_focus (GTK_WIDGET (self->picture));
}

/* ---- which pool ---------------------------------------------------------------------------- */

static void
forget_session (ViewerWindow *self)
{
  if (self->session != NULL)
    g_signal_handlers_disconnect_by_data (self->session, self);
  g_clear_object (&self->session);
}

/* One that was asked for by name is where its producer says. */
static gboolean
shows (ViewerWindow *self, const char *pool)
{
  const PoolView *view = viewer_session_get_view (self->session);
  const char *shown = viewer_session_get_pool (self->session);

  return g_strcmp0 (pool, shown) == 0
         || (!g_path_is_absolute (shown) && view != NULL
             && g_strcmp0 (pool, lookup_string (view->stats, "path")) == 0);
}

static void
pool_selected (ViewerPoolList *pools, const char *pool, ViewerWindow *self)
{
  if (self->session != NULL && shows (self, pool))
    return;
  forget_session (self);
  if (pool != NULL)
    {
      self->session = viewer_session_new (pool, self->lease, 0);
      g_signal_connect (self->session, "changed", G_CALLBACK (session_changed), self);
      g_signal_connect (self->session, "picture", G_CALLBACK (picture_changed), self);
    }
  viewer_picture_view_set_session (self->picture, self->session);
  viewer_panels_set_session (self->panels, self->session);
  session_changed (self->session, self);
  refresh (self);
}

/* ---- messages ------------------------------------------------------------------------------ */

static gboolean
fall_silent (gpointer data)
{
  ViewerWindow *self = data;

  self->silence = 0;
  gtk_revealer_set_reveal_child (self->toast, FALSE);
  return G_SOURCE_REMOVE;
}

void
viewer_window_say (ViewerWindow *self, const char *text)
{
  if (self->toast == NULL)
    return; /* closed meanwhile */
  g_clear_handle_id (&self->silence, g_source_remove);
  gtk_label_set_text (self->toast_text, text);
  gtk_revealer_set_reveal_child (self->toast, TRUE);
  self->silence = g_timeout_add_seconds (SAY_SECONDS, fall_silent, self);
}

/* ---- the widget ---------------------------------------------------------------------------- */

static void
dispose (GObject *object)
{
  ViewerWindow *self = VIEWER_WINDOW (object);

  g_clear_handle_id (&self->refresh, g_source_remove);
  g_clear_handle_id (&self->silence, g_source_remove);
  forget_session (self);
  if (self->toast != NULL)
    {
      viewer_picture_view_set_session (self->picture, NULL);
      viewer_panels_set_session (self->panels, NULL);
      self->toast = NULL;
    }
  G_OBJECT_CLASS (viewer_window_parent_class)->dispose (object);
}

static void
viewer_window_class_init (ViewerWindowClass *class)
{
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (class);

  G_OBJECT_CLASS (class)->dispose = dispose;
  g_type_ensure (VIEWER_TYPE_POOL_LIST);
  g_type_ensure (VIEWER_TYPE_PICTURE_VIEW);
  g_type_ensure (VIEWER_TYPE_INSPECTOR);
  g_type_ensure (VIEWER_TYPE_PANELS);
  g_type_ensure (VIEWER_TYPE_STATUS);
  gtk_widget_class_set_template_from_resource (widget_class,
                                               "/io/github/shmframe/FrameViewer/window.ui");
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, title);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, subtitle);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, menu_button);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, body);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, pools);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, picture);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, problem);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, problem_title);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, problem_text);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, problem_hope);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, toast);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, toast_text);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, inspector);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, panels);
  gtk_widget_class_bind_template_child (widget_class, ViewerWindow, status);
}

static void
viewer_window_init (ViewerWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));
  viewer_actions_add (self);
  viewer_actions_add_local_keys (self->body);
  viewer_actions_add_pause_key (GTK_WIDGET (self->pools));
  g_signal_connect_swapped (gtk_menu_button_get_popover (GTK_MENU_BUTTON (self->menu_button)),
                            "closed", G_CALLBACK (menu_closed), self);
  g_signal_connect (self->pools, "selected", G_CALLBACK (pool_selected), self);
  g_signal_connect_swapped (self->picture, "inspected", G_CALLBACK (update_inspector), self);
  g_signal_connect_swapped (self->picture, "zoom-changed", G_CALLBACK (update_inspector), self);
  self->refresh = g_timeout_add (REFRESH_MS, refresh, self);
  update_title (self);
  update_problem (self);
  gtk_window_set_focus (GTK_WINDOW (self), GTK_WIDGET (self->picture));
}

GtkWidget *
viewer_window_new (GtkApplication *application, const char *pool, gboolean lease)
{
  ViewerWindow *self = g_object_new (VIEWER_TYPE_WINDOW, "application", application, NULL);

  self->lease = lease;
  if (pool != NULL)
    viewer_pool_list_select (self->pools, pool);
  return GTK_WIDGET (self);
}

ViewerSession *
viewer_window_get_session (ViewerWindow *self)
{
  return self->session;
}

ViewerPictureView *
viewer_window_get_picture_view (ViewerWindow *self)
{
  return self->picture;
}

ViewerPoolList *
viewer_window_get_pool_list (ViewerWindow *self)
{
  return self->pools;
}

ViewerPanels *
viewer_window_get_panels (ViewerWindow *self)
{
  return self->panels;
}

GtkWidget *
viewer_window_get_sidebar (ViewerWindow *self)
{
  return GTK_WIDGET (self->pools);
}
