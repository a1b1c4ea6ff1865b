#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes docs/conformance.md from docs/conformance.list, and checks that what it names exists and passed.

conformance.py [--output FILE] [--log JSON] LIST DOCUMENT SOURCE-ROOT [TESTLOG...]

A line of the list is `promise | proof, proof...`; `# heading` begins a table; an empty line or one that begins with ';' is
passed over. A proof is one of
  /module/behaviour   a test path: stands in quotes in a source under tests/, whole or as "/module/" and "behaviour"; or is
                      test_behaviour() of a Python file whose main() has 'module' as its first argument
  test-name           a test of tests/meson.build
  tests/FILE          a test program or script, or another file of the tree
  ./run COMMAND       a command
Without logs of `meson test` the results are left as they stand in the document. With them each test path must have run and
passed; what runs only by a command is 'on demand'. --output: the document as it should be. --log: the outcome as a line of such a
log, for tests/summary.py.
"""
import argparse
import json
import os
import pathlib
import re
import sys

HEAD = '''# What was promised, and what shows it

Printed from docs/conformance.list by docs/conformance.py. `./run test` ends with it, and fails where a line has no test, or where
the results are not these; what it should be is then in build/conformance.md. 'on demand': shown by a command, such as
`./run verify` (docs/verified.md) or `./run demo`.
'''
POINT = re.compile(r'^(not )?ok\b\s*\d*\s*-?\s*(/\S+)\s*(?:#\s*(SKIP)\b.*)?$', re.M | re.I)
ON_DEMAND = 'on demand'


def quoted_strings(root):
    """Everything in quotes in the sources of tests, and the paths of tests in Python."""
    found = set()
    for path in (root / 'tests').rglob('*'):
        if path.suffix in ('.c', '.py') and path.is_file():
            text = path.read_text(errors='replace')
            strings = re.findall(r'''["']([^"'\n]+)["']''', text)
            module = re.search(r"^ *(?:toolbox\.)?main\('([\w-]+)',", text, re.M)
            found.update(f"/{module[1]}/{test.replace('_', '-')}"
                         for test in (re.findall(r'^def test_(\w+)', text, re.M) if module else ()))
            found.update(strings)
            found.update(a + b for a in strings if a.endswith('/') for b in strings)
    text = (root / 'tests/meson.build').read_text()
    return found | {'test ' + name for name in re.findall(r"\btest\('([\w-]+)'", text)}


def exists(proof, root, strings):
    if proof.startswith('./run '):
        return proof.split()[1] in (root / 'run').read_text()
    if proof.startswith('/'):
        return proof in strings
    return f'test {proof}' in strings or (root / proof.split()[0]).exists()


class Results:
    """What ran: 'passed', 'failed' or 'skipped' by test path, and by the stem of a test's name."""

    def __init__(self, logs):
        self.of = {}
        for log in logs:
            for line in log.read_text(encoding='utf-8').splitlines():
                test = json.loads(line)
                result = {'OK': 'passed', 'SKIP': 'skipped'}.get(test['result'], 'failed')
                self.add(test['name'].rpartition(' / ')[2], result)
                for bad, path, skip in POINT.findall(test.get('stdout', '')):
                    self.add(path, 'skipped' if skip else 'failed' if bad else 'passed')

    def add(self, name, result):
        """In several runs: the worst, but for a skip, which another run may make good."""
        order = ('skipped', 'passed', 'failed')
        self.of[name] = max(result, self.of.get(name, result), key=order.index)

    def judge(self, proofs):
        found = []
        for proof in proofs:
            if proof.startswith('/'):
                found.append(self.of.get(proof, 'did not run'))
            elif not proof.startswith('./run '):
                path = pathlib.Path(proof)
                found.append(self.of.get(path.stem, self.of.get(path.parent.name, ON_DEMAND)))
        tested = [f for f in found if f != ON_DEMAND]
        return next((f for f in tested if f != 'passed'), 'passed' if tested else ON_DEMAND)


def old_results(document):
    rows = [line.split(' | ') for line in document.read_text().splitlines() if line.startswith('| ')]
    return {row[0][2:]: row[-1].rstrip(' |') for row in rows}


def render(listing, root, result_of):
    """The document, and what is wrong with it."""
    strings = quoted_strings(root)
    text, wrong, n_promises = HEAD, [], 0
    for number, line in enumerate(listing.read_text().splitlines(), 1):
        line = line.strip()
        if not line or line.startswith(';'):
            continue
        if line.startswith('#'):
            text += f'\n## {line.lstrip("# ")}\n\n| promise | shown by | result |\n|---|---|---|\n'
            continue
        promise, separator, proofs = line.rpartition(' | ')
        if not separator:
            sys.exit(f'{listing}:{number}: no " | " between promise and proof')
        proofs = [p.strip() for p in proofs.split(',')]
        wrong += [f'{listing}:{number}: {p}: no such test, file or command'
                  for p in proofs if not exists(p, root, strings)]
        result = result_of(promise, proofs)
        if result not in ('passed', ON_DEMAND):
            wrong.append(f'{listing}:{number}: {promise}: {result}')
        shown = ', '.join(f'`{p}`' for p in proofs)
        text += f'| {promise} | {shown} | {result} |\n'
        n_promises += 1
    return text + f'\n{n_promises} promises.\n', wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--output', type=pathlib.Path)
    parser.add_argument('--log', type=pathlib.Path)
    parser.add_argument('listing', type=pathlib.Path)
    parser.add_argument('document', type=pathlib.Path)
    parser.add_argument('root', type=pathlib.Path)
    parser.add_argument('testlogs', nargs='*', type=pathlib.Path)
    options = parser.parse_args()

    old = old_results(options.document) if options.document.exists() else {}
    results = Results(options.testlogs)
    if options.testlogs:
        text, wrong = render(options.listing, options.root, lambda promise, proofs: results.judge(proofs))
        if os.getuid() != 0:  # some tests need two users
            wrong = [w for w in wrong if not w.endswith('did not run')]
    else:
        text, wrong = render(options.listing, options.root, lambda promise, proofs: old.get(promise, ON_DEMAND))
    if options.output:
        options.output.write_text(text)
    if os.getuid() == 0 and (not options.document.exists() or options.document.read_text() != text):
        wrong.append(f'{options.document}: not what {options.listing} and the tests say; after ./run test: '
                     'cp build/conformance.md docs/')
    report = '\n'.join(wrong) or f'{options.document}: {text.splitlines()[-1]}'
    if options.log:
        options.log.write_text(json.dumps({'name': 'results', 'result': 'FAIL' if wrong else 'OK', 'stdout': report}) + '\n')
    else:
        print(report)
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
