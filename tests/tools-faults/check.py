#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-inspect check, on pipelines that inject one fault each: check.py FRAME-INSPECT FAULT-PRODUCER

The limits are wide: a busy machine is no fault.
"""
import json
import os
import pathlib
import re
import signal
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))
import toolbox  # noqa: E402
from toolbox import await_line, finish, start  # noqa: E402

toolbox.PATIENCE = 60  # seconds
FAULTS = ('freeze', 'duplicate', 'gap', 'backwards', 'late', 'tear')
LIMITS = ('--freeze', '5', '--late', '1000')
inspect, fault_producer = sys.argv[1:3]


def produce(kind):
    """A pool of that name, once it runs."""
    process = start(fault_producer, 'clean' if kind == 'other' else kind, kind)
    await_line(process, 'ready')
    return process


def check(pool, *options):
    return start(inspect, 'check', pool, *options)


def test_verdicts():
    """Each detector finds its fault and no other; none finds one in a clean pool."""
    kinds = ('clean', *FAULTS)
    producers = [start(fault_producer, kind, kind) for kind in kinds]
    for producer in producers:
        await_line(producer, 'ready')
    checks = [check(kind, '--json', '--seconds', '10', *LIMITS) for kind in kinds]
    wrong = []
    for kind, process in zip(kinds, checks):
        code, out, err = finish(process)
        verdict = json.loads(out)
        found = {name: n for name, n in verdict['counts'].items() if n > 0}
        print(f'# {kind}: {code} {found}, {verdict["frames"]} frames, {verdict["fps"]:.1f} fps, '
              f'{verdict["unseen"]} unseen, {verdict["overtaken"]} overtaken', flush=True)
        expected = ('clean', 0, set()) if kind == 'clean' else ('faults', 3, {kind})
        if (verdict['verdict'], code, set(found)) != expected:
            wrong.append(f'{kind}: {out} {err}')
        elif found and verdict['faults'][0]['kind'] != kind:
            wrong.append(f'{kind}: {verdict["faults"]}')
    for producer in producers:
        finish(producer, signal.SIGTERM)
    assert not wrong, wrong


def test_text():
    producer = produce('gap')
    process = check('gap', '--seconds', '60', *LIMITS)
    line = await_line(process, 'gap: frame ')
    assert 'what feeds it' in line, line
    code, out, _ = finish(process, signal.SIGINT)  # ends early, with its verdict
    assert code == 3 and out.splitlines()[-1].startswith('faults: gap '), out
    finish(producer, signal.SIGTERM)

    producer = produce('clean')
    code, out, _ = finish(check('clean', '--seconds', '2', *LIMITS))
    assert code == 0 and out.startswith('clean: ') and ' unseen' in out, out
    finish(producer, signal.SIGTERM)


def check_compressed(kind, encoder, media_type):
    if toolbox.run('gst-inspect-1.0', '--exists', encoder)[0] != 0:
        raise toolbox.Skip(f'needs {encoder}')
    producer = produce(kind)
    assert media_type in toolbox.run(inspect, 'show', kind)[1]
    code, out, err = finish(check(kind, '--seconds', '2', '--json', *LIMITS))
    verdict = json.loads(out)
    assert code == 0 and verdict['verdict'] == 'clean' and verdict['frames'] > 0, (out, err)
    finish(producer, signal.SIGTERM)


def test_jpeg():
    check_compressed('jpeg', 'jpegenc', 'image/jpeg')


def test_h264():
    """Most of its frames need the ones before them: no consumer could begin anywhere."""
    check_compressed('h264', 'x264enc', 'video/x-h264')


def test_silent():
    """No frame at all is a freeze, as long as the producer lives."""
    producer = produce('silent')
    code, out, _ = finish(check('silent', '--seconds', '3', '--freeze', '1'))
    assert code == 3 and re.search('freeze: frame 0: the producer stands still, .*: no frame for ', out), out
    assert out.splitlines()[-1].startswith('faults: freeze 1; 0 frames'), out
    code, _, err = finish(check('silent', '--seconds', '1', '--freeze', '0'))
    assert code == 1 and 'no frame came' in err, err
    finish(producer, signal.SIGTERM)


def test_timeless():
    """It is said what could not be judged."""
    producer = produce('timeless')
    code, out, _ = finish(check('timeless', '--seconds', '1'))
    assert code == 0 and 'frames without pts: order and lateness not judged' in out, out
    finish(producer, signal.SIGTERM)


def test_dropping():
    """What the producer drops and counts is a gap; watch says how many."""
    producer = produce('dropping')
    code, out, _ = finish(check('dropping', '--seconds', '3', '--json', '--freeze', '0'))
    verdict = json.loads(out)
    assert code == 3 and [k for k, n in verdict['counts'].items() if n > 0] == ['gap'], out
    assert 'the producer dropped' in verdict['faults'][0]['text'], out
    process = start(inspect, 'watch', 'dropping')
    seen = set()
    for line in process.stdout:
        event = json.loads(line)
        seen.add(event['event'])
        if event['event'] == 'dropped':
            assert event['count'] > 0, event
        if event['event'] == 'fault' and event['kind'] == 'gap':
            assert 'the producer dropped' in event['text'], event
        if {'dropped', 'fault'} <= seen:
            break
    assert finish(process, signal.SIGTERM)[0] == 0
    finish(producer, signal.SIGTERM)


def test_not_there():
    code, out, err = finish(check('nobody'))
    assert code == 1 and 'no producer has that name' in err and out == '', (out, err)
    code, out, _ = finish(check('nobody', '--json'))
    verdict = json.loads(out)
    assert code == 1 and verdict['verdict'] == 'failed' and verdict['frames'] == 0, out
    assert 'no producer has that name' in verdict['problem'], out
    for options in ((), ('a', 'b'), ('a', '--seconds', '0'), ('a', '--freeze', '-1'),
                    ('a', '--late', 'much'), ('a', '--seconds', 'nan')):
        code, out, err = finish(start(inspect, 'check', *options))
        assert code == 2 and out == '' and err, (options, out, err)


def test_dies():
    """A producer that dies while it is checked, and does not come back."""
    producer = produce('gap')
    process = check('gap', '--seconds', '60', *LIMITS)
    await_line(process, 'gap: ')
    finish(producer, signal.SIGKILL)
    await_line(process, 'lost: ')
    code, out, _ = finish(process, signal.SIGINT)
    assert code == 3 and out.splitlines()[-1].startswith('faults: gap '), out

    producer = produce('clean')
    process = check('clean', '--seconds', '4', *LIMITS)
    time.sleep(2)  # it has seen some frames
    finish(producer, signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 1 and 'the producer died, or was killed' in err, (out, err)
    assert out.splitlines()[-1].startswith('failed: ') and ' frames in ' in out, out


def test_ended():
    """After its end of stream a pool is silent, and rightly."""
    producer = produce('ended')
    code, out, err = finish(check('ended', '--seconds', '3', '--freeze', '0.5'))
    assert code == 0 and out.startswith('clean: '), (out, err)
    assert out.endswith('; its stream has ended\n'), out
    code, out, _ = finish(check('ended', '--seconds', '2', '--freeze', '0.5', '--json'))
    verdict = json.loads(out)
    assert code == 0 and verdict['ended'] is True and verdict['frames'] > 0, out
    finish(producer, signal.SIGTERM)


def test_comes_back():
    """A producer that crashes and is started again is no clean pool."""
    producer = produce('clean')
    process = check('clean', '--seconds', '60', *LIMITS)
    memory = pathlib.Path(f'/proc/{process.pid}/maps')
    toolbox.await_true(lambda: 'shmframe-clean' in memory.read_text())
    finish(produce('other'), signal.SIGKILL)  # which takes longer than what is left of attaching
    for _ in range(2):
        finish(producer, signal.SIGKILL)
        await_line(process, 'lost: ')
        producer = produce('clean')
        await_line(process, 'back')
    code, out, err = finish(process, signal.SIGINT)
    assert code == 1 and 'its producer was lost, and came back, ' in err, (out, err)
    assert '\nclean: ' not in out, out
    finish(producer, signal.SIGTERM)


def test_too_few():
    """A pool of which hardly a frame can be looked at is not called clean, whatever was seen by luck."""
    producer = start('gst-launch-1.0', '-q', 'videotestsrc', 'is-live=true', 'pattern=snow', '!',
                     'video/x-raw,framerate=30/1', '!', 'shmframesink', 'pool=few', 'history=0')
    toolbox.await_true(lambda: os.path.exists(f'{toolbox.folder}/few.sock'))
    for _ in range(3):
        code, out, err = finish(check('few', '--seconds', '2', '--freeze', '0', '--late', '1000'))
        assert code == 1 and 'could be looked at' in err, (out, err)
    finish(producer, signal.SIGINT)


toolbox.main('check', (test_verdicts, test_text, test_jpeg, test_h264, test_silent, test_timeless, test_dropping,
                       test_not_there, test_dies, test_ended, test_comes_back, test_too_few))
