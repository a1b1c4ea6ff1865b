/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SHM_FRAME_DEVICE_PROVIDER (gst_shm_frame_device_provider_get_type ())
G_DECLARE_FINAL_TYPE (GstShmFrameDeviceProvider, gst_shm_frame_device_provider, GST,
                      SHM_FRAME_DEVICE_PROVIDER, GstDeviceProvider)

GST_DEVICE_PROVIDER_REGISTER_DECLARE (shmframedeviceprovider);

G_END_DECLS
