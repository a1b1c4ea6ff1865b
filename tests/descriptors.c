/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "descriptors.h"

#include <unistd.h>

guint
count_descriptors_of (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", (int) pid);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  guint n = 0;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *entry = g_build_filename (path, name, NULL);
      g_autofree char *file = g_file_read_link (entry, NULL); /* NULL: closed by now */

      if (file != NULL && !g_str_has_prefix (file, "/proc/") && !g_str_has_prefix (file, "/sys/"))
        n++;
    }
  return n;
}

guint
count_descriptors (void)
{
  return count_descriptors_of (getpid ());
}
