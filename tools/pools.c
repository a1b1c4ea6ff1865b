/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pools.h"

#define THREADS 16

static void
ask (gpointer data, gpointer user_data)
{
  PoolAnswer *answer = data;
  const gint64 *timeout_ns = user_data;
  g_autoptr (GError) error = NULL;

  answer->problem = g_strdup (shmframe_pool_info_get_problem (answer->info));
  if (answer->problem == NULL)
    answer->view = pool_view_new (shmframe_pool_info_get_path (answer->info), *timeout_ns, &error);
  if (error != NULL)
    answer->problem = g_strdup (error->message);
}

static void
answer_free (gpointer data)
{
  PoolAnswer *answer = data;

  shmframe_pool_info_unref (answer->info);
  pool_view_free (answer->view);
  g_free (answer->problem);
  g_free (answer);
}

GPtrArray *
pools_ask (GPtrArray *pools, gint64 timeout_ns)
{
  GPtrArray *answers = g_ptr_array_new_with_free_func (answer_free);
  GThreadPool *threads = g_thread_pool_new (ask, &timeout_ns, THREADS, FALSE, NULL);

  for (guint i = 0; i < pools->len; i++)
    {
      PoolAnswer *answer = g_new0 (PoolAnswer, 1);

      answer->info = shmframe_pool_info_ref (pools->pdata[i]);
      g_ptr_array_add (answers, answer);
      g_thread_pool_push (threads, answer, NULL);
    }
  g_thread_pool_free (threads, FALSE, TRUE); /* waits */
  return answers;
}
