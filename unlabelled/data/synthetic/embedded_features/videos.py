"""Videos of several random embedded clips, one after the other."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TypeVar

import numpy as np

from unlabelled.data.synthetic.clip_folder import draw_name
from unlabelled.data.synthetic.embedded.classes import LEAVES
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
class Video:
    """Scenes one after the other, with an identifier like those of YouTube."""

    identifier: str
    scenes: tuple[Scene, ...]

    @property
    def caption(self) -> str:
        """The captions of all scenes, each as a sentence."""
        return " ".join(f"{scene.caption}." for scene in self.scenes)

    @property
    def category(self) -> str:
        """The most frequent family of the scenes; the first one if there are several."""
        return Counter(LEAVES[scene.leaf].family for scene in self.scenes).most_common(1)[0][0]


def read_scenes(clips: str, split: str) -> list[Scene]:
    """Return the clips of a split of an embedded data set that :func:`write_embedded` wrote to ``clips``."""
    with Path(clips, "captions.csv").open(newline="", encoding="utf-8") as file:
        captions = dict(csv.reader(file))
    number = {leaf.name: index for index, leaf in enumerate(LEAVES)}
    with Path(clips, "vggsound.csv").open(newline="", encoding="utf-8") as file:
        return [
            Scene(f"video/{name}_{int(start):06d}.mp4", number[label], captions[name])
            for name, start, label, row_split in csv.reader(file)
            if row_split == split
        ]


def draw_train_videos(seed: int, scenes: Sequence[Scene], count: int) -> list[Video]:
    """Draw videos of four to six scenes of any classes; all scenes are used about equally often."""
    rng = numpy_generator(seed, "train films")
    scene_cycle, videos = _cycle_shuffled(rng, scenes), []
    for number in range(count):
        length = int(rng.integers(TRAIN_SCENES[0], TRAIN_SCENES[1] + 1))
        videos.append(_draw_video(rng, number, (next(scene_cycle) for _ in range(length))))
    return videos


def draw_test_videos(seed: int, scenes: Sequence[Scene], count: int) -> list[Video]:
    """Draw videos of three scenes, whose sets of classes differ as long as possible.

    Nine classes have 165 such combinations: up to 165 videos can be identified by the classes in their texts.

    Raises:
        ValueError: There are too few scenes for a video.
    """
    rng = numpy_generator(seed, "test films")
    by_leaf = [[scene for scene in scenes if scene.leaf == leaf] for leaf in range(len(LEAVES))]
    scene_cycles = [_cycle_shuffled(rng, own) for own in by_leaf]
    possible = [
        leaves
        for leaves in combinations_with_replacement(range(len(LEAVES)), TEST_SCENES)
        if all(times <= len(by_leaf[leaf]) for leaf, times in Counter(leaves).items())
    ]
    if not possible:
        raise ValueError(f"{len(scenes)} held-out clips are too few for a video of {TEST_SCENES}; write more")
    chosen = _cycle_shuffled(rng, possible)
    return [_draw_video(rng, n, _shuffled_scenes(rng, scene_cycles, next(chosen))) for n in range(count)]


def _shuffled_scenes(
    rng: np.random.Generator, scene_cycles: Sequence[Iterator[Scene]], leaves: Sequence[int]
) -> Iterator[Scene]:
    """Yield a scene of each class, in random order, without repetition."""
    used: set[Scene] = set()
    for leaf in rng.permutation(leaves).tolist():
        scene = next(scene for scene in scene_cycles[leaf] if scene not in used)
        used.add(scene)
        yield scene


def _draw_video(rng: np.random.Generator, number: int, scenes: Iterable[Scene]) -> Video:
    return Video(draw_name(rng, number)[0], tuple(scenes))


def _cycle_shuffled(rng: np.random.Generator, items: Sequence[Item]) -> Iterator[Item]:
    """Yield all items in random order, again and again, each time in another order."""
    while items:
        yield from (items[index] for index in rng.permutation(len(items)).tolist())
