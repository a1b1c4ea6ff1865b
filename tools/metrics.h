/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common.h"
#include "json.h"

/* What Prometheus is told of all pools, as text of its exposition format 0.0.4. */
char *metrics_collect_text (void);
/* The same values as JSON. */
JsonBuilder *metrics_collect_json (void);
