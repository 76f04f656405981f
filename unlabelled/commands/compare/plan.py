"""The methods of a comparison and the configurations of their commands.

A folder has all configurations: ``setting.yaml``; ``methods/*.yaml``, each an overlay for it;
``budget.yaml``, an overlay for both; ``protocols/frozen.yaml``, which evaluates the encoders of every method;
``protocols/clusters.yaml`` and ``localisation.yaml``, overlays for methods that predict clusters or localise;
``notes.md``, the text below the table. A new file in ``methods`` adds a method.
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
OWN_PROTOCOLS = {"clusters": "log_probs", "localisation": "localise"}
"""By protocol, the attribute of the methods that it evaluates, of ``PredictsClusters`` and ``Localises``."""

Node = dict[str, Any]


@dataclass(frozen=True)
class Method:
    """A method, one row of the table.

    Args:
        path: Its configuration; the comment in the first line is its title.
    """

    path: Path

    @property
    def name(self) -> str:
        """The name of its file and of its output folder."""
        return self.path.stem

    @property
    def title(self) -> str:
        """The title of its row."""
        first = self.path.read_text(encoding="utf-8").partition("\n")[0]
        return first.removeprefix("#").strip() if first.startswith("#") else self.name

    @cached_property
    def content(self) -> Node:
        """The configuration."""
        return read(self.path)

    @property
    def trains(self) -> bool:
        """False for ``max_epochs: 0``, the method of untrained encoders."""
        return bool(self.content.get("trainer", {}).get("max_epochs") != 0)

    @property
    def modalities(self) -> list[str]:
        """The modalities of its encoders, in the order of the file."""
        found = [import_path(node["class_path"]) for node in nodes(self.content["model"])]
        return [cls.modality for cls in found if cls is not None and hasattr(cls, "modality")]

    @property
    def own_protocols(self) -> list[str]:
        """The protocols of ``OWN_PROTOCOLS`` that evaluate it."""
        cls = import_path(self.content["model"]["class_path"])
        return [name for name, attribute in OWN_PROTOCOLS.items() if self.trains and hasattr(cls, attribute)]


@dataclass(frozen=True)
class Plan:
    """All methods, and the files that they share.

    Args:
        folder: The folder of configurations.
        data: A configuration of another data set, laid over ``setting.yaml``; None: the one of that file.
    """

    folder: Path
    data: Path | None = None

    @property
    def methods(self) -> list[Method]:
        """All methods, sorted by title, the untrained encoders first.

        Raises:
            FileNotFoundError: There is none.
        """
        found = [Method(path) for path in (self.folder / "methods").glob("*.yaml")]
        if not found:
            raise FileNotFoundError(f"there is no methods/*.yaml in {str(self.folder)!r}; set --configs")
        return sorted(found, key=lambda method: (method.trains, method.title.lower()))

    def method(self, name: str) -> Method:
        """Return the method with a name.

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
        """The text below the table, in Markdown."""
        path = self.folder / "notes.md"
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""

    @property
    def epochs(self) -> int:
        """The number of epochs of each method."""
        return int(read(self.folder / "budget.yaml")["trainer"]["max_epochs"])

    @property
    def setting(self) -> list[Path]:
        """The base of every command: ``setting.yaml``, and the data set."""
        return [self.folder / "setting.yaml", *([] if self.data is None else [self.data])]

    def fit_options(self, method: Method) -> list[str]:
        """Return the options of ``fit``, and of a ``test`` of the method itself."""
        return [f"--config={path}" for path in self._fit_files(method)]

    def frozen(self, method: Method) -> Node:
        """Return the protocol for frozen encoders, without the modalities that a method lacks."""
        protocol: Node = without_modalities(read(self._protocol(FROZEN)), set(method.modalities))
        return protocol if method.trains else {**protocol, "model": method.content["model"]}

    def own_options(self, name: str) -> list[str]:
        """Return the options that add one of ``OWN_PROTOCOLS`` to a method."""
        return [f"--config={self._protocol(name)}"]

    def fit_fingerprint(self, method: Method) -> str:
        """Return a hash of the files on which the training depends."""
        return _hash(self._fit_files(method))

    def fingerprint(self, method: Method) -> str:
        """Return a hash of the files on which the result depends."""
        protocols = [self._protocol(name) for name in (FROZEN, *method.own_protocols)]
        return short_hash(self.fit_fingerprint(method) + _hash(protocols))

    def _fit_files(self, method: Method) -> list[Path]:
        return [*self.setting, method.path, self.folder / "budget.yaml"]

    def _protocol(self, name: str) -> Path:
        return self.folder / "protocols" / f"{name}.yaml"


def read(path: Path) -> Node:
    """Return the content of a YAML file."""
    content: Node = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def nodes(node: Any) -> Iterator[Node]:
    """Yield all mappings at and below a node that have a ``class_path``.

    >>> content = {"model": {"class_path": "A", "init_args": {"encoders": [{"class_path": "B"}]}}}
    >>> [each["class_path"] for each in nodes(content)]
    ['A', 'B']
    """
    if isinstance(node, dict):
        if "class_path" in node:
            yield node
        node = list(node.values())
    for each in node if isinstance(node, list) else []:
        yield from nodes(each)


def without_modalities(node: Any, present: set[str]) -> Any:
    """Return a copy whose lists lack the classes for a modality that is not in ``present``."""
    if isinstance(node, dict):
        return {key: without_modalities(value, present) for key, value in node.items()}
    if isinstance(node, list):
        return [without_modalities(each, present) for each in node if _modality(each) in {None, *present}]
    return node


def _modality(node: Any) -> str | None:
    """Return the modality of a class, from its options or its attribute; None: no modality."""
    if not isinstance(node, dict) or "class_path" not in node:
        return None
    option = node.get("init_args", {}).get("modality")
    modality: str | None = option or getattr(import_path(node["class_path"]), "modality", None)
    return modality


def _hash(paths: list[Path]) -> str:
    return short_hash(repr([path.read_text(encoding="utf-8") for path in paths]))
