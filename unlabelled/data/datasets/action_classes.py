"""UCF101 and HMDB51 as features: clips of human actions, for zero-shot classification by clusters."""

from __future__ import annotations

import re

from unlabelled.data.datasets.table_columns import ColumnNames, OtherFeatures
from unlabelled.data.datasets.table_labelled import TableLabelledSet
from unlabelled.pipelines.features import Budget

_BUDGET = Budget(video_tokens=48, audio_frames=3072, max_words=20)
_COLUMNS = ColumnNames(identifier="video", caption="class")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_MENDED = {"claping": "clapping"}


class UCF101Features(TableLabelledSet):
    """All 13 320 clips of UCF101 (Soomro et al. 2012); half of them have audio.

    Columns ``video`` (its name), ``class``, ``2d``, ``3d`` and ``audio`` (no frames if there is no audio),
    named as in MCN's loaders. A class name is split into words at its capitals: ``ApplyEyeMakeup`` is "apply
    eye makeup".

    Args:
        table: Folder of the table; ``python -m unlabelled convert`` makes it of a pickle.
        name: A part of the metrics' names.
        budget: Lengths of the tensors: 32 s.
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
        budget: Lengths of the tensors: 32 s.
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
        return " ".join(_MENDED.get(word, word) for word in name.lower().split("_"))
