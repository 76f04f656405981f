"""The six audio types, which differ in timbre and envelope, not in pitch and loudness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from unlabelled.data.synthetic.embedded.motion import Drift, spread
from unlabelled.data.synthetic.embedded.notes import FloatArray, Score

Synthesiser = Callable[[np.random.Generator, Score, int, int], FloatArray]  # rng, score, samples, hertz
_TABLE = 2048


def boom(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Return deep drum hits, whose pitch falls to 50-110 Hz while they fade in a quarter of a second."""
    t = np.arange(int(0.9 * rate)) / rate
    body, edge = np.exp(-t / 0.16) * np.minimum(t / 0.004, 1), np.exp(-t / 0.08)
    hits = []
    for pitch in spread(rng, len(score.onsets)):
        turns = 50 * 2.2**pitch * (t + rng.uniform(0.3, 0.9) * 0.05 * (1 - np.exp(-t / 0.05)))
        hits.append((np.sin(2 * np.pi * turns) + 0.25 * np.sin(3.2 * np.pi * turns) * edge) * body)
    return _mix_hits(score, hits, samples, rate)


def click(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Return wood-block hits: two very short resonances, the lower one between 900 Hz and 2 kHz."""
    t = np.arange(int(0.2 * rate)) / rate
    shape = np.exp(-t / 0.02) * np.minimum(t / 0.001, 1)
    hits = []
    for pitch in spread(rng, len(score.onsets)):
        turns = 900 * 2.2**pitch * t
        upper = 0.6 * np.sin(2 * np.pi * rng.uniform(1.5, 1.9) * turns)
        hits.append((np.sin(2 * np.pi * turns) + upper) * shape)
    return _mix_hits(score, hits, samples, rate)


def rattle(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Return shaker strokes: broadband bursts of noise of a fifth of a second, up to 5 to 7.5 kHz."""
    length = int(0.5 * rate)
    t = np.arange(length) / rate
    shape = np.minimum(t / 0.01, 1) * np.exp(-((t / 0.19) ** 4))
    tops = 5000 + 2500 * spread(rng, len(score.onsets))
    hits = [_band_noise(rng, length, rate, rng.uniform(1500, 2500), top) * shape for top in tops]
    return _mix_hits(score, hits, samples, rate)


def wail(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Return a siren, whose pitch rises by an octave after each onset; the lowest pitch drifts."""
    times = np.arange(samples) / rate
    cycles = score.cycles(times)
    rise = 0.5 - 0.5 * np.cos(2 * np.pi * cycles)
    low = 350 * 2.3 ** Drift(rng, samples / rate).over(times)
    phase = np.cumsum(low * 2.0**rise) / rate + rng.random()
    dip = 1 - 0.6 * np.exp(-((np.abs(cycles - np.round(cycles)) / 0.06) ** 2))
    tone = _blend(Drift(rng, samples / rate).over(times), (1, 0.2, 0.1, 0.02), (1, 0.6, 0.4, 0.2), phase)
    return (tone * dip).astype(np.float32)


def pluck(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Return plucked strings: one note of 150-500 Hz per onset, bright at first, with a fast decay."""
    t = np.arange(int(0.8 * rate)) / rate
    attack, order = np.minimum(t / 0.003, 1), np.arange(1, 9)
    sharp, fade = 0.8 * attack * np.exp(-t / 0.03), attack * np.exp(-t / 0.1)
    notes = []
    for pitch in spread(rng, len(score.onsets)):
        phase = 150 * 3.3**pitch * t + rng.random()
        notes.append(_wave(1.0 / order, phase) * sharp + _wave(1.0 / order**2.5, phase) * fade)
    return _mix_hits(score, notes, samples, rate)


def bow(rng: np.random.Generator, score: Score, samples: int, rate: int) -> FloatArray:
    """Return bowed strings: a continuous chord with vibrato, with a new stroke and chord at each onset."""
    times = np.arange(samples) / rate
    cycles = score.cycles(times)
    stroke = np.floor(cycles).astype(int)
    swell = 0.6 + 0.4 * np.minimum((cycles - stroke) / 0.2, 1) * score.strengths[stroke]
    shake = 0.01 * np.sin(2 * np.pi * 6 * times + rng.uniform(0, 6.28))
    base = 150 * 2.6 ** spread(rng, len(score.onsets))
    colour, order = Drift(rng, samples / rate).over(times), np.arange(1, 15)
    chord = np.zeros(samples)
    for voice in (0, 7, 12):
        pitch = (base * 2 ** (voice / 12))[stroke] * (1 + shake)
        chord += _blend(colour, 1.0 / order, order**-0.7, np.cumsum(pitch) / rate + rng.random())
    return np.asarray(chord * swell, dtype=np.float32)


SYNTHESISERS: dict[str, Synthesiser] = {
    "boom": boom,
    "click": click,
    "rattle": rattle,
    "wail": wail,
    "pluck": pluck,
    "bow": bow,
}


def render_audio(
    rng: np.random.Generator, name: str, score: Score, duration: float, rate: int, channels: int
) -> FloatArray:
    """Return the audio track of a clip ``(channels, samples)`` in -1 to 1, at ``rate`` samples per second.

    The volume drifts between 0.3 and 1; background noise, between white and brown, is 10 to 30 dB below the
    mean of the signal. The largest sample is 0.9.
    """
    samples = round(duration * rate)
    times = np.arange(samples) / rate
    clean = SYNTHESISERS[name](rng, score, samples, rate)
    volume, below, hiss = (
        Drift(rng, duration, *span).over(times) for span in ((0.3, 1.0), (10.0, 30.0), (0.0, np.pi / 2))
    )
    level, pan = np.sqrt(np.mean(clean**2)) * 10 ** (-below / 20), rng.uniform(-0.35, 0.35)

    def noise() -> npt.NDArray[np.float64]:
        white, brown = (coloured_noise(rng, samples, tilt) for tilt in (0.0, 1.0))
        return np.asarray(level * (np.sin(hiss) * white + np.cos(hiss) * brown))

    gains = (1 - pan, 1 + pan) if channels == 2 else (1.0,)
    tracks = volume * np.stack([g * clean + noise() for g in gains])
    return (0.9 * tracks / max(float(np.abs(tracks).max()), 1e-6)).astype(np.float32)


def _mix_hits(score: Score, hits: list[npt.NDArray[np.float64]], samples: int, rate: int) -> FloatArray:
    """Return the sum of hits at their onsets, scaled by their strengths and cut to the clip."""
    track = np.zeros(samples)
    for onset, strength, hit in zip(score.onsets, score.strengths, hits, strict=True):
        start = round(onset * rate)
        first, last = max(start, 0), min(start + len(hit), samples)
        if first < last:
            track[first:last] += strength * hit[first - start : last - start]
    return track.astype(np.float32)


def _wave(weights: npt.NDArray[Any], phase: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a weighted sum of harmonics at a phase (in turns), from a table of one period."""
    turn = 2 * np.pi * np.arange(_TABLE) / _TABLE
    table = np.sin(turn[:, None] * np.arange(1, len(weights) + 1)) @ (weights / weights.sum())
    return np.asarray(table[(phase * _TABLE).astype(np.int64) % _TABLE])


def _blend(
    mix: npt.NDArray[np.float64], dull: npt.ArrayLike, bright: npt.ArrayLike, phase: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return a wave whose weights change from ``dull`` (where ``mix`` is 0) to ``bright`` (where it is 1)."""
    first, second = (_wave(np.asarray(weights), phase) for weights in (dull, bright))
    return first + mix * (second - first)


def _band_noise(
    rng: np.random.Generator, samples: int, rate: int, low: float, high: float
) -> npt.NDArray[np.float64]:
    """Return white noise of unit power, limited to frequencies between two, in Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    pitch = np.fft.rfftfreq(samples, 1 / rate)
    noise = np.fft.irfft(spectrum * ((pitch >= low) & (pitch <= high)), samples)
    return np.asarray(noise / np.sqrt(np.mean(noise**2)))


def coloured_noise(rng: np.random.Generator, samples: int, tilt: float) -> npt.NDArray[np.float64]:
    """Return noise of unit power with amplitudes ``frequency ** -tilt``: 0 white, 1 brown."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum /= np.maximum(np.arange(len(spectrum)), len(spectrum) / 200) ** tilt
    noise = np.fft.irfft(spectrum, samples)
    return noise / max(float(np.sqrt(np.mean(noise**2))), 1e-9)
