# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the cells of a plan in interleaved rounds and merges what they printed."""
import json
import statistics
import subprocess
import sys

WATCHDOG = 60  # seconds, beyond the time that a cell measures
PATIENCE = 5  # seconds, for a cell that shall end
P99_PARTS = 3
CDF = [percent / 100 for percent in range(100)] + [0.995, 0.999, 1.0]
MEDIANS = ('fps', 'cpu_producer_ns', 'cpu_consumer_ns', 'cpu_daemon_ns', 'copied_producer', 'copied_consumer',
           'faults_producer', 'faults_consumer', 'pss_bytes', 'shared_bytes', 'first_frame_ns',
           'committed_slots', 'slot_bytes')
PER_ROUND = ('cpu_producer_ns', 'cpu_consumer_ns', 'faults_producer', 'faults_consumer', 'first_frame_ns',
             'shared_bytes', 'copied_producer', 'copied_consumer')
SUMS = ('missed', 'torn')
SETTING = ('title', 'format', 'width', 'height', 'size', 'consumers', 'slots', 'interval_ns', 'jitter_ns',
           'touch')


def quantile(samples, q):
    """Of sorted samples: the smallest that at least this share does not exceed."""
    return samples[min(len(samples) - 1, int(q * len(samples)))]


def stop(process):
    """It ends its processes and removes what they left, if it is given the time."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def run_cell(program, way, setting, seconds):
    """What frame-bench-cell says of one cell."""
    command = [*program, '--way', way, *setting.arguments(), '--time', str(round(seconds * 1000)),
               '--frames', '50000']
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors='replace') as process:
        try:
            said, complaint = process.communicate(timeout=seconds + WATCHDOG)
            return json.loads(said)
        except subprocess.TimeoutExpired:
            return {'error': f'did not end within {seconds + WATCHDOG:.0f} s'}
        except ValueError:
            last = (complaint.strip().splitlines() or ['it printed nothing'])[-1]
            return {'error': f'{last} (exit code {process.returncode})'}
        finally:
            stop(process)


def merge(way, setting, rounds):
    """One cell of the results from what each round said; a cell fails as a whole."""
    cell = {'group': setting.group, 'way': way}
    width, height = setting.arguments()[1:4:2]
    cell.update({'title': way, 'format': setting.format, 'width': int(width), 'height': int(height),
                 'consumers': setting.consumers, 'slots': setting.slots, 'touch': setting.touch,
                 'interval_ns': 10**9 // setting.fps if setting.fps else 0,
                 'jitter_ns': setting.jitter_us * 1000})
    cell.update({name: rounds[0][name] for name in SETTING if name in rounds[0]})
    for reason in 'skipped', 'error':
        for one in rounds:
            if reason in one:
                return {**cell, reason: one[reason]}
    latency = sorted(ns for one in rounds for ns in one['latency_ns'])
    publish = sorted(ns for one in rounds for ns in one['publish_ns'])
    if not all(one['latency_ns'] for one in rounds):
        return {**cell, 'error': 'no consumer got a frame that was measured'}
    cell['rounds'] = [{'round': one.get('round', number), 'p50': quantile(one['latency_ns'], 0.5),
                       'p99': quantile(one['latency_ns'], 0.99), 'fps': one['fps'],
                       'publish_p50': quantile(one['publish_ns'], 0.5),
                       **{name: one[name] for name in PER_ROUND}} for number, one in enumerate(rounds)]
    if len(rounds) >= P99_PARTS:
        cell['p99_parts'] = [quantile(sorted(ns for one in rounds[part::P99_PARTS] for ns in one['latency_ns']), 0.99)
                             for part in range(P99_PARTS)]
    cell['latency_ns'] = {'p50': quantile(latency, 0.5), 'p99': quantile(latency, 0.99),
                          'p99.9': quantile(latency, 0.999), 'max': latency[-1], 'samples': len(latency),
                          'cdf': [[q, quantile(latency, q)] for q in CDF]}
    cell['publish_ns'] = {'p50': quantile(publish, 0.5), 'p99': quantile(publish, 0.99), 'max': publish[-1]}
    cell.update({name: statistics.median(one[name] for one in rounds) for name in MEDIANS})
    cell.update({name: sum(one[name] for one in rounds) for name in SUMS})
    return cell


def measure_part(program, part, said):
    """Every way at every setting, in rounds; the order of the ways turns from round to round."""
    found = {(setting, way): [] for setting in part.settings for way in part.ways}
    for number in range(max(part.rounds.values())):
        turn = number % len(part.ways)
        for setting in part.settings:
            for way in part.ways[turn:] + part.ways[:turn]:
                rounds = found[setting, way]
                if not part.takes_part(way, number):
                    continue
                if not rounds or ('skipped' not in rounds[0] and 'error' not in rounds[-1]):  # it will not change
                    rounds.append({**run_cell(program, way, setting, part.seconds[way]), 'round': number})
                said(setting, way)
    return [merge(way, setting, rounds) for (setting, way), rounds in found.items()]


def measure(program, parts):
    """All cells of a plan."""
    cells, done = [], 0
    total = sum(len(part.settings) * sum(part.rounds.values()) for part in parts)

    def said(setting, way):
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            print(f'\r{done}/{total} {setting.group} {way} {setting.size}\033[K', end='', file=sys.stderr)
        elif done % 100 == 0:
            print(f'frame-bench: {done} of {total} measured', file=sys.stderr)

    for part in parts:
        if part.ways:
            cells += measure_part(program, part, said)
    if sys.stderr.isatty():
        print('\r\033[K', end='', file=sys.stderr)
    return cells
