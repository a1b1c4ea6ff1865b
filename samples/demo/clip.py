# SPDX-License-Identifier: LGPL-2.1-or-later
"""The camera clip: H.264, 568x320, 30 frames a second, out of a Debian package's examples."""
import os
import subprocess
import tempfile

PACKAGE = 'node-opencv'
MEMBER = './usr/share/doc/node-opencv/examples/files/motion.mov'


class ClipError(Exception):
    pass


def run(command, folder):
    try:
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                              check=False)
    except OSError as error:
        raise ClipError(f'{command[0]}: {error.strerror}') from error
    if done.returncode != 0:
        raise ClipError(f'{" ".join(command)}: {done.stderr.decode(errors="replace").strip()}')
    return done.stdout


def download(folder):
    command = ['apt-get', 'download', '-q', PACKAGE]
    try:
        run(command, folder)
    except ClipError:
        if os.getuid() != 0:
            raise
        run(['apt-get', 'update', '-q'], folder)  # an image without package lists
        run(command, folder)


def fetch(path):
    """Gets the clip to `path`, unless it is there; nothing is installed."""
    if path.exists():
        return
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            os.chmod(folder, 0o755)  # apt downloads as a user of its own
            download(folder)
            package, = (name for name in os.listdir(folder) if name.endswith('.deb'))
            with open(os.path.join(folder, 'data.tar'), 'wb') as archive:
                archive.write(run(['dpkg-deb', '--fsys-tarfile', package], folder))
            run(['tar', '-xf', 'data.tar', MEMBER], folder)
            os.replace(os.path.join(folder, MEMBER), path)
    except ClipError as error:
        raise ClipError(f'{error}\nThe clip comes from Debian\'s package {PACKAGE}. Without '
                        f'network, take {MEMBER[1:]} out of it elsewhere and put it at {path}'
                        ) from error
