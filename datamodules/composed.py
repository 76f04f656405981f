"""Small data sets composed of images in motion and audio, which differ in their nuisances."""

from __future__ import annotations

from typing import Any, ClassVar

from datamodules.generated_clips import GeneratedClips
from unlabelled.data.real import get_fashion_mnist, get_sound_font
from unlabelled.data.synthetic.composed import (
    DigitsSet,
    GarmentsSet,
    PatternsSet,
    SmallGarmentsSet,
    write_composed,
)


class Garments(GeneratedClips):
    """Ten classes in four families: photographs of garments in motion, with notes of sampled instruments.

    Real photographs (Fashion-MNIST) and real audio (a sound font), in clips of 3 to 5 s. An object's colour
    and its background are constant in a clip; drums are mixed into half of the clips. Playing the notes takes
    the package tinysoundfont; ``make real-data`` installs it and fetches both sources.

    Args:
        root: Folder to write to, and to read from afterwards.
        data_seed: Seed of the data set, apart from the run's.
        train_per_class: Training clips per class.
        test_per_class: Held-out clips per class; their photographs are those of Fashion-MNIST's test set.
        real_root: Folder of the sources.
        sound_font: Another General MIDI sound font; ``null``: FluidR3 GM.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`.

    Raises:
        ConnectionError: A source is absent and cannot be fetched.
    """

    composed: ClassVar[type[GarmentsSet]] = GarmentsSet

    def __init__(
        self,
        root: str = "data/garments",
        data_seed: int = 0,
        train_per_class: int = 40,
        test_per_class: int = 20,
        real_root: str = "data/real",
        sound_font: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, data_seed, train_per_class, test_per_class, **kwargs)
        self.real_root, self.sound_font = real_root, sound_font

    def write(self) -> None:
        """Fetch the sources and compose the clips."""
        photographs = get_fashion_mnist(self.real_root)
        sound_font = get_sound_font(self.real_root, self.sound_font)
        checksums = tuple({**photographs.checksums, **sound_font.checksums}.items())
        source = self.composed(photographs.path, sound_font.path, checksums)
        write_composed(self.root, source, self.data_seed, self.train_per_class, self.test_per_class)


class SmallGarments(Garments):
    """Garments for sound localisation: a third of the area, anywhere in the frame, beside a digit.

    In :class:`Garments` the object fills so much of the frame that a box in its centre overlaps more with the
    boxes than the exact outline of the object does. Here neither that box nor the most conspicuous object is
    right: each garment moves in front of a handwritten digit without audio. Tunes, photographs and
    splits are as in :class:`Garments`.

    Args:
        root: Folder to write to, and to read from afterwards.
        **kwargs: See :class:`Garments`.
    """

    composed = SmallGarmentsSet

    def __init__(self, root: str = "data/small_garments", **kwargs: Any) -> None:
        super().__init__(root, **kwargs)


class Digits(GeneratedClips):
    """Eight classes in three families: small handwritten digits in motion, with synthetic vowels.

    Short clips of 1.2 to 2.4 s, mono. The digit covers about half of the frame's height and roams through the
    whole frame; its colour and the background are constant in a clip.

    Args:
        root: Folder to write to, and to read from afterwards.
        data_seed: Seed of the data set, apart from the run's.
        train_per_class: Training clips per class.
        test_per_class: Held-out clips per class.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`.
    """

    def __init__(
        self,
        root: str = "data/digits",
        data_seed: int = 0,
        train_per_class: int = 40,
        test_per_class: int = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, data_seed, train_per_class, test_per_class, **kwargs)

    def write(self) -> None:
        """Compose the clips."""
        write_composed(self.root, DigitsSet(), self.data_seed, self.train_per_class, self.test_per_class)


class Patterns(GeneratedClips):
    """Eight classes in three families: textures that fill the frame, with noises.

    Clips of 4 to 7 s, stereo, 10 to 15 frames per second. There is no object and no background; the two
    colours of a texture are constant in a clip, its scale and its angle are not.

    Args:
        root: Folder to write to, and to read from afterwards.
        data_seed: Seed of the data set, apart from the run's.
        train_per_class: Training clips per class.
        test_per_class: Held-out clips per class.
        **kwargs: See :class:`~datamodules.clips.ClipDataModule`.
    """

    def __init__(
        self,
        root: str = "data/patterns",
        data_seed: int = 0,
        train_per_class: int = 40,
        test_per_class: int = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, data_seed, train_per_class, test_per_class, **kwargs)

    def write(self) -> None:
        """Compose the clips."""
        write_composed(self.root, PatternsSet(), self.data_seed, self.train_per_class, self.test_per_class)
