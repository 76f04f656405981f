"""The interfaces by which callbacks, methods and data modules work together; YAML wires the rest.

lightning_modules, datamodules and callbacks never import one another. A callback checks
``isinstance(module, Clusterable)``; every method that implements the protocol works with it.

- :mod:`~unlabelled.contracts.methods`: every method.
- :mod:`~unlabelled.contracts.clustering`: methods that clustering passes or cluster evaluations work on.
- :mod:`~unlabelled.contracts.momentum`: methods with queues or target networks.
- :mod:`~unlabelled.contracts.localisation`: methods that compare images with audio, and data with boxes.
- :mod:`~unlabelled.contracts.data`: data modules.
"""

from unlabelled.contracts.clustering import (
    AssignsAnchors,
    Clusterable,
    HasCentroids,
    HasHierarchies,
    LearnsFromAssignments,
    PredictsClusters,
)
from unlabelled.contracts.data import (
    CountsDefects,
    CrossValidated,
    EvaluatesOnSets,
    GroupsClasses,
    Labelled,
    LabelledBank,
    ReadsClips,
    TrainingSet,
)
from unlabelled.contracts.localisation import HasBoxes, Localises, ScoresPairs
from unlabelled.contracts.methods import Embeds, HasEncoders
from unlabelled.contracts.momentum import HasQueues, HasTarget

__all__ = [
    "AssignsAnchors",
    "Clusterable",
    "CountsDefects",
    "CrossValidated",
    "Embeds",
    "EvaluatesOnSets",
    "GroupsClasses",
    "HasBoxes",
    "HasCentroids",
    "HasEncoders",
    "HasHierarchies",
    "HasQueues",
    "HasTarget",
    "Labelled",
    "LabelledBank",
    "LearnsFromAssignments",
    "Localises",
    "PredictsClusters",
    "ReadsClips",
    "ScoresPairs",
    "TrainingSet",
]
