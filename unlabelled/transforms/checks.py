"""Checks of arguments, with uniform messages.

``owner`` is the object that has the arguments, or its name.
"""

from __future__ import annotations

from collections.abc import Sequence


def _name(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__


def check_probability(owner: object, **values: float) -> None:
    """Raise ValueError for a value outside 0 to 1."""
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{_name(owner)}: {name}={value} is a probability and must be from 0 to 1")


def check_at_least(owner: object, least: float, **values: float) -> None:
    """Raise ValueError for a value below ``least``."""
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{_name(owner)}: {name}={value} must be at least {least:g}")


def check_positive(owner: object, **values: float) -> None:
    """Raise ValueError for a value that is not above 0."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{_name(owner)}: {name}={value} must be above 0")


def check_range(owner: object, **bounds: tuple[float, float]) -> None:
    """Raise ValueError for bounds that are not positive or not in ascending order."""
    for name, (low, high) in bounds.items():
        if not 0 < low <= high:
            raise ValueError(
                f"{_name(owner)}: {name}={[low, high]} must be [smallest, largest], both above 0"
            )


def check_normalisation(owner: object, mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise ValueError unless there are three means and three positive standard deviations."""
    if len(mean) != 3 or len(std) != 3 or not min(std) > 0:
        raise ValueError(
            f"{_name(owner)}: mean={list(mean)} and std={list(std)} must have one number for each of "
            "red, green and blue, those of std above 0"
        )


def check_num_views(owner: object, name: str, count: int) -> None:
    """Raise ValueError for fewer than two views."""
    if count < 2:
        raise ValueError(
            f"{_name(owner)}: {name} has {count} view(s), but needs two or more: that of the target network "
            "and those of the online network"
        )


def check_min_seconds(owner: object, min_seconds: float | None, span: float) -> float:
    """Return the smallest duration of a usable file, at most ``span``, that of a clip; ``None``: ``span``.

    Raises:
        ValueError: It is not above 0.
    """
    if min_seconds is None:
        return span
    check_positive(owner, min_seconds=min_seconds)
    return min(min_seconds, span)
