#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Explores every execution of the slot protocol (lib/abi/slot.h, unchanged) that small scenarios
have under TSO and under a weak model after C11.

explore.py               the explorer's litmus tests, then every scenario: seconds
explore.py --full        the same with larger bounds: minutes
explore.py --mutations   weakens each memory order and fence in turn, plants known bugs, and says
                         which scenario finds them; survivors must be argued in docs/verification.md
explore.py --trace MODE SCENARIO [--plant TEXT]   one run, with its trace if it fails; of the
                         mutation whose description contains TEXT

Options: --cc COMPILER, --only SCENARIO (again for more), --jobs N.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import mutations  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
MODES = ['c11', 'tso']
OWN = ['search.c', 'threads.c', 'c11.c', 'tso.c', 'hooks.c', 'trace.c']    # the explorer
EXPLORED = ['tests/explore/pool.c', 'tests/explore/leases.c', 'tests/explore/waking.c',
            'tests/explore/litmus.c', mutations.SLOTS_C]                       # instrumented
OK, FAIL, IDLE = 0, 1, 2
OVERTAKEN = re.compile(r'  a store to (\w+)\S* may overtake an earlier load of (\w+)\S*\n')
SURVIVORS = TOP / 'docs/verification.md'  # an argument under a heading for each


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)


def compile_or_die(command):
    done = run(command)
    if done.returncode:
        sys.exit(f'{shlex.join(map(str, command))}\n{done.stdout}')


class Build:
    """The explorer's objects are made once; each mutation makes what it changes anew."""

    def __init__(self, cc, folder):
        self.cc = shlex.split(cc)
        self.folder = pathlib.Path(folder)
        glib = run(['pkg-config', '--cflags', 'glib-2.0'])
        self.libs = run(['pkg-config', '--libs', 'glib-2.0'])
        if glib.returncode or self.libs.returncode:
            sys.exit('explore.py: pkg-config does not find glib-2.0: install libglib2.0-dev')
        self.flags = ['-std=gnu11', '-g', '-Wall', '-Wextra', '-U_FORTIFY_SOURCE',
                      *glib.stdout.split()]
        self.own = []
        for name in OWN:
            self.own.append(self.folder / f'{name}.o')
            compile_or_die([*self.cc, *self.flags, '-O2', '-Wno-clobbered',
                            '-Wno-unknown-warning-option', '-I', TOP / 'lib', '-c', HERE / name,
                            '-o', self.own[-1]])

    def program(self, name, mutation=None):
        """The explorer with the tree's sources, or with one of them changed."""
        folder = self.folder / name
        folder.mkdir()
        if mutation:
            path = folder / mutation.file
            path.parent.mkdir(parents=True)
            path.write_text(mutation.text, encoding='utf-8')
        objects = []
        for source in EXPLORED:
            path = folder / source
            if not path.exists():
                path = TOP / source
            objects.append(folder / (pathlib.Path(source).name + '.o'))
            compile_or_die([*self.cc, *self.flags, '-O1', '-fsanitize=thread', '-Wno-tsan',
                            '-Wno-unknown-warning-option', '-I', folder / 'lib', '-I', TOP / 'lib',
                            '-I', TOP / 'lib/include', '-I', HERE, '-c', path, '-o', objects[-1]])
        program = folder / 'explore'
        # Without the sanitizer's runtime: hooks.c stands in for it.
        compile_or_die([*self.cc, '-o', program, *objects, *self.own, *self.libs.stdout.split()])
        return program


def scenarios(program, only):
    """Kind and name of each, the quick ones first."""
    lines = run([program, '--list']).stdout.splitlines()
    known = [line.split('\t')[:2] for line in lines]
    missing = set(only or []) - {name for _, name in known}
    if missing:
        sys.exit(f'explore.py: no scenario {", ".join(missing)}; there are: '
                 + ', '.join(name for _, name in known))
    return [(kind, name) for kind, name in known if not only or name in only]


def explore(program, mode, scenario, full=False):
    return run([program, *(['--full'] if full else []), mode, scenario])


def check(build, options, workers):
    program = build.program('plain')
    begun = time.monotonic()
    jobs = [workers.submit(explore, program, mode, name, options.full)
            for _, name in scenarios(program, options.only) for mode in MODES]
    failed = states = steps = 0
    overtaken = set()
    for job in jobs:
        done = job.result()
        pairs = re.findall(OVERTAKEN, done.stdout)
        overtaken |= {(store, load) for store, load in pairs}
        print(OVERTAKEN.sub('', done.stdout), end='', flush=True)
        failed += done.returncode != OK
        numbers = re.search(r'(\d+) states +(\d+) steps', done.stdout)
        if numbers:
            states += int(numbers[1])
            steps += int(numbers[2])
    for store, load in sorted(overtaken):
        print(f'not explored: a store to {store} that overtakes an earlier load of {load}')
    print(f'{len(jobs)} explorations, {failed} failed; {states} states, {steps} steps, '
          f'{time.monotonic() - begun:.1f} s')
    return 1 if failed or not jobs else 0


def read_survivors():
    return set(re.findall('^### `(.+)`$', SURVIVORS.read_text(encoding='utf-8'), re.M))


def try_mutation(build, number, mutation, only):
    """The names of the explorations that found it."""
    program = build.program(f'mutation{number}', mutation)
    caught = []
    for kind, name in scenarios(program, only):
        for mode in MODES if kind == 'protocol' else []:
            if mode == 'tso' and not mutation.tso:
                continue
            done = explore(program, mode, name)
            if done.returncode == FAIL:
                caught.append((name, mode))
            elif done.returncode not in (OK, IDLE):
                caught.append((name, mode + '?'))
    return caught


def describe(caught):
    """Scenario names by mode. '?': it went beyond the explorer's limits, which decides nothing."""
    parts = []
    for mode in sorted({mode for _, mode in caught}):
        parts.append(f'{mode}: ' + ' '.join(name for name, m in caught if m == mode))
    return '; '.join(parts)


def mutate(build, options, workers, todo):
    listed = read_survivors()
    jobs = [workers.submit(try_mutation, build, i, mutation, options.only)
            for i, mutation in enumerate(todo)]
    survivors, stale = [], set(listed)
    begun = time.monotonic()
    print('site | mutation | caught by')
    for mutation, job in zip(todo, jobs):
        caught = job.result()
        what = mutation.key.split(': ', 1)[-1]
        found = any(mode in MODES for _, mode in caught)
        if not found:
            survivors.append(mutation)
            stale.discard(mutation.key)
        by = describe(caught) if caught else '-'
        if not found:
            by += ' (SURVIVES' + (', see docs/verification.md)' if mutation.key in listed else ')')
        print(f'{mutation.site} | {what} | {by}', flush=True)

    unexplained = [mutation for mutation in survivors if mutation.key not in listed]
    print(f'{len(todo)} mutations, {len(todo) - len(survivors)} caught, {len(survivors)} survive, '
          f'{len(unexplained)} of them without an argument; {time.monotonic() - begun:.0f} s')
    for mutation in unexplained:
        print(f'survives without an argument in docs/verification.md: {mutation.key}')
    for key in sorted(stale):
        print(f'in docs/verification.md, but caught or no longer there: {key}')
    return 1 if unexplained or stale else 0


def show(build, options, known):
    mutation = None
    if options.plant:
        found = [m for m in known if options.plant in m.key]
        if len(found) != 1:
            sys.exit(f'explore.py: {len(found)} mutations contain "{options.plant}": '
                     + '; '.join(m.key for m in found))
        mutation = found[0]
        print(f'{mutation.site}: {mutation.key}')
    mode, scenario = options.trace
    done = explore(build.program('shown', mutation), mode, scenario, options.full)
    print(done.stdout, end='')
    return done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--full', action='store_true')
    parser.add_argument('--mutations', action='store_true')
    parser.add_argument('--trace', nargs=2, metavar=('MODE', 'SCENARIO'))
    parser.add_argument('--plant', metavar='TEXT')
    parser.add_argument('--only', action='append', metavar='SCENARIO')
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--cc', default=os.environ.get('CC', 'cc'))
    options = parser.parse_args()

    # Text that they do not find is said at once, not by the next `./run verify`.
    todo = [*mutations.weakened(TOP), *mutations.planted(TOP)]
    with tempfile.TemporaryDirectory(prefix='shmframe-explore-') as folder, \
            concurrent.futures.ThreadPoolExecutor(options.jobs) as workers:
        build = Build(options.cc, folder)
        if options.trace:
            return show(build, options, todo)
        if options.mutations:
            return mutate(build, options, workers, todo)
        return check(build, options, workers)


if __name__ == '__main__':
    sys.exit(main())
