#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each public header compiles alone, as C and as C++; each header of lib/abi as C without GLib.

headers.py CC CXX
"""
import pathlib
import shlex
import subprocess
import sys

WARNINGS = ['-Wall', '-Wextra', '-Wpedantic', '-Werror', '-Wno-variadic-macros']
AS_C = ['-x', 'c', '-std=c11', '-Wstrict-prototypes']
AS_CXX = ['-x', 'c++', '-std=c++17']


def compiles(compiler, language, folder, flags, header):
    command = [*shlex.split(compiler), *language, *WARNINGS, f'-I{folder}', *flags,
               '-fsyntax-only', '-']
    done = subprocess.run(command, input=f'#include <{header}>\n', text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in done.stdout.splitlines():
        print(f'# {line}')
    return done.returncode == 0


def main():
    cc, cxx = sys.argv[1:]
    lib = pathlib.Path(__file__).resolve().parent.parent / 'lib'
    glib = subprocess.run(['pkg-config', '--cflags', 'gio-2.0'], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.split()
    cases = []
    for path in sorted((lib / 'include/shmframe').glob('*.h')):
        name = f'shmframe/{path.name}'
        cases.append((f'{name} as C', cc, AS_C, lib / 'include', glib, name))
        cases.append((f'{name} as C++', cxx, AS_CXX, lib / 'include', glib, name))
    for path in sorted((lib / 'abi').glob('*.h')):
        name = f'abi/{path.name}'
        cases.append((f'{name} as C, without GLib', cc, AS_C, lib, [], name))

    print(f'1..{len(cases)}')
    failed = 0
    for number, (name, *arguments) in enumerate(cases, 1):
        good = compiles(*arguments)
        print(f"{'' if good else 'not '}ok {number} {name}")
        failed += not good
    return 1 if failed or not cases else 0


if __name__ == '__main__':
    sys.exit(main())
