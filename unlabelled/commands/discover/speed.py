"""Time of a step on this machine, as it is now: the small encoders of the demos on random inputs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unlabelled.commands.discover.contents import Kind
from unlabelled.encoders import SmallAudioEncoder, SmallImageEncoder, SmallVideoEncoder

_OVERHEAD = (
    1.6  # heads, optimiser, augmentation and the loop: measured steps of the demos take this much more
)
_REPEATS = 3
_SECONDS = 0.5  # of each measure at least, as other programs come and go
_START, _FILE = 12.0, 0.1  # seconds on an idle machine


@dataclass(frozen=True)
class Speed:
    """Seconds of the parts of a run.

    Args:
        step: One optimiser step.
        sample: The features of one sample without gradient, with its decoding from a decoded copy.
        start: The start of ``cli.py``.
        file: The first decoding of a file.
        slowdown: How many times as long all takes as on an idle machine.
    """

    step: float
    sample: float
    start: float = _START
    file: float = _FILE
    slowdown: float = 1.0


def measure(kind: Kind) -> Speed:
    """Time the encoders of a kind of files on batches of the demos' sizes, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        size = 1
        forward = backward = 0.0
        wall, processor = time.monotonic(), time.process_time()
        for encoder, inputs in _parts(kind):
            size = len(inputs)
            forward += _seconds(encoder, inputs, learns=False)
            backward += _seconds(encoder, inputs, learns=True)
        # Other programs on the machine slow the start and the decoding, too.
        slowdown = max(1.0, (time.monotonic() - wall) / max(time.process_time() - processor, 1e-3))
        return Speed(_OVERHEAD * backward, 2 * forward / size, _START * slowdown, _FILE * slowdown, slowdown)
    finally:
        torch.set_num_threads(threads)


def _parts(kind: Kind) -> list[tuple[nn.Module, Tensor]]:
    """Return the encoders and their inputs in a step."""
    video = (SmallVideoEncoder(), torch.randn(16, 3, 8, 40, 40))
    audio = (SmallAudioEncoder(), torch.randn(16, 1, 64, 99))
    image = (SmallImageEncoder(), torch.randn(128, 3, 32, 32))  # two crops of 64 images
    parts: dict[Kind, list[tuple[nn.Module, Tensor]]] = {
        "videos": [video, audio],
        "videos without audio": [video],
        "audio files": [audio],
        "images": [image],
    }
    return parts[kind]


def _seconds(encoder: nn.Module, inputs: Tensor, learns: bool) -> float:
    """Return the mean time of one call, after one that is not counted."""
    begin = elapsed = 0.0
    repeat = -1
    while repeat < _REPEATS or elapsed < _SECONDS:
        repeat += 1
        if repeat == 1:
            begin = time.monotonic()
        with torch.set_grad_enabled(learns):
            result = encoder(inputs)
            if learns:
                result.square().mean().backward()
        elapsed = time.monotonic() - begin if repeat else 0.0
    return elapsed / repeat
