/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "pool-view.h"

/* What a producer said, or why nothing. */
typedef struct
{
  ShmFramePoolInfo *info;
  PoolView *view; /* NULL: `problem` says why */
  char *problem;
} PoolAnswer;

/* Asks the producers of all pools (ShmFramePoolInfo) at the same time, some at once: one that is stopped
 * costs the others nothing. Waits up to two time-outs for each: to attach, and for the answer.
 * (element-type PoolAnswer) (transfer full): in the same order. */
GPtrArray *pools_ask (GPtrArray *pools, gint64 timeout_ns);
