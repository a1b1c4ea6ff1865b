#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-viewer and pools that come, go, lie and freeze, in a real window with keys, clicks and pixels:
viewer-pools.py FRAME-VIEWER FRAME-INSPECT FAULT-PRODUCER HOSTILE-POOL CHILD-PRODUCER [TEST...]"""
import contextlib
import json
import os
import re
import signal
import socket
import sys
import time

import testcard
import toolbox
from desktop import await_value, focus, xdotool
from testcard import Card
from toolbox import start, stop
from viewerwindow import (BACKGROUND, await_card, await_colour, await_live, await_notice, desk, launch, main,
                          near, open_window, place, row, rows, select, sequence, show_card, solid,
                          title, viewer, zoom_to_one)

inspect, fault_producer, hostile_pool, child_producer = sys.argv[2:6]


def test_restart():
    first, second = Card('NV12', 'bt601'), Card('P010_10LE', 'bt2020', True, 3)
    producer = show_card('cam', first)
    window = open_window('cam')
    await_live(window)
    zoom_to_one(window)
    await_card(window, first)
    stop(producer, signal.SIGKILL)
    await_notice(window, 'Not attached .*the producer died, or was killed')
    window.await_text('ViewerStatus', '^no producer$')
    await_value(lambda: 'No producer: it ended or died' in row(window, 'cam').name, 'the reason in the list')
    corner = place(window, testcard.WIDTH, testcard.HEIGHT)
    assert near(desk.look().at(corner.x, corner.y), first.shown[0]), 'the last picture stays'
    producer = show_card('cam', second)
    await_live(window)
    await_card(window, second)
    window.await_text('ViewerEventLog', '^lost$')
    window.await_text('ViewerEventLog', '^p010.*640x360')
    assert producer.poll() is None
    window.quit()


def thumbnail(window, pool):
    """The colour in its middle; None: there is none."""
    found = row(window, pool)
    box = found and found.find('GtkPicture').box
    return box and desk.look().at(window.left + box.x + box.width // 2, window.top + box.y + box.height // 2)


def test_ten_pools():
    colours = {f'pool{n}': (25 * n, 250 - 20 * n, (90 * n) % 256) for n in range(10)}
    window = open_window()
    await_notice(window, 'No pool')
    early = [launch(*(solid(pool, *colours[pool]) for pool in list(colours)[:5]))]
    await_value(lambda: len(rows(window)) == 5, 'five pools')
    late = [launch(*(solid(pool, *colours[pool]) for pool in list(colours)[5:]))]
    await_value(lambda: len(rows(window)) == 10, 'ten pools')
    for pool, colour in colours.items():
        await_value(lambda: near(thumbnail(window, pool) or BACKGROUND, colour),
                    lambda: f'the thumbnail of {pool}, {colour}: {thumbnail(window, pool)}')
        await_value(lambda: re.search(r'bgr0 320x180 10/1 fps, \d+\.\d fps, gst-launch-1.0 \(\d+\)$',
                                      row(window, pool).name), lambda: f'{row(window, pool).name}')
    centre = place(window, 0, 0)
    for pool in ('pool7', 'pool2'):  # by clicks
        box = row(window, pool).box
        window.point(window.left + box.x + box.width // 2, window.top + box.y + box.height // 2)
        xdotool('click', 1)
        await_value(lambda: title(window) == pool, pool)
        await_colour(centre.x, centre.y, colours[pool], pool)
    window.point_away()
    stop(late[0], signal.SIGKILL)
    for pool in list(colours)[5:]:
        await_value(lambda: 'No producer: it ended or died' in row(window, pool).name, f'{pool} to be gone')
    select(window, 'pool4')
    await_colour(centre.x, centre.y, colours['pool4'], 'pool4 goes on')
    launch(solid('pool5', 10, 200, 30))
    select(window, 'pool5')
    await_colour(centre.x, centre.y, (10, 200, 30), 'pool5 is back')
    assert early[0].poll() is None
    window.quit()


def test_one_name():
    """Of two pools in two folders each has its row, also where the name was asked for."""
    temporary = f'/tmp/shmframe-{os.geteuid()}'
    folders = [f'{os.environ["XDG_RUNTIME_DIR"]}/shmframe', temporary]
    made = not os.path.exists(temporary)
    for folder in folders:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    name, producers = f'twin{os.getpid()}', []
    try:
        for folder, blue in zip(folders, (40, 200)):
            os.environ['SHMFRAME_RUNTIME_DIR'] = folder
            producers.append(launch(solid(name, 30, 30, blue)))
            toolbox.await_true(lambda: os.path.exists(f'{folder}/{name}.sock'))
        os.environ.pop('SHMFRAME_RUNTIME_DIR')
        window = open_window(name)
        twins = lambda: [node.name for node in rows(window) if node.name.startswith(f'{name}, ')]
        await_value(lambda: [' fps, gst-launch' in twin for twin in twins()] == [True, True], twins)
        stop(producers.pop())
        await_value(lambda: sorted('No producer' in twin for twin in twins()) == [False, True], twins)
        shown = next(node for node in rows(window) if node.selected)
        window.await_text('ViewerStatus', '^no producer$' if 'No producer' in shown.name else '^live$')
        window.quit()
    finally:
        os.environ['SHMFRAME_RUNTIME_DIR'] = toolbox.folder
        for producer in producers:
            stop(producer)
        if made:
            with contextlib.suppress(OSError):  # somebody else's pool
                os.rmdir(temporary)


CLAIM = "the frame's descriptor claims 1099511627776 bytes, its slot has 4096"
# What is said of each.
LIES = {'header': 'its header is not what', 'layout': 'the peer said', 'payload': CLAIM, 'later': CLAIM,
        'format': 'must be at least 1x1 and at most', 'noise': "is not shmframe's",
        'silence': 'is it stopped'}


def test_hostile():
    """An error in the window, for each; the honest pool goes on."""
    card = Card('I420', 'bt601')
    show_card('honest', card)
    for lie in LIES:
        assert start(hostile_pool, lie, f'lie-{lie}').stdout.readline() == 'ready\n'
    said = {f'lie-{lie}': words for lie, words in LIES.items()}
    said['foreign'] = 'this is not the socket of a pool'
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(f'{toolbox.folder}/foreign.sock')
        foreign.listen()
        window = open_window('honest')
        await_live(window)
        for pool, words in said.items():
            select(window, pool)
            await_notice(window, f'Not attached .*{words}')
            await_value(lambda: re.search(words, row(window, pool).name),
                        lambda: f'{words} in the list: {row(window, pool).name}')
        select(window, 'honest')
        await_live(window)
        zoom_to_one(window)
        await_card(window, card)
        before = sequence(window)
        await_value(lambda: sequence(window) > before + 5, 'the honest pool to go on')
        window.quit()


def test_nobody_there():
    """Of that name; a killed producer's socket is one of nobody's."""
    producer = show_card('dead', Card('RGBA'))
    await_value(lambda: os.path.exists(f'{toolbox.folder}/dead.sock'), 'its socket')
    stop(producer, signal.SIGKILL)
    for pool in ('dead', 'never'):
        window = open_window(pool)
        await_notice(window, f'Not attached .*pool {pool}: no producer has that name')
        window.quit()


def test_log():
    """A frozen picture is said."""
    assert start(fault_producer, 'freeze', 'cam').stdout.readline() == 'ready\n'
    window = open_window('cam')
    window.keys('alt+5')
    window.await_text('ViewerEventLog', '^attached$')
    window.await_text('ViewerEventLog', '^freeze$')
    window.quit()


def test_stopped():
    """A producer that is stopped is there, and says nothing."""
    producer = show_card('cam', Card('I420', 'bt601'))
    window = open_window('cam')
    await_live(window)
    producer.send_signal(signal.SIGSTOP)
    await_notice(window, 'Not attached .*is it stopped')
    await_value(lambda: window.root.texts().count('producer does not answer') == 2,
                'that in the header and the status line')
    await_value(lambda: row(window, 'cam').name.startswith('cam, the producer did not answer'),
                lambda: f'that in the list: {row(window, "cam").name}')
    producer.send_signal(signal.SIGCONT)
    await_live(window)
    window.quit()


def test_ended():
    """The stream, while the producer lives."""
    assert start(fault_producer, 'ended', 'cam').stdout.readline() == 'ready\n'
    window = open_window('cam')
    window.await_text('ViewerStatus', '^ended$')
    window.keys('alt+5')
    window.await_text('ViewerEventLog', '^ended$')
    window.quit()


def test_evicted():
    """By a live producer: who, and why."""
    launch(solid('cam', 30, 200, 200))
    consumer = launch(['shmframesrc', 'pool=cam', 'delivery=lossless', '!', 'fakesink'])
    window = open_window('cam')
    await_live(window)
    window.keys('alt+5')
    await_value(lambda: consumers('cam') == ['gst-launch-1.0'], 'the consumer')
    time.sleep(0.5)  # the window asks four times a second
    consumer.send_signal(signal.SIGSTOP)
    window.await_text('ViewerEventLog',
                      rf'^gst-launch-1.0 \(pid {consumer.pid}\) was evicted: its window was full')
    stop(consumer, signal.SIGKILL)
    window.quit()


def test_small():
    """The window can be made small, with all of its parts, and without."""
    launch(solid('cam', 200, 200, 30))
    window = open_window('cam')
    await_live(window)
    for keys, size in (([], (700, 500)), ([], (1360, 860)), (['F9', 'ctrl+F9'], (700, 500))):
        window.keys(*keys)
        xdotool('windowsize', window.id, *size)
        time.sleep(0.5)  # GTK makes it larger again where its parts need that
        geometry = xdotool('getwindowgeometry', window.id)
        assert 'Geometry: {}x{}\n'.format(*size) in geometry, (size, geometry)
        status = window.widget('ViewerStatus').box
        assert status.x + status.width <= size[0] and status.y + status.height <= size[1], status
    window.quit()


def test_usage():
    for arguments in (['--bogus'], ['one', 'two']):
        code, out, err = toolbox.run(viewer, *arguments)
        assert code == 2 and out == '' and err != '', (arguments, code, out, err)


def test_log_consumers():
    """Who comes and goes, and whose drops they are: the producer's are not held against who counts them."""
    producer = toolbox.Producer(child_producer, 'cam')
    producer.tell('format 64 48')
    producer.tell('publish 1 100')
    window = open_window('cam')
    await_live(window)
    window.keys('alt+5')
    consumer = start('gst-launch-1.0', '-q', 'shmframesrc', 'pool=cam', '!', 'fakesink')
    window.await_text('ViewerEventLog', '^consumer-attached$')
    producer.tell('drop 5')
    producer.tell('publish 1 100')
    window.await_text('ViewerEventLog', '^the producer dropped 5 frames$')
    await_value(lambda: consumers('cam', 'drops') == [5], 'the consumer to pass over them')
    stop(consumer, signal.SIGKILL)
    window.await_text('ViewerEventLog', '^consumer-detached$')
    assert 'drops' not in window.texts('ViewerEventLog'), window.texts('ViewerEventLog')
    producer.end()
    window.quit()


def is_drawn(box):
    """There is something in it, of some size."""
    part = desk.look().part(box)
    return box.width > 200 and len({part[at:at + 4] for at in range(0, len(part), 4)}) > 3


def test_panels():
    launch(solid('cam', 200, 30, 30))
    consumer = launch(['shmframesrc', 'pool=cam', '!', 'fakesink'])
    window = open_window('cam')
    await_live(window)
    tabs = {'Slots': ('ViewerSlotMap', r'latest 1\b'),
            'Consumers': ('ViewerConsumerList', f'^{consumer.pid}$'), 'Charts': ('Frame rate', None),
            'Scopes': ('Histogram of .*', None), 'Log': ('ViewerEventLog', '^attached$')}
    for number, (tab, (name, text)) in enumerate(tabs.items(), 1):
        for choose in (lambda: window.keys(f'alt+{number}'), lambda: window.click(tab, 'tab')):
            window.keys('alt+1' if number != 1 else 'alt+2')
            await_value(lambda: not window.widget(tab, 'tab').selected, f'another tab than {tab}')
            choose()
            await_value(lambda: window.widget(tab, 'tab').selected, f'the tab {tab}')
        window.point_away()
        if text:
            window.await_text(name, text)
        await_value(lambda: is_drawn(window.box(name)), f'the contents of {tab}')
    window.quit()


def test_dark():
    window = open_window()
    box = window.box('ViewerStatus')
    at = box.x + box.width // 2, box.y + 2
    await_value(lambda: min(desk.look().at(*at)) > 180, 'a light window')
    window.keys('ctrl+d')
    await_value(lambda: max(desk.look().at(*at)) < 80, 'a dark window')
    window.keys('ctrl+d')
    await_value(lambda: min(desk.look().at(*at)) > 180, 'a light window again')
    window.quit()


def windows(name):
    return xdotool('search', '--onlyvisible', '--name', name).split()


def test_keyboard():
    """The rest of the keys."""
    launch(solid('cam', 30, 30, 200))
    window = open_window('cam')
    await_live(window)
    wide = window.box('Picture', 'image')
    window.keys('F9')
    await_value(lambda: window.box('Picture', 'image').width > wide.width + 200, 'no list of pools')
    window.keys('ctrl+F9')
    await_value(lambda: window.box('Picture', 'image').height > wide.height + 200, 'no panels')
    window.keys('F9', 'ctrl+F9')
    await_value(lambda: window.box('Picture', 'image') == wide, 'all as before')
    launch(solid('dam', 30, 30, 200))
    await_value(lambda: row(window, 'dam'), 'another pool')
    window.keys('ctrl+l', 'Down')
    await_value(lambda: title(window) == 'dam', 'the other pool by an arrow key')
    await_live(window)
    window.keys('F7', 'space')
    window.await_text('ViewerStatus', '^paused')
    window.keys('F1')
    shortcuts = await_value(lambda: windows('^Keyboard Shortcuts$'), 'the window of shortcuts')
    focus(shortcuts[0])
    xdotool('key', 'Escape')
    await_value(lambda: not windows('^Keyboard Shortcuts$'), 'it to close')
    focus(window.id)
    window.quit()


def consumers(pool, key='program'):
    said = json.loads(toolbox.run(inspect, 'show', pool, '--json')[1])
    return [entry[key] for entry in said['consumers']]


def test_lease():
    """It is an observer, or a consumer where it is told so."""
    launch(solid('cam', 30, 200, 30))
    for arguments, seen in ((['cam'], []), (['--lease', 'cam'], ['frame-viewer'])):
        window = open_window(*arguments)
        await_live(window)
        before = sequence(window)
        await_value(lambda: sequence(window) > before + 5, 'frames')
        assert consumers('cam') == seen, (arguments, consumers('cam'))
        window.quit()
        await_value(lambda: consumers('cam') == [], 'it to be gone')


if __name__ == '__main__':
    main('viewer-pools', globals(), sys.argv[6:])
