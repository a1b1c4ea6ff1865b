# SPDX-License-Identifier: LGPL-2.1-or-later
"""The processes of the demonstration: starting them, looking at their pool, ending them."""
import collections
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import time

TIMEOUT_S = 40  # for any one process; all of them together take less
SOCKET_PATH_MAX = 107
SOCKET_NAME_MAX = 30  # of our pools, also under the temporary name that a socket has at first
POLL_S = 0.05


class Failure(Exception):
    pass


class Stage:
    """A process that runs one pipeline, by the program stage."""

    def __init__(self, name, process, folder):
        self.name = name
        self.process = process
        self.pid = process.pid
        self.hashes_path = folder / f'{name}.md5'
        self.output_path = folder / f'{name}.json'
        self.log_path = folder / f'{name}.log'

    def log(self):
        lines = self.log_path.read_text(errors='replace').splitlines()
        return '\n'.join(f'    {self.name}: {line}' for line in lines[-8:])

    def finish(self):
        """Its exit code."""
        try:
            return self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.name} did not end within {TIMEOUT_S} s\n{self.log()}') from None

    def kill(self):
        self.process.kill()
        return self.process.wait()

    def stats(self, element):
        """What the element counted; nothing after a failure."""
        if self.process.returncode != 0:
            return {}
        return json.loads(self.output_path.read_text().splitlines()[-1])[element]

    def hashes(self):
        """The frames that passed: (number, offset, bytes, hash)."""
        lines = self.hashes_path.read_text().splitlines()
        return [(int(number), int(offset), int(size), md5)
                for number, offset, size, md5 in (line.split() for line in lines)]


class Stages:
    """All processes. Leaving the `with` block ends those that still run."""

    def __init__(self, build, folder):
        self.build = build
        self.folder = folder
        self.stages = []
        self.runtime = folder / 'run'
        shutil.rmtree(self.runtime, ignore_errors=True)
        if len(os.fsencode(self.runtime)) + SOCKET_NAME_MAX > SOCKET_PATH_MAX:
            self.runtime = pathlib.Path(tempfile.mkdtemp(prefix='shmframe-demo-'))
        else:
            self.runtime.mkdir(mode=0o700)
        self.settings = {'SHMFRAME_RUNTIME_DIR': str(self.runtime),
                         'GST_PLUGIN_PATH': str(build / 'gst-plugin')}
        # A registry of its own: the user's is left alone, and need not exist.
        self.environment = dict(os.environ, GST_REGISTRY_1_0=str(folder / 'registry.bin'),
                                **self.settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        running = [stage for stage in self.stages if stage.process.poll() is None]
        for stage in running:
            stage.process.terminate()
        for stage in running:
            try:
                stage.process.wait(2)
            except subprocess.TimeoutExpired:
                stage.kill()
        shutil.rmtree(self.runtime, ignore_errors=True)

    def start(self, name, pipeline, pad=None):
        command = [os.path.relpath(self.build / 'samples/demo/stage', self.folder), '--name', name]
        if pad:
            command += ['--hash', pad, '--to', f'{name}.md5']
        command.append(pipeline)
        print(f'\n  {shlex.join(command)}', flush=True)
        with open(self.folder / f'{name}.json', 'wb') as output, \
                open(self.folder / f'{name}.log', 'wb') as log:
            # A session of its own, so that Ctrl-C comes to us alone; and no process outlives us.
            process = subprocess.Popen(['setpriv', '--pdeathsig', 'TERM', *command],
                                       cwd=self.folder, env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=log,
                                       start_new_session=True)
        self.stages.append(Stage(name, process, self.folder))
        return self.stages[-1]

    def output(self, *command):
        """What a program prints, both streams, and whether it went well."""
        done = subprocess.run(command, cwd=self.folder, env=self.environment, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT_S)
        return done.stdout.decode(errors='replace'), done.returncode == 0

    def inspect(self, pool):
        """frame-inspect show POOL --json; None where there is no such pool."""
        command = [self.build / 'tools/frame-inspect', 'show', pool, '--json']
        done = subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                              timeout=TIMEOUT_S)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def files(self):
        return sorted(os.listdir(self.runtime))

    def running(self):
        return [stage.name for stage in self.stages if stage.process.poll() is None]


def pool_sockets(runtime):
    """Inode numbers of the sockets, in any process, that belong to pools in this folder."""
    with open('/proc/net/unix', encoding='utf-8', errors='replace') as lines:
        fields = [line.split(maxsplit=7) for line in lines]
    return {f[6] for f in fields if len(f) > 7 and f[7].startswith(f'{runtime}/')}


def descriptors(pid, runtime):
    """Open descriptors of a process, by kind. Many a socket is in GStreamer's own buffer pools."""
    ours = pool_sockets(runtime)
    kinds = collections.Counter()
    for name in os.listdir(f'/proc/{pid}/fd'):
        try:
            target = os.readlink(f'/proc/{pid}/fd/{name}')
        except FileNotFoundError:
            continue  # closed meanwhile
        match = re.match(r'/(memfd):|anon_inode:\[?(\w+)|(socket|pipe):\[(\d+)\]', target)
        kind = match[match.lastindex - (match[4] is not None)] if match else 'file'
        kinds['socket of the pool' if match and match[4] in ours else kind] += 1
    return kinds


def settle(read, want=None, seconds=2):
    """Reads until the answer is as wanted, or, where nothing is, the same three times over."""
    end = time.monotonic() + seconds
    answers = [read()]
    while time.monotonic() < end:
        if answers[-1] == want or (want is None and answers[-3:] == [answers[-1]] * 3):
            break
        time.sleep(POLL_S)
        answers.append(read())
    return answers[-1]
