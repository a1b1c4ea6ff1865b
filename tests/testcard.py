# SPDX-License-Identifier: LGPL-2.1-or-later
"""A test card: eight fields of known colours, four in a row, written byte for byte in many formats; and
what must stand on a screen for it, by the equations of ITU-T H.273 (8.3, MatrixCoefficients)."""
import collections
import struct

WIDTH, HEIGHT, COLUMNS, ROWS = 640, 360, 4, 2
FIELD = (WIDTH // COLUMNS, HEIGHT // ROWS)
# R, G, B of 0 to 1: saturated ones, where a wrong matrix shows, and some in between.
COLOURS = [(1, 1, 1), (0.8, 0.1, 0.1), (0.1, 0.7, 0.1), (0.1, 0.1, 0.9), (0, 0, 0), (0.25, 0.5, 0.75),
           (0.9, 0.6, 0.2), (0.5, 0.5, 0.5)]
# KR, KB; and what GStreamer's colorimetry says: matrix:transfer:primaries
MATRICES = {'bt601': (0.299, 0.114, '4:16:4'), 'bt709': (0.2126, 0.0722, '3:5:1'),
            'bt2020': (0.2627, 0.0593, '6:13:7')}
RANGES = {'full': 1, 'limited': 2}
# bits; how far each value is shifted up; samples of a chroma plane to one of luma, across and down
Format = collections.namedtuple('Format', 'bits shift across down')
FORMATS = {
    'NV12': Format(8, 0, 2, 2), 'I420': Format(8, 0, 2, 2), 'YUY2': Format(8, 0, 2, 1),
    'Y444': Format(8, 0, 1, 1), 'I420_10LE': Format(10, 0, 2, 2), 'P010_10LE': Format(10, 6, 2, 2),
    'RGBA': Format(8, 0, 1, 1), 'BGRx': Format(8, 0, 1, 1), 'GRAY8': Format(8, 0, 1, 1)}
RGB = ('RGBA', 'BGRx')


def names(pixel_format):
    return 'RGB' if pixel_format in RGB else ('Y',) if pixel_format == 'GRAY8' else ('Y', 'Cb', 'Cr')


def encode(colour, pixel_format, matrix, full):
    """The components' values, as they stand in memory."""
    bits = FORMATS[pixel_format].bits
    most, step = (1 << bits) - 1, 1 << bits - 8
    if pixel_format in RGB:
        return tuple(round(255 * value) for value in colour)
    red, green, blue = colour
    kr, kb = MATRICES[matrix][:2]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    y = most * luma if full else step * (219 * luma + 16)
    scale, zero = (most, 1 << bits - 1) if full else (224 * step, 128 * step)
    values = [y] + [scale * value + zero for value in chroma]
    return tuple(min(most, max(0, round(value))) for value in values)[:len(names(pixel_format))]


def decode(values, pixel_format, matrix, full):
    """R, G, B of 0 to 255."""
    bits = FORMATS[pixel_format].bits
    most, step = (1 << bits) - 1, 1 << bits - 8
    if pixel_format in RGB:
        return values
    luma = values[0] / most if full else (values[0] / step - 16) / 219
    scale, zero = (most, 1 << bits - 1) if full else (224 * step, 128 * step)
    blue, red = ((value - zero) / scale for value in values[1:] or (zero, zero))
    kr, kb = MATRICES[matrix][:2]
    red, blue = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return tuple(round(255 * min(1, max(0, value))) for value in (red, green, blue))


class Card:
    """`turn`: by how many fields the colours are shifted, so that cards differ from each other."""

    def __init__(self, pixel_format, matrix='bt709', full=False, turn=0):
        colours = COLOURS[turn % 8:] + COLOURS[:turn % 8]
        self.format, self.matrix, self.full = pixel_format, matrix, full
        self.values = [encode(colour, pixel_format, matrix, full) for colour in colours]
        self.shown = [decode(values, pixel_format, matrix, full) for values in self.values]

    def __str__(self):
        return f'{self.format} {self.matrix} {"full" if self.full else "limited"}'

    def points(self):
        """(x, y, which field): each field's centre, and the corners of the picture."""
        corners = [(0, 0, 0), (WIDTH - 1, 0, COLUMNS - 1), (0, HEIGHT - 1, COLUMNS),
                   (WIDTH - 1, HEIGHT - 1, 2 * COLUMNS - 1)]
        return [(field % COLUMNS * FIELD[0] + FIELD[0] // 2, field // COLUMNS * FIELD[1] + FIELD[1] // 2,
                 field) for field in range(COLUMNS * ROWS)] + corners

    def caps(self):
        colorimetry = ('1:1:5:1' if self.format in RGB
                       else f'{RANGES["full" if self.full else "limited"]}:{MATRICES[self.matrix][2]}')
        return (f'video/x-raw,format={self.format},width={WIDTH},height={HEIGHT},framerate=1/1,'
                f'colorimetry={colorimetry}')

    def pixels(self):
        layout = FORMATS[self.format]

        def plane(pack, across=1, down=1):
            """pack(values): the bytes of one sample, or of a group of samples."""
            rows = [b''.join(pack(values) * (FIELD[0] // across) for values in
                             self.values[row * COLUMNS:(row + 1) * COLUMNS]) for row in range(ROWS)]
            return b''.join(row * (FIELD[1] // down) for row in rows)

        def sample(*components):
            size = 'B' if layout.bits == 8 else 'H'
            return lambda values: struct.pack(f'<{len(components)}{size}', *(
                255 if c is None else values[c] << layout.shift for c in components))

        packed = {'RGBA': (0, 1, 2, None), 'BGRx': (2, 1, 0, None), 'GRAY8': (0,)}
        if self.format in packed:
            return plane(sample(*packed[self.format]))
        if self.format == 'YUY2':
            return plane(sample(0, 1, 0, 2), across=2)
        chroma = [(1, 2)] if self.format in ('NV12', 'P010_10LE') else [(1,), (2,)]
        return plane(sample(0)) + b''.join(plane(sample(*c), layout.across, layout.down) for c in chroma)

    def pipeline(self, folder, pool):
        """For gst-launch-1.0."""
        path = folder / f'{pool}.raw'
        path.write_bytes(self.pixels())
        return ['multifilesrc', f'location={path}', 'num-buffers=1', f'caps={self.caps()}', '!',
                'imagefreeze', 'is-live=true', '!', 'video/x-raw,framerate=5/1', '!',
                'shmframesink', f'pool={pool}', 'history=4']
