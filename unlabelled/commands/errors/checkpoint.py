"""Check the checkpoint of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unlabelled.checkpoints import read_checkpoint

_RESUMED = ("optimizer_states", "lr_schedulers", "loops", "callbacks", "epoch", "global_step")


def check_start(options: Mapping[str, Any]) -> bool:
    """Check that the files exist from which a method starts, ``encoder_checkpoint`` and ``weights``.

    Args:
        options: The method's, ``model.init_args``.

    Returns: Whether it starts from a file.

    Raises:
        FileNotFoundError: There is no such file.
    """
    found = False
    for name in ("encoder_checkpoint", "weights"):
        value = options.get(name)
        paths = [value] if isinstance(value, str) else dict(value or {}).values()
        for path in paths:
            found = True
            if not Path(path).is_file():
                raise FileNotFoundError(f"{name}: there is no file {path!r}; give the path of a checkpoint")
    return found


def check_checkpoint(path: str | None, resumes: bool = False) -> None:
    """Check ``--ckpt_path`` before the run begins.

    Args:
        path: The path of a file. Other values (``best``, ``last``, ``hpc``, a URL, a folder of shards) are
            not checked: Lightning resolves them.
        resumes: Whether training goes on from it, for which more than weights is needed.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, no checkpoint, or lacks what is needed.
    """
    if path is None or path in ("best", "last", "hpc") or ":" in path or Path(path).is_dir():
        return
    content = read_checkpoint(path, mapped=True, name="ckpt_path")
    if not isinstance(content.get("state_dict", {}), dict):
        raise ValueError(f"ckpt_path: {path!r} is no checkpoint: its state_dict is no dictionary")
    lacking = [key for key in ("state_dict", *(_RESUMED if resumes else ())) if key not in content]
    if lacking:
        what = "resumed" if resumes else "evaluated"
        raise ValueError(
            f"ckpt_path: {path!r} cannot be {what}: it has no {', '.join(lacking)}; to start from its "
            "encoders, give it as --model.init_args.encoder_checkpoint, or from all weights as "
            "--model.init_args.weights"
        )
