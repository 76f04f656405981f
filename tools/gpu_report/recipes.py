"""Speed of the training step of recipes at their real sizes, on random numbers."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules import BaseModule
from tools.gpu_report.timing import Device
from tools.method_batches import Sizes, batch_for, method_of
from unlabelled.batch import Batch
from unlabelled.contracts import HasTarget
from unlabelled.nn.target import update_target

ROOT = Path(__file__).resolve().parents[2]
SHARES = ("loading", "step", "clustering", "evaluation")
EVALUATED = 0.1
"""Clips that are evaluated after an epoch, as a share of those trained on."""


@dataclass(frozen=True)
class Recipe:
    """A configuration, the sizes of its inputs, and a demo of the same method with small sizes.

    Args:
        name: Title of the row.
        config: File of configs/recipes/.
        sizes: Sizes of the inputs, as its pipeline makes them.
        batch: Clips per step and GPU.
        demo: File of configs/demo/, for ``--small``.
        clustered: Whether each epoch has a clustering pass, which embeds all clips.
        changed: Arguments of the method that differ, as they concern files.
    """

    name: str
    config: str
    sizes: Sizes
    batch: int
    demo: str
    clustered: bool = False


_TOKENS: Sizes = {"text": (20,), "video": (12,), "audio": (40, 768)}
RECIPES = (
    Recipe(
        "SeLaVi",
        "selavi_vggsound",
        {"video": (30, 112, 112), "audio": (257, 199)},
        16,
        "selavi",
        clustered=True,
    ),
    Recipe("SCE, images, ResNet-50", "sce_imagenet", {"image": (224, 224)}, 64, "sce"),
    Recipe("SCE, video, ResNet3D-50", "sce_kinetics400_r3d50", {"video": (8, 224, 224)}, 64, "sce_video"),
    Recipe("SSPC", "sspc_howto100m", _TOKENS, 540, "sspc"),
    Recipe("DMC", "dmc_flickr", {"image": (256, 256), "audio": (64, 496)}, 64, "dmc"),
)
SMALL: Sizes = {"image": (32, 32), "audio": (64, 64), "video": (4, 32, 32), "text": (5,)}
SMALL_TOKENS: Sizes = {"text": (5,), "video": (4,), "audio": (40, 64)}


@dataclass(frozen=True)
class Speed:
    """Measurements of a recipe.

    Attributes:
        clips: Clips per second of a step.
        flops: Floating-point operations per second of a step, 2 for a multiplication with its addition.
        memory: Peak memory in GiB; 0 where it is not known.
        shares: Shares of an epoch's time: ``loading`` (the copy to the device alone), ``step``,
            ``clustering`` (the features of a pass) and ``evaluation`` (the features of a tenth of the clips).
    """

    clips: float
    flops: float
    memory: float
    shares: dict[str, float]


def measure(recipe: Recipe, device: Device, small: bool) -> Speed:
    """Measure a recipe with bfloat16 autocast; ``small``: the demo of its method, on tiny inputs."""
    folder, name = ("demo", recipe.demo) if small else ("recipes", recipe.config)
    sizes = recipe.sizes if not small else SMALL_TOKENS if recipe.demo == "sspc" else SMALL
    method = method_of(ROOT / "configs" / folder / f"{name}.yaml").to(device.torch)
    count = 8 if small else recipe.batch
    batch = batch_for(method, sizes, count, device.torch)
    step = _step(method, batch, device)
    with FlopCounterMode(display=False) as counter:
        step()
    rounds = 2 if small else 10
    device.reset_peak()
    seconds = statistics.median(device.seconds(step) for _ in range(rounds))
    memory = device.peak_memory()
    host = _on_host(batch, device)
    copy = statistics.median(device.seconds(lambda: _copied(host, device)) for _ in range(rounds))
    embed = _embed_seconds(method, recipe, sizes, count, device, rounds)
    parts = (copy, seconds, embed * recipe.clustered, embed * EVALUATED)
    shares = {name: part / sum(parts) for name, part in zip(SHARES, parts, strict=True)}
    return Speed(count / seconds, counter.get_total_flops() / seconds, memory, shares)


def _step(method: BaseModule, batch: Batch, device: Device) -> Callable[[], None]:
    optimizer = method.optimizer([each for each in method.parameters() if each.requires_grad])

    def step() -> None:
        with torch.autocast(device.torch.type, torch.bfloat16):
            loss = method.training_step(batch, 1)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if isinstance(method, HasTarget):
            update_target(method.target_pairs(), 0.99)

    return step


def _embed_seconds(
    method: BaseModule, recipe: Recipe, sizes: Sizes, count: int, device: Device, rounds: int
) -> float:
    """Return the seconds of the features of ``count`` clips in evaluation mode."""
    batch = batch_for(method, sizes, count, device.torch)
    for name in set(method.encoders) & set(sizes) - set(batch):
        if "views" in batch:
            batch[name] = batch["views"][0]
    method.eval()

    def embed() -> None:
        with torch.no_grad(), torch.autocast(device.torch.type, torch.bfloat16):
            method.embed(batch)

    embed()
    seconds = statistics.median(device.seconds(embed) for _ in range(rounds))
    method.train()
    return seconds


def _on_host(batch: Batch, device: Device) -> list[torch.Tensor]:
    """Return the inputs in pinned memory: images as bytes, from which the device makes floats."""
    flat: list[Any] = [
        part for each in batch.values() for part in (each if isinstance(each, list) else [each])
    ]
    tensors = [each for each in flat if isinstance(each, torch.Tensor)]
    host = [each.to("cpu", torch.uint8 if each.ndim >= 4 else each.dtype) for each in tensors]
    return [each.pin_memory() for each in host] if device.torch.type == "cuda" else host


def _copied(host: list[torch.Tensor], device: Device) -> list[torch.Tensor]:
    return [each.to(device.torch, non_blocking=True) for each in host]
