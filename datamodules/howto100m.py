"""HowTo100M (Miech et al. 2019): 1.2 million narrated videos, as pre-extracted features."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from datamodules.text_video import TextVideoDataModule
from unlabelled.data.datasets.howto100m import PUBLISHED_FILES, FeatureFiles, HowTo100MClips
from unlabelled.data.datasets.howto100m_list import HowTo100MIndex, open_list, video_id
from unlabelled.data.features.captions import CaptionTable
from unlabelled.data.features.clip_sampling import AudioShift
from unlabelled.data.media.index import EmptyIndexError
from unlabelled.pipelines.features import FeaturePipeline
from unlabelled.transforms.checks import check_at_least, check_positive


class HowTo100M(TextVideoDataModule[HowTo100MIndex]):
    """Clips of the videos of a list: video features, spoken words and audio.

    The list and the captions are memory-mapped: 1.2 million videos take seconds to open and almost no
    memory. Videos without captions are left out and logged; those whose features are missing or damaged are
    replaced by others and logged. The clips of a video depend on the seed, the epoch and the video.

    Args:
        root: Folder of the data set.
        pipeline: Makes tensors of clips.
        list_file: Text with a column ``path`` of ``category/.../video``, relative to ``root``.
        captions: Table of captions, relative to ``root``; ``python -m unlabelled convert`` makes it.
        files: Paths of the features, below ``root``.
        clips_per_video: Clips drawn from each video, with replacement; they are adjacent in a batch.
        min_time: Least length of a clip, in seconds.
        audio_shift: Where the audio of captioned clips begins: half of ``min_time`` after the clip
            (``forward``), before or after it (``random``), or with it (``none``).
        batch_size: Videos per rank and step in training.
        **kwargs: See :class:`~datamodules.text_video.TextVideoDataModule`.

    Raises:
        FileNotFoundError: The list or the table of captions is missing.
        EmptyIndexError: No video of the list has captions.
        ValueError: A number is out of its range.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/howto_dataset.py;
    docs/methods/sspc.md#features and #clip-sampling.
    """

    def __init__(
        self,
        root: str,
        pipeline: FeaturePipeline,
        list_file: str = "train.csv",
        captions: str = "captions",
        files: FeatureFiles = PUBLISHED_FILES,
        clips_per_video: int = 10,
        min_time: float = 8.0,
        audio_shift: AudioShift = "forward",
        batch_size: int = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, pipeline, batch_size=batch_size, **kwargs)
        check_at_least(self, 1, clips_per_video=clips_per_video)
        check_positive(self, min_time=min_time)
        self.list_file, self.captions, self.files = list_file, captions, files
        self.clips_per_video, self.min_time, self.audio_shift = clips_per_video, min_time, audio_shift

    @property
    def class_names(self) -> Sequence[str]:
        """The categories of the training videos in alphabetical order."""
        return self._index("train").categories

    @cached_property
    def caption_table(self) -> CaptionTable:
        """The captions of all videos."""
        path = os.path.join(self.root, self.captions)
        try:
            return CaptionTable(path)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"HowTo100M: there is no table of captions in {path}; make it from HowTo100M's caption.json "
                f"or a pickle of it: python -m unlabelled convert caption.json {path}"
            ) from error

    def find(self, split: str) -> HowTo100MIndex:
        """Return the videos of the list that have captions."""
        table = open_list(self.root, os.path.join(self.root, self.list_file), self.caption_table)
        index = HowTo100MIndex(table, split)
        if len(index) == 0:
            raise EmptyIndexError(f"HowTo100M: no usable video below root={self.root!r} in {index.summary()}")
        return index

    def videos(self, split: str) -> Sequence[str]:
        """Return the identifiers of the listed training videos, or of those of the evaluation sets."""
        return list(map(video_id, self._indices[split].paths)) if split == "train" else super().videos(split)

    def dataset(self, split: str, train: bool) -> HowTo100MClips:
        """Return the training videos; ``train`` has no effect, as the epoch determines the draws."""
        return HowTo100MClips(
            self.root,
            self._indices[split],
            self.caption_table,
            self.files,
            self.active_pipeline,
            self.clips_per_video,
            self.min_time,
            self.audio_shift,
        )

    def clip_paths(self, split: str) -> Sequence[str]:
        """Return the listed paths of training videos, or the names of evaluation samples."""
        return self._indices[split].paths if split == "train" else super().clip_paths(split)
