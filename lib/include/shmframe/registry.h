/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <shmframe/macros.h>

G_BEGIN_DECLS

/**
 * ShmFramePoolInfo:
 *
 * A pool that the registry found. An immutable reference-counted boxed type.
 *
 * Since: 1.0
 */
typedef struct _ShmFramePoolInfo ShmFramePoolInfo;

#define SHMFRAME_TYPE_POOL_INFO (shmframe_pool_info_get_type ())
SHMFRAME_API GType shmframe_pool_info_get_type (void) G_GNUC_CONST;
SHMFRAME_API ShmFramePoolInfo *shmframe_pool_info_ref (ShmFramePoolInfo *self);
SHMFRAME_API void shmframe_pool_info_unref (ShmFramePoolInfo *self);
SHMFRAME_API const char *shmframe_pool_info_get_name (const ShmFramePoolInfo *self);
/* Absolute path of the socket: also a pool name for producers, consumers and observers. */
SHMFRAME_API const char *shmframe_pool_info_get_path (const ShmFramePoolInfo *self);
/* Of the producer; 0 where it is in another pid namespace. */
SHMFRAME_API guint shmframe_pool_info_get_pid (const ShmFramePoolInfo *self);
SHMFRAME_API const char *shmframe_pool_info_get_program (const ShmFramePoolInfo *self);
SHMFRAME_API gboolean shmframe_pool_info_is_live (const ShmFramePoolInfo *self);
/* Why it cannot be used ("producer is dead", "permission denied"), or NULL. */
SHMFRAME_API const char *shmframe_pool_info_get_problem (const ShmFramePoolInfo *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ShmFramePoolInfo, shmframe_pool_info_unref)

#define SHMFRAME_TYPE_REGISTRY (shmframe_registry_get_type ())

/**
 * ShmFrameRegistry:
 *
 * Lists the pools in the runtime folders and follows them. Signals pool-added (ShmFramePoolInfo *)
 * and pool-removed (ShmFramePoolInfo *) come from the thread-default main context of the thread that
 * created it. No daemon: the folders are watched.
 *
 * Since: 1.0
 */
SHMFRAME_API
G_DECLARE_FINAL_TYPE (ShmFrameRegistry, shmframe_registry, SHMFRAME, REGISTRY, GObject)

SHMFRAME_API ShmFrameRegistry *shmframe_registry_new (void);
/* The pools now, by name: (element-type ShmFramePoolInfo) (transfer container). Looks afresh. */
SHMFRAME_API GPtrArray *shmframe_registry_list (ShmFrameRegistry *self);

G_END_DECLS
