"""A tiny HowTo100M: list, captions, features and audio in the published layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unlabelled.data.features.captions import write_captions
from unlabelled.data.features.text_encoder import TextEncoder, TextTokens
from unlabelled.data.features.word_vectors import words_of
from unlabelled.pipelines.features import FeaturePipeline, Stream

DIM_2D, DIM_3D, DIM_TEXT = 3, 4, 2
SECONDS = 30
WORDS = ("cut", "the", "onion", "stir", "now")


class Alphabet(TextEncoder):
    """Knows :data:`WORDS`: each one's place among them, and one more."""

    dim = property(lambda self: DIM_TEXT)

    def open(self) -> None:
        pass

    def encode(self, text: str, max_words: int) -> TextTokens:
        words = words_of(text)
        known = [WORDS.index(word) + 1 for word in words if word in WORDS]
        tokens = np.repeat(np.array(known[:max_words], np.float32)[:, None], DIM_TEXT, axis=1)
        return TextTokens(tokens, len(words), len(words) - len(known))


def small_pipeline(**more: Any) -> FeaturePipeline:
    sizes = {"video_tokens": 12, "audio_frames": 768, "max_words": 6}
    streams = {"stream_2d": Stream(DIM_2D, 1.0), "stream_3d": Stream(DIM_3D, 1.5)}
    return FeaturePipeline(**{"text": Alphabet(), **streams, **sizes, **more})


def features(seconds: int = SECONDS, seed: int = 0) -> dict[str, np.ndarray]:
    """Features and spectrogram of one video."""
    rng = np.random.default_rng(seed)
    return {
        "2d": rng.normal(size=(seconds, DIM_2D)).astype(np.float16),
        "3d": rng.normal(size=(int(1.5 * seconds), DIM_3D)).astype(np.float16),
        "spec": rng.uniform(-80, 0, size=(40, 100 * seconds)).astype(np.float16),
    }


def write_video(root: Path, path: str, **arrays: np.ndarray) -> None:
    """Write the files of one video; what is not given is not written."""
    name = path.rsplit("/", 1)[-1]
    for part, array in arrays.items():
        folder = root / ("audio" if part == "spec" else "features") / path
        folder.mkdir(parents=True, exist_ok=True)
        key = "arr_0" if part == "spec" else "features"
        np.savez(folder / f"{name}_{part}.npz", **{key: array})


def captions(*texts: str, each: float = 4.0) -> dict[str, Any]:
    """Captions one after the other."""
    starts = [each * place for place in range(len(texts))]
    return {"start": starts, "end": [start + each for start in starts], "text": list(texts)}


def write_root(root: Path, videos: int = 6) -> list[str]:
    """Write ``videos`` whole videos of two categories, one without captions and one with none but in name."""
    paths = [f"{'food' if n % 2 else 'art'}/v_{n}/id{n}" for n in range(videos)]
    spoken = ["cut the onion", "stir now", "the the the", "unheard of", "", "now", "stir the onion", "cut"]
    for number, path in enumerate(paths):
        write_video(root, path, **features(seed=number))
    listed = [*paths[:2], "food/v_9/silent", "None/food/v_9/unlisted", *paths[2:]]
    (root / "train.csv").write_text("path\n" + "\n".join(listed) + "\n")
    table = {**{f"id{n}": captions(*spoken) for n in range(videos)}, "silent": captions()}
    write_captions(str(root / "captions"), table.items())
    return paths
