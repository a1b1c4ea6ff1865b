/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "os/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "abi/layout.h"
#include "shmframe/error.h"

/* Newer than the headers of Debian 12; kernels that lack it answer EINVAL. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define CONTROL_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SEGMENT_SEALS (CONTROL_SEALS | F_SEAL_FUTURE_WRITE)

#define PREFAULT_PIECE ((gsize) 1 << 20) /* bytes; some 0.4 ms */

struct _ShmFrameMemory
{
  char *name;   /* for messages */
  void *data;   /* MAP_FAILED until mapped */
  gsize size;   /* bytes */
  gsize backed; /* of a peer's memory: bytes that had pages when it was mapped */
  int own_fd;   /* writable, never sent for a segment; -1 for a peer's memory */
  int sent_fd;  /* own_fd for a control page, a read-only reopening of it for a segment, or -1 */
};

static const char *proc_root = "/proc";
static const char *cgroup_root = "/sys/fs/cgroup";

void
shmframe_memory_set_roots_for_test (const char *proc, const char *cgroup)
{
  proc_root = proc != NULL ? proc : "/proc";
  cgroup_root = cgroup != NULL ? cgroup : "/sys/fs/cgroup";
}

static void
set_error (GError **error, const char *call, const char *name, int saved_errno)
{
  if (saved_errno == EMFILE || saved_errno == ENFILE)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS,
                 "memory %s: %s: %s: raise RLIMIT_NOFILE (ulimit -n) or close descriptors", name,
                 call, g_strerror (saved_errno));
  else if (saved_errno == ENOMEM || saved_errno == ENOSPC)
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_MEMORY,
                 "memory %s: %s: %s: use fewer slots or a smaller format", name, call,
                 g_strerror (saved_errno));
  else
    g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_FAILED, "memory %s: %s: %s", name, call,
                 g_strerror (saved_errno));
}

static ShmFrameMemory *
memory_new (const char *name, gsize size)
{
  ShmFrameMemory *self = g_atomic_rc_box_new0 (ShmFrameMemory);

  self->name = g_strdup (name);
  self->data = MAP_FAILED;
  self->size = size;
  self->own_fd = -1;
  self->sent_fd = -1;
  return self;
}

static void
memory_clear (gpointer data)
{
  ShmFrameMemory *self = data;

  if (self->data != MAP_FAILED)
    munmap (self->data, self->size);
  if (self->sent_fd >= 0 && self->sent_fd != self->own_fd)
    close (self->sent_fd);
  if (self->own_fd >= 0)
    close (self->own_fd);
  g_free (self->name);
}

ShmFrameMemory *
shmframe_memory_ref (ShmFrameMemory *self)
{
  return g_atomic_rc_box_acquire (self);
}

void
shmframe_memory_unref (ShmFrameMemory *self)
{
  if (self != NULL)
    g_atomic_rc_box_release_full (self, memory_clear);
}

/* ---- making -------------------------------------------------------------------------------- */

/* The mode keeps processes of other users from opening a descriptor that they were sent anew, for
 * writing, through /proc: with one they could commit slots that the producer has not. */
static gboolean
create (ShmFrameMemory *self, GError **error)
{
  /* The kernel takes names of up to 249 bytes. */
  g_autofree char *title = g_strdup_printf ("shmframe:%.200s", self->name);
  const guint flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const char *call = "memfd_create";

  self->own_fd = memfd_create (title, flags | MFD_NOEXEC_SEAL);
  if (self->own_fd < 0 && errno == EINVAL)
    self->own_fd = memfd_create (title, flags);
  if (self->own_fd < 0)
    goto fail;
  call = "fchmod";
  if (fchmod (self->own_fd, 0600) < 0)
    goto fail;
  call = "ftruncate";
  if (ftruncate (self->own_fd, (off_t) self->size) < 0)
    goto fail;
  return TRUE;

fail:
  set_error (error, call, self->name, errno);
  return FALSE;
}

static gboolean
map (ShmFrameMemory *self, int fd, int protection, GError **error)
{
  self->data = mmap (NULL, self->size, protection, MAP_SHARED, fd, 0);
  if (self->data == MAP_FAILED)
    {
      set_error (error, "mmap", self->name, errno);
      return FALSE;
    }
  if (madvise (self->data, self->size, MADV_DONTFORK) < 0)
    {
      set_error (error, "madvise MADV_DONTFORK", self->name, errno);
      return FALSE;
    }
  return TRUE;
}

static gboolean
seal (ShmFrameMemory *self, int seals, GError **error)
{
  if (fcntl (self->own_fd, F_ADD_SEALS, seals) == 0)
    return TRUE;
  set_error (error, "fcntl F_ADD_SEALS", self->name, errno);
  return FALSE;
}

/* A second description of the same memory, opened for reading: F_SEAL_FUTURE_WRITE keeps a peer
 * from writing; this keeps it from fallocate, too. */
static gboolean
reopen_read_only (ShmFrameMemory *self, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", self->own_fd);

  self->sent_fd = open (path, O_RDONLY | O_CLOEXEC);
  if (self->sent_fd >= 0)
    return TRUE;
  set_error (error, "open /proc/self/fd (is /proc mounted?)", self->name, errno);
  return FALSE;
}

ShmFrameMemory *
shmframe_memory_new_segment (const char *name, gsize size, GError **error)
{
  g_autoptr (ShmFrameMemory) self = NULL;

  g_return_val_if_fail (name != NULL && size > 0, NULL);
  self = memory_new (name, size);
  if (!create (self, error) || !map (self, self->own_fd, PROT_READ | PROT_WRITE, error)
      || !seal (self, SEGMENT_SEALS, error) || !reopen_read_only (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

ShmFrameMemory *
shmframe_memory_new_control (const char *name, gsize size, GError **error)
{
  g_autoptr (ShmFrameMemory) self = NULL;

  g_return_val_if_fail (name != NULL && size > 0, NULL);
  self = memory_new (name, size);
  if (!create (self, error) || !map (self, self->own_fd, PROT_READ | PROT_WRITE, error)
      || !shmframe_memory_commit (self, 0, size, error) || !seal (self, CONTROL_SEALS, error))
    return NULL;
  self->sent_fd = self->own_fd;
  return g_steal_pointer (&self);
}

/* ---- mapping a peer's ---------------------------------------------------------------------- */

static gboolean
refuse (GError **error, const char *name, const char *why)
{
  g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
               "memory %s: the peer's descriptor %s; it is not a shmframe of this version", name,
               why);
  return FALSE;
}

/* Only after this is the mapping safe: it cannot shrink under us (SIGBUS). Memory of another file
 * system could be sealed as well, but a hole in huge pages is a SIGBUS when there are none left. */
static gboolean
check_peer (ShmFrameMemory *self, int fd, int seals, GError **error)
{
  struct statfs fs;
  struct stat st;
  int have = fcntl (fd, F_GET_SEALS);

  if (have < 0 || fstatfs (fd, &fs) < 0 || fstat (fd, &st) < 0 || fs.f_type != TMPFS_MAGIC)
    return refuse (error, self->name, "is not a memfd");
  if ((have & seals) != seals)
    return refuse (error, self->name, "lacks seals");
  self->backed = (gsize) st.st_blocks * 512;
  if (st.st_size < 0 || (guint64) st.st_size != self->size)
    {
      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL,
                   "memory %s: the peer said %" G_GSIZE_FORMAT " bytes and sent %" G_GINT64_FORMAT,
                   self->name, self->size, (gint64) st.st_size);
      return FALSE;
    }
  return TRUE;
}

static ShmFrameMemory *
map_peer (const char *name, int fd, gsize size, int seals, int protection, GError **error)
{
  g_autoptr (ShmFrameMemory) self = memory_new (name, size);

  if (size == 0)
    {
      refuse (error, name, "has no bytes");
      return NULL;
    }
  if (!check_peer (self, fd, seals, error) || !map (self, fd, protection, error))
    return NULL;
  return g_steal_pointer (&self);
}

ShmFrameMemory *
shmframe_memory_map_segment (int fd, gsize size, GError **error)
{
  return map_peer ("segment", fd, size, SEGMENT_SEALS, PROT_READ, error);
}

ShmFrameMemory *
shmframe_memory_map_control (int fd, gsize size, GError **error)
{
  return map_peer ("control page", fd, size, CONTROL_SEALS, PROT_READ | PROT_WRITE, error);
}

/* ---- reading ------------------------------------------------------------------------------- */

void *
shmframe_memory_get_data (const ShmFrameMemory *self)
{
  return self->data;
}

gsize
shmframe_memory_get_size (const ShmFrameMemory *self)
{
  return self->size;
}

int
shmframe_memory_get_fd (const ShmFrameMemory *self)
{
  return self->sent_fd;
}

void
shmframe_memory_prefault (ShmFrameMemory *self, gsize offset, gsize length)
{
  gsize start = offset & ~(gsize) (SHMFRAME_PAGE_SIZE - 1), end = offset + length;

  g_return_if_fail (offset <= self->size && length <= self->size - offset);
  /* Reading a hole would allocate it, at our cost: a peer may say that it committed more than it did. */
  if (end > self->backed)
    return;
  /* In pieces: who maps memory or starts a thread meanwhile waits for the end of a piece. */
  for (gsize piece; start < end; start += piece)
    {
      piece = MIN (PREFAULT_PIECE, end - start);
      madvise ((guint8 *) self->data + start, piece, MADV_POPULATE_READ);
    }
}

/* ---- what may still be committed ----------------------------------------------------------- */

/* The number after `key` at the start of a line ("MemAvailable:   123 kB", "inactive_file 123"). */
static gboolean
read_value (const char *dir, const char *file, const char *key, guint64 *value)
{
  g_autofree char *path = g_build_filename (dir, file, NULL);
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  for (line = text; line != NULL; line = strchr (line, '\n'))
    {
      line += *line == '\n';
      if (g_str_has_prefix (line, key) && (*key == '\0' || strchr (": ", line[strlen (key)])))
        {
          line += strlen (key) + strspn (line + strlen (key), ": ");
          *value = g_ascii_strtoull (line, NULL, 10);
          return g_ascii_isdigit (*line); /* "max" is no number */
        }
    }
  return FALSE;
}

/* What one control group leaves. File pages that it has not used for a while go before anything is
 * killed, so they do not count. */
static guint64
group_available (const char *dir)
{
  guint64 max, current, inactive = 0;

  if (!read_value (dir, "memory.max", "", &max)
      || !read_value (dir, "memory.current", "", &current))
    return G_MAXUINT64;
  read_value (dir, "memory.stat", "inactive_file", &inactive);
  current -= MIN (inactive, current);
  return max > current ? max - current : 0;
}

/* The folder of this process's control group (version 2). In a control group namespace or a
 * container it may not be visible: a group that cannot be read sets no limit, and those above it
 * are looked at all the same, up to the root, which is then the nearest that can be seen. */
static char *
own_group (void)
{
  g_autofree char *path = g_build_filename (proc_root, "self", "cgroup", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return g_strdup (cgroup_root);
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL; line++)
    if (g_str_has_prefix (*line, "0::/"))
      return g_build_filename (cgroup_root, *line + strlen ("0::/"), NULL);
  return g_strdup (cgroup_root);
}

/* limit: what sets the bound, for the message. */
static guint64
available (char **limit)
{
  guint64 least = G_MAXUINT64, kilobytes;
  g_autofree char *dir = own_group ();
  gsize root = strlen (cgroup_root);

  *limit = g_strdup ("MemAvailable");
  if (read_value (proc_root, "meminfo", "MemAvailable", &kilobytes))
    least = kilobytes * 1024;

  for (;;)
    {
      guint64 left = group_available (dir);
      char *slash;

      if (left < least)
        {
          g_free (*limit);
          *limit = g_build_filename (dir, "memory.max", NULL);
          least = left;
        }
      slash = strrchr (dir, '/');
      if (slash == NULL || (gsize) (slash - dir) < root)
        return least;
      *slash = '\0';
    }
}

guint64
shmframe_memory_available (void)
{
  g_autofree char *limit = NULL;

  return available (&limit);
}

gboolean
shmframe_memory_commit (ShmFrameMemory *self, gsize offset, gsize length, GError **error)
{
  g_autofree char *limit = NULL;
  guint64 left;
  int result;

  g_return_val_if_fail (self->own_fd >= 0, FALSE);
  g_return_val_if_fail (offset <= self->size && length <= self->size - offset, FALSE);
  if (length == 0)
    return TRUE;

  /* Past these limits fallocate succeeds, and the kernel kills somebody. */
  left = available (&limit);
  if (length > left)
    {
      g_autofree char *wanted = g_format_size_full (length, G_FORMAT_SIZE_IEC_UNITS);
      g_autofree char *free = g_format_size_full (left, G_FORMAT_SIZE_IEC_UNITS);

      g_set_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_MEMORY,
                   "memory %s: committing %s, but %s leaves %s: use fewer slots or a smaller "
                   "format, or raise the limit",
                   self->name, wanted, limit, free);
      return FALSE;
    }
  do
    result = fallocate (self->own_fd, 0, (off_t) offset, (off_t) length);
  while (result < 0 && errno == EINTR);
  if (result == 0)
    return TRUE;
  set_error (error, "fallocate", self->name, errno);
  return FALSE;
}
