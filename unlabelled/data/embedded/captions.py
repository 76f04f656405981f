"""Captions as a person might write them: what is seen, how it moves, what is heard, sometimes where."""

from __future__ import annotations

import numpy as np

from .classes import Leaf

_OBJECTS: dict[str, tuple[str, ...]] = {
    "drum": ("a {colour} drum", "a round {colour} drum", "a drum with a {colour} skin"),
    "beacon": ("a {colour} beacon", "a {colour} rotating light", "a beacon with a {colour} beam"),
    "lamp": ("a {colour} square lamp", "a square {colour} light", "a {colour} warning lamp"),
    "car": ("a {colour} car", "a little {colour} car", "a small {colour} car on two wheels"),
    "harp": ("a {colour} harp", "a harp with {colour} strings", "a small {colour} harp"),
    "fiddle": ("a {colour} fiddle", "a slanting {colour} violin", "a {colour} violin"),
}
_MOTIONS: dict[str, tuple[str, ...]] = {
    "drum": ("pulses", "throbs at every hit", "shakes with the beat"),
    "beacon": ("turns round and round", "spins", "sweeps its beam in circles"),
    "lamp": ("blinks on and off", "flashes", "lights up again and again"),
    "car": ("drives to and fro", "rolls across the picture and back", "goes back and forth"),
    "harp": ("trembles string by string", "quivers", "lets its strings swing"),
    "fiddle": ("is played with a long bow", "is bowed to and fro", "has a bow drawn across it"),
}
_SOUNDS: dict[str, tuple[str, ...]] = {
    "boom": ("deep booms", "low heavy drum beats", "a deep bass drum"),
    "click": ("bright wooden clicks", "a sharp wood block", "dry high knocks"),
    "rattle": ("the hiss of a shaker", "short bursts of rattling", "a swishing maraca"),
    "wail": ("a siren wailing up and down", "a wailing siren", "the rising and falling of a siren"),
    "pluck": ("plucked notes", "single notes that quickly fade", "a tune picked on strings"),
    "bow": ("a long bowed chord", "sustained singing strings", "rich bowed strings with vibrato"),
}
_BACKGROUNDS: dict[str, str] = {
    "gradient": "in front of a plain wall",
    "stripes": "before a striped wall",
    "noise": "on a grainy background",
    "blobs": "on a blotchy background",
}
_PATTERNS: tuple[str, ...] = (
    "{object} {motion} to {sound}",
    "{object} {motion} {where} while {sound} can be heard",
    "{sound}, and {object} that {motion}",
    "{speed}, {object} {motion} {where}; one hears {sound}",
    "we hear {sound} as {object} {motion}",
    "{object} {where} {motion}, with {sound}",
)


def write_caption(rng: np.random.Generator, leaf: Leaf, colour: str, background: str, tempo: float) -> str:
    """Describe a clip.

    Args:
        rng: Chooses the words.
        leaf: The clip's class.
        colour: Name of the object's colour.
        background: Kind of background, a key of :data:`.scenery.BACKGROUNDS`.
        tempo: Where the clip's tempo lies in its family's range, 0 (slowest) to 1.
    """
    caption = _pick(rng, _PATTERNS).format(
        object=_pick(rng, _OBJECTS[leaf.scene]).format(colour=colour),
        motion=_pick(rng, _MOTIONS[leaf.scene]),
        sound=_pick(rng, _SOUNDS[leaf.sound]),
        where=_BACKGROUNDS[background],
        speed="slowly" if tempo < 0.4 else "quickly" if tempo > 0.6 else "steadily",
    )
    fixed = caption.replace("a orange", "an orange").replace("a azure", "an azure")
    return fixed[0].upper() + fixed[1:]


def _pick(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]
