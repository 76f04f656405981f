"""Start a method, or its encoders alone, from a file of weights in any known key layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unlabelled.foreign_files import read_weights
from unlabelled.layouts import LAYOUTS

_COUNTER = "num_batches_tracked"  # of BatchNorm; files of old code lack it, and only momentum=None reads it
_RENEWED = (
    "queues.",
    "target.",
)  # features of another run's samples; a copy of the online network at the start
_GROUPS = 8  # that a line names


class Match(NamedTuple):
    """Division of the weights of a file into those that a method takes and others.

    Attributes:
        layout: Name of the key layout.
        taken: Weights by the method's keys.
        unfit: Description of the shapes of weights that do not fit, by the method's keys.
        absent: The method's keys that the file lacks.
        left: Keys of the file that the method does not take.
    """

    layout: str
    taken: dict[str, Tensor]
    unfit: dict[str, str]
    absent: list[str]
    left: list[str]


def load_encoders(
    encoders: nn.ModuleDict, source: str | Mapping[str, str], option: str = "encoder_checkpoint"
) -> list[str]:
    """Load the weights of encoders from a file in any layout of :data:`unlabelled.layouts.LAYOUTS`.

    Args:
        encoders: Encoders by modality.
        source: A file that has all of them, whole. Or a file for each of some modalities; the encoders of
            the other modalities keep their weights.
        option: The option that names the file, for messages.

    Returns: Lines that describe what was taken and left.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A modality has no encoder; or a file lacks a weight of its encoders, or has one of another
            shape.
    """
    if isinstance(source, str):
        return _load_whole(encoders, source, option)
    described = []
    for name, path in source.items():
        if name not in encoders:
            raise ValueError(f"{option}: there is no encoder of {name!r}; name {' or '.join(encoders)}")
        described += _load_whole(nn.ModuleDict({name: encoders[name]}), path, option)
    return described


def load_weights(method: nn.Module, encoders: nn.ModuleDict, path: str) -> list[str]:
    """Load all weights of a method that a file has, but queues and the target network.

    Args:
        method: The method.
        encoders: Its encoders, by modality.
        path: A file in any layout of :data:`unlabelled.layouts.LAYOUTS`.

    Returns: Lines that describe what was taken, what did not fit, what the file lacks and what was left.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file has no weight that fits, or one that is not finite.
    """
    option = "weights"
    found = match_weights(method, dict(encoders.items()), read_weights(path, option))
    if not _num_weights(found):
        raise ValueError(_nothing(option, path, method, found))
    return _take(option, path, method, found)


def match_weights(
    method: nn.Module, encoders: Mapping[str, nn.Module], stored: Mapping[str, Tensor]
) -> Match:
    """Return what a method takes from the weights of a file, in the layout that fits most of them.

    A weight fits if its shape is that of the method's, dimensions of size 1 aside.

    Args:
        method: The method.
        encoders: Its encoders, by modality.
        stored: The weights by the keys of the file.
    """
    wanted = {key: value for key, value in method.state_dict().items() if not key.startswith(_RENEWED)}
    matches = []
    for layout in LAYOUTS:
        prepared = layout.prepare(stored)
        matches.append(_match(layout.name, layout.place(prepared, encoders), wanted, prepared))
    return max(matches, key=lambda match: (_num_weights(match), len(match.unfit)))


def _num_weights(match: Match) -> int:
    """Return the number of weights that are taken; counters fit everywhere."""
    return sum(not key.endswith(_COUNTER) for key in match.taken)


def _match(
    layout: str, places: Mapping[str, str], wanted: Mapping[str, Tensor], stored: Mapping[str, Tensor]
) -> Match:
    taken, unfit, left = {}, {}, []
    for key, value in stored.items():
        place = places.get(key, "")
        if place not in wanted:
            left.append(key)
        elif _sizes(value) == _sizes(wanted[place]):
            taken[place] = value.reshape(wanted[place].shape)
        else:
            unfit[place] = f"{tuple(value.shape)} there, {tuple(wanted[place].shape)} here"
    absent = [key for key in wanted if key not in taken and key not in unfit]
    return Match(layout, taken, unfit, [key for key in absent if not key.endswith(_COUNTER)], left)


def _sizes(value: Tensor) -> list[int]:
    return [size for size in value.shape if size != 1]


def _load_whole(encoders: nn.ModuleDict, path: str, option: str) -> list[str]:
    holder = nn.ModuleDict({"encoders": encoders})
    if not holder.state_dict():
        return [f"{option} {path}: the encoders have no weights"]
    found = match_weights(holder, dict(encoders.items()), read_weights(path, option))
    if not (_num_weights(found) or found.unfit):
        raise ValueError(_nothing(option, path, holder, found))
    if found.unfit or found.absent:
        key = next(iter(found.unfit or found.absent))
        what = found.unfit.get(key, "nothing there")
        others = len(found.unfit) + len(found.absent) - 1
        misfits = f"{key} and {others} more do not fit" if others else f"{key} does not fit"
        raise ValueError(
            f"{option} {path!r} (layout of {found.layout}): {misfits}: {what}; name a checkpoint with the "
            "same encoders"
        )
    return _take(option, path, holder, found)


def _nothing(option: str, path: str, method: nn.Module, found: Match) -> str:
    misfit = next(iter(found.unfit.items()), None)
    example = f"{misfit[0]} is {misfit[1]}" if misfit else f"it has {_summary(found.left)}"
    expected = next(iter(method.state_dict()), "weights")
    return f"{option} {path!r}: no weight of the file fits: {example}; expected weights such as {expected}"


@torch.no_grad()
def _take(option: str, path: str, method: nn.Module, found: Match) -> list[str]:
    for key, value in found.taken.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise ValueError(
                f"{option} {path!r}: {key} is not finite: its run has diverged; give another file"
            )
    method.load_state_dict(found.taken, strict=False)
    return [f"{option} {path}: {line}" for line in _lines(found)]


def _lines(found: Match) -> list[str]:
    """Describe a match: what was taken, what did not fit, what keeps its initial weights, what was left."""
    total = len(found.taken) + len(found.unfit) + len(found.absent)
    described = [f"layout of {found.layout}: took {len(found.taken)} of {total}: {_summary(found.taken)}"]
    if found.unfit:
        unfit = ", ".join(f"{key} ({what})" for key, what in list(found.unfit.items())[:_GROUPS])
        more = len(found.unfit) - _GROUPS
        described.append(f"did not fit: {unfit}{f' and {more} more' * (more > 0)}")
    if found.absent:
        described.append(f"not in the file, initial weights: {_summary(found.absent)}")
    if found.left:
        described.append(f"left in the file: {_summary(found.left)}")
    return described


def _summary(keys: Iterable[str]) -> str:
    """Return the beginnings of keys and how many have each.

    >>> _summary(["encoders.image.trunk.0.weight", "encoders.image.trunk.1.bias", "queue"])
    'encoders.image (2), queue (1)'
    """
    counts = Counter(_group(key) for key in keys)
    named = [f"{name} ({count})" for name, count in counts.most_common(_GROUPS)]
    return ", ".join([*named, *([f"{len(counts) - _GROUPS} more"] if len(counts) > _GROUPS else [])])


def _group(key: str) -> str:
    return ".".join(key.split(".")[: 2 if key.startswith("encoders.") else 1])
