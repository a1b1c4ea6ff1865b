/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A memory-mapped file on disk: as bare shared memory, but that the kernel writes pages that changed to
 * the disk now and then, and faults when they change again. */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bell.h"
#include "slots.h"
#include "ways.h"

#define FOLDER "/var/tmp" /* kept when the machine starts anew: hardly ever in memory */

static char *
refuse (const BenchCell *cell)
{
  struct statfs system;

  if (statfs (FOLDER, &system) == 0
      && (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC))
    return g_strdup (FOLDER " is in memory, not on a disk");
  return bench_refuse_room (FOLDER, bench_slots_size (cell, BENCH_PAGE));
}

static gpointer
map (gsize size, GError **error)
{
  char name[] = FOLDER "/frame-bench-XXXXXX";
  int fd = mkostemp (name, O_CLOEXEC), number;
  gpointer memory = MAP_FAILED;

  if (fd < 0)
    {
      bench_fail (error, "make " FOLDER "/frame-bench-XXXXXX");
      return NULL;
    }
  unlink (name);
  number = posix_fallocate (fd, 0, (off_t) size);
  if (number == 0)
    memory = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  else
    errno = number;
  if (memory == MAP_FAILED)
    bench_fail (error, "map a file in " FOLDER);
  close (fd);
  return memory == MAP_FAILED ? NULL : memory;
}

static gpointer
prepare (const BenchCell *cell, GError **error)
{
  return bench_slots_new (cell, BENCH_PAGE, map, error);
}

const BenchWay bench_way_file = {
  .name = "file",
  .title = "memory-mapped file",
  .variant = BENCH_SLEEP,
  .refuse = refuse,
  .prepare = prepare,
  BENCH_SLOTS_MEMBERS,
};
