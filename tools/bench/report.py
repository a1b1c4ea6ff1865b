#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a results file of frame-bench says, as tables, CSV, plots and a page.

report.py RESULTS.json --output FOLDER

Each takes the parsed file. write() makes all of it in a folder: table.txt, cells.csv, PLOT.svg, index.html.
"""
import argparse
import contextlib
import os
import sys

import page
import plots as plotting
import results as bench
import tables

table = tables.table
csv = tables.write_csv
html = page.write


def plots(raw, folder, drawn=None):
    """Writes them; the names of the files, and a line for each plot that there is not."""
    found, lines = drawn or plotting.make(raw)
    for plot in found:
        with open(os.path.join(folder, plot.name + '.svg'), 'w', encoding='utf-8') as sink:
            sink.write(plot.svg)
    return [plot.name + '.svg' for plot in found], lines


def write(raw, folder):
    """All of it. Lines for the terminal: what is where, and what is missing."""
    results = bench.read(raw)
    os.makedirs(folder, exist_ok=True)
    for plot in plotting.PLOTS:  # of an earlier run: this one may not have all of them
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(folder, plot[0] + '.svg'))
    with open(os.path.join(folder, 'table.txt'), 'w', encoding='utf-8') as sink:
        sink.write(table(results))
    csv(results, os.path.join(folder, 'cells.csv'))
    drawn = plotting.make(results)
    names, lines = plots(results, folder, drawn)
    html(results, os.path.join(folder, 'index.html'), drawn)
    return lines + [f"{folder}: {', '.join(['index.html', 'table.txt', 'cells.csv', *names])}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('results', help='what frame-bench wrote')
    parser.add_argument('--output', metavar='FOLDER', help='also write table, CSV, plots and a page there')
    options = parser.parse_args()
    try:
        results = bench.load(options.results)
        sys.stdout.write(table(results))
        if options.output:
            print('\n' + '\n'.join(write(results, options.output)))
    except (bench.ResultsError, OSError) as error:
        sys.exit(f'report.py: {error}')


if __name__ == '__main__':
    main()
