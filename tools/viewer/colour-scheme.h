/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gtk/gtk.h>

/* Adds the actions colour-scheme ("system", "light" or "dark") and toggle-dark to the application. By
 * default it is the system's, as the settings portal says, or GTK's theme where there is no portal. */
void viewer_colour_scheme_init (GtkApplication *application);
