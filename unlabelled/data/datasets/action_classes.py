"""Labelled sets that are tables of features, among them UCF101 and HMDB51, for zero-shot classification."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unlabelled.data.datasets.evaluation_sets import LabelledSet
from unlabelled.data.datasets.feature_table import ColumnNames, OtherFeatures
from unlabelled.data.datasets.table_set import TableSet
from unlabelled.pipelines.features import Budget

_BUDGET = Budget(video_tokens=48, audio_frames=3072, max_words=20)
_COLUMNS = ColumnNames(identifier="video", caption="class")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_CORRECTIONS = {"claping": "clapping"}


class TableLabelledSet(TableSet, LabelledSet):
    """Videos of a table, each with its class.

    Args:
        table: Folder of the table.
        name: A part of the metrics' names.
        budget: Lengths of the tensors.
        columns: Columns of the table.
        label_column: Column of the class, text.
        other: Features to use instead of the table's own, such as CLIP's.
    """

    def __init__(
        self,
        table: str,
        name: str,
        budget: Budget,
        columns: ColumnNames,
        label_column: str = "class",
        other: OtherFeatures | None = None,
    ) -> None:
        super().__init__(table, name, budget, columns, other)
        self.label_column = label_column
        self._number: dict[str, int] = {}

    @property
    def classes(self) -> Sequence[str]:
        """The classes of the table in alphabetical order."""
        if not self._number:
            names = sorted(set(self.table.table.text(self.label_column)))
            self._number = {name: number for number, name in enumerate(names)}
        return list(self._number)

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes in words, by label."""
        return [self.in_words(name) for name in self.classes]

    def in_words(self, name: str) -> str:
        """Return the name of a class in words; here the name itself."""
        return name

    def _texts(self, row: int) -> Sequence[str]:
        """Return no texts, since they would contain the class."""
        return ()

    def _label(self, row: int) -> int:
        column, _ = self.table.table.text(self.label_column), self.classes
        return self._number[column[int(self.table.rows[row])]]


class UCF101Features(TableLabelledSet):
    """All 13 320 clips of UCF101 (Soomro et al. 2012); half of them have audio.

    Columns ``video`` (its name), ``class``, ``2d``, ``3d`` and ``audio`` (no frames if there is no audio),
    named as in MCN's loaders. Class names are split into words at capitals: ``ApplyEyeMakeup`` is "apply
    eye makeup".

    Args:
        table: Folder of the table; ``python -m unlabelled convert`` makes it of a pickle.
        name: A part of the metrics' names.
        budget: Lengths of the tensors, for 32 s.
        other: CLIP's or S3D's features instead of the table's own.

    Source: SSPC supplement, section 1.1; brian7685/Multimodal-Clustering-Network, ucf_dataloader.py;
    docs/methods/sspc.md#classification.
    """

    def __init__(
        self,
        table: str,
        name: str = "ucf101",
        budget: Budget = _BUDGET,
        other: OtherFeatures | None = None,
    ) -> None:
        super().__init__(table, name, budget, _COLUMNS, "class", other)

    def in_words(self, name: str) -> str:
        """Return ``ApplyEyeMakeup`` as "apply eye makeup"."""
        return _CAPITAL.sub(" ", name).lower()


class HMDB51Features(TableLabelledSet):
    """All 6 849 clips of HMDB51 (Kuehne et al. 2011), without audio.

    Columns as those of :class:`UCF101Features`. In a class name underscores become spaces: ``brush_hair`` is
    "brush hair"; "claping" is corrected.

    Args:
        table: Folder of the table; ``python -m unlabelled convert`` makes it of a pickle.
        name: A part of the metrics' names.
        budget: Lengths of the tensors, for 32 s.
        other: CLIP's or S3D's features instead of the table's own.

    Source: SSPC supplement, section 1.1; brian7685/Multimodal-Clustering-Network, hmdb_dataloader.py;
    docs/methods/sspc.md#classification.
    """

    def __init__(
        self,
        table: str,
        name: str = "hmdb51",
        budget: Budget = _BUDGET,
        other: OtherFeatures | None = None,
    ) -> None:
        super().__init__(table, name, budget, _COLUMNS, "class", other)

    def in_words(self, name: str) -> str:
        """Return ``brush_hair`` as "brush hair"."""
        return " ".join(_CORRECTIONS.get(word, word) for word in name.lower().split("_"))
