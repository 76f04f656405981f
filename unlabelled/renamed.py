"""Public names of version 0.1.0 that are called otherwise since: for its checkpoints and configurations."""

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
_EVALUATION_SETS = ("CrossTask", "HMDB51Features", "MSRVTT", "MSVD", "UCF101Features", "YouCook2")

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
    "unlabelled.data.synthetic.embedded_features.EmbeddedFilms": (
        "unlabelled.data.synthetic.embedded_features.EmbeddedVideos"
    ),
    "unlabelled.hierarchy.SearchedHierarchy": "unlabelled.hierarchy.LocalSearchTree",
    **{f"unlabelled.transforms.{old}": f"unlabelled.pipelines.{new}" for old, new in _PIPELINES.items()},
    **{f"unlabelled.data.sets.{name}": f"unlabelled.data.datasets.{name}" for name in _EVALUATION_SETS},
}
"""Paths of classes."""

OPTIONS = {
    "data.init_args.view": "pipeline",
    "data.init_args.test_view": "test_pipeline",
    "data.init_args.train_films": "train_videos",
    "data.init_args.test_films": "test_videos",
}
"""Options of configurations, and what the last part of their name is now."""


def with_present_names(arguments: Any) -> Any:
    """Return nested dictionaries and lists of arguments with each ``class_path`` by its present name."""
    if isinstance(arguments, dict):
        renamed = {key: with_present_names(value) for key, value in arguments.items()}
        path = renamed.get("class_path")
        if isinstance(path, str):
            renamed["class_path"] = CLASSES.get(path, path)
        return renamed
    if isinstance(arguments, list):
        return [with_present_names(value) for value in arguments]
    return arguments
