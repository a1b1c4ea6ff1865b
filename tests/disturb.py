#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What viewers cost the producer, in counts: disturb.py DISTURB-PRODUCER FRAME-INSPECT [FRAME-VIEWER]

The same frames are published with no viewer, with ten that observe, and with ten that lease; one
consumer is attached each time. Counted on the publishing thread: system calls by strace, instructions
by callgrind.
"""
import collections
import os
import re
import shutil
import signal
import statistics
import sys

import toolbox
from toolbox import await_true, folder, start, stop

toolbox.PATIENCE = 60  # seconds: ten windows open at once
POOL = 'disturb'
SEGMENT, PAGE = f'shmframe-{POOL}', f'shmframe-{POOL}-control'  # names of memory
WARM_UP, FRAMES = 20, 200
VIEWERS = 10
LOCKS = 3  # how often the control thread takes the pool's lock for an answer: at most two calls each
program, inspect, *viewer = map(os.path.abspath, sys.argv[1:])
nobody_reads = os.open(os.devnull, os.O_WRONLY)
ALONE, OBSERVING, LEASING = 'alone', 'ten observing', 'ten leasing'
GROUPS = {
    ALONE: None,
    OBSERVING: [*viewer, POOL] if viewer else [inspect, 'watch', POOL],
    LEASING: ([*viewer, '--lease', POOL] if viewer
              else [program, 'consume', POOL, str(nobody_reads)]),
}
calls = collections.defaultdict(collections.Counter)
answers = collections.Counter()
instructions = collections.defaultdict(list)  # of each frame


# ---- the screen ----

def start_screen():
    server = start('Xvfb', '-displayfd', '1', '-screen', '0', '1200x900x24', '-noreset',
                   '-nolisten', 'tcp')
    home = f'{folder}/home'
    os.mkdir(home, 0o700)
    os.environ.pop('GTK_THEME', None)
    os.environ.update({'DISPLAY': ':' + server.stdout.readline().strip(), 'GDK_BACKEND': 'x11',
                       'GSK_RENDERER': 'cairo', 'GTK_A11Y': 'none', 'GSETTINGS_BACKEND': 'memory',
                       'DBUS_SESSION_BUS_ADDRESS': 'disabled:', 'HOME': home,
                       'XDG_RUNTIME_DIR': home})


# ---- who is attached ----

def mapped(pid, name):
    """The inodes of the memory of that name that a process has mapped."""
    with open(f'/proc/{pid}/maps', encoding='utf-8') as maps:
        return {line.split()[4] for line in maps if f'/memfd:shmframe:{name} ' in line}


def await_attached(pid, viewers, leasing):
    """Without a question to the producer, which is slow under a tool: viewers map its segment, and it
    maps a page for each consumer."""
    def all_there():
        for process in viewers:
            assert process.poll() is None, (process.args, process.communicate())
        return (len(mapped(pid, PAGE)) == 1 + (len(viewers) if leasing else 0)
                and all(mapped(pid, SEGMENT) & mapped(process.pid, SEGMENT) for process in viewers))

    await_true(all_there)


# ---- measuring ----

def publish(producer, frames):
    producer.stdin.write(f'{frames}\n')
    producer.stdin.flush()
    assert producer.stdout.readline() == 'done\n', producer.communicate()


def measure(*tool):
    """One producer, under a tool, and each group in turn: lines 2, 4, 6 of its input. Its pid."""
    read, write = os.pipe()
    producer = start(*tool, program, 'produce', POOL, str(read), pass_fds=[read])
    consumer = start(program, 'consume', POOL, str(write), pass_fds=[write])
    os.close(read)
    os.close(write)
    pid = int(producer.stdout.readline())
    for group, command in GROUPS.items():
        # Nice: they may be late, but attach again and again where a producer under a tool is.
        viewers = [start('nice', *command, pass_fds=[nobody_reads])
                   for _ in range(VIEWERS if command else 0)]
        await_attached(pid, viewers, group == LEASING)
        publish(producer, WARM_UP)
        publish(producer, FRAMES)
        await_attached(pid, viewers, group == LEASING)  # still
        for process in viewers:  # all at once: while others draw, on a busy machine, one dies slowly
            process.kill()
        for process in viewers:
            stop(process, signal.SIGKILL)
    output = producer.communicate(timeout=toolbox.PATIENCE)  # its input ends
    toolbox.running.remove(producer)
    assert producer.returncode == 0, output
    stop(consumer, signal.SIGKILL)
    return pid


def count_calls():
    log = f'{folder}/strace'
    pid = measure('strace', '-f', '-qq', '-o', log)
    lines, group = 0, None
    with open(log, encoding='utf-8') as entries:
        for entry in entries:
            thread, call = entry.split(maxsplit=1)
            name = re.match(r'(\w*)\(', call)
            if int(thread) != pid:
                answers[group] += call.startswith('sendmsg(')
            elif call.startswith('read(0,'):
                lines += 1
            elif call.startswith('write(1,'):
                group = None
            elif name:  # not the end of a call, where another thread's came in between
                group = list(GROUPS)[lines // 2 - 1] if lines and lines % 2 == 0 else None
                operation = re.search(r'FUTEX_\w+', call)
                calls[group][name[1] + (f' {operation[0]}' if operation else '')] += 1


def count_instructions():
    """Without those of the lock, which may be waited for, and of the allocator, whose way depends on
    what the heap's other users left."""
    out = f'{folder}/callgrind'
    measure('valgrind', '-q', '--tool=callgrind', '--fair-sched=try', '--separate-threads=yes',
            '--toggle-collect=publish_frame*', '--toggle-collect=g_mutex_lock',
            '--toggle-collect=g_mutex_unlock', '--toggle-collect=calloc', '--toggle-collect=free',
            '--dump-before=await_armed*',
            f'--callgrind-out-file={out}')
    for i, group in enumerate(GROUPS, 1):
        last = i * (WARM_UP + FRAMES)
        for number in range(last - FRAMES + 1, last + 1):
            with open(f'{out}.{number}-01', encoding='utf-8') as dump:  # of the first thread
                instructions[group].append(int(re.search(r'^totals: (\d+)', dump.read(), re.M)[1]))


def is_lock(call):
    return call.startswith('futex') and call.endswith('_PRIVATE')


def without_locks(group):
    """What the thread asked the kernel for. Where the control thread has the pool's lock or waits for it,
    a call waits or wakes: that is of the moment and not of the frame, or the instructions showed it."""
    return {call: n for call, n in calls[group].items() if not is_lock(call)}


def per_frame(group):
    """Of the frame in the middle: not of the few that an interrupted lock makes dearer."""
    return statistics.median(instructions[group])


# ---- the tests ----

def test_measure():
    if viewer:
        start_screen()
    count_calls()
    count_instructions()
    for group in GROUPS:
        print(f'# {group}: {FRAMES} frames, {answers[group]} answers to observers;',
              f'{per_frame(group):.0f} instructions a frame',
              f'({min(instructions[group])} to {max(instructions[group])});',
              ', '.join(f'{n} {call}' for call, n in sorted(calls[group].items())), flush=True)


def test_system_calls():
    assert sum(calls[ALONE].values()) >= 2 * FRAMES, 'the pace alone is two calls a frame'
    assert without_locks(OBSERVING) == without_locks(ALONE)
    assert answers[OBSERVING] >= VIEWERS, 'they did not look'
    for group in (ALONE, OBSERVING):
        locks = sum(n for call, n in calls[group].items() if is_lock(call))
        assert locks <= 2 * LOCKS * (answers[group] + 1), f'{group}: {locks} calls for locks'


def test_instructions():
    assert per_frame(OBSERVING) == per_frame(ALONE)


def test_sees_leases():
    """That it is no accident: the same measurement sees ten that are no observers."""
    assert without_locks(LEASING) != without_locks(ALONE)
    assert per_frame(LEASING) > per_frame(ALONE)


missing = [name for name in ('strace', 'valgrind', *(['Xvfb'] if viewer else []))
           if not shutil.which(name)]
if missing:
    print(f'1..0 # SKIP install {", ".join(missing).lower()}')
    shutil.rmtree(folder)
else:
    toolbox.main('disturb', [test_measure, test_system_calls, test_instructions, test_sees_leases])
