"""Image data sets of transfer protocols whose lists are text files."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from torchvision import datasets

from datamodules.listed_images import ListedImages, Row
from unlabelled.data.media.files import class_folders
from unlabelled.seeding import numpy_generator


class Food101(ListedImages):
    """Food-101 (Bossard et al. 2014): 75 750 + 25 250 images of 101 dishes.

    See :class:`~datamodules.listed_images.ListedImages`; the folder is ``root/food-101``.
    """

    images = "food-101/images"

    @cached_property
    def class_names(self) -> list[str]:
        """The folders of the images in alphabetical order."""
        return sorted({line.split("/")[0] for line in self.lines("food-101/meta/train.txt")})

    def rows(self, part: str) -> list[Row]:
        """Return the images of ``meta/<part>.txt``; there is no validation split."""
        if part == "val":
            return []
        return self.parsed(
            f"food-101/meta/{part}.txt", lambda line: (f"{line}.jpg", self.numbers[line.split("/")[0]])
        )

    def fetch(self) -> None:
        """Download by torchvision."""
        datasets.Food101(self.root, download=True)


class SUN397(ListedImages):
    """SUN397 (Xiao et al. 2010): 19 850 + 19 850 images of 397 scenes, in the first of its ten partitions.

    See :class:`~datamodules.listed_images.ListedImages`; the folder is ``root/SUN397``. ``Training_01.txt``
    and ``Testing_01.txt`` of ``Partitions.zip``, which torchvision does not download, must be in it.
    """

    images = "SUN397"

    @cached_property
    def class_names(self) -> list[str]:
        """The scenes of ``ClassName.txt`` in its order, such as ``apartment_building/outdoor``."""
        return [line.strip()[3:] for line in self.lines("SUN397/ClassName.txt")]

    def rows(self, part: str) -> list[Row]:
        """Return the images of partition 01; there is no validation split."""
        names = {"train": "Training_01.txt", "test": "Testing_01.txt"}
        return self.parsed(f"SUN397/{names[part]}", self._row) if part in names else []

    def _row(self, line: str) -> Row:
        path = line.strip().lstrip("/")  # a/abbey/sun_....jpg
        return path, self.numbers[path.split("/", 1)[1].rpartition("/")[0]]

    def fetch(self) -> None:
        """Download by torchvision."""
        datasets.SUN397(self.root, download=True)


class FGVCAircraft(ListedImages):
    """FGVC Aircraft (Maji et al. 2013): 6667 (3333 of validation) + 3333 images of 100 variants.

    See :class:`~datamodules.listed_images.ListedImages`; the folder is ``root/fgvc-aircraft-2013b``.
    """

    images = "fgvc-aircraft-2013b/data/images"
    transfer_score = "accuracy_per_class"

    @cached_property
    def class_names(self) -> list[str]:
        """The variants in the order of ``variants.txt``."""
        return [line.strip() for line in self.lines("fgvc-aircraft-2013b/data/variants.txt")]

    def rows(self, part: str) -> list[Row]:
        """Return the images of ``images_variant_<part>.txt``."""
        return self.parsed(f"fgvc-aircraft-2013b/data/images_variant_{part}.txt", self._row)

    def _row(self, line: str) -> Row:
        image, variant = line.strip().split(" ", 1)
        return f"{image}.jpg", self.numbers[variant]

    def fetch(self) -> None:
        """Download by torchvision."""
        datasets.FGVCAircraft(self.root, download=True)


class DTD(ListedImages):
    """Describable Textures (Cimpoi et al. 2014): 3760 (1880 of validation) + 1880 images of 47 textures.

    See :class:`~datamodules.listed_images.ListedImages`; the folder is ``root/dtd/dtd``, the partition the
    first of ten.
    """

    images = "dtd/dtd/images"

    @cached_property
    def class_names(self) -> list[str]:
        """The folders of the images in alphabetical order."""
        return sorted({line.split("/")[0] for line in self.lines("dtd/dtd/labels/train1.txt")})

    def rows(self, part: str) -> list[Row]:
        """Return the images of ``labels/<part>1.txt``."""
        return self.parsed(
            f"dtd/dtd/labels/{part}1.txt", lambda line: (line.strip(), self.numbers[line.split("/")[0]])
        )

    def fetch(self) -> None:
        """Download by torchvision."""
        datasets.DTD(self.root, download=True)


class OxfordPets(ListedImages):
    """Oxford-IIIT Pets (Parkhi et al. 2012): 3680 + 3669 images of 37 breeds.

    See :class:`~datamodules.listed_images.ListedImages`; the folder is ``root/oxford-iiit-pet``.
    """

    images = "oxford-iiit-pet/images"
    transfer_score = "accuracy_per_class"

    @cached_property
    def class_names(self) -> list[str]:
        """The breeds in the order of their official numbers."""
        lines = [line.split() for line in self.lines("oxford-iiit-pet/annotations/trainval.txt")]
        names = {int(fields[1]): fields[0].rpartition("_")[0] for fields in lines}
        return [names[number] for number in sorted(names)]

    def rows(self, part: str) -> list[Row]:
        """Return the images of ``trainval.txt`` or ``test.txt``; there is no validation split."""
        if part == "val":
            return []
        name = "trainval" if part == "train" else "test"
        return self.parsed(f"oxford-iiit-pet/annotations/{name}.txt", self._row)

    def _row(self, line: str) -> Row:
        fields = line.split()
        return f"{fields[0]}.jpg", self.numbers[fields[0].rpartition("_")[0]]

    def fetch(self) -> None:
        """Download by torchvision."""
        datasets.OxfordIIITPet(self.root, download=True)


class Caltech101(ListedImages):
    """Caltech-101 (Fei-Fei et al. 2007): 101 objects and backgrounds, without official splits.

    Of each of the 102 folders 30 images, drawn by a fixed seed, are to learn from, the others to test. Lists
    ``train.txt`` and ``test.txt`` in ``root/caltech101`` replace the draw: lines of a path below
    ``101_ObjectCategories`` and anything after a space.

    See :class:`~datamodules.listed_images.ListedImages`; the folder is
    ``root/caltech101/101_ObjectCategories``.
    """

    images = "caltech101/101_ObjectCategories"
    transfer_score = "accuracy_per_class"
    num_train = 30

    @cached_property
    def class_names(self) -> list[str]:
        """The folders in alphabetical order; ``BACKGROUND_Google`` is one."""
        return class_folders(Path(self.root, self.images))

    def rows(self, part: str) -> list[Row]:
        """Return the images of a list, or those that are drawn; there is no validation split."""
        if part == "val":
            return []
        if Path(self.root, "caltech101", f"{part}.txt").is_file():
            return self.parsed(f"caltech101/{part}.txt", self._row)
        return [row for name in self.class_names for row in self._drawn(name, part)]

    def _row(self, line: str) -> Row:
        path = line.split()[0]
        return path, self.numbers[path.split("/")[0]]

    def _drawn(self, name: str, part: str) -> list[Row]:
        prefix = f"{self.images}/{name}/"
        paths = sorted(path for path in self._on_disk if path.startswith(prefix))
        chosen = numpy_generator(0, "caltech101", name).permutation(len(paths))[: self.num_train]
        kept = sorted(chosen) if part == "train" else sorted(set(range(len(paths))) - set(chosen.tolist()))
        return [(paths[each].removeprefix(f"{self.images}/"), self.numbers[name]) for each in kept]

    def fetch(self) -> None:
        """Download by torchvision."""
        datasets.Caltech101(self.root, download=True)
