"""The six looks. Each is told by its shape and its motion; its colours, place and size tell nothing."""

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

#: How far from its centre a look may reach, in radii.
REACH = 1.12


@dataclass(frozen=True)
class Moment:
    """All that a look does not decide itself, at one time.

    Args:
        time: Seconds since the clip's start.
        x: Of the look's centre, in pixels.
        y: Of its centre, in pixels.
        radius: In pixels.
        room: How far a roaming look may drive to each side, in pixels.
        body: Its main colour ``(3,)``.
        ink: The colour ``(3,)`` of its details.
        side: 1, or -1 for a mirrored look.
        lean: 0 to 1, how far it leans, where it can.
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
Look = Callable[[np.random.Generator, Score], Painter]


def drum(rng: np.random.Generator, score: Score) -> Painter:
    """A round drum; each hit swells it, flashes in its middle and sends a ripple to the rim."""

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
    """A lamp on a foot whose beam turns round once per wail."""
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
    """A square lamp that lights up, with rays all round, for the first half of each wail."""
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
    """A little car that crosses the frame once per wail, turns round and comes back."""
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
    """A frame of upright strings; each onset sets three of them swinging, and they die down."""
    places, swing = np.linspace(-0.72, 0.85, 6), 5.0  # swings per second
    picks = rng.permuted(np.tile(np.arange(6) < 3, (len(score.onsets), 1)), axis=1)
    latest = np.maximum.accumulate(np.where(picks, np.arange(len(picks))[:, None], 0), axis=0)

    def paint(canvas: Canvas, now: Moment) -> None:
        x, y, size, side, body = now.x, now.y, now.radius, now.side, now.body
        onsets = latest[score.index(now.time)]
        since = now.time - score.onsets[onsets]
        bends = score.strengths[onsets] * np.exp(-since / 0.3) * np.cos(2 * np.pi * swing * since)
        for place, bend in zip(places, bends, strict=True):
            top = y + (-0.62 + 0.32 * place) * size
            bend_px = 0.24 * size * float(bend)
            string = bent_string(x + side * place * size, top, y + 0.85 * size, bend_px, 0.075 * size)
            canvas.paint(string, body)
        corners: list[Point] = [(x + side * a * size, y + b * size) for a, b in _HARP_FRAME]
        for start, end in pairwise(corners):
            canvas.paint(stroke(start, end, 0.09 * size), body)
        canvas.paint(disc(*corners[1], 0.06 * size), now.ink)

    return paint


_HARP_FRAME = ((0.9, 0.88), (-0.9, 0.88), (-0.9, -0.9), (0.9, -0.33))


def fiddle(rng: np.random.Generator, score: Score) -> Painter:
    """A slanting fiddle, and across it a bow that turns back at each onset."""

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


SCENES: dict[str, Look] = {
    "drum": drum,
    "beacon": beacon,
    "lamp": lamp,
    "car": car,
    "harp": harp,
    "fiddle": fiddle,
}
#: Looks that drive about instead of staying in their place.
ROAMING = frozenset({"car"})
