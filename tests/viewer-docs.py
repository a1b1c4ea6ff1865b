#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pictures of frame-viewer in docs/images: viewer-docs.py FRAME-VIEWER [--update-docs]

Without the option they are made, looked through, and thrown away."""
import pathlib
import re
import sys
import time

from desktop import await_value
from viewerwindow import await_live, desk, launch, main, open_window, row

UPDATE = '--update-docs' in sys.argv
IMAGES = pathlib.Path(__file__).resolve().parents[1] / 'docs/images' if UPDATE else desk.folder
LARGEST = 150000  # bytes
HISTORY_S = 50 if UPDATE else 0  # of the charts
CAMERA = ('videotestsrc is-live=true pattern=smpte-rp-219 ! '
          'video/x-raw,format=NV12,width=1280,height=720,framerate=30/1 ! timeoverlay valignment=center '
          'halignment=center font-desc=Sans,40 ! shmframesink pool=camera history=4')
SCREEN = ('videotestsrc is-live=true pattern=ball ! '
          'video/x-raw,format=BGRx,width=640,height=360,framerate=25/1 ! shmframesink pool=screen')
# The last is too slow for what it gets, and holds all that it may.
CONSUMERS = ('shmframesrc pool=camera ! fakesink',
             'shmframesrc pool=camera delivery=latest leases=2 ! fakesink',
             'shmframesrc pool=camera leases=4 ! queue max-size-buffers=4 ! identity sleep-time=400000 ! '
             'fakesink')
taken = []  # written at the end: that takes time, which a live picture would show


def take(window, name):
    taken.append((name, desk.look(), window.root.box._replace(x=window.left, y=window.top)))


def write(name, picture, box):
    path = IMAGES / f'{name}.png'
    picture.save(path, box)
    size = path.stat().st_size
    print(f'# {name}.png: {box.width} x {box.height}, {size // 1000} kB')
    assert 10000 < size < LARGEST, f'{name}.png has {size} bytes'


def show_tab(window, number, name):
    panels = window.box('ViewerPanels')
    before = desk.look().part(panels)
    window.keys(f'alt+{number}')
    await_value(lambda: window.box(name).width > 100 and desk.look().part(panels) != before, name)


def test_pictures():
    IMAGES.mkdir(parents=True, exist_ok=True)
    for pipeline in (CAMERA, SCREEN, *CONSUMERS):
        launch(pipeline.split())
    window = open_window('camera')
    await_live(window)
    window.keys('alt+2')
    window.await_text('ViewerConsumerList', 'holds all of its')
    await_value(lambda: re.search(r'\d fps', row(window, 'screen').name), 'the other pool')
    time.sleep(HISTORY_S)
    take(window, 'frame-viewer-consumers')
    show_tab(window, 1, 'ViewerSlotMap')
    take(window, 'frame-viewer')
    show_tab(window, 3, 'Frame rate')
    take(window, 'frame-viewer-charts')
    show_tab(window, 4, 'Histogram of .*')
    take(window, 'frame-viewer-scopes')
    window.keys('ctrl+d')
    show_tab(window, 5, 'ViewerEventLog')
    window.await_text('ViewerEventLog', '^drops$')
    take(window, 'frame-viewer-log')
    window.quit()
    for name, picture, box in taken:
        write(name, picture, box)


if __name__ == '__main__':
    main('viewer-docs', globals(), [])
