/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bare shared memory as way-shm.c has it, of huge pages: reserved ones (hugetlb) if enough are free, else
 * transparent ones if the kernel allows them for shared memory. */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bell.h"
#include "slots.h"
#include "ways.h"

#define TRANSPARENT "/sys/kernel/mm/transparent_hugepage/shmem_enabled"
#define DEFAULT_PAGE (2 << 20) /* bytes */

/* A line of /proc/meminfo: its number, or 0. */
static gsize
meminfo (const char *name)
{
  g_autofree char *text = NULL;
  const char *line;
  gsize number = 0;

  if (g_file_get_contents ("/proc/meminfo", &text, NULL, NULL) && (line = strstr (text, name)))
    sscanf (line + strlen (name), "%zu", &number);
  return number;
}

/* Bytes of the kernel's default size; 0: it has no huge pages to reserve. */
static gsize
page_size (void)
{
  return meminfo ("Hugepagesize:") * 1024;
}

static gboolean
are_reserved (gsize size)
{
  gsize unused = meminfo ("HugePages_Free:") - meminfo ("HugePages_Rsvd:");

  return page_size () && size <= unused * page_size ();
}

static gboolean
are_transparent (void)
{
  g_autofree char *text = NULL;

  return g_file_get_contents (TRANSPARENT, &text, NULL, NULL) && !strstr (text, "[never]")
         && !strstr (text, "[deny]");
}

static gsize
page (void)
{
  return page_size () ? page_size () : DEFAULT_PAGE;
}

static char *
refuse (const BenchCell *cell)
{
  gsize size = bench_slots_size (cell, page ());

  if (are_reserved (size) || are_transparent ())
    return NULL;
  return g_strdup_printf ("no huge pages: set vm.nr_hugepages to %zu or more, or " TRANSPARENT
                          " to advise",
                          size / page ());
}

static gpointer
map_reserved (gsize size)
{
  int fd = memfd_create ("frame-bench", MFD_CLOEXEC | MFD_HUGETLB);
  gpointer memory = MAP_FAILED;

  if (fd >= 0 && ftruncate (fd, (off_t) size) == 0)
    memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (fd >= 0)
    close (fd);
  return memory;
}

static gpointer
map_transparent (gsize size)
{
  gpointer memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

  if (memory == MAP_FAILED
      || (madvise (memory, size, MADV_HUGEPAGE) == 0
          && madvise (memory, size, MADV_POPULATE_WRITE) == 0))
    return memory;
  munmap (memory, size);
  return MAP_FAILED;
}

static gpointer
map (gsize size, GError **error)
{
  gpointer memory = are_reserved (size) ? map_reserved (size) : map_transparent (size);

  if (memory != MAP_FAILED)
    return memory;
  bench_fail (error, "map huge pages");
  return NULL;
}

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return bench_slots_new (cell, page (), map, error);
}

const BenchWay bench_way_shm_huge = {
  .name = "shm-huge",
  .title = "bare shared memory, huge pages",
  .variant = BENCH_SLEEP,
  .refuse = refuse,
  .prepare = prepare,
  BENCH_SLOTS_MEMBERS,
};
