/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pool-name.h"

#include <string.h>

#include "../common.h"

#define SUFFIX ".sock"

char *
pool_dup_name (const char *pool)
{
  g_autofree char *name = g_path_get_basename (pool);

  /* A name without a folder is one as it is, and may end so. */
  if (g_path_is_absolute (pool) && g_str_has_suffix (name, SUFFIX)
      && strlen (name) > strlen (SUFFIX))
    name[strlen (name) - strlen (SUFFIX)] = '\0';
  return printable (name);
}

const char *
pool_skip_object (const char *text)
{
  static const char *const objects[] = { "pool ", "connecting to ", "picture of " };
  const char *end = strstr (text, ": ");

  for (guint i = 0; end != NULL && end[2] != '\0' && i < G_N_ELEMENTS (objects); i++)
    if (g_str_has_prefix (text, objects[i]))
      return end + 2;
  return text;
}
