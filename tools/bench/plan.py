# SPDX-License-Identifier: LGPL-2.1-or-later
"""What frame-bench measures: which ways, at which settings, how long and how often."""
import dataclasses

SIZES = {'720p': (1280, 720), '1080p': (1920, 1080), '2160p': (3840, 2160), '4320p': (7680, 4320)}
FORMATS = ('NV12', 'RGBA')
CONSUMERS = (1, 2, 4, 16, 64, 100)
SLOTS = (4, 16, 64, 256, 1024)
FPS = 60

# Those that the targets compare: they get more rounds than the rest, which only has to be placed.
COMPARED = ('shm-futex', 'shmframe', 'iceoryx', 'shm-spin', 'shmframe-spin', 'shm-predict', 'shmframe-predict')
SLEEPING = ('shm-futex', 'shmframe', 'iceoryx')
PREDICTING = ('shm-spin', 'shmframe-spin', 'shm-predict', 'shmframe-predict')


@dataclasses.dataclass(frozen=True)
class Setting:
    """A row of the table but for the way."""
    group: str
    size: str = '1080p'
    format: str = 'NV12'
    consumers: int = 1
    slots: int = 0  # the way's default
    fps: int = FPS  # 0: back to back
    jitter_us: int = 0
    touch: bool = False

    def arguments(self):
        width, height = SIZES[self.size]
        return ['--width', str(width), '--height', str(height), '--format', self.format,
                '--consumers', str(self.consumers), '--slots', str(self.slots), '--fps', str(self.fps),
                '--jitter', str(self.jitter_us), *(['--touch'] if self.touch else [])]


@dataclasses.dataclass(frozen=True)
class Part:
    """Ways that take turns at some settings."""
    settings: tuple
    ways: tuple
    rounds: int
    seconds: float  # for each cell of each round

    @property
    def cost(self):
        """About, in seconds: processes have to start and to warm up too."""
        return len(self.settings) * len(self.ways) * self.rounds * (self.seconds + 0.4)


def elements_of(ways):
    return tuple(way for way in ways if way.startswith('gst-'))


def whole(ways):
    """All of it, in some 35 minutes."""
    plain = tuple(way for way in ways if not way.startswith('gst-'))
    others = tuple(way for way in plain if way not in COMPARED)
    compared = tuple(way for way in plain if way in COMPARED)
    sleeping = tuple(way for way in plain if way in SLEEPING)
    predicting = tuple(way for way in plain if way in PREDICTING)
    latency = tuple(Setting('latency', size) for size in SIZES)
    pressed = tuple(Setting('back-to-back', size, fps=0) for size in SIZES)
    return [
        Part(latency, compared, 12, 1),
        Part(latency, others, 2, 1),
        Part(tuple(Setting('latency', size, 'RGBA') for size in SIZES), plain, 1, 1),
        Part(pressed, compared, 8, 0.3),
        Part(pressed, others, 2, 0.4),
        Part(tuple(Setting('back-to-back', size, 'RGBA', fps=0) for size in SIZES), plain, 1, 0.4),
        Part(tuple(Setting('touch', size, fps=0, touch=True) for size in SIZES), sleeping, 8, 0.6),
        Part(tuple(Setting('touch', size, fps=0, touch=True) for size in SIZES),
             tuple(way for way in plain if way not in sleeping), 1, 0.6),
        # One slot is as warm as memory can be: what reusing warm slots can bring on this machine.
        Part((Setting('touch', '2160p', slots=1, fps=0, touch=True),), sleeping[:1], 6, 0.6),
        Part((Setting('touch', '2160p', slots=4, fps=0, touch=True),), sleeping[1:2], 6, 0.6),
        Part(tuple(Setting('consumers', consumers=n) for n in CONSUMERS), sleeping, 3, 1),
        Part(tuple(Setting('consumers', consumers=n) for n in CONSUMERS),
             tuple(way for way in plain if way not in sleeping), 1, 1),
        Part(tuple(Setting('slots', size, slots=n, fps=0) for size in ('1080p', '2160p') for n in SLOTS),
             tuple(way for way in plain if way in ('shm-futex', 'shmframe')), 2, 0.4),
        Part(tuple(Setting('jitter', jitter_us=us) for us in (0, 1000, 8000)), predicting, 4, 2),
        Part(tuple(Setting('elements', size) for size in SIZES), elements_of(ways), 5, 1),
        Part(tuple(Setting('elements', size, fps=0) for size in SIZES), elements_of(ways), 3, 0.5),
    ]


def quick(ways):
    """What matters most, within 3 minutes."""
    plain = tuple(way for way in ways if not way.startswith('gst-'))
    compared = tuple(way for way in plain if way in COMPARED)
    sleeping = tuple(way for way in plain if way in SLEEPING)
    predicting = tuple(way for way in plain if way in PREDICTING)
    return [
        Part(tuple(Setting('latency', size) for size in ('1080p', '2160p')), compared, 3, 0.6),
        Part((Setting('latency', '1080p'),), tuple(way for way in plain if way not in COMPARED), 1, 0.4),
        Part((Setting('back-to-back', '1080p', fps=0),), plain, 1, 0.2),
        Part((Setting('touch', '2160p', fps=0, touch=True),), sleeping, 3, 0.4),
        Part(tuple(Setting('consumers', consumers=n) for n in (4, 100)), sleeping, 1, 0.5),
        Part((Setting('slots', '1080p', slots=256, fps=0),), sleeping[:2], 1, 0.2),
        Part((Setting('jitter', jitter_us=1000),), predicting, 2, 1.5),
        Part((Setting('elements', '2160p'),), elements_of(ways), 3, 0.6),
    ]
