"""The embedded data set: small video files that this package generates."""

from __future__ import annotations

from typing import Any

from datamodules.generated_clips import GeneratedClips
from unlabelled.data.synthetic.embedded import write_embedded


class Embedded(GeneratedClips):
    """Nine classes in three families, written as H.264 and AAC in VGG-Sound's layout, from a seed.

    Some classes differ in video only, others in audio only.

    Args:
        root: Folder to write to, and to read from afterwards.
        data_seed: Seed of the data set, apart from the run's.
        train_per_class: Training clips per class.
        test_per_class: Held-out clips per class.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`.
    """

    def __init__(
        self,
        root: str = "data/embedded",
        data_seed: int = 0,
        train_per_class: int = 50,
        test_per_class: int = 25,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, data_seed, train_per_class, test_per_class, **kwargs)

    def write(self) -> None:
        """Draw and play the clips."""
        write_embedded(self.root, self.data_seed, self.train_per_class, self.test_per_class)
