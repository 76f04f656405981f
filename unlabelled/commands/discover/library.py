"""Networks of torchvision and timm by name: their inputs, and the options of ``cli.py predict`` with them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torchvision import models

from unlabelled.commands.discover.contents import Contents
from unlabelled.commands.discover.plan import LONG_CLIP, RUN, config_path, is_long
from unlabelled.encoders.library import import_library

_LIBRARIES = ("torchvision", "timm")
_CONFIGS = {  # protocols of pre-trained encoders, of which the pipeline is used, and the overlay of own files
    "image": ("configs/protocols/transfer.yaml", "configs/data/images.yaml"),
    "video": ("configs/protocols/retrieval_hmdb51.yaml", "configs/data/videos.yaml"),
}


@dataclass(frozen=True)
class Network:
    """A network with pre-trained weights.

    Args:
        library: ``torchvision`` or ``timm``.
        name: Its name there.
        file: A file of weights; empty: those of the library, which it downloads unless they are cached.
    """

    library: str
    name: str
    file: str = ""

    @property
    def modality(self) -> str:
        """``video`` or ``image``."""
        is_video = self.library == "torchvision" and self.name in models.list_models(module=models.video)
        return "video" if is_video else "image"

    def encoder(self) -> dict[str, Any]:
        """Return the encoder as in YAML."""
        weights = self.file or ("DEFAULT" if self.library == "torchvision" else "pretrained")
        name = "Torchvision" if self.library == "torchvision" else "Timm"
        return {
            "class_path": f"unlabelled.encoders.{name}",
            "init_args": {"name": self.name, "weights": weights},
        }

    def pipeline(self) -> dict[str, Any]:
        """Return the options of the pipeline: the input that the weights were trained with."""
        size, resize, mean, std = self._input()
        colours = {"mean": mean, "std": std}
        if self.modality == "image":
            return {"eval_size": size, "eval_resize": resize, **colours}
        clips = {"num_frames": 16, "duration": 2.0, "eval_clips": 1, "eval_crops": 1}
        return {"eval_crop": size, "eval_short_side": resize, **clips, **colours}

    def _input(self) -> tuple[int, int, list[float], list[float]]:
        if self.library == "timm":
            config = import_library("timm", "--weights").get_pretrained_cfg(self.name)
            if config is None:
                return 224, 256, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
            size = int(config.input_size[-1])
            return size, round(size / config.crop_pct), list(config.mean), list(config.std)
        preset: Any = models.get_model_weights(self.name).DEFAULT.transforms()
        return preset.crop_size[0], preset.resize_size[0], list(preset.mean), list(preset.std)


def library_network(weights: str) -> Network | None:
    """Read ``LIBRARY:NAME`` or ``LIBRARY:NAME:FILE``; None: it is the path of a checkpoint.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The library is not installed, or has no such network.

    >>> library_network("torchvision:resnet18"), library_network("runs/selavi_demo/checkpoints/last.ckpt")
    (Network(library='torchvision', name='resnet18', file=''), None)
    """
    library, _, rest = weights.partition(":")
    if library not in _LIBRARIES or not rest:
        return None
    name, _, file = rest.partition(":")
    if file and not Path(file).is_file():
        raise FileNotFoundError(f"--weights {weights}: there is no file {file}")
    known = models.list_models() if library == "torchvision" else _timm_names(name)
    if name not in known:
        raise ValueError(f"--weights {weights}: {library} has no network {name!r}")
    return Network(library, name, file)


def _timm_names(name: str) -> list[str]:
    timm = import_library("timm", "--weights timm")
    return [name] if "." in name and name.split(".")[0] in timm.list_models() else list(timm.list_models())


def predict_options(network: Network, contents: Contents, clusters: int, out: Path) -> list[str]:
    """Return the options of ``cli.py predict``: features of all files, clustered by k-means.

    Raises:
        ValueError: The network reads other files.
    """
    reads = f"{network.modality}s"
    if not contents.kind.startswith(reads):
        raise ValueError(
            f"--weights {network.library}:{network.name} reads {reads}, but {contents.folder} has "
            f"{contents.kind}"
        )
    callbacks = [
        {"class_path": "callbacks.ClusterPredictions", "init_args": {"num_clusters": clusters}},
        {"class_path": "callbacks.ExportFeatures"},
    ]
    options = [
        *(f"--config={config_path(name)}" for name in _CONFIGS[network.modality]),
        f"--model.init_args.encoders={json.dumps([network.encoder()])}",
        f"--data.init_args.root={contents.folder}",
        "--data.init_args.num_workers=1",
        "--data.init_args.eval_batch_size=16",
        *(
            f"--data.init_args.pipeline.init_args.{key}={json.dumps(value)}"
            for key, value in network.pipeline().items()
        ),
        "--trainer.accelerator=auto",
        f"--trainer.callbacks={json.dumps(callbacks)}",
        f"--trainer.default_root_dir={out / 'runs'}",
        f"--run={RUN}_{network.library}",
    ]
    if contents.allow_outside:
        options.append("--data.init_args.allow_outside=true")
    if is_long(contents):
        options.append(f"--data.init_args.segment_seconds={LONG_CLIP:g}")
    return options
