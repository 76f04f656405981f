"""Data sets of clips, images and pre-extracted features, and zero-shot evaluation sets."""

from unlabelled.data.datasets.action_classes import HMDB51Features, TableLabelledSet, UCF101Features
from unlabelled.data.datasets.crosstask import CROSSTASK_FILES, CrossTask
from unlabelled.data.datasets.feature_table import ColumnNames, FeatureTable, OtherFeatures
from unlabelled.data.datasets.howto100m_categories import HowTo100MCategories
from unlabelled.data.datasets.retrieval import MSRVTT, MSVD, TableRetrievalSet, YouCook2

__all__ = [
    "CROSSTASK_FILES",
    "MSRVTT",
    "MSVD",
    "ColumnNames",
    "CrossTask",
    "FeatureTable",
    "HMDB51Features",
    "HowTo100MCategories",
    "OtherFeatures",
    "TableLabelledSet",
    "TableRetrievalSet",
    "UCF101Features",
    "YouCook2",
]
