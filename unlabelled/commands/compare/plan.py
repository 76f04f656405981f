"""Which methods a comparison has, and which command lines make it up.

A folder of configurations says it all: ``setting.yaml``, ``methods/*.yaml`` laid over it, ``budget.yaml``
over both; ``protocols/frozen.yaml`` judges the encoders of every method, ``protocols/clusters.yaml`` and
``places.yaml`` what some methods say of themselves; ``notes.md`` stands below the table. A method more is a
file more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from unlabelled.commands.errors.suggestions import hint, import_path
from unlabelled.data.media.storage import short_hash

FROZEN = "frozen"
OWN_PROTOCOLS = {"clusters": "log_probs", "places": "localise"}
"""By the protocol's name, what a method has that keeps the promise: ``PredictsClusters``, ``Localises``."""

Node = dict[str, Any]


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Args:
        path: Its configuration; the first line is its title, as a comment.
    """

    path: Path

    @property
    def name(self) -> str:
        """The name of its file and folder."""
        return self.path.stem

    @property
    def title(self) -> str:
        """What the table calls it."""
        first = self.path.read_text(encoding="utf-8").partition("\n")[0]
        return first.removeprefix("#").strip() if first.startswith("#") else self.name

    @cached_property
    def content(self) -> Node:
        """The configuration."""
        return read(self.path)

    @property
    def trains(self) -> bool:
        """Whether there is anything to fit: not with ``max_epochs: 0``, the random encoders."""
        return bool(self.content.get("trainer", {}).get("max_epochs") != 0)

    @property
    def modalities(self) -> list[str]:
        """What its encoders are of, in the order of the file."""
        found = [import_path(node["class_path"]) for node in nodes(self.content["model"])]
        return [cls.modality for cls in found if cls is not None and hasattr(cls, "modality")]

    @property
    def own_protocols(self) -> list[str]:
        """The protocols for what not every method has."""
        cls = import_path(self.content["model"]["class_path"])
        return [name for name, promised in OWN_PROTOCOLS.items() if self.trains and hasattr(cls, promised)]


@dataclass(frozen=True)
class Plan:
    """All methods, and what they share.

    Args:
        folder: The configurations.
    """

    folder: Path

    @property
    def methods(self) -> list[Method]:
        """In the order of their titles.

        Raises:
            FileNotFoundError: There is none.
        """
        found = [Method(path) for path in (self.folder / "methods").glob("*.yaml")]
        if not found:
            raise FileNotFoundError(
                f"there is no methods/*.yaml in {str(self.folder)!r}, the folder to compare"
            )
        return sorted(found, key=lambda method: (method.trains, method.title.lower()))

    def method(self, name: str) -> Method:
        """Return the one of this name.

        Raises:
            ValueError: There is none.
        """
        methods = {method.name: method for method in self.methods}
        if name not in methods:
            raise ValueError(
                f"there is no method {name!r} in {str(self.folder)!r}{hint(name, list(methods))}"
            )
        return methods[name]

    @property
    def notes(self) -> str:
        """What is to be said below the table, Markdown."""
        path = self.folder / "notes.md"
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    @property
    def epochs(self) -> int:
        """How long each method trains."""
        return int(read(self.folder / "budget.yaml")["trainer"]["max_epochs"])

    def fit_options(self, method: Method) -> list[str]:
        """Return the files of a method's training, and of tests of its own module."""
        files = [self.folder / "setting.yaml", method.path, self.folder / "budget.yaml"]
        return [f"--config={path}" for path in files]

    def frozen(self, method: Method) -> Node:
        """Return the protocol for frozen encoders, cut down to the modalities that a method has."""
        protocol: Node = without_modalities(read(self._protocol(FROZEN)), set(method.modalities))
        return protocol

    def own_options(self, name: str) -> list[str]:
        """Return what is laid over a method for one of its own protocols."""
        return [f"--config={self._protocol(name)}"]

    def fit_fingerprint(self, method: Method) -> str:
        """Return a hash of all that a training depends on in the folder."""
        return _hash([self.folder / "setting.yaml", method.path, self.folder / "budget.yaml"])

    def fingerprint(self, method: Method) -> str:
        """Return a hash of all that a result depends on in the folder."""
        protocols = [self._protocol(name) for name in (FROZEN, *method.own_protocols)]
        return short_hash(self.fit_fingerprint(method) + _hash(protocols))

    def _protocol(self, name: str) -> Path:
        return self.folder / "protocols" / f"{name}.yaml"


def read(path: Path) -> Node:
    """Return the content of a YAML file."""
    content: Node = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def nodes(node: Any) -> Iterator[Node]:
    """Yield all below a node that name a class."""
    if isinstance(node, dict):
        if "class_path" in node:
            yield node
        node = list(node.values())
    for each in node if isinstance(node, list) else []:
        yield from nodes(each)


def without_modalities(node: Any, present: set[str]) -> Any:
    """Return a copy whose lists lack what is for a modality that is not ``present``."""
    if isinstance(node, dict):
        return {key: without_modalities(value, present) for key, value in node.items()}
    if isinstance(node, list):
        return [without_modalities(each, present) for each in node if _modality(each) in {None, *present}]
    return node


def _modality(node: Any) -> str | None:
    """Return what a class is for, by its option or by itself; None: for all."""
    if not isinstance(node, dict) or "class_path" not in node:
        return None
    named = node.get("init_args", {}).get("modality")
    modality: str | None = named or getattr(import_path(node["class_path"]), "modality", None)
    return modality


def _hash(paths: list[Path]) -> str:
    return short_hash(repr([path.read_text(encoding="utf-8") for path in paths]))
