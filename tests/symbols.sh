#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The library exports exactly what the public headers mark SHMFRAME_API.
# symbols.sh LIBRARY HEADER...
set -eu

library=$1
shift
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# A declaration may be spread over lines: the name is the last word before its parenthesis.
grep -hv '^#define' "$@" | tr '\n' ' ' \
  | sed 's/G_DECLARE_FINAL_TYPE ([^,]*, \([^,]*\),[^)]*)/GType \1_get_type (void);/g' \
  | grep -o 'SHMFRAME_API [^;]*;' \
  | sed 's/ (.*//; s/.*[ *]//' | sort >"$dir/marked"
nm --dynamic --defined-only --format=posix "$library" | cut -d' ' -f1 | sort >"$dir/exported"

echo "$(wc -l <"$dir/marked") symbols are marked, $(wc -l <"$dir/exported") exported"
if [ ! -s "$dir/marked" ] || ! diff -U0 --label marked --label exported "$dir/marked" "$dir/exported"; then
  echo "the library's symbols are not those that the public headers mark SHMFRAME_API"
  exit 1
fi
