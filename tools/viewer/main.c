/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "actions.h"
#include "colour-scheme.h"
#include "window.h"

#include <locale.h>

#define APPLICATION_ID "io.github.shmframe.FrameViewer"

/* frame-viewer [POOL]: looks at pools without disturbing them, unless it is told to lease. */
static struct
{
  gboolean lease, version;
  gboolean understood;
  char **pools;
} options;

static void
quit (GSimpleAction *action, GVariant *parameter, gpointer application)
{
  GList *windows = g_list_copy (gtk_application_get_windows (application));

  for (GList *link = windows; link != NULL; link = link->next)
    gtk_window_destroy (link->data);
  g_list_free (windows);
}

static void
about (GSimpleAction *action, GVariant *parameter, gpointer application)
{
  gtk_show_about_dialog (gtk_application_get_active_window (application), "program-name",
                         "Frame Viewer", "version", VERSION, "logo-icon-name", APPLICATION_ID,
                         "comments", "See what the pools of shmframe are doing", "license-type",
                         GTK_LICENSE_LGPL_2_1, "copyright", "The authors of shmframe", NULL);
}

static void
startup (GApplication *application, gpointer data)
{
  const GActionEntry entries[] = {
    { .name = "quit", .activate = quit },
    { .name = "about", .activate = about },
  };
  g_autoptr (GtkCssProvider) css = gtk_css_provider_new ();

  g_action_map_add_action_entries (G_ACTION_MAP (application), entries, G_N_ELEMENTS (entries),
                                   application);
  viewer_colour_scheme_init (GTK_APPLICATION (application));
  viewer_actions_set_keys (GTK_APPLICATION (application));
  gtk_css_provider_load_from_resource (css, "/io/github/shmframe/FrameViewer/style.css");
  gtk_style_context_add_provider_for_display (gdk_display_get_default (), GTK_STYLE_PROVIDER (css),
                                              GTK_STYLE_PROVIDER_PRIORITY_APPLICATION);
  gtk_window_set_default_icon_name (APPLICATION_ID);
}

static void
activate (GApplication *application, gpointer data)
{
  gtk_window_present (GTK_WINDOW (
      viewer_window_new (GTK_APPLICATION (application),
                         options.pools != NULL ? options.pools[0] : NULL, options.lease)));
}

static int
local_options (GApplication *application, GVariantDict *dict, gpointer data)
{
  options.understood = TRUE;
  if (options.version)
    {
      g_print ("frame-viewer " VERSION "\n");
      return EXIT_OK;
    }
  if (options.pools != NULL && g_strv_length (options.pools) > 1)
    {
      g_printerr ("frame-viewer: it takes one pool at most; see frame-viewer --help\n");
      return EXIT_USAGE;
    }
  return -1; /* go on */
}

int
main (int argc, char **argv)
{
  const GOptionEntry entries[] = {
    { "lease", 0, 0, G_OPTION_ARG_NONE, &options.lease,
      "Be a normal consumer (latest) instead of an observer", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &options.version, "Print the version and exit", NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.pools, NULL, "[POOL]" },
    G_OPTION_ENTRY_NULL,
  };
  g_autoptr (GtkApplication) application = NULL;
  int code;

  setlocale (LC_CTYPE, ""); /* numbers stay as the other tools write them */
  gtk_disable_setlocale ();
  g_set_prgname ("frame-viewer");
  g_set_application_name ("Frame Viewer");
  application = gtk_application_new (APPLICATION_ID, G_APPLICATION_NON_UNIQUE);
  g_application_add_main_option_entries (G_APPLICATION (application), entries);
  g_application_set_option_context_summary (G_APPLICATION (application),
                                            "Shows the pools that there are, and what they are "
                                            "doing. POOL is a name or the absolute path "
                                            "of a socket.");
  g_signal_connect (application, "startup", G_CALLBACK (startup), NULL);
  g_signal_connect (application, "activate", G_CALLBACK (activate), NULL);
  g_signal_connect (application, "handle-local-options", G_CALLBACK (local_options), NULL);
  code = g_application_run (G_APPLICATION (application), argc, argv);
  g_strfreev (options.pools);
  return options.understood ? code : EXIT_USAGE; /* --help has ended already */
}
