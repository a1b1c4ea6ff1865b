#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# v4l2.sh [BUILD [CASES]]: as root in a virtual machine (docs/lab.md), v4l2.py on four cameras of vivid's:
# a webcam, TV, HDMI, and a webcam whose planes lie apart.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
modprobe vivid n_devs=4 node_types=0x1,0x1,0x1,0x1 num_inputs=1,1,1,1 \
  input_types=0,1,3,0 multiplanar=1,1,1,2
exec /usr/bin/python3 "$top/tests/lab/v4l2.py" "${1:-$top/build}" "${2-}"
