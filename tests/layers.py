#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks the layers: which folder may include what, and where system calls and atomics may be.

layers.py               checks this tree
layers.py --self-test   plants one violation of each kind into a copy and expects it to be found
"""
import pathlib
import re
import shutil
import sys
import tempfile

# Each layer may include itself and those before it.
LAYERS = ['abi', 'base', 'os', 'control', 'api']
# Public headers that the base layer provides; all the others are the api's.
BASE_HEADERS = {'error.h', 'format.h', 'macros.h'}
# Folders that see the public headers only.
OUTSIDE = ['lib/av', 'gst-plugin', 'tools', 'samples']
# What is measured against the library does by itself what the library does.
BARE = 'tools/bench'
C_STANDARD = {'assert.h', 'limits.h', 'stdalign.h', 'stdatomic.h', 'stdbool.h', 'stddef.h',
              'stdint.h', 'string.h'}
OS_HEADERS = {'sys/mman.h', 'sys/prctl.h', 'linux/futex.h', 'linux/memfd.h'}

LIBAVUTIL = ['lib/base/format.c', 'gst-plugin/gstshmframepixels.c']

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.M)
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
SYSTEM_CALL = re.compile(r'\b(?:memfd_create|mmap|mremap|munmap|mprotect|madvise|fallocate|'
                         r'posix_fallocate|prctl|futex)\s*\(|\bSYS_futex\w*|\b__NR_futex\w*|'
                         r'\bFUTEX_[A-Z_]+')
ATOMIC = re.compile(r'\batomic_\w+\s*\(|\b__atomic_\w+|\b__sync_\w+|\b_mm_[lms]fence\b')


def without(text, strings):
    """The text with its comments (and strings) blanked, lines kept."""
    def blank(match):
        if match[0].startswith('/') or strings:
            return re.sub(r'[^\n]', ' ', match[0])
        return match[0]
    return COMMENT_OR_STRING.sub(blank, text)


class Check:
    def __init__(self, top):
        self.top = top
        self.problems = []
        self.files = 0

    def problem(self, path, text, position, message):
        line = text.count('\n', 0, position) + 1
        self.problems.append(f'{path.relative_to(self.top)}:{line}: {message}')

    def layer_of(self, path):
        """The layer of a file under lib/, or None for one outside the library."""
        parts = path.relative_to(self.top).parts
        if parts[:3] == ('lib', 'include', 'shmframe'):
            return 'base' if path.name in BASE_HEADERS else 'api'
        if parts[0] == 'lib' and parts[1] in LAYERS:
            return parts[1]
        return None

    def resolve(self, path, quoted, angled):
        """The project's file that an include means, or None for a foreign header."""
        if angled:
            found = self.top / 'lib/include' / angled
            return found if angled.startswith('shmframe/') else None
        for folder in (path.parent, self.top / 'lib', self.top / 'lib/include'):
            if (folder / quoted).exists():
                return (folder / quoted).resolve()
        return self.top / 'lib' / quoted

    def is_bare(self, path):
        return path.is_relative_to(self.top / BARE)

    def check_foreign(self, path, layer, header):
        if layer == 'abi' and header not in C_STANDARD:
            return f'abi includes only C standard headers, not <{header}>'
        if layer != 'abi' and header == 'stdatomic.h' and not self.is_bare(path):
            return 'C11 atomics are for lib/abi only'
        if layer != 'os' and header in OS_HEADERS and not self.is_bare(path):
            return f'<{header}> is for lib/os only'
        if (header.startswith('libav') and (layer or path.is_relative_to(self.top / 'gst-plugin'))
                and path.relative_to(self.top).as_posix() not in LIBAVUTIL):
            return f'only {" and ".join(LIBAVUTIL)} include libavutil'
        return None

    def check_own(self, path, layer, header):
        other = self.layer_of(header)
        if layer is None:
            folder = next(f for f in OUTSIDE if path.is_relative_to(self.top / f))
            public = header.is_relative_to(self.top / 'lib/include')
            if not public and not header.is_relative_to(self.top / folder):
                return f'{folder} includes only public headers of the library'
        elif other is None:
            return f'{layer} includes {header.relative_to(self.top)}, which is in no layer'
        elif LAYERS.index(other) > LAYERS.index(layer):
            return f'{layer} includes {other}, a layer above it'
        elif layer == 'abi' and other != 'abi':
            return 'abi includes only abi'
        return None

    def check_file(self, path):
        raw = path.read_text(encoding='utf-8')
        layer = self.layer_of(path)
        self.files += 1

        text = without(raw, strings=False)
        for match in INCLUDE.finditer(text):
            header = self.resolve(path, match[1], match[2])
            message = (self.check_own(path, layer, header) if header
                       else self.check_foreign(path, layer, match[2]))
            if message:
                self.problem(path, text, match.start(), message)

        text = without(raw, strings=True)
        if layer != 'os' and not self.is_bare(path):
            for match in SYSTEM_CALL.finditer(text):
                self.problem(path, text, match.start(),
                             f'{match[0].rstrip(" (")} is for lib/os only')
        if layer != 'abi' and not self.is_bare(path):
            for match in ATOMIC.finditer(text):
                self.problem(path, text, match.start(),
                             f'{match[0].rstrip(" (")}: C11 atomics are for lib/abi only')

    def run(self):
        for folder in ['lib', *OUTSIDE[1:]]:
            for path in sorted((self.top / folder).rglob('*.[ch]')):
                if folder != 'lib' or self.layer_of(path) or path.is_relative_to(
                        self.top / 'lib/av'):
                    self.check_file(path)
                else:
                    self.problem(path, '', 0, 'is in no layer')
        return self.problems


PLANTS = [
    ('lib/abi/planted.h', '#include <glib.h>', 'C standard headers'),
    ('lib/abi/planted.h', '#include "os/wake.h"', 'a layer above'),
    ('lib/abi/planted.h', 'static int f (void) { return madvise (0, 0, 0); }', 'lib/os only'),
    ('lib/base/planted.c', '#include "os/memory.h"', 'a layer above'),
    ('lib/base/planted.c', '#include <shmframe/frame.h>', 'a layer above'),
    ('lib/base/planted.c', '#include <libavutil/pixdesc.h>', 'libavutil'),
    ('lib/os/planted.c', '#include "control/name.h"', 'a layer above'),
    ('lib/os/planted.c', '#include <stdatomic.h>', 'C11 atomics'),
    ('lib/os/planted.c', 'void f (_Atomic int *p) { atomic_store (p, 1); }', 'C11 atomics'),
    ('lib/control/planted.c', '#include <shmframe/producer.h>', 'a layer above'),
    ('lib/control/planted.c', 'int f (void) { return memfd_create ("x", 0); }', 'lib/os only'),
    ('lib/control/planted.c', '#include <sys/mman.h>', 'lib/os only'),
    ('lib/api/planted.c', 'long f (void) { return syscall (SYS_futex); }', 'lib/os only'),
    ('lib/include/shmframe/error.h', '#include <shmframe/frame.h>', 'a layer above'),
    ('lib/other/planted.c', '', 'in no layer'),
    ('gst-plugin/planted.c', '#include "abi/slot.h"', 'public headers'),
    ('gst-plugin/planted.c', '#include <libavutil/pixdesc.h>', 'libavutil'),
    ('tools/planted.c', '#include "../lib/control/message.h"', 'public headers'),
    ('samples/planted.c', '#include "os/memory.h"', 'public headers'),
]


def self_test(top):
    missed = 0
    for number, (path, text, expected) in enumerate(PLANTS):
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder).resolve()
            for source in ['lib', *OUTSIDE[1:]]:
                shutil.copytree(top / source, copy / source)
            planted = copy / path
            planted.parent.mkdir(exist_ok=True)
            planted.write_text(text + '\n', encoding='utf-8')
            problems = Check(copy).run()
        found = any(p.startswith(path) and expected in p for p in problems)
        print(f"{'' if found else 'not '}ok {number + 1} {path}: {text or 'a file'}")
        missed += not found
    print(f'1..{len(PLANTS)}')
    return 1 if missed else 0


def main():
    top = pathlib.Path(__file__).resolve().parent.parent
    if sys.argv[1:] == ['--self-test']:
        return self_test(top)
    check = Check(top)
    problems = check.run()
    print('\n'.join([*problems, f'{check.files} files, {len(problems)} problems']))
    return 1 if problems or not check.files else 0


if __name__ == '__main__':
    sys.exit(main())
