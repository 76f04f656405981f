"""The embedded feature data set: a small data set like HowTo100M, made of the embedded clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datamodules.howto100m import HowTo100M
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.data.features.word_vectors import WordVectors
from unlabelled.data.synthetic.embedded import write_embedded
from unlabelled.data.synthetic.embedded_features import (
    EmbeddedScenes,
    EmbeddedVideos,
    write_embedded_features,
)
from unlabelled.data.synthetic.embedded_features.writer import VECTORS
from unlabelled.pipelines.features import FeaturePipeline, Stream


class EmbeddedFeatures(HowTo100M):
    """Narrated videos of four to six clips of the embedded data set, as features in HowTo100M's layout.

    The files and the clips are written once, by one process per machine, before the first run.

    Args:
        root: Folder to write to, and to read from afterwards.
        pipeline: Makes tensors of clips; ``null``: with the word vectors and widths of this data set.
        clips_root: Folder of the clips, see :class:`~datamodules.embedded.Embedded`.
        data_seed: Seed of the data set and of its clips, apart from the run's.
        train_per_class: Training clips per class.
        test_per_class: Held-out clips per class.
        train_videos: Number of training videos.
        test_videos: Number of held-out videos to retrieve; up to 165 differ in their classes.
        dim: Width of the 2D and of the 3D features.
        word_dim: Width of the word vectors.
        evaluation: Evaluation sets of validation; ``null``: the held-out videos (retrieval) and scenes
            (classification).
        **kwargs: See :class:`~datamodules.howto100m.HowTo100M`.
    """

    def __init__(
        self,
        root: str = "data/embedded_features",
        pipeline: FeaturePipeline | None = None,
        clips_root: str = "data/embedded",
        data_seed: int = 0,
        train_per_class: int = 50,
        test_per_class: int = 25,
        train_videos: int = 200,
        test_videos: int = 150,
        dim: int = 64,
        word_dim: int = 300,
        evaluation: Sequence[EvaluationSet] | None = None,
        **kwargs: Any,
    ) -> None:
        words = WordVectors(f"{root}/{VECTORS}")
        pipeline = (
            pipeline if pipeline is not None else FeaturePipeline(words, Stream(dim, 1.0), Stream(dim, 1.5))
        )
        own = [EmbeddedVideos(root), EmbeddedScenes(root)]
        super().__init__(root, pipeline, evaluation=own if evaluation is None else evaluation, **kwargs)
        self.clips_root, self.data_seed = clips_root, data_seed
        self.train_per_class, self.test_per_class = train_per_class, test_per_class
        self.train_videos, self.test_videos = train_videos, test_videos
        self.dim, self.word_dim = dim, word_dim

    def prepare_data(self) -> None:
        """Write the files if they are absent, and open them."""
        write_embedded(self.clips_root, self.data_seed, self.train_per_class, self.test_per_class)
        videos = (self.train_videos, self.test_videos)
        write_embedded_features(self.root, self.clips_root, self.data_seed, *videos, self.dim, self.word_dim)
        super().prepare_data()
