"""Parse a command line as ``cli.py`` does, without creating objects or running a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cli

ROOT = Path(__file__).resolve().parents[2]
DEMO = "configs/demo/selavi.yaml"


class Parsed(cli.CLI):
    def _set_seed(self) -> None:
        pass

    def before_instantiate_classes(self) -> None:
        pass  # no checks of this machine, which may lack a GPU

    def instantiate_classes(self) -> None:
        pass

    def _run_subcommand(self, subcommand: str) -> None:
        pass


def parse(*args: str) -> Any:
    """Return the resolved configuration of the command ``args[0]``."""
    return Parsed(list(args)).config[args[0]]


def as_dict(config: Any) -> dict[str, Any]:
    """Return a configuration without the names of its files."""
    return {key: value for key, value in config.as_dict().items() if key != "config"}
