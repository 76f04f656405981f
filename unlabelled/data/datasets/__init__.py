"""Data sets of clips, images and pre-extracted features, and zero-shot evaluation sets."""

from unlabelled.data.datasets.action_classes import HMDB51Features, TableLabelledSet, UCF101Features
from unlabelled.data.datasets.clips import ClipDataset
from unlabelled.data.datasets.crosstask import CROSSTASK_FILES, CrossTask
from unlabelled.data.datasets.feature_table import ColumnNames, FeatureTable, OtherFeatures
from unlabelled.data.datasets.howto100m_categories import HowTo100MCategories
from unlabelled.data.datasets.images import ImageArrays, ImageDataset, ImageFiles
from unlabelled.data.datasets.mining_youtube import MINING_YOUTUBE_FILES, MiningYouTube
from unlabelled.data.datasets.retrieval import MSRVTT, MSVD, TableRetrievalSet, YouCook2
from unlabelled.data.datasets.samples import OrderedShard, SampleDataset, ShuffledShard

__all__ = [
    "CROSSTASK_FILES",
    "MINING_YOUTUBE_FILES",
    "MSRVTT",
    "MSVD",
    "ClipDataset",
    "ColumnNames",
    "CrossTask",
    "FeatureTable",
    "HMDB51Features",
    "HowTo100MCategories",
    "ImageArrays",
    "ImageDataset",
    "ImageFiles",
    "MiningYouTube",
    "OrderedShard",
    "OtherFeatures",
    "SampleDataset",
    "ShuffledShard",
    "TableLabelledSet",
    "TableRetrievalSet",
    "UCF101Features",
    "YouCook2",
]
