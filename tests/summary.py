#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts what several runs of `meson test` did; GLib tests (TAP) by the case.

summary.py NAME=TESTLOG.json ... | NAME=failed-to-build | NAME=skipped-because-REASON

Prints what failed, with the tail of its log, and what was skipped, with the reason; the last line is
'N passed, N failed, N skipped'. The exit code is 0 only if something ran and nothing failed.
"""
import json
import re
import sys

TAIL_LINES = 30
POINT = re.compile(r'^(not )?ok\b\s*(\d+)?\s*-?\s*([^#]*)(?:#\s*(SKIP|TODO)\b\s*(.*))?', re.I)
PLAN = re.compile(r'^1\.\.(\d+)\s*(?:#\s*SKIP\b\s*(.*))?', re.I)
GOOD = ('OK', 'EXPECTEDFAIL')


class Summary:
    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def fail(self, name, reason, log=''):
        self.failed.append((name, reason, log.rstrip().splitlines()[-TAIL_LINES:]))

    def skip(self, name, reason):
        if reason and reason.strip():
            self.skipped.append((name, reason.strip()))
        else:
            self.fail(name, 'skipped without a reason')

    def add_run(self, run, source):
        if source.startswith('skipped-because-'):
            self.skip(run, source.removeprefix('skipped-because-').replace('-', ' '))
            return
        try:
            with open(source, encoding='utf-8') as log:
                tests = [json.loads(line) for line in log]
        except OSError:
            tests = []
        if not tests:
            self.fail(run, source if source == 'failed-to-build' else 'no test ran')
        for test in tests:
            name = f"{run}: {test['name'].rpartition(' / ')[2]}"
            output = test.get('stdout', '')
            if PLAN.search(output) or re.search(r'^1\.\.\d+', output, re.M):
                self.add_tap(name, test, output)
            else:
                self.add_program(name, test, output)

    def add_program(self, name, test, output):
        if test['result'] in GOOD:
            self.passed += 1
        elif test['result'] == 'SKIP':
            self.skip(name, (output.strip().splitlines() or [''])[-1])
        else:
            self.fail(name, test['result'], output + '\n' + test.get('stderr', ''))

    def add_tap(self, name, test, output):
        log = output + '\n' + test.get('stderr', '')
        failures = len(self.failed)
        planned, seen = 0, 0
        for line in output.splitlines():
            if plan := PLAN.match(line):
                planned = int(plan[1])
                if planned == 0:
                    self.skip(name, plan[2])
            elif point := POINT.match(line):
                seen += 1
                self.add_point(name, point, log)
        if len(self.failed) == failures and test['result'] not in GOOD + ('SKIP',):
            self.fail(name, test['result'], log)
        if seen < planned:
            self.fail(name, f'{planned - seen} of {planned} cases did not run', log)

    def add_point(self, name, point, log):
        case = f'{name} {point[3].strip()}'
        if (point[4] or '').upper() == 'SKIP':
            self.skip(case, point[5])
        elif point[1] and (point[4] or '').upper() != 'TODO':
            self.fail(case, 'not ok', log)
        else:
            self.passed += 1

    def report(self):
        shown = None
        for name, reason, tail in self.failed:
            print(f'FAILED {name}: {reason}')
            if tail and tail != shown:
                print('\n'.join(f'    {line}' for line in tail))
            shown = tail or shown
        for name, reason in self.skipped:
            print(f'SKIPPED {name}: {reason}')
        print(f'{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped')
        return 1 if self.failed or not self.passed else 0


def main():
    summary = Summary()
    for argument in sys.argv[1:]:
        summary.add_run(*argument.split('=', 1))
    sys.stdout.flush()
    return summary.report()


if __name__ == '__main__':
    sys.exit(main())
