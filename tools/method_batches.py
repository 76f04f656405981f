"""Methods of configurations, and batches of random tensors for them: steps without data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from jsonargparse import ArgumentParser
from torch import Tensor

from lightning_modules import GDT, BaseModule, Classifier, DeepClusterV2, MomentumContrast
from lightning_modules.self_labelled import SelfLabelled
from unlabelled.encoders.tokens import StreamEncoder
from unlabelled.nn.queue import FillingQueue

Sizes = dict[str, Sequence[int]]
"""Size of an input of each modality without batch and channels; of a stream of features, number of tokens."""


def method_of(config: Path, **changed: Any) -> BaseModule:
    """Return the method of a configuration with new weights, which logs nothing.

    Args:
        config: A YAML file of configs/.
        **changed: Arguments of the method that differ.
    """
    model = yaml.safe_load(config.read_text())["model"]
    model["init_args"] |= changed
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(BaseModule, "model")
    method: BaseModule = parser.instantiate(parser.parse_object({"model": model})).model
    method.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    return method


def batch_for(method: BaseModule, sizes: Sizes, count: int, device: torch.device) -> dict[str, Any]:
    """Return a batch of ``count`` samples of random numbers for ``training_step``."""
    batch: dict[str, Any] = {"index": torch.arange(count, device=device)}
    if isinstance(method, SelfLabelled):
        _label(method, count)
    if isinstance(method, MomentumContrast | DeepClusterV2):
        return batch | {"views": [_signal(method.modality, sizes, count, device) for _ in range(2)]}
    if isinstance(method, Classifier):
        batch["label"] = torch.arange(count, device=device) % method.num_classes
    inputs = _inputs(method, sizes, count, device)
    if isinstance(method, GDT):
        shifts, directions = method.copies
        return batch | {"views": [[inputs for _ in range(directions)] for _ in range(shifts)]}
    for queue in method.modules():
        if isinstance(queue, FillingQueue):
            queue.push(torch.nn.functional.normalize(torch.randn_like(queue.rows), dim=1))
    return batch | inputs


def _inputs(method: BaseModule, sizes: Sizes, count: int, device: torch.device) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    for name, encoder in method.encoders.items():
        if not isinstance(encoder, StreamEncoder):
            inputs[name] = _signal(name, sizes, count, device)
            continue
        size = sizes[name]
        width = encoder.in_dim
        shape = (count, 1, *size) if width is None else (count, *size, width)
        inputs[encoder.key] = torch.randn(shape, device=device)
        inputs[f"{name}_mask"] = torch.ones(count, size[-1], dtype=torch.bool, device=device)
    return inputs


def _signal(modality: str, sizes: Sizes, count: int, device: torch.device) -> Tensor:
    return torch.randn(count, 1 if modality == "audio" else 3, *sizes[modality], device=device)


def _label(method: SelfLabelled, count: int) -> None:
    labels = method.pseudo_labels
    labels.allocate(count)
    for head in range(method.num_clusterings):
        labels.publish(head, torch.arange(count), torch.arange(count) % method.num_clusters)
    if isinstance(centroids := getattr(method, "prototypes", None), Tensor):
        centroids.normal_(std=0.1)
