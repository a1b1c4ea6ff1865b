/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Exported symbols are marked one by one; everything else is hidden. */
#define SHMFRAME_API __attribute__ ((visibility ("default"))) extern
