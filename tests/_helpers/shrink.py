"""Overlays with tiny settings for the configurations, so that each runs in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Config = dict[str, Any]
_SMALL = {
    "AlexNet": "SmallImageEncoder",
    "ImageResNet": "SmallImageEncoder",
    "SmallImageEncoder": "SmallImageEncoder",
    "ResNet3D": "SmallVideoEncoder",
    "R2Plus1D18": "SmallVideoEncoder",
    "SmallVideoEncoder": "SmallVideoEncoder",
    "VGGishMaps": "SmallAudioEncoder",
    "L3Audio": "SmallAudioEncoder",
    "AudioResNet": "SmallAudioEncoder",
    "SmallAudioEncoder": "SmallAudioEncoder",
    "L3Vision": "SmallImageEncoder",
    "VGG16": "SmallImageEncoder",
}
_LARGEST = {"dim": 4, "epochs": 1, "max_samples": 30, "num_clusters": 5, "num_passes": 2, "whitening": 4}
"""Largest values of the options of callbacks that cluster."""
TRAINER: Config = {
    "accelerator": "cpu",
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
    "sync_batchnorm": False,
    "precision": "32-true",
    "max_epochs": 2,
    "check_val_every_n_epoch": 1,
    "enable_progress_bar": False,
    "log_every_n_steps": 1,
}
_AUDIO = {
    "LogMel": {"sample_rate": 8000, "num_filters": 16, "num_frames": 40},
    "VGGishMel": {"sample_rate": 8000, "num_filters": 16, "num_frames": 40, "highest": 3500.0},
    "LogSpectrogram": {"sample_rate": 8000, "num_frames": 40, "num_fft": 128},
}
_SUB_CLIPS = {"clip_seconds": 0.5, "eval_clips": 3}
_CLIPS = {"num_frames": 2, "duration": 0.5, "crop": 16, "eval_short_side": 20, "eval_crop": 16}


def shrink(path: Path, out: Path, classes: int) -> Path:
    """Write an overlay with tiny settings for the configuration at ``path``, whose output goes to ``out``."""
    content: Config = yaml.safe_load(path.read_text())
    overlay = {
        "model": {"init_args": _model(content["model"]["init_args"], classes)},
        "data": {"init_args": _data(content["data"]["init_args"])},
        "trainer": {
            **TRAINER,
            "default_root_dir": str(out),
            "logger": {"init_args": {"save_dir": str(out)}},
            "callbacks": [tiny_callback(callback, out) for callback in content["trainer"]["callbacks"]],
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    target = out / "tiny.yaml"
    target.write_text(yaml.safe_dump(overlay))
    return target


def _model(options: Config, classes: int) -> Config:
    small: Config = {}
    for name in ("encoder", "visual_encoder", "video_encoder", "audio_encoder"):
        if name in options:
            small[name] = _encoders(options[name])
    if "encoders" in options:
        small["encoders"] = _encoders(options["encoders"])
    for head in ("projector", "predictor"):
        if head in options:
            small[head] = {"init_args": {"hidden_dim": 8, "out_dim": 4}}
    if "shuffle_bn" in options:
        small["shuffle_bn"] = {"init_args": {"groups": 2}}
    numbers = {"queue_size": 24, "num_classes": classes, "num_clusters": 9, "num_heads": 2, "dim": 4}
    return small | {name: value for name, value in numbers.items() if name in options}


def _encoders(encoder: Any) -> Any:
    if isinstance(encoder, list):
        return [_encoders(each) for each in encoder]
    name = encoder["class_path"].rpartition(".")[2]
    if name == "Edges":  # contains another encoder
        inner = _encoders(encoder["init_args"]["encoder"])
        return {"class_path": encoder["class_path"], "init_args": {"encoder": inner}}
    return {"class_path": f"unlabelled.encoders.{_SMALL[name]}", "init_args": {"width": 2}}


def _data(options: Config) -> Config:
    small: Config = {"batch_size": 4, "eval_batch_size": 4, "num_workers": 0}
    return small | {
        name: _pipeline(options[name]) for name in ("pipeline", "test_pipeline") if name in options
    }


def _pipeline(pipeline: Config) -> Config:
    options = pipeline["init_args"]
    small: Config = {name: _CLIPS[name] for name in _CLIPS if name in options}
    if options.get("train_short_side") is not None:
        small["train_short_side"] = [20, 20]
    for name in ("eval_size", "eval_resize", "size"):
        if name in options:
            small[name] = _side(options[name])
    for name in ("crops", "views"):
        if name in options:
            small[name] = [_sized(item) for item in options[name]]
    if "crop" in options and isinstance(options["crop"], dict):
        small["crop"] = _sized(options["crop"])
    if "audio" in options:
        small["audio"] = {"init_args": _AUDIO[options["audio"]["class_path"].rpartition(".")[2]]}
    if pipeline["class_path"].endswith("AudioPipeline"):
        small |= {name: value for name, value in _SUB_CLIPS.items() if name in options}
    return {"init_args": small}


def _sized(node: Any) -> Any:
    """Replace each ``size`` and ``resize`` below a node."""
    if not isinstance(node, dict):
        return node
    sides = ("size", "resize")
    return {name: _side(value) if name in sides else _sized(value) for name, value in node.items()}


def _side(pixels: int) -> int:
    return max(8, pixels // 14)


def _small_clusters(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    small = {
        name: min(value, _LARGEST[name]) if name in _LARGEST else _small_clusters(value)
        for name, value in node.items()
    }
    if node.get("class_path", "").endswith("TripletEmbedding"):
        triplets = small["init_args"].setdefault(
            "triplets", {"class_path": "unlabelled.hierarchy.UniformTriplets"}
        )
        triplets["init_args"] = {"per_epoch": 50}
    return small


def tiny_callback(callback: Config, out: Path) -> Config:
    name = callback["class_path"].rpartition(".")[2]
    options = dict(callback.get("init_args", {}))
    if name == "ModelCheckpoint":
        options["dirpath"] = str(out / "checkpoints")
    if name == "KNNEvaluation":
        options["k"] = 2
    if name == "SVMEvaluation":
        options["shots"] = [1, "full"]
    if name == "AudioSVMEvaluation":
        options["costs"] = [0.01, 0.1]
    if name == "HierarchyEvaluation":
        options["cuts"] = [5, 3]
    if name.endswith("ClusteringPass") or name == "KMeansEvaluation":
        options = _small_clusters(options)
    return {"class_path": callback["class_path"], **({"init_args": options} if options else {})}
