#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# encode.sh [POOL [FILE]]
#
# Records every frame of a pool, as H.264 in Matroska. POOL: as in capture.sh (cam0). FILE:
# POOL.mkv. It may be started before its producer, and ends with the producer's stream or by
# Ctrl-C; the file can be played then.
#
# DELIVERY=ordered rather skips frames than makes a producer wait that is not live.
# PRESET=ultrafast and the like: x264enc's speed-preset (veryfast).
set -eu

pool=${1:-cam0}
file=${2:-${pool##*/}.mkv}
top=$(cd "$(dirname "$0")/../.." && pwd)
if [ -e "$top/build/gst-plugin/libgstshmframe.so" ]; then # else the installed plugin
  export GST_PLUGIN_PATH="$top/build/gst-plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
fi

exec gst-launch-1.0 -e shmframesrc pool="$pool" delivery="${DELIVERY:-lossless}" ! videoconvert \
  ! x264enc speed-preset="${PRESET:-veryfast}" ! h264parse ! matroskamux ! filesink location="$file"
