"""The audio of a composed clip: a source, sometimes another one, and noise."""

from __future__ import annotations

import numpy as np

from unlabelled.data.synthetic.composed.base import ComposedSet, FloatArray
from unlabelled.data.synthetic.composed.motion import path
from unlabelled.data.synthetic.embedded.waveforms import coloured_noise


def mix_audio(
    rng: np.random.Generator, source: ComposedSet, label: int, seconds: float, rate: int, channels: int
) -> FloatArray:
    """Return the audio track ``(channels, samples)`` in -1 to 1; its largest sample is from 0.25 to 0.9."""
    samples, style = round(seconds * rate), source.style
    clean = fit(source.audio(rng, label, seconds, rate), samples)
    level = max(root_mean_square(clean), 1e-6)
    volume = path(rng, np.arange(samples) / rate, (0.5, 1.0), (1.0, 2.0))
    tilt, below = rng.uniform(0, 1), rng.uniform(*style.noise)
    mixed = clean * volume + level * 10 ** (-below / 20) * coloured_noise(rng, samples, tilt)
    share, span = style.distractor
    if rng.random() < share:
        other = fit(source.distractor(rng, seconds, rate), samples)
        mixed = mixed + other * level / max(root_mean_square(other), 1e-6) * 10 ** (-rng.uniform(*span) / 20)
    pan = rng.uniform(-0.35, 0.35)
    gains = (1 - pan, 1 + pan) if channels == 2 else (1.0,)
    tracks = np.stack([gain * mixed for gain in gains])
    peak = rng.uniform(0.25, 0.9)
    return np.asarray(peak * tracks / max(float(np.abs(tracks).max()), 1e-6), dtype=np.float32)


def root_mean_square(waveform: FloatArray) -> float:
    """Return the root mean square of a waveform ``(samples,)``, in float64."""
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))


def fit(waveform: FloatArray, samples: int) -> FloatArray:
    """Cut a waveform to a number of samples, or pad it with zeros."""
    short = np.zeros(samples, dtype=np.float32)
    short[: min(samples, len(waveform))] = waveform[:samples]
    return short
