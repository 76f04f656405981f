"""The six objects, which differ in shape and motion, not in colour, position and size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from unlabelled.data.synthetic.embedded.canvas import (
    Canvas,
    Point,
    bent_string,
    block,
    cone,
    disc,
    ring,
    stroke,
)
from unlabelled.data.synthetic.embedded.notes import FloatArray, Score

#: Largest distance of a part of an object from its centre, in radii.
REACH = 1.12


@dataclass(frozen=True)
class Moment:
    """The pose and the colours of an object at one time.

    Args:
        time: Seconds since the start of the clip.
        x: Centre of the object, in pixels.
        y: Centre of the object, in pixels.
        radius: Radius in pixels.
        room: Largest distance that a moving object travels to each side, in pixels.
        body: Main colour ``(3,)``.
        ink: Colour ``(3,)`` of details.
        side: 1, or -1 for a mirrored object.
        lean: Tilt, 0 to 1, of objects that have one.
    """

    time: float
    x: float
    y: float
    radius: float
    room: float
    body: FloatArray
    ink: FloatArray
    side: float
    lean: float


Painter = Callable[[Canvas, Moment], None]
SceneObject = Callable[[np.random.Generator, Score], Painter]


def drum(rng: np.random.Generator, score: Score) -> Painter:
    """Return the painter of a round drum; a hit expands it, with a ring from its centre to the edge."""

    def paint(canvas: Canvas, now: Moment) -> None:
        x, y, body, ink = now.x, now.y, now.body, now.ink
        since, strength = score.since(now.time), score.strength(now.time)
        hit, spread = strength * np.exp(-since / 0.12), min(since / 0.3, 1.0)
        radius = 0.8 * now.radius * (1 + 0.2 * hit)
        canvas.paint(disc(x, y, radius), body)
        canvas.paint(ring(x, y, 0.84 * radius, 0.09 * radius), ink)
        canvas.paint(ring(x, y, (0.15 + 0.6 * spread) * radius, 0.12 * radius), ink, strength * (1 - spread))
        canvas.paint(disc(x, y, (0.12 + 0.22 * hit) * radius), ink)

    return paint


def beacon(rng: np.random.Generator, score: Score) -> Painter:
    """Return the painter of a beacon on a base, whose beam rotates once per cycle."""
    first = rng.uniform(0, 2 * np.pi)

    def paint(canvas: Canvas, now: Moment) -> None:
        x, y, size, body, ink = now.x, now.y, now.radius, now.body, now.ink
        angle = now.side * (first + 2 * np.pi * score.cycle(now.time))
        canvas.paint(stroke((x, y), (x, y + 0.62 * size), 0.16 * size), body)
        canvas.paint(block(x, y + 0.72 * size, 0.5 * size, 0.13 * size, 2), body)
        canvas.paint(cone(x, y, angle, size, 0.5 * size), body, 0.85)
        canvas.paint(disc(x, y, 0.32 * size), body)
        canvas.paint(disc(x, y, 0.2 * size), ink)

    return paint


def lamp(rng: np.random.Generator, score: Score) -> Painter:
    """Return the painter of a square lamp that is lit, with rays, in the first half of each cycle."""
    rays = [(np.cos(a), np.sin(a)) for a in np.arange(8) * np.pi / 4]

    def paint(canvas: Canvas, now: Moment) -> None:
        x, y, size, body, ink = now.x, now.y, now.radius, now.body, now.ink
        lit, unlit = score.cycle(now.time) % 1.0 < 0.5, 0.75 * body + 0.25 * ink
        canvas.paint(block(x, y, 0.58 * size, 0.58 * size, 0.1 * size), body)
        canvas.paint(block(x, y, 0.42 * size, 0.42 * size, 0.05 * size), ink if lit else unlit)
        for ux, uy in rays if lit else ():
            reach = 0.58 / max(abs(ux), abs(uy)) + 0.14
            start = (x + reach * size * ux, y + reach * size * uy)
            end = (start[0] + 0.2 * size * ux, start[1] + 0.2 * size * uy)
            canvas.paint(stroke(start, end, 0.06 * size), body)

    return paint


def car(rng: np.random.Generator, score: Score) -> Painter:
    """Return the painter of a small car that crosses the frame in each cycle, in alternating directions."""
    first = int(rng.integers(0, 2))

    def paint(canvas: Canvas, now: Moment) -> None:
        size, body, ink = 0.8 * now.radius, now.body, now.ink
        cycle = score.cycle(now.time) + first
        way = 1.0 if int(cycle) % 2 == 0 else -1.0
        x = now.x + way * now.room * (2 * (cycle % 1.0) - 1)
        y = now.y - 0.08 * size * abs(np.sin(2 * np.pi * cycle))
        canvas.paint(block(x - way * 0.15 * size, y - 0.3 * size, 0.55 * size, 0.4 * size, 0.15 * size), body)
        canvas.paint(block(x + way * 0.12 * size, y - 0.34 * size, 0.2 * size, 0.2 * size, 2), ink)
        canvas.paint(block(x, y + 0.15 * size, size, 0.28 * size, 0.12 * size), body)
        for side in (-0.55, 0.55):
            wheel_x, wheel_y = x + side * size, y + 0.45 * size
            canvas.paint(disc(wheel_x, wheel_y, 0.27 * size), body)
            canvas.paint(disc(wheel_x, wheel_y, 0.18 * size), ink)

    return paint


def harp(rng: np.random.Generator, score: Score) -> Painter:
    """Return the painter of a harp; each onset makes three strings swing, with decaying amplitude."""
    positions, swing = np.linspace(-0.72, 0.85, 6), 5.0  # swings per second
    picks = rng.permuted(np.tile(np.arange(6) < 3, (len(score.onsets), 1)), axis=1)
    latest = np.maximum.accumulate(np.where(picks, np.arange(len(picks))[:, None], 0), axis=0)

    def paint(canvas: Canvas, now: Moment) -> None:
        x, y, size, side, body = now.x, now.y, now.radius, now.side, now.body
        onsets = latest[score.index(now.time)]
        since = now.time - score.onsets[onsets]
        bends = score.strengths[onsets] * np.exp(-since / 0.3) * np.cos(2 * np.pi * swing * since)
        for position, bend in zip(positions, bends, strict=True):
            top = y + (-0.62 + 0.32 * position) * size
            bend_px = 0.24 * size * float(bend)
            string = bent_string(x + side * position * size, top, y + 0.85 * size, bend_px, 0.075 * size)
            canvas.paint(string, body)
        corners: list[Point] = [(x + side * a * size, y + b * size) for a, b in _HARP_FRAME]
        for start, end in pairwise(corners):
            canvas.paint(stroke(start, end, 0.09 * size), body)
        canvas.paint(disc(*corners[1], 0.06 * size), now.ink)

    return paint


_HARP_FRAME = ((0.9, 0.88), (-0.9, 0.88), (-0.9, -0.9), (0.9, -0.33))


def fiddle(rng: np.random.Generator, score: Score) -> Painter:
    """Return the painter of a tilted fiddle and a bow that changes direction at each onset."""

    def paint(canvas: Canvas, now: Moment) -> None:
        x, y, size, body, ink = now.x, now.y, now.radius, now.body, now.ink
        angle = now.side * (0.35 + 0.5 * now.lean)
        ux, uy = np.sin(angle), -np.cos(angle)  # along the neck, upwards
        vx, vy = -uy, ux  # along the bow

        def at(along: float, across: float = 0.0) -> Point:
            return x + (along * ux + across * vx) * size, y + (along * uy + across * vy) * size

        cycle = score.cycle(now.time)
        slide = (0.42 if int(cycle) % 2 == 0 else -0.42) * (2 * (cycle % 1.0) - 1)
        canvas.paint(stroke(at(0), at(0.95), 0.07 * size), body)
        canvas.paint(disc(*at(0.92), 0.12 * size), body)
        canvas.paint(disc(*at(-0.5), 0.44 * size), body)
        canvas.paint(disc(*at(0.1), 0.35 * size), body)
        canvas.paint(stroke(at(-0.68), at(0.6), 0.04 * size), ink)
        for side in (-0.22, 0.22):
            canvas.paint(stroke(at(-0.52, side), at(-0.3, side), 0.035 * size), ink)
        canvas.paint(stroke(at(-0.12, slide - 0.8), at(-0.12, slide + 0.8), 0.105 * size), ink)
        canvas.paint(stroke(at(-0.12, slide - 0.8), at(-0.12, slide + 0.8), 0.055 * size), body)

    return paint


SCENES: dict[str, SceneObject] = {
    "drum": drum,
    "beacon": beacon,
    "lamp": lamp,
    "car": car,
    "harp": harp,
    "fiddle": fiddle,
}
#: Objects that move across the frame by themselves.
ROAMING = frozenset({"car"})
