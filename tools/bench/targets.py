# SPDX-License-Identifier: LGPL-2.1-or-later
"""What shmframe means to reach, and whether a run shows it."""
import statistics

from plan import FPS, SIZES, Setting

PAGE = 4096
METADATA = 4096  # bytes of each slot, the producer's default
SEGMENT_EXTRA, CONSUMER_EXTRA = 64 * 1024, 8 * 1024  # bytes
PREDICT_CORE = 0.03
FRAME_NS = 10**9 / FPS


class Cells:
    """The cells that were measured, by way and setting."""

    def __init__(self, cells):
        self.cells = [cell for cell in cells if 'latency_ns' in cell]

    def get(self, way, setting):
        width, height = SIZES[setting.size]
        wanted = {'way': way, 'group': setting.group, 'width': width, 'height': height,
                  'format': setting.format, 'consumers': setting.consumers, 'slots': setting.slots,
                  'jitter_ns': setting.jitter_us * 1000, 'touch': setting.touch,
                  'interval_ns': 10**9 // setting.fps if setting.fps else 0}
        for cell in self.cells:
            if all(cell[name] == value for name, value in wanted.items()):
                return cell
        return None

    def rows(self, way, other, groups):
        """Pairs of cells of two ways at the same setting."""
        names = ('group', 'width', 'height', 'format', 'consumers', 'slots', 'interval_ns', 'jitter_ns', 'touch')
        others = {tuple(cell[name] for name in names): cell for cell in self.cells if cell['way'] == other}
        for cell in self.cells:
            match = others.get(tuple(cell[name] for name in names))
            if cell['way'] == way and match and cell['group'] in groups:
                yield cell, match


def quartiles(values):
    """The middle half of the rounds."""
    if len(values) < 2:
        return None
    low, _, high = statistics.quantiles(values, n=4, method='inclusive')
    return [low, high]


def median(values):
    return statistics.median(values) if values else None


def per_round(cell, base, value):
    """What each round of the one has to the same round of the other."""
    return [value(one) / value(other) for one, other in zip(cell['rounds'], base['rounds']) if value(other)]


def in_words(consumers):
    return f'{consumers} consumer' + ('s' if consumers != 1 else '')


class Targets:
    def __init__(self, cells, steps):
        self.cells = Cells(cells)
        self.steps = {one['consumers']: one for one in steps}
        self.found = []

    def add(self, target, limit, unit, measured, spread=None, *, least=False, strict=False, cell=None):
        """`least`: the limit is the least; else it is the most; `strict`: it must stay below. `cell`: whose profile explains a miss."""
        if measured is None:
            verdict = 'not measured'
        else:
            met = measured >= limit if least else measured < limit if strict else measured <= limit
            verdict = 'met' if met else 'missed'
        self.found.append({'target': target, 'limit': limit, 'unit': unit, 'measured': measured,
                           'spread': spread, 'verdict': verdict, 'note': '', 'cell': cell})

    def ratio(self, target, limit, ways, setting, value, *, least=False):
        """The median of the rounds' ratios of two ways at a setting."""
        cell, base = (self.cells.get(way, setting) for way in ways)
        if not cell or not base:
            self.add(target, limit, 'x', None)
            return
        ratios = per_round(cell, base, value)
        self.add(target, limit, 'x', median(ratios), quartiles(ratios), least=least,
                 cell=(ways[0], setting))

    def value(self, target, limit, unit, way, setting, value):
        cell = self.cells.get(way, setting)
        self.add(target, limit, unit, value(cell) if cell else None, cell=(way, setting))

    def p99(self, target, limit, ways, setting):
        """Of all rounds; a round has too few samples, so the spread is that of three parts of the rounds."""
        cell, base = (self.cells.get(way, setting) for way in ways)
        if not cell or not base:
            self.add(target, limit, 'x', None)
            return
        parts = [one / other for one, other in zip(cell.get('p99_parts', []), base.get('p99_parts', [])) if other]
        self.add(target, limit, 'x', cell['latency_ns']['p99'] / base['latency_ns']['p99'],
                 [min(parts), max(parts)] if parts else None, cell=(ways[0], setting))

    # ---- by the lines of the issue ----

    def sleeping(self, sizes):
        for size in sizes:
            ways, setting = ('shmframe', 'shm-futex'), Setting('latency', size)
            self.ratio(f'sleeping, {size}: p50 to bare futex', 1.15, ways, setting, lambda one: one['p50'])
            self.p99(f'sleeping, {size}: p99 to bare futex', 1.5, ways, setting)
        small, large = (self.cells.get('shmframe', Setting('latency', size)) for size in ('720p', '4320p'))
        ratios = per_round(large, small, lambda one: one['p50']) if small and large else []
        self.add('sleeping: p50 at 4320p apart from 720p', 0.10, '', abs(median(ratios) - 1) if ratios else None,
                 quartiles([abs(ratio - 1) for ratio in ratios]),
                 cell=('shmframe', Setting('latency', '4320p')))

    def below(self, target, way, other, groups):
        """p50 below another's in every row of these groups; the worst row is said."""
        worst = None
        for cell, match in self.cells.rows(way, other, groups):
            ratios = per_round(cell, match, lambda one: one['p50'])
            ratio = median(ratios)
            if ratio is not None and (worst is None or ratio > worst[0]):
                worst = ratio, quartiles(ratios), cell
        if worst is None:
            self.add(target, 1.0, 'x', None)
            return
        ratio, spread, cell = worst
        size = next(name for name, (_, height) in SIZES.items() if height == cell['height'])
        setting = Setting(cell['group'], size, cell['format'], cell['consumers'], cell['slots'],
                          FPS if cell['interval_ns'] else 0, cell['jitter_ns'] // 1000, cell['touch'])
        pace = '60 fps' if setting.fps else 'back to back'
        self.add(f'{target} (worst: {size} {setting.format}, {in_words(setting.consumers)}, {pace})', 1.0, 'x', ratio,
                 spread, strict=True, cell=(way, setting))

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
                     one and sum(one[size][step] for step in ('publish', 'lease', 'release')))
        self.add('acquire + publish with 100 attached, before waking', 10000, 'ns',
                 hundred and hundred['720p']['acquire'] + hundred['720p']['publish'])
        few, many = (self.cells.get('shmframe', Setting('consumers', consumers=n)) for n in (4, 100))
        ratios = per_round(many, few, lambda one: one['publish_p50']) if few and many else []
        self.add("producer's time per frame, 100 sleepers to 4", 1.2, 'x',
                 median(ratios), quartiles(ratios),
                 cell=('shmframe', Setting('consumers', consumers=100)))
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
                       lambda one: one['p50'])
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
        self.add('bytes that shmframe copied, all cells', 0, 'bytes',
                 sum(cell['copied_producer'] + cell['copied_consumer'] for cell in ours) if ours else None)


def beyond_slots(cell):
    """Bytes of shared memory that are no slot: a slot is a frame and its metadata, in whole pages."""
    slot = -(-cell['size'] // PAGE) * PAGE + METADATA
    return cell['shared_bytes'] % slot


def targets(cells, steps, sizes=tuple(SIZES)):
    """One object for each target, as the results file has them; `cell` is (way, setting) or None."""
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
