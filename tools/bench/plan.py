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
    rounds: dict  # of each way
    seconds: dict  # of each way: for a cell in one round

    @property
    def ways(self):
        return tuple(self.rounds)

    @property
    def cost(self):
        """About, in seconds: processes have to start and to warm up too."""
        extra = 0.6 if self.settings[0].fps else 0.3
        return len(self.settings) * sum(number * (self.seconds[way] + extra)
                                        for way, number in self.rounds.items())

    def takes_part(self, way, number):
        """Whether a way with fewer rounds than others has one now: its rounds are spread over theirs."""
        rounds, most = self.rounds[way], max(self.rounds.values())
        return number * rounds // most != (number - 1) * rounds // most


def part(settings, ways, seconds, rounds, compared=None, compared_seconds=None):
    """Those that are compared have more rounds, and may have longer ones."""
    return Part(tuple(settings), {way: compared if compared and way in COMPARED else rounds for way in ways},
                {way: compared_seconds if compared_seconds and way in COMPARED else seconds for way in ways})


def whole(ways):
    """All of it, in some 35 minutes."""
    elements = [way for way in ways if way.startswith('gst-')]
    plain = [way for way in ways if way not in elements]
    predicting = [way for way in plain if way in PREDICTING]
    bare, ours = ([way for way in plain if way == name] for name in ('shm-futex', 'shmframe'))
    return [
        # 1000 frames are what p99.9 needs: 8 rounds of 2.1 s at 60 frames a second.
        part((Setting('latency', size) for size in SIZES), plain, 0.9, 2, 8, 2.1),
        part((Setting('latency', size, 'RGBA') for size in SIZES), plain, 0.5, 1, 2),
        part((Setting('back-to-back', size, fps=0) for size in SIZES), plain, 0.3, 2, 6),
        part((Setting('back-to-back', size, 'RGBA', fps=0) for size in SIZES), plain, 0.3, 1, 2),
        part((Setting('touch', size, fps=0, touch=True) for size in SIZES), plain, 0.5, 1, 5),
        # One slot is as warm as memory can be: what reusing warm slots can bring on this machine.
        part((Setting('touch', '2160p', slots=1, fps=0, touch=True),), bare, 0.5, 5),
        part((Setting('touch', '2160p', slots=4, fps=0, touch=True),), ours, 0.5, 5),
        part((Setting('consumers', consumers=n) for n in CONSUMERS), plain, 0.5, 1, 2),
        part((Setting('slots', size, slots=n, fps=0) for size in ('1080p', '2160p') for n in SLOTS),
             bare + ours, 0.3, 2),
        part((Setting('jitter', jitter_us=us) for us in (0, 1000, 8000)), predicting, 2, 3),
        part((Setting('elements', size) for size in SIZES), elements, 0.9, 8),
        part((Setting('elements', size, fps=0) for size in SIZES), elements, 0.4, 3),
    ]


def quick(ways):
    """What matters most, within 3 minutes."""
    elements = [way for way in ways if way.startswith('gst-')]
    plain = [way for way in ways if way not in elements]
    sleeping, predicting, compared = ([way for way in plain if way in names]
                                      for names in (SLEEPING, PREDICTING, COMPARED))
    bare_and_ours = [way for way in plain if way in ('shm-futex', 'shmframe')]
    return [
        part((Setting('latency', '1080p'),), plain, 0.5, 1, 3),
        part((Setting('latency', '2160p'),), compared, 0.5, 3),
        part((Setting('back-to-back', '1080p', fps=0),), plain, 0.2, 1),
        part((Setting('touch', '2160p', fps=0, touch=True),), sleeping, 0.4, 3),
        part((Setting('consumers', consumers=n) for n in (4, 100)), sleeping, 0.5, 1),
        part((Setting('slots', '1080p', slots=256, fps=0),), bare_and_ours, 0.2, 1),
        part((Setting('jitter', jitter_us=1000),), predicting, 1.5, 2),
        part((Setting('elements', '2160p'),), elements, 0.6, 3),
    ]
