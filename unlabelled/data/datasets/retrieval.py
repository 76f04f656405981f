"""MSR-VTT, YouCook2 and MSVD: texts that ask for videos."""

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
    """MSR-VTT's 1000 test pairs of JSFusion (Yu et al. 2018), of which 968 have sound and are published.

    Columns ``id``, ``2d``, ``3d``, ``audio`` and ``eval_caption``, as in ``msrvtt_jsfusion_test.pkl``.

    Args:
        table: Folder of the table; ``python -m unlabelled convert`` makes it of the published pickle.
        name: A part of the metrics' names.
        budget: Lengths of the tensors: 32 s.
        complete_size: What R@k is divided by.
        other: CLIP's or S3D's features instead of the table's own.

    Source: reference sspc.md section 3.1.
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
        table: Folder of the table; ``python -m unlabelled convert`` makes it of the published pickle.
        name: A part of the metrics' names.
        budget: Lengths of the tensors: 48 s.
        complete_size: What R@k is divided by.
        other: CLIP's or S3D's features instead of the table's own.

    Source: reference sspc.md section 3.1.
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
    """MSVD's 670 test videos (Chen and Dolan 2011), each with one of its forty or so captions.

    Nobody has published features of it in this layout; the table has MSR-VTT's columns: ``id``, ``2d``,
    ``3d``, ``caption`` (a list of texts) and perhaps ``audio``, of which most of its videos have none. Each
    video is there once, because copies of it in the gallery would tie with the right answer. Which caption
    asks for it is a choice: the first one, or another number, to see how much depends on that; a video with
    fewer captions is asked for by its last one.

    Args:
        table: Folder of the table.
        caption_number: Which of a video's captions is its text, from 0.
        name: A part of the metrics' names.
        budget: Lengths of the tensors: 32 s; the clips last 10 s on average.
        complete_size: What R@k is divided by.
        other: CLIP's or S3D's features instead of the table's own.
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
