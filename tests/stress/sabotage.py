#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Takes what protects frames out of a copy of the library, one thing at a time, and says who reports it:
the stress test, or, for memory orders that this machine's processor does not need, the explorer.

sabotage.py [MESON-OPTION ...]
sabotage.py --check            only finds the text that it would change

Fails unless each sabotage is reported, and nothing where there is none.
"""
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import types

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parent.parent.parent
FOLDERS = ['lib', 'tests/explore', 'tests/stress']
SLOT_H = 'lib/abi/slot.h'
PRODUCER_C = 'tests/stress/stress-producer.c'
LIMIT_S = 60    # for one sabotage to be reported
NONE = '(none)'
STRESS = ['--frames', '60000', '--minimum', '1', '--most-consumers', '8']

LIVE = """\
  atomic_store_explicit (&record->generation, shmframe_generation (sequence, SHMFRAME_STATE_LIVE),
                         memory_order_release);
"""
RING = """\
  atomic_store_explicit (&view->ring[sequence & view->ring_mask], handle, memory_order_relaxed);
"""
LATEST = """\
  atomic_store_explicit (&view->header->latest, handle, memory_order_release);
"""
WORDS = """\
  for (int i = 0; i < SHMFRAME_DESCRIPTOR_WORDS; i++)
    atomic_store_explicit (&record->descriptor[i], words[i], memory_order_relaxed);
"""
FILL = """\
  stress_fill (shmframe_frame_get_data (frame), self->size, ++self->sequence);
  shmframe_frame_set_pts (frame, (gint64) self->sequence);
"""
PUBLISH = """\
  shmframe_producer_publish (self->producer, frame, &error);
"""
LATE = """\
  shmframe_frame_set_pts (frame, (gint64) ++self->sequence);
  shmframe_producer_publish (self->producer, frame, &error);
  stress_fill (shmframe_frame_get_data (frame), self->size, self->sequence);
"""
# Together they are too quick to be caught in between: as a machine whose stores wait in a queue.
MOMENT = """\
  for (volatile int i = 0; i < 1000; i++)
    ;
"""
BY_HAND = [
    ('LIVE and latest are stored a moment before the descriptor', SLOT_H,
     [(LIVE, ''), (RING, ''), (LATEST, ''), (WORDS, LIVE + RING + LATEST + MOMENT + WORDS)]),
    ('LIVE and latest are stored before the pixels', PRODUCER_C, [(FILL, ''), (PUBLISH, LATE)]),
]
# Of tests/explore/mutations.py.
PLANTED = ['hazards are not looked at', 'a lease does not check the generation',
           'the verdict does not check the generation']
WEAKENED = ['shmframe_slot_publish: store generation release -> relaxed',
            'shmframe_slot_publish: store latest release -> relaxed']


def run(command, limit=None, **options):
    """Exit code and output; None and the output so far after the limit."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **options) as process:
        try:
            output = process.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            process.kill()    # its children die with it
            return None, process.communicate()[0]
    return process.returncode, output


def run_or_die(command, **options):
    code, output = run(command, **options)
    if code:
        sys.exit(f'sabotage.py: {" ".join(map(str, command))}\n{output}')


class Copy:
    def __init__(self, folder, options):
        self.top = pathlib.Path(folder) / 'tree'
        self.build = pathlib.Path(folder) / 'build'
        for name in FOLDERS:
            shutil.copytree(TOP / name, self.top / name,
                            ignore=shutil.ignore_patterns('__pycache__'))
        shutil.copy(TOP / 'meson_options.txt', self.top)
        rules = (TOP / 'meson.build').read_text(encoding='utf-8')
        begin, found, _ = rules.partition("subdir('gst-plugin')\n")
        if not found:
            sys.exit('sabotage.py: meson.build has changed: it has no gst-plugin')
        (self.top / 'meson.build').write_text(
            begin + "test_env = environment()\nsubdir('tests/stress')\n", encoding='utf-8')
        run_or_die(['meson', 'setup', self.build, self.top, '--buildtype=debugoptimized',
                    '-Dintrospection=disabled', *options])

    def run_stress(self, seed, limit):
        return run([self.build / 'tests/stress/stress', '--seed', str(seed), *STRESS], limit,
                   env={**os.environ, 'TMPDIR': str(self.top.parent)})

    def stress(self):
        """Again with other seeds, until it reports something or the time is over."""
        self.compile()
        end = time.monotonic() + LIMIT_S
        for seed in itertools.count(1):
            code, output = self.run_stress(seed, max(end - time.monotonic(), 0))
            if code is None:
                return None
            if code:
                return summary(output)

    def unchanged(self):
        self.compile()
        for seed in range(1, 4):
            code, output = self.run_stress(seed, 2 * LIMIT_S)
            if code is None:
                return 'takes too long'
            if code:
                return summary(output)
        return None

    def compile(self):
        run_or_die(['ninja', '-C', self.build, 'tests/stress/stress'])

    def explore(self):
        code, output = run([sys.executable, self.top / 'tests/explore/explore.py'], LIMIT_S)
        found = re.findall(r'^(\S+) +(\w+) +FAIL\b.*\n(.*)$', output, re.M)
        if code and found:
            return '; '.join(f'{scenario} ({mode}): {why}' for scenario, mode, why in found[:2])
        return None


def summary(output):
    """What the stress test says: the rows that are not clean, or how a process ended."""
    failures = re.findall(r'^FAILED: (.*)$', output, re.M)
    crashes = re.findall(r'^(?:process|consumer) \d+ .*$', output, re.M)
    return '; '.join(failures or crashes[:1] or output.splitlines()[-1:])


def changed(top, name, file, changes):
    text = (top / file).read_text(encoding='utf-8')
    for old, new in changes:
        if text.count(old) != 1:
            sys.exit(f'sabotage.py: "{name}": {file} has changed: it has {text.count(old)} times:'
                     f'\n{old}')
        text = text.replace(old, new)
    return file, text


def sabotages(copy, mutations):
    """Name, who should report it, file, its text."""
    planted = {name: (file, changes) for name, file, changes in mutations.PLANTED}
    weakened = {mutation.key: mutation for mutation in mutations.weakened(copy.top)}
    for name in PLANTED:
        yield name, copy.stress, *changed(copy.top, name, *planted[name])
    for name, file, changes in BY_HAND:
        yield name, copy.stress, *changed(copy.top, name, file, changes)
    for name in WEAKENED:
        yield name, copy.explore, weakened[name].file, weakened[name].text


def find_text():
    sys.path.insert(0, str(TOP / 'tests/explore'))
    import mutations    # pylint: disable=import-outside-toplevel,import-error
    found = list(sabotages(types.SimpleNamespace(top=TOP, stress=None, explore=None), mutations))
    print(f'{len(found)} sabotages find their text')


def main():
    if sys.argv[1:] == ['--check']:
        return find_text()
    begun = time.monotonic()
    failed = 0
    with tempfile.TemporaryDirectory(prefix='shmframe-sabotage-') as folder:
        copy = Copy(folder, sys.argv[1:])
        sys.path.insert(0, str(copy.top / 'tests/explore'))
        import mutations    # pylint: disable=import-outside-toplevel,import-error
        whole = (copy.top / SLOT_H).read_text(encoding='utf-8')
        todo = [(NONE, copy.unchanged, SLOT_H, whole), *sabotages(copy, mutations)]
        print('sabotage | reported by | what')
        for name, check, file, text in todo:
            path = copy.top / file
            whole = path.read_text(encoding='utf-8')
            path.write_text(text, encoding='utf-8')
            what = check()
            path.write_text(whole, encoding='utf-8')
            by = '-' if what is None else check.__name__
            print(f'{name} | {by} | {what or "-"}', flush=True)
            failed += (what is None) != (name == NONE)
    print(f'{len(todo) - 1} sabotages, and a run without: {failed} failed; '
          f'{time.monotonic() - begun:.0f} s')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
