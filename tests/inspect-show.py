#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-inspect and the samples, as real processes:
inspect-show.py FRAME-INSPECT PRODUCER CONSUMER MAINLOOP"""
import json
import re
import signal
import subprocess
import sys
import unicodedata

import toolbox
from toolbox import PATIENCE, await_line, await_true, folder, running, start, stop

inspect, producer, consumer, mainloop = sys.argv[1:5]


def run(*arguments):
    return toolbox.run(inspect, *arguments)


def show(pool):
    code, out, err = run('show', pool, '--json')
    assert code == 0, err
    return json.loads(out)


def start_producer(pool):
    process = start(producer, pool)
    await_true(lambda: run('show', pool)[0] == 0 and show(pool)['frames'] > 0)
    return process


def test_list():
    assert run('list') == (0, 'no pools\n', '')
    assert json.loads(run('list', '--json')[1]) == []
    process = start_producer('one')
    pools = json.loads(run('list', '--json')[1])
    assert len(pools) == 1, pools
    assert pools[0]['pool'] == 'one' and pools[0]['pid'] == process.pid and pools[0]['live']
    assert pools[0]['path'] == f'{folder}/one.sock' and pools[0]['problem'] is None
    assert pools[0]['latest'] > 0 and pools[0]['committed-bytes'] > 0
    code, out, _ = run('list')
    assert code == 0 and out.splitlines()[0].split()[0] == 'POOL'
    assert 'nv12' in out.splitlines()[1] and '1280x720' in out.splitlines()[1]
    assert stop(process)[0] == 0
    # What a killed producer left is not listed.
    stop(start_producer('two'), signal.SIGKILL)
    assert json.loads(run('list', '--json')[1]) == []


def test_show():
    process = start_producer('one')
    reader = start(consumer, 'one')
    await_line(reader, 'frame ')
    code, out, _ = run('show', 'one')
    assert code == 0
    for word in ('nv12', f'pid {process.pid}', 'committed', str(reader.pid), 'ordered', 'live'):
        assert word in out, f'{word} is not in:\n{out}'
    assert run('show', f'{folder}/one.sock')[0] == 0
    stop(reader, signal.SIGKILL)
    await_true(lambda: 'no consumers' in run('show', 'one')[1])
    stop(process)


def test_show_json():
    process = start_producer('one')
    reader = start(consumer, 'one')
    await_line(reader, 'frame ')
    view = show('one')
    assert view['pool'] == 'one' and view['pid'] == process.pid and len(view['epoch']) == 16
    assert view['format']['pixel-format'] == 'nv12' and view['format']['width'] == 1280
    assert view['live-input'] is False and 'live' not in view
    assert 0 < view['committed-slots'] <= view['slots'] == len(view['slot-table'])
    assert view['committed-bytes'] > view['committed-slots'] * 1280 * 720
    live = [s for s in view['slot-table'] if s['state'].startswith('live')]
    assert live and all(s['generation'] == s['sequence'] << 2 | 1 for s in live)
    assert max(s['sequence'] for s in live) >= view['latest'] > 0
    (entry,) = view['consumers']
    assert entry['pid'] == reader.pid and entry['delivery'] == 'ordered' and entry['leases'] == 4
    assert {'program', 'lag', 'held', 'drops', 'longest-hold-ns', 'held-frames'} <= entry.keys()

    # A stopped consumer holds at most one frame, and its lag grows.
    reader.send_signal(signal.SIGSTOP)
    before = show('one')['latest']
    await_true(lambda: show('one')['latest'] > before + 5)
    (entry,) = show('one')['consumers']
    assert entry['lag'] >= 5 and entry['held'] == len(entry['held-frames']) <= 1, entry
    stop(reader, signal.SIGKILL)
    stop(process)


def start_as(name, program, *arguments):
    """Under another name, as it is told to whoever looks."""
    process = subprocess.Popen([name, *arguments], executable=program, stdout=subprocess.PIPE,
                               text=True)
    running.append(process)
    return process


def test_hostile_text():
    """No name breaks the JSON, or the terminal."""
    name = 'a\x1f\x1b[31m\x7f\u009b2J\u202e\u2028\u2029\u00ad\U000e0001b"'
    process = start_producer('one')
    reader = start_as(name, consumer, 'one')
    await_line(reader, 'frame ')
    for arguments in (('show', 'one', '--json'), ('show', 'one')):
        out = subprocess.check_output([inspect, *arguments], timeout=PATIENCE).decode()
        bad = [c for c in out if c != '\n' and not c.isprintable()]
        assert not bad, bad
    # Control characters do not come that far.
    assert show('one')['consumers'][0]['program'] == re.sub('[\0-\x1f\x7f]', '?', name)
    stop(reader, signal.SIGKILL)
    stop(process)


def columns_of(text):
    return sum(2 if unicodedata.east_asian_width(c) in 'WF' else 1 for c in text
               if not unicodedata.combining(c))


def test_wide_text():
    """Columns stay columns whatever the width of what stands in them."""
    process = start_producer('one')
    for name in ('camera', '日本のカメラ', 'cáméra'):
        start_as(unicodedata.normalize('NFD', name), consumer, 'one')
    await_true(lambda: len(show('one')['consumers']) == 3)
    out = subprocess.check_output([inspect, 'show', 'one'], timeout=PATIENCE).decode()
    lines = out.split('\n\n')[-1].splitlines()
    assert len(lines) == 4 and len({columns_of(line) for line in lines}) == 1, lines
    stop(process)


def test_errors():
    for arguments, code, words in (
            (('show', 'nobody'), 1, 'no producer has that name'),
            (('show', 'a/b'), 1, 'a/b'),
            (('show',), 2, 'one argument'),
            (('show', 'a', 'b'), 2, 'one argument'),
            (('list', 'a'), 2, 'no arguments'),
            (('list', '--wrong'), 2, '--wrong'),
            (('nothing',), 2, "no command 'nothing'"),
            ((), 2, 'Usage')):
        got, out, err = run(*arguments)
        assert got == code and words in err and out == '', (arguments, got, out, err)
    assert run('--help')[0] == 0
    code, out, _ = run('--version')
    assert code == 0 and re.fullmatch(r'frame-inspect \d+\.\d+\.\d+\n', out), out
    for arguments in (('list',), ('list', '--json'), ('--help',)):
        with open('/dev/full', 'w') as full:
            done = subprocess.run([inspect, *arguments], stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=PATIENCE)
        assert done.returncode == 1 and 'writing the output' in done.stderr, arguments

    process = start_producer('stopped')
    process.send_signal(signal.SIGSTOP)
    code, _, err = run('show', 'stopped')
    assert code == 1 and 'is it stopped?' in err, err
    (entry,) = json.loads(run('list', '--json')[1])
    assert entry['live'] and 'is it stopped?' in entry['problem']
    process.send_signal(signal.SIGCONT)
    stop(process)


def test_sample_usage():
    for program in (producer, consumer, mainloop):
        for argument in ('--help', '-h', '-x'):
            done = subprocess.run([program, argument], stderr=subprocess.PIPE, text=True,
                                  timeout=PATIENCE)
            assert done.returncode == 2 and '[POOL]' in done.stderr, (program, argument)


def test_samples():
    reader = start(consumer, 'sample')  # before its producer
    loop = start(mainloop, 'sample')
    writer = start(producer)
    first = await_line(reader, 'frame ')
    assert 'latency' in first and 'mean luma' in first
    assert await_line(loop, 'format: ').strip().startswith('format: nv12')
    await_true(lambda: 'frames in the last second' in loop.stdout.readline())
    assert stop(writer)[0] == 0
    reader.communicate(timeout=PATIENCE)  # ends by itself: end of stream
    running.remove(reader)
    assert reader.returncode == 0
    assert stop(loop)[0] == 0


toolbox.main('inspect', (test_list, test_show, test_show_json, test_hostile_text, test_wide_text, test_errors,
                         test_sample_usage, test_samples))
