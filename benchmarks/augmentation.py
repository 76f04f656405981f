"""Compare the speed of strong augmentation of whole batches, of single samples, and by torchvision.

    python benchmarks/augmentation.py [--device cuda] [--threads 1] [--rounds 5]

"batched" is ``augment: batched``, on the device. "workers" is ``augment: workers``: the same function on
batches of one sample, on one CPU thread, as in a worker. "torchvision" has the functions of torchvision, on
one CPU thread. All three apply the same parameters and convert uint8 to floats. Rounds alternate; the best
one counts.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import default_collate
from torchvision.transforms.v2 import functional as TF

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from measurement import timed

from unlabelled.seeding import numpy_generator
from unlabelled.transforms import Augmentation, Strong, StrongAlpha, StrongBeta

SHAPES = {"images": (256, 3, 32, 32), "clips": (8, 3, 8, 112, 112)}
ADJUST = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation)
Drawn = list[dict[str, Tensor]]


def main() -> None:
    """Print samples per second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="device of the batched augmentation")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the batched augmentation")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{'samples per second':<32}{'batched':>12}{'workers':>12}{'torchvision':>14}")
    for title, shape in SHAPES.items():
        pixels = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).byte()
        for augmentation in (Strong(), StrongAlpha(), StrongBeta()):
            functions = prepare(augmentation, pixels, options.device, options.threads)
            best = [shape[0] / seconds for seconds in fastest(functions, options.rounds)]
            size = "x".join(str(side) for side in (*shape[:1], *shape[2:]))
            name = f"{title} {size} {type(augmentation).__name__}"
            print(f"{name:<32}{best[0]:>12.0f}{best[1]:>12.0f}{best[2]:>14.0f}")


def prepare(
    augmentation: Augmentation, pixels: Tensor, device: str, threads: int
) -> list[Callable[[], object]]:
    """Return three functions without arguments that augment the batch: batched, workers, torchvision."""
    drawn = [augmentation.draw(numpy_generator("benchmark", row)) for row in range(len(pixels))]
    stacked = {name: values.to(device) for name, values in default_collate(drawn).items()}
    raw = pixels.to(device)

    def batched() -> None:
        torch.set_num_threads(threads)
        augmentation.apply(raw.float().div_(255), stacked)
        if raw.is_cuda:
            torch.cuda.synchronize()

    def workers() -> None:
        torch.set_num_threads(1)
        for sample, parameters in zip(pixels, drawn, strict=True):
            augmentation.apply(sample[None].float().div_(255), default_collate([parameters]))

    def torchvision() -> None:
        torch.set_num_threads(1)
        for sample, parameters in zip(pixels, drawn, strict=True):
            by_torchvision(sample if sample.ndim == 3 else sample.transpose(0, 1), parameters)

    return [batched, workers, torchvision]


def by_torchvision(frames: Tensor, parameters: dict[str, Tensor]) -> Tensor:
    """Apply the parameters to ``([T,] 3, H, W)`` uint8 by functions of torchvision; return floats."""
    frames = frames.float().div_(255)
    blends = zip(parameters["adjustments"].tolist(), parameters["factors"].tolist(), strict=True)
    steps = [(ADJUST[kind], factor) for kind, factor in blends if factor != 1]
    if (position := int(parameters["hue_place"])) >= 0:
        steps.insert(position, (TF.adjust_hue, float(parameters["hue"])))
    for step, amount in steps:
        frames = step(frames, amount)
    if parameters["greyscale"]:
        frames = TF.rgb_to_grayscale(frames, num_output_channels=3)
    if parameters["blur"]:
        frames = TF.gaussian_blur(frames, [23, 23], [float(parameters["blur_sigma"])] * 2)
    if parameters["solarize"]:
        frames = TF.solarize(frames, 0.5)
    return TF.horizontal_flip(frames) if parameters["flip"] else frames


def fastest(functions: list[Callable[[], object]], rounds: int) -> list[float]:
    """Return the seconds of the fastest round of each function; the first round is a warm-up."""
    best = [float("inf")] * len(functions)
    for _ in range(rounds + 1):
        best = [min(seconds, timed(function)[0]) for seconds, function in zip(best, functions, strict=True)]
    return best


if __name__ == "__main__":
    main()
