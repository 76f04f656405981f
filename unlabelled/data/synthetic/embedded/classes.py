"""The class table: nine leaves in three families, each leaf one look with one sound.

Neither sense is enough alone: the three drums look the same, the three sirens sound the same, and
the strings form a chain in which each neighbour shares one of the two. Families differ in both.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Leaf:
    """A class of the embedded data set.

    Args:
        name: The label, as it stands in ``vggsound.csv``.
        family: The label of its parent.
        scene: Key of the look, in :data:`.scenes.SCENES`.
        sound: Key of the sound, in :data:`.sounds.SOUNDS`.
        template: A plain caption.
    """

    name: str
    family: str
    scene: str
    sound: str
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

#: Onsets per second of each family, the same for all its leaves, so that tempo tells no leaf apart.
TEMPO: dict[str, tuple[float, float]] = {"drum": (1.6, 2.8), "siren": (0.8, 1.4), "string": (1.6, 2.8)}
