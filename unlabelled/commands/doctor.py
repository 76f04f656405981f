"""``cli.py doctor``: what is installed, what the machine has, and whether the decoders decode."""

from __future__ import annotations

import argparse
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unlabelled import environment
from unlabelled.commands import sample_clip

_REINSTALL = "install the versions of requirements.txt again, all of one kind (CPU or CUDA)"


@dataclass(frozen=True)
class Check:
    """One thing to try.

    Args:
        name: What is tried.
        run: Returns a remark; raises if it does not work.
        advice: What to do if it does not.
        essential: Whether nothing can be trained without it.
    """

    name: str
    run: Callable[[], str]
    advice: str
    essential: bool = True


def main(argv: Sequence[str] = ()) -> int:
    """Print the report; return 0 if all that is essential works, else 1."""
    parser = argparse.ArgumentParser(prog="doctor", description=__doc__)
    parser.parse_args(argv)
    versions = environment.versions()
    width = max(map(len, versions))
    print("versions", *(f"  {name:{width}}  {found}" for name, found in versions.items()), "checks", sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        tried = [(check, _try(check)) for check in checks(os.path.join(folder, "clip.mp4"))]
    failed = [check.name for check, works in tried if check.essential and not works]
    print(f"not ready: {', '.join(failed)}" if failed else "ready")
    return 1 if failed else 0


def checks(clip: str) -> Iterator[Check]:
    """Yield what to try, in order; that of writing with PyAV makes ``clip``."""
    yield Check("torch", partial(_imports, "torch"), _REINSTALL)
    yield Check("devices", _devices, "compare the GPU's driver with the CUDA that torch is built for")
    for package in ("torchvision", "torchaudio", "torchmetrics", "lightning", "jsonargparse", "tensorboard"):
        yield Check(package, partial(_imports, package), _REINSTALL)
    yield Check("faiss", _faiss, "only the k-means baseline needs it: install the extra cpu or gpu", False)
    yield Check("PyAV writes", partial(_write, clip), "install av again: its wheels bring their own FFmpeg")
    yield Check("PyAVReader", partial(_reads, clip, "PyAVReader"), "install av again")
    yield Check("DecordReader", partial(_reads, clip, "DecordReader"), "use PyAVReader")
    yield Check("decord", partial(_decord, clip), "nothing: DecordReader reads with PyAV instead", False)


def _try(check: Check) -> bool:
    try:
        print(f"  ok      {check.name}: {check.run()}")
    except Exception as error:  # whatever a broken installation may raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"  FAILED  {check.name}: {reason[:300]}\n          -> {check.advice}")
        return False
    return True


def _imports(name: str) -> str:
    importlib.import_module(name)
    return "imports"


def _devices() -> str:
    import torch

    for number in range(torch.cuda.device_count()):
        for dtype in (torch.float32, torch.bfloat16):
            ones = torch.ones(16, 16, device=f"cuda:{number}", dtype=dtype)
            if float((ones @ ones).sum()) != 16**3:
                raise ValueError(f"GPU {number}: a product of matrices of ones in {dtype} is wrong")
    return "; ".join(environment.devices())


def _faiss() -> str:
    faiss = importlib.import_module("faiss")
    if not hasattr(faiss, "StandardGpuResources"):
        return f"{faiss.__version__}, built for the CPU"
    return f"{faiss.__version__}, built for GPUs, finds {faiss.get_num_gpus()}"


def _write(clip: str) -> str:
    sample_clip.write(clip)
    return f"a clip in H.264 and AAC, {Path(clip).stat().st_size} bytes"


def _reads(clip: str, name: str) -> str:
    reader = getattr(importlib.import_module("unlabelled.data.media"), name)()
    frames = reader.frames(clip, 0.0, float(sample_clip.SECONDS), sample_clip.SECONDS * sample_clip.FPS)
    sample_clip.check_frames(frames)
    waveform = reader.waveform(clip, 0.0, float(sample_clip.SECONDS), sample_clip.SAMPLE_RATE)
    sample_clip.check_sound(waveform)
    return f"the right {len(frames)} frames, the right sound"


def _decord(clip: str) -> str:
    decord = importlib.import_module("decord")
    reader = decord.VideoReader(clip, decord.cpu(0), num_threads=1)
    sample_clip.check_frames(reader.get_batch(range(len(reader))).asnumpy())
    return "the right frames, by decord itself"
