/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstshmframedeviceprovider.h"
#include "gstshmframesink.h"
#include "gstshmframesrc.h"

static gboolean
plugin_init (GstPlugin *plugin)
{
  return GST_ELEMENT_REGISTER (shmframesink, plugin) | GST_ELEMENT_REGISTER (shmframesrc, plugin)
         | GST_DEVICE_PROVIDER_REGISTER (shmframedeviceprovider, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, shmframe,
                   "Video frames between processes through shared memory, without a copy",
                   plugin_init, VERSION, "LGPL", PACKAGE, "Unknown package origin")
