#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-viewer's picture, in a real window with keys, clicks and pixels:
viewer-picture.py FRAME-VIEWER CHILD-PRODUCER [TEST...]"""
import os
import signal
import subprocess
import sys
import time

import desktop
import testcard
import toolbox
from desktop import Box, await_value, xdotool
from testcard import Card
from toolbox import stop
from viewerwindow import (BACKGROUND, await_card, await_colour, await_live, await_notice, desk, differences,
                          launch, main, near, open_window, place, row, select, sequence, show_card,
                          zoom_to_one)

child_producer = sys.argv[2]


def cards(matrix, full, turn):
    for pixel_format in testcard.FORMATS:
        if matrix == 'bt709' or len(testcard.names(pixel_format)) == 3 and pixel_format not in testcard.RGB:
            yield Card(pixel_format, matrix, full or pixel_format in testcard.RGB, turn)


def is_live(window, pool):
    found = row(window, pool)
    return found is not None and ' fps, gst-launch' in found.name


def test_colours():
    """Nine formats; YUV in three matrices and two ranges. Each producer takes the place of one that died."""
    window, turn = None, 0
    for matrix in testcard.MATRICES:
        for full in (False, True):
            todo = list(cards(matrix, full, turn))
            producer = launch(*(card.pipeline(desk.folder, card.format) for card in todo))
            window = window or open_window('GRAY8')
            await_value(lambda: all(is_live(window, card.format) for card in todo), 'all pools in the list')
            for card in todo if turn % 2 else reversed(todo):
                select(window, card.format)
                await_live(window)
                zoom_to_one(window)
                await_card(window, card)
            stop(producer, signal.SIGKILL)
            window.await_text('ViewerStatus', '^no producer$')
            turn += 1
    window.quit()


def test_format_change():
    """The size, with one producer and one window."""
    producer = toolbox.Producer(child_producer, 'cam')
    producer.tell('format 64 48')
    producer.tell('publish 3 200')
    window = open_window('cam')
    await_live(window)
    for width, height, value in ((64, 48, 200), (320, 240, 120), (160, 120, 60)):
        producer.tell(f'format {width} {height}')
        producer.tell(f'publish 3 {value}')
        window.await_text('ViewerStatus', f'^gray {width}x{height}')
        zoom_to_one(window)
        where = place(window, width, height)
        shown = testcard.decode((value,), 'GRAY8', 'bt709', False)
        for x, y, colour in ((0, 0, shown), (width - 1, height - 1, shown), (-1, 0, BACKGROUND),
                             (width, height - 1, BACKGROUND), (0, height, BACKGROUND)):
            await_colour(where.x + x, where.y + y, colour, f'{width} x {height}')
    window.quit()


def extent(window):
    """From where to where the picture goes, on the row and the column through the view's middle."""
    box, picture = window.box('Picture', 'image'), desk.look()
    x = [x for x in range(box.x, box.x + box.width)
         if not near(picture.at(x, box.y + box.height // 2), BACKGROUND)]
    y = [y for y in range(box.y, box.y + box.height)
         if not near(picture.at(box.x + box.width // 2, y), BACKGROUND)]
    return Box(x[0], y[0], x[-1] - x[0] + 1, y[-1] - y[0] + 1) if x and y else None


def await_width(window, width):
    await_value(lambda: extent(window) and abs(extent(window).width - width) <= 1,
                lambda: f'a picture {width} wide: {extent(window)}')


def test_zoom():
    card = Card('BGRx')
    show_card('cam', card)
    window = open_window('cam')
    await_live(window)
    box = window.box('Picture', 'image')
    fitted = round(min(box.width, box.height * testcard.WIDTH / testcard.HEIGHT))
    await_width(window, fitted)
    zoom_to_one(window)
    await_width(window, testcard.WIDTH)
    window.keys('plus')
    await_width(window, 1.5 * testcard.WIDTH)
    window.keys('minus', 'minus')
    await_width(window, 0.75 * testcard.WIDTH)
    window.keys('0')
    await_width(window, fitted)
    window.click('One to one', 'button')
    await_width(window, testcard.WIDTH)
    window.click('Zoom out', 'button')
    await_width(window, 0.75 * testcard.WIDTH)
    window.point(box.x + box.width // 2, box.y + box.height // 2)
    xdotool('click', 4)  # the wheel
    await_width(window, 0.75 * 1.25 * testcard.WIDTH)
    # From twice on pixels are squares: the fields' edges stay sharp, where they were.
    window.keys('1', 'plus', 'plus', 'plus', 'plus', 'plus', 'plus')
    window.await_text('ViewerInspector', '^800 %$')
    centre = place(window, 0, 0)
    for x, y, field in ((-1, -1, 1), (0, -1, 2), (-1, 0, 5), (0, 0, 6)):
        await_colour(centre.x + x, centre.y + y, card.shown[field], 'sharp squares', 0)
    window.keys('ctrl+Left', 'ctrl+Up')
    await_colour(centre.x, centre.y, card.shown[1], 'panned by keys')
    window.point(centre.x, centre.y)
    xdotool('mousedown', 1, 'mousemove_relative', '--', -300, -150, 'mouseup', 1)
    await_colour(centre.x, centre.y, card.shown[6], 'panned by dragging')
    window.point_away()
    window.quit()


def test_inspector():
    for card in (Card('NV12', 'bt601'), Card('I420_10LE', 'bt2020', True), Card('RGBA')):
        producer = show_card('cam', card)
        window = open_window('cam')
        await_live(window)
        zoom_to_one(window)
        where = place(window, testcard.WIDTH, testcard.HEIGHT)
        bits = testcard.FORMATS[card.format].bits
        for x, y, field in card.points()[:8]:
            window.point(where.x + x, where.y + y)
            window.await_text('ViewerInspector', f'^x {x}  y {y}$')
            values = '  '.join(f'{name} {value}' for name, value in
                               zip(testcard.names(card.format), card.values[field]))
            window.await_text('ViewerInspector', f'^{values}  .*\\({bits} bits\\)$')
            shown = window.await_text('ViewerInspector', r'^RGB (\d+) (\d+) (\d+)')
            assert near(map(int, shown.groups()), card.shown[field]), (shown, card.shown[field])
        # By keys, also past a border.
        x, y = map(int, window.await_text('ViewerInspector', r'^x (\d+)  y (\d+)$').groups())
        window.keys('shift+Right', 'shift+Up')
        window.await_text('ViewerInspector', f'^x {x + 1}  y {y - 1}$')
        window.keys(*['ctrl+shift+Left'] * 2, *['ctrl+shift+Down'] * 20)
        window.await_text('ViewerInspector', f'^x {x - 19}  y {testcard.HEIGHT - 1}$')
        window.point_away()
        window.quit()
        stop(producer)


def test_pause():
    """Each frame has a grey of its own."""
    producer = toolbox.Producer(child_producer, 'cam', history=6)
    producer.tell('format 64 48')
    values = [None] + [30 + 20 * n for n in range(1, 11)]
    producer.tell(f'publish 1 {values[1]}')
    window = open_window('cam')
    await_live(window)
    for value in values[2:9]:
        producer.tell(f'publish 1 {value}')
    centre = place(window, 0, 0)

    def await_frame(number):
        await_value(lambda: sequence(window) == number, f'frame {number}')
        await_colour(centre.x, centre.y, testcard.decode((values[number],), 'GRAY8', 'bt709', False),
                     f'frame {number}')

    await_frame(8)
    window.keys('space')
    first, n = map(int, window.await_text('ViewerStatus', r'^paused: frame (\d+) of (\d+)$').groups())
    assert first == n and n >= 6, (first, n)  # its newest, and what the history keeps
    producer.tell(f'publish 1 {values[9]}')
    ages = set()
    await_value(lambda: ages.add(window.await_text('ViewerStatus', '^age .*')[0]) or len(ages) > 4,
                'time to go by')
    await_frame(8)
    window.keys('Left')
    await_frame(7)
    window.keys('comma')
    await_frame(6)
    window.click('The frame after', 'button')
    await_frame(7)
    window.click('The frame before', 'button')
    await_frame(6)
    window.keys('Home')
    await_frame(8 - n + 1)
    window.keys('Left')
    window.await_text('ViewerStatus', f'^paused: frame 1 of {n}$')
    window.keys('End')
    await_frame(8)
    window.keys('space')
    window.await_text('ViewerStatus', '^live$')
    producer.tell(f'publish 1 {values[10]}')
    await_frame(10)
    window.quit()


def test_save_and_copy():
    card = Card('NV12', 'bt709', turn=2)
    show_card('cam', card)
    window = open_window('cam')
    await_live(window)
    window.keys('ctrl+shift+s')
    await_notice(window, 'Saved as .*cam-[0-9]+.png')
    path, = desk.home.glob('cam-*.png')
    for name, content in (('saved', path.read_bytes()), ('copied', None)):
        if content is None:
            window.keys('ctrl+c')
            await_notice(window, 'Copied')
            content = subprocess.run(
                ['xclip', '-selection', 'clipboard', '-target', 'image/png', '-out'],
                stdout=subprocess.PIPE, timeout=toolbox.PATIENCE, check=True).stdout
        picture = desktop.parse_png(content)
        assert (picture.get_width(), picture.get_height()) == (testcard.WIDTH, testcard.HEIGHT), name
        wrong = differences(lambda x, y: desktop.pixel_of(picture, x, y), card)
        assert not wrong, (name, wrong)
    # The same frame again, and another of its number, as after a restart: what is there stays.
    window.keys('space')
    window.await_text('ViewerStatus', '^paused')
    number = sequence(window)
    path = desk.home / f'cam-{number:06}.png'
    path.write_bytes(b'evidence')
    for name in (f'cam-{number:06}-2.png', f'cam-{number:06}-3.png'):
        window.keys('ctrl+shift+s')
        await_notice(window, f'Saved as .*{name}')
        assert desktop.parse_png((desk.home / name).read_bytes()).get_width() == testcard.WIDTH
    assert path.read_bytes() == b'evidence'
    window.keys('space')
    window.await_text('ViewerStatus', '^live$')
    window.keys('ctrl+s')
    dialog = await_value(lambda: xdotool('search', '--onlyvisible', '--name', 'Save the frame').split(),
                         'the dialog')[0]
    desktop.focus(dialog)
    xdotool('key', 'ctrl+a')
    xdotool('type', 'chosen.png')
    xdotool('key', 'Return')
    await_notice(window, 'Saved as .*chosen.png')
    assert desktop.parse_png((desk.home / 'chosen.png').read_bytes()).get_width() == testcard.WIDTH
    desktop.focus(window.id)
    window.quit()


def test_save_and_quit():
    """The file is written, though that takes longer than to quit."""
    launch(['videotestsrc', 'is-live=true', 'pattern=snow', '!',
            'video/x-raw,format=BGRx,width=2560,height=1440,framerate=2/1', '!', 'shmframesink',
            'pool=large'])
    window = open_window('large')
    await_live(window)
    window.keys('ctrl+shift+s')
    window.quit()
    path, = desk.home.glob('large-*.png')
    assert desktop.parse_png(path.read_bytes()).get_width() == 2560


def test_full_hd():
    """1080p60 for ten seconds: it is drawn, and counted. How much of it is printed, since that says as much
    of the machine as of the program; see bench/picture.c."""
    launch(['videotestsrc', 'is-live=true', 'pattern=ball', '!',
            'video/x-raw,format=NV12,width=1920,height=1080,framerate=60/1', '!', 'shmframesink', 'pool=cam'])
    window = open_window('cam')
    await_live(window)

    def count():
        with open(f'/proc/{window.process.pid}/stat', encoding='ascii') as file:
            fields = file.read().rpartition(')')[2].split()
        skipped, unseen = (int(window.await_text('ViewerStatus', rf'^(\d+) {name}$')[1])
                           for name in ('skipped', 'unseen'))
        return (time.monotonic(), sequence(window), skipped, unseen,
                sum(map(int, fields[11:13])) / os.sysconf('SC_CLK_TCK'))

    before = count()
    time.sleep(10)  # measured, not awaited
    seconds, frames, skipped, unseen, cpu = (b - a for a, b in zip(before, count()))
    print(f'# 1080p60: {frames / seconds:.1f} frames/s published, {skipped} skipped and {unseen} unseen of '
          f'{frames}, {100 * cpu / seconds:.0f} % of a core')
    assert frames - skipped - unseen > 0
    window.quit()


if __name__ == '__main__':
    main('viewer-picture', globals(), sys.argv[3:])
