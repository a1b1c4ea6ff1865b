#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real camera clip goes through shared memory to several processes, without a copy.

demo.py [--build DIR]    uses what was built in DIR (build/); leaves its files in DIR/demo
"""
import argparse
import os
import pathlib
import re
import shlex
import signal
import sys
import time

import checks as report
from clip import ClipError, fetch
from processes import POLL_S, TIMEOUT_S, Failure, Stages, descriptors, settle

TOP = pathlib.Path(__file__).resolve().parents[2]
CLIP = 'motion.mov'
DECODER = f'filesrc location={CLIP} ! qtdemux ! h264parse ! avdec_h264'
RECORDING = 'encoded.mkv'
PICTURES = 'render-%02d.png'

# x264enc keeps 40 frames and more. With as many leases from the start none is ever copied; without
# `leases` the source asks for more as it goes, and copies frames meanwhile. The producer needs
# slots for these, for the other consumers' and for its own decoder's frames; it commits them as the
# consumers come.
X264_LEASES = 64
SLOTS = 128
JOINER_LEASES = 4
JOIN_AT = 60  # frames
HOLD_S = 1


INTRODUCTION = """\
One process decodes a camera clip into shared memory. Another records it from there, a third shows
it, a fourth comes late and is killed. Each runs a pipeline, here by the program `stage`, which also
writes down each frame's hash and, at the end, the elements' counters; `gst-launch-1.0 -e PIPELINE`,
the pipeline without its quotes, runs the same without that. To try one by hand:
"""


class Live:
    """The run in real time: progress, and what the pool looks like."""

    def __init__(self, stages):
        self.stages = stages
        self.begin = self.reported = time.monotonic()

    def inspect(self):
        pool = self.stages.inspect('demo')
        now = time.monotonic()
        if pool and pool['consumers'] and now - self.reported >= 1:
            self.reported = now
            consumers = '   '.join(f'{c["program"]}: lag {c["lag"]}, holds {c["held"]}'
                                   for c in pool['consumers'])
            print(f'  {now - self.begin:4.1f} s  frame {pool["latest"]:3}   {consumers}   '
                  f'[{pool["committed-slots"]} slots, {pool["committed-bytes"] / 1e6:.1f} MB]',
                  flush=True)
        return pool

    def wait_for(self, what, condition, needed, seconds=20):
        """Until the condition holds for the pool; the processes `needed` must not end before."""
        end = time.monotonic() + seconds
        while True:
            pool = self.inspect()
            if pool and condition(pool):
                return pool
            ended = [stage for stage in needed if stage.process.poll() is not None]
            if ended or time.monotonic() > end:
                why = ', '.join(f'{s.name} has ended' for s in ended) or f'{seconds} s are over'
                logs = '\n'.join(stage.log() for stage in needed)
                raise Failure(f'Waiting for {what}: {why}\n{logs}')
            time.sleep(POLL_S)


def consumer(pool, stage):
    return next((c for c in pool['consumers'] if c['pid'] == stage.pid), None)


def slots_held_by(pool, stage):
    return sum(str(stage.pid) in slot['holders'] for slot in pool['slot-table'])


def render_pipeline(stages):
    """A window where there is a display that a sink can use; else pictures, one a second."""
    if os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY'):
        text, done = stages.output('gst-launch-1.0', '-v', 'videotestsrc', 'num-buffers=1', '!',
                                   'autovideosink')
        sink = re.search(r'GstAutoVideoSink:[^/]*/Gst(\w+):', text)
        if done and sink and not sink[1].startswith('Fake'):
            print(f'\nThere is a display: frames are rendered in a window, by {sink[1]}.')
            # With a queue, so that a frame is leased while the one before waits for its time.
            return ('shmframesrc name=in pool=demo leases=8 ! queue max-size-buffers=4 ! '
                    'videoconvert ! autovideosink'), None
        print('\nThere is a display, but no GStreamer sink that can use it (the package '
              'gstreamer1.0-x has some).')
    print(f'\nNo window: frames are rendered as PNG pictures, {stages.folder / PICTURES}.')
    return ('shmframesrc name=in pool=demo ! videorate ! video/x-raw,framerate=1/1 ! videoconvert '
            f'! pngenc ! multifilesink location={PICTURES}'), PICTURES


def decode(stages):
    """The decoder's own frames, decoded into ordinary memory by a process of its own."""
    print('\nReference: the clip decoded into ordinary memory.')
    stage = stages.start('reference', f'{DECODER} name=decoder ! fakesink', 'decoder.src')
    if stage.finish() != 0:
        raise Failure(f'The clip cannot be decoded\n{stage.log()}')
    frames = stage.hashes()
    if not frames:
        raise Failure('The clip has no frames')
    n_different = len({md5 for _, _, _, md5 in frames})
    print(f'  {len(frames)} frames of {frames[0][2]:,} bytes, {n_different} of them different')
    return [md5 for _, _, _, md5 in frames], frames[0][2]


def snapshot(live, capture, joiner=None, want=None):
    pool = live.inspect()
    if not pool:
        raise Failure(f'The pool is gone early\n{capture.log()}')
    return {'consumers': len(pool['consumers']),
            'slots that the joiner holds': slots_held_by(pool, joiner) if joiner else 0,
            'descriptors': settle(lambda: descriptors(capture.pid, live.stages.runtime), want),
            'files': live.stages.files()}


def kill_joiner(stages, live, capture, needed):
    """Joins late, holds frames, is killed. Gives the process, and three snapshots."""
    before = snapshot(live, capture)
    print('\nA late joiner, which will hold its frames for an hour:')
    joiner = stages.start('joiner', f'shmframesrc name=in pool=demo leases={JOINER_LEASES} ! '
                          'queue max-size-buffers=2 ! fakevideosink sync=true '
                          'ts-offset=3600000000000', 'in.src')
    live.wait_for('the joiner to hold frames',
                  lambda pool: slots_held_by(pool, joiner) >= JOINER_LEASES, (*needed, joiner))
    holding = snapshot(live, capture, joiner)
    end = time.monotonic() + HOLD_S
    live.wait_for('a while', lambda _: time.monotonic() >= end, (*needed, joiner))
    joiner.kill()
    print(f'\n  kill -KILL {joiner.pid}\n')
    live.wait_for('the joiner to be forgotten',
                  lambda pool: not consumer(pool, joiner) and not slots_held_by(pool, joiner),
                  needed)
    after = snapshot(live, capture, joiner, want=before['descriptors'])
    return joiner, (before, holding, after)


def run_live(stages):
    render_command, pictures = render_pipeline(stages)
    for old in stages.folder.glob('render-*.png'):
        old.unlink()

    print('\nThe recorder, which waits for its producer; and the producer, which waits for it:')
    encode = stages.start('encode', f'shmframesrc name=in pool=demo delivery=lossless '
                          f'leases={X264_LEASES} ! x264enc ! matroskamux ! '
                          f'filesink location={RECORDING}', 'in.src')
    capture = stages.start('capture', f'{DECODER} ! shmframesink name=out pool=demo slots={SLOTS} '
                           'wait-for-consumer=true')
    live = Live(stages)
    live.wait_for('the recorder', lambda pool: consumer(pool, encode), (encode, capture))
    print('\nThe viewer, which comes a little later:')
    render = stages.start('render', render_command, 'in.src')
    print()
    needed = (encode, capture, render)
    live.wait_for('the viewer', lambda pool: consumer(pool, render), needed)
    live.wait_for(f'frame {JOIN_AT}', lambda pool: pool['latest'] >= JOIN_AT, needed)
    joiner, snapshots = kill_joiner(stages, live, capture, needed)
    end = time.monotonic() + TIMEOUT_S
    while capture.process.poll() is None and time.monotonic() < end:
        live.inspect()
        time.sleep(POLL_S)
    return {'capture': capture, 'encode': encode, 'render': render, 'joiner': joiner,
            'snapshots': snapshots, 'pictures': pictures}


def run_control(stages):
    print('\nControl: the same clip, with memory that is not the pool\'s: an element between '
          'decoder and sink\nhides the pool\'s offer.')
    receive = stages.start('control-receive',
                           'shmframesrc name=in pool=control delivery=lossless ! fakevideosink '
                           'sync=false', 'in.src')
    capture = stages.start('control-capture',
                           f'{DECODER} ! identity drop-allocation=true ! shmframesink name=out '
                           'pool=control wait-for-consumer=true sync=false')
    return capture, receive


def show_snapshots(snapshots):
    kinds = sorted(set().union(*(s['descriptors'] for s in snapshots)))
    rows = [(name, *(s[name] for s in snapshots))
            for name in ('consumers', 'slots that the joiner holds')]
    rows += [(f'descriptors of capture: {kind}', *(s['descriptors'][kind] for s in snapshots))
             for kind in kinds]
    rows.append(('files in the runtime folder', *(' '.join(s['files']) for s in snapshots)))
    print('\nA consumer killed while it held frames')
    report.table(('', 'before it came', 'while it held', 'after SIGKILL'), rows)


def check_live(checks, live, reference):
    capture, encode, render, joiner = (live[name] for name in
                                       ('capture', 'encode', 'render', 'joiner'))
    for stage in (capture, encode, render):
        checks.exit_code(stage)
    checks.exit_code(joiner, -signal.SIGKILL)
    n = len(reference)
    stats = {stage.name: stage.stats('shmframesrc') for stage in (encode, render)}
    counted = capture.stats('shmframesink')
    checks.check('capture: frames published', counted.get('frames'), n)
    checks.check('capture: frames dropped', counted.get('drops'), 0)
    checks.check('encode: frames dropped', stats['encode'].get('drops'), 0)
    checks.frames(encode, reference, complete=True)
    for stage in (render, joiner):
        checks.frames(stage, reference, complete=False)
    for stage in (encode, render):
        checks.check(f'{stage.name}: frames counted by the element, and hashed',
                     stats[stage.name].get('frames'), len(stage.hashes()))
    received = [offset for _, offset, _, _ in render.hashes()] or [0]
    missing = received[-1] - received[0] + 1 - len(received)
    drops = stats['render'].get('drops', 0)
    checks.check(f'render: frames missing in between ({drops} counted as drops)', missing,
                 f'at most {drops}', missing <= drops)
    checks.check('render: last frame', received[-1], n)
    for name, counters in (('capture', counted), *stats.items()):
        checks.check(f'{name}: copied bytes', counters.get('copied-bytes'), 0)
    for name, counters in stats.items():
        p50, p99 = counters.get('latency-p50', 0), counters.get('latency-p99', 0)
        checks.check(f'{name}: publication to lease, p50 and p99 in ns', f'{p50}, {p99}',
                     'p99 over p50 over 0', 0 < p50 <= p99)


def check_snapshots(checks, snapshots):
    before, holding, after = snapshots
    checks.check('joiner: slots held before the SIGKILL',
                 holding['slots that the joiner holds'], JOINER_LEASES)
    checks.check('joiner: slots held after it', after['slots that the joiner holds'], 0)
    checks.check('capture: consumers before, during, after',
                 [s['consumers'] for s in snapshots],
                 [before['consumers'], before['consumers'] + 1, before['consumers']])
    checks.check('capture: descriptors after, less before',
                 sum((after['descriptors'] - before['descriptors']).values()), 0)
    checks.check('runtime folder: as before', after['files'], before['files'])


def check_files(checks, stages, live, n_frames):
    print('\nThe recording, decoded again:')
    decoded = stages.start('recording', f'filesrc location={RECORDING} ! matroskademux ! h264parse '
                           '! avdec_h264 name=decoder ! fakesink', 'decoder.src')
    print('\nThe recording and the pictures')
    checks.exit_code(decoded)
    checks.check('recording: frames', len(decoded.hashes()), n_frames)
    if live['pictures']:
        pictures = sorted(stages.folder.glob('render-*.png'))
        whole = sum(b'IEND' in path.read_bytes()[-12:] for path in pictures)
        checks.check('pictures: complete PNG files', whole, 'at least 3', whole >= 3)


def check_control(checks, capture, receive, reference, size):
    for stage in (capture, receive):
        checks.exit_code(stage)
    checks.frames(receive, reference, complete=True)
    stats = capture.stats('shmframesink')
    total = len(reference) * size
    checks.check(f'control-capture: copied bytes ({len(reference)} x {size:,})',
                 stats.get('copied-bytes'), total)
    checks.check('control-capture: why', report.reasons(stats, 'copied'), {'foreign': total})
    checks.check('control-receive: copied bytes',
                 receive.stats('shmframesrc').get('copied-bytes'), 0)


def demonstrate(stages, checks):
    print(INTRODUCTION)
    print(f'  cd {shlex.quote(str(stages.folder))}')
    for name, value in stages.settings.items():
        print(f'  export {name}={shlex.quote(value)}')

    reference, size = decode(stages)
    live = run_live(stages)
    print('\nFrames')
    check_live(checks, live, reference)
    show_snapshots(live['snapshots'])
    check_snapshots(checks, live['snapshots'])
    check_files(checks, stages, live, len(reference))

    capture, receive = run_control(stages)
    print('\nControl')
    check_control(checks, capture, receive, reference, size)

    print('\nNothing is left')
    checks.check('processes that still run', stages.running(), [])
    checks.check('files in the runtime folder', stages.files(), [])

    print('\nThe elements\' own counters (p50, p99: from publication to the lease; "early": published '
          'before\nthe consumer came)')
    report.counter_table([
        report.counter_row(live['capture'], 'shmframesink', 'shmframesink'),
        report.counter_row(live['encode'], 'shmframesrc', 'shmframesrc, lossless'),
        report.counter_row(live['render'], 'shmframesrc', 'shmframesrc, ordered'),
        report.counter_row(capture, 'shmframesink', 'shmframesink, foreign memory'),
        report.counter_row(receive, 'shmframesrc', 'shmframesrc, lossless'),
    ])


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description='Moves a camera clip between processes, without a '
                                     'copy, and checks every frame of it.')
    parser.add_argument('--build', type=pathlib.Path, default=TOP / 'build', metavar='DIR',
                        help='what was built (build/)')
    build = parser.parse_args().build.resolve()
    folder = build / 'demo'
    begin = time.monotonic()
    checks = report.Checks()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        folder.mkdir(exist_ok=True)
        fetch(folder / CLIP)
        with Stages(build, folder) as stages:
            demonstrate(stages, checks)
    except (ClipError, Failure, OSError) as error:
        print(f'\ndemo: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ndemo: interrupted; all its processes are ended', file=sys.stderr)
        return 130
    print(f'\n{checks.n_passed} checks passed, {checks.n_failed} failed, in '
          f'{time.monotonic() - begin:.0f} s. Files: {folder}')
    return 1 if checks.n_failed else 0


if __name__ == '__main__':
    sys.exit(main())
