"""The embedded feature data set: HowTo100M in small, which this package makes of its own videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from datamodules.howto100m import HowTo100M
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.data.features.word_vectors import WordVectors
from unlabelled.data.synthetic.embedded import write_embedded
from unlabelled.data.synthetic.embedded_features import EmbeddedFilms, EmbeddedScenes, write_embedded_features
from unlabelled.data.synthetic.embedded_features.writer import VECTORS
from unlabelled.pipelines.features import FeaturePipeline, Stream


class EmbeddedFeatures(HowTo100M):
    """Narrated films of four to six scenes of the embedded data set, as HowTo100M's features, from a seed.

    Written once, by one process per machine, before the first run; so are the clips that they are made of.

    Args:
        root: Folder to write to, and to read from afterwards.
        pipeline: Makes tensors of clips; ``null``: with the data set's own word vectors and widths.
        clips_root: Folder of the clips, see :class:`~datamodules.embedded.Embedded`.
        data_seed: Seed of the data set and of its clips, apart from the run's.
        train_per_class: Training clips per class.
        test_per_class: Held-out clips per class.
        train_films: Films to train on.
        test_films: Held-out films to retrieve, up to 165 of which differ in their classes.
        dim: Width of the 2D and of the 3D features.
        word_dim: Width of the word vectors.
        evaluation: What validation goes through; ``null``: the held-out films (``films``: retrieval) and
            scenes (``scenes``: classes).
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
        train_films: int = 200,
        test_films: int = 150,
        dim: int = 64,
        word_dim: int = 300,
        evaluation: Sequence[EvaluationSet] | None = None,
        **kwargs: Any,
    ) -> None:
        words = WordVectors(f"{root}/{VECTORS}")
        pipeline = (
            pipeline if pipeline is not None else FeaturePipeline(words, Stream(dim, 1.0), Stream(dim, 1.5))
        )
        own = [EmbeddedFilms(root), EmbeddedScenes(root)]
        super().__init__(root, pipeline, evaluation=own if evaluation is None else evaluation, **kwargs)
        self.clips_root, self.data_seed = clips_root, data_seed
        self.train_per_class, self.test_per_class = train_per_class, test_per_class
        self.train_films, self.test_films = train_films, test_films
        self.dim, self.word_dim = dim, word_dim

    def prepare_data(self) -> None:
        """Write the files, if they are not there yet, and open them."""
        write_embedded(self.clips_root, self.data_seed, self.train_per_class, self.test_per_class)
        films = (self.train_films, self.test_films)
        write_embedded_features(self.root, self.clips_root, self.data_seed, *films, self.dim, self.word_dim)
        super().prepare_data()
