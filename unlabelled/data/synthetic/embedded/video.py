"""The video of a clip: a sequence of short shots of one object, each with another background."""

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
_BETWEEN = (0.35, 0.65)  # part of each cycle in which a cut may be


@dataclass(frozen=True)
class Shot:
    """Properties that are constant between two cuts; ``side`` is 1, or -1 for a mirrored object."""

    start: float
    dark: bool
    side: float
    texture: FloatArray
    clutter: Clutter


def draw_cuts(rng: np.random.Generator, score: Score, duration: float) -> list[float]:
    """Draw the times of the cuts, every 0.6 to 1.2 s, between onsets so that they differ from them."""
    gaps = rng.uniform(*_SHOT, int(np.ceil(duration / _SHOT[0])))
    cycles = score.cycles(np.cumsum(gaps))
    whole = np.floor(cycles)
    moved = score.times(whole + np.clip(cycles - whole, *_BETWEEN))
    return [time for time in moved.tolist() if time < duration]


class SceneVideo:
    """The frames of a clip as a function of time.

    Args:
        rng: Source of everything except the motion of the object.
        paint: Paints the object.
        score: Onsets of the object; cuts are between them.
        duration: Duration in seconds.
        size: Width and height in pixels.
        roams: Whether the object itself moves across the whole width.
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
        """Return the frame ``(height, width, 3)`` uint8 at a time in seconds."""
        shot = self._shot(time)
        palette = self.colours.at(time, shot.dark)
        self.camera.show(self.canvas, shot.texture, palette, time)
        shot.clutter.paint(self.canvas, time - shot.start)
        self._paint_object(time, shot, palette)
        pixels = np.clip(self.canvas.pixels * 255 + 0.5, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0))

    def box(self, time: float) -> Box:
        """Return the box around the object at a time, as fractions of the frame, clipped to it."""
        shot = self._shot(time)
        self._paint_object(time, shot, self.colours.at(time, shot.dark))
        _, height, width = self.canvas.pixels.shape
        scaled = np.asarray(self.canvas.touched) / (width, height, width, height)
        x0, y0, x1, y1 = np.clip(scaled, 0, 1).tolist()
        return x0, y0, x1, y1

    def _shot(self, time: float) -> Shot:
        return self.shots[bisect_right([shot.start for shot in self.shots], time) - 1]

    def _paint_object(self, time: float, shot: Shot, palette: Palette) -> None:
        """Paint the object alone, at its position at a time."""
        _, height, width = self.canvas.pixels.shape
        radius = self.radius.at(time) * min(width, height)
        room_x, room_y = (max(side / 2 - REACH * radius, 0.0) for side in (width, height))
        x = width / 2 + (0.0 if self.roams else room_x * self.across.at(time))
        y = height / 2 + room_y * self.down.at(time)
        self.canvas.start()
        appearance = (palette.body, palette.ink, shot.side, self.lean.at(time))
        self.paint(self.canvas, Moment(time, x, y, radius, room_x, *appearance))


def _draw_shot(
    rng: np.random.Generator, start: float, dark: bool, size: tuple[int, int], margin: int
) -> Shot:
    width, height = size
    kind = TEXTURES[int(rng.integers(len(TEXTURES)))]
    texture = draw_texture(rng, kind, width + 2 * margin + 1, height + 2 * margin + 1)
    return Shot(start, dark, float(rng.choice([-1.0, 1.0])), texture, Clutter(rng, width, height))
