#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every source file says its licence in its first line (scripts: the one after '#!')."""
import os
import pathlib
import sys

TAG = 'SPDX-License-Identifier: LGPL-2.1-or-later'
SUFFIXES = {'.c', '.h', '.cc', '.py', '.sh', '.pml', '.build', '.map'}
NAMES = {'run', 'meson_options.txt', '.clang-format', '.editorconfig'}


def sources(top):
    for folder, folders, names in os.walk(top):
        folders[:] = [f for f in folders
                      if f not in ('.git', '__pycache__') and not f.startswith('build')]
        for name in names:
            path = pathlib.Path(folder, name)
            if path.suffix in SUFFIXES or name in NAMES:
                yield path


def licensed(path):
    with open(path, encoding='utf-8') as source:
        line = source.readline()
        if line.startswith('#!'):
            line = source.readline()
    return TAG in line


def main():
    top = pathlib.Path(__file__).resolve().parent.parent
    paths = list(sources(top))
    missing = [path for path in paths if not licensed(path)]
    for path in missing:
        print(f'{path.relative_to(top)}: the first line is not the SPDX line ({TAG})')
    print(f'{len(paths)} files, {len(missing)} without a licence')
    return 1 if missing or not paths else 0


if __name__ == '__main__':
    sys.exit(main())
