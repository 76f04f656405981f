"""MSR-VTT, YouCook2 and MSVD: pairs of texts and videos for retrieval."""

from __future__ import annotations

from collections.abc import Sequence

from unlabelled.data.datasets.table_columns import ColumnNames, OtherFeatures
from unlabelled.data.datasets.table_retrieval import TableRetrievalSet
from unlabelled.pipelines.features import Budget

MSRVTT_BUDGET = Budget(video_tokens=48, audio_frames=3072, max_words=20)
YOUCOOK2_BUDGET = Budget(video_tokens=72, audio_frames=4608, max_words=20)
MSRVTT_TRAIN = ColumnNames()
MSRVTT_TEST = ColumnNames(caption="eval_caption")
YOUCOOK2 = ColumnNames(rows_2d="2d_full", rows_3d="3d_full")


class MSRVTT(TableRetrievalSet):
    """MSR-VTT's 1000 test pairs of JSFusion (Yu et al. 2018), of which 968 have audio and are published.

    Columns ``id``, ``2d``, ``3d``, ``audio`` and ``eval_caption``, as in ``msrvtt_jsfusion_test.pkl``.

    Args:
        table: Folder of the table; ``python -m unlabelled convert`` makes it from the published pickle.
        name: A part of the metrics' names.
        budget: Lengths of the tensors: 32 s.
        complete_size: Denominator of R@k.
        other: CLIP's or S3D's features instead of the table's own.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/msrvtt_dataset.py and metric/metric.py;
    docs/methods/sspc.md#retrieval-sets.
    """

    def __init__(
        self,
        table: str,
        name: str = "msrvtt",
        budget: Budget = MSRVTT_BUDGET,
        complete_size: int = 1000,
        other: OtherFeatures | None = None,
    ) -> None:
        super().__init__(table, name, budget, MSRVTT_TEST, complete_size, other)


class YouCook2(TableRetrievalSet):
    """YouCook2's 3350 validation clips (Zhou et al. 2018), of which 3339 have all features.

    Columns ``id``, ``2d_full``, ``3d_full``, ``audio`` and ``caption``, as in ``youcook_val.pkl``.

    Args:
        table: Folder of the table; ``python -m unlabelled convert`` makes it from the published pickle.
        name: A part of the metrics' names.
        budget: Lengths of the tensors: 48 s.
        complete_size: Denominator of R@k.
        other: CLIP's or S3D's features instead of the table's own.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/dataset/youcook_dataset.py and metric/metric.py;
    docs/methods/sspc.md#retrieval-sets.
    """

    def __init__(
        self,
        table: str,
        name: str = "youcook2",
        budget: Budget = YOUCOOK2_BUDGET,
        complete_size: int = 3350,
        other: OtherFeatures | None = None,
    ) -> None:
        super().__init__(table, name, budget, YOUCOOK2, complete_size, other)


class MSVD(TableRetrievalSet):
    """MSVD's 670 test videos (Chen and Dolan 2011), each with one of its about forty captions.

    No features of it are published in this layout; the table has the columns of MSR-VTT: ``id``, ``2d``,
    ``3d``, ``caption`` (a list of texts) and optionally ``audio``, which most of its videos lack. Each video
    is in the gallery once, because copies of it would tie with the right answer. The caption that serves as
    the query is a choice: the first one, or another number, to measure its influence; for a video with fewer
    captions it is the last one.

    Args:
        table: Folder of the table.
        caption_number: Which of a video's captions is its text, from 0.
        name: A part of the metrics' names.
        budget: Lengths of the tensors: 32 s; the clips last 10 s on average.
        complete_size: Denominator of R@k.
        other: CLIP's or S3D's features instead of the table's own.

    Source: SSPC supplement, section 1.2 and Table 2, which do not say which captions are the queries.
    """

    def __init__(
        self,
        table: str,
        caption_number: int = 0,
        name: str = "msvd",
        budget: Budget = MSRVTT_BUDGET,
        complete_size: int = 670,
        other: OtherFeatures | None = None,
    ) -> None:
        if caption_number < 0:
            raise ValueError(f"MSVD: caption_number {caption_number} must be 0 or more")
        super().__init__(table, name, budget, MSRVTT_TRAIN, complete_size, other)
        self.caption_number = caption_number

    def _texts(self, row: int) -> Sequence[str]:
        captions = self.table.captions(row)
        return [captions[min(self.caption_number, len(captions) - 1)]]
