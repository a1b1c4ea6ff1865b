#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a test as an ordinary user (nobody) with a home and a runtime folder of its own: meson's
# --wrapper, when the suite runs as root.
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
as_nobody='setpriv --reuid=nobody --regid=nogroup --clear-groups'

# A tree in a folder that is closed to others (/root) is shown to the test at the same path, in a mount
# namespace of its own.
if [ "${1-}" = --move ]; then
  shift
  tree=$(mktemp -d) && mount --bind "$top" "$tree" || exit 1
  closed=$top
  while $as_nobody test ! -x "$(dirname "$closed")"; do closed=$(dirname "$closed"); done
  mount -t tmpfs -o mode=755 tmpfs "$closed" && mkdir -p "$top" && mount --bind "$tree" "$top" || exit 1
  umount "$tree" && rmdir "$tree"
  cd "$top" || exit 1
elif ! $as_nobody test -x "$(dirname "$top")"; then
  exec unshare --mount --propagation private "$0" --move "$@"
fi

dir=$(mktemp -d /tmp/shmframe-nobody-XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
chown nobody:nogroup "$dir"

# shellcheck disable=SC2086
env HOME="$dir" GST_REGISTRY="$dir/gst-registry.bin" XDG_RUNTIME_DIR="$dir" TMPDIR="$dir" USER=nobody LOGNAME=nobody $as_nobody "$@" &
child=$!
trap 'kill "$child" 2>/dev/null; exit 1' HUP INT TERM
wait "$child"
