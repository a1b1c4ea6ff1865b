# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the time of a cell goes: what explains a target that was missed."""
import re
import shutil
import subprocess
import tempfile

SECONDS = 2
SET_UP_MS = 700  # is not profiled
LINES = 6


def profile(program, way, setting):
    """The functions that take most of the processes' time, by perf; or why there is none."""
    perf = shutil.which('perf')
    if not perf:
        return 'no profile: perf is not installed (apt install linux-perf)'
    with tempfile.TemporaryDirectory(prefix='frame-bench-') as folder:
        data = f'{folder}/perf.data'
        command = [perf, 'record', '-q', '-F', '5000', '-e', 'cpu-clock', '-D', str(SET_UP_MS), '-o', data, '--', *program, '--way', way,
                   *setting.arguments(), '--time', str(SECONDS * 1000), '--frames', '50000']
        try:
            subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                           text=True)
            said = subprocess.run([perf, 'report', '-i', data, '--stdio', '-q', '--sort', 'dso,symbol'], check=True,
                                  timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            return f'no profile: {str(getattr(error, "stderr", "") or error).strip()[:200]}'
    rows = re.findall(r'^\s*([\d.]+)%\s+(\S+)\s+\[[k.]\]\s+(\S+)', said, re.M)
    return 'time in: ' + ', '.join(f'{symbol} ({dso}) {share}%' for share, dso, symbol in rows[:LINES])
