#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the fuzz targets of a build directory: each over its corpus, and then on from there.

fuzz.py [--seconds N] [--runs N] [--jobs N] [--target NAME]... [--seed N] BUILDDIR
fuzz.py --update-corpus [--seconds N] [--target NAME]... BUILDDIR
    makes the corpus anew: the seeds (seeds.py, python3-gi), the inputs called crash-*, and what adds
    coverage to them from the old corpus and from fuzzing

Prints target, executions, executions per second, edges (cov) and features (ft) that the corpus covers
and how many were added, and the result. The inputs of crashes stay in BUILDDIR/tests/fuzz/crashes.
"""
import argparse
import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TARGETS = {  # name: the longest input
    'message': 2048,
    'segment': 128,
    'metadata': 1024,
    'caps': 2048,
    'metas': 2048,
}
SMALL = 512  # bytes of a new input in the corpus
INPUT_SECONDS = 10  # for one input: only a hang takes that long
LOADED = re.compile(r'\bINITED\s+cov: (\d+) ft: (\d+)')
COVERED = re.compile(r'\bcov: (\d+) ft: (\d+)')
STAT = re.compile(r'^stat::(\w+):\s+(\d+)', re.M)
TAIL_LINES = 60


def environment():
    return os.environ | {
        'ASAN_OPTIONS': 'detect_stack_use_after_return=1:detect_leaks=1:allocator_may_return_null=1',
        'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1',
        'G_SLICE': 'always-malloc',
    }


class Target:
    def __init__(self, build, name):
        self.name = name
        self.program = build / 'tests/fuzz' / f'fuzz-{name}'
        self.crashes = build / 'tests/fuzz/crashes'
        self.corpus = HERE / 'corpus' / name
        self.dictionary = HERE / f'{name}.dict'

    def run(self, folders, *options):
        """libFuzzer's exit code and what it printed."""
        self.crashes.mkdir(parents=True, exist_ok=True)
        command = [self.program, f'-max_len={TARGETS[self.name]}', f'-timeout={INPUT_SECONDS}',
                   f'-artifact_prefix={self.crashes}/{self.name}-', *options, *folders]
        if self.dictionary.exists():
            command.append(f'-dict={self.dictionary}')
        done = subprocess.run(command, env=environment(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout.decode(errors='replace')

    def fuzz(self, seconds, seed, runs):
        """A row of the table, whether it is good, and the output."""
        with tempfile.TemporaryDirectory() as work:
            code, output = self.run([work, self.corpus], f'-max_total_time={seconds}',
                                    f'-runs={runs}', f'-seed={seed}', '-print_final_stats=1')
        loaded, covered = LOADED.search(output), COVERED.findall(output)
        stats = dict(STAT.findall(output))
        executions = int(stats.get('number_of_executed_units', 0))
        row = [self.name, str(executions), stats.get('average_exec_per_sec', '?')]
        if loaded:
            row += [f'{loaded[i]} +{int(covered[-1][i - 1]) - int(loaded[i])}' for i in (1, 2)]
        else:
            row += ['?', '?']
        inputs = len(list(self.corpus.iterdir()))
        good = code == 0 and loaded is not None and executions >= inputs > 0
        artifact = re.search(r'Test unit written to (\S+)', output)
        row.append('ok' if good else f'FAILED {artifact[1] if artifact else ""}')
        return row, good, output

    def update(self, seconds, seed):
        import seeds

        self.corpus.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            work, kept = pathlib.Path(folder, 'work'), pathlib.Path(folder, 'kept')
            work.mkdir()
            kept.mkdir()
            for number, data in enumerate(seeds.seeds(self.name)):
                (kept / f'seed-{number:02}').write_bytes(data)
            for path in self.corpus.glob('crash-*'):
                shutil.copy(path, kept)
            code, output = self.run([work, kept, self.corpus], f'-max_total_time={seconds}',
                                    f'-seed={seed}')
            for path in work.iterdir():
                if path.stat().st_size > SMALL:
                    path.unlink()
            if code == 0:
                # Edges are enough: how often each is taken would keep hundreds.
                code, output = self.run([kept, self.corpus, work], '-merge=1', '-use_counters=0')
            if code == 0:
                shutil.rmtree(self.corpus)
                shutil.copytree(kept, self.corpus)
        inputs = len(list(self.corpus.iterdir()))
        print(f'{self.name}: {inputs} inputs' if code == 0 else output, flush=True)
        return code == 0


def report(targets, seconds, jobs, seed, runs):
    widths = (10, 11, 8, 12, 14)
    titles = ('target', 'executions', 'exec/s', 'cov', 'ft')
    failed = executions = 0

    print(f'{seconds} s each, seed {seed}')
    print(*(title.ljust(width) for title, width in zip(titles, widths)), 'result', flush=True)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for row, good, output in pool.map(lambda t: t.fuzz(seconds, seed, runs), targets):
            print(*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1], flush=True)
            executions += int(row[1]) if row[1].isdigit() else 0
            if not good:
                failed += 1
                print('\n'.join(f'    {line}' for line in output.splitlines()[-TAIL_LINES:]))
    print(f'{len(targets)} targets, {executions:,} executions, {failed} failed')
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=int, default=60)
    parser.add_argument('--runs', type=int, default=-1, help='stop after so many')
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--target', action='append', choices=TARGETS)
    parser.add_argument('--seed', type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument('--update-corpus', action='store_true')
    parser.add_argument('builddir', type=pathlib.Path)
    args = parser.parse_args()

    targets = [Target(args.builddir.resolve(), name) for name in args.target or TARGETS]
    if args.update_corpus:
        return 0 if all([target.update(args.seconds, args.seed) for target in targets]) else 1
    return 1 if report(targets, args.seconds, args.jobs, args.seed, args.runs) else 0


if __name__ == '__main__':
    sys.exit(main())
