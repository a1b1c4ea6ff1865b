#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the tables in a document with what a program prints from the code.

tables.py [--update] DOCUMENT PROGRAM     PROGRAM is built from tests/PROGRAM.c
"""
import pathlib
import subprocess
import sys

END = '<!-- end -->\n'


def main():
    arguments = [a for a in sys.argv[1:] if a != '--update']
    if len(arguments) != 2:
        sys.exit(__doc__)
    document, program = (pathlib.Path(a) for a in arguments)
    begin_line = f'<!-- begin: printed by tests/{program.name}.c -->\n'
    tables = subprocess.run([program.resolve()], check=True, text=True, stdout=subprocess.PIPE).stdout
    text = document.read_text()
    head, begin, rest = text.partition(begin_line)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        sys.exit(f'{document}: lacks the lines that frame the tables')
    wanted = head + begin + tables + end + tail
    if text == wanted:
        print(f'{document}: as in the code')
    elif '--update' in sys.argv:
        document.write_text(wanted)
        print(f'{document}: written')
    else:
        sys.exit(f'{document}: differs from the code; run: meson compile -C build '
                 f'update-{document.stem}')


if __name__ == '__main__':
    main()
