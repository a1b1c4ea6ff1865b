#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What watch and top count of consumers: inspect-counts.py FRAME-INSPECT CHILD-PRODUCER CONSUMER"""
import json
import re
import signal
import sys
import time

import toolbox

inspect, child, consumer = sys.argv[1:4]


def produce(pool):
    producer = toolbox.Producer(child, pool)
    producer.tell('format 64 64')
    producer.tell('publish 1 1')
    return producer


def consumers(pool):
    code, out, err = toolbox.run(inspect, 'show', pool, '--json')
    assert code == 0, err
    return {entry['pid']: entry for entry in json.loads(out)['consumers']}


def consume(pool):
    """A consumer that has taken a frame, of which there must be one."""
    reader = toolbox.start(consumer, pool)
    toolbox.await_true(lambda: consumers(pool).get(reader.pid, {}).get('leased', 0) > 0)
    return reader


def pass_over(producer, pool, reader, frames):
    """Lets a consumer miss most of so many frames, and two that the producer drops."""
    reader.send_signal(signal.SIGSTOP)
    producer.tell(f'publish {frames} 2')
    producer.tell('drop 2')
    producer.tell('publish 1 3')
    reader.send_signal(signal.SIGCONT)
    toolbox.await_true(lambda: consumers(pool)[reader.pid]['lag'] == 0)


def events_until(watch, name, **fields):
    """All events up to that one, with it."""
    events = []
    for line in watch.stdout:
        event = json.loads(line)
        events.append(event)
        if event['event'] == name and fields.items() <= event.items():
            return events
    raise AssertionError(f'no {name} {fields} in {events}')


def events_before_next(watch, pool):
    """What was said before a consumer that comes now: all that happened until now."""
    reader = consume(pool)
    return events_until(watch, 'consumer-attached', pid=reader.pid)


def named(events, name):
    return [event for event in events if event['event'] == name]


def test_history():
    """What happened before it looked, or while no answer came, is no news."""
    producer = produce('one')
    reader = consume('one')
    pass_over(producer, 'one', reader, 100)
    toolbox.await_true(lambda: consumers('one')[reader.pid]['drops'] > 2)
    watch = toolbox.start(inspect, 'watch', 'one')
    (attached,) = named(events_until(watch, 'consumer-attached'), 'consumer-attached')
    assert attached['pid'] == reader.pid and attached['present'] is True, attached
    events = events_before_next(watch, 'one')
    assert not named(events, 'drops'), events
    assert 'present' not in events[-1], events
    producer.process.send_signal(signal.SIGSTOP)
    events_until(watch, 'lost')
    producer.process.send_signal(signal.SIGCONT)
    events_until(watch, 'attached')
    events = events_before_next(watch, 'one')
    assert not named(events, 'drops') and not named(events, 'format'), events
    assert len(named(events, 'consumer-attached')) == 1, events


def test_producer_drops():
    """What the producer dropped is not its consumers' fault."""
    producer = produce('one')
    reader = consume('one')
    watch = toolbox.start(inspect, 'watch', 'one')
    events_until(watch, 'consumer-attached', pid=reader.pid)
    producer.tell('drop 3')
    producer.tell('publish 1 2')
    toolbox.await_true(lambda: consumers('one')[reader.pid]['drops'] == 3)
    events = events_before_next(watch, 'one')
    assert sum(event['count'] for event in named(events, 'dropped')) == 3, events
    assert not named(events, 'drops'), events
    pass_over(producer, 'one', reader, 100)
    events = [event for event in named(events_before_next(watch, 'one'), 'drops')
              if event['pid'] == reader.pid]
    missed = consumers('one')[reader.pid]['drops'] - 3 - 2
    assert missed > 0 and sum(event['count'] for event in events) == missed, (missed, events)


def test_rate():
    """A consumer's frames are those that it took."""
    producer = produce('one')
    reader = consume('one')
    top = toolbox.start(inspect, 'top', '--json', '--interval', '0.5')
    rates = []
    while not any(rates):
        (pool,) = json.loads(top.stdout.readline())['pools']
        entries = [e for e in pool.get('consumers', []) if e['pid'] == reader.pid]
        if entries and entries[0]['fps'] == 0 and producer is not None:
            pass_over(producer, 'one', reader, 6000)
            producer = None
        rates += [entry['fps'] for entry in entries]
    assert max(rate or 0 for rate in rates) < 5000, rates
    toolbox.await_true(lambda: consumers('one')[reader.pid]['drops'] > 5000)
    entry = consumers('one')[reader.pid]
    assert entry['leased'] < 1000, entry


def test_evicted():
    """Who it was is said with the eviction."""
    producer = produce('one')
    reader = consume('one')
    watch = toolbox.start(inspect, 'watch', 'one')
    events_until(watch, 'consumer-attached', pid=reader.pid)
    reader.send_signal(signal.SIGSTOP)
    for width in (640, 1280, 2560):  # it stays with the memory that it has
        producer.tell(f'format {width} 480')
        producer.tell('publish 1 1')
    (event,) = named(events_until(watch, 'evicted'), 'evicted')
    assert event['count'] == 1, event
    (gone,) = event['gone']
    assert gone['pid'] == reader.pid and gone['program'] == 'sample-consumer', event


def test_ended():
    """The end of the stream is said by all of them."""
    producer = produce('one')
    watch = toolbox.start(inspect, 'watch', 'one')
    events_until(watch, 'attached')
    for ended in (False, True, False):
        if ended:
            producer.tell('eos')
            (event,) = named(events_until(watch, 'ended'), 'ended')
            assert 'present' not in event, event
            late = toolbox.start(inspect, 'watch', 'one')
            (event,) = named(events_until(late, 'ended'), 'ended')
            assert event['present'] is True, event
        else:
            producer.tell('publish 1 2')
        assert ('has ended' in toolbox.run(inspect, 'show', 'one')[1]) is ended
        assert toolbox.run(inspect, 'list')[1].endswith('; ended\n') is ended
        (pool,) = json.loads(toolbox.run(inspect, 'list', '--json')[1])
        assert pool['ended'] is ended, pool
        top = toolbox.run(inspect, 'top', '--count', '1', '--interval', '1')[1]
        (row,) = [line for line in top.splitlines() if line.startswith('one ')]
        assert (row.split()[2] == 'ended') is ended, row


def hold(producer, reader):
    """Stops it while it has a frame, which takes it long to look at."""
    def holds():
        reader.send_signal(signal.SIGCONT)
        producer.tell('publish 1 1')
        reader.send_signal(signal.SIGSTOP)
        return consumers('one')[reader.pid]['held'] == 1

    toolbox.await_true(holds)


def test_hold():
    """A hold that goes on counts too."""
    producer = produce('one')
    reader = consume('one')
    producer.tell('format 4000 2000')
    hold(producer, reader)
    producer.tell('publish 6 1')  # more than it keeps
    start = time.monotonic()
    toolbox.await_true(lambda: time.monotonic() > start + 1)
    entry = consumers('one')[reader.pid]
    assert entry['longest-hold-ns'] < 1e9 <= entry['holding-ns'] < 30e9, entry
    row = toolbox.run(inspect, 'show', 'one')[1].splitlines()[-1]
    assert re.search(r' >[0-9.]+ s$', row), row
    top = toolbox.run(inspect, 'top', '--count', '1')[1]
    assert re.search(r'holds 1 of 4, longest >[0-9.]+ s\n', top), top
    (pool,) = json.loads(toolbox.run(inspect, 'top', '--count', '1', '--json')[1])['pools']
    assert pool['consumers'][0]['holding-ns'] > 1e9 and pool['ended'] is False, pool
    reader.send_signal(signal.SIGCONT)
    toolbox.await_true(lambda: consumers('one')[reader.pid]['held'] == 0)
    entry = consumers('one')[reader.pid]
    assert entry['longest-hold-ns'] > 1e9 and entry['holding-ns'] is None, entry


toolbox.main('inspect-counts', (test_history, test_producer_drops, test_rate, test_evicted, test_ended,
                                test_hold))
