"""Write the embedded feature data set: features of videos made of embedded clips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from unlabelled.data.media.index import usable_cores
from unlabelled.data.synthetic.embedded_features import howto100m, tables
from unlabelled.data.synthetic.embedded_features.encoders import ImageEncoder
from unlabelled.data.synthetic.embedded_features.scenes import SceneFeatures, read_scene
from unlabelled.data.synthetic.embedded_features.videos import (
    Scene,
    draw_test_videos,
    draw_train_videos,
    read_scenes,
)
from unlabelled.data.synthetic.embedded_features.words import spoken, write_vocabulary
from unlabelled.data.synthetic.generated_folder import GeneratedFolder

FORMAT = 1  # to be raised whenever the same arguments result in other files
VECTORS = "word2vec.bin"
_TRAINING = (howto100m.LIST, howto100m.CAPTIONS, howto100m.FEATURES, howto100m.AUDIO)
_PARTS = (*_TRAINING, VECTORS, tables.VIDEOS, tables.SCENES)


def write_embedded_features(
    root: str,
    clips: str = "data/embedded",
    seed: int = 0,
    train_videos: int = 200,
    test_videos: int = 150,
    dim: int = 64,
    word_dim: int = 300,
    progress: bool = True,
) -> None:
    """Write features, captions and audio of videos made of embedded clips, in HowTo100M's layout.

    A training video has four to six training clips, each with its caption at its time. Below ``root``:

    - ``train.csv``: a column ``path`` of ``family/shelf/VIDEOID``, with the most frequent family;
    - ``features/<path>/<id>_2d.npz`` (``features (seconds, dim)``) and ``<id>_3d.npz``
      (``(1.5 * seconds, dim)``), ``audio/<path>/<id>_spec.npz`` (``arr_0 (40, 100 * seconds + 1)``), float16;
    - ``captions``: the table of captions, with times, without stop words;
    - ``word2vec.bin``: vectors ``(word_dim,)`` of all captions' words, without "a", "and", "of" and "to";
    - a table (:data:`~.tables.VIDEOS`) of held-out videos of three clips, each with a text of all three
      captions, and ``scenes``: a table of the held-out clips with their labels (see :mod:`~.tables`); and
      ``COMPLETE.json``.

    A finished data set of the same arguments is not changed; one of other arguments, or an incomplete one, is
    written again.

    Args:
        root: The folder; created if missing.
        clips: Folder that :func:`~unlabelled.data.synthetic.embedded.write_embedded` wrote.
        seed: The same seed gives the same videos and word vectors.
        train_videos: Number of training videos.
        test_videos: Number of videos to retrieve; up to 165 differ in the classes of their scenes.
        dim: Width of the 2D and of the 3D features.
        word_dim: Width of the word vectors.
        progress: Show a progress bar.

    Raises:
        ValueError: An argument is out of its range, or the duration of the clips is not an even number of
            seconds.
        FileNotFoundError: ``clips`` is not a finished embedded data set.
        FileExistsError: ``root`` holds files that were not written by this function.
    """
    _check(seed, train_videos=train_videos, test_videos=test_videos, dim=dim, word_dim=word_dim)
    clip_arguments = _read_arguments(clips)
    arguments = {
        "format": FORMAT,
        "clips": clip_arguments,
        "seed": seed,
        "train_films": train_videos,
        "test_films": test_videos,
        "dim": dim,
        "word_dim": word_dim,
    }

    def write(folder: Path) -> None:
        seconds = int(clip_arguments["duration"])
        train, test = read_scenes(clips, "train"), read_scenes(clips, "test")
        training = draw_train_videos(seed, train, train_videos)
        held_out = draw_test_videos(seed, test, test_videos)
        features = _read_scenes(clips, [*train, *test], seconds, dim, progress)
        howto100m.write_training_videos(folder, training, features, seconds)
        tables.write_videos(str(folder / tables.VIDEOS), held_out, features)
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


def _read_arguments(clips: str) -> dict[str, Any]:
    """Return the arguments with which the clips were written."""
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
    with ThreadPoolExecutor(min(usable_cores(), 8)) as threads:  # decoding and convolutions release the GIL
        read = threads.map(lambda scene: read_scene(Path(clips, scene.file), seconds, encoder), scenes)
        bar = tqdm(read, "extracting features", len(scenes), unit="clip", disable=not progress)
        return dict(zip(scenes, bar, strict=True))
