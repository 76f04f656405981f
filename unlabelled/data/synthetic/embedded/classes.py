"""The class table: nine leaves in three families, each a combination of a scene and an audio type.

Neither modality is sufficient alone: the three drums have the same video, the three sirens have the same
audio, and the strings form a chain in which neighbours share one modality. Families differ in both.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leaf:
    """A class of the embedded data set.

    Args:
        name: The label in ``vggsound.csv``.
        family: The label of its parent.
        scene: Key of the video, in :data:`.scenes.SCENES`.
        audio: Key of the audio, in :data:`.waveforms.SYNTHESISERS`.
        template: A simple caption.
    """

    name: str
    family: str
    scene: str
    audio: str
    template: str


LEAVES: tuple[Leaf, ...] = (
    Leaf("drum booming", "drum", "drum", "boom", "a drum pulsing to deep booms"),
    Leaf("drum clicking", "drum", "drum", "click", "a drum pulsing to bright wooden clicks"),
    Leaf("drum rattling", "drum", "drum", "rattle", "a drum pulsing to the hiss of a shaker"),
    Leaf("beacon wailing", "siren", "beacon", "wail", "a beacon turning while a siren wails"),
    Leaf("lamp wailing", "siren", "lamp", "wail", "a square lamp blinking while a siren wails"),
    Leaf("car wailing", "siren", "car", "wail", "a car driving by while a siren wails"),
    Leaf("harp plucked", "string", "harp", "pluck", "a harp whose strings are plucked one by one"),
    Leaf("harp bowed", "string", "harp", "bow", "a harp whose strings sing a long bowed chord"),
    Leaf("fiddle bowed", "string", "fiddle", "bow", "a fiddle whose bow draws a long chord"),
)

#: The family of each class, by its label.
FAMILIES: dict[str, str] = {leaf.name: leaf.family for leaf in LEAVES}

#: Onsets per second of each family, the same for all its leaves, so that leaves do not differ in tempo.
TEMPO: dict[str, tuple[float, float]] = {"drum": (1.6, 2.8), "siren": (0.8, 1.4), "string": (1.6, 2.8)}
