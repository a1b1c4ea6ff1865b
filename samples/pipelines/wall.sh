#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# wall.sh [POOL POOL POOL POOL]
#
# Shows four pools as a wall of two by two (cam0 cam1 cam2 cam3). It may be started before them; a
# pool without a producer is missing in the picture until one comes. It ends by Ctrl-C.
#
# WIDTH and HEIGHT: of one picture (480, 270). SINK=fakevideosink, or another video sink.
set -eu

if [ $# -eq 0 ]; then
  set -- cam0 cam1 cam2 cam3
elif [ $# -ne 4 ]; then
  echo "usage: $0 [POOL POOL POOL POOL]" >&2
  exit 2
fi
width=${WIDTH:-480}
height=${HEIGHT:-270}
top=$(cd "$(dirname "$0")/../.." && pwd)
if [ -e "$top/build/gst-plugin/libgstshmframe.so" ]; then # else the installed plugin
  export GST_PLUGIN_PATH="$top/build/gst-plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
fi

exec gst-launch-1.0 compositor name=wall background=black \
  sink_0::width="$width" sink_0::height="$height" \
  sink_1::width="$width" sink_1::height="$height" sink_1::xpos="$width" \
  sink_2::width="$width" sink_2::height="$height" sink_2::ypos="$height" \
  sink_3::width="$width" sink_3::height="$height" sink_3::xpos="$width" sink_3::ypos="$height" \
  ! videoconvert ! "${SINK:-autovideosink}" \
  shmframesrc pool="$1" on-producer-eos=wait ! wall.sink_0 \
  shmframesrc pool="$2" on-producer-eos=wait ! wall.sink_1 \
  shmframesrc pool="$3" on-producer-eos=wait ! wall.sink_2 \
  shmframesrc pool="$4" on-producer-eos=wait ! wall.sink_3
