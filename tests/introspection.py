#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Moves one frame from a producer to a consumer through the typelib alone."""
import os
import shutil
import tempfile

import gi

folder = tempfile.mkdtemp(prefix='shmframe-')
os.environ['SHMFRAME_RUNTIME_DIR'] = folder
gi.require_version('ShmFrame', '1.0')
from gi.repository import GLib, ShmFrame  # noqa: E402

SECOND = 1_000_000_000


def next_frame(consumer):
    while True:
        frame, event = consumer.lease(10 * SECOND)
        if frame:
            return frame
        print('event:', event.get_event_type().value_nick)


def main():
    producer = ShmFrame.Producer.new('introspection')
    fmt = ShmFrame.Format.new('gray', 64, 48)
    producer.set_format(fmt)
    consumer = ShmFrame.Consumer.new('introspection', ShmFrame.Delivery.ORDERED)
    consumer.start()
    producer.wait_for_consumer(10 * SECOND)

    sent = producer.acquire()
    picture = bytes(i % 251 for i in range(fmt.get_size()))
    sent.fill(GLib.Bytes.new(picture))
    sent.set_pts(40)
    sent.set_metadata(GLib.Variant('a{sv}', {'note': GLib.Variant('s', 'hello')}))
    producer.publish(sent)

    frame = next_frame(consumer)
    assert frame.dup_bytes().get_data() == picture
    assert (frame.get_sequence(), frame.get_pts()) == (1, 40)
    assert frame.dup_metadata()['note'] == 'hello'
    assert frame.get_format().get_pixel_format() == 'gray'
    assert frame.get_verdict() == ShmFrame.Verdict.INTACT
    assert 'introspection' in [pool.get_name() for pool in ShmFrame.Registry.new().list()]

    try:
        ShmFrame.Producer.new('introspection')
    except GLib.Error as error:
        assert error.matches(ShmFrame.error_quark(), ShmFrame.Error.NAME_IN_USE), error
    else:
        raise AssertionError('a second producer took a live name')


try:
    main()
finally:
    shutil.rmtree(folder)
