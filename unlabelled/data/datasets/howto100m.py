"""HowTo100M features in the published layout: folders of ``.npz`` files, captions, sampled clips."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from unlabelled.data.datasets.howto100m_list import HowTo100MIndex, video_id
from unlabelled.data.datasets.samples import SampleDataset
from unlabelled.data.features.captions import CaptionTable
from unlabelled.data.features.clip_sampling import AudioShift, ClipWindow, sample_clip
from unlabelled.data.features.feature_files import read_array
from unlabelled.data.features.tokens import Rows, frames_seconds
from unlabelled.data.inside import link_out
from unlabelled.data.media.reader import DecodeError
from unlabelled.pipelines.features import FeaturePipeline, RawClip


@dataclass(frozen=True)
class FeatureFiles:
    """Paths of the features of a video, below the root; ``{path}`` is as listed, ``{id}`` its last component.

    Attributes:
        rows_2d: Paths of 2D features; the first file that exists is read.
        rows_3d: Paths of 3D features.
        spectrogram: Paths of log-mel spectrograms ``(40, frames)``.
        key_2d: Name of the array of 2D features in the ``.npz``.
        key_3d: Name of the array of 3D features.
        key_spectrogram: Name of the array of the spectrogram.
        allow_outside: Read files that lie outside of the root by a link.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/howto_dataset.py;
    docs/methods/sspc.md#features.
    """

    rows_2d: Sequence[str] = ("features/{path}/{id}_2d.npz", "features/{path}_2d.npz")
    rows_3d: Sequence[str] = (
        "features/{path}/{id}_3d.npz",
        "features/{path}_3d.npz",
        "features_3d/{path}/{id}.npz",
    )
    spectrogram: Sequence[str] = ("audio/{path}/{id}_spec.npz", "audio/{path}_spec.npz")
    key_2d: str = "features"
    key_3d: str = "features"
    key_spectrogram: str = "arr_0"
    allow_outside: bool = False

    def part(self, name: str) -> tuple[Sequence[str], str]:
        """Return the path templates and the key of ``rows_2d``, ``rows_3d`` or ``spectrogram``."""
        return {
            "rows_2d": (self.rows_2d, self.key_2d),
            "rows_3d": (self.rows_3d, self.key_3d),
            "spectrogram": (self.spectrogram, self.key_spectrogram),
        }[name]

    def paths(self, root: str, path: str, name: str) -> list[str]:
        """Return the possible files of a part of a video, which is listed as ``path``.

        Example:
            >>> FeatureFiles().paths("data", "Food/abc", "rows_2d")
            ['data/features/Food/abc/abc_2d.npz', 'data/features/Food/abc_2d.npz']
        """
        templates, _ = self.part(name)
        return [
            f"{root}/{template.replace('{id}', video_id(path)).replace('{path}', path)}"
            for template in templates
        ]

    def exists(self, root: str, path: str, name: str) -> bool:
        """Return whether there is a file of a part of a video."""
        return any(map(os.path.isfile, self.paths(root, path, name)))

    def read(self, root: str, path: str, name: str) -> tuple[Rows, str]:
        """Return a part of a video, and the name of its source.

        Raises:
            DecodeError: The part is missing or unreadable, or lies outside of the root.
        """
        _, key = self.part(name)
        paths = self.paths(root, path, name)
        for file in paths if not self.allow_outside else ():
            if target := link_out(root, file.removeprefix(f"{root}/")):
                raise DecodeError(
                    file, f"a link to {target}, outside of the root; allow_outside of files reads it"
                )
        return read_array(paths, key)


PUBLISHED_FILES = FeatureFiles()


class HowTo100MClips(SampleDataset):
    """Videos with ``clips`` clips each, drawn with replacement; see :func:`sample_clip`.

    A sample has the pipeline's tensors with an additional first dimension, ``(clips, ...)``, and ``label
    ()``, the category. A video whose features are missing or invalid is replaced by another one.

    Args:
        root: Folder of the data set.
        index: The videos.
        captions: Captions of the videos.
        files: Paths of the features.
        pipeline: Makes tensors of clips.
        clips: Clips per video.
        min_time: Least length of a clip, in seconds.
        audio_shift: See :func:`~unlabelled.data.features.clip_sampling.sample_clip`.
    """

    def __init__(
        self,
        root: str,
        index: HowTo100MIndex,
        captions: CaptionTable,
        files: FeatureFiles,
        pipeline: FeaturePipeline,
        clips: int = 10,
        min_time: float = 8.0,
        audio_shift: AudioShift = "forward",
    ) -> None:
        self.root, self.index, self.captions = root, index, captions
        self.files, self.pipeline = files, pipeline
        self.clips, self.min_time, self.audio_shift = clips, min_time, audio_shift

    def __len__(self) -> int:
        return len(self.index)

    def path(self, row: int) -> str:
        """Return the path of one video, as listed."""
        return self.index.paths[row]

    def read(self, row: int, rng: np.random.Generator) -> dict[str, Any]:
        """Return the tensors of a video's clips and its ``label``."""
        clips = self.raw_clips(row, rng, self.clips)
        sample: dict[str, Any] = dict(self.pipeline.load_clips(clips))
        return {**sample, "label": torch.tensor(self.index.category(row))}

    def raw_clips(self, row: int, rng: np.random.Generator, number: int) -> list[RawClip]:
        """Draw clips of one video.

        Raises:
            DecodeError: A file is missing or unreadable.
        """
        path = self.path(row)
        found = {part: self.files.read(self.root, path, part) for part in self.pipeline.parts}
        arrays = {part: array for part, (array, _) in found.items()}
        sources = {part: where for part, (_, where) in found.items()}
        captions = self.captions[self.index.caption_row(row)]
        duration = self._seconds(arrays, sources)
        windows = [
            sample_clip(captions, duration, rng, self.min_time, self.audio_shift) for _ in range(number)
        ]
        return [
            _raw_clip(path, window, captions.texts(window.captions), arrays, sources) for window in windows
        ]

    def _seconds(self, arrays: dict[str, Rows], sources: dict[str, str]) -> float:
        """Return the duration of a video, from its spectrogram, or from its 2D rows if it has no audio."""
        name, axis = ("spectrogram", 1) if "spectrogram" in arrays else ("rows_2d", 0)
        if arrays[name].ndim != 2:
            raise DecodeError(sources[name], f"expected an array of 2 dimensions, found {arrays[name].shape}")
        length = arrays[name].shape[axis]
        return frames_seconds(length) if axis else length / self.pipeline.stream_2d.fps


def _raw_clip(
    name: str, window: ClipWindow, texts: list[str], arrays: dict[str, Rows], sources: dict[str, str]
) -> RawClip:
    return RawClip(
        name=name,
        texts=texts,
        start=window.start,
        end=window.end,
        audio_span=(window.audio_start, window.audio_end),
        sources=sources,
        **arrays,
    )
