# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the tools share: processes in a runtime folder of their own, and TAP."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PATIENCE = 20  # seconds
folder = tempfile.mkdtemp(prefix='shmframe-tools-')
os.environ['SHMFRAME_RUNTIME_DIR'] = folder
running = []


def start(*command, **options):
    process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, **options)
    running.append(process)
    return process


def stop(process, how=signal.SIGINT):
    process.send_signal(how)
    rest = process.communicate(timeout=PATIENCE)[0]
    running.remove(process)
    return process.returncode, rest


def run(*command, **options):
    done = subprocess.run(command, text=True, timeout=PATIENCE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **options)
    return done.returncode, done.stdout, done.stderr


def await_true(condition):
    """What only another process's state can say."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.02)


class Skip(Exception):
    """Something that the test needs is not installed."""


class Producer:
    """tests/child-producer: does what it is told, line by line."""
    def __init__(self, program, pool, history=4):
        self.process = start(program, '--producer-child', pool, str(history))
        self.pid = self.process.pid
        assert self.process.stdout.readline() == 'ready\n'

    def send(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()

    def tell(self, line):
        self.send(line)
        assert self.process.stdout.readline() == 'done\n'

    def end(self, how=signal.SIGKILL):
        stop(self.process, how)


def main(module, tests):
    failed = 0
    print(f'1..{len(tests)}')
    try:
        for number, test in enumerate(tests, 1):
            name = f"/{module}/{test.__name__.removeprefix('test_').replace('_', '-')}"
            try:
                test()
                print(f'ok {number} {name}', flush=True)
            except Skip as reason:
                print(f'ok {number} {name} # SKIP {reason}', flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f'not ok {number} {name} - {type(error).__name__}: {error}', flush=True)
            for process in list(running):
                stop(process, signal.SIGKILL)
    finally:
        shutil.rmtree(folder)
    sys.exit(1 if failed else 0)
