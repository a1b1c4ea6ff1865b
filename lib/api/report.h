/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "api/pool.h"

/* A producer's statistics, as the a{sv} of shmframe_producer_get_stats(). Takes the pool's lock
 * while it copies numbers, not while it makes the answer. (transfer full, floating) */
GVariant *shmframe_report_pool (ShmFramePool *pool, const char *path);
/* One consumer's entry in it. Takes the pool's lock. (transfer full, floating) */
GVariant *shmframe_report_reader (ShmFramePool *pool, ShmFrameReader *reader);
/* Names of enum values: "ordered", "sleep". */
const char *shmframe_report_delivery (ShmFrameDelivery delivery);
const char *shmframe_report_wait (ShmFrameWait wait);
/* This process's program name. (transfer full) */
char *shmframe_report_program (void);
