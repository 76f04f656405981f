"""Files that record the configuration and the environment of a run."""

from __future__ import annotations

import itertools
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning import LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.shared.loggers import log_folder
from unlabelled.checkpoints import DATA_KEY
from unlabelled.environment import describe


class SaveConfig(SaveConfigCallback):
    """Write the configuration and the versions of the software into the log folder of the run.

    The configuration is written as it was given: it does not name the folders of the run, so that another run
    of the file has its own. ``fit`` writes ``config.yaml``, a second ``fit`` into the same folder
    ``config.resume1.yaml``, and so on; another command writes ``config.test.yaml``, then
    ``config.test1.yaml``. For each of them there is a file ``environment*.txt`` with the same suffix. No file
    is overwritten. Checkpoints contain the part ``data`` of the configuration. ``cli.py`` adds this callback.
    """

    def __init__(self, parser: LightningArgumentParser, config: Namespace) -> None:
        # Some loggers have no folder on this machine, and Lightning would stop without one.
        super().__init__(parser, config, save_to_log_dir=False)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the data module of the configuration, whose pipeline the encoders need for other files."""
        checkpoint[DATA_KEY] = self._data

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Choose a file name that is not in use, and write both files; called on rank 0 only."""
        folder = log_folder(trainer)
        folder.mkdir(parents=True, exist_ok=True)
        suffix = _free_suffix(folder, TrainerFn(stage).value)
        (folder / f"config{suffix}.yaml").write_text(self._text, encoding="utf-8")
        (folder / f"environment{suffix}.txt").write_text(describe(), encoding="utf-8")

    @cached_property
    def _text(self) -> str:
        text: str = self.parser.dump(self.config, skip_unset=False)
        return text

    @cached_property
    def _data(self) -> Any:
        return yaml.safe_load(self._text).get("data")


def _free_suffix(folder: Path, command: str) -> str:
    """Return the first of ``""``, ``.resume1``, ... or of ``.test``, ``.test1``, ... that is not in use."""
    first, repeated = ("", ".resume") if command == "fit" else (f".{command}", f".{command}")
    names = itertools.chain([first], (f"{repeated}{number}" for number in itertools.count(1)))
    return next(name for name in names if not (folder / f"config{name}.yaml").is_file())
