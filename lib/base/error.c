/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shmframe/error.h"

/**
 * shmframe_error_quark:
 *
 * The domain of every error that this library reports; use %SHMFRAME_ERROR.
 *
 * Returns: the quark
 *
 * Since: 1.0
 */
GQuark
shmframe_error_quark (void)
{
  /* Not G_DEFINE_QUARK(), whose word threads may write at the same time. */
  static gsize quark = 0;

  if (g_once_init_enter (&quark))
    g_once_init_leave (&quark, g_quark_from_static_string ("shmframe-error-quark"));
  return (GQuark) quark;
}
