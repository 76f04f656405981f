"""The embedded feature data set in tiny: 2-second clips of 64 x 48 pixels, two or three of each class."""

from __future__ import annotations

from pathlib import Path

from unlabelled.data.synthetic.embedded import write_embedded
from unlabelled.data.synthetic.embedded_features import write_embedded_features

CLIPS = {"train_per_class": 2, "test_per_class": 3}
GENERATED_VIDEOS = {"train_videos": 12, "test_videos": 20, "dim": 16, "word_dim": 8}


def write_clips(root: Path, seed: int = 0) -> str:
    """Write the clips; return their folder."""
    write_embedded(str(root), seed, **CLIPS, duration=2.0, size=(64, 48), num_workers=0, progress=False)
    return str(root)


def write_videos(root: Path, clips: str, seed: int = 0) -> str:
    """Write the features of videos made of clips; return their folder."""
    write_embedded_features(str(root), clips, seed, **GENERATED_VIDEOS, progress=False)
    return str(root)
