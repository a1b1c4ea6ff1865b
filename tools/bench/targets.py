# SPDX-License-Identifier: LGPL-2.1-or-later
"""What shmframe means to reach, and whether a run shows it."""
import statistics

from plan import FPS, SIZES, Setting

PAGE = 4096
METADATA = 4096  # bytes of each slot, the producer's default
SEGMENT_EXTRA, CONSUMER_EXTRA = 64 * 1024, 8 * 1024  # bytes
PREDICT_CORE = 0.03
FRAME_NS = 10**9 / FPS
STEPS = 'steps'  # what frame-bench-steps measures: a group that has no cells


ROW = ('group', 'width', 'height', 'format', 'consumers', 'slots', 'interval_ns', 'jitter_ns', 'touch')


class Cells:
    """The cells that were measured, and those that failed, by way and setting."""

    def __init__(self, cells):
        self.cells = [cell for cell in cells if 'latency_ns' in cell]
        self.failed = [cell for cell in cells if 'error' in cell]

    def get(self, way, setting):
        return self.find(self.cells, way, setting)

    def failure(self, way, setting):
        """What went wrong with it, or None."""
        cell = self.find(self.failed, way, setting)
        return said(cell) if cell else None

    @staticmethod
    def find(cells, way, setting):
        width, height = SIZES[setting.size]
        wanted = {'way': way, 'group': setting.group, 'width': width, 'height': height,
                  'format': setting.format, 'consumers': setting.consumers, 'slots': setting.slots,
                  'jitter_ns': setting.jitter_us * 1000, 'touch': setting.touch,
                  'interval_ns': 10**9 // setting.fps if setting.fps else 0}
        for cell in cells:
            if all(cell[name] == value for name, value in wanted.items()):
                return cell
        return None

    def rows(self, way, other, groups):
        """Cells of a way, each with the other's at the same setting, or None."""
        others = {tuple(cell[name] for name in ROW): cell for cell in self.cells if cell['way'] == other}
        for cell in self.cells:
            if cell['way'] == way and cell['group'] in groups:
                yield cell, others.get(tuple(cell[name] for name in ROW))


def said(failed):
    """Of a cell that failed, in a line."""
    setting = ', '.join((failed['group'], f"{failed['width']}x{failed['height']}", failed['format'],
                         in_words(failed['consumers'])))
    return f"{failed['way']} failed ({setting}): {failed['error']}"


def quartiles(values):
    """The middle half of the rounds."""
    if len(values) < 2:
        return None
    low, _, high = statistics.quantiles(values, n=4, method='inclusive')
    return [low, high]


def median(values):
    return statistics.median(values) if values else None


def numbered(cell):
    return {one.get('round', index): one for index, one in enumerate(cell['rounds'])}


def per_round(cell, base, value):
    """What each round of the one has to the same round of the other, which may have had more or fewer."""
    bases = numbered(base)
    return [value(one) / value(bases[number]) for number, one in numbered(cell).items()
            if number in bases and value(bases[number])]


def each_round(cell, value):
    """What each round has of what the cell has the median of; without those that do not know."""
    return [found for found in (value({**cell, **one}) for one in cell['rounds']) if found is not None]


def extremes(values):
    return [min(values), max(values)] if len(values) > 1 else None


def in_words(consumers):
    return f'{consumers} consumer' + ('s' if consumers != 1 else '')


class Targets:
    def __init__(self, cells, steps):
        self.cells = Cells(cells)
        self.steps = {one['consumers']: one for one in steps}
        self.found = []

    def add(self, target, limit, unit, measured, spread=None, *, least=False, strict=False, cell=None,
            failure=None, asleep=False):
        """`least`: the limit is the least; else it is the most; `strict`: it must stay below. `cell`: whose
        profile explains a miss; `asleep`: time counts too in which nothing runs. `failure`: why it is missed
        whatever was measured."""
        if failure:
            verdict, cell = 'missed', None
        elif measured is None:
            verdict = 'not measured'
        else:
            met = measured >= limit if least else measured < limit if strict else measured <= limit
            verdict = 'met' if met else 'missed'
        self.found.append({'target': target, 'limit': limit, 'unit': unit, 'measured': measured,
                           'spread': spread, 'verdict': verdict, 'note': failure or '', 'cell': cell,
                           'asleep': asleep})

    def pair(self, *keys):
        """Two cells by way and setting, or None; and why not, if one of shmframe's failed."""
        failures = [self.cells.failure(*key) for key in keys if 'shmframe' in key[0]]
        cells = [self.cells.get(*key) for key in keys]
        return cells if all(cells) else None, next(filter(None, failures), None)

    def compare(self, target, limit, unit, keys, value, *, of=lambda ratio: ratio, **more):
        """The median of the rounds' ratios of two cells; the first's profile explains a miss."""
        cells, failure = self.pair(*keys)
        ratios = per_round(*cells, value) if cells else []
        middle = median(ratios)
        self.add(target, limit, unit, None if middle is None else of(middle),
                 quartiles([of(ratio) for ratio in ratios]), cell=keys[0], failure=failure, **more)

    def ratio(self, target, limit, ways, setting, value, **more):
        self.compare(target, limit, 'x', [(way, setting) for way in ways], value, **more)

    def value(self, target, limit, unit, way, setting, value):
        """No round may exceed it."""
        cell = self.cells.get(way, setting)
        values = each_round(cell, value) if cell else []
        self.add(target, limit, unit, max(values, default=None), extremes(values), cell=(way, setting),
                 failure=self.cells.failure(way, setting))

    def p99(self, target, limit, ways, setting):
        """Of all rounds; a round has too few samples, so the spread is that of three parts of the rounds."""
        cells, failure = self.pair(*((way, setting) for way in ways))
        measured, parts = None, []
        if cells:
            cell, base = cells
            measured = cell['latency_ns']['p99'] / base['latency_ns']['p99']
            parts = [one / other for one, other in zip(cell.get('p99_parts', []), base.get('p99_parts', []))
                     if other]
        self.add(target, limit, 'x', measured, extremes(parts), cell=(ways[0], setting), failure=failure,
                 asleep=True)

    # ---- by the lines of the issue ----

    def sleeping(self, sizes):
        for size in sizes:
            ways, setting = ('shmframe', 'shm-futex'), Setting('latency', size)
            self.ratio(f'sleeping, {size}: p50 to bare futex', 1.15, ways, setting, lambda one: one['p50'],
                       asleep=True)
            self.p99(f'sleeping, {size}: p99 to bare futex', 1.5, ways, setting)
        self.compare('sleeping: p50 at 4320p apart from 720p', 0.10, '',
                     [('shmframe', Setting('latency', size)) for size in ('4320p', '720p')],
                     lambda one: one['p50'], of=lambda ratio: abs(ratio - 1), asleep=True)

    def below(self, target, way, other, groups):
        """p50 below another's in every row of these groups; the worst row is said."""
        rows = list(self.cells.rows(way, other, groups))
        failure = next((said(cell) for cell in self.cells.failed
                        if cell['way'] == way and cell['group'] in groups), None)
        found = []
        for cell, match in rows:
            ratios = per_round(cell, match, lambda one: one['p50']) if match else []
            if ratios:
                found.append((median(ratios), quartiles(ratios), cell))
        if not found:
            self.add(target, 1.0, 'x', None, failure=failure)
            return
        ratio, spread, cell = max(found, key=lambda one: one[0])
        setting = setting_of(cell)
        pace = '60 fps' if setting.fps else 'back to back'
        without = f', {len(rows) - len(found)} without' if len(rows) > len(found) else ''
        rows = f"{len(found)} row{'s' if len(found) != 1 else ''}{without}"
        worst = f'{setting.size} {setting.format}, {in_words(setting.consumers)}, {pace}'
        self.add(f'{target} ({rows}; worst: {worst})', 1.0, 'x', ratio, spread, strict=True,
                 cell=(way, setting), failure=failure, asleep=True)

    def busy(self, sizes):
        for size in sizes:
            self.ratio(f'spinning, {size}: p50 to bare spinning', 2, ('shmframe-spin', 'shm-spin'),
                       Setting('latency', size), lambda one: one['p50'])
        for jitter_us in (0, 1000):
            setting = Setting('jitter', jitter_us=jitter_us)
            self.ratio(f'predicting, jitter {jitter_us} us: p50 to spinning', 1.0,
                       ('shmframe-predict', 'shmframe-spin'), setting, lambda one: one['p50'])
            self.value(f'predicting, jitter {jitter_us} us: share of a core', PREDICT_CORE, '',
                       'shmframe-predict', setting, lambda cell: cell['cpu_consumer_ns'] / FRAME_NS)
        self.value('predicting, irregular (8000 us): share of a core', PREDICT_CORE, '', 'shmframe-predict',
                   Setting('jitter', jitter_us=8000), lambda cell: cell['cpu_consumer_ns'] / FRAME_NS)

    def costs(self):
        one, hundred = (self.steps.get(n) for n in (1, 100))
        for size in ('720p', '2160p'):
            self.add(f'publish + lease + release without waking, {size}', 300, 'ns',
                     one and sum(one[size][step] for step in ('publish', 'lease', 'release')),
                     cell=(STEPS, 1))
        self.add('acquire + publish with 100 attached, before waking', 10000, 'ns',
                 hundred and hundred['720p']['acquire'] + hundred['720p']['publish'], cell=(STEPS, 100))
        for few in (4, 1):
            self.compare(f"producer's time in acquire + publish, 100 sleepers to {few}", 1.2, 'x',
                         [('shmframe', Setting('consumers', consumers=n)) for n in (100, few)],
                         lambda one: one['publish_p50'])
        for consumers in (1, 100):
            setting = Setting('consumers', consumers=consumers)
            self.value(f'shared memory beyond the slots, {in_words(consumers)}',
                       SEGMENT_EXTRA + CONSUMER_EXTRA * consumers, 'bytes', 'shmframe', setting, beyond_slots)

    def whole_frames(self):
        setting = Setting('touch', '2160p', fps=0, touch=True)
        for other, least in (('shm-futex', 1.5), ('iceoryx', 1.0)):
            name = 'three bare slots' if other == 'shm-futex' else other
            self.ratio(f'whole frames, 2160p: frames/s to {name}', least, ('shmframe', other), setting,
                       lambda one: one['fps'], least=True)

    def elements(self):
        setting = Setting('elements', '2160p')
        for other, name, latency, cpu in (('gst-shmsink', 'shmsink', 0.65, 0.6),
                                          ('gst-shmsink-copy', 'shmsink with a copy', 0.1, 0.1)):
            self.ratio(f'elements, 2160p60: p50 to {name}', latency, ('gst-shmframe', other), setting,
                       lambda one: one['p50'], asleep=True)
            self.ratio(f'elements, 2160p60: CPU per frame to {name}', cpu, ('gst-shmframe', other), setting,
                       lambda one: one['cpu_producer_ns'] + one['cpu_consumer_ns'])
        self.below('elements: p50 below unixfd in every row', 'gst-shmframe', 'gst-unixfd', ('elements',))
        self.value('elements, 2160p60: bytes copied per frame', 0, 'bytes', 'gst-shmframe', setting,
                   lambda cell: cell['copied_producer'] + cell['copied_consumer'])
        self.value('elements, 2160p60: first frame after attach', 20e6, 'ns', 'gst-shmframe', setting,
                   lambda cell: cell['first_frame_ns'])
        self.value('elements, 2160p60: page faults per frame', 0, '', 'gst-shmframe', setting,
                   lambda cell: cell['faults_producer'] + cell['faults_consumer'])

    def correct(self):
        """Counted over every cell of the run."""
        ours = [cell for cell in self.cells.cells if 'shmframe' in cell['way']]
        self.add('torn frames of shmframe, all cells', 0, '',
                 sum(cell['torn'] for cell in ours) if ours else None)
        copied = [bytes_of for cell in ours for bytes_of in
                  each_round(cell, lambda one: one['copied_producer'] + one['copied_consumer'])]
        self.add('bytes that shmframe copied per frame, all cells', 0, 'bytes', max(copied, default=None),
                 extremes(copied))
        failed = [cell for cell in self.cells.failed if 'shmframe' in cell['way']]
        self.add('cells of shmframe that failed', 0, '', len(failed) if ours or failed else None,
                 failure='; '.join(map(said, failed)))


def setting_of(cell):
    size = next(name for name, (_, height) in SIZES.items() if height == cell['height'])
    return Setting(cell['group'], size, cell['format'], cell['consumers'], cell['slots'],
                   FPS if cell['interval_ns'] else 0, cell['jitter_ns'] // 1000, cell['touch'])


def beyond_slots(cell):
    """Bytes of shared memory that are no slot, or None. Where the slots are not known, they are as many as
    fit: a slot is a frame and its metadata, in whole pages."""
    if not cell['shared_bytes']:
        return None
    if cell.get('committed_slots'):
        return cell['shared_bytes'] - cell['committed_slots'] * cell['slot_bytes']
    return cell['shared_bytes'] % (-(-cell['size'] // PAGE) * PAGE + METADATA)


def targets(cells, steps, sizes=tuple(SIZES)):
    """One object for each target, as the results file has them; and `cell`, which is (way, setting),
    (STEPS, consumers) or None, and `asleep`."""
    found = Targets(cells, steps)
    found.sleeping(sizes)
    found.below('sleeping: p50 below iceoryx in every row', 'shmframe', 'iceoryx',
                ('latency', 'back-to-back', 'consumers'))
    found.busy(sizes)
    found.costs()
    found.whole_frames()
    found.elements()
    found.correct()
    return found.found
