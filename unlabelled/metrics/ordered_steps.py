"""Steps of a task in a video: where they are if they come in order, and how many are found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ordered_steps(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """Give each step exactly one second, in strictly rising order, with the largest sum of scores.

    Of equally good choices the last step takes its first possible second, then the one before it, and so on.

    Args:
        scores: ``(T, K)``, of second t and step k.

    Returns:
        ``(K,)``, the steps' seconds.

    Raises:
        ValueError: Another shape, no step, fewer seconds than steps, or a score that is not finite.

    Source: reference sspc.md section 3.4 (CrossTask's inference; unlike its code also right for T = K).
    """
    _check(scores)
    sums = [scores[:, 0].astype(np.float64)]  # best sum with step k in second t
    for step in scores.T[1:]:
        earlier = np.maximum.accumulate(sums[-1])[:-1]
        sums.append(np.concatenate([[-np.inf], step[1:] + earlier]))
    seconds = np.empty(len(sums), dtype=np.int64)
    end = len(scores)
    for step_index in reversed(range(len(sums))):
        end = seconds[step_index] = int(sums[step_index][:end].argmax())
    return seconds


def step_hits(seconds: NDArray[np.int64], annotated: NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many of the steps that a video shows are found, and how many it shows.

    Args:
        seconds: ``(K,)``, where each step was found.
        annotated: ``(T, K)``, whether second t lies within step k; no second of a step: it is not shown.
    """
    found = annotated[seconds, np.arange(annotated.shape[1])]
    return int(found.sum()), int(annotated.any(0).sum())


def video_mean_recall(hits: NDArray[np.int64], steps: NDArray[np.int64], tasks: NDArray[np.int64]) -> float:
    """Return the mean over tasks of the mean over its videos of their recall, as MCN counts.

    Args:
        hits: ``(V,)``, steps that were found in each video.
        steps: ``(V,)``, steps that each video shows; a video without any does not count.
        tasks: ``(V,)``, each video's task; a task without such a video does not count.

    Raises:
        ValueError: No video shows a step.

    Source: reference sspc.md section 3.4.
    """
    hits, steps, tasks = _shown(hits, steps, tasks)
    return _mean_over_tasks(hits / steps, np.ones_like(hits), tasks)


def pooled_recall(hits: NDArray[np.int64], steps: NDArray[np.int64], tasks: NDArray[np.int64]) -> float:
    """Return the mean over tasks of the share of all its videos' steps that are found, as CrossTask counts.

    Arguments, exception and source as those of :func:`video_mean_recall`.
    """
    hits, steps, tasks = _shown(hits, steps, tasks)
    return _mean_over_tasks(hits, steps, tasks)


def _mean_over_tasks(
    numerators: NDArray[np.floating] | NDArray[np.int64],
    denominators: NDArray[np.int64],
    tasks: NDArray[np.int64],
) -> float:
    _, place = np.unique(tasks, return_inverse=True)
    return float((np.bincount(place, numerators) / np.bincount(place, denominators)).mean())


def _shown(*columns: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    shown = columns[1] > 0
    if not shown.any():
        raise ValueError("steps: no video shows a step of its task; check the annotations")
    return [column[shown] for column in columns]


def _check(scores: NDArray[np.floating]) -> None:
    if scores.ndim != 2 or not scores.shape[1]:
        raise ValueError(f"steps: scores have shape {scores.shape}, expected (seconds, steps)")
    if len(scores) < scores.shape[1]:
        raise ValueError(
            f"steps: {len(scores)} seconds cannot hold {scores.shape[1]} steps, each in a second of its own"
        )
    if not np.isfinite(scores).all():
        raise ValueError("steps: scores are not finite; check the checkpoint and the input data")
