"""Every attribute that is assigned is read somewhere: else it is a leftover, or misspelt."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from tools.layout import ROOT, modules

FOREIGN = {  # read by the libraries whose objects they belong to
    "_ddp_params_and_buffers_to_ignore",  # torch
    "hamming",  # torchmetrics
    "mtime",  # tarfile
    "bit_rate",  # PyAV, as the next two
    "pix_fmt",
    "thread_count",
    "epilog",  # argparse
    "out_channels",  # torchvision
    "_broadcast_sigterm_tensor",  # Lightning, as the next two
    "_sigterm_notifier_fn",
    "received_sigterm",
    "writeable",  # NumPy
}


def assigned(tree: ast.AST) -> Iterator[str]:
    """Yield the attributes that a file assigns, ``self._x = ...``, and the variables of its classes."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.ClassDef(body=body):
                for item in body:
                    match item:
                        case ast.AnnAssign(target=ast.Name(id=name)):
                            yield name


def read(tree: ast.AST) -> Iterator[str]:
    """Yield the attributes that a file reads, also by ``getattr`` and as names of a pattern or a string."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Load() | ast.Del()):
                yield name
            case ast.Constant(value=str(name)):
                yield name
            case ast.AugAssign(target=ast.Attribute(attr=name)):
                yield name


def leftovers(sources: Mapping[str, str], readers: Mapping[str, str]) -> set[str]:
    """Return the attributes that are assigned and never read, with their module.

    Args:
        sources: The code by module.
        readers: Other code; it counts for public attributes alone.
    """
    trees = {name: ast.parse(source) for name, source in sources.items()}
    known = {name for tree in trees.values() for name in read(tree)}
    public = {name for source in readers.values() for name in read(ast.parse(source))}
    return {
        f"{module}: {name}"
        for module, tree in trees.items()
        for name in assigned(tree)
        if not name.startswith("__") and name not in known and (name.startswith("_") or name not in public)
    }


def test_a_leftover_is_found() -> None:
    stale = (
        "class A:\n    def f(self):\n        self._pass_loader = None\n        return self._pass_loaders\n"
    )
    assert leftovers({"a": stale}, {}) == {"a: _pass_loader"}
    assert leftovers({"a": stale}, {"test": "print(a._pass_loader)"}) == {"a: _pass_loader"}
    assert not leftovers({"a": stale.replace("_loader ", "_loaders ")}, {})
    assert not leftovers({"a": stale, "b": "print(module._pass_loader)"}, {})
    assert leftovers({"a": "class A:\n    size: int\n"}, {}) == {"a: size"}
    assert not leftovers({"a": "class A:\n    size: int\n"}, {"test": "print(a.size)"})


def test_no_attribute_is_assigned_and_never_read() -> None:
    sources = {name: path.read_text() for name, path in modules(ROOT).items()}
    files = [path for folder in ("tests", "benchmarks", "tools") for path in (ROOT / folder).rglob("*.py")]
    found = leftovers(sources, {str(path): path.read_text() for path in files})
    assert not {each for each in found if each.split(": ")[1] not in FOREIGN}
