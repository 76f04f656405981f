"""HowTo100M's categories as a labelled set, for figures of clusters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unlabelled.data.datasets.evaluation_sets import LabelledSet
from unlabelled.data.datasets.howto100m import PUBLISHED_FILES, FeatureFiles, HowTo100MClips
from unlabelled.data.datasets.howto100m_list import HowTo100MIndex, open_list, video_id
from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.data.features.captions import CaptionTable
from unlabelled.pipelines.features import FeaturePipeline
from unlabelled.seeding import numpy_generator


class HowTo100MCategories(LabelledSet):
    """Videos of a list, each with one clip, the same in every run, and its category as label.

    Args:
        root: Folder of the data set.
        list_file: Text with a column ``path`` of ``category/.../video``, relative to ``root``.
        captions: Table of captions, relative to ``root``.
        files: Paths of the features, below ``root``.
        max_videos: Largest number of videos, evenly spread over the list; ``null``: all.
        min_time: Least duration of a clip, in seconds.
        name: A part of the metrics' names.
    """

    def __init__(
        self,
        root: str,
        list_file: str,
        captions: str = "captions",
        files: FeatureFiles = PUBLISHED_FILES,
        max_videos: int | None = None,
        min_time: float = 8.0,
        name: str = "howto100m",
    ) -> None:
        self.root, self.list_file, self.captions, self.files = root, list_file, captions, files
        self.max_videos, self.min_time, self.name = max_videos, min_time, name

    @cached_property
    def index(self) -> HowTo100MIndex:
        """The videos of the list that have captions."""
        captions = CaptionTable(f"{self.root}/{self.captions}")
        return HowTo100MIndex(open_list(self.root, f"{self.root}/{self.list_file}", captions), self.name)

    @property
    def class_names(self) -> Sequence[str]:
        """The categories in alphabetical order."""
        return self.index.categories

    def open(self) -> None:
        """Find the list and the captions; see :meth:`EvaluationSet.open`.

        Raises:
            ValueError: No video is usable.
        """
        if len(self.index) == 0:
            raise ValueError(f"HowTo100MCategories: no usable video in {self.index.summary()}")

    def __len__(self) -> int:
        listed = len(self.index)
        return listed if self.max_videos is None else min(listed, self.max_videos)

    def dataset(self, pipeline: FeaturePipeline) -> SampleDataset:
        """Return one clip of each video."""
        captions = CaptionTable(f"{self.root}/{self.captions}")
        videos = HowTo100MClips(self.root, self.index, captions, self.files, pipeline, 1, self.min_time)
        return _FixedClips(videos, self._rows)

    def title(self, row: int) -> str:
        """Return a video's identifier."""
        return video_id(self.index.paths[int(self._rows[row])])

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        return np.linspace(0, len(self.index) - 1, len(self)).round().astype(np.int64)


class _FixedClips(SampleDataset):
    """One clip of each of some videos, the same in every run."""

    def __init__(self, videos: HowTo100MClips, rows: NDArray[np.int64]) -> None:
        self.videos, self.rows = videos, rows

    def __len__(self) -> int:
        return len(self.rows)

    def path(self, row: int) -> str:
        """Return the path of one video, as listed."""
        return self.videos.path(int(self.rows[row]))

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the tensors of a video's clip, and its ``label``."""
        listed = int(self.rows[row])
        fixed = numpy_generator("howto100m categories", listed)
        (clip,) = self.videos.raw_clips(listed, fixed, 1)
        label = torch.tensor(self.videos.index.category(listed))
        return {**self.videos.pipeline.load(clip), "label": label}
