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
G_DEFINE_QUARK (shmframe-error-quark, shmframe_error)
