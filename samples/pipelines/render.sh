#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# render.sh [POOL]
#
# Shows a pool in a window: always its newest frame. POOL: as in capture.sh (cam0). It may be
# started before its producer, and waits for the next one when that is gone. It ends by Ctrl-C.
#
# DELIVERY=ordered shows all frames, each at its time, in sync with other sinks.
# SINK=fakevideosink, or another video sink.
set -eu

pool=${1:-cam0}
delivery=${DELIVERY:-latest}
sync=true
if [ "$delivery" = latest ]; then
  sync=false # on arrival
fi
top=$(cd "$(dirname "$0")/../.." && pwd)
if [ -e "$top/build/gst-plugin/libgstshmframe.so" ]; then # else the installed plugin
  export GST_PLUGIN_PATH="$top/build/gst-plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
fi

exec gst-launch-1.0 shmframesrc pool="$pool" delivery="$delivery" on-producer-eos=wait \
  ! videoconvert ! "${SINK:-autovideosink}" sync="$sync"
