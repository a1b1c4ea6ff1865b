#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What frame-bench plans, merges and judges, and how it runs:
bench-driver.py FOLDER-OF-THE-MODULES FRAME-BENCH FRAME-BENCH-CELL FRAME-BENCH-STEPS"""
import csv
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys

import toolbox

modules, driver, cell_program, steps_program = map(os.path.abspath, sys.argv[1:])
sys.path.insert(0, modules)
import measure  # noqa: E402 pylint: disable=wrong-import-position
import plan  # noqa: E402 pylint: disable=wrong-import-position
import targets  # noqa: E402 pylint: disable=wrong-import-position
from plan import Setting  # noqa: E402 pylint: disable=wrong-import-position

WAYS = (*plan.COMPARED, *(f'other-{i}' for i in range(15)),
        'gst-shmframe', 'gst-shmsink', 'gst-shmsink-copy', 'gst-unixfd')
SMALL = ('--quick', '--groups', 'back-to-back', '--ways', 'shm-futex,shmframe')
ROUND = {'title': 'made up', 'size': 3110400, 'fps': 60.0, 'cpu_producer_ns': 25000, 'cpu_consumer_ns': 25000,
         'cpu_daemon_ns': 0, 'copied_producer': 0, 'copied_consumer': 0, 'faults_producer': 0,
         'faults_consumer': 0, 'pss_bytes': 10**7, 'shared_bytes': 0, 'first_frame_ns': 10**6, 'missed': 0,
         'torn': 0, 'latency_ns': [60000], 'publish_ns': [1000], 'committed_slots': 0, 'slot_bytes': 0}
ELEMENTS = Setting('elements', '2160p')
TOUCH = Setting('touch', '2160p', fps=0, touch=True)
SLOT = 760 * 4096 + 4096  # of NV12 at 1080p: in whole pages, and its metadata


def out(name):
    return os.path.join(toolbox.folder, name)


def bench(*arguments, **options):
    return toolbox.run(driver, *arguments, cwd=toolbox.folder, **options)


# ---- measure ----

def test_merge():
    rounds = [{**ROUND, 'latency_ns': list(range(first, last)), 'publish_ns': [publish], 'fps': fps,
               'missed': missed, 'torn': torn}
              for first, last, publish, fps, missed, torn in ((1, 101, 7, 50, 1, 1), (901, 1001, 9, 60, 2, 0),
                                                              (101, 901, 8, 59, 0, 0))]
    cell = measure.merge('pipe', Setting('jitter', '2160p', 'RGBA', 4, 16, 50, 1000, True), rounds)
    assert 'error' not in cell and 'skipped' not in cell
    for name, value in {'group': 'jitter', 'way': 'pipe', 'title': 'made up', 'format': 'RGBA', 'width': 3840,
                        'height': 2160, 'consumers': 4, 'slots': 16, 'touch': True, 'interval_ns': 20000000,
                        'jitter_ns': 1000000, 'fps': 59, 'missed': 3, 'torn': 1}.items():
        assert cell[name] == value, (name, cell[name])
    latency = cell['latency_ns']
    assert [latency[name] for name in ('p50', 'p99', 'p99.9', 'max')] == [501, 991, 1000, 1000], latency
    assert latency['samples'] == 1000 and latency['cdf'][0] == [0, 1] and latency['cdf'][-1] == [1, 1000]
    assert latency['cdf'] == sorted(latency['cdf'])
    assert cell['publish_ns'] == {'p50': 8, 'p99': 9, 'max': 9}, cell['publish_ns']
    assert [one['p50'] for one in cell['rounds']] == [51, 951, 501], cell['rounds']
    assert [one['fps'] for one in cell['rounds']] == [50, 60, 59]
    assert measure.merge('pipe', Setting('touch', fps=0), rounds)['interval_ns'] == 0


def test_merge_without_samples():
    setting = Setting('latency', '720p')
    for rounds, name, reason in (
            ([{'skipped': 'no memory', 'title': 'Pipe'}], 'skipped', 'no memory'),
            ([ROUND, {'error': 'it died'}], 'error', 'it died'),
            ([{**ROUND, 'latency_ns': []}], 'error', 'no consumer got a frame that was measured')):
        cell = measure.merge('pipe', setting, rounds)
        assert cell[name] == reason and 'latency_ns' not in cell and 'rounds' not in cell, cell
        assert (cell['way'], cell['width'], cell['group']) == ('pipe', 1280, 'latency'), cell
    assert measure.merge('pipe', setting, [{'skipped': '', 'title': 'Pipe'}])['title'] == 'Pipe'


def test_quantile():
    assert [measure.quantile([5], q) for q in (0, 0.5, 1)] == [5, 5, 5]
    assert [measure.quantile([1, 2, 3, 4], q) for q in (0, 0.5, 0.99, 1)] == [1, 3, 4, 4]


def test_programs_that_fail():
    """What a cell's program says last, or that it says nothing, is the cell's error."""
    for program, error in ((['sh', '-c', 'echo one >&2; echo two >&2; exit 3'], 'two (exit code 3)'),
                           (['sh', '-c', 'kill -9 $$'], 'it printed nothing (exit code -9)')):
        assert measure.run_cell(program, 'pipe', Setting('latency'), 1) == {'error': error}


# ---- plan ----

def settings(parts, group):
    return {(way, setting) for part in parts for setting in part.settings for way in part.ways
            if setting.group == group}


def test_plan_covers_the_issue():
    parts = plan.whole(WAYS)
    plain = [way for way in WAYS if not way.startswith('gst-')]
    for group, fps in ('latency', plan.FPS), ('back-to-back', 0), ('touch', 0):
        found = {(way, one.size, one.format, one.fps) for way, one in settings(parts, group)}
        for way in plain:
            for size in '720p', '1080p', '2160p', '4320p':
                for name in ('NV12', 'RGBA') if group != 'touch' else ('NV12',):
                    assert (way, size, name, fps) in found, (group, way, size, name)
    found = {(way, one.consumers) for way, one in settings(parts, 'consumers')}
    assert found >= {(way, n) for way in plain for n in (1, 2, 4, 16, 64, 100)}
    found = {(way, one.slots) for way, one in settings(parts, 'slots')}
    assert found >= {(way, n) for way in ('shm-futex', 'shmframe') for n in (4, 16, 64, 256, 1024)}
    found = {(way, one.jitter_us) for way, one in settings(parts, 'jitter')}
    assert found >= {(way, us) for way in ('shmframe-predict', 'shmframe-spin') for us in (0, 1000, 8000)}
    found = {(way, one.size, one.fps) for way, one in settings(parts, 'elements')}
    assert found >= {(way, size, fps) for way in WAYS if way.startswith('gst-') for size in plan.SIZES
                     for fps in (0, plan.FPS)}


def test_plan_fits():
    """Also no cell twice, the ways compared exist, and those that elements are compared with are elements."""
    known = [line.split('\t')[0] for line in toolbox.run(cell_program, '--list')[1].splitlines()]
    assert set(plan.COMPARED) <= set(known), known
    for make, minutes in (plan.whole, 40), (plan.quick, 3):
        for ways in WAYS, tuple(known):
            parts = make(ways)
            cost = sum(part.cost for part in parts) / 60
            assert cost < minutes, f'{make.__name__}: {cost:.1f} minutes'
            cells = [(way, one) for part in parts for one in part.settings for way in part.ways]
            assert len(cells) == len(set(cells)) and all(way in ways for way, _ in cells)
            assert all((one.group == 'elements') == way.startswith('gst-') for way, one in cells)
        assert make(())


# ---- targets ----

def world():
    """All that the targets look at, well within each; {(way, setting): what every round says}."""
    found = {}

    def put(way, setting, ns=60000, **more):
        found[way, setting] = {**ROUND, 'latency_ns': [ns], **more}

    for size in plan.SIZES:
        for way, ns in {'shm-futex': 60000, 'shmframe': 60000, 'iceoryx': 90000, 'shm-spin': 3000,
                        'shmframe-spin': 3000}.items():
            put(way, Setting('latency', size), ns)
    for us in 0, 1000, 8000:
        for way in 'shmframe-spin', 'shmframe-predict':
            put(way, Setting('jitter', jitter_us=us), 3000)
    for consumers in 1, 4, 100:
        put('shmframe', C(consumers), shared_bytes=4 * SLOT + 8192 * consumers)
    for way, fps in ('shm-futex', 300.0), ('iceoryx', 400.0), ('shmframe', 600.0):
        put(way, TOUCH, fps=fps)
    for way, ns in ('gst-shmframe', 50000), ('gst-unixfd', 100000):
        put(way, ELEMENTS, ns)
    put('gst-shmsink', ELEMENTS, 100000, cpu_producer_ns=75000)
    put('gst-shmsink-copy', ELEMENTS, 10**6, cpu_producer_ns=10**6)
    return found


def steps(publish=70, acquire=1000):
    sizes = {size: {'acquire': acquire, 'publish': publish, 'unref': 50, 'lease': 120, 'release': 80}
             for size in ('720p', '2160p')}
    return [{'consumers': 1, **sizes}, {'consumers': 100, '720p': sizes['720p']}]


def judge(found, said=None, rounds=3):
    cells = [measure.merge(way, setting, [one] * rounds) for (way, setting), one in found.items()]
    return targets.targets(cells, steps() if said is None else said)


def verdict(judged, begin):
    hits = [one for one in judged if one['target'].startswith(begin)]
    assert len(hits) == 1, (begin, [one['target'] for one in judged])
    return hits[0]['verdict']


def L(size):
    return Setting('latency', size)


def J(us):
    return Setting('jitter', jitter_us=us)


def C(consumers):
    return Setting('consumers', consumers=consumers)


# Target, whose cell, what of it, the last value that meets it, the first that does not. Where a limit is no
# exact ratio of whole numbers the values are just beside it.
LIMITS = [
    *((f'sleeping, {size}: p50 to bare', 'shmframe', L(size), 'latency_ns', [69000], [69001])
      for size in plan.SIZES),
    ('sleeping, 2160p: p99 to bare', 'shmframe', L('2160p'), 'latency_ns', [60000] * 9 + [90000],
     [60000] * 9 + [90001]),
    ('sleeping: p50 at 4320p apart', 'shmframe', L('4320p'), 'latency_ns', [65999], [66001]),
    ('sleeping: p50 at 4320p apart', 'shmframe', L('4320p'), 'latency_ns', [54001], [53999]),
    ('sleeping: p50 below iceoryx', 'iceoryx', L('720p'), 'latency_ns', [60001], [59999]),
    ('spinning, 720p: p50', 'shmframe-spin', L('720p'), 'latency_ns', [6000], [6001]),
    ('predicting, jitter 0 us: p50', 'shmframe-predict', J(0), 'latency_ns', [3000], [3001]),
    ('predicting, jitter 1000 us: p50', 'shmframe-predict', J(1000), 'latency_ns', [3000], [3001]),
    ('predicting, jitter 0 us: share', 'shmframe-predict', J(0), 'cpu_consumer_ns', 499999, 500001),
    ('predicting, jitter 1000 us: share', 'shmframe-predict', J(1000), 'cpu_consumer_ns', 499999, 500001),
    ('predicting, irregular', 'shmframe-predict', J(8000), 'cpu_consumer_ns', 499999, 500001),
    *((f"producer's time in acquire + publish, 100 sleepers to {few}", 'shmframe', C(few), 'publish_ns',
       [834], [833]) for few in (4, 1)),
    ('shared memory beyond the slots, 1 ', 'shmframe', C(1), 'shared_bytes', 4 * SLOT + 65536 + 8192,
     4 * SLOT + 65536 + 8193),
    ('shared memory beyond the slots, 100 ', 'shmframe', C(100), 'shared_bytes', 5 * SLOT + 65536 + 819200,
     5 * SLOT + 65536 + 819201),
    ('whole frames, 2160p: frames/s to three', 'shmframe', TOUCH, 'fps', 450.0, 449.9),
    ('whole frames, 2160p: frames/s to iceoryx', 'shmframe', TOUCH, 'fps', 400.0, 399.9),
    ('elements, 2160p60: p50 to shmsink', 'gst-shmsink', ELEMENTS, 'latency_ns', [76924], [76922]),
    ('elements, 2160p60: p50 to shmsink with', 'gst-shmsink-copy', ELEMENTS, 'latency_ns', [500000],
     [499999]),
    ('elements, 2160p60: CPU per frame to shmsink', 'gst-shmframe', ELEMENTS, 'cpu_producer_ns', 35000,
     35001),
    ('elements, 2160p60: CPU per frame to shmsink with', 'gst-shmsink-copy', ELEMENTS, 'cpu_producer_ns',
     475000, 474999),
    ('elements: p50 below unixfd', 'gst-unixfd', ELEMENTS, 'latency_ns', [50001], [49999]),
    ('elements, 2160p60: bytes copied', 'gst-shmframe', ELEMENTS, 'copied_consumer', 0, 1),
    ('elements, 2160p60: first frame', 'gst-shmframe', ELEMENTS, 'first_frame_ns', 20000000, 20000001),
    ('elements, 2160p60: page faults', 'gst-shmframe', ELEMENTS, 'faults_producer', 0, 0.01),
    ('cells of shmframe that failed', 'shmframe-spin', L('720p'), 'latency_ns', [3000], []),
    ('torn frames of shmframe', 'shmframe', TOUCH, 'torn', 0, 1),
    ('bytes that shmframe copied', 'shmframe', C(4), 'copied_producer', 0, 1),
]


def exactly(judged, begin):
    """Of targets one of which begins like another: the shorter."""
    hits = [one for one in judged if one['target'].startswith(begin)]
    assert hits, (begin, [one['target'] for one in judged])
    return min(hits, key=lambda one: len(one['target']))


def test_targets_at_their_limits():
    baseline = judge(world())
    assert [one['target'] for one in baseline if one['verdict'] != 'met'] == []
    for begin, way, setting, field, least, beyond in LIMITS:
        for value, expected in (least, 'met'), (beyond, 'missed'):
            found = world()
            found[way, setting][field] = value
            target = exactly(judge(found), begin)
            assert target['verdict'] == expected, (value, target)
    tested = {exactly(baseline, begin)['target'] for begin, *_ in LIMITS}
    untested = {one['target'] for one in baseline} - tested
    assert all(name.startswith(('spinning, ', 'sleeping, ', 'publish + lease', 'acquire + publish'))
               for name in untested), untested


def test_targets_of_steps():
    names = [f'publish + lease + release without waking, {size}' for size in ('720p', '2160p')]
    for publish, expected in (100, 'met'), (100.1, 'missed'):
        assert [verdict(judge(world(), steps(publish)), name) for name in names] == [expected] * 2
    for acquire, expected in (9930, 'met'), (9930.1, 'missed'):
        assert verdict(judge(world(), steps(acquire=acquire)), 'acquire + publish with 100') == expected


def test_targets_not_measured():
    baseline = judge(world())
    nothing = judge({}, [])
    assert len(nothing) == len(baseline)
    assert {one['verdict'] for one in nothing} == {'not measured'}
    assert {one['measured'] for one in nothing} == {None} == {one['spread'] for one in nothing}
    found = {key: one for key, one in world().items() if key[0] != 'iceoryx'}
    missing = [one['target'] for one in judge(found) if one['verdict'] != 'met']
    touch = 'whole frames, 2160p: frames/s to iceoryx'
    assert missing == ['sleeping: p50 below iceoryx in every row', touch], missing
    found = {**world(), ('iceoryx', TOUCH): {'error': 'it died'}}
    assert verdict(judge(found), touch) == 'not measured'
    found = world()
    found['gst-shmsink', ELEMENTS].update(cpu_producer_ns=0, cpu_consumer_ns=0)  # no ratio to nothing
    assert exactly(judge(found), 'elements, 2160p60: CPU per frame to shmsink')['verdict'] == 'not measured'
    found = world()
    found['shmframe', C(1)]['shared_bytes'] = 0  # not known
    assert verdict(judge(found), 'shared memory beyond the slots, 1 ') == 'not measured'


def test_targets_of_cells_that_failed():
    """A cell of shmframe that failed misses what it is compared in, also as what another is compared with."""
    for (way, setting), error in ((('shmframe', L('720p')), 'it died'), (('shmframe-spin', J(0)), 'it hung'),
                                  (('gst-shmframe', ELEMENTS), 'no frame'), (('shmframe', C(1)), 'no memory')):
        judged = judge({**world(), (way, setting): {'error': error}})
        missed = [one for one in judged if one['verdict'] != 'met']
        assert all(one['verdict'] == 'missed' and one['cell'] is None for one in missed), missed
        for one in missed:
            assert f'{way} failed ({setting.group}, ' in one['note'] and one['note'].endswith(error), one
        assert len(missed) >= 2, missed
    judged = judge({**world(), ('shmframe', L('720p')): {'error': 'it died'}})
    names = [one['target'].partition(' (')[0] for one in judged if one['verdict'] != 'met']
    assert names == ['sleeping, 720p: p50 to bare futex', 'sleeping, 720p: p99 to bare futex',
                     'sleeping: p50 at 4320p apart from 720p', 'sleeping: p50 below iceoryx in every row',
                     'cells of shmframe that failed'], names
    assert exactly(judged, 'cells of shmframe')['measured'] == 1
    assert verdict(judge({('shmframe', L('720p')): {'error': 'it died'}}), 'cells of shmframe') == 'missed'
    judged = judge({**world(), ('shmframe', L('720p')): {'skipped': 'too large'}})
    assert exactly(judged, 'sleeping, 720p: p50')['verdict'] == 'not measured'


def test_targets_worst_round():
    """What is not compared must hold in every round."""
    cells = [measure.merge(way, setting, [one] * 3) for (way, setting), one in world().items()]
    for way, setting, field, target in (
            ('gst-shmframe', ELEMENTS, 'faults_producer', 'elements, 2160p60: page faults'),
            ('gst-shmframe', ELEMENTS, 'first_frame_ns', 'elements, 2160p60: first frame'),
            ('gst-shmframe', ELEMENTS, 'copied_consumer', 'elements, 2160p60: bytes copied'),
            ('shmframe', C(4), 'copied_producer', 'bytes that shmframe copied'),
            ('shmframe', C(1), 'shared_bytes', 'shared memory beyond the slots, 1 '),
            ('shmframe-predict', J(8000), 'cpu_consumer_ns', 'predicting, irregular')):
        cell = targets.Cells(cells).get(way, setting)
        before = cell['rounds']
        cell['rounds'] = [{**one, field: value} for one, value in
                          zip(before, (cell[field], 30 * 10**6 + cell[field], cell[field]))]
        found = exactly(targets.targets(cells, steps()), target)
        cell['rounds'] = before
        assert found['verdict'] == 'missed', found
        assert found['spread'][0] < found['spread'][1] == found['measured'], found


def test_targets_memory():
    """By the slots that the producer says it has, where it says so."""
    for overhead, expected in (65536 + 8192, 'met'), (65536 + 8193, 'missed'), (2 * SLOT, 'missed'):
        found = world()
        found['shmframe', C(1)].update(shared_bytes=5 * (SLOT + 4096) + overhead, committed_slots=5,
                                       slot_bytes=SLOT + 4096)
        cells = [{**measure.merge(way, one, [said] * 3),
                  **{name: said[name] for name in ('committed_slots', 'slot_bytes')}}
                 for (way, one), said in found.items()]
        target = exactly(targets.targets(cells, steps()), 'shared memory beyond the slots, 1 ')
        assert (target['verdict'], target['measured']) == (expected, overhead), target


def test_targets_worst_row():
    found = world()
    worst = Setting('latency', '1080p', 'RGBA', 2, 16, plan.FPS, 1000, True)
    found['shmframe', worst], found['iceoryx', worst] = ROUND, {**ROUND, 'latency_ns': [50000]}
    target = exactly(judge(found), 'sleeping: p50 below iceoryx')
    rows = '(5 rows, 3 without; worst: 1080p RGBA, 2 consumers, 60 fps)'  # none for the numbers of consumers
    assert target['target'].endswith(rows), target
    assert target['measured'] == 1.2 and target['cell'] == ('shmframe', worst), target


def test_targets_spread():
    """The middle half of the rounds' ratios, each round to its own; of one round there is none."""
    base = [{**ROUND, 'latency_ns': [ns]} for ns in (100, 200, 300, 400, 500)]
    ours = [{**ROUND, 'latency_ns': [ns]} for ns in (140, 260, 360, 440, 500)]
    cells = [measure.merge('shm-futex', L('720p'), base), measure.merge('shmframe', L('720p'), ours)]
    target = exactly(targets.targets(cells, []), 'sleeping, 720p: p50')
    assert target['measured'] == 1.2 and target['spread'] == [1.1, 1.3], target
    assert exactly(judge(world(), rounds=1), 'sleeping, 720p: p50')['spread'] is None
    for one, numbers in (cells[0], (0, 2, 4, 6, 8)), (cells[1], (8, 6, 4, 2, 1)):
        for of_round, number in zip(one['rounds'], numbers):
            of_round['round'] = number
    target = exactly(targets.targets(cells, []), 'sleeping, 720p: p50')  # of 8, 6, 4 and 2
    assert abs(target['measured'] - (260 / 400 + 360 / 300) / 2) < 1e-9, target


def test_profiles():
    """One for each cell that missed a target; none where a cell failed."""
    loader = importlib.machinery.SourceFileLoader('frame_bench', driver)
    frame_bench = importlib.util.module_from_spec(importlib.util.spec_from_loader('frame_bench', loader))
    loader.exec_module(frame_bench)
    found = {**world(), ('shmframe', TOUCH): {'error': 'it died'}}
    found['shmframe', L('1080p')]['latency_ns'] = [10**6]
    found['shmframe', C(100)]['publish_ns'] = [10**6]
    judged = judge(found, steps(publish=1000))
    asked = []
    frame_bench.profile_cell.profile = lambda command, *_: asked.append(command) or 'time in: f (lib) 90%'
    frame_bench.explain(judged, ['cell'])
    programs = [next(word for word in command if word != 'env' and '=' not in word) for command in asked]
    assert [name.rpartition('/')[2] for name in programs] == ['cell', 'frame-bench-steps', 'cell'], asked
    for begin, expected in (
            ('sleeping, 1080p: p50', f'time in: f (lib) 90% ({frame_bench.profile_cell.ASLEEP})'),
            ('sleeping, 1080p: p99', 'as above: sleeping, 1080p: p50 to bare futex'),
            ('publish + lease + release without waking, 720p', 'time in: f (lib) 90%'),
            ("producer's time in acquire + publish, 100 sleepers to 4", 'time in: f (lib) 90%')):
        assert exactly(judged, begin)['note'] == expected, exactly(judged, begin)
    assert exactly(judged, 'whole frames, 2160p: frames/s to three')['note'].endswith('it died')
    assert not any({'cell', 'asleep'} & set(one) for one in judged)


# ---- the programs ----

def test_run():
    code, stdout, err = bench(*SMALL, '--output', out('run/deep'))
    assert code == 0 and 'Traceback' not in err, err
    names = set(os.listdir(out('run/deep')))
    assert names >= {'results.json', 'cells.csv', 'table.txt', 'index.html'}, names
    with open(out('run/deep/results.json'), encoding='utf-8') as file:
        results = json.load(file)
    assert results['version'] == 1 and results['command'].startswith('frame-bench --quick --groups')
    assert {'started', 'seconds', 'machine', 'cells', 'steps', 'targets'} <= set(results)
    assert [cell['way'] for cell in results['cells']] == ['shm-futex', 'shmframe']
    for cell in results['cells']:
        assert not {'error', 'skipped'} & set(cell), cell
        assert {*measure.SETTING, *measure.MEDIANS, *measure.SUMS, 'group', 'rounds'} <= set(cell), cell
        assert set(cell['publish_ns']) == {'p50', 'p99', 'max'}
        assert set(cell['latency_ns']) == {'p50', 'p99', 'p99.9', 'max', 'samples', 'cdf'}
        assert 0 < cell['latency_ns']['p50'] <= cell['latency_ns']['max'] and cell['torn'] == 0
        assert cell['copied_producer'] == cell['copied_consumer'] == 0 and cell['size'] == 3110400
    for target in results['targets']:
        assert set(target) == {'target', 'limit', 'unit', 'measured', 'spread', 'verdict', 'note'}, target
    with open(out('run/deep/cells.csv'), encoding='utf-8') as file:
        assert [row['way'] for row in csv.DictReader(file)] == ['shm-futex', 'shmframe']
    assert 'target limit measured spread met or missed' in [' '.join(line.split()) for line in stdout.splitlines()]
    os.mkdir(out('again'))
    with open(out('again/elements.svg'), 'w', encoding='utf-8') as file:
        file.write('of an earlier run, which measured elements')
    code, again, err = bench('--report', out('run/deep/results.json'), '--output', out('again'))
    assert code == 0 and err == '' and again.splitlines()[:-1] == stdout.splitlines()[:-1], err
    assert set(os.listdir(out('again'))) == names - {'results.json'}


def test_steps():
    code, stdout, err = toolbox.run(steps_program)
    assert code == 0, err
    said = json.loads(stdout)
    judged = targets.targets([], [said])
    assert verdict(judged, 'publish + lease + release without waking, 720p') in ('met', 'missed')
    for arguments in ('0',), ('1025',), ('x',), ('1', '1'):
        code, stdout, err = toolbox.run(steps_program, *arguments)
        assert code == 2 and stdout == '' and err.startswith('usage: frame-bench-steps '), (arguments, err)


def test_list():
    code, stdout, _ = bench('--list')
    known = dict(line.split('\t') for line in toolbox.run(cell_program, '--list')[1].splitlines())
    assert code == 0 and {line.split()[0]: line[20:].strip() for line in stdout.splitlines()} == known


def test_nonsense():
    """A line of what is wrong, before anything is measured."""
    os.mkdir(out('folder'))
    for name, text in ('text', 'no JSON'), ('deep', '[' * 100000), ('other', '{}'), ('zero', '\0\xff'):
        with open(out(name), 'w', encoding='latin-1') as file:
            file.write(text)
    for arguments, expected in (
            *((('--report', out(name)), 1) for name in ('text', 'deep', 'other', 'zero', 'absent', 'folder')),
            (('--report', ''), 2), ((*SMALL, '--output', out('text')), 1),
            ((*SMALL, '--output', out('text/below')), 1), ((*SMALL, '--output', ''), 2),
            (('--groups', 'nonsense'), 2), (('--groups', ''), 2), (('--ways', 'shmframe,nonsense'), 2),
            (('--quick', '--ways', 'pipe', '--groups', 'touch'), 2), (('--nonsense',), 2),
            *(((*more, '--report', out('zero')), 2)
              for more in (('--quick',), ('--ways', 'pipe'), ('--groups', 'touch'))),
            (('nonsense',), 2)):
        code, stdout, err = bench(*arguments)
        assert code == expected and stdout == '' and 'Traceback' not in err, (arguments, code, err)
        last = err.splitlines()[-1]
        assert last.startswith('frame-bench: ') and len(last) < 400, (arguments, err)
    assert "no group 'nonsense'" in bench('--groups', 'nonsense')[2]
    assert not os.path.exists(out('frame-bench-results'))


def test_nonsense_of_a_cell():
    for arguments in ([], ['--way', 'nonsense'], ['--way', 'pipe', '--width', '1921'],
                      ['--way', 'pipe', '--width', '-16'], ['--way', 'pipe', '--height', '1081'],
                      ['--way', 'pipe', '--height', '0'], ['--way', 'pipe', '--width', '999999999999'],
                      ['--way', 'pipe', '--consumers', '0'], ['--way', 'pipe', '--consumers', '1025'],
                      ['--way', 'pipe', '--slots', '-1'], ['--way', 'pipe', '--fps', '-1'],
                      ['--way', 'pipe', '--fps', 'x'], ['--way', 'pipe', '--jitter', '-1'],
                      ['--way', 'pipe', '--frames', '0'], ['--way', 'pipe', '--time', '0'],
                      ['--way', 'pipe', '--format', 'nv12'], ['--nonsense']):
        code, stdout, err = toolbox.run(cell_program, *arguments)
        assert code == 2 and stdout == '', (arguments, code, stdout)
        assert err.startswith('frame-bench-cell: ') and err.count('\n') == 1, (arguments, err)
    code, stdout, _ = toolbox.run(cell_program, '--way', 'shmframe', '--slots', '100000')
    assert code == 0 and 'more than 8' in json.loads(stdout)['skipped'], stdout


def processes_of(session):
    """All that have not ended."""
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{pid}/stat', encoding='latin-1') as file:
                state, _, _, its = file.read().rpartition(')')[2].split()[:4]
        except OSError:
            continue
        if int(its) == session and state != 'Z':
            found.append(int(pid))
    return found


def test_interrupted():
    """While a cell is measured; as a terminal does it, all of its processes at once, or the driver alone."""
    for number, together, expected in ((signal.SIGINT, True, 130), (signal.SIGINT, False, 130),
                                       (signal.SIGTERM, False, 143)):
        own = out(f'own-{number}-{together}')
        os.mkdir(own)
        process = toolbox.start(driver, '--ways', 'shmframe', '--groups', 'latency',
                                '--output', f'{own}-results', cwd=toolbox.folder, start_new_session=True,
                                env={**os.environ, 'TMPDIR': own})
        toolbox.await_true(lambda: len(processes_of(process.pid)) >= 4)  # pylint: disable=cell-var-from-loop
        if together:
            os.killpg(process.pid, number)
        else:
            os.kill(process.pid, number)
        code, stdout, err = toolbox.finish(process)
        assert code == expected and stdout == '' and 'Traceback' not in err, (code, err)
        assert err.splitlines()[-1] == 'frame-bench: interrupted', err
        toolbox.await_true(lambda: not processes_of(process.pid))  # pylint: disable=cell-var-from-loop
        assert os.listdir(own) == os.listdir(f'{own}-results') == []


toolbox.main('bench-driver', (
    test_merge, test_merge_without_samples, test_quantile, test_programs_that_fail,
    test_plan_covers_the_issue, test_plan_fits, test_targets_at_their_limits, test_targets_of_steps,
    test_targets_not_measured, test_targets_of_cells_that_failed, test_targets_worst_round, test_targets_memory,
    test_targets_worst_row, test_targets_spread, test_profiles, test_run, test_steps, test_list,
    test_nonsense, test_nonsense_of_a_cell, test_interrupted))
