"""Parse a command line as cli.py does, without building or running anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cli

ROOT = Path(__file__).resolve().parents[2]
DEMO = "configs/demo/selavi.yaml"


class Parsed(cli.CLI):
    def _set_seed(self) -> None:
        pass

    def instantiate_classes(self) -> None:
        pass

    def _run_subcommand(self, subcommand: str) -> None:
        pass


def parse(*args: str) -> Any:
    """The resolved configuration of the command ``args[0]``."""
    return Parsed(list(args)).config[args[0]]


def as_dict(config: Any) -> dict[str, Any]:
    """A configuration without the files it came from."""
    return {key: value for key, value in config.as_dict().items() if key != "config"}
