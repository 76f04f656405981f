"""The held-out films and scenes of the embedded feature data set."""

from __future__ import annotations

from unlabelled.data.datasets.table_columns import ColumnNames
from unlabelled.data.datasets.table_labelled import TableLabelledSet
from unlabelled.data.datasets.table_retrieval import TableRetrievalSet
from unlabelled.data.synthetic.embedded_features.tables import FILMS, SCENES
from unlabelled.pipelines.features import Budget

_FILM_BUDGET = Budget(video_tokens=18, audio_frames=1216, max_words=56)
_SCENE_BUDGET = Budget(video_tokens=6, audio_frames=448, max_words=20)


class EmbeddedFilms(TableRetrievalSet):
    """Films of three held-out scenes, each with a text that describes all three.

    Up to 165 films differ in what their scenes show and sound like, so that who understands pictures, sounds
    and texts finds each of them. A thumbnail has a frame of each scene.

    Args:
        root: Folder that :func:`~unlabelled.data.synthetic.embedded_features.write_embedded_features` wrote.
        name: A part of the metrics' names.
        budget: Lengths of the tensors: 12 s, and words for three captions.
    """

    def __init__(
        self, root: str = "data/embedded_features", name: str = "films", budget: Budget = _FILM_BUDGET
    ) -> None:
        super().__init__(f"{root}/{FILMS}", name, budget, ColumnNames(caption="eval_caption"))


class EmbeddedScenes(TableLabelledSet):
    """Held-out scenes of nine classes; sight alone and sound alone each confuse some of them.

    Args:
        root: Folder that :func:`~unlabelled.data.synthetic.embedded_features.write_embedded_features` wrote.
        name: A part of the metrics' names.
        budget: Lengths of the tensors: 4 s.
    """

    def __init__(
        self, root: str = "data/embedded_features", name: str = "scenes", budget: Budget = _SCENE_BUDGET
    ) -> None:
        super().__init__(f"{root}/{SCENES}", name, budget, ColumnNames(identifier="video"))
