#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs every pipeline of the documents as it stands there, with frame-inspect and the scripts of
samples/pipelines that they show: pasted.py BUILD

A block of a document is what is pasted at once: each command in a terminal of its own, setup lines
(export, mkdir) in all of them. Pipelines that read a pool are started first, and wait for it. Every
pipeline must move frames, which GStreamer's own log tells; then what is endless gets Ctrl-C, and
every exit code is 0. Then the tables of docs/elements.md are compared with what the elements say.
"""
import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1]).resolve()
MANUAL = TOP / 'docs/elements.md'
ELEMENTS = {name: TOP / f'gst-plugin/gst{name}.c' for name in ('shmframesink', 'shmframesrc')}
PATIENCE_S = 30
FRAMES = 10  # that every pipeline must move
LOG = 'basesrc:5,GST_SCHEDULING:5'
TOOL = re.compile(r'(\w+=\S* )*(gst-[\w-]+|frame-inspect|samples/pipelines/[\w-]+\.sh)\b')
PIPELINE = re.compile(r'(\w+=\S* )*(gst-(launch|play)|samples/)')
READS = re.compile(r'shmframesrc|shmframe://|/(encode|render|wall)\.sh')
WRITES = re.compile(r'shmframesink|/capture\.sh')
FINITE = re.compile(r'filesrc|num-buffers=|\.webm')
ASKS_FRAME = re.compile(r'<(shmframesrc\d+|source)> calling create')
HAS_FRAME = re.compile(r'<shmframesink\d+:sink> calling chainfunction')
FIELD = re.compile(r'[\s,]([a-z][\w-]*)=\(')
PRODUCER = 'gst-launch-1.0 -e videotestsrc is-live=true ! shmframesink pool=cam0'
CONSUMER = 'gst-launch-1.0 shmframesrc pool=cam0 ! videoconvert ! autovideosink'


class Process:
    """A command in a shell, as in a terminal of its own; it dies with the test."""
    slowest_s = 0

    def __init__(self, command, folder, environment):
        self.command = command
        self.reads = bool(READS.search(command))
        self.logs_itself = 'GST_DEBUG=' in command
        self.output = []
        self.frames = 0
        self.changed = threading.Condition()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            ['setpriv', '--pdeathsig', 'KILL', 'sh', '-c', command], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors='replace', start_new_session=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        frame = ASKS_FRAME if self.reads else HAS_FRAME
        for line in self.process.stdout:
            with self.changed:
                if frame.search(line):
                    self.frames += 1
                if self.logs_itself or 'DEBUG' not in line:
                    self.output.append(line)
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def wait_for(self, what, condition):
        with self.changed:
            done = self.changed.wait_for(lambda: condition() or not self.reader.is_alive(),
                                         PATIENCE_S)
            if not done or not condition():
                raise AssertionError(f'{self.command}\nno {what} in {PATIENCE_S} s:\n{self.log()}')
        Process.slowest_s = max(Process.slowest_s, time.monotonic() - self.started)

    def wait_for_frames(self, n):
        if self.logs_itself:  # it logs what its text promises
            name = re.search(r'GST_DEBUG=([\w-]+)', self.command)[1]
            self.wait_for(f'line of {name}', lambda: any(name in line for line in self.output))
        else:
            self.wait_for(f'{n} frames', lambda: self.frames >= n)

    def interrupt(self):
        os.killpg(self.process.pid, signal.SIGINT)

    def log(self):
        return ''.join(self.output[-30:])

    def finish(self):
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{self.command}\ndoes not end:\n{self.log()}') from None
        self.reader.join(PATIENCE_S)
        assert code == 0, f'{self.command}\nexit code {code}:\n{self.log()}'
        assert not any(line.startswith('ERROR') for line in self.output), self.log()

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Terminals:
    """A folder with what the documents speak of: build/, samples/ and clip.webm."""

    def __init__(self, folder, display):
        self.folder = folder
        self.processes = []
        self.environment = {**os.environ, 'DISPLAY': display, 'GST_DEBUG': LOG,
                            'GST_DEBUG_NO_COLOR': '1', 'GST_DEBUG_FILE': '-',
                            'GST_REGISTRY': f'{folder}/registry.bin',
                            'GST_PLUGIN_PATH': f'{folder}/build/gst-plugin',
                            'SHMFRAME_RUNTIME_DIR': f'{folder}/run',
                            'PATH': f'{folder}/build/tools:{os.environ["PATH"]}'}
        self.environment.pop('WAYLAND_DISPLAY', None)
        (folder / 'build').symlink_to(BUILD)
        (folder / 'samples').symlink_to(TOP / 'samples')
        self.run('videotestsrc pattern=ball num-buffers=90 ! video/x-raw,framerate=30/1 ! '
                 'vp8enc deadline=1 ! webmmux ! filesink location=clip.webm')
        self.files = set(os.listdir(folder)) | {'run'}

    def run(self, pipeline):
        self.output('gst-launch-1.0', *pipeline.split())

    def output(self, *command):
        environment = {**self.environment, 'GST_DEBUG': '0'}
        done = subprocess.run(command, cwd=self.folder, env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=2 * PATIENCE_S)
        assert done.returncode == 0, f'{command}: exit code {done.returncode}\n{done.stdout}'
        return done.stdout

    def start(self, command, setup=()):
        environment = dict(self.environment)
        if command.startswith('samples/'):
            del environment['GST_PLUGIN_PATH']  # they find the build tree by themselves
        process = Process('\n'.join((*setup, f'exec env {command}')), self.folder, environment)
        self.processes.append(process)
        return process

    def start_all(self, commands, setup=()):
        """Readers first, which then wait for their producer."""
        readers = [self.start(command, setup) for command in commands if READS.search(command)]
        for process in readers:
            process.wait_for_frames(1)
        return readers, [self.start(command, setup) for command in commands
                         if WRITES.search(command) and not READS.search(command)]

    def clean(self):
        for process in self.processes:
            process.kill()
        self.processes.clear()
        for name in {'run'} | set(os.listdir(self.folder)) - self.files:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def finish(self):
        """Nothing is left but files that can be played."""
        self.processes.clear()
        run = self.folder / 'run'
        left = os.listdir(run) if run.is_dir() else []
        assert not left, f'left behind: {left}'
        for name in set(os.listdir(self.folder)) - self.files:
            path = self.folder / name
            if path.suffix in ('.mkv', '.webm', '.mp4'):
                found = self.output('gst-discoverer-1.0', name)
                assert re.search(r'Duration: 0:00:\d\d\.\d', found), found
                assert '0:00:00.000000000' not in found, found
            if path.is_dir():
                path.rmdir()  # empty, too
            else:
                assert path.stat().st_size > 0, f'{name} is empty'


def run_block(terminals, commands, setup=()):
    pipelines = [c for c in commands if READS.search(c) or WRITES.search(c)]
    others = [c for c in commands if c not in pipelines]
    if not any(WRITES.search(c) for c in commands):
        pipelines.append(PRODUCER)
    elif not any(READS.search(c) for c in commands):
        pipelines.insert(0, CONSUMER)
    readers, writers = terminals.start_all(pipelines, setup)
    for process in readers + writers:
        process.wait_for_frames(FRAMES)
    for command in others:
        process = terminals.start(command, setup)
        if ' -f' in command:
            process.wait_for('device', lambda: any('Device found' in line
                                                   for line in process.output))
            process.interrupt()
            code = process.process.wait(PATIENCE_S)
            assert code == -signal.SIGINT, code  # it has no handler of its own
        else:
            process.finish()
            assert process.output, f'{command}: no output'
    if not any(FINITE.search(c) for c in pipelines):
        for process in readers:
            if 'gst-play' not in process.command:  # which ends with its producer
                process.interrupt()
                process.finish()
        for process in writers:
            process.interrupt()
    for process in readers + writers:
        process.finish()
    terminals.finish()


def blocks_of(path):
    """(name, setup lines, commands) of every fenced block with a pipeline."""
    heading, names = '', collections.Counter()
    text = path.read_text(encoding='utf-8').replace('\\\n', ' ')
    for line, fence in re.findall(r'^(?:#+ ([^\n]*)| *```\w*\n(.*?)^ *```)', text, re.M | re.S):
        if line:
            heading = re.sub(r'\W+', '-', line.lower()).strip('-')
            continue
        lines = [l.strip() for l in fence.splitlines() if l.strip() and not l.startswith('#')]
        commands = [l for l in lines if TOOL.match(l)]
        if not any(PIPELINE.match(c) for c in commands):
            assert not re.search(r'gst-(launch|play)', fence), f'not run, in {path.name}: {fence}'
            continue
        setup = [l for l in lines if l not in commands]
        assert all(re.match('export|mkdir', l) for l in setup), f'{path.name}: {setup}'
        names[heading] += 1
        name = f'{heading}-{names[heading]}' if names[heading] > 1 else heading
        yield name, setup, commands


def examples_of(path):
    """The lines under 'Example launch lines'."""
    text = path.read_text(encoding='utf-8')
    example = re.search(r'Example launch lines\n \* \|\[\n(.*?)\]\|', text, re.S)
    assert example, f'{path.name} has no example launch lines'
    return [line.removeprefix(' * ') for line in example[1].splitlines() if line.strip(' *')]


def rows(heading):
    """Of the first table after that heading of the manual: the cells, without quotes."""
    text = MANUAL.read_text(encoding='utf-8')
    table = re.search(rf'^#+ {re.escape(heading)}\n.*?^(\|.*?)\n(?!\|)', text, re.M | re.S)
    assert table, f'no table under {heading}'
    return [[cell.strip() for cell in line.strip('|').split(' | ')]
            for line in table[1].splitlines()[2:]]


def names_in(heading):
    return {name for row in rows(heading) for name in re.findall(r'`([\w-]+)`', row[0])}


def same(what, documented, seen):
    assert documented == seen, (f'{what}: only documented {sorted(documented - seen)}, '
                                f'not documented {sorted(seen - documented)}')


def properties(terminals, element):
    """What gst-inspect-1.0 says: the default (or None) of every property."""
    text = terminals.output('gst-inspect-1.0', element)
    text = text[text.index('Element Properties:'):].partition('Element Signals:')[0]
    found = {}
    for name, rest in re.findall(r'^  ([a-z][\w-]*) +: (.*?)(?=^  [a-z]|\Z)', text, re.M | re.S):
        default = re.search(r'Default: (?:-?\d+, )?"?(.*?)"? *$', rest, re.M)
        found[name] = default[1] if default else None
    return found


def test_properties(terminals):
    for element, base in (('shmframesink', 'fakesink'), ('shmframesrc', 'fakesrc')):
        seen = properties(terminals, element)
        own = set(seen) - set(properties(terminals, base)) | {'stats'}
        documented = {row[0].strip('`'): row[1].strip('`') for row in
                      rows(f'Properties of {element}')}
        same(element, set(documented), own)
        for name, default in documented.items():
            if default not in ('', 'none'):
                assert seen[name] == default, f'{element} {name}: {default}, really {seen[name]}'
            else:
                assert seen[name] in (None, 'null', '0') or name == 'stats', (name, seen[name])


def test_stats(terminals):
    runner = f'{BUILD}/tests/elements/elements-runner'
    reader = terminals.start(f"{runner} 'shmframesrc delivery=lossless ! fakesink'")
    reader.wait_for_frames(1)
    writer = terminals.start(f"{runner} 'videotestsrc num-buffers=30 ! "
                             "shmframesink wait-for-consumer=true'")
    for process, element in ((reader, 'shmframesrc'), (writer, 'shmframesink')):
        process.finish()
        line, = (l for l in process.output if l.startswith('stats '))
        same(element, names_in(f'Statistics of {element}'), set(FIELD.findall(line)))
    terminals.finish()


def messages(processes):
    found = collections.defaultdict(set)
    for process in processes:
        for name, fields in re.findall(r'"(?:shmframe\w+)" \(element\): (shmframe-[\w-]+)(.*)',
                                       ''.join(process.output)):
            found[name] |= set(FIELD.findall(fields))
    return found


def test_messages(terminals):
    processes = []

    def launch(pipeline):
        processes.append(terminals.start(f'gst-launch-1.0 -m {pipeline}'))
        return processes[-1]

    def wait(process, message):
        process.wait_for(message, lambda: message in messages([process]))

    def end(process):
        process.interrupt()
        process.finish()

    alone = launch('videotestsrc is-live=true ! shmframesink wait-for-consumer=true')
    wait(alone, 'shmframe-drop')
    end(alone)
    writer = launch('videotestsrc is-live=true ! shmframesink')
    reader = launch('shmframesrc max-lag=1 ! identity sleep-time=200000 ! fakesink')
    wait(reader, 'shmframe-drop')
    end(writer)
    wait(reader, 'shmframe-producer-lost')
    end(reader)
    writer = launch('videotestsrc ! shmframesink window=1 stall-timeout=50000000')
    reader = launch('shmframesrc delivery=lossless ! identity sleep-time=300000 ! fakesink')
    wait(reader, 'shmframe-evicted')
    end(reader)
    end(writer)
    documented = {row[0].strip('`'): set(re.findall(r'`([\w-]+)`', row[2]))
                  for row in rows('Messages')}
    seen = messages(processes)
    same('messages', set(documented), set(seen))
    for name, fields in seen.items():
        same(name, documented[name], fields)
    terminals.finish()


def test_evicted_at_close(terminals):
    """A consumer that attaches to a producer just closing waits for the next one."""
    writer = terminals.start('gst-launch-1.0 videotestsrc ! shmframesink window=1 '
                             'stall-timeout=50000000')
    reader = terminals.start('gst-launch-1.0 -m shmframesrc delivery=lossless ! '
                             'identity sleep-time=300000 ! fakesink')
    reader.wait_for('eviction', lambda: 'shmframe-evicted' in messages([reader]))
    writer.interrupt()
    writer.finish()
    terminals.start('gst-launch-1.0 videotestsrc is-live=true ! shmframesink')
    frames = reader.frames
    reader.wait_for_frames(frames + 3)
    reader.interrupt()
    reader.finish()


def test_scripts(terminals):
    """The manual shows every script, and each says in its head how it is used."""
    text = MANUAL.read_text(encoding='utf-8')
    scripts = sorted((TOP / 'samples/pipelines').glob('*.sh'))
    assert len(scripts) >= 4, scripts
    for script in scripts:
        lines = script.read_text(encoding='utf-8').splitlines()
        assert f'samples/pipelines/{script.name}' in text, f'{script.name} is not in the manual'
        assert lines[0] == '#!/bin/sh' and 'set -eu' in lines, script.name
        assert lines[2].startswith(f'# {script.name}'), script.name
        assert os.access(script, os.X_OK), f'{script.name} is not executable'


def cases():
    for path in (MANUAL, TOP / 'README.md'):
        blocks = list(blocks_of(path))
        assert blocks, f'{path.name} has no pipelines'
        for name, setup, commands in blocks:
            yield f'{path.name}/{name}', lambda t, c=commands, s=setup: run_block(t, c, s)
    for element, path in ELEMENTS.items():
        for number, line in enumerate(examples_of(path), 1):
            yield f'{element}/example-{number}', lambda t, c=line: run_block(t, [c])
    for test in (test_properties, test_stats, test_messages, test_scripts):
        yield f'elements.md/{test.__name__.removeprefix("test_")}', test
    yield 'evicted-at-close', test_evicted_at_close


def start_display():
    """Of no screen; gives its name."""
    end, its_end = os.pipe()
    display = subprocess.Popen(
        ['setpriv', '--pdeathsig', 'KILL', 'Xvfb', '-displayfd', str(its_end), '-noreset',
         '-nolisten', 'tcp', '-screen', '0', '1280x720x24'], pass_fds=[its_end],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    os.close(its_end)
    with os.fdopen(end) as number:
        name = number.readline().strip()
    assert name, f'Xvfb (package xvfb) does not start: {display.stderr.read()}'
    return display, f':{name}'


def main():
    only = sys.argv[2:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's is ignored
    all_cases = [(name, test) for name, test in cases()
                 if not only or any(word in name for word in only)]
    print(f'1..{len(all_cases)}')
    failed = 0
    display, name = start_display()
    folder = pathlib.Path(tempfile.mkdtemp(prefix='shmframe-pasted-'))
    try:
        terminals = Terminals(folder, name)
        for number, (case, test) in enumerate(all_cases, 1):
            begin = time.monotonic()
            try:
                test(terminals)
                result = 'ok'
            except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as error:
                failed += 1
                result = 'not ok'
                print('\n'.join(f'# {line}' for line in str(error).splitlines()))
            finally:
                terminals.clean()
            print(f'{result} {number} /pasted/{case}\n# {time.monotonic() - begin:.1f} s',
                  flush=True)
        print(f'# the slowest event came after {Process.slowest_s:.1f} s')
    finally:
        shutil.rmtree(folder)
        display.kill()
        display.wait()
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
