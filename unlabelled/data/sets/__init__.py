"""Evaluation sets of pre-extracted features: pairs to retrieve, clips of known classes, videos of steps."""

from unlabelled.data.sets.action_classes import HMDB51Features, UCF101Features
from unlabelled.data.sets.crosstask import CROSSTASK_FILES, CrossTask
from unlabelled.data.sets.embedded import EmbeddedFilms, EmbeddedScenes
from unlabelled.data.sets.feature_table import FeatureTable
from unlabelled.data.sets.retrieval import MSRVTT, MSVD, YouCook2
from unlabelled.data.sets.table_columns import ColumnNames, OtherFeatures
from unlabelled.data.sets.table_labelled import TableLabelledSet
from unlabelled.data.sets.table_retrieval import TableRetrievalSet

__all__ = [
    "CROSSTASK_FILES",
    "MSRVTT",
    "MSVD",
    "ColumnNames",
    "CrossTask",
    "EmbeddedFilms",
    "EmbeddedScenes",
    "FeatureTable",
    "HMDB51Features",
    "OtherFeatures",
    "TableLabelledSet",
    "TableRetrievalSet",
    "UCF101Features",
    "YouCook2",
]
