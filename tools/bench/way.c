/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "way.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

gboolean
bench_fail (GError **error, const char *what)
{
  int number = errno;

  g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (number), "%s: %s", what,
               g_strerror (number));
  return FALSE;
}

gboolean
bench_write_all (int fd, gconstpointer data, gsize size, GError **error)
{
  const char *next = data;

  while (size)
    {
      ssize_t done = write (fd, next, size);

      if (done < 0 && errno != EINTR)
        return bench_fail (error, "write");
      next += MAX (done, 0);
      size -= (gsize) MAX (done, 0);
    }
  return TRUE;
}

gboolean
bench_read_all (int fd, gpointer data, gsize size, GError **error)
{
  char *next = data;

  while (size)
    {
      ssize_t done = read (fd, next, size);

      if (done == 0)
        errno = EPIPE;
      if (done == 0 || (done < 0 && errno != EINTR))
        return bench_fail (error, "read");
      next += MAX (done, 0);
      size -= (gsize) MAX (done, 0);
    }
  return TRUE;
}

gpointer
bench_map (gsize size, gboolean shared)
{
  gpointer memory
      = mmap (NULL, size, PROT_READ | PROT_WRITE,
              MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE | MAP_POPULATE), -1, 0);

  if (memory == MAP_FAILED)
    g_error ("map %" G_GSIZE_FORMAT " bytes: %s", size, g_strerror (errno));
  return memory;
}

gsize
bench_round_up (gsize size, gsize unit)
{
  return (size + unit - 1) / unit * unit;
}

guint
bench_n_slots (const BenchCell *cell, guint usual)
{
  return cell->slots ? (guint) cell->slots : usual;
}

char *
bench_refuse_room (const char *folder, guint64 bytes)
{
  struct statvfs system;
  guint64 room;

  if (statvfs (folder, &system) != 0)
    return g_strdup_printf ("%s: %s", folder, g_strerror (errno));
  room = (guint64) system.f_bavail * system.f_frsize;
  if (bytes <= room)
    return NULL;
  return g_strdup_printf ("%.1f MB are needed in %s, where %.1f MB are free", (double) bytes / 1e6,
                          folder, (double) room / 1e6);
}
