#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every way of frame-bench-cell hands over whole frames and counts what it copies; cells that fail say so."""
import json
import os
import signal
import sys

from toolbox import Skip, await_true, finish, main, run, start

CELL = sys.argv[1]
FRAMES = 12
SIZE = ('--width', '1280', '--height', '720')

# Frames that the producer copies for one consumer and for two, and that each consumer copies; by the way
# or by the kernel for it.
COPIES = {
    'fd': (0, 0, 0),
    'file': (0, 0, 0),
    'gst-shmframe': (0, 0, 0),
    'gst-shmsink': (0, 0, 0),
    'gst-shmsink-copy': (1, 1, 0),
    'gst-unixfd': (0, 0, 0),
    'iceoryx': (0, 0, 0),
    'mq': (1, 2, 1),
    'mq-index': (0, 0, 0),
    'pipe': (1, 2, 1),
    'pipewire': (0, 0, 0),
    'process-vm-readv': (0, 0, 1),
    'process-vm-writev': (1, 2, 0),
    'sendfile': (0, 0, 1),
    'shm-copy': (1, 1, 1),
    'shm-futex': (0, 0, 0),
    'shm-huge': (0, 0, 0),
    'shm-predict': (0, 0, 0),
    'shm-spin': (0, 0, 0),
    'shmframe': (0, 0, 0),
    'shmframe-predict': (0, 0, 0),
    'shmframe-spin': (0, 0, 0),
    'tcp': (1, 2, 1),
    'unix': (1, 2, 1),
    'vmsplice': (0, 0, 1),
}


def measure(way, consumers):
    """The cell's result. Skip, if it is not measured here."""
    code, out, err = run(CELL, '--way', way, '--consumers', str(consumers), '--frames', str(FRAMES),
                         '--time', '10000', '--touch', *SIZE)
    result = json.loads(out)
    assert 'error' not in result, result['error']
    assert (code, err) == (0, ''), (code, err)
    if 'skipped' in result:
        assert len(result['skipped']) > 10, 'it does not say why'
        raise Skip(result['skipped'])
    return result


# What cannot be measured on Debian 12, or not without a setting of the kernel's, and says so.
REFUSALS = {'gst-unixfd': 'not measured: GStreamer 1.22.0 has no unixfdsink', 'shm-huge': 'no huge pages: set '}


def check(way, consumers):
    try:
        result = measure(way, consumers)
    except Skip as refusal:
        if not str(refusal).startswith(REFUSALS.get(way, 'there is none')):
            raise
        return
    assert way in COPIES, f'add what {way} copies to COPIES'
    producer, consumer = COPIES[way][consumers - 1], COPIES[way][2]
    seen = {key: result[key] for key in ('frames', 'torn', 'missed')}
    assert seen == {'frames': FRAMES, 'torn': 0, 'missed': 0}, (consumers, seen)
    assert len(result['latency_ns']) == FRAMES * consumers
    copied = [result[key] / result['size'] for key in ('copied_producer', 'copied_consumer')]
    assert copied == [producer, consumer], (consumers, 'copied', copied)


def test_of(way):
    def test():
        check(way, 1)
        try:
            check(way, 2)
        except Skip as reason:
            assert 'spinning' in str(reason), reason  # both consumers want a core
    test.__name__ = f'test_{way}'
    return test


def test_attached():
    """What is measured begins once consumers have mapped the frames behind the first ones."""
    code, out, err = run(CELL, '--way', 'shmframe', '--consumers', '16', '--fps', '60', '--time', '300')
    result = json.loads(out)
    assert (code, err) == (0, '') and result['faults_consumer'] < 1, (code, err, result['faults_consumer'])


def test_fewer_cores():
    """Only those that the caller may use."""
    last = max(os.sched_getaffinity(0))
    code, out, err = run('taskset', '-c', str(last), CELL, '--way', 'shm-spin', *SIZE)
    assert (code, err) == (0, '') and 'here are 1' in json.loads(out).get('skipped', ''), (code, out, err)
    code, out, err = run('taskset', '-c', str(last), CELL, '--way', 'shm-futex', '--frames', '5', *SIZE)
    assert (code, err) == (0, '') and json.loads(out)['frames'] == 5, (code, out, err)


def test_wrong_way():
    code, out, err = run(CELL, '--way', 'pigeon')
    assert (code, out) == (2, ''), (code, out)
    assert "no way 'pigeon'" in err, err


def children(pid):
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
        return [int(child) for child in file.read().split()]


def check_killed(way, victim):
    """The producer is the cell's first child, the consumers follow."""
    cell = start(CELL, '--way', way, '--consumers', '2', '--fps', '60', '--frames', '6000',
                 '--time', '100000', *SIZE)
    await_true(lambda: len(children(cell.pid)) == 3)
    processes = children(cell.pid)
    os.kill(processes[victim], signal.SIGKILL)
    code, out, err = finish(cell)
    assert (code, err) == (1, ''), (code, err)
    assert json.loads(out)['error'] == 'a process died', out
    left = [pid for pid in processes if os.path.exists(f'/proc/{pid}')]
    assert not left, f'still there: {left}'


def test_killed_producer():
    check_killed('shm-futex', 0)
    check_killed('unix', 0)


def test_killed_consumer():
    check_killed('shm-futex', 1)
    check_killed('pipe', 2)


WAYS = [line.split('\t')[0] for line in run(CELL, '--list')[1].splitlines()]
main('bench-ways', [*map(test_of, WAYS), test_attached, test_fewer_cores, test_wrong_way,
                    test_killed_producer, test_killed_consumer])
