#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which lines of lib/ the tests ran, by gcov: each file, then all of them.

coverage.py BUILD [--least PERCENT] [--missing]

BUILD: a build by gcc with -Db_coverage=true whose tests have run. --missing prints the lines that did not
run, --least fails where all of lib has less. Processes that end by a signal leave no counts.
"""
import argparse
import collections
import itertools
import json
import pathlib
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent


def count(build):
    """{path below TOP: {line: how often}}, over all objects that contain the line."""
    files = collections.defaultdict(collections.Counter)
    # Each object by its counts, or by its notes where it never ran.
    objects = [notes.with_suffix('.gcda') if notes.with_suffix('.gcda').exists() else notes
               for notes in sorted((build / 'lib').rglob('*.gcno'))]
    if not any(path.suffix == '.gcda' for path in objects):
        sys.exit(f'{build}: no counts: set it up with -Db_coverage=true and run its tests')
    output = subprocess.run(['gcov', '--json-format', '--stdout', *objects], cwd=build, check=True,
                            stdout=subprocess.PIPE).stdout
    for line in output.splitlines():
        for file in json.loads(line)['files']:
            path = (build / file['file']).resolve()
            if path.is_relative_to(TOP / 'lib'):
                for entry in file['lines']:
                    files[path.relative_to(TOP)][entry['line_number']] += entry['count']
    return files


def ranges(lines):
    for _, group in itertools.groupby(enumerate(lines), lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in group]
        yield str(numbers[0]) if len(numbers) == 1 else f'{numbers[0]}-{numbers[-1]}'


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('build', type=pathlib.Path)
    parser.add_argument('--least', type=float, default=0)
    parser.add_argument('--missing', action='store_true')
    args = parser.parse_args()

    total = ran = 0
    for path, lines in sorted(count(args.build.resolve()).items()):
        missing = sorted(line for line, times in lines.items() if times == 0)
        total += len(lines)
        ran += len(lines) - len(missing)
        print(f'{100 * (1 - len(missing) / len(lines)):5.1f}% {len(lines):5} {path}')
        if args.missing and missing:
            print('             ' + ' '.join(ranges(missing)))
    print(f'{100 * ran / total:5.1f}% {total:5} lib: {ran} of {total} lines ran')
    if 100 * ran < args.least * total:
        sys.exit(f'lib: less than {args.least:g}% of the lines ran')


if __name__ == '__main__':
    main()
