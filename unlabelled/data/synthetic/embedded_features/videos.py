"""Films: several embedded clips one after the other, which clips being drawn at random."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TypeVar

import numpy as np

from unlabelled.data.synthetic.embedded.classes import LEAVES
from unlabelled.data.synthetic.embedded.clip import draw_name
from unlabelled.seeding import numpy_generator

TRAIN_SCENES = (4, 6)
TEST_SCENES = 3
Item = TypeVar("Item")


@dataclass(frozen=True)
class Scene:
    """An embedded clip: its file below the data set's folder, its class (in ``LEAVES``) and its caption."""

    file: str
    leaf: int
    caption: str


@dataclass(frozen=True)
class Film:
    """Scenes one after the other, under an identifier like YouTube's."""

    identifier: str
    scenes: tuple[Scene, ...]

    @property
    def caption(self) -> str:
        """All scenes' captions, each as a sentence."""
        return " ".join(f"{scene.caption}." for scene in self.scenes)

    @property
    def category(self) -> str:
        """The family that most scenes are of; of several, the first to appear."""
        return Counter(LEAVES[scene.leaf].family for scene in self.scenes).most_common(1)[0][0]


def read_scenes(clips: str, split: str) -> list[Scene]:
    """Return the clips of a split of an embedded data set that :func:`write_embedded` wrote to ``clips``."""
    with Path(clips, "captions.csv").open(newline="", encoding="utf-8") as file:
        captions = dict(csv.reader(file))
    number = {leaf.name: place for place, leaf in enumerate(LEAVES)}
    with Path(clips, "vggsound.csv").open(newline="", encoding="utf-8") as file:
        return [
            Scene(f"video/{name}_{int(start):06d}.mp4", number[label], captions[name])
            for name, start, label, row_split in csv.reader(file)
            if row_split == split
        ]


def draw_train_films(seed: int, scenes: Sequence[Scene], count: int) -> list[Film]:
    """Draw films of four to six scenes of any classes; all scenes are in about as many films."""
    rng = numpy_generator(seed, "train films")
    endless, films = _in_turns(rng, scenes), []
    for number in range(count):
        length = int(rng.integers(TRAIN_SCENES[0], TRAIN_SCENES[1] + 1))
        films.append(_film(rng, number, (next(endless) for _ in range(length))))
    return films


def draw_test_films(seed: int, scenes: Sequence[Scene], count: int) -> list[Film]:
    """Draw films of three scenes, no two of the same classes in whatever order, as long as there are others.

    Nine classes have 165 such combinations. So who recognises classes, in pictures and texts, finds each
    of up to 165 films.
    """
    rng = numpy_generator(seed, "test films")
    by_leaf = [[scene for scene in scenes if scene.leaf == leaf] for leaf in range(len(LEAVES))]
    endless = [_in_turns(rng, own) for own in by_leaf]
    possible = [
        leaves
        for leaves in combinations_with_replacement(range(len(LEAVES)), TEST_SCENES)
        if all(times <= len(by_leaf[leaf]) for leaf, times in Counter(leaves).items())
    ]
    if not possible:
        raise ValueError(f"{len(scenes)} held-out clips are too few for a film of {TEST_SCENES}; write more")
    chosen = _in_turns(rng, possible)
    return [_film(rng, n, _arranged(rng, endless, next(chosen))) for n in range(count)]


def _arranged(
    rng: np.random.Generator, endless: Sequence[Iterator[Scene]], leaves: Sequence[int]
) -> Iterator[Scene]:
    """A scene of each class, in random order; none is there twice."""
    taken: set[Scene] = set()
    for leaf in rng.permutation(leaves).tolist():
        scene = next(scene for scene in endless[leaf] if scene not in taken)
        taken.add(scene)
        yield scene


def _film(rng: np.random.Generator, number: int, scenes: Iterable[Scene]) -> Film:
    return Film(draw_name(rng, number)[0], tuple(scenes))


def _in_turns(rng: np.random.Generator, items: Sequence[Item]) -> Iterator[Item]:
    """Endlessly, all of the items in random order, then all in another one."""
    while items:
        yield from (items[place] for place in rng.permutation(len(items)).tolist())
