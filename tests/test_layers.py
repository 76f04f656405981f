"""Imports run one way: entry points, packages on Lightning, ``unlabelled``, and there folder by folder."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import networkx

from tools.layout import ROOT, Import, external_imports, folder_graph, folder_of, imports, modules

FOLDERS = (
    "unlabelled",
    "unlabelled.nn",
    "unlabelled.encoders",
    "unlabelled.hierarchy",
    "unlabelled.clustering",
    "unlabelled.losses",
    "unlabelled.metrics",
    "unlabelled.transforms",
    "unlabelled.data",
    "unlabelled.data.media",
    "unlabelled.data.lists",
    "unlabelled.data.features",
    "unlabelled.pipelines",
    "unlabelled.data.datasets",
    "unlabelled.data.real",
    "unlabelled.data.synthetic",
    "unlabelled.data.synthetic.embedded",
    "unlabelled.data.synthetic.composed",
    "unlabelled.data.synthetic.drawn",
    "unlabelled.data.synthetic.embedded_features",
    "unlabelled.visualization",
    "unlabelled.page",
    "unlabelled.contracts",
    "lightning_modules",
    "datamodules",
    "callbacks.shared",
    "callbacks.training",
    "callbacks.figures",
    "callbacks.evaluation",
    "callbacks.export",
    "callbacks",
    "unlabelled.commands.errors",
    "unlabelled.commands.runs",
    "unlabelled.commands",
    "unlabelled.commands.hierarchy",
    "unlabelled.commands.page",
    "unlabelled.commands.discover",
    "unlabelled.commands.compare",
    "unlabelled.commands.sweep",
    "cli",
)
"""All folders with code, from the bottom up: a module imports from its own and from those before it."""

UPSTAIRS = {"lightning_modules", "datamodules", "callbacks"}
STARTS_THE_PROGRAM = {Import("unlabelled.commands.compare.worker", "cli")}
"""Commands that run ``cli.main`` as a user would."""

KNOWN = modules(ROOT)
EDGES = [each for each in imports(ROOT) if each not in STARTS_THE_PROGRAM]


def is_re_export(edge: Import) -> bool:
    """Return whether a package shows under its own name what a folder inside it has."""
    return KNOWN[edge.importer].name == "__init__.py" and edge.imported.startswith(f"{edge.importer}.")


def test_every_folder_is_listed() -> None:
    assert {folder_of(module, KNOWN) for module in KNOWN} == set(FOLDERS)


def test_imports_run_down_only() -> None:
    floor = {name: number for number, name in enumerate(FOLDERS)}
    assert len(EDGES) > 1000
    assert not {
        f"{edge.importer} imports {edge.imported}"
        for edge in EDGES
        if floor[folder_of(edge.imported, KNOWN)] > floor[folder_of(edge.importer, KNOWN)]
        and not is_re_export(edge)
    }


def test_there_is_no_cycle_of_folders() -> None:
    assert networkx.is_directed_acyclic_graph(folder_graph(ROOT))


def test_methods_data_modules_and_callbacks_do_not_import_each_other() -> None:
    def package(module: str) -> str:
        return module.partition(".")[0]

    assert not {
        f"{edge.importer} imports {edge.imported}"
        for edge in EDGES
        if {package(edge.importer), package(edge.imported)} <= UPSTAIRS
        and package(edge.importer) != package(edge.imported)
    }


def test_unlabelled_imports_no_lightning() -> None:
    lightning = {"lightning", "pytorch_lightning"}
    found = {
        module: names
        for module, path in KNOWN.items()
        if module.startswith("unlabelled") and (names := lightning & external_imports(path))
    }
    assert not found
    assert lightning & external_imports(ROOT / "cli.py")


def test_an_import_by_name_counts(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("from importlib import import_module\nimport_module('lightning.pytorch')\n")
    assert external_imports(path) >= {"lightning"}


def test_there_are_no_relative_imports() -> None:
    """They would hide from the tests above."""
    assert not {
        module
        for module, path in KNOWN.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    }


def test_only_entry_points_import_commands() -> None:
    importers = {
        edge.importer
        for edge in EDGES
        if edge.imported.startswith("unlabelled.commands")
        and not edge.importer.startswith("unlabelled.commands")
    }
    assert importers == {"cli", "unlabelled.__main__"}


def words(path: Path) -> Iterator[str]:
    """Yield the identifiers and the strings of a file, without docstrings, which may name sources."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    documentation = [node.value for node in nodes if isinstance(node, ast.Expr)]
    for node in nodes:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                yield name
            case ast.Constant(value=str(text)) if node not in documentation:
                yield text


BASES = {"BaseModule", "Classifier", "ClusterPredictor", "MomentumContrast", "Pretrained", "SelfLabelled"}


def test_nothing_beside_the_methods_names_a_method() -> None:
    import lightning_modules

    names = [name for name in lightning_modules.__all__ if name not in BASES]
    assert {"SeLaVi", "GDT", "SHHC"} <= set(names)
    pattern = re.compile(rf"\b({'|'.join(names)})\b")
    files = [ROOT / "cli.py", *(ROOT / "callbacks").rglob("*.py"), *(ROOT / "datamodules").rglob("*.py")]
    assert pattern.search("callbacks for SeLaVi")
    assert not {
        f"{path.relative_to(ROOT)}: {word}" for path in files for word in words(path) if pattern.search(word)
    }
