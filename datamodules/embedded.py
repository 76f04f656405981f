"""The embedded data set: small real media files that this package draws and plays itself."""

from __future__ import annotations

from typing import Any

from datamodules.vggsound import VGGSound
from unlabelled.data.embedded import write_embedded


class Embedded(VGGSound):
    """Nine classes in three families, written as H.264 and AAC in VGG-Sound's layout, from a seed.

    Sight alone and sound alone each confuse some classes; only both together tell all apart. Written once,
    by one process per machine, before the first run.

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
        super().__init__(root, **kwargs)
        self.data_seed = data_seed
        self.train_per_class, self.test_per_class = train_per_class, test_per_class

    def prepare_data(self) -> None:
        """Write the files, if they are not there yet, and check them."""
        write_embedded(self.root, self.data_seed, self.train_per_class, self.test_per_class)
        super().prepare_data()
