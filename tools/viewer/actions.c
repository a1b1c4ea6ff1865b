/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "actions.h"
#include "export.h"

/* ---- pause and steps ----------------------------------------------------------------------- */

static void
change_pause (GSimpleAction *action, GVariant *state, gpointer window)
{
  ViewerSession *session = viewer_window_get_session (window);

  if (session != NULL)
    viewer_session_set_paused (session, g_variant_get_boolean (state));
  viewer_actions_update (window);
}

static void
step (gpointer window, int by)
{
  ViewerSession *session = viewer_window_get_session (window);

  if (session == NULL || !viewer_session_step (session, by))
    gtk_widget_error_bell (window);
}

static void
step_back (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  step (window, -1);
}

static void
step_forward (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  step (window, 1);
}

static void
step_to (gpointer window, gboolean last)
{
  ViewerSession *session = viewer_window_get_session (window);
  guint n, position;

  if (session == NULL)
    return;
  position = viewer_session_get_position (session, &n);
  if (n != 0)
    viewer_session_step (session, (int) (last ? n - 1 : 0) - (int) position);
}

static void
step_first (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  step_to (window, FALSE);
}

static void
step_last (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  step_to (window, TRUE);
}

/* ---- picture ------------------------------------------------------------------------------- */

static void
zoom_in (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  viewer_picture_view_step_zoom (viewer_window_get_picture_view (window), 1);
}

static void
zoom_out (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  viewer_picture_view_step_zoom (viewer_window_get_picture_view (window), -1);
}

static void
zoom_fit (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  viewer_picture_view_set_zoom (viewer_window_get_picture_view (window), 0);
}

static void
zoom_one (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  viewer_picture_view_set_zoom (viewer_window_get_picture_view (window), 1);
}

static void
pan (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  int x, y;

  g_variant_get (parameter, "(ii)", &x, &y);
  viewer_picture_view_pan (viewer_window_get_picture_view (window), x * 0.1, y * 0.1);
}

static void
inspect (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  int x, y;

  g_variant_get (parameter, "(ii)", &x, &y);
  viewer_picture_view_move_inspected (viewer_window_get_picture_view (window), x, y);
}

/* ---- saving and copying -------------------------------------------------------------------- */

static void
saved (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (ViewerWindow) window = data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = viewer_export_finish (result, &error);
  g_autofree char *shown = path != NULL ? g_filename_display_name (path) : NULL;
  g_autofree char *text = path != NULL ? g_strdup_printf ("Saved as %s", shown)
                                       : g_strdup_printf ("Not saved: %s", error->message);

  if (path == NULL && gtk_window_get_application (GTK_WINDOW (window)) == NULL)
    g_printerr ("frame-viewer: %s\n", text); /* it was closed meanwhile */
  viewer_window_say (window, text);
  viewer_panels_note (viewer_window_get_panels (window), path != NULL ? "saved" : "error", text);
  g_application_release (g_application_get_default ());
}

/* Who quits at once gets the file all the same. */
static void
save_to (ViewerWindow *window, ShmFrameFrame *frame, const char *path, gboolean replace)
{
  g_application_hold (g_application_get_default ());
  viewer_export (frame, path, replace, saved, g_object_ref (window));
}

static void
save_now (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  ViewerSession *session = viewer_window_get_session (window);
  ShmFrameFrame *frame = session != NULL ? viewer_session_get_frame (session) : NULL;
  g_autofree char *folder = viewer_export_dup_folder ();
  g_autofree char *name = NULL;
  g_autofree char *path = NULL;

  if (frame == NULL)
    return;
  name = viewer_export_dup_name (viewer_session_get_pool (session), frame);
  path = g_build_filename (folder, name, NULL);
  save_to (window, frame, path, FALSE);
}

static void
file_chosen (GtkNativeDialog *dialog, int response, ShmFrameFrame *frame)
{
  g_autoptr (GFile) file = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (dialog));
  g_autofree char *path = file != NULL ? g_file_get_path (file) : NULL;
  ViewerWindow *window = VIEWER_WINDOW (gtk_native_dialog_get_transient_for (dialog));

  if (response == GTK_RESPONSE_ACCEPT && path != NULL)
    save_to (window, frame, path, TRUE); /* the dialog has asked */
  else if (response == GTK_RESPONSE_ACCEPT)
    viewer_window_say (window, "Not saved: choose a folder of this machine");
  g_object_unref (dialog);
}

static void
release_frame (gpointer frame, GClosure *closure)
{
  shmframe_frame_unref (frame);
}

/* The frame is the one that was shown when the dialog was asked for. */
static void
save_as (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  ViewerSession *session = viewer_window_get_session (window);
  ShmFrameFrame *frame = session != NULL ? viewer_session_get_frame (session) : NULL;
  g_autofree char *folder = viewer_export_dup_folder ();
  g_autoptr (GFile) file = g_file_new_for_path (folder);
  g_autofree char *name = NULL;
  GtkFileChooserNative *dialog;

  if (frame == NULL)
    return;
  name = viewer_export_dup_name (viewer_session_get_pool (session), frame);
  dialog = gtk_file_chooser_native_new ("Save the frame as PNG", window,
                                        GTK_FILE_CHOOSER_ACTION_SAVE, "_Save", "_Cancel");
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (dialog), TRUE);
  gtk_file_chooser_set_current_folder (GTK_FILE_CHOOSER (dialog), file, NULL);
  gtk_file_chooser_set_current_name (GTK_FILE_CHOOSER (dialog), name);
  g_signal_connect_data (dialog, "response", G_CALLBACK (file_chosen), shmframe_frame_ref (frame),
                         release_frame, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (dialog));
}

static void
copy (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  ViewerSession *session = viewer_window_get_session (window);
  GdkTexture *texture = session != NULL ? viewer_session_get_texture (session) : NULL;

  if (texture == NULL)
    return;
  gdk_clipboard_set_texture (gtk_widget_get_clipboard (window), texture);
  viewer_window_say (window, "Copied");
}

/* ---- the window ---------------------------------------------------------------------------- */

static void
toggle_fullscreen (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  if (gtk_window_is_fullscreen (window))
    gtk_window_unfullscreen (window);
  else
    gtk_window_fullscreen (window);
}

static void
leave_fullscreen (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  gtk_window_unfullscreen (window);
}

static void
focus_picture (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  gtk_widget_grab_focus (GTK_WIDGET (viewer_window_get_picture_view (window)));
}

static void
focus_pools (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  gtk_widget_set_visible (viewer_window_get_sidebar (window), TRUE);
  gtk_widget_child_focus (GTK_WIDGET (viewer_window_get_pool_list (window)), GTK_DIR_TAB_FORWARD);
}

static void
next_pool (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  viewer_pool_list_step (viewer_window_get_pool_list (window), 1);
}

static void
previous_pool (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  viewer_pool_list_step (viewer_window_get_pool_list (window), -1);
}

static void
show_panel (GSimpleAction *action, GVariant *parameter, gpointer window)
{
  ViewerPanels *panels = viewer_window_get_panels (window);

  gtk_widget_set_visible (GTK_WIDGET (panels), TRUE);
  viewer_panels_show (panels, g_variant_get_string (parameter, NULL));
}

static void
add_property (ViewerWindow *window, const char *name, gpointer object)
{
  g_autoptr (GPropertyAction) action = g_property_action_new (name, object, "visible");

  g_action_map_add_action (G_ACTION_MAP (window), G_ACTION (action));
}

void
viewer_actions_add (ViewerWindow *window)
{
  static const GActionEntry actions[] = {
    { .name = "pause", .state = "false", .change_state = change_pause },
    { .name = "step-back", .activate = step_back },
    { .name = "step-forward", .activate = step_forward },
    { .name = "step-first", .activate = step_first },
    { .name = "step-last", .activate = step_last },
    { .name = "zoom-in", .activate = zoom_in },
    { .name = "zoom-out", .activate = zoom_out },
    { .name = "zoom-fit", .activate = zoom_fit },
    { .name = "zoom-one", .activate = zoom_one },
    { .name = "pan", .parameter_type = "(ii)", .activate = pan },
    { .name = "inspect", .parameter_type = "(ii)", .activate = inspect },
    { .name = "save-as", .activate = save_as },
    { .name = "save-now", .activate = save_now },
    { .name = "copy", .activate = copy },
    { .name = "fullscreen", .activate = toggle_fullscreen },
    { .name = "leave-fullscreen", .activate = leave_fullscreen },
    { .name = "focus-picture", .activate = focus_picture },
    { .name = "focus-pools", .activate = focus_pools },
    { .name = "next-pool", .activate = next_pool },
    { .name = "previous-pool", .activate = previous_pool },
    { .name = "panel", .parameter_type = "s", .activate = show_panel },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (window), actions, G_N_ELEMENTS (actions), window);
  add_property (window, "show-pools", viewer_window_get_sidebar (window));
  add_property (window, "show-panels", viewer_window_get_panels (window));
  viewer_actions_update (window);
}

static void
enable (ViewerWindow *window, const char *name, gboolean enabled)
{
  GAction *action = g_action_map_lookup_action (G_ACTION_MAP (window), name);

  g_simple_action_set_enabled (G_SIMPLE_ACTION (action), enabled);
}

void
viewer_actions_update (ViewerWindow *window)
{
  static const char *const of_picture[]
      = { "save-as", "save-now", "copy", "zoom-in", "zoom-out", "zoom-fit", "zoom-one" };
  static const char *const of_steps[] = { "step-back", "step-forward", "step-first", "step-last" };
  ViewerSession *session = viewer_window_get_session (window);
  gboolean paused = session != NULL && viewer_session_get_paused (session);
  gboolean picture = session != NULL && viewer_session_get_picture (session) != NULL;
  GAction *pause = g_action_map_lookup_action (G_ACTION_MAP (window), "pause");

  g_simple_action_set_state (G_SIMPLE_ACTION (pause), g_variant_new_boolean (paused));
  enable (window, "pause", session != NULL);
  for (guint i = 0; i < G_N_ELEMENTS (of_picture); i++)
    enable (window, of_picture[i], picture);
  for (guint i = 0; i < G_N_ELEMENTS (of_steps); i++)
    enable (window, of_steps[i], paused);
}

/* ---- keys ---------------------------------------------------------------------------------- */

void
viewer_actions_set_keys (GtkApplication *application)
{
  static const struct
  {
    const char *action;
    const char *keys[5];
  } table[] = {
    { "app.quit", { "<Control>q" } },
    { "app.toggle-dark", { "<Control>d" } },
    { "window.close", { "<Control>w" } },
    { "win.pause", { "p" } },
    { "win.step-back", { "comma" } },
    { "win.step-forward", { "period" } },
    { "win.zoom-in", { "plus", "equal", "KP_Add", "<Control>plus" } },
    { "win.zoom-out", { "minus", "KP_Subtract", "<Control>minus" } },
    { "win.zoom-fit", { "0", "KP_0", "<Control>0" } },
    { "win.zoom-one", { "1", "KP_1", "<Control>1" } },
    { "win.save-as", { "<Control>s" } },
    { "win.save-now", { "<Control><Shift>s" } },
    { "win.fullscreen", { "F11" } },
    { "win.focus-picture", { "F7" } },
    { "win.focus-pools", { "<Control>l" } },
    { "win.show-pools", { "F9" } },
    { "win.show-panels", { "<Control>F9" } },
    { "win.next-pool", { "<Control>Page_Down" } },
    { "win.previous-pool", { "<Control>Page_Up" } },
    { "win.panel::slots", { "<Alt>1" } },
    { "win.panel::consumers", { "<Alt>2" } },
    { "win.panel::charts", { "<Alt>3" } },
    { "win.panel::scopes", { "<Alt>4" } },
    { "win.panel::log", { "<Alt>5" } },
    { "win.show-help-overlay", { "F1", "question", "<Control>question" } },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    gtk_application_set_accels_for_action (application, table[i].action, table[i].keys);
}

void
viewer_actions_add_local_keys (GtkWidget *widget)
{
  static const struct
  {
    const char *key, *action, *parameter;
  } table[] = {
    { "space", "win.pause", NULL },
    { "Left", "win.step-back", NULL },
    { "Right", "win.step-forward", NULL },
    { "Home", "win.step-first", NULL },
    { "End", "win.step-last", NULL },
    { "<Control>c", "win.copy", NULL },
    { "Escape", "win.leave-fullscreen", NULL },
    { "<Shift>Left", "win.inspect", "(-1, 0)" },
    { "<Shift>Right", "win.inspect", "(1, 0)" },
    { "<Shift>Up", "win.inspect", "(0, -1)" },
    { "<Shift>Down", "win.inspect", "(0, 1)" },
    { "<Control><Shift>Left", "win.inspect", "(-10, 0)" },
    { "<Control><Shift>Right", "win.inspect", "(10, 0)" },
    { "<Control><Shift>Up", "win.inspect", "(0, -10)" },
    { "<Control><Shift>Down", "win.inspect", "(0, 10)" },
    { "<Control>Left", "win.pan", "(-1, 0)" },
    { "<Control>Right", "win.pan", "(1, 0)" },
    { "<Control>Up", "win.pan", "(0, -1)" },
    { "<Control>Down", "win.pan", "(0, 1)" },
  };
  GtkEventController *controller = gtk_shortcut_controller_new ();

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      GtkShortcut *shortcut = gtk_shortcut_new (gtk_shortcut_trigger_parse_string (table[i].key),
                                                gtk_named_action_new (table[i].action));

      if (table[i].parameter != NULL)
        gtk_shortcut_set_arguments (shortcut, g_variant_new_parsed (table[i].parameter));
      gtk_shortcut_controller_add_shortcut (GTK_SHORTCUT_CONTROLLER (controller), shortcut);
    }
  gtk_widget_add_controller (widget, controller);
}

void
viewer_actions_add_pause_key (GtkWidget *widget)
{
  GtkEventController *controller = gtk_shortcut_controller_new ();

  gtk_event_controller_set_propagation_phase (controller, GTK_PHASE_CAPTURE);
  gtk_shortcut_controller_add_shortcut (
      GTK_SHORTCUT_CONTROLLER (controller),
      gtk_shortcut_new (gtk_shortcut_trigger_parse_string ("space"),
                        gtk_named_action_new ("win.pause")));
  gtk_widget_add_controller (widget, controller);
}
