# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-bench's results as tables: rows that the page shows too, lines for the terminal, CSV."""
import collections
import csv
import textwrap

import results as bench

WIDTH = 120
US, MB = 1e3, 1e6
# One table: cells that have all in common but the way.
Table = collections.namedtuple('Table', 'group setting header rows notes')
Column = collections.namedtuple('Column', 'heading text')


def at(*path, divisor=1):
    def text(_, cell):
        value = cell.number(*path)
        return '' if value is None else bench.digits(value / divisor)
    return text


def at_tail(name, least):
    """Of fewer samples it would be little but the largest."""
    number = at('latency_ns', name, divisor=US)

    def text(results, cell):
        return number(results, cell) if (cell.number('latency_ns', 'samples') or 0) >= least else ''
    return text


def copied(_, cell):
    return '' if cell.copied is None else bench.tick_bytes(cell.copied) if cell.copied else '0'


def faults(_, cell):
    return bench.digits(cell.faults)


def ratio(results, cell):
    value = results.ratio(cell)
    if not value:
        return ''
    texts = [bench.digits(one) if one >= 1 else f'{one:.3f}' for one in value if one is not None]
    return texts[0] + (f' ({texts[1]}..{texts[2]})' if len(texts) == 3 else '')


COLUMNS = [
    Column('p50 us', at('latency_ns', 'p50', divisor=US)),
    Column('p99 us', at_tail('p99', 100)),
    Column('p99.9 us', at_tail('p99.9', 1000)),
    Column('max us', at('latency_ns', 'max', divisor=US)),
    Column('CPU prod', at('cpu_producer_ns', divisor=US)),
    Column('cons', at('cpu_consumer_ns', divisor=US)),
    Column('daemon', at('cpu_daemon_ns', divisor=US)),
    Column('frames/s', at('fps')),
    Column('copied', copied),
    Column('MB', at('pss_bytes', divisor=MB)),
]
PUBLISH = Column('publish us', at('publish_ns', 'p50', divisor=US))
MORE = {
    'latency': [Column(f'x {bench.BASE}', ratio)],
    'back-to-back': [Column(f'x {bench.BASE}', ratio)],
    'elements': [Column('faults', faults), Column('first ms', at('first_frame_ns', divisor=1e6))],
}
LEGEND = ('p99 is of 100 samples at least, p99.9 of 1000. '
          'CPU: us a frame; cons: mean of the consumers. copied: a frame, all sides together. '
          'MB: proportional set size of all processes. publish: p50 of acquire + publish. '
          f'x {bench.BASE}: p50 to its p50, median of the rounds (smallest..largest).')


def steps(results):
    """Of the library's calls on one thread, warm, where nobody sleeps: the caption, header and rows, in ns."""
    return ('acquire, publish, lease and release: ns, one thread, waking nobody',
            ['attached', 'size', *bench.STEPS],
            [[bench.digits(bench.number(consumers)), size, *(bench.digits(ns) or '-' for ns in row)]
             for consumers, size, row in results.steps])


def notes(cells):
    found = []
    for cell in cells:
        for name, what in (('torn', 'torn frames'), ('missed', 'frames missed')):
            if cell.number(name):
                found.append(f'{cell.way}: {what}: {cell.number(name):g}')
    return found


def make(results, group, cells):
    columns = COLUMNS + MORE.get(group, [PUBLISH])
    rows = [[cell.way] + [column.text(results, cell) for column in columns] for cell in cells]
    used = [0] + [i for i in range(1, len(columns) + 1) if any(row[i] not in ('', '0') for row in rows)
                  or columns[i - 1].heading != 'daemon']
    header = ['way'] + [column.heading for column in columns]
    return Table(group, cells[0].setting_text, [header[i] for i in used],
                 [[row[i] or '-' for i in used] for row in rows], notes(cells))


def tables(results):
    """{group: [Table]}"""
    found = {}
    for group, cells in results.groups.items():
        settings = {}
        for cell in cells:
            if cell.measured:
                settings.setdefault(cell.setting, []).append(cell)
        found[group] = [make(results, group, together) for together in settings.values()]
    return found


def aligned(header, rows):
    """Lines: the first column to the left, the others to the right; clipped to the terminal."""
    rows = [[bench.short(row[0]), *row[1:]] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    return [(row[0].ljust(widths[0]) + ''.join(f' {text:>{width}}' for text, width in
                                               zip(row[1:], widths[1:])))[:WIDTH] for row in rows]


def wrap(text, indent='', first=None):
    return textwrap.wrap(text, WIDTH, initial_indent=indent if first is None else first,
                         subsequent_indent=indent) or ['']


def target_lines(results):
    """Columns: what was aimed at (which may need several lines), limit, measured, spread, verdict."""
    header = ('target', 'limit', 'measured', 'spread', 'met or missed')
    rows = [header] + [(one.target, one.limit or '-', one.measured or '-', one.spread or '-', one.verdict)
                       for one in results.targets]
    widths = [min(24, max(len(row[i]) for row in rows)) for i in (1, 2, 3)]
    room = WIDTH - sum(widths) - len(header[4]) - 8
    room = min(room, max(len(row[0]) for row in rows))
    lines = []
    for row, target in zip(rows, [None, *results.targets]):
        begin, *rest = textwrap.wrap(row[0], room) or ['']
        middle = '  '.join(f'{text[:24]:>{width}}' for text, width in zip(row[1:4], widths))
        lines.append(f'{begin:<{room}}  {middle}  {row[4]}')
        lines += ['  ' + line for line in rest]
        if target and target.note and target.verdict != 'met':
            lines += wrap(target.note, '    ')
    return lines if results.targets else ['no targets']


def reason_texts(results):
    """(state: reason, [what it hits, a group each]) of each reason for a cell that was not measured."""
    for (state, reason), groups in results.reasons.items():
        texts = []
        for group, hits in groups.items():
            texts.append(f'{group}: ' + '; '.join(
                ', '.join(ways) + (f" ({' | '.join(settings)})" if settings != ('usual',) else '')
                for settings, ways in hits))
        yield f'{state}: {reason}', texts


def table(raw):
    results = bench.read(raw)
    lines = wrap(f'frame-bench, {results.started}: {results.command}', '  ', '')
    lines += wrap(', '.join(f'{name} {value}' for name, value in results.machine_text))
    lines += ['', *target_lines(results)]
    for group, found in tables(results).items():
        lines += ['', f'== {bench.GROUPS.get(group, group)} =='[:WIDTH]]
        for one in found:
            lines += ['', one.setting[:WIDTH], *aligned(one.header, one.rows)]
            for note in one.notes:
                lines += wrap(note, '  ')
        if not found:
            lines += ['nothing measured']
    if results.steps:
        caption, header, rows = steps(results)
        lines += ['', '== steps ==', '', caption, *aligned(header, rows)]
    for reason, hits in reason_texts(results):
        lines += ['', *wrap(reason, '  ', '')]
        for hit in hits:
            lines += wrap(hit, '    ', '  ')
    return '\n'.join([*lines, '', *wrap(LEGEND)]) + '\n'


SETTING = ('group', 'way', 'title', 'format', 'width', 'height', 'size', 'consumers', 'slots', 'interval_ns',
           'jitter_ns', 'touch', 'state', 'reason')
NUMBERS = [('latency_ns', name) for name in ('p50', 'p99', 'p99.9', 'max', 'samples')] + \
    [('publish_ns', name) for name in ('p50', 'p99', 'max')] + \
    [(name,) for name in ('fps', 'cpu_producer_ns', 'cpu_consumer_ns', 'cpu_daemon_ns', 'copied_producer',
                          'copied_consumer', 'faults_producer', 'faults_consumer', 'pss_bytes', 'shared_bytes',
                          'first_frame_ns', 'missed', 'torn')]
ROUND = ('p50', 'p99', 'fps', 'publish_p50', 'cpu_producer_ns', 'cpu_consumer_ns')


def write_csv(raw, path):
    """A row a cell; the numbers as in the file, those of the rounds with spaces between."""
    results = bench.read(raw)
    with open(path, 'w', encoding='utf-8', newline='') as sink:
        writer = csv.writer(sink)
        writer.writerow([*SETTING, *('_'.join(number) for number in NUMBERS), 'ratio', 'ratio_least',
                         'ratio_most', 'rounds', *(f'rounds_{name}' for name in ROUND)])
        for cell in results.cells:
            writer.writerow([*(getattr(cell, name) for name in SETTING),
                             *(cell.number(*number) for number in NUMBERS),
                             *(results.ratio(cell) or (None,) * 3), len(cell.rounds),
                             *(' '.join(str(bench.number(one.get(name))) for one in cell.rounds)
                               for name in ROUND)])
