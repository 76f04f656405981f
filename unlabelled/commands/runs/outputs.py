"""Let loggers and checkpoints of a configuration follow the folder of the run, where it names none."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unlabelled.commands.errors.suggestions import import_path
from unlabelled.commands.runs.folders import FIT, RunFolder

LOGGER: dict[str, Any] = {
    "class_path": "lightning.pytorch.loggers.TensorBoardLogger",
    "init_args": {"save_dir": "", "name": "log", "default_hp_metric": False},
}
"""The default logger. An empty ``save_dir`` is the folder of the run; another logger takes it over."""
_FOLDERS = ("save_dir", "root_dir")
_UNNAMED = (None, "", "log", "lightning_logs")
_CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"


def follows(trainer: Any) -> bool:
    """Return whether anything that a run writes has no folder in the configuration."""
    callbacks = [each for each in _specs(trainer.callbacks) if _takes_folder(each)]
    default = not callbacks and trainer.enable_checkpointing is not False
    unplaced = any(each.init_args.dirpath is None for each in callbacks)
    return default or unplaced or any(_unplaced(each) for each in _loggers(trainer))


def checkpoint_folders(trainer: Any, default: Path) -> list[str]:
    """Return the folders of all checkpoints, ``default`` where the configuration names none."""
    folders = [each.init_args.dirpath or default for each in _specs(trainer.callbacks) if _takes_folder(each)]
    return [str(folder) for folder in dict.fromkeys(folders or [default])]


def direct(config: Any, command: str, folder: RunFolder) -> None:
    """Write the folders of a run into the configuration of a command."""
    trainer = config.trainer
    trainer.default_root_dir = str(folder.output)
    if trainer.logger is None or trainer.logger is True:
        trainer.logger = _spec(config, LOGGER["class_path"], LOGGER["init_args"])
    for logger in _loggers(trainer):
        _direct_logger(logger, folder)
    callbacks = list(_specs(trainer.callbacks))
    if (
        command == FIT
        and trainer.enable_checkpointing is not False
        and not any(map(_is_checkpoint, callbacks))
    ):
        options = {"dirpath": None, "filename": "last", "enable_version_counter": False}
        callbacks.append(_spec(config, _CHECKPOINT, options))
    for callback in callbacks:
        if _takes_folder(callback) and callback.init_args.dirpath is None:
            callback.init_args.dirpath = str(folder.checkpoints)
    trainer.callbacks = callbacks


def _direct_logger(logger: Any, folder: RunFolder) -> None:
    """Set what has no value of its own: folder, name and version."""
    if not _unplaced(logger):
        return
    options, parameters = logger.init_args, _parameters(logger)
    key = next(name for name in _FOLDERS if name in parameters)
    default = parameters[key].default
    unnamed = options.get("name") in _UNNAMED
    if default is inspect.Parameter.empty:  # it writes to save_dir/name/version
        options[key] = str(folder.run)
        options.name = "" if unnamed else options.name
        options.version = folder.output.name if options.version is None else options.version
        return
    options[key] = str(folder.output / (default or ""))
    for name in ("name", "run_name"):
        if name in parameters and options.get(name) in _UNNAMED:
            options[name] = folder.name


def _spec(config: Any, class_path: str, init_args: dict[str, Any]) -> Any:
    """Return the specification of a class, of the type that the parser uses."""
    kind = type(config)
    return kind(class_path=class_path, init_args=kind(**init_args))


def _specs(value: Any) -> Iterator[Any]:
    """Yield the specifications of one class or of several."""
    for each in value if isinstance(value, list) else [value]:
        if hasattr(each, "class_path"):
            yield each


def _loggers(trainer: Any) -> Iterator[Any]:
    return _specs(trainer.logger)


def _parameters(spec: Any) -> dict[str, inspect.Parameter]:
    cls = import_path(spec.class_path)
    return {} if cls is None else dict(inspect.signature(cls).parameters)


def _unplaced(logger: Any) -> bool:
    """Return whether a logger that writes files has no folder but the default of its class."""
    for name, parameter in _parameters(logger).items():
        if name in _FOLDERS:
            return logger.init_args.get(name) in ("", parameter.default)
    return False


def _takes_folder(callback: Any) -> bool:
    return _is_checkpoint(callback) and "dirpath" in callback.get("init_args", {})


def _is_checkpoint(callback: Any) -> bool:
    """Return whether a callback writes checkpoints; Lightning adds one if there is none."""
    mro = getattr(import_path(callback.class_path), "__mro__", ())
    return any(base.__name__ == "Checkpoint" for base in mro)
