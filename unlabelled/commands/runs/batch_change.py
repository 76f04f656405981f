"""State what another number of processes changes in a recipe: the batch, BatchNorm, the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the former is in C

_COMPARING = "losses that compare samples"  # they see the samples of one batch of all processes


@dataclass(frozen=True)
class _Step:
    """The samples of one step.

    Attributes:
        batch_size: Samples of one process.
        processes: Number of processes.
        accumulated: Batches of one step.
        synchronised: Whether BatchNorm is over the samples of all processes.
    """

    batch_size: int
    processes: int
    accumulated: int
    synchronised: bool

    @property
    def samples(self) -> int:
        """Number of samples of a step."""
        return self.batch_size * self.processes * self.accumulated

    @property
    def normalised(self) -> int:
        """Number of samples over which BatchNorm is."""
        return self.batch_size * (self.processes if self.synchronised else 1)


def batch_change(files: Sequence[str], config: Any) -> str | None:
    """Return one line if a run has other steps than the first of its files that names a model, or ``None``.

    Args:
        files: The configuration files in their order; unreadable ones are left out.
        config: The parsed options of the run, with ``trainer``, ``data`` and ``model``.
    """
    recipe = next((spec for spec in map(_read, files) if "model" in spec and "data" in spec), None)
    size = _options(config["data"]).get("batch_size")
    if recipe is None or not isinstance(size, int):
        return None
    own_size = _options(recipe["data"]).get("batch_size", size)
    before = _step(recipe.get("trainer") or {}, own_size)
    now = _step(config["trainer"], size)
    if before is None or now is None:
        return None
    if (before.samples, before.normalised) == (now.samples, now.normalised):
        return None
    return _line(before, now, _options(config["model"]))


def _line(before: _Step, now: _Step, model: dict[str, Any]) -> str:
    changes = []
    if before.samples != now.samples:
        changes.append(f"a step has {now.samples} samples instead of {before.samples}")
        scaled = model.get("lr_batch_size") is not None
        changes.append("the learning rate is scaled" if scaled else "the learning rate is not scaled")
    if before.normalised != now.normalised:
        changes.append(f"BatchNorm is over {now.normalised} samples instead of {before.normalised}")
    if before.samples != now.samples and model.get("queue_size"):
        share = before.samples / now.samples
        changes.append(f"the queue holds the keys of {share:g} times as many steps")
    return f"{'; '.join(changes)}. {_advice(before, now)}"


def _advice(before: _Step, now: _Step) -> str:
    """Return the options that keep the batch."""
    size, rest = divmod(before.samples, now.processes * now.accumulated)
    if rest or size == now.batch_size:
        return "As in the recipe: the number of processes and sync_batchnorm of the recipe"
    whole = f"--data.init_args.batch_size {size}"
    steps, rest = divmod(before.samples, now.batch_size * now.processes)
    accumulated = "" if rest or steps < 2 else f"--trainer.accumulate_grad_batches {steps}"
    if replace(now, batch_size=size).normalised == before.normalised:
        less = f"; with less memory, except for BatchNorm and {_COMPARING}: {accumulated}" * bool(accumulated)
        return f"As in the recipe: {whole}{less}"
    if accumulated and now.normalised == before.normalised:
        return f"As in the recipe, except for {_COMPARING}: {accumulated}; except for BatchNorm: {whole}"
    return f"As in the recipe, except for BatchNorm: {whole}"


def _step(trainer: Any, batch_size: int) -> _Step | None:
    """Return the steps of a trainer's options, or ``None`` where the number of processes is not given."""
    counts = [trainer.get(key) or 1 for key in ("devices", "num_nodes", "accumulate_grad_batches")]
    numbers = [int(str(count)) if str(count).isdigit() else 0 for count in counts]
    if min(numbers) < 1:
        return None
    devices, nodes, accumulated = numbers
    return _Step(batch_size, devices * nodes, accumulated, bool(trainer.get("sync_batchnorm")))


def _options(spec: Any) -> dict[str, Any]:
    """Return the arguments of a class, of a YAML file or of jsonargparse's Namespace."""
    return dict((spec.get("init_args") or {}).items()) if spec else {}


def _read(file: str) -> dict[str, Any]:
    try:
        spec = yaml.load(Path(file).read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return spec if isinstance(spec, dict) else {}
