/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "os/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descriptors.h"
#include "shmframe/error.h"

#define PAGE 4096u
#define SIZE (16 * PAGE)

/* Runs `body` in a child process, which fails by an assertion or by the watchdog. */
static void
in_child (void (*body) (gconstpointer), gconstpointer data)
{
  int status;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      alarm (10);
      body (data);
      _exit (0);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
}

static gint64
committed_bytes (const ShmFrameMemory *memory)
{
  struct stat st;

  g_assert_cmpint (fstat (shmframe_memory_get_fd (memory), &st), ==, 0);
  return (gint64) st.st_blocks * 512;
}

static ShmFrameMemory *
new_segment (void)
{
  g_autoptr (GError) error = NULL;
  ShmFrameMemory *memory = shmframe_memory_new_segment ("cam0", SIZE, &error);

  g_assert_no_error (error);
  return memory;
}

/* ---- what a peer can do with the descriptor ------------------------------------------------ */

static void
test_segment_is_sealed (void)
{
  g_autoptr (ShmFrameMemory) memory = new_segment ();
  int fd = shmframe_memory_get_fd (memory);
  int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  void *data;

  g_assert_cmpint (fcntl (fd, F_GET_SEALS) & wanted, ==, wanted);
  g_assert_cmpint (fcntl (fd, F_GETFL) & O_ACCMODE, ==, O_RDONLY);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  g_assert_true (mmap (NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  g_assert_cmpint (ftruncate (fd, 0), ==, -1);
  g_assert_cmpint (ftruncate (fd, 2 * SIZE), ==, -1);
  g_assert_cmpint (fallocate (fd, 0, 0, PAGE), ==, -1);
  g_assert_cmpint (pwrite (fd, "x", 1, 0), ==, -1);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE), ==, -1);

  data = mmap (NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
  g_assert_true (data != MAP_FAILED);
  g_assert_cmpint (mprotect (data, SIZE, PROT_READ | PROT_WRITE), ==, -1);
  munmap (data, SIZE);
}

/* Whoever manages to open it for writing finds the seals. */
static void
test_segment_reopened (void)
{
  g_autoptr (ShmFrameMemory) memory = new_segment ();
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", shmframe_memory_get_fd (memory));
  int fd = open (path, O_RDWR | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_true (mmap (NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  g_assert_cmpint (pwrite (fd, "x", 1, 0), ==, -1);
  g_assert_cmpint (ftruncate (fd, 0), ==, -1);
  g_assert_cmpint (fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), ==, -1);
  close (fd);
}

static void
reopen_as_nobody (gconstpointer data)
{
  const ShmFrameMemory *memory = data;
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", shmframe_memory_get_fd (memory));

  g_assert_cmpint (setgid (65534), ==, 0);
  g_assert_cmpint (setuid (65534), ==, 0);
  /* Else /proc/self itself is closed to us. */
  g_assert_cmpint (prctl (PR_SET_DUMPABLE, 1, 0, 0, 0), ==, 0);
  g_assert_cmpint (open (path, O_RDWR | O_CLOEXEC), ==, -1);
  g_assert_cmpint (errno, ==, EACCES);
  g_assert_nonnull (
      mmap (NULL, SIZE, PROT_READ, MAP_SHARED, shmframe_memory_get_fd (memory), 0));
}

static void
test_segment_closed_to_others (void)
{
  g_autoptr (ShmFrameMemory) memory = NULL;

  memory = new_segment ();
  in_child (reopen_as_nobody, memory);
}

static void
read_in_child (gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (ShmFrameMemory) mine
      = shmframe_memory_map_segment (shmframe_memory_get_fd (data), SIZE, &error);

  g_assert_no_error (error);
  g_assert_cmpint (shmframe_memory_get_fd (mine), ==, -1);
  g_assert_cmpuint (shmframe_memory_get_size (mine), ==, SIZE);
  shmframe_memory_prefault (mine, 100, PAGE);
  shmframe_memory_prefault (mine, SIZE, 0);
  g_assert_cmpstr ((const char *) shmframe_memory_get_data (mine) + PAGE, ==, "pixels");
  g_assert_cmpint (mprotect (shmframe_memory_get_data (mine), SIZE, PROT_READ | PROT_WRITE), ==,
                   -1);
}

static void
test_another_process_reads (void)
{
  g_autoptr (ShmFrameMemory) memory = new_segment ();

  g_assert_true (shmframe_memory_commit (memory, PAGE, PAGE, NULL));
  strcpy ((char *) shmframe_memory_get_data (memory) + PAGE, "pixels");
  in_child (read_in_child, memory);
}

static void
write_in_child (gconstpointer data)
{
  g_autoptr (ShmFrameMemory) mine
      = shmframe_memory_map_control (shmframe_memory_get_fd (data), PAGE, NULL);

  strcpy (shmframe_memory_get_data (mine), "hazard");
  g_assert_cmpint (ftruncate (shmframe_memory_get_fd (data), 0), ==, -1);
}

static void
test_control_page (void)
{
  g_autoptr (ShmFrameMemory) memory = shmframe_memory_new_control ("cam0", PAGE, NULL);
  const guint8 zeroes[PAGE] = { 0 };
  int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

  g_assert_cmpint (fcntl (shmframe_memory_get_fd (memory), F_GET_SEALS) & wanted, ==, wanted);
  g_assert_cmpint (committed_bytes (memory), ==, PAGE);
  g_assert_cmpmem (shmframe_memory_get_data (memory), PAGE, zeroes, PAGE);
  in_child (write_in_child, memory);
  g_assert_cmpstr (shmframe_memory_get_data (memory), ==, "hazard");
}

/* ---- mappings and descriptors -------------------------------------------------------------- */

static void
expect_unmapped (gconstpointer data)
{
  g_assert_cmpint (msync ((void *) data, PAGE, MS_ASYNC), ==, -1);
  g_assert_cmpint (errno, ==, ENOMEM);
}

static void
test_forked_child_has_no_mapping (void)
{
  g_autoptr (ShmFrameMemory) segment = new_segment ();
  g_autoptr (ShmFrameMemory) control = shmframe_memory_new_control ("cam0", PAGE, NULL);
  g_autoptr (ShmFrameMemory) peer
      = shmframe_memory_map_segment (shmframe_memory_get_fd (segment), SIZE, NULL);

  in_child (expect_unmapped, shmframe_memory_get_data (segment));
  in_child (expect_unmapped, shmframe_memory_get_data (control));
  in_child (expect_unmapped, shmframe_memory_get_data (peer));
}

static void
test_nothing_leaks (void)
{
  guint before = count_descriptors ();
  ShmFrameMemory *memory = new_segment ();

  shmframe_memory_unref (shmframe_memory_ref (memory));
  g_assert_cmpint (fcntl (shmframe_memory_get_fd (memory), F_GETFD), >=, 0);
  shmframe_memory_unref (memory);
  shmframe_memory_unref (shmframe_memory_new_control ("cam0", PAGE, NULL));
  shmframe_memory_unref (NULL);
  g_assert_null (shmframe_memory_new_segment ("huge", G_MAXSSIZE / 2, NULL));
  g_assert_cmpuint (count_descriptors (), ==, before);
}

/* With no descriptor left, with one, and with the two that a segment takes. */
static void
exhaust (gconstpointer data)
{
  const struct rlimit limit = { 64, 64 };
  int last = 0, fd;

  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  while ((fd = dup (0)) >= 0)
    last = fd;
  for (guint spare = 0; spare <= 2; spare++)
    {
      g_autoptr (ShmFrameMemory) memory = NULL;
      g_autoptr (GError) error = NULL;

      if (spare > 0)
        close (last - (int) spare);
      memory = shmframe_memory_new_segment ("cam0", SIZE, &error);
      if (spare == 2)
        {
          g_assert_no_error (error);
          continue;
        }
      g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_DESCRIPTORS);
      g_assert_nonnull (strstr (error->message, "RLIMIT_NOFILE"));
      g_assert_nonnull (strstr (error->message, "cam0"));
    }
}

static void
test_out_of_descriptors (void)
{
  in_child (exhaust, NULL);
}

/* ---- what a consumer refuses --------------------------------------------------------------- */

static void
assert_refused (int fd, gsize size, gboolean control)
{
  g_autoptr (GError) error = NULL;

  if (control)
    g_assert_null (shmframe_memory_map_control (fd, size, &error));
  else
    g_assert_null (shmframe_memory_map_segment (fd, size, &error));
  g_assert_error (error, SHMFRAME_ERROR, SHMFRAME_ERROR_PROTOCOL);
}

static int
make_memfd (guint flags, int seals)
{
  int fd = memfd_create ("test", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

  if (fd < 0)
    return -1;
  g_assert_cmpint (ftruncate (fd, (flags & MFD_HUGETLB) != 0 ? 2 << 20 : SIZE), ==, 0);
  g_assert_cmpint (fcntl (fd, F_ADD_SEALS, seals), ==, 0);
  return fd;
}

static void
test_peer_seals (void)
{
  const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  const int needed[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL };

  for (guint i = 0; i < G_N_ELEMENTS (needed); i++)
    {
      int fd = make_memfd (0, all & ~needed[i]);

      assert_refused (fd, SIZE, FALSE);
      if (needed[i] != F_SEAL_FUTURE_WRITE)
        assert_refused (fd, SIZE, TRUE);
      close (fd);
    }
}

static void
test_peer_size (void)
{
  g_autoptr (ShmFrameMemory) memory = new_segment ();
  int fd = shmframe_memory_get_fd (memory);

  assert_refused (fd, SIZE - PAGE, FALSE);
  assert_refused (fd, SIZE + PAGE, FALSE);
  assert_refused (fd, SIZE - 1, FALSE);
  assert_refused (fd, 0, FALSE);
  assert_refused (fd, G_MAXSIZE, FALSE);
}

static void
test_peer_kind (void)
{
  const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  int file = g_file_open_tmp (NULL, NULL, NULL), null = open ("/dev/null", O_RDWR | O_CLOEXEC);
  int huge = make_memfd (MFD_HUGETLB, all);

  assert_refused (-1, SIZE, FALSE);
  assert_refused (null, SIZE, FALSE);
  assert_refused (file, SIZE, TRUE);
  /* A hole in huge pages is a SIGBUS where there are none left. */
  if (huge >= 0)
    assert_refused (huge, 2 << 20, FALSE);
  else
    g_test_message ("no huge pages here");
  close (huge);
  close (file);
  close (null);
}

/* ---- limits -------------------------------------------------------------------------------- */

typedef struct
{
  char *proc, *cgroup;
} Roots;

static void
put (const char *dir, const char *file, const char *text)
{
  g_autofree char *path = g_build_filename (dir, file, NULL);
  g_autofree char *folder = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
roots_set_up (Roots *roots, gconstpointer data)
{
  roots->proc = g_dir_make_tmp ("shmframe-proc-XXXXXX", NULL);
  roots->cgroup = g_dir_make_tmp ("shmframe-cgroup-XXXXXX", NULL);
  put (roots->proc, "meminfo", "MemTotal: 9000 kB\nMemAvailable:    1000 kB\nBuffers: 5 kB\n");
  put (roots->proc, "self/cgroup", "9:name=systemd:/x\n4:memory:/y\n0::/outer/inner\n");
  put (roots->cgroup, "outer/inner/cgroup.procs", "");
  shmframe_memory_set_roots_for_test (roots->proc, roots->cgroup);
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}

static void
roots_tear_down (Roots *roots, gconstpointer data)
{
  shmframe_memory_set_roots_for_test (NULL, NULL);
  remove_tree (roots->proc);
  remove_tree (roots->cgroup);
  g_free (roots->proc);
  g_free (roots->cgroup);
}

static void
test_available (Roots *roots, gconstpointer data)
{
  g_assert_cmpuint (shmframe_memory_available (), ==, 1000 * 1024);

  put (roots->cgroup, "outer/inner/memory.max", "max\n");
  put (roots->cgroup, "outer/inner/memory.current", "999999999\n");
  g_assert_cmpuint (shmframe_memory_available (), ==, 1000 * 1024);

  put (roots->cgroup, "outer/inner/memory.max", "700000\n");
  put (roots->cgroup, "outer/inner/memory.current", "100000\n");
  g_assert_cmpuint (shmframe_memory_available (), ==, 600000);
  put (roots->cgroup, "outer/inner/memory.stat", "anon 7\nfile 9\ninactive_file 60000\n");
  g_assert_cmpuint (shmframe_memory_available (), ==, 660000);

  /* The group above is the tighter one; past its limit there is nothing. */
  put (roots->cgroup, "outer/memory.max", "500000\n");
  put (roots->cgroup, "outer/memory.current", "300000\n");
  g_assert_cmpuint (shmframe_memory_available (), ==, 200000);
  put (roots->cgroup, "outer/memory.current", "600000\n");
  g_assert_cmpuint (shmframe_memory_available (), ==, 0);
}

/* In a control group namespace the path is the host's or leads out of what is mounted. */
static void
test_available_in_namespace (Roots *roots, gconstpointer data)
{
  const char *groups[] = { "0::/not/here\n", "0::/\n", "0::/../../outer\n", "4:memory:/v1\n" };

  put (roots->cgroup, "memory.max", "50000\n");
  put (roots->cgroup, "memory.current", "20000\n");
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    {
      put (roots->proc, "self/cgroup", groups[i]);
      g_assert_cmpuint (shmframe_memory_available (), ==, 30000);
    }
}

static void
test_available_unknown (Roots *roots, gconstpointer data)
{
  remove_tree (roots->proc);
  g_assert_cmpuint (shmframe_memory_available (), ==, G_MAXUINT64);
  shmframe_memory_set_roots_for_test (NULL, NULL);
  g_assert_cmpuint (shmframe_memory_available (), <, G_MAXUINT64);
}

static void
test_commit_refused (Roots *roots, gconstpointer data)
{
  g_autoptr (ShmFrameMemory) memory = new_segment ();
  g_autoptr (GError) global = NULL, group = NULL;

  put (roots->proc, "meminfo", "MemAvailable: 12 kB\n");
  g_assert_true (shmframe_memory_commit (memory, 0, 3 * PAGE, NULL));
  g_assert_cmpint (committed_bytes (memory), ==, 3 * PAGE);
  g_assert_false (shmframe_memory_commit (memory, 3 * PAGE, 4 * PAGE, &global));
  g_assert_error (global, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_MEMORY);
  g_assert_nonnull (strstr (global->message, "MemAvailable"));
  g_assert_nonnull (strstr (global->message, "cam0"));

  put (roots->cgroup, "outer/memory.max", "8192");
  put (roots->cgroup, "outer/memory.current", "4096");
  g_assert_false (shmframe_memory_commit (memory, 3 * PAGE, 2 * PAGE, &group));
  g_assert_error (group, SHMFRAME_ERROR, SHMFRAME_ERROR_NO_MEMORY);
  g_assert_nonnull (strstr (group->message, "outer/memory.max"));
  g_assert_cmpint (committed_bytes (memory), ==, 3 * PAGE);
  g_assert_true (shmframe_memory_commit (memory, 3 * PAGE, PAGE, NULL));
}

static void
test_commit_by_parts (void)
{
  g_autoptr (ShmFrameMemory) memory = new_segment ();

  g_assert_cmpint (committed_bytes (memory), ==, 0);
  g_assert_true (shmframe_memory_commit (memory, 0, 0, NULL));
  g_assert_cmpint (committed_bytes (memory), ==, 0);
  g_assert_true (shmframe_memory_commit (memory, 4 * PAGE, 2 * PAGE, NULL));
  g_assert_cmpint (committed_bytes (memory), ==, 2 * PAGE);
  g_assert_true (shmframe_memory_commit (memory, 0, SIZE, NULL));
  memset (shmframe_memory_get_data (memory), 1, SIZE);
  g_assert_cmpint (committed_bytes (memory), ==, SIZE);
}

int
main (int argc, char **argv)
{
  alarm (10);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/memory/segment-is-sealed", test_segment_is_sealed);
  g_test_add_func ("/memory/segment-reopened-for-writing", test_segment_reopened);
  if (geteuid () == 0) /* it becomes another user; ./run test says when it was not run as root */
    g_test_add_func ("/memory/segment-closed-to-other-users", test_segment_closed_to_others);
  g_test_add_func ("/memory/another-process-reads", test_another_process_reads);
  g_test_add_func ("/memory/control-page", test_control_page);
  g_test_add_func ("/memory/forked-child-has-no-mapping", test_forked_child_has_no_mapping);
  g_test_add_func ("/memory/nothing-leaks", test_nothing_leaks);
  g_test_add_func ("/memory/out-of-descriptors", test_out_of_descriptors);
  g_test_add_func ("/memory/peer-without-seals", test_peer_seals);
  g_test_add_func ("/memory/peer-of-another-size", test_peer_size);
  g_test_add_func ("/memory/peer-of-another-kind", test_peer_kind);
  g_test_add_func ("/memory/commit-by-parts", test_commit_by_parts);
  g_test_add ("/memory/available", Roots, NULL, roots_set_up, test_available, roots_tear_down);
  g_test_add ("/memory/available-in-namespace", Roots, NULL, roots_set_up,
              test_available_in_namespace, roots_tear_down);
  g_test_add ("/memory/available-unknown", Roots, NULL, roots_set_up, test_available_unknown,
              roots_tear_down);
  g_test_add ("/memory/commit-refused", Roots, NULL, roots_set_up, test_commit_refused,
              roots_tear_down);
  return g_test_run ();
}
