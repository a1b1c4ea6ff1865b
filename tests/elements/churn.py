#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Starts, stops, kills and changes producers and consumers, each gst-launch-1.0, at random.

churn.py FRAME-INSPECT [--steps N] [--seed S]

Three pools: `steady` in real time, `live`, and `clip`, pictures of changing size that a decoder
writes into the pool. After each step
- each producer and each consumer that has one gets on, and has the caps that it should;
- who should end has, with the exit code that it should, and nobody else; errors and warnings are
  those that should be;
- only consumers that were stopped (SIGSTOP) were evicted;
- the runtime folder has the files of live producers, consumers map what their producer maps, and
  descriptors and threads are no more than they were in a like state.
All of that is awaited, for 10 s.
"""
import argparse
import collections
import contextlib
import os
import pathlib
import random
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import time

WATCHDOG_S = 10
FRAMES = 2          # more of them are progress: one may have been on its way
STARTED = 10        # frames, before which a process still opens what it needs
CONSUMERS = 3       # of each pool, at once
RATE = 'framerate=60/1'
PICTURES = [(320, 240), (640, 480), (160, 120)]     # the second needs a segment of its own
PICTURES_OF_A_SIZE = 20
CAPS = [(f, w, h) for f in ('I420', 'NV12', 'RGB') for w, h in PICTURES]
DELIVERIES = {'steady': ['latest', 'ordered', 'lossless', 'lossless'],
              'live': ['latest', 'ordered'],    # it does not wait: a busy machine may evict
              'clip': ['latest', 'ordered', 'lossless', 'lossless']}
AFTER_PRODUCER = [('eos', 'wait'), ('eos', 'eos'), ('eos', 'error'), ('wait', 'wait'),
                  ('wait', 'wait')]             # on-producer-eos, on-producer-lost
RECORD = ('videoconvert ! videoscale ! video/x-raw,format=I420,width=160,height=120 ! jpegenc ! '
          'avimux ! filesink location=')


class Wrong(Exception):
    pass


class Process:
    """gst-launch-1.0, and what it has said."""
    def __init__(self, name, pipeline, eos=True):
        command = ['gst-launch-1.0', '-m', '-v'] + ['-e'] * eos + pipeline.split()
        print(f'# {name}: {" ".join(command)}', flush=True)
        # Dies with the test.
        self.process = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', *command],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, bufsize=0)
        # Two pipes: errors would stand in the middle of lines.
        self.rest = {self.process.stdout: b'', self.process.stderr: b''}
        for stream in self.rest:
            os.set_blocking(stream.fileno(), False)
        self.name = name
        self.pid = self.process.pid
        self.eos = eos                      # an interrupt ends its stream first
        self.stopped = self.was_stopped = False
        self.codes = set()                  # with which it may end now
        self.must_end = False
        self.code = None
        self.tail = collections.deque(maxlen=20)
        self.up = False                     # it would catch an interrupt
        self.frames = self.mark = self.caps_changes = 0
        self.caps = None
        self.errors = []
        self.warnings = []
        self.evicted = set()                # a producer: the pids of these consumers
        self.producer = None                # a consumer: the pid of its producer, while attached
        self.ever_waited = False            # a consumer: for a producer
        self.waits = False                  # a producer: for a consumer
        self.baseline = {}

    def read(self, stream):
        """All there is to read; whether that was the end, and then, of both, its exit code."""
        while chunk := stream.read(1 << 16):
            *lines, self.rest[stream] = (self.rest[stream] + chunk).split(b'\n')
            for line in lines:
                self.heard(line)
        if chunk is None:
            return False
        del self.rest[stream]
        stream.close()
        if not self.rest:
            self.code = self.process.wait(WATCHDOG_S)
        return True

    def heard(self, line):
        if b'last-message' in line:
            self.frames += b': last-message = chain ' in line
            return
        text = line.decode(errors='replace')
        self.up = self.up or text.startswith('Got message')     # its main loop runs
        if not re.search(r'\((property-notify|state-changed|stream-status)\)|GstPad:', text):
            self.tail.append(text[:300])
        if 'ERROR: from' in text:
            self.errors.append(text)
        elif 'WARNING: from' in text:
            self.warnings.append(text)
        elif found := re.search(r': evicted pid (\d+) ', text):
            self.evicted.add(int(found[1]))
        elif found := re.search(r'Identity:identity0.GstPad:sink: caps = (.*)', text):
            self.caps_changes += 1
            self.caps = tuple(re.search(rf'\b{key}=\(\w+\)(\w+)', found[1])[1]
                              for key in ('format', 'width', 'height'))
        elif re.search(r'num-consumers = [1-9]', text):
            self.waits = False
        elif found := re.search(r'shmframe-producer-attached, .*pid=\(uint\)(\d+)', text):
            self.producer = int(found[1])
        elif ' shmframe-producer-lost' in text or ' shmframe-evicted' in text:
            self.producer = None
            self.ever_waited = True

    def memfds(self):
        try:
            maps = pathlib.Path(f'/proc/{self.pid}/maps').read_text(encoding='utf-8')
        except OSError:     # it has ended, which is about to be read
            return set()
        return set(re.findall(r' (\d+) +/memfd:shmframe', maps))

    def counts(self):
        """Descriptors and threads by kind, less those that GLib keeps for a while and a ringer, and
        what a producer's control thread opens to see how much memory is available."""
        counts = collections.Counter()
        proc = pathlib.Path(f'/proc/{self.pid}')
        with contextlib.suppress(OSError):      # it has ended
            for path in [*proc.glob('fd/*'), *proc.glob('task/*/comm')]:
                with contextlib.suppress(FileNotFoundError):    # closed meanwhile
                    kind = (os.readlink(path) if path.parent.name == 'fd'
                            else path.read_text(encoding='utf-8').strip())
                    if not kind.startswith(('/proc/', '/sys/')):
                        counts[re.sub(r'[0-9]+', '', kind)] += 1
        return counts - collections.Counter({'pool-gst-launch': 99, 'shmframe-ringer': 1})


class Pool:
    def __init__(self, name):
        self.name = name
        self.producer = None
        self.consumers = []
        self.caps = None    # that its frames have; None: they change

    def all(self):
        return self.consumers + [self.producer] * (self.producer is not None)


class Churn:
    def __init__(self, inspect, folder, seed):
        self.inspect = inspect
        self.folder = pathlib.Path(folder)
        self.runtime = self.folder / 'run'
        self.random = random.Random(seed)
        self.pools = [Pool(name) for name in DELIVERIES]
        self.ended = []             # whose end is awaited, besides consumers'
        self.stopped_pids = set()
        self.serial = self.number = 0
        self.did = collections.Counter()
        self.slowest = (0, '')
        self.selector = selectors.DefaultSelector()
        os.environ['SHMFRAME_RUNTIME_DIR'] = str(self.runtime)
        self.runtime.mkdir()

    def make_pictures(self):
        for number, (width, height) in enumerate(PICTURES):
            first = self.folder / f'size{number}.jpg'
            subprocess.run(['gst-launch-1.0', '-q', *(
                f'videotestsrc num-buffers=1 ! video/x-raw,format=I420,width={width},'
                f'height={height} ! jpegenc ! filesink location={first}').split()], check=True)
            for i in range(PICTURES_OF_A_SIZE):
                os.link(first, self.folder / f'{number * PICTURES_OF_A_SIZE + i}.jpg')

    # ---- processes ----

    def processes(self):
        return [p for pool in self.pools for p in pool.all()] + self.ended

    def start(self, name, pipeline, eos=True):
        self.serial += 1
        process = Process(f'{name}{self.serial}', pipeline, eos)
        for stream in process.rest:
            self.selector.register(stream, selectors.EVENT_READ, process)
        return process

    def stopped(self):
        return [p for p in self.processes() if p.stopped]

    def go_on(self, process):
        process.process.send_signal(signal.SIGCONT)
        process.stopped = False

    def end(self, process, how):
        """Sends the signal; how it ends is awaited with all else."""
        if process.stopped and how != signal.SIGKILL:
            self.go_on(process)
            self.settle()       # so that it is not killed by a signal that came before
        process.stopped = False
        process.codes = {0 if how == signal.SIGINT else -how}
        process.must_end = True
        process.process.send_signal(how)

    def any_signal(self):
        return self.random.choice([signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGKILL])

    def produce(self, pool, once=False):
        first, last = 0, len(PICTURES) * PICTURES_OF_A_SIZE - 1
        upstream = (f'multifilesrc location={self.folder}/%d.jpg start-index={first} '
                    f'stop-index={last} loop={not once} caps=image/jpeg,{RATE} ! jpegdec')
        pool.caps = None
        if pool.name != 'clip':
            pool.caps = tuple(map(str, self.random.choice(CAPS)))
            upstream = ('videotestsrc is-live={} num-buffers={} ! video/x-raw,format={},width={},'
                        'height={},{}').format(pool.name == 'live', 30 if once else -1, *pool.caps,
                                               RATE)
        wait = pool.name != 'live' and self.random.random() < 0.5
        pool.producer = self.start(f'{pool.name}/producer', (
            f'{upstream} ! identity silent=false ! shmframesink pool={pool.name} '
            f'wait-for-consumer={wait}'), self.random.random() < 0.7)
        pool.producer.waits = wait

    def end_producer(self, pool, how):
        producer = pool.producer
        if how is not None:
            self.end(producer, how)
        producer.codes = producer.codes or {0}
        producer.must_end = True
        outcome = 'eos' if how is None or how == signal.SIGINT and producer.eos else 'lost'
        for consumer in pool.consumers:
            action = consumer.after[outcome]
            if consumer.producer == producer.pid and action != 'wait':
                consumer.codes = {1 if action == 'error' else 0}
                # One that was evicted unawares never had this producer's end.
                consumer.must_end = not (consumer.stopped or
                                         consumer.was_stopped and consumer.delivery == 'lossless')
        self.ended.append(producer)
        pool.producer = None

    def look(self):
        """What a killed producer left is swept by whoever looks."""
        subprocess.run([self.inspect, 'list'], check=True, stdout=subprocess.DEVNULL,
                       timeout=WATCHDOG_S)

    # ---- steps: False: it cannot be done now ----

    def say(self, text):
        print(f'# {self.number}: {text}', flush=True)
        return True

    def choose(self, some):
        some = list(some)
        return self.random.choice(some) if some else None

    def join(self):
        pool = self.choose(p for p in self.pools if len(p.consumers) < CONSUMERS)
        if not pool:
            return False
        spins = any(c.wait == 'spin' for p in self.pools for c in p.consumers)
        delivery = self.random.choice(DELIVERIES[pool.name])
        wait = self.random.choice(['sleep', 'predict'] * 3 + ['spin'] * (not spins))
        on_eos, on_lost = self.random.choice(AFTER_PRODUCER)
        recording = self.folder / f'{self.serial}.avi' if self.random.random() < 0.3 else None
        # Not with `latest`: where sinks wait for the frame's time they warn of its latency.
        sync = delivery != 'latest' and self.random.random() < 0.3
        tail = f'{RECORD}{recording}' if recording else f'fakesink sync={sync}'
        consumer = self.start(f'{pool.name}/consumer', (
            f'shmframesrc pool={pool.name} delivery={delivery} wait={wait} '
            f'on-producer-eos={on_eos} on-producer-lost={on_lost} ! '
            f'identity silent=false ! {tail}'),
            bool(recording) or self.random.random() < 0.5)
        consumer.delivery, consumer.wait, consumer.recording = delivery, wait, recording
        consumer.after = {'eos': on_eos, 'lost': on_lost}
        consumer.ever_waited = pool.producer is None
        pool.consumers.append(consumer)
        return self.say(f'start {consumer.name}')

    def leave(self):
        consumer = self.choose(c for pool in self.pools for c in pool.consumers)
        if not consumer:
            return False
        how = self.any_signal()
        self.say(f'{how.name} {consumer.name}')
        self.end(consumer, how)
        return True

    def appear(self):
        pool = self.choose(p for p in self.pools if not p.producer)
        if not pool:
            return False
        self.produce(pool)
        return self.say(f'start {pool.producer.name}')

    def vanish(self):
        pool = self.choose(p for p in self.pools if p.producer)
        if not pool:
            return False
        how = self.any_signal()
        self.say(f'{how.name} {pool.producer.name}')
        self.end_producer(pool, how)
        # The name is free at once: half of the time nobody has swept it.
        self.settle(files=False)
        if self.random.random() < 0.5:
            self.look()
        else:
            self.produce(pool)
            self.say(f'restart {pool.producer.name}')
        return True

    def short(self):
        """A producer that ends by itself."""
        pool = self.choose(p for p in self.pools if not p.producer and p.consumers
                           and not any(c.stopped for c in p.consumers))
        if not pool:
            return False
        self.produce(pool, once=True)
        producer = pool.producer
        self.say(f'end {producer.name}')
        for process in pool.all():
            if process is producer or process.after['eos'] == 'eos':
                process.codes = {0}
        self.wait(lambda: (f'{c.name} is not attached' for c in pool.consumers
                           if c.producer != producer.pid and producer.code is None))
        self.end_producer(pool, None)
        return True

    def refuse(self):
        """A second producer of a name."""
        pool = self.choose(p for p in self.pools if p.producer and not p.producer.stopped)
        if not pool:
            return False
        second = self.start('second', f'videotestsrc ! shmframesink pool={pool.name}')
        second.codes, second.must_end = {255}, True
        self.ended.append(second)
        return self.say(f'refuse {second.name}')

    def stop(self):
        process = self.choose(p for pool in self.pools for p in pool.all() if not p.stopped)
        if len(self.stopped()) >= 2 or not process:
            return False
        process.process.send_signal(signal.SIGSTOP)
        process.stopped = process.was_stopped = True
        self.stopped_pids.add(process.pid)
        return self.say(f'stop {process.name}')

    def cont(self):
        process = self.choose(self.stopped())
        if not process:
            return False
        self.say(f'continue {process.name}')
        self.go_on(process)
        return True

    def change(self):
        """A change of caps in the stream."""
        pool = self.pools[-1]
        running = [c for c in pool.consumers if not c.stopped]
        if not running or not pool.producer or pool.producer.stopped:
            return False
        self.say(f'caps of {pool.name}')
        before = {c: c.caps_changes for c in running}
        self.wait(lambda: (f'{c.name}: the caps do not change' for c, n in before.items()
                           if c.caps_changes == n))
        return True

    STEPS = [join] * 12 + [leave] * 5 + [appear] * 8 + [vanish] * 5 + [stop] * 6 + [cont] * 6 \
        + [change] * 2 + [short] * 2 + [refuse] * 2

    # ---- what must hold ----

    def drain(self, timeout_s=0.0):
        for key, _ in self.selector.select(timeout_s):
            process = key.data
            if process.read(key.fileobj):
                self.selector.unregister(key.fileobj)
            if process.code is not None:
                self.judge_end(process)

    def judge_end(self, process):
        for some in [self.ended, *(pool.consumers for pool in self.pools)]:
            if process in some:
                some.remove(process)
        if process.code not in process.codes:
            raise Wrong(f'{process.name} ended with {process.code}, not {process.codes}', process)
        complaint = {1: 'The producer is gone', 255: 'owns its name'}.get(process.code)
        if process.errors and not complaint \
                or complaint and not any(complaint in error for error in process.errors):
            raise Wrong(f'{process.name}: {process.errors}', process)
        self.did['ended with %d' % process.code] += 1
        self.did['evicted'] += len(process.evicted)
        recording = getattr(process, 'recording', None)
        if process.code == 0 and recording and process.frames > 0 and \
                b'idx1' not in recording.read_bytes():
            raise Wrong(f'{process.name}: {recording} has no end', process)

    def process_problems(self, pool, process):
        running = pool.producer and not pool.producer.stopped
        if process.errors and not process.codes:
            yield f'{process.name}: {process.errors}'
        if process.warnings and not process.was_stopped:
            yield f'{process.name}: {process.warnings}'
        if process.stopped or process.must_end or process.code is not None:
            return
        if not process.up:
            yield f'{process.name} does not start'
        elif process is pool.producer:
            if not process.waits and process.frames < process.mark + FRAMES:
                yield f'{process.name} publishes nothing'
        elif running:
            if process.producer != pool.producer.pid:
                yield f'{process.name} is not attached'
            elif process.frames < process.mark + FRAMES:
                yield f'{process.name} gets no frame'
            elif pool.caps and process.caps != pool.caps:
                yield f'{process.name} has the caps {process.caps}, not {pool.caps}'
            elif not process.memfds() <= pool.producer.memfds():
                yield f'{process.name} maps what its producer does not'
        elif not pool.producer and process.producer:
            yield f'{process.name} has not noticed that its producer is gone'
        elif not pool.producer and len(process.memfds()) > 2:
            yield f'{process.name} maps {len(process.memfds())} objects without a producer'

    def count_problems(self, pool):
        """No more than in the first like state: some caps need more than others."""
        if any(p.stopped or p.must_end for p in pool.all()):
            return
        n = len(pool.consumers)
        for process in [p for p in pool.all() if p.frames >= STARTED]:
            if process is pool.producer:
                state = (process.caps, n)
                if len(process.memfds()) > 1 + n:
                    yield f'{process.name} maps {len(process.memfds())} objects for {n} consumers'
            elif process.producer:
                state = (process.caps, process.ever_waited)
            else:
                continue
            counts = process.counts()
            if more := counts - process.baseline.setdefault(state, counts):
                yield f'{process.name} has more than it had: {dict(more)}'

    def problems(self, files=True):
        for pool in self.pools:
            found = [p for process in pool.all() for p in self.process_problems(pool, process)]
            yield from found
            if not found:
                yield from self.count_problems(pool)
        for process in [p for p in self.processes() if p.must_end]:
            yield f'{process.name} does not end'
        for process in self.processes():
            if not process.evicted <= self.stopped_pids:
                yield f'{process.name} evicted one that was not stopped: {process.tail[-1]}'
        there = sorted(os.listdir(self.runtime))
        expected = sorted(pool.name + end for pool in self.pools if pool.producer
                          for end in ('.sock', '.sock.lock'))
        if files and there != expected:
            yield f'the runtime folder has {there}, not {expected}'

    def wait(self, problems):
        begin, last = time.monotonic(), []
        while found := list(problems()):
            if time.monotonic() > begin + WATCHDOG_S:
                raise Wrong('; '.join(found))
            self.drain(0.02)
            last = found
        took = time.monotonic() - begin
        if took > self.slowest[0]:
            self.slowest = (took, '; '.join(last))

    def settle(self, files=True):
        self.drain()
        for process in self.processes():
            process.mark = process.frames
        self.wait(lambda: self.problems(files))
        for pool in self.pools:
            for consumer in pool.consumers:
                if not consumer.stopped and pool.producer \
                        and consumer.producer == pool.producer.pid:
                    consumer.codes = set()      # of an end that it did not see

    # ---- all of it ----

    def step(self, number):
        self.number = number
        begin = time.monotonic()
        while not (act := self.random.choice(self.STEPS))(self):
            pass
        self.settle()
        self.did[act.__name__] += 1
        print(f'# {number}: {time.monotonic() - begin:.3f} s', flush=True)

    def finish(self):
        for process in self.stopped():
            self.go_on(process)
        self.settle()
        for pool in self.pools:
            if pool.producer:
                self.end_producer(pool, self.any_signal())
        self.settle(files=False)
        for process in self.processes():
            self.end(process, self.any_signal())
        self.settle(files=False)
        self.look()
        self.settle()
        if self.processes():
            raise Wrong(f'left: {[p.name for p in self.processes()]}')

    def show(self, wrong):
        print(f'# {wrong.args[0]}')
        for process in [*wrong.args[1:], *self.processes()]:
            print(f'# {process.name} ({process.pid}), {process.frames} frames'
                  f'{", stopped" if process.stopped else ""}; it said:')
            for line in process.tail:
                print(f'#   {line}')
        for process in self.processes():
            process.process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('inspect')
    parser.add_argument('--steps', type=int, default=200)
    parser.add_argument('--seed', type=int, default=2)
    options = parser.parse_args()
    again = f'{sys.argv[0]} {options.inspect} --steps {options.steps} --seed {options.seed}'

    print(f'1..2\n# seed {options.seed}', flush=True)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='shmframe-churn-') as folder:
        churn = Churn(options.inspect, folder, options.seed)
        try:
            churn.make_pictures()
            for number in range(options.steps):
                churn.step(number)
            print('ok 1 /churn/steps')
            churn.finish()
            print('ok 2 /churn/nothing-left')
        except Wrong as wrong:
            churn.show(wrong)
            print(f'not ok - {wrong.args[0]}')
            print(f'# again: GST_PLUGIN_PATH={os.environ.get("GST_PLUGIN_PATH")} {again}')
            return 1
    print(f'# {time.monotonic() - begin:.1f} s; {dict(churn.did)}')
    print(f'# longest wait {churn.slowest[0]:.3f} s ({churn.slowest[1]})')
    return 0


if __name__ == '__main__':
    sys.exit(main())
