"""Files that record the configuration and the environment of a run."""

from __future__ import annotations

import itertools
import os
from typing import Any

import yaml
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.cloud_io import get_filesystem
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.trainer.states import TrainerFn

from unlabelled.checkpoints import DATA_KEY
from unlabelled.environment import describe


class SaveConfig(SaveConfigCallback):
    """Write the resolved configuration and the versions of the software into the log folder of the run.

    ``fit`` writes ``config.yaml``, a second ``fit`` into the same folder ``config.resume1.yaml``, and so on;
    another command writes ``config.test.yaml``, then ``config.test1.yaml``. For each of them there is a file
    ``environment*.txt`` with the same suffix. No file is overwritten. Checkpoints contain the part ``data``
    of the configuration. ``cli.py`` adds this callback.
    """

    folder: str | None = None
    _data: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Choose a file name that is not in use, and save the configuration."""
        self.folder = trainer.log_dir  # a broadcast, hence on all ranks
        if trainer.is_global_zero and not self.already_saved and self.folder is not None:
            command = TrainerFn(stage).value
            self.config_filename = f"config{_free_suffix(self.folder, command)}.yaml"
        super().setup(trainer, pl_module, stage)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the data module of the configuration, whose pipeline the encoders need for other files."""
        if self._data is None:
            self._data = yaml.safe_load(self.parser.dump(self.config, skip_none=False)).get("data")
        checkpoint[DATA_KEY] = self._data

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the environment; called on rank 0 only."""
        if self.folder is not None:
            name = self.config_filename.replace("config", "environment", 1).replace(".yaml", ".txt")
            with get_filesystem(self.folder).open(os.path.join(self.folder, name), "w") as file:
                file.write(describe())


def _free_suffix(folder: str, command: str) -> str:
    """Return the first of ``""``, ``.resume1``, ... or of ``.test``, ``.test1``, ... that is not in use."""
    first, repeated = ("", ".resume") if command == "fit" else (f".{command}", f".{command}")
    names = itertools.chain([first], (f"{repeated}{number}" for number in itertools.count(1)))
    files = get_filesystem(folder)
    return next(name for name in names if not files.isfile(os.path.join(folder, f"config{name}.yaml")))
