/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "export.h"
#include "../picture.h"
#include "pool-name.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>

#define SUFFIX ".png"

typedef struct
{
  ShmFrameFrame *frame;
  char *path;
  gboolean replace;
} Job;

static void
job_free (gpointer data)
{
  Job *job = data;

  shmframe_frame_unref (job->frame);
  g_free (job->path);
  g_free (job);
}

/* The path, or the first free one of NAME-2.png, NAME-3.png...: an empty file, so that nobody else takes
 * the name meanwhile. */
static char *
reserve (const char *path, GError **error)
{
  g_autofree char *stem = g_strndup (path, strlen (path) - strlen (SUFFIX));

  for (guint i = 1;; i++)
    {
      g_autofree char *name = i == 1 ? g_strdup (path) : g_strdup_printf ("%s-%u" SUFFIX, stem, i);
      int fd = g_open (name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      int saved_errno = errno;

      if (fd >= 0)
        {
          close (fd);
          return g_steal_pointer (&name);
        }
      if (saved_errno == EEXIST)
        continue;
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (saved_errno), "making %s: %s",
                   name, g_strerror (saved_errno));
      return NULL;
    }
}

static char *
save (const Job *job, const Picture *picture, GError **error)
{
  g_autofree char *path = job->replace ? g_strdup (job->path) : reserve (job->path, error);

  if (path == NULL)
    return NULL;
  if (picture_save (picture, path, error))
    return g_steal_pointer (&path);
  if (!job->replace)
    g_unlink (path);
  return NULL;
}

static void
run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Job *job = data;
  g_autoptr (PictureMaker) maker = picture_maker_new ();
  g_autoptr (Picture) picture = NULL;
  GError *error = NULL;
  char *path = NULL;

  picture = picture_maker_convert (maker, job->frame, PICTURE_RGBA, 0, 0, &error);
  if (picture != NULL)
    path = save (job, picture, &error);
  if (path != NULL)
    g_task_return_pointer (task, path, g_free);
  else
    g_task_return_error (task, error);
}

void
viewer_export (ShmFrameFrame *frame, const char *path, gboolean replace, GAsyncReadyCallback ended,
               gpointer data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, ended, data);
  Job *job = g_new0 (Job, 1);

  job->frame = shmframe_frame_ref (frame);
  job->path = g_strdup (path);
  job->replace = replace;
  g_task_set_task_data (task, job, job_free);
  g_task_run_in_thread (task, run);
}

char *
viewer_export_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

char *
viewer_export_dup_name (const char *pool, ShmFrameFrame *frame)
{
  g_autofree char *name = pool_dup_name (pool);

  return g_strdup_printf ("%s-%06" G_GUINT64_FORMAT ".png", name,
                          shmframe_frame_get_sequence (frame));
}

char *
viewer_export_dup_folder (void)
{
  const char *pictures = g_get_user_special_dir (G_USER_DIRECTORY_PICTURES);

  if (pictures != NULL && g_file_test (pictures, G_FILE_TEST_IS_DIR))
    return g_strdup (pictures);
  return g_get_current_dir ();
}
