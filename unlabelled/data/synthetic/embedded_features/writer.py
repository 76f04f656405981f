"""Write the embedded feature data set: features of films made of embedded clips, to try everything on."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from unlabelled.data.synthetic.embedded_features import howto100m, tables
from unlabelled.data.synthetic.embedded_features.encoders import ImageEncoder
from unlabelled.data.synthetic.embedded_features.scenes import SceneFeatures, read_scene
from unlabelled.data.synthetic.embedded_features.videos import (
    Scene,
    draw_test_films,
    draw_train_films,
    read_scenes,
)
from unlabelled.data.synthetic.embedded_features.words import spoken, write_vocabulary
from unlabelled.data.synthetic.generated_folder import GeneratedFolder

FORMAT = 1  # to be raised whenever the same arguments would give other files
VECTORS = "word2vec.bin"
_TRAINING = (howto100m.LIST, howto100m.CAPTIONS, howto100m.FEATURES, howto100m.AUDIO)
_PARTS = (*_TRAINING, VECTORS, tables.FILMS, tables.SCENES)


def write_embedded_features(
    root: str,
    clips: str = "data/embedded",
    seed: int = 0,
    train_films: int = 200,
    test_films: int = 150,
    dim: int = 64,
    word_dim: int = 300,
    progress: bool = True,
) -> None:
    """Write features, captions and sound of films made of embedded clips, in HowTo100M's layout.

    A training film has four to six training clips, each with its caption at its time. Below ``root``:

    - ``train.csv``: a column ``path`` of ``family/shelf/VIDEOID``, family being that of most scenes;
    - ``features/<path>/<id>_2d.npz`` (``features (seconds, dim)``) and ``<id>_3d.npz``
      (``(1.5 * seconds, dim)``), ``audio/<path>/<id>_spec.npz`` (``arr_0 (40, 100 * seconds + 1)``), float16;
    - ``captions``: the table of them, with seconds, without stop words;
    - ``word2vec.bin``: vectors ``(word_dim,)`` of all captions' words, without "a", "and", "of" and "to";
    - ``films``: a table of held-out films of three clips, each with a text of all three captions, and
      ``scenes``: one of the held-out clips with their labels (see :mod:`~.tables`); and ``COMPLETE.json``.

    A finished data set of equal arguments is left as it is; one of other arguments, or one that was
    interrupted, is written anew.

    Args:
        root: The folder; created where missing.
        clips: Folder that :func:`~unlabelled.data.synthetic.embedded.write_embedded` wrote.
        seed: The same seed gives the same films and word vectors.
        train_films: Films to train on.
        test_films: Films to retrieve; up to 165 differ in the classes of their scenes.
        dim: Length of the 2D and of the 3D features.
        word_dim: Length of word vectors.
        progress: Show a progress bar.

    Raises:
        ValueError: An argument is out of its range, or clips do not last an even number of seconds.
        FileNotFoundError: ``clips`` is not a finished embedded data set.
        FileExistsError: ``root`` holds files that were not written by this function.
    """
    _check(seed, train_films=train_films, test_films=test_films, dim=dim, word_dim=word_dim)
    made_of = _written_with(clips)
    arguments = {
        "format": FORMAT,
        "clips": made_of,
        "seed": seed,
        "train_films": train_films,
        "test_films": test_films,
        "dim": dim,
        "word_dim": word_dim,
    }

    def write(folder: Path) -> None:
        seconds = int(made_of["duration"])
        train, test = read_scenes(clips, "train"), read_scenes(clips, "test")
        shown, asked = draw_train_films(seed, train, train_films), draw_test_films(seed, test, test_films)
        features = _read_scenes(clips, [*train, *test], seconds, dim, progress)
        howto100m.write_training_films(folder, shown, features, seconds)
        tables.write_films(str(folder / tables.FILMS), asked, features)
        tables.write_scenes(str(folder / tables.SCENES), test, features)
        texts = [scene.caption for scene in (*train, *test)]
        write_vocabulary(str(folder / VECTORS), seed, [*texts, *map(spoken, texts)], word_dim)

    GeneratedFolder(root, arguments, _PARTS, "write_embedded_features").fill(write)


def _check(seed: int, **counts: int) -> None:
    if seed < 0:
        raise ValueError(f"seed {seed} must be 0 or more")
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} {count} must be 1 or more")


def _written_with(clips: str) -> dict[str, Any]:
    """Return the arguments that the clips were written with."""
    path = Path(clips, "COMPLETE.json")
    try:
        arguments: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path} is missing: call write_embedded({clips!r}) first") from error
    duration = arguments["duration"]
    if duration % 2:
        raise ValueError(
            f"{clips} has clips of {duration:g} s, but 3D features need an even number of seconds"
        )
    return arguments


def _read_scenes(
    clips: str, scenes: Sequence[Scene], seconds: int, dim: int, progress: bool
) -> dict[Scene, SceneFeatures]:
    encoder = ImageEncoder(dim)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(min(cores, 8)) as threads:  # decoding and convolutions let others run meanwhile
        read = threads.map(lambda scene: read_scene(Path(clips, scene.file), seconds, encoder), scenes)
        bar = tqdm(read, "extracting features", len(scenes), unit="clip", disable=not progress)
        return dict(zip(scenes, bar, strict=True))
