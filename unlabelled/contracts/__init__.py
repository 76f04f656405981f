"""The interfaces between callbacks, methods and data modules.

lightning_modules, datamodules and callbacks never import one another; a YAML configuration combines them. A
callback checks ``isinstance(module, Clusterable)``: it works with every method that implements the protocol.

- :mod:`~unlabelled.contracts.methods`: all methods.
- :mod:`~unlabelled.contracts.clustering`: methods with clusters. To be clustered, a method implements
  :class:`~unlabelled.contracts.clustering.Clusterable`.
- :mod:`~unlabelled.contracts.momentum`: methods with queues or target networks.
- :mod:`~unlabelled.contracts.localisation`: methods that compare images with audio; data modules with boxes.
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
    HasTransferScore,
    Labelled,
    LabelledBank,
    NamesPredicted,
    ReadsClips,
    TrainingSet,
)
from unlabelled.contracts.localisation import HasBoxes, HasClassBoxes, Localises, ScoresPairs
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
    "HasClassBoxes",
    "HasEncoders",
    "HasHierarchies",
    "HasQueues",
    "HasTarget",
    "HasTransferScore",
    "Labelled",
    "LabelledBank",
    "LearnsFromAssignments",
    "Localises",
    "NamesPredicted",
    "PredictsClusters",
    "ReadsClips",
    "ScoresPairs",
    "TrainingSet",
]
