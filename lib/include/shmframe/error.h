/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>
#include <shmframe/macros.h>

G_BEGIN_DECLS

/**
 * SHMFRAME_ERROR:
 *
 * The one error domain of the library. Every message names the operation, the object and what to do.
 *
 * Since: 1.0
 */
#define SHMFRAME_ERROR (shmframe_error_quark ())

/**
 * ShmFrameError:
 * @SHMFRAME_ERROR_FAILED: a system call failed; the message has its name and error
 * @SHMFRAME_ERROR_NAME: not a usable pool name or path
 * @SHMFRAME_ERROR_NAME_IN_USE: a live producer owns the name
 * @SHMFRAME_ERROR_NOT_FOUND: no producer has that name
 * @SHMFRAME_ERROR_PERMISSION: the socket or its folder may not be used by this user
 * @SHMFRAME_ERROR_FORMAT: a format that can't be: size, pixel format, planes, caps
 * @SHMFRAME_ERROR_ARGUMENT: another value out of range
 * @SHMFRAME_ERROR_NO_MEMORY: committing would pass MemAvailable or the control group's memory.max
 * @SHMFRAME_ERROR_NO_DESCRIPTORS: RLIMIT_NOFILE is reached
 * @SHMFRAME_ERROR_NO_SLOT: the producer holds as many slots as it may; release or publish some
 * @SHMFRAME_ERROR_QUOTA: the consumer holds as many leases as it was granted
 * @SHMFRAME_ERROR_REFUSED: the producer did not admit the consumer; the message says what to change
 * @SHMFRAME_ERROR_EVICTED: the producer dropped this consumer; its leases may be revoked
 * @SHMFRAME_ERROR_TOO_BIG: payload, metadata or event beyond its limit
 * @SHMFRAME_ERROR_PROTOCOL: the peer broke the protocol, or lied about a size
 * @SHMFRAME_ERROR_TIMED_OUT: nothing came in time
 * @SHMFRAME_ERROR_FLUSHING: the wait was cut short by set_flushing()
 * @SHMFRAME_ERROR_CLOSED: the object was closed, or its producer is gone for good
 *
 * Since: 1.0
 */
typedef enum
{
  SHMFRAME_ERROR_FAILED,
  SHMFRAME_ERROR_NAME,
  SHMFRAME_ERROR_NAME_IN_USE,
  SHMFRAME_ERROR_NOT_FOUND,
  SHMFRAME_ERROR_PERMISSION,
  SHMFRAME_ERROR_FORMAT,
  SHMFRAME_ERROR_ARGUMENT,
  SHMFRAME_ERROR_NO_MEMORY,
  SHMFRAME_ERROR_NO_DESCRIPTORS,
  SHMFRAME_ERROR_NO_SLOT,
  SHMFRAME_ERROR_QUOTA,
  SHMFRAME_ERROR_REFUSED,
  SHMFRAME_ERROR_EVICTED,
  SHMFRAME_ERROR_TOO_BIG,
  SHMFRAME_ERROR_PROTOCOL,
  SHMFRAME_ERROR_TIMED_OUT,
  SHMFRAME_ERROR_FLUSHING,
  SHMFRAME_ERROR_CLOSED,
} ShmFrameError;

SHMFRAME_API GQuark shmframe_error_quark (void);

G_END_DECLS
