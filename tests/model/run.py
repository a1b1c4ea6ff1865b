#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks the protocol models with spin.

run.py               all models, and a trace to every state: some minutes
run.py --quick       the small sizes: seconds
run.py --states      only the traces
run.py --mutations   drops each fence, order and check in turn: some property must fail
run.py --trace MODEL NAME [-DX...]   the steps to a state, or to the failure of a mutation

--jobs N, last: so many searches at a time (1), each with up to 3.5 GB.
"""
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
MODELS = ('slot', 'lossless', 'waking', 'segment')
MEMORY = 3500  # MB
PATIENCE = 900  # seconds for one search
STUCK = 'nobody_is_stuck'  # spin's invalid end states

Run = collections.namedtuple('Run', 'model what defines')
RING_LAP = '-DWINDOW=2 -DSLOTS=4 -DDROPS=7 -DBURST=7'

QUICK = [
    Run('slot', '1 consumer, 2 frames, TSO', '-DFRAMES=2'),
    Run('lossless', 'window 1, weak stores', '-DWEAK'),
    Run('lossless', 'killed, stopped', '-DSC -DMORTAL'),
    Run('waking', 'sleeping, 2 frames, TSO', '-DFRAMES=2'),
    Run('waking', 'polling, 2 frames', '-DSC -DFRAMES=2 -DPOLL'),
    Run('segment', 'lossless, 2 changes', '-DSC -DFRAMES=1 -DDROPS=0'),
]
FULL = [
    Run('slot', '1 consumer, 4 frames', '-DSC -DFRAMES=4'),
    Run('slot', '1 consumer, 3 frames, TSO', ''),
    Run('slot', '1 consumer, 3 frames, weak stores', '-DWEAK'),
    Run('slot', '1 consumer of 2 leases, 4 slots', '-DSC -DHAZARDS=2 -DSLOTS=4'),
    Run('slot', '2 consumers, 4 slots', '-DSC -DCONSUMERS=2 -DSLOTS=4 -DDEATHS=0'),
    Run('slot', '2 consumers, 2 frames, 4 slots, TSO',
         '-DCONSUMERS=2 -DSLOTS=4 -DFRAMES=2 -DDEATHS=0'),
    Run('slot', '1 consumer, 1 liar, 4 slots',
         '-DSC -DCONSUMERS=2 -DLIAR -DSLOTS=4 -DDEATHS=0 -DEVICTIONS=0'),
    Run('slot', '2 in flight, pins, 4 slots', '-DSC -DIN_FLIGHT=2 -DSLOTS=4 -DDEATHS=0'),
    Run('lossless', 'window 1, weak stores', '-DWEAK'),
    Run('lossless', 'killed, stopped, TSO', '-DMORTAL'),
    Run('lossless', 'live producer, TSO', '-DLIVE_PRODUCER'),
    Run('lossless', 'window 2, drops, TSO', '-DWINDOW=2 -DSLOTS=4 -DDROPS=2'),
    Run('lossless', 'window 2, a burst of drops, TSO', RING_LAP),
    Run('lossless', 'ordered, weak stores', '-DWEAK -DORDERED -DFRAMES=4'),
    Run('lossless', '2 publishers', '-DSC -DPUBLISHERS=2 -DSLOTS=4'),
    Run('waking', 'sleeping, weak stores', '-DWEAK'),
    Run('waking', 'sleeping, TSO', ''),
    Run('waking', 'predicting, TSO', '-DUNARMED'),
    Run('waking', 'polling, TSO', '-DPOLL'),
    Run('waking', 'sleeping, ringer, TSO', '-DRINGER'),
    Run('waking', 'polling, ringer, weak stores', '-DPOLL -DRINGER -DWEAK'),
    Run('segment', 'lossless, 1 change, 2 frames, TSO', '-DSEGMENTS=2 -DDROPS=0'),
    Run('segment', 'lossless, 2 changes, TSO', '-DFRAMES=1'),
    Run('segment', 'lossless, 2 changes, 2 frames', '-DSC'),
    Run('segment', 'lossless, SEGMENT long before `end`', '-DSC -DDROPS=0 -DSEGMENT_EARLY'),
    Run('segment', 'lossless, stopped, TSO', '-DFRAMES=1 -DDROPS=0 -DMORTAL'),
    Run('segment', 'ordered, 2 changes, TSO', '-DFRAMES=1 -DDROPS=0 -DORDERED'),
]

# Where a property says something: only in runs whose options match.
NEEDS = {
    ('slot', 'pin_not_overwritten'): 'IN_FLIGHT',
    ('lossless', 'no_frame_lost'): '^((?!ORDERED).)*$',
    ('lossless', 'pin_not_overwritten'): 'nowhere',
    ('lossless', 'live_producer_never_waits'): 'LIVE_PRODUCER',
    ('waking', 'loss_ends_unarmed_sleep'): 'UNARMED',
    ('segment', 'no_frame_lost'): '^((?!ORDERED).)*$',
}

# The states that the docs speak of, and the sizes in which a trace to each is looked for.
STATES = [
    ('slot', '-DSC', 'writing abandoned live refused retired_and_unheld held_retired revoked '
     'revoked_and_overwritten intact_though_retired evicted_holding killed_holding '
     'dead_and_held_retired'),
    ('slot', '-DSC -DIN_FLIGHT=2 -DSLOTS=4', 'pinned'),
    ('slot', '-DSC -DSLOTS=2', 'pass_without_retiring'),
    ('lossless', '-DSC', 'waiting recheck_forestalls_sleep producer_asleep'),
    ('lossless', '-DSC -DMORTAL', 'slice_over killed_while_waited_for stopped_while_waited_for '
     'evicted_while_stopped'),
    ('lossless', '-DSC -DLIVE_PRODUCER', 'evicted_at_once'),
    ('lossless', '-DSC -DORDERED -DFRAMES=4', 'retired_unconsumed drop_counted'),
    ('lossless', '-DSC ' + RING_LAP, 'dropped_frame_passed ring_full'),
    ('waking', '-DSC', 'armed_and_asleep bell_forestalls_sleep woken lost ended'),
    ('waking', '-DSC -DUNARMED', 'unarmed_sleep_times_out'),
    ('waking', '-DSC -DPOLL', 'polling doorbell_full'),
    ('segment', '-DSC -DDROPS=0', 'ended_without_the_next asleep_for_segment entered '
     'old_segment_lease_ended producer_waits_for_old_segment'),
    ('segment', '-DSC -DDROPS=0 -DORDERED', 'evicted_two_behind'),
]

Mutation = collections.namedtuple('Mutation', 'site what name model defines')
MUTATIONS = [Mutation(*m) for m in (
    # the consumer's lease; POOL_RULE is in the sizes alone
    ('slot_lease', 'no seq_cst fence', 'LEASE_FENCE', 'slot', ''),
    ('slot_lease', 'generation loaded before the hazard is stored', 'LEASE_CHECK_FIRST',
     'slot', '-DSC'),
    ('slot_lease', 'generation not looked at', 'LEASE_NO_CHECK', 'slot', '-DSC'),
    ('slot_lease', 'RETIRED leases', 'LEASE_TAKES_RETIRED', 'slot', '-DSC'),
    ('slot_lease', 'any LIVE frame leases', 'LEASE_TAKES_ANY_LIVE', 'slot', '-DSC'),
    ('slot_lease', 'refused, the hazard stays', 'LEASE_KEEPS_HAZARD', 'slot', '-DSC'),
    ('slot_intact', 'reads after the load (no acquire fence)', 'INTACT_ACQUIRE', 'slot', '-DSC'),
    ('slot_intact', 'WRITING not looked at', 'INTACT_NO_STATE', 'slot', '-DSC'),
    ('slot_intact', 'sequence not looked at', 'INTACT_NO_SEQUENCE', 'slot', '-DSC -DFRAMES=4'),
    ('slot_intact', 'RETIRED counts as revoked', 'INTACT_ONLY_LIVE', 'slot', '-DSC'),
    ('slot_release', 'reads after the clearing (no release)', 'CLEAR_ACQUIRE', 'slot', '-DSC'),
    ('slot_release', 'hazard not cleared', 'NEVER_CLEARS', 'slot', '-DSC'),
    ('hazard words', 'a lease moves between two', 'LEASE_MOVES',
     'slot', '-DSC -DHAZARDS=2 -DSLOTS=4'),
    ('pool_admit', 'WELCOME before the hazards count', 'WELCOME_FIRST', 'slot', '-DSC'),
    # reuse
    ('slot_fence', 'none between retiring and scanning', 'SCAN_FENCE', 'slot', ''),
    ('scan_hazards', 'planted: scanning before the store', 'SCAN_BEFORE_RETIRE', 'slot', '-DSC'),
    ('scan_hazards', 'no scan', 'SCAN_NOTHING', 'slot', '-DSC'),
    ('scan_hazards', 'the first hazard word only', 'SCAN_FIRST_WORD',
     'slot', '-DSC -DHAZARDS=2 -DSLOTS=4'),
    ('scan_hazards', 'older retired slots not freed', 'SCAN_FORGETS_RETIRED',
     'slot', '-DSC -DFRAMES=4'),
    ('slot_hazard', 'bytes written before the load (no acquire)', 'HAZARD_ACQUIRE', 'slot', '-DSC'),
    ('slot_write', 'WRITING not stored', 'WRITE_NO_STATE', 'slot', '-DSC'),
    ('slot_write', 'no release fence', 'WRITE_FENCE', 'slot', '-DWEAK'),
    ('warmest', 'history not kept', 'TAKE_HISTORY', 'slot', '-DSC'),
    ('warmest', 'pins not looked at', 'TAKE_PINNED', 'slot', '-DSC -DIN_FLIGHT=2 -DSLOTS=4'),
    ('pool rule', 'a slot too few', 'POOL_RULE', 'slot', '-DSC -DSLOTS=2'),
    # publishing
    ('slot_publish', 'LIVE and latest relaxed', 'PUBLISH_LIVE_RELAXED',
     'slot', '-DWEAK -DMUTATE_PUBLISH_LATEST_RELAXED'),
    ('slot_publish', 'latest relaxed', 'PUBLISH_LATEST_RELAXED', 'lossless', '-DWEAK'),
    ('slot_publish', 'latest before LIVE and the ring', 'PUBLISH_LATEST_FIRST', 'lossless', '-DSC'),
    ('slot_latest', 'the ring read before (no acquire)', 'LATEST_ACQUIRE', 'lossless', '-DSC'),
    ('slot_find', 'sequence not looked at', 'RING_NO_CHECK', 'lossless', RING_LAP),
    # lossless
    ('warmest, oldest', 'what is not consumed is retired', 'TAKE_UNCONSUMED',
     'lossless', '-DSC -DWINDOW=2 -DSLOTS=4 -DFRAMES=4'),
    ('slot_consume', 'no seq_cst fence', 'CONSUME_FENCE', 'lossless', ''),
    ('slot_consume', 'stored before the lease is validated', 'CONSUME_BEFORE_LEASE',
     'lossless', '-DSC -DFRAMES=4'),
    ('slot_consume', 'the producer not woken', 'CONSUME_NO_WAKE', 'lossless', '-DSC'),
    ('slot_consume', '`end` not looked at', 'CONSUME_IGNORES_END', 'segment', '-DSC -DDROPS=0'),
    ('slot_set_waiting', 'no seq_cst fence', 'WAITING_FENCE', 'lossless', ''),
    ('slot_set_waiting', 'the flag is not raised', 'WAITING_NOT_RAISED', 'lossless', '-DSC'),
    ('wait_consumed', 'planted: a futex word that nobody changes', 'FUTEX_WORD_UNCHANGED',
     'lossless', '-DSC'),
    ('wait_for_reader', 'no slices', 'NO_SLICE', 'lossless', '-DSC -DMORTAL'),
    ('wait_for_reader', 'flag lowered while others wait', 'WAITING_LOWERED_EARLY',
     'lossless', '-DSC -DPUBLISHERS=2 -DSLOTS=4'),
    ('wait_for_lossless', 'no stall limit', 'NO_STALL_LIMIT', 'lossless', '-DSC -DMORTAL'),
    ('wait_for_lossless', 'a live producer waits', 'LIVE_WAITS',
     'lossless', '-DSC -DLIVE_PRODUCER'),
    ('find_full', 'no window', 'NO_WINDOW', 'lossless', '-DSC -DFRAMES=4'),
    ('find_full', 'drops may lap the ring', 'RING_LAP', 'lossless', RING_LAP + ' -DSC'),
    # waking
    ('slot_arm', 'no seq_cst fence', 'ARM_FENCE', 'waking', ''),
    ('slot_arm', 'the ticket is not new', 'TICKET_REUSED', 'waking', '-DSC'),
    ('slot_bell', 'read after the re-check', 'BELL_READ_LATE', 'waking', '-DSC'),
    ('sleep_armed', 'no re-check', 'NO_RECHECK', 'waking', '-DSC'),
    ('slot_publish', 'no fence between latest and tickets', 'RING_FENCE', 'waking', ''),
    ('slot_end', 'no fence between `end` and tickets', 'END_FENCE', 'waking', ''),
    ('pool_ring', 'before latest is stored', 'RING_BEFORE_LATEST', 'waking', '-DSC'),
    ('pool_ring', 'what was rung is not remembered', 'RING_FORGETS', 'waking', '-DSC'),
    ('slot_ring', 'planted: a futex word that nobody changes', 'BELL_UNCHANGED', 'waking', '-DSC'),
    ('wake_sleeper', 'no FUTEX_WAKE', 'WAKE_SLEEPER', 'waking', '-DSC'),
    ('client_wake', 'loss does not ring', 'LOSS_SILENT', 'waking', '-DSC'),
    ('client_wake', 'loss rings only a new ticket', 'LOSS_NEEDS_TICKET',
     'waking', '-DSC -DUNARMED'),
    ('prepare_poll', 'drained after the re-check', 'POLL_DRAINS_LATE', 'waking', '-DSC -DPOLL'),
    # segments
    ('attachment_find', '`end` read after latest', 'END_READ_LAST', 'waking', '-DSC'),
    ('attachment_find', '`end` read after latest', 'END_READ_LAST',
     'segment', '-DSC -DDROPS=0 -DSEGMENT_EARLY'),
    ('replace_segment', 'no fence between `end` and tickets', 'END_FENCE', 'segment', '-DDROPS=0'),
    ('replace_segment', '`end` does not ring', 'END_UNRUNG', 'segment', '-DSC -DDROPS=0 -DORDERED'),
    ('settle_segments', 'nobody waited for or evicted', 'NO_SETTLE', 'segment', '-DSC -DDROPS=0'),
    ('check_frame', 'a frame goes into the old segment', 'PUBLISH_INTO_OLD',
     'segment', '-DSC -DDROPS=0'),
    ('replace_segment', 'the old segment\'s frames are retired', 'OLD_RETIRED',
     'segment', '-DSC -DDROPS=0'),
    ('replace_segment', 'its slots are written once all have left', 'OLD_WRITTEN',
     'segment', '-DSC -DDROPS=0'),
    ('server_clear', 'BYE before SEGMENT', 'BYE_FIRST', 'segment', '-DSC -DDROPS=0'),
    ('client_wake', 'a message does not ring', 'ATTENTION_SILENT', 'segment', '-DSC -DDROPS=0'),
    ('look', 'attention read after the look', 'ATTENTION_READ_LATE', 'segment', '-DSC -DDROPS=0'),
)]

# Each has another order or lock in front of it, in these models; what they are for beyond that
# (loads that come late, readers that do not come through `latest`) is the C11 explorer's.
ARGUED = [(Mutation(*m), why) for m, why in (
    (('slot_publish', 'LIVE relaxed', 'PUBLISH_LIVE_RELAXED', 'slot', '-DWEAK'),
     'a reader finds the handle through latest, whose release covers it'),
    (('slot_lease', 'hazard stored relaxed', 'LEASE_STORE_RELAXED', 'slot', '-DWEAK'),
     'the only store before it is to the same word; reads before it are not in this model'),
    (('slot_consume', 'consumed relaxed', 'CONSUMED_RELAXED', 'lossless', '-DWEAK'),
     'the fence in slot_lease has put the hazard into memory'),
    (('slot_end', '`end` relaxed', 'END_RELAXED', 'waking', '-DWEAK -DFRAMES=2'),
     'the fence after each publish stands between the last latest and `end`'),
    (('slot_ring', 'bell relaxed', 'BELL_RELAXED', 'waking', '-DWEAK -DFRAMES=2'),
     'the fence before the tickets are read stands between latest and the bell'),
    (('attachment_find', '`end` read after latest', 'END_READ_LAST', 'segment', '-DSC -DDROPS=0'),
     'the next segment is queued only after `end` is stored, and not during a look: both by locks'),
)]


def texts(model):
    """A model's own text and what it includes."""
    text = (HERE / f'{model}.pml').read_text()
    for name in re.findall(r'#include "(\w+\.pml)"', text):
        text += (HERE / name).read_text()
    return text


def properties(model):
    return re.findall(r'PROPERTY \(property_(\w+)\)', texts(model)) + [STUCK]


def build(folder, model, defines):
    """Compiles the search of one model; defines is a string of -D options."""
    def call(*command):
        done = subprocess.run(command, cwd=folder, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0 or 'Error' in done.stdout:
            raise RuntimeError(f'{" ".join(command)}:\n{done.stdout}')

    call('spin', '-a', *defines.split(), str(HERE / f'{model}.pml'))
    call('gcc', '-O1', '-w', '-DSAFETY', '-DCOLLAPSE', '-DVECTORSZ=2048', f'-DMEMLIM={MEMORY}',
         '-o', 'pan', 'pan.c')


def search(folder, wanted=''):
    """Returns (states, what failed or None). Not to finish is a failure."""
    try:
        out = subprocess.run(['./pan', '-m100000'], cwd=folder, text=True, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
                             env={**os.environ, 'REACH': wanted}).stdout
    except subprocess.TimeoutExpired:
        return 0, f'not finished in {PATIENCE} s'
    stored = re.search(r'(\d+) states, stored', out)
    stored = int(stored.group(1)) if stored else 0
    violated = re.search(r'assertion violated (.*) \(at depth', out)
    if violated:
        name = re.search(r'property_(\w+)', violated.group(1))
        return stored, name.group(1) if name else violated.group(1)
    if 'invalid end state' in out.replace('invalid end states', ''):
        return stored, STUCK
    if 'errors: 0' not in out or 'Search not completed' in out or 'too small' in out:
        return stored, 'not finished: ' + out.strip()[:200]
    return stored, None


def attempt(model, defines, wanted=''):
    """Builds and searches: (states, what failed or None, seconds)."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix='shmframe-model-') as folder:
        build(folder, model, defines)
        stored, failed = search(folder, wanted)
    return stored, failed, time.monotonic() - begin


def check(runs, workers):
    results = collections.defaultdict(lambda: [0, 0, []])  # states, runs, failures
    jobs = [workers.submit(attempt, run.model, run.defines) for run in runs]
    for run, job in zip(runs, jobs):
        stored, failed, seconds = job.result()
        print(f'{run.model:9} {run.what:37} {stored:10,} states {seconds:5.0f} s  '
              f'{failed or "holds"}', flush=True)
        for name in properties(run.model):
            if (run.model, name) in NEEDS and not re.search(NEEDS[run.model, name], run.defines):
                continue
            result = results[run.model, name]
            result[0] += stored
            result[1] += 1
        if failed:
            results[run.model, failed][2].append(run.what)
    print(f'\n{"model":9} {"property":28} {"states":>12}  result')
    for (model, name), (stored, count, failures) in results.items():
        result = f'FAILS: {"; ".join(failures)}' if failures else f'holds in {count} runs'
        print(f'{model:9} {name:28} {stored:12,}  {result}')
    return not any(failures for _, _, failures in results.values())


def reach(workers):
    left = {n for model in MODELS for n in re.findall(r'REACHED \((\w+),', texts(model))} - {'name'}
    good = True
    print(f'\n{"model":9} {"state":32} {"states":>9}  result')
    todo = [(model, defines, name) for model, defines, names in STATES for name in names.split()]
    jobs = [workers.submit(attempt, model, f'-DREACHABILITY {defines}', name)
            for model, defines, name in todo]
    for (model, defines, name), job in zip(todo, jobs):
        stored, failed, _ = job.result()
        reached = failed == '0'  # the assertion that stops there
        good = good and reached
        result = 'reached' if reached else 'NOT REACHED'
        print(f'{model:9} {name:32} {stored:9,}  {result}  {defines}', flush=True)
        left.discard(name)
    for name in left:
        print(f'{name}: not looked for')
    return good and not left


def mutate(workers):
    def submit(m):
        return workers.submit(attempt, m.model, f'-DMUTATE_{m.name} {m.defines}')

    seen = collections.defaultdict(set)
    survivors = 0
    print(f'{"site":18} {"mutation":49} caught by')
    for m, job in [(m, submit(m)) for m in MUTATIONS]:
        failed = job.result()[1]
        caught = failed in properties(m.model)
        survivors += not caught
        if caught:
            seen[m.model].add(failed)
        result = f'{m.model}: {failed}' if caught else failed or 'SURVIVES'
        print(f'{m.site:18} {m.what:49} {result}', flush=True)
    for m, why, job in [(m, why, submit(m)) for m, why in ARGUED]:
        failed = job.result()[1]
        result = f'caught: {failed}' if failed else f'survives: {why}'
        print(f'{m.site:18} {m.what:49} {result}', flush=True)
    print(f'\n{len(MUTATIONS)} mutations, {survivors} survive; and {len(ARGUED)} need not fail')
    everywhere = set().union(*seen.values())
    unseen = sorted({name for model in MODELS for name in properties(model)} - everywhere)
    for name in unseen:
        print(f'never seen to fail: {name}')
    return survivors == 0 and not unseen


def trace(model, name, defines):
    mutation = next((m for m in MUTATIONS if m.name == name and m.model == model), None)
    with tempfile.TemporaryDirectory(prefix='shmframe-model-') as folder:
        if mutation:
            options = f'-DMUTATE_{name} {mutation.defines} {defines}'
            build(folder, model, options)
            search(folder)
            subprocess.run(['spin', '-p', '-k', f'{model}.pml.trail', *options.split(),
                            str(HERE / f'{model}.pml')], cwd=folder, check=False)
        else:
            build(folder, model, f'-DREACHABILITY {defines}')
            search(folder, name)
            subprocess.run(['./pan', '-r', f'{model}.pml.trail'], cwd=folder, check=False,
                           env={**os.environ, 'REACH': name})
    return True


def main():
    if not shutil.which('spin'):
        print('spin is not installed: apt-get install spin')
        return 77
    arguments = sys.argv[1:]
    jobs = 1
    if arguments[-2:-1] == ['--jobs']:
        jobs = int(arguments[-1])
        del arguments[-2:]
    with concurrent.futures.ThreadPoolExecutor(jobs) as workers:
        if arguments[:1] == ['--trace'] and len(arguments) >= 3:
            good = trace(arguments[1], arguments[2], ' '.join(arguments[3:]))
        elif arguments == ['--mutations']:
            good = mutate(workers)
        elif arguments == ['--states']:
            good = reach(workers)
        elif arguments == ['--quick']:
            good = check(QUICK, workers)
        elif not arguments:
            good = all([check(FULL, workers), reach(workers)])
            print(f'{len(FULL)} searches: {"all properties hold" if good else "FAILED"}; '
                  f'{sum(len(names.split()) for _, _, names in STATES)} states looked for')
        else:
            sys.exit(__doc__)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
