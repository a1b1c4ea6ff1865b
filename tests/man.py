#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Manual pages and bash completions say what the tools' --help says:
man.py SOURCE CHILD-PRODUCER FRAME-INSPECT FRAME-BENCH FRAME-BENCH-CELL [FRAME-VIEWER]"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import toolbox

source, child, inspect, bench, cell, *viewer = map(os.path.abspath, sys.argv[1:])
os.environ['PATH'] = f'{os.path.dirname(inspect)}:{os.environ["PATH"]}'
# Who completes wants names, and no expansion of them.
COMPLETE = '''
. "$1"; shift
eval "$(complete -p "$(basename "$1")" | sed 's/.*-F \\([^ ]*\\) .*/run=\\1/')"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
"$run"
printf '%s\\n' "${COMPREPLY[@]}"
'''


def text_of(page):
    """The page as people read it; any warning is a failure."""
    if not shutil.which('scdoc') or not shutil.which('man'):
        raise toolbox.Skip('needs scdoc and man-db')
    with open(f'{source}/docs/man/{page}.scd') as text:
        code, roff, err = toolbox.run('scdoc', stdin=text)
    assert code == 0 and err == '', err
    path = f'{toolbox.folder}/{page}'
    with open(path, 'w') as file:
        file.write(roff)
    code, out, err = toolbox.run('man', '--warnings=all', '--nh', '--nj', '-Tutf8', '-l', path,
                                 env={**os.environ, 'LC_ALL': 'C.UTF-8'})
    assert code == 0 and err == '', err
    return re.sub(r'\x1b\[[0-9;]*m|.\x08', '', out)


def options_of(*command):
    code, out, err = toolbox.run(*command, '--help')
    assert code == 0, (command, err)
    return set(re.findall(r'^  (?:-\w, )?(--[a-z][a-z-]*)', out, re.M))


def commands():
    return re.findall(r'^  ([a-z]+) ', toolbox.run(inspect, '--help')[1], re.M)


def complete(*words, path=None):
    done = subprocess.run(['bash', '--norc', '-u', '-c', COMPLETE, 'bash',
                           f'{source}/tools/completions/{os.path.basename(words[0])}', *words], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=toolbox.PATIENCE,
                          cwd=toolbox.folder, env={**os.environ, 'PATH': path or os.environ['PATH']})
    assert done.returncode == 0 and done.stderr == '', done.stderr
    return done.stdout.split('\n')[:-1] if done.stdout != '\n' else []


def test_inspect_page():
    text = text_of('frame-inspect.1')
    assert len(commands()) >= 7, commands()
    for command in commands():
        # From its own heading to the next one.
        found = re.search(rf'^( {{7}}{command} .*\n(?: {{7}}\S.*\n)*)((?: {{8,}}.*\n|\n)*)', text,
                          re.M)
        assert found, f'{command} is not in the page'
        for option in options_of(inspect, command) - {'--help', '--json'}:
            assert option in found[2], f'{command} {option} is not explained in the page'
            assert option in found[1], f'{command} {option} is not in its synopsis'
        assert '--json' in found[1], command
    assert '--version' in text and '--help' in text


def test_inspect_completion():
    offered = set(complete('frame-inspect', ''))
    assert offered == {*commands(), '--help', '--version'}, offered
    assert complete('frame-inspect', 'sn') == ['snapshot']
    for command in commands():
        offered = {word.rstrip('=') for word in complete('frame-inspect', command, '--')}
        assert offered == options_of(inspect, command), (command, offered)
    assert complete('frame-inspect', 'wrong', '') == []


def test_pools():
    """Names come from others: they are quoted, and run nothing."""
    names = ('camera', 'car "A" \\ $(touch pwned)', 'x;y `id`')
    writers = [toolbox.Producer(child, name) for name in names]
    for words in (['show', ''], ['check', '--seconds', '3', ''], ['watch', ''],
                  ['snapshot', '--every', '=', '5', '--json', '']):
        offered = complete('frame-inspect', *words)
        assert shlex.split(' '.join(offered)) == sorted(names), (words, offered)
    assert complete('frame-inspect', 'show', 'cam') == ['camera']
    for words in (['show', 'camera', ''], ['list', ''], ['check', '--seconds', ''],
                  ['check', '--seconds', '=', '']):
        assert complete('frame-inspect', *words) == [], words
    os.mkdir(f'{toolbox.folder}/files')
    open(f'{toolbox.folder}/files/a.png', 'w').close()
    here = f'{toolbox.folder}/files/'
    assert complete('frame-inspect', 'snapshot', 'camera', here) == [f'{here}a.png']
    assert complete('frame-viewer', 'cam') == ['camera']
    assert not os.path.exists(f'{toolbox.folder}/pwned')
    assert complete('frame-inspect', 'show', f'{toolbox.folder}/cam') == [f'{toolbox.folder}/camera.sock']
    for writer in writers:
        writer.end()


def test_not_in_path():
    """The pools come from the frame-inspect that is typed, or that is beside the viewer."""
    writer = toolbox.Producer(child, 'camera')
    path = '/usr/bin:/bin'
    assert not shutil.which('frame-inspect', path=path)
    beside = f'{toolbox.folder}/frame-inspect'
    os.symlink(inspect, beside)
    for words in ((inspect, 'show'), (os.path.relpath(inspect, toolbox.folder), 'show'),
                  (f'{toolbox.folder}/frame-viewer',), (f'{toolbox.folder}/files/frame-viewer',)):
        assert complete(*words, 'cam', path=path) == ['camera'], words
    assert complete('frame-inspect', 'show', 'cam', path=path) == []
    writer.end()


def test_bench_page():
    text = text_of('frame-bench.1')
    before, heading, of_cell = text.partition('\nFRAME-BENCH-CELL\n')
    assert heading and 'EXIT STATUS' in of_cell
    for page, program in (before, bench), (of_cell.partition('\nEXIT STATUS\n')[0], cell):
        options = options_of(program)
        assert len(options) >= 8, options
        explained = set(re.findall(r'^ {7}(--[a-z-]+)', page, re.M))
        explained |= set(re.findall(r'^ {7}--.*, (--[a-z-]+)', page, re.M))
        assert explained - {'--help'} == options - {'--help'}, (program, explained ^ options)


def test_bench_results():
    """Each field of the results file is in the page."""
    text = text_of('frame-bench.1')
    code, out, err = toolbox.run(cell, '--way', 'shmframe', '--frames', '3')
    assert code == 0, err
    with open(f'{source}/tests/bench/results.json') as file:
        results = json.load(file)
    measured = next(one for one in results['cells'] if 'rounds' in one)
    for name in {*json.loads(out), *results, *results['machine'], *measured, *measured['rounds'][0],
                 *measured['latency_ns'], *results['targets'][0]}:
        assert re.search(rf'(?<![\w.]){re.escape(name)}(?![\w])', text), f'{name} is not in the page'


def test_bench_completion():
    os.symlink(bench, f'{toolbox.folder}/frame-bench')
    tool = f'{toolbox.folder}/frame-bench'
    assert {word.rstrip('=') for word in complete('frame-bench', '')} == options_of(bench)
    assert complete('frame-bench', '--qu') == ['--quick']
    ways = [line.split()[0] for line in toolbox.run(bench, '--list')[1].splitlines()]
    assert 'shmframe' in ways and complete(tool, '--ways', '') == complete(tool, '--ways', '=') == ways
    assert complete(tool, '--quick', '--ways', '=', 'pipe,shmframe-s') == ['pipe,shmframe-spin']
    groups = re.search('there are (.*)', toolbox.run(bench, '--groups', 'x')[2])[1].split(', ')
    assert complete(tool, '--groups', '') == groups, groups
    os.makedirs(f'{toolbox.folder}/bench/one')
    open(f'{toolbox.folder}/bench/two.json', 'w').close()
    assert complete(tool, '--output', 'bench/') == ['bench/one']
    assert set(complete(tool, '--report', '=', 'bench/')) == {'bench/one', 'bench/two.json'}
    assert complete('frame-bench', '--ways', '', path='/usr/bin:/bin') == []  # it is not in the path


def test_viewer():
    if not viewer:
        raise toolbox.Skip('frame-viewer is not built')
    options = options_of(*viewer)
    text = text_of('frame-viewer.1')
    for option in options - {'--help-all', '--help-gapplication', '--help-gtk'}:
        assert option in text, f'{option} is not in the page'
    with open(f'{source}/tools/viewer/data/gtk/help-overlay.ui') as shortcuts:
        keys = set(re.findall(r'accelerator">[^<]*?\b(F\d+)\b', shortcuts.read()))
    assert len(keys) >= 6, keys
    for key in keys:
        assert re.search(rf'^ +.*\b{key}\b', text, re.M), f'{key} is not in the page'
    offered = set(complete('frame-viewer', '--'))
    assert offered <= options and {'--lease', '--version', '--help'} == offered, (offered, options)
    assert {'--lease', '--version'} <= options


toolbox.main('man', (test_inspect_page, test_inspect_completion, test_pools, test_not_in_path,
                     test_bench_page, test_bench_results, test_bench_completion, test_viewer))
