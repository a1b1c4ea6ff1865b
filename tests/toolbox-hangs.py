#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""toolbox.py itself: a test that hangs is named and what it started is ended; those after it run."""
import os
import signal
import sys

import toolbox


def test_hang():
    """In a process of its own, whose producer says that it is ready, and nothing more."""
    code, out, err = toolbox.run(sys.executable, __file__, 'hang')
    plan, pid, hung, *rest = out.splitlines()
    assert code == 1 and err == '' and plan == '1..2', (code, out, err)
    assert hung.startswith('not ok 1 /inner/tell - TimeoutError: the watchdog'), hung
    assert rest == ['ok 2 /inner/goes-on'], rest
    assert not os.path.exists(f'/proc/{pid}'), pid


def test_tell():
    child = toolbox.Producer(os.path.abspath(__file__), 'pool')
    print(child.pid, flush=True)
    child.tell('anything')


def test_goes_on():
    pass


def main():
    if sys.argv[1:2] == ['--producer-child']:
        print('ready', flush=True)
        signal.pause()
    if sys.argv[1:] == ['hang']:
        toolbox.WATCHDOG = 1
        toolbox.main('inner', (test_tell, test_goes_on))
    toolbox.main('toolbox', (test_hang,))


main()
