#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-inspect snapshot, as a real process: snapshot.py FRAME-INSPECT CHILD-PRODUCER"""
import json
import os
import signal
import sys

import gi
gi.require_version('GdkPixbuf', '2.0')
from gi.repository import GdkPixbuf  # noqa: E402

import toolbox

inspect, child = sys.argv[1:3]
WIDTH, HEIGHT = 64, 32


def snapshot(*arguments):
    return toolbox.run(inspect, 'snapshot', *arguments)


def path(name):
    return os.path.join(toolbox.folder, name)


def read(name):
    """Size, and the value of all pixels, which is one: grey."""
    pixbuf = GdkPixbuf.Pixbuf.new_from_file(path(name))
    values = set()
    for y in range(pixbuf.get_height()):
        row = pixbuf.get_pixels()[y * pixbuf.get_rowstride():][:pixbuf.get_width() * 3]
        values |= set(row)
    assert pixbuf.get_n_channels() == 3 and len(values) == 1, (name, values)
    return pixbuf.get_width(), pixbuf.get_height(), values.pop()


def grey(value):
    """What limited range means on a screen."""
    return min(max(round((value - 16) * 255 / 219), 0), 255)


def producer(pool, history=4, width=WIDTH, height=HEIGHT):
    made = toolbox.Producer(child, pool, history)
    made.tell(f'format {width} {height}')
    return made


def test_newest():
    writer = producer('one')
    writer.tell('publish 1 50')
    writer.tell('publish 1 150')
    code, out, err = snapshot('one', path('a.png'))
    assert code == 0 and err == '', err
    assert out == f'{path("a.png")}: frame 2, 64x32 (gray 64x32, 2048 bytes)\n', out
    assert read('a.png') == (WIDTH, HEIGHT, grey(150)), read('a.png')
    # The file that is there is replaced, and nothing else is left beside it.
    before = os.stat(path('a.png')).st_ino
    with open(path('a.png'), 'rb') as old:
        assert snapshot('one', path('a.png'), '--sequence', '1')[0] == 0
        assert os.stat(path('a.png')).st_ino != before
        assert old.read(4) == b'\x89PNG'
    assert read('a.png') == (WIDTH, HEIGHT, grey(50))
    assert [n for n in os.listdir(toolbox.folder) if 'png' in n] == ['a.png']
    writer.end()


def test_json():
    writer = producer('one')
    writer.tell('publish 3 99')
    code, out, err = snapshot('one', path('b.png'), '--json', '--size', '16x0')
    assert code == 0, err
    told = json.loads(out)
    assert told['file'] == path('b.png') and told['sequence'] == 3
    assert (told['width'], told['height']) == (16, 8) == read('b.png')[:2]
    assert told['pts-ns'] > 0 and told['publish-ns'] >= told['pts-ns']
    assert told['format-text'].startswith('gray 64x32')
    writer.end()


def test_count():
    writer = producer('one')
    writer.tell('publish 1 20')
    taker = toolbox.start(inspect, 'snapshot', 'one', path('c.png'), '--count', '3', '--json')
    for number, value in enumerate((20, 120, 220), 1):
        if number > 1:
            writer.tell(f'publish 1 {value}')
        told = json.loads(taker.stdout.readline())  # each is another frame
        assert told['sequence'] == number and told['file'] == path(f'c-000{number}.png'), told
        assert read(f'c-000{number}.png') == (WIDTH, HEIGHT, grey(value))
    taker.communicate(timeout=toolbox.PATIENCE)
    toolbox.running.remove(taker)
    assert taker.returncode == 0
    assert snapshot('one', path('d%03d.png'), '--count', '1')[0] == 0
    assert read('d001.png')[2] == grey(220)
    writer.end()


def test_every():
    """Until interrupted; from a producer that never rests: overtaken copies are made again."""
    writer = producer('one', 1, 320, 240)
    writer.send('flood')
    taker = toolbox.start(inspect, 'snapshot', 'one', path('e%d.png'), '--every', '0.01', '--json')
    last = 0
    for number in range(1, 11):
        told = json.loads(taker.stdout.readline())
        assert told['sequence'] > last and told['file'] == path(f'e{number}.png')
        last = told['sequence']
        assert read(f'e{number}.png') == (320, 240, grey(1 + (last - 1) % 255)), told
    code, _ = toolbox.stop(taker, signal.SIGINT)
    assert code == 0, code
    writer.end()


def test_sequence_to_come():
    writer = producer('one')
    taker = toolbox.start(inspect, 'snapshot', 'one', path('f.png'), '--sequence', '2')
    toolbox.await_true(lambda: 'memfd' in open(f'/proc/{taker.pid}/maps').read())  # attached
    writer.tell('publish 1 30')
    assert toolbox.run(inspect, 'show', 'one')[0] == 0  # it has looked meanwhile, and waits
    assert taker.poll() is None
    writer.tell('publish 1 40')
    out, err = taker.communicate(timeout=toolbox.PATIENCE)
    toolbox.running.remove(taker)
    assert taker.returncode == 0 and 'frame 2,' in out, (out, err)
    assert read('f.png')[2] == grey(40)
    writer.end()


def test_producer_dies():
    writer = producer('one')
    writer.tell('publish 1 30')
    taker = toolbox.start(inspect, 'snapshot', 'one', path('g.png'), '--count', '9')
    assert 'frame 1,' in taker.stdout.readline()
    writer.end(signal.SIGKILL)
    _, err = taker.communicate(timeout=toolbox.PATIENCE)
    toolbox.running.remove(taker)
    assert taker.returncode == 1 and 'frame-inspect: ' in err and 'no frame for' not in err, err


def test_errors():
    writer = producer('one')
    writer.tell('publish 9 30')
    for arguments, code, words in (
            (('one',), 2, 'two arguments'),
            (('one', 'a.png', 'b.png'), 2, 'two arguments'),
            (('one', 'a.jpg'), 2, '.png'),
            (('one', '.png'), 2, '.png'),
            (('one', 'a.png', '--size', '3'), 2, 'WIDTHxHEIGHT'),
            (('one', 'a.png', '--size', '99999x2'), 2, 'WIDTHxHEIGHT'),
            (('one', 'a.png', '--count', '0'), 2, 'from 1'),
            (('one', 'a.png', '--every', '-1'), 2, 'not negative'),
            (('one', 'a.png', '--every', 'nan'), 2, 'not negative'),
            (('one', 'a.png', '--count', '2', '--sequence', '1'), 2, 'one frame'),
            (('nobody', 'a.png'), 1, 'no producer has that name'),
            (('one', path('none/a.png')), 1, 'No such file'),
            (('one', path('h.png'), '--sequence', '1'), 1, 'frame 1 is not in the pool'),
            (('one', path('h.png'), '--size', '32768x32768'), 1, 'smaller')):
        got, out, err = snapshot(*arguments)
        assert got == code and words in err and out == '', (arguments, got, out, err)
    assert not os.path.exists(path('h.png'))
    writer.end()


toolbox.main('snapshot', (test_newest, test_json, test_count, test_every, test_sequence_to_come,
                          test_producer_dies, test_errors))
