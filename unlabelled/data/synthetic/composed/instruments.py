"""Notes of a General MIDI sound font, played by TinySoundFont."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from unlabelled.data.synthetic.composed.base import FloatArray

if TYPE_CHECKING:
    from tinysoundfont import Synth

_SCALE = (0, 2, 4, 7, 9)  # pentatonic
_DRUM_KIT = 128  # bank
_DRUMS = (36, 38, 42, 45, 46, 49)  # bass drum, snare, closed hi-hat, tom, open hi-hat, cymbal


@dataclass(frozen=True)
class Instrument:
    """A General MIDI program from 0, its lowest and highest note, and the share of a beat that it holds."""

    program: int
    low: int
    high: int
    hold: float


def play_notes(
    rng: np.random.Generator, sound_font: str, instrument: Instrument, seconds: float, rate: int
) -> FloatArray:
    """Play a random tune, with a tempo, a key and a volume of its own; returns ``(samples,)``.

    Raises:
        ModuleNotFoundError: tinysoundfont is not installed.
    """
    synth = _synth(sound_font, rate)
    synth.program_select(0, 0, 0, instrument.program)
    beat, key = 1 / rng.uniform(1.6, 3.2), int(rng.integers(12))
    notes = [n for n in range(instrument.low, instrument.high + 1) if (n - key) % 12 in _SCALE]
    place = int(rng.integers(len(notes)))
    events = []
    for onset in np.arange(-rng.uniform(0, beat), seconds, beat).tolist():
        place = int(np.clip(place + rng.integers(-3, 4), 0, len(notes) - 1))
        if onset >= 0 and rng.random() < 0.9:
            note = notes[place]
            events.append((onset, note, int(rng.integers(60, 120))))
            events.append((onset + beat * max(instrument.hold, 0.3), note, 0))
    return _render(synth, 0, sorted(events), seconds, rate)


def play_drums(rng: np.random.Generator, sound_font: str, seconds: float, rate: int) -> FloatArray:
    """Play a random drum rhythm; returns ``(samples,)``.

    Raises:
        ModuleNotFoundError: tinysoundfont is not installed.
    """
    synth = _synth(sound_font, rate)
    synth.program_select(9, 0, _DRUM_KIT, 0)
    beat = 1 / rng.uniform(2, 5)
    onsets = np.arange(rng.uniform(0, beat), seconds, beat)
    onsets = onsets[rng.random(len(onsets)) < 0.7].tolist()
    events = [(onset, int(rng.choice(_DRUMS)), int(rng.integers(50, 110))) for onset in onsets]
    return _render(synth, 9, events, seconds, rate)


def _render(
    synth: Synth, channel: int, events: list[tuple[float, int, int]], seconds: float, rate: int
) -> FloatArray:
    """Play events (second, note, velocity; 0 ends the note) and return the mean of both channels."""
    parts, done = [], 0
    for second, note, velocity in events:
        parts += list(_generate(synth, round(second * rate) - done))
        done = max(done, round(second * rate))
        if velocity:
            synth.noteon(channel, note, velocity)
        else:
            synth.noteoff(channel, note)
    parts += list(_generate(synth, round(seconds * rate) - done))
    synth.sounds_off()
    synth.generate(rate)  # the end of the notes, which would begin the next clip
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def _generate(synth: Synth, samples: int) -> Iterator[FloatArray]:
    if samples > 0:
        stereo = np.frombuffer(bytes(synth.generate(samples)), dtype=np.float32).reshape(-1, 2)
        yield stereo.mean(1)


@lru_cache(maxsize=2)
def _loaded(sound_font: str, rate: int, process: int) -> Synth:
    from tinysoundfont import Synth

    synth = Synth(samplerate=rate)
    synth.sfload(sound_font)
    return synth


def _synth(sound_font: str, rate: int) -> Synth:
    try:
        return _loaded(sound_font, rate, os.getpid())
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the garments are played by tinysoundfont, which is not installed; pip install tinysoundfont"
        ) from error
