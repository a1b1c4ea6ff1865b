#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-inspect metrics, as a real process: metrics.py FRAME-INSPECT CHILD-PRODUCER CONSUMER HOSTILE-POOL"""
import json
import os
import re
import signal
import socket
import sys
import urllib.error
import urllib.request

import toolbox

inspect, child, consumer, hostile_pool = map(os.path.abspath, sys.argv[1:5])
LINE = re.compile(r'(\w+)\{((?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def unescape(text):
    return re.sub(r'\\(.)', lambda m: {'n': '\n'}.get(m[1], m[1]), text)


def parse(text):
    """The samples as {(name, label set): value}; fails where the text breaks a rule of the format."""
    samples, types, family = {}, {}, None
    assert text.endswith('\n') or not text
    for line in text.splitlines():
        if line.startswith('# HELP '):
            family = line.split()[2]
            assert family not in types, f'{family} comes twice'
            assert len(line.split(maxsplit=3)[3]) > 5
            continue
        if line.startswith('# TYPE '):
            assert line.split()[2] == family
            types[family] = line.split()[3]
            assert types[family] in ('counter', 'gauge', 'histogram')
            assert (types[family] == 'counter') == family.endswith('_total'), family
            continue
        match = LINE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        suffixes = ('_bucket', '_sum', '_count') if types[family] == 'histogram' else ('',)
        assert name in [family + suffix for suffix in suffixes], line
        key = (name, frozenset((k, unescape(v)) for k, v in LABEL.findall(labels)))
        assert key not in samples, f'twice: {line}'
        samples[key] = float(value)
    return samples


def find(samples, name, **labels):
    found = [v for (n, l), v in samples.items() if n == name and set(labels.items()) <= l]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def metrics():
    code, out, err = toolbox.run(inspect, 'metrics')
    assert code == 0 and err == '', err
    return parse(out)


def producer(pool):
    made = toolbox.Producer(child, pool)
    made.tell('format 64 32')
    return made


def test_none():
    assert toolbox.run(inspect, 'metrics') == (0, '', '')
    assert toolbox.run(inspect, 'metrics', '--json')[1] == '[]\n'


def at_one_moment():
    """What both say of pool `one`; None: more slots were committed between the two."""
    samples, view = metrics(), json.loads(show('one'))
    same = find(samples, 'shmframe_pool_committed_bytes', pool='one') == view['committed-bytes']
    return (samples, view) if same else None


def test_numbers():
    """Two producers, and a consumer of one."""
    one, two = producer('one'), producer('two')
    one.tell('publish 5 1')
    two.tell('publish 7 1')
    reader = toolbox.start(consumer, 'one')
    one.tell('publish 1 1')
    reader.stdout.readline()
    toolbox.await_true(lambda: len(json.loads(show('one'))['consumers']) == 1)
    toolbox.await_true(lambda: find(metrics(), 'shmframe_pool_latency_seconds_count', pool='one') > 0)
    samples, view = toolbox.await_true(at_one_moment)
    for pool, process, frames in (('one', one, 6), ('two', two, 7)):
        labels = {'pool': pool, 'pid': str(process.pid), 'program': 'child-producer'}
        assert find(samples, 'shmframe_pool_up', **labels) == 1
        assert find(samples, 'shmframe_pool_frames_total', **labels) == frames
        assert find(samples, 'shmframe_pool_latest_sequence', **labels) == frames
        assert find(samples, 'shmframe_pool_dropped_frames_total', **labels) == 0
        assert find(samples, 'shmframe_pool_evictions_total', **labels) == 0
        assert find(samples, 'shmframe_pool_waits_total', **labels) == 0
        assert find(samples, 'shmframe_pool_wait_seconds_total', **labels) == 0
        assert find(samples, 'shmframe_pool_consumers', **labels) == (pool == 'one')
    slots = {s: find(samples, 'shmframe_pool_slots', pool='one', state=s)
             for s in ('uncommitted', 'free', 'writing', 'live', 'live, pinned', 'pinned', 'retired')}
    assert sum(slots.values()) == view['slots'] and slots['live'] >= 1, slots
    labels = {'pool': 'one', 'pid': str(reader.pid), 'delivery': 'ordered'}
    assert find(samples, 'shmframe_consumer_leases', **labels) == 4
    assert find(samples, 'shmframe_consumer_held_frames', **labels) <= 1
    assert find(samples, 'shmframe_consumer_lag_frames', **labels) == 0
    assert find(samples, 'shmframe_consumer_drops_total', **labels) == 0
    assert 0 <= find(samples, 'shmframe_consumer_longest_hold_seconds', **labels) < 60
    toolbox.stop(reader, signal.SIGKILL)
    one.end()
    two.end()


def test_ended():
    one = producer('one')
    for line, ended in (('publish 1 1', 0), ('eos', 1), ('publish 1 1', 0)):
        one.tell(line)
        assert find(metrics(), 'shmframe_pool_ended', pool='one') == ended
    one.end()


def show(pool):
    return toolbox.run(inspect, 'show', pool, '--json')[1]


def test_histogram():
    one = producer('one')
    one.tell('publish 1 1')
    reader = toolbox.start(consumer, 'one')
    for _ in range(20):
        one.tell('publish 1 1')
    toolbox.await_true(lambda: find(metrics(), 'shmframe_pool_latency_seconds_count', pool='one') >= 1)
    samples = metrics()
    buckets = sorted((float(dict(labels)['le']), value) for (name, labels), value in samples.items()
                     if name == 'shmframe_pool_latency_seconds_bucket')
    counts = [count for _, count in buckets]
    total = find(samples, 'shmframe_pool_latency_seconds_count', pool='one')
    assert buckets[-1] == (float('inf'), total) and counts == sorted(counts), buckets
    assert buckets[0][0] == 5e-6 and buckets[-2][0] == 5.0, buckets
    # The sum lies between what the buckets allow.
    low = high = before = edge = 0
    for le, count in buckets[:-1]:
        low, high = low + (count - before) * edge, high + (count - before) * le
        before, edge = count, le
    if before == total:
        assert low <= find(samples, 'shmframe_pool_latency_seconds_sum', pool='one') <= high * 1.001
    toolbox.stop(reader, signal.SIGKILL)
    one.end()


def test_reasons():
    """A stopped producer, and a socket that is no pool's."""
    one = producer('one')
    other = producer('other')
    one.process.send_signal(signal.SIGSTOP)
    foreign = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    foreign.bind(f'{toolbox.folder}/foreign.sock')
    foreign.listen()
    samples = metrics()
    reasons = {dict(l)['pool']: dict(l)['reason'] for (n, l), v in samples.items()
               if n == 'shmframe_pool_problem_info'}
    assert find(samples, 'shmframe_pool_up', pool='one') == 0
    assert 'is it stopped?' in reasons['one'], reasons
    assert find(samples, 'shmframe_pool_up', pool='other') == 1 and 'other' not in reasons
    assert find(samples, 'shmframe_pool_up', pool='foreign') == 0 and reasons['foreign']
    assert not [1 for (n, l) in samples if dict(l)['pool'] != 'other'
                and n not in ('shmframe_pool_up', 'shmframe_pool_problem_info')]
    foreign.close()
    os.unlink(f'{toolbox.folder}/foreign.sock')
    one.process.send_signal(signal.SIGCONT)
    one.tell('publish 1 1')
    assert names_of(samples, 'one') <= names_of(metrics(), 'one'), 'up is another series than before'
    one.end()
    other.end()


def names_of(samples, pool):
    return {(n, l) for n, l in samples if n == 'shmframe_pool_up' and dict(l)['pool'] == pool}


def test_crowd():
    """Consumers that cannot be told apart come once; what a peer says is short."""
    liar = toolbox.start(hostile_pool, 'crowd', 'crowd')
    assert liar.stdout.readline() == 'ready\n'
    samples = metrics()
    lags = {dict(l)['consumer']: v for (n, l), v in samples.items() if n == 'shmframe_consumer_lag_frames'}
    assert lags == {'0': 0, '7': 0, '8': 3}, lags
    assert find(samples, 'shmframe_consumer_leases', consumer='7', program='p' * 64, delivery='p' * 64) == 0
    told = json.loads(toolbox.run(inspect, 'metrics', '--json')[1])
    assert len(told) == len(samples) and max(len(v) for s in told for v in s['labels'].values()) <= 64
    toolbox.stop(liar, signal.SIGKILL)


def test_names():
    """Of two that look the same once they are printable, one goes by its path; of three, with a number."""
    sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(3)]
    paths = [f'{toolbox.folder}/a{c}.sock' for c in '\u200b\u200c\u200d']
    for foreign, path in zip(sockets, paths):
        foreign.bind(path)
        foreign.listen()
    names = {dict(l)['pool'] for n, l in metrics() if n == 'shmframe_pool_up'}
    assert names == {'a?', f'{toolbox.folder}/a?.sock', f'{toolbox.folder}/a?.sock (2)'}, names
    for foreign, path in zip(sockets, paths):
        foreign.close()
        os.unlink(path)


def test_escaping():
    """A program is called what its file is called: quotes, backslashes, line feeds, colours."""
    link = f'{toolbox.folder}/a"b\\c\nd\x1b[1m"}}'
    os.symlink(child, link)
    one = toolbox.Producer(link, 'one')
    assert find(metrics(), 'shmframe_pool_up', pool='one', program='a"b\\c?d?[1m"}') == 1
    one.end()
    os.unlink(link)


def test_json():
    one = producer('one')
    one.tell('publish 3 1')
    code, out, _ = toolbox.run(inspect, 'metrics', '--json')
    assert code == 0
    told = {(s['name'], frozenset(s['labels'].items())): s['value'] for s in json.loads(out)}
    assert told == metrics()
    one.end()


def serve(*arguments):
    server = toolbox.start(inspect, 'metrics', '--listen', *arguments)
    line = server.stderr.readline()
    match = re.fullmatch(r'frame-inspect: serving (http://\S+/metrics)\n', line)
    assert match, line
    return server, match[1]


def frames_of(url, before=lambda: None):
    before()
    with urllib.request.urlopen(url, timeout=toolbox.PATIENCE) as answer:
        assert answer.headers['Content-Type'] == 'text/plain; version=0.0.4; charset=utf-8'
        return find(parse(answer.read().decode()), 'shmframe_pool_frames_total', pool='one')


def resident(process):
    with open(f'/proc/{process.pid}/status', encoding='ascii') as file:
        return int(re.search(r'VmRSS:\s+(\d+) kB', file.read())[1]) * 1024


def post(url, head):
    """A connection with the begin of a request whose body is still to come."""
    host, port = url.split('/')[2].split(':')
    peer = socket.create_connection((host, int(port)), toolbox.PATIENCE)
    peer.sendall(f'POST /metrics HTTP/1.1\r\nHost: {host}\r\n{head}\r\n\r\n'.encode())
    return peer


def is_refused(peer, part):
    """Before it could send so many parts."""
    try:
        for _ in range(1024):
            peer.sendall(part)
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


def test_body():
    """A request without an end: it is refused, and not kept meanwhile."""
    one = producer('one')
    server, url = serve('0')
    assert frames_of(url) == 0
    before = resident(server)
    for head in (f'Content-Length: {1 << 40}', 'Transfer-Encoding: chunked'):
        with post(url, head) as peer:
            part = (b'10000\r\n' if 'chunked' in head else b'') + bytes(0x10000) + b'\r\n'
            assert is_refused(peer, part), f'64 MiB were taken, {resident(server) - before} bytes are kept'
    assert resident(server) - before < 16 << 20
    assert frames_of(url) == 0
    toolbox.stop(server)
    one.end()


def test_full():
    """A body that filled the server's buffer before any of it was read is refused as well."""
    server, url = serve('0')
    server.send_signal(signal.SIGSTOP)
    with post(url, f'Content-Length: {1 << 40}') as peer:
        peer.setblocking(False)
        try:
            while peer.send(bytes(0x10000)):
                pass
        except BlockingIOError:
            pass
        # tcpi_backoff: it asked whether there is room again, and there was none.
        toolbox.await_true(lambda: peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[4] > 0)
        server.send_signal(signal.SIGCONT)
        peer.settimeout(toolbox.PATIENCE)
        assert is_refused(peer, bytes(0x10000)), '64 MiB were taken'
    toolbox.stop(server)


def test_listen():
    one = producer('one')
    server, url = serve('0')
    assert url.startswith('http://127.0.0.1:'), url
    for frames in (1, 2):
        one.tell('publish 1 1')
        toolbox.await_true(lambda: frames_of(url) == frames)

    def is_asked_once():  # unless this machine took a second in between
        one.tell('publish 1 1')
        return frames_of(url) == frames_of(url, lambda: one.tell('publish 1 1'))

    toolbox.await_true(is_asked_once)
    for request, code in ((url.replace('/metrics', '/'), 404), (url + '/x', 404),
                          (urllib.request.Request(url, data=b'x'), 405)):
        try:
            urllib.request.urlopen(request, timeout=toolbox.PATIENCE)
            raise AssertionError(f'{request} was answered')
        except urllib.error.HTTPError as error:
            assert error.code == code, (request, error.code)
    port = url.split(':')[2].split('/')[0]
    code, _, err = toolbox.run(inspect, 'metrics', '--listen', port)
    assert code == 1 and 'another port' in err, err
    for how in (signal.SIGTERM, signal.SIGINT):
        assert toolbox.stop(server, how)[0] == 0
        if how == signal.SIGTERM:
            server, url = serve('127.0.0.2:0')
            assert url.startswith('http://127.0.0.2:'), url
    one.end()


def test_errors():
    for arguments, words in ((('x',), 'no arguments'), (('--listen', 'a:b'), 'PORT'),
                             (('--listen', '70000'), 'PORT'), (('--listen', 'localhost:1'), 'PORT'),
                             (('--listen', '::1:80'), 'PORT'), (('--listen', ''), 'PORT'),
                             (('--listen', '0', '--json'), 'text')):
        code, out, err = toolbox.run(inspect, 'metrics', *arguments)
        assert code == 2 and words in err and out == '', (arguments, code, out, err)


toolbox.main('metrics', (test_none, test_numbers, test_ended, test_histogram, test_reasons, test_crowd,
                         test_names, test_escaping, test_json, test_body, test_full, test_listen,
                         test_errors))
