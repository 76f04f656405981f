"""Localise the ordered steps of a task in a video, and measure the recall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ordered_steps(scores: NDArray[np.floating]) -> NDArray[np.int64]:
    """Assign exactly one second to each step, in strictly ascending order, with the largest sum of scores.

    At ties the last step takes its first possible second, then the step before it, and so on.

    Args:
        scores: ``(T, K)``, of second t and step k.

    Returns:
        ``(K,)``, the steps' seconds.

    Raises:
        ValueError: Another shape, no step, fewer seconds than steps, or a score that is not finite.

    Source: inference of DmZhukov/CrossTask, dp.pyx, but also correct for T = K;
    docs/methods/sspc.md#step-localisation.
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
    """Return the number of annotated steps that are found, and the number of annotated steps.

    Args:
        seconds: ``(K,)``, the predicted second of each step.
        annotated: ``(T, K)``, whether second t lies within step k; a step without any is not in the video.
    """
    found = annotated[seconds, np.arange(annotated.shape[1])]
    return int(found.sum()), int(annotated.any(0).sum())


def video_mean_recall(hits: NDArray[np.int64], steps: NDArray[np.int64], tasks: NDArray[np.int64]) -> float:
    """Return the recall as in MCN: mean over the videos of a task, then over tasks.

    Args:
        hits: ``(V,)``, steps that were found in each video.
        steps: ``(V,)``, annotated steps of each video; a video without any does not count.
        tasks: ``(V,)``, the task of each video; a task without such a video does not count.

    Raises:
        ValueError: No video has an annotated step.

    Source: brian7685/Multimodal-Clustering-Network, eval_cross.py; DmZhukov/CrossTask, train.py for
    :func:`pooled_recall`; docs/methods/sspc.md#step-localisation.
    """
    hits, steps, tasks = _shown(hits, steps, tasks)
    return _mean_over_tasks(hits / steps, np.ones_like(hits), tasks)


def pooled_recall(hits: NDArray[np.int64], steps: NDArray[np.int64], tasks: NDArray[np.int64]) -> float:
    """Return the recall as in CrossTask: over all steps of the videos of a task, then mean over tasks.

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
