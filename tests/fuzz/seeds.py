#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the corpora began with: well-formed inputs of each target, to be merged by fuzz.py.

Needs python3-gi.
"""
import struct
import sys

import gi
gi.require_version('GLib', '2.0')
from gi.repository import GLib

LAYOUT = ("'epoch': <@t 7>, 'segment': <@u 1>, 'slots': <@u 4>, 'payload-size': <@t 8192>, "
          "'metadata-size': <@u 4096>, 'committed': <@u 2>")
MESSAGES = {
    1: ["{'role': <@u 0>, 'delivery': <@u 2>, 'wait': <@u 1>, 'poll': <true>, "
        "'leases': <@u 4>, 'program': <'gst-launch-1.0'>}"],
    2: [f"{{{LAYOUT}, 'leases': <@u 4>, 'program': <'p'>, 'cookie': <@t 99>, 'latest': <@t 65537>, "
        "'begin-latest': <true>, 'history': <@u 1>, 'window': <@u 2>, 'in-flight': <@u 3>, 'number': <@t 2>}",
        f"{{{LAYOUT.replace('@u 4>', '@u 0>', 1)}, 'leases': <@u 0>, 'program': <'p'>, "
        "'cookie': <@t 0>, 'latest': <@t 0>, 'history': <@u 1>, 'window': <@u 0>, "
        "'in-flight': <@u 1>, 'number': <@t 0>}"],
    3: ["{'reason': <'pool cam0: 16 slots, 14 promised'>, 'code': <@u 11>}"],
    4: [f"{{{LAYOUT}, 'sequence': <@t 100>}}"],
    5: ["{'segment': <@u 2>}"],
    6: ["{'sequence': <@t 5>, 'number': <@t 3>, 'name': <'tags'>, 'sticky': <true>, "
        "'value': <'taglist, title=(string)t'>}",
        "{'sequence': <@t 5>, 'number': <@t 3>, 'name': <'eos'>, 'sticky': <false>}",
        "{'sequence': <@t 5>, 'number': <@t 3>, 'name': <'x'>, 'sticky': <true>, "
        "'value': <{'a': <(1, @at [2, 3], b'bytes')>, 'm': <just 5>, 'o': <objectpath '/a'>}>}",
        "{'sequence': <@t 5>, 'number': <@t 3>, 'name': <'deep'>, 'sticky': <true>, 'value': "
        + '<' * 120 + '0' + '>' * 120 + '}'],
    7: ["{'number': <@t 9>, 'lost': <@t 4>}"],
    8: ["{'leases': <@u 255>}"],
    9: ["{'reason': <'a window of 4 frames for 5 s'>}"],
    10: ['{}', "{'value': <{'pool': <'cam0'>, 'held': <@u 1>, 'consumers': <[{'id': <1>}]>}>}"],
    11: ["{'reason': <'closed'>}"],
    12: ['{}'],
    13: ["{'unknown': <1>}"],
}

RAW = ("'media-type': <'video/x-raw'>, 'pixel-format': <'%s'>, 'width': <@u %d>, 'height': <@u %d>, "
       "'offsets': <@at %s>, 'strides': <%s>, 'size': <@t %d>, 'primaries': <@u 1>, "
       "'transfer': <@u 1>, 'matrix': <@u 1>, 'full-range': <false>, 'frame-rate': <(30, 1)>, "
       "'pixel-aspect': <(1, 1)>, 'interlacing': <'progressive'>")
OPAQUE = ("'media-type': <'video/x-raw'>, 'width': <@u 64>, 'height': <@u 48>, 'offsets': <@at %s>, "
          "'strides': <%s>, 'size': <@t %d>, 'caps': <'video/x-raw, format=(string)%s, width=(int)64, "
          "height=(int)48, framerate=(fraction)25/1%s'>")
FORMATS = [
    '{%s}' % (RAW % ('yuv420p', 64, 48, '[0, 3072, 4608]', '[64, 64, 64]', 6144)),
    '{%s}' % (RAW % ('nv12', 64, 48, '[0, 3072]', '[64, 64]', 4608)),
    '{%s}' % (RAW % ('rgb24', 5, 3, '[64]', '[64]', 256)),
    '{%s}' % (RAW % ('pal8', 16, 4, '[0, 64]', '[16, 4]', 1088)),
    "{%s, 'caps': <'video/x-raw, format=(string)I420, width=(int)64, height=(int)48, "
    "interlace-mode=(string)interleaved, colorimetry=(string)bt601, "
    "pixel-aspect-ratio=(fraction)16/11, framerate=(fraction)30/1'>}"
    % (RAW % ('yuv420p', 64, 48, '[0, 4096, 6144]', '[64, 64, 64]', 8192)),
    '{%s}' % (OPAQUE % ('[0]', '[256]', 12288, 'v308', '')),
    '{%s}' % (OPAQUE % ('[0]', '[192]', 9216, 'v210', '')),
    '{%s}' % (OPAQUE % ('[0, 4096]', '[1, 1]', 8192, 'NV12_64Z32', '')),
    '{%s}' % (OPAQUE % ('[0]', '[64]', 3072, 'RGB8P', ', chroma-site=(string)mpeg2')),
    '{%s}' % (OPAQUE % ('[0, 3072]', '[64, 64]', 6144, 'NV16', ', multiview-mode=(string)stereo')),
    "{'media-type': <'image/jpeg'>, 'width': <@u 0>, 'height': <@u 0>, 'size': <@t 1048576>}",
    "{'media-type': <'video/x-h264'>, 'width': <@u 64>, 'height': <@u 48>, 'size': <@t 65536>, "
    "'caps': <'video/x-h264, stream-format=(string)avc, alignment=(string)au, "
    "codec_data=(buffer)0142c00bffe1, width=(int)64, height=(int)48'>}",
    "{'tags': <'taglist, title=(string)\"a b\", bitrate=(uint)1000, "
    "datetime=(datetime)2024-01-02T03:04:05Z;'>, 'gap': <(@t 5, @t 6)>, 'latency': <@t 20000000>}",
    "{'tags': <'taglist, image=(sample)\"AAAA:None:R3N0U2VnbWVudA__:None\", "
    "extended-comment=(string){ a, b }, private-data=(structure)\"x\\\\,\\\\ y\\\\=\\\\(int\\\\)1\\\\;\"'>}",
    # Brackets at which GStreamer's parsers went down the stack, or did not come back for hours.
    "{'tags': <'taglist, a=%s'>}" % ('{' * 40),
    "{'media-type': <'image/jpeg'>, 'width': <@u 0>, 'height': <@u 0>, 'size': <@t 1048576>, "
    "'caps': <'image/jpeg, a=%s'>}" % ('[a,a=' * 30),
    "{'tags': <'taglist, a=(structure)\"b, c=%s\"'>}" % ('\\\\[a,a=' * 30),
    "{'tags': <'title=(string)x'>}",
    # Texts at which they logged criticals and warnings.
    "{'tags': <'taglist, title=\"\"'>, 'global-tags': <'taglist, bitrate=(uint)[ 5, 1 ]'>}",
    "{'media-type': <'image/jpeg'>, 'width': <@u 0>, 'height': <@u 0>, 'size': <@t 1048576>, "
    "'caps': <'image/jpeg(memory:), framerate=(fraction)-2147483648/1'>}",
    # Every type that crosses.
    "{'tags': <'taglist, date=(date)2024-02-29, artist=(string){ A, \"B\\\\ \\\\303\\\\274\" }, "
    "replaygain-track-gain=(double)-1e-05, duration=(guint64)7, datetime=(datetime)2024-03-04T05:06:07.5+0100;'>}",
    "{%s, 'caps': <'video/x-raw, format=(string)I420, width=(int)64, height=(int)48, "
    "multiview-flags=(GstVideoMultiviewFlagsSet)0:ffffffff:/right-view-first/left-flipped, "
    "framerate=(fraction)30/1'>}" % (RAW % ('yuv420p', 64, 48, '[0, 3072, 4608]', '[64, 64, 64]', 6144)),
]

METAS = [
    "{'dts': <@x 5>, 'crop': <(@u 1, @u 2, @u 30, @u 20)>}",
    "{'roi': <@a(siiuuuuas) [('face', 1, -1, 2, 3, 4, 5, "
    "['detection, confidence=(double)0.5, label=(string)face;'])]>}",
    "{'timecode': <(@u 30, @u 1, @u 0, @u 1, @u 2, @u 3, @u 4, @u 0, '2024-01-02T03:04:05Z')>}",
    "{'timecode': <(@u 30000, @u 1001, @u 1, @u 1, @u 2, @u 3, @u 4, @u 2, '')>}",
    "{'reference-timestamps': <@a(stt) [('timestamp/x-ntp', 1, 2), "
    "('timestamp/x-unix, a=(int)1', 3, 18446744073709551615)]>}",
    "{'captions': <@a(say) [('closedcaption/x-cea-608, format=(string)raw', [0x80, 0x81]), "
    "('closedcaption/x-cea-708, format=(string)cc_data', [0xfc, 1, 2])]>}",
    "{'afd': <@a(yuu) [(0, 1, 8), (1, 2, 9)]>, 'bar': <@a(ybuu) [(0, true, 1, 2)]>}",
    "{'sei-unregistered': <@a(ayay) [([1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16], [1, 2])]>}",
    "{'roi': <@a(siiuuuuas) [('x', 1, -1, 2, 3, 4, 5, ['a, b=%s'])]>}" % ('<' * 40),
    "{'afd': <@a(yuu) [(2, 0, 8), (0, 0, 0), (0, 1, 1)]>, 'bar': <@a(ybuu) [(2, true, 1, 2)]>}",
    "{'custom': <@a(sass) [('Fu', ['video'], 'Fu, value=(int)3; Fu')]>}",
    "{'custom': <@a(sass) [('FuzzMeta', ['video', 'tag'], 'FuzzMeta, value=(int)3;')]>, 'own': <1>}",
    "{'roi': <@a(siiuuuuas) [('x', 1, -1, 2, 3, 4, 5, ['a, b=\"\"', 'a, b=(GEnum)1', 'a, b=(buffer)zz', "
    "'a, b=(int)[ 5, 1 ]', 'a, b=(fraction)2147483648/1', 'a, b=(GstSeekFlags)1048576', "
    "'a, b=(string){ NULL }'])]>}",
    "{'custom': <@a(sass) [('FuzzMeta', ['video'], 'FuzzMeta, a=(GstSeekFlags)flush+accurate, "
    "b=(GstVideoFormat)nv12, c=(flagset)1:ffffffff, d=(bitmask)0x0000000000000003, e=(string)NULL, "
    "f=(string){ \"\" }, g=(int)< < (int)1 >, < (int)2, (int)3 > >, h=(buffer)00ff, i=(boolean)true;')]>}",
]


def serialise(text):
    value = GLib.Variant.parse(GLib.VariantType('a{sv}'), text, None, None)
    return value.get_normal_form().get_data_as_bytes().get_data()


def messages():
    for kind, texts in MESSAGES.items():
        for text in texts:
            body = serialise(text)
            yield struct.pack('<IHHII', 0x4d524653, 1, kind, len(body), 1) + body


def align(size, to):
    return (size + to - 1) // to * to


def segments():
    for slots, payload, metadata, committed, seals, kind, surplus in (
            (1, 4096, 0, 1, 0, 0, 0), (4, 8192, 4096, 4, 0, 0, 0), (16384, 4096, 65536, 2, 0, 0, 0),
            (1024, 1 << 32, 0, 1024, 0, 0, 0), (2, 4096, 4096, 9, 4, 0, 0),
            (2, 4096, 4096, 0, 0, 1, 0), (2, 4096, 4096, 0, 0, 2, 0), (2, 4096, 4096, 0, 0, 0, -1)):
        ring = 2
        while ring < 2 * slots:
            ring *= 2
        ring_offset = 4096 + 128 * slots
        offset = align(ring_offset + 8 * ring, 4096)
        stride = payload + metadata
        yield (struct.pack('<QIIQIIQQQQ', 7, 1, slots, payload, metadata, ring, ring_offset, offset,
                           stride, offset + slots * stride)
               + struct.pack('<8sIIQIIQIIQ', b'SFRMSEG1', 1, 384, 7, 1, slots, payload, metadata,
                             ring, offset)
               + struct.pack('<IHBb', committed, seals, kind, surplus))


def descriptor(payload, metadata, flags=1, number=1, events=0):
    return struct.pack('<qqqqqQIIII', 1, 2, 3, 4, 5, payload, flags, number, events, metadata)


def areas():
    size = 4096  # of yuv420p 48x32 with strides of 64
    texts = ["{'crop': <(@u 1, @u 2, @u 30, @u 20)>}", "{'a': <[1, 2]>, 'b': <'text'>}", '{}']
    for mode, text in ((0, 0), (1, 0), (2, 1), (4, 1), (8, 2), (11, 2), (15, 0)):
        body = serialise(texts[text])
        yield (struct.pack('<QQ', 2 << 16 | 1, 0 if mode & 4 == 0 else 3)
               + struct.pack('<4Q', 0, 1 << 16, 2 << 16 | 1, 0)
               + struct.pack('<2Q', 1 << 2 | 1, 2 << 2 | 1)
               + descriptor(size, len(body)) + descriptor(4096, len(body), flags=mode & 1)
               + struct.pack('<Q', mode) + body)


def seeds(target):
    return {
        'message': messages,
        'segment': segments,
        'metadata': areas,
        'caps': lambda: map(serialise, FORMATS),
        'metas': lambda: map(serialise, METAS),
    }[target]()


if __name__ == '__main__':
    for name in sys.argv[1:]:
        for seed in seeds(name):
            print(name, seed)
