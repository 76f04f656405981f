"""The six sounds. Each is told by its timbre and its course; its pitch and loudness tell nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .score import FloatArray, Score

Sound = Callable[[np.random.Generator, Score, int, int], FloatArray]  # rng, score, samples, hertz
_TABLE = 2048


def boom(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Deep drum hits, gliding down to 55-100 Hz as they fade over a quarter of a second."""
    low, glide, fade = rng.uniform(55, 100), rng.uniform(1.3, 2.0), rng.uniform(0.12, 0.2)
    t = np.arange(int(0.9 * rate)) / rate
    turns = low * (t + (glide - 1) * 0.05 * (1 - np.exp(-t / 0.05)))
    skin = np.sin(2 * np.pi * turns) + 0.25 * np.sin(2 * np.pi * 1.6 * turns) * np.exp(-t / 0.08)
    return _place_all(score, skin * np.exp(-t / fade) * np.minimum(t / 0.004, 1), samples, rate)


def click(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Wood-block hits: two short, high resonances."""
    pitch, ratio, fade = rng.uniform(900, 2000), rng.uniform(1.5, 1.9), rng.uniform(0.02, 0.035)
    t = np.arange(int(0.25 * rate)) / rate
    wood = np.sin(2 * np.pi * pitch * t) + 0.6 * np.sin(2 * np.pi * pitch * ratio * t)
    return _place_all(score, wood * np.exp(-t / fade) * np.minimum(t / 0.001, 1), samples, rate)


def rattle(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Shaker strokes: bursts of noise between about 3 and 7 kHz, no two alike."""
    low, high, hold = rng.uniform(2200, 3200), rng.uniform(5500, 7200), rng.uniform(0.04, 0.08)
    length = int(0.4 * rate)
    t = np.arange(length) / rate
    shape = np.minimum(t / rng.uniform(0.004, 0.012), 1) * np.exp(-((t / (1.7 * hold)) ** 2))
    hits = [_band_noise(rng, length, rate, low, high) * shape for _ in score.onsets]
    return _place(score, hits, samples, rate)


def wail(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """A siren: its pitch starts low at each onset, rises, and comes back within the cycle."""
    low, span = rng.uniform(420, 700), rng.uniform(1.7, 2.4)
    cycles = score.cycles(np.arange(samples) / rate)
    rise = 0.5 - 0.5 * np.cos(2 * np.pi * cycles)
    phase = np.cumsum(low * span**rise) / rate + rng.random()
    weights = np.asarray([1.0, *rng.uniform((0.2, 0.1, 0.02), (0.6, 0.4, 0.2))])
    dip = 1 - 0.6 * np.exp(-((np.abs(cycles - np.round(cycles)) / 0.06) ** 2))
    return (_wave(weights, phase) * dip).astype(np.float32)


def pluck(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Plucked strings: one note per onset, sharp at first, dull and fading soon after."""
    base, fade = rng.uniform(180, 330), rng.uniform(0.13, 0.22)
    t = np.arange(int(1.2 * rate)) / rate
    attack, start = np.minimum(t / 0.003, 1), rng.random()
    order = np.arange(1, 9)
    notes = []
    for step in rng.choice(_SCALE, len(score.onsets)):
        phase = base * 2 ** (step / 12) * t + start
        bright, dull = _wave(1.0 / order, phase), _wave(1.0 / order**2.5, phase)
        notes.append(attack * (0.8 * bright * np.exp(-t / (0.3 * fade)) + dull * np.exp(-t / fade)))
    return _place(score, notes, samples, rate)


def bow(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Bowed strings: an unbroken rich chord with vibrato, a new stroke and chord at each onset."""
    base, time = rng.uniform(180, 330), np.arange(samples) / rate
    cycles = score.cycles(time)
    stroke = np.floor(cycles).astype(int)
    swell = 0.55 + 0.45 * np.minimum((cycles - stroke) / 0.2, 1) * score.strengths[stroke]
    shake = rng.uniform(0.006, 0.012) * np.sin(2 * np.pi * rng.uniform(5, 7) * time + rng.uniform(0, 6.28))
    weights = 1.0 / np.arange(1, 15) ** rng.uniform(0.7, 1.0)
    chord = np.zeros(samples)
    for voice in (0, 7, 12):
        steps = voice + rng.choice(_SCALE, len(score.onsets))
        pitch = base * 2 ** (steps[stroke] / 12) * (1 + shake)
        chord += _wave(weights, np.cumsum(pitch) / rate + rng.random())
    return np.asarray(chord * swell, dtype=np.float32)


SOUNDS: dict[str, Sound] = {
    "boom": boom,
    "click": click,
    "rattle": rattle,
    "wail": wail,
    "pluck": pluck,
    "bow": bow,
}
_SCALE = np.asarray([0, 2, 4, 7, 9])  # the major pentatonic, in semitones


def render_sound(
    rng: np.random.Generator, name: str, score: Score, duration: float, rate: int, channels: int
) -> FloatArray:
    """The sound track of a clip ``(channels, samples)`` in -1 to 1, at ``rate`` samples per second.

    The background noise is 12 to 30 dB below the sound; the loudest sample is at 0.27 to 0.9.
    """
    samples = round(duration * rate)
    clean = SOUNDS[name](rng, score, samples, rate)
    level = float(np.sqrt(np.mean(clean**2))) * 10 ** (-rng.uniform(12, 30) / 20)
    tilt, pan = rng.uniform(0.0, 1.0), rng.uniform(-0.35, 0.35)
    gains = (1 - pan, 1 + pan)[:channels] if channels == 2 else (1.0,)
    tracks = np.stack([g * clean + level * _coloured_noise(rng, samples, tilt) for g in gains])
    peak = max(float(np.abs(tracks).max()), 1e-6)
    return (tracks * (0.9 * rng.uniform(0.3, 1.0) / peak)).astype(np.float32)


def _place_all(score: Score, hit: npt.NDArray[np.float64], samples: int, rate: int) -> FloatArray:
    return _place(score, [hit] * len(score.onsets), samples, rate)


def _place(score: Score, hits: list[npt.NDArray[np.float64]], samples: int, rate: int) -> FloatArray:
    """Add one hit at each onset, as loud as the onset is strong; what lies outside the clip is cut."""
    track = np.zeros(samples)
    for onset, strength, hit in zip(score.onsets, score.strengths, hits, strict=True):
        start = round(onset * rate)
        first, last = max(start, 0), min(start + len(hit), samples)
        if first < last:
            track[first:last] += strength * hit[first - start : last - start]
    return track.astype(np.float32)


def _wave(weights: npt.NDArray[Any], phase: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A sum of harmonics at a phase (in turns), read from a table of one turn; harmonic k weighs w_k."""
    turn = 2 * np.pi * np.arange(_TABLE) / _TABLE
    table = np.sin(turn[:, None] * np.arange(1, len(weights) + 1)) @ (weights / weights.sum())
    return np.asarray(table[(phase * _TABLE).astype(np.int64) % _TABLE])


def _band_noise(
    rng: np.random.Generator, samples: int, rate: int, low: float, high: float
) -> npt.NDArray[np.float64]:
    """White noise of unit power with only the frequencies between two, in hertz, left in."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    pitch = np.fft.rfftfreq(samples, 1 / rate)
    noise = np.fft.irfft(spectrum * ((pitch >= low) & (pitch <= high)), samples)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def _coloured_noise(rng: np.random.Generator, samples: int, tilt: float) -> npt.NDArray[np.float64]:
    """Noise of unit power whose amplitude falls as frequency to the ``tilt``: 0 white, 1 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum /= np.maximum(np.arange(len(spectrum)), len(spectrum) / 200) ** tilt
    noise = np.fft.irfft(spectrum, samples)
    return noise / max(float(np.sqrt(np.mean(noise**2))), 1e-9)
