#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What watch and top count of consumers: inspect-counts.py FRAME-INSPECT CHILD-PRODUCER CONSUMER"""
import json
import signal
import sys

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


toolbox.main('inspect-counts', (test_history, test_producer_drops, test_rate))
