"""Choose the folder of a run from its configuration, and the checkpoint that it starts from."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from unlabelled.commands.runs.folders import (
    CHECKPOINTS,
    FIT,
    ROOT,
    RunFolder,
    checked_name,
    find_checkpoints,
    new_run,
    newest,
    output_of,
    preempted_checkpoints,
    run_of,
    versions,
)
from unlabelled.commands.runs.outputs import checkpoint_folders, follows
from unlabelled.commands.runs.whole import whole

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the former is in C
_CHOSEN = "UNLABELLED_RUN_FOLDER"  # for the processes that Lightning starts beside the first one
_KEYWORDS = ("last", "best")


def name_of(files: Sequence[str], model: str) -> str:
    """Return the default name of a run: that of its configuration.

    It is ``selavi_demo`` for configs/demo/selavi.yaml.

    Args:
        files: The configurations, of which the last one that names a method counts.
        model: Class of the method; its name is taken where no file names one.
    """
    named = [file for file in files if _names_method(file)]
    if not named:
        return model.rpartition(".")[2].lower()
    path = Path(named[-1]).resolve()
    return f"{path.stem}_demo" if path.parent.name == "demo" else path.stem


def _names_method(file: str) -> bool:
    try:
        content = yaml.load(Path(file).read_text("utf-8"), _LOADER)
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        return False
    model = content.get("model") if isinstance(content, dict) else None
    return "class_path" in model if isinstance(model, dict) else isinstance(model, str)


def place(config: Any, command: str, name: str, rank: int = 0) -> RunFolder | None:
    """Create the folder of a command's output, and replace ``ckpt_path: last`` and ``best`` by a file.

    A ``fit`` is a new run, unless it starts from a checkpoint of a run of the same name. Every other command
    belongs to the run of its checkpoint, or to the newest one of the name.

    Args:
        config: Configuration of the command; its ``ckpt_path`` is replaced.
        command: ``fit``, ``validate``, ``test`` or ``predict``.
        name: Name of the run where the configuration has no ``run``.
        rank: Rank of this process; only rank 0 creates folders.

    Returns: The folders; None: the configuration names a folder for everything.

    Raises:
        FileNotFoundError: The run has no such checkpoint.
        ValueError: The name is no relative path, the folders would be on another machine, or the checkpoint
            is damaged.
    """
    root = _root(config.trainer.default_root_dir or ROOT)
    base = root / checked_name(config.run or name)
    run = _existing_run(config, command, root, base, rank)
    if config.trainer.fast_dev_run:  # it writes no log and no checkpoint
        return RunFolder(root, base, base / "fast_dev_run")
    if config.trainer.default_root_dir is not None and not follows(config.trainer):
        return None
    if rank > 0:
        return _of_first_process(root) or RunFolder(root, run or base, (run or base) / command)
    chosen = output_of(root, run or base, command) if run or command != FIT else new_run(root, base)
    os.environ[_CHOSEN] = json.dumps([str(chosen.run), str(chosen.output)])
    return chosen


def _root(folder: str | Path) -> Path:
    if "://" in str(folder):
        raise ValueError(
            f"trainer.default_root_dir: {str(folder)!r} is no folder of this machine; a ModelCheckpoint may "
            "have such a dirpath"
        )
    return Path(folder)


def _existing_run(config: Any, command: str, root: Path, base: Path, rank: int) -> Path | None:
    """Return the run that a command belongs to, None: a new one; set the checkpoint to start from."""
    known = versions(base)
    latest = known[-1] if known else None
    if config.ckpt_path is None and command == FIT and _requeued():
        config.ckpt_path = "last"
    if config.ckpt_path in _KEYWORDS:
        config.ckpt_path = _named_checkpoint(config, command, latest or base, rank)
        return latest
    if config.ckpt_path in (None, "hpc"):
        expected = command == FIT and config.ckpt_path == "hpc"
        stored = newest(preempted_checkpoints(latest)) if latest and expected else None
        config.ckpt_path = config.ckpt_path if stored is None else str(stored)
        return latest if stored or command != FIT else None
    run = run_of(Path(config.ckpt_path))
    own = next((each for each in known if each.resolve() == run), None)
    if command == FIT:
        return own
    if own is None and config.run is None and run is not None and run.is_relative_to(root.resolve()):
        return root / run.relative_to(root.resolve())
    return own or latest


def _named_checkpoint(config: Any, command: str, run: Path, rank: int) -> str | None:
    """Return the path of the last or the best checkpoint of a run; None: its training begins.

    If the last one is damaged, the newest whole one takes its place.
    """
    name: str = config.ckpt_path
    places = checkpoint_folders(config.trainer, run / CHECKPOINTS)
    if any("://" in place for place in places):
        return name  # Lightning looks for it on the other machine
    folders = [Path(place) for place in places]
    stored = preempted_checkpoints(run)
    others = [path for folder in folders for path in folder.glob("*.ckpt")]
    found = newest(find_checkpoints(folders, name) + (stored if name == "last" else []))
    if found is not None:
        return str(whole(found, others + stored if name == "last" else [], quiet=rank > 0))
    if command == FIT and name == "last":
        return None
    names = ", ".join(sorted(path.name for path in others))
    hint = f"there are {names}" if names else "train first, or name the run by --run"
    raise FileNotFoundError(f"ckpt_path: {folders[0]} has no {name}.ckpt; {hint}")


def _requeued() -> bool:
    """Return whether SLURM has started this job again."""
    return os.environ.get("SLURM_RESTART_COUNT", "0") not in ("", "0")


def _of_first_process(root: Path) -> RunFolder | None:
    """Return the folders that the process chose which started this one."""
    chosen = os.environ.get(_CHOSEN)
    if chosen is None:
        return None
    run, output = json.loads(chosen)
    return RunFolder(root, Path(run), Path(output)) if Path(run).is_relative_to(root) else None


def forget_choice() -> None:
    """Forget the folders of the last run, which processes that are started later would take for theirs."""
    os.environ.pop(_CHOSEN, None)
