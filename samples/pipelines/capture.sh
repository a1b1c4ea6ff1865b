#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# capture.sh [POOL [SOURCE]]
#
# Puts video in a pool, for encode.sh, render.sh and wall.sh. POOL: a name, or the absolute path
# of a socket (cam0). SOURCE: a camera such as /dev/video0, a file, or the name of a test pattern
# of videotestsrc (ball).
#
# CAPS=video/x-raw,width=1920,height=1080 asks a camera or pattern for that. A camera writes
# straight into shared memory; where it cannot ("Failed to allocate required memory", or CAPS=
# image/jpeg), IO_MODE=auto copies each frame once. It ends with its file, which also ends
# recordings, or by Ctrl-C.
set -eu

pool=${1:-cam0}
source=${2:-ball}
caps=${CAPS:-video/x-raw}
top=$(cd "$(dirname "$0")/../.." && pwd)
if [ -e "$top/build/gst-plugin/libgstshmframe.so" ]; then # else the installed plugin
  export GST_PLUGIN_PATH="$top/build/gst-plugin${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
fi

case $source in
  /dev/*)
    exec gst-launch-1.0 v4l2src device="$source" io-mode="${IO_MODE:-userptr}" ! "$caps" \
      ! shmframesink pool="$pool"
    ;;
  */* | *.*)
    exec gst-launch-1.0 filesrc location="$source" ! decodebin ! videoconvert ! "$caps" \
      ! shmframesink pool="$pool"
    ;;
  *)
    exec gst-launch-1.0 videotestsrc is-live=true pattern="$source" ! "$caps" \
      ! shmframesink pool="$pool"
    ;;
esac
