/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a pool is called, fit to show and for a file's name; of a socket's path: its file's name without
 * ".sock". (transfer full) */
char *pool_dup_name (const char *pool);
/* An error's text without the object that it begins with ("pool X: ..."), where that is named besides
 * and room is short. Inside `text`. */
const char *pool_skip_object (const char *text);
