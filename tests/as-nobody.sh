#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a test as an ordinary user (nobody) with a home and a runtime folder of its own: meson's
# --wrapper, when the suite runs as root.
set -u

dir=$(mktemp -d /tmp/shmframe-nobody-XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
chown nobody:nogroup "$dir"

env HOME="$dir" XDG_RUNTIME_DIR="$dir" TMPDIR="$dir" USER=nobody LOGNAME=nobody \
  setpriv --reuid=nobody --regid=nogroup --clear-groups "$@" &
child=$!
trap 'kill "$child" 2>/dev/null; exit 1' HUP INT TERM
wait "$child"
