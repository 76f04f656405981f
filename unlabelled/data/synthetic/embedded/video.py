"""The moving picture of a clip: a run of short shots of one object, each in other surroundings."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.embedded.backgrounds import TEXTURES, Camera, Clutter, draw_texture
from unlabelled.data.synthetic.embedded.canvas import Box, Canvas
from unlabelled.data.synthetic.embedded.colours import Colours, Palette
from unlabelled.data.synthetic.embedded.motion import Drift
from unlabelled.data.synthetic.embedded.notes import FloatArray, Score
from unlabelled.data.synthetic.embedded.scenes import REACH, Moment, Painter

_SHOT = (0.6, 1.2)  # seconds from cut to cut
_BETWEEN = (0.35, 0.65)  # part of each cycle in which a cut may fall


@dataclass(frozen=True)
class Shot:
    """What stays from one cut to the next; ``side`` is 1, or -1 for a mirrored object."""

    start: float
    dark: bool
    side: float
    texture: FloatArray
    clutter: Clutter


def draw_cuts(rng: np.random.Generator, score: Score, duration: float) -> list[float]:
    """Times of the cuts, every 0.6 to 1.2 s; in between two onsets, lest a cut be taken for one."""
    gaps = rng.uniform(*_SHOT, int(np.ceil(duration / _SHOT[0])))
    cycles = score.cycles(np.cumsum(gaps))
    whole = np.floor(cycles)
    moved = score.times(whole + np.clip(cycles - whole, *_BETWEEN))
    return [time for time in moved.tolist() if time < duration]


class Film:
    """The picture of a clip as a function of time.

    Args:
        rng: Draws all that is not the object's motion.
        paint: Paints the object.
        score: Its onsets, for cuts to keep away from.
        duration: Length in seconds.
        size: Width and height in pixels.
        roams: Whether the object drives across the whole width by itself.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        paint: Painter,
        score: Score,
        duration: float,
        size: tuple[int, int],
        roams: bool = False,
    ) -> None:
        self.canvas, self.paint, self.roams = Canvas(*size), paint, roams
        margin = max(round(0.08 * size[1]), 1)
        self.colours, self.camera = Colours(rng, duration), Camera(rng, duration, margin)
        self.across, self.down = (Drift(rng, duration, -1.0, 1.0) for _ in range(2))
        self.radius, self.lean = Drift(rng, duration, 0.31, 0.4), Drift(rng, duration)
        starts = [0.0, *draw_cuts(rng, score, duration)]
        first = int(rng.integers(2))
        self.shots = [_draw_shot(rng, s, (i + first) % 2 == 0, size, margin) for i, s in enumerate(starts)]

    def frame(self, time: float) -> npt.NDArray[np.uint8]:
        """The picture ``(height, width, 3)`` at a time in seconds."""
        self._draw(time)
        pixels = np.clip(self.canvas.pixels * 255 + 0.5, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))

    def box(self, time: float) -> Box:
        """The box around the object at a time, as fractions of the frame, cut at its edges."""
        shot = self._shot(time)
        self._act(time, shot, self.colours.at(time, shot.dark))
        _, height, width = self.canvas.pixels.shape
        scaled = np.asarray(self.canvas.touched) / (width, height, width, height)
        x0, y0, x1, y1 = np.clip(scaled, 0, 1).tolist()
        return x0, y0, x1, y1

    def _draw(self, time: float) -> None:
        shot = self._shot(time)
        palette = self.colours.at(time, shot.dark)
        self.camera.show(self.canvas, shot.texture, palette, time)
        shot.clutter.paint(self.canvas, time - shot.start)
        self._act(time, shot, palette)

    def _shot(self, time: float) -> Shot:
        return self.shots[bisect_right([shot.start for shot in self.shots], time) - 1]

    def _act(self, time: float, shot: Shot, palette: Palette) -> None:
        """Paint the object alone, where it is at a time."""
        _, height, width = self.canvas.pixels.shape
        radius = self.radius.at(time) * min(width, height)
        room_x, room_y = (max(side / 2 - REACH * radius, 0.0) for side in (width, height))
        x = width / 2 + (0.0 if self.roams else room_x * self.across.at(time))
        y = height / 2 + room_y * self.down.at(time)
        self.canvas.start()
        look = (palette.body, palette.ink, shot.side, self.lean.at(time))
        self.paint(self.canvas, Moment(time, x, y, radius, room_x, *look))


def _draw_shot(
    rng: np.random.Generator, start: float, dark: bool, size: tuple[int, int], margin: int
) -> Shot:
    width, height = size
    kind = TEXTURES[int(rng.integers(len(TEXTURES)))]
    texture = draw_texture(rng, kind, width + 2 * margin + 1, height + 2 * margin + 1)
    return Shot(start, dark, float(rng.choice([-1.0, 1.0])), texture, Clutter(rng, width, height))
