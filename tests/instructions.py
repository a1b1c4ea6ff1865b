#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the hot path costs in instructions, by callgrind, against what is on record.

instructions.py INSTRUCTIONS-FRAMES            the test
instructions.py --record INSTRUCTIONS-FRAMES   writes instructions.json anew

Timings have the machine's moods; these counts are the same in each run, so a few instructions show.
"""
import json
import os
import re
import shutil
import statistics
import sys

import toolbox
from toolbox import Skip, folder, run

toolbox.PATIENCE = 60  # seconds: a hundred consumers under callgrind
MORE, MORE_AT_LEAST = 0.03, 5  # what a step may need more than is on record: a part, and instructions
LESS = 0.10  # what it may need less before that is to be recorded: or half of it could be lost again
WARM_UP, FRAMES = 20, 50
STEPS = 'acquire', 'publish', 'unref', 'lease', 'release'  # in the order in which they are written out
SMALL, *LARGER = (64, 64), (1280, 720), (3840, 2160)
CONSUMERS = 1, 10, 100
ALLOCATORS = 'malloc', 'calloc', 'realloc', 'free'
# All that the program is given. The C library chooses its memcpy() by the processor: one that all have.
ENVIRONMENT = {'SHMFRAME_RUNTIME_DIR': folder, 'LD_BIND_NOW': '1',
               'GLIBC_TUNABLES': 'glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-ERMS,-FSRM'}
RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'instructions.json')
recording = sys.argv[1] == '--record'
program = os.path.abspath(sys.argv[-1])
counted = {step: {} for step in STEPS}  # by consumers
at_size = {}  # with one consumer
allocations = {}


# ---- counting ----

def run_frames(size, consumers, *options):
    """What callgrind wrote of each step of each frame, but for the first ones: lists of texts by step."""
    out = f'{folder}/callgrind'
    code, output, errors = run(
        shutil.which('valgrind'), '-q', '--tool=callgrind', '--fair-sched=try', '--combine-dumps=yes',
        '--compress-strings=no', '--toggle-collect=step_*', '--dump-before=end_step*', *options,
        f'--callgrind-out-file={out}', program, *map(str, (*size, consumers, WARM_UP + FRAMES)),
        env=ENVIRONMENT)
    assert code == 0, f'{program}: exit code {code}: {output}{errors}'
    with open(out, encoding='utf-8') as dump:
        parts = [part for part in re.split(r'^part: ', dump.read(), flags=re.M)
                 if 'Trigger: --dump-before=end_step' in part]
    os.remove(out)
    assert len(parts) == (WARM_UP + FRAMES) * len(STEPS), f'{len(parts)} parts'
    return {step: parts[i::len(STEPS)][WARM_UP:] for i, step in enumerate(STEPS)}


def count(size, consumers):
    """Of the frame in the middle, without what happens inside of the allocator: its way depends on what
    else is in the heap."""
    frames = run_frames(size, consumers, *(f'--toggle-collect={name}' for name in ALLOCATORS))
    totals = {step: [int(re.search(r'^totals: (\d+)', part, re.M)[1]) for part in parts]
              for step, parts in frames.items()}
    print(f'# {size[0]}x{size[1]}, {consumers} attached:', ', '.join(
        f'{step} {statistics.median_low(of_frame)} ({min(of_frame)} to {max(of_frame)})'
        for step, of_frame in totals.items()), flush=True)
    return {step: statistics.median_low(of_frame) for step, of_frame in totals.items()}


def count_allocations():
    calls = re.compile(rf"^cfn=(?:{'|'.join(ALLOCATORS)})\ncalls=(\d+) ", re.M)
    for step, parts in run_frames(SMALL, 1).items():
        allocations[step] = statistics.median_low(
            [sum(map(int, calls.findall(part))) for part in parts])


def measure():
    for consumers in CONSUMERS:
        for step, instructions in count(SMALL, consumers).items():
            counted[step][str(consumers)] = instructions
    for size in LARGER:
        at_size[size] = count(size, 1)
    count_allocations()
    print('# calls of the allocator:', ', '.join(f'{step} {n}' for step, n in allocations.items()))
    print('# for each attached consumer more:',
          ', '.join(f'{step} {growth(step, 1, 100):.1f}' for step in STEPS), flush=True)


def growth(step, few, many):
    return (counted[step][str(many)] - counted[step][str(few)]) / (many - few)


# ---- the record ----

def get_build():
    """What the counts depend on besides the source."""
    return run(program, env=ENVIRONMENT)[1].strip()


def load_record():
    with open(RECORD, encoding='utf-8') as file:
        record = json.load(file)
    build = get_build()
    if record['recorded with'] != build:
        raise Skip(f"counts are on record for {record['recorded with']}; this is {build}")
    return record


def write_record():
    record = {'recorded with': get_build(), 'instructions': counted, 'allocations': allocations}
    with open(RECORD, 'w', encoding='utf-8') as file:
        file.write(json.dumps(record, indent=2) + '\n')


def judge(recorded, instructions):
    """None, or what is wrong."""
    more = instructions - recorded
    if more > MORE * recorded and more >= MORE_AT_LEAST:
        return f'{instructions} instructions, {more} more than on record'
    if -more > LESS * recorded:
        return f'{instructions} instructions, {-more} fewer than on record: a gain to keep'
    return None


def explain(dearest):
    """What to do about it: for each step, with the most consumers that it is wrong with."""
    print('# To see where the instructions are:')
    for step, consumers in dearest.items():
        print(f"""#   SHMFRAME_RUNTIME_DIR=/tmp valgrind --tool=callgrind --toggle-collect='step_{step}*' \\
#     --callgrind-out-file=/tmp/{step} {program} 64 64 {consumers} 1000
#   callgrind_annotate --inclusive=yes /tmp/{step}""")
    print(f"""# If it has to be so, record it, and say why in the commit:
#   ./tests/instructions.py --record {program}""", flush=True)


# ---- the tests ----

def test_measure():
    measure()


def test_size():
    for size in LARGER:
        for step in STEPS:
            assert at_size[size][step] == counted[step]['1'], f'{step}: not the same at {size}'


def test_consumers():
    """Those that write look at each consumer once; those that read know of no other."""
    for step in 'unref', 'lease', 'release':
        assert len(set(counted[step].values())) == 1, f'{step}: {counted[step]}'
    for step in 'acquire', 'publish':
        assert growth(step, 10, 100) <= (1 + MORE) * growth(step, 1, 10), f'{step}: {counted[step]}'


def test_record():
    problems, dearest = [], {}
    for step, on_record in load_record()['instructions'].items():
        for consumers, recorded in on_record.items():
            problem = judge(recorded, counted[step][consumers])
            if problem:
                problems.append(f'{step}, {consumers} attached: {problem} ({recorded})')
                dearest[step] = consumers
    if problems:
        explain(dearest)
        raise AssertionError('; '.join(problems))


def test_allocations():
    """The allocator's own instructions are not among those that are counted: so its calls are."""
    on_record = load_record()['allocations']
    assert allocations == on_record, f'calls of the allocator: {allocations}, on record {on_record}'


def test_judge():
    for recorded, instructions, is_good in ((1000, 1000, True), (1000, 1030, True), (1000, 1031, False),
                                            (1000, 900, True), (1000, 899, False),
                                            (100, 104, True), (100, 105, False)):
        assert (judge(recorded, instructions) is None) == is_good, (recorded, instructions)


if not shutil.which('valgrind'):
    print('1..0 # SKIP install valgrind')
    shutil.rmtree(folder)
elif recording:
    try:
        measure()
        write_record()
    finally:
        shutil.rmtree(folder)
else:
    toolbox.main('instructions',
                 [test_measure, test_size, test_consumers, test_record, test_allocations, test_judge])
