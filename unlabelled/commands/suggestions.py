"""What the user may have meant: the nearest right name of an option, a class or a module."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

# Packages in which a class that a config may name is looked for, when nothing else says where to look.
_ROOTS = ("lightning_modules", "datamodules", "callbacks", "unlabelled", "torch.optim")
_NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that looks most like ``name``, if one looks like it at all."""
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def hint(name: str, candidates: Sequence[str], show: int = 12) -> str:
    """Return ``; did you mean ...?``, else ``; there are ...``, else (too many to list) nothing."""
    near = nearest(name, candidates)
    if near is not None:
        return f"; did you mean {near}?"
    return f"; there are {', '.join(candidates)}" if 0 < len(candidates) <= show else ""


def options_of(class_path: str) -> list[str]:
    """Return the names of the options of a class, those that its base classes take as ``**kwargs`` too.

    Args:
        class_path: Dotted path of a class or a function; of anything else there are no options.
    """
    target = import_path(class_path)
    names: dict[str, None] = {}
    for function in _constructors(target):
        parameters = list(inspect.signature(function).parameters.values())
        names |= dict.fromkeys(each.name for each in parameters if each.kind in _NAMED)
        if all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in parameters):
            break
    names.pop("self", None)
    return list(names)


def _constructors(target: Any) -> Iterator[Any]:
    if not inspect.isclass(target):
        yield from [target] if callable(target) else []
        return
    for base in target.__mro__:
        if inspect.isfunction(init := base.__dict__.get("__init__")):
            yield init


def import_path(path: str) -> Any | None:
    """Return what a dotted path names, or ``None``."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None) if module else None
    except ImportError:
        return None


def public_path(cls: type) -> str:
    """Return the shortest dotted path under which a class can be imported: that of a package's export."""
    parts = cls.__module__.split(".")
    for length in range(1, len(parts)):
        package = ".".join(parts[:length])
        if getattr(sys.modules.get(package), cls.__name__, None) is cls:
            return f"{package}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def abstract_methods(cls: Any) -> list[str]:
    """Return the methods that a class leaves to its subclasses, whether or not it derives from ``ABC``."""
    members = [(name, inspect.getattr_static(cls, name)) for name in dir(cls) if not name.startswith("__")]
    return [name for name, member in members if getattr(member, "__isabstractmethod__", False)]


def subclasses(base: type) -> list[str]:
    """Return the public paths of all imported, concrete subclasses of ``base``: ours first, each A to Z."""
    found, todo = {base}, [base]
    while todo:
        new: set[type] = set(type.__subclasses__(todo.pop())) - found
        found |= new
        todo.extend(new)
    concrete = [each for each in found - {base} if not abstract_methods(each)]
    paths = {public_path(each) for each in concrete if not each.__name__.startswith("_")}
    public = (path for path in paths if "<locals>" not in path and "._" not in path)
    return sorted(public, key=lambda path: (not path.startswith(_ROOTS), path))


def classes_in(module: ModuleType) -> list[str]:
    """Return the dotted paths of the public classes of one module."""
    public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    return [f"{module.__name__}.{name}" for name, value in public.items() if inspect.isclass(value)]


def known_classes() -> list[str]:
    """Return the public paths of all classes that this package and ``torch.optim`` have imported."""
    modules = [
        module
        for name, module in list(sys.modules.items())
        if any(name == root or name.startswith(f"{root}.") for root in _ROOTS) and module is not None
    ]
    values = [value for module in modules for name, value in vars(module).items() if not name.startswith("_")]
    mine = [each for each in values if inspect.isclass(each) and each.__module__.startswith(_ROOTS)]
    return sorted({public_path(each) for each in mine})


def nearest_class(path: str, base: type | None = None) -> str | None:
    """Return the path of the class that ``path`` may have meant.

    Args:
        path: Dotted, or a class name alone (then the answer is one, too).
        base: What it should be a subclass of, if that is known.
    """
    module, _, name = path.rpartition(".")
    candidates = subclasses(base) if base is not None else known_classes()
    if not module:
        return nearest(name, [candidate.rpartition(".")[2] for candidate in candidates])
    if module in sys.modules and (near := nearest(path, classes_in(sys.modules[module]))):
        return near
    by_name = {candidate.rpartition(".")[2]: candidate for candidate in candidates}
    near_name = nearest(name, by_name)
    return by_name[near_name] if near_name is not None else nearest(path, candidates)
