"""The held-out videos and scenes of the embedded feature data set."""

from __future__ import annotations

from unlabelled.data.datasets import ColumnNames, TableLabelledSet, TableRetrievalSet
from unlabelled.data.synthetic.embedded_features.tables import SCENES, VIDEOS
from unlabelled.pipelines.features import Budget

_VIDEO_BUDGET = Budget(video_tokens=18, audio_frames=1216, max_words=56)
_SCENE_BUDGET = Budget(video_tokens=6, audio_frames=448, max_words=20)


class EmbeddedVideos(TableRetrievalSet):
    """Videos of three held-out scenes, each with a text that describes all three.

    Up to 165 videos differ in the classes of their scenes, so that each of them can be identified from its
    text. A thumbnail has a frame of each scene.

    Args:
        root: Folder that :func:`~unlabelled.data.synthetic.embedded_features.write_embedded_features` wrote.
        name: A part of the metrics' names.
        budget: Lengths of the tensors, for 12 s and three captions.
    """

    def __init__(
        self, root: str = "data/embedded_features", name: str = "films", budget: Budget = _VIDEO_BUDGET
    ) -> None:
        super().__init__(f"{root}/{VIDEOS}", name, budget, ColumnNames(caption="eval_caption"))


class EmbeddedScenes(TableLabelledSet):
    """Held-out scenes of nine classes; some classes differ in video only, others in audio only.

    Args:
        root: Folder that :func:`~unlabelled.data.synthetic.embedded_features.write_embedded_features` wrote.
        name: A part of the metrics' names.
        budget: Lengths of the tensors, for 4 s.
    """

    def __init__(
        self, root: str = "data/embedded_features", name: str = "scenes", budget: Budget = _SCENE_BUDGET
    ) -> None:
        super().__init__(f"{root}/{SCENES}", name, budget, ColumnNames(identifier="video"))
