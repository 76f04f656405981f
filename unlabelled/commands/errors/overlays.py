"""Explain a data set that does not fit the configuration that it is laid over."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from unlabelled.commands.errors.suggestions import import_path, known_classes, options_of

_OVERRIDES = ("--data=", "--data.class_path", "--data.pipeline", "--data.init_args.pipeline")
_DEMOS, _OTHERS = ("configs/demo",), ("configs/protocols", "configs/recipes")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the former is in C
_MOST = 3  # names of protocols and recipes in a line


@dataclass(frozen=True)
class _Data:
    """The data module and the pipeline of a configuration, and the file that the latter is from."""

    module: Any
    pipeline: Any
    file: str

    @property
    def needed(self) -> frozenset[str]:
        """Streams of a clip that the pipeline reads; for other samples all that the data module holds."""
        needs = {name: getattr(self.pipeline, f"needs_{name}", None) for name in ("video", "audio")}
        if all(isinstance(need, bool) for need in needs.values()):
            return frozenset(name for name, need in needs.items() if need)
        return _held(self.module)


def misfit(files: Sequence[str], args: Sequence[str] = ()) -> str | None:
    """Return one line if a file names a data set that the configuration before it cannot read, or ``None``.

    Data modules have the attribute ``holds``, and pipelines of clips ``needs_video`` and ``needs_audio``.

    Args:
        files: The configuration files in their order; unreadable ones are left out.
        args: The command line. If it has a data module or a pipeline of its own, nothing is compared.
    """
    if any(arg == "--data" or arg.startswith(_OVERRIDES) for arg in args):
        return None
    before: _Data | None = None
    for file in files:
        spec = _spec(file)
        held = _held_by(spec, before)
        if before is not None and held and not _fits(before, held, _module(spec)):
            return _line(file, held, _module(spec), before)
        before = _over(before, spec, file)
    return None


def _spec(file: str) -> dict[str, Any]:
    """Return the part ``data`` of a file."""
    try:
        content = yaml.load(Path(file).read_text("utf-8"), _LOADER)
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        return {}
    spec = content.get("data") if isinstance(content, dict) else None
    return spec if isinstance(spec, dict) else {}


def _options(spec: dict[str, Any]) -> dict[str, Any]:
    options = spec.get("init_args")
    return options if isinstance(options, dict) else {}


def _module(spec: dict[str, Any]) -> Any:
    path = str(spec.get("class_path", ""))
    return import_path(path if "." in path else f"datamodules.{path}")


def _pipeline(spec: dict[str, Any]) -> Any:
    pipeline = _options(spec).get("pipeline")
    return import_path(str(pipeline.get("class_path", ""))) if isinstance(pipeline, dict) else None


def _held(module: Any) -> frozenset[str]:
    return frozenset(getattr(module, "holds", ()))


def _held_by(spec: dict[str, Any], before: _Data | None) -> frozenset[str]:
    """Return what the data of a file are; nothing if it is unknown, or if the file has its own pipeline.

    A file without a class is for those data modules that have its options.
    """
    if "pipeline" in _options(spec):
        return frozenset()
    if "class_path" in spec:
        return _held(_module(spec))
    options = set(_options(spec))
    if before is None or before.module is None or options <= set(options_of(_path(before.module))):
        return frozenset()
    modules = [name for name in known_classes() if name.startswith("datamodules.")]
    return frozenset().union(
        *(_held(import_path(name)) for name in modules if options <= set(options_of(name)))
    )


def _path(module: Any) -> str:
    return f"{module.__module__}.{module.__qualname__}"


def _over(before: _Data | None, spec: dict[str, Any], file: str) -> _Data | None:
    """Return the data after a file is laid over those before it."""
    if not spec:
        return before
    module, pipeline = _module(spec), _pipeline(spec)
    if before is None or pipeline is not None:
        return _Data(module or (before and before.module), pipeline, file)
    return _Data(module or before.module, before.pipeline, before.file)


def _fits(before: _Data, held: frozenset[str], module: Any) -> bool:
    """Return whether a configuration can read a data set, and has a pipeline if one is required."""
    return before.needed <= held and (before.pipeline is not None or not _requires_pipeline(module))


def _requires_pipeline(module: Any) -> bool:
    inits = [vars(each)["__init__"] for each in getattr(module, "__mro__", ()) if "__init__" in vars(each)]
    parameters = [
        inspect.signature(init).parameters.get("pipeline") for init in inits if inspect.isfunction(init)
    ]
    first = next((each for each in parameters if each is not None), None)
    return first is not None and first.default is inspect.Parameter.empty


def _line(file: str, held: frozenset[str], module: Any, before: _Data) -> str:
    text = f"{file} holds {_words(held)}, {before.file} learns from {_words(before.needed)}"
    if before.needed <= held:
        text = f"{file} requires a pipeline, {before.file} has none"
    return f"{text}; {fitting(held, module)}"


def fitting(held: frozenset[str], module: Any = None) -> str:
    """Return the demos, or else other configurations, that can read what a data set holds.

    Args:
        held: What it holds.
        module: Its data module, which may require a pipeline.
    """
    if demos := _fitting(_DEMOS, held, module):
        return f"demos that fit: {', '.join(path.stem for path in demos)}"
    others = [str(path) for path in _fitting(_OTHERS, held, module)[:_MOST]]
    return "no demo fits" + (f", but {', '.join(others)}" if others else "")


def _fitting(folders: Sequence[str], held: frozenset[str], module: Any) -> list[Path]:
    """Return the configurations in some folders that can read what a data set holds."""
    paths = [path for folder in folders for path in sorted(Path(folder).glob("*.yaml"))]
    found = [(path, _over(None, _spec(str(path)), str(path))) for path in paths]
    return [path for path, data in found if data and data.needed and _fits(data, held, module)]


def _words(names: frozenset[str]) -> str:
    return " and ".join(sorted(names, reverse=True))  # video and audio
