"""``cli.py doctor``: report versions and devices, and check packages and decoders."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlabelled import environment

if TYPE_CHECKING:  # a broken installation of NumPy or PyAV must not prevent the report
    import numpy as np
    from numpy.typing import NDArray

SECONDS, FPS, SAMPLE_RATE = 2, 10, 16000
"""Duration in seconds, frame rate and audio rate of the clip on which decoders are checked."""
_SIZE = (64, 48)
_FIRST_LEVEL, _STEP = 30, 10
_TOLERANCE = 4.0  # grey levels, for the loss of H.264; below half a step, so that frames remain distinct
_REINSTALL = "install the versions of requirements.txt again, all of one kind (CPU or CUDA)"


@dataclass(frozen=True)
class Check:
    """One check of the installation.

    Args:
        name: The package or decoder.
        run: Return a remark; raise any exception if the check fails.
        advice: The remedy.
        essential: Whether training requires it.
    """

    name: str
    run: Callable[[], str]
    advice: str
    essential: bool = True

    def passes(self) -> bool:
        """Run the check and print the result."""
        try:
            print(f"  ok      {self.name}: {self.run()}")
        except Exception as error:  # a broken installation may raise any of them
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"  FAILED  {self.name}: {reason[:300]}\n          -> {self.advice}")
            return False
        return True


def main(argv: Sequence[str] = ()) -> int:
    """Print the report; return 0 if all essential checks pass, else 1."""
    parser = argparse.ArgumentParser(prog="doctor", description=__doc__)
    parser.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        help="videos that each decoder is tried on",
    )
    options = parser.parse_args(argv)
    versions = environment.versions()
    width = max(map(len, versions))
    print("versions", *(f"  {name:{width}}  {found}" for name, found in versions.items()), "checks", sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        results = [(check, check.passes()) for check in checks(os.path.join(folder, "clip.mp4"))]
    failed = [check.name for check, passed in results if check.essential and not passed]
    if options.folder is not None:
        print("decoders", *(f"  {line}" for line in _decoders(options.folder)), sep="\n")
    print(f"not ready: {', '.join(failed)}" if failed else "ready")
    return 1 if failed else 0


def checks(clip: str) -> Iterator[Check]:
    """Yield the checks in order; the check of writing with PyAV creates the file ``clip``."""
    yield Check("torch", partial(_imports, "torch"), _REINSTALL)
    yield Check("devices", _devices, "compare the GPU's driver with the CUDA that torch is built for")
    for package in ("torchvision", "torchaudio", "torchmetrics", "lightning", "jsonargparse", "tensorboard"):
        yield Check(package, partial(_imports, package), _REINSTALL)
    yield Check("faiss", _faiss, "only the k-means baseline requires it: install the extra cpu or gpu", False)
    yield Check("PyAV writes", partial(_writes, clip), "install av again: its wheels include FFmpeg")
    yield Check("PyAVReader", partial(_reads, clip, "PyAVReader"), "install av again")
    yield Check("DecordReader", partial(_reads, clip, "DecordReader"), "use PyAVReader")
    yield Check("decord", partial(_backend, "decord", clip), "nothing: PyAV reads all files", False)
    if importlib.util.find_spec("torchcodec") is not None:
        yield Check(
            "torchcodec", partial(_backend, "torchcodec", clip), "nothing: PyAV reads all files", False
        )


def _decoders(folder: str) -> Iterator[str]:
    """Yield how many files of a folder each decoder reads, and why another one than PyAV does not."""
    from unlabelled.commands.check_media import backend_lines, check_folder
    from unlabelled.data.media.backends import BACKENDS
    from unlabelled.data.media.index import Requirements

    for name in BACKENDS:
        index = check_folder(folder, Requirements(audio=False), progress=False, backend=name)
        if name == BACKENDS[0]:
            yield f"usable: {len(index)} of {index.listed}, all of them by PyAVReader"
        yield from backend_lines(index)


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


def _writes(clip: str) -> str:
    write_clip(clip)
    return f"a clip in H.264 and AAC, {Path(clip).stat().st_size} bytes"


def _reads(clip: str, name: str) -> str:
    reader = getattr(importlib.import_module("unlabelled.data.media"), name)()
    frames = reader.frames(clip, 0.0, float(SECONDS), SECONDS * FPS)
    check_frames(frames)
    check_audio(reader.waveform(clip, 0.0, float(SECONDS), SAMPLE_RATE))
    return f"{len(frames)} correct frames, correct audio"


def _backend(name: str, clip: str) -> str:
    from unlabelled.data.media.backends import backend_frames, prove

    check_frames(backend_frames(name, clip, 0.0, float(SECONDS), SECONDS * FPS, None))
    if reason := prove(name, clip, float(SECONDS)):
        raise ValueError(f"PyAV reads the clip: {reason}")
    return (
        "correct frames, as proved; a reader of its name uses it for files of which the index proves the same"
    )


def write_clip(path: str) -> None:
    """Write two seconds: frame n is plain grey of level 30 + 10 n; a 440 Hz tone begins after one second."""
    import av
    import numpy as np

    with av.open(path, "w") as container:
        video: Any = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = *_SIZE, "yuv420p"
        audio: Any = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for level in _grey_levels():
            grey = np.full((_SIZE[1], _SIZE[0], 3), level, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(video.encode(None))
        seconds = np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE
        tone = np.where(seconds < 1, 0, 0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


def check_frames(frames: NDArray[np.uint8]) -> None:
    """Raise a ``ValueError`` unless these are all frames ``(20, height, width, 3)`` of the clip in order."""
    expected = _grey_levels()
    found = frames.reshape(len(frames), -1).mean(1)
    if len(found) != len(expected) or abs(found - expected).max() > _TOLERANCE:
        raise ValueError(f"wrong frames: grey levels {found.round().astype(int).tolist()}")


def check_audio(waveform: NDArray[np.float32]) -> None:
    """Raise a ``ValueError`` unless ``waveform (2 * SAMPLE_RATE,)`` is silent in its first second only."""
    # AAC changes the samples around the beginning of the tone, so 50 ms on each side are left out.
    edge = SAMPLE_RATE // 20
    silence, tone = waveform[: SAMPLE_RATE - edge], waveform[SAMPLE_RATE + edge : -edge]
    levels = [math.sqrt(float((part**2).mean())) for part in (silence, tone)]
    if len(waveform) != SECONDS * SAMPLE_RATE or levels[0] > 0.02 or abs(levels[1] - 0.354) > 0.05:
        raise ValueError(f"wrong audio: levels {levels[0]:.3f} and {levels[1]:.3f}, expected 0 and 0.354")


def _grey_levels() -> list[int]:
    return [_FIRST_LEVEL + _STEP * number for number in range(SECONDS * FPS)]
