# SPDX-License-Identifier: LGPL-2.1-or-later
"""What must hold, and how it is shown."""

NS_IN_US = 1000


class Checks:
    def __init__(self):
        self.n_passed = 0
        self.n_failed = 0

    def check(self, what, seen, expected, holds=None):
        """Prints one line. `holds`: the verdict, where `expected` is only a text that says it."""
        if holds is None:
            holds = seen == expected
        if holds:
            self.n_passed += 1
            print(f'  ok    {what}: {seen}')
        else:
            self.n_failed += 1
            print(f'  FAIL  {what}: expected {expected}, seen {seen}')

    def exit_code(self, stage, expected=0):
        code = stage.finish()
        self.check(f'{stage.name}: exit code', code, expected)
        if code != expected:
            print(stage.log())

    def frames(self, stage, reference, complete):
        """Its frames are the decoder's, each at the place that its sequence says."""
        frames = stage.hashes()
        sequences = [offset for _, offset, _, _ in frames]
        right = sum(1 <= offset <= len(reference) and md5 == reference[offset - 1]
                    for _, offset, _, md5 in frames)
        self.check(f'{stage.name}: frames with the decoder\'s hash', f'{right} of {len(frames)}',
                   f'{len(frames)} of {len(frames)}')
        if complete:
            self.check(f'{stage.name}: sequences', ranges(sequences), f'1-{len(reference)}')
        else:
            self.check(f'{stage.name}: sequences', ranges(sequences), 'some, in order',
                       frames and sequences == sorted(set(sequences)))


def ranges(numbers):
    """1-9, 11, 13-20"""
    runs = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ', '.join(str(a) if a == b else f'{a}-{b}' for a, b in runs) or 'none'


def table(titles, rows, right=()):
    """Columns as wide as they must be; `right` names those of numbers."""
    rows = [[str(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(titles))]
    for row in rows:
        cells = (cell.rjust(width) if title in right else cell.ljust(width)
                 for title, cell, width in zip(titles, row, widths))
        print('  ' + '  '.join(cells).rstrip())


def reasons(stats, prefix):
    """What stands under PREFIX-REASON, where there is any: of copied bytes, or of drops."""
    return {name[len(prefix) + 1:]: count for name, count in stats.items()
            if name.startswith(f'{prefix}-') and count
            and name not in ('copied-bytes', 'copied-frames')}


def with_reasons(stats, total, prefix):
    if total not in stats:
        return '?', ''
    why = ', '.join(f'{reason} {n:,}' for reason, n in reasons(stats, prefix).items())
    return f'{stats[total]:,}', why


def microseconds(stats, name):
    return f'{stats[name] / NS_IN_US:.0f} us' if stats.get('frames') and name in stats else '-'


def counter_row(stage, element, what):
    stats = stage.stats(element)
    return (stage.name, what, stats.get('frames', '?'), *with_reasons(stats, 'drops', 'drops'),
            microseconds(stats, 'latency-p50'), microseconds(stats, 'latency-p99'),
            *with_reasons(stats, 'copied-bytes', 'copied'))


def counter_table(rows):
    table(('process', 'what', 'frames', 'drops', 'cause', 'p50', 'p99', 'copied bytes', 'reason'),
          rows, right=('frames', 'drops', 'p50', 'p99', 'copied bytes'))
