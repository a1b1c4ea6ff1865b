#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""v4l2src into shmframesink, and shmframesrc in another process, with vivid's cameras (v4l2.sh).

v4l2.py BUILD [CASES]

CASES: only those whose names match that regular expression. TAP, with what the elements count in a
comment before each result.
"""
import collections
import hashlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading

WATCHDOG_S = 180  # emulation is slow
FRAMES = 20
WEBCAM, TV, HDMI, PLANES_APART = '/dev/video0', '/dev/video1', '/dev/video2', '/dev/video3'
SIZE = 'width=640,height=360,framerate=10/1'
SMALL = 'width=320,height=180,framerate=60/1'
ODD = 'width=322,height=242'
YUV_420 = 640 * 360 * 3 // 2  # bytes

Frame = collections.namedtuple('Frame', 'pts hash where')


class Runner:
    """elements-runner with a pipeline; its lines as they come."""

    def __init__(self, pipeline):
        self.lines = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen([RUNNER, pipeline], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip('\n'))
                self.changed.notify_all()

    def said(self, prefix):
        return [line for line in self.lines if line.startswith(prefix)]

    def expect(self, prefix, more=1, total=None):
        """Waits until so many more lines have begun so, or so many in all."""
        with self.changed:
            total = total or len(self.said(prefix)) + more
            if not self.changed.wait_for(lambda: len(self.said(prefix)) >= total, WATCHDOG_S):
                raise AssertionError(f'{len(self.said(prefix))} of {total} lines {prefix!r} came')

    def tell(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()

    def finish(self):
        code = self.process.wait(WATCHDOG_S)
        self.reader.join()
        return code

    def frames(self):
        frames = []
        for line in self.lines:
            word, *rest = line.split(' ')
            if word == 'frame':
                frames.append(Frame(int(rest[0]), rest[3], None))
            elif word == 'at':
                frames[-1] = frames[-1]._replace(where=tuple(rest))
        return frames

    def stats(self):
        text = self.said('stats')[-1].split('consumer-list')[0]
        stats = {name: int(value) for name, value in re.findall(r'([\w-]+)=\(\w+\)(\d+)', text)}
        print('#', text.split(' ')[1], *(f'{name}={value}' for name, value in stats.items() if value
                                         and re.match('frames|drops|copied|evict|waits|.*slots', name)))
        return stats


def produce(camera, mode, caps, more=''):
    mode = mode and f'io-mode={mode}'
    return Runner(f'v4l2src device={camera} {mode} ! video/x-raw,{caps} ! identity name=check '
                  f'! shmframesink pool={POOL} wait-for-consumer=true {more}')


def consume(more='max-lag=-1'):
    return Runner(f'shmframesrc pool={POOL} {more} ! fakesink name=check sync=false')


def end(producer, consumer):
    """What the sink counted, what it was given, what the source counted, what it gave."""
    producer.tell('eos')
    assert producer.finish() == 0, producer.said('error')
    assert consumer.finish() == 0, consumer.said('error')
    return producer.stats(), producer.frames(), consumer.stats(), consumer.frames()


def compare(sink, sent, source, seen):
    """All that was sent is accounted for; returns the frames of `seen` that were not sent so."""
    assert len(sent) == sink['frames'] + sink['drops']
    last = [frame.hash for frame in sent].index(seen[-1].hash)  # each shows its number
    assert last + 1 == len(seen) + source['drops'], 'the source counts what lies before a frame'
    hashes = {frame.pts: frame.hash for frame in sent}
    shift = sent[last].pts - seen[-1].pts
    return [frame for frame in seen if hashes[frame.pts + shift] != frame.hash]


def transfer(camera, mode, caps, fields=False):
    """A consumer sees a camera's frames, each as it was, in the same order."""
    with consume() as consumer, produce(camera, mode, caps) as producer:
        consumer.expect('frame', FRAMES)
        sink, sent, source, seen = end(producer, consumer)
        assert len({frame.hash for frame in sent}) == len(sent), 'each shows its number'
        assert not compare(sink, sent, source, seen)
        sent = sent[-len(seen):]  # it may begin with the newest
        assert [frame.hash for frame in seen] == [frame.hash for frame in sent]
        assert consumer.said('caps') == producer.said('caps')
        assert consumer.said('fields') == producer.said('fields')[-len(seen):]
        assert fields == (consumer.said('fields') != [])
        assert source['copied-bytes'] == 0 and {frame.where[2] for frame in seen} == {'r--s'}
        return sink, sent, seen


def in_place(camera, mode, caps, fields=False):
    """The camera writes into the pool."""
    sink, sent, seen = transfer(camera, mode, caps, fields)
    assert sink['copied-bytes'] == 0
    assert [frame.where[:2] for frame in seen] == [frame.where[:2] for frame in sent]


def copied(camera, mode, caps, frame_size):
    """v4l2src shows its own memory, and each frame is one copy."""
    sink, *_ = transfer(camera, mode, caps)
    assert sink['copied-foreign'] == sink['copied-bytes'] == sink['frames'] * frame_size


def refused(camera, mode, caps):
    """v4l2src does not take the pool, and says so."""
    with produce(camera, mode, caps) as producer:
        assert producer.finish() == 1
        print('#', *producer.said('error'))


def stopped(delivery):
    """A stopped consumer makes nobody wait; what it misses is counted."""
    with consume(f'delivery={delivery}') as consumer, \
            produce(WEBCAM, 'userptr', f'format=NV12,{SMALL}') as producer:
        consumer.expect('frame', 5)
        os.kill(consumer.process.pid, signal.SIGSTOP)
        producer.expect('frame', 200)  # more than there are slots
        os.kill(consumer.process.pid, signal.SIGCONT)
        consumer.expect('frame', 10)
        sink, sent, source, seen = end(producer, consumer)
        assert sink['waits'] == sink['drops-no-slot'] == sink['copied-bytes'] == 0
        assert sink['evictions'] == (1 if delivery == 'lossless' else 0)
        assert source['drops'] > 100
        assert len(compare(sink, sent, source, seen)) <= source['revoked']


def few_slots(slots, enough):
    """What finds no slot is copied or dropped, and counted."""
    with consume('leases=1') as consumer, \
            produce(WEBCAM, 'userptr', f'format=NV12,{SMALL}', f'slots={slots}') as producer:
        consumer.expect('frame', 50)
        sink, sent, source, seen = end(producer, consumer)
        assert sink['waits'] == 0 and sink['copied-bytes'] == sink['copied-no-slot']
        assert enough == (sink['copied-no-slot'] + sink['drops-no-slot'] == 0)
        assert not compare(sink, sent, source, seen)


def cycled(state):
    """The camera stops, and starts again with another pool of buffers."""
    with consume() as consumer, produce(WEBCAM, 'userptr', f'format=NV12,{SIZE}') as producer:
        for i in range(1, 4):
            consumer.expect('frame', 5)
            producer.tell(f'state {state}')
            producer.expect(f'done state {state}', total=i)
            if state == 'NULL':
                consumer.expect('message shmframe-producer-lost', total=i)
            producer.tell('state PLAYING')
        consumer.expect('frame', 5)
        sink, sent, _, seen = end(producer, consumer)
        assert sink['copied-bytes'] == 0
        assert {frame.hash for frame in seen} <= {frame.hash for frame in sent}


def killed():
    """A producer that is killed keeps neither the camera nor the name."""
    with consume() as consumer:
        for i in range(1, 4):
            with produce(WEBCAM, 'userptr', f'format=NV12,{SIZE}') as producer:
                consumer.expect('message shmframe-producer-attached', total=i)
                consumer.expect('frame', 5)
                if i == 3:
                    sink, *_ = end(producer, consumer)
                    assert sink['copied-bytes'] == 0
                    return
                producer.process.kill()
                consumer.expect('message shmframe-producer-lost', total=i)


def interrupted():
    """Ctrl-C."""
    with consume() as consumer, subprocess.Popen(
            ['gst-launch-1.0', 'v4l2src', f'device={WEBCAM}', 'io-mode=userptr', '!',
             f'video/x-raw,format=NV12,{SIZE}', '!', 'shmframesink', f'pool={POOL}'],
            stdout=subprocess.DEVNULL) as producer:
        consumer.expect('frame', 5)
        producer.send_signal(signal.SIGINT)
        assert producer.wait(WATCHDOG_S) == 0


def hash_of(data, name):
    """As hash.c has it: the rows of each component, with those that share them."""
    luma = 640 * 360
    parts = {'I420': (data,), 'NV12': (data[:luma], data[luma:], data[luma:]), 'YUY2': (data,) * 3}
    return hashlib.md5(b''.join(parts[name])).hexdigest()


def control(*arguments):
    subprocess.run(['v4l2-ctl', '-d', WEBCAM, *arguments], check=True, timeout=WATCHDOG_S,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def known_picture(name, fourcc, size):
    """A still picture arrives as v4l2-ctl, which knows no GStreamer, sees it."""
    try:
        control('-v', f'width=640,height=360,pixelformat={fourcc}', '-c', 'osd_text_mode=2',
                '--stream-mmap', '--stream-count=1', f'--stream-to={PICTURE}')
        data = pathlib.Path(PICTURE).read_bytes()
        assert len(data) == size and len(set(data)) > 2
        with consume() as consumer, produce(WEBCAM, 'userptr', f'format={name},{SIZE}') as producer:
            consumer.expect('frame', 5)
            sink, _, _, seen = end(producer, consumer)
            assert sink['copied-bytes'] == 0
            assert {frame.hash for frame in seen} == {hash_of(data, name)}
    finally:
        control('-c', 'osd_text_mode=0')


CASES = {
    **{f'userptr/{name}': (in_place, WEBCAM, 'userptr', f'format={name},{SIZE}')
       for name in ('NV12', 'YUY2', 'I420', 'YV12', 'UYVY', 'Y42B', 'NV16', 'RGB', 'BGRx', 'GRAY8')},
    **{f'userptr/planes-apart/{name}': (in_place, PLANES_APART, 'userptr', f'format={name},{SIZE}')
       for name in ('NV12', 'YUY2', 'I420', 'RGB')},
    **{f'userptr/odd/{name}': (in_place, HDMI, 'userptr', f'format={name},{ODD}')
       for name in ('NV12', 'YUY2', 'RGB', 'GRAY8')},
    'userptr/odd/I420': (refused, HDMI, 'userptr', f'format=I420,{ODD}'),
    'userptr/interlaced': (in_place, TV, 'userptr', 'format=YUY2', True),
    'rw': (in_place, WEBCAM, 'rw', f'format=NV12,{SIZE}'),
    **{mode or 'auto': (copied, WEBCAM, mode, f'format=NV12,{SIZE}', YUV_420)
       for mode in ('', 'mmap', 'dmabuf')},
    **{f'auto/planes-apart/{name}': (copied, PLANES_APART, '', f'format={name},{SIZE}', YUV_420)
       for name in ('NV12', 'I420')},
    'auto/odd/I420': (copied, HDMI, '', f'format=I420,{ODD}', (324 + 162) * 242),
    'dmabuf-import': (refused, WEBCAM, 'dmabuf-import', f'format=NV12,{SIZE}'),
    'stopped/ordered': (stopped, 'ordered'),
    'stopped/lossless': (stopped, 'lossless'),
    'few-slots/8': (few_slots, 8, False),
    'few-slots/10': (few_slots, 10, False),
    'few-slots/12': (few_slots, 12, True),
    'cycled/ready': (cycled, 'READY'),
    'cycled/null': (cycled, 'NULL'),
    'killed': (killed,),
    'interrupted': (interrupted,),
    'known-picture/NV12': (known_picture, 'NV12', 'NV12', YUV_420),
    'known-picture/I420': (known_picture, 'I420', 'YU12', YUV_420),
    'known-picture/YUY2': (known_picture, 'YUY2', 'YUYV', 640 * 360 * 2),
}


def main(wanted=''):
    failed = 0
    cases = [case for case in CASES.items() if re.match(wanted, case[0])]
    print(f'1..{len(cases)}')
    for i, (name, (test, *arguments)) in enumerate(cases, 1):
        result = 'ok'
        try:
            test(*arguments)
        except Exception as error:  # the next case may pass
            result = 'not ok'
            failed += 1
            where = error.__traceback__
            while where.tb_next:
                where = where.tb_next
            print(f'# line {where.tb_lineno}: {type(error).__name__}: {error}')
        print(f'{result} {i} /lab/v4l2/{name}', flush=True)
    return 1 if failed or not cases else 0


if __name__ == '__main__':
    build = pathlib.Path(sys.argv[1]).resolve()
    RUNNER = build / 'tests/elements/elements-runner'
    with tempfile.TemporaryDirectory() as folder:
        POOL, PICTURE = f'{folder}/cam0', f'{folder}/picture'
        os.environ.update(GST_PLUGIN_PATH=str(build / 'gst-plugin'), G_DEBUG='fatal-warnings',
                          GST_REGISTRY=f'{folder}/registry.bin')
        sys.exit(main(*sys.argv[2:3]))
