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
WATCHDOG = 90  # of a test: what waits for a line waits for ever
folder = tempfile.mkdtemp(prefix='shmframe-tools-')
os.environ['SHMFRAME_RUNTIME_DIR'] = folder
running = []
# A shell's background job ignores it, and so would what is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)


def start(*command, **options):
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
    process = subprocess.Popen(command, text=True, **{**pipes, **options})
    running.append(process)
    return process


def finish(process, how=None):
    """Ends it by a signal, or awaits its end. Its exit code, output and errors."""
    if how is not None:
        process.send_signal(how)
    out, err = process.communicate(timeout=PATIENCE)
    running.remove(process)
    return process.returncode, out, err


def stop(process, how=signal.SIGINT):
    return finish(process, how)[:2]


def run(*command, **options):
    done = subprocess.run(command, text=True, timeout=PATIENCE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **options)
    return done.returncode, done.stdout, done.stderr


def await_line(process, begin):
    """The next line that begins so."""
    for line in process.stdout:
        if line.startswith(begin):
            return line
    errors = process.stderr.read() if process.stderr else ''
    raise AssertionError(f'no line "{begin}" before the end of the output: {errors}')


def await_true(condition):
    """What only another process's state can say; what the condition said at last."""
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.02)
    return found


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


def bark(signum, frame):
    raise TimeoutError(f'the watchdog: it waited in vain, {WATCHDOG} s')


def main(module, tests):
    failed = 0
    signal.signal(signal.SIGALRM, bark)
    print(f'1..{len(tests)}')
    try:
        for number, test in enumerate(tests, 1):
            name = f"/{module}/{test.__name__.removeprefix('test_').replace('_', '-')}"
            signal.alarm(WATCHDOG)
            try:
                test()
                print(f'ok {number} {name}', flush=True)
            except Skip as reason:
                print(f'ok {number} {name} # SKIP {reason}', flush=True)
            except Exception as error:  # pylint: disable=broad-except
                failed += 1
                print(f'not ok {number} {name} - {type(error).__name__}: {error}', flush=True)
            signal.alarm(0)
            for process in list(running):
                stop(process, signal.SIGKILL)
    finally:
        shutil.rmtree(folder)
    sys.exit(1 if failed else 0)
