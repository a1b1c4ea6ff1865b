/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "smaps.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  unsigned long begin, inode;
  char flags[8]; /* "rw-s" */
  unsigned long pss_kb, rss_kb;
} Mapping;

/* FALSE: there are no more. */
static gboolean
read_mapping (FILE *smaps, Mapping *mapping)
{
  char line[512];
  Mapping head = { 0 };

  while (fgets (line, sizeof line, smaps))
    if (sscanf (line, "%lx-%*x %7s %*x %*s %lu", &head.begin, head.flags, &head.inode) == 3)
      *mapping = head;
    else if (sscanf (line, "Rss: %lu kB", &mapping->rss_kb) != 1
             && sscanf (line, "Pss: %lu kB", &mapping->pss_kb) == 1)
      return TRUE; /* nothing is read of what follows */
  return FALSE;
}

/* Allocated bytes of the file with that inode, if a descriptor is open; -1: none is. */
static gint64
allocated_bytes (unsigned long inode)
{
  struct stat info;

  for (int fd = 0; fd < 1024; fd++)
    if (fstat (fd, &info) == 0 && info.st_ino == inode && S_ISREG (info.st_mode))
      return (gint64) info.st_blocks * 512;
  return -1;
}

static guint64
pss_bytes (const Mapping *mapping)
{
  return mapping->pss_kb * 1024;
}

static guint64
shared_bytes (const Mapping *mapping)
{
  gint64 bytes = mapping->flags[3] == 's' ? allocated_bytes (mapping->inode) : 0;

  return bytes < 0 ? mapping->rss_kb * 1024 : (guint64) bytes;
}

static guint64
sum (pid_t pid, gconstpointer without, guint64 (*bytes) (const Mapping *mapping))
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/smaps", (int) pid);
  FILE *smaps = fopen (path, "re");
  Mapping mapping = { 0 };
  guint64 all = 0;

  while (smaps && read_mapping (smaps, &mapping))
    if (mapping.begin != (guintptr) without)
      all += bytes (&mapping);
  if (smaps)
    fclose (smaps);
  return all;
}

guint64
bench_pss_bytes (pid_t pid, gconstpointer without)
{
  return sum (pid, without, pss_bytes);
}

guint64
bench_shared_bytes (gconstpointer without)
{
  return sum (getpid (), without, shared_bytes);
}
