#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run verify: all that docs/verification.md speaks of, two checks at a time.

verify.py [--mutations] [--sabotage] [--soak MINUTES] [--only NAME] [--record FILE] BUILD

Without one of the first three, everything but the soak. The output of each check is in
BUILD/verify/NAME.log; its last line is what it counted, and goes with the result to FILE. The last line
here is 'N passed, N failed'.
"""
import argparse
import concurrent.futures
import datetime
import os
import pathlib
import subprocess
import sys
import time
from typing import NamedTuple

TOP = pathlib.Path(__file__).resolve().parent.parent
TAIL_LINES = 20


class Check(NamedTuple):
    name: str
    command: str  # of sh, at the top of the tree; $B is the build folder
    mode: str = 'plain'
    patience: float = 1200  # seconds


class Result(NamedTuple):
    name: str
    passed: bool
    seconds: float
    counted: str


def suite(build, options='--suite library --suite parts'):
    """Tests of $B or of a build below it; summary.py has the last word."""
    logs = f'$B/{build}/meson-logs/testlog'
    return (f'rm -f {logs}*; meson test -C $B/{build} --no-rebuild --timeout-multiplier 6 {options};'
            f' tests/summary.py {build}=$(ls {logs}*.json)')


VALGRIND = ('valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite '
            '--errors-for-leak-kinds=definite --suppressions=/usr/share/glib-2.0/valgrind/glib.supp')


# The longest first, so that both cores are busy to the end.
CHECKS = [
    Check('fuzz', 'tests/fuzz/fuzz.py --seconds 60 $B/fuzz'),
    Check('model', 'tests/model/run.py'),
    Check('explore-mutations', 'tests/explore/explore.py --mutations', 'mutations'),
    Check('stress', '$B/tests/stress/stress'),
    Check('model-mutations', 'tests/model/run.py --mutations', 'mutations'),
    Check('faults', '$B/asan/tests/faults/test-faults --all'),
    Check('explore', 'tests/explore/explore.py --full'),
    Check('sabotage', 'tests/stress/sabotage.py', 'sabotage'),
    Check('asan-gcc', suite('asan')),
    Check('asan-clang', suite('asan-clang')),
    # Not for leaks, of which GStreamer's registry has some; gst-launch-1.0 itself is not sanitized.
    Check('asan-elements', 'export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 '
          'LD_PRELOAD=$(gcc -print-file-name=libasan.so); '
          + suite('asan-elements', '--suite elements')),
    Check('tsan', suite('tsan')),
    Check('coverage', "find $B/coverage -name '*.gcda' -delete; " + suite('coverage', '--suite library')
          + ' && tests/coverage.py --least 90 $B/coverage'),
    Check('valgrind', suite('.', f"--wrapper '{VALGRIND}' "
                                 'admission histogram message segment slot wake observer registry')),
]


def last_line(log):
    lines = log.read_text(encoding='utf-8', errors='replace').rstrip().splitlines()
    return lines[-1] if lines else 'printed nothing'


def run(check, build):
    log = build / 'verify' / f'{check.name}.log'
    begun = time.monotonic()
    print(f'{check.name}: begins', flush=True)
    with open(log, 'w', encoding='utf-8') as output:
        command = ['timeout', f'{check.patience}', 'sh', '-c', check.command]
        done = subprocess.run(command, cwd=TOP, check=False, stdin=subprocess.DEVNULL,
                              stdout=output, stderr=subprocess.STDOUT,
                              env={**os.environ, 'B': str(build)})
    result = Result(check.name, done.returncode == 0, time.monotonic() - begun, last_line(log))
    print(f'{check.name}: {"passed" if result.passed else "FAILED"} after {result.seconds:.0f} s: '
          f'{result.counted}', flush=True)
    if not result.passed:
        text = log.read_text(encoding='utf-8', errors='replace').rstrip().splitlines()
        print('\n'.join(f'    {line}' for line in text[-TAIL_LINES:]), flush=True)
    return result


def record(results, seconds, path):
    """A table for docs/verified.md: what ran, when, on what."""
    commit = subprocess.run(['git', 'describe', '--always', '--dirty'], cwd=TOP, check=False,
                            capture_output=True, text=True).stdout.strip()
    rows = '\n'.join(f'| {r.name} | {"passed" if r.passed else "FAILED"} | {r.seconds:.0f} s | '
                     f'{r.counted} |' for r in results)
    now = datetime.datetime.now(datetime.timezone.utc)
    path.write_text(f'# The last recorded run\n\n`./run verify` on {now:%Y-%m-%d}, commit '
                    f'{commit}, {os.cpu_count()} cores, {seconds / 60:.1f} minutes.\n\n'
                    f'| check | result | time | its last line |\n|---|---|---|---|\n{rows}\n',
                    encoding='utf-8')


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--mutations', action='store_true')
    parser.add_argument('--sabotage', action='store_true')
    parser.add_argument('--soak', type=float, metavar='MINUTES')
    parser.add_argument('--only', metavar='NAME')
    parser.add_argument('--record', type=pathlib.Path, metavar='FILE')
    parser.add_argument('build', type=pathlib.Path)
    options = parser.parse_args()
    build = options.build.resolve()

    modes = {mode for mode in ('mutations', 'sabotage') if getattr(options, mode)}
    todo = [c for c in CHECKS if c.mode in modes]
    if options.soak:
        todo.append(Check('soak', f'tests/soak/soak.py $B/tests/soak/soak --minutes {options.soak}',
                          patience=options.soak * 60 + 1200))
    if not todo:
        todo = [c for c in CHECKS if options.only in (None, c.name)]
    if not todo:
        parser.error(f'no check {options.only}; there are: ' + ', '.join(c.name for c in CHECKS))
    (build / 'verify').mkdir(exist_ok=True)

    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(2) as workers:
        results = list(workers.map(lambda check: run(check, build), todo))
    seconds = time.monotonic() - begun
    if options.record:
        record(results, seconds, options.record)
    failed = sum(not r.passed for r in results)
    print(f'{len(results) - failed} passed, {failed} failed, in {seconds / 60:.1f} minutes')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
