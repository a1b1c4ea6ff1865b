# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-bench's results as one page: no scripts, nothing that it loads."""
import html
import re

import plots
import results as bench
import tables

STYLE = '''
:root { color-scheme: light dark; --line: #ccc; --dim: #555; --met: #00694d; --missed: #a33c00; }
@media (prefers-color-scheme: dark) {
  :root { --line: #555; --dim: #aaa; --met: #4fd1a5; --missed: #ff9a5c; }
}
body { font: 16px/1.45 system-ui, sans-serif; max-width: 72em; margin: 0 auto; padding: 1em; }
figure { margin: 1.5em 0; }
figure > div { background: #fff; color: #000; border: 1px solid var(--line); border-radius: 8px;
  padding: 8px; overflow-x: auto; }
svg { display: block; width: 100%; min-width: 40em; height: auto; }
#plot-cpu svg { max-width: 52em; }
figcaption, .dim { color: var(--dim); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1em 0; font-size: 0.9em;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: bold; padding: 0.2em 0; }
th, td { border-bottom: 1px solid var(--line); padding: 0.15em 0.6em; text-align: right;
  white-space: nowrap; }
th { vertical-align: bottom; }
th:first-child, td:first-child, .text td, .text th { text-align: left; }
.text td, .text tbody th { white-space: normal; vertical-align: top; }
.text td.exact { white-space: nowrap; }
.met { color: var(--met); font-weight: bold; }
.missed { color: var(--missed); font-weight: bold; }
summary { cursor: pointer; font-weight: bold; padding: 0.3em 0; }
'''
SYMBOLS = {'met': '✓', 'missed': '✗', 'not measured': '–'}
METHOD = '''
<p>Producer and consumers are processes of their own, each pinned to a core: the producer to one, the
consumers to the others in turn. Latency is the time from just before the producer hands a frame over until a
consumer holds it. At an interval both sides sleep between frames, so that cores get as idle as in real use;
back to back the next frame follows as soon as the last one was released. The first and the last word of each
frame are checked; whole frames are written and read only where it says so. The ways take turns within each
round, so that a drift of the machine hits all alike: absolute figures drift, ratios hold. Ratios are taken
within a round. The spread of a p50 ratio is the middle half of the rounds; of a p99 ratio, the smallest to the
largest of three parts of the rounds; of what is compared with nothing, the smallest to the largest round, and
the largest is judged. Latency says nothing of frames that a consumer missed: they are counted. Daemons (RouDi,
pipewire) are not pinned.</p>
'''


def escape(text):
    return html.escape(str(text), quote=True)


def make_table(caption, header, rows, kind=''):
    """The rows' cells are HTML already."""
    cells = ''.join(f'<th scope="col">{escape(text)}</th>' for text in header)
    head = f'<thead><tr>{cells}</tr></thead>\n' if header else ''
    lines = ''.join(f'<tr><th scope="row">{row[0]}</th>' + ''.join(row[1:]) + '</tr>\n' for row in rows)
    return (f'<div class="wide"><table class="{kind}"><caption>{escape(caption)}</caption>\n'
            f'{head}<tbody>\n{lines}</tbody></table></div>\n')


def cell(text, kind=''):
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f'<td>{escape(text)}</td>'


def targets(results):
    if not results.targets:
        return '<p>None.</p>\n'
    rows = [[escape(one.target), *(cell(text or '–', 'exact') for text in (one.limit, one.measured, one.spread)),
             f'<td class="exact"><span class="{one.verdict.partition(" ")[0]}">'
             f'{SYMBOLS[one.verdict]} {escape(one.verdict)}</span></td>', cell(one.note)]
            for one in results.targets]
    counts = ', '.join(f'{sum(one.verdict == verdict for one in results.targets)} {verdict}'
                       for verdict in bench.VERDICTS)
    return make_table(counts, ('target', 'limit', 'measured', 'spread', 'met or missed', 'note'), rows, 'text')


def inline(plot):
    """The drawing without its prologue; its ids are made the page's, its name told to who cannot see it."""
    text = plot.svg[plot.svg.index('<svg'):]
    text = re.sub(r'\bid="([^"]*)"', rf'id="{plot.name}-\1"', text)
    text = re.sub(r'(url\(|href=")#', rf'\1#{plot.name}-', text)
    return text.replace('<svg', f'<svg role="img" aria-label="{escape(plot.title + ". " + plot.says)}"', 1)


def figures(results, drawn, lines):
    if not drawn:
        return ''.join(f'<p>{escape(line)}</p>\n' for line in lines)
    how = f'Processes pinned to cores; {results.rounds_text}.'
    found = [f'<figure id="plot-{plot.name}">\n<h3>{escape(plot.title)}</h3>\n<div>{inline(plot)}</div>\n'
             f'<figcaption>{escape(plot.says)} {escape(how)}</figcaption>\n</figure>\n' for plot in drawn]
    return ''.join(found + [f'<p class="dim">{escape(line)}</p>\n' for line in lines])


def groups(results):
    found = ''
    for group, together in tables.tables(results).items():
        title = bench.GROUPS.get(group, group)
        found += f'<details>\n<summary>{escape(title)}</summary>\n'
        for table in together:
            found += make_table(table.setting, table.header,
                                [[escape(row[0]), *map(cell, row[1:])] for row in table.rows])
            found += ''.join(f'<p class="dim">{escape(note)}</p>\n' for note in table.notes)
        found += '</details>\n' if together else '<p>Nothing measured.</p>\n</details>\n'
    if results.steps:
        caption, header, rows = tables.steps(results)
        found += ('<details>\n<summary>Steps</summary>\n'
                  + make_table(caption, header, [[escape(row[0]), *map(cell, row[1:])] for row in rows])
                  + '</details>\n')
    return found + f'<p class="dim">{escape(tables.LEGEND)}</p>\n'


def reasons(results):
    found = ''.join(f'<dt>{escape(reason)}</dt>\n' + ''.join(f'<dd>{escape(hit)}</dd>\n' for hit in hits)
                    for reason, hits in tables.reason_texts(results))
    return f'<dl>\n{found}</dl>\n' if found else '<p>Everything was measured.</p>\n'


def ways(results):
    rows = [[escape(way), cell(title)] for way, title in results.ways.items()]
    return make_table('Ways to hand a frame over', ('name', 'what it is'), rows, 'text')


def machine(results):
    facts = [('measured', results.started), ('command', results.command)]
    if results.seconds is not None:
        facts.append(('took', f'{results.seconds / 60:.1f} minutes'))
    rows = [[escape(name), cell(value)] for name, value in facts + results.machine_text if value]
    return make_table('The run', (), rows, 'text')


def make(raw, drawn, lines):
    """The page; drawn and lines as of plots.make()."""
    results = bench.read(raw)
    parts = [('Targets', targets(results)), ('Plots', figures(results, drawn, lines)),
             ('All numbers', groups(results)), ('Not measured', reasons(results)),
             ('Method', METHOD + f'<p>This run: {escape(results.rounds_text)}.</p>\n' + ways(results))]
    body = ''.join(f'<section>\n<h2>{title}</h2>\n{text}</section>\n' for title, text in parts)
    return ('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta http-equiv="Content-Security-Policy" '
            'content="default-src \'none\'; style-src \'unsafe-inline\'">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<title>frame-bench: handing frames to another process</title>\n'
            f'<style>{STYLE}</style>\n</head>\n'
            '<body>\n<h1>frame-bench: handing frames to another process</h1>\n'
            f'{machine(results)}{body}</body>\n</html>\n')


def write(raw, path, drawn=None):
    """drawn: what plots.make() returned, where it was called already."""
    text = make(raw, *(drawn or plots.make(raw)))
    with open(path, 'w', encoding='utf-8') as sink:
        sink.write(text)
