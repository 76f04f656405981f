"""Count what a reader of the repository has to hold in mind: folders, imports between them, lengths.

Run: ``python -m tools.layout [ROOT]``; ``ROOT`` is a checkout, this one by default.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import networkx

PACKAGES = ("lightning_modules", "datamodules", "callbacks", "unlabelled")
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Import:
    """One import of one of our modules by another, as dotted names."""

    importer: str
    imported: str


def modules(root: Path) -> dict[str, Path]:
    """Return the modules of the packages and ``cli`` by dotted name; of a package its ``__init__.py``."""
    files = [root / "cli.py", *(path for name in PACKAGES for path in sorted((root / name).rglob("*.py")))]
    return {_dotted(path.relative_to(root)): path for path in files}


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(root: Path) -> Iterator[Import]:
    """Yield every import between modules of the packages, also those inside functions and by name.

    Imports under ``if TYPE_CHECKING`` count: a reader follows them too.
    """
    known = modules(root)
    for importer, path in known.items():
        for name in _imported_names(ast.parse(path.read_text())):
            target = _longest_known(name, known)
            if target is not None and target != importer:
                yield Import(importer, target)


def _imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if _imports_by_name(func):
                yield name


def _imports_by_name(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def _longest_known(name: str, known: dict[str, Path]) -> str | None:
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name or None


def external_imports(path: Path) -> set[str]:
    """Return the top-level packages that a file imports, also by name."""
    return {name.partition(".")[0] for name in _imported_names(ast.parse(path.read_text()))}


def folder_of(module: str, known: dict[str, Path]) -> str:
    """Return the folder of a module, as a dotted name; ``cli`` for the entry points."""
    if module == "unlabelled.__main__":  # the other entry point
        return "cli"
    return module if known[module].name == "__init__.py" else module.rpartition(".")[0] or module


def folder_graph(root: Path) -> networkx.DiGraph:
    """Return the folders and, as edges, which imports from which.

    What a package's ``__init__.py`` re-exports is not counted: it serves the readers of the package above.
    """
    known, graph = modules(root), networkx.DiGraph()
    graph.add_nodes_from(folder_of(module, known) for module in known)
    for each in imports(root):
        source, target = folder_of(each.importer, known), folder_of(each.imported, known)
        re_export = known[each.importer].name == "__init__.py" and target.startswith(source)
        if source != target and not re_export:
            graph.add_edge(source, target)
    return graph


def counts(root: Path) -> dict[str, object]:
    """Return the counts by name."""
    known, graph = modules(root), folder_graph(root)
    graph.remove_nodes_from([node for node in ("cli",) if node in graph])
    trees = {module: ast.parse(path.read_text()) for module, path in known.items()}
    lengths = [path.read_text().count("\n") for path in known.values() if path.name != "__init__.py"]
    functions = [
        _code_lines(node) for tree in trees.values() for node in ast.walk(tree) if _is_function(node)
    ]
    flat = [path for path in (root / "callbacks").glob("*.py") if path.name != "__init__.py"]
    return {
        "modules": len(lengths),
        "lines": sum(lengths),
        "folders": graph.number_of_nodes(),
        "imports between folders": graph.number_of_edges(),
        "import cycles": [
            sorted(part) for part in networkx.strongly_connected_components(graph) if len(part) > 1
        ],
        "levels": _floors(graph),
        "loose files in unlabelled": len(list((root / "unlabelled").glob("*.py"))) - 1,
        "flat files in callbacks": len(flat),
        "median, longest file": (median(lengths), max(lengths)),
        "median, longest function": (median(functions), max(functions)),
    }


def _floors(graph: networkx.DiGraph) -> int:
    return 1 + networkx.dag_longest_path_length(networkx.condensation(graph))


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _code_lines(function: ast.AST) -> int:
    """Return the number of lines of a function without its docstring."""
    assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    assert function.end_lineno is not None
    lines, first = function.end_lineno - function.lineno + 1, function.body[0]
    match first:
        case ast.Expr(value=ast.Constant(value=str()), end_lineno=int(end), lineno=int(start)):
            lines -= end - start + 1
    return lines


if __name__ == "__main__":
    for what, value in counts(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT).items():
        print(f"{what:28} {value}")
