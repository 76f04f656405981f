"""Check that YAML files can be read, and that no mapping names a key twice, which YAML readers let pass.

Run: ``python -m tools.check_yaml FILE ...``; without files, all that git tracks.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tools.layout import ROOT


class UniqueKeyLoader(yaml.SafeLoader):
    """Read YAML whose mappings name each key once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping.

        Raises:
            yaml.constructor.ConstructorError: A key is named twice.
        """
        keys = [self.construct_object(key, deep) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"{twice[0]!r} is named twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


def mistakes(paths: list[Path]) -> list[str]:
    """Return one line for each file that is not YAML."""
    found = []
    for path in paths:
        try:
            list(yaml.load_all(path.read_text(encoding="utf-8"), UniqueKeyLoader))
        except yaml.YAMLError as error:
            found.append(f"{path}: {' '.join(str(error).split())}")
    return found


def tracked() -> list[Path]:
    """Return the YAML files that git tracks."""
    command = ["git", "-C", str(ROOT), "ls-files", "*.yaml", "*.yml"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines()]


if __name__ == "__main__":
    lines = mistakes([Path(name) for name in sys.argv[1:]] or tracked())
    print("\n".join(lines))
    sys.exit(1 if lines else 0)
