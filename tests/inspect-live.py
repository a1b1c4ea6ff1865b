#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-inspect watch and top, with real processes: inspect-live.py FRAME-INSPECT PRODUCER CONSUMER"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import unicodedata

import toolbox
from toolbox import PATIENCE, await_line, await_true, finish, folder, start, stop

inspect, producer, consumer = sys.argv[1:4]


def await_event(process, name, seen=None):
    """The next event of that name; the names of those before it go into `seen`."""
    for line in process.stdout:
        event = json.loads(line)
        assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z', event['time']), event
        assert event['monotonic-ns'] > 0 and event['pool'], event
        if event['event'] == name:
            return event
        if seen is not None:
            seen.append(event['event'])
    raise AssertionError(f'no event "{name}" before the end of the output')


def test_watch():
    watch = start(inspect, 'watch', 'one')
    assert 'no producer has that name' in await_event(watch, 'lost')['reason']
    process = start(producer, 'one')
    await_event(watch, 'attached')
    assert 'nv12' in await_event(watch, 'format')['format']
    reader = start(consumer, 'one')
    event = await_event(watch, 'consumer-attached')
    assert event['pid'] == reader.pid and event['delivery'] == 'ordered', event
    await_line(reader, 'frame ')
    # What it could not have while it was stopped, it counts when it goes on.
    reader.send_signal(signal.SIGSTOP)
    json.loads(subprocess.check_output([inspect, 'show', 'one', '--json'], timeout=PATIENCE))
    frames = show('one')['latest']
    await_true(lambda: show('one')['latest'] > frames + 40)
    reader.send_signal(signal.SIGCONT)
    event = await_event(watch, 'drops')
    assert event['pid'] == reader.pid and event['count'] > 0, event
    stop(reader, signal.SIGKILL)
    assert await_event(watch, 'consumer-detached')['pid'] == reader.pid
    stop(process, signal.SIGKILL)
    assert 'the producer died, or was killed' in await_event(watch, 'lost')['reason']
    process = start(producer, 'one')
    await_event(watch, 'attached')
    # A producer that stands still.
    process.send_signal(signal.SIGSTOP)
    assert 'is it stopped?' in await_event(watch, 'lost')['reason']
    event = await_event(watch, 'fault')
    assert event['kind'] == 'freeze' and 'producer does not answer' in event['text'], event
    process.send_signal(signal.SIGCONT)
    await_event(watch, 'attached')
    assert stop(watch, signal.SIGTERM)[0] == 0
    stop(process)


def show(pool):
    return json.loads(subprocess.check_output([inspect, 'show', pool, '--json'],
                                              timeout=PATIENCE))


def test_watch_all():
    first = start(producer, 'first')
    await_true(lambda: os.path.exists(f'{folder}/first.sock'))
    watch = start(inspect, 'watch', '--json')
    event = await_event(watch, 'pool-added')
    assert event['pool'] == 'first' and event['path'] == f'{folder}/first.sock', event
    assert event['pid'] == first.pid, event
    await_event(watch, 'attached')
    second = start(producer, 'second')
    assert await_event(watch, 'pool-added')['pool'] == 'second'
    await_event(watch, 'attached')
    stop(first, signal.SIGKILL)
    event = await_event(watch, 'lost')
    assert event['pool'] == 'first' and 'the producer died, or was killed' in event['reason'], event
    assert await_event(watch, 'pool-removed')['pool'] == 'first'
    # How it ended, not only that its socket is gone.
    stop(second)
    event = await_event(watch, 'lost')
    assert event['pool'] == 'second' and 'the producer has ended' in event['reason'], event
    assert await_event(watch, 'pool-removed')['pool'] == 'second'
    assert stop(watch)[0] == 0


def test_watch_closed():
    """It ends when nobody reads any more, also where nothing happens."""
    reading, writing = os.pipe()
    watch = start(inspect, 'watch', stdout=writing)
    os.close(writing)
    os.close(reading)
    assert finish(watch)[0] == 0
    with open('/dev/full', 'w') as full:
        watch = start(inspect, 'watch', 'nobody', stdout=full, stderr=subprocess.PIPE)
        error = watch.stderr.read()
        assert finish(watch)[0] == 1 and 'writing the output' in error, error


def rows_of(table):
    return {line.split()[0]: line for line in table.splitlines()[1:] if line}


def test_top():
    """Plain tables, where it is no terminal."""
    process = start(producer, 'one')
    reader = start(consumer, 'one')
    await_line(reader, 'frame ')
    top = start(inspect, 'top', '--count', '3', '--interval', '0.5')
    code, out, _ = finish(top)
    tables = out.rstrip('\n').split('\n\n')
    assert code == 0 and len(tables) == 3 and '\033' not in out, out
    for table in tables:
        rows = rows_of(table)
        assert 'FPS' in rows['POOL'] and 'nv12' in rows['one'], table
        assert str(process.pid) in rows['one'], table
        (row,) = [line for line in table.splitlines() if f' {reader.pid} ' in line]
        assert row.startswith('  ') and 'ordered, holds' in row, table

    top = start(inspect, 'top', '--json', '--interval', '0.5')
    while True:
        table = json.loads(top.stdout.readline())
        (pool,) = table['pools']
        # The first tables can come before the first answer.
        if pool.get('fps') and pool['consumers'] and pool['consumers'][0]['fps']:
            break
    assert pool['pid'] == process.pid and pool['problem'] is None, pool
    assert pool['committed-bytes'] > 0 and pool['interval-p50-ns'] > 0, pool
    (entry,) = pool['consumers']
    assert entry['pid'] == reader.pid and entry['leases'] == 4, pool
    assert entry['latency-p50-ns'] <= entry['latency-p99-ns'], pool

    # A stopped pool stays, with the reason; so does one that comes and goes.
    process.send_signal(signal.SIGSTOP)
    while 'is it stopped?' not in (pool['problem'] or ''):
        (pool,) = json.loads(top.stdout.readline())['pools']
    process.send_signal(signal.SIGCONT)
    while pool['problem'] is not None:
        (pool,) = json.loads(top.stdout.readline())['pools']
    stop(reader)
    stop(process, signal.SIGKILL)
    while json.loads(top.stdout.readline())['pools']:
        pass
    assert stop(top)[0] == 0


class Terminal:
    """A terminal with a program on it."""
    def __init__(self, rows, columns, *command):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = start(*command, stdin=self.slave, stdout=self.slave,
                             preexec_fn=self.control)
        self.text = ''

    def control(self):
        os.setsid()
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def await_text(self, pattern):
        """Reads until what was read since the last call matches; returns that."""
        text = ''
        while not re.search(pattern, text, re.S):
            ready = select.select([self.master], [], [], PATIENCE)[0]
            assert ready, f'no {pattern} in {text!r}'
            text += os.read(self.master, 65536).decode()
        self.text += text
        return text

    def finish(self):
        code = finish(self.process)[0]
        while select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536).decode()
        after = termios.tcgetattr(self.slave)
        os.close(self.master)
        os.close(self.slave)
        assert after == self.before, 'the terminal is not as it was'
        assert self.text.endswith('\033[?25h'), repr(self.text[-40:])
        return code


def test_top_terminal():
    process = start(producer, 'one')
    terminal = Terminal(24, 200, inspect, 'top', '--interval', '0.2')
    terminal.await_text(r'\033\[\?25l.*\033\[H.*q ends.*POOL.*one .*nv12')
    assert termios.tcgetattr(terminal.slave)[3] & (termios.ICANON | termios.ECHO) == 0
    terminal.await_text(r'\033\[H[^\033]*q ends.*\033\[J')
    terminal.resize(2, 30)  # the title and the head, cut
    text = terminal.await_text(r'\033\[H[^\033\r\n]{1,30}\033\[K\r\n[^\033\r\n]{1,30}\033\[K\033\[J')
    assert text
    os.write(terminal.master, b'xq')
    assert terminal.finish() == 0

    for byte in (b'\003',):  # Ctrl-C
        terminal = Terminal(24, 80, inspect, 'top')
        terminal.await_text(r'POOL')
        os.write(terminal.master, byte)
        assert terminal.finish() == 0
    stop(process)


def columns_of(text):
    return sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in text)


def test_top_wide():
    """A row is cut where the screen ends, whatever the width of what stands in it."""
    process = start(producer, 'one')
    reader = start('日本のカメラ' * 3, 'one', executable=consumer)
    await_line(reader, 'frame ')
    terminal = Terminal(24, 31, inspect, 'top', '--interval', '0.2')
    text = terminal.await_text('  日本[^\r]*\033\\[K.*\033\\[J')
    rows = re.findall(r'(?:\r\n|\033\[H)([^\r\033]*)\033\[K', text)
    assert any('日本' in row for row in rows), rows
    assert max(map(columns_of, rows)) <= 31, rows
    os.write(terminal.master, b'q')
    assert terminal.finish() == 0
    stop(reader, signal.SIGKILL)
    stop(process)


def test_usage():
    for arguments, words in ((('watch', 'a', 'b'), 'one argument at most'),
                             (('top', 'a'), 'no arguments'),
                             (('top', '--interval', '0'), '--interval'),
                             (('top', '--count', '-1'), '--count')):
        done = subprocess.run([inspect, *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        assert done.returncode == 2 and words in done.stderr, (arguments, done)


toolbox.main('inspect-live', (test_watch, test_watch_all, test_watch_closed, test_top, test_top_terminal,
                              test_top_wide, test_usage))
