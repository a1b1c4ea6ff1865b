# SPDX-License-Identifier: LGPL-2.1-or-later
"""frame-bench's plots, as SVG: the same results make the same bytes."""
import collections
import io
import math
import re

import results as bench

MISSING = 'plots need python3-matplotlib: apt install python3-matplotlib'
Plot = collections.namedtuple('Plot', 'name title says svg')
RC = {
    'svg.fonttype': 'none', 'svg.hashsalt': 'frame-bench', 'text.parse_math': False,
    'font.family': 'sans-serif', 'font.sans-serif': ['DejaVu Sans', 'sans-serif'], 'font.size': 9,
    'axes.spines.top': False, 'axes.spines.right': False, 'axes.grid': True, 'grid.color': '#dddddd',
    'axes.axisbelow': True, 'figure.facecolor': 'white', 'axes.titlesize': 10, 'axes.titlelocation': 'left',
    'xtick.minor.size': 0,
}
# Okabe and Ito's, without the yellow, which is too light on white.
BLUE, BLACK = '#0072B2', '#000000'
OTHERS = ('#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9')
MARKERS = 'osD^vP'
WAITS = {'spin': (0, (4, 1.5)), 'predict': (0, (1, 1))}
BUSY = re.compile(r'spin|predict|busy|poll')
Style = collections.namedtuple('Style', 'color dash marker width')


def styles(results):
    """{way: Style}: shmframe's blue and thick, bare shared memory black, the others by colour and marker."""
    found, others = {}, 0
    for way in results.ways:
        dash = next((dash for word, dash in WAITS.items() if word in way), '-')
        if 'shmframe' in way:
            found[way] = Style(BLUE, dash, 'o', 2.2)
        elif way in ('shm-futex', 'shm-spin', 'shm-predict'):
            found[way] = Style(BLACK, dash, 's', 1.6)
        else:
            found[way] = Style(OTHERS[others % len(OTHERS)], dash,
                               MARKERS[others // len(OTHERS) % len(MARKERS)], 1)
            others += 1
    return found


def draw_options(style):
    return {'color': style.color, 'linestyle': style.dash, 'linewidth': style.width,
            'zorder': 2 + style.width, 'marker': style.marker, 'markersize': 3.5}


def by_way(cells):
    found = {}
    for cell in cells:
        found.setdefault(cell.way, []).append(cell)
    return found


def p50(cell):
    return cell.number('latency_ns', 'p50')


def p99(cell):
    return cell.number('latency_ns', 'p99')


def publish(cell):
    return cell.number('publish_ns', 'p50')


def cpu(cell):
    return cell.cpu_ns


def one_format(cells):
    """Those of NV12, or of the first format that there is."""
    name = 'NV12' if any(cell.format == 'NV12' for cell in cells) else cells[0].format if cells else ''
    return [cell for cell in cells if cell.format == name and cell.size > 0]


def good(value):
    return value is not None and value > 1e-3  # margins of a logarithmic axis stay above 0


def known(cells, value):
    return [cell for cell in cells if good(value(cell))]


def log_time(axis):
    """Plain numbers with units: at each decade, and between where there are few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
    low, high = axis.get_view_interval()
    decades = math.log10(high / low) if low > 0 else 9
    axis.set_major_locator(LogLocator(subs=(1,) if decades > 2.5 else (1, 2, 5) if decades > 0.8
                                      else (1, 1.5, 2, 3, 4, 5, 6, 8), numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: bench.tick_ns(value)))
    axis.set_minor_formatter(NullFormatter())


def spread_out(places, gap, low, high):
    """The places, risen and lowered as little as keeps them `gap` apart, within low..high. They rise."""
    out = []
    for place in places:
        out.append(max(place, out[-1] + gap if out else low))
    over = out[-1] - high if out else 0
    limit = high
    for i in reversed(range(len(out))) if over > 0 else ():
        out[i] = min(out[i], limit)
        limit = out[i] - gap
    return out


def label_lines(axes, ends, size=7.5):
    """Names at the right side, beside the ends of their lines; ends: [(x, y, name, colour)] in data."""
    height = axes.figure.get_figheight() * axes.get_position().height * 72
    to_axes = axes.transAxes.inverted()
    ends = sorted(((*to_axes.transform(axes.transData.transform((x, y))), name, color)
                   for x, y, name, color in ends), key=lambda end: end[1])
    places = spread_out([end[1] for end in ends], size * 1.25 / height, 0, 1)
    for (x, y, name, color), place in zip(ends, places):
        # What reaches across the panel must not look like a line of data.
        arrow = {'arrowstyle': '-', 'color': color, 'linewidth': 0.6, 'linestyle': ':' if x < 0.8 else '-',
                 'relpos': (0, 0.5), 'shrinkA': 1, 'shrinkB': 3}
        axes.annotate(name, (x, y), (1.06, place), xycoords='axes fraction', textcoords='axes fraction',
                      color=color if color == BLUE else '#222222', fontsize=size, va='center',
                      fontweight='bold' if color == BLUE else 'normal', annotation_clip=False,
                      arrowprops=arrow)


def sizes_axis(axes, cells):
    sizes = {cell.size: cell.size_name for cell in cells}
    axes.set_xscale('log')
    axes.set_xlim(min(sizes) / 1.35, max(sizes) * 1.35)
    axes.set_xticks(list(sizes), [f'{name}\n{bench.tick_bytes(size)}' for size, name in sizes.items()])
    axes.minorticks_off()
    axes.set_xlabel('frame')


def against_size(axes, cells, value, style, high=None):
    """A line a way, beside each other; `high` is a light whisker."""
    ways, ends = by_way(cells), []
    for i, (way, own) in enumerate(ways.items()):
        own.sort(key=lambda cell: cell.size)
        xs = [cell.size * 1.2 ** (2 * (i + 0.5) / len(ways) - 1) for cell in own]
        ys = [value(cell) for cell in own]
        axes.plot(xs, ys, **draw_options(style[way]))
        for x, cell in zip(xs, own) if high else ():
            if good(high(cell)):
                axes.vlines(x, value(cell), high(cell), color=style[way].color, linewidth=0.8, alpha=0.5)
        ends.append((xs[-1], ys[-1], bench.short(way), style[way].color))
    axes.set_yscale('log')
    sizes_axis(axes, cells)
    log_time(axes.yaxis)
    axes.figure.draw_without_rendering()
    label_lines(axes, ends)


def figure(columns, width, height, **margins):
    from matplotlib.figure import Figure
    made = Figure(figsize=(width, height))
    panels = made.subplots(1, columns, squeeze=False)[0]
    made.subplots_adjust(**{'left': 0.07, 'right': 0.86, 'top': 0.92, 'bottom': 0.13, 'wspace': 0.55,
                            **margins})
    return made, panels


def svg(made):
    text = io.StringIO()
    made.savefig(text, format='svg', metadata={'Date': None, 'Creator': None, 'Format': None, 'Type': None})
    return text.getvalue()


def panels_by_size(results, panels):
    """panels: [(title, cells, value, high)]. None without anything to draw."""
    panels = [panel for panel in panels if known(panel[1], panel[2])]
    if not panels:
        return None
    made, axes = figure(len(panels), 11, 5.2) if len(panels) > 1 else \
        figure(1, 7.5, 5.2, left=0.1, right=0.79)
    for one, (title, cells, value, high) in zip(axes, panels):
        one.set_title(title)
        against_size(one, known(cells, value), value, styles(results), high)
    return made


def latency(results):
    panels = [(title, one_format(results.measured(group)), p50, p99) for title, group in
              (('at 60 frames/s', 'latency'), ('back to back', 'back-to-back'))]
    return panels_by_size(results, panels)


def elements(results):
    cells = one_format(results.measured('elements'))
    return panels_by_size(results, [('latency', cells, p50, p99), ('CPU time of a frame', cells, cpu, None)])


def cpu_by_size(results):
    return panels_by_size(results, [('at 60 frames/s', one_format(results.measured('latency')), cpu, None)])


def label(way):
    return bench.short(way).lstrip('_') or '?'  # legends leave out what begins with it


def legend(axes):
    axes.legend(loc='upper left', bbox_to_anchor=(1.01, 1.02), fontsize=7.5, frameon=False, handlelength=3,
                labelspacing=0.35)


def consumers(results):
    cells = [cell for cell in results.measured('consumers') if cell.consumers > 0]
    values = [one for one in (('latency, p50', p50), ('acquire and publish, p50', publish),
                              ('CPU time of a frame', cpu)) if known(cells, one[1])]
    if not values:
        return None
    style, ways = styles(results), by_way(cells)
    counts = sorted({cell.consumers for cell in cells})
    made, panels = figure(len(values), 11, 4.4, left=0.06, right=0.84, wspace=0.3)
    for axes, (title, value) in zip(panels, values):
        for way, own in ways.items():
            points = sorted((cell.consumers, value(cell)) for cell in known(own, value))
            axes.plot(*(zip(*points) if points else ([], [])), label=label(way),
                      **draw_options(style[way]))
        axes.set(xscale='log', yscale='log', xlabel='consumers', title=title)
        axes.set_xticks(counts, [f'{count:g}' for count in counts], fontsize=7.5)
        axes.minorticks_off()
        log_time(axes.yaxis)
    legend(panels[-1])
    return made


def few(cells):
    """All that do not copy, and of those that do the fastest, the slowest and the one between."""
    cells = sorted(known(cells, p50), key=p50)
    copying = [cell for cell in cells if cell.copies]
    chosen = {id(copying[i]) for i in (0, len(copying) // 2, -1)} if copying else set()
    return [cell for cell in cells if not cell.copies or id(cell) in chosen]


def quarters(points):
    """Where a quarter, a half, three quarters are: for markers."""
    return [min(range(len(points)), key=lambda i: abs(points[i][0] - share)) for share in (0.25, 0.5, 0.75)]


def cdf(results):
    cells = [cell for cell in one_format(results.measured('latency')) if len(cell.cdf) > 1]
    names = {cell.size_name: cell.size for cell in sorted(cells, key=lambda cell: cell.size)}
    if not names:
        return None
    name = next((name for name in ('2160p', '1080p') if name in names), list(names)[-1])
    cells = [cell for cell in cells if cell.size_name == name]
    panels = [(f'{title}, {name}', few([c for c in cells if bool(BUSY.search(c.way)) == busy]))
              for title, busy in (('consumers that sleep', False), ('consumers that spin or predict', True))]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return None
    style = styles(results)
    made, axes = figure(len(panels), 11, 4.2, right=0.84, wspace=0.6)
    for one, (title, chosen) in zip(axes, panels):
        for cell in chosen:
            shares, times = zip(*cell.cdf)
            one.plot(times, shares, markevery=quarters(cell.cdf), label=label(cell.way),
                     **draw_options(style[cell.way]))
        one.set(xscale='log', title=title, xlabel='latency, up to', ylabel='share of the frames',
                ylim=(0, 1.01))
        one.yaxis.set_major_formatter(lambda value, _: f'{value * 100:.0f}%')
        log_time(one.xaxis)
        legend(one)
    return made


def whole_frames(results):
    cells = [cell for cell in one_format(results.measured('touch')) if good(cell.number('fps'))]
    if not cells:
        return None
    ways, style = list(by_way(cells)), styles(results)
    sizes = {cell.size: cell.size_name for cell in sorted(cells, key=lambda cell: cell.size)}
    made, panels = figure(len(sizes), 11, 1.2 + 0.21 * len(ways), left=0.13, right=0.96, wspace=0.3,
                          bottom=0.6 / (1.2 + 0.21 * len(ways)))
    for axes, (size, name) in zip(panels, sizes.items()):
        own = {cell.way: cell.number('fps') for cell in cells if cell.size == size}
        most = max(own.values())
        for y, way in enumerate(ways):
            axes.barh(y, own.get(way, 0), color=style[way].color, height=0.7)
            axes.text(own.get(way, 0) + most * 0.02, y, bench.digits(own[way]) if way in own else '-',
                      va='center', fontsize=7)
        axes.set_yticks(range(len(ways)), [bench.short(way) if axes is panels[0] else '' for way in ways],
                        fontsize=8)
        axes.set(ylim=(len(ways) - 0.4, -0.6), xlim=(0, most * 1.22), title=name, xlabel='frames/s')
        axes.grid(False)
        axes.locator_params(axis='x', nbins=4)
    return made


PLOTS = [
    ('latency', 'Latency against frame size', latency,
     'Lower is better; a flat line does not depend on the size of the frame. Points: p50; whiskers: up to '
     'p99; NV12, from just before the hand-over to holding the frame.'),
    ('cdf', 'Distribution of the latency', cdf,
     'The steeper and the further left, the better; of the copying ways only the fastest, the middle and the '
     'slowest are drawn. 60 frames/s, NV12, all rounds together.'),
    ('cpu', 'CPU time of a frame against frame size', cpu_by_size,
     'What a frame costs all processes together, in CPU time a frame at 60 frames/s, NV12: one core is '
     '16.7 ms.'),
    ('touch', 'Whole frames a second', whole_frames,
     'Longer is better: each frame is filled by the producer and read by the consumer, back to back, one in '
     'flight; -: not measured.'),
    ('consumers', 'Cost against consumers', consumers,
     'Flat is good: what a frame costs as consumers are added. Latency: p50 over all consumers; acquire and '
     'publish: the producer\'s time, p50; CPU time: all processes together.'),
    ('elements', 'GStreamer elements against frame size', elements,
     'Lower is better: pipelines from appsrc to appsink in two processes. Points: p50; whiskers: up to p99; '
     'CPU time: both processes together.'),
]


def make(raw):
    """The plots, and a line for each that there is not."""
    results = bench.read(raw)
    try:
        import matplotlib
    except ImportError:
        return [], [MISSING]
    found, lines = [], []
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        for name, title, draw, says in PLOTS:
            made = draw(results)
            if made:
                found.append(Plot(name, title, says, svg(made)))
            else:
                lines.append(f'no plot {name}: nothing was measured for it')
    return found, lines
