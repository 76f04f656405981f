"""Evaluation sets of pre-extracted features: pairs to retrieve, clips of known classes, videos of steps."""

from unlabelled.data.datasets.action_classes import HMDB51Features, UCF101Features
from unlabelled.data.datasets.crosstask import CROSSTASK_FILES, CrossTask
from unlabelled.data.datasets.feature_table import FeatureTable
from unlabelled.data.datasets.howto100m_categories import HowTo100MCategories
from unlabelled.data.datasets.retrieval import MSRVTT, MSVD, YouCook2
from unlabelled.data.datasets.table_columns import ColumnNames, OtherFeatures
from unlabelled.data.datasets.table_labelled import TableLabelledSet
from unlabelled.data.datasets.table_retrieval import TableRetrievalSet

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
