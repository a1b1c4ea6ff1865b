# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the time of a cell or of the steps goes: what explains a target that was missed."""
import os
import re
import shutil
import subprocess
import tempfile

SECONDS = 2
ASLEEP = "perf's clock sees only time on a CPU, not the wake-up of who sleeps"
LINES = 6


def of_cell(program, way, setting):
    """From the first frame that is measured to the last."""
    with tempfile.TemporaryDirectory(prefix='frame-bench-') as folder:
        for name in 'control', 'ack':
            os.mkfifo(f'{folder}/{name}')
        return profile(['env', f'FRAME_BENCH_PERF={folder}', *program, '--way', way, *setting.arguments(),
                        '--time', str(SECONDS * 1000), '--frames', '50000'], '-e', 'cpu-clock',
                       '-D', '-1', f'--control=fifo:{folder}/control,{folder}/ack')


def of_steps(program, consumers):
    """They make no system calls, other than their set-up, which is most of the time: it is left out."""
    return profile([*program, str(consumers)], '-e', 'cpu-clock:u')


def profile(command, *options):
    """The functions that take most of the processes' time, by perf; or why there is none."""
    perf = shutil.which('perf')
    if not perf:
        return 'no profile: perf is not installed (apt install linux-perf)'
    with tempfile.TemporaryDirectory(prefix='frame-bench-') as folder:
        data = f'{folder}/perf.data'
        try:
            subprocess.run([perf, 'record', '-q', '-F', '5000', *options, '-o', data, '--', *command],
                           check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            said = subprocess.run([perf, 'report', '-i', data, '--stdio', '-q', '--sort', 'dso,symbol'], check=True,
                                  timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            return f'no profile: {str(getattr(error, "stderr", "") or error).strip()[:200]}'
    rows = re.findall(r'^\s*([\d.]+)%\s+(\S+)\s+\[[k.]\]\s+(\S+)', said, re.M)
    if not rows:
        return 'no profile: perf saw nothing run'
    return 'time in: ' + ', '.join(f'{symbol} ({dso}) {share}%' for share, dso, symbol in rows[:LINES])
