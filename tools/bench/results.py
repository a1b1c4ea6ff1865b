# SPDX-License-Identifier: LGPL-2.1-or-later
"""A results file of frame-bench, as the reports need it. Nothing in the file is trusted: what is no number
is None, text has no control characters."""
import collections
import json
import math
import statistics

VERSION = 1
MOST = 1e18  # larger numbers are none
BASE = 'shm-futex'  # what ratios are to
BASED_GROUPS = ('latency', 'back-to-back')
HEIGHTS = {(1280, 720): '720p', (1920, 1080): '1080p', (3840, 2160): '2160p', (7680, 4320): '4320p'}
GROUPS = {
    'latency': 'Latency, a frame at an interval',
    'back-to-back': 'Latency, back to back, one frame in flight',
    'touch': 'Whole frames, filled and read',
    'consumers': 'Cost against consumers',
    'slots': 'Cost against slots',
    'jitter': 'Irregular frames',
    'elements': 'GStreamer elements, appsrc to appsink',
}
VERDICTS = ('met', 'missed', 'not measured')

Ratio = collections.namedtuple('Ratio', 'value least most')
STEPS = ('acquire', 'publish', 'unref', 'lease', 'release')
Target = collections.namedtuple('Target', 'target limit measured spread verdict note')


class ResultsError(Exception):
    """Not a results file."""


def as_dict(value):
    return value if isinstance(value, dict) else {}


def as_list(value):
    return value if isinstance(value, list) else []


def number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if math.isfinite(value) and abs(value) < MOST else None


def clean(value, most=1000):
    if not isinstance(value, str):
        return ''
    return short(''.join(c if c.isprintable() else ' ' for c in value[:most + 1]), most)


def short(name, most=20):
    return name if len(name) <= most else name[:most - 1] + '…'


def total(*values):
    """The sum of the known ones; None if none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def digits(value):
    """Three significant digits, no exponent below 10,000,000."""
    if value is None:
        return ''
    if value == 0:
        return '0'
    size = abs(value)
    if size >= 9999999.5:
        return f'{value:.2e}'
    return f'{value:.{max(0, 2 - math.floor(math.log10(size)))}f}' if size >= 0.0005 else f'{value:.1e}'


def tick(value, units):
    """A plain number with its unit: units are (factor, name), rising."""
    factor, name = next(((f, n) for f, n in reversed(units) if value >= f * 0.9999), units[0])
    return f'{value / factor:.3g} {name}'


def tick_ns(value):
    return tick(value, ((1, 'ns'), (1e3, 'us'), (1e6, 'ms'), (1e9, 's')))


def tick_bytes(value):
    return tick(value, ((1, 'B'), (1e3, 'kB'), (1e6, 'MB'), (1e9, 'GB')))


class Cell:
    """One way at one setting."""
    def __init__(self, raw):
        self.raw = raw
        self.group = clean(raw.get('group')) or 'no group'
        self.way = clean(raw.get('way'), 40) or 'no name'
        self.title = clean(raw.get('title'), 100) or self.way
        self.format = clean(raw.get('format'), 20)
        self.touch = raw.get('touch') is True
        for name in ('width', 'height', 'size', 'consumers', 'slots', 'interval_ns', 'jitter_ns'):
            setattr(self, name, max(0, self.number(name) or 0))
        self.state = next((s for s in ('skipped', 'error') if s in raw), 'measured')
        self.reason = clean(raw.get(self.state)) or ('no reason given' if self.state in raw else '')
        self.rounds = [as_dict(one) for one in as_list(raw.get('rounds'))]
        self.cdf = [(share, ns) for share, ns in map(self.pair, as_list(self.at('latency_ns', 'cdf')))
                    if share is not None and ns is not None and ns >= 1]

    @staticmethod
    def pair(value):
        values = as_list(value)
        return (number(values[0]), number(values[1])) if len(values) == 2 else (None, None)

    def at(self, *path):
        value = self.raw
        for key in path:
            value = as_dict(value).get(key)
        return value

    def number(self, *path):
        return number(self.at(*path))

    @property
    def measured(self):
        return self.state == 'measured'

    @property
    def setting(self):
        return (self.format, self.width, self.height, self.consumers, self.slots, self.interval_ns,
                self.jitter_ns, self.touch)

    @property
    def size_name(self):
        """720p and the like."""
        return HEIGHTS.get((self.width, self.height)) or f'{self.width:g}x{self.height:g}'

    @property
    def setting_parts(self):
        """For the reader; each at its own place, empty where it is the usual."""
        pace = f'{round(1e9 / self.interval_ns, 1):g} fps' if self.interval_ns else 'back to back'
        return (f'{self.format} {self.size_name}'.strip(), pace,
                f"{self.consumers:g} consumer{'' if self.consumers == 1 else 's'}",
                f'{self.slots:g} slots' if self.slots else '',
                f'jitter {tick_ns(self.jitter_ns)}' if self.jitter_ns else '',
                'whole frames' if self.touch else '')

    @property
    def setting_text(self):
        return ', '.join(part for part in self.setting_parts if part)

    def both_sides(self, producer, consumer):
        """Of the producer and of all consumers; the file has the mean of the consumers."""
        each = self.number(consumer)
        return total(self.number(producer), None if each is None else each * self.consumers)

    @property
    def cpu_ns(self):
        return total(self.both_sides('cpu_producer_ns', 'cpu_consumer_ns'), self.number('cpu_daemon_ns'))

    @property
    def copied(self):
        return self.both_sides('copied_producer', 'copied_consumer')

    @property
    def faults(self):
        return self.both_sides('faults_producer', 'faults_consumer')

    @property
    def copies(self):
        """Whether it copies frames, not only words about them."""
        return (self.copied or 0) > self.size / 10


def positive(one, name):
    value = number(one.get(name))
    return value if value and value > 0 else None


class Results:
    def __init__(self, raw):
        self.started = clean(raw.get('started'))
        self.command = clean(raw.get('command'))
        self.seconds = number(raw.get('seconds'))
        self.machine = {clean(name): value for name, value in as_dict(raw.get('machine')).items()}
        self.cells = [Cell(cell) for cell in as_list(raw.get('cells')) if isinstance(cell, dict)]
        self.steps = [(one.get('consumers'), clean(size), [number(as_dict(named).get(step)) for step in STEPS])
                      for one in map(as_dict, as_list(raw.get('steps')))
                      for size, named in one.items() if isinstance(named, dict)]
        self.targets = [self.target(one) for one in map(as_dict, as_list(raw.get('targets')))]
        self.bases = {(c.group, c.setting): c for c in self.cells if c.way == BASE and c.measured}
        self.ways = {}  # name: title, in the order of the file
        for cell in self.cells:
            self.ways.setdefault(cell.way, cell.title)

    @staticmethod
    def target(raw):
        """Its numbers with their unit, ready to be read."""
        unit = clean(raw.get('unit'), 20)
        spread = [number(value) for value in as_list(raw.get('spread'))]
        verdict = clean(raw.get('verdict'))
        with_unit = [f'{digits(number(raw.get(name)))} {unit}'.strip()
                     if number(raw.get(name)) is not None else '' for name in ('limit', 'measured')]
        return Target(clean(raw.get('target')) or 'no name', *with_unit,
                      f'{digits(spread[0])}..{digits(spread[1])}'
                      if len(spread) == 2 and None not in spread else '',
                      verdict if verdict in VERDICTS else 'not measured', clean(raw.get('note'), 4000))

    @property
    def groups(self):
        """{group: cells}, the known groups first."""
        found = {name: [] for name in GROUPS}
        for cell in self.cells:
            found.setdefault(cell.group, []).append(cell)
        return {name: cells for name, cells in found.items() if cells}

    def measured(self, group):
        return [cell for cell in self.cells if cell.group == group and cell.measured]

    def ratio(self, cell):
        """p50 to the base's: the median of the rounds' ratios, with the smallest and the largest."""
        base = self.bases.get((cell.group, cell.setting))
        if not base or not cell.measured or cell.group not in BASED_GROUPS:
            return None
        others = {other.get('round', number): other for number, other in enumerate(base.rounds)}
        pairs = [(positive(one, 'p50'), positive(others.get(one.get('round', number), {}), 'p50'))
                 for number, one in enumerate(cell.rounds)]
        ratios = [one / other for one, other in pairs if one and other]
        if ratios:
            return Ratio(statistics.median(ratios), min(ratios), max(ratios))
        one, other = (positive(as_dict(c.at('latency_ns')), 'p50') for c in (cell, base))
        return Ratio(one / other, None, None) if one and other else None

    def hits(self, state, reason, group):
        """[(settings, ways)]; of the settings only what differs within the group."""
        of_group = [cell for cell in self.cells if cell.group == group]
        differs = [len(set(parts)) > 1 for parts in zip(*(cell.setting_parts for cell in of_group))]
        settings = {}
        for cell in of_group:
            if (cell.state, cell.reason) == (state, reason):
                parts = [part for part, shown in zip(cell.setting_parts, differs) if shown and part]
                settings.setdefault(cell.way, []).append(', '.join(parts) or 'usual')
        ways = {}
        for way, hit in settings.items():
            ways.setdefault(tuple(hit), []).append(way)
        return list(ways.items())

    @property
    def reasons(self):
        """{(state, reason): {group: hits}} of what was not measured."""
        found = {}
        for cell in self.cells:
            if not cell.measured:
                groups = found.setdefault((cell.state, cell.reason), {})
                groups.setdefault(cell.group, None)
        return {key: {group: self.hits(*key, group) for group in groups} for key, groups in found.items()}

    @property
    def machine_text(self):
        parts = []
        for name, value in self.machine.items():
            if name == 'memory_bytes' and number(value) is not None:
                value = f'{value / 2**30:.1f} GiB'
                name = 'memory'
            elif number(value) is not None:
                value = f'{value:g}'
            if clean(value):
                parts.append((name, clean(value)))
        return parts

    @property
    def rounds_text(self):
        counts = sorted({len(cell.rounds) for cell in self.cells if cell.measured and cell.rounds})
        if not counts:
            return 'an unknown number of rounds'
        if counts == [1]:
            return '1 round'
        least = f'{counts[0]} to ' if len(counts) > 1 else ''
        return f'{least}{counts[-1]} interleaved rounds'


def read(raw):
    """Results of a parsed file, or those that were read before."""
    if isinstance(raw, Results):
        return raw
    if not isinstance(raw, dict) or raw.get('version') != VERSION:
        raise ResultsError(f'not results of frame-bench, version {VERSION}')
    return Results(raw)


def load(path):
    try:
        with open(path, encoding='utf-8') as source:
            return read(json.load(source))
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f'cannot read {path}: {error}') from error
