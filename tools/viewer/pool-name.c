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
