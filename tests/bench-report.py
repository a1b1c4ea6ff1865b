#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What frame-bench's results file becomes: bench-report.py FOLDER-OF-REPORT.PY RESULTS.json"""
import csv
import html.parser
import importlib.util
import json
import os
import sys
import xml.etree.ElementTree

import toolbox

program = os.path.join(os.path.abspath(sys.argv[1]), 'report.py')
source = os.path.abspath(sys.argv[2])
sys.path.insert(0, os.path.dirname(program))
import report  # noqa: E402 pylint: disable=wrong-import-position

PLOTS = ['latency', 'cdf', 'cpu', 'touch', 'consumers', 'elements']
WRONG = (None, 'text', True, -1, 0, 1e17, float('nan'), float('inf'), [], [[]], [None, None], {},
         {'p50': 'x'})
VOID = {'meta', 'br', 'img', 'link', 'hr', 'input'}


def results():
    with open(source, encoding='utf-8') as text:
        return json.load(text)


def out(name):
    return os.path.join(toolbox.folder, name)


def read(path):
    with open(path, encoding='utf-8', newline='') as text:
        return text.read()


def need_matplotlib():
    if not importlib.util.find_spec('matplotlib'):
        raise toolbox.Skip('python3-matplotlib is not installed')


class Page(html.parser.HTMLParser):
    """Fails where elements are not closed in order, or something is run or loaded."""
    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.ids, self.text = [], [], set(), ''
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert tag not in ('script', 'iframe', 'object', 'link', 'base', 'form'), tag
        for name, value in attrs:
            assert not name.startswith('on'), (tag, name)
            assert '://' not in (value or '') or name.startswith('xmlns'), (tag, name, value)
        if 'id' in attributes:
            assert attributes['id'] not in self.ids, attributes['id']
            self.ids.add(attributes['id'])
        if tag == 'img' or (tag == 'svg' and attributes.get('role') == 'img'):
            assert attributes.get('alt') or attributes.get('aria-label'), tag
        self.seen.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data):
        self.text += data

    def count(self, tag):
        return sum(tag == seen for seen, _ in self.seen)


def test_table():
    table = report.table(results())
    lines = [' '.join(line.split()) for line in table.splitlines()]
    assert max(map(len, table.splitlines())) <= 120
    assert '\x1b' not in table
    for line in ('target limit measured spread met or missed',
                 'sleeping: p50 at most 1.15 times the bare futex, 2160p 1.15 x 1.10 x 1.05..1.14 met',
                 '61% of the time is in the fence <b>',
                 'elements: below unixfd in every row - - - not measured',
                 'NV12 2160p, 60 fps, 1 consumer',
                 'way p50 us p99 us p99.9 us max us CPU prod cons frames/s copied MB x shm-futex',
                 'shmframe 66.0 99.0 - 528 30.0 31.0 59.9 0 49.8 1.10 (1.10..1.10)',
                 'pipe: frames missed: 2',
                 'NV12 720p, back to back, 1 consumer, whole frames',
                 'NV12 720p, 60 fps, 1 consumer, 1024 slots',
                 'NV12 2160p, 60 fps, 1 consumer, jitter 1 ms', 'error: pipe: Broken pipe',
                 'latency: pipe (NV12 2160p)', 'skipped: needs 12 GiB, more than 8 GiB',
                 'attached size acquire publish unref lease release', '100 720p 968 267 53.8 83.2 -',
                 'consumers: pipe (100 consumers)', 'elements: gst-unixfd (NV12 720p | NV12 2160p)'):
        assert line in lines, f'no line "{line}" in:\n{table}'
    assert any('spinning: p50' in line and line.endswith('2.31 x 2.00..2.60 missed') for line in lines), table


def test_ratio():
    """Of the rounds, not of the figures of all rounds together."""
    raw = results()
    cell = next(c for c in raw['cells'] if c['group'] == 'latency' and c['way'] == 'shmframe')
    for one, p50 in zip(cell['rounds'], (54000, 72000, 132000)):
        one['p50'] = p50  # the base has 54000, 60000, 66000
    report.csv(raw, out('ratio.csv'))
    row = next(r for r in csv.DictReader(read(out('ratio.csv')).splitlines()) if r['way'] == 'shmframe')
    assert [row['ratio'], row['ratio_least'], row['ratio_most']] == ['1.2', '1.0', '2.0'], row
    assert '1.20 (1.00..2.00)' in report.table(raw)


def test_csv():
    report.csv(results(), out('cells.csv'))
    rows = list(csv.reader(read(out('cells.csv')).splitlines()))
    cells = results()['cells']
    assert len(rows) == len(cells) + 1 and len({len(row) for row in rows}) == 1, len(rows)
    for row, cell in zip((dict(zip(rows[0], row)) for row in rows[1:]), cells):
        assert (row['group'], row['way'], row['height']) == (cell['group'], cell['way'], str(cell['height']))
        assert row['latency_ns_p99.9'] == str(cell.get('latency_ns', {}).get('p99.9', '')), row
        assert row['cpu_producer_ns'] == str(cell.get('cpu_producer_ns', '')), row
        assert (row['state'] == 'measured') == ('rounds' in cell) == (not row['reason']), row
    assert any('<script>' in row[rows[0].index('reason')] for row in rows)


def test_plots():
    need_matplotlib()
    names, lines = report.plots(results(), toolbox.folder)
    assert names == [name + '.svg' for name in PLOTS] and lines == [], (names, lines)
    for name in names:
        tree = xml.etree.ElementTree.parse(out(name))
        texts = [text.text for text in tree.iter('{http://www.w3.org/2000/svg}text')]
        assert len(texts) > 5, name
        assert 'shmframe' in texts or 'gst-shmframe' in texts, (name, texts)
    before = [read(out(name)) for name in names]
    report.plots(results(), toolbox.folder)
    assert before == [read(out(name)) for name in names], 'the same results made other plots'


def test_absent_groups():
    """A line for each plot that has nothing to show."""
    need_matplotlib()
    raw = results()
    raw['cells'] = [cell for cell in raw['cells'] if cell['group'] == 'touch']
    names, lines = report.plots(raw, toolbox.folder)
    assert names == ['touch.svg'], names
    absent = [name for name in PLOTS if name != 'touch']
    assert lines == [f'no plot {name}: nothing was measured for it' for name in absent], lines
    raw['cells'] = []
    assert report.plots(raw, toolbox.folder)[0] == []
    report.html(raw, out('empty.html'))
    Page(read(out('empty.html')))


def test_page():
    need_matplotlib()
    code, stdout, err = toolbox.run('/usr/bin/python3', program, source, '--output', out('all'))
    assert code == 0 and stdout.startswith(report.table(results())), err
    assert sorted(os.listdir(out('all'))) == sorted(['index.html', 'cells.csv', 'table.txt']
                                                    + [name + '.svg' for name in PLOTS])
    page = Page(read(out('all/index.html')))
    assert page.count('figure') == page.count('svg') == page.count('figcaption') == len(PLOTS)
    assert page.count('h1') == 1 and page.count('h2') == 5 and page.count('h3') == len(PLOTS)
    assert page.count('details') == page.count('summary') == 8
    assert page.count('table') == page.count('caption')
    for text in ('<script>alert("1")</script>', 'Made-up <CPU>', '✓ met', '✗ missed', '– not measured',
                 '61% of the time is in the fence <b>', 'frame-bench --quick', 'needs 12 GiB',
                 '3 interleaved rounds'):
        assert text in page.text, text


def test_names():
    """Names that mean something to a page, a formula, a legend or a terminal."""
    need_matplotlib()
    raw, name = results(), '_<script>&"$\\f{$_'
    for cell in raw['cells']:
        if cell['way'] == 'shmframe':
            cell['way'] = name + '\x1b\x00\ud800'
    names, _ = report.plots(raw, toolbox.folder)
    for plot in names:
        texts = [text.text for text in xml.etree.ElementTree.parse(out(plot)).iter() if text.text]
        assert plot == 'elements.svg' or any(name.lstrip('_') in text for text in texts), (plot, texts)
    report.html(raw, out('names.html'))
    assert name in Page(read(out('names.html'))).text
    report.csv(raw, out('names.csv'))
    assert name in report.table(raw)


def test_no_matplotlib():
    """A line says what to install; all else is made."""
    os.mkdir(out('stub'))
    with open(out('stub/matplotlib.py'), 'w', encoding='utf-8') as stub:
        stub.write('raise ImportError("hidden")\n')
    code, stdout, err = toolbox.run('/usr/bin/python3', program, source, '--output', out('bare'),
                                    env={**os.environ, 'PYTHONPATH': out('stub')})
    assert code == 0 and err == '', err
    line = 'plots need python3-matplotlib: apt install python3-matplotlib'
    assert line in stdout.splitlines(), stdout
    assert sorted(os.listdir(out('bare'))) == ['cells.csv', 'index.html', 'table.txt']
    page = Page(read(out('bare/index.html')))
    assert line in page.text and page.count('svg') == 0


def test_not_results():
    with open(out('other.json'), 'w', encoding='utf-8') as other:
        other.write('[' * 100000)
    for path in (out('absent.json'), out('other.json'), __file__):
        code, stdout, err = toolbox.run('/usr/bin/python3', program, path)
        assert code == 1 and stdout == '' and err.startswith(f'report.py: cannot read {path}: '), (code, err)
    for raw in ([], {}, {'version': 2}, {'version': []}):
        try:
            report.table(raw)
        except report.bench.ResultsError:
            continue
        raise AssertionError(raw)


def paths(value, path=()):
    """Of everything in it."""
    for key in (value if isinstance(value, dict) else range(min(2, len(value)))):
        yield path + (key,)
        if isinstance(value[key], (dict, list)):
            yield from paths(value[key], path + (key,))


def put(raw, path, value):
    for key in path[:-1]:
        raw = raw[key]
    raw[path[-1]] = value


def test_wrong_values():
    """Whatever stands in the file in place of what should: no crash, a page that is one."""
    raw = results()
    cells = raw['cells']
    number = 0
    for path in list(paths({**raw, 'cells': cells[:1]})):
        wrong = results()
        number += 1
        put(wrong, path, WRONG[number % len(WRONG)])
        if wrong['version'] == 1:
            assert max(map(len, report.table(wrong).splitlines())) <= 120, path
            report.csv(wrong, out('wrong.csv'))
            report.html(wrong, out('wrong.html'), ([], []))
            Page(read(out('wrong.html')))
    assert number > 60
    keys = list(paths(cells[0]))
    for start in range(0, len(keys), 10):  # a wrong value of each kind in some cell, plots too
        wrong = results()
        for i, cell in enumerate(c for c in wrong['cells'] if 'rounds' in c):
            path = keys[(start + i) % len(keys)]
            if path[0] != 'group':
                put(cell, path, WRONG[(start + i) % len(WRONG)])
        report.html(wrong, out('wrong.html'))
        Page(read(out('wrong.html')))


toolbox.main('bench-report', (test_table, test_ratio, test_csv, test_plots, test_absent_groups, test_page, test_names,
                              test_no_matplotlib, test_not_results, test_wrong_values))
