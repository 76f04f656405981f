"""Suggest the nearest right name of an option, a class or a module."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

# Packages whose classes are suggested when the expected base class is unknown.
_ROOTS = ("lightning_modules", "datamodules", "callbacks", "unlabelled", "torch.optim")
_NAMED = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate most similar to ``name``, or ``None`` if no candidate is similar.

    >>> nearest("NUM_CLUSTER", ["num_heads", "num_clusters"])
    'num_clusters'
    """
    by_lower = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def hint(name: str, candidates: Sequence[str], longest_list: int = 12) -> str:
    """Return the end of an error message about a wrong name.

    Args:
        name: The wrong name.
        candidates: All right names.
        longest_list: Largest number of candidates that are listed if none is similar; with more the hint is
            empty.

    >>> hint("fti", ["fit", "test"])
    '; did you mean fit?'
    >>> hint("zzz", ["fit", "test"])
    '; there are fit, test'
    """
    near = nearest(name, candidates)
    if near is not None:
        return f"; did you mean {near}?"
    return f"; there are {', '.join(candidates)}" if 0 < len(candidates) <= longest_list else ""


def options_of(class_path: str) -> list[str]:
    """Return the names of the options of a class, with those that its ``**kwargs`` pass to base classes.

    Args:
        class_path: Dotted path of a class or a function; anything else has no options.
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
    """Return the object at a dotted path, or ``None`` if there is none."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None) if module else None
    except ImportError:
        return None


def public_path(cls: type) -> str:
    """Return the shortest dotted path of a class: that of the first package that exports it."""
    parts = cls.__module__.split(".")
    for length in range(1, len(parts)):
        package = ".".join(parts[:length])
        if getattr(sys.modules.get(package), cls.__name__, None) is cls:
            return f"{package}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"


def abstract_methods(cls: Any) -> list[str]:
    """Return the abstract methods of a class, which need not derive from ``ABC``."""
    members = [(name, inspect.getattr_static(cls, name)) for name in dir(cls) if not name.startswith("__")]
    return [name for name, member in members if getattr(member, "__isabstractmethod__", False)]


def subclasses(base: type) -> list[str]:
    """Return the public paths of all imported, concrete subclasses of ``base``, sorted, ours first."""
    found, remaining = {base}, [base]
    while remaining:
        new: set[type] = set(type.__subclasses__(remaining.pop())) - found
        found |= new
        remaining.extend(new)
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
    classes = [each for each in values if inspect.isclass(each) and each.__module__.startswith(_ROOTS)]
    return sorted({public_path(each) for each in classes})


def nearest_class(path: str, base: type | None = None) -> str | None:
    """Return the path of the class whose path is most similar, or ``None``.

    Args:
        path: The wrong dotted path, or a wrong class name alone; the result is of the same kind.
        base: The class that the result derives from, if it is known.
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
