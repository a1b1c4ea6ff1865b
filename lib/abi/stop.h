/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stop points: numbered places, one at every step that touches shared state, at which the fault
 * tests kill, stop or fork the process, or close its connections. They exist only with the Meson
 * option `stop-points`; otherwise SHMFRAME_STOP() is nothing. The numbers are the positions in this
 * list.
 *
 * lib/os/stop.c reads what to do from the environment: SHMFRAME_STOP=NAME:ACTION[:COUNT][,...].
 */
#define SHMFRAME_STOP_POINTS_LIST(X)                                        \
  /* consumer: a lease */                                                   \
  X (LEASE_LATEST_LOADED, "lease-latest-loaded")                            \
  X (LEASE_HAZARD_STORED, "lease-hazard-stored")                            \
  X (LEASE_VALIDATED, "lease-validated")                                    \
  X (LEASE_REFUSED, "lease-refused")                                        \
  X (LEASE_CONSUMED_STORED, "lease-consumed-stored")                        \
  X (RELEASE_VERDICT, "release-verdict")                                    \
  X (RELEASE_CLEARED, "release-cleared")                                    \
  /* consumer: waiting */                                                   \
  X (WAIT_BELL_READ, "wait-bell-read")                                      \
  X (WAIT_ARMED, "wait-armed")                                              \
  X (WAIT_RECHECKED, "wait-rechecked")                                      \
  X (WAIT_WOKEN, "wait-woken")                                              \
  /* consumer: control */                                                   \
  X (ATTACH_CONNECTED, "attach-connected")                                  \
  X (ATTACH_SENT, "attach-sent")                                            \
  X (ATTACH_WELCOMED, "attach-welcomed")                                    \
  X (ATTACH_MAPPED, "attach-mapped")                                        \
  X (SEGMENT_RECEIVED, "segment-received")                                  \
  X (SEGMENT_ENTERED, "segment-entered")                                    \
  /* producer: taking a slot and publishing it */                           \
  X (TAKE_RETIRED, "take-retired")                                          \
  X (TAKE_SCANNED, "take-scanned")                                          \
  X (WRITE_BEGUN, "write-begun")                                            \
  X (PUBLISH_WAITING, "publish-waiting")                                    \
  X (PUBLISH_DESCRIBED, "publish-described")                                \
  X (PUBLISH_LIVE, "publish-live")                                          \
  X (PUBLISH_RING, "publish-ring")                                          \
  X (PUBLISH_LATEST, "publish-latest")                                      \
  X (RING_BELL, "ring-bell")                                                \
  X (RING_WOKEN, "ring-woken")                                              \
  /* producer: control */                                                   \
  X (SEGMENT_CREATED, "segment-created")                                    \
  X (SEGMENT_SENT, "segment-sent")                                          \
  X (SEGMENT_ENDED, "segment-ended")                                        \
  X (NAME_LOCKED, "name-locked")                                            \
  X (NAME_BOUND, "name-bound")                                              \
  X (NAME_RENAMED, "name-renamed")                                          \
  X (ADMIT_COMMITTED, "admit-committed")                                    \
  X (ADMIT_PAGE_MADE, "admit-page-made")                                    \
  X (ADMIT_WELCOMED, "admit-welcomed")                                      \
  X (EVICT_DROPPED, "evict-dropped")

enum
{
#define SHMFRAME_STOP_ENUM(id, name) SHMFRAME_STOP_##id,
  SHMFRAME_STOP_POINTS_LIST (SHMFRAME_STOP_ENUM)
#undef SHMFRAME_STOP_ENUM
  SHMFRAME_STOP_COUNT
};

#ifndef SHMFRAME_STOP
#ifdef SHMFRAME_STOP_POINTS
void shmframe_stop (int point);
#define SHMFRAME_STOP(id) shmframe_stop (SHMFRAME_STOP_##id)
#else
#define SHMFRAME_STOP(id) ((void) 0)
#endif
#endif
