#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes docs/conformance.md from docs/conformance.list, and checks that what it names exists.

conformance.py [--update] LIST DOCUMENT SOURCE-ROOT

A line of the list is `promise | proof, proof...`; `# heading` begins a table; an empty line or one that begins with ';' is
passed over. A proof is one of
  /module/behaviour   a test path: stands in quotes in a source under tests/, whole or as "/module/" and "behaviour"
  tests/FILE          a file of the tree
  ./run COMMAND       a command
  open                nothing yet
"""
import pathlib
import re
import sys

HEAD = '''# What was promised, and what shows it

Printed from docs/conformance.list by docs/conformance.py (`meson compile -C build update-conformance`), which fails when a
test that it names does not exist. GLib paths are run by `./run test`. 'open': nothing shows it yet.
'''


def quoted_strings(root):
    """Everything in quotes in the sources of tests."""
    found = set()
    for path in (root / 'tests').rglob('*'):
        if path.suffix in ('.c', '.py') and path.is_file():
            strings = re.findall(r'''["']([^"'\n]+)["']''', path.read_text(errors='replace'))
            found.update(strings)
            found.update(a + b for a in strings if a.endswith('/') for b in strings)
    return found


def exists(proof, root, strings):
    if proof == 'open':
        return True
    if proof.startswith('./run '):
        return proof.split()[1] in (root / 'run').read_text()
    if proof.startswith('/'):
        return proof in strings
    return (root / proof.split()[0]).exists()


def main():
    arguments = [a for a in sys.argv[1:] if a != '--update']
    if len(arguments) != 3:
        sys.exit(__doc__)
    listing, document, root = map(pathlib.Path, arguments)
    strings = quoted_strings(root)
    text, missing, n_promises, n_open = HEAD, [], 0, 0
    for number, line in enumerate(listing.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith(';'):
            continue
        if line.startswith('#'):
            text += f'\n## {line.lstrip("# ")}\n\n| promise | shown by |\n|---|---|\n'
            continue
        promise, separator, proofs = line.rpartition(' | ')
        if not separator:
            sys.exit(f'{listing}:{number}: no " | " between promise and proof')
        proofs = [p.strip() for p in proofs.split(',')]
        missing += [f'{listing}:{number}: {p}: no such test, file or command'
                    for p in proofs if not exists(p, root, strings)]
        n_promises += 1
        n_open += proofs == ['open']
        shown = ', '.join(p if p == 'open' else f'`{p}`' for p in proofs)
        text += f'| {promise} | {shown} |\n'
    text += f'\n{n_promises} promises, {n_open} open.\n'
    if missing:
        sys.exit('\n'.join(missing))
    if '--update' in sys.argv:
        document.write_text(text)
        print(f'{document}: written; {n_promises} promises, {n_open} open')
    elif not document.exists() or document.read_text() != text:
        sys.exit(f'{document}: not what {listing} says; run: meson compile -C build update-conformance')
    else:
        print(f'{document}: {n_promises} promises, {n_open} open')


if __name__ == '__main__':
    main()
