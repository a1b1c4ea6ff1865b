#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where a frame is between appsrc and appsink, and how long: what explains the elements' latency.

elements-timeline.py BUILD   as root, with perf (apt install linux-perf) and nothing else running

Kernel probes on functions of GStreamer and of shmframe, in frame-bench's pipelines at 2160p60. Each
costs a microsecond or two, so the sum is above what frame-bench measures.
"""
import os
import re
import statistics
import subprocess
import sys
import tempfile

ROUNDS, WARM_UP = 5, 20
LIBRARIES = '/usr/lib/x86_64-linux-gnu'
build = os.path.abspath(sys.argv[1])
app, core = f'{LIBRARIES}/libgstapp-1.0.so.0', f'{LIBRARIES}/libgstreamer-1.0.so.0'
plugin, library = f'{build}/gst-plugin/libgstshmframe.so', f'{build}/lib/libshmframe-1.0.so.0'
PUSHED = 'pushed', app, 'gst_app_src_push_buffer', "the application's push"
PULLED = 'pulled', app, 'gst_app_sink_try_pull_sample%return', 'appsink: its thread wakes the application'
SENT = 'syscalls:sys_enter_sendto'
# Per way: a name, what it is in, the function, and what has been done when it is reached.
WAYS = {
    'gst-shmframe': [
        PUSHED,
        ('forwarded', core, 'gst_pad_push', 'appsrc: its thread wakes'),
        ('published', library, 'shmframe_producer_publish', "basesink's chain, shmframesink"),
        ('leased', library, 'shmframe_consumer_lease%return', 'the other process wakes'),
        ('created', plugin, 'gst_shm_frame_src_create%return', 'shmframesrc'),
        PULLED],
    'gst-shmsink': [
        PUSHED,
        ('forwarded', core, 'gst_pad_push', 'appsrc: its thread wakes'),
        (SENT, None, None, "basesink's chain, shmsink"),
        ('polled', core, 'gst_poll_wait%return', 'the other process wakes'),
        (*PULLED[:3], f'shmsrc; {PULLED[3]}')],
}


def perf(*arguments):
    done = subprocess.run(['perf', *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False)
    if done.returncode != 0:
        sys.exit(f'perf {arguments[0]}: {done.stderr.strip()}')
    return done.stdout


def probe(points):
    for name, file, function, _done in points:
        if file:
            perf('probe', '-q', '-x', file, f'timeline:{name}={function}')


def record(way, points, data):
    """The seconds at which each frame came to each point."""
    names = [name if ':' in name else f'timeline:{name}' for name, *_rest in points]
    # A probe at a function's end has a name of perf's own.
    events = ','.join(f'{name}__return' if (function or '').endswith('%return') else name
                      for name, (_name, _file, function, _done) in zip(names, points))
    perf('record', '-q', '-e', events, '-o', data, '--', f'{build}/tools/bench/frame-bench-cell', '--way', way,
         '--width', '3840', '--height', '2160', '--fps', '60', '--time', '4000', '--frames', '50000')
    frames, frame = [], {}
    for time, event in re.findall(r'^\s*([\d.]+):\s+(\S+?):\s', perf('script', '-i', data, '-F', 'time,event'), re.M):
        name = event.removesuffix('__return')
        if name == names[0]:
            frame = {}
        if name in names and name not in frame and (frame or name == names[0]):
            frame[name] = float(time)
        if len(frame) == len(names):
            frames.append([frame[name] for name in names])
            frame = {}
    return frames[WARM_UP:]


def main():
    os.environ['GST_PLUGIN_PATH'] = f'{build}/gst-plugin'
    steps = {way: [[] for _point in points] for way, points in WAYS.items()}
    with tempfile.TemporaryDirectory(prefix='elements-timeline-') as folder:
        for way, points in list(WAYS.items()) * ROUNDS:
            probe(points)
            try:
                frames = record(way, points, f'{folder}/data')
            finally:
                perf('probe', '-q', '-d', 'timeline:*')
            for step in range(1, len(points)):
                steps[way][step].append(statistics.median(frame[step] - frame[step - 1] for frame in frames) * 1e6)
            steps[way][0].append(statistics.median(frame[-1] - frame[0] for frame in frames) * 1e6)
    for way, points in WAYS.items():
        print(f'{way}: {statistics.median(steps[way][0]):.0f} us')
        for (*_rest, done), rounds in list(zip(points, steps[way]))[1:]:
            print(f'  {statistics.median(rounds):4.0f} us ({min(rounds):.0f} to {max(rounds):.0f})  {done}')


main()
