/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <shmframe/consumer.h>

#include "api/delivery.h"

/* For source.c: starts the control thread with the poll way of waking. */
void shmframe_consumer_use_poll (ShmFrameConsumer *self);
ShmFrameDeliverer *shmframe_consumer_get_deliverer (ShmFrameConsumer *self);
