#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Churns producers, consumers and observers, and watches those that stay for anything that grows.

soak.py SOAK --minutes M    SOAK: the program of soak.c, built
soak.py SOAK --quick        seconds: the trends of memory are not judged

Three pools: the producer of `steady` stays, the one of `reopen` is closed and made anew in its
process, the process of `restart` is killed or ended and started again. Consumers that stay, of each
delivery and way to wait, and an observer of all the pools with a registry. Others come, hold on,
are stopped, go and are killed. Every few seconds the churn rests: those that came have gone,
everybody has the newest frame and holds none. Then
- leases, promised and held slots, mappings of shared memory and its bytes, and files must be
  exactly what those that stayed need;
- descriptors and threads must be no more than at the first such point;
- the heap in use and private memory must not grow: the median of the last quarter of the run
  against that of the second.
"""
import argparse
import collections
import contextlib
import os
import pathlib
import random
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time

# Bytes in use. A consumer keeps up to 1024 formats, then none: measured, it sways by 245 KiB.
HEAP_GROWTH = {'consumer': 256 << 10, 'producer': 64 << 10, 'observer': 64 << 10}
PRIVATE_GROWTH = 2 << 20    # bytes, or 5%: pages that malloc keeps
TREND_SAMPLES = 12          # fewer say nothing
STUCK_S = 60                # a watchdog: how long what should come at once is awaited
THREADS_OF_PRODUCER = 3     # main, server, and the ringer once there were three sleepers
POOLS = {'steady': ['latest sleep', 'ordered predict', 'lossless poll'],
         'reopen': ['ordered poll', 'lossless sleep'],
         'restart': ['latest poll', 'ordered sleep', 'lossless predict']}
LEASES = 3
PRODUCER = ['stall-timeout=200000000', 'max-consumers=8', 'history=3']
CHURNERS = 5
WRONG = ['torn', 'stale', 'uncounted', 'errors']


class Stuck(Exception):
    pass


def pairs(line):
    return {key: int(value) for key, value in (word.split('=') for word in line.split())}


class Process:
    def __init__(self, program, name, *arguments):
        self.name = name
        self.role = arguments[0]
        self.stopped = False
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, bufsize=0)
        self.pid = self.process.pid
        self.input = b''
        self.hear()

    def tell(self, line):
        try:
            self.process.stdin.write(line.encode() + b'\n')
        except BrokenPipeError:
            raise Stuck(f'{self.name} ({self.pid}) has ended') from None

    def hear(self):
        while b'\n' not in self.input:
            ready = select.select([self.process.stdout], [], [], STUCK_S)[0]
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b''
            if not chunk:
                raise Stuck(f'{self.name} ({self.pid}) ' +
                            ('has ended' if ready else f'does not answer in {STUCK_S} s'))
            self.input += chunk
        line, self.input = self.input.split(b'\n', 1)
        return line.decode()

    def ask(self, line):
        self.tell(line)
        return self.hear()

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)
        self.stopped = True

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)
        self.stopped = False

    def end(self, kill):
        if kill:
            self.process.kill()
        self.process.stdin.close()
        try:
            code = self.process.wait(STUCK_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Stuck(f'{self.name} ({self.pid}) does not end') from None
        self.process.stdout.close()
        if code != (-signal.SIGKILL if kill else 0):
            raise Stuck(f'{self.name} ({self.pid}) ended with {code}')

    def proc(self, path):
        return pathlib.Path(f'/proc/{self.pid}', path)

    def counts(self):
        maps = self.proc('maps').read_text(encoding='utf-8').splitlines()
        return {'fds': len(self.files()),
                'threads': len(os.listdir(self.proc('task'))),
                'shared': sum('/memfd:shmframe:' in line for line in maps),
                'maps': len(maps)}

    def files(self):
        """What its descriptors are of, by descriptor; less what a producer's control thread opens to
        see how much memory is available."""
        files = {}
        for fd in self.proc('fd').iterdir():
            with contextlib.suppress(FileNotFoundError):    # closed meanwhile
                files[fd] = os.readlink(fd)
        return {fd: file for fd, file in files.items() if not file.startswith(('/proc/', '/sys/'))}

    def memory(self):
        rollup = self.proc('smaps_rollup').read_text(encoding='utf-8').splitlines()[1:]
        sizes = {line.split()[0]: int(line.split()[1]) << 10 for line in rollup}
        return {'rss': sizes['Rss:'], 'private': sizes['Anonymous:']}

    def shared_bytes(self):
        """Of each memory object that it has a descriptor of."""
        sizes = {}
        for fd, file in self.files().items():
            if file.startswith('/memfd:shmframe:'):
                stat = os.stat(fd)
                sizes[stat.st_ino] = stat.st_blocks * 512
        return sum(sizes.values())


class Soak:
    def __init__(self, program, folder, seed, rate):
        self.program = program
        self.folder = folder
        self.rate = rate
        self.random = random.Random(seed)
        self.did = collections.Counter()        # what the churn did
        self.gone = collections.Counter()       # counted by processes that are gone
        self.serial = 0
        self.churners = []
        self.baseline = {}
        self.samples = []
        self.begin = time.monotonic()
        # Consumers first: all have then looked for a producer, and have what that leaves behind.
        self.consumers = {pool: [self.consumer(pool, *words.split(), LEASES) for words in kinds]
                          for pool, kinds in POOLS.items()}
        self.producers = {pool: self.producer(pool) for pool in POOLS}
        self.observer = Process(program, 'observer', 'observer', *POOLS)

    def consumer(self, pool, delivery, wait, leases):
        return Process(self.program, f'{pool}/{delivery}-{wait}', 'consumer', pool, delivery, wait,
                       str(leases))

    def producer(self, pool):
        return Process(self.program, f'{pool}/producer', 'producer', pool, *PRODUCER)

    def staying(self):
        return [*self.producers.values(), *(c for some in self.consumers.values() for c in some),
                self.observer]

    # ---- churn ----

    def join(self):
        if len(self.churners) >= CHURNERS:
            return
        pool = self.random.choice(list(POOLS))
        if self.random.random() < 0.2:
            self.churners.append(Process(self.program, 'observer of ' + pool, 'observer', pool))
        else:
            waits = ['sleep', 'sleep', 'predict', 'predict', 'poll', 'poll', 'spin']
            self.churners.append(self.consumer(
                pool, self.random.choice(['latest', 'ordered', 'lossless']),
                self.random.choice(waits), self.random.choice([1, 2, 4, 9])))
        self.did['joins'] += 1

    @staticmethod
    def add(process, total):
        counts = pairs(process.ask('stat'))
        # `frames`: checked; `formats`: set
        total.update({key: n for key, n in counts.items()
                      if key != ('frames' if process.role == 'producer' else 'formats')})
        if process.role == 'producer':
            total['published'] += counts['frames']
        return counts

    def remove(self, process, kill):
        if process.stopped and not kill:
            process.go_on()
        if not process.stopped:
            self.add(process, self.gone)
            time.sleep(self.random.uniform(0, 0.02))    # on to a moment of chance
        process.end(kill)
        self.did['kills' if kill else 'leaves'] += 1

    def leave(self):
        if self.churners:
            index = self.random.randrange(len(self.churners))
            self.remove(self.churners.pop(index), self.random.random() < 0.6)

    def any_consumer(self):
        some = [c for c in self.churners if c.role == 'consumer']
        return self.random.choice(some + [c for cs in self.consumers.values() for c in cs])

    def hold(self):
        self.any_consumer().tell(f'hold {self.random.choice([0, 1, 2, 9])}')

    def stop_or_go_on(self):
        stopped = [p for p in self.staying() + self.churners if p.stopped]
        if len(stopped) > 1 or (stopped and self.random.random() < 0.7):
            stopped[0].go_on()
            return
        self.random.choice([self.any_consumer(), self.any_consumer(), self.producers['restart']]
                           ).pause()
        self.did['stops'] += 1

    def reopen(self):
        self.random.choice([self.any_consumer(), self.producers['reopen']]).tell('reopen')

    def restart(self):
        for process in self.staying() + self.churners:
            if process.stopped:     # perhaps while it sweeps the name
                process.go_on()
        old = self.producers['restart']
        self.remove(old, self.random.random() < 0.6)
        self.did['restarts'] += 1
        time.sleep(self.random.choice([0, 0, 0.1]))
        self.producers['restart'] = self.producer('restart')
        self.begin_frames(self.producers['restart'])

    def begin_frames(self, producer):
        producer.tell(f'rate {self.rate}')

    def produce(self):
        n = self.random.randrange
        line = self.random.choice([f'burst {n(30)}', f'drop {n(4)}', f'formats {n(60)}',
                                   f'formats {n(60)}', f'event {n(1000)}', 'eos', f'pin {n(6)}'])
        self.random.choice(list(self.producers.values())).tell(line)

    def grow(self):
        self.random.choice(list(self.producers.values())).tell('grow')

    def churn(self, seconds):
        acts = [self.join] * 6 + [self.leave] * 5 + [self.hold] * 6 + [self.stop_or_go_on] * 4 \
            + [self.reopen] * 2 + [self.produce] * 10 + [self.grow, self.restart]
        self.observer.tell('look 1')
        for producer in self.producers.values():
            self.begin_frames(producer)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.random.choice(acts)()
            time.sleep(self.random.uniform(0, 0.05))

    # ---- quiet points ----

    def rest(self):
        """Nobody but those that stay; all of them have the newest frame, and hold none."""
        for process in self.staying() + self.churners:
            if process.stopped:
                process.go_on()
        for process in self.churners:
            self.remove(process, self.random.random() < 0.5)
        self.churners.clear()
        self.observer.tell('look 0')
        for producer in self.producers.values():
            producer.tell('rate 0')
            producer.tell('pin 0')
        self.producers['reopen'].tell('reopen')     # its log of events is as short each time
        for pool, consumers in self.consumers.items():
            for consumer in consumers:
                consumer.tell('hold 0')
            self.settle(pool)

    def settle(self, pool):
        """Frames one by one, until all consumers have had several of them in a row."""
        end = time.monotonic() + STUCK_S
        in_a_row = 0
        while in_a_row < 3:
            frame = self.producers[pool].ask('publish')
            for consumer in self.consumers[pool]:
                consumer.tell(f'await {frame} 500')
            answers = [consumer.hear() for consumer in self.consumers[pool]]
            in_a_row = in_a_row + 1 if set(answers) == {'yes'} else 0
            if time.monotonic() > end:
                raise Stuck(f'{pool}: not every consumer gets a frame: ' + ', '.join(
                    c.name for c, a in zip(self.consumers[pool], answers) if a == 'no'))

    def pool_problems(self, pool, stats):
        n = len(self.consumers[pool])
        expected = {'n-consumers': n, 'promised': n * (LEASES + 1), 'consumers-held': 0, 'held': 0,
                    'states-2': 0, 'states-4': 0, 'states-5': 0, 'states-6': 0,
                    'consumers-leases': n * LEASES,
                    'committed-slots': stats['states-1'] + stats['states-3']}
        slots = stats['committed-slots'] * stats['slot-bytes']
        pages = self.producers[pool].shared_bytes() - n * 4096
        if not slots <= pages <= stats['committed-bytes']:
            yield f'{pool}: shared memory has {pages} bytes, committed {stats["committed-bytes"]}'
        for key, value in expected.items():
            if stats[key] != value:
                yield f'{pool}: {key} is {stats[key]}, not {value}'

    def process_problems(self, process):
        counts = process.counts()
        pool = process.name.split('/')[0]
        shared = {'producer': 1 + len(self.consumers.get(pool, [])), 'consumer': 2,
                  'observer': len(POOLS)}[process.role]     # segments and control pages
        if counts['shared'] != shared:
            yield f'{process.name}: {counts["shared"]} mappings of shared memory, not {shared}'
        if (revoked := pairs(process.ask('stat'))['unexplained']):
            yield f'{process.name}: {revoked} frames revoked without an eviction'
        for key, limit in self.baseline.get(process.name, {}).items():
            if counts[key] > limit:
                yield f'{process.name}: {counts[key]} {key}, not {limit}'

    def problems(self):
        files = sorted(os.listdir(self.folder))
        if files != sorted(pool + end for pool in POOLS for end in ('.sock', '.sock.lock')):
            yield f'files in the runtime folder: {files}'
        self.pool_stats = {}
        for pool in POOLS:
            answer = self.observer.ask('pool ' + pool)
            if answer == 'none':
                yield f'{pool}: no statistics'
                continue
            self.pool_stats[pool] = pairs(answer)
            yield from self.pool_problems(pool, self.pool_stats[pool])
        for process in self.staying():
            yield from self.process_problems(process)

    def look(self):
        """The problems that stay. What goes away at once (a control thread's work) is awaited."""
        end = time.monotonic() + STUCK_S / 4
        while (found := list(self.problems())) and time.monotonic() < end:
            time.sleep(0.02)
        return found

    def take_baseline(self):
        for process in self.staying():
            before = None
            while (counts := process.counts()) != before:
                before = counts
                time.sleep(0.2)
            del counts['shared'], counts['maps']    # exact; and not the library's alone
            if process.role == 'producer':
                counts['threads'] = THREADS_OF_PRODUCER
            self.baseline[process.name] = counts

    def sample(self):
        memory = {}
        self.total = collections.Counter(self.gone)
        for process in self.staying():
            stats = self.add(process, self.total)
            memory[process.name] = {**process.memory(), 'heap': stats['heap'], 'pid': process.pid,
                                    'role': process.role}
        self.samples.append(memory)
        self.print_row(memory)

    # ---- what it prints ----

    COLUMNS = ['minute', 'checked', 'fds', 'threads', 'maps', 'heap K', 'priv K', 'RSS K', 'slots',
               'commit K', 'free', 'live', 'leased', 'joins', 'kills', 'stops', 'restarts',
               'reopens', 'formats', 'segments', 'evicted', 'refused', 'revoked']

    def print_row(self, memory):
        counts = collections.Counter()
        for process in self.staying():
            counts.update(process.counts())
        states = collections.Counter()
        for stats in self.pool_stats.values():
            states.update(stats)
        kib = {key: sum(m[key] for m in memory.values()) >> 10
               for key in ('heap', 'private', 'rss')}
        row = [f'{(time.monotonic() - self.begin) / 60:.2f}', self.total['frames'], counts['fds'],
               counts['threads'], counts['maps'], kib['heap'], kib['private'], kib['rss'],
               states['committed-slots'], states['committed-bytes'] >> 10, states['states-1'],
               states['states-3'], states['consumers-held'], self.did['joins'], self.did['kills'],
               self.did['stops'], self.did['restarts'], self.total['reopened'],
               self.total['formats'], self.total['segments'], self.total['evicted'],
               self.total['refused'], self.total['revoked']]
        if len(self.samples) % 25 == 1:
            print(' '.join(f'{c:>8}' for c in self.COLUMNS))
        print(' '.join(f'{c:>8}' for c in row), flush=True)

    def trends(self):
        """(name, key, growth, limit) of each process that lived through all of it."""
        n = len(self.samples)
        for name, last in self.samples[-1].items():
            mine = [s[name] for s in self.samples if s[name]['pid'] == last['pid']]
            if len(mine) < n:
                continue
            for key, limit in ('heap', HEAP_GROWTH[last['role']]), ('private', PRIVATE_GROWTH):
                second = statistics.median(m[key] for m in mine[n // 4:n // 2])
                growth = int(statistics.median(m[key] for m in mine[-(n // 4):]) - second)
                yield name, key, growth, max(limit, int(second * 0.05) if key == 'private' else 0)

    def judge_trends(self, judged):
        found = []
        if len(self.samples) < TREND_SAMPLES:
            print(f'growth: not judged, {len(self.samples)} samples of {TREND_SAMPLES}')
            return found
        for name, key, growth, limit in self.trends():
            bad = growth > limit and key in judged
            print(f'growth: {name:24} {key:8} {growth / 1024:+9.1f} KiB of {limit / 1024:.0f}'
                  f'{"" if key in judged else " (not judged)"}{" GROWS" if bad else ""}')
            if bad:
                found.append(f'{name}: {key} grows by {growth >> 10} KiB')
        return found

    def finish(self):
        for process in [*self.staying(), *self.churners]:
            process.end(False)
        left = os.listdir(self.folder)
        return [f'left in the runtime folder: {left}'] if left else []


def run(soak, seconds, phase, fill):
    soak.churn(phase)
    if fill:    # the log of events (4096, 1 MiB), and the formats that consumers keep (1024)
        soak.producers['steady'].tell('formats 4200')
    soak.rest()
    found = soak.look()
    soak.take_baseline()
    while not found and (len(soak.samples) < 2 or time.monotonic() - soak.begin < seconds):
        soak.churn(phase)
        soak.rest()
        found = soak.look()
        if not found:
            soak.sample()
            found = [f'{key}: {soak.total[key]}' for key in WRONG if soak.total[key]]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('program')
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument('--minutes', type=float)
    length.add_argument('--quick', action='store_true')
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    parser.add_argument('--rate', type=int, default=60, help='frames/s of each producer')
    parser.add_argument('--no-rss', action='store_true', help='do not judge private memory')
    options = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit('soak.py: ended by SIGTERM'))
    # malloc without its caches: what is in use is then exactly what was not freed.
    os.environ.update(G_SLICE='always-malloc', GLIBC_TUNABLES='glibc.malloc.tcache_count=0:'
                      'glibc.malloc.mmap_threshold=65536')
    sanitized = b'__asan_' in pathlib.Path(options.program).read_bytes()
    judged = ['heap'] if options.no_rss or sanitized else ['heap', 'private']
    print(f'seed {options.seed}', flush=True)
    with tempfile.TemporaryDirectory(prefix='shmframe-soak-') as folder:
        os.environ['SHMFRAME_RUNTIME_DIR'] = folder
        soak = Soak(options.program, folder, options.seed, options.rate)
        try:
            found = run(soak, 8, 2, False) if options.quick \
                else run(soak, options.minutes * 60, 4, True)
            if soak.samples:
                found += soak.judge_trends(judged)
                keys = ['published', 'frames', 'retried', *WRONG]
                print(', '.join(f'{key} {soak.total[key]}' for key in keys))
            found += soak.finish() if not found else []
        except Stuck as stuck:
            found = [str(stuck)]
    for problem in found:
        print('problem:', problem)
    print('verdict:', 'FAILED' if found else 'nothing torn, lost, leaked or stuck')
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main())
