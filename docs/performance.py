#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables of docs/performance.md, from the data beside it.

performance.py DOCS BENCH            fails where the text has another table than the data give
performance.py --update DOCS BENCH   writes them anew

DOCS: this folder; BENCH: tools/bench. A table stands between <!-- NAME --> and <!-- end -->.
"""
import json
import pathlib
import re
import sys

BLOCK = re.compile(r'<!-- (\w[\w-]*) -->\n(.*?)<!-- end -->\n', re.S)


def load(folder, name):
    return json.loads((folder / 'performance' / name).read_text(encoding='utf-8'))


def table(head, rows, right=True):
    lines = ['| ' + ' | '.join(head) + ' |', '|---|' + ('---:|' if right else '---|') * (len(head) - 1)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in rows]) + '\n'


def number(value):
    """Three figures, without an exponent."""
    if value == 0:
        return '0'
    if abs(value) >= 100:
        return f'{value:,.0f}'
    return f'{value:.1f}' if abs(value) >= 10 else f'{value:.2f}'


def us(nanoseconds):
    return number(nanoseconds / 1000)


def quantile(cell, name, least):
    """'-': too few samples to say."""
    return us(cell['latency_ns'][name]) if cell['latency_ns']['samples'] >= least else '-'


def quantity(value, unit):
    if unit == 'ns':
        return f'{number(value)} ns' if value < 1000 else f'{us(value)} us' if value < 1e6 else f'{us(value / 1000)} ms'
    return number(value) + (f' {unit}' if unit else '')


class Tables:
    def __init__(self, plan, cells, results):
        self.plan = plan
        self.results = results
        self.cells = cells(results['cells'])
        self.titles = {}
        for cell in results['cells']:
            self.titles.setdefault(cell['way'], cell.get('title', cell['way']))

    def by(self, settings, names, value, ways=None):
        """A row for each way that has one of the settings."""
        rows = []
        for way, title in self.titles.items():
            found = [self.cells.get(way, setting) for setting in settings]
            if any(found) and (ways is None or way in ways):
                rows.append([title, *(value(cell) if cell else '-' for cell in found)])
        return table(['', *names], rows)

    def targets(self, begin=''):
        rows = [[one['target'], quantity(one['limit'], one['unit']),
                 '-' if one['measured'] is None else quantity(one['measured'], one['unit']),
                 '-' if not one['spread'] else ' to '.join(quantity(value, one['unit']) for value in one['spread']),
                 one['verdict']] for one in self.results['targets'] if one['target'].startswith(begin)]
        return table(['target', 'limit', 'measured', 'spread', ''], rows, right=False)

    def sizes(self, group, value, fps=60, touch=False, ways=None):
        plan = self.plan
        settings = [plan.Setting(group, size, fps=fps, touch=touch) for size in plan.SIZES]
        return self.by(settings, plan.SIZES, value, ways)

    def latency(self):
        return self.sizes('latency', lambda cell: us(cell['latency_ns']['p50']))

    def tail(self):
        return self.sizes('latency', lambda cell: f"{quantile(cell, 'p99', 100)}, {quantile(cell, 'p99.9', 1000)}")

    def pressed(self):
        return self.sizes('back-to-back', lambda cell: us(cell['latency_ns']['p50']), fps=0)

    def cpu(self):
        return self.sizes('latency', lambda cell: us(cell['cpu_producer_ns'] + cell['cpu_consumer_ns']
                                                     + cell['cpu_daemon_ns']))

    def whole(self):
        return self.sizes('touch', lambda cell: number(cell['fps']), fps=0, touch=True)

    def consumers(self):
        plan = self.plan
        settings = [plan.Setting('consumers', consumers=n) for n in plan.CONSUMERS]
        return self.by(settings, map(str, plan.CONSUMERS), lambda cell: us(cell['latency_ns']['p50']))

    def producers_time(self):
        plan = self.plan
        settings = [plan.Setting('consumers', consumers=n) for n in plan.CONSUMERS]
        return self.by(settings, map(str, plan.CONSUMERS), lambda cell: us(cell['publish_ns']['p50']))

    def pools(self):
        plan = self.plan
        settings = [plan.Setting('slots', size, slots=n, fps=0) for size in ('1080p', '2160p') for n in plan.SLOTS]
        names = [f'{size}, {n}' for size in ('1080p', '2160p') for n in plan.SLOTS]
        return self.by(settings, names, lambda cell: us(cell['latency_ns']['p50']))

    def elements(self):
        return self.sizes('elements', lambda cell: f"{us(cell['latency_ns']['p50'])}, "
                          f"{us(cell['cpu_producer_ns'] + cell['cpu_consumer_ns'])}")

    def elements_pressed(self):
        return self.sizes('elements', lambda cell: f"{us(cell['latency_ns']['p50'])}, "
                          f"{us(cell['cpu_producer_ns'] + cell['cpu_consumer_ns'])}", fps=0)

    def skipped(self):
        reasons = {}
        for cell in self.results['cells']:
            for kind in 'skipped', 'error':
                if kind in cell:
                    size = f"{cell['height']}p {cell['format']}, {cell['consumers']} consumers, {cell['slots']} slots"
                    reasons.setdefault((cell['way'], cell[kind]), []).append(f"{cell['group']}: {size}")
        rows = [[way, reason.replace('|', '/'), str(len(cells))] for (way, reason), cells in sorted(reasons.items())]
        return table(['way', 'reason', 'cells'], rows, right=False)


def blocks(docs, plan, cells):
    here, alone, trixie = (Tables(plan, cells, load(docs, name))
                           for name in ('results.json', 'elements.json', 'trixie.json'))
    names = ('targets', 'latency', 'tail', 'pressed', 'cpu', 'whole', 'consumers', 'producers_time', 'pools',
             'elements', 'elements_pressed', 'skipped')
    found = {name.replace('_', '-'): getattr(here, name)() for name in names}
    found.update({'elements-alone': alone.targets('elements'),
                  'trixie-elements': trixie.elements(), 'trixie-elements-pressed': trixie.elements_pressed(),
                  'trixie-targets': trixie.targets('elements')})
    return found


def main():
    update = sys.argv[1] == '--update'
    docs, modules = map(pathlib.Path, sys.argv[-2:])
    sys.path.insert(0, str(modules))
    import plan  # pylint: disable=import-outside-toplevel
    import targets  # pylint: disable=import-outside-toplevel
    path = docs / 'performance.md'
    text = path.read_text(encoding='utf-8')
    made = blocks(docs, plan, targets.Cells)
    shown = {match[1] for match in BLOCK.finditer(text)}
    assert set(made) == shown, f'not shown, or not known: {set(made) ^ shown}'
    wanted = BLOCK.sub(lambda match: f'<!-- {match[1]} -->\n\n{made[match[1]]}\n<!-- end -->\n', text)
    if update:
        path.write_text(wanted, encoding='utf-8')
    elif wanted != text:
        print(f'{path} does not say what the data say: docs/performance.py --update {docs} {modules}')
        return 1
    return 0


sys.exit(main())
