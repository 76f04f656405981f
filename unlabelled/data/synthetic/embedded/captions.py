"""Random captions of clips: the object, its motion, its audio, sometimes the surroundings."""

from __future__ import annotations

import numpy as np

from unlabelled.data.synthetic.embedded.classes import Leaf

_OBJECTS: dict[str, tuple[str, ...]] = {
    "drum": ("a drum", "a round drum", "a drum of changing colours"),
    "beacon": ("a beacon", "a rotating light", "a beacon with a bright beam"),
    "lamp": ("a square lamp", "a square light", "a warning lamp"),
    "car": ("a car", "a little car", "a small car on two wheels"),
    "harp": ("a harp", "a harp with six strings", "a colourful harp"),
    "fiddle": ("a fiddle", "a slanting violin", "a violin of many colours"),
}
_MOTIONS: dict[str, tuple[str, ...]] = {
    "drum": ("pulses", "throbs at every hit", "shakes with the beat"),
    "beacon": ("turns round and round", "spins", "sweeps its beam in circles"),
    "lamp": ("blinks on and off", "flashes", "lights up again and again"),
    "car": ("drives to and fro", "rolls across the picture and back", "goes back and forth"),
    "harp": ("trembles string by string", "quivers", "lets its strings swing"),
    "fiddle": ("is played with a long bow", "is bowed to and fro", "has a bow drawn across it"),
}
_AUDIO: dict[str, tuple[str, ...]] = {
    "boom": ("deep booms", "low heavy drum beats", "a deep bass drum"),
    "click": ("bright wooden clicks", "a sharp wood block", "dry high knocks"),
    "rattle": ("the hiss of a shaker", "short bursts of rattling", "a swishing maraca"),
    "wail": ("a siren wailing up and down", "a wailing siren", "the rising and falling of a siren"),
    "pluck": ("plucked notes", "single notes that quickly fade", "a tune picked on strings"),
    "bow": ("a long bowed chord", "sustained singing strings", "rich bowed strings with vibrato"),
}
_SURROUNDINGS: tuple[str, ...] = (
    "in front of a changing background",
    "before one wall after another",
    "in ever new colours",
    "as the scenery changes",
)
_PATTERNS: tuple[str, ...] = (
    "{object} {motion} to {audio}",
    "{object} {motion} {where} while {audio} can be heard",
    "{audio}, and {object} that {motion}",
    "{where}, {object} {motion}; one hears {audio}",
    "we hear {audio} as {object} {motion}",
    "{object} {motion} {where}, with {audio}",
)


def write_caption(rng: np.random.Generator, leaf: Leaf) -> str:
    """Describe a clip of a class, in words drawn at random."""
    caption = _pick(rng, _PATTERNS).format(
        object=_pick(rng, _OBJECTS[leaf.scene]),
        motion=_pick(rng, _MOTIONS[leaf.scene]),
        audio=_pick(rng, _AUDIO[leaf.audio]),
        where=_pick(rng, _SURROUNDINGS),
    )
    return caption[0].upper() + caption[1:]


def _pick(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[int(rng.integers(len(words)))]
