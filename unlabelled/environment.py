"""The environment of a run: versions, commit and devices."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import unlabelled

PACKAGES = (
    "torch",
    "torchvision",
    "torchaudio",
    "lightning",
    "torchmetrics",
    "jsonargparse",
    "av",
    "decord",
    "faiss-cpu",
    "faiss-gpu",
    "numpy",
    "scipy",
    "matplotlib",
    "tensorboard",
    "PyYAML",
    "tqdm",
)
REPOSITORY = Path(unlabelled.__file__).resolve().parents[1]
_ABSENT = "not installed"


def versions() -> dict[str, str]:
    """Return the installed versions by name: of Python, of this package and of its dependencies."""
    own = {"python": platform.python_version(), "unlabelled": unlabelled.__version__}
    return own | {name: version(name) for name in PACKAGES}


def version(distribution: str) -> str:
    """Return the version of an installed distribution, or ``not installed``."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return _ABSENT


def commit(repository: Path = REPOSITORY) -> str:
    """Return the commit of a clone, with ``-dirty`` if files differ from it; or why there is none."""
    if not (repository / ".git").exists():
        return "none: not a clone"
    command = ["git", "-C", str(repository), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown: git describe failed"
    return result.stdout.strip()


def devices() -> list[str]:
    """Return one line for the CPU and one for each GPU."""
    import torch  # here, because `doctor` reports a torch that cannot be imported

    lines = [f"CPU: {os.cpu_count()} cores, {platform.machine()}, {platform.system()}"]
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        # torch.cuda.is_bf16_supported also counts slow emulation; the hardware has it from Ampere on.
        bf16 = "has bf16" if properties.major >= 8 else "no bf16"
        lines.append(f"GPU {number}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB, {bf16}")
    if not torch.cuda.device_count():
        build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU"
        lines.append(f"GPU: none (torch is built for {build})")
    return lines


def describe() -> str:
    """Return versions, commit and devices as text, one ``name: value`` per line."""
    lines = [f"{name}: {value}" for name, value in versions().items()]
    return "\n".join([*lines, f"commit: {commit()}", *devices()]) + "\n"


def experiment_root(package: Path) -> Path:
    """Return the folder that has ``cli.py``.

    Args:
        package: The folder ``unlabelled``. In an installed wheel it has a folder ``_app``; else the result is
            its parent, the root of the clone.
    """
    installed = package / "_app"
    return installed if installed.is_dir() else package.parent
