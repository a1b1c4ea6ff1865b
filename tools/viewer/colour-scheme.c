/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "colour-scheme.h"

#define APPEARANCE "org.freedesktop.appearance"
#define COLOR_SCHEME "color-scheme"
#define PREFER_DARK 1

/* One for the process, as GTK's settings are. */
static struct
{
  GSimpleAction *action;
  GDBusProxy *portal;
  gboolean system_dark;
} scheme;

static gboolean
is_dark (void)
{
  gboolean dark;

  g_object_get (gtk_settings_get_default (), "gtk-application-prefer-dark-theme", &dark, NULL);
  return dark;
}

static void
apply (void)
{
  g_autoptr (GVariant) state = g_action_get_state (G_ACTION (scheme.action));
  const char *name = g_variant_get_string (state, NULL);
  gboolean dark = g_str_equal (name, "system") ? scheme.system_dark : g_str_equal (name, "dark");

  g_object_set (gtk_settings_get_default (), "gtk-application-prefer-dark-theme", dark, NULL);
}

static void
set_scheme (GSimpleAction *action, GVariant *state, gpointer data)
{
  static const char *const names[] = { "system", "light", "dark", NULL };

  if (!g_strv_contains (names, g_variant_get_string (state, NULL)))
    return;
  g_simple_action_set_state (action, state);
  apply ();
}

static void
toggle_dark (GSimpleAction *action, GVariant *parameter, gpointer data)
{
  g_action_change_state (G_ACTION (scheme.action),
                         g_variant_new_string (is_dark () ? "light" : "dark"));
}

/* The portal packs its answers twice. */
static void
take_system (GVariant *value)
{
  g_autoptr (GVariant) inner = g_variant_ref (value);

  while (g_variant_is_of_type (inner, G_VARIANT_TYPE_VARIANT))
    {
      GVariant *next = g_variant_get_variant (inner);

      g_variant_unref (inner);
      inner = next;
    }
  if (!g_variant_is_of_type (inner, G_VARIANT_TYPE_UINT32))
    return;
  scheme.system_dark = g_variant_get_uint32 (inner) == PREFER_DARK;
  apply ();
}

static void
portal_signal (GDBusProxy *proxy, const char *sender, const char *name, GVariant *parameters,
               gpointer data)
{
  g_autoptr (GVariant) value = NULL;
  const char *space, *key;

  if (!g_str_equal (name, "SettingChanged")
      || !g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(ssv)")))
    return;
  g_variant_get (parameters, "(&s&sv)", &space, &key, &value);
  if (g_str_equal (space, APPEARANCE) && g_str_equal (key, COLOR_SCHEME))
    take_system (value);
}

static void
portal_read (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) answer = g_dbus_proxy_call_finish (G_DBUS_PROXY (source), result, NULL);
  g_autoptr (GVariant) value = NULL;

  if (answer == NULL || !g_variant_is_of_type (answer, G_VARIANT_TYPE ("(v)")))
    return; /* no portal, or one that does not know: GTK's theme stays */
  g_variant_get (answer, "(v)", &value);
  take_system (value);
}

static void
portal_found (GObject *source, GAsyncResult *result, gpointer data)
{
  scheme.portal = g_dbus_proxy_new_for_bus_finish (result, NULL);
  if (scheme.portal == NULL)
    return;
  g_signal_connect (scheme.portal, "g-signal", G_CALLBACK (portal_signal), NULL);
  g_dbus_proxy_call (scheme.portal, "Read", g_variant_new ("(ss)", APPEARANCE, COLOR_SCHEME),
                     G_DBUS_CALL_FLAGS_NONE, -1, NULL, portal_read, NULL);
}

void
viewer_colour_scheme_init (GtkApplication *application)
{
  const GActionEntry entries[] = {
    { .name = "colour-scheme",
      .parameter_type = "s",
      .state = "'system'",
      .change_state = set_scheme },
    { .name = "toggle-dark", .activate = toggle_dark },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (application), entries, G_N_ELEMENTS (entries),
                                   NULL);
  scheme.action
      = G_SIMPLE_ACTION (g_action_map_lookup_action (G_ACTION_MAP (application), "colour-scheme"));
  scheme.system_dark = is_dark ();
  g_dbus_proxy_new_for_bus (G_BUS_TYPE_SESSION, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES, NULL,
                            "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop",
                            "org.freedesktop.portal.Settings", NULL, portal_found, NULL);
}
