"""Overlays with tiny settings for configurations on pre-extracted features, with a tiny data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from tests._helpers.embedded_features import GENERATED_VIDEOS, write_clips, write_videos
from tests._helpers.shrink import TRAINER, tiny_callback
from unlabelled.data.features.captions import CaptionTable
from unlabelled.data.features.columns import ColumnTable
from unlabelled.data.features.stored_text import write_text_features
from unlabelled.data.synthetic.embedded_features import EmbeddedVideos

Config = dict[str, Any]
DIM, WORD_DIM = GENERATED_VIDEOS["dim"], GENERATED_VIDEOS["word_dim"]
_TOKENS, _PROJECTED = 16, 12


def write_data(root: Path) -> Path:
    """Write features of videos, and random vectors in place of CLIP's for the words of their captions."""
    features = Path(write_videos(root / "films", write_clips(root / "clips")))
    table = CaptionTable(str(features / "captions"))
    spoken = {text for row in range(len(table)) for text in table[row].texts(range(len(table[row])))}
    texts = sorted(spoken | set(ColumnTable(EmbeddedVideos(str(features)).path).text("eval_caption")))
    rng = np.random.default_rng(0)
    vectors = ((text, rng.normal(size=(len(text.split()), WORD_DIM)).astype(np.float32)) for text in texts)
    write_text_features(str(features / "clip_text"), WORD_DIM, vectors)
    return features


def shrunk(path: Path, features: Path, out: Path, figures: bool = False, **model: Any) -> Path:
    """Write an overlay with tiny settings for the configuration at ``path``, whose output goes to ``out``.

    Figures take longer than everything else, so they are left out by default.
    """
    content: Config = yaml.safe_load(path.read_text())
    pipeline = content["data"]["init_args"].get("pipeline")
    callbacks = [each for each in content["trainer"]["callbacks"] if figures or not _draws(each)]
    overlay: Config = {
        "model": {"init_args": _model(content["model"]["init_args"], _video_dim(pipeline)) | model},
        "data": {"class_path": "datamodules.HowTo100M", "init_args": _data(pipeline, features)},
        "trainer": {
            **TRAINER,
            "default_root_dir": str(out),
            "logger": {"init_args": {"save_dir": str(out)}},
            "callbacks": [_callback(each, out) for each in callbacks],
        },
    }
    out.mkdir(parents=True, exist_ok=True)
    if "weights" in content["model"]["init_args"]:  # a start in the layout of the released files
        overlay["model"]["init_args"]["weights"] = str(out / "start.pth")
        torch.save({"state_dict": {"module.fusion.masking_token": torch.ones(_TOKENS)}}, out / "start.pth")
    target = out / "tiny.yaml"
    target.write_text(yaml.safe_dump(overlay))
    return target


def _video_dim(pipeline: Config | None) -> int:
    return DIM if pipeline is not None and pipeline["init_args"]["stream_3d"] is None else 2 * DIM


def _model(options: Config, video_dim: int) -> Config:
    pooled = "projection_dim" not in options  # MCN
    dim = _PROJECTED if pooled else _TOKENS
    small: Config = {
        "text": {"init_args": {"in_dim": WORD_DIM, "dim": dim}},
        "video": {"init_args": {"in_dim": video_dim, "dim": dim}},
    }
    if options["audio"] is not None:
        version = "DAVEnetV1" if pooled else "DAVEnetV2"
        cnn = {"class_path": f"unlabelled.encoders.{version}", "init_args": {"width_divisor": 64}}
        small["audio"] = {"init_args": {"dim": dim, "cnn": cnn}}
    if not pooled:
        small |= {"transformer": {"init_args": {"num_heads": 2}}, "projection_dim": _PROJECTED}
    sizes = {"num_anchors": 8, "queue_size": 8 if pooled else 16, "num_centroids": 4, "reconstruction_dim": 8}
    return small | {name: size for name, size in sizes.items() if name in options}


def _data(pipeline: Config | None, features: Path) -> Config:
    options: Config = dict(pipeline["init_args"]) if pipeline is not None else {}
    options |= {"text": _text(options.get("text"), features), "audio_frames": 256, "max_words": 8}
    options["stream_2d"] = {"dim": DIM, "fps": 1.0}
    if "stream_3d" not in options or options["stream_3d"] is not None:
        options["stream_3d"] = {"dim": DIM, "fps": 1.5}
    return {
        "root": str(features),
        "clips_per_video": 2,
        "min_time": 4.0,
        "batch_size": 4,
        "eval_batch_size": 8,
        "num_workers": 0,
        "pipeline": {"class_path": "unlabelled.pipelines.FeaturePipeline", "init_args": options},
        "evaluation": [
            {
                "class_path": f"unlabelled.data.synthetic.embedded_features.{name}",
                "init_args": {"root": str(features)},
            }
            for name in ("EmbeddedVideos", "EmbeddedScenes")
        ],
    }


def _text(encoder: Config | None, features: Path) -> Config:
    if encoder is not None and encoder["class_path"].endswith("StoredTextFeatures"):
        return {**encoder, "init_args": {"path": str(features / "clip_text")}}
    name = "unlabelled.data.features.WordVectors"
    return {"class_path": name, "init_args": {"path": str(features / "word2vec.bin")}}


def _callback(callback: Config, out: Path) -> Config:
    small = tiny_callback(callback, out)
    if small["class_path"].endswith("CentroidUpdate"):
        small["init_args"]["every_n_steps"] = 2
    return small


def _draws(callback: Config) -> bool:
    return bool(callback["class_path"].endswith("Figures"))
