"""Former public names and their present ones, for the checkpoints and configurations of earlier versions."""

from __future__ import annotations

from typing import Any

_PIPELINES = {
    "AudioVisualView": "AudioVisualPipeline",
    "AugmentedClip": "AugmentedClip",
    "ClipView": "ClipPipeline",
    "ContrastiveClips": "ContrastiveClips",
    "ContrastiveImages": "ContrastiveImages",
    "ContrastiveSounds": "ContrastiveAudio",
    "FrameAndSound": "FrameAndAudio",
    "ImageView": "ImagePipeline",
    "LabelledClips": "LabelledClips",
    "LabelledImages": "LabelledImages",
    "SoundView": "AudioPipeline",
    "TransformedClips": "TransformedClips",
    "UncroppedClips": "UncroppedClips",
    "View": "SamplePipeline",
}
_EVALUATION_SETS = (
    "ColumnNames",
    "CrossTask",
    "FeatureTable",
    "HMDB51Features",
    "MSRVTT",
    "MSVD",
    "OtherFeatures",
    "TableLabelledSet",
    "TableRetrievalSet",
    "UCF101Features",
    "YouCook2",
)

CLASSES = {
    "callbacks.AnchorPictures": "callbacks.AnchorFigures",
    "callbacks.ClusterPictures": "callbacks.ClusterFigures",
    "callbacks.HierarchyPictures": "callbacks.HierarchyFigures",
    "callbacks.RetrievalPictures": "callbacks.RetrievalFigures",
    "callbacks.SoundSVMEvaluation": "callbacks.AudioSVMEvaluation",
    "unlabelled.batchnorm.ShuffleBatchNorm": "unlabelled.nn.ShuffleBatchNorm",
    "unlabelled.data.cached_reader.CachedReader": "unlabelled.data.media.CachedReader",
    "unlabelled.data.decord_reader.DecordReader": "unlabelled.data.media.DecordReader",
    "unlabelled.data.features.howto100m_categories.HowTo100MCategories": (
        "unlabelled.data.datasets.HowTo100MCategories"
    ),
    "unlabelled.data.features.stored_text.StoredTextFeatures": "unlabelled.data.features.StoredTextFeatures",
    "unlabelled.data.features.view.FeatureView": "unlabelled.pipelines.FeaturePipeline",
    "unlabelled.data.features.word_vectors.WordVectors": "unlabelled.data.features.WordVectors",
    "unlabelled.data.paired_reader.PairedReader": "unlabelled.data.media.PairedReader",
    "unlabelled.data.pyav_reader.PyAVReader": "unlabelled.data.media.PyAVReader",
    "unlabelled.heads.MLP": "unlabelled.nn.MLP",
    "unlabelled.data.sets.EmbeddedFilms": "unlabelled.data.synthetic.embedded_features.EmbeddedVideos",
    "unlabelled.data.sets.EmbeddedScenes": "unlabelled.data.synthetic.embedded_features.EmbeddedScenes",
    "unlabelled.hierarchy.SearchedHierarchy": "unlabelled.hierarchy.LocalSearchTree",
    **{f"unlabelled.transforms.{old}": f"unlabelled.pipelines.{new}" for old, new in _PIPELINES.items()},
    **{f"unlabelled.data.sets.{name}": f"unlabelled.data.datasets.{name}" for name in _EVALUATION_SETS},
}
"""Present paths of classes by their former paths."""

OPTIONS = {
    ("datamodules.", "view"): "pipeline",
    ("datamodules.", "test_view"): "test_pipeline",
    ("datamodules.EmbeddedFeatures", "train_films"): "train_videos",
    ("datamodules.EmbeddedFeatures", "test_films"): "test_videos",
    ("callbacks.Localisation", "pictures"): "num_drawn_clips",
    ("unlabelled.data.media.PairedReader", "pictures"): "images",
}
"""Present names of options by the beginning of the path of their class and their former name."""

METRICS = {"pair_accuracy_pictures": "pair_accuracy_images", "pair_accuracy_sounds": "pair_accuracy_audio"}
"""Present names of metrics by their former names."""


def present_option(class_path: str, name: str) -> str | None:
    """Return the present name of an option of a class; None if it was not renamed.

    >>> present_option("datamodules.VGGSound", "view")
    'pipeline'
    """
    found = (new for (start, old), new in OPTIONS.items() if old == name and class_path.startswith(start))
    return next(found, None)


def with_present_names(arguments: Any) -> Any:
    """Replace each former ``class_path`` in nested dictionaries and lists of arguments by the present one.

    >>> with_present_names({"class_path": "unlabelled.heads.MLP", "init_args": {"out_dim": 128}})
    {'class_path': 'unlabelled.nn.MLP', 'init_args': {'out_dim': 128}}
    """
    if isinstance(arguments, dict):
        renamed = {key: with_present_names(value) for key, value in arguments.items()}
        path = renamed.get("class_path")
        if isinstance(path, str):
            renamed["class_path"] = CLASSES.get(path, path)
        return renamed
    if isinstance(arguments, list):
        return [with_present_names(value) for value in arguments]
    return arguments
