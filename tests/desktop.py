# SPDX-License-Identifier: LGPL-2.1-or-later
"""A screen with keyboard and pointer for tests of frame-viewer: an X server of its own, whose pixels are
read where it keeps them, and an accessibility bus, from which the texts of a window are read as a screen
reader does. Environment, runtime folder and watchdog are those of toolbox.py."""
import collections
import json
import mmap
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import time

import gi

gi.require_version('GdkPixbuf', '2.0')
from gi.repository import GdkPixbuf, Gio, GLib  # noqa: E402

import toolbox  # noqa: E402

WIDTH, HEIGHT = 1400, 900
BUS_CONFIG = '/usr/share/defaults/at-spi2/accessibility.conf'
REGISTRY = '/usr/libexec/at-spi2-registryd'
SELECTED = 1 << 23  # AtspiStateType
Box = collections.namedtuple('Box', 'x y width height')


def await_value(get, what):
    """The first true value of get(), which is asked again and again, also where a widget goes meanwhile."""
    deadline = time.monotonic() + toolbox.PATIENCE
    while True:
        try:
            if value := get():
                return value
        except GLib.Error as error:
            if time.monotonic() > deadline:
                raise AssertionError(f'waited in vain: {error.message}') from None
        assert time.monotonic() < deadline, f'waited in vain for {what() if callable(what) else what}'
        time.sleep(0.02)


def parse_png(data):
    loader = GdkPixbuf.PixbufLoader.new_with_type('png')
    loader.write(data)
    loader.close()
    return loader.get_pixbuf()


def pixel_of(picture, x, y):
    at = y * picture.get_rowstride() + x * picture.get_n_channels()
    return tuple(picture.get_pixels()[at:at + 3])


class Picture:
    """What stood on the screen at a moment."""

    def __init__(self, pixels, stride):
        self.pixels, self.stride = pixels, stride

    def at(self, x, y):
        blue, green, red = self.pixels[y * self.stride + x * 4:][:3]
        return red, green, blue

    def part(self, box):
        return b''.join(self.pixels[y * self.stride + box.x * 4:][:box.width * 4]
                        for y in range(box.y, box.y + box.height))

    def save(self, path, box):
        bgrx = self.part(box)
        rgb = bytearray(len(bgrx) // 4 * 3)
        rgb[0::3], rgb[1::3], rgb[2::3] = bgrx[2::4], bgrx[1::4], bgrx[0::4]
        GdkPixbuf.Pixbuf.new_from_bytes(
            GLib.Bytes.new(rgb), GdkPixbuf.Colorspace.RGB, False, 8, box.width, box.height,
            box.width * 3).savev(str(path), 'png', ['compression'], ['9'])


class Node:
    """A widget as the accessibility bus shows it."""

    def __init__(self, bus, address):
        self.bus, self.address = bus, address

    def call(self, interface, method, arguments=None):
        return self.bus.call_sync(*self.address, interface, method, arguments, None,
                                  Gio.DBusCallFlags.NONE, toolbox.PATIENCE * 1000, None).unpack()

    def ask(self, method):
        return self.call('org.a11y.atspi.Accessible', method)[0]

    @property
    def name(self):
        """Of a label: its text. Of what has none: its class."""
        return self.call('org.freedesktop.DBus.Properties', 'Get',
                         GLib.Variant('(ss)', ('org.a11y.atspi.Accessible', 'Name')))[0]

    @property
    def role(self):
        return self.ask('GetRoleName')

    @property
    def selected(self):
        return bool(self.ask('GetState')[0] & SELECTED)

    @property
    def children(self):
        return [Node(self.bus, address) for address in self.ask('GetChildren')]

    @property
    def parent(self):
        return Node(self.bus, self.call('org.freedesktop.DBus.Properties', 'Get', GLib.Variant(
            '(ss)', ('org.a11y.atspi.Accessible', 'Parent')))[0])

    @property
    def box(self):
        """In the window."""
        return Box(*self.call('org.a11y.atspi.Component', 'GetExtents', GLib.Variant('(u)', (1,)))[0])

    def walk(self):
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, name, role=None):
        """None: there is no such widget."""
        return next((node for node in self.walk()
                     if re.fullmatch(name, node.name) and role in (None, node.role)), None)

    def texts(self):
        """What labels and rows say, from top to bottom, but for those that are empty or have none."""
        return [node.name.replace('\xa0', ' ').strip() for node in self.walk()
                if node.role in ('label', 'list item') and node.name not in ('', 'GtkLabel')]


class Desktop:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='shmframe-desktop-'))
        self.processes = []
        self.window = None  # the last one
        self.set_environment()
        self.start_screen()
        self.start_bus()

    def set_environment(self):
        for name in ('HOME', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME'):
            folder = self.folder / name.lower()
            folder.mkdir(mode=0o700)
            os.environ[name] = str(folder)
        for name in ('GTK_THEME', 'WAYLAND_DISPLAY', 'GTK_A11Y', 'LC_ALL', 'LANG'):
            os.environ.pop(name, None)
        os.environ |= {'GSK_RENDERER': 'cairo', 'GDK_BACKEND': 'x11', 'GSETTINGS_BACKEND': 'memory',
                       'NO_AT_BRIDGE': '1', 'GST_REGISTRY': str(self.folder / 'registry.bin')}
        self.home = self.folder / 'home'

    def start(self, *command, **options):
        """Dies with the test."""
        process = subprocess.Popen(['setpriv', '--pdeathsig', 'KILL', *command], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, **options)
        self.processes.append(process)
        return process

    def start_screen(self):
        read, write = os.pipe()
        self.start('Xvfb', '-displayfd', str(write), '-screen', '0', f'{WIDTH}x{HEIGHT}x24', '-noreset',
                   '-nolisten', 'tcp', '-fbdir', str(self.folder), pass_fds=[write],
                   stdout=subprocess.DEVNULL)
        os.close(write)
        with open(read, encoding='ascii') as number:
            name = number.readline().strip()
        assert name, 'Xvfb (package xvfb) does not start'
        os.environ['DISPLAY'] = f':{name}'
        with open(self.folder / 'Xvfb_screen0', 'rb') as file:
            self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        header = struct.unpack('>25I', self.memory[:100])  # X11/XWDFile.h
        assert header[7] == 0 and header[11] == 32, header  # little endian, 32 bits a pixel
        self.pixels_at, self.stride = header[0] + 12 * header[19], header[12]

    def start_bus(self):
        """One bus for accessibility and all else: nothing of the user's is asked."""
        daemon = self.start('dbus-daemon', f'--config-file={BUS_CONFIG}', '--nofork', '--print-address',
                            stdout=subprocess.PIPE, text=True)
        address = daemon.stdout.readline().strip()
        assert address, 'dbus-daemon (packages dbus-daemon, at-spi2-core) does not start'
        os.environ['AT_SPI_BUS_ADDRESS'] = os.environ['DBUS_SESSION_BUS_ADDRESS'] = address
        self.start(REGISTRY, stdout=subprocess.DEVNULL)
        self.bus = Gio.DBusConnection.new_for_address_sync(
            address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.bus.set_exit_on_close(False)
        root = Node(self.bus, ('org.freedesktop.DBus', '/org/freedesktop/DBus'))
        await_value(lambda: root.call('org.freedesktop.DBus', 'NameHasOwner',
                                      GLib.Variant('(s)', ('org.a11y.atspi.Registry',)))[0],
                    'at-spi2-registryd (package at-spi2-core)')

    def look(self):
        return Picture(self.memory[self.pixels_at:], self.stride)

    def end(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        shutil.rmtree(self.folder)


def xdotool(*arguments):
    return toolbox.run('xdotool', *map(str, arguments))[1]


def focus(window):
    """There is no window manager that would do it."""
    await_value(lambda: xdotool('windowfocus', window, 'getwindowfocus', '-f').strip() == window, 'the focus')


class Window:
    """A program's window, which is alone on the screen."""

    def __init__(self, desktop, *command, **environment):
        self.desktop = desktop
        desktop.window = self
        self.process = toolbox.start(*command, cwd=desktop.home,
                                     env=os.environ | {'G_DEBUG': 'fatal-warnings'} | environment)
        self.root = await_value(self.find_root, 'the window on the accessibility bus')
        self.id = await_value(lambda: xdotool('search', '--onlyvisible', '--pid', self.process.pid,
                                              '--name', '.').split(), 'the window on the screen')[0]
        self.point_away()
        focus(self.id)
        geometry = xdotool('getwindowgeometry', '--shell', self.id)
        x, y, width = (int(re.search(rf'^{name}=(\d+)', geometry, re.M)[1]) for name in ('X', 'Y', 'WIDTH'))
        border = (width - self.root.box.width) // 2
        self.left, self.top = x + border, y + border
        self.widgets = {}

    def check(self):
        if self.process.poll() is not None:
            raise AssertionError(f'it ended: {self.process.returncode} {self.process.communicate()}')

    def find_root(self):
        self.check()
        registry = Node(self.desktop.bus, ('org.a11y.atspi.Registry', '/org/a11y/atspi/accessible/root'))
        for application in registry.ask('GetChildren'):
            pid = Node(self.desktop.bus, ('org.freedesktop.DBus', '/org/freedesktop/DBus')).call(
                'org.freedesktop.DBus', 'GetConnectionUnixProcessID', GLib.Variant('(s)', application[:1]))
            if pid[0] == self.process.pid:
                windows = Node(self.desktop.bus, application).children
                return windows[0] if windows else None
        return None

    def widget(self, name, role=None):
        """By its name or class, awaited."""
        self.check()
        if (name, role) not in self.widgets:
            self.widgets[name, role] = await_value(lambda: self.root.find(name, role), f'a widget {name}')
        return self.widgets[name, role]

    def texts(self, name):
        self.check()
        return self.widget(name).texts()

    def await_text(self, name, pattern):
        """A text of that widget that matches."""
        def find():
            seen[:] = self.texts(name)
            return next(filter(None, (re.search(pattern, text) for text in seen)), None)
        seen = []
        return await_value(find, lambda: f'"{pattern}" in {name}, which says {json.dumps(seen)}')

    def box(self, name, role=None):
        """On the screen."""
        box = self.widget(name, role).box
        return box._replace(x=box.x + self.left, y=box.y + self.top)

    def keys(self, *keys):
        self.check()
        xdotool('key', '--clearmodifiers', *keys)

    def point(self, x, y):
        xdotool('mousemove', x, y)

    def point_away(self):
        self.point(WIDTH - 1, HEIGHT - 1)

    def click(self, name, role=None):
        box = self.box(name, role)
        self.point(box.x + box.width // 2, box.y + box.height // 2)
        xdotool('click', 1)

    def quit(self):
        """Nothing was said on the way."""
        self.keys('ctrl+q')
        out, err = self.process.communicate(timeout=toolbox.PATIENCE)
        toolbox.running.remove(self.process)
        assert (self.process.returncode, out, err) == (0, '', ''), (self.process.returncode, out, err)
