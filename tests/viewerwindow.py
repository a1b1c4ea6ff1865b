# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-viewer's window as a person sees it, for viewer-picture.py and viewer-pools.py."""
import functools
import json
import math
import os
import re
import sys
import time

import desktop
import testcard
import toolbox
from desktop import Box, await_value
from toolbox import start

BACKGROUND = (22, 24, 26)  # round the picture
TOLERANCE = 3              # of 255
viewer = os.path.abspath(sys.argv[1])
desk = desktop.Desktop()


def solid(pool, red, green, blue):
    return ['videotestsrc', 'is-live=true', 'pattern=solid-color',
            f'foreground-color={0xff << 24 | red << 16 | green << 8 | blue}', '!',
            'video/x-raw,format=BGRx,width=320,height=180,framerate=10/1', '!', 'shmframesink',
            f'pool={pool}']


def launch(*pipelines):
    """All in one process."""
    return start('gst-launch-1.0', '-q', *(word for pipeline in pipelines for word in pipeline))


def show_card(pool, card, **options):
    return launch(card.pipeline(desk.folder, pool, **options))


def open_window(*arguments):
    return desktop.Window(desk, viewer, *arguments)


def near(a, b, tolerance=TOLERANCE):
    return all(abs(x - y) <= tolerance for x, y in zip(a, b))


# ---- the window's parts ----------------------------------------------------------------------------


def title(window):
    return window.root.name.removesuffix(' - Frame Viewer')


def rows(window):
    return [node for node in window.widget('Pools').children if node.role == 'list item']


def row(window, pool):
    return next((node for node in rows(window) if node.name.startswith(f'{pool}, ')), None)


def select(window, pool):
    """By the keyboard. Pools may come meanwhile, so that another one is hit."""
    def is_selected():
        pools, before = [node.name.split(',')[0] for node in rows(window)], title(window)
        if pool not in pools or before not in pools:
            return False
        steps = pools.index(pool) - pools.index(before)
        window.keys(*['ctrl+Next' if steps > 0 else 'ctrl+Prior'] * abs(steps))
        await_value(lambda: steps == 0 or title(window) != before, f'another pool than {before}')
        return title(window) == pool

    await_value(is_selected, f'{pool} to be selected')


def notice(window):
    """What lies over the picture."""
    return window.widget('Picture', 'image').parent.texts()


def await_notice(window, pattern):
    await_value(lambda: re.search(pattern, ' '.join(notice(window))),
                lambda: f'"{pattern}" over the picture, where stands {json.dumps(notice(window))}')


def await_live(window):
    """With a picture, so that all can be done that needs one."""
    window.await_text('ViewerStatus', '^live$')
    window.await_text('ViewerInspector', r'^\d+ %$')
    await_value(lambda: not notice(window), lambda: f'{json.dumps(notice(window))} to go')


def zoom_to_one(window):
    window.keys('1')
    window.await_text('ViewerInspector', '^100 %$')


def sequence(window):
    return int(window.await_text('ViewerStatus', r'^#(\d+)$')[1])


def place(window, width, height):
    """Where a picture of that size is, in the middle of its view."""
    box = window.box('Picture', 'image')
    return Box(box.x + math.floor((box.width - width) / 2 + 0.5),
               box.y + math.floor((box.height - height) / 2 + 0.5), width, height)


def await_colour(x, y, colour, what, tolerance=TOLERANCE):
    await_value(lambda: near(desk.look().at(x, y), colour, tolerance),
                lambda: f'{what}: {colour} at {x}, {y}, which is {desk.look().at(x, y)}')


def differences(at, card):
    """at(x, y): the colour that stands there in the picture."""
    found = []
    for x, y, field in card.points():
        if not near(at(x, y), card.shown[field]):
            found.append(f'{at(x, y)} for {card.shown[field]} at {x}, {y}')
    return found


def await_card(window, card):
    """One to one, at its place, with nothing of it beside."""
    where = place(window, testcard.WIDTH, testcard.HEIGHT)
    outside = [(-1, 0), (testcard.WIDTH, 0), (0, -1), (0, testcard.HEIGHT)]

    def wrong():
        picture = desk.look()
        return differences(lambda x, y: picture.at(where.x + x, where.y + y), card) + [
            f'the picture at {x}, {y}' for x, y in outside
            if not near(picture.at(where.x + x, where.y + y), BACKGROUND, 0)]

    await_value(lambda: not wrong(), lambda: f'{card}: {"; ".join(wrong()[:3])}')


def timed(test):
    @functools.wraps(test)
    def run():
        began = time.monotonic()
        try:
            test()
        except Exception:
            if desk.window and desk.window.process.poll() is not None:
                process = desk.window.process
                print(f'# it ended: {process.returncode} {process.communicate()}')
            raise
        finally:
            print(f'# {time.monotonic() - began:.1f} s', flush=True)
    return run


def main(module, tests, chosen):
    """Those of the tests that are chosen; all, where none is."""
    try:
        toolbox.main(module, [timed(test) for name, test in tests.items() if name.startswith('test_')
                              and (not chosen or name.removeprefix('test_') in chosen)])
    finally:
        desk.end()
