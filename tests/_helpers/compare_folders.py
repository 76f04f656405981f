"""The configurations of the comparison, and a copy with a tiny budget."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

CONFIGS = ROOT / "configs" / "compare"


def tiny(root: Path, folder: Path) -> Path:
    """Copy the configurations to ``folder``, with two training steps on the clips below ``root``."""
    shutil.copytree(CONFIGS, folder)
    with Change(folder / "setting.yaml") as content:
        options = content["data"]["init_args"]
        options |= {"root": str(root), "index_workers": 0, "eval_batch_size": 12}
        options["reader"] = {"class_path": "unlabelled.data.media.PyAVReader"}
        content["trainer"]["log_every_n_steps"] = 1
    with Change(folder / "budget.yaml") as content:
        content["trainer"] |= {"max_epochs": 1, "limit_train_batches": 2}
    return folder


class Change:
    """Change the content of a YAML file in a ``with`` block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = yaml.safe_load(path.read_text())

    def __enter__(self) -> dict[str, Any]:
        return self.content

    def __exit__(self, *failure: object) -> None:
        self.path.write_text(yaml.safe_dump(self.content, sort_keys=False))
