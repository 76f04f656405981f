"""Compare the time of colour jitter of single clips, as in a worker, with torchvision's functions.

    python benchmarks/jitter.py [--size 40] [--frames 8] [--clips 100] [--rounds 9]

Both have the same parameters and return the same pixels. Seconds are of the processor, of one thread; rounds
are paired and alternate in order.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run from a clone, without installing

from measurement import processor

from unlabelled.transforms.clip_transforms import jitter_colours
from unlabelled.transforms.hue import shift_frame_hue

STRENGTH = 0.4
ADJUST = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, TF.adjust_hue)


def jitter_by_torchvision(frames: Tensor, strength: float, rng: np.random.Generator) -> Tensor:
    """Return what ``jitter_colours`` does, by torchvision's functions."""
    amounts = [*rng.uniform(1 - strength, 1 + strength, 3), rng.uniform(-strength / 4, strength / 4)]
    for step in rng.permutation(len(ADJUST)):
        frames = ADJUST[step](frames, float(amounts[step]))
    return frames


def main() -> None:
    """Print microseconds per clip, and the ratios of the rounds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=int, default=40, help="pixels")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    shape = options.frames, options.size + 8, options.size + 24, 3
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    clip = torch.from_numpy(pixels).permute(0, 3, 1, 2)[..., 4:-4, 12:-12]  # as it is read and cropped
    print(f"{processor()}; {options.frames} frames of {options.size}x{options.size}, {options.rounds} rounds")
    pairs: dict[str, list[Callable[[int], Tensor]]] = {
        "jitter": [
            lambda seed: jitter_by_torchvision(clip, STRENGTH, np.random.default_rng(seed)),
            lambda seed: jitter_colours(clip, STRENGTH, np.random.default_rng(seed)),
        ],
        "hue": [
            lambda seed: TF.adjust_hue(clip, 0.001 * (seed % 500)),
            lambda seed: shift_frame_hue(clip, 0.001 * (seed % 500)),
        ],
    }
    for name, functions in pairs.items():
        assert torch.equal(functions[0](1), functions[1](1))
        report(name, [measure(functions, number, options.clips) for number in range(options.rounds)])


def measure(functions: list[Callable[[int], Tensor]], number: int, clips: int) -> list[float]:
    """Return the processor's seconds per clip of each function, in an order that alternates."""
    seconds = [0.0] * len(functions)
    for place in (0, 1) if number % 2 == 0 else (1, 0):
        started = time.process_time()
        for seed in range(clips):
            functions[place](seed)
        seconds[place] = (time.process_time() - started) / clips
    return seconds


def report(name: str, rounds: list[list[float]]) -> None:
    """Print the medians and the ratios."""
    theirs, ours = (1e6 * statistics.median(each) for each in zip(*rounds, strict=True))
    ratios = [their_time / our_time for their_time, our_time in rounds]
    print(
        f"{name}: torchvision {theirs:.0f} us, ours {ours:.0f} us per clip; {statistics.median(ratios):.2f} "
        f"times as fast ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
