/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/**
 * SECTION: shmframe
 *
 * The whole public API. A program that writes frames needs #ShmFrameProducer, one that reads them
 * #ShmFrameConsumer, one that only looks #ShmFrameObserver; #ShmFrameRegistry lists the live pools.
 */

#include <shmframe/consumer.h>
#include <shmframe/error.h>
#include <shmframe/event.h>
#include <shmframe/format.h>
#include <shmframe/frame.h>
#include <shmframe/observer.h>
#include <shmframe/producer.h>
#include <shmframe/registry.h>
